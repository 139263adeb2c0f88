//! The draws of one directed pair and channel: each decision has a name of its own.

use crate::base::{Duration, Epoch, Key};
use crate::world::is_same;

/// The names of draws of one directed pair and channel.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    key: Key,
    kinds: Vec<Kind>,
    /// What the plan adds to each delay.
    pub(super) extra: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    kind: &'static str,
    epoch: Epoch,
    key: Key,
    drawn: u64,
}

impl Lane {
    /// Nothing drawn yet.
    pub(super) fn new(key: Key, extra: Duration) -> Lane {
        Lane { key, kinds: Vec::new(), extra }
    }

    /// Gives every draw to come another name.
    pub(super) fn rekey(&mut self, other: impl Fn(&mut Key)) {
        other(&mut self.key);
        self.kinds.iter_mut().for_each(|kind| other(&mut kind.key));
    }

    /// The name of the next decision about this kind and epoch.
    #[inline]
    pub(super) fn next(&mut self, kind: &'static str, epoch: Epoch) -> Key {
        let known = self.kinds.iter().position(|k| k.epoch == epoch && is_same(k.kind, kind));
        let at = match known {
            // What is asked for often moves to the front, so that the search stays short.
            Some(at) => {
                self.kinds.swap(at, at / 2);
                at / 2
            }
            None => {
                let key = self.key.named(kind).with(u64::from(epoch.0));
                self.kinds.push(Kind { kind, epoch, key, drawn: 0 });
                self.kinds.len() - 1
            }
        };
        let kind = &mut self.kinds[at];
        kind.drawn += 1;
        kind.key.with(kind.drawn)
    }
}
