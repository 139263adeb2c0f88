//! Moments worth a fault: right after a promise, an epoch, a write, before anyone else knows.

use crate::base::{Dice, Draw};

use super::super::{Pattern, Target, When};
use super::Setting;

/// Frames between peers, as the protocol tags them; rare ones first.
const RARE_FRAMES: [&str; 14] = [
    "NOTIFICATION",
    "FOLLOWERINFO",
    "LEADERINFO",
    "ACKEPOCH",
    "DIFF",
    "TRUNC",
    "SNAP",
    "SNAP_CHUNK",
    "SNAP_END",
    "NEWLEADER",
    "UPTODATE",
    "REVALIDATE",
    "SYNC",
    "PING",
];

/// Frames of which a run has many.
const FRAMES: [&str; 4] = ["PROPOSAL", "ACK", "COMMIT", "REQUEST"];

/// Notes of steps that a peer takes once per epoch or less.
const RARE_NOTES: [&str; 18] = [
    "recovered",
    "looking",
    "following",
    "leading",
    "epoch_proposed",
    "epoch_accepted",
    "epoch_current",
    "leader_syncing",
    "established",
    "sync_diff",
    "sync_snap",
    "new_leader_accepted",
    "up_to_date",
    "truncated",
    "replaced",
    "snapshot_taken",
    "abdicated",
    "session_expired",
];

/// Notes of which a run has many.
const NOTES: [&str; 5] = ["proposed", "logged", "durable", "committed", "delivered"];

/// What is written.
const WRITES: [&str; 6] =
    ["record", "log_header", "snapshot", "acceptedEpoch", "currentEpoch", "replaced"];

/// Durable effects of which a run has few.
pub const RARE_EFFECTS: [&str; 22] = [
    "create log",
    "create snapshot",
    "create acceptedEpoch",
    "create currentEpoch",
    "create replaced",
    "fsync snapshot",
    "fsync acceptedEpoch",
    "fsync currentEpoch",
    "fsync replaced",
    "rename snapshot",
    "rename acceptedEpoch",
    "rename currentEpoch",
    "rename replaced",
    "remove log",
    "remove snapshot",
    "remove acceptedEpoch",
    "remove currentEpoch",
    "remove replaced",
    "remove initialize",
    "remove unsynced",
    "remove origin",
    "fsync_dir snap",
];

/// A moment from `from` ms on.
pub fn any(dice: &mut Dice, from: u64) -> When {
    let name = |names: &[&str], dice: &mut Dice| (*dice.pick(names)).to_string();
    let (on, many) = match dice.weighted(&[18, 12, 8, 8, 10, 14, 24, 30]) {
        0 => (Pattern::Send(name(&RARE_FRAMES, dice)), false),
        1 => (Pattern::Send(name(&FRAMES, dice)), true),
        2 => (Pattern::Receive(name(&RARE_FRAMES, dice)), false),
        3 => (Pattern::Effect, true),
        4 => {
            let kind = *dice.pick(&WRITES);
            (Pattern::Write(kind.to_string()), kind == "record")
        }
        5 => (Pattern::Note(name(&NOTES, dice)), true),
        7 => (Pattern::Behind(name(&RARE_EFFECTS, dice)), false),
        _ => (Pattern::Note(name(&RARE_NOTES, dice)), false),
    };
    let on = if dice.below(12) == 0 {
        Pattern::Sync((*dice.pick(&["log", "snap"])).to_string())
    } else {
        on
    };
    let by = match dice.below(6) {
        0 => Some(Target::Leader),
        1 => Some(Target::Follower(dice.below(2) as u8)),
        _ => None,
    };
    let nth = dice.scale(1, if many { 40 } else { 4 }) as u32;
    When::Moment { on, by, nth, from, after_us: after(dice) }
}

/// The moment of a note.
pub fn note(kind: &str, by: Option<Target>, nth: u64, from: u64) -> When {
    When::Moment { on: Pattern::Note(kind.to_string()), by, nth: nth as u32, from, after_us: 0 }
}

/// The moment of a frame's leaving.
pub fn sent(kind: &str, nth: u64, from: u64) -> When {
    let (on, nth) = (Pattern::Send(kind.to_string()), nth as u32);
    When::Moment { on, by: None, nth, from, after_us: 0 }
}

/// The moment right behind a durable effect.
pub fn behind(effect: &str, by: Option<Target>, from: u64) -> When {
    When::Moment { on: Pattern::Behind(effect.to_string()), by, nth: 1, from, after_us: 0 }
}

/// The moment of a write.
pub fn wrote(kind: &str, nth: u64, from: u64) -> When {
    let (on, nth) = (Pattern::Write(kind.to_string()), nth as u32);
    When::Moment { on, by: None, nth, from, after_us: 0 }
}

/// Mostly at once.
fn after(dice: &mut Dice) -> u64 {
    if dice.below(5) < 3 { 0 } else { dice.scale(1, 20_000) }
}

/// At a time, or at a moment after it.
pub fn some(setting: &Setting<'_>, dice: &mut Dice, from: u64, moments_percent: u64) -> When {
    if dice.below(100) < moments_percent {
        any(dice, from.min(setting.calm_at.saturating_sub(1)))
    } else {
        When::At(from)
    }
}
