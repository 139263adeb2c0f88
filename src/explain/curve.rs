//! The cause curve: rewind a failing run, throw other dice from there on, and count how often it
//! fails all the same. Where the share jumps, something was decided.
//!
//! A tail keeps what is on its way already: frames in flight, timers that are set, syncs under way.
//! Everything drawn from there on is another draw; faults of the plan strike as planned. Client
//! programs keep the dice that they were born with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::Time;
use crate::history::{Actor, At, Seen};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::{CannotRun, Run};
use crate::verdict::{Outcome, Signature};

/// How often tails failed from one point on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The point: behind this step.
    pub at: At,
    /// How many tails showed the run's own signature.
    pub same: u32,
    /// How many showed any violation.
    pub any: u32,
}

/// The largest step of the curve, narrowed down to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// How often it failed before this event, and behind it.
    pub shares: (u32, u32),
    /// When it happened.
    pub at: At,
    /// What the world did in this step, in words.
    pub doing: String,
    /// Who took the step, as far as it can be told.
    pub by: Option<Actor>,
    /// What was seen in it.
    pub seen: Vec<Seen>,
    /// If that is nothing: what was seen last before it, and first behind it.
    pub around: [Option<(At, Seen)>; 2],
}

/// See the module's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// What the run shows.
    pub signature: Signature,
    /// How many tails were tried from each point on.
    pub tails: u32,
    /// The points, in order; the last is the violation, behind which every tail has failed.
    pub shares: Vec<Share>,
    /// Where it was decided; `None` if it never became more likely, as it was certain already.
    pub jump: Option<Jump>,
    /// How many more points there are, if whoever asked for them had enough: nothing is decided
    /// then.
    pub left: u64,
}

/// What of a hundred tails must fail from the first point on, and from each behind it, so that it
/// was bound to happen from the start: what is missing then is chance.
const BOUND_PERCENT: u32 = 90;

impl Curve {
    /// Whether it was bound to happen from the start, whatever the dice; if so, how many of the
    /// tails failed at the point where the fewest did.
    pub fn bound(&self) -> Option<u32> {
        let fewest = self.shares.iter().map(|share| share.same).min()?;
        let enough = u64::from(fewest) * 100 >= u64::from(self.tails) * u64::from(BOUND_PERCENT);
        (self.left == 0 && (enough || self.jump.is_none())).then_some(fewest)
    }
}

/// The curve of a plan's violation, at so many points, with so many tails each, or at as many as
/// there are until somebody has enough; `None` if the plan shows no violation.
///
/// # Errors
/// If the plan cannot run.
pub fn curve(
    plan: &Arc<Plan>,
    kit: &Kit,
    points: u64,
    tails: u32,
    enough: &dyn Fn() -> bool,
) -> Result<Option<Curve>, CannotRun> {
    let (_, ended) = Run::new(plan.clone(), kit)?.finish_all();
    let (Outcome::Violated(finding), Some(signature)) =
        (ended.verdict.outcome(), ended.verdict.signature().cloned())
    else {
        return Ok(None);
    };
    let throw = Throw { last: finding.at, early: is_early(plan, finding.at), signature, tails };
    let mut run = Run::new(plan.clone(), kit)?;
    let (mut shares, mut runs) = (Vec::new(), Vec::new());
    for point in 0..points {
        if enough() {
            let signature = throw.signature;
            return Ok(Some(Curve { signature, tails, shares, jump: None, left: points - point }));
        }
        let step = finding.at.step.saturating_sub(1) * point / points;
        while run.world.now().step < step && run.step() {}
        shares.push(throw.share(&run));
        runs.push(run.clone());
    }
    shares.push(Share { at: finding.at, same: tails, any: tails });
    let jump = throw.jump(&shares, &runs);
    Ok(Some(Curve { signature: throw.signature, tails, shares, jump, left: 0 }))
}

fn is_early(plan: &Plan, at: At) -> bool {
    at.time < Time::from_ms(plan.calm_at)
}

/// What is thrown, and what counts.
struct Throw {
    last: At,
    /// The violation came before calm: tails that reach calm have passed.
    early: bool,
    signature: Signature,
    tails: u32,
}

impl Throw {
    fn share(&self, run: &Run) -> Share {
        let mut share = Share { at: run.world.now(), same: 0, any: 0 };
        for salt in 0..self.tails {
            let mut tail = run.clone();
            tail.world.rekey(u64::from(salt) + 1);
            // A tail that breaks the simulator shows nothing.
            let shown = catch_unwind(AssertUnwindSafe(|| self.shown(tail))).unwrap_or_default();
            share.same += u32::from(shown.as_ref() == Some(&self.signature));
            share.any += u32::from(shown.is_some());
        }
        share
    }

    fn shown(&self, mut tail: Run) -> Option<Signature> {
        let most = self.last.step.saturating_mul(3) + 20_000;
        let calm = Time::from_ms(tail.plan().calm_at);
        while tail.step() {
            let now = tail.world.now();
            if now.step > most || self.early && now.time > calm {
                break;
            }
        }
        tail.verdict.signature().cloned()
    }

    /// The largest step between two points, narrowed down by halves to one event.
    fn jump(&self, shares: &[Share], runs: &[Run]) -> Option<Jump> {
        let rise = |at: &usize| shares[at + 1].same.saturating_sub(shares[*at].same);
        // Of equal steps the last: what comes later is nearer to the violation.
        let at = (0..runs.len()).max_by_key(rise).filter(|at| rise(at) > 0)?;
        let (mut low, mut high) = (shares[at].clone(), shares[at + 1].clone());
        let mut before = runs[at].clone();
        while high.at.step > low.at.step + 1 {
            let middle = low.at.step + (high.at.step - low.at.step) / 2;
            let mut run = before.clone();
            while run.world.now().step < middle && run.step() {}
            let share = self.share(&run);
            if share.same * 2 > low.same + high.same {
                high = share;
            } else {
                low = share;
                before = run;
            }
        }
        let (mut when, mut all) = (high.at, Vec::new());
        let from = before.clone();
        before.step_seen(|at, seen| {
            when = at;
            all.extend_from_slice(seen);
        });
        let doing = from.world.doing(&before.world);
        let by = from.world.actor_of(&before.world);
        let around = match all.is_empty() {
            true => [last_seen(&runs[..=at], when), first_seen(before)],
            false => [None, None],
        };
        Some(Jump { shares: (low.same, high.same), at: when, doing, by, seen: all, around })
    }
}

/// Whether it is an event: how a peer stands is none.
fn is_event(seen: &Seen) -> bool {
    !matches!(seen, Seen::Probed { .. })
}

/// What was seen last before a step, from the last point on from which there is anything.
fn last_seen(points: &[Run], before: At) -> Option<(At, Seen)> {
    points.iter().rev().find_map(|point| {
        let (mut run, mut last) = (point.clone(), None);
        while run.world.now().step + 1 < before.step
            && run.step_seen(|at, seen| {
                let here = seen.iter().rev().find(|one| is_event(one));
                last = here.map(|one| (at, one.clone())).or(last.take());
            })
        {}
        last
    })
}

/// What is seen first from here on.
fn first_seen(mut run: Run) -> Option<(At, Seen)> {
    let mut first = None;
    while first.is_none()
        && run.step_seen(|at, seen| {
            let here = seen.iter().find(|one| is_event(one));
            first = here.map(|one| (at, one.clone()));
        })
    {}
    first
}
