//! `zoosim bench mutations`: each property left out in turn, and what is not found without it.
//!
//! Every bug is planted in its own scenario and in the swarm. Of each seed that shows something,
//! the property that names it is left out, and the same seed is run again: if nothing is found any
//! more, this property alone has caught the bug. A property that no seed depends on is decoration,
//! as far as the bugs of this kit can tell.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::explore::{Dependence, Recipe, Source, dependence};
use crate::kit::Kit;
use crate::plan::Problem;
use crate::plan::input::suggest;
use crate::verdict::Outcome;

use super::super::args::MutationsArgs;
use super::super::find::Subject;
use super::super::{Done, Exit, find, interrupt, jobs, list, say, table, talk};

/// Seeds of one source that a thread takes at once.
const BLOCK: u64 = 10;

/// What is known of one property.
#[derive(Default)]
struct Row {
    /// Seeds that it names.
    named: u64,
    /// Of these, those that nothing else sees.
    alone: u64,
    /// By source: how many of those, and the first.
    sources: BTreeMap<String, (u64, u64)>,
    /// What names the others without it, and how often.
    instead: BTreeMap<&'static str, u64>,
}

/// Looks for what depends on each property.
pub fn mutations(kit: &Kit, args: &MutationsArgs, as_json: bool) -> Done {
    let known = list::properties(kit);
    for name in &args.property {
        let names: Vec<&str> = known.iter().map(|(known, _)| known.as_str()).collect();
        if !names.contains(&name.as_str()) {
            let hint = suggest(name, &names, Some("invariants"));
            let what = format!("`{name}` is not a property");
            return Err(Problem::new("property", what, hint).to_string());
        }
    }
    let sources = sources(kit, args)?;
    let blocks: Vec<(u64, &Source)> = (0..args.seeds.div_ceil(BLOCK))
        .flat_map(|block| sources.iter().map(move |source| (block * BLOCK, source)))
        .collect();
    let interrupt = interrupt()?;
    let rows = all(kit, &blocks, args, &interrupt)?;
    let complete = !interrupt.load(Ordering::Relaxed);
    let wanted = |name: &&String| args.property.is_empty() || args.property.contains(name);
    let names: Vec<&String> = known.iter().map(|(name, _)| name).filter(wanted).collect();
    if as_json {
        names.iter().for_each(|name| say(&json(name, rows.get(*name))));
    } else {
        let cells: Vec<_> = names.iter().map(|name| cells(name, rows.get(*name))).collect();
        say(&table::render(&HEAD, &cells, args.markdown));
    }
    let idle = |name: &&&String| rows.get(**name).is_none_or(|row| row.alone == 0);
    let idle: Vec<&str> = names.iter().filter(idle).map(|name| name.as_str()).collect();
    // Of seeds that were not tried nothing is known.
    if complete && !idle.is_empty() {
        talk(&format!("no seed depends on: {}", idle.join(", ")));
    }
    Ok(if complete { Exit::Held } else { Exit::Incomplete })
}

const HEAD: [&str; 5] =
    ["property", "seeds it names", "only it sees", "for instance", "the others, without it"];

/// Each bug in its own scenario, and in the swarm.
fn sources(kit: &Kit, args: &MutationsArgs) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for name in &args.bug {
        find::recipe(kit, Some(name))?;
    }
    for bug in
        kit.bugs().filter(|bug| args.bug.is_empty() || args.bug.iter().any(|n| n == bug.name))
    {
        for scenario in [bug.scenario, "default"] {
            let recipe = Recipe::Bug(bug.name.to_string());
            sources.push(Subject::scenario(kit, scenario, recipe)?.source);
        }
    }
    Ok(sources)
}

/// Where a seed is from, as a command would name it.
fn place(source: &Source) -> String {
    match source {
        Source::Scenario(scenario, recipe) => format!("{} --bug {}", scenario.name, recipe.word()),
        Source::Plan(name, _) => name.clone(),
    }
}

fn all(
    kit: &Kit,
    blocks: &[(u64, &Source)],
    args: &MutationsArgs,
    interrupt: &AtomicBool,
) -> Result<BTreeMap<String, Row>, String> {
    let next = AtomicUsize::new(0);
    let rows: Mutex<(BTreeMap<String, Row>, Option<String>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs(args.jobs) {
            scope.spawn(|| {
                while let Some((first, source)) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if interrupt.load(Ordering::Relaxed) {
                        return;
                    }
                    for seed in *first..args.seeds.min(first + BLOCK) {
                        let came = dependence(&source.plan(seed), kit);
                        let mut rows = rows.lock().expect("nobody panics with the rows in hand");
                        match came {
                            Ok(None) => {}
                            Ok(Some(one)) => take(&mut rows.0, source, seed, &one),
                            Err(cannot) => {
                                rows.1.get_or_insert(cannot.to_string());
                                next.store(blocks.len(), Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    match rows.into_inner().expect("all threads have ended well") {
        (_, Some(trouble)) => Err(trouble),
        (rows, None) => Ok(rows),
    }
}

/// Adds what one seed showed. The sums do not depend on the order of seeds.
fn take(rows: &mut BTreeMap<String, Row>, source: &Source, seed: u64, one: &Dependence) {
    let row = rows.entry(one.finding.property.to_string()).or_default();
    row.named += 1;
    if one.is_alone() {
        row.alone += 1;
        let (count, first) = row.sources.entry(place(source)).or_insert((0, seed));
        *count += 1;
        *first = seed.min(*first);
        return;
    }
    let instead = match &one.without {
        Outcome::Violated(other) => other.property,
        Outcome::Pass | Outcome::Unknown(_) => "undecided",
    };
    *row.instead.entry(instead).or_default() += 1;
}

/// Where a property is alone most often, and the first seed of that; of equals the first in the
/// alphabet.
fn best(row: &Row) -> Option<(&String, u64)> {
    let best = row.sources.iter().rev().max_by_key(|(_, (count, _))| *count);
    best.map(|(place, (_, first))| (place, *first))
}

fn json(name: &str, row: Option<&Row>) -> String {
    let empty = Row::default();
    let row = row.unwrap_or(&empty);
    let instance = best(row).map(|(place, seed)| json!({ "run": place, "seed": seed }));
    let line = json!({
        "zoosim": "mutations/1", "property": name, "named": row.named, "alone": row.alone,
        "instance": instance, "instead": row.instead,
    });
    format!("{line}\n")
}

fn cells(name: &str, row: Option<&Row>) -> Vec<String> {
    let empty = Row::default();
    let row = row.unwrap_or(&empty);
    let instead = row.instead.iter().map(|(name, count)| format!("{name} {count}"));
    vec![
        format!("`{name}`"),
        row.named.to_string(),
        row.alone.to_string(),
        best(row).map_or("-".to_string(), |(place, first)| format!("`{place}`, seed {first}")),
        instead.collect::<Vec<String>>().join(", "),
    ]
}
