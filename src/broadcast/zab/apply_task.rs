//! The apply task: delivers committed transactions to the service, in order.
//!
//! Invariant: a transaction is delivered once it is committed, appended to the own log and next in
//! line; so the service never holds what the log does not (spec 8.2, S7).

use crate::base::Digest;
use crate::process::{Effects, Note, Phase, Work};

use super::{Cx, Station, Zab};

impl Zab {
    /// Whether committed transactions flow to the service in this role and phase.
    pub(super) fn delivers(&self) -> bool {
        match &self.station {
            Station::Looking { .. } => false,
            Station::Leading(leader) => leader.phase == Phase::Broadcast,
            Station::Learning(learner) => learner.serving(),
        }
    }

    fn can_deliver(&self) -> bool {
        let logged = self.log.last();
        self.history.ready > 0
            && self.history.tail.front().is_some_and(|entry| entry.zxid <= logged)
    }

    /// Makes the task an event, if there is something to do.
    pub(super) fn schedule_apply(&mut self, fx: &mut Effects) {
        if !self.snapshot.apply_due && self.delivers() && self.can_deliver() {
            self.snapshot.apply_due = true;
            fx.defer(Work("zab.apply", 0));
        }
    }

    /// Delivers a batch; while a snapshot is being written, only one part, so that chunks fall
    /// between the parts of a multi (spec 7.4).
    pub(super) fn run_apply(&mut self, cx: &mut Cx<'_>) {
        self.snapshot.apply_due = false;
        if !self.delivers() {
            return;
        }
        let whole = !self.snapshot.running();
        for _ in 0..if whole { self.knobs.apply_batch } else { 1 } {
            if self.can_deliver() {
                self.deliver_next(whole, cx);
            }
        }
        self.check_barriers(cx);
        self.maybe_snapshot(cx);
        self.schedule_apply(cx.fx);
    }

    /// Delivers all that is committed and logged, at once: before the leader fixes what a learner
    /// lacks.
    pub(super) fn deliver_all(&mut self, cx: &mut Cx<'_>) {
        while self.delivers() && self.can_deliver() {
            self.deliver_next(true, cx);
        }
    }

    /// Ends a transaction that was begun: nobody may see half of a multi.
    pub(super) fn finish_partial(&mut self, cx: &mut Cx<'_>) {
        if self.history.part > 0 {
            self.deliver_next(true, cx);
        }
    }

    fn deliver_next(&mut self, whole: bool, cx: &mut Cx<'_>) {
        let Some(entry) = self.history.tail.front() else { return };
        assert!(self.history.ready > 0, "only what is committed is delivered");
        let part = self.history.part;
        if !cx.app.deliver(cx.now, entry.zxid, &entry.record, part, whole, cx.fx) {
            self.history.part += 1;
            return;
        }
        let entry = self.history.tail.pop_front().expect("looked at just before");
        self.history.part = 0;
        self.history.ready -= 1;
        let digest = Digest::of(&entry.record);
        cx.fx.note(Note::Delivered { zxid: entry.zxid, digest });
        self.history.push(entry);
    }
}
