//! Each scenario that this build carries is a test: what it expects must come. Those that plant a
//! bug must also be clean without it, and must really have exercised it.

use std::collections::BTreeMap;
use std::sync::Arc;

use zoosim::kit::Kit;
use zoosim::plan::scenario::{Scenario, embedded};
use zoosim::plan::{Plan, draw};
use zoosim::process::Note;
use zoosim::run::Run;

/// Enough that a new mistake in a common path is seen at once, few enough to run on each build.
/// Campaigns (`zoosim fuzz`) are for the rare ones.
const SEEDS: u64 = 40;

/// A planted bug must be found within so many.
const CAUGHT_WITHIN: u64 = 20;

macro_rules! pass {
    ($($test:ident = $name:literal,)*) => {
        $(#[test]
        fn $test() {
            zoosim::fuzz($name).seeds(0..SEEDS).assert_expected();
        })*

        /// The names, for the test that none is missing.
        const PASS: &[&str] = &[$($name),*];
    };
}

macro_rules! caught {
    ($($test:ident = $name:literal,)*) => {
        $(#[test]
        fn $test() {
            zoosim::fuzz($name).seeds(0..CAUGHT_WITHIN).assert_expected();
            zoosim::fuzz($name).seeds(0..CAUGHT_WITHIN).clean().assert_pass();
            assert!(hits($name, CAUGHT_WITHIN) > 0, "`{}`: the bug never answered", $name);
        })*

        /// The names, for the test that none is missing.
        const CAUGHT: &[&str] = &[$($name),*];
    };
}

pass! {
    default = "default",
    client_moves_between_servers = "client-moves-between-servers",
    deposed_leader = "deposed-leader",
    disk_full = "disk-full",
    epoch_race = "epoch-race",
    follower_joins_under_load = "follower-joins-under-load",
    lagging_follower_gets_snap = "lagging-follower-gets-snap",
    leader_in_minority = "leader-in-minority",
    old_leader_gets_trunc = "old-leader-gets-trunc",
    power_loss_of_all = "power-loss-of-all",
    quiet = "quiet",
    rolling_restarts = "rolling-restarts",
    rot_on_a_minority = "rot-on-a-minority",
    session_expiry_race = "session-expiry-race",
    standalone = "standalone",
    torn_log_tail = "torn-log-tail",
}

caught! {
    ack_before_fsync = "ack-before-fsync",
    epoch_before_history = "epoch-before-history",
    ack_newleader_before_fsync = "ack-newleader-before-fsync",
    log_task_survives_shutdown = "log-task-survives-shutdown",
    proposal_ack_overtakes = "proposal-ack-overtakes",
    serve_before_sync_commit = "serve-before-sync-commit",
    commit_after_newleader_panics = "commit-after-newleader-panics",
    log_diff_after_uptodate = "log-diff-after-uptodate",
    keep_db_vote_by_memory = "keep-db-vote-by-memory",
    vote_order_not_total = "vote-order-not-total",
    no_accepted_epoch = "no-accepted-epoch",
    diff_without_trunc = "diff-without-trunc",
    keep_partial_snap = "keep-partial-snap",
    create_during_close = "create-during-close",
    reply_zxid_proposed = "reply-zxid-proposed",
    decide_when_all_replied = "decide-when-all-replied",
    diff_register_gap = "diff-register-gap",
    trunc_keeps_dirty_snapshot = "trunc-keeps-dirty-snapshot",
    cversion_replay = "cversion-replay",
    zxid_rollover = "zxid-rollover",
    leader_log_error_ignored = "leader-log-error-ignored",
    no_epoch_repair = "no-epoch-repair",
    epoch_saved_late = "epoch-saved-late",
    phantom_ephemeral_after_diff = "phantom-ephemeral-after-diff",
}

/// The plan of an embedded scenario, by its name with or without its folder.
pub fn plan(name: &str, seed: u64) -> Arc<Plan> {
    let known = |(full, _): &&(&str, &str)| full.rsplit('/').next() == Some(name);
    let (full, text) = embedded().iter().find(known).expect("an embedded scenario");
    let scenario = Scenario::parse(full, text).expect("embedded scenarios are valid");
    Arc::new(draw(&scenario, seed))
}

/// How often planted bugs answered otherwise than the right rules would have.
fn hits(name: &str, seeds: u64) -> u64 {
    let mut hits = 0;
    for seed in 0..seeds {
        let mut run = Run::new(plan(name, seed), &Kit::standard()).expect("known names");
        let mut count = |_, seen: &[zoosim::history::Seen]| {
            let of_a_bug = |seen: &&zoosim::history::Seen| {
                matches!(seen, zoosim::history::Seen::Noted { note: Note::Hit { .. }, .. })
            };
            hits += seen.iter().filter(of_a_bug).count() as u64;
        };
        while run.step_seen(&mut count) {}
    }
    hits
}

#[test]
fn every_embedded_scenario_has_a_test_of_its_name() {
    let tested: BTreeMap<String, bool> = PASS
        .iter()
        .map(|name| ((*name).to_string(), false))
        .chain(CAUGHT.iter().map(|name| (format!("negative/{name}"), true)))
        .collect();
    for (name, text) in embedded() {
        let negative = tested.get(*name);
        assert!(negative.is_some(), "`{name}` has no test in tests/it/scenarios.rs");
        let scenario = Scenario::parse(name, text).expect("embedded scenarios are valid");
        let plants = !scenario.bugs.is_empty();
        assert_eq!(negative, Some(&plants), "`{name}`: a planted bug belongs to `negative/`");
    }
    assert_eq!(tested.len(), embedded().len(), "each has one test");
}

#[test]
fn no_scenario_lies_about_unembedded() {
    let mut files: Vec<String> = crate::tidy::files("scenarios", ".json")
        .iter()
        .map(|path| crate::tidy::short(path))
        .filter(|path| !path.starts_with("scenarios/regressions/"))
        .collect();
    let mut names: Vec<String> =
        embedded().iter().map(|(name, _)| format!("scenarios/{name}.json")).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
}
