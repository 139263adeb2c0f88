//! What a campaign never reached, of everything that can be.
//!
//! Notes, faults, operations and properties are those of `zoosim list`. The lists here are of what
//! has no other list: reasons, the durable effects that a crash can strike behind, the ways in
//! which a disk can fail and a crash can end. They hold for Zab and its files: a protocol with
//! other effects adds words to the tables, not to these lists.

use std::collections::BTreeMap;

use crate::explore::Tally;
use crate::kit::Kit;
use crate::plan::EFFECTS;
use crate::report::text::paragraph;

use super::list;

/// Notes that right peers never tell: without a planted bug nobody breaks the protocol, and
/// nothing planted can hit. The claims about wrong messages stand in the protocol's own tests.
const WRONG: [&str; 2] = ["breach", "hit"];

/// Why leaders abdicate, and learners leave. (`old_epoch` is not among them: a leader yields to a
/// voter that has promised more, before that voter could find the offered epoch too old.)
const REASONS: [&str; 8] = [
    "abdicated init_limit",
    "abdicated outbid",
    "abdicated own_log",
    "abdicated quorum_lost",
    "abdicated rollover",
    "left_leader link_down",
    "left_leader timeout",
    "left_leader unreachable",
];

/// Operations of devices that fail, and how. None fails because its file is not there: behind a
/// file that could not be created a device refuses everything, and for the same reason.
const DISK_ERRORS: [&str; 17] = [
    "log create eio",
    "log create enospc",
    "log write eio",
    "log write enospc",
    "log set_len eio",
    "log set_len enospc",
    "log fsync eio",
    "log fsync enospc",
    "log fsync_dir eio",
    "log read eio",
    "snap create eio",
    "snap create enospc",
    "snap write eio",
    "snap write enospc",
    "snap fsync eio",
    "snap fsync enospc",
    "snap fsync_dir eio",
];

/// How dials fail and links end, as peers are told.
const NET_ERRORS: [&str; 12] = [
    "dial election refused",
    "dial election reset",
    "dial election timed_out",
    "dial quorum refused",
    "dial quorum reset",
    "dial quorum timed_out",
    "link election closed",
    "link election reset",
    "link election timed_out",
    "link quorum closed",
    "link quorum reset",
    "link quorum timed_out",
];

/// What becomes of peers, sessions and calls.
const EVENTS: [&str; 13] = [
    "answer_lost",
    "answered_error",
    "claimed",
    "disk_sync_failed",
    "link_down",
    "peer_crashed",
    "peer_halted",
    "refused_damaged",
    "session_given_up",
    "session_opened",
    "session_renewed",
    "session_told_expired",
    "watch_fired",
];

const NOISE: [&str; 7] =
    ["client_reset", "half_open", "hang", "queue_full", "refuse", "reset", "stall"];

const OUTCOMES: [&str; 7] = [
    "file_garbage",
    "file_kept",
    "file_lost",
    "file_scattered",
    "file_torn",
    "name_kept",
    "name_lost",
];

const ENSEMBLES: [&str; 4] = ["1 voters", "3 voters", "5 voters", "7 voters"];

/// What faults of these kinds come to in frail peers.
const DAMAGE: [&str; 2] = ["lasting", "scatter"];

const SPLITS: [&str; 6] = ["bridge", "isolate", "leader_in_minority", "pair", "ring", "sides"];

const CLIENTS: [&str; 3] = ["lock_holder", "mirror", "script"];

/// A sort of words: its title, all that are known, and those that the campaign reached.
pub struct Sort {
    /// What people call it.
    pub title: &'static str,
    known: Vec<String>,
    reached: Vec<bool>,
}

impl Sort {
    fn new(title: &'static str, known: Vec<String>, count: impl Fn(&str) -> u64) -> Sort {
        let reached = known.iter().map(|word| count(word) > 0).collect();
        Sort { title, known, reached }
    }

    /// How many of the known words were reached, and how many there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.reached.iter().filter(|reached| **reached).count(), self.known.len())
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.known.iter().zip(&self.reached).filter(|(_, reached)| !**reached);
        missing.map(|(word, _)| word.clone()).collect()
    }
}

/// Everything that is known, and what of it the campaign reached.
pub fn sorts(kit: &Kit, tally: &Tally) -> Vec<Sort> {
    let totals = &tally.totals;
    let names = |all: &[(&'static str, &'static str)]| -> Vec<String> {
        all.iter().map(|(name, _)| (*name).to_string()).collect()
    };
    let mut notes = names(&list::NOTES);
    notes.retain(|name| !WRONG.contains(&name.as_str()));
    let properties = list::properties(kit).into_iter().map(|(name, _)| name);
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
    let mut faults = names(&list::FAULTS);
    faults.extend(words(&DAMAGE));
    let groups = [
        ("notes", notes, &totals.notes),
        ("faults", faults, &totals.faults),
        ("operations", names(&list::OPERATIONS[..list::UNDRAWN]), &totals.calls),
        ("properties", properties.collect(), &totals.properties),
        ("reasons", words(&REASONS), &totals.reasons),
        ("events", words(&EVENTS), &totals.events),
    ];
    let groups = groups.into_iter();
    let mut all: Vec<Sort> =
        groups.map(|(title, known, table)| Sort::new(title, known, |w| count(table, w))).collect();
    let of_the_world: [(&'static str, &[&str]); 8] = [
        ("crashes behind a durable effect", &EFFECTS),
        ("disk errors", &DISK_ERRORS),
        ("network errors", &NET_ERRORS),
        ("what crashes left of unsynced files", &OUTCOMES),
        ("noise", &NOISE),
        ("ensembles", &ENSEMBLES),
        ("partitions planned", &SPLITS),
        ("clients", &CLIENTS),
    ];
    for (title, known) in of_the_world {
        let of = |word: &str| count(&totals.world, &format!("{title}: {word}"));
        all.push(Sort::new(title, words(known), of));
    }
    all
}

/// What the campaign never reached, of everything that is known.
pub fn never(kit: &Kit, tally: &Tally) -> String {
    let mut text = String::from("never reached\n");
    for sort in sorts(kit, tally) {
        line(&mut text, sort.title, &sort.missing());
    }
    text
}

fn line(text: &mut String, title: &str, missing: &[String]) {
    let missing = if missing.is_empty() { "-".to_string() } else { missing.join(", ") };
    paragraph(text, &format!("  {title}: "), &missing);
}

/// How often a word was counted.
pub(super) fn count(table: &BTreeMap<String, u64>, word: &str) -> u64 {
    table.get(word).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::{Came, Recipe, Source, try_plan};
    use crate::history::Totals;
    use crate::plan::scenario::Scenario;

    #[test]
    fn every_error_of_the_network_that_peers_are_told_is_a_known_one() {
        let kit = Kit::standard();
        let scenario = Scenario::embedded("default").expect("it is embedded");
        let source = Source::Scenario(scenario.into(), Recipe::Plain);
        let mut totals = Totals::default();
        for seed in 0..40 {
            let Came::Ran(small) = try_plan(&source.plan(seed), &kit) else {
                panic!("seed {seed} does not run");
            };
            totals.merge(&small.totals);
        }
        let words = totals.world.keys().filter_map(|word| word.strip_prefix("network errors: "));
        let words: Vec<&str> = words.collect();
        assert!(words.len() >= 6, "{words:?}");
        assert!(words.iter().all(|word| NET_ERRORS.contains(word)), "{words:?}");
    }
}
