//! Which property a run's verdict depends on: with it left out, is anything found at all?
//!
//! A verdict that is never alone in seeing something would be decoration. What a run shows first
//! ends it, so two runs of a plan tell: one with all properties, one without that which was named.

use std::sync::Arc;

use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::{CannotRun, Run};
use crate::verdict::{Finding, Outcome};

/// What a run shows, and what is left of it without the property that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependence {
    /// What it shows.
    pub finding: Finding,
    /// What it comes to without that property.
    pub without: Outcome,
}

impl Dependence {
    /// Whether only this property sees it: without it the run passes, or of a violation nothing is
    /// left but a check inside a peer, which does not count as found.
    pub fn is_alone(&self) -> bool {
        match &self.without {
            Outcome::Pass => true,
            Outcome::Violated(other) => other.weight < self.finding.weight,
            Outcome::Unknown(_) => false,
        }
    }
}

/// A run that should have ended may go on for long in a state that no ensemble should be in: it is
/// followed for so many more steps.
const MORE_STEPS: u64 = 200_000;

/// Runs a plan, and once more without what it shows; `None` if it shows nothing.
///
/// # Errors
/// Why it cannot run.
pub fn dependence(plan: &Arc<Plan>, kit: &Kit) -> Result<Option<Dependence>, CannotRun> {
    let (ran, _) = Run::new(plan.clone(), kit)?.finish_all();
    let Outcome::Violated(finding) = ran.outcome else { return Ok(None) };
    let deaf = kit.clone().without(finding.property);
    let without = outcome(plan, &deaf, &finding)?;
    Ok(Some(Dependence { finding, without }))
}

/// What a run comes to with these properties, soon after what was found with others, or later.
fn outcome(plan: &Arc<Plan>, kit: &Kit, found: &Finding) -> Result<Outcome, CannotRun> {
    let mut run = Run::new(plan.clone(), kit)?;
    while run.step() && run.world.now().step < found.at.step + MORE_STEPS {}
    Ok(run.ran().outcome)
}

/// The properties that see it too: what names the run when all named before are left out, one after
/// the other, until nothing that counts is left; `None` if the run is undecided then. With all of
/// them left out, only the property that names the run sees it.
///
/// # Errors
/// Why it cannot run.
pub fn company(
    plan: &Arc<Plan>,
    kit: &Kit,
    one: &Dependence,
) -> Result<Option<Vec<&'static str>>, CannotRun> {
    let mut others = Vec::new();
    let mut deaf = kit.clone().without(one.finding.property);
    let mut left = one.clone();
    while !left.is_alone() {
        let Outcome::Violated(other) = &left.without else { return Ok(None) };
        others.push(other.property);
        deaf = deaf.without(other.property);
        left.without = outcome(plan, &deaf, &one.finding)?;
    }
    Ok(Some(others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::At;
    use crate::verdict::Weight;

    fn finding(weight: Weight) -> Finding {
        let (at, peers, detail) = (At::default(), Vec::new(), String::new());
        Finding { property: "Leadership", weight, at, peers, kind: "kind", detail }
    }

    #[test]
    fn whoever_leaves_nothing_that_counts_was_alone() {
        let alone = |weight: Weight, without: Outcome| {
            Dependence { finding: finding(weight), without }.is_alone()
        };
        let violated = |weight| Outcome::Violated(finding(weight));
        assert!(alone(Weight::Violation, Outcome::Pass));
        assert!(alone(Weight::Assertion, Outcome::Pass));
        assert!(alone(Weight::Violation, violated(Weight::Assertion)));
        assert!(!alone(Weight::Violation, violated(Weight::Violation)));
        assert!(!alone(Weight::Assertion, violated(Weight::Assertion)));
        assert!(!alone(Weight::Violation, Outcome::Unknown(String::new())));
    }
}
