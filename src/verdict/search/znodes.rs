//! Histories of the znode service, as seen in a run or read from a file, made ready for a search.
//!
//! What has to be ordered are all answered operations that the tree decides, and of the lost ones
//! those that may have had an effect. Refusals that depend on clocks, connections or encodings had
//! none. A session that makes ephemeral nodes may end at any time after: that is a closeSession
//! which nobody answered. So is it a deleteContainer when the servers take away a container or a
//! node with a time to live, which they may do whenever it is empty: clocks are not believed.
//! Watches have no say in the tree; what an answer says of them alone is not judged.
//!
//! **Reads may lag** ([`Reads::Lag`]): writes are linearizable, and each session sees them in that
//! order, never backwards, never before its own, never behind what had returned before its last
//! sync was called. This is ordered sequential consistency of the writes, and it is the same as an
//! order of all operations that keeps each session's order, in which a read takes effect anywhere
//! between its session's last sync or write and its return. So it is asked of the same search.
//! Writes of a session pass through the leader, so a read after one lags no further than behind
//! that.

use std::collections::BTreeMap;

use crate::base::SessionId;
use crate::history::{CallId, History, Outcome};
use crate::znode::op::{ErrorCode, Op};

use super::super::model::Timed;
use super::super::model::znodes::{Answer, Op as Asked, Znodes};
use super::{Found, Limit, Options, Reached};

use rights::{Identities, for_passing};

mod rights;
mod sessions;

pub use rights::{Again, lacking, unjudged};
pub use sessions::{Alone, Each, each, timeless};

/// What reads promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// They take effect between call and return, as writes do.
    Fresh,
    /// They may lag, within what their session saw and asked to be synced.
    Lag,
}

/// A history made ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// What has to be ordered. Processes number the sessions, times are steps. It stands in the
    /// order of the calls: a read that lags began earlier, but what its session called before comes
    /// first.
    pub ops: Vec<Timed<Asked, Answer>>,
    /// Whose call each of them was; `None` for the end of a session that nobody asked for.
    pub calls: Vec<Option<CallId>>,
}

/// Looks for an order. The operations of a session take effect in the order of their calls.
/// Nothing is looked for if there are operations that only the witness judges. A connection has
/// the identities that were proved on it ([`Again::Told`]).
pub fn check(history: &History, reads: Reads, options: &Options) -> (Ready, Found) {
    let ready = ready(history, reads, Again::Told);
    if unjudged(history).is_some() {
        let of = ready.ops.iter().filter(|timed| timed.answer.is_some()).count();
        let reached = Reached { placed: 0, of, nodes: 0, limit: Limit::Model };
        return (ready, Found::Unknown(reached));
    }
    let found = super::check(&Znodes, &ready.ops, &of_sessions(options));
    (ready, found)
}

/// These options, for histories of sessions: several requests of one may be under way at once.
pub fn of_sessions(options: &Options) -> Options {
    Options { in_order: true, ..options.clone() }
}

/// What has to be ordered.
pub fn ready(history: &History, reads: Reads, again: Again) -> Ready {
    let mut all: Vec<(Timed<Asked, Answer>, Option<CallId>)> = Vec::new();
    let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
    let mut identities = Identities::new(again);
    // Nodes that the servers may take away, and since when.
    let mut passing: Vec<(u64, String)> = Vec::new();
    for operation in &history.operations {
        identities.take(operation);
        let known = sessions.len() as u64;
        let new = || Session { number: known, ..Session::default() };
        let session = sessions.entry(operation.session).or_insert_with(new);
        let call = operation.invoked.step;
        let result = match &operation.outcome {
            Outcome::Ok(reply) => Some(Ok(reply.clone())),
            Outcome::Failed(code) if depends_on_more(*code) => continue,
            Outcome::Failed(code) => Some(Err(*code)),
            Outcome::Lost | Outcome::Open => None,
        };
        let is_write = operation.op.is_write();
        let is_sync = matches!(operation.op, Op::Sync { .. });
        let from = if is_write || reads == Reads::Fresh { call } else { session.fresh };
        if result.is_some() && (is_write || is_sync) {
            session.fresh = call;
        }
        if !is_decided(&operation.op) || result.is_none() && !is_write {
            continue;
        }
        if makes_ephemerals(&operation.op) {
            session.owns.get_or_insert(call);
        }
        for_passing(operation, |path| passing.push((call, path)));
        let (session_id, op) = (operation.session, operation.op.clone());
        let asked = Asked { session: session_id, op, who: identities.of(operation) };
        let ret = operation.returned.map_or(u64::MAX, |at| at.step);
        let answer = result.map(|result| Answer { result, zxid: operation.zxid });
        let ret = if answer.is_none() { u64::MAX } else { ret };
        let process = 2 * session.number;
        all.push((Timed { process, call: from, ret, op: asked, answer }, Some(operation.id)));
    }
    // Of a session that owns nothing a lost end does nothing.
    all.retain(|(timed, _)| {
        let is_end = timed.answer.is_none() && timed.op.op == Op::CloseSession;
        !is_end || sessions[&timed.op.session].owns.is_some()
    });
    for (id, session) in &sessions {
        let Some(from) = session.owns else { continue };
        let op = Asked::new(*id, Op::CloseSession);
        // Not in the order of its session: nobody called it.
        let process = 2 * session.number + 1;
        all.push((Timed::lost(process, from, op), None));
    }
    // Each that was made may go once, and whoever takes it away is a process of its own.
    for (process, (from, path)) in (2 * sessions.len() as u64..).zip(passing) {
        let op = Asked::new(SessionId(0), Op::DeleteContainer { path });
        all.push((Timed::lost(process, from, op), None));
    }
    let (ops, calls) = all.into_iter().unzip();
    Ready { ops, calls }
}

/// What is known of a session so far.
#[derive(Default)]
struct Session {
    /// The how-manyth it is.
    number: u64,
    /// Since when reads may lag: the call of its last answered sync or write.
    fresh: u64,
    /// When it first called for an ephemeral node.
    owns: Option<u64>,
}

/// Whether the tree decides what the operation answers.
fn is_decided(op: &Op) -> bool {
    let has_config = |path: &str| path == "/zookeeper/config";
    match op {
        Op::Exists { path, .. }
        | Op::GetData { path, .. }
        | Op::GetChildren { path, .. }
        | Op::GetAcl { path } => !has_config(path),
        Op::MultiRead(parts) => parts.iter().all(is_decided),
        Op::Create { .. }
        | Op::CreateContainer { .. }
        | Op::CreateTtl { .. }
        | Op::DeleteContainer { .. }
        | Op::Delete { .. }
        | Op::SetData { .. }
        | Op::SetAcl { .. }
        | Op::GetEphemerals { .. }
        | Op::GetAllChildrenNumber { .. }
        | Op::WhoAmI
        | Op::Multi(_)
        | Op::CloseSession => true,
        Op::Check { .. }
        | Op::Sync { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::AddAuth { .. }
        | Op::AddWatch { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. }
        | Op::Reconfig { .. }
        | Op::CreateSession { .. } => false,
    }
}

/// Refusals that depend on clocks, connections or encodings, not on the tree: without effect.
fn depends_on_more(code: ErrorCode) -> bool {
    match code {
        ErrorCode::SessionExpired
        | ErrorCode::SessionMoved
        | ErrorCode::MarshallingError
        | ErrorCode::Unimplemented
        | ErrorCode::AuthFailed
        | ErrorCode::SystemError
        | ErrorCode::DataInconsistency
        | ErrorCode::NewConfigNoQuorum
        | ErrorCode::ReconfigInProgress
        | ErrorCode::NotReadOnly
        | ErrorCode::EphemeralOnLocalSession
        | ErrorCode::NoWatcher
        | ErrorCode::ReconfigDisabled
        | ErrorCode::SessionClosedRequireSaslAuth
        | ErrorCode::QuotaExceeded
        | ErrorCode::ThrottledOp
        | ErrorCode::BadArguments => true,
        ErrorCode::NoNode
        | ErrorCode::NoAuth
        | ErrorCode::InvalidAcl
        | ErrorCode::BadVersion
        | ErrorCode::NoChildrenForEphemerals
        | ErrorCode::NodeExists
        | ErrorCode::NotEmpty
        | ErrorCode::RuntimeInconsistency => false,
    }
}

fn makes_ephemerals(op: &Op) -> bool {
    let is_ephemeral = |part: &Op| matches!(part, Op::Create { mode, .. } if mode.is_ephemeral());
    op.parts().iter().any(is_ephemeral)
}

#[cfg(test)]
mod tests;
