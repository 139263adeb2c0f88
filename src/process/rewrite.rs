//! A process whose effects are rewritten on the way out: how a wrong order is planted without a
//! trace in the code that has the right one.

use super::{Effects, Event, Note, Now, Probe, Process};

/// `inner`, with `rewrite` applied to what each of its steps asked for.
pub struct Rewritten {
    /// The process as it should be.
    pub inner: Box<dyn Process>,
    /// The bug's name: told as [`Note::Hit`] when the rewrite changed something.
    pub bug: &'static str,
    /// Changes the effects; true if its answer differs from the right one.
    pub rewrite: fn(&mut Effects) -> bool,
}

impl Rewritten {
    fn rewrite(&self, fx: &mut Effects) {
        if (self.rewrite)(fx) {
            fx.note(Note::Hit { bug: self.bug });
        }
    }
}

impl Process for Rewritten {
    fn start(&mut self, now: Now, fx: &mut Effects) {
        self.inner.start(now, fx);
        self.rewrite(fx);
    }

    fn step(&mut self, now: Now, event: Event, fx: &mut Effects) {
        self.inner.step(now, event, fx);
        self.rewrite(fx);
    }

    fn probe(&self) -> Probe {
        self.inner.probe()
    }

    fn fork(&self) -> Box<dyn Process> {
        let inner = self.inner.fork();
        Box::new(Rewritten { inner, bug: self.bug, rewrite: self.rewrite })
    }

    fn describe(&self) -> Vec<(String, String)> {
        self.inner.describe()
    }
}
