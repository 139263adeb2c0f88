//! What a run means: oracles fold over what was seen, and a verdict names what was violated.
//!
//! Without a run, [`search`] judges histories of calls and answers against any [`model`], also one
//! of your own, from any test.
//!
//! Verdicts have three values and are a function of the plan. Oracles never import what they
//! judge: the znode model here is a second, naive implementation.

pub mod complaints;
pub mod durability;
mod files;
pub mod forge;
pub mod generate;
pub mod invariant;
pub mod judge;
pub mod liveness;
pub mod locks;
pub mod model;
pub mod modelled;
mod names;
mod rebuilt;
pub mod search;
pub mod searched;
pub mod signature;
pub mod sweep;
pub mod witness;

use std::fmt;

use crate::base::{Config, Digest, PeerId, Zxid};
use crate::history::{At, Coverage, Seen, Totals};
use crate::plan::Plan;

pub use liveness::Liveness;
pub use signature::Signature;
pub use sweep::views;

use searched::Searched;
use signature::Stances;

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

    /// The committed log as far as this oracle follows it: zxids, and digests of the records.
    fn committed(&self) -> &[(Zxid, Digest)] {
        &[]
    }

    /// A copy.
    fn fork(&self) -> Box<dyn Oracle>;
}

/// The oracles that judge any run of the znode service over Zab.
pub fn standard(plan: &Plan) -> Vec<Box<dyn Oracle>> {
    vec![
        Box::new(locks::Locks::new()),
        Box::new(durability::Durability::new(Config::initial(plan.voters))),
        Box::new(invariant::Order::new(Config::initial(plan.voters))),
        Box::new(invariant::Recovery::new(Config::initial(plan.voters))),
        Box::new(invariant::Local::default()),
        Box::new(witness::Witness::of(plan)),
    ]
}

/// All oracles of one run, what they found so far, and what the run has reached.
pub struct Verdict {
    oracles: Vec<Box<dyn Oracle>>,
    /// Whether the service came back after calm.
    pub liveness: Liveness,
    /// What the run has reached.
    pub coverage: Coverage,
    findings: Vec<Finding>,
    /// One per finding.
    signatures: Vec<Signature>,
    stances: Stances,
    gave_up: Option<String>,
    finished: bool,
    /// Findings of these properties are dropped.
    left_out: Vec<String>,
    /// What looks once more at a run that all oracles are content with.
    searched: Option<Searched>,
}

impl Clone for Verdict {
    fn clone(&self) -> Verdict {
        Verdict {
            oracles: self.oracles.iter().map(|oracle| oracle.fork()).collect(),
            liveness: self.liveness.clone(),
            coverage: self.coverage.clone(),
            findings: self.findings.clone(),
            signatures: self.signatures.clone(),
            stances: self.stances.clone(),
            gave_up: self.gave_up.clone(),
            finished: self.finished,
            left_out: self.left_out.clone(),
            searched: self.searched.clone(),
        }
    }
}

impl Verdict {
    /// Nothing seen yet; what the plan demands must come for the run to settle.
    pub fn new(oracles: Vec<Box<dyn Oracle>>, plan: &Plan) -> Verdict {
        Verdict {
            oracles,
            liveness: Liveness::new(liveness::Demands::of(plan)),
            coverage: Coverage::default(),
            findings: Vec::new(),
            signatures: Vec::new(),
            stances: Stances::default(),
            gave_up: None,
            finished: false,
            left_out: Vec::new(),
            searched: None,
        }
    }

    /// Drops whatever is found of these properties from now on: see [`Kit::without`].
    ///
    /// [`Kit::without`]: crate::kit::Kit::without
    pub fn leave_out(&mut self, properties: &[String]) {
        self.left_out = properties.to_vec();
    }

    /// Has a black-box search look at the run, too, if it passes: see [`searched`].
    pub fn search(&mut self) {
        self.searched = Some(Searched::default());
    }

    /// Takes what one step showed.
    pub fn observe(&mut self, at: At, seen: &[Seen]) {
        for one in seen {
            self.coverage.observe(one);
            self.liveness.observe(at, one);
            for oracle in &mut self.oracles {
                oracle.observe(at, one, &mut self.findings);
            }
            if let Some(searched) = &mut self.searched {
                searched.observe(at, one);
            }
            self.stances.observe(one);
            self.sign();
        }
    }

    /// Signs what was found since the last time, while it is known how the peers stood.
    fn sign(&mut self) {
        if !self.left_out.is_empty() {
            let new = self.findings.split_off(self.signatures.len());
            let kept = |one: &Finding| self.left_out.iter().all(|name| name != one.property);
            self.findings.extend(new.into_iter().filter(kept));
        }
        for finding in &self.findings[self.signatures.len()..] {
            self.signatures.push(self.stances.sign(finding));
        }
    }

    /// Whether something was found that ends the run.
    pub fn must_stop(&self) -> bool {
        self.findings.iter().any(|finding| finding.weight == Weight::Violation)
    }

    /// Whether all that must happen after calm has happened.
    pub fn is_settled(&self) -> bool {
        self.liveness.is_settled()
    }

    /// Whether the run may end at this moment.
    pub fn may_end(&self, at: At) -> bool {
        self.liveness.may_end(at)
    }

    /// Whether the time for it has passed.
    pub fn is_hopeless(&self, at: At) -> bool {
        self.liveness.is_late(at)
    }

    /// The run is over by itself: what must hold at the end is checked.
    pub fn finish(&mut self, at: At) {
        if let Some(why) = self.liveness.finish(at, &mut self.findings) {
            self.give_up(why);
        }
        for oracle in &mut self.oracles {
            oracle.finish(at, &mut self.findings);
        }
        self.sign();
        // Without the witness there is nothing to hold a search against: it may be another
        // service's run.
        let mut counts = self.oracles.iter().flat_map(|oracle| oracle.evaluated());
        let witnessed = counts.any(|(name, count)| name == searched::PROPERTY && count > 0);
        if let Some(searched) = self.searched.as_mut().filter(|_| witnessed)
            && self.findings.is_empty()
            && self.gave_up.is_none()
        {
            searched.finish(at, &mut self.findings);
            self.sign();
        }
        self.finished = true;
    }

    /// What the search came to, as a word of a campaign's tables; `None` if it was not asked.
    pub fn searched(&self) -> Option<&'static str> {
        self.searched.as_ref().and_then(|searched| searched.word)
    }

    /// A budget ran out.
    pub fn give_up(&mut self, why: String) {
        self.gave_up = Some(why);
    }

    /// The committed log so far: zxids, and digests of the records.
    pub fn committed(&self) -> &[(Zxid, Digest)] {
        let logs = self.oracles.iter().map(|oracle| oracle.committed());
        logs.max_by_key(|log| log.len()).unwrap_or(&[])
    }

    /// Everything found so far, in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The signatures of everything found so far, in the same order.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Which finding weighs most, the earliest of these.
    fn worst(&self) -> Option<usize> {
        let mut worst: Option<(usize, Weight)> = None;
        for (index, finding) in self.findings.iter().enumerate() {
            if worst.is_none_or(|(_, weight)| finding.weight > weight) {
                worst = Some((index, finding.weight));
            }
        }
        worst.map(|(index, _)| index)
    }

    /// The signature of the finding that the outcome names.
    pub fn signature(&self) -> Option<&Signature> {
        self.worst().map(|index| &self.signatures[index])
    }

    /// What the run has come to.
    pub fn outcome(&self) -> Outcome {
        let worst = self.worst().map(|index| &self.findings[index]);
        match (worst, &self.gave_up) {
            (Some(finding), _) => Outcome::Violated(finding.clone()),
            (None, Some(why)) => Outcome::Unknown(why.clone()),
            (None, None) if self.finished => Outcome::Pass,
            (None, None) => Outcome::Unknown("the run is not over".to_string()),
        }
    }

    /// Adds what the run reached and what its oracles evaluated to a campaign's sums.
    pub fn add_to(&self, totals: &mut Totals) {
        totals.add(&self.coverage);
        let mut add = |(property, count): (&str, u64)| {
            crate::history::coverage::add_to(&mut totals.properties, property, count);
        };
        self.liveness.evaluated().into_iter().for_each(&mut add);
        for oracle in &self.oracles {
            oracle.evaluated().into_iter().for_each(&mut add);
        }
    }

    /// All properties judged in this run, with one line each.
    pub fn properties(&self) -> Vec<(&'static str, &'static str)> {
        let mut all: Vec<_> = self.oracles.iter().flat_map(|o| o.properties()).copied().collect();
        all.extend(liveness::PROPERTIES);
        all.sort();
        all.dedup();
        all
    }
}
