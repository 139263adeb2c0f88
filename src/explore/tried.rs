//! One seed, tried without a trace: what came of it, in few words.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::Digest;
use crate::history::coverage::add_to;
use crate::history::{At, History, Totals};
use crate::kit::Kit;
use crate::plan::{Driver, Fault, Plan, Split};
use crate::run::{CannotRun, Run};
use crate::verdict::linear::{self, Linear};
use crate::verdict::signature::Stances;
use crate::verdict::{Finding, Outcome, Signature, Weight};

use super::Item;

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Which.
    pub item: Item,
    /// What came of it.
    pub came: Came,
    /// Whether it was run twice, and if so, whether both runs were the same.
    pub again: Option<bool>,
}

/// What came of one plan.
#[derive(Clone, Debug)]
pub enum Came {
    /// It ran.
    Ran(Box<Small>),
    /// It could not start.
    Cannot(CannotRun),
    /// The simulator itself panicked: a mistake of this crate, not of a peer.
    Broke(String),
}

/// A run in few words.
#[derive(Clone, Debug)]
pub struct Small {
    /// The verdict.
    pub outcome: Outcome,
    /// The signature of what it names, if that is a violation.
    pub signature: Option<Signature>,
    /// The digest of all that happened.
    pub digest: Digest,
    /// When it ended.
    pub end: At,
    /// What it reached.
    pub totals: Totals,
}

/// Runs a plan to its end.
pub fn try_plan(plan: &Arc<Plan>, kit: &Kit) -> Came {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let run = Run::new(plan.clone(), kit)?;
        let (ran, run) = run.finish_all();
        let mut totals = Totals::default();
        run.verdict.add_to(&mut totals);
        add_stats(&run, &mut totals);
        add_plan(plan, &mut totals);
        let signature = run.verdict.signature().cloned();
        Ok(Small { outcome: ran.outcome, signature, digest: ran.digest, end: ran.end, totals })
    }));
    match ran {
        Ok(Ok(small)) => Came::Ran(Box::new(small)),
        Ok(Err(cannot)) => Came::Cannot(cannot),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Came::Broke(text.unwrap_or("a panic without words").to_string())
        }
    }
}

/// How many steps the black-box search may take for one history: most small ones need hundreds.
const SEARCH_STEPS: u64 = 50_000;
/// Histories of more calls are left to the witness alone.
const SEARCH_CALLS: usize = 400;

/// Runs a plan a second time: true if that was the same run. It also keeps the history this time,
/// and has a black-box search look at it that knows nothing of zxids: where the witness saw no
/// fault, the search must not find one either.
pub fn try_again(plan: &Arc<Plan>, kit: &Kit, first: &mut Came) -> bool {
    let mut history = History::new();
    let again = catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::new(plan.clone(), kit)?;
        while run.step_seen(|at, seen| seen.iter().for_each(|one| history.observe(at, one))) {}
        Ok::<_, CannotRun>(run.ran())
    }));
    match (first, again) {
        (Came::Ran(first), Ok(Ok(again))) => {
            let same = first.digest == again.digest && first.outcome == again.outcome;
            search(first, &history);
            same
        }
        (Came::Cannot(_), Ok(Err(_))) | (Came::Broke(_), Err(_)) => true,
        (Came::Ran(_) | Came::Cannot(_) | Came::Broke(_), _) => false,
    }
}

/// Holds the verdict of a run against the black-box search.
fn search(first: &mut Small, history: &History) {
    if first.outcome != Outcome::Pass || history.operations.len() > SEARCH_CALLS {
        return;
    }
    // Without the witness there is nothing to hold it against: it may be another service's run.
    if first.totals.properties.get("Linearizability").copied().unwrap_or_default() == 0 {
        return;
    }
    let (word, stuck) = match linear::check(history, SEARCH_STEPS) {
        Linear::Ok => ("black-box search: agrees with the witness", None),
        Linear::Unknown => ("black-box search: out of steps", None),
        Linear::Illegal { explained, stuck } => {
            ("black-box search: disagrees", Some((explained, stuck)))
        }
    };
    add_to(&mut first.totals.world, word, 1);
    if let Some((explained, stuck)) = stuck {
        let finding = Finding {
            property: "Linearizability",
            weight: Weight::Violation,
            at: first.end,
            peers: Vec::new(),
            kind: "search_disagrees",
            detail: format!(
                "the witness accepts the history, but no order of its calls explains more than \
                 {explained} answers; the next could be {stuck:?}"
            ),
        };
        first.signature = Some(Stances::default().sign(&finding));
        first.outcome = Outcome::Violated(finding);
    }
}

/// Counters of the world, as words of the form `table: word`.
fn add_stats(run: &Run, totals: &mut Totals) {
    let (stats, world) = (run.world.stats(), &mut totals.world);
    let plain = [
        ("messages", stats.messages),
        ("client messages", stats.client_messages),
        ("writes", stats.writes),
        ("syncs", stats.syncs),
    ];
    for (word, count) in plain {
        add_to(world, &format!("the world: {word}"), count);
    }
    for (kind, count) in &stats.noise {
        add_to(world, &format!("noise: {kind}"), *count);
    }
    for ((effect, tag), count) in &stats.crashes {
        add_to(world, &format!("crashes behind a durable effect: {effect} {tag}"), *count);
    }
    for (what, count) in &stats.crash_outcomes {
        add_to(world, &format!("what crashes left of unsynced files: {what}"), *count);
    }
    for ((device, operation, error), count) in &stats.disk_errors {
        add_to(world, &format!("disk errors: {device} {operation} {error}"), *count);
    }
}

/// What sort of plan it was, as words of the form `table: word`.
fn add_plan(plan: &Plan, totals: &mut Totals) {
    let world = &mut totals.world;
    add_to(world, &format!("ensembles: {} voters", plan.voters), 1);
    for client in &plan.clients {
        let driver = match &client.driver {
            Driver::Script(_) => "script",
            Driver::Program { name, .. } => name,
        };
        add_to(world, &format!("clients: {driver}"), 1);
    }
    for planned in &plan.faults {
        let Fault::Partition { split, .. } = &planned.fault else { continue };
        let kind = match split {
            Split::Isolate(_) => "isolate",
            Split::LeaderInMinority => "leader_in_minority",
            Split::Sides(_) => "sides",
            Split::Ring => "ring",
            Split::Bridge(_) => "bridge",
            Split::Pair(..) => "pair",
        };
        add_to(world, &format!("partitions planned: {kind}"), 1);
    }
}
