//! Who asks, what the servers may take away by themselves, and what cannot be judged of either.
//!
//! Identities belong to a connection: those of the auth packets that were sent on it before, for a
//! server reads them in order. So an auth packet that nobody answered has been read by whoever
//! answered a later request of its connection, too. On its next connection a client sends them
//! again, and most histories tell of that as of any other call; one that does not leaves it open
//! whether it happened ([`Again`]).
//!
//! Assumed is that there is no super user, and that permissions are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{ConnId, SessionId};
use crate::history::{History, Operation, Outcome};
use crate::jute::proto::{Acl, Id};
use crate::verdict::model::tree::{Settings, is_unsearched};
use crate::znode::op::{ErrorCode, Op, Reply};

/// What is believed of identities that a session has proved, but not on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// A connection has those that were proved on it.
    Told,
    /// Its client has proved all of them again, without a word in the history.
    Untold,
}

/// Who is who, call by call.
pub(super) struct Identities {
    again: Again,
    conns: BTreeMap<ConnId, Vec<Id>>,
    sessions: BTreeMap<SessionId, Vec<Id>>,
}

impl Identities {
    pub(super) fn new(again: Again) -> Identities {
        Identities { again, conns: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    /// The next call.
    pub(super) fn take(&mut self, operation: &Operation) {
        let Op::AddAuth { scheme, auth } = &operation.op else { return };
        if scheme != "digest" || matches!(operation.outcome, Outcome::Failed(_)) {
            return;
        }
        let proved = Settings::default().prove(scheme, auth, "").unwrap_or_default();
        let conn = self.conns.entry(operation.conn).or_default();
        let session = self.sessions.entry(operation.session).or_default();
        for id in proved {
            for ids in [&mut *conn, &mut *session] {
                if !ids.contains(&id) {
                    ids.push(id.clone());
                }
            }
        }
    }

    /// Who makes a call.
    pub(super) fn of(&self, operation: &Operation) -> Option<Arc<[Id]>> {
        let mut ids = self.conns.get(&operation.conn).cloned().unwrap_or_default();
        if self.again == Again::Untold {
            let missing = self.lacking(operation).cloned().collect::<Vec<Id>>();
            ids.extend(missing);
        }
        // The same set is the same, in whatever order it was proved.
        ids.sort_by(|a, b| (&a.scheme, &a.id).cmp(&(&b.scheme, &b.id)));
        (!ids.is_empty()).then(|| Arc::from(ids))
    }

    /// What its session has proved before, but its connection has not.
    fn lacking(&self, operation: &Operation) -> impl Iterator<Item = &Id> {
        let conn = self.conns.get(&operation.conn);
        let session = self.sessions.get(&operation.session).into_iter().flatten();
        session.filter(move |id| conn.is_none_or(|ids| !ids.contains(id)))
    }
}

/// How many identities may have been proved again on a connection without a word: each of them is
/// there or is not. None if nobody is ever asked who he is.
pub fn lacking(history: &History) -> usize {
    if !history.operations.iter().any(|operation| is_personal(&operation.op)) {
        return 0;
    }
    let mut identities = Identities::new(Again::Told);
    let mut open: Vec<(ConnId, Id)> = Vec::new();
    for operation in &history.operations {
        identities.take(operation);
        if matches!(operation.op, Op::AddAuth { .. }) {
            continue;
        }
        for id in identities.lacking(operation) {
            let one = (operation.conn, id.clone());
            if !open.contains(&one) {
                open.push(one);
            }
        }
    }
    open.len()
}

/// Tells of each node that a call may have made and the servers may take away.
pub(super) fn for_passing(operation: &Operation, mut told: impl FnMut(String)) {
    let reply = match &operation.outcome {
        Outcome::Ok(reply) => Some(reply),
        Outcome::Failed(_) => return,
        Outcome::Lost | Outcome::Open => None,
    };
    let Op::Multi(parts) = &operation.op else {
        return told_of(&operation.op, reply, &mut told);
    };
    match reply {
        Some(Reply::Multi(results)) => {
            for (part, result) in parts.iter().zip(results) {
                if let Ok(reply) = result {
                    told_of(part, Some(reply), &mut told);
                }
            }
        }
        // Any other answer to a multi is none that a tree gives.
        Some(_) => {}
        None => parts.iter().for_each(|part| told_of(part, None, &mut told)),
    }
}

fn told_of(op: &Op, reply: Option<&Reply>, told: &mut impl FnMut(String)) {
    if let Op::CreateContainer { path, .. } | Op::CreateTtl { path, .. } = op {
        let named = match reply {
            Some(Reply::Created { path, .. }) => path,
            Some(_) | None => path,
        };
        told(named.clone());
    }
}

/// The first operation that no search can judge.
pub fn unjudged(history: &History) -> Option<&Operation> {
    history.operations.iter().find(|operation| !is_judged(operation))
}

fn is_judged(operation: &Operation) -> bool {
    let lost = matches!(operation.outcome, Outcome::Lost | Outcome::Open);
    let failed = match operation.outcome {
        Outcome::Failed(code) => Some(code),
        Outcome::Ok(_) | Outcome::Lost | Outcome::Open => None,
    };
    match &operation.op {
        op if is_unsearched(op) => failed.is_some_and(super::depends_on_more),
        Op::AddAuth { scheme, auth } => match &**scheme {
            // Whoever is super may do anything, and nobody told us who that is.
            "digest" => failed.is_some() || !auth.starts_with(b"super:"),
            "ip" => true,
            // A scheme that only this service has.
            _ => failed.is_some(),
        },
        // A client's is refused, and does nothing; the leader's own are no calls.
        Op::DeleteContainer { .. } => operation.session != SessionId(0),
        op => is_known(op, failed) && !(lost && is_unnamed(op)),
    }
}

/// Whether it is known whom its ACLs let in.
fn is_known(op: &Op, failed: Option<ErrorCode>) -> bool {
    entries(op).all(|entry| match entry.id.scheme.as_deref() {
        None | Some("world" | "digest" | "auth") => true,
        // Where a client is, is not known; but a refusal lets nobody in.
        Some("ip") => failed.is_some(),
        Some(_) => failed == Some(ErrorCode::InvalidAcl),
    })
}

/// Whether an answer may depend on who asks.
fn is_personal(op: &Op) -> bool {
    let scheme = |entry: &Acl| entry.id.scheme.clone().unwrap_or_default();
    *op == Op::WhoAmI || entries(op).any(|entry| scheme(entry) != "world")
}

/// The entries of all ACLs that it sets.
fn entries(op: &Op) -> impl Iterator<Item = &Acl> {
    op.parts().iter().flat_map(Op::acl)
}

/// Whether it makes a node that the servers may take away, and nobody knows what it is called.
fn is_unnamed(op: &Op) -> bool {
    op.parts().iter().any(|part| matches!(part, Op::CreateTtl { sequential: true, .. }))
}
