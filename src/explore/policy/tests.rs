//! Policies make plans that are right, that are replayed from a word, and that leave alone what is
//! not theirs.

use std::sync::Arc;

use super::{POLICIES, Policy};
use crate::explore::{Recipe, Source, look_at};
use crate::kit::Kit;
use crate::plan::scenario::Scenario;
use crate::plan::{Fault, Fork, Plan};

fn plan(name: &str, policy: Policy, seed: u64) -> Arc<Plan> {
    let scenario = Arc::new(Scenario::embedded(name).expect("it is embedded"));
    Source::Scenario(scenario, Recipe::Plain.steered(policy)).plan(seed)
}

#[test]
fn their_plans_are_plans_and_others_than_the_drawn() {
    let mut other = 0;
    for seed in 0..300 {
        let steered = plan("default", Policy::Moments, seed);
        let text = serde_json::to_string(&*steered).expect("a plan is plain data");
        let read = Plan::parse("a plan", &text).unwrap_or_else(|why| panic!("{seed}: {why}"));
        assert_eq!(read, *steered);
        let drawn = plan("default", Policy::Swarm, seed);
        other += u64::from(*steered != *drawn);
        let was = (drawn.faults.is_empty(), &drawn.frail);
        assert_eq!((steered.faults.is_empty(), &steered.frail), was, "seed {seed}");
        assert!(steered.faults.len() <= 16);
    }
    assert!(other > 200, "{other} plans of 300 are others");
}

#[test]
fn a_right_ensemble_survives_them() {
    let kit = Kit::standard();
    for policy in [Policy::Moments, Policy::Branch] {
        let scenario = Arc::new(Scenario::embedded("default").expect("it is embedded"));
        let source = Source::Scenario(scenario, Recipe::Plain.steered(policy));
        for seed in 0..40 {
            let seen = look_at(&source, seed, &kit).expect("it runs");
            assert_eq!((seen.violation, seen.assertion), (None, None), "{policy}, seed {seed}");
        }
    }
}

#[test]
fn families_that_a_scenario_does_not_allow_stay_out() {
    let mut text: serde_json::Value = serde_json::json!({
        "zoosim": "scenario/1", "title": "t", "why": "w", "expect": "pass",
        "swarm": { "families": ["client", "hold"], "faults": [1, 5] },
    });
    text["faults"] = serde_json::json!([{ "when": { "at": 7 }, "fault": { "revive": {} } }]);
    let scenario = Scenario::parse("few", &text.to_string()).expect("a scenario");
    let scenario = Arc::new(scenario);
    let allowed = |fault: &Fault| {
        ["revive", "hold", "reset", "cut_client", "reset_clients"].contains(&fault.kind())
    };
    for seed in 0..100 {
        let recipe = Recipe::Plain.steered(Policy::Moments);
        let plan = Source::Scenario(scenario.clone(), recipe).plan(seed);
        assert_eq!(plan.faults[0].fault, Fault::Revive {});
        assert!(plan.faults.iter().all(|planned| allowed(&planned.fault)), "seed {seed}");
        assert!(plan.faults.len() <= 6, "seed {seed}");
        // Nor does a branch bring what is not allowed.
        let fork = Fork { step: 9, salt: seed };
        let more = super::at_fork(&scenario, &plan, fork);
        assert!(more.iter().all(|planned| allowed(&planned.fault)), "seed {seed}");
    }
}

#[test]
fn words_of_tokens_name_them() {
    for (policy, name, _) in POLICIES {
        assert_eq!(name.parse(), Ok(policy));
        for rest in [Recipe::Plain, Recipe::Clean, Recipe::Bug("a_bug".to_string())] {
            let recipe = rest.steered(policy);
            assert_eq!(Recipe::of_word(&recipe.word()), recipe);
        }
    }
    let bug = Recipe::Bug("a_bug".to_string());
    assert_eq!(bug.clone().steered(Policy::Moments).word(), "moments--a_bug");
    assert_eq!(bug.clone().steered(Policy::Swarm).word(), "a_bug");
    // A bug of one's own may have any name that is no policy's with what separates them.
    assert_eq!(Recipe::of_word("branch"), Recipe::Bug("branch".to_string()));
    assert_eq!(Recipe::of_word("my--bug"), Recipe::Bug("my--bug".to_string()));
}
