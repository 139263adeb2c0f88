//! Known bugs, one small file each: the wrong decision, its citation, its scenario.
//!
//! A bug is a named switch, off by default. It swaps an entry of a table of rules, or rewrites the
//! effects of a peer on their way out. Protocol files know nothing of it. Each tells a
//! [`Note::Hit`](crate::process::Note::Hit) where its answer differs from the right one, so that
//! "never exercised" differs from "missed".

mod ack_before_fsync;
mod ack_newleader_before_fsync;
mod commit_after_newleader_panics;
mod decide_when_all_replied;
mod diff_without_trunc;
mod epoch_before_history;
mod epoch_saved_late;
mod keep_db_vote_by_memory;
mod log_diff_after_uptodate;
mod log_task_survives_shutdown;
mod no_accepted_epoch;
mod proposal_ack_overtakes;
mod serve_before_sync_commit;
mod vote_order_not_total;

use crate::kit::Rules;
use crate::process::Effects;

/// Changes what a step asked for; true if its answer differs from the right one.
pub type Rewrite = fn(&mut Effects) -> bool;

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
    decide_when_all_replied::BUG,
    epoch_saved_late::BUG,
];
