//! What goes wrong on purpose.

use crate::plan::Plan;

use super::super::edit::without_faults;
use super::super::shrinker::Shrinker;

/// Whole kinds of faults; all of them first.
pub fn kinds(shrinker: &mut Shrinker<'_>, keys: u64) {
    if shrinker.best.faults.is_empty() {
        return;
    }
    if shrinker.offer_resampled(without_faults(&shrinker.best, |_, _| true), keys) {
        return;
    }
    let mut kinds: Vec<&'static str> =
        shrinker.best.faults.iter().map(|planned| planned.fault.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 2 {
        return;
    }
    for kind in kinds {
        let plan = without_faults(&shrinker.best, |_, planned| planned.fault.kind() == kind);
        shrinker.offer_resampled(plan, keys);
    }
}

/// Halves of the faults, quarters, single ones; and peers are frail only if something is done to
/// them that needs it.
pub fn single(shrinker: &mut Shrinker<'_>, keys: u64) {
    let without = |plan: &Plan, range: std::ops::Range<usize>| {
        without_faults(plan, |index, _| range.contains(&index))
    };
    shrinker.delete(|plan| plan.faults.len(), without, keys);
    if !shrinker.best.frail.is_empty() {
        let plan = Plan { frail: Vec::new(), ..shrinker.best.clone() };
        shrinker.offer(plan);
    }
}
