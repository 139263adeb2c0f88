//! What a run means: oracles fold over what was seen, and a verdict names what was violated.
//!
//! Verdicts have three values and are a function of the plan. Oracles never import what they
//! judge: the znode model here is a second, naive implementation.

pub mod durability;
mod files;

use std::fmt;

use crate::base::PeerId;
use crate::history::{At, Seen};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A check inside a peer failed or a step panicked: the run goes on, to see what comes of it.
    Assertion,
    /// A property of the protocol or of the service is violated: the run stops here.
    Violation,
}

/// One property found violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The property's name, as the specification spells it.
    pub property: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// When it was seen.
    pub at: At,
    /// The peers concerned.
    pub peers: Vec<PeerId>,
    /// A stable word that tells violations of one property apart (never an id, epoch or time).
    pub kind: &'static str,
    /// What was seen, for people: whole sentences with the values.
    pub detail: String,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every oracle is content.
    Pass,
    /// The finding that weighs most, the earliest of these.
    Violated(Finding),
    /// A budget ran out, or something needed was never seen.
    Unknown(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Pass => f.write_str("pass"),
            Outcome::Violated(finding) => {
                write!(f, "violated {}: {}", finding.property, finding.detail)
            }
            Outcome::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

/// One judge. It sees everything once, in order.
pub trait Oracle: Send {
    /// The properties it judges, as `zoosim list invariants` shows them: name and one line.
    fn properties(&self) -> &'static [(&'static str, &'static str)];

    /// Takes one thing seen; reports what is violated.
    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>);

    /// The run is over: whatever must hold at the end is checked now.
    fn finish(&mut self, at: At, findings: &mut Vec<Finding>);

    /// How many times each property was really evaluated: a property with 0 was never tested.
    fn evaluated(&self) -> Vec<(&'static str, u64)>;

    /// A copy.
    fn fork(&self) -> Box<dyn Oracle>;
}
