//! The snapshot task: writes the running service to disk in chunks, between applies.
//!
//! ```text
//!   begin(applied) -> chunk -> apply -> chunk .. -> [log durable up to what chunks saw] -> finish
//! ```
//!
//! Invariant: only applied and committed state is written: the task starts only while serving, and
//! what is not committed then is in the tail, not in the service (ZOOKEEPER-1549).

use crate::base::{Cursor, Zxid};
use crate::disk::SnapshotWriter;
use crate::process::{Effects, Note, Work};

use super::{Cx, Wait, Zab};

/// What a chunk of a small tree fits into: grown from nothing, it would be copied many times.
const CHUNK: usize = 1024;

/// A snapshot in progress.
#[derive(Clone, Debug)]
struct Running {
    writer: SnapshotWriter,
    cursor: Cursor,
    /// Complete, and waiting until the log is durable up to here.
    reach: Option<Zxid>,
}

/// The snapshot task's state, and whether the apply task that it interleaves with is due.
#[derive(Clone, Debug, Default)]
pub(super) struct SnapshotTask {
    running: Option<Running>,
    wanted: bool,
    finishing: bool,
    pub apply_due: bool,
}

impl SnapshotTask {
    /// Whether chunks are being written.
    pub fn running(&self) -> bool {
        self.running.is_some()
    }
}

impl Zab {
    /// Begins a snapshot if enough was logged, unless one is under way (spec 5.3).
    pub(super) fn maybe_snapshot(&mut self, cx: &mut Cx<'_>) {
        if !self.delivers() {
            return;
        }
        if self.snapshot_is_due() {
            self.snapshot.wanted = !self.snapshot.running() && !self.snapshot.finishing;
        }
        if !self.snapshot.wanted || self.history.part > 0 {
            return;
        }
        self.snapshot.wanted = false;
        self.log.log.roll();
        let writer = SnapshotWriter::begin(self.history.applied, cx.app.digest(), cx.fx);
        let cursor = Cursor::default();
        self.snapshot.running = Some(Running { writer, cursor, reach: None });
        cx.fx.defer(Work("zab.snap", 0));
    }

    pub(super) fn run_snapshot(&mut self, cx: &mut Cx<'_>) {
        let Some(running) = &mut self.snapshot.running else { return };
        if running.reach.is_some() {
            return;
        }
        let mut chunk = Vec::with_capacity(CHUNK);
        let done = cx.app.snapshot(&mut running.cursor, self.knobs.snap_chunk, &mut chunk);
        running.writer.chunk(chunk, cx.fx);
        if !done {
            cx.fx.defer(Work("zab.snap", 0));
            return;
        }
        // The chunks may hold the first parts of the next transaction already.
        let begun = self.history.tail.front().filter(|_| self.history.part > 0);
        running.reach = Some(begun.map_or(self.history.applied, |entry| entry.zxid));
        self.maybe_finish_snapshot(cx.fx);
    }

    /// Seals the snapshot once the log holds durably all that it may contain: otherwise a crash
    /// would leave effects of transactions that this peer no longer knows.
    pub(super) fn maybe_finish_snapshot(&mut self, fx: &mut Effects) {
        let durable = self.log.durable;
        let sealed = |running: &Running| running.reach.is_some_and(|reach| reach <= durable);
        let Some(running) = self.snapshot.running.take_if(|running| sealed(running)) else {
            return;
        };
        let zxid = running.writer.zxid();
        let reach = running.reach.expect("checked by `sealed`");
        let ticket = running.writer.finish(reach, &mut self.log.log, fx);
        self.snapshot.finishing = true;
        self.waits.insert(ticket, Wait::Snapshot(zxid, reach));
    }

    pub(super) fn on_snapshot_durable(&mut self, zxid: Zxid, reach: Zxid, cx: &mut Cx<'_>) {
        self.snapshot.finishing = false;
        self.log.log.snapshot_taken(zxid, reach, self.knobs.snap_retain, cx.fx);
        cx.fx.note(Note::SnapshotTaken { zxid });
    }

    /// Gives up a snapshot in progress.
    pub(super) fn abandon_snapshot(&mut self, fx: &mut Effects) {
        self.snapshot.wanted = false;
        if let Some(running) = self.snapshot.running.take() {
            running.writer.abandon(fx);
        }
    }

    /// Writes the service as it stands, in one go.
    pub(super) fn snapshot_whole(&mut self, cx: &mut Cx<'_>) {
        let zxid = self.history.applied;
        let mut writer = SnapshotWriter::begin(zxid, cx.app.digest(), cx.fx);
        let (mut cursor, mut body) = (Cursor::default(), Vec::new());
        while !cx.app.snapshot(&mut cursor, usize::MAX, &mut body) {}
        writer.chunk(body, cx.fx);
        let ticket = writer.finish(zxid, &mut self.log.log, cx.fx);
        self.snapshot.finishing = true;
        self.waits.insert(ticket, Wait::Snapshot(zxid, zxid));
    }
}
