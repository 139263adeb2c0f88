//! The command: what was typed, one file per verb. The only part that reads files and clocks.
//!
//! Data go to stdout, talk to stderr. Each verb ends with an [`Exit`].
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "files, and wall time for budgets and rates, are read here and nowhere below"
)]

mod args;
mod bare;
mod bench;
mod check;
mod crashpoints;
mod explain;
mod find;
mod fuzz;
mod history;
mod ledger;
pub mod library;
mod lines;
mod list;
mod plan;
mod reach;
mod record;
mod regress;
mod replay;
mod run;
mod shrink;
mod status;
mod summary;
mod table;
mod told;

use std::cell::RefCell;
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::kit::Kit;
use crate::plan::Expect;
use crate::verdict::{Finding, Outcome};

use args::{Args, Verb};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was expected held.
    Held,
    /// It did not.
    Violated,
    /// Something could not run: bad input.
    CouldNot,
    /// There is no verdict.
    Undecided,
    /// The same plan ran differently.
    Nondeterminism,
    /// A campaign was cut short.
    Incomplete,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Held => 0,
            Exit::Violated => 1,
            Exit::CouldNot => 2,
            Exit::Undecided => 3,
            Exit::Nondeterminism => 4,
            Exit::Incomplete => 5,
        }
    }
}

/// What a verb comes to, or why it could not run, for people.
type Done = Result<Exit, String>;

/// The whole command, over the names of this kit: a user's own binary is
/// `zoosim::main(Kit::standard().protocol("mine", ..))`.
pub fn main(kit: Kit) -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            match negative(&error) {
                Some(why) => talk(&why),
                // Help and version are not errors; clap knows which stream is meant.
                None => {
                    let _ = error.print();
                }
            }
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    quiet_panics();
    let done = catch_unwind(AssertUnwindSafe(|| verb(&kit, args)));
    match done {
        Ok(done) => match done.and_then(|exit| UNSAID.get().cloned().map_or(Ok(exit), Err)) {
            Ok(exit) => ExitCode::from(exit.code()),
            Err(why) => {
                talk(&why);
                ExitCode::from(Exit::CouldNot.code())
            }
        },
        Err(_) => {
            talk(&format!("zoosim itself is at fault: {}", last_panic()));
            ExitCode::from(101)
        }
    }
}

/// What to say of a number below zero, which clap takes for a flag that nobody knows.
fn negative(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let digits = word.strip_prefix('-')?;
    digits.starts_with(|first: char| first.is_ascii_digit()).then(|| {
        format!("`{word}` is below zero\nhint: seeds, peers, times and counts are 0 or more")
    })
}

fn verb(kit: &Kit, args: Args) -> Done {
    match args.verb {
        None => bare::bare(kit),
        Some(Verb::Run(args)) => run::run(kit, &args),
        Some(Verb::Plan(args)) => plan::plan(kit, &args),
        Some(Verb::Replay(args)) => replay::replay(kit, &args),
        Some(Verb::Fuzz(args)) => fuzz::fuzz(kit, &args),
        Some(Verb::Shrink(args)) => shrink::shrink(kit, &args),
        Some(Verb::Explain(args)) => explain::explain(kit, &args),
        Some(Verb::Crashpoints(args)) => crashpoints::crashpoints(kit, &args),
        Some(Verb::Regress(args)) => regress::regress(kit, &args),
        Some(Verb::List(args)) => list::list(kit, &args),
        Some(Verb::Check(args)) => check::check(&args),
        Some(Verb::History(args)) => history::history(&args),
        Some(Verb::Bench(args)) => bench::bench(kit, &args),
    }
}

thread_local! {
    /// What the last panic of this thread said, and where.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic inside a peer's step is an event of the run, told by the verdict: its message on stderr
/// would only be noise. It is kept for panics that nobody should have met.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        // A thread that is being torn down has nobody left to read it.
        let _ = LAST_PANIC.try_with(|last| *last.borrow_mut() = text);
    }));
}

/// What the last panic of this thread said.
fn last_panic() -> String {
    LAST_PANIC.with(|last| last.borrow().clone())
}

/// Why what was to be said could not be, the first time.
static UNSAID: OnceLock<String> = OnceLock::new();

/// Data for whoever reads on. A reader that has gone away wants no more of it; what is lost
/// otherwise (a full disk) makes the command end as one that could not run.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = UNSAID.set(format!(
                "what was to be printed is lost: {error}\nhint: print it to another place"
            ));
        }
        Ok(()) | Err(_) => {}
    }
}

/// Talk, for a person who watches.
fn talk(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether a finding is one that was to be found.
fn is_expected(finding: &Finding, expect: &Expect) -> bool {
    match expect {
        Expect::Pass => false,
        Expect::Violation(names) => {
            names.is_empty() || names.iter().any(|name| name == finding.property)
        }
    }
}

/// How a single run ends the command.
fn exit_of(outcome: &Outcome, expect: &Expect) -> Exit {
    match (outcome, expect) {
        (Outcome::Unknown(_), _) => Exit::Undecided,
        (Outcome::Pass, Expect::Pass) => Exit::Held,
        (Outcome::Pass, Expect::Violation(_)) => Exit::Violated,
        (Outcome::Violated(finding), expect) if is_expected(finding, expect) => Exit::Held,
        (Outcome::Violated(_), _) => Exit::Violated,
    }
}

/// `--jobs`, or as many as there are processors.
fn jobs(asked: Option<usize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.unwrap_or_else(all).max(1)
}

/// A flag that the first Ctrl-C sets; the second ends the process as usual.
fn interrupt() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the exit looks at the flag before this signal sets it.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(|error| format!("signals cannot be listened to: {error}"))?;
    }
    Ok(flag)
}
