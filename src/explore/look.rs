//! One seed with a planted bug: what of it shows, sorted by who noticed.

use std::sync::Arc;

use crate::base::Digest;
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::Run;
use crate::verdict::{Finding, Weight};

use super::Source;
use super::branch::grow;

/// The properties that say that something committed or acknowledged is gone.
pub const LOSSES: [&str; 2] = ["LeaderCompleteness", "Durability"];

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Look {
    /// How many events it had.
    pub steps: u64,
    /// The digest of all that happened.
    pub digest: Digest,
    /// How often what was planted answered differently from the right rule.
    pub hits: u64,
    /// The first check inside a peer that failed.
    pub assertion: Option<Finding>,
    /// The first property of the protocol or of the service that was violated: progress that is
    /// blocked is one, a check inside a peer is none.
    pub violation: Option<Finding>,
    /// The first loss.
    pub loss: Option<Finding>,
}

/// Runs a plan to its end.
///
/// # Errors
/// Why it cannot run.
pub fn look(plan: &Arc<Plan>, kit: &Kit) -> Result<Look, String> {
    let run = Run::new(plan.clone(), kit).map_err(|cannot| cannot.to_string())?;
    let (ran, run) = run.finish_all();
    let hits = run.verdict.coverage.notes.get("hit");
    Ok(sorted(run.verdict.findings(), ran.end.step, ran.digest, hits))
}

/// Runs what a seed of a source stands for: one plan, or a tree of them until one shows a
/// violation.
///
/// # Errors
/// Why it cannot run.
pub fn look_at(source: &Source, seed: u64, kit: &Kit) -> Result<Look, String> {
    let plan = source.plan(seed);
    let Some(scenario) = source.tree() else { return look(&plan, kit) };
    let mut all: Option<Look> = None;
    let grown = grow(scenario, &plan, kit, |grown| {
        let before = |run: &Run| (run.world.now().step, run.verdict.coverage.notes.get("hit"));
        let (step, hits) = before(grown.run);
        let had = grown.from.map_or((0, 0), before);
        let ran = grown.run.ran();
        let own = (step - had.0, hits - had.1);
        let next = sorted(grown.run.verdict.findings(), own.0, ran.digest, own.1);
        let all = match &mut all {
            None => all.insert(next),
            Some(all) => {
                all.steps += next.steps;
                all.hits += next.hits;
                all.digest.word(next.digest.0);
                all.assertion = all.assertion.take().or(next.assertion);
                all.violation = all.violation.take().or(next.violation);
                all.loss = all.loss.take().or(next.loss);
                all
            }
        };
        all.violation.is_none()
    });
    grown.map_err(|cannot| cannot.to_string())?;
    Ok(all.expect("a tree has a root"))
}

fn sorted(findings: &[Finding], steps: u64, digest: Digest, hits: u64) -> Look {
    let first =
        |wanted: &dyn Fn(&Finding) -> bool| findings.iter().find(|one| wanted(one)).cloned();
    let is_violation = |one: &Finding| match one.weight {
        Weight::Violation => true,
        Weight::Assertion => false,
    };
    Look {
        steps,
        digest,
        hits,
        assertion: first(&|one| !is_violation(one)),
        violation: first(&is_violation),
        loss: first(&|one| is_violation(one) && LOSSES.contains(&one.property)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::At;
    use crate::plan::{Scenario, draw};

    fn finding(property: &'static str, weight: Weight) -> Finding {
        let (at, peers, detail) = (At::default(), Vec::new(), String::new());
        Finding { property, weight, at, peers, kind: "kind", detail }
    }

    #[test]
    fn findings_are_sorted_by_who_noticed() {
        let findings = [
            finding("NoPanic", Weight::Assertion),
            finding("PhaseRules", Weight::Assertion),
            finding("Liveness", Weight::Violation),
            finding("Durability", Weight::Violation),
        ];
        let names = |look: Look| {
            [look.assertion, look.violation, look.loss].map(|one| one.map(|one| one.property))
        };
        let all = names(sorted(&findings, 1, Digest::EMPTY, 0));
        assert_eq!(all, [Some("NoPanic"), Some("Liveness"), Some("Durability")]);
        let asserted = names(sorted(&findings[..2], 1, Digest::EMPTY, 0));
        assert_eq!(asserted, [Some("NoPanic"), None, None]);
    }

    #[test]
    fn the_control_is_seen_in_its_scenario_and_its_hits_are_counted() {
        let kit = Kit::standard();
        let scenario = Scenario::embedded("negative/ack-before-fsync").expect("it is embedded");
        let looks = (0..5).map(|seed| look(&Arc::new(draw(&scenario, seed)), &kit));
        let looks: Vec<Look> = looks.map(|look| look.expect("it runs")).collect();
        assert!(looks.iter().any(|look| look.violation.is_some() && look.hits > 0));
    }
}
