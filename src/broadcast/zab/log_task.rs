//! The log task: appends what was queued, syncs once, and acknowledges what that sync covers.
//!
//! ```text
//!   messages --hand_to_log--> queue --Work("zab.log")--> append*, sync --> ACK held by the ticket
//! ```
//!
//! Invariant: no ACK of a proposal can leave before the proposal is durable, because it is sent
//! with the ticket of the sync (spec 9, case 66).

use std::collections::VecDeque;

use crate::base::{Digest, Draw, Zxid};
use crate::disk::{Entry, Log};
use crate::jute::quorum::packet;
use crate::process::{Effects, Note, Work};

use super::rules::AckWhen;
use super::{Cx, Station, Wait, Zab, decide, wire};

/// The log, and what waits for it.
#[derive(Clone, Debug)]
pub(super) struct LogTask {
    pub log: Log,
    queue: VecDeque<Entry>,
    /// The last zxid queued or appended.
    pub handed: Zxid,
    due: bool,
    /// It failed, and does nothing any more.
    pub stopped: bool,
    /// The last zxid known to be durable.
    pub durable: Zxid,
    /// Appends since the last snapshot began, and how many call for the next.
    since_snapshot: u64,
    snapshot_after: u64,
    snapshots: u64,
}

impl LogTask {
    pub fn new(log: Log) -> LogTask {
        let last = log.last();
        LogTask {
            log,
            queue: VecDeque::new(),
            handed: last,
            due: false,
            stopped: false,
            durable: last,
            since_snapshot: 0,
            snapshot_after: 0,
            snapshots: 0,
        }
    }

    /// How many entries wait to be appended.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The last zxid appended.
    pub fn last(&self) -> Zxid {
        self.log.last()
    }

    /// What was not appended yet is as if it had never been queued.
    pub fn drop_queue(&mut self) {
        self.queue.clear();
        self.handed = self.log.last();
    }

    /// The log was cut, or replaced by a snapshot: it ends elsewhere now.
    pub fn restart(&mut self) {
        self.queue.clear();
        self.handed = self.log.last();
        self.durable = self.handed;
    }
}

impl Zab {
    /// Queues an entry for the log task.
    pub(super) fn hand_to_log(&mut self, entry: Entry, fx: &mut Effects) {
        self.log.handed = entry.zxid;
        self.log.queue.push_back(entry);
        if !self.log.due {
            self.log.due = true;
            fx.defer(Work("zab.log", 0));
        }
    }

    /// Queues all of the tail that was not queued yet, up to `count` entries of it.
    pub(super) fn hand_tail_to_log(&mut self, count: usize, fx: &mut Effects) {
        let handed = self.log.handed;
        let from = self.history.tail.partition_point(|entry| entry.zxid <= handed);
        for at in from..count {
            self.hand_to_log(self.history.tail[at].clone(), fx);
        }
    }

    pub(super) fn run_log(&mut self, cx: &mut Cx<'_>) {
        self.log.due = false;
        self.append_queue(cx.fx);
        self.schedule_apply(cx.fx);
        self.maybe_snapshot(cx);
    }

    /// Appends all that is queued and asks for one sync of it.
    pub(super) fn append_queue(&mut self, fx: &mut Effects) {
        if self.log.stopped {
            return;
        }
        let Some(last) = self.log.queue.back().map(|entry| entry.zxid) else { return };
        let queue = std::mem::take(&mut self.log.queue);
        for entry in &queue {
            self.log.log.append(entry, fx);
            fx.note(Note::Logged { zxid: entry.zxid, digest: Digest::of(&entry.record) });
        }
        self.log.since_snapshot += queue.len() as u64;
        let ticket = self.log.log.sync(fx);
        self.waits.insert(ticket, Wait::Log(last));
        let Station::Learning(learner) = &self.station else { return };
        let Some(link) = learner.link else { return };
        for entry in queue.iter().filter(|entry| learner.acknowledges(entry.zxid)) {
            let tag = wire::tag(packet::ACK, entry.zxid);
            let bytes = wire::write(packet::ACK, entry.zxid.wire(), None);
            match decide!(self, fx, learner_ack()) {
                AckWhen::Durable => fx.send_after(ticket, link, tag, bytes),
                AckWhen::AtOnce => fx.send(link, tag, bytes),
            }
        }
    }

    pub(super) fn on_log_durable(&mut self, last: Zxid, cx: &mut Cx<'_>) {
        self.log.durable = self.log.durable.max(last);
        cx.fx.note(Note::Durable { zxid: last });
        self.leader_logged(last, cx);
        self.learner_logged(last, cx);
        self.maybe_finish_snapshot(cx.fx);
    }

    /// Whether enough was logged since the last snapshot; draws the next distance if so. Half the
    /// knob and up to as much again at random, so that peers do not all snapshot at once.
    pub(super) fn snapshot_is_due(&mut self) -> bool {
        let half = self.knobs.snap_count / 2;
        let log = &mut self.log;
        if log.snapshot_after == 0 {
            let mut draw = self.entropy.named("snapshot").with(log.snapshots).stream();
            log.snapshot_after = half + draw.below(half) + 1;
        }
        if log.since_snapshot < log.snapshot_after {
            return false;
        }
        log.snapshots += 1;
        log.snapshot_after = 0;
        log.since_snapshot = 0;
        true
    }

    /// What recovery found necessary, before anything else touches the log.
    pub(super) fn repair_log(&mut self, fx: &mut Effects) {
        if let Some(ticket) = self.log.log.repair(fx) {
            self.waits.insert(ticket, Wait::Repair);
        }
    }
}
