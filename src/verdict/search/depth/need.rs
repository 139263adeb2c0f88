//! Where lost operations need not be tried.
//!
//! Of all orders that explain a history look at one in which lost operations are as few, and stand
//! as late, as can be. In it those that stand together right before an answered operation each
//! matter to this one, or to a later one of them: else it could stand behind the answered one, or
//! be left out. So lost operations are tried only where that can still become true. Until it is,
//! they **wait**, and what waits is part of the configuration: two that differ in it go on
//! differently.

use super::super::super::model::{Model, mix};
use super::super::part::{ANSWERED, Part};
use super::Depth;

/// A tag of its own, of a lost operation that waits.
const WAITING: u64 = 0xE7A1_93D5_0F6C_2B89;

impl<M: Model> Depth<M> {
    /// Leaves out choices by which a lost operation would stand before what it does not matter to.
    pub(super) fn keep_needed(&mut self, part: &Part, before: usize, from: usize) {
        self.find_waiting(part, before);
        if before < self.frames.len() {
            // Pure ones have followed.
            let pure = &self.frames[before..];
            let idle = |lost: &u32| !pure.iter().any(|frame| part.matters(*lost, frame.op));
            if self.waiting.iter().any(idle) {
                self.choices.truncate(from);
                return;
            }
            self.waiting.clear();
        }
        let Depth { choices, open, waiting, .. } = self;
        let lost = |op: &u32| part.class[*op as usize] != ANSWERED;
        let left: Vec<u32> = choices[from..].iter().copied().filter(lost).collect();
        let useful = useful(part, &left, open);
        // Those that lead to each open one, found when there is something to ask of them.
        let leads = if waiting.is_empty() || useful.is_empty() {
            Vec::new()
        } else {
            open.iter().map(|x| (*x, self::useful(part, &useful, &[*x]))).collect()
        };
        let mut kept = from;
        for at in from..choices.len() {
            let op = choices[at];
            let fits = if part.class[op as usize] == ANSWERED {
                waiting.iter().all(|lost| part.matters(*lost, op))
            } else {
                let both = |other: &u32| {
                    part.matters(*other, op)
                        || leads.iter().any(|(x, through)| {
                            through.contains(&op) && leads_to(part, *other, *x, through)
                        })
                };
                useful.contains(&op) && waiting.iter().all(both)
            };
            if fits {
                choices[kept] = op;
                kept += 1;
            }
        }
        choices.truncate(kept);
    }

    /// The lost operations that stand together last among the first so many placed, without those
    /// that matter to a later one of them.
    fn find_waiting(&mut self, part: &Part, many: usize) {
        self.waiting.clear();
        for frame in self.frames[..many].iter().rev() {
            if part.class[frame.op as usize] == ANSWERED {
                break;
            }
            self.waiting.push(frame.op);
        }
        self.settle_waiting(part);
    }

    /// Of operations that stand together, the last first, keeps those that matter to none later.
    fn settle_waiting(&mut self, part: &Part) {
        for at in (1..self.waiting.len()).rev() {
            let (later, earlier) = (&self.waiting[..at], self.waiting[at]);
            if later.iter().any(|other| part.matters(earlier, *other)) {
                self.waiting.remove(at);
            }
        }
    }

    /// What tells apart configurations that differ in what waits, behind one operation more.
    pub(super) fn waiting_hash(&mut self, part: &Part, op: u32) -> u128 {
        if !part.knows_needs() || part.class[op as usize] == ANSWERED {
            return 0;
        }
        let many = self.frames.len();
        let last = self.frames[..many].iter().rev();
        let lost = last.map(|frame| frame.op);
        let lost: Vec<u32> = lost.take_while(|op| part.class[*op as usize] != ANSWERED).collect();
        self.waiting.clear();
        self.waiting.push(op);
        self.waiting.extend(lost);
        self.settle_waiting(part);
        self.waiting.iter().fold(0, |hash, op| hash ^ mix(WAITING, u64::from(*op)))
    }
}

/// Whether a lost operation matters to this one, or to another that leads there.
fn leads_to(part: &Part, lost: u32, to: u32, through: &[u32]) -> bool {
    part.matters(lost, to) || through.iter().any(|other| part.matters(lost, *other))
}

/// Of these lost operations those that matter to an open one, or to one that does.
fn useful(part: &Part, lost: &[u32], open: &[u32]) -> Vec<u32> {
    let mut left = lost.to_vec();
    let (mut useful, mut known) = (Vec::new(), open.to_vec());
    loop {
        let helps = |op: &u32| known.iter().any(|other| part.matters(*op, *other));
        let (latest, rest): (Vec<u32>, Vec<u32>) = left.into_iter().partition(helps);
        if latest.is_empty() {
            return useful;
        }
        useful.extend(&latest);
        (left, known) = (rest, latest);
    }
}
