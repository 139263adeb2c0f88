//! Policies: how the seeds of a scenario are searched.
//!
//! A policy makes another plan of a drawn one, from dice of its own. So whatever it does is data,
//! is replayed like any plan, and does not depend on how many seeds run at a time. Seeds that the
//! draw left without faults stay so, and those in which disks forget stay as they are: they are
//! about something else.

mod branch;
mod moments;
#[cfg(test)]
mod tests;

pub use branch::at_fork;

use std::fmt;
use std::str::FromStr;

use crate::base::{Dice, Draw};
use crate::plan::scenario::Scenario;
use crate::plan::{Fault, Plan, Problem, Target, When};

/// How seeds are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The plan as it was drawn.
    #[default]
    Swarm,
    /// Faults at moments of one or two kinds: what is made durable, acked, elected, ..
    Moments,
    /// The plan as it was drawn, and branches of its run where it is deep in trouble.
    Branch,
}

/// All policies: the name of each, and what it does.
pub const POLICIES: [(Policy, &str, &str); 3] = [
    (Policy::Swarm, "swarm", "plans as they are drawn"),
    (Policy::Moments, "moments", "bursts of faults at moments of one or two kinds"),
    (Policy::Branch, "branch", "each run is branched where it is deeper in trouble than before"),
];

impl Policy {
    /// As `--policy` and tokens spell it.
    pub fn name(self) -> &'static str {
        POLICIES.iter().find(|(known, ..)| *known == self).map_or("", |(_, name, _)| name)
    }

    /// Whether a plan that was drawn from the scenario may become another one.
    pub fn may_steer(scenario: &Scenario, plan: &Plan) -> bool {
        plan.faults.len() > scenario.faults.len() && plan.frail.is_empty()
    }

    /// Makes this policy's plan of one that was drawn from the scenario.
    pub fn steer(self, scenario: &Scenario, plan: &mut Plan) {
        if !Policy::may_steer(scenario, plan) {
            return;
        }
        match self {
            // What is branched is the run of the plan as it is.
            Policy::Swarm | Policy::Branch => {}
            Policy::Moments => moments::steer(&mut Course::new(scenario, plan, self)),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Policy, Problem> {
        let found = POLICIES.iter().find(|(_, name, _)| *name == text);
        found.map(|(policy, ..)| *policy).ok_or_else(|| {
            let names: Vec<&str> = POLICIES.iter().map(|(_, name, _)| *name).collect();
            let hint = format!("known are `{}`", names.join("`, `"));
            Problem::new("policy", format!("`{text}` is not known"), hint)
        })
    }
}

/// A plan on its way to another.
struct Course<'a> {
    scenario: &'a Scenario,
    plan: &'a mut Plan,
    dice: Dice,
    tick: u64,
    sync_limit: u64,
    /// About the time from a loss of the leader to the next one that serves, as the draw sees it.
    election_ms: u64,
}

impl<'a> Course<'a> {
    fn new(scenario: &'a Scenario, plan: &'a mut Plan, policy: Policy) -> Course<'a> {
        let dice = Dice::new(plan.seed, &format!("policy/{policy}"));
        let tick = plan.knob("tick_ms");
        let sync_limit = plan.knob("sync_limit");
        let waits = plan.knob("finalize_wait_ms") + plan.knob("election_poll_ms");
        Course { scenario, plan, dice, tick, sync_limit, election_ms: tick + 2 * waits + 200 }
    }

    fn allows(&self, family: &str) -> bool {
        self.scenario.swarm.allows(family)
    }

    /// The most faults that the scenario lets anyone add.
    fn most(&self) -> usize {
        self.scenario.swarm.faults.1 as usize
    }

    /// When something begins: after the first election mostly, and not too late to matter.
    fn start(&mut self) -> u64 {
        let end = (self.plan.calm_at * 8 / 10).max(1);
        let first = self.election_ms.min(end);
        if self.dice.below(6) == 0 { self.dice.below(first) } else { self.dice.between(first, end) }
    }

    fn follower(&mut self) -> Target {
        Target::Follower(self.dice.below(u64::from(self.plan.voters)) as u8)
    }

    /// Takes the faults that the draw added, behind those of the scenario.
    fn take_drawn(&mut self) -> Vec<crate::plan::Planned> {
        self.plan.faults.split_off(self.scenario.faults.len())
    }

    /// Adds a fault, if there is room for it.
    fn add(&mut self, when: When, fault: Fault) {
        if self.plan.faults.len() < self.scenario.faults.len() + self.most() {
            self.plan.faults.push(crate::plan::Planned { when, fault });
        }
    }

    /// Whoever knows most, leads, or was at the other end goes as well; the first
    /// is back before them.
    fn followers_up(&mut self, blink: u64) {
        let mut more = self.dice.weighted(&[35, 40, 25]);
        while more > 0 {
            more -= 1;
            let peer =
                self.dice.pick(&[Target::Leader, Target::Longest, Target::Other, Target::Same]);
            let peer = peer.clone();
            let gap = match self.dice.below(3) {
                0 => self.dice.scale(1, self.tick),
                1 => blink + self.dice.scale(1, self.tick * 2),
                _ => self.election_ms + self.dice.scale(1, self.tick * 4),
            };
            let long = self.election_ms * 2 + self.dice.scale(1, self.tick * 8);
            let down = if self.dice.below(2) == 0 { long } else { blink };
            self.add(When::Then(gap), Fault::crash(peer, Some(down)));
        }
    }
}
