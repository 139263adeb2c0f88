//! The leader's single-threaded preparation: a request becomes a transaction with absolute
//! results, judged against the tree plus everything prepared but not yet applied (spec 5.2).

use crate::base::{SessionId, WallMs, Zxid};
use crate::jute::txn::TxnRecord;

use super::op::Op;
use super::tree::Tree;

/// A request on its way to becoming a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// By which session.
    pub session: SessionId,
    /// Under which xid.
    pub cxid: i32,
    /// What. `Err` if its body could not be decoded: it becomes an error transaction.
    pub op: Result<Op, super::op::ErrorCode>,
}

/// Pending change records.
#[derive(Clone, Debug, Default)]
pub struct Prepare {}

impl Prepare {
    /// Nothing pending.
    pub fn new() -> Prepare {
        todo!()
    }

    /// The transaction that this write becomes: its own, or an error transaction. It carries the
    /// expected digest of the tree after it (spec 7.5).
    pub fn prepare(
        &mut self,
        _tree: &Tree,
        _request: &Request,
        _zxid: Zxid,
        _wall: WallMs,
    ) -> TxnRecord {
        todo!()
    }

    /// Everything up to `zxid` is applied to the tree: drops its records.
    pub fn applied(&mut self, _zxid: Zxid) {
        todo!()
    }
}
