//! One seed, tried without a trace: what came of it, in few words.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::{Digest, Duration};
use crate::history::coverage::add_to;
use crate::history::{At, Totals};
use crate::kit::Kit;
use crate::plan::{Driver, Fault, Plan, Split};
use crate::run::{CannotRun, Run};
use crate::verdict::{Outcome, Signature, Weight, searched};

use super::branch::{Grown, grow};
use super::{Branch, Item, Source};

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
    /// What it reached, and what the others of its tree did.
    pub totals: Totals,
    /// The others of its tree.
    pub beside: Beside,
}

/// The runs of a tree beside the one that shows what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// How many.
    pub runs: u64,
    /// Their events, each counted once.
    pub steps: u64,
    /// Their simulated time, each moment counted once.
    pub simulated: Duration,
    /// The fold of their digests.
    pub digest: Digest,
}

/// Runs what a seed of a source stands for: one plan, or a tree of them. Of a tree, the first run
/// with a violation is shown, or else the first with an assertion, or without a verdict.
pub fn try_item(source: &Source, seed: u64, kit: &Kit) -> (Branch, Came) {
    let plan = source.plan(seed);
    let Some(scenario) = source.tree() else { return (Branch::ROOT, try_plan(&plan, kit)) };
    let mut shown: Option<(Branch, Small)> = None;
    let came = catch_unwind(AssertUnwindSafe(|| {
        grow(scenario, &plan, kit, |grown| {
            let next = (grown.branch, Small::of(grown));
            shown = Some(match shown.take() {
                None => next,
                Some(shown) => the_worse(shown, next, grown),
            });
            shown.as_ref().is_some_and(|(_, small)| small.weight() < WORST)
        })
    }));
    match (caught(came), shown) {
        (Ok(()), Some((branch, small))) => (branch, Came::Ran(Box::new(small))),
        (Ok(()), None) => (Branch::ROOT, Came::Broke("a tree without a root".to_string())),
        (Err(came), _) => (Branch::ROOT, came),
    }
}

/// Of two runs of a tree the one that shows more, with all that the other did.
fn the_worse(
    (branch, mut small): (Branch, Small),
    (other, mut next): (Branch, Small),
    grown: &Grown<'_>,
) -> (Branch, Small) {
    let before = grown.from.map_or_else(At::default, |from| from.world.now());
    let own = (next.end.step - before.step, Duration(next.end.time.0 - before.time.0));
    let mut totals = std::mem::take(&mut small.totals);
    totals.merge(&next.totals);
    let mut beside = std::mem::take(&mut small.beside);
    beside.runs += 1;
    beside.steps += own.0;
    beside.simulated = beside.simulated + own.1;
    let (branch, mut small, aside) = if next.weight() > small.weight() {
        // What both have in common was counted with the one that steps aside.
        beside.steps = beside.steps + small.end.step - next.end.step;
        let simulated = beside.simulated.0 + small.end.time.0 - next.end.time.0;
        beside.simulated = Duration(simulated);
        next.beside = Beside::default();
        (other, next, small.digest)
    } else {
        (branch, small, next.digest)
    };
    beside.digest.word(aside.0);
    small.totals = totals;
    small.beside = beside;
    (branch, small)
}

/// The weight of a violation: nothing shows more.
const WORST: u8 = 3;

impl Small {
    /// Of a run at its end; of a branch, what it reached by itself.
    fn of(grown: &Grown<'_>) -> Small {
        let mut small = Small::new(grown.run);
        if let Some(from) = grown.from {
            small.totals.less(&reached(from));
        }
        small
    }

    fn new(run: &Run) -> Small {
        let ran = run.ran();
        let mut totals = reached(run);
        add_plan(run.plan(), &mut totals);
        let signature = run.verdict.signature().cloned();
        let (outcome, beside) = (ran.outcome, Beside::default());
        Small { outcome, signature, digest: ran.digest, end: ran.end, totals, beside }
    }

    fn weight(&self) -> u8 {
        match &self.outcome {
            Outcome::Pass => 0,
            Outcome::Unknown(_) => 1,
            Outcome::Violated(finding) => match finding.weight {
                Weight::Assertion => 2,
                Weight::Violation => WORST,
            },
        }
    }
}

fn reached(run: &Run) -> Totals {
    let mut totals = Totals::default();
    run.verdict.add_to(&mut totals);
    add_stats(run, &mut totals);
    totals
}

/// Runs a plan to its end.
pub fn try_plan(plan: &Arc<Plan>, kit: &Kit) -> Came {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let (_, run) = Run::new(plan.clone(), kit)?.finish_all();
        Ok(Small::new(&run))
    }));
    match caught(ran) {
        Ok(small) => Came::Ran(Box::new(small)),
        Err(came) => came,
    }
}

fn caught<T>(ran: std::thread::Result<Result<T, CannotRun>>) -> Result<T, Came> {
    match ran {
        Ok(ran) => ran.map_err(Came::Cannot),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Came::Broke(text.unwrap_or("a panic without words").to_string()))
        }
    }
}

/// Runs a plan a second time: true if that was the same run. This time a black-box search looks at
/// it, too, and what it finds is what came of the plan.
pub fn try_again(plan: &Arc<Plan>, kit: &Kit, first: &mut Came) -> bool {
    let kit = kit.clone().searching();
    let again = catch_unwind(AssertUnwindSafe(|| {
        let (ran, run) = Run::new(plan.clone(), &kit)?.finish_all();
        Ok::<_, CannotRun>((ran, run))
    }));
    match (first, again) {
        (Came::Ran(first), Ok(Ok((ran, run)))) => {
            if let Some(word) = run.verdict.searched() {
                add_to(&mut first.totals.world, word, 1);
            }
            let searched = first.outcome == Outcome::Pass && is_by_search(&ran.outcome);
            let same = first.digest == ran.digest && (searched || first.outcome == ran.outcome);
            if searched {
                first.signature = run.verdict.signature().cloned();
                first.outcome = ran.outcome;
            }
            same
        }
        (Came::Cannot(_), Ok(Err(_))) | (Came::Broke(_), Err(_)) => true,
        (Came::Ran(_) | Came::Cannot(_) | Came::Broke(_), _) => false,
    }
}

/// The kit that shows what this plan shows: it searches if nothing but the search finds it.
pub fn kit_for(plan: &Arc<Plan>, kit: &Kit) -> Kit {
    let searching = kit.clone().searching();
    match try_plan(plan, &searching) {
        Came::Ran(small) if is_by_search(&small.outcome) => searching,
        Came::Ran(_) | Came::Cannot(_) | Came::Broke(_) => kit.clone(),
    }
}

fn is_by_search(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Violated(finding) if searched::found(finding))
}

/// How often a planted bug answered differently from the right rule: words behind this.
pub(super) const HITS: &str = "planted bugs hit: ";

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
    for (bug, count) in &stats.hits {
        add_to(world, &format!("{HITS}{bug}"), *count);
    }
    for ((effect, tag), count) in &stats.crashes {
        add_to(world, &format!("crashes behind a durable effect: {effect} {tag}"), *count);
    }
    for (what, count) in &stats.crash_outcomes {
        add_to(world, &format!("what crashes left of unsynced files: {what}"), *count);
    }
    for ((what, channel, error), count) in &stats.net_errors {
        add_to(world, &format!("network errors: {what} {channel} {error}"), *count);
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
