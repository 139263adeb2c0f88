//! What the world does by itself: laws become constants, rates become zero, clocks are right.

use crate::base::Ratio;
use crate::plan::draw::KNOBS;
use crate::plan::{Delay, Plan};

use super::super::shrinker::Shrinker;
use super::super::size::{Size, is_constant};

/// One law of a plan.
type Law = fn(&mut Plan) -> &mut Delay;

/// The laws, and constants that stand for "hardly anything" of each, in microseconds.
const LAWS: [(Law, [u64; 2]); 6] = [
    (|plan| &mut plan.net.delay, [500, 1_000]),
    (|plan| &mut plan.net.client_delay, [500, 1_000]),
    (|plan| &mut plan.disk.log_sync, [0, 100]),
    (|plan| &mut plan.disk.snap_sync, [0, 100]),
    (|plan| &mut plan.disk.read, [0, 100]),
    (|plan| &mut plan.work.delay, [1, 10]),
];

/// A family of noise, taken out.
type Without = fn(&mut Plan);

const FAMILIES: [Without; 12] = [
    quiet,
    |plan| plan.clocks.clear(),
    |plan| plan.net.slow.clear(),
    |plan| plan.net.stall = Ratio::NEVER,
    |plan| (plan.net.reset, plan.net.client_reset) = (Ratio::NEVER, Ratio::NEVER),
    |plan| (plan.net.refuse, plan.net.hang) = (Ratio::NEVER, Ratio::NEVER),
    |plan| plan.net.half_open = Ratio::NEVER,
    |plan| (plan.disk.garbage, plan.disk.keep) = (Ratio::NEVER, Ratio::NEVER),
    |plan| plan.work.slow.clear(),
    |plan| plan.net.queue = 1_024,
    |plan| plan.disk.sector = 512,
    |plan| plan.initial_counter = 0,
];

/// Everything that is not a law of delays.
fn quiet(plan: &mut Plan) {
    plan.clocks.clear();
    plan.work.slow.clear();
    plan.net.slow.clear();
    let (net, disk) = (&mut plan.net, &mut plan.disk);
    for rate in [
        &mut net.stall,
        &mut net.reset,
        &mut net.client_reset,
        &mut net.refuse,
        &mut net.hang,
        &mut net.half_open,
        &mut disk.garbage,
        &mut disk.keep,
    ] {
        *rate = Ratio::NEVER;
    }
    net.queue = 1_024;
}

/// All noise at once, then family by family, then law by law.
pub fn families(shrinker: &mut Shrinker<'_>, keys: u64) {
    if Size::of(&shrinker.best).noise > 0 {
        let mut plan = shrinker.best.clone();
        quiet(&mut plan);
        for (law, [constant, _]) in LAWS {
            set(law(&mut plan), constant);
        }
        shrinker.offer_resampled(plan, keys);
    }
    for without in FAMILIES {
        let mut plan = shrinker.best.clone();
        without(&mut plan);
        shrinker.offer_resampled(plan, keys);
    }
    for nth in (0..shrinker.best.work.slow.len()).rev() {
        let mut plan = shrinker.best.clone();
        let [low, high] = [40_000, 5_000].map(|us| us.min(most(&plan.work.slow[nth].1)));
        for constant in [low, high, middle(&plan.work.slow[nth].1)] {
            set(&mut plan.work.slow[nth].1, constant);
            if !is_constant(&shrinker.best.work.slow[nth].1) {
                shrinker.offer_resampled(plan.clone(), keys);
            }
        }
    }
    for (law, constants) in LAWS {
        let now = *law(&mut shrinker.best.clone());
        if is_constant(&now) {
            continue;
        }
        for constant in [constants[0], constants[1], middle(&now), most(&now), middle(&now) / 4] {
            let mut plan = shrinker.best.clone();
            set(law(&mut plan), constant);
            if shrinker.offer_resampled(plan, keys) {
                break;
            }
        }
    }
}

fn set(law: &mut Delay, us: u64) {
    *law = Delay::Uniform { min_us: us, max_us: us };
}

/// A round number of microseconds that is not exceptional under a law.
fn middle(law: &Delay) -> u64 {
    let us = match *law {
        Delay::Uniform { min_us, max_us } | Delay::Bimodal { min_us, max_us, .. } => {
            min_us.midpoint(max_us)
        }
        Delay::Exponential { min_us, mean_us } => min_us.saturating_add(mean_us),
        Delay::LogUniform { min_us, max_us } => min_us.saturating_mul(max_us).isqrt(),
    };
    round(us)
}

/// About the longest delay under a law.
fn most(law: &Delay) -> u64 {
    round(match *law {
        Delay::Uniform { max_us, .. } | Delay::LogUniform { max_us, .. } => max_us,
        Delay::Exponential { min_us, mean_us } => min_us.saturating_add(mean_us.saturating_mul(4)),
        Delay::Bimodal { tail_us, .. } => tail_us,
    })
}

/// One digit and zeros.
fn round(us: u64) -> u64 {
    let unit = 10_u64.pow(us.max(1).ilog10());
    us / unit * unit
}

/// Tuning constants become what nobody sets: all at once, then one by one.
pub fn knobs(shrinker: &mut Shrinker<'_>) {
    let default = |plan: &mut Plan, name: &str, value: u64| {
        if value == 0 {
            plan.knobs.remove(name);
        } else {
            plan.knobs.insert(name.to_string(), value);
        }
    };
    let mut plan = shrinker.best.clone();
    for (name, value, ..) in KNOBS {
        default(&mut plan, name, value);
    }
    if shrinker.offer_resampled(plan, 2) {
        return;
    }
    for (name, value, ..) in KNOBS {
        let mut plan = shrinker.best.clone();
        default(&mut plan, name, value);
        shrinker.offer(plan);
    }
}

/// An epoch is used up sooner and sooner, as long as it is planned to be at all: by half of what it
/// takes, a quarter, and so on. Every call that only used up zxids can go then.
pub fn sooner(shrinker: &mut Shrinker<'_>, keys: u64) {
    const NAME: &str = "last_counter";
    let many = |shrinker: &Shrinker<'_>| shrinker.best.knobs.get(NAME).copied().unwrap_or(0);
    let mut less = many(shrinker) / 2;
    while less > 0 {
        let mut plan = shrinker.best.clone();
        plan.knobs.insert(NAME.to_string(), many(shrinker) - less);
        if !shrinker.offer_resampled(plan, keys) {
            less /= 2;
        }
        less = less.min(many(shrinker) / 2);
    }
}
