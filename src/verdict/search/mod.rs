//! Black-box search for linearizability, over any [`Model`].
//!
//! Nothing is believed but calls, answers and their times. The search looks for an order of all
//! answered operations, and of some of those that were lost, which respects real time and in which
//! every answer is right.
//!
//! What makes it fast is sound, each for a reason of its own, and can be switched off alone
//! ([`Options`]), so that tests can hold it against [`differential`]'s definition:
//!
//! - an operation that is pure ([`Model::is_pure`]) and right now is placed at once, and this is
//!   never reconsidered: placing it earlier takes nothing away from the others;
//! - of equal lost operations only the earliest is tried, none where it changes nothing, and none
//!   has to happen;
//! - what was tried is remembered as a 128-bit hash of the set of operations placed and the state.

mod depth;
mod part;
mod table;

use super::model::{History, Model};

use depth::{Depth, End};
use part::Part;

/// What may be used, and how far a search goes. All reductions only save time: no verdict depends
/// on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Steps of the model that may be tried in all.
    pub nodes: u64,
    /// Bytes that the search may hold in all, about.
    pub bytes: u64,
    /// The operations of one process take effect in the order of their calls, even where their
    /// intervals overlap (several requests under way in one session). Part of the question, not a
    /// reduction.
    pub in_order: bool,
    /// Remember sets and states themselves instead of 128-bit hashes.
    pub exact: bool,
    /// Judge independent parts apart ([`Model::touches`]).
    pub parts: bool,
    /// Place pure operations at once ([`Model::is_pure`]).
    pub pure: bool,
    /// Of equal lost operations try only the earliest, and none where it changes nothing.
    pub symmetry: bool,
    /// Of configurations that differ only in the lost operations used keep the least.
    pub dominance: bool,
    /// Search depth first.
    pub depth: bool,
    /// Search breadth first, from return to return. With both, they take turns.
    pub breadth: bool,
    /// Decide registers without a search if no value is written twice ([`Model::access`]).
    pub zones: bool,
    /// Let the model infer from the whole history what cannot be ([`Model::narrowed`]).
    pub inference: bool,
    /// Try what the model hints at first ([`Model::hint`]).
    pub hints: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            nodes: 100_000_000,
            bytes: 1 << 30,
            in_order: false,
            exact: false,
            parts: true,
            pure: true,
            symmetry: true,
            dominance: true,
            depth: true,
            breadth: true,
            zones: true,
            inference: true,
            hints: true,
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Linearizable, by this order: positions in the history. Lost operations that are not in it
    /// need not have happened.
    Legal(Vec<usize>),
    /// Not linearizable.
    Illegal(Stuck),
    /// A budget ran out.
    Unknown(Reached),
}

/// Why there is no order, as the search saw it. Positions are those in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The operations of the part of the state that has no order.
    pub part: Vec<usize>,
    /// The longest order of some of them that was found.
    pub placed: Vec<usize>,
    /// What real time lets come next there. None of it can.
    pub next: Vec<usize>,
}

/// How far a search came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Answered operations of the undecided parts that the longest orders explain.
    pub placed: usize,
    /// Answered operations of these parts.
    pub of: usize,
    /// Steps of the model that were tried.
    pub nodes: u64,
    /// What ran out.
    pub limit: Limit,
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Options::nodes`].
    Nodes,
    /// [`Options::bytes`].
    Bytes,
}

impl Found {
    /// Whether there is an order.
    pub fn is_legal(&self) -> bool {
        match self {
            Found::Legal(_) => true,
            Found::Illegal(_) | Found::Unknown(_) => false,
        }
    }

    /// Whether there is none.
    pub fn is_illegal(&self) -> bool {
        match self {
            Found::Illegal(_) => true,
            Found::Legal(_) | Found::Unknown(_) => false,
        }
    }
}

/// Looks for an order of this history.
pub fn check<M: Model>(model: &M, ops: &History<M>, options: &Options) -> Found {
    Checker::new(model, options.clone()).check(ops)
}

/// A checker of many histories: it keeps its memory from one to the next.
pub struct Checker<'m, M: Model> {
    model: &'m M,
    options: Options,
    spare: Option<Box<Depth<M>>>,
}

impl<'m, M: Model> Checker<'m, M> {
    /// A checker of histories of this model.
    pub fn new(model: &'m M, options: Options) -> Checker<'m, M> {
        Checker { model, options, spare: None }
    }

    /// Looks for an order of this history.
    pub fn check(&mut self, ops: &History<M>) -> Found {
        let mut orders: Vec<Vec<u32>> = Vec::new();
        for ids in part::split(self.model, ops, self.options.parts) {
            let part = Part::new(self.model, ops, ids, &self.options);
            let mut depth = match self.spare.take() {
                Some(mut depth) => {
                    depth.reset(self.model, &part);
                    depth
                }
                None => Box::new(Depth::new(self.model, &part)),
            };
            let end = depth.run(self.model, ops, &part, &self.options, self.options.nodes);
            match end {
                End::Legal => orders.push(depth.order(&part)),
                End::Illegal => {
                    let global = |ids: &[u32]| ids.iter().map(|id| *id as usize).collect();
                    return Found::Illegal(Stuck {
                        part: global(&part.ids),
                        placed: depth.best(&part),
                        next: depth.best_next(&part),
                    });
                }
                End::Out(limit) => {
                    return Found::Unknown(Reached {
                        placed: depth.best_placed(&part),
                        of: part.answered,
                        nodes: depth.nodes,
                        limit,
                    });
                }
            }
            self.spare = Some(depth);
        }
        Found::Legal(merge(ops, &orders))
    }
}

/// One order of all from an order of each part: each operation takes effect as early as its part's
/// order allows, which is within its interval.
fn merge<O, A>(ops: &[super::model::Timed<O, A>], orders: &[Vec<u32>]) -> Vec<usize> {
    if let [order] = orders {
        return order.iter().map(|id| *id as usize).collect();
    }
    let mut moments = Vec::new();
    for (part, order) in orders.iter().enumerate() {
        let mut now = 0;
        for (at, id) in order.iter().enumerate() {
            now = ops[*id as usize].call.max(now);
            moments.push((now, part, at, *id as usize));
        }
    }
    moments.sort();
    moments.into_iter().map(|(.., id)| id).collect()
}

#[cfg(test)]
mod tests;
