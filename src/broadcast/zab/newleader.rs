//! Accepting NEWLEADER: the ordered durable steps after which a learner may say so (spec 6.8).
//!
//! ```text
//!   Save (after SNAP) -> Log, durable -> Apply -> Epoch, durable -> ACK(e)  ..  UPTODATE -> serve
//! ```
//!
//! Invariant: the ACK leaves after the history that it stands for, and then currentEpoch, are
//! durable, in this order (ZOOKEEPER-3911, 4643, 4646, 4785). Each wait is an event of its own: a
//! crash may fall between any two.

use crate::base::{Ticket, Zxid};
use crate::disk::SnapshotWriter;
use crate::jute::quorum::packet;
use crate::process::{Effects, Note, SyncMode};

use super::learner::Stage;
use super::rules::Step;
use super::{Cx, Station, Wait, Zab, decide, wire};

/// What a learner waits for before its next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing: packets are taken as they come.
    Nothing,
    /// TRUNC's rebuild.
    Rebuild,
    /// The received snapshot being durable, and the old log gone.
    Saved,
    /// The log being durable up to here.
    Logged(Zxid),
    /// currentEpoch being durable.
    Epoch(Ticket),
}

impl Zab {
    pub(super) fn on_newleader(&mut self, zxid: i64, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        if Zxid::from_wire(zxid) != learner.epoch.start() {
            cx.fx.note(Note::Breach { what: "newleader", zxid: learner.epoch.start() });
            return self.leave(Note::LeftLeader { why: "newleader" }, cx);
        }
        learner.stage = Stage::Accepting;
        let (mode, txns) = (learner.mode, self.history.ready);
        let pending = self.history.tail.len() - txns;
        learner.synced = txns;
        learner.vouched = self.history.last_ready();
        learner.steps = decide!(self, cx.fx, newleader(mode, txns));
        if decide!(self, cx.fx, newleader_drains(pending)) {
            learner.drained = self.history.newest();
        }
        if decide!(self, cx.fx, log_before_uptodate(pending)) {
            learner.early = true;
        }
        self.run_steps(cx);
    }

    pub(super) fn on_uptodate(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.stage = Stage::Finishing;
        let (mode, left) = (learner.mode, learner.synced);
        learner.steps = decide!(self, cx.fx, uptodate(mode, left));
        self.run_steps(cx);
    }

    /// Runs steps until one must wait; after the last, the learner goes on.
    fn run_steps(&mut self, cx: &mut Cx<'_>) {
        while let Station::Learning(learner) = &mut self.station {
            if learner.waiting != Waiting::Nothing || self.halted {
                return;
            }
            let Some((step, rest)) = learner.steps.split_first() else { break };
            learner.steps = rest;
            match step {
                Step::Save => self.save_snapshot(cx),
                Step::Log => self.log_history(cx),
                Step::LogLater => {
                    let count = learner.synced;
                    self.hand_tail_to_log(count, cx.fx);
                }
                Step::Apply => self.apply_history(cx),
                Step::Epoch => self.save_epoch(cx),
                Step::Ack => self.acknowledge_newleader(cx),
            }
        }
        let Station::Learning(learner) = &mut self.station else { return };
        match learner.stage {
            Stage::Accepting => learner.stage = Stage::Accepted,
            Stage::Finishing => {
                self.send_newleader_ack(cx);
                self.go_live(cx);
            }
            Stage::Dialing
            | Stage::Discovery
            | Stage::Choosing
            | Stage::Receiving
            | Stage::Syncing
            | Stage::Accepted
            | Stage::Serving => {}
        }
        self.drain_inbox(cx);
    }

    /// What the learner waited for has happened.
    fn resume_steps(&mut self, happened: Waiting, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        if learner.waiting == happened {
            learner.waiting = Waiting::Nothing;
            self.run_steps(cx);
        }
    }

    fn wait_for(&mut self, waiting: Waiting) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.waiting = waiting;
    }

    fn save_snapshot(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        let Some((zxid, body)) = learner.snap.take() else { return };
        assert_eq!(learner.mode, SyncMode::Snap, "only SNAP brings a snapshot");
        assert_eq!(self.history.applied, zxid, "nothing is applied on top before it is durable");
        learner.waiting = Waiting::Saved;
        let mut writer = SnapshotWriter::begin(zxid, cx.app.digest(), cx.fx);
        writer.chunk(body, cx.fx);
        let ticket = writer.finish_replacing(&mut self.log.log, cx.fx);
        self.waits.insert(ticket, Wait::Saved(zxid));
    }

    /// The snapshot is durable under a name of its own. If the role was left meanwhile it ends
    /// there, and the service is rebuilt from what disk had before (spec 6.1).
    pub(super) fn on_saved(&mut self, zxid: Zxid, fx: &mut Effects) {
        match &self.station {
            Station::Learning(learner) if learner.waiting == Waiting::Saved => {
                let ticket = self.log.log.replaced_by_snapshot(zxid, fx);
                self.waits.insert(ticket, Wait::Replaced(zxid));
            }
            Station::Looking { .. } | Station::Leading(_) | Station::Learning(_) => {}
        }
    }

    pub(super) fn on_replaced(&mut self, zxid: Zxid, cx: &mut Cx<'_>) {
        self.history.unsaved = false;
        self.log.restart();
        cx.fx.note(Note::SnapshotTaken { zxid });
        cx.fx.note(Note::Replaced { zxid });
        self.resume_steps(Waiting::Saved, cx);
    }

    fn log_history(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        let (count, last) = (learner.synced, learner.vouched);
        let all = if learner.early { self.history.tail.len() } else { count };
        self.hand_tail_to_log(all, cx.fx);
        self.append_queue(cx.fx);
        if count > 0 && self.log.durable < last {
            self.wait_for(Waiting::Logged(last));
        }
    }

    pub(super) fn learner_logged(&mut self, durable: Zxid, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        if let Waiting::Logged(last) = learner.waiting
            && last <= durable
        {
            self.resume_steps(Waiting::Logged(last), cx);
        }
    }

    /// Applies what was synchronised; no client is served, so nobody sees it happen.
    fn apply_history(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        let count = std::mem::take(&mut learner.synced);
        self.history.ready -= count;
        for _ in 0..count {
            let entry = self.history.tail.pop_front().expect("`ready` counts entries of the tail");
            if !self.replay(entry, false, cx) {
                return;
            }
        }
        if count > 0 {
            self.tell_restored(cx);
        }
    }

    fn save_epoch(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        let epoch = learner.epoch;
        if self.current == epoch {
            return; // Joined this leader before.
        }
        let ticket = self.log.log.write_current(epoch, cx.fx);
        self.waits.insert(ticket, Wait::Current(epoch));
        learner.waiting = Waiting::Epoch(ticket);
    }

    pub(super) fn continue_steps(&mut self, ticket: Ticket, cx: &mut Cx<'_>) {
        self.resume_steps(Waiting::Epoch(ticket), cx);
    }

    fn acknowledge_newleader(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        let epoch = learner.epoch;
        cx.fx.note(Note::NewLeaderAccepted { epoch, last: self.log.last() });
        self.send_newleader_ack(cx);
    }

    fn send_newleader_ack(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        let Some(link) = learner.link else { return };
        let zxid = learner.epoch.start();
        let bytes = wire::write(packet::ACK, zxid.wire(), None);
        cx.fx.send(link, wire::tag(packet::ACK, zxid), bytes);
    }
}
