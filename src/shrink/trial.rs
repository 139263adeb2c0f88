//! One candidate, tried: does it fail as the original did?

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::{Duration, Time};
use crate::history::{At, Seen};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::Run;
use crate::verdict::{Outcome, Signature};

/// How far a candidate is followed before it counts as one that does not fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// No later than this, if it must fail before calm.
    time: Option<Time>,
    steps: u64,
}

impl Limit {
    /// For candidates of a plan that fails at `at`: they may fail somewhat later.
    pub fn after(plan: &Plan, at: At) -> Limit {
        let early = at.time < Time::from_ms(plan.calm_at);
        let time = Time(at.time.0.saturating_mul(2)) + Duration::from_ms(1_000);
        Limit { time: early.then_some(time), steps: at.step.saturating_mul(3) + 20_000 }
    }

    fn is_over(&self, run: &Run) -> bool {
        let now = run.world.now();
        let calm = Time::from_ms(run.plan().calm_at);
        now.step > self.steps || self.time.is_some_and(|time| now.time > time.min(calm))
    }
}

/// What came of a candidate.
#[derive(Clone, Debug, Default)]
pub(super) struct Came {
    /// What it showed, and when; `None` if nothing, or not soon enough.
    pub shown: Option<(Signature, At)>,
    /// Whether it ran to its end and passed.
    pub passed: bool,
    /// What it cost.
    pub steps: u64,
}

/// Runs a plan until it has shown `wanted`, or cannot any more.
pub(super) fn try_for(plan: &Plan, kit: &Kit, wanted: &Signature, limit: Limit) -> Came {
    let plan = Arc::new(plan.clone());
    let came = catch_unwind(AssertUnwindSafe(|| {
        let Ok(mut run) = Run::new(plan, kit) else { return Came::default() };
        // A mere assertion lets the run go on: only its end tells what weighs most.
        while run.step() {
            let found = run.verdict.signatures().contains(wanted);
            if !found && limit.is_over(&run) {
                break;
            }
        }
        came(&run)
    }));
    came.unwrap_or_default()
}

/// Runs a plan to its end.
pub(super) fn try_all(plan: &Plan, kit: &Kit, mut show: impl FnMut(At, &[Seen])) -> Came {
    let plan = Arc::new(plan.clone());
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let Ok(mut run) = Run::new(plan, kit) else { return Came::default() };
        while run.step_seen(&mut show) {}
        came(&run)
    }));
    ran.unwrap_or_default()
}

fn came(run: &Run) -> Came {
    let steps = run.world.now().step;
    match run.verdict.outcome() {
        Outcome::Pass => Came { shown: None, passed: true, steps },
        Outcome::Unknown(_) => Came { shown: None, passed: false, steps },
        Outcome::Violated(finding) => {
            let signature = run.verdict.signature().cloned();
            let shown = signature.map(|signature| (signature, finding.at));
            Came { shown, passed: false, steps }
        }
    }
}
