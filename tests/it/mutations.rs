//! No oracle is decoration: each property is left out in turn, and something is then not found, or
//! found later by another.
//!
//! A bug of the catalogue where it shows the property, else a mistake that history did not make, or
//! a breach that has a scenario of its own.
//! `zoosim bench mutations` looks for such seeds among all bugs.

use std::sync::Arc;

use zoosim::base::PeerId;
use zoosim::explore::{Dependence, company, dependence};
use zoosim::kit::Kit;
use zoosim::plan::{Delay, Driver, Fault, Plan, Planned, Target, When};
use zoosim::verdict::Outcome;

use crate::breaches;
use crate::cli::Room;
use crate::gallery::must_be_fresh;
use crate::mistakes::{ALL, BELIEVER, COMPLAINER, kit, kit_of_believers, kit_of_complainers};

/// A property, the scenario and what is planted in it, and the first seed to look at.
type Row = (&'static str, &'static str, &'static str, u64);

/// Without the property, the run is not found wrong any more.
const ALONE: &[Row] = &[
    ("AckDurable", "quiet", "ack_before_fsync", 0),
    ("Admission", "client-moves-between-servers", "admits_all", 2),
    ("ClientComplaint", "default", COMPLAINER, 5),
    ("CommitConsistency", "serve-before-sync-commit", "serve_before_sync_commit", 0),
    ("Convergence", ORPHAN, "commits_withheld", 0),
    ("CrashRecovery", "no-epoch-repair", "no_epoch_repair", 0),
    ("DiskReplay", "quiet", "snapshot_altered", 0),
    ("DoubleApply", "client-moves-between-servers", "request_twice", 0),
    ("Durability", "epoch-saved-late", "epoch_saved_late", 0),
    ("ElectionProgress", "vote-order-not-total", "vote_order_not_total", 1),
    ("EpochMonotone", "quiet", "epoch_told_back", 0),
    ("EpochPromised", "answer-lost-in-discovery", "promised_again", 0),
    ("EpochsOrdered", "quiet", "current_epoch_ahead", 0),
    ("GlobalPrimaryOrder", "quiet", "delivers_twice", 0),
    ("Leadership", "no-accepted-epoch", "no_accepted_epoch", 1),
    ("LeadingHasQuorum", "decide-when-all-replied", "decide_when_all_replied", 0),
    ("Liveness", "leader-log-error-ignored", "leader_log_error_ignored", 0),
    ("Linearizability", "quiet", "reads_at_once", 2),
    ("LogContiguous", "quiet", "record_twice", 1),
    ("LogDecodable", "quiet", "byte_too_much", 0),
    ("MessageLegal", "proposal-ack-overtakes", "proposal_ack_overtakes", 0),
    ("MutualExclusion", "default", BELIEVER, 5),
    ("NoPanic", "quiet", "panics_once", 0),
    ("Phantom", "client-moves-between-servers", "request_of_nobody", 0),
    ("PhaseRules", "default", "commit_after_newleader_panics", 14),
    ("PrefixConsistency", "trunc-keeps-dirty-snapshot", "trunc_keeps_dirty_snapshot", 9),
    ("ProcessConsistency", "log-task-survives-shutdown", "log_task_survives_shutdown", 0),
    ("QuorumHolds", "default", "log_diff_after_uptodate", 34),
    ("ReadValue", "reply-zxid-proposed", "reply_zxid_proposed", 2),
    ("RecoveryProgress", "commit-after-newleader-panics", "commit_after_newleader_panics", 0),
    ("SessionAbandoned", "default", "never_expires", 0),
    ("SessionEquality", "lagging-follower-gets-snap", "table_altered", 0),
    ("SessionExpiry", "client-moves-between-servers", "renewal_denied", 0),
    ("SessionHeard", "quiet", "pongs_ignored", 0),
    ("SessionOrder", "quiet", "reads_at_once", 1),
    ("SyncedRead", "sync-of-the-deposed", "sync_by_word", 0),
    ("TreeEquality", "cversion-replay", "cversion_replay", 4),
    ("WatchBeforeData", "quiet", "event_dropped", 0),
    ("WatchLost", "client-moves-between-servers", "missed_event_dropped", 3),
    ("WatchSpurious", "quiet", "event_twice", 0),
    ("WindowEquality", "log-task-survives-shutdown", "log_task_survives_shutdown", 4),
    ("WriteOutcome", "create-during-close", "create_during_close", 12),
];

/// The property sees it first; without it, another does: no run of this build is known that only
/// it sees. With those others left out, too, it is the only one.
const FIRST: &[Row] = &[
    ("AckBeforeCommit", "quiet", "delivery_untold", 0),
    ("Agreement", "quiet", "equivocates", 0),
    ("CommittedLogDurability", "epoch-before-history", "epoch_before_history", 0),
    ("Ephemerals", "session-expiry-race", "ephemeral_forgotten", 9),
    ("Integrity", "quiet", "altered_for_one", 0),
    ("LeaderCompleteness", "epoch-before-history", "epoch_before_history", 6),
    ("LocalPrimaryOrder", "quiet", "delivers_swapped", 0),
    ("PrimaryIntegrity", "zxid-rollover", "zxid_rollover", 30),
    ("SequentialNames", "quiet", "children_counted", 0),
    ("TotalOrder", "quiet", "delivers_swapped", 0),
];

/// What the black-box search sees, the witness sees before it, by zxids: of such runs it leaves no
/// order out. So the search is shown what is left when one property of the witness is left out.
const SEARCHED: (&str, &str) = ("Linearizability", "SessionOrder");

/// If a seed shows something else in this build, one of so many others will do.
const SEEDS: u64 = 100;

/// The scenario `quiet` without calls, but for a client that begins right before calm and loses its
/// connection while the answer is under way: nobody knows of its first session, which runs out when
/// everything else is over.
const ORPHAN: &str = "quiet with an orphaned session";

fn orphan(seed: u64) -> Plan {
    let mut plan = crate::scenarios::plan("quiet", seed).as_ref().clone();
    let begin = plan.calm_at - 400;
    plan.net.client_delay = Delay::Uniform { min_us: 40_000, max_us: 40_000 };
    plan.settle = 60_000;
    plan.clients.truncate(2);
    for client in &mut plan.clients {
        client.driver = Driver::Script(Vec::new());
        client.start_at = 0;
    }
    plan.clients[1].start_at = begin;
    for peer in (1..=plan.voters).map(PeerId) {
        let fault = Fault::ResetClients { peer: Target::Peer(peer) };
        plan.faults.push(Planned { when: When::At(begin + 140), fault });
    }
    plan
}

fn plan(name: &str, planted: &str, seed: u64) -> Arc<Plan> {
    let mut plan = match name {
        ORPHAN => orphan(seed),
        name => breaches::plan(name, seed)
            .unwrap_or_else(|| crate::scenarios::plan(name, seed).as_ref().clone()),
    };
    plan.bugs.clear();
    if ![BELIEVER, COMPLAINER].contains(&planted) {
        plan.bugs.push(planted.to_string());
    }
    Arc::new(plan)
}

/// A seed that shows a property, and what depends on it.
struct Shown {
    seed: u64,
    one: Dependence,
    /// Who else sees it, each when those before are left out.
    others: Vec<&'static str>,
}

/// The first seed that shows the property, alone or in company.
fn shown(row: &Row, alone: bool) -> Option<Shown> {
    let (property, scenario, planted, first) = *row;
    let kit = kit_for(row);
    std::iter::once(first).chain(0..SEEDS).find_map(|seed| {
        let plan = plan(scenario, planted, seed);
        let one = dependence(&plan, &kit).expect("known names")?;
        if one.finding.property != property || one.is_alone() != alone {
            return None;
        }
        assert!(!names(&one.without, property), "it was left out: {one:?}");
        let others = company(&plan, &kit, &one).expect("it ran before")?;
        // Each of them could be broken, and it would still be found.
        let deaf = others.iter().fold(kit.clone(), |kit, other| kit.without(other));
        let again = dependence(&plan, &deaf).expect("it ran before").expect("it is still seen");
        assert_eq!(again.finding, one.finding, "{others:?}");
        assert!(again.is_alone(), "{others:?}: {again:?}");
        Some(Shown { seed, one, others })
    })
}

fn kit_for(row: &Row) -> Kit {
    let (property, _, planted, _) = *row;
    match () {
        () if planted == BELIEVER => kit_of_believers(),
        () if planted == COMPLAINER => kit_of_complainers(),
        () if property == SEARCHED.0 => kit().without(SEARCHED.1).searching(),
        () => kit(),
    }
}

fn names(outcome: &Outcome, property: &str) -> bool {
    matches!(outcome, Outcome::Violated(finding) if finding.property == property)
}

fn line(row: &Row, shown: &Shown) -> String {
    let (property, scenario, planted, _) = row;
    let Shown { seed, one, others } = shown;
    let without = match &one.without {
        Outcome::Pass => "passes".to_string(),
        Outcome::Violated(other) if one.is_alone() => format!("only the check {}", other.property),
        Outcome::Violated(other) if other.at.step > one.finding.at.step => {
            format!("{}, {} events later", other.property, other.at.step - one.finding.at.step)
        }
        Outcome::Violated(other) => format!("{}, at once", other.property),
        Outcome::Unknown(why) => why.clone(),
    };
    let kind = one.finding.kind;
    let deaf = match *property == SEARCHED.0 {
        true => format!(", searched, and `{}` left out too", SEARCHED.1),
        false => String::new(),
    };
    let place = format!("`{scenario}`, seed {seed}{deaf}");
    let others = others.join(", ");
    format!("| `{property}` | {kind} | `{planted}` | {place} | {without} | {others} |\n")
}

#[test]
fn what_depends_on_each_property_is_fresh() {
    let mut text = String::from(
        "# What depends on each property\n\n\
         Each property is left out in turn, and the same seed is run again, as\n\
         `zoosim bench mutations` does. What is planted is a bug of the catalogue, or else a\n\
         mistake of `tests/it/mistakes.rs` or a breach of `tests/it/breaches.rs`. Where another\n\
         property sees it then, that one is left out as well, and so on: the run passes once all\n\
         of the last column are left out with the property, and with only these left out the\n\
         property still names it.\n\n\
         | property | says | planted | in | without it | in company of |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut missing = Vec::new();
    for (rows, alone) in [(ALONE, true), (FIRST, false)] {
        for row in rows {
            match shown(row, alone) {
                Some(shown) => text.push_str(&line(row, &shown)),
                None => missing.push(*row),
            }
        }
    }
    assert!(missing.is_empty(), "`zoosim bench mutations` finds others: {missing:?}");
    must_be_fresh("reports/oracles.md", &text);
}

#[test]
fn no_property_and_no_mistake_is_left_out() {
    let listed = Room::new("mutations").zoosim(&["list", "invariants"]).out;
    let name = |line: &str| line.split_whitespace().next().map(str::to_string);
    let mut listed: Vec<String> = listed.lines().filter_map(name).collect();
    let rows = || ALONE.iter().chain(FIRST);
    let mut tested: Vec<String> = rows().map(|(property, ..)| (*property).to_string()).collect();
    listed.sort();
    tested.sort();
    assert_eq!(listed, tested, "each property has one row");
    for mistake in ALL {
        let used = rows().any(|(_, _, planted, _)| *planted == mistake.name);
        assert!(used, "nothing is shown by `{}`", mistake.name);
    }
}
