//! One seed, tried without a trace: what came of it, in few words.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::Digest;
use crate::history::coverage::add_to;
use crate::history::{At, Totals};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::{CannotRun, Run};
use crate::verdict::{Finding, Outcome};

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
    /// The digest of all that happened.
    pub digest: Digest,
    /// When it ended.
    pub end: At,
    /// What it reached.
    pub totals: Totals,
}

/// The words by which findings of the same sort are counted together: the property, the kind and
/// how many peers are concerned; never an id, an epoch or a time.
pub fn signature(finding: &Finding) -> String {
    let peers = match finding.peers.len() {
        0 => "ensemble",
        1 => "one-peer",
        2 => "two-peers",
        _ => "many-peers",
    };
    format!("{}/{}/{peers}", finding.property, finding.kind)
}

/// Runs a plan to its end.
pub fn try_plan(plan: &Arc<Plan>, kit: &Kit) -> Came {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let run = Run::new(plan.clone(), kit)?;
        let (ran, run) = run.finish_all();
        let mut totals = Totals::default();
        run.verdict.add_to(&mut totals);
        add_stats(&run, &mut totals);
        Ok(Small { outcome: ran.outcome, digest: ran.digest, end: ran.end, totals })
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
