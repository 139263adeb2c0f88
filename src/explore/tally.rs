//! What came of many seeds, folded in their order.

use std::collections::BTreeMap;

use crate::base::{Digest, Duration};
use crate::history::Totals;
use crate::verdict::{Outcome, Signature, Weight};

use super::tried::HITS;
use super::{Branch, Came, Novelty, Tried};

/// How many seeds of one signature are kept as examples.
pub const MAX_EXAMPLES: usize = 5;

/// One thing to try: the number of its source in the campaign, and the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Which source.
    pub source: usize,
    /// Which seed.
    pub seed: u64,
    /// Which branch of its tree, if it has one: the one that shows what came of it.
    pub branch: Branch,
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.seed, self.branch)
    }
}

/// Findings of one signature in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many seeds.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Item>,
    /// How much the first of them weighs.
    pub weight: Weight,
    /// The property violated.
    pub property: &'static str,
}

impl Group {
    /// Its examples, for people; `..` if there are more.
    pub fn seeds(&self) -> String {
        let mut seeds: Vec<String> = self.examples.iter().map(Item::to_string).collect();
        if self.count > seeds.len() as u64 {
            seeds.push("..".to_string());
        }
        seeds.join(" ")
    }
}

/// How many items came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub tried: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those in which a property was violated.
    pub violated: u64,
    /// Those in which only a check inside a peer failed.
    pub asserted: u64,
    /// Those without a verdict.
    pub unknown: u64,
    /// Those that could not run.
    pub broken: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            tried: self.tried + other.tried,
            passed: self.passed + other.passed,
            violated: self.violated + other.violated,
            asserted: self.asserted + other.asserted,
            unknown: self.unknown + other.unknown,
            broken: self.broken + other.broken,
        }
    }

    /// Those with a finding of any weight.
    pub fn findings(&self) -> u64 {
        self.violated + self.asserted
    }
}

/// Sums over a campaign. It depends on which seeds were tried, and on nothing else.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// So many sources, the first, are plans that once failed: they have no seeds to sample.
    pub plans: usize,
    /// What came of those.
    pub of_plans: Counts,
    /// What came of seeds.
    pub of_seeds: Counts,
    /// The first seeds without a verdict, and why they have none.
    pub unknown_examples: Vec<(Item, String)>,
    /// Seeds that could not run, with the reason, at most as many as examples.
    pub broken: Vec<(Item, String)>,
    /// Steps of all runs.
    pub steps: u64,
    /// Simulated time of all runs.
    pub simulated: Duration,
    /// What was reached.
    pub totals: Totals,
    /// How likely the next seed is to reach something else.
    pub novelty: Novelty,
    /// Findings by source and signature.
    pub groups: BTreeMap<(usize, String), Group>,
    /// Seeds by source, and of these the ones violated.
    pub by_source: BTreeMap<usize, (u64, u64)>,
    /// By source and planted bug: how often it answered differently from the right rule, and in how
    /// many seeds.
    pub hits: BTreeMap<(usize, String), (u64, u64)>,
    /// Seeds that were run twice.
    pub rechecked: u64,
    /// Seeds whose second run was another one.
    pub nondeterministic: Vec<Item>,
    /// The fold of all digests.
    pub digest: Digest,
    /// How many seeds were tried when something new was last seen: a signature, or a word of a
    /// coverage table.
    pub new_at: u64,
}

impl Tally {
    /// No sums yet, of a campaign that tries so many plans before its seeds.
    pub fn behind(plans: usize) -> Tally {
        Tally { plans, ..Tally::default() }
    }

    /// What came of seeds and plans.
    pub fn all(&self) -> Counts {
        self.of_seeds.plus(self.of_plans)
    }

    /// How many of the two were tried.
    pub fn tried(&self) -> u64 {
        self.all().tried
    }

    /// Seeds and plans with a finding of any weight.
    pub fn findings(&self) -> u64 {
        self.all().findings()
    }

    /// Seeds since something new was seen.
    pub fn quiet(&self) -> u64 {
        self.tried() - self.new_at
    }

    fn counts(&mut self, item: Item) -> &mut Counts {
        if self.is_plan(item) { &mut self.of_plans } else { &mut self.of_seeds }
    }

    /// Adds the next seed. True if it is the first finding of its signature and source.
    pub fn take(&mut self, tried: &Tried) -> bool {
        let first = self.fold(tried);
        if self.is_plan(tried.item) {
            // What seeds must show again is counted from the first seed on.
            self.new_at = self.tried();
        }
        first
    }

    fn is_plan(&self, item: Item) -> bool {
        item.source < self.plans
    }

    fn fold(&mut self, tried: &Tried) -> bool {
        self.counts(tried.item).tried += 1;
        let (seeds, _) = self.by_source.entry(tried.item.source).or_default();
        *seeds += 1;
        if let Some(same) = tried.again {
            self.rechecked += 1;
            if !same {
                self.nondeterministic.push(tried.item);
            }
        }
        let small = match &tried.came {
            Came::Ran(small) => small,
            Came::Cannot(cannot) => return self.broke(tried.item, cannot.to_string()),
            Came::Broke(why) => return self.broke(tried.item, format!("panicked: {why}")),
        };
        self.steps += small.end.step + small.beside.steps;
        self.simulated = self.simulated + Duration(small.end.time.0) + small.beside.simulated;
        self.digest.word(small.digest.0);
        if small.beside.runs > 0 {
            self.digest.word(small.beside.digest.0);
        }
        let known = self.words();
        self.totals.merge(&small.totals);
        let hits = small.totals.world.range(HITS.to_string()..);
        let hits = hits.map_while(|(word, count)| Some((word.strip_prefix(HITS)?, *count)));
        for (bug, count) in hits.filter(|(_, count)| *count > 0) {
            let hit = self.hits.entry((tried.item.source, bug.to_string())).or_default();
            *hit = (hit.0 + count, hit.1 + 1);
        }
        // A plan that was kept because it failed is no draw: it says nothing of the next seed.
        if !self.is_plan(tried.item) {
            self.novelty.take(&small.totals);
        }
        if self.words() > known {
            self.new_at = self.tried();
        }
        match &small.outcome {
            Outcome::Pass => {
                self.counts(tried.item).passed += 1;
                false
            }
            Outcome::Unknown(why) => {
                self.counts(tried.item).unknown += 1;
                if self.unknown_examples.len() < MAX_EXAMPLES {
                    self.unknown_examples.push((tried.item, why.clone()));
                }
                false
            }
            Outcome::Violated(finding) => {
                let counts = self.counts(tried.item);
                match finding.weight {
                    Weight::Violation => counts.violated += 1,
                    Weight::Assertion => counts.asserted += 1,
                }
                let (_, violated) = self.by_source.entry(tried.item.source).or_default();
                *violated += 1;
                let signature = small.signature.as_ref().map(Signature::to_string);
                let signature = signature.unwrap_or_default();
                self.found(tried.item, signature, finding.weight, finding.property)
            }
        }
    }

    fn broke(&mut self, item: Item, why: String) -> bool {
        self.counts(item).broken += 1;
        if self.broken.len() < MAX_EXAMPLES {
            self.broken.push((item, why));
        }
        false
    }

    fn found(
        &mut self,
        item: Item,
        signature: String,
        weight: Weight,
        property: &'static str,
    ) -> bool {
        let tried = self.tried();
        let empty = Group { count: 0, examples: Vec::new(), weight, property };
        let group = self.groups.entry((item.source, signature)).or_insert(empty);
        group.count += 1;
        if group.count == 1 {
            self.new_at = tried;
        }
        if group.examples.len() < MAX_EXAMPLES {
            group.examples.push(item);
        }
        group.count == 1
    }

    fn words(&self) -> usize {
        let Totals { notes, pairs, faults, calls, events, reasons, properties, world } =
            &self.totals;
        let reached = properties.values().filter(|count| **count > 0).count();
        let said = notes.len() + pairs.len() + reasons.len() + events.len() + world.len();
        said + faults.len() + calls.len() + reached
    }
}
