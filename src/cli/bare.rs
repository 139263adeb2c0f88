//! `zoosim` without a verb: half a minute that shows what it is for.
//!
//! A planted bug is caught, the same seeds pass without it, the swarm is tried for the rest of the
//! time, and what was never reached is named.

use std::path::Path;
use std::time::Duration;

use crate::explore::{Came, Campaign, Next, Recipe, Tally};
use crate::kit::Kit;
use crate::plan::Expect;
use crate::verdict::Outcome;

use super::args::RUNS;
use super::find::{self, Subject};
use super::fuzz::hunt_of;
use super::interrupt;
use super::record::record;
use super::run::own_seeds;
use super::{Done, Exit, is_expected, jobs, reach, say, talk};

/// The scenario and the bug that every campaign must be able to catch.
const CONTROL: (&str, &str) = ("ack-before-fsync", "ack_before_fsync");

/// How long the control may look for its bug, in seeds.
const SEEDS: u64 = 400;

/// How long the swarm is tried.
const SWARM: Duration = Duration::from_secs(20);

/// Shows it.
pub fn bare(kit: &Kit) -> Done {
    let (caught, seeds) = control(kit)?;
    let clean = clean(kit, seeds)?;
    talk(&format!("trying the swarm for {} seconds; Ctrl-C ends it", SWARM.as_secs()));
    let swarm = Subject::scenario(kit, "default", Recipe::Plain)?;
    let hunt = hunt_of(swarm, 0, None, Some(SWARM));
    let flag = interrupt()?;
    let hunted = hunt.run(kit, &flag, None)?;
    let tally = &hunted.tally;
    let all = tally.all();
    say(&format!(
        "\nthe swarm: {} seeds, {} steps, {} simulated: {} passed, {} with findings, {} undecided, \
         {} could not run\n\n",
        all.tried,
        tally.steps,
        tally.simulated,
        all.passed,
        all.findings(),
        all.unknown,
        all.broken,
    ));
    say(&reach::never(kit, tally));
    say("\nnext: `zoosim fuzz --seconds 60`, `zoosim list scenarios`, `zoosim --help`\n");
    Ok(match () {
        () if hunted.nondeterministic => Exit::Nondeterminism,
        () if !caught || !clean || all.findings() > 0 => Exit::Violated,
        () if all.broken > 0 => Exit::CouldNot,
        () if all.unknown > 0 => Exit::Undecided,
        () => Exit::Held,
    })
}

/// The control's scenario, or the swarm with the bug planted if there is none.
fn control_of(kit: &Kit, recipe: Recipe) -> Result<Subject, String> {
    match find::scenario(kit, CONTROL.0) {
        Ok(_) => Subject::scenario(kit, CONTROL.0, recipe),
        Err(_) => match recipe {
            Recipe::Clean => Subject::scenario(kit, "default", Recipe::Clean),
            Recipe::Plain | Recipe::Bug(_) | Recipe::Steered(..) | Recipe::Branched(..) => {
                Subject::scenario(kit, "default", Recipe::Bug(CONTROL.1.to_string()))
            }
        },
    }
}

/// Looks for the planted bug, and reports on it. Whether it was caught, and the seeds to look in.
fn control(kit: &Kit) -> Result<(bool, (u64, u64)), String> {
    let subject = control_of(kit, Recipe::Plain)?;
    let name = subject.source.name().to_string();
    talk(&format!("looking for the planted bug `{}` with `{name}`", CONTROL.1));
    let (first, last) = own_seeds(&subject.source)?;
    let last = last.min(first.saturating_add(SEEDS - 1));
    let expect = match subject.source.expect() {
        Expect::Pass => Expect::Violation(Vec::new()),
        named @ Expect::Violation(_) => named,
    };
    let mut caught = None;
    let mut tally = Tally::default();
    campaign(&subject, first, last).run(
        kit,
        || false,
        || {},
        |tried| {
            tally.take(tried);
            if let Came::Ran(small) = &tried.came
                && let Outcome::Violated(finding) = &small.outcome
                && is_expected(finding, &expect)
            {
                caught = Some((tried.item.seed, small.clone()));
                return Next::Stop;
            }
            Next::Go
        },
    );
    let Some((seed, small)) = caught else {
        say(&format!("`{}` was not caught within {} seeds\n", CONTROL.1, tally.tried()));
        for (item, why) in &tally.broken {
            say(&format!("  seed {}: {why}\n", item.seed));
        }
        return Ok((false, (first, last)));
    };
    let recorded = record(kit, &subject, seed, &small, Some(Path::new(RUNS)))?;
    say(&recorded.report);
    say(&format!("\ncaught: `{}` by seed {seed} of `{name}`\n", CONTROL.1));
    Ok((true, (first, last)))
}

fn campaign(subject: &Subject, first: u64, last: u64) -> Campaign {
    Campaign {
        plans: Vec::new(),
        scenarios: vec![subject.source.clone()],
        first,
        last: Some(last),
        jobs: jobs(None),
    }
}

/// Runs the same seeds without the bug. Whether all pass.
fn clean(kit: &Kit, seeds: (u64, u64)) -> Result<bool, String> {
    let subject = control_of(kit, Recipe::Clean)?;
    let mut tally = Tally::default();
    let mut found = None;
    campaign(&subject, seeds.0, seeds.1).run(
        kit,
        || false,
        || {},
        |tried| {
            tally.take(tried);
            if let (Came::Ran(small), true, None) = (&tried.came, tally.findings() > 0, &found) {
                found = Some((tried.item.seed, small.clone()));
            }
            Next::Go
        },
    );
    say(&format!(
        "seeds {}..{} without it: {} passed, {} with findings, {} undecided\n",
        seeds.0,
        u128::from(seeds.1) + 1,
        tally.all().passed,
        tally.findings(),
        tally.all().unknown
    ));
    if let Some((seed, small)) = found {
        let recorded = record(kit, &subject, seed, &small, Some(Path::new(RUNS)))?;
        say(&recorded.report);
    }
    Ok(tally.findings() == 0)
}
