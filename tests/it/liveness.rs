//! Service after calm is demanded of the core: with a minority broken for ever, and not of plans
//! with which nobody could serve.

use std::sync::Arc;

use zoosim::base::PeerId;
use zoosim::bugs::Bug;
use zoosim::kit::Kit;
use zoosim::plan::{Delay, Fault, Plan, Planned, Target, When};
use zoosim::run::Run;
use zoosim::verdict::Outcome;
use zoosim::verdict::liveness::Demands;

use crate::scenarios::plan;

/// A leader that waits for every follower.
const WAITS_FOR_ALL: Bug = Bug {
    name: "waits_for_all",
    citation: "tests",
    mechanism: "what takes a quorum waits for everybody",
    published: "-",
    shows: &["Liveness"],
    scenario: "-",
    plant: |rules| {
        rules.zab.planted = Some("waits_for_all");
        rules.zab.quorum =
            |config, peers| config.is_quorum(peers) && (1..=3).all(|id| peers.contains(PeerId(id)));
    },
};

fn outcome(plan: Plan) -> Outcome {
    let kit = Kit::standard().bug(WAITS_FOR_ALL);
    Run::new(Arc::new(plan), &kit).expect("known names").finish_all().0.outcome
}

fn quiet() -> Plan {
    let plans = (0..100).map(|seed| Plan::clone(&plan("quiet", seed)));
    plans.into_iter().find(|plan| plan.voters == 3).expect("most have three voters")
}

/// Three voters of which the last may break, and does.
fn broken(fault: Fault, bugs: &[&str]) -> Plan {
    let mut plan = quiet();
    plan.frail = vec![PeerId(3)];
    plan.faults = vec![Planned { when: When::At(2_000), fault }];
    plan.bugs = bugs.iter().map(|bug| (*bug).to_string()).collect();
    plan
}

fn death() -> Fault {
    Fault::Crash { peer: Target::Peer(PeerId(3)), down: None, lasting: true, scatter: false }
}

fn hang(device: &str) -> Fault {
    let device = device.to_string();
    Fault::DiskHang { peer: Target::Peer(PeerId(3)), device, ms: 0, lasting: true }
}

#[test]
fn the_core_serves_without_a_minority_that_stays_broken() {
    for fault in [death(), hang("log"), hang("snap")] {
        assert_eq!(outcome(broken(fault, &[])), Outcome::Pass);
    }
}

#[test]
fn who_waits_for_everybody_never_serves_without_a_minority_that_stays_broken() {
    let passing = Fault::crash(Target::Peer(PeerId(3)), None);
    assert_eq!(outcome(broken(passing, &[WAITS_FOR_ALL.name])), Outcome::Pass);
    for fault in [death(), hang("log")] {
        let outcome = outcome(broken(fault, &[WAITS_FOR_ALL.name]));
        let Outcome::Violated(finding) = outcome else { panic!("{outcome}") };
        assert_eq!(finding.property, "Liveness");
    }
}

#[test]
fn an_edit_with_which_nobody_could_serve_is_neither_a_violation_nor_a_pass() {
    let slow = |us| Delay::Uniform { min_us: us, max_us: us };
    type Edit = fn(&mut Plan, Delay);
    let edits: [(Edit, u64, &str); 4] = [
        (|plan, law| plan.net.delay = law, 3_000_000, "a dial gives up"),
        (|plan, law| plan.net.delay = law, 3_600_000_000, "a dial gives up"),
        (|plan, law| plan.disk.log_sync = law, 3_600_000_000, "an acknowledgement may take"),
        (|plan, law| plan.net.client_delay = law, 3_600_000_000, "an answer to client 1"),
    ];
    for (edit, us, why) in edits {
        let mut plan = quiet();
        edit(&mut plan, slow(us));
        let outcome = outcome(plan);
        let Outcome::Unknown(text) = &outcome else { panic!("{outcome}") };
        assert!(text.starts_with("excused: ") && text.contains(why), "{text}");
    }
}

/// What excuses is not more than what nobody could survive: right above it, all serve again.
#[test]
fn the_shortest_init_limit_that_is_no_excuse_is_enough() {
    let mut shorter = 0;
    for seed in 0..100 {
        let mut plan = Plan::clone(&plan("default", seed));
        let drawn = plan.knob("init_limit");
        let excused = |plan: &mut Plan, ticks: u64| {
            plan.knobs.insert("init_limit".to_string(), ticks);
            Demands::of(plan).excuse.is_some()
        };
        let least = (1..=drawn).find(|ticks| !excused(&mut plan, *ticks));
        shorter += u32::from(least < Some(drawn));
        assert_eq!(outcome(plan), Outcome::Pass, "seed {seed}: {least:?} ticks");
    }
    assert!(shorter > 80, "only {shorter} plans had room");
}
