//! What was reached: counters by stable words, cheap enough to keep in every run.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{Seen, Stop};
use crate::base::PeerId;
use crate::process::Note;

/// Counters by `&'static str`, in order of first use. Words are compared by address first: the
/// few that a run uses are found without looking at their letters.
#[derive(Clone, Debug, Default)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// Adds `n` to a word's counter.
    #[inline]
    pub fn add(&mut self, word: &'static str, n: u64) {
        self.place(word, n);
    }

    /// The same; the word's place in the order of first use.
    #[inline]
    fn place(&mut self, word: &'static str, n: u64) -> usize {
        for (at, (known, count)) in self.0.iter_mut().enumerate() {
            if std::ptr::eq(known.as_ptr(), word.as_ptr()) && known.len() == word.len() {
                *count += n;
                return at;
            }
        }
        match self.0.iter_mut().position(|(known, _)| *known == word) {
            Some(at) => {
                self.0[at].1 += n;
                at
            }
            None => {
                self.0.push((word, n));
                self.0.len() - 1
            }
        }
    }

    /// A word's counter.
    pub fn get(&self, word: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == word).map_or(0, |(_, count)| *count)
    }

    /// All words with their counters, in order of first use.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }
}

/// Which note came right behind which, at one peer: how often.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// By peer: its last note, as a place in the order of first use.
    last: Vec<Option<u8>>,
    /// By both notes, in rows of `ROW`.
    counts: Vec<u32>,
}

/// More kinds of notes than any protocol tells. What is beyond is not paired.
const ROW: usize = 64;

impl Pairs {
    /// A peer tells the note with this place.
    #[inline]
    fn note(&mut self, peer: PeerId, at: usize) {
        let peer = usize::from(peer.0);
        if at >= ROW {
            return;
        }
        if self.last.len() <= peer {
            self.last.resize(peer + 1, None);
            self.counts.resize(ROW * ROW, 0);
        }
        if let Some(before) = self.last[peer].replace(at as u8) {
            self.counts[usize::from(before) * ROW + at] += 1;
        }
    }

    /// A peer begins anew.
    fn starts(&mut self, peer: PeerId) {
        if let Some(last) = self.last.get_mut(usize::from(peer.0)) {
            *last = None;
        }
    }

    /// All pairs with their counters.
    fn iter(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        let all = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        all.map(|(at, count)| (at / ROW, at % ROW, u64::from(*count)))
    }
}

/// What one run reached.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Notes told, by kind.
    pub notes: Counts,
    /// Which notes came right behind which, at one peer.
    pub pairs: Pairs,
    /// Faults that struck, by kind.
    pub faults: Counts,
    /// Operations called, by name.
    pub calls: Counts,
    /// What became of sessions, connections and peers.
    pub events: Counts,
    /// Why leaders gave up.
    pub abdicated: Counts,
    /// Why learners left their leaders.
    pub left_leader: Counts,
    /// How messages broke the protocol.
    pub breaches: Counts,
}

impl Coverage {
    /// Counts one thing seen.
    pub fn observe(&mut self, seen: &Seen) {
        match seen {
            Seen::Noted { peer, note } => {
                let at = self.notes.place(note.kind(), 1);
                self.pairs.note(*peer, at);
                self.reason(note);
            }
            Seen::Fault { kind, .. } => self.faults.add(kind, 1),
            Seen::Called(call) => self.calls.add(call.op.name(), 1),
            Seen::Stopped { why, .. } => self.events.add(
                match why {
                    Stop::Crash => "peer_crashed",
                    Stop::Halt(_) => "peer_halted",
                    Stop::Panic(_) => "peer_panicked",
                },
                1,
            ),
            Seen::Refused { damaged, .. } => {
                self.events.add(if *damaged { "refused_damaged" } else { "refused" }, 1);
            }
            Seen::Connected { fresh, .. } => {
                self.events.add(if *fresh { "session_opened" } else { "session_renewed" }, 1);
            }
            Seen::Expired { .. } => self.events.add("session_told_expired", 1),
            Seen::GaveUp { .. } => self.events.add("session_given_up", 1),
            Seen::Disconnected { .. } => self.events.add("disconnected", 1),
            Seen::Returned { result, .. } => {
                self.events.add(if result.is_ok() { "answered" } else { "answered_error" }, 1);
            }
            Seen::Lost { .. } => self.events.add("answer_lost", 1),
            Seen::Watch { .. } => self.events.add("watch_fired", 1),
            Seen::Claimed { .. } => self.events.add("claimed", 1),
            Seen::Complained { .. } => self.events.add("complained", 1),
            Seen::Synced { ok, .. } => {
                self.events.add(if *ok { "disk_synced" } else { "disk_sync_failed" }, 1);
            }
            Seen::Starting { peer, .. } => {
                self.pairs.starts(*peer);
                self.events.add("peer_started", 1);
            }
            Seen::LinkUp { .. } => self.events.add("link_up", 1),
            Seen::LinkDown { .. } => self.events.add("link_down", 1),
            Seen::Finished { .. } => self.events.add("client_finished", 1),
            Seen::Probed { .. }
            | Seen::Sent { .. }
            | Seen::Received { .. }
            | Seen::Wrote { .. }
            | Seen::Connecting { .. }
            | Seen::Heard { .. }
            | Seen::Calm { .. }
            | Seen::End { .. } => {}
        }
    }

    /// Counts the reason that a note gives, if it gives one.
    fn reason(&mut self, note: &Note) {
        if let Note::Abdicated { why } = note {
            self.abdicated.add(why, 1);
        } else if let Note::LeftLeader { why } = note {
            self.left_leader.add(why, 1);
        } else if let Note::Breach { what, .. } = note {
            self.breaches.add(what, 1);
        }
    }
}

/// Words, and how often each was counted.
type Table = BTreeMap<String, u64>;

/// What many runs reached, added up: tables by word, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Notes told, by kind.
    pub notes: BTreeMap<String, u64>,
    /// Which notes came right behind which at one peer: `leading > epoch_proposed`, ..
    #[serde(default)]
    pub pairs: BTreeMap<String, u64>,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Operations called, by name.
    pub calls: BTreeMap<String, u64>,
    /// What became of sessions, connections and peers.
    pub events: BTreeMap<String, u64>,
    /// Why leaders and learners gave up, and what broke the protocol: `abdicated rollover`, ..
    pub reasons: BTreeMap<String, u64>,
    /// How often each property was evaluated.
    pub properties: BTreeMap<String, u64>,
    /// Crashes by the durable effect they struck at, and other counters of the world.
    pub world: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds one run.
    pub fn add(&mut self, coverage: &Coverage) {
        let tables = [
            (&mut self.notes, &coverage.notes),
            (&mut self.faults, &coverage.faults),
            (&mut self.calls, &coverage.calls),
            (&mut self.events, &coverage.events),
        ];
        for (table, counts) in tables {
            for (word, count) in counts.iter() {
                add_to(table, word, count);
            }
        }
        let words: Vec<&str> = coverage.notes.iter().map(|(word, _)| word).collect();
        for (before, after, count) in coverage.pairs.iter() {
            let pair = format!("{} > {}", words[before], words[after]);
            add_to(&mut self.pairs, &pair, count);
        }
        let reasons = [
            ("abdicated", &coverage.abdicated),
            ("left_leader", &coverage.left_leader),
            ("breach", &coverage.breaches),
        ];
        for (kind, counts) in reasons {
            for (why, count) in counts.iter() {
                add_to(&mut self.reasons, &format!("{kind} {why}"), count);
            }
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Totals) {
        for (table, counts) in self.beside(other) {
            for (word, count) in counts {
                add_to(table, word, *count);
            }
        }
    }

    /// Takes away what a run had reached before it was branched.
    pub fn less(&mut self, before: &Totals) {
        for (table, counts) in self.beside(before) {
            for (word, count) in counts {
                if let Some(sum) = table.get_mut(word) {
                    *sum = sum.saturating_sub(*count);
                }
            }
        }
    }

    /// Each table, with the same one of another sum.
    fn beside<'a>(&'a mut self, other: &'a Totals) -> [(&'a mut Table, &'a Table); 8] {
        [
            (&mut self.notes, &other.notes),
            (&mut self.pairs, &other.pairs),
            (&mut self.faults, &other.faults),
            (&mut self.calls, &other.calls),
            (&mut self.events, &other.events),
            (&mut self.reasons, &other.reasons),
            (&mut self.properties, &other.properties),
            (&mut self.world, &other.world),
        ]
    }
}

/// Adds `count` to a word of a table.
pub fn add_to(table: &mut BTreeMap<String, u64>, word: &str, count: u64) {
    match table.get_mut(word) {
        Some(sum) => *sum += count,
        None => {
            table.insert(word.to_string(), count);
        }
    }
}
