//! Why a history has no order, for people.
//!
//! None of it depends on how the search went: the operation that cannot be placed is the first
//! whose return makes what was seen until then impossible, and the core is a set of answers that
//! contradict each other whatever else happened. A core is found by leaving answers out as long as
//! the rest is still impossible. To leave a read out is to forget it; to leave a write out is to no
//! longer know whether it happened. So a core never blames a read for a write that was left out,
//! and whatever is impossible for it is impossible for all of the history.

use super::super::model::{History, Model, Timed};
use super::{Found, Options, Stuck, check};

/// Why there is no order. Operations are positions in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The operation that cannot be placed: until it returned there was an order.
    pub cannot: usize,
    /// An order of all that had returned before, and of some that had not.
    pub prefix: Vec<usize>,
    /// What could come next there by time, and why it cannot; first the operation that must.
    pub refused: Vec<(usize, String)>,
    /// Operations whose answers contradict each other, in the order of their calls.
    pub core: Vec<usize>,
    /// Whether each of them is needed; else a budget ran out while they were made fewer.
    pub minimal: bool,
}

/// Steps that each check of a smaller history may take.
const EACH: u64 = 200_000;

/// Steps that all of them may take.
const ALL: u64 = 20_000_000;

/// Explains a history that was found to have no order.
pub fn explain<M: Model>(
    model: &M,
    ops: &History<M>,
    stuck: &Stuck,
    options: &Options,
) -> Explanation {
    let mut doubt = Doubt { model, ops, options, part: &stuck.part, left: ALL, minimal: true };
    let mut returns: Vec<usize> = doubt.part.to_vec();
    returns.retain(|at| ops[*at].answer.is_some());
    returns.sort_by_key(|at| (ops[*at].ret, *at));
    // The fewest returns that have no order. All of them have none.
    let (mut legal, mut illegal) = (0, returns.len());
    let mut prefix = Vec::new();
    while illegal - legal > 1 {
        let middle = legal + (illegal - legal) / 2;
        match doubt.check(&returns[..middle]) {
            Found::Illegal(_) => illegal = middle,
            Found::Legal(order) => {
                legal = middle;
                prefix = order;
            }
            // Not shown to be impossible: what is comes later.
            Found::Unknown(_) => {
                legal = middle;
                prefix = Vec::new();
            }
        }
    }
    let cannot = returns[illegal - 1];
    let (prefix, refused) = doubt.refused(prefix, cannot);
    // What the search stumbled over is often impossible by itself.
    let near = |at: &&usize| stuck.placed.contains(at) || stuck.next.contains(at);
    let near: Vec<usize> = returns[..illegal].iter().filter(near).copied().collect();
    let few = near.len() * 2 < illegal && doubt.check(&near).is_illegal();
    let core = doubt.core(if few { &near } else { &returns[..illegal] });
    Explanation { cannot, prefix, refused, core, minimal: doubt.minimal }
}

/// A history of which only some answers are believed.
struct Doubt<'a, M: Model> {
    model: &'a M,
    ops: &'a History<M>,
    options: &'a Options,
    part: &'a [usize],
    left: u64,
    minimal: bool,
}

impl<M: Model> Doubt<'_, M> {
    /// What the search says if only these answers are believed, and nothing is known of what was
    /// called after the last of them returned.
    fn check(&mut self, believed: &[usize]) -> Found {
        let mut sorted = believed.to_vec();
        sorted.sort_unstable();
        let end = believed.iter().map(|at| self.ops[*at].ret).max().unwrap_or(0);
        let mut ids = Vec::new();
        let mut ops: Vec<Timed<M::Op, M::Answer>> = Vec::new();
        for at in self.part {
            let timed = &self.ops[*at];
            if sorted.binary_search(at).is_ok() {
                ops.push(timed.clone());
            } else {
                let pure = |answer| self.model.is_pure(&timed.op, answer);
                if timed.call > end || timed.answer.as_ref().is_some_and(pure) {
                    continue;
                }
                ops.push(Timed { answer: None, ret: u64::MAX, ..timed.clone() });
            }
            ids.push(*at);
        }
        let nodes = EACH.min(self.left);
        self.left -= nodes.min(2 * ops.len() as u64 + 100);
        let options = Options { nodes, ..self.options.clone() };
        let found = check(self.model, &ops, &options);
        let global = |all: Vec<usize>| all.into_iter().map(|at| ids[at]).collect();
        match found {
            Found::Legal(order) => Found::Legal(global(order)),
            Found::Illegal(Stuck { part, placed, next }) => Found::Illegal(Stuck {
                part: global(part),
                placed: global(placed),
                next: global(next),
            }),
            Found::Unknown(reached) => {
                self.left = self.left.saturating_sub(reached.nodes);
                Found::Unknown(reached)
            }
        }
    }

    /// Adds to an order what fits, until nothing that time lets come next does; and why.
    fn refused(&self, mut prefix: Vec<usize>, cannot: usize) -> (Vec<usize>, Vec<(usize, String)>) {
        let mut state = self.model.start();
        let mut placed = vec![false; self.ops.len()];
        for at in &prefix {
            placed[*at] = true;
            // In the order some answers were not believed.
            let Timed { op, answer, .. } = &self.ops[*at];
            let step = self.model.step(&mut state, op, answer.as_ref());
            let step = step.or_else(|| self.model.step(&mut state, op, None));
            assert!(step.is_some(), "an order is legal");
        }
        loop {
            let open = |at: &&usize| !placed[**at] && self.ops[**at].call <= self.ops[cannot].ret;
            let mut next: Vec<usize> = self.part.iter().filter(open).copied().collect();
            next.sort_by_key(|at| (*at != cannot, self.ops[*at].answer.is_none(), *at));
            let mut refused = Vec::new();
            let mut fits = None;
            for at in next {
                let Timed { op, answer, .. } = &self.ops[at];
                let before = self.model.hash(&state);
                let Some(undo) = self.model.step(&mut state, op, answer.as_ref()) else {
                    refused.push((at, self.model.refusal(&state, op, answer.as_ref())));
                    continue;
                };
                if answer.is_none() && self.model.hash(&state) == before {
                    self.model.back(&mut state, op, undo);
                    refused.push((at, "it would change nothing".to_string()));
                    continue;
                }
                fits = Some(at);
                break;
            }
            let Some(at) = fits else {
                return (prefix, refused);
            };
            placed[at] = true;
            prefix.push(at);
        }
    }

    /// Leaves answers out, many at once and then fewer, as long as the others have no order.
    fn core(&mut self, believed: &[usize]) -> Vec<usize> {
        let mut core = believed.to_vec();
        let mut chunk = core.len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            let mut fewer = false;
            while at < core.len() {
                let end = (at + chunk).min(core.len());
                let rest: Vec<usize> = core[..at].iter().chain(&core[end..]).copied().collect();
                if rest.is_empty() || self.left == 0 {
                    self.minimal &= rest.is_empty();
                    at = end;
                    continue;
                }
                match self.check(&rest) {
                    Found::Illegal(_) => {
                        core = rest;
                        fewer = true;
                    }
                    Found::Legal(_) => at = end,
                    Found::Unknown(_) => {
                        self.minimal = false;
                        at = end;
                    }
                }
            }
            // With single ones, go round until none can be left out.
            chunk = if chunk == 1 && fewer { 1 } else { chunk / 2 };
        }
        core.sort_by_key(|at| (self.ops[*at].call, *at));
        core
    }
}
