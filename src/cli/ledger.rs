//! The account of a campaign that goes on for days, over builds: how many seeds of what were tried.
//!
//! A line of JSON is one stretch of seeds, one behind the other, that one build has tried. It is
//! written every few thousand seeds, every minute, and when a campaign ends; of one that is killed
//! the last stretch is lost. Plans that once failed run first and are no part of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::explore::{Came, Item, Source, Tried};
use crate::verdict::{Outcome, Weight};

use super::lines::{self, Kind, Lines};
use super::{Done, Exit, say, table, talk};

/// The format of a line.
const FORMAT: &str = "fuzz-ledger/1";

/// Seeds of a whole stretch.
const STRETCH: u64 = 5_000;

/// How long a stretch is open at most.
const MINUTE: Duration = Duration::from_secs(60);

/// Its lines.
const LINES: Kind<Line> = Kind {
    begins: "{\"zoosim\":\"fuzz-ledger/",
    parse: Line::parse,
    remedy: "remove the line: `--seeds` tries its seeds again",
};

/// What one stretch of seeds came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// `fuzz-ledger/1`.
    zoosim: String,
    /// The scenario that the seeds are of.
    scenario: String,
    /// Its digest, as tokens spell it.
    hash: String,
    /// How they were searched.
    policy: String,
    /// What was done to their plans: `-`, or the bug that was planted.
    recipe: String,
    /// What the build was called.
    label: String,
    /// The first seed.
    first: u64,
    /// The last one; all between them were tried.
    last: u64,
    /// Seeds that passed.
    passed: u64,
    /// Seeds in which a property was violated.
    violated: u64,
    /// Seeds in which only a check inside a peer failed.
    asserted: u64,
    /// Seeds without a verdict.
    undecided: u64,
    /// Seeds that could not run.
    could_not_run: u64,
    /// Seeds that were run twice.
    reruns: u64,
    /// Of these, those whose second run was another one.
    differences: u64,
    /// Events of all of them.
    events: u64,
    /// Milliseconds of the processor that passed meanwhile, if the system tells.
    cpu_ms: Option<u64>,
}

impl Line {
    fn parse(text: &str) -> Result<Line, String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if line.zoosim != FORMAT {
            return Err(format!("is `{}`, not `{FORMAT}`", line.zoosim));
        }
        let (first, last) = (line.first, line.last);
        let seeds = last.checked_sub(first).and_then(|more| more.checked_add(1));
        let Some(seeds) = seeds else {
            return Err(format!("`first` {first} and `last` {last} hold no stretch of seeds"));
        };
        let parts = [line.passed, line.violated, line.asserted, line.undecided, line.could_not_run];
        let told = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        if told != Some(seeds) {
            return Err(format!("it tells what became of other than its {seeds} seeds"));
        }
        if line.reruns > seeds || line.differences > line.reruns {
            return Err("more seeds differed, or were run twice, than there are".to_string());
        }
        Ok(line)
    }
}

/// A ledger that is being added to.
pub struct Ledger {
    lines: Lines,
    /// The source that it is kept for: others are plans that once failed.
    source: usize,
    /// What the next line begins as.
    blank: Line,
    /// The stretch so far, if a seed of it was tried.
    open: Option<Line>,
    /// When the last line was written.
    written: Instant,
    /// What the processor had done when the last line was written.
    cpu_ms: Option<u64>,
    /// The highest seed that it tells of, of this scenario, policy and recipe.
    highest: Option<u64>,
}

impl Ledger {
    /// Opens it for a source, which has this number in its campaign.
    pub fn open(
        path: &Path,
        source: &Source,
        number: usize,
        label: &str,
    ) -> Result<Ledger, String> {
        let Source::Scenario(scenario, recipe) = source else {
            return Err("a plan has one seed\nhint: a ledger is kept for a scenario".to_string());
        };
        let (policy, recipe) = recipe.parts();
        let blank = Line {
            zoosim: FORMAT.to_string(),
            scenario: scenario.name.clone(),
            hash: format!("{:08x}", scenario.digest.short()),
            policy: policy.name().to_string(),
            recipe: recipe.word(),
            label: label.to_string(),
            first: 0,
            last: 0,
            passed: 0,
            violated: 0,
            asserted: 0,
            undecided: 0,
            could_not_run: 0,
            reruns: 0,
            differences: 0,
            events: 0,
            cpu_ms: None,
        };
        let (known, lines) = Lines::resume(path, &LINES)?;
        // A changed scenario draws other plans; going on behind them all is right in any case.
        let same = |line: &&Line| {
            (&line.scenario, &line.policy, &line.recipe)
                == (&blank.scenario, &blank.policy, &blank.recipe)
        };
        let highest = known.iter().filter(same).map(|line| line.last).max();
        let (open, written) = (None, Instant::now());
        Ok(Ledger { lines, source: number, blank, open, written, cpu_ms: cpu_ms(), highest })
    }

    /// The seed to go on with.
    pub fn next(&self) -> Result<u64, String> {
        let next = self.highest.map_or(Some(0), |highest| highest.checked_add(1));
        next.ok_or_else(|| "the ledger has all seeds\nhint: `--seeds` tries some again".to_string())
    }

    /// Adds the next seed; the stretch is written if it is long enough.
    pub fn take(&mut self, tried: &Tried) -> Result<(), String> {
        let Item { source, seed, branch: _ } = tried.item;
        if source != self.source {
            return Ok(());
        }
        let blank = || Line { first: seed, ..self.blank.clone() };
        let line = self.open.get_or_insert_with(blank);
        line.last = seed;
        if let Some(same) = tried.again {
            line.reruns += 1;
            line.differences += u64::from(!same);
        }
        let count = match &tried.came {
            Came::Cannot(_) | Came::Broke(_) => &mut line.could_not_run,
            Came::Ran(small) => {
                line.events += small.end.step;
                match &small.outcome {
                    Outcome::Pass => &mut line.passed,
                    Outcome::Unknown(_) => &mut line.undecided,
                    Outcome::Violated(finding) => match finding.weight {
                        Weight::Violation => &mut line.violated,
                        Weight::Assertion => &mut line.asserted,
                    },
                }
            }
        };
        *count += 1;
        let whole = line.last - line.first + 1 >= STRETCH || self.written.elapsed() >= MINUTE;
        if whole { self.flush() } else { Ok(()) }
    }

    /// Writes down the stretch so far.
    pub fn flush(&mut self) -> Result<(), String> {
        let Some(mut line) = self.open.take() else { return Ok(()) };
        let now = cpu_ms();
        line.cpu_ms = now.zip(self.cpu_ms).map(|(now, before)| now.saturating_sub(before));
        (self.cpu_ms, self.written) = (now, Instant::now());
        self.lines.add(&serde_json::to_string(&line).expect("a line is plain data"))?;
        talk(&format!("ledger: seeds {}..={} are in", line.first, line.last));
        Ok(())
    }
}

/// Milliseconds that all threads of this process have run, to a hundredth of a second.
fn cpu_ms() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the command stands in brackets and may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 10)
}

/// Prints the sums of a ledger.
pub fn totals(path: &Path, markdown: bool) -> Done {
    let lines = lines::read(path, &LINES)?;
    let by_policy = sums(&lines, |line| line.recipe_of());
    let by_label = sums(&lines, |line| {
        let label = if line.label.is_empty() { "-" } else { &line.label };
        line.recipe_of().into_iter().chain([label.to_string()]).collect()
    });
    let kinds = ["scenario", "hash", "policy", "recipe"];
    let head: Vec<&str> = kinds.into_iter().chain(HEAD).collect();
    say(&table::render(&head, &by_policy, markdown));
    let head: Vec<&str> = kinds.into_iter().chain(["label"]).chain(HEAD).collect();
    say(&format!("\n{}", table::render(&head, &by_label, markdown)));
    Ok(Exit::Held)
}

const HEAD: [&str; 11] = [
    "seeds",
    "distinct",
    "passed",
    "violated",
    "assertions only",
    "undecided",
    "could not run",
    "run twice",
    "differed",
    "events",
    "CPU-s",
];

impl Line {
    /// What its seeds are of.
    fn recipe_of(&self) -> Vec<String> {
        [&self.scenario, &self.hash, &self.policy, &self.recipe].map(String::clone).to_vec()
    }
}

/// The sums of all lines that have the same key, in the order in which the keys first come.
fn sums(lines: &[Line], key: impl Fn(&Line) -> Vec<String>) -> Vec<Vec<String>> {
    let mut order = Vec::new();
    let mut groups: BTreeMap<Vec<String>, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        let of = groups.entry(key(line)).or_default();
        if of.is_empty() {
            order.push(key(line));
        }
        of.push(line);
    }
    order.into_iter().map(|key| row(key.clone(), &groups[&key])).collect()
}

fn row(mut row: Vec<String>, of: &[&Line]) -> Vec<String> {
    let sum = |value: &dyn Fn(&Line) -> u64| {
        of.iter().map(|line| u128::from(value(line))).sum::<u128>().to_string()
    };
    let seeds = of.iter().map(|line| u128::from(line.last - line.first) + 1).sum::<u128>();
    let cpu_ms: Option<Vec<u64>> = of.iter().map(|line| line.cpu_ms).collect();
    row.push(seeds.to_string());
    row.push(distinct(of).to_string());
    row.push(sum(&|line| line.passed));
    row.push(sum(&|line| line.violated));
    row.push(sum(&|line| line.asserted));
    row.push(sum(&|line| line.undecided));
    row.push(sum(&|line| line.could_not_run));
    row.push(sum(&|line| line.reruns));
    row.push(sum(&|line| line.differences));
    row.push(sum(&|line| line.events));
    row.push(cpu_ms.map_or("-".to_string(), |all| (all.iter().sum::<u64>() / 1_000).to_string()));
    row
}

/// How many seeds there are in these stretches, each counted once.
fn distinct(of: &[&Line]) -> u128 {
    let mut stretches: Vec<(u64, u64)> = of.iter().map(|line| (line.first, line.last)).collect();
    stretches.sort();
    let (mut seeds, mut beyond) = (0, 0);
    for (first, last) in stretches {
        let end = u128::from(last) + 1;
        seeds += end.saturating_sub(u128::from(first).max(beyond));
        beyond = beyond.max(end);
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(first: u64, last: u64) -> Line {
        let seeds = last - first + 1;
        let text = format!(
            "{{\"zoosim\":\"{FORMAT}\",\"scenario\":\"default\",\"hash\":\"00000000\",\
             \"policy\":\"swarm\",\"recipe\":\"-\",\"label\":\"\",\"first\":{first},\
             \"last\":{last},\"passed\":{seeds},\"violated\":0,\"asserted\":0,\"undecided\":0,\
             \"could_not_run\":0,\"reruns\":0,\"differences\":0,\"events\":9,\"cpu_ms\":1500}}"
        );
        Line::parse(&text).expect("it is whole")
    }

    #[test]
    fn seeds_that_were_tried_twice_are_distinct_once() {
        let lines = [line(0, 9), line(5, 14), line(6, 7), line(100, 100)];
        let of: Vec<&Line> = lines.iter().collect();
        assert_eq!(distinct(&of), 16);
        assert_eq!(distinct(&[&line(u64::MAX, u64::MAX)]), 1);
        let rows = sums(&lines, Line::recipe_of);
        let wanted = "default 00000000 swarm - 23 16 23 0 0 0 0 0 0 36 6";
        assert_eq!(rows.concat(), wanted.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn a_line_that_does_not_add_up_is_refused() {
        let refused = |line: &Line| {
            let text = serde_json::to_string(line).expect("plain data");
            Line::parse(&text).expect_err("it is refused")
        };
        let short = Line { passed: 9, ..line(0, 9) };
        assert_eq!(refused(&short), "it tells what became of other than its 10 seeds");
        let none = Line { first: 5, ..line(0, 4) };
        assert_eq!(refused(&none), "`first` 5 and `last` 4 hold no stretch of seeds");
        let many = Line { passed: u64::MAX, violated: 11, ..line(0, 9) };
        assert_eq!(refused(&many), "it tells what became of other than its 10 seeds");
        let odd = Line { differences: 1, ..line(0, 9) };
        assert_eq!(refused(&odd), "more seeds differed, or were run twice, than there are");
    }
}
