//! The one queue of a world: what happens next, in the order of time and then of asking.
//!
//! It holds small names of things, never payloads: frames wait in their links, operations in
//! their devices. A name may be stale when it comes up; whoever it names finds that out and the
//! world goes on to the next, so that nothing is ever searched for in the queue.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::base::Time;
use crate::process::{Device, Down};

/// What comes up. Peers are indices (id minus 1), clients are indices, sides are 0 for whoever
/// opened a link or connection and 1 for whoever accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The oldest frame that `side` sent on a link arrives.
    Frame { link: u32, side: u8 },
    /// A dial reaches its target.
    Syn { link: u32 },
    /// The answer to a dial reaches the dialler.
    SynAck { link: u32 },
    /// A dial fails, unless it has already ended.
    DialFailed { link: u32, why: Down },
    /// The end `side` of a link learns that it is dead; `local` if no message had to come for it.
    Down { link: u32, side: u8, why: Down, local: bool },
    /// The send queue of `side` ran empty.
    Drained { link: u32, side: u8 },
    /// A cut has lasted for another retransmission timeout.
    CutTimeout { cut: u32 },
    /// A peer's timer.
    Timer { peer: u8, slot: u32, arming: u32 },
    /// The oldest deferred piece of work of a lane.
    Work { peer: u8, lane: u16, life: u32 },
    /// A device ends what it is doing.
    Disk { peer: u8, device: Device, turn: u32 },
    /// The oldest event that was held while a peer was paused.
    Held { peer: u8, life: u32 },
    /// A peer that is down starts.
    Start { peer: u8, life: u32 },
    /// An operator replaces a peer that refuses to start.
    Replace { peer: u8, life: u32 },
    /// A client's connect reaches its server.
    ConnSyn { conn: u32 },
    /// The answer to a connect reaches the client.
    ConnUp { conn: u32 },
    /// The oldest bytes that `side` sent on a connection arrive.
    ConnBytes { conn: u32, side: u8 },
    /// The end `side` of a connection learns that it is dead.
    ConnDown { conn: u32, side: u8, local: bool },
    /// A client's alarm.
    Wake { client: u32, arming: u32 },
    /// A fault of the plan strikes.
    Strike { fault: u32 },
    /// Something that a fault had begun ends.
    Heal { heal: u32 },
    /// Every injector stops.
    Calm,
}

impl What {
    /// Whether it ends something that took its time: a way through the network, a sync, a wait for
    /// a turn.
    pub(super) fn is_transfer(self) -> bool {
        match self {
            What::Frame { .. }
            | What::Syn { .. }
            | What::SynAck { .. }
            | What::DialFailed { .. }
            | What::Down { .. }
            | What::Drained { .. }
            | What::Work { .. }
            | What::Disk { .. }
            | What::Held { .. }
            | What::ConnSyn { .. }
            | What::ConnUp { .. }
            | What::ConnBytes { .. }
            | What::ConnDown { .. } => true,
            What::CutTimeout { .. }
            | What::Timer { .. }
            | What::Start { .. }
            | What::Replace { .. }
            | What::Wake { .. }
            | What::Strike { .. }
            | What::Heal { .. }
            | What::Calm => false,
        }
    }

    /// What a digest keeps of it: its kind and whom it names.
    #[inline]
    pub(super) fn code(self) -> u64 {
        let pack = |kind: u64, small: u64, wide: u32| kind << 56 | small << 32 | u64::from(wide);
        match self {
            What::Frame { link, side } => pack(1, side.into(), link),
            What::Syn { link } => pack(2, 0, link),
            What::SynAck { link } => pack(3, 0, link),
            What::DialFailed { link, why } => pack(4, why as u64, link),
            What::Down { link, side, why, .. } => pack(5, u64::from(side) << 8 | why as u64, link),
            What::Drained { link, side } => pack(6, side.into(), link),
            What::CutTimeout { cut } => pack(7, 0, cut),
            What::Timer { peer, slot, .. } => pack(8, peer.into(), slot),
            What::Work { peer, lane, .. } => pack(9, peer.into(), lane.into()),
            What::Disk { peer, device, .. } => pack(10, peer.into(), device as u32),
            What::Held { peer, .. } => pack(11, peer.into(), 0),
            What::Start { peer, .. } => pack(12, peer.into(), 0),
            What::Replace { peer, .. } => pack(13, peer.into(), 0),
            What::ConnSyn { conn } => pack(14, 0, conn),
            What::ConnUp { conn } => pack(15, 0, conn),
            What::ConnBytes { conn, side } => pack(16, side.into(), conn),
            What::ConnDown { conn, side, .. } => pack(17, side.into(), conn),
            What::Wake { client, .. } => pack(18, 0, client),
            What::Strike { fault } => pack(19, 0, fault),
            What::Heal { heal } => pack(20, 0, heal),
            What::Calm => pack(21, 0, 0),
        }
    }
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    asked: u64,
    /// What came up last, and as which it had been asked for.
    last: (u64, Option<What>),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    time: u64,
    seq: u64,
    what: What,
}

impl Queue {
    /// Lets `what` come up at `at`, after everything else already asked for that time.
    #[inline]
    pub(super) fn push(&mut self, at: Time, what: What) {
        self.asked += 1;
        self.heap.push(Entry { time: at.0, seq: self.asked, what });
    }

    /// How much was asked for so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// What came up last, and as which it had been asked for.
    pub(super) fn last(&self) -> (u64, Option<What>) {
        self.last
    }

    /// When the last such thing comes up, if there is any.
    pub(super) fn last_of(&self, wanted: impl Fn(What) -> bool) -> Option<Time> {
        let all = self.heap.iter().filter(|entry| wanted(entry.what));
        all.map(|entry| Time(entry.time)).max()
    }

    /// What comes up next.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(Time, What)> {
        let entry = self.heap.pop()?;
        self.last = (entry.seq, Some(entry.what));
        Some((Time(entry.time), entry.what))
    }
}

impl Entry {
    #[inline]
    fn order(&self) -> u128 {
        u128::from(self.time) << 64 | u128::from(self.seq)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// Reversed: the standard heap gives its greatest, and the earliest must come first.
    #[inline]
    fn cmp(&self, other: &Entry) -> Ordering {
        other.order().cmp(&self.order())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_come_up_in_the_order_of_asking() {
        let mut queue = Queue::default();
        for (time, fault) in [(5, 0), (3, 1), (5, 2), (3, 3), (4, 4)] {
            queue.push(Time(time), What::Strike { fault });
        }
        let order: Vec<What> = std::iter::from_fn(|| queue.pop()).map(|(_, what)| what).collect();
        let expected = [1, 3, 4, 0, 2].map(|fault| What::Strike { fault });
        assert_eq!(order, expected);
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Entry>() <= 32, "{}", size_of::<Entry>());
    }
}
