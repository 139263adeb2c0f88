//! What clients say.

use crate::plan::{Call, Driver, Plan};

use super::super::edit::{members, script, step_mut, steps, without_steps};
use super::super::shrinker::Shrinker;

/// Fewer calls: halves of all of them, quarters, single ones; then fewer members of multis.
pub fn delete(shrinker: &mut Shrinker<'_>, keys: u64) {
    shrinker.delete(steps, without_steps, 0);
    if keys > 0 {
        // Single calls that seem to matter may only shift the dice of what comes after them.
        let mut end = steps(&shrinker.best);
        while end > 0 && end <= 40 && !shrinker.is_over() {
            end -= 1;
            let plan = without_steps(&shrinker.best, end..end + 1);
            shrinker.offer_resampled(plan, keys);
            end = end.min(steps(&shrinker.best));
        }
    }
    for nth in 0..steps(&shrinker.best) {
        multi(shrinker, nth);
    }
}

/// A multi loses members; what has one left becomes that one.
fn multi(shrinker: &mut Shrinker<'_>, nth: usize) {
    let parts = |plan: &Plan| {
        let mut plan = plan.clone();
        step_mut(&mut plan, nth).and_then(|step| members(&mut step.call).cloned())
    };
    let mut at = parts(&shrinker.best).map_or(0, |parts| parts.len());
    while at > 0 {
        at -= 1;
        let mut plan = shrinker.best.clone();
        if let Some(parts) = step_mut(&mut plan, nth).and_then(|step| members(&mut step.call)) {
            parts.remove(at);
        }
        shrinker.offer(plan);
    }
    if let Some([only]) = parts(&shrinker.best).as_deref() {
        let mut plan = shrinker.best.clone();
        if let Some(step) = step_mut(&mut plan, nth) {
            step.call = only.clone();
        }
        shrinker.offer(plan);
    }
}

/// Data are counted from 1 again, and what a script waits for at its end goes.
pub fn tidy(shrinker: &mut Shrinker<'_>) {
    let mut plan = shrinker.best.clone();
    let mut next = 0;
    for client in &mut plan.clients {
        if let Driver::Script(steps) = &mut client.driver {
            for step in steps {
                renumber(&mut step.call, &mut next);
            }
        }
    }
    shrinker.offer(plan);
    for client in 0..shrinker.best.clients.len() {
        let mut plan = shrinker.best.clone();
        if script(&plan.clients[client].driver).is_empty() && plan.clients.len() > 1 {
            plan.clients[client].start_at = 0;
            shrinker.offer(plan);
        }
    }
}

fn renumber(call: &mut Call, next: &mut u64) {
    if let Call::Create { data, .. }
    | Call::CreateContainer { data, .. }
    | Call::CreateTtl { data, .. }
    | Call::SetData { data, .. } = call
    {
        *next += 1;
        *data = *next;
    }
    for part in members(call).into_iter().flatten() {
        renumber(part, next);
    }
}
