//! What a session watches: its own memory of the one-shot watches that servers hold for it.
//!
//! The invariant it keeps: it holds exactly the watches whose read was answered and whose event has
//! not arrived, so that setWatches after a reconnect leaves neither one more nor one less.

use std::collections::BTreeSet;

use crate::base::Zxid;
use crate::jute::proto::event_type;
use crate::znode::op::{ErrorCode, Op, Reply};

/// The one-shot watches that the servers hold for this session, to be left again on the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
}

impl Watches {
    /// The request that leaves them again, judged from the last zxid seen; none if there are none.
    pub fn again(&self, seen: Zxid) -> Option<Op> {
        let Watches { data, exist, child } = self;
        if data.is_empty() && exist.is_empty() && child.is_empty() {
            return None;
        }
        let list = |paths: &BTreeSet<String>| paths.iter().cloned().collect::<Vec<String>>();
        let relative = seen.wire();
        Some(Op::SetWatches { relative, data: list(data), exist: list(exist), child: list(child) })
    }

    /// A read that asked for a watch was answered.
    pub fn left(&mut self, op: &Op, result: &Result<Reply, ErrorCode>) {
        match (op, result) {
            (Op::Exists { path, watch: true }, Err(ErrorCode::NoNode)) => {
                self.exist.insert(path.clone());
            }
            (Op::Exists { path, watch: true } | Op::GetData { path, watch: true }, Ok(_)) => {
                self.data.insert(path.clone());
            }
            (Op::GetChildren { path, watch: true, .. }, Ok(_)) => {
                self.child.insert(path.clone());
            }
            (_, _) => {}
        }
    }

    /// A notification uses its watch up.
    pub fn fired(&mut self, kind: i32, path: &str) {
        match kind {
            event_type::NODE_CREATED | event_type::NODE_DATA_CHANGED => {
                self.data.remove(path);
                self.exist.remove(path);
            }
            event_type::NODE_DELETED => {
                self.data.remove(path);
                self.exist.remove(path);
                self.child.remove(path);
            }
            event_type::NODE_CHILDREN_CHANGED => {
                self.child.remove(path);
            }
            _ => {}
        }
    }
}
