//! `zoosim fuzz`: many seeds; the first finding of each signature is written down, nothing stops
//! for it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::explore::{Came, Campaign, Item, Next, Recipe, Small, Source, Tally, Tried};
use crate::kit::Kit;
use crate::plan::Expect;
use crate::plan::seeds::parse_seeds;
use crate::shrink::{Budget, Progress};
use crate::verdict::{Finding, Outcome, Weight};

use super::args::FuzzArgs;
use super::find::{self, Subject};
use super::ledger::{self, Ledger};
use super::record::{can_write, finding_json, record, replay_plan, write_text};
use super::shrink::Small as Shrunk;
use super::status::Status;
use super::told::{broke, nondeterminism, wanted};
use super::{Done, Exit, interrupt, is_expected, jobs, say, summary, talk};

/// How many mismatches of second runs are looked into.
const DIFFERENCES: usize = 3;

/// How many signatures of one campaign are shrunk, and how much each may cost.
const SHRUNK: usize = 6;
const SHRINK_BUDGET: Budget = Budget { steps: 3_000_000 };

/// Seeds if nothing says how many.
const SEEDS: (u64, u64) = (0, 999);

/// What to try, and how long.
pub struct Hunt {
    /// What to try.
    pub campaign: Campaign,
    /// The subjects of its sources: those of its plans, then those of its scenarios.
    pub subjects: Vec<Subject>,
    /// Stop after so much wall time.
    pub time: Option<Duration>,
    /// Stop after so many seeds without anything new.
    pub until_quiet: Option<u64>,
    /// Stop after so many seeds with findings.
    pub stop_after: Option<u64>,
    /// Where failing runs are written.
    pub out: PathBuf,
    /// Whether findings are printed as JSON.
    pub json: bool,
    /// Whether the first finding of each signature is shrunk in the end.
    pub shrink: bool,
    /// Whether every table of what was reached is printed, the long ones too.
    pub coverage: bool,
}

/// How often a planted bug answered differently from the right rule.
pub struct Hits {
    /// Its name.
    pub bug: String,
    /// How often.
    pub times: u64,
    /// In how many seeds.
    pub seeds: u64,
}

impl Hits {
    /// In words, of so many seeds.
    pub fn words(&self, tried: u64) -> String {
        match self.times {
            0 => format!("never hit: none of {tried} seeds reaches it"),
            times => format!("hit {times} times, in {} of {tried} seeds", self.seeds),
        }
    }
}

/// What came of it.
pub struct Hunted {
    /// The sums.
    pub tally: Tally,
    /// Whether a person cut it short.
    pub interrupted: bool,
    /// The first finding of each signature: where it was seen, and what it says.
    pub firsts: Vec<(Item, Finding)>,
    /// Whether some runs differed when they were run again.
    pub nondeterministic: bool,
}

/// Tries many seeds.
pub fn fuzz(kit: &Kit, args: &FuzzArgs) -> Done {
    if let (Some(path), true) = (&args.ledger, args.totals) {
        return ledger::totals(path, args.markdown);
    }
    let recipe = find::recipe(kit, args.bug.as_deref())?;
    // What once failed must pass: planting a bug there would say nothing.
    let plans = if recipe == Recipe::Plain { find::regressions(kit)? } else { Vec::new() };
    let recipe = recipe.steered(args.policy);
    let names = match args.scenarios.is_empty() {
        true => vec!["default".to_string()],
        false => args.scenarios.clone(),
    };
    if let Some((_, twice)) = names.iter().enumerate().find(|(at, one)| names[..*at].contains(one))
    {
        return Err(format!("scenario `{twice}` is named twice\nhint: name each once"));
    }
    let scenarios = names.iter().map(|name| Subject::scenario(kit, name, recipe.clone()));
    let scenarios = scenarios.collect::<Result<Vec<Subject>, String>>()?;
    let ledger = args.ledger.as_deref().map(|path| match &scenarios[..] {
        [one] => Ledger::open(path, &one.source, plans.len(), &args.label),
        _ => Err("a ledger is kept for one scenario at a time\nhint: name one".to_string()),
    });
    let mut ledger = ledger.transpose()?;
    let (first, last) = seeds(args, ledger.as_ref())?;
    can_write(&args.out)?;
    if let Some(path) = &args.junit {
        let new = !path.exists();
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let gone = opened.and_then(|_| if new { std::fs::remove_file(path) } else { Ok(()) });
        gone.map_err(|error| no_junit(path, &error))?;
    }
    let sources = |subjects: &[Subject]| subjects.iter().map(|one| one.source.clone()).collect();
    let campaign = Campaign {
        plans: sources(&plans),
        scenarios: sources(&scenarios),
        first,
        last,
        jobs: jobs(args.jobs),
    };
    let hunt = Hunt {
        campaign,
        subjects: plans.into_iter().chain(scenarios).collect(),
        time: args.seconds.map(Duration::from_secs),
        until_quiet: args.until_quiet,
        stop_after: args.stop_after,
        out: args.out.clone(),
        json: args.json,
        shrink: !args.no_shrink,
        coverage: args.coverage,
    };
    let interrupt = interrupt()?;
    let hunted = hunt.run(kit, &interrupt, ledger.as_mut())?;
    if args.json {
        say(&format!("{}\n", summary::json(kit, &hunt, &hunted)));
    } else {
        say(&summary::text(kit, &hunt, &hunted));
    }
    if let Some(path) = &args.junit {
        let text = crate::report::junit::render(&summary::junit(kit, &hunt, &hunted));
        write_text(path, &text).map_err(|error| no_junit(path, &error))?;
    }
    Ok(hunt.exit(&hunted))
}

fn no_junit(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    format!("{path}: cannot be written: {error}\nhint: `--junit FILE` names another place")
}

/// The first and the last seed.
fn seeds(args: &FuzzArgs, ledger: Option<&Ledger>) -> Result<(u64, Option<u64>), String> {
    let base = match (&args.seed_from, ledger) {
        (Some(text), _) => find::seed(text)?,
        // Seeds that were asked for are tried, whatever the ledger has of them.
        (None, Some(ledger)) if args.seeds.is_none() => ledger.next()?,
        (None, _) => 0,
    };
    let endless = args.seconds.is_some() || args.until_quiet.is_some();
    let (first, last) = match &args.seeds {
        Some(text) => {
            let seeds = parse_seeds(text).map_err(|problem| problem.to_string())?;
            (*seeds.start(), Some(*seeds.end()))
        }
        None if endless => (0, None),
        None => (SEEDS.0, Some(SEEDS.1)),
    };
    let shifted = |seed: u64| {
        seed.checked_add(base).ok_or_else(|| {
            "seeds do not fit below 2^64\nhint: use smaller ones with `--seed-from`".to_string()
        })
    };
    Ok((shifted(first)?, last.map(shifted).transpose()?))
}

impl Hunt {
    /// Tries everything; writes down and prints the first finding of each signature.
    pub fn run(
        &self,
        kit: &Kit,
        interrupt: &AtomicBool,
        mut ledger: Option<&mut Ledger>,
    ) -> Result<Hunted, String> {
        let started = Instant::now();
        let tally = Tally::behind(self.campaign.plans.len());
        let cell = std::cell::RefCell::new((tally, Status::begin(self.campaign.len())));
        let enough = || {
            interrupt.load(Ordering::Relaxed)
                || self.time.is_some_and(|time| started.elapsed() >= time)
        };
        let mut firsts = Vec::new();
        let mut trouble = None;
        let mut differences = 0;
        let idle = || {
            let (tally, status) = &mut *cell.borrow_mut();
            status.show(tally);
        };
        let complete = self.campaign.run(kit, enough, idle, |tried| {
            let (tally, status) = &mut *cell.borrow_mut();
            // One of a signature is enough to look at: the others are counted.
            let is_first = tally.take(tried);
            if let Some(Err(error)) = ledger.as_deref_mut().map(|ledger| ledger.take(tried)) {
                trouble = Some(error);
                return Next::Stop;
            }
            if let (true, Came::Ran(small)) = (is_first, &tried.came) {
                if let Outcome::Violated(finding) = &small.outcome {
                    firsts.push((tried.item, finding.clone()));
                }
                let found = self.found(kit, tried, small);
                match found {
                    Ok(text) => status.aside(|| say(&text)),
                    Err(error) => {
                        trouble = Some(error);
                        return Next::Stop;
                    }
                }
            }
            if tried.again == Some(false) && differences < DIFFERENCES {
                differences += 1;
                let source = self.subject(tried.item).source;
                let (plan, name) = (source.plan(tried.item.seed), source.name());
                status.aside(|| say(&nondeterminism(kit, &plan, name, tried.item.seed)));
            }
            if let Came::Broke(_) = &tried.came
                && tally.all().broken <= DIFFERENCES as u64
            {
                status.aside(|| talk(&self.broke(kit, tried)));
            }
            self.next(tally)
        });
        let (tally, status) = cell.into_inner();
        status.end(&tally);
        // Also of what ended in trouble, or was cut short.
        ledger.map_or(Ok(()), Ledger::flush)?;
        if let Some(error) = trouble {
            return Err(error);
        }
        let interrupted = interrupt.load(Ordering::Relaxed) && !complete;
        let nondeterministic = !tally.nondeterministic.is_empty();
        if self.shrink && !interrupted && !nondeterministic {
            self.shrink_firsts(kit, &firsts, interrupt)?;
        }
        Ok(Hunted { tally, interrupted, firsts, nondeterministic })
    }

    /// Shrinks the first finding of each signature, within a budget of steps.
    fn shrink_firsts(
        &self,
        kit: &Kit,
        firsts: &[(Item, Finding)],
        interrupt: &AtomicBool,
    ) -> Result<(), String> {
        for (item, _) in firsts.iter().take(SHRUNK) {
            let mut enough = |_: &Progress| interrupt.load(Ordering::Relaxed);
            let subject = self.subject(*item);
            let small = Shrunk::of(kit, &subject, item.seed, SHRINK_BUDGET, &mut enough)?;
            let path = small.place(&self.out);
            small.write(kit, &path)?;
            if self.json {
                say(&format!("{}\n", small.json(&path)));
            } else {
                say(&format!("{}  {}\n", small.lines(), replay_plan(&path)));
            }
        }
        Ok(())
    }

    /// What an item stands for: of a tree, the branch that it names.
    fn subject(&self, item: Item) -> Subject {
        let subject = &self.subjects[item.source];
        Subject { source: subject.source.branched(item.branch), file: subject.file.clone() }
    }

    fn next(&self, tally: &Tally) -> Next {
        let quiet = self.until_quiet.is_some_and(|seeds| tally.quiet() >= seeds);
        let found = self.stop_after.is_some_and(|seeds| tally.findings() >= seeds);
        if quiet || found { Next::Stop } else { Next::Go }
    }

    /// Writes a finding down; what to print of it.
    fn found(&self, kit: &Kit, tried: &Tried, small: &Small) -> Result<String, String> {
        let Outcome::Violated(finding) = &small.outcome else { return Ok(String::new()) };
        let subject = self.subject(tried.item);
        let seed = tried.item.seed;
        let recorded = record(kit, &subject, seed, small, Some(&self.out))?;
        let name = subject.source.name();
        if !recorded.same {
            let plan = subject.source.plan(seed);
            return Ok(nondeterminism(kit, &plan, name, seed));
        }
        let dir = recorded.dir.map(|dir| dir.join("report.txt").display().to_string());
        if let (true, Some(signature)) = (self.json, &small.signature) {
            let value = json!({
                "zoosim": "finding/1", "source": name, "seed": seed,
                "finding": finding_json(finding, signature), "report": dir,
                "replay": recorded.replay,
            });
            return Ok(format!("{value}\n"));
        }
        let weight = match finding.weight {
            Weight::Assertion => "assertion",
            Weight::Violation => "violation",
        };
        let planned = is_expected(finding, &subject.source.expect());
        let planned = if planned { " (expected)" } else { "" };
        let mut text =
            format!("{weight} of {}{planned}: `{name}`, seed {}\n", finding.property, tried.item);
        crate::report::text::paragraph(&mut text, "  ", &finding.detail);
        text.push_str(&format!("  report: {}\n", dir.unwrap_or_default()));
        text.push_str(&format!("  {}\n", recorded.replay));
        Ok(text)
    }

    /// Breaks once more, on this thread, to learn where.
    fn broke(&self, kit: &Kit, tried: &Tried) -> String {
        let source = self.campaign.source(tried.item);
        let _ = crate::explore::try_item(source, tried.item.seed, kit);
        broke(source.name(), tried.item.seed)
    }

    /// Whether a source's expectation held; `Err` says what did not.
    pub fn held(&self, tally: &Tally, source: usize) -> Result<(), String> {
        let subject = &self.subjects[source].source;
        let expect = subject.expect();
        let groups = tally.groups.iter().filter(|((of, _), _)| *of == source);
        let (tried, violated) = tally.by_source.get(&source).copied().unwrap_or_default();
        match &expect {
            Expect::Pass if violated == 0 => Ok(()),
            Expect::Pass => Err(format!("{violated} of {tried} seeds with findings")),
            Expect::Violation(names) => {
                let wanted_one =
                    |property: &str| names.is_empty() || names.iter().any(|name| name == property);
                let caught = groups.filter(|(_, group)| wanted_one(group.property)).count();
                if caught > 0 || tried == 0 {
                    return Ok(());
                }
                let wanted = wanted(&expect);
                let mut why = format!("not caught: expected {wanted} within {tried} seeds");
                for hit in self.hits(tally, source).iter().filter(|hit| hit.times == 0) {
                    why.push_str(&format!("; `{}` was {}", hit.bug, hit.words(tried)));
                }
                Err(why)
            }
        }
    }

    /// How often each bug that a source plants was hit. Bugs that are no part of this crate need
    /// not tell, and of several in one plan some may tell under the name of another: then silence
    /// says nothing.
    pub fn hits(&self, tally: &Tally, source: usize) -> Vec<Hits> {
        let plan = self.subjects[source].source.plan(self.campaign.first);
        let tells = |bug: &str| crate::bugs::ALL.iter().any(|known| known.name == bug);
        let hits = plan.bugs.iter().map(|bug| {
            let (times, seeds) =
                tally.hits.get(&(source, bug.clone())).copied().unwrap_or_default();
            Hits { bug: bug.clone(), times, seeds }
        });
        hits.filter(|hit| hit.times > 0 || plan.bugs.len() == 1 && tells(&hit.bug)).collect()
    }

    fn exit(&self, hunted: &Hunted) -> Exit {
        let tally = &hunted.tally;
        let held = (0..self.subjects.len()).all(|source| self.held(tally, source).is_ok());
        match () {
            () if hunted.nondeterministic => Exit::Nondeterminism,
            () if !(held || hunted.interrupted && tally.findings() == 0) => Exit::Violated,
            () if tally.all().broken > 0 => Exit::CouldNot,
            () if hunted.interrupted => Exit::Incomplete,
            () if tally.all().unknown > 0 => Exit::Undecided,
            () => Exit::Held,
        }
    }
}

/// A campaign over one scenario, for other verbs.
pub fn hunt_of(subject: Subject, first: u64, last: Option<u64>, time: Option<Duration>) -> Hunt {
    let source: Source = subject.source.clone();
    Hunt {
        campaign: Campaign {
            plans: Vec::new(),
            scenarios: vec![source],
            first,
            last,
            jobs: jobs(None),
        },
        subjects: vec![subject],
        time,
        until_quiet: None,
        stop_after: None,
        out: PathBuf::from(super::args::RUNS),
        json: false,
        shrink: false,
        coverage: false,
    }
}
