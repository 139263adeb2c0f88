//! What is kept of a bug and a root: a line of JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::small::Small;

/// The format of a line.
pub const FORMAT: &str = "bench-bug/2";

/// The one before it, which is still read: nothing was made small then.
const OLD: &str = "bench-bug/1";

/// What came of one bug and one root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// `bench-bug/2`.
    pub zoosim: String,
    /// Which bug was planted.
    pub bug: String,
    /// Which root: its seeds are `root * 1,000,000 ..`.
    pub root: u64,
    /// The scenario that the seeds are of.
    pub scenario: String,
    /// Its digest, as tokens spell it.
    pub hash: String,
    /// How they were searched.
    pub policy: String,
    /// What the build was called, if it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// After how many seconds of the processor it is given up.
    pub cap_s: u64,
    /// How many seeds were tried in all.
    pub seeds: u64,
    /// Their events.
    pub events: u64,
    /// What they took, in microseconds of the processor.
    pub cpu_us: u64,
    /// In which seed, from 1, the bug first answered differently from the right rule; 0 if never.
    pub hit: u64,
    /// The first check inside a peer that failed.
    pub assertion: Option<First>,
    /// The first violation of the protocol or of the service: the bug is found.
    pub violation: Option<First>,
    /// The first loss of what was committed or acknowledged.
    pub loss: Option<First>,
    /// What the plan that shows the violation shrinks to, if that was asked for.
    #[serde(default)]
    pub shrunk: Option<Small>,
}

/// Something seen for the first time, and what had been spent by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct First {
    /// The property.
    pub property: String,
    /// The word that tells its violations apart.
    pub kind: String,
    /// The seed that shows it.
    pub seed: u64,
    /// How many seeds were tried, this one among them.
    pub seeds: u64,
    /// Their events.
    pub events: u64,
    /// What they took, in microseconds of the processor.
    pub cpu_us: u64,
}

impl Line {
    /// Reads a line.
    pub fn parse(text: &str) -> Result<Line, String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match (line.zoosim.as_str(), &line.shrunk) {
            (FORMAT, _) | (OLD, None) => Ok(line),
            (other, _) => Err(format!("is `{other}`, not `{FORMAT}`")),
        }
    }

    /// Writes it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a line is plain data")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} root {:>2}  ", self.bug, self.root)?;
        match &self.violation {
            Some(found) => {
                let First { property, seed, seeds, events, cpu_us, .. } = found;
                let cpu = seconds(*cpu_us);
                write!(f, "{property}, seed {seed}: {seeds} seeds, {events} events, {cpu} s")?;
                let Some(small) = &self.shrunk else { return Ok(()) };
                let Small { faults, calls, moves, votes, cpu_us, .. } = small;
                let cpu = seconds(*cpu_us);
                write!(f, "; shrunk in {cpu} s: {faults} faults, {calls} calls, ")?;
                write!(f, "{moves} moves, {votes} votes")
            }
            None => write!(f, "not found: {} seeds, {} s", self.seeds, seconds(self.cpu_us)),
        }
    }
}

/// Seconds, with as many digits as they deserve.
pub fn seconds(us: u64) -> String {
    match us / 1_000 {
        0..10_000 => format!("{}.{:02}", us / 1_000_000, us / 10_000 % 100),
        10_000..100_000 => format!("{}.{}", us / 1_000_000, us / 100_000 % 10),
        _ => format!("{}", us / 1_000_000),
    }
}
