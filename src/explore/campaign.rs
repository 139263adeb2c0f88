//! Many seeds on many threads, with results in the order of seeds.
//!
//! Workers pull blocks of items from one counter; the calling thread puts the blocks back in order
//! and folds them. A block that was begun is always ended, so that the items tried are the first
//! ones, without gaps; nothing but how many they are depends on time, and nothing at all on the
//! number of workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use crate::kit::Kit;

use super::{Branch, Item, Source, Tried, try_again, try_item};

/// How many items a worker takes at once.
pub const BLOCK: u64 = 4;

/// One item in so many is run twice; plans that are tried first always are.
const RECHECK: u64 = 16;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Sources of one plan each: tried first, once.
    pub plans: Vec<Source>,
    /// Sources of many plans, tried in turn: all of them for each seed.
    pub scenarios: Vec<Source>,
    /// The first seed.
    pub first: u64,
    /// The last seed; on and on if absent.
    pub last: Option<u64>,
    /// How many threads.
    pub jobs: usize,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// With the next seed.
    Go,
    /// Not any more: what was tried beyond this seed is forgotten.
    Stop,
}

impl Campaign {
    /// The source that an item was drawn from.
    pub fn source(&self, item: Item) -> &Source {
        match item.source.checked_sub(self.plans.len()) {
            None => &self.plans[item.source],
            Some(scenario) => &self.scenarios[scenario],
        }
    }

    /// The n-th item, if there are so many.
    pub fn item(&self, n: u64) -> Option<Item> {
        let plans = self.plans.len() as u64;
        if n < plans {
            return Some(Item { source: n as usize, seed: 0, branch: Branch::ROOT });
        }
        let scenarios = self.scenarios.len() as u64;
        let turn = (n - plans).checked_div(scenarios)?;
        let seed = self.first.checked_add(turn)?;
        let source = (plans + (n - plans) % scenarios) as usize;
        (self.last.is_none_or(|last| seed <= last)).then_some(Item {
            source,
            seed,
            branch: Branch::ROOT,
        })
    }

    /// How many items there are, if there is an end.
    pub fn len(&self) -> Option<u64> {
        let scenarios = self.scenarios.len() as u64;
        let plans = self.plans.len() as u64;
        if scenarios == 0 {
            return Some(plans);
        }
        let seeds = self.last?.saturating_sub(self.first).saturating_add(1);
        Some(seeds.saturating_mul(scenarios).saturating_add(plans))
    }

    /// Whether there is nothing to try.
    pub fn is_empty(&self) -> bool {
        self.item(0).is_none()
    }

    /// Tries one item after the other, and shows what came of each in their order, until `show`
    /// says to stop, or `enough` does (asked before each block), or nothing is left. `idle` is
    /// called a few times a second. True if nothing is left.
    pub fn run(
        &self,
        kit: &Kit,
        enough: impl Fn() -> bool + Sync,
        mut idle: impl FnMut(),
        mut show: impl FnMut(&Tried) -> Next,
    ) -> bool {
        let counter = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let jobs = self.jobs.max(1);
        let (sender, receiver) = sync_channel::<(u64, Vec<Tried>)>(4 * jobs);
        let mut waiting: BTreeMap<u64, Vec<Tried>> = BTreeMap::new();
        let mut shown = 0;
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                let (sender, counter, stop, enough) = (sender.clone(), &counter, &stop, &enough);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) && !enough() {
                        let block = counter.fetch_add(1, Ordering::Relaxed);
                        let tried = self.block(block, kit, stop);
                        // An empty block is behind the last one; no receiver means stop.
                        if tried.is_empty() || sender.send((block, tried)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let tick = std::time::Duration::from_millis(200);
            let mut next = 0;
            'all: loop {
                match receiver.recv_timeout(tick) {
                    Ok((block, tried)) => waiting.insert(block, tried),
                    Err(RecvTimeoutError::Timeout) => {
                        idle();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                while let Some(block) = waiting.remove(&next) {
                    next += 1;
                    for tried in &block {
                        shown += 1;
                        if show(tried) == Next::Stop {
                            stop.store(true, Ordering::Relaxed);
                            break 'all;
                        }
                    }
                }
                idle();
            }
            // Workers that wait to hand in a block must learn that nobody takes it.
            drop(receiver);
        });
        self.item(shown).is_none()
    }

    fn block(&self, block: u64, kit: &Kit, stop: &AtomicBool) -> Vec<Tried> {
        let first = block * BLOCK;
        let mut all = Vec::new();
        for n in first..first + BLOCK {
            let Some(item) = self.item(n) else { break };
            if stop.load(Ordering::Relaxed) {
                break;
            }
            all.push(self.one(n, item, kit));
        }
        all
    }

    /// Tries one item; some are tried twice.
    fn one(&self, n: u64, item: Item, kit: &Kit) -> Tried {
        let (branch, mut came) = try_item(self.source(item), item.seed, kit);
        let item = Item { branch, ..item };
        let twice = n < self.plans.len() as u64 || n.is_multiple_of(RECHECK);
        let again = twice.then(|| {
            let plan = self.source(item).branched(branch).plan(item.seed);
            try_again(&plan, kit, &mut came)
        });
        Tried { item, came, again }
    }
}
