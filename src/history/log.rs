//! The committed log, as far as a history needs it. Clients do not see it; whoever runs the servers
//! can tell of it, and what lost calls did is then no question (checker notes, 4d).

use std::collections::BTreeMap;

use crate::base::{Digest, SessionId, Zxid};
use crate::jute::Record;
use crate::jute::proto::opcode;
use crate::jute::txn::{Txn, TxnRecord};
use crate::process::Note;

use super::Seen;

/// One transaction of the committed log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its zxid.
    pub zxid: Zxid,
    /// Whose.
    pub session: SessionId,
    /// The xid of the call; 0 if nobody called for it.
    pub xid: i32,
    /// What it did.
    pub did: Did,
}

impl Committed {
    /// What a record of the log says.
    pub fn of(record: &TxnRecord) -> Committed {
        let TxnRecord { header, txn, .. } = record;
        let did = match txn {
            Txn::CloseSession(_) => Did::Close,
            Txn::Error(_) => Did::Nothing,
            // A part that failed is written down as an error, and the others as not done.
            Txn::Multi(multi) if multi.parts.iter().any(|part| part.kind == opcode::ERROR) => {
                Did::Nothing
            }
            _ => Did::Write,
        };
        let (zxid, session) = (Zxid::from_wire(header.zxid), SessionId(header.client));
        Committed { zxid, session, xid: header.cxid, did }
    }
}

/// What a committed transaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// What its call asked for.
    Write,
    /// It closed its session.
    Close,
    /// Nothing: the call was refused.
    Nothing,
}

impl Did {
    /// All of them.
    pub const ALL: [Did; 3] = [Did::Write, Did::Close, Did::Nothing];

    /// As files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Did::Write => "write",
            Did::Close => "close",
            Did::Nothing => "nothing",
        }
    }
}

/// What leaders proposed: transactions by the digests of their records.
#[derive(Clone, Debug, Default)]
pub struct Proposals(BTreeMap<Digest, Committed>);

impl Proposals {
    /// Takes one thing seen. What is no proposal is left out.
    pub fn observe(&mut self, seen: &Seen) {
        if let Seen::Noted { note: Note::Proposed { record, .. }, .. } = seen
            && let Ok(txn) = TxnRecord::from_bytes(record)
        {
            self.0.insert(Digest::of(record), Committed::of(&txn));
        }
    }

    /// Those that a log of zxids and digests holds.
    pub fn of(&self, log: &[(Zxid, Digest)]) -> Vec<Committed> {
        log.iter().filter_map(|(_, digest)| self.0.get(digest).copied()).collect()
    }
}
