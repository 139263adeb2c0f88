//! Excuses fire where they must, and never for a plan that is drawn.

use crate::base::{Config, PeerId};
use crate::plan::draw::default_knobs;
use crate::plan::scenario::{Scenario, embedded};
use crate::plan::{ClockPlan, Delay, Fault, Plan, Planned, Target, When, draw};

use super::{Demands, Excuse};

/// Three voters, usual constants, a fast network, patient clients.
fn usual() -> Plan {
    let quiet = Scenario::embedded("quiet").expect("it is embedded");
    let plans = (0..100).map(|seed| draw(&quiet, seed));
    let mut plan = plans.into_iter().find(|plan| plan.voters == 3).expect("most have three");
    plan.knobs = default_knobs();
    plan.clients.iter_mut().for_each(|client| client.timeout_ms = 4_000);
    plan
}

#[test]
fn no_drawn_plan_is_excused() {
    for (name, text) in embedded() {
        let scenario = Scenario::parse(name, text).expect("embedded scenarios are valid");
        for seed in 0..if *name == "default" { 10_000 } else { 1_000 } {
            let plan = draw(&scenario, seed);
            assert_eq!(Excuse::of(&plan), None, "{name} seed {seed}: {:?}", plan.knobs);
            let demands = Demands::of(&plan);
            let sound = |peer: &PeerId| !plan.frail.contains(peer);
            let core: Vec<PeerId> = (1..=plan.voters).map(PeerId).filter(sound).collect();
            assert_eq!(Excuse::of_core(&core, &demands), None, "{name} seed {seed}");
        }
    }
}

#[test]
fn each_excuse_names_what_a_persons_edit_has_made_impossible() {
    let slow = |us| Delay::Uniform { min_us: us, max_us: us };
    let name = |edit: &dyn Fn(&mut Plan)| {
        let mut plan = usual();
        edit(&mut plan);
        Excuse::of(&plan).map(|excuse| format!("{excuse:?}").split(' ').next().map(String::from))
    };
    let is = |excuse: &str| Some(Some(excuse.to_string()));
    assert_eq!(name(&|_| {}), None);
    assert_eq!(name(&|plan| plan.net.delay = slow(3_000_000)), is("DialTooSlow"));
    assert_eq!(name(&|plan| plan.net.delay = slow(3_600_000_000)), is("DialTooSlow"));
    assert_eq!(name(&|plan| plan.net.delay = slow(600_000)), is("SyncLimit"));
    assert_eq!(name(&|plan| plan.disk.log_sync = slow(3_600_000_000)), is("SyncLimit"));
    assert_eq!(name(&|plan| plan.work.delay = slow(1_000_000)), is("SyncLimit"));
    let wan = |plan: &mut Plan| {
        plan.net.delay = Delay::Exponential { min_us: 20_000, mean_us: 50_000 };
        plan.knobs.insert("tick_ms".to_string(), 10);
    };
    assert_eq!(name(&wan), is("SyncLimit"));
    let hasty = |plan: &mut Plan| {
        wan(plan);
        plan.knobs.extend([("sync_limit".to_string(), 100), ("init_limit".to_string(), 2)]);
    };
    assert_eq!(name(&hasty), is("InitLimit"));
    // From seed 994999: who dials in vain once comes back when its leader has given it up.
    let late = |plan: &mut Plan| {
        let ms = plan.knob("tick_ms") * plan.knob("init_limit");
        plan.knobs.insert("dial_retry_ms".to_string(), ms);
    };
    assert_eq!(name(&late), is("InitLimit"));
    // From seed 429729 of `moments`: a file for each record, and clients that wait for less.
    let stormy = |plan: &mut Plan| {
        plan.knobs.insert("log_roll".to_string(), 1);
        plan.disk.log_sync = slow(50_000);
    };
    assert_eq!(name(&stormy), None);
    let hasty = |plan: &mut Plan| {
        stormy(plan);
        plan.clients.iter_mut().for_each(|client| client.timeout_ms = 400);
    };
    assert_eq!(name(&hasty), is("Storm(Storm"));
    let impatient = |plan: &mut Plan| {
        let knobs = [("finalize_wait_ms", 10_000), ("dial_retry_ms", 1), ("init_limit", 100)];
        plan.knobs.extend(knobs.map(|(name, ms)| (name.to_string(), ms)));
    };
    assert_eq!(name(&impatient), is("Knocks"));
    assert_eq!(name(&|plan| plan.net.client_delay = slow(3_600_000_000)), is("Session"));
    let brief = |plan: &mut Plan| {
        plan.net.client_delay = slow(50_000);
        plan.knobs.insert("min_session_ms".to_string(), 1);
        plan.clients[0].timeout_ms = 20;
    };
    assert_eq!(name(&brief), is("Session"));
}

#[test]
fn a_fast_clock_shortens_what_limits_allow() {
    let mut plan = usual();
    let limit_us = plan.knob("tick_ms") * 1_000 * plan.knob("sync_limit");
    plan.disk.log_sync = Delay::Uniform { min_us: 0, max_us: limit_us / 5 };
    assert_eq!(Excuse::of(&plan), None);
    plan.clocks = vec![ClockPlan { peer: PeerId(2), wall_offset_ms: 0, drift_ppm: 500_000 }];
    assert!(matches!(Excuse::of(&plan), Some(Excuse::SyncLimit { .. })));
}

#[test]
fn a_core_without_a_quorum_and_a_client_without_a_server_are_excused() {
    let mut plan = usual();
    plan.frail = vec![PeerId(3)];
    let fault =
        Fault::Crash { peer: Target::Peer(PeerId(3)), down: None, lasting: true, scatter: false };
    plan.faults = vec![Planned { when: When::At(1), fault }];
    plan.clients[0].servers = vec![PeerId(3)];
    let demands = Demands::of(&plan);
    assert_eq!(demands.config, Config::initial(3));
    let (one, two, three) = (PeerId(1), PeerId(2), PeerId(3));
    assert_eq!(Excuse::of_core(&[one, two, three], &demands), None);
    let client = Excuse::NoServer { client: 1 };
    assert_eq!(Excuse::of_core(&[one, two], &demands), Some(client));
    let core = vec![one];
    assert_eq!(Excuse::of_core(&[one], &demands), Some(Excuse::NoQuorum { core }));
}

/// Eight clients of seed 429729, drawn without that rule, kept each other waiting for ever.
#[test]
fn the_shortest_session_that_is_no_storm_is_enough() {
    let default = Scenario::embedded("default").expect("it is embedded");
    let mut plan = draw(&default, 429_729);
    let enough = plan.knob("min_session_ms");
    let excused = |plan: &mut Plan, ms: u64| {
        plan.knobs.insert("min_session_ms".to_string(), ms);
        Excuse::of(plan)
    };
    assert_eq!(excused(&mut plan, enough), None);
    let least = (1..enough).rev().find(|ms| excused(&mut plan, *ms).is_some());
    assert!(least.is_some_and(|least| least + 3 > enough), "{least:?} and {enough}");
    let Some(Excuse::Storm(storm)) = excused(&mut plan, 0) else { panic!("it was a storm") };
    assert!(storm.clients > 1 && storm.takes_us > storm.limit_us, "{storm:?}");
}
