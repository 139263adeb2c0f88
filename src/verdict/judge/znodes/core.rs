//! A minimal core: as few answers as contradict each other in the same way.
//!
//! To leave a read out is to forget it; to leave a write out is to keep its place in the order, and
//! to forget what it was answered. So no read is blamed for a write that was left out: the order
//! of writes is granted, and these answers contradict it, or each other. Each smaller history is
//! judged anew, and counts only if the same property breaks in the same way at the same call.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Zxid;
use crate::history::{CallId, Committed, Did, Entry, History, Operation, Outcome};
use crate::verdict::sweep::{self, Breach, Tape};
use crate::znode::op::Op;

use super::is_answered;

/// Calls that all the checks together may look at.
const ALL: u64 = 20_000_000;

/// Answers that contradict each other.
pub struct Core {
    /// Their calls, by invocation.
    pub calls: Vec<CallId>,
    /// Whether each is needed; else the budget ran out before that was known.
    pub minimal: bool,
}

/// The core of what breaks a property.
pub fn core(history: &History, found: &[(CallId, Zxid)], breach: &Breach) -> Core {
    let cut = Cut { history, found: found.iter().copied().collect(), breach };
    let mut believed: Vec<CallId> =
        history.operations.iter().filter(|call| is_answered(call)).map(|call| call.id).collect();
    let mut left = ALL;
    // What was answered after it shows is not needed, as a rule.
    let early: Vec<CallId> = history
        .operations
        .iter()
        .filter(|call| is_answered(call))
        .filter(|call| call.returned.is_some_and(|at| at.time.0 <= breach.time))
        .map(|call| call.id)
        .collect();
    if cut.fails(&early, &mut left) {
        believed = early;
    } else if !cut.fails(&believed, &mut left) {
        return Core { calls: believed, minimal: false };
    }
    let mut chunk = believed.len().div_ceil(2);
    let mut minimal = true;
    while chunk > 0 {
        let (mut at, mut fewer) = (0, false);
        while at < believed.len() {
            let end = (at + chunk).min(believed.len());
            let rest: Vec<CallId> =
                believed[..at].iter().chain(&believed[end..]).copied().collect();
            if left < history.operations.len() as u64 {
                return Core { calls: believed, minimal: false };
            }
            if cut.fails(&rest, &mut left) {
                (believed, fewer) = (rest, true);
            } else {
                at = end;
            }
        }
        // With single ones, go round until none can be left out.
        chunk = if chunk == 1 && fewer { 1 } else { chunk / 2 };
        minimal = chunk == 0;
    }
    Core { calls: believed, minimal }
}

struct Cut<'a> {
    history: &'a History,
    /// Calls without an answer that took effect.
    found: BTreeMap<CallId, Zxid>,
    breach: &'a Breach,
}

impl Cut<'_> {
    /// Whether the same breaks if only these answers are believed.
    fn fails(&self, believed: &[CallId], left: &mut u64) -> bool {
        let believed: BTreeSet<CallId> = believed.iter().copied().collect();
        let mut some = History::new();
        for operation in &self.history.operations {
            if believed.contains(&operation.id) || !is_answered(operation) {
                some.take(Entry::Call(operation.clone()));
            } else if operation.op.is_write() {
                let (returned, zxid, outcome) = (None, None, Outcome::Open);
                let lost = Operation { returned, zxid, outcome, ..operation.clone() };
                some.take(Entry::Call(lost));
            } else if leaves_watches(&operation.op) {
                // Its watches fire, and nobody would know of them.
                some.take(Entry::Call(operation.clone()));
            }
        }
        self.history.events.iter().for_each(|event| some.take(Entry::Event(event.clone())));
        *left = left.saturating_sub(some.operations.len() as u64);
        let mut tape = Tape::of(&some);
        for operation in &self.history.operations {
            let Operation { id, session, xid, op, zxid, .. } = operation;
            let own = zxid.filter(|_| is_answered(operation) && op.is_write());
            if let Some(zxid) = own.or(self.found.get(id).copied()) {
                let did = if *op == Op::CloseSession { Did::Close } else { Did::Write };
                tape.logged(&Committed { zxid, session: *session, xid: *xid, did });
            }
        }
        let report = sweep::check(&mut tape);
        let Breach { property, kind, call, .. } = self.breach;
        let same =
            |other: &Breach| (other.property, other.kind, other.call) == (*property, *kind, *call);
        report.breaches.iter().any(same)
    }
}

fn leaves_watches(op: &Op) -> bool {
    match op {
        Op::Exists { watch, .. } | Op::GetData { watch, .. } | Op::GetChildren { watch, .. } => {
            *watch
        }
        Op::SetWatches { .. } | Op::SetWatches2 { .. } | Op::AddWatch { .. } => true,
        Op::Create { .. }
        | Op::Delete { .. }
        | Op::SetData { .. }
        | Op::Check { .. }
        | Op::Sync { .. }
        | Op::Multi(_)
        | Op::MultiRead(_)
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession
        | Op::CreateContainer { .. }
        | Op::CreateTtl { .. }
        | Op::DeleteContainer { .. }
        | Op::SetAcl { .. }
        | Op::GetAcl { .. }
        | Op::AddAuth { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::GetEphemerals { .. }
        | Op::GetAllChildrenNumber { .. }
        | Op::WhoAmI
        | Op::Reconfig { .. } => false,
    }
}
