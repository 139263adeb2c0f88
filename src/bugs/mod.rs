//! Known bugs, one small file each: the wrong decision, its citation, its scenario.
//!
//! A bug is a named switch, off by default. It swaps an entry of a table of rules, or rewrites the
//! effects of a peer on their way out. Protocol files know nothing of it. Each tells a
//! [`Note::Hit`](crate::process::Note::Hit) where its answer differs from the right one, so that
//! "never exercised" differs from "missed".

mod ack_before_fsync;
mod epoch_saved_late;

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
pub const ALL: &[Bug] = &[ack_before_fsync::BUG, epoch_saved_late::BUG];
