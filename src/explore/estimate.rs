//! Knowing when to stop: how likely is it that the next seed shows something new?
//!
//! A behaviour is a word of a coverage table: a note, a pair of notes, a reason, a property that
//! was evaluated, a durable effect that a crash struck behind, a way in which a disk failed. By
//! Good and Turing, the share of seeds that showed a behaviour which no other seed has shown is an
//! estimate of the chance that the next one does: leave any one seed out, and it is new with
//! exactly that frequency.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Totals;

/// Which behaviours were seen, and how often so far.
#[derive(Clone, Debug, Default)]
pub struct Novelty {
    seeds: u64,
    /// By table and word: the first seed that showed it, and whether another did.
    seen: [BTreeMap<String, (u64, bool)>; TABLES],
}

const TABLES: usize = 8;

/// What is known of the next seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Behaviours seen.
    pub behaviours: u64,
    /// Seeds tried.
    pub seeds: u64,
    /// Seeds that showed a behaviour that no other seed has shown.
    pub alone: u64,
}

impl Novelty {
    /// Takes what one seed reached.
    pub fn take(&mut self, totals: &Totals) {
        let Totals { notes, pairs, faults, calls, events, reasons, properties, world } = totals;
        let tables = [notes, pairs, faults, calls, events, reasons, properties, world];
        for (seen, table) in self.seen.iter_mut().zip(tables) {
            for (word, count) in table {
                match seen.get_mut(word) {
                    _ if *count == 0 => {}
                    Some((_, again)) => *again = true,
                    None => {
                        seen.insert(word.clone(), (self.seeds, false));
                    }
                }
            }
        }
        self.seeds += 1;
    }

    /// What is known now.
    pub fn estimate(&self) -> Estimate {
        let all = || self.seen.iter().flat_map(BTreeMap::values);
        let alone: BTreeSet<u64> =
            all().filter(|(_, again)| !again).map(|(seed, _)| *seed).collect();
        Estimate { behaviours: all().count() as u64, seeds: self.seeds, alone: alone.len() as u64 }
    }
}

impl Estimate {
    /// The chance that the next seed shows something new, in parts per million.
    pub fn chance_ppm(&self) -> u64 {
        self.alone.saturating_mul(1_000_000).checked_div(self.seeds).unwrap_or(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Draw, Key};
    use crate::history::coverage::add_to;

    fn of(words: &[&str]) -> Totals {
        let mut totals = Totals::default();
        words.iter().for_each(|word| add_to(&mut totals.notes, word, 3));
        totals
    }

    #[test]
    fn seeds_that_show_what_no_other_has_shown_are_counted() {
        let mut novelty = Novelty::default();
        assert_eq!(novelty.estimate().chance_ppm(), 1_000_000, "nothing is known");
        for words in [&["a", "b"][..], &["a"], &["a", "c", "d"], &["a", "b"], &["e"]] {
            novelty.take(&of(words));
        }
        let mut zero = Totals::default();
        zero.properties.insert("NeverEvaluated".to_string(), 0);
        novelty.take(&zero);
        // `c` and `d` belong to one seed, `e` to another; `b` was seen twice.
        let estimate = novelty.estimate();
        assert_eq!((estimate.behaviours, estimate.seeds, estimate.alone), (5, 6, 2));
        assert_eq!(estimate.chance_ppm(), 333_333);
    }

    /// A world of words whose frequencies fall like 1/n: the estimate after some seeds is close to
    /// how often the seeds that follow really show something new.
    #[test]
    fn the_estimate_foretells_how_often_something_new_comes() {
        let mut dice = Key(7).named("species").stream();
        let mut seed = || -> Vec<String> {
            let words = (1..400u64).filter(|n| dice.below(*n * 4) == 0);
            words.map(|n| n.to_string()).collect()
        };
        let totals =
            |words: &[String]| of(&words.iter().map(String::as_str).collect::<Vec<&str>>());
        let mut novelty = Novelty::default();
        (0..300).for_each(|_| novelty.take(&totals(&seed())));
        let told = novelty.estimate().chance_ppm();
        let mut new = 0;
        for _ in 0..3_000 {
            let mut next = novelty.clone();
            let before = next.estimate().behaviours;
            next.take(&totals(&seed()));
            new += u64::from(next.estimate().behaviours > before);
        }
        let really = new * 1_000_000 / 3_000;
        assert!(told > really / 2 && told < really * 2, "told {told}, really {really}");
    }
}
