//! `zoosim bench bugs`: how much it takes to find each planted bug with the default swarm.
//!
//! A unit of work is a bug and a root: seeds `root * 1,000,000 ..` of the scenario, with the bug
//! planted, one after the other on one thread, until a property of the protocol or of the service
//! is violated or the cap is reached. What a unit costs is the time of the processor on its own
//! thread, so that neither other units nor a busy machine count; only the cap depends on it, so
//! seeds and events to detection are the same everywhere. The black-box search over histories,
//! which a campaign does for one seed in sixteen, takes no part. The plans that the first roots
//! find are made small, each on the same thread, within a budget of events, and replayed.
//!
//! ```text
//!   (bug, root) -> Line, one per unit, appended to the file as soon as it is known -> Table
//! ```

mod line;
mod small;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::explore::{Recipe, Source, look_at};
use crate::kit::Kit;
use crate::shrink::Budget;
use crate::verdict::Finding;

use super::super::args::BugsArgs;
use super::super::lines::{self, Kind, Lines};
use super::super::{Done, Exit, find, interrupt, jobs, say, talk};
use super::Clock;
use line::{FORMAT, First, Line};
use small::small;

/// Seeds of one root.
const STRIDE: u64 = 1_000_000;

/// The lines of its file.
const LINES: Kind<Line> = Kind {
    begins: "{\"zoosim\":\"bench-bug/",
    parse: Line::parse,
    remedy: "remove the line: it is measured again",
};

/// How a unit is measured.
struct How {
    scenario: String,
    hash: String,
    policy: String,
    label: String,
    cap_s: u64,
    beyond_s: u64,
    /// The plans of so many roots are made small.
    shrink: u64,
    budget: Budget,
}

/// A bug and a root.
struct Unit {
    bug: String,
    root: u64,
    source: Source,
    /// What is known of it, if only its small plan is missing.
    line: Option<Line>,
}

/// Measures what the file does not tell yet, and prints the table of all of it.
pub fn bugs(kit: &Kit, args: &BugsArgs, json: bool) -> Done {
    if let Some(path) = &args.table {
        let lines = lines::read(path, &LINES)?;
        if lines.is_empty() {
            let path = path.display();
            return Err(format!("{path}: it holds no whole line\nhint: `--out FILE` writes them"));
        }
        say(&table::render(kit, &lines, args.markdown));
        return Ok(Exit::Held);
    }
    let names = names(kit, &args.bug)?;
    let (scenario, _) = find::scenario(kit, &args.scenario)?;
    for name in &names {
        find::plants_alone(&scenario, &Recipe::Bug(name.clone()))?;
    }
    let how = How {
        scenario: scenario.name.clone(),
        hash: format!("{:08x}", scenario.digest.short()),
        policy: args.policy.name().to_string(),
        label: args.label.clone(),
        cap_s: args.cap,
        beyond_s: args.beyond,
        shrink: args.shrink,
        budget: Budget { steps: args.shrink_steps },
    };
    let scenario = Arc::new(scenario);
    let (mut lines, file) = match &args.out {
        Some(path) => {
            let (known, file) = Lines::resume(path, &LINES)?;
            (known, Some(file))
        }
        None => (Vec::new(), None),
    };
    same_scenario(&lines, &how, args.out.as_deref())?;
    let mut known = known(&lines, &how);
    let mut units = Vec::new();
    // Roots outside: whatever is there when it is cut short says something of every bug.
    for root in 0..args.roots {
        for bug in &names {
            let line = known.remove(&(bug.clone(), root));
            if line.as_ref().is_some_and(|line| !lacks_small(line, &how)) {
                continue;
            }
            let recipe = Recipe::Bug(bug.clone()).steered(args.policy);
            let source = Source::Scenario(scenario.clone(), recipe);
            units.push(Unit { bug: bug.clone(), root, source, line });
        }
    }
    let interrupt = interrupt()?;
    let begun = units.len();
    let measured = all(kit, &how, &units, jobs(args.jobs), &interrupt, file, json)?;
    let complete = measured.len() == begun && !interrupt.load(Ordering::Relaxed);
    lines.extend(measured);
    let same = |line: &Line| line.policy == how.policy && line.label == how.label;
    lines.retain(|line| names.contains(&line.bug) && same(line));
    if !json {
        say(&table::render(kit, &lines, args.markdown));
    }
    Ok(if complete { Exit::Held } else { Exit::Incomplete })
}

/// The bugs asked for, in the order of the catalogue; all if none.
fn names(kit: &Kit, asked: &[String]) -> Result<Vec<String>, String> {
    for name in asked {
        find::recipe(kit, Some(name))?;
    }
    let known = kit.bugs().map(|bug| bug.name.to_string());
    let names: Vec<String> =
        known.filter(|name| asked.is_empty() || asked.contains(name)).collect();
    Ok(names)
}

/// Lines of another scenario say nothing of this one.
fn same_scenario(lines: &[Line], how: &How, path: Option<&Path>) -> Result<(), String> {
    let place = path.map(|path| path.display().to_string()).unwrap_or_default();
    for (at, line) in lines.iter().enumerate() {
        if (&line.scenario, &line.hash) != (&how.scenario, &how.hash) {
            let was = format!("`{}` ({})", line.scenario, line.hash);
            let now = format!("`{}` ({})", how.scenario, how.hash);
            return Err(format!(
                "{place}:{}: measured with scenario {was}, not with {now}\n\
                 hint: `--out` with another file starts afresh",
                at + 1
            ));
        }
    }
    Ok(())
}

/// What need not be measured again: what this build has found, and what had as much time.
fn known(lines: &[Line], how: &How) -> BTreeMap<(String, u64), Line> {
    let done = lines.iter().filter(|line| {
        let enough = line.violation.is_some() || line.cap_s >= how.cap_s;
        enough && line.policy == how.policy && line.label == how.label
    });
    // Of a unit that was measured twice the last line counts.
    done.map(|line| ((line.bug.clone(), line.root), line.clone())).collect()
}

/// Whether what a unit found is still to be made small.
fn lacks_small(line: &Line, how: &How) -> bool {
    line.root < how.shrink && line.violation.is_some() && line.shrunk.is_none()
}

/// Measures all units, each on one thread, and writes each line as soon as it is known.
fn all(
    kit: &Kit,
    how: &How,
    units: &[Unit],
    jobs: usize,
    interrupt: &AtomicBool,
    file: Option<Lines>,
    json: bool,
) -> Result<Vec<Line>, String> {
    let next = AtomicUsize::new(0);
    let done: Mutex<(Vec<Line>, Option<Lines>, Option<String>)> =
        Mutex::new((Vec::new(), file, None));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came = measure(kit, how, unit, interrupt);
                    let mut done = done.lock().expect("nobody panics with the lines in hand");
                    let (lines, file, trouble) = &mut *done;
                    match came.and_then(|line| keep(line, file, json)) {
                        Ok(Some(line)) => {
                            talk(&format!("{:>4}/{}  {line}", lines.len() + 1, units.len()));
                            lines.push(line);
                        }
                        Ok(None) => return,
                        Err(why) => {
                            trouble.get_or_insert(why);
                            next.store(units.len(), Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
    });
    let (mut lines, _, trouble) = done.into_inner().expect("all threads have ended well");
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    // Whoever was first: the table does not depend on it.
    lines.sort_by(|a, b| (a.root, &a.bug).cmp(&(b.root, &b.bug)));
    Ok(lines)
}

/// Writes a line where it belongs.
fn keep(line: Option<Line>, file: &mut Option<Lines>, json: bool) -> Result<Option<Line>, String> {
    let Some(line) = line else { return Ok(None) };
    let text = line.to_json();
    if json {
        say(&format!("{text}\n"));
    }
    if let Some(file) = file {
        file.add(&text)?;
    }
    Ok(Some(line))
}

/// Finds the bug, and makes the plan that shows it small. None if it was cut short.
fn measure(
    kit: &Kit,
    how: &How,
    unit: &Unit,
    interrupt: &AtomicBool,
) -> Result<Option<Line>, String> {
    let line = match &unit.line {
        Some(line) => Some(line.clone()),
        None => detect(kit, how, unit, interrupt)?,
    };
    let Some(line) = line else { return Ok(None) };
    let line = shrunk(kit, how, unit, line, interrupt)?;
    let cut_short = interrupt.load(Ordering::Relaxed);
    if cut_short || unit.line.is_none() || !lacks_small(&line, how) {
        return Ok(Some(line));
    }
    // Another build had found it with a seed that shows nothing in this one.
    let Some(line) = detect(kit, how, unit, interrupt)? else { return Ok(None) };
    shrunk(kit, how, unit, line, interrupt).map(Some)
}

/// The line, with what its finding shrinks to if that is asked for.
fn shrunk(
    kit: &Kit,
    how: &How,
    unit: &Unit,
    line: Line,
    interrupt: &AtomicBool,
) -> Result<Line, String> {
    let Some(found) = line.violation.as_ref().filter(|_| lacks_small(&line, how)) else {
        return Ok(line);
    };
    let enough = || interrupt.load(Ordering::Relaxed);
    let small = small(kit, &unit.source, found.seed, how.budget, enough)
        .map_err(|why| format!("`{}`, seed {}: {why}", unit.bug, found.seed))?;
    Ok(Line { zoosim: FORMAT.to_string(), shrunk: small, ..line })
}

/// Tries seeds until the bug is found, or the cap is reached; then, for a while, until something is
/// lost. None if it was cut short.
fn detect(
    kit: &Kit,
    how: &How,
    unit: &Unit,
    interrupt: &AtomicBool,
) -> Result<Option<Line>, String> {
    let clock = Clock::start();
    let mut line = Line {
        zoosim: FORMAT.to_string(),
        bug: unit.bug.clone(),
        root: unit.root,
        scenario: how.scenario.clone(),
        hash: how.hash.clone(),
        policy: how.policy.clone(),
        label: how.label.clone(),
        cap_s: how.cap_s,
        seeds: 0,
        events: 0,
        cpu_us: 0,
        hit: 0,
        assertion: None,
        violation: None,
        loss: None,
        shrunk: None,
    };
    while line.seeds < STRIDE {
        if interrupt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let seed = unit.root * STRIDE + line.seeds;
        let seen = look_at(&unit.source, seed, kit)?;
        line.seeds += 1;
        line.events += seen.steps;
        line.cpu_us = clock.nanos() / 1_000;
        if seen.hits > 0 && line.hit == 0 {
            line.hit = line.seeds;
        }
        let (seeds, events, cpu_us) = (line.seeds, line.events, line.cpu_us);
        let first = |finding: Finding| First {
            property: finding.property.to_string(),
            kind: finding.kind.to_string(),
            seed,
            seeds,
            events,
            cpu_us,
        };
        let keep = |kept: &mut Option<First>, finding: Option<Finding>| {
            if kept.is_none() {
                *kept = finding.map(first);
            }
        };
        keep(&mut line.assertion, seen.assertion);
        keep(&mut line.violation, seen.violation);
        keep(&mut line.loss, seen.loss);
        let enough = match &line.violation {
            None => line.cpu_us >= how.cap_s * 1_000_000,
            Some(_) if line.loss.is_some() => true,
            Some(found) => line.cpu_us - found.cpu_us >= how.beyond_s * 1_000_000,
        };
        if enough {
            break;
        }
    }
    Ok(Some(line))
}
