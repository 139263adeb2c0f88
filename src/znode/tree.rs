//! The tree of znodes and the table of sessions: what transactions make of them.

use crate::base::{Cursor, SessionId, Zxid};
use crate::jute::txn::TxnRecord;

use super::op::{ErrorCode, Op, Reply};

/// One thing that watches may be waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Event type (spec 1.8): 1 created, 2 deleted, 3 data changed; children triggers of the
    /// parent are derived by the watch table (spec 4.2).
    pub kind: i32,
    /// Which node.
    pub path: String,
}

/// What applying a transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer for whoever asked.
    pub result: Result<Reply, ErrorCode>,
    /// What happened, in order.
    pub triggers: Vec<Trigger>,
}

/// The replicated state. `Clone` shares structure.
#[derive(Clone, Debug)]
pub struct Tree {}

impl Tree {
    /// The fresh tree (spec 2.2).
    pub fn new() -> Tree {
        todo!()
    }

    /// The last zxid applied in full.
    pub fn last(&self) -> Zxid {
        todo!()
    }

    /// How many parts applying it takes: those of a multi or closeSession, else 1.
    pub fn parts(_record: &TxnRecord) -> usize {
        todo!()
    }

    /// Applies one part. `last` moves with the final one (spec 9, case 90). The triggers of all
    /// parts come with the final one, in order. Tolerant: effects that are there already are left
    /// (spec 7.4).
    pub fn apply_part(&mut self, _record: &TxnRecord, _part: usize) -> Option<Applied> {
        todo!()
    }

    /// Applies all parts.
    pub fn apply(&mut self, _record: &TxnRecord) -> Applied {
        todo!()
    }

    /// Answers a read. Watches and sync are the caller's.
    ///
    /// # Errors
    /// The error code that the client gets.
    pub fn read(&self, _op: &Op) -> Result<Reply, ErrorCode> {
        todo!()
    }

    /// The digest (spec 7.5), kept up to date incrementally.
    pub fn digest(&self) -> u64 {
        todo!()
    }

    /// Known sessions and their timeouts in milliseconds, ascending by id.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, i32)> + '_ {
        std::iter::empty()
    }

    /// The timeout of a session, if it is known.
    pub fn session(&self, _id: SessionId) -> Option<i32> {
        todo!()
    }

    /// The paths of a session's ephemerals, sorted.
    pub fn ephemerals(&self, _id: SessionId) -> Vec<String> {
        todo!()
    }

    /// Appends at most `nodes` more nodes of a snapshot body (spec 7.3: sessions, ACLs, nodes in
    /// preorder, terminator `/`); true when complete.
    pub fn snapshot(&self, _cursor: &mut Cursor, _nodes: usize, _out: &mut Vec<u8>) -> bool {
        todo!()
    }

    /// Reads a snapshot body back; `last` becomes `zxid`.
    ///
    /// # Errors
    /// What is wrong, naming the byte.
    pub fn restore(_body: &[u8], _zxid: Zxid) -> Result<Tree, String> {
        todo!()
    }

    /// Drops ephemerals whose owner is not in the session table (spec 7.4, after replay).
    pub fn drop_orphans(&mut self) {
        todo!()
    }
}
