//! Forks: a run that was branched becomes one that was not.
//!
//! Whatever is taken out before a step makes it another moment of the run, so this comes first.

use std::ops::Range;

use crate::base::Time;
use crate::plan::{Plan, When};

use super::super::shrinker::Shrinker;

/// Takes out forks, all of them first; then gives each fault that strikes after a step a time.
pub fn straighten(shrinker: &mut Shrinker<'_>, keys: u64) {
    let without = |plan: &Plan, range: Range<usize>| {
        let mut plan = plan.clone();
        plan.forks.drain(range);
        plan
    };
    shrinker.delete(|plan| plan.forks.len(), without, keys);
    for nth in 0..shrinker.best.faults.len() {
        let When::Step(step) = shrinker.best.faults[nth].when else { continue };
        let mut strikes = None;
        shrinker.watch(|at, _| {
            if at.step <= step {
                strikes = Some(at.time);
            }
        });
        let ms = strikes.map_or(0, |time: Time| time.0.div_ceil(1_000_000));
        let mut plan = shrinker.best.clone();
        plan.faults[nth].when = When::At(ms);
        shrinker.offer_resampled(plan, keys);
    }
}
