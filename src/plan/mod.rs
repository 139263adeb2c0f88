//! Everything that will happen in a run, as data.
//!
//! A [`Plan`] is total: with a build of this crate it determines every byte of the run. It is JSON
//! that a person can print, edit and run again. All times are in simulated milliseconds unless the
//! name says otherwise.

pub mod check;
pub mod draw;
pub mod fault;
pub mod input;
pub mod noise;
pub mod scenario;
pub mod seeds;
mod times;
pub mod workload;

pub use draw::draw;
pub use fault::{EFFECTS, Fault, Pattern, Planned, Split, TO_CLIENT, Target, When};
pub use input::{InputError, Problem};
pub use noise::{ClockPlan, Delay, DiskNoise, NetNoise, WorkNoise};
pub use scenario::Scenario;
pub use times::{Storm, Times};
pub use workload::{Call, ClientPlan, Driver, Grant, Step};

#[cfg(test)]
mod bad_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Digest, Draw, Key, PeerId};

/// What a scenario demands of its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// No violation.
    #[default]
    Pass,
    /// A violation of one of these properties must be found within the scenario's seeds.
    Violation(Vec<String>),
}

/// A whole run, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `plan/1`.
    pub zoosim: String,
    /// The scenario's name.
    pub scenario: String,
    /// The seed it was drawn from.
    pub seed: u64,
    /// What it is, in a line.
    pub title: String,
    /// Why anyone should care.
    pub why: String,
    /// What must come of it.
    pub expect: Expect,
    /// The protocol's name in the kit.
    pub protocol: String,
    /// Names of planted bugs.
    #[serde(default)]
    pub bugs: Vec<String>,
    /// Names of invariants beside the protocol's own.
    #[serde(default)]
    pub invariants: Vec<String>,
    /// Voters, numbered from 1.
    pub voters: u8,
    /// Named integers for the peers: see `zoosim list knobs`.
    #[serde(default)]
    pub knobs: BTreeMap<String, u64>,
    /// The key of all draws inside the run.
    pub key: u64,
    /// The zxid counter at which the initial disk image starts; 0 for fresh peers. Near 2^32 it
    /// makes rollover reachable.
    #[serde(default)]
    pub initial_counter: u32,
    /// The network's behaviour when nothing special happens.
    pub net: NetNoise,
    /// The disks' behaviour when nothing special happens.
    pub disk: DiskNoise,
    /// How long deferred work waits.
    pub work: WorkNoise,
    /// Clocks, by peer; peers without one have perfect clocks.
    #[serde(default)]
    pub clocks: Vec<ClockPlan>,
    /// Who talks to the service.
    pub clients: Vec<ClientPlan>,
    /// What goes wrong on purpose.
    pub faults: Vec<Planned>,
    /// Where other dice are taken, in the order of steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forks: Vec<Fork>,
    /// The peers that may lose or damage durable state: always a minority.
    #[serde(default)]
    pub frail: Vec<PeerId>,
    /// When every injector stops.
    pub calm_at: u64,
    /// How long the run goes on after the liveness check succeeded, so that clients can finish.
    pub settle: u64,
}

/// Other dice from some step on: up to there the run is the one without this fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The last step before.
    pub step: u64,
    /// Which other dice.
    pub salt: u64,
}

/// The format that a plan's first field names.
pub const FORMAT: &str = "plan/1";

impl Plan {
    /// Reads a plan, and checks it. `name` is the place that errors name.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Plan, InputError> {
        let plan: Plan = input::read(name, text, FORMAT)?;
        plan.check().map_err(|problem| problem.within(name, text))?;
        Ok(plan)
    }

    /// The digest of its JSON: what a token calls it by.
    pub fn digest(&self) -> Digest {
        let json = serde_json::to_vec(self).expect("a plan is plain data");
        Digest::of(&json)
    }

    /// The servers that a client tries, in their order: who names none knows them all, and starts
    /// with any.
    pub fn servers_of(&self, client: usize) -> Vec<PeerId> {
        let named = self.clients.get(client).map_or(&[][..], |client| &client.servers);
        if !named.is_empty() {
            return named.to_vec();
        }
        let key = Key(self.key).named("client").with(client as u64);
        let mut servers: Vec<PeerId> = (1..=self.voters).map(PeerId).collect();
        key.named("servers").stream().shuffle(&mut servers);
        servers
    }

    /// A knob's value: what the plan says, else its default of [`draw::KNOBS`], else 0.
    pub fn knob(&self, name: &str) -> u64 {
        let default = || draw::KNOBS.iter().find(|(known, ..)| *known == name);
        let said = self.knobs.get(name).copied();
        said.unwrap_or_else(|| default().map_or(0, |(_, default, ..)| *default))
    }

    /// All knobs that peers are started with: those that the plan leaves out have their defaults.
    pub fn all_knobs(&self) -> BTreeMap<String, u64> {
        let mut all = draw::default_knobs();
        all.extend(self.knobs.clone());
        all
    }
}
