//! A peer's history around the point where the service stands.
//!
//! ```text
//!   .. window ..| applied |  tail: ready (committed) | not committed |
//!                                   ^ part of it may be applied (a multi)
//! ```
//!
//! Invariant: window, then tail, are ascending and without a gap, and `applied` lies between them.

use std::collections::VecDeque;

use crate::base::{Digest, Epoch, Zxid};
use crate::disk::Entry;
use crate::process::{Effects, Note};

use super::{Cx, NotLogged, Zab, decide};

/// Transactions before and after the one that was applied last.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// ZooKeeper's committedLog: the last transactions applied.
    pub window: VecDeque<Entry>,
    limit: usize,
    /// The last zxid that the service has applied in full.
    pub applied: Zxid,
    /// Transactions after `applied`, in order: proposed, perhaps logged, perhaps committed.
    pub tail: VecDeque<Entry>,
    /// How many of `tail` are committed.
    pub ready: usize,
    /// How many parts of the first of `tail` are applied.
    pub part: usize,
    /// The last zxid known to be committed.
    pub committed: Zxid,
    /// The service was restored from SNAP, and disk does not have it yet (ZOOKEEPER-3642).
    pub unsaved: bool,
}

impl History {
    pub fn new(limit: usize) -> History {
        History {
            window: VecDeque::new(),
            limit,
            applied: Zxid::ZERO,
            tail: VecDeque::new(),
            ready: 0,
            part: 0,
            committed: Zxid::ZERO,
            unsaved: false,
        }
    }

    /// Starts over from a snapshot.
    pub fn reset(&mut self, zxid: Zxid) {
        self.window.clear();
        self.applied = zxid;
        self.forget_tail();
    }

    /// Drops what was not applied.
    pub fn forget_tail(&mut self) {
        self.tail.clear();
        self.ready = 0;
        self.part = 0;
    }

    /// The entry was applied.
    pub fn push(&mut self, entry: Entry) {
        assert!(entry.zxid > self.applied, "transactions are applied in order");
        self.applied = entry.zxid;
        if self.limit > 0 {
            if self.window.len() >= self.limit {
                self.window.pop_front();
            }
            self.window.push_back(entry);
        }
    }

    /// Up to where a learner keeps its log, if that holds more of this epoch than the leader has
    /// applied: to the last of it that is committed. This learner's ack may have committed it, with
    /// the leader's own log behind; a cut to what the leader has applied would take it from a
    /// quorum for a moment (seed 3332800). None if it holds no such thing.
    pub fn keeps(&self, last: Zxid, epoch: Epoch) -> Option<Zxid> {
        let committed = self.tail.iter().take(self.ready).map(|entry| entry.zxid);
        let same = last.epoch() == epoch && last > self.applied;
        committed.rev().find(|zxid| same && *zxid <= last && zxid.epoch() == epoch)
    }

    /// The last zxid of all that is known here.
    pub fn newest(&self) -> Zxid {
        self.tail.back().map_or(self.applied, |entry| entry.zxid)
    }

    /// The last zxid that is applied or committed.
    pub fn last_ready(&self) -> Zxid {
        let last = self.ready.checked_sub(1).and_then(|at| self.tail.get(at));
        last.map_or(self.applied, |entry| entry.zxid)
    }

    /// The zxid that the next COMMIT must carry.
    pub fn next_commit(&self) -> Option<Zxid> {
        self.tail.get(self.ready).map(|entry| entry.zxid)
    }

    /// Tells a commit, once.
    pub fn commit_up_to(&mut self, zxid: Zxid, fx: &mut Effects) {
        if zxid > self.committed {
            self.committed = zxid;
            fx.note(Note::Committed { zxid });
        }
    }
}

impl Zab {
    /// Hands recovered files to the service: at boot, and when a rebuild has read them back.
    pub(super) fn restore(
        &mut self,
        snapshot: Option<(Zxid, Vec<u8>)>,
        entries: Vec<Entry>,
        cx: &mut Cx<'_>,
    ) {
        let last = snapshot.as_ref().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        let body = snapshot.as_ref().map(|(_, body)| body.as_slice());
        if let Err(what) = cx.app.restore(body, last) {
            return self.halt(format!("snapshot {last} cannot be restored: {what}"), cx.fx);
        }
        self.history.reset(last);
        self.history.unsaved = false;
        for entry in entries {
            if !self.replay(entry, true, cx) {
                return;
            }
        }
        self.tell_restored(cx);
    }

    /// Brings the service up to the log before anyone votes (ZOOKEEPER-2845): what was logged is
    /// applied, committed or not; what was never handed to the log is forgotten.
    pub(super) fn fast_forward(&mut self, cx: &mut Cx<'_>) {
        let last = self.log.last();
        let tail = std::mem::take(&mut self.history.tail);
        self.history.forget_tail();
        let before = self.history.applied;
        for entry in tail {
            if entry.zxid > last {
                match decide!(self, cx.fx, not_logged()) {
                    NotLogged::Forgotten => {}
                    NotLogged::Applied => drop(cx.app.replay(entry.zxid, &entry.record)),
                }
            } else if !self.replay(entry, true, cx) {
                return;
            }
        }
        if self.history.applied != before {
            self.tell_restored(cx);
        }
    }

    /// Applies one entry without any client seeing it; one that the service has already is
    /// skipped. False if the peer had to halt.
    pub(super) fn replay(&mut self, entry: Entry, kept: bool, cx: &mut Cx<'_>) -> bool {
        if entry.zxid <= self.history.applied {
            return true;
        }
        if let Err(what) = cx.app.replay(entry.zxid, &entry.record) {
            self.halt(format!("transaction {} cannot be replayed: {what}", entry.zxid), cx.fx);
            return false;
        }
        if kept {
            cx.fx.note(Note::Kept { zxid: entry.zxid, digest: Digest::of(&entry.record) });
        }
        self.history.push(entry);
        true
    }

    pub(super) fn tell_restored(&mut self, cx: &mut Cx<'_>) {
        cx.fx.note(Note::Restored { zxid: self.history.applied, tree: cx.app.digest() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_keeps_what_is_committed_and_no_more() {
        let z = |epoch: u32, counter: u32| Zxid::new(Epoch(epoch), counter);
        let entry = |zxid: Zxid| Entry { zxid, record: std::sync::Arc::from(&[][..]) };
        let mut history = History::new(10);
        history.applied = z(2, 2);
        history.tail = [z(2, 3), z(2, 4), z(2, 5)].map(entry).into();
        let all = [z(1, 9), z(2, 0), z(2, 2), z(2, 3), z(2, 4), z(2, 5), z(2, 9), z(3, 1)];
        let kept = |history: &History| all.map(|last| history.keeps(last, Epoch(2)));
        assert_eq!(kept(&history), [None; 8], "nothing is committed");
        history.ready = 2;
        let (three, four) = (Some(z(2, 3)), Some(z(2, 4)));
        assert_eq!(kept(&history), [None, None, None, three, four, four, four, None]);
        // What an older epoch has left is no proposal of this leader.
        history.tail[0].zxid = z(1, 9);
        history.applied = z(1, 8);
        assert_eq!(history.keeps(z(1, 9), Epoch(2)), None);
        assert_eq!(history.keeps(z(2, 4), Epoch(2)), four);
    }
}
