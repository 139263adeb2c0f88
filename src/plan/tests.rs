//! What plans promise: total, valid, reproducible, and as varied as the swarm claims.

use super::*;

/// Every embedded scenario, parsed.
fn scenarios() -> Vec<Scenario> {
    let all = scenario::embedded().iter();
    all.map(|(name, text)| Scenario::parse(name, text).unwrap_or_else(|e| panic!("{e}"))).collect()
}

#[test]
fn every_drawn_plan_is_valid() {
    for scenario in scenarios() {
        for seed in 0..10_000 {
            let plan = draw(&scenario, seed);
            if let Err(problem) = plan.check() {
                panic!("{} seed {seed}: {problem}", scenario.name);
            }
        }
    }
}
