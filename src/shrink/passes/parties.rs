//! Who takes part: peers and clients.

use crate::plan::{Call, Driver, Step};

use super::super::edit::{keep_peers, without_clients};
use super::super::shrinker::Shrinker;

/// Smaller ensembles: 7, 5, 3, 1. Each choice of peers is tried, as each has its own draws.
pub fn peers(shrinker: &mut Shrinker<'_>, keys: u64) {
    while shrinker.best.voters >= 3 && !shrinker.is_over() {
        let voters = shrinker.best.voters;
        let mut adopted = false;
        'pairs: for one in (1..=voters).rev() {
            for other in (1..one).rev() {
                let keep: Vec<u8> = (1..=voters).filter(|id| ![one, other].contains(id)).collect();
                let plan = keep_peers(&shrinker.best, &keep);
                adopted = shrinker.offer_resampled(plan, keys.min(3));
                if adopted || shrinker.is_over() {
                    break 'pairs;
                }
            }
        }
        if !adopted {
            return;
        }
    }
}

/// Fewer clients; and programs become scripts of the calls that they made, to be deleted in turn.
pub fn clients(shrinker: &mut Shrinker<'_>, keys: u64) {
    let mut at = shrinker.best.clients.len();
    while at > 0 && !shrinker.is_over() {
        at -= 1;
        if shrinker.best.clients.len() > 1 {
            let plan = without_clients(&shrinker.best, at..at + 1);
            shrinker.offer_resampled(plan, keys);
        }
    }
    for at in 0..shrinker.best.clients.len() {
        if let Driver::Program { .. } = &shrinker.best.clients[at].driver {
            let mut plan = shrinker.best.clone();
            plan.clients[at].driver = Driver::Script(calls_of(shrinker, at));
            shrinker.offer_resampled(plan, keys);
        }
    }
}

/// What a client said until the violation, as a script.
fn calls_of(shrinker: &mut Shrinker<'_>, client: usize) -> Vec<Step> {
    let (until, calm) = (shrinker.at, shrinker.best.calm_at);
    let mut last = crate::base::Time::from_ms(shrinker.best.clients[client].start_at);
    let mut steps = Vec::new();
    shrinker.watch(|at, seen| {
        for one in seen {
            if let crate::history::Seen::Called(called) = one
                && called.client.0 as usize == client + 1
                && at <= until
                && at.time.as_ms() < calm
                && let Some(call) = Call::of_op(&called.op)
            {
                let wait_us = at.time.since(last).0 / 1_000;
                last = at.time;
                steps.push(Step { wait_us, drain: false, call });
            }
        }
    });
    steps
}
