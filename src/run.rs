//! The spine: one run is a world and its verdict, and a loop over both.
//!
//! ```text
//!   loop { world.step(&mut seen)  ->  verdict.observe(&seen)  ->  violated? settled? over? }
//! ```
//!
//! A [`Run`] is `Clone`: branching, crash points, shrinking and time travel copy both halves.

use std::sync::Arc;

use crate::base::{Digest, Duration, PeerId, Time};
use crate::history::{At, Seen};
use crate::kit::{Kit, UnknownName};
use crate::plan::{Fork, Plan, Planned};
use crate::verdict::{Outcome, Verdict};
use crate::world::World;

/// The most steps a run may take before it is called undecided: a budget in steps, so that the
/// verdict is the same on every machine.
pub const MAX_STEPS: u64 = 20_000_000;

/// A world and its verdict, at some step.
#[derive(Clone)]
pub struct Run {
    /// What happens.
    pub world: World,
    /// What it means.
    pub verdict: Verdict,
    plan: Arc<Plan>,
    seen: Vec<Seen>,
    /// When the run may end, once everything that must happen has happened.
    end_at: Option<Time>,
    over: bool,
}

/// Why a run could not even start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CannotRun {
    /// The plan uses a name that the kit does not know.
    Unknown(UnknownName),
    /// The plan asks for what no world can do.
    Impossible(String),
}

impl std::fmt::Display for CannotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CannotRun::Unknown(unknown) => unknown.fmt(f),
            CannotRun::Impossible(why) => f.write_str(why),
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The verdict.
    pub outcome: Outcome,
    /// The digest of all that happened.
    pub digest: Digest,
    /// When it ended.
    pub end: At,
}

impl Run {
    /// The beginning of a plan's run.
    ///
    /// # Errors
    /// If the plan uses unknown names, or asks for what no world can do.
    pub fn new(plan: Arc<Plan>, kit: &Kit) -> Result<Run, CannotRun> {
        let cast = kit.cast(&plan).map_err(CannotRun::Unknown)?;
        let oracles = kit.oracles(&plan).map_err(CannotRun::Unknown)?;
        let world = World::new(plan.clone(), cast).map_err(CannotRun::Impossible)?;
        let mut verdict = Verdict::new(oracles, &plan);
        verdict.leave_out(kit.left_out());
        if kit.searches() {
            verdict.search();
        }
        Ok(Run { world, verdict, plan, seen: Vec::with_capacity(64), end_at: None, over: false })
    }

    /// One step; false once the run is over.
    pub fn step(&mut self) -> bool {
        self.step_seen(|_, _| {})
    }

    /// One step, showing what was seen.
    pub fn step_seen(&mut self, mut show: impl FnMut(At, &[Seen])) -> bool {
        if self.over {
            return false;
        }
        self.seen.clear();
        let Some(at) = self.world.step(&mut self.seen) else {
            self.finish(show);
            return false;
        };
        show(at, &self.seen);
        self.verdict.observe(at, &self.seen);
        if self.verdict.must_stop() {
            self.over = true;
            return false;
        }
        if self.end_at.is_none() && self.verdict.is_settled() {
            self.end_at = Some(at.time + Duration::from_ms(self.plan.settle));
        }
        let ended = self.end_at.is_some_and(|end| at.time >= end) && self.verdict.may_end(at);
        if ended || self.verdict.is_hopeless(at) {
            self.finish(show);
        } else if at.step >= MAX_STEPS {
            self.verdict.give_up(format!("{MAX_STEPS} steps were not enough"));
            self.over = true;
        }
        !self.over
    }

    /// Goes another way from here on: with other dice, and with more faults. It is the run, from
    /// here on, of its plan with that fork and these faults.
    pub fn fork(&mut self, salt: u64, faults: &[Planned]) {
        let step = self.world.now().step;
        let plan = Arc::make_mut(&mut self.plan);
        plan.forks.push(Fork { step, salt });
        plan.faults.extend_from_slice(faults);
        self.world.fork(salt, faults);
    }

    /// Runs to the end.
    pub fn finish_all(mut self) -> (Ran, Run) {
        while self.step() {}
        (self.ran(), self)
    }

    /// What the run has come to so far.
    pub fn ran(&self) -> Ran {
        Ran { outcome: self.verdict.outcome(), digest: self.world.digest(), end: self.world.now() }
    }

    /// The plan it carries out.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// How each peer stands, for people.
    pub fn describe(&self) -> Vec<(PeerId, Vec<(String, String)>)> {
        let peers = (1..=self.plan.voters).map(PeerId);
        peers.map(|peer| (peer, self.world.describe(peer))).collect()
    }

    fn finish(&mut self, mut show: impl FnMut(At, &[Seen])) {
        self.seen.clear();
        self.world.finish(&mut self.seen);
        let at = self.world.now();
        show(at, &self.seen);
        self.verdict.observe(at, &self.seen);
        self.verdict.finish(at);
        self.over = true;
    }
}
