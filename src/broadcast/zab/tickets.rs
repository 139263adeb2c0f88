//! What follows a disk operation that has ended: each ticket in flight waits for one thing.

use super::rules::decide;
use super::{Cx, Station, Wait, Zab};
use crate::base::{Epoch, Ticket};
use crate::process::{DiskError, DiskResult, Effects, Note};

impl Zab {
    pub(super) fn on_disk(&mut self, ticket: Ticket, result: DiskResult, cx: &mut Cx<'_>) {
        // Guard: other tickets are syncs within a sequence of the disk's. They bring no news, but
        // one that fails is as fatal as any.
        let Some(wait) = self.waits.remove(&ticket) else {
            if let DiskResult::Failed(error) = result {
                self.on_disk_failure(None, error, cx.fx);
            }
            return;
        };
        let bytes = match (result, &wait) {
            (DiskResult::Done, _) => Vec::new(),
            (DiskResult::Bytes(bytes), _) => bytes,
            // A purge may have overtaken the read: the learner gets a snapshot instead.
            (DiskResult::Failed(DiskError::Missing), Wait::LogFile(learner, link)) => {
                return self.log_file_missing(*learner, *link, cx);
            }
            (DiskResult::Failed(error), wait) => {
                return self.on_disk_failure(Some(wait.clone()), error, cx.fx);
            }
        };
        match wait {
            Wait::Repair => {}
            Wait::Log(last) => self.on_log_durable(last, cx),
            Wait::Accepted(epoch) => self.on_promised(ticket, epoch, cx),
            Wait::Current(epoch) => self.on_current(ticket, epoch, cx),
            Wait::Snapshot(zxid, reach) => self.on_snapshot_durable(zxid, reach, cx),
            Wait::Saved(zxid) => self.on_saved(zxid, cx.fx),
            Wait::Replaced(zxid) => self.on_replaced(zxid, cx),
            Wait::Cut { cut, done } => self.on_cut(cut, done, cx),
            Wait::Rebuild => self.on_rebuild_file(ticket, bytes, cx),
            Wait::LogFile(learner, link) => self.on_log_file(learner, link, ticket, bytes, cx),
        }
        self.settle(cx);
    }

    /// A failed sync leaves the bytes in an unknown state: it is not retried (spec 9, case 94).
    fn on_disk_failure(&mut self, wait: Option<Wait>, error: DiskError, fx: &mut Effects) {
        let log = matches!(wait, None | Some(Wait::Log(_)));
        if !log || decide!(self, fx, log_failure_stops(self.role())) {
            self.halt(format!("disk failed with {error:?} during {wait:?}"), fx);
        } else {
            self.log.stopped = true;
        }
    }

    fn on_promised(&mut self, ticket: Ticket, epoch: Epoch, cx: &mut Cx<'_>) {
        if self.promise == Some(ticket) {
            self.promise = None;
        }
        cx.fx.note(Note::EpochAccepted { epoch });
        self.leader_promised(cx);
    }

    fn on_current(&mut self, ticket: Ticket, epoch: Epoch, cx: &mut Cx<'_>) {
        self.current = self.current.max(epoch);
        cx.fx.note(Note::EpochCurrent { epoch });
        match &self.station {
            Station::Looking { .. } => {}
            Station::Leading(_) => self.enter_synchronization(epoch, cx),
            Station::Learning(_) => self.continue_steps(ticket, cx),
        }
    }
}
