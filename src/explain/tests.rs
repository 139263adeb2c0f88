//! What explanations promise.

use std::sync::Arc;

use super::*;
use crate::history::Seen;
use crate::kit::Kit;
use crate::plan::scenario::Scenario;
use crate::plan::{Plan, draw};
use crate::run::Run;
use crate::shrink::{Budget, shrink};

/// The control, made small: one crash, and hardly anything else.
fn small() -> Arc<Plan> {
    let scenario = Scenario::embedded("negative/ack-before-fsync").expect("it is embedded");
    let plan = draw(&scenario, 0);
    let shrunk = shrink(&plan, &Kit::standard(), Budget::default(), &mut |_| false);
    Arc::new(shrunk.expect("it fails").plan)
}

fn passing() -> Arc<Plan> {
    Arc::new(draw(&Scenario::embedded("quiet").expect("it is embedded"), 0))
}

#[test]
fn the_cone_holds_what_led_to_the_violation_and_ends_with_it() {
    let plan = small();
    let cone = cone(&plan, &Kit::standard()).expect("it runs").expect("it fails");
    assert!((cone.steps.len() as u64) < cone.of, "{} of {}", cone.steps.len(), cone.of);
    let last = cone.steps.last().expect("the violation");
    assert_eq!(last.at.step, cone.of);
    let frames = cone.steps.iter().flat_map(|step| step.seen.iter().map(move |one| (step, one)));
    let mut proposals = 0;
    for (step, one) in frames {
        let Seen::Received { tag, from, .. } = one else { continue };
        let sent = step.sent_in.expect("a frame was sent");
        let sender = cone.steps.iter().find(|other| other.at.step == sent).expect("in the cone");
        let left = sender.seen.iter().any(
            |seen| matches!(seen, Seen::Sent { tag: t, from: f, .. } if (t, f) == (tag, from)),
        );
        assert!(left, "{tag:?} of {from}");
        proposals += usize::from(tag.kind == "PROPOSAL");
    }
    assert!(proposals > 0, "the lost proposal is in the past of its loss");
    assert!(super::cone(&passing(), &Kit::standard()).expect("it runs").is_none());
}

#[test]
fn without_its_fault_or_its_bug_the_small_plan_fails_no_more_as_it_did() {
    let plan = small();
    let toggled = toggles(&plan, &Kit::standard()).expect("it runs");
    assert_eq!(toggled.len(), plan.faults.len() + 1);
    let shown = |one: &Toggled| one.shown.as_ref().map(ToString::to_string);
    let same = Some("Durability/acked/down/down".to_string());
    assert!(toggled.iter().all(|one| one.decided && shown(one) != same), "{toggled:?}");
    let right = toggled.last().expect("one per bug");
    assert_eq!((&right.without, shown(right)), (&Toggle::Bug("ack_before_fsync".into()), None));
    let parting = right.parting.as_ref().expect("it passes");
    assert!(parting.common > 0 && !parting.failing.is_empty() && !parting.passing.is_empty());
    assert_ne!(parting.failing[0], parting.passing[0]);
}

#[test]
fn a_curve_ends_at_the_violation_and_names_the_event_where_it_jumps() {
    let scenario = Scenario::embedded("negative/ack-before-fsync").expect("it is embedded");
    let plan = Arc::new(draw(&scenario, 0));
    let kit = Kit::standard();
    let curve = curve(&plan, &kit, 10, 5, &|| false).expect("it runs").expect("it fails");
    assert_eq!((curve.shares.len(), curve.tails), (11, 5));
    assert_eq!(curve.shares.last().map(|share| share.same), Some(5));
    assert!(curve.shares.iter().all(|share| share.same <= share.any && share.any <= 5));
    assert!(curve.shares.windows(2).all(|pair| pair[0].at.step <= pair[1].at.step));
    let again = super::curve(&plan, &kit, 10, 5, &|| false).expect("it runs");
    assert_eq!(again, Some(curve), "the same dice each time");
    assert!(super::curve(&passing(), &kit, 4, 2, &|| false).expect("it runs").is_none());
}

#[test]
fn what_a_plan_brings_about_by_itself_was_bound_from_the_start() {
    let scenario = Scenario::embedded("negative/ack-before-fsync").expect("it is embedded");
    let plan = Arc::new(draw(&scenario, 0));
    let curve =
        curve(&plan, &Kit::standard(), 4, 10, &|| false).expect("it runs").expect("it fails");
    assert!(curve.bound().is_some_and(|fewest| fewest >= 9), "{curve:?}");
}

#[test]
fn of_every_step_it_can_be_told_what_the_world_did() {
    for name in ["default", "negative/vote-order-not-total"] {
        let scenario = Scenario::embedded(name).expect("it is embedded");
        let plan = Arc::new(draw(&scenario, 1));
        let mut run = Run::new(plan, &Kit::standard()).expect("known names");
        let mut before = run.clone();
        while run.world.now().step < 1_500 && run.step() {
            let told = before.world.doing(&run.world);
            let vague = ["that is gone", "a frame of", "an operation", "the run ends"];
            assert!(!vague.iter().any(|word| told.contains(word)), "{:?}: {told}", run.world.now());
            before = run.clone();
        }
        assert_eq!(before.world.doing(&before.world), "the run ends");
    }
}
