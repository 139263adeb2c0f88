//! `zoosim run`: a scenario, at one seed or at its own seeds until something is found.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::explore::{Came, Campaign, Counts, Next, Source, Tally, try_plan};
use crate::history::words;
use crate::kit::Kit;
use crate::plan::seeds::parse_seeds;
use crate::plan::{Expect, Plan};
use crate::run::Run;
use crate::verdict::Outcome;

use super::args::{RunArgs, TraceArgs};
use super::find::{self, Subject};
use super::record::{is_repeated, name_of, record};
use super::told::{broke, nondeterminism, wanted};
use super::{Done, Exit, exit_of, interrupt, is_expected, jobs, say};

/// Seeds of a scenario that names none.
const SEEDS: (u64, u64) = (0, 19);

/// Runs the scenario.
pub fn run(kit: &Kit, args: &RunArgs) -> Done {
    args.trace.check()?;
    let recipe = find::recipe(kit, args.bug.as_deref())?;
    let subject = Subject::scenario(kit, &args.scenario, recipe)?;
    let (first, last) = match (&args.seed, own_seeds(&subject.source)?) {
        (Some(seed), _) => {
            let seed = find::seed(seed)?;
            (seed, seed)
        }
        (None, own) => own,
    };
    if args.trace.trace {
        print_trace(kit, &subject.source.plan(first), args.trace)?;
    }
    if first == last || args.trace.trace {
        return one(kit, &subject, first, &args.out);
    }
    many(kit, &subject, (first, last), &args.out)
}

/// The first and last seed that a scenario's test runs.
pub fn own_seeds(source: &Source) -> Result<(u64, u64), String> {
    match source {
        Source::Plan(_, plan) => Ok((plan.seed, plan.seed)),
        Source::Scenario(scenario, _) => match &scenario.seeds {
            None => Ok(SEEDS),
            Some(text) => {
                let seeds = parse_seeds(text).map_err(|problem| problem.to_string())?;
                Ok((*seeds.start(), *seeds.end()))
            }
        },
    }
}

/// Runs one seed, and tells what came of it; writes down what was found.
pub fn one(kit: &Kit, subject: &Subject, seed: u64, out: &std::path::Path) -> Done {
    let (text, exit) = told(kit, subject, seed, out)?;
    say(&text);
    Ok(exit)
}

/// A run that passes is searched, too, so that what only the second runs of a campaign find is
/// found again.
fn told(
    kit: &Kit,
    subject: &Subject,
    seed: u64,
    out: &std::path::Path,
) -> Result<(String, Exit), String> {
    let plan = subject.source.plan(seed);
    let small = match try_plan(&plan, &kit.clone().searching()) {
        Came::Ran(small) => small,
        Came::Cannot(cannot) => return Err(cannot.to_string()),
        Came::Broke(_) => return Err(broke(subject.source.name(), seed)),
    };
    let expect = subject.source.expect();
    let name = subject.source.name();
    let text = match &small.outcome {
        Outcome::Pass => {
            let (step, time) = (small.end.step, small.end.time);
            let token = name_of(subject, seed, small.digest);
            let passed =
                format!("passed: `{name}`, seed {seed}: {step} steps, {time} simulated: {token}\n");
            match expect {
                Expect::Pass => passed,
                Expect::Violation(_) => {
                    let wanted = wanted(&expect);
                    format!("{passed}expected {wanted}, which this seed does not show\n")
                }
            }
        }
        Outcome::Violated(_) | Outcome::Unknown(_) => {
            let recorded = record(kit, subject, seed, &small, Some(out))?;
            if !recorded.same {
                let text = nondeterminism(kit, &plan, name, seed);
                return Ok((text, Exit::Nondeterminism));
            }
            recorded.report
        }
    };
    Ok((text, exit_of(&small.outcome, &expect)))
}

/// Runs seeds until one shows what ends the matter: a violation where none is expected, the
/// expected one where one is.
fn many(kit: &Kit, subject: &Subject, seeds: (u64, u64), out: &std::path::Path) -> Done {
    let campaign = Campaign {
        plans: Vec::new(),
        scenarios: vec![subject.source.clone()],
        first: seeds.0,
        last: Some(seeds.1),
        jobs: jobs(None),
    };
    let (name, expect) = (subject.source.name(), subject.source.expect());
    let mut tally = Tally::default();
    let mut decisive = None;
    let interrupt = interrupt()?;
    campaign.run(
        kit,
        || interrupt.load(Ordering::Relaxed),
        || {},
        |tried| {
            tally.take(tried);
            let end = match &tried.came {
                Came::Cannot(_) | Came::Broke(_) => true,
                Came::Ran(small) => match &small.outcome {
                    Outcome::Violated(finding) => {
                        expect == Expect::Pass || is_expected(finding, &expect)
                    }
                    Outcome::Pass | Outcome::Unknown(_) => tried.again == Some(false),
                },
            };
            if end {
                decisive = Some(tried.item.seed);
                return Next::Stop;
            }
            Next::Go
        },
    );
    if let Some(item) = tally.nondeterministic.first() {
        let plan = subject.source.plan(item.seed);
        say(&nondeterminism(kit, &plan, name, item.seed));
        return Ok(Exit::Nondeterminism);
    }
    if let Some(seed) = decisive {
        return one(kit, subject, seed, out);
    }
    let Counts { tried, passed, unknown, .. } = tally.all();
    say(&format!("`{name}`: {tried} seeds: {passed} passed, {unknown} undecided\n"));
    if tried <= seeds.1 - seeds.0 {
        say("cut short: the others were not tried\n");
        return Ok(Exit::Incomplete);
    }
    match expect {
        Expect::Violation(_) => {
            let others = tally.findings();
            say(&format!(
                "not caught: expected {} within {tried} seeds; {others} showed something else\n",
                wanted(&expect)
            ));
            Ok(Exit::Violated)
        }
        Expect::Pass if unknown > 0 => Ok(Exit::Undecided),
        Expect::Pass => Ok(Exit::Held),
    }
}

/// Prints what is seen of a run, one line each.
pub fn print_trace(kit: &Kit, plan: &Arc<Plan>, args: TraceArgs) -> Result<(), String> {
    let mut run = Run::new(plan.clone(), kit).map_err(|cannot| cannot.to_string())?;
    let mut probes = Vec::new();
    let mut text = String::new();
    loop {
        let more = run.step_seen(|at, seen| {
            let late = args.to.is_some_and(|to| at.time > to);
            let early = args.from.is_some_and(|from| at.time < from);
            for one in seen {
                // Probes are remembered while nothing is printed, too.
                if !is_repeated(&mut probes, one) && !early && !late {
                    let time = at.time.to_string();
                    text.push_str(&format!("{time:>13} {:>7} {}\n", at.step, words::seen(one)));
                }
            }
        });
        let over = !more || args.to.is_some_and(|to| run.world.now().time > to);
        if text.len() > 1 << 16 || over {
            say(&text);
            text.clear();
        }
        if over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bugs::Bug;
    use crate::cli::shrink::Small;
    use crate::explore::{Recipe, kit_for, try_again};
    use crate::peer::rules::ReadAt;
    use crate::shrink::Budget;

    /// Servers that read before it is their turn, and a witness that does not mind.
    fn kit() -> Kit {
        let early = Bug {
            name: "reads_at_once",
            citation: "none",
            mechanism: "reads run when they arrive",
            published: "never",
            shows: &[],
            scenario: "quiet",
            plant: |rules| rules.peer.read_at = || ReadAt::Arrival,
        };
        Kit::standard().bug(early).without("SessionOrder")
    }

    #[test]
    fn what_only_the_search_finds_is_replayed_explained_and_shrunk() {
        let kit = kit();
        let recipe = Recipe::Bug("reads_at_once".to_string());
        let subject = Subject::scenario(&kit, "quiet", recipe).expect("it is embedded");
        let alone = |seed: &u64| kit_for(&subject.source.plan(*seed), &kit).searches();
        let seed = (0..40).find(alone).expect("some seed shows it to the search alone");
        let plan = subject.source.plan(seed);
        let mut came = try_plan(&plan, &kit);
        let passes = |came: &Came| matches!(came, Came::Ran(ran) if ran.outcome == Outcome::Pass);
        assert!(passes(&came), "without the search nothing is found");
        assert!(try_again(&plan, &kit, &mut came), "the second run of a campaign is the same");
        assert!(!passes(&came), "and it is searched");
        let out = std::env::temp_dir().join(format!("zoosim-searched-{}", std::process::id()));
        let (text, exit) = told(&kit, &subject, seed, &out).expect("it runs");
        assert_eq!(exit, Exit::Held, "what was planted is caught: {text}");
        assert!(text.contains("VIOLATION of Linearizability (search_disagrees) at "), "{text}");
        let flat: Vec<&str> = text.split_whitespace().collect();
        let why = "These answers alone contradict each other: ";
        assert!(flat.join(" ").contains(why), "{text}");
        std::fs::remove_dir_all(&out).expect("a report was written there");
        let budget = Budget { steps: 300_000 };
        let small = Small::of(&kit, &subject, seed, budget, &mut |_| false).expect("it shrinks");
        let head = "shrunk `Linearizability/search_disagrees/";
        assert!(small.lines().starts_with(head), "{}", small.lines());
    }
}
