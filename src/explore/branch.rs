//! One seed as a small tree of runs: branched where a run is deeper in trouble than it ever was.
//!
//! ```text
//!   root --^-----^---------------->          ^  a watermark rises: the run is copied
//!          |     |
//!          |     +---x-----^------>          x  other dice from here on, and a few faults
//!          |               +---x-->             of this branch; what rises further is
//!          +---x-------->                       branched again
//! ```
//!
//! A tree is a function of its plan: how much is tried is counted in events. Each branch is a run
//! of a plan of its own, which says after which steps it takes which other dice and which faults
//! strike there; that plan, run from its beginning, is the very same run.

use std::fmt;
use std::sync::Arc;

use crate::base::{Dice, Draw};
use crate::history::{Seen, Watermarks};
use crate::kit::Kit;
use crate::plan::scenario::Scenario;
use crate::plan::{Fork, Plan};
use crate::run::{CannotRun, Run};

use super::policy::{Policy, at_fork};

/// How deep trees are.
const DEPTH: usize = 3;
/// How many times as many events as in the root the branches of a tree may have together.
const BUDGET: u64 = 3;
/// How often a run is branched at one place.
const TRIES: u64 = 3;
/// How many places one run is branched at.
const PLACES: usize = 6;
/// Two places are at least so many steps apart.
const APART: u64 = 40;

/// A branch of a tree: where it parted from its root, and again from what it had become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Branch([Option<Fork>; DEPTH]);

impl Branch {
    /// What was drawn, not branched.
    pub const ROOT: Branch = Branch([None; DEPTH]);

    /// Its forks, in the order of their steps.
    pub fn forks(&self) -> impl Iterator<Item = Fork> + '_ {
        self.0.iter().flatten().copied()
    }

    /// From forks in order; None if there are too many.
    pub fn of(forks: &[Fork]) -> Option<Branch> {
        let mut branch = Branch::ROOT;
        for fork in forks {
            branch = branch.and(*fork)?;
        }
        Some(branch)
    }

    /// Branched once more; None if it is as deep as a tree may be.
    pub fn and(mut self, fork: Fork) -> Option<Branch> {
        let last = self.forks().last().map_or(0, |fork| fork.step);
        let place = self.0.iter_mut().find(|fork| fork.is_none())?;
        *place = (fork.step > last).then_some(fork);
        place.is_some().then_some(self)
    }

    /// Makes its plan of its root's.
    pub fn steer(&self, scenario: &Scenario, plan: &mut Plan) {
        for fork in self.forks() {
            plan.faults.extend(at_fork(scenario, plan, fork));
            plan.forks.push(fork);
        }
    }
}

/// As tokens spell it: steps and salts in turn.
impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.forks().try_for_each(|fork| write!(f, "-{}-{}", fork.step, fork.salt))
    }
}

/// A branch that has grown to its end.
pub struct Grown<'a> {
    /// Which.
    pub branch: Branch,
    /// Its run.
    pub run: &'a Run,
    /// The run that it is a branch of, where it was branched; None of the root.
    pub from: Option<&'a Run>,
}

/// A place where a run can be branched.
struct Bud {
    run: Run,
    marks: Watermarks,
    branch: Branch,
    tries: u64,
}

/// Grows the tree of a plan, and shows each run at its end until `show` has seen enough.
///
/// # Errors
/// If the plan cannot run.
pub fn grow(
    scenario: &Scenario,
    plan: &Arc<Plan>,
    kit: &Kit,
    mut show: impl FnMut(&Grown<'_>) -> bool,
) -> Result<(), CannotRun> {
    let marks = Watermarks::new(plan.voters, plan.clients.len());
    let (root, mut buds) = follow(Run::new(plan.clone(), kit)?, marks, Branch::ROOT);
    let go_on = show(&Grown { branch: Branch::ROOT, run: &root, from: None });
    if !go_on || !Policy::may_steer(scenario, plan) {
        return Ok(());
    }
    let mut left = root.world.now().step * BUDGET;
    let mut dice = Dice::new(plan.seed, "branch");
    while !buds.is_empty() {
        // What has risen last, or any.
        let last = buds.len() as u64 - 1;
        let nth = if dice.below(2) == 0 { last } else { dice.below(last + 1) } as usize;
        let bud = &mut buds[nth];
        bud.tries += 1;
        let fork = Fork { step: bud.run.world.now().step, salt: bud.tries };
        let branch = bud.branch.and(fork).expect("what is as deep as may be has no buds");
        let mut run = bud.run.clone();
        run.fork(fork.salt, &at_fork(scenario, bud.run.plan(), fork));
        let (run, more) = follow(run, bud.marks.clone(), branch);
        let go_on = show(&Grown { branch, run: &run, from: Some(&bud.run) });
        let spent = run.world.now().step - fork.step;
        if !go_on || spent >= left {
            break;
        }
        left -= spent;
        if bud.tries == TRIES {
            buds.remove(nth);
        }
        buds.extend(more);
    }
    Ok(())
}

/// Runs to the end; where a watermark rises on the way is a place to branch.
fn follow(mut run: Run, mut marks: Watermarks, branch: Branch) -> (Run, Vec<Bud>) {
    let mut buds = Vec::new();
    let mut left = if branch.forks().count() < DEPTH { PLACES } else { 0 };
    let mut next = run.world.now().step + APART;
    loop {
        let mut risen = false;
        let mut calm = false;
        let goes_on = run.step_seen(|_, seen| {
            for one in seen {
                risen |= marks.observe(one);
                calm |= matches!(one, Seen::Calm { .. });
            }
        });
        if !goes_on {
            return (run, buds);
        }
        if calm {
            left = 0;
        }
        let step = run.world.now().step;
        if risen && left > 0 && step >= next {
            left -= 1;
            next = step + APART;
            buds.push(Bud { run: run.clone(), marks: marks.clone(), branch, tries: 0 });
        }
    }
}
