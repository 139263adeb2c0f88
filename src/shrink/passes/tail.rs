//! What comes after the violation.

use crate::base::Time;
use crate::plan::{Driver, Plan, When};

use super::super::edit::without_faults;
use super::super::shrinker::Shrinker;

/// Takes out what cannot have mattered: faults and calls after the violation. Calm stays well
/// behind it, so that smaller plans may fail somewhat later.
pub fn cut(shrinker: &mut Shrinker<'_>) {
    let late = shrinker.at.time.as_ms();
    let plan = without_faults(&shrinker.best, |_, planned| match &planned.when {
        When::At(ms) => *ms > late,
        When::Moment { from, .. } => *from > late,
        When::Step(step) => *step > shrinker.at.step,
        When::Then(_) => false,
    });
    shrinker.offer(plan);
    // After calm nothing is planned: an earlier calm is a shorter story.
    if shrinker.at.time < Time::from_ms(shrinker.best.calm_at) {
        calm_at(shrinker, late * 2 + 500);
    } else {
        earlier_calm(shrinker);
    }
    settle(shrinker);
    scripts(shrinker);
}

/// Calm right behind the violation.
pub fn trim(shrinker: &mut Shrinker<'_>) {
    let late = shrinker.at.time.as_ms();
    if shrinker.at.time < Time::from_ms(shrinker.best.calm_at) {
        for calm in [late + 1, late + 100, late + late / 2 + 100] {
            if calm_at(shrinker, calm) {
                break;
            }
        }
    }
}

fn calm_at(shrinker: &mut Shrinker<'_>, ms: u64) -> bool {
    let latest = shrinker.best.faults.iter().filter_map(|planned| match &planned.when {
        When::At(ms) => Some(*ms),
        When::Moment { from, .. } => Some(*from),
        When::Then(_) | When::Step(_) => None,
    });
    let ms = latest.max().map_or(ms, |latest| ms.max(latest + 1));
    ms < shrinker.best.calm_at && shrinker.offer(Plan { calm_at: ms, ..shrinker.best.clone() })
}

/// What fails after calm may fail after an earlier one.
fn earlier_calm(shrinker: &mut Shrinker<'_>) {
    for share in [1, 2, 4, 6, 7] {
        if calm_at(shrinker, shrinker.best.calm_at * share / 8) {
            break;
        }
    }
}

fn settle(shrinker: &mut Shrinker<'_>) {
    if shrinker.best.settle > 0 {
        shrinker.offer(Plan { settle: 0, ..shrinker.best.clone() });
    }
}

/// Cuts each script to the shortest beginning that still fails.
fn scripts(shrinker: &mut Shrinker<'_>) {
    for client in 0..shrinker.best.clients.len() {
        let Driver::Script(steps) = &shrinker.best.clients[client].driver else { continue };
        // Steps behind the violation were never made: fewer and fewer stay, until it is gone.
        let (mut low, mut high) = (0, steps.len());
        while low < high && !shrinker.is_over() {
            let middle = low + (high - low) / 2;
            let mut plan = shrinker.best.clone();
            if let Driver::Script(steps) = &mut plan.clients[client].driver {
                steps.truncate(middle);
            }
            if shrinker.offer(plan) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
    }
}
