//! Known bugs, one small file each: the wrong decision, its citation, its scenario.
//!
//! A bug is a named switch, off by default. It swaps an entry of a table of rules, or rewrites the
//! effects of a peer on their way out. Protocol files know nothing of it. Each tells a
//! [`Note::Hit`](crate::process::Note::Hit) where its answer differs from the right one, so that
//! "never exercised" differs from "missed".

mod ack_before_fsync;
mod ack_newleader_before_fsync;
mod commit_after_newleader_panics;
mod create_during_close;
mod cversion_replay;
mod decide_when_all_replied;
mod diff_register_gap;
mod diff_without_trunc;
mod epoch_before_history;
mod epoch_saved_late;
mod keep_db_vote_by_memory;
mod keep_partial_snap;
mod leader_log_error_ignored;
mod log_diff_after_uptodate;
mod log_task_survives_shutdown;
mod no_accepted_epoch;
mod no_epoch_repair;
mod phantom_ephemeral_after_diff;
mod proposal_ack_overtakes;
mod reply_zxid_proposed;
mod serve_before_sync_commit;
mod trunc_keeps_dirty_snapshot;
mod vote_order_not_total;
mod zxid_rollover;

use crate::broadcast::zab;
use crate::peer;
use crate::process::Effects;

/// Changes what a step asked for; true if its answer differs from the right one.
pub type Rewrite = fn(&mut Effects) -> bool;

/// The tables of load-bearing decisions, which planted bugs swap entries of.
#[derive(Clone)]
pub struct Rules {
    /// The protocol's.
    pub zab: zab::Rules,
    /// The server's.
    pub peer: peer::rules::Rules,
    /// Rewrites of a peer's effects, by bug.
    pub rewrites: Vec<(&'static str, Rewrite)>,
}

impl Rules {
    /// Nothing is planted.
    pub fn right() -> Rules {
        Rules { zab: zab::Rules::right(), peer: peer::rules::Rules::right(), rewrites: Vec::new() }
    }
}

/// One known bug.
#[derive(Clone, Copy)]
pub struct Bug {
    /// Its switch, as plans and `--bug` spell it.
    pub name: &'static str,
    /// Where it is known from.
    pub citation: &'static str,
    /// What goes wrong, and what is right.
    pub mechanism: &'static str,
    /// How fast others have found it, or how it was met.
    pub published: &'static str,
    /// The properties of the protocol or of the service that it violates, the usual first.
    pub shows: &'static [&'static str],
    /// The scenario that reaches it quickly.
    pub scenario: &'static str,
    /// Swaps the rules.
    pub plant: fn(&mut Rules),
}

impl Bug {
    /// Makes the rules wrong.
    pub fn plant(&self, rules: &mut Rules) {
        (self.plant)(rules);
    }
}

/// All of them, in the order of the catalogue.
pub const ALL: &[Bug] = &[
    ack_before_fsync::BUG,
    epoch_before_history::BUG,
    ack_newleader_before_fsync::BUG,
    log_task_survives_shutdown::BUG,
    proposal_ack_overtakes::BUG,
    serve_before_sync_commit::BUG,
    commit_after_newleader_panics::BUG,
    log_diff_after_uptodate::BUG,
    keep_db_vote_by_memory::BUG,
    vote_order_not_total::BUG,
    no_accepted_epoch::BUG,
    diff_without_trunc::BUG,
    keep_partial_snap::BUG,
    create_during_close::BUG,
    reply_zxid_proposed::BUG,
    decide_when_all_replied::BUG,
    diff_register_gap::BUG,
    trunc_keeps_dirty_snapshot::BUG,
    cversion_replay::BUG,
    zxid_rollover::BUG,
    leader_log_error_ignored::BUG,
    no_epoch_repair::BUG,
    epoch_saved_late::BUG,
    phantom_ephemeral_after_diff::BUG,
];
