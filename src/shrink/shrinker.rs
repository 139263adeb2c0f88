//! The loop: passes propose, trials decide, the best plan so far is kept.

use std::fmt;

use crate::base::Key;
use crate::history::At;
use crate::kit::Kit;
use crate::plan::Plan;
use crate::verdict::Signature;

use super::passes;
use super::size::Size;
use super::trial::{Came, Limit, try_all, try_for};

/// How much may be spent.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Simulated steps of all trials together.
    pub steps: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { steps: 30_000_000 }
    }
}

/// Why shrinking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing more can be taken out one by one.
    Done,
    /// The budget was used up.
    Budget,
    /// Whoever asked for it had enough.
    Stopped,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::Done => "nothing more can be taken out",
            Ended::Budget => "the budget of steps was used up",
            Ended::Stopped => "it was cut short",
        })
    }
}

/// Why there is nothing to shrink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotShrunk(pub String);

impl fmt::Display for NotShrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The pass at work.
    pub pass: &'static str,
    /// How many trials there were.
    pub trials: u64,
    /// The size of the best plan so far.
    pub size: Size,
}

/// A small plan, and what it was made from.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small plan.
    pub plan: Plan,
    /// What both plans show.
    pub signature: Signature,
    /// The size of the plan given, and when it failed.
    pub before: (Size, At),
    /// The size of the small plan, and when it fails.
    pub after: (Size, At),
    /// How many plans were tried.
    pub trials: u64,
    /// How many steps these took.
    pub steps: u64,
    /// Why it ended.
    pub ended: Ended,
    /// Whether the small plan was checked to pass without its planted bugs.
    pub clean_passes: bool,
}

/// Shrinks a plan that fails. `enough` is asked before each trial, and ends it early.
///
/// # Errors
/// If the plan cannot run, or does not fail.
pub fn shrink(
    plan: &Plan,
    kit: &Kit,
    budget: Budget,
    enough: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Shrunk, NotShrunk> {
    let came = try_all(plan, kit, |_, _| {});
    let Some((signature, at)) = came.shown else {
        let what = if came.passed { "it passes" } else { "it has no verdict" };
        return Err(NotShrunk(format!("there is nothing to shrink: {what}")));
    };
    let mut shrinker = Shrinker {
        kit,
        budget,
        enough,
        wanted: signature.clone(),
        best: plan.clone(),
        at,
        clean: !plan.bugs.is_empty(),
        pass: "",
        trials: 1,
        steps: came.steps,
        resampled: 0,
        ended: None,
    };
    shrinker.clean = shrinker.clean && shrinker.passes_clean(plan);
    passes::all(&mut shrinker);
    let Shrinker { best, at: last, trials, steps, ended, clean, .. } = shrinker;
    Ok(Shrunk {
        before: (Size::of(plan), at),
        after: (Size::of(&best), last),
        plan: best,
        signature,
        trials,
        steps,
        ended: ended.unwrap_or(Ended::Done),
        clean_passes: clean,
    })
}

/// See the module's page.
pub(super) struct Shrinker<'a> {
    kit: &'a Kit,
    budget: Budget,
    enough: &'a mut dyn FnMut(&Progress) -> bool,
    wanted: Signature,
    /// The smallest plan so far that fails as wanted.
    pub best: Plan,
    /// When it fails.
    pub at: At,
    /// Plans must pass once their planted bugs are taken out: what a right ensemble would not
    /// survive either shows nothing.
    clean: bool,
    pub pass: &'static str,
    trials: u64,
    steps: u64,
    /// How many other keys were tried.
    resampled: u64,
    ended: Option<Ended>,
}

impl Shrinker<'_> {
    /// Whether no more trials are made.
    pub fn is_over(&mut self) -> bool {
        if self.ended.is_none() {
            let size = Size::of(&self.best);
            let progress = Progress { pass: self.pass, trials: self.trials, size };
            if self.steps >= self.budget.steps {
                self.ended = Some(Ended::Budget);
            } else if (self.enough)(&progress) {
                self.ended = Some(Ended::Stopped);
            }
        }
        self.ended.is_some()
    }

    /// Adopts a plan if it fails as wanted.
    pub fn offer(&mut self, plan: Plan) -> bool {
        if plan == self.best || self.is_over() || plan.check().is_err() {
            return false;
        }
        let came = try_for(&plan, self.kit, &self.wanted, Limit::after(&self.best, self.at));
        self.count(&came);
        match came.shown {
            Some((signature, at)) if signature == self.wanted => {
                if self.clean && !self.passes_clean(&plan) {
                    return false;
                }
                self.best = plan;
                self.at = at;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The same; if it does not fail, with up to `keys` other keys, too.
    pub fn offer_resampled(&mut self, plan: Plan, keys: u64) -> bool {
        if plan == self.best || plan.check().is_err() {
            return false;
        }
        if self.offer(plan.clone()) {
            return true;
        }
        for _ in 0..keys {
            self.resampled += 1;
            let key = Key(self.best.key).named("shrink").with(self.resampled).0;
            if self.offer(Plan { key, ..plan.clone() }) {
                return true;
            }
        }
        false
    }

    /// Takes out as many of the `count` parts of the best plan as possible: halves, quarters, and
    /// so on down to single ones, the last ones first.
    pub fn delete(
        &mut self,
        count: impl Fn(&Plan) -> usize,
        without: impl Fn(&Plan, std::ops::Range<usize>) -> Plan,
        keys: u64,
    ) {
        let mut chunk = count(&self.best);
        while chunk > 0 && !self.is_over() {
            let mut end = count(&self.best);
            while end > 0 {
                let start = end.saturating_sub(chunk);
                self.offer_resampled(without(&self.best, start..end), keys);
                // Adopted or not: what stands before is as it was.
                end = start.min(count(&self.best));
            }
            chunk /= 2;
        }
    }

    /// A run of the best plan, shown.
    pub fn watch(&mut self, show: impl FnMut(At, &[crate::history::Seen])) {
        let came = try_all(&self.best, self.kit, show);
        self.count(&came);
    }

    fn passes_clean(&mut self, plan: &Plan) -> bool {
        let right = Plan { bugs: Vec::new(), ..plan.clone() };
        let came = try_all(&right, self.kit, |_, _| {});
        self.count(&came);
        came.passed
    }

    fn count(&mut self, came: &Came) {
        self.trials += 1;
        self.steps += came.steps;
    }
}
