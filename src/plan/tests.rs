//! What plans promise: total, valid, reproducible, and as varied as the swarm claims.

use std::collections::BTreeMap;

use super::*;

/// Every embedded scenario, parsed.
fn scenarios() -> Vec<Scenario> {
    let all = scenario::embedded().iter();
    all.map(|(name, text)| Scenario::parse(name, text).unwrap_or_else(|e| panic!("{e}"))).collect()
}

fn default() -> Scenario {
    Scenario::embedded("default").unwrap()
}

#[test]
fn every_drawn_plan_is_valid() {
    for scenario in scenarios() {
        let seeds = if scenario.name == "default" { 10_000 } else { 2_000 };
        for seed in 0..seeds {
            let plan = draw(&scenario, seed);
            if let Err(problem) = plan.check() {
                panic!("{} seed {seed}: {problem}", scenario.name);
            }
        }
    }
}

#[test]
fn a_plan_reads_back_from_its_json() {
    for scenario in scenarios() {
        for seed in 0..50 {
            let plan = draw(&scenario, seed);
            let json = serde_json::to_string_pretty(&plan).unwrap();
            assert_eq!(Plan::parse("plan.json", &json).unwrap(), plan);
            assert_eq!(draw(&scenario, seed).digest(), plan.digest());
        }
    }
}

/// Reviewed on change: every token names such a digest.
#[test]
fn digests_of_plans_are_frozen() {
    let digests = |name: &str| {
        let scenario = Scenario::embedded(name).unwrap();
        let digests = (0..3).map(|seed| format!("{:08x}", draw(&scenario, seed).digest().short()));
        digests.collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(digests("default"), @"cf5246cb 13c74cef bc344143");
    insta::assert_snapshot!(digests("epoch-race"), @"3961c75c b056ae62 0d400c6f");
}

/// What a plan has, as words to be counted.
fn features(plan: &Plan) -> Vec<String> {
    let mut found = vec![format!("voters {}", plan.voters)];
    let mut add = |on: bool, word: &str| {
        if on {
            found.push(word.to_string());
        }
    };
    let net = &plan.net;
    let rates = [net.stall, net.reset, net.client_reset, net.refuse, net.hang, net.half_open];
    let noiseless = rates.iter().all(|rate| rate.num == 0) && net.slow.is_empty();
    add(plan.faults.is_empty(), "no faults");
    add(plan.faults.is_empty() && noiseless && plan.clocks.is_empty(), "quiet");
    add(!plan.frail.is_empty(), "frail");
    add(plan.initial_counter > 0, "rollover");
    add(!net.slow.is_empty(), "slow pairs");
    add(matches!(net.delay, Delay::Exponential { .. }), "wan");
    add(!plan.work.slow.is_empty(), "slow work");
    add(plan.knob("commit_log_count") <= 5, "tiny window");
    add(plan.clients.len() <= 4, "few clients");
    let programs = plan.clients.iter().any(|c| matches!(c.driver, Driver::Program { .. }));
    add(programs, "programs");
    for planned in &plan.faults {
        add(true, planned.fault.kind());
        add(matches!(planned.when, When::Moment { .. }), "moment");
        if let Fault::Partition { split, one_way, .. } = &planned.fault {
            add(*one_way, "one way");
            add(
                true,
                match split {
                    Split::Isolate(_) => "isolate",
                    Split::LeaderInMinority => "leader in minority",
                    Split::Sides(_) => "sides",
                    Split::Ring => "ring",
                    Split::Bridge(_) => "bridge",
                    Split::Pair(..) => "pair",
                },
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_swarm_is_as_varied_as_it_claims() {
    const SEEDS: u64 = 4_000;
    let scenario = default();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (mut calls, mut ms) = (0, 0);
    for seed in 0..SEEDS {
        let plan = draw(&scenario, seed);
        for word in features(&plan) {
            *counts.entry(word).or_default() += 1;
        }
        ms += plan.calm_at;
        for client in &plan.clients {
            match &client.driver {
                Driver::Script(steps) => calls += steps.len() as u64,
                Driver::Program { .. } => {}
            }
        }
    }
    let percent = |word: &str| counts.get(word).copied().unwrap_or(0) * 100 / SEEDS;
    let bounds = [
        ("voters 3", 65, 75),
        ("voters 5", 16, 24),
        ("quiet", 5, 10),
        ("no faults", 5, 12),
        ("isolate", 5, 60),
        ("leader in minority", 5, 60),
        ("sides", 5, 60),
        ("ring", 5, 60),
        ("bridge", 5, 60),
        ("pair", 5, 60),
        ("one way", 5, 60),
        ("frail", 7, 13),
        ("slow pairs", 15, 30),
        ("wan", 10, 18),
        ("rollover", 1, 3),
        ("tiny window", 50, 70),
        ("few clients", 70, 90),
        ("programs", 10, 20),
        ("moment", 30, 90),
        ("crash", 30, 80),
        ("crash_all", 3, 40),
        ("revive", 5, 60),
        ("pause", 5, 40),
        ("hold", 5, 50),
        ("reset", 5, 50),
        ("cut_client", 5, 50),
        ("reset_clients", 5, 50),
        ("disk_hang", 2, 30),
        ("disk_slow", 2, 30),
        ("disk_error", 2, 30),
        ("wall_step", 2, 30),
        ("freeze_clock", 2, 30),
        ("rot", 2, 20),
        ("wipe", 1, 20),
        ("lose_file", 1, 20),
        ("misdirect", 1, 20),
    ];
    for (word, low, high) in bounds {
        let share = percent(word);
        assert!((low..=high).contains(&share), "{word}: {share} % in {counts:#?}");
    }
    assert!((50..=400).contains(&(calls / SEEDS)), "{} calls a seed", calls / SEEDS);
    assert!((5_000..=30_000).contains(&(ms / SEEDS)), "{} ms a seed", ms / SEEDS);
}

#[test]
fn each_family_has_dice_of_its_own() {
    let mut fewer = default();
    fewer.swarm.families = scenario::Families::Only(vec!["net".into(), "disk".into()]);
    let (mut more, full) = (fewer.clone(), default());
    more.swarm.families =
        scenario::Families::Only(vec!["net".into(), "disk".into(), "crash".into()]);
    for seed in 0..200 {
        let (one, two) = (draw(&fewer, seed), draw(&more, seed));
        assert_eq!((&one.net, &one.disk, &one.clients), (&two.net, &two.disk, &two.clients));
        assert_eq!(one.key, draw(&full, seed).key);
    }
}
