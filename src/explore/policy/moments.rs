//! Faults at moments that mean something: what is made durable, acked, promised, cut, served.
//!
//! A seed has one or two kinds of moments, and some bursts of faults at moments of these kinds:
//! the first strikes where the moment happened, the next ones follow whoever knows most, leads or
//! was about to hear of it, while the first is still down or just back.

use crate::base::Draw;
use crate::plan::{Fault, Pattern, Planned, Split, Target, When};

use super::Course;

/// What a moment waits for.
#[derive(Clone, Copy)]
enum At {
    Send(&'static str),
    Receive(&'static str),
    Behind(&'static str),
    Note(&'static str),
}

/// Log records on their way to the disk.
const PERSIST: &[At] = &[
    At::Behind("write record"),
    At::Behind("fsync log"),
    At::Behind("create log"),
    At::Behind("set_len log"),
    At::Note("logged"),
    At::Note("durable"),
];

/// Promises on their way to the leader, and what it makes of them.
const ACK: &[At] = &[
    At::Send("ACK"),
    At::Receive("ACK"),
    At::Receive("PROPOSAL"),
    At::Note("proposed"),
    At::Note("committed"),
    At::Receive("COMMIT"),
];

/// A new epoch: who has promised what, and where it is written down.
const EPOCH: &[At] = &[
    At::Behind("rename acceptedEpoch"),
    At::Behind("rename currentEpoch"),
    At::Behind("fsync acceptedEpoch"),
    At::Behind("fsync currentEpoch"),
    At::Send("ACKEPOCH"),
    At::Receive("LEADERINFO"),
    At::Receive("NEWLEADER"),
    At::Note("epoch_proposed"),
    At::Note("leader_syncing"),
    At::Note("new_leader_accepted"),
];

/// Snapshots, taken and given.
const SNAPSHOT: &[At] = &[
    At::Behind("create snapshot"),
    At::Behind("rename snapshot"),
    At::Behind("remove snapshot"),
    At::Behind("rename replaced"),
    At::Note("snapshot_taken"),
    At::Note("sync_snap"),
    At::Receive("SNAP"),
    At::Note("replaced"),
];

/// Who is what: elections, and learners that become followers.
const ROLE: &[At] = &[
    At::Note("looking"),
    At::Note("leading"),
    At::Note("following"),
    At::Note("established"),
    At::Note("up_to_date"),
    At::Note("sync_diff"),
    At::Note("sync_trunc"),
    At::Receive("UPTODATE"),
    At::Receive("FOLLOWERINFO"),
];

/// Sessions, renewed and ended.
const SESSION: &[At] = &[
    At::Note("session_expired"),
    At::Note("revalidated"),
    At::Receive("REVALIDATE"),
    At::Receive("REQUEST"),
    At::Receive("SYNC"),
];

/// The kinds, and how often a run passes through their moments.
const KINDS: [(&[At], u64); 6] =
    [(PERSIST, 24), (ACK, 40), (EPOCH, 4), (SNAPSHOT, 4), (ROLE, 4), (SESSION, 6)];

/// See the file's page.
pub(super) fn steer(course: &mut Course<'_>) {
    let drawn = course.take_drawn();
    let first = course.dice.weighted(&[20, 20, 30, 12, 24, 8]);
    let second = course.dice.weighted(&[20, 20, 30, 12, 24, 8]);
    for _ in 0..course.dice.between(1, 4) {
        let kind = if course.dice.below(3) == 0 { second } else { first };
        burst(course, KINDS[kind]);
    }
    // Some of what was drawn stays: clients that are cut off, clocks, slow disks.
    for planned in drawn {
        let Planned { when, fault } = planned;
        if matches!(when, When::At(_)) && course.dice.below(3) == 0 {
            course.add(when, fault);
        }
    }
}

fn moment(course: &mut Course<'_>, (kind, many): (&[At], u64)) -> When {
    let on = match *course.dice.pick(kind) {
        At::Send(kind) => Pattern::Send(kind.to_string()),
        At::Receive(kind) => Pattern::Receive(kind.to_string()),
        At::Behind(effect) => Pattern::Behind(effect.to_string()),
        At::Note(kind) => Pattern::Note(kind.to_string()),
    };
    let by = match course.dice.below(5) {
        0 => Some(Target::Leader),
        1 => Some(course.follower()),
        _ => None,
    };
    let nth = course.dice.scale(1, many) as u32;
    let from = course.start();
    let late = course.dice.below(4) == 0;
    let after_us = if late { course.dice.scale(1, 20_000) } else { 0 };
    When::Moment { on, by, nth, from, after_us }
}

/// A fault at a moment, and up to two that follow it closely.
fn burst(course: &mut Course<'_>, kind: (&[At], u64)) {
    let when = moment(course, kind);
    let blink = course.dice.scale(1, course.tick * 2);
    let weights = [60, 14, 16, 10];
    let families = ["crash", "crash", "partition", "hold"];
    let weights: Vec<u64> = weights
        .iter()
        .zip(families)
        .map(|(weight, family)| if course.allows(family) { *weight } else { 0 })
        .collect();
    if weights.iter().sum::<u64>() == 0 {
        return;
    }
    match course.dice.weighted(&weights) {
        0 => {
            course.add(when, Fault::crash(Target::Same, Some(blink)));
            course.followers_up(blink);
        }
        1 => {
            let down = (0..course.plan.voters).map(|_| course.dice.scale(1, course.tick * 4));
            let down = down.collect();
            course.add(when, Fault::CrashAll { down });
        }
        2 => {
            let whole = course.tick * course.sync_limit + course.election_ms * 2;
            let short = course.dice.scale(course.tick / 4 + 1, course.tick * 4);
            let ms = if course.dice.below(2) == 0 { whole } else { short };
            let split = Split::Isolate(Target::Same);
            let one_way = course.dice.below(3) == 0;
            let reset = course.dice.below(2) == 0;
            let fault = Fault::Partition { split, one_way, clients: false, reset, ms: Some(ms) };
            course.add(when, fault);
            if course.allows("crash") && course.dice.below(2) == 0 {
                let gap = course.dice.scale(1, ms);
                let down = course.election_ms + course.dice.scale(1, course.tick * 8);
                let fault = Fault::crash(Target::Same, Some(down));
                course.add(When::Then(gap), fault);
            }
        }
        _ => {
            let follower = course.follower();
            let (from, to) = match course.dice.below(3) {
                0 => (Target::Same, Target::Other),
                1 => (Target::Other, Target::Same),
                _ => (Target::Leader, follower),
            };
            let ms = course.dice.scale(1, course.tick * course.sync_limit);
            course.add(when, Fault::Hold { from, to, channel: None, ms });
        }
    }
}
