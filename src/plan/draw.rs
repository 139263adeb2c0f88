//! Drawing: a scenario and a seed become a plan.
//!
//! Swarm testing: each seed has its own constants, laws of delay, kinds of calls and kinds of
//! faults, over orders of magnitude, with many features switched off altogether. Each family has
//! dice of its own, so that a new family does not deal another hand to the others.
//!
//! A drawn plan is one that a correct ensemble survives: safety always, and service after calm.
//! So delays that last for ever stay below what timeouts allow (`Setting::patience_us`), and only
//! a minority of frail peers ever loses durable state.

mod faults;
mod knobs;
mod moments;
mod noise;
mod shapes;
mod workload;

pub use knobs::{KNOBS, defaults as default_knobs};
pub use workload::CALLS;

use super::scenario::{Scenario, Swarm, Voters};
use super::{ClockPlan, Delay, Plan};
use crate::base::{Dice, Draw, PeerId, Ratio};

/// What all families need to know of a seed.
struct Setting<'a> {
    seed: u64,
    swarm: &'a Swarm,
    /// Neither faults nor noise.
    quiet: bool,
    /// Frail peers lose or damage what they stored, and nothing else goes wrong between peers.
    rot: bool,
    voters: u8,
    tick: u64,
    init_limit: u64,
    sync_limit: u64,
    calm_at: u64,
    /// About the longest one-way delay that is not exceptional.
    one_way_us: u64,
}

impl Setting<'_> {
    /// The dice of one family.
    fn dice(&self, family: &str) -> Dice {
        Dice::new(self.seed, &format!("plan/{family}"))
    }

    /// Whether a family takes part in this seed at all.
    fn allows(&self, family: &str) -> bool {
        !self.quiet && self.swarm.allows(family)
    }

    fn peer(&self, dice: &mut Dice) -> PeerId {
        PeerId(dice.between(1, u64::from(self.voters)) as u8)
    }

    fn peers(&self) -> Vec<PeerId> {
        (1..=self.voters).map(PeerId).collect()
    }

    /// How long one exchange between peers, syncs included, may usually take so that followers are
    /// not lost to timeouts: a sixth of the shortest timeout, for queues and bad luck.
    fn patience_us(&self) -> u64 {
        self.tick * 1000 * self.sync_limit.min(self.init_limit / 2).max(1) / 6
    }

    /// About the time from a loss of the leader to the next one that serves.
    fn election_ms(&self) -> u64 {
        self.tick + 10 * self.one_way_us / 1000 + 300
    }
}

/// The plan of this scenario and seed.
pub fn draw(scenario: &Scenario, seed: u64) -> Plan {
    let mut dice = Dice::new(seed, "plan");
    let key = dice.word();
    let quiet = dice.chance(Ratio::new(scenario.swarm.quiet_percent, 100));
    let voters = voters(scenario, seed);
    let wan = scenario.swarm.allows("net") && Dice::new(seed, "plan/wan").below(100) < 15;
    let mut knobs = knobs::defaults();
    if scenario.swarm.allows("knobs") {
        knobs::draw(&mut Dice::new(seed, "plan/knobs"), wan, &mut knobs);
    }
    knobs.extend(scenario.knobs.clone());
    let knob = |name: &str| knobs.get(name).copied().unwrap_or(1);
    let mut setting = Setting {
        seed,
        swarm: &scenario.swarm,
        quiet,
        rot: !quiet && faults::rots(scenario, seed, voters),
        voters,
        tick: knob("tick_ms"),
        init_limit: knob("init_limit"),
        sync_limit: knob("sync_limit"),
        calm_at: 0,
        one_way_us: 0,
    };
    setting.calm_at = scenario.calm_at.unwrap_or_else(|| calm_at(&setting));
    let net = scenario.net.clone().unwrap_or_else(|| noise::net(&setting, wan));
    setting.one_way_us = noise::one_way_us(&net);
    if scenario.swarm.allows("knobs") {
        knobs::election(&setting, &mut knobs);
        knobs.extend(scenario.knobs.clone());
    }
    let clients = scenario.clients.clone();
    let mut clients = clients.unwrap_or_else(|| workload::clients(&setting, &scenario.workload));
    let mut frail = scenario.frail.clone();
    let mut planned = scenario.faults.clone();
    planned.extend(faults::draw(&setting, clients.len() as u32, &mut frail));
    faults::leave_servers(&planned, &frail, voters, &mut clients);
    let mut plan = Plan {
        zoosim: "plan/1".to_string(),
        scenario: scenario.name.clone(),
        seed,
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        expect: scenario.expect.clone(),
        protocol: scenario.protocol.clone(),
        bugs: scenario.bugs.clone(),
        invariants: scenario.invariants.clone(),
        voters,
        knobs,
        key,
        initial_counter: scenario.initial_counter.unwrap_or_else(|| initial_counter(&setting)),
        disk: scenario.disk.clone().unwrap_or_else(|| noise::disk(&setting)),
        work: scenario.work.clone().unwrap_or_else(|| noise::work(&setting)),
        clocks: scenario.clocks.clone().unwrap_or_else(|| clocks(&setting)),
        clients,
        faults: planned,
        forks: Vec::new(),
        frail,
        calm_at: setting.calm_at,
        settle: scenario.settle.unwrap_or(setting.tick * 4),
        net,
    };
    if scenario.swarm.allows("knobs") {
        knobs::leave_room(&mut plan, &scenario.knobs);
    }
    plan
}

/// Small ensembles have nearly all the bugs of large ones.
fn voters(scenario: &Scenario, seed: u64) -> u8 {
    let usual = [(3, 70), (5, 20), (1, 5), (7, 5)];
    let choices = match &scenario.voters {
        Some(Voters::Fixed(voters)) => return *voters,
        Some(Voters::Weighted(choices)) => choices.as_slice(),
        None => &usual,
    };
    let weights: Vec<u64> = choices.iter().map(|(_, weight)| *weight).collect();
    choices[Dice::new(seed, "plan/voters").weighted(&weights)].0
}

/// Some dozens of ticks: enough for a handful of elections, not for boredom.
fn calm_at(setting: &Setting<'_>) -> u64 {
    let mut dice = setting.dice("calm");
    let ticks = dice.between(20, 60);
    (setting.tick * ticks).clamp(5_000, 60_000)
}

/// Near the end of an epoch's counter in three seeds of a hundred, so that rollover happens.
fn initial_counter(setting: &Setting<'_>) -> u32 {
    let mut dice = setting.dice("rollover");
    let near = dice.below(100) < 3;
    let left = dice.scale(1, 64) as u32;
    if near && setting.allows("rollover") { u32::MAX - left } else { 0 }
}

/// Wall clocks that are off by up to a day, clocks that run up to 5 % too fast or slow.
fn clocks(setting: &Setting<'_>) -> Vec<ClockPlan> {
    let mut dice = setting.dice("clock");
    if !setting.allows("clock") || dice.below(2) == 0 {
        return Vec::new();
    }
    let drift = if dice.below(10) == 0 { 50_000 } else { 200 };
    let mut clocks = Vec::new();
    for peer in setting.peers() {
        if dice.below(3) > 0 {
            let mut either = |most: u64| {
                let size = dice.scale(1, most) as i64;
                if dice.below(2) == 0 { size } else { -size }
            };
            let wall_offset_ms = either(86_400_000);
            clocks.push(ClockPlan { peer, wall_offset_ms, drift_ppm: either(drift) });
        }
    }
    clocks
}

/// About the longest delay of a law that is not exceptional.
fn typical_us(delay: &Delay) -> u64 {
    match delay {
        Delay::Uniform { max_us, .. }
        | Delay::Bimodal { max_us, .. }
        | Delay::LogUniform { max_us, .. } => *max_us,
        Delay::Exponential { min_us, mean_us } => min_us.saturating_add(mean_us.saturating_mul(4)),
    }
}
