//! What kinds of transactions there are to the tree: which it serves, and in how many parts.

use crate::jute::txn::{Txn, TxnRecord};

use super::tree::{Tree, has_failed};

impl Tree {
    /// How many parts applying it takes: those of a multi, the nodes of a closeSession and its
    /// end, else 1.
    pub fn parts(record: &TxnRecord) -> usize {
        match &record.txn {
            Txn::Multi(multi) if has_failed(multi) => 1,
            Txn::Multi(multi) => multi.parts.len().max(1),
            Txn::CloseSession(close) => close.paths.len() + 1,
            Txn::Create(_)
            | Txn::Create2(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::CreateSession(_)
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::DeleteContainer(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_)
            | Txn::Error(_) => 1,
        }
    }

    /// Whether the tree can apply it: one that it cannot must stop the server, as bytes must that
    /// are no transaction.
    pub fn serves(txn: &Txn) -> bool {
        match txn {
            Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::DeleteContainer(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_) => false,
            Txn::Create(_)
            | Txn::Create2(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::Multi(_)
            | Txn::CreateSession(_)
            | Txn::CloseSession(_)
            | Txn::Error(_) => true,
        }
    }
}
