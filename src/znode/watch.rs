//! Who waits for what: one-shot watches by path and connection (spec section 4). Not replicated.

use crate::base::ConnId;

use super::tree::Trigger;

/// A notification to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// To whom.
    pub conn: ConnId,
    /// Event type (spec 1.8).
    pub kind: i32,
    /// Which node.
    pub path: String,
}

/// The data table and the child table of one server.
#[derive(Clone, Debug, Default)]
pub struct WatchTable {}

impl WatchTable {
    /// Leaves a data watch (exists, getData). Idempotent.
    pub fn watch_data(&mut self, _conn: ConnId, _path: &str) {
        todo!()
    }

    /// Leaves a child watch (getChildren). Idempotent.
    pub fn watch_children(&mut self, _conn: ConnId, _path: &str) {
        todo!()
    }

    /// What this trigger fires, in order (spec 4.2); one-shot watches are used up.
    pub fn trigger(&mut self, _trigger: &Trigger) -> Vec<Fired> {
        todo!()
    }

    /// A connection is gone, and its watches.
    pub fn forget(&mut self, _conn: ConnId) {
        todo!()
    }
}
