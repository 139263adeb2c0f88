//! What a session watches: its own memory of the watches that servers hold for it.
//!
//! The invariant it keeps: it holds exactly the one-shot watches whose read was answered and whose
//! event has not arrived, and the others until they are removed, so that setWatches after a
//! reconnect leaves neither one more nor one less.

use std::collections::BTreeSet;

use crate::base::Zxid;
use crate::jute::proto::event_type;
use crate::znode::op::{ErrorCode, Op, Reply, WatchKind, WatchMode};

/// How many bytes of paths one setWatches carries (spec 1.12).
const BATCH_BYTES: usize = 128 * 1024;

/// The watches that a server holds for this session, to be left again on the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// The requests that leave them again, judged from the last zxid seen; none if there are none.
    /// Large sets are split, so that no server refuses the frame (spec 1.12).
    pub fn again(&self, seen: Zxid) -> Vec<Op> {
        let mut batches: Vec<[Vec<String>; 5]> = Vec::new();
        let mut room = 0;
        let Watches { data, exist, child, persistent, recursive } = self;
        let lists = [data, exist, child, persistent, recursive];
        for (list, paths) in lists.into_iter().enumerate() {
            for path in paths {
                if path.len() > room || batches.is_empty() {
                    batches.push(<[Vec<String>; 5]>::default());
                    room = BATCH_BYTES;
                }
                room = room.saturating_sub(path.len());
                if let Some(batch) = batches.last_mut() {
                    batch[list].push(path.clone());
                }
            }
        }
        let relative = seen.wire();
        let request = |[data, exist, child, persistent, recursive]: [Vec<String>; 5]| {
            // Old servers know setWatches only: the newer one is sent if there is need of it.
            match persistent.is_empty() && recursive.is_empty() {
                true => Op::SetWatches { relative, data, exist, child },
                false => Op::SetWatches2 { relative, data, exist, child, persistent, recursive },
            }
        };
        batches.into_iter().map(request).collect()
    }

    /// A read that asked for a watch, or what is about watches alone, was answered.
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
            (Op::AddWatch { path, mode: WatchMode::Persistent }, Ok(_)) => {
                self.persistent.insert(path.clone());
            }
            (Op::AddWatch { path, mode: WatchMode::PersistentRecursive }, Ok(_)) => {
                self.recursive.insert(path.clone());
            }
            (Op::RemoveWatches { path, kind }, Ok(_)) => self.removed(path, *kind),
            (_, _) => {}
        }
    }

    fn removed(&mut self, path: &str, kind: WatchKind) {
        let (data, exist) = (&mut self.data, &mut self.exist);
        let (child, persistent) = (&mut self.child, &mut self.persistent);
        let gone: Vec<&mut BTreeSet<String>> = match kind {
            WatchKind::Children => vec![child],
            WatchKind::Data => vec![data, exist],
            WatchKind::Any => vec![data, exist, child, persistent, &mut self.recursive],
            WatchKind::Persistent => vec![persistent],
            WatchKind::PersistentRecursive => vec![&mut self.recursive],
        };
        for watches in gone {
            watches.remove(path);
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
