//! Locks: what programs claim to hold, by fencing values (the sequence or czxid of a lock node).
//!
//! Two clients may *believe* to hold a lock at once: the first one's session may be dead without
//! its knowing. What the service must not do is grant it twice: every holder has a larger fencing
//! value than all before it, unless it claims late, after its session was given up for dead.
//! Writes guarded by a fencing value are judged by the witness like all others.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::SessionId;
use crate::history::{At, Seen};
use crate::jute::Record;
use crate::jute::proto::opcode;
use crate::jute::txn::TxnHeader;
use crate::process::Note;

use super::{Finding, Oracle, Weight};

const NAME: &str = "MutualExclusion";

const PROPERTIES: &[(&str, &str)] =
    &[(NAME, "locks are granted with increasing fencing values, each to one session")];

/// The oracle over `lock_held` claims. See the module.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    /// The largest fencing value claimed, and by which session.
    top: Option<(u64, SessionId)>,
    /// Who claimed which value.
    holders: BTreeMap<u64, SessionId>,
    /// Sessions that a leader has proposed to close.
    closing: BTreeSet<SessionId>,
    evaluated: u64,
}

impl Locks {
    /// Nothing is held.
    pub fn new() -> Locks {
        Locks::default()
    }

    fn held(&mut self, at: At, session: SessionId, value: u64, findings: &mut Vec<Finding>) {
        self.evaluated += 1;
        let holder = *self.holders.entry(value).or_insert(session);
        let overtaken = self.top.filter(|(top, other)| *top > value && *other != session);
        let found = if holder != session {
            Some(("granted_twice", holder, value))
        } else {
            let late = self.closing.contains(&session);
            overtaken.filter(|_| !late).map(|(top, other)| ("overtaken", other, top))
        };
        if let Some((kind, other, top)) = found {
            findings.push(Finding {
                property: NAME,
                weight: Weight::Violation,
                at,
                peers: Vec::new(),
                kind,
                detail: format!(
                    "live session {session} holds the lock with {value}, but session {other} was \
                     granted it with {top}"
                ),
            });
        }
        if self.top.is_none_or(|(top, _)| value > top) {
            self.top = Some((value, session));
        }
    }
}

impl Oracle for Locks {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        PROPERTIES
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        match seen {
            Seen::Claimed { session, name: "lock_held", value, .. } => {
                self.held(at, *session, *value, findings);
            }
            Seen::Noted { note: Note::Proposed { record, .. }, .. } => {
                if let Some(session) = closes(record) {
                    self.closing.insert(session);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _at: At, _findings: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        vec![(NAME, self.evaluated)]
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

fn closes(record: &[u8]) -> Option<SessionId> {
    let header = TxnHeader::from_bytes(record).ok()?;
    (header.kind == opcode::CLOSE_SESSION).then_some(SessionId(header.client))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientId, PeerId, Zxid};

    fn judge(seen: &[Seen]) -> Vec<&'static str> {
        let (mut locks, mut findings) = (Locks::new(), Vec::new());
        seen.iter().for_each(|seen| locks.observe(At::default(), seen, &mut findings));
        findings.iter().map(|finding| finding.kind).collect()
    }

    fn held(session: i64, value: u64) -> Seen {
        let (client, session) = (ClientId(session as u32), SessionId(session));
        Seen::Claimed { client, session, name: "lock_held", value }
    }

    fn closing(session: i64) -> Seen {
        let header =
            TxnHeader { client: session, kind: opcode::CLOSE_SESSION, ..TxnHeader::default() };
        let note = Note::Proposed { zxid: Zxid(1), record: header.to_bytes() };
        Seen::Noted { peer: PeerId(1), note }
    }

    #[test]
    fn fencing_values_only_grow_among_the_living() {
        assert!(judge(&[held(1, 5), held(1, 5), held(2, 6), held(1, 9)]).is_empty());
        assert_eq!(judge(&[held(1, 5), held(2, 5)]), ["granted_twice"]);
        assert_eq!(judge(&[held(2, 6), held(1, 5)]), ["overtaken"]);
        assert!(judge(&[closing(1), held(2, 6), held(1, 5)]).is_empty());
    }
}
