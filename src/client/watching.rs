//! What a session watches: its own memory of the one-shot watches that servers hold for it.
//!
//! The invariant it keeps: it holds exactly the watches whose read was answered and whose event has
//! not arrived, so that setWatches after a reconnect leaves neither one more nor one less.

use std::collections::BTreeSet;

use crate::base::Zxid;
use crate::jute::proto::event_type;
use crate::znode::op::{ErrorCode, Op, Reply};

/// How many bytes of paths one setWatches carries (spec 1.12).
const BATCH_BYTES: usize = 128 * 1024;

/// The one-shot watches that the servers hold for this session, to be left again on the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
}

impl Watches {
    /// The requests that leave them again, judged from the last zxid seen; none if there are none.
    /// Large sets are split, so that no server refuses the frame (spec 1.12).
    pub fn again(&self, seen: Zxid) -> Vec<Op> {
        let mut batches: Vec<[Vec<String>; 3]> = Vec::new();
        let mut room = 0;
        for (list, paths) in [&self.data, &self.exist, &self.child].into_iter().enumerate() {
            for path in paths {
                if path.len() > room || batches.is_empty() {
                    batches.push(<[Vec<String>; 3]>::default());
                    room = BATCH_BYTES;
                }
                room = room.saturating_sub(path.len());
                if let Some(batch) = batches.last_mut() {
                    batch[list].push(path.clone());
                }
            }
        }
        let relative = seen.wire();
        let request = |[data, exist, child]: [Vec<String>; 3]| Op::SetWatches {
            relative,
            data,
            exist,
            child,
        };
        batches.into_iter().map(request).collect()
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
