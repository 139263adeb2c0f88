//! Laws of the network, the disks and the scheduler of one seed.

use crate::base::{Dice, Draw, Ratio};

use super::super::{Delay, DiskNoise, NetNoise, WorkNoise};
use super::{Setting, typical_us};

/// About the longest one-way delay between peers that is not exceptional, slow pairs included.
pub fn one_way_us(net: &NetNoise) -> u64 {
    let slowest = net.slow.iter().map(|(_, _, extra)| *extra).max().unwrap_or(0);
    typical_us(&net.delay).saturating_add(slowest)
}

/// The network of this seed.
pub fn net(setting: &Setting<'_>, wan: bool) -> NetNoise {
    let lan = Delay::Uniform { min_us: 100, max_us: 1_000 };
    let mut net = NetNoise {
        delay: lan,
        client_delay: lan,
        slow: Vec::new(),
        stall: Ratio::NEVER,
        stall_us: 200_000,
        reset: Ratio::NEVER,
        client_reset: Ratio::NEVER,
        refuse: Ratio::NEVER,
        hang: Ratio::NEVER,
        half_open: Ratio::NEVER,
        queue: NetNoise::USUAL_QUEUE,
    };
    if !setting.allows("net") {
        return net;
    }
    let mut dice = setting.dice("net");
    let most = (setting.patience_us() / 4).max(1_000);
    net.delay = delay(&mut dice, wan, most);
    let remote = dice.below(4) == 0;
    net.client_delay = delay(&mut dice, remote, most);
    if dice.below(4) == 0 {
        net.slow = slow_pairs(setting, &mut dice, typical_us(&net.delay), most);
    }
    // Where disks forget, the others must go on hearing each other.
    if !setting.rot {
        rates(setting, &mut net);
    }
    net
}

/// A law of one-way delays that usually stays below `most`.
fn delay(dice: &mut Dice, wan: bool, most: u64) -> Delay {
    if wan {
        let mean_us = dice.between(30_000, 100_000).min(most / 4);
        return Delay::Exponential { min_us: dice.below(30_000).min(most / 4), mean_us };
    }
    match dice.weighted(&[45, 25, 30]) {
        0 => Delay::Uniform { min_us: 100, max_us: 1_000 },
        1 => {
            let tail = Ratio::new(dice.scale(1, 100), 1_000);
            let max_us = dice.scale(200, 2_000);
            Delay::Bimodal { min_us: 100, max_us, tail, tail_us: (max_us * 100).min(most * 8) }
        }
        // Only heavy tails let one message be overtaken by ten hops of others.
        _ => Delay::LogUniform { min_us: dice.scale(10, 200), max_us: dice.scale(1_000, most) },
    }
}

/// A few directed pairs that are slower than the others by a factor of 2 to 1000.
fn slow_pairs(
    setting: &Setting<'_>,
    dice: &mut Dice,
    usual: u64,
    most: u64,
) -> Vec<(crate::base::PeerId, crate::base::PeerId, u64)> {
    let mut pairs = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (from, to) = (setting.peer(dice), setting.peer(dice));
        let extra = usual.saturating_mul(dice.scale(2, 1_000)).min(most);
        if from != to && !pairs.iter().any(|(f, t, _)| (*f, *t) == (from, to)) {
            pairs.push((from, to, extra));
        }
    }
    pairs
}

/// How often things go wrong by themselves: each off in half of the seeds, else over two orders
/// of magnitude.
fn rates(setting: &Setting<'_>, net: &mut NetNoise) {
    let mut dice = setting.dice("net/rates");
    let mut rate = |most: u64, den: u64| {
        let num = dice.scale(1, most);
        if dice.below(2) == 0 { Ratio::NEVER } else { Ratio::new(num, den) }
    };
    net.stall = rate(1_000, 100_000);
    net.reset = rate(200, 100_000);
    net.client_reset = rate(500, 100_000);
    net.refuse = rate(200, 1_000);
    net.hang = rate(100, 1_000);
    net.half_open = rate(100, 1_000);
    net.stall_us = dice.scale(10_000, 1_000_000).min(setting.tick * 2_000);
    // Enough for some dozens of frames per tick: a sync of some hundred must fit into its limit.
    let least = one_way_us(net) * 64 / (setting.tick * 1_000);
    let few = dice.below(3) == 0;
    let queue = dice.scale(4, 64).max(least) as u32;
    net.queue = if few { queue } else { NetNoise::USUAL_QUEUE };
}

/// The disks of this seed.
pub fn disk(setting: &Setting<'_>) -> DiskNoise {
    let fast = Delay::Uniform { min_us: 50, max_us: 200 };
    let mut disk = DiskNoise {
        log_sync: fast,
        snap_sync: fast,
        read: fast,
        garbage: Ratio::NEVER,
        keep: Ratio::NEVER,
        sector: 512,
    };
    if !setting.allows("disk") {
        return disk;
    }
    let mut dice = setting.dice("disk");
    let most = (setting.patience_us() / 4).max(1_000);
    disk.log_sync = sync(&mut dice, most);
    disk.snap_sync = sync(&mut dice, most);
    disk.read = sync(&mut dice, (most / 4).max(1_000));
    disk.garbage = *dice.pick(&[Ratio::NEVER, Ratio::new(1, 4), Ratio::new(1, 1)]);
    let keep = [Ratio::NEVER, Ratio::new(1, 10), Ratio::new(1, 2), Ratio::new(9, 10)];
    disk.keep = *dice.pick(&keep);
    disk.sector = *dice.pick(&[64, 512, 512, 4_096]);
    disk
}

/// A law of sync times: flash, spinning, flash with a full cache now and then, or anything.
fn sync(dice: &mut Dice, most: u64) -> Delay {
    match dice.weighted(&[40, 25, 15, 20]) {
        0 => Delay::Uniform { min_us: 50, max_us: 200 },
        1 => {
            let max_us = 15_000.min(most);
            Delay::Uniform { min_us: max_us / 3, max_us }
        }
        2 => {
            let tail = Ratio::new(dice.scale(1, 30), 1_000);
            let max_us = 1_000.min(most);
            // Now and then a full cache, a scrub or a neighbour takes seconds.
            let longest = if dice.below(4) == 0 { 8_000_000 } else { 1_000_000 };
            Delay::Bimodal { min_us: 100, max_us, tail, tail_us: (most * 8).clamp(1_000, longest) }
        }
        _ => Delay::LogUniform { min_us: 50, max_us: dice.scale(1_000, most) },
    }
}

/// How deferred work waits in this seed: mostly briefly, with one kind slow in some seeds.
pub fn work(setting: &Setting<'_>) -> WorkNoise {
    let mut work = WorkNoise { delay: Delay::Uniform { min_us: 1, max_us: 20 }, slow: Vec::new() };
    if !setting.allows("work") {
        return work;
    }
    let mut dice = setting.dice("work");
    let most = (setting.patience_us() / 8).max(100);
    match dice.weighted(&[50, 30, 20]) {
        0 => {}
        1 => work.delay = Delay::Uniform { min_us: 1, max_us: dice.scale(20, 1_000).min(most) },
        _ => work.delay = Delay::LogUniform { min_us: 1, max_us: dice.scale(100, 5_000).min(most) },
    }
    // Most historical bugs need one task of a peer to fall behind the others.
    for kind in ["zab.log", "zab.apply", "zab.snap"] {
        if dice.below(6) == 0 {
            let max_us = dice.scale(500, 50_000).min(most);
            work.slow.push((kind.to_string(), Delay::LogUniform { min_us: 50, max_us }));
        }
    }
    work
}
