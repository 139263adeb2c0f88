//! How a leader brings a learner to its own history: the choice of DIFF, TRUNC or SNAP as a pure
//! function of the window of committed transactions in memory (spec 6.7).
//!
//! ```text
//!    learner's last p:      p unknown, same epoch     p in the window        p > max
//!    window   min ........ prev   t ................... max
//!                         TRUNC(prev), t..            DIFF, after p ..     TRUNC(max)
//! ```
//!
//! Invariant: what the learner keeps, followed by what it is sent, is the leader's own history; so
//! a cut always goes to a zxid that the leader has (ZOOKEEPER-1154).
//!
//! `max` is what the leader has applied. Where more is committed, and the learner holds it, that
//! is where its cut goes ([`super::history::History::keeps`]).

use std::collections::VecDeque;

use crate::base::Zxid;
use crate::disk::Entry;

/// What the choice is made from.
#[derive(Clone, Debug)]
pub struct SyncInput<'a> {
    /// The learner's last zxid; `None` if it demands a snapshot.
    pub peer_last: Option<Zxid>,
    /// The last zxid the leader has applied.
    pub last: Zxid,
    /// The last transactions up to `last`, ascending and without a gap.
    pub window: &'a VecDeque<Entry>,
    /// Up to where the learner keeps what it holds beyond `last`, as it is committed.
    pub keeps: Option<Zxid>,
    /// Whether reading the log back to the learner's last zxid is allowed and cheap enough.
    pub disk: bool,
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// DIFF, with nothing to send.
    Empty,
    /// DIFF, or TRUNC if there is a cut; then the window from this index on.
    Send {
        /// TRUNC to this zxid first.
        cut: Option<Zxid>,
        /// The index of the first transaction to send.
        from: usize,
    },
    /// The log must be read first.
    ReadLog,
    /// SNAP.
    Snap,
}

/// The decision of spec 6.7, cases in its order.
pub fn choose(input: &SyncInput<'_>) -> Choice {
    let Some(p) = input.peer_last else { return Choice::Snap };
    if let Some(keep) = input.keeps {
        let (cut, from) = (Some(keep), input.window.len());
        return if p == keep { Choice::Empty } else { Choice::Send { cut, from } };
    }
    let min = input.window.front().map_or(input.last, |entry| entry.zxid);
    let max = input.window.back().map_or(input.last, |entry| entry.zxid);
    if p == input.last {
        return Choice::Empty;
    }
    if p > max && p.counter() != 0 {
        return Choice::Send { cut: Some(max), from: input.window.len() };
    }
    if min <= p && p <= max {
        return walk(input.window, p);
    }
    if p < min && input.disk { Choice::ReadLog } else { Choice::Snap }
}

/// Rule W: where to go on in `txns` for a learner whose last zxid is `p`.
pub fn walk(txns: &VecDeque<Entry>, p: Zxid) -> Choice {
    let at = txns.partition_point(|entry| entry.zxid < p);
    let Some(next) = txns.get(at) else {
        let nothing = Choice::Send { cut: None, from: at };
        return if p.counter() == 0 { nothing } else { Choice::Snap };
    };
    if next.zxid == p {
        return Choice::Send { cut: None, from: at + 1 };
    }
    let Some(prev) = at.checked_sub(1).map(|prev| txns[prev].zxid) else {
        return Choice::Snap; // What lies before the first is not known here.
    };
    if p.counter() == 0 {
        return Choice::Send { cut: None, from: at };
    }
    if next.zxid.epoch() == p.epoch() {
        return Choice::Send { cut: Some(prev), from: at };
    }
    Choice::Snap
}

/// The log's entries and the window's as one list, without a gap between them; `None` if the log
/// ends before the window starts (spec 6.7, case 5).
pub fn join(log: Vec<Entry>, window: &VecDeque<Entry>, last: Zxid) -> Option<VecDeque<Entry>> {
    let min = window.front().map_or(last, |entry| entry.zxid);
    if log.last().is_none_or(|entry| entry.zxid < min) {
        return None;
    }
    // Where the window is empty it stands at `min`, and the log itself must bring that entry.
    let wanted = |zxid: Zxid| zxid < min || (window.is_empty() && zxid == min);
    let mut all: VecDeque<Entry> = log.into_iter().filter(|entry| wanted(entry.zxid)).collect();
    all.extend(window.iter().cloned());
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Epoch;

    fn entry(zxid: Zxid) -> Entry {
        Entry { zxid, record: std::sync::Arc::from(zxid.0.to_be_bytes().as_slice()) }
    }

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    fn input(
        peer_last: Option<Zxid>,
        last: Zxid,
        window: &VecDeque<Entry>,
        disk: bool,
    ) -> SyncInput<'_> {
        SyncInput { peer_last, last, window, keeps: None, disk }
    }

    /// All histories of up to three epochs with up to three transactions each.
    fn histories() -> Vec<Vec<Zxid>> {
        let mut all = Vec::new();
        for code in 0..64u32 {
            let counts = [code % 4, code / 4 % 4, code / 16];
            let zxids = (1..=3u32).zip(counts);
            all.push(zxids.flat_map(|(e, n)| (1..=n).map(move |c| z(e, c))).collect());
        }
        all
    }

    /// The same table once more, as nested questions about sets rather than positions.
    fn naive(window: &[Zxid], last: Zxid, disk: bool, p: Zxid) -> Choice {
        let min = *window.iter().min().unwrap_or(&last);
        let max = *window.iter().max().unwrap_or(&last);
        let below = window.iter().filter(|t| **t < p).count();
        let fresh = p.0 & 0xFFFF_FFFF == 0;
        let known = window.contains(&p);
        let above: Vec<&Zxid> = window.iter().filter(|t| **t > p).collect();
        match () {
            () if p == last => Choice::Empty,
            () if p > max && !fresh => Choice::Send { cut: Some(max), from: window.len() },
            () if p > max => Choice::Snap,
            () if p < min && disk => Choice::ReadLog,
            () if p < min => Choice::Snap,
            () if known => Choice::Send { cut: None, from: below + 1 },
            () if fresh => Choice::Send { cut: None, from: below },
            () if above[0].0 >> 32 == p.0 >> 32 => {
                Choice::Send { cut: Some(window[below - 1]), from: below }
            }
            () => Choice::Snap,
        }
    }

    #[test]
    fn the_choice_is_the_specifications_for_every_history_and_learner() {
        let mut checked = 0;
        for history in histories() {
            for start in 0..=history.len() {
                let window: VecDeque<Entry> = history[start..].iter().copied().map(entry).collect();
                let last = history.last().copied().unwrap_or(Zxid::ZERO);
                for epoch in 0..5 {
                    for counter in 0..5 {
                        for disk in [false, true] {
                            let p = z(epoch, counter);
                            let peer_last = Some(p);
                            let input = input(peer_last, last, &window, disk);
                            let want = naive(&history[start..], last, disk, p);
                            assert_eq!(choose(&input), want, "{history:?} from {start}, p {p}");
                            checked += 1;
                        }
                    }
                }
            }
        }
        assert!(checked > 10_000);
    }

    #[test]
    fn a_cut_goes_only_where_the_leader_has_been() {
        for history in histories() {
            let window: VecDeque<Entry> = history.iter().copied().map(entry).collect();
            let last = history.last().copied().unwrap_or(Zxid::ZERO);
            for epoch in 0..5 {
                for counter in 0..5 {
                    let peer_last = Some(z(epoch, counter));
                    let input = input(peer_last, last, &window, false);
                    if let Choice::Send { cut: Some(cut), from } = choose(&input) {
                        assert!(history.contains(&cut) || cut == last);
                        assert!(history.get(from).is_none_or(|next| *next > cut));
                    }
                }
            }
        }
    }

    #[test]
    fn a_learner_that_demands_a_snapshot_gets_one() {
        let window: VecDeque<Entry> = [z(1, 1)].map(entry).into();
        assert_eq!(choose(&input(None, z(1, 1), &window, true)), Choice::Snap);
    }

    #[test]
    fn what_is_committed_ahead_of_the_leader_is_not_cut() {
        let window: VecDeque<Entry> = [z(1, 1), z(1, 2)].map(entry).into();
        let choice = |counter, keeps| {
            let plain = input(Some(z(1, counter)), z(1, 2), &window, true);
            choose(&SyncInput { keeps, ..plain })
        };
        assert_eq!(choice(4, Some(z(1, 4))), Choice::Empty);
        assert_eq!(choice(5, Some(z(1, 4))), Choice::Send { cut: Some(z(1, 4)), from: 2 });
        assert_eq!(choice(4, None), Choice::Send { cut: Some(z(1, 2)), from: 2 });
    }

    #[test]
    fn a_log_that_ends_before_the_window_is_not_used() {
        let window: VecDeque<Entry> = [z(1, 5), z(1, 6)].map(entry).into();
        let log = |zxids: &[Zxid]| zxids.iter().copied().map(entry).collect::<Vec<_>>();
        assert_eq!(join(log(&[z(1, 2), z(1, 3)]), &window, z(1, 6)), None);
        assert_eq!(join(Vec::new(), &window, z(1, 6)), None);
        let met = join(log(&[z(1, 3), z(1, 4), z(1, 5)]), &window, z(1, 6)).expect("they meet");
        let zxids: Vec<Zxid> = met.iter().map(|entry| entry.zxid).collect();
        assert_eq!(zxids, [z(1, 3), z(1, 4), z(1, 5), z(1, 6)]);
    }
}
