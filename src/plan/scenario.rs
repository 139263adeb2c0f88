//! Scenarios: what a person wants to see, with everything left open that does not matter to it.
//!
//! A [`Scenario`] is partial; [`super::draw()`] lowers it, with a seed, to a total
//! [`super::Plan`]. What a scenario says is taken as it is; what it leaves out is drawn, from the
//! families that its `swarm` allows.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::input::{InputError, Problem, did_you_mean, quoted, read};
use super::{ClientPlan, ClockPlan, DiskNoise, Expect, NetNoise, Planned, WorkNoise};
use crate::base::{Digest, PeerId};

/// The format that a scenario's first field names.
pub const FORMAT: &str = "scenario/1";

/// A partial plan.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// `scenario/1`.
    pub zoosim: String,
    /// Its name: that of its file, without folder and ending.
    #[serde(skip)]
    pub name: String,
    /// The digest of its JSON, whatever its layout: tokens refuse to replay another scenario.
    #[serde(skip)]
    pub digest: Digest,
    /// What it is, in a line.
    pub title: String,
    /// Why anyone should care.
    pub why: String,
    /// What must come of it.
    pub expect: Expect,
    /// The protocol's name in the kit; `zab` if absent.
    #[serde(default = "zab")]
    pub protocol: String,
    /// Names of planted bugs.
    #[serde(default)]
    pub bugs: Vec<String>,
    /// Names of invariants beside the protocol's own.
    #[serde(default)]
    pub invariants: Vec<String>,
    /// The seeds that its test runs, as [`super::seeds::parse_seeds`] reads them.
    #[serde(default)]
    pub seeds: Option<String>,
    /// How many voters.
    #[serde(default)]
    pub voters: Option<Voters>,
    /// Knobs that are the same in all seeds; the others are drawn or have their defaults.
    #[serde(default)]
    pub knobs: BTreeMap<String, u64>,
    /// The zxid counter of the initial disk image.
    #[serde(default)]
    pub initial_counter: Option<u32>,
    /// The network, if it is the same in all seeds.
    #[serde(default)]
    pub net: Option<NetNoise>,
    /// The disks, if they are the same in all seeds.
    #[serde(default)]
    pub disk: Option<DiskNoise>,
    /// The delays of deferred work, if they are the same in all seeds.
    #[serde(default)]
    pub work: Option<WorkNoise>,
    /// The clocks, if they are the same in all seeds.
    #[serde(default)]
    pub clocks: Option<Vec<ClockPlan>>,
    /// The clients, if they are the same in all seeds.
    #[serde(default)]
    pub clients: Option<Vec<ClientPlan>>,
    /// What drawn clients are like.
    #[serde(default)]
    pub workload: Workload,
    /// Faults that happen in all seeds, before those that the swarm adds.
    #[serde(default)]
    pub faults: Vec<Planned>,
    /// Peers that may lose or damage durable state: a minority.
    #[serde(default)]
    pub frail: Vec<PeerId>,
    /// What the draw may add.
    #[serde(default)]
    pub swarm: Swarm,
    /// When every injector stops; some dozens of ticks if absent.
    #[serde(default)]
    pub calm_at: Option<u64>,
    /// How long the run goes on after the liveness check succeeded.
    #[serde(default)]
    pub settle: Option<u64>,
}

fn zab() -> String {
    "zab".to_string()
}

/// How many voters an ensemble has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voters {
    /// Always as many. In JSON: `3`.
    Fixed(u8),
    /// One of these, in proportion to its weight. In JSON: `[[3, 70], [5, 30]]`.
    Weighted(Vec<(u8, u64)>),
}

/// What the draw may add to a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swarm {
    /// Which families of noise and faults. All if absent.
    #[serde(default)]
    pub families: Families,
    /// How many faults it adds: at least, at most.
    #[serde(default = "any_number")]
    pub faults: (u64, u64),
    /// In how many seeds of a hundred it adds no fault and no noise at all.
    #[serde(default)]
    pub quiet_percent: u64,
}

impl Default for Swarm {
    fn default() -> Swarm {
        Swarm { families: Families::All, faults: any_number(), quiet_percent: 0 }
    }
}

fn any_number() -> (u64, u64) {
    (1, 16)
}

/// Families of noise and faults, each drawn from dice of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// `"all"`.
    #[default]
    All,
    /// `"none"`.
    None,
    /// `["net", "crash", ..]`.
    Only(Vec<String>),
}

/// Every family: its name, and what it adds.
pub const FAMILIES: [(&str, &str); 13] = [
    ("knobs", "tuning constants of the peers, tiny ones where faults bite"),
    ("net", "laws of delay, slow pairs, stalls, resets, refused and hanging dials"),
    ("disk", "laws of sync and read times, what a crash does to unsynced bytes"),
    ("work", "how long deferred work waits"),
    ("clock", "offsets, drift, steps and freezes"),
    ("rollover", "zxid counters about to overflow, in a few seeds"),
    ("crash", "crashes: at times, at moments, in bursts, of all at once"),
    ("partition", "partitions of each kind, one-way ones among them"),
    ("hold", "held and reset links"),
    ("pause", "peers that stand still"),
    ("client", "clients that are cut off, and reset connections"),
    ("disk_fault", "disk errors, hangs and slowness"),
    ("rot", "frail peers that lose or damage what they stored, in a few seeds"),
];

impl Swarm {
    /// Whether the draw may add this family.
    pub fn allows(&self, family: &str) -> bool {
        match &self.families {
            Families::All => true,
            Families::None => false,
            Families::Only(names) => names.iter().any(|name| name == family),
        }
    }
}

/// What drawn clients are like. What is absent is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// How many clients with scripts: at least, at most.
    pub clients: Option<(u64, u64)>,
    /// How many calls they make together: at least, at most.
    pub calls: Option<(u64, u64)>,
    /// Kinds of calls that are made, all of them in each seed; a random choice of all if empty.
    pub only: Vec<String>,
    /// Session timeouts asked for, in ticks: at least, at most.
    pub timeout_ticks: Option<(u64, u64)>,
    /// In how many seeds of a hundred some clients are programs.
    pub programs_percent: Option<u64>,
}

impl Scenario {
    /// Reads a scenario, and checks it.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, InputError> {
        let mut scenario: Scenario = read(name, text, FORMAT)?;
        let file = name.rsplit('/').next().unwrap_or(name);
        scenario.name = file.strip_suffix(".json").unwrap_or(file).to_string();
        let value: serde_json::Value =
            serde_json::from_str(text).expect("what became a scenario is JSON");
        scenario.digest = Digest::of(value.to_string().as_bytes());
        scenario.check().map_err(|problem| problem.within(name, text))?;
        Ok(scenario)
    }

    /// The embedded scenario of this name.
    ///
    /// # Errors
    /// That there is none, and which may have been meant.
    pub fn embedded(name: &str) -> Result<Scenario, Problem> {
        let found = embedded().iter().find(|(known, _)| *known == name);
        let Some((name, text)) = found else {
            // As people type them: without the folder.
            let short = |known: &'static str| known.rsplit('/').next().unwrap_or(known);
            let known: Vec<&str> = embedded().iter().map(|(known, _)| short(known)).collect();
            let hint = match did_you_mean(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", quoted(&known)),
            };
            return Err(Problem::new("scenario", format!("`{name}` is not known"), hint));
        };
        Ok(Scenario::parse(name, text).expect("embedded scenarios are tested to be valid"))
    }
}

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".json")))),*]
    };
}

/// The scenarios that this build carries: name and text. Those under `negative/` plant a bug and
/// demand that it is caught.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    embed![
        "default",
        "client-moves-between-servers",
        "deposed-leader",
        "disk-full",
        "epoch-race",
        "follower-joins-under-load",
        "lagging-follower-gets-snap",
        "leader-in-minority",
        "old-leader-gets-trunc",
        "power-loss-of-all",
        "quiet",
        "rolling-restarts",
        "rot-on-a-minority",
        "session-expiry-race",
        "standalone",
        "torn-log-tail",
        "negative/ack-before-fsync",
        "negative/epoch-before-history",
        "negative/ack-newleader-before-fsync",
        "negative/log-task-survives-shutdown",
        "negative/proposal-ack-overtakes",
        "negative/serve-before-sync-commit",
        "negative/commit-after-newleader-panics",
        "negative/log-diff-after-uptodate",
        "negative/keep-db-vote-by-memory",
        "negative/vote-order-not-total",
        "negative/no-accepted-epoch",
        "negative/diff-without-trunc",
        "negative/keep-partial-snap",
        "negative/create-during-close",
        "negative/reply-zxid-proposed",
        "negative/decide-when-all-replied",
        "negative/diff-register-gap",
        "negative/trunc-keeps-dirty-snapshot",
        "negative/cversion-replay",
        "negative/zxid-rollover",
        "negative/leader-log-error-ignored",
        "negative/no-epoch-repair",
        "negative/epoch-saved-late",
        "negative/phantom-ephemeral-after-diff",
    ]
}

impl<'de> Deserialize<'de> for Voters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Voters, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Voters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a list of [voters, weight]")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Voters, E> {
                // Out of range for a peer id is out of range for the check as well.
                Ok(Voters::Fixed(u8::try_from(count).unwrap_or(u8::MAX)))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Voters, A::Error> {
                let list = de::value::SeqAccessDeserializer::new(list);
                Vec::deserialize(list).map(Voters::Weighted)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Families {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Families, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Families;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", \"none\", or a list of families")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Families, E> {
                match word {
                    "all" => Ok(Families::All),
                    "none" => Ok(Families::None),
                    other => Err(E::unknown_variant(other, &["all", "none"])),
                }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Families, A::Error> {
                let list = de::value::SeqAccessDeserializer::new(list);
                Vec::deserialize(list).map(Families::Only)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
