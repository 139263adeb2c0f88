//! Rebuilding the service from disk while running: after TRUNC has cut the log, and after a SNAP
//! that did not finish (spec 6.8, 6.1; ZOOKEEPER-3642).
//!
//! ```text
//!   TRUNC: cut --durable--> read all files --> recover --> restore + replay --> go on
//!   partial SNAP:           read all files --> recover --> restore + replay --> elect
//! ```
//!
//! Invariant: between the cut and the end of the rebuild nobody looks at the service: a learner
//! keeps its packets back, and an election does not start.

use std::collections::BTreeMap;

use crate::base::{Ticket, Zxid};
use crate::disk;
use crate::process::{Effects, File, Note};

use super::{Cx, Wait, Zab};

/// How far a rebuild is.
#[derive(Clone, Debug)]
pub(super) struct Rebuild {
    /// TRUNC's cut point, if this is for a TRUNC.
    cut: Option<Zxid>,
    asked: BTreeMap<Ticket, File>,
    files: Vec<(File, Vec<u8>)>,
}

impl Zab {
    /// Cuts the log after `cut`, then rebuilds. Snapshots that know too much go before.
    pub(super) fn cut_log(&mut self, cut: Zxid, cx: &mut Cx<'_>) {
        let how = self.log.log.truncate(cut, cx.fx);
        for _ in 0..self.log.log.differed() {
            cx.fx.note(Note::hit(self.rules.disk.planted.unwrap_or_default()));
        }
        let (ticket, done) = match how {
            disk::Cut::Again(ticket) => (ticket, false),
            disk::Cut::Last(ticket) => (ticket, true),
            disk::Cut::Impossible => {
                // What must go is in a snapshot: only another snapshot can take its place.
                self.rebuild = None;
                self.want_snap = true;
                return self.leave(Note::LeftLeader { why: "cannot_cut" }, cx);
            }
        };
        self.rebuild = Some(Rebuild { cut: Some(cut), asked: BTreeMap::new(), files: Vec::new() });
        self.waits.insert(ticket, Wait::Cut { cut, done });
    }

    pub(super) fn on_cut(&mut self, cut: Zxid, done: bool, cx: &mut Cx<'_>) {
        if !done {
            return self.cut_log(cut, cx);
        }
        cx.fx.note(Note::Truncated { last: cut });
        self.log.restart();
        self.start_rebuild(cx.fx);
    }

    /// Asks for all files.
    pub(super) fn start_rebuild(&mut self, fx: &mut Effects) {
        let cut = self.rebuild.take().and_then(|rebuild| rebuild.cut);
        let asked: BTreeMap<Ticket, File> = self.log.log.read_all(fx).into_iter().collect();
        assert!(
            !asked.is_empty(),
            "a snapshot, or the origin that stands for one, is always there"
        );
        for ticket in asked.keys() {
            self.waits.insert(*ticket, Wait::Rebuild);
        }
        self.rebuild = Some(Rebuild { cut, asked, files: Vec::new() });
    }

    pub(super) fn on_rebuild_file(&mut self, ticket: Ticket, bytes: Vec<u8>, cx: &mut Cx<'_>) {
        let Some(rebuild) = &mut self.rebuild else { return };
        let Some(file) = rebuild.asked.remove(&ticket) else { return };
        rebuild.files.push((file, bytes));
        if rebuild.asked.is_empty() {
            let rebuild = self.rebuild.take().expect("borrowed just before");
            self.rebuilt(rebuild, cx);
        }
    }

    fn rebuilt(&mut self, rebuild: Rebuild, cx: &mut Cx<'_>) {
        let found = match disk::recover(&disk::image_of(rebuild.files), self.rules.disk) {
            Ok(found) => found,
            Err(refused) => return self.halt(refused.reason, cx.fx),
        };
        self.log.restart();
        self.restore(found.snapshot, found.entries, cx);
        if let (Some(cut), false) = (rebuild.cut, self.halted) {
            self.rebuilt_after_cut(cut, cx);
        }
    }
}
