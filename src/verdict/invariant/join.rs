//! One learner's link, frame by frame: what each end may say next (spec 6.5 to 6.10; Remix I-11 to
//! I-14).
//!
//! ```text
//!   learner   FOLLOWERINFO            ACKEPOCH                                  ACK(e)    ACK..
//!   leader                LEADERINFO           DIFF|TRUNC|SNAP history NEWLEADER  UPTODATE  ..
//! ```
//!
//! Judged when a frame leaves, by what had reached its sender until then: nothing is asked of a
//! peer's own word. The epochs of two links have nothing to do with each other here.

use std::collections::VecDeque;

use crate::base::{Epoch, PeerId, Zxid};
use crate::process::Tag;

/// A word of the one end that the other has got, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Not,
    Sent,
    Received,
}

/// See the file's page.
#[derive(Clone, Debug)]
pub(super) struct Join {
    pub(super) learner: PeerId,
    pub(super) leader: PeerId,
    /// The epoch of LEADERINFO.
    epoch: Epoch,
    informed: Said,
    promised: Said,
    /// The learner's last zxid, as ACKEPOCH says.
    reported: Zxid,
    /// How to synchronise was said.
    chosen: bool,
    /// SNAP was said, and its end was not.
    streaming: bool,
    /// What the leader had applied when it chose: its history reaches up to there.
    end: Zxid,
    newleader: Said,
    acked: Said,
    uptodate: Said,
    /// How often NEWLEADER was acknowledged: the second time for UPTODATE.
    acks: u32,
    /// The last proposal on this link, or what the learner has without one.
    proposed: Zxid,
    /// The last that is committed on this link, or what the learner has without a word.
    committed: Zxid,
    /// Proposals that no COMMIT came for.
    uncommitted: VecDeque<Zxid>,
    /// Proposals that the learner has to acknowledge one by one.
    unacked: VecDeque<Zxid>,
}

impl Join {
    /// The learner introduces itself.
    pub(super) fn new(learner: PeerId, leader: PeerId) -> Join {
        Join {
            learner,
            leader,
            epoch: Epoch(0),
            informed: Said::Not,
            promised: Said::Not,
            reported: Zxid::ZERO,
            chosen: false,
            streaming: false,
            end: Zxid::ZERO,
            newleader: Said::Not,
            acked: Said::Not,
            uptodate: Said::Not,
            acks: 0,
            proposed: Zxid::ZERO,
            committed: Zxid::ZERO,
            uncommitted: VecDeque::new(),
            unacked: VecDeque::new(),
        }
    }

    /// Whether the leader has said NEWLEADER.
    pub(super) fn is_synchronised(&self) -> bool {
        self.newleader != Said::Not
    }

    /// A frame has reached one of its ends.
    pub(super) fn received(&mut self, to: PeerId, tag: &Tag) {
        let word = match (tag.kind, to == self.learner) {
            ("LEADERINFO", true) => &mut self.informed,
            ("NEWLEADER", true) => &mut self.newleader,
            ("UPTODATE", true) => &mut self.uptodate,
            ("ACKEPOCH", false) => &mut self.promised,
            ("ACK", false) if tag.zxid.counter() == 0 => &mut self.acked,
            _ => return,
        };
        *word = Said::Received;
    }

    /// One end says something: a word for what is wrong with it.
    pub(super) fn says(&mut self, from: PeerId, tag: &Tag) -> Option<&'static str> {
        if from == self.learner { self.learner_says(tag) } else { self.leader_says(tag) }
    }

    fn learner_says(&mut self, tag: &Tag) -> Option<&'static str> {
        match tag.kind {
            "ACKEPOCH" => {
                let right = self.informed == Said::Received
                    && self.promised == Said::Not
                    && tag.epoch == self.epoch;
                (self.promised, self.reported) = (Said::Sent, tag.zxid);
                (!right).then_some("promise_order")
            }
            "ACK" if tag.zxid.counter() == 0 => {
                let due = match self.acks {
                    0 => self.newleader,
                    1 => self.uptodate,
                    _ => Said::Not,
                };
                self.acks += 1;
                self.acked = self.acked.max(Said::Sent);
                let right = due == Said::Received && tag.zxid == self.epoch.start();
                (!right).then_some("ack_of_nothing")
            }
            "ACK" if self.acks == 0 => Some("ack_before_newleader"),
            "ACK" => (self.unacked.pop_front() != Some(tag.zxid)).then_some("ack_order"),
            "PING" | "REQUEST" | "REVALIDATE" | "SYNC" => {
                (self.uptodate != Said::Received).then_some("served_early")
            }
            _ => None,
        }
    }

    fn leader_says(&mut self, tag: &Tag) -> Option<&'static str> {
        if self.streaming != matches!(tag.kind, "SNAP_CHUNK" | "SNAP_END") {
            return Some("snap_order");
        }
        match tag.kind {
            "LEADERINFO" => {
                let right = self.informed == Said::Not && tag.zxid.counter() == 0;
                (self.informed, self.epoch) = (Said::Sent, tag.zxid.epoch());
                (!right).then_some("leaderinfo_order")
            }
            "DIFF" | "TRUNC" | "SNAP" => self.chooses(tag),
            "SNAP_END" => {
                self.streaming = false;
                None
            }
            "PROPOSAL" => {
                let right = self.chosen && follows(self.proposed, tag.zxid);
                self.proposed = tag.zxid;
                self.uncommitted.push_back(tag.zxid);
                self.unacked.push_back(tag.zxid);
                (!right).then_some("proposal_order")
            }
            "COMMIT" => {
                self.committed = tag.zxid;
                let next = self.uncommitted.pop_front();
                (next != Some(tag.zxid)).then_some("commit_unproposed")
            }
            "NEWLEADER" => self.ends_history(tag),
            "UPTODATE" => {
                let right = self.acked == Said::Received && self.uptodate == Said::Not;
                self.uptodate = Said::Sent;
                (!right).then_some("uptodate_early")
            }
            "PING" | "REQUEST" | "REVALIDATE" | "SYNC" => {
                (self.uptodate == Said::Not).then_some("served_early")
            }
            _ => None,
        }
    }

    /// DIFF keeps what the learner has, TRUNC cuts it, SNAP takes its place.
    fn chooses(&mut self, tag: &Tag) -> Option<&'static str> {
        self.streaming = tag.kind == "SNAP";
        if std::mem::replace(&mut self.chosen, true) {
            return Some("chosen_twice");
        }
        let (kept, right) = match tag.kind {
            "DIFF" => (self.reported, tag.zxid >= self.reported),
            "TRUNC" => (tag.zxid, tag.zxid < self.reported),
            _ => (tag.zxid, true),
        };
        (self.end, self.proposed, self.committed) = (tag.zxid, kept, kept);
        if self.promised != Said::Received {
            return Some("chosen_early");
        }
        (!right).then_some("sync_target")
    }

    /// NEWLEADER: all that was committed when the leader chose has come before it, and its ACK
    /// stands for that.
    fn ends_history(&mut self, tag: &Tag) -> Option<&'static str> {
        let right = self.chosen && self.newleader == Said::Not;
        self.newleader = Said::Sent;
        let committed = self.committed;
        self.unacked.retain(|zxid| *zxid > committed);
        if !right {
            Some("newleader_early")
        } else if tag.zxid != self.epoch.start() {
            Some("newleader_epoch")
        } else {
            (self.committed < self.end).then_some("history_short")
        }
    }
}

/// The next counter of the same epoch, or the first of a higher one (spec 6.8).
fn follows(last: Zxid, next: Zxid) -> bool {
    let first = next.epoch() > last.epoch() && next.counter() == 1;
    first
        || (next.epoch() == last.epoch()
            && u64::from(last.counter()) + 1 == u64::from(next.counter()))
}

/// The rule behind a word.
pub(super) fn why(kind: &str) -> &'static str {
    match kind {
        "leaderinfo_order" => "an epoch is told once, behind FOLLOWERINFO",
        "promise_order" => "the epoch of LEADERINFO is answered once, when it has come",
        "ack_of_nothing" => "NEWLEADER is acknowledged once, and UPTODATE, when they have come",
        "ack_before_newleader" => "a leader waits for the ACK of NEWLEADER first",
        "ack_order" => "each proposal behind those that NEWLEADER stands for is acked in its turn",
        "chosen_early" => "a learner is synchronised once it has answered LEADERINFO",
        "chosen_twice" => "a learner is synchronised once on a link",
        "sync_target" => "DIFF ends where the learner is or later, TRUNC cuts something",
        "snap_order" => "a snapshot comes whole, behind SNAP and ahead of everything else",
        "newleader_early" => "NEWLEADER comes once, behind the history",
        "newleader_epoch" => "NEWLEADER is of the epoch that LEADERINFO told",
        "history_short" => "what was committed when DIFF, TRUNC or SNAP was chosen comes first",
        "uptodate_early" => "UPTODATE comes once, when the ACK of NEWLEADER has come",
        "served_early" => "only who is up to date serves clients",
        "proposal_order" => "proposals come without a gap, behind DIFF, TRUNC or SNAP",
        _ => "COMMITs come in the order of the proposals of this link, one for each",
    }
}
