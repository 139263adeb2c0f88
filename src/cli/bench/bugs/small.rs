//! What a found plan shrinks to, and what that costs.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::ClientId;
use crate::explore::{Source, try_item};
use crate::history::Seen;
use crate::kit::Kit;
use crate::plan::{Driver, Plan};
use crate::run::Run;
use crate::shrink::{Budget, Shrunk, Size, shrink};

use super::super::Clock;

/// A plan made small, replayed, and found to show the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Small {
    /// What both plans show.
    pub signature: String,
    /// Faults that are left.
    pub faults: u64,
    /// Calls that are left: those of scripts, and those that programs made by then.
    pub calls: u64,
    /// Peers that are left.
    pub peers: u64,
    /// Events up to the violation.
    pub events: u64,
    /// Of these, what a model has a step for: see [`is_move`].
    pub moves: u64,
    /// Votes received up to then: a model in which elections are one step has none.
    pub votes: u64,
    /// Plans that were tried.
    pub plans: u64,
    /// Their events.
    pub steps: u64,
    /// What they took, in microseconds of the processor.
    pub cpu_us: u64,
    /// Whether it ended because nothing more could be taken out, rather than for its budget.
    pub done: bool,
}

/// Whether a step of a model would stand for it: a message other than a vote or a heartbeat is
/// handled, a sync ends, a fault strikes, a peer starts again, a client calls.
fn is_move(seen: &Seen) -> bool {
    match seen {
        Seen::Received { tag, .. } => !["NOTIFICATION", "PING"].contains(&tag.kind),
        Seen::Starting { incarnation, .. } => *incarnation > 1,
        Seen::Synced { .. } | Seen::Fault { .. } | Seen::Called(_) => true,
        Seen::Refused { .. }
        | Seen::Stopped { .. }
        | Seen::Noted { .. }
        | Seen::Probed { .. }
        | Seen::LinkUp { .. }
        | Seen::LinkDown { .. }
        | Seen::Sent { .. }
        | Seen::Wrote { .. }
        | Seen::Connecting { .. }
        | Seen::Heard { .. }
        | Seen::Connected { .. }
        | Seen::Disconnected { .. }
        | Seen::Expired { .. }
        | Seen::GaveUp { .. }
        | Seen::Returned { .. }
        | Seen::Lost { .. }
        | Seen::Watch { .. }
        | Seen::Finished { .. }
        | Seen::Claimed { .. }
        | Seen::Complained { .. }
        | Seen::Calm { .. }
        | Seen::End { .. } => false,
    }
}

/// Shrinks the plan of a seed within a budget of events, and replays what is left. `None` if the
/// seed shows nothing any more, or if `enough` cut it short.
pub fn small(
    kit: &Kit,
    source: &Source,
    seed: u64,
    budget: Budget,
    enough: impl Fn() -> bool,
) -> Result<Option<Small>, String> {
    // Of a tree of plans it is the branch that shows the violation.
    let (branch, _) = try_item(source, seed, kit);
    let plan = source.branched(branch).plan(seed);
    let clock = Clock::start();
    let Ok(shrunk) = shrink(&plan, kit, budget, &mut |_| enough()) else {
        return Ok(None);
    };
    let cpu_us = clock.nanos() / 1_000;
    if enough() {
        return Ok(None);
    }
    replayed(kit, &shrunk, cpu_us).map(Some)
}

/// Runs the small plan again and counts.
fn replayed(kit: &Kit, shrunk: &Shrunk, cpu_us: u64) -> Result<Small, String> {
    let size = Size::of(&shrunk.plan);
    let programs = programs(&shrunk.plan);
    let mut run = Run::new(Arc::new(shrunk.plan.clone()), kit).map_err(|why| why.to_string())?;
    let (mut moves, mut votes, mut calls) = (0, 0, size.calls as u64);
    while run.step_seen(|_, seen| {
        for one in seen {
            moves += u64::from(is_move(one));
            match one {
                Seen::Received { tag, .. } if tag.kind == "NOTIFICATION" => votes += 1,
                Seen::Called(call) if programs.contains(&call.client) => calls += 1,
                _ => {}
            }
        }
    }) {}
    let signature = shrunk.signature.to_string();
    let shown = run.verdict.signature().map(ToString::to_string);
    if shown.as_ref() != Some(&signature) {
        let shown = shown.unwrap_or("nothing".to_string());
        return Err(format!("a plan shrunk to `{signature}` shows {shown} when it is replayed"));
    }
    Ok(Small {
        signature,
        faults: size.faults as u64,
        calls,
        peers: size.peers as u64,
        events: run.world.now().step,
        moves,
        votes,
        plans: shrunk.trials,
        steps: shrunk.steps,
        cpu_us,
        done: shrunk.ended == crate::shrink::Ended::Done,
    })
}

/// The clients that are programs: nobody knows beforehand how many calls they make.
fn programs(plan: &Plan) -> BTreeSet<ClientId> {
    let is_program = |driver: &Driver| match driver {
        Driver::Program { .. } => true,
        Driver::Script(_) => false,
    };
    let clients = plan.clients.iter().zip(1..);
    clients.filter(|(one, _)| is_program(&one.driver)).map(|(_, id)| ClientId(id)).collect()
}
