//! Who goes first: a probabilistic concurrency test (PCT) that respects time.
//!
//! The chains of a run are its links (each way of each channel), the disks and the timers of each
//! peer. Each chain is as fast as it was drawn, but for a few changes: from some moment on one
//! chain is behind all others, for as long as others will wait for it. A bug that needs a few
//! things to come in an unlikely order needs no more than as many changes in the right places.
//!
//! A change is a fault of the plan (held frames, a slow or hanging disk, a clock that stands
//! still), so it ends at calm. Crashes that were drawn stay in half of the seeds.

use crate::base::Draw;
use crate::plan::{Fault, Pattern, Planned, Target, When};

use super::Course;

/// Frames behind which a change matters, and how many of each a run has.
const FRAMES: [(&str, u64); 10] = [
    ("PROPOSAL", 30),
    ("ACK", 30),
    ("COMMIT", 30),
    ("REQUEST", 20),
    ("NEWLEADER", 4),
    ("UPTODATE", 4),
    ("ACKEPOCH", 4),
    ("LEADERINFO", 4),
    ("NOTIFICATION", 12),
    ("DIFF", 3),
];

/// See the file's page.
pub(super) fn steer(course: &mut Course<'_>) {
    let drawn = course.take_drawn();
    if course.dice.below(2) == 0 {
        let crashes = |planned: &Planned| {
            matches!(planned.fault, Fault::Crash { .. } | Fault::CrashAll { .. })
                && !matches!(planned.when, When::Then(_))
        };
        for Planned { when, fault } in drawn.into_iter().filter(crashes) {
            course.add(when, fault);
        }
    }
    let changes = course.dice.between(1, 5);
    for _ in 0..changes {
        let when = change_point(course);
        let fault = change(course);
        if let Some(fault) = fault {
            course.add(when, fault);
        }
    }
    if course.plan.faults.len() > course.scenario.faults.len() {
        slow_tasks(course);
    }
}

/// When who goes first changes: as a frame leaves or arrives, or at any time.
fn change_point(course: &mut Course<'_>) -> When {
    let from = course.start();
    if course.dice.below(4) == 0 {
        return When::At(from);
    }
    let (kind, many) = *course.dice.pick(&FRAMES);
    let on = match course.dice.below(2) {
        0 => Pattern::Send(kind.to_string()),
        _ => Pattern::Receive(kind.to_string()),
    };
    let nth = course.dice.scale(1, many) as u32;
    When::Moment { on, by: None, nth, from, after_us: 0 }
}

/// One chain falls behind all others.
fn change(course: &mut Course<'_>) -> Option<Fault> {
    let weights = [("hold", 55), ("disk_fault", 25), ("clock", 10), ("pause", 10)];
    let weights = weights.map(|(family, weight)| if course.allows(family) { weight } else { 0 });
    if weights.iter().sum::<u64>() == 0 {
        return None;
    }
    let lost = course.tick * course.sync_limit;
    // Mostly shorter than others wait: a change of order, not a loss.
    let most = if course.dice.below(4) == 0 { lost * 2 } else { lost * 2 / 3 };
    let ms = course.dice.scale(1, most.max(2));
    let peer = match course.dice.below(3) {
        0 => Target::Leader,
        1 => Target::Same,
        _ => course.follower(),
    };
    Some(match course.dice.weighted(&weights) {
        0 => {
            let follower = course.follower();
            let (from, to) = match course.dice.below(4) {
                0 => (Target::Leader, follower),
                1 => (follower, Target::Leader),
                2 => (Target::Same, Target::Other),
                _ => (Target::Other, Target::Same),
            };
            let channel = match course.dice.below(4) {
                0 => Some("election".to_string()),
                1 => None,
                _ => Some("quorum".to_string()),
            };
            Fault::Hold { from, to, channel, ms }
        }
        1 => {
            let log = course.dice.below(4) > 0;
            let device = if log { "log" } else { "snap" }.to_string();
            match course.dice.below(2) {
                0 => Fault::DiskHang { peer, device, ms },
                _ => {
                    let extra_us = course.dice.scale(1_000, course.tick * 500);
                    Fault::DiskSlow { peer, device, extra_us, ms: ms.saturating_mul(4) }
                }
            }
        }
        2 => Fault::FreezeClock { peer, ms },
        _ => Fault::Pause { peer, ms },
    })
}

/// One task of all peers is last in who goes first.
fn slow_tasks(course: &mut Course<'_>) {
    if !course.allows("work") || course.scenario.work.is_some() || course.dice.below(2) == 0 {
        return;
    }
    let kind = (*course.dice.pick(&["zab.log", "zab.apply", "zab.snap"])).to_string();
    let limit = course.sync_limit.min(course.plan.knob("init_limit", 10) / 2).max(1);
    // As long as the draw lets tasks be slow: an eighth of what an exchange may take.
    let most = (course.tick * 1_000 * limit / 6 / 8).max(100);
    let max_us = course.dice.scale(500, 50_000).min(most);
    course.plan.work.slow.retain(|(slow, _)| *slow != kind);
    let law = crate::plan::Delay::LogUniform { min_us: 50.min(max_us), max_us };
    course.plan.work.slow.push((kind, law));
}
