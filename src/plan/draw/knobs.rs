//! Tuning constants of the peers: tiny ones, so that rolls, purges, windows and timeouts happen.

use std::collections::BTreeMap;

use crate::base::{Dice, Draw};

use super::super::{Plan, Times};
use super::Setting;

/// Every knob: name, default, smallest and largest sensible value, and what it is.
pub const KNOBS: [(&str, u64, u64, u64, &str); 19] = [
    ("tick_ms", 200, 10, 10_000, "the unit of all timeouts"),
    ("init_limit", 10, 2, 100, "ticks for a learner to connect and synchronise"),
    ("sync_limit", 5, 2, 100, "ticks of silence after which a leader or learner is given up"),
    ("min_session_ms", 0, 0, 600_000, "the shortest session timeout; 2 ticks if 0"),
    ("max_session_ms", 0, 0, 600_000, "the longest session timeout; 20 ticks if 0"),
    ("commit_log_count", 500, 0, 100_000, "committed proposals kept in memory for DIFF"),
    ("snap_count", 1_000, 2, 1_000_000, "transactions between snapshots"),
    ("snap_chunk", 64, 1, 100_000, "nodes of a snapshot written per piece of work"),
    ("snap_retain", 3, 1, 100, "snapshots kept when older ones are purged"),
    (
        "snap_size_percent",
        33,
        0,
        1_000_000,
        "disk DIFF if the log is at most so much of a snapshot",
    ),
    ("log_roll", 1_000, 1, 1_000_000, "records after which a new log file begins"),
    ("prealloc", 4_096, 0, 67_108_864, "bytes by which a log file grows ahead of its records"),
    ("apply_batch", 8, 1, 1_000, "committed transactions applied per piece of work"),
    ("outstanding_limit", 1_000, 1, 100_000, "requests in a server before it stops reading"),
    (
        "last_counter",
        0,
        0,
        0xFFFF_FFFF,
        "the counter at which an epoch is used up and its leader abdicates; 4294967295 if 0",
    ),
    ("election_poll_ms", 200, 1, 60_000, "silence after which a looking peer sends its vote again"),
    ("election_poll_max_ms", 2_000, 1, 60_000, "the longest such silence, after doubling"),
    ("finalize_wait_ms", 200, 0, 60_000, "wait for a better vote before an election ends"),
    ("dial_retry_ms", 100, 1, 60_000, "wait before dialling again"),
];

/// What nobody sets. A drawn plan names each knob, so that it does not depend on the defaults of
/// another build; 0 stands for what follows from the tick, and is left out.
pub fn defaults() -> BTreeMap<String, u64> {
    let set = KNOBS.iter().filter(|(_, default, ..)| *default > 0);
    set.map(|(name, default, ..)| (name.to_string(), *default)).collect()
}

/// Knobs that do not depend on anything else. Wide networks need patient ensembles.
pub fn draw(dice: &mut Dice, wan: bool, knobs: &mut BTreeMap<String, u64>) {
    let mut set = |name: &str, value: u64| {
        knobs.insert(name.to_string(), value);
    };
    set("tick_ms", if wan { dice.scale(400, 2_000) } else { dice.scale(50, 1_000) });
    set("init_limit", dice.between(if wan { 8 } else { 2 }, 10));
    set("sync_limit", dice.between(if wan { 5 } else { 2 }, 10));
    // A window of nearly nothing forces SNAP, TRUNC and disk DIFF; a large one forces DIFF.
    set("commit_log_count", if dice.below(10) < 6 { dice.below(6) } else { 500 });
    set("snap_count", if dice.below(4) > 0 { dice.between(3, 20) } else { dice.scale(20, 1_000) });
    set("snap_chunk", if dice.below(3) > 0 { dice.between(1, 8) } else { 64 });
    set("snap_retain", if dice.below(2) == 0 { 1 } else { dice.between(2, 5) });
    // Logs of tiny trees are larger than their snapshots: only absurd factors reach disk DIFF.
    set("snap_size_percent", *dice.pick(&[0, 33, 1_000, 100_000, 100_000]));
    set("log_roll", if dice.below(3) > 0 { dice.between(1, 8) } else { dice.scale(8, 1_000) });
    set("prealloc", *dice.pick(&[0, 64, 512, 4_096]));
    set("apply_batch", dice.between(1, 8));
    set("outstanding_limit", if dice.below(4) == 0 { dice.scale(1, 32) } else { 1_000 });
    set("dial_retry_ms", dice.scale(10, 200));
    // Not below what a run of sessions that all expire at once needs.
    let used_up = dice.scale(24, 400);
    if dice.below(100) < 4 {
        set("last_counter", used_up);
    }
}

/// Knobs of elections: longer than the network is slow, or they would never end.
pub fn election(setting: &Setting<'_>, knobs: &mut BTreeMap<String, u64>) {
    let mut dice = setting.dice("election");
    let one_way = setting.one_way_us / 1_000 + 1;
    let finalize = (one_way * 2 + dice.scale(5, 200)).min(60_000);
    let poll = (one_way * 3 + dice.scale(10, 300)).min(60_000);
    let most = (poll * dice.between(2, 10)).min(60_000);
    // A follower knocks five times before it gives its leader up, and the leader may decide a
    // finalize wait later than it did: ZooKeeper's own 100 and 200 ms have the same proportion.
    let knock = knobs.entry("dial_retry_ms".to_string()).or_default();
    *knock = (*knock).max(finalize / 2);
    for (name, value) in
        [("finalize_wait_ms", finalize), ("election_poll_ms", poll), ("election_poll_max_ms", most)]
    {
        knobs.insert(name.to_string(), value);
    }
}

/// What a scenario has not fixed is raised just so far that no correct ensemble fails by it.
pub fn leave_room(plan: &mut Plan, fixed: &BTreeMap<String, u64>) {
    // Clients that come back together wait long enough for each other (seed 429729 of `moments`).
    if let Some(ms) = Times::calm_session_ms(plan).filter(|_| !fixed.contains_key("min_session_ms"))
    {
        plan.knobs.insert("min_session_ms".to_string(), ms);
    }
    // One who follows first may dial once in vain. It has time to come back before its leader gives
    // it up, or they would miss each other for ever (seed 994999).
    let first_us = Times::of(plan).first_packet_us(plan);
    let ticks = (plan.knob("init_limit")..=100).find(|t| Times::ticks_us(plan, *t) >= first_us);
    if !fixed.contains_key("init_limit") {
        plan.knobs.insert("init_limit".to_string(), ticks.unwrap_or(100));
    }
}
