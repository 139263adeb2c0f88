//! What was typed.

mod bench;
mod histories;

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args as ClapArgs, ColorChoice, Parser, Subcommand, ValueEnum};

use crate::base::Time;
use crate::explore::Policy;
use crate::plan::Problem;

pub use bench::{BenchArgs, BenchCheckArgs, BenchVerb, BugsArgs, MutationsArgs};
pub use histories::{CheckArgs, ConvertArgs, FailArg, GenArgs, HistoryArgs, HistoryVerb};

/// Runs a complete coordination service inside a deterministic world, breaks the world on purpose,
/// and judges what clients and peers saw.
///
/// Without a verb: shows a planted bug being caught, the same seeds without it, and half a minute
/// of the swarm.
#[derive(Parser, Debug)]
#[command(name = "zoosim", version, color = ColorChoice::Never)]
#[command(after_help = "exit codes: 0 what was expected held, 1 violation, 2 could not run, \
    3 undecided, 4 nondeterminism, 5 campaign incomplete\n\nexample: zoosim fuzz --seconds 60")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Run a scenario: one seed, or all of its own until something is found
    #[command(after_help = "example: zoosim run default --seed 42 --trace --from 1s --to 2500ms")]
    Run(RunArgs),
    /// Print the plan that a scenario draws from a seed, as JSON
    #[command(
        after_help = "example: zoosim plan default --seed 42 > my.json; zoosim replay my.json"
    )]
    Plan(PlanArgs),
    /// Run again what a report's last line names, or a plan from a file
    #[command(after_help = "example: zoosim replay reports/runs/x/plan.json --at 12.5s")]
    Replay(ReplayArgs),
    /// Try many seeds
    #[command(after_help = "example: zoosim fuzz --seconds 60 --junit junit.xml\n         \
        zoosim fuzz default --seeds 0..10000 --jobs 4\n         \
        zoosim fuzz --ledger seeds.jsonl --seconds 600 --label 1a2b3c4")]
    Fuzz(FuzzArgs),
    /// Make a run that fails as small as it gets: a plan that fails in the same way
    #[command(after_help = "example: zoosim shrink ack-before-fsync --seed 0\n         \
        zoosim shrink reports/runs/x/plan.json --seconds 60 --out small.json")]
    Shrink(ShrinkArgs),
    /// Tell why a run fails: what led to it, what takes it away, and since when it was bound to
    #[command(after_help = "example: zoosim explain ack-before-fsync --seed 0\n         \
        zoosim explain small.json --points 40 --tails 20 --json")]
    Explain(ExplainArgs),
    /// Crash a passing run at every durable effect and every send, to peers and to clients, and
    /// judge each of these runs
    #[command(after_help = "example: zoosim crashpoints quiet --seed 2 --peer 2\n         \
        zoosim crashpoints quiet --seed 2 --bug ack_before_fsync --json")]
    Crashpoints(CrashpointsArgs),
    /// Keep a plan that once failed, to be tried first by every `zoosim fuzz`
    #[command(after_help = "example: zoosim regress add reports/runs/x/plan.json --name lost-ack")]
    Regress(RegressArgs),
    /// Show what there is: faults, invariants, scenarios, operations, bugs, knobs, moments,
    /// policies
    #[command(after_help = "example: zoosim list faults --markdown")]
    List(ListArgs),
    /// Judge histories from files: zoosim's own, Jepsen's, Porcupine's
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Make histories
    #[command(after_help = "example: zoosim history gen --model register --ops 100 --seed 1")]
    History(HistoryArgs),
    /// Measure this build on this machine
    #[command(after_help = "example: zoosim bench --json > bench.json")]
    Bench(BenchArgs),
}

/// `run`.
#[derive(ClapArgs, Debug)]
pub struct RunArgs {
    /// A scenario's name, or its file
    pub scenario: String,
    /// Only this seed: decimal, or hexadecimal after `0x`
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Plant this bug, and expect it to be caught
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// What to print on the way
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Where failing runs are written
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub out: PathBuf,
}

/// Where failing runs are written.
pub const RUNS: &str = "reports/runs";

/// What to print of a run.
#[derive(ClapArgs, Clone, Copy, Debug)]
pub struct TraceArgs {
    /// Print everything seen, one line each
    #[arg(long)]
    pub trace: bool,
    /// .. from this simulated time on: `12.5s`, `12500ms`
    #[arg(long, value_name = "T", value_parser = parse_time, requires = "trace")]
    pub from: Option<Time>,
    /// .. up to this simulated time
    #[arg(long, value_name = "T", value_parser = parse_time, requires = "trace")]
    pub to: Option<Time>,
}

impl TraceArgs {
    /// Whether there is anything between both ends.
    ///
    /// # Errors
    /// If they are the wrong way round.
    pub fn check(&self) -> Result<(), String> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(format!(
                "`--from` {from} is behind `--to` {to}: nothing lies between them\n\
                 hint: the earlier time is `--from`"
            )),
            _ => Ok(()),
        }
    }
}

/// `plan`.
#[derive(ClapArgs, Debug)]
pub struct PlanArgs {
    /// A scenario's name, or its file
    pub scenario: String,
    /// The seed: decimal, or hexadecimal after `0x`
    #[arg(long, value_name = "N")]
    pub seed: String,
    /// Plant this bug
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// How seeds are searched: `zoosim list policies`
    #[arg(long, value_name = "NAME", default_value = "swarm", value_parser = parse_policy)]
    pub policy: Policy,
}

/// `replay`.
#[derive(ClapArgs, Debug)]
pub struct ReplayArgs {
    /// A token as reports end with, or a plan's file
    #[arg(value_name = "TOKEN|PLAN.json")]
    pub what: String,
    /// The file of the token's scenario, if it is not one that this build carries
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<String>,
    /// What to print on the way
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Stop at this simulated time and print how each peer stands
    #[arg(long, value_name = "T", value_parser = parse_time, conflicts_with = "trace")]
    pub at: Option<Time>,
    /// Where failing runs are written
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub out: PathBuf,
}

/// `fuzz`.
#[derive(ClapArgs, Debug)]
pub struct FuzzArgs {
    /// Scenarios by name or file; `default` if none
    pub scenarios: Vec<String>,
    /// These seeds; the end is not part of them
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<String>,
    /// For so many seconds
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub seconds: Option<u64>,
    /// Until nothing new (a signature, or a word of the coverage tables) was seen for so many seeds
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub until_quiet: Option<u64>,
    /// Count seeds from a commit's name: other seeds for each commit, the same for one
    #[arg(long, value_name = "GIT_SHA")]
    pub seed_from: Option<String>,
    /// Threads; as many as processors if absent. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<usize>,
    /// Plant this bug in every plan, and expect it to be caught
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// How seeds are searched: `zoosim list policies`
    #[arg(long, value_name = "NAME", default_value = "swarm", value_parser = parse_policy)]
    pub policy: Policy,
    /// Stop after so many seeds with findings
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub stop_after: Option<u64>,
    /// Where failing runs are written
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub out: PathBuf,
    /// Do not shrink the first finding of each signature once all seeds are tried
    #[arg(long)]
    pub no_shrink: bool,
    /// Print which notes came right behind which, too
    #[arg(long)]
    pub coverage: bool,
    /// Write a JUnit report: a suite per scenario, a case per property
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print findings and the summary as lines of JSON
    #[arg(long)]
    pub json: bool,
    /// Keep account in this file: a line for every few thousand seeds of one scenario. Without
    /// `--seeds`, go on behind the highest seed that it tells of
    #[arg(long, value_name = "FILE", conflicts_with = "seed_from")]
    pub ledger: Option<PathBuf>,
    /// What to call this build in the ledger: a commit, for instance
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = parse_label)]
    #[arg(requires = "ledger")]
    pub label: String,
    /// Only print the sums of the ledger, by scenario and policy, and by label
    #[arg(long, requires = "ledger", conflicts_with_all = [
        "scenarios", "seeds", "seconds", "until_quiet", "stop_after", "bug", "coverage", "junit",
        "json", "label"
    ])]
    pub totals: bool,
    /// Print the sums as tables for documents
    #[arg(long, requires = "totals")]
    pub markdown: bool,
}

/// `shrink`.
#[derive(ClapArgs, Debug)]
pub struct ShrinkArgs {
    /// A token as reports end with, a plan's file, or a scenario with `--seed`
    #[arg(value_name = "TOKEN|PLAN.json")]
    pub what: String,
    /// Take `what` as a scenario, and this seed of it
    #[arg(long, value_name = "N", conflicts_with = "scenario")]
    pub seed: Option<String>,
    /// The file of the token's scenario, if it is not one that this build carries
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<String>,
    /// Stop after so many seconds: what is best by then depends on the machine
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub seconds: Option<u64>,
    /// Stop after so many simulated events: the same on every machine
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Where the small plan is written (`.json`; its report goes beside it, as `.txt`); in the
    /// run's folder under `reports/runs` if absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print what came of it as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `explain`.
#[derive(ClapArgs, Debug)]
pub struct ExplainArgs {
    /// A token as reports end with, a plan's file, or a scenario with `--seed`
    #[arg(value_name = "TOKEN|PLAN.json")]
    pub what: String,
    /// Take `what` as a scenario, and this seed of it
    #[arg(long, value_name = "N", conflicts_with = "scenario")]
    pub seed: Option<String>,
    /// The file of the token's scenario, if it is not one that this build carries
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<String>,
    /// To how many points the run is rewound
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = up_to_1000())]
    pub points: u64,
    /// How often its tail is run with other dice from each
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = up_to_1000())]
    pub tails: u64,
    /// How many events of its past are shown
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub events: usize,
    /// Print it as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `crashpoints`.
#[derive(ClapArgs, Debug)]
pub struct CrashpointsArgs {
    /// A scenario's name, or its file
    pub scenario: String,
    /// The seed of the run, which must pass: decimal, or hexadecimal after `0x`
    #[arg(long, value_name = "N")]
    pub seed: String,
    /// Crash only this peer, by its number
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u8).range(1..))]
    pub peer: Option<u8>,
    /// Plant this bug, and expect it to be caught
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// For how many milliseconds a peer stays down
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = up_to_an_hour())]
    pub down: u64,
    /// Threads; as many as processors if absent. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<usize>,
    /// Where failing runs are written
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub out: PathBuf,
    /// Print it as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `regress`.
#[derive(ClapArgs, Debug)]
pub struct RegressArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RegressVerb,
}

/// The verbs of `regress`.
#[derive(Subcommand, Debug)]
pub enum RegressVerb {
    /// Copy a plan to `scenarios/regressions/`, expected to pass
    #[command(
        after_help = "example: zoosim regress add reports/runs/x/plan.json --name lost-ack --clean"
    )]
    Add {
        /// A token as reports end with, or a plan's file
        #[arg(value_name = "TOKEN|PLAN.json")]
        what: String,
        /// Its name; the scenario's and seed's if absent
        #[arg(long)]
        name: Option<String>,
        /// The file of the token's scenario, if it is not one that this build carries
        #[arg(long, value_name = "FILE")]
        scenario: Option<String>,
        /// Take planted bugs out of it: what is left must pass, and shows if they come back
        #[arg(long)]
        clean: bool,
    },
}

/// `list`.
#[derive(ClapArgs, Debug)]
pub struct ListArgs {
    /// What to list
    pub what: Listed,
    /// As a table for documents
    #[arg(long)]
    pub markdown: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// What can go wrong on purpose
    Faults,
    /// The properties that are judged
    Invariants,
    /// The scenarios that this build carries
    Scenarios,
    /// What clients can do
    Operations,
    /// Known bugs that can be planted
    Bugs,
    /// Tuning constants of the peers
    Knobs,
    /// What faults can wait for
    Moments,
    /// How seeds can be searched
    Policies,
}

const CHECK_HELP: &str = "formats: jsonl and binary (zoosim's own), edn and json (Jepsen's \
    history.edn, key-value lines), log (Jepsen's console lines and history.txt, etcd's logs), \
    porcupine (its operations or events as JSON)\n\n\
    prints a line per file: its name, a tab, true, false or unknown, and the property that is \
    violated\n\nexit codes: 0 all true, 1 some false, 2 something could not be read, 3 some \
    unknown\n\nexample: zoosim check history.edn --explain\n         \
    cat history.txt | zoosim check -";

fn up_to_1000() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1_000)
}

fn up_to_an_hour() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(0..=3_600_000)
}

fn parse_policy(text: &str) -> Result<Policy, String> {
    text.parse().map_err(|problem: Problem| problem.to_string())
}

fn parse_roots(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|roots| (1..=1_000_000).contains(roots));
    number.ok_or_else(|| format!("`{text}` is not from 1 to 1000000"))
}

/// A number of things of which none would be nothing to do.
fn at_least_one(text: &str) -> Result<u64, String> {
    let number = text.parse().map_err(|_| format!("`{text}` is no such number"))?;
    if number == 0 { Err("it must be at least 1".to_string()) } else { Ok(number) }
}

/// A label stands in cells of tables.
fn parse_label(text: &str) -> Result<String, String> {
    match text.find(|one: char| one.is_control() || one == '|') {
        None => Ok(text.to_string()),
        Some(_) => Err("a label has no `|` and is of one line".to_string()),
    }
}

/// How many threads: no machine has more processors, and each costs memory before it does anything.
fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|threads| (1..=1_024).contains(threads));
    number.ok_or_else(|| format!("`{text}` is not from 1 to 1024"))
}

/// Seconds of which there is at least one.
fn parse_cap(text: &str) -> Result<u64, String> {
    let seconds = parse_seconds(text)?;
    if seconds == 0 { Err("nothing is found in no time".to_string()) } else { Ok(seconds) }
}

fn parse_seconds(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u32>();
    number.map(u64::from).map_err(|_| format!("`{text}` is not seconds: write `600` or `600s`"))
}

/// Simulated time as people write it: `12.5s`, `12500ms`, or milliseconds without a unit.
///
/// # Errors
/// What would be right.
pub fn parse_time(text: &str) -> Result<Time, String> {
    let bad = || format!("`{text}` is not a time: write `12.5s`, `12500ms` or `12500`");
    let (number, unit) = match text.strip_suffix("ms").or_else(|| text.strip_suffix("us")) {
        Some(number) if text.ends_with("us") => (number, 1_000),
        Some(number) => (number, 1_000_000),
        None => match text.strip_suffix('s') {
            Some(number) => (number, 1_000_000_000),
            None => (text, 1_000_000),
        },
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return Err(bad());
    }
    let whole: u64 = whole.parse().map_err(|_| bad())?;
    let part = format!("{part:0<9}").parse::<u64>().map_err(|_| bad())?;
    let part = u128::from(part) * u128::from(unit) / 1_000_000_000;
    let part = u64::try_from(part).map_err(|_| bad())?;
    let nanos = whole.checked_mul(unit).and_then(|whole| whole.checked_add(part));
    nanos.map(Time).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// This command and all below it, by the words that name them.
    fn all(command: &clap::Command, words: &str, found: &mut Vec<(String, String)>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        found.push((words.to_string(), help));
        for inner in command.get_subcommands() {
            all(inner, &format!("{words} {}", inner.get_name()), found);
        }
    }

    #[test]
    fn the_help_of_every_command_ends_with_an_example_that_is_read() {
        let mut found = Vec::new();
        all(&Args::command(), "zoosim", &mut found);
        assert!(found.len() > 15, "{found:?}");
        for (words, help) in found {
            let lines = help.split_once("example: ").map(|(_, lines)| lines.trim_end());
            let lines = lines.unwrap_or_else(|| panic!("`{words} --help` has no example"));
            for line in lines.lines().map(str::trim) {
                let shown = line.rsplit(" | ").next().unwrap_or(line);
                let shown = shown.split([';', '>']).next().unwrap_or(shown).trim();
                assert!(shown.starts_with(&words), "{words}: `{line}` is of another command");
                let read = Args::try_parse_from(shown.split_whitespace());
                assert!(read.is_ok(), "{words}: `{line}`: {}", read.unwrap_err());
            }
        }
    }
}
