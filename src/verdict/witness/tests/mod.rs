//! Legal runs pass in silence; every property fires.

mod ensemble;
mod service;

use super::*;
use ensemble::{at, legal};

fn judge(seen: &[Seen]) -> (Witness, Vec<Finding>) {
    let mut witness = Witness::new();
    let mut findings = Vec::new();
    for (step, seen) in seen.iter().enumerate() {
        witness.observe(at(step), seen, &mut findings);
        if !findings.is_empty() {
            break;
        }
    }
    (witness, findings)
}

#[test]
fn legal_runs_pass_and_evaluate_every_property() {
    let mut counts = vec![0; PROPERTIES.len()];
    for seed in 0..150 {
        let seen = legal(seed, 600);
        let (witness, findings) = judge(&seen);
        if let Some(finding) = findings.first() {
            let step = finding.at.step as usize;
            let near: Vec<String> = seen[step.saturating_sub(12)..=step]
                .iter()
                .map(|seen| format!("{seen:?}"))
                .collect();
            panic!("seed {seed}: {finding:#?}\n{}", near.join("\n"));
        }
        for (count, (_, evaluated)) in counts.iter_mut().zip(witness.evaluated()) {
            *count += evaluated;
        }
    }
    for ((name, _), count) in PROPERTIES.iter().zip(&counts) {
        assert!(*count > 50, "{name} was evaluated {count} times only");
    }
}
