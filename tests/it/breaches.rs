//! Decisions of the right peer that matter only where much comes together: each is turned round,
//! and a scenario made for it shows that somebody sees it.
//!
//! No scenario of the catalogue brings these breaches about, however many seeds are tried: each
//! takes a coincidence, which the scenarios here arrange. They lie beside this file and not among
//! those that the command carries, since without their breach, which only this file can plant,
//! there is nothing in them to look for.

use std::sync::Arc;

use zoosim::broadcast::zab::EpochAnswer;
use zoosim::bugs::Bug;
use zoosim::kit::Kit;
use zoosim::peer::rules::SyncBy;
use zoosim::plan::scenario::Scenario;
use zoosim::plan::{Plan, draw};
use zoosim::run::Run;
use zoosim::verdict::Outcome;

use crate::mistakes::mistake;

/// A breach must be seen in its share of so many seeds.
const CAUGHT_WITHIN: u64 = 20;

/// As many pass when no breach is planted.
const SEEDS: u64 = 100;

/// A breach, and the scenario in which one property sees it.
struct Breach {
    bug: Bug,
    name: &'static str,
    text: &'static str,
    property: &'static str,
    /// In at least so many seeds of [`CAUGHT_WITHIN`]: about half of what there are now, so that a
    /// scenario which hardly reaches its breach any more is noticed.
    least: u64,
}

macro_rules! scenario {
    ($name:literal) => {
        include_str!(concat!("breaches/", $name, ".json"))
    };
}

/// Whoever is answered between two parts of a multi sees what no transaction has made. Multis come
/// in parts only while a snapshot is under way: so it is always under way, and its chunks are
/// small.
const READS_BETWEEN: Breach = Breach {
    bug: mistake("reads_between", |rules| rules.peer.reads_wait = |_half_applied| false),
    name: "read-between-the-parts",
    text: scenario!("read-between-the-parts"),
    property: "ReadValue",
    least: 6,
};

/// A leader that is cut off mostly gives up before the others have elected another: all of them
/// wait for `syncLimit`. If its clock stands still meanwhile it goes on, and its clients ask it.
const SYNC_BY_WORD: Breach = Breach {
    bug: mistake("sync_by_word", |rules| rules.peer.sync_by = || SyncBy::Word),
    name: "sync-of-the-deposed",
    text: scenario!("sync-of-the-deposed"),
    property: "SyncedRead",
    least: 7,
};

/// An epoch is promised again to whoever asks for it.
const PROMISED_AGAIN: Bug = mistake("promised_again", |rules| {
    rules.zab.planted = Some("promised_again");
    rules.zab.answer_epoch = |accepted, proposed| match proposed < accepted {
        true => EpochAnswer::Refuse,
        false => EpochAnswer::Promise,
    };
});

/// To the same leader, which does not know of the first time: the link was reset under it. Here
/// the leader is none the worse for it, but its learner cannot know that.
const TO_THE_SAME: Breach = Breach {
    bug: PROMISED_AGAIN,
    name: "answer-lost-in-discovery",
    text: scenario!("answer-lost-in-discovery"),
    property: "EpochPromised",
    least: 9,
};

/// To another. A peer joins a leader that a quorum beside it follows, or one that has a quorum with
/// its own vote. By the first way alone no two candidates of one epoch have a quorum each: those
/// who follow the second have not promised the epoch to the first, and too few are left for that
/// one. So somebody must still be looking in the first one's round, and somebody must have come
/// back to that round by a restart: it takes five peers, and power cuts.
const TO_ANOTHER: Breach = Breach {
    bug: PROMISED_AGAIN,
    name: "two-candidates-of-one-epoch",
    text: scenario!("two-candidates-of-one-epoch"),
    property: "Leadership",
    least: 9,
};

const ALL: [&Breach; 4] = [&READS_BETWEEN, &SYNC_BY_WORD, &TO_THE_SAME, &TO_ANOTHER];

/// What is planted; some of it in more than one scenario.
pub fn bugs() -> impl Iterator<Item = Bug> {
    ALL.iter().map(|breach| breach.bug)
}

/// The plan of a scenario of this file, without its breach.
pub fn plan(name: &str, seed: u64) -> Option<Plan> {
    ALL.iter().find(|breach| breach.name == name).map(|breach| breach.plan(seed))
}

impl Breach {
    fn plan(&self, seed: u64) -> Plan {
        draw(&Scenario::parse(self.name, self.text).expect("a valid scenario"), seed)
    }

    /// In which seeds the property sees it, and sees it first.
    fn seen_in(&self) -> Vec<u64> {
        let kit = Kit::standard().bug(self.bug);
        let seen = |seed: &u64| {
            let mut plan = self.plan(*seed);
            plan.bugs.push(self.bug.name.to_string());
            let run = Run::new(Arc::new(plan), &kit).expect("known names");
            let outcome = run.finish_all().0.outcome;
            matches!(outcome, Outcome::Violated(finding) if finding.property == self.property)
        };
        (0..CAUGHT_WITHIN).filter(seen).collect()
    }

    /// With the breach it is caught, and without it there is nothing to be seen.
    fn check(&self) {
        let seen = self.seen_in();
        assert!(seen.len() as u64 >= self.least, "`{}`: only in seeds {seen:?}", self.name);
        zoosim::fuzz(self.name).scenario_text(self.text).seeds(0..SEEDS).assert_pass();
    }
}

#[test]
fn a_read_between_the_parts_of_a_multi_is_seen() {
    READS_BETWEEN.check();
}

#[test]
fn a_sync_that_a_deposed_leader_answers_by_its_word_is_seen() {
    SYNC_BY_WORD.check();
}

#[test]
fn an_epoch_promised_again_to_the_same_leader_is_seen() {
    TO_THE_SAME.check();
}

#[test]
fn an_epoch_promised_again_to_another_leader_is_seen() {
    TO_ANOTHER.check();
}
