//! Crash points: one passing run, forked at every durable effect and every send, to peers and to
//! clients, with a crash right behind it; each fork is judged to its end.
//!
//! ```text
//!   run  --o----o--o-------o---->  passes
//!          |    |  |       |
//!          x    x  x       x   the peer loses power here, and starts again
//! ```
//!
//! Each crash is a fault of a plan, too (at the n-th effect of a sort by a peer), so that what a
//! fork shows can be replayed without it. Points end at calm, like all faults.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::{Digest, PeerId};
use crate::kit::Kit;
use crate::plan::{Fault, Pattern, Plan, Planned, Target, When};
use crate::run::{CannotRun, Run};
use crate::verdict::{Finding, Outcome, Signature, Weight};

/// A place for a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// In which step.
    pub step: u64,
    /// Who crashes.
    pub peer: PeerId,
    /// What it has just done.
    pub on: Pattern,
    /// Which of its sort that is, of this peer's: in the whole run, and in this step.
    pub nth: (u32, u32),
    /// The same in words, without numbers: `write record`, `send ACK`.
    pub what: String,
}

/// What came of a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Every oracle is content.
    Passed,
    /// There is no verdict.
    Undecided(String),
    /// Something is violated that is not without the crash.
    Violated(Signature, Finding),
}

/// What came of all of them.
#[derive(Clone, Debug)]
pub struct Enumerated {
    /// What the run shows without any of these crashes: nothing, or mere assertions.
    pub without: Option<Signature>,
    /// Its length.
    pub steps: u64,
    /// Each point, with what came of it and the digest of that run.
    pub points: Vec<(Point, Judged, Digest)>,
    /// How many more there are, if whoever asked for them had enough.
    pub left: usize,
}

/// Why there is nothing to crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPoints {
    /// The plan does not run.
    Cannot(CannotRun),
    /// It fails by itself.
    Fails(Signature),
}

impl Point {
    /// The crash here, of a run that is just about to take this point's step.
    fn crash(&self, nth: u32, down: u64) -> Planned {
        let by = Some(Target::Peer(self.peer));
        let when = When::Moment { on: self.on.clone(), by, nth, from: 0, after_us: 0 };
        let peer = Target::Peer(self.peer);
        Planned { when, fault: Fault::crash(peer, Some(down)) }
    }

    /// The plan that crashes here from its beginning on.
    pub fn plan(&self, plan: &Plan, down: u64) -> Plan {
        let mut plan = plan.clone();
        plan.faults.push(self.crash(self.nth.0, down));
        plan
    }
}

/// Crashes a plan's run at each of its points (of one peer, if one is named), for `down` ms each,
/// until somebody has enough.
///
/// # Errors
/// If the plan does not run, or violates a property without any crash added.
pub fn crash_everywhere(
    plan: &Arc<Plan>,
    kit: &Kit,
    peer: Option<PeerId>,
    down: u64,
    jobs: usize,
    enough: &(dyn Fn() -> bool + Sync),
) -> Result<Enumerated, NoPoints> {
    let (run, points) = find_points(plan, kit, peer)?;
    let without = run.verdict.signature().cloned();
    if let (Outcome::Violated(finding), Some(signature)) = (run.verdict.outcome(), &without)
        && finding.weight == Weight::Violation
    {
        return Err(NoPoints::Fails(signature.clone()));
    }
    let jobs = jobs.clamp(1, points.len().max(1));
    let share = points.len().div_ceil(jobs).max(1);
    let without_it = without.as_ref();
    let judged: Vec<(Point, Judged, Digest)> = std::thread::scope(|scope| {
        let workers: Vec<_> = points
            .chunks(share)
            .map(|points| scope.spawn(|| judge(plan, kit, points, down, without_it, enough)))
            .collect();
        let results = workers.into_iter().map(|worker| worker.join());
        results.flat_map(|judged| judged.expect("what a fork breaks is caught there")).collect()
    });
    let left = points.len() - judged.len();
    Ok(Enumerated { without, steps: run.world.now().step, points: judged, left })
}

/// Runs to the end; every place worth a crash on the way.
fn find_points(
    plan: &Arc<Plan>,
    kit: &Kit,
    only: Option<PeerId>,
) -> Result<(Run, Vec<Point>), NoPoints> {
    let mut run = Run::new(plan.clone(), kit).map_err(NoPoints::Cannot)?;
    run.world.keep_sights();
    let mut points: Vec<Point> = Vec::new();
    let mut counts: Vec<(PeerId, Pattern, u32)> = Vec::new();
    let mut local: Vec<(PeerId, Pattern, u32)> = Vec::new();
    loop {
        let more = run.step();
        let step = run.world.now().step;
        let mut named = None;
        local.clear();
        for sight in run.world.take_sights() {
            let peer = sight.peer;
            let on = match sight.on {
                Pattern::Effect => Pattern::Behind(sight.what.clone()),
                on => on,
            };
            let key = (peer, on.clone());
            let nth = count(&mut counts, &key);
            let here = count(&mut local, &key);
            let worth = match &on {
                // A write or sync is an effect, too: it has been named already.
                Pattern::Effect | Pattern::Behind(_) => named.take().is_none(),
                Pattern::Send(_) => true,
                Pattern::Write(_) | Pattern::Sync(_) => {
                    named = Some(());
                    true
                }
                Pattern::Receive(_) | Pattern::Note(_) => false,
            };
            if worth && only.is_none_or(|only| only == peer) {
                points.push(Point { step, peer, on, nth: (nth, here), what: sight.what });
            }
        }
        if !more {
            return Ok((run, points));
        }
    }
}

fn count(counts: &mut Vec<(PeerId, Pattern, u32)>, key: &(PeerId, Pattern)) -> u32 {
    match counts.iter_mut().find(|(peer, on, _)| *peer == key.0 && *on == key.1) {
        Some((_, _, count)) => {
            *count += 1;
            *count
        }
        None => {
            counts.push((key.0, key.1.clone(), 1));
            1
        }
    }
}

/// Forks one run at some points, which are in the order of their steps, and judges the forks.
fn judge(
    plan: &Arc<Plan>,
    kit: &Kit,
    points: &[Point],
    down: u64,
    without: Option<&Signature>,
    enough: &(dyn Fn() -> bool + Sync),
) -> Vec<(Point, Judged, Digest)> {
    let mut run = Run::new(plan.clone(), kit).expect("it ran before");
    let mut all = Vec::with_capacity(points.len());
    for point in points {
        if enough() {
            break;
        }
        while run.world.now().step + 1 < point.step && run.step() {}
        let mut fork = run.clone();
        fork.world.arm(point.crash(point.nth.1, down));
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let (ran, fork) = fork.finish_all();
            let signature = fork.verdict.signature();
            let judged = match (ran.outcome, signature) {
                (Outcome::Pass, _) => Judged::Passed,
                (Outcome::Unknown(why), _) => Judged::Undecided(why),
                (Outcome::Violated(finding), Some(signature)) if without != Some(signature) => {
                    Judged::Violated(signature.clone(), finding)
                }
                (Outcome::Violated(_), _) => Judged::Passed,
            };
            (judged, ran.digest)
        }));
        let broke = || (Judged::Undecided("the simulator panicked".into()), Digest::EMPTY);
        let (judged, digest) = judged.unwrap_or_else(|_| broke());
        all.push((point.clone(), judged, digest));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draw;
    use crate::plan::scenario::Scenario;

    /// Three peers with slow disks and busy clients, to which nothing happens.
    fn plan(bugs: &[&str]) -> Arc<Plan> {
        let scenario = Scenario::embedded("negative/ack-before-fsync").expect("it is embedded");
        let mut plan = draw(&scenario, 0);
        plan.faults.clear();
        plan.bugs = bugs.iter().map(|bug| (*bug).to_string()).collect();
        plan.calm_at = 1_500;
        Arc::new(plan)
    }

    fn everywhere(plan: &Arc<Plan>, jobs: usize) -> Enumerated {
        let (kit, peer) = (Kit::standard(), Some(PeerId(1)));
        crash_everywhere(plan, &kit, peer, 300, jobs, &|| false).expect("it passes")
    }

    #[test]
    fn a_right_ensemble_survives_a_crash_anywhere() {
        let plan = plan(&[]);
        let all = everywhere(&plan, 2);
        assert!(all.points.len() > 40, "{}", all.points.len());
        let kinds = ["write record", "fsync currentEpoch", "rename acceptedEpoch", "send ACK"];
        for kind in kinds {
            assert!(all.points.iter().any(|(point, ..)| point.what == kind), "{kind}");
        }
        for (point, judged, _) in &all.points {
            assert_eq!(*judged, Judged::Passed, "{point:?}");
        }
    }

    #[test]
    fn a_fork_is_the_run_of_its_plan() {
        let plan = plan(&[]);
        for (point, judged, digest) in everywhere(&plan, 1).points.iter().step_by(17) {
            let planned = Arc::new(point.plan(&plan, 300));
            planned.check().expect("a plan");
            let (ran, _) = Run::new(planned, &Kit::standard()).expect("it runs").finish_all();
            assert_eq!((ran.digest, ran.outcome == Outcome::Pass), (*digest, true), "{point:?}");
            assert_eq!(*judged, Judged::Passed);
        }
    }

    #[test]
    fn what_leaves_for_a_client_is_a_point_whose_plan_is_its_fork() {
        let (plan, kit) = (plan(&[]), Kit::standard());
        let (_, mut points) = find_points(&plan, &kit, None).expect("it runs");
        points.retain(|point| point.what == "send to_client");
        assert!(points.len() > 10, "{}", points.len());
        let points: Vec<Point> = points.into_iter().step_by(9).collect();
        for (point, judged, digest) in judge(&plan, &kit, &points, 300, None, &|| false) {
            let planned = Arc::new(point.plan(&plan, 300));
            kit.check(&planned).expect("its names are known");
            let (ran, _) = Run::new(planned, &kit).expect("it runs").finish_all();
            assert_eq!((judged, digest), (Judged::Passed, ran.digest), "{point:?}");
        }
    }

    #[test]
    fn a_planted_bug_is_found_by_crashes_alone() {
        let plan = plan(&["ack_before_fsync"]);
        let (one, two) = (everywhere(&plan, 1), everywhere(&plan, 3));
        let lost = |all: &Enumerated| {
            let of = |(_, judged, _): &&(Point, Judged, Digest)| match judged {
                Judged::Violated(_, finding) => finding.property == "Durability",
                Judged::Passed | Judged::Undecided(_) => false,
            };
            all.points.iter().filter(of).count()
        };
        assert!(lost(&one) > 0, "an early ack is lost by a crash behind it");
        assert_eq!(one.points, two.points, "threads do not matter");
    }
}
