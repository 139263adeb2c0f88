//! Black-box search for linearizability, over any [`Model`].
//!
//! Nothing is believed but calls, answers and their times. The search looks for an order of all
//! answered operations, and of some of those that were lost, which respects real time and in which
//! every answer is right.
//!
//! What makes it fast is sound, each for a reason of its own, and can be switched off alone
//! ([`Options`]), so that tests can hold it against [`differential`]'s definition:
//!
//! - **pure**: an operation that is pure ([`Model::is_pure`]) and right now is placed at once, and
//!   this is never reconsidered: placing it earlier takes nothing away from the others;
//! - **symmetry**: of equal operations that are open at once only the one that must return first is
//!   tried, of equal lost ones the earliest; a lost one never where it changes nothing, and it
//!   never has to happen;
//! - **dominance**, breadth first: of configurations with the same effective operations placed and
//!   the same state, those are dropped that have used more lost operations, or have fewer pure ones
//!   behind them, than another;
//! - **need**, depth first: a lost operation is placed only where what follows depends on it: what
//!   it does not matter to could as well have come before;
//! - what was tried is remembered as a 128-bit hash of the set of operations placed and the state
//!   (unless `exact`);
//! - **parts**: operations that share no part of the state are judged apart;
//! - **depth** and **breadth** take turns, over all parts, each turn twice as long as the one
//!   before: the one is quick where there is an order, the other where there is none and operations
//!   were lost; the first part without an order ends it all;
//! - **zones**: a register in which no value is written twice needs no search;
//! - **inference**: what is only appended to passes through all that was read of it;
//! - **hints** say what to try first: what the model knows, or else what must return first.
//!
//! Budgets are counted in steps and bytes, so a verdict is the same on any machine, and for any
//! number of hands ([`Checker::with`]): parts are searched at once, and told in their order.
//!
//! ```
//! use zoosim::verdict::model::{Register, Timed, register::{Answer, Op}};
//! use zoosim::verdict::search::{Found, Options, check, explain};
//!
//! let write = |at, value| Timed::new(1, at, at + 1, Op::Write(Some(value)), Answer::Done);
//! let stale = Timed::new(2, 20, 21, Op::Read, Answer::Is(Some(1)));
//! let ops = [write(0, 1), write(10, 2), stale];
//! let (model, options) = (Register::default(), Options::default());
//! let Found::Illegal(stuck) = check(&model, &ops, &options) else { panic!("it is stale") };
//! let why = explain(&model, &ops, &stuck, &options);
//! assert_eq!(why.core, [0, 1, 2]);
//! assert_eq!(why.refused, [(2, "it read 1, but 2 is there".to_string())]);
//! ```
//!
//! # What is pure, and what only looks it
//!
//! An operation is pure if its answer tells that it changed nothing, **in every state in which this
//! answer is right**. Reads are, and refusals: a compare-and-set that found something else, an
//! acquire of a lock that is held. These are not, though they may well change nothing where they
//! stand:
//!
//! - a write of the value that is there already: in another state the same answer comes with a
//!   change, and placed at once, where it changes nothing, it is no longer there for the later read
//!   that needs it. Logs of real systems hardly ever show the mistake, small random histories do;
//! - an add of an element that is in, a remove of one that is not, a put of the same text;
//! - a dequeue that finds an unordered queue empty while dequeues are lost: it settles what these
//!   took;
//! - anything whose outcome is unknown.

mod antichain;
mod breadth;
mod depth;
pub mod differential;
mod explain;
mod hands;
mod hunt;
mod part;
mod samples;
mod split;
mod states;
mod table;
mod turns;
pub mod znodes;
mod zones;

use super::model::{History, Model};

use hunt::{Hunt, Purse, Turn};
use turns::{End, Search, Spares};

pub use explain::{Explanation, explain};
pub use hands::{Hands, Task, Work};

/// What may be used, and how far a search goes. All reductions only save time: no verdict depends
/// on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Steps of the model that may be tried in all.
    pub nodes: u64,
    /// Bytes that the search may hold in all, about.
    pub bytes: u64,
    /// The operations of one process take effect in the order in which they stand in the history,
    /// even where their intervals overlap (several requests under way in one session). It must be
    /// one that time allows. Part of the question, not a reduction.
    pub in_order: bool,
    /// Remember sets and states themselves instead of 128-bit hashes.
    pub exact: bool,
    /// Judge independent parts apart ([`Model::touches`]).
    pub parts: bool,
    /// Place pure operations at once ([`Model::is_pure`]).
    pub pure: bool,
    /// Of equal lost operations try only the earliest, and none where it changes nothing.
    pub symmetry: bool,
    /// Place a lost operation only right before one that touches what it changes.
    pub need: bool,
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
    /// Try first what the model hints at ([`Model::hint`]), or else what must return first.
    pub hints: bool,
    /// Steps of a search's first turn, of which each is twice as long as the one before; 0 for what
    /// suits the history. All parts and both searches take turns, so that one which is easily seen
    /// to have no order is not kept waiting by a hard one.
    pub turn: u64,
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
            need: true,
            dominance: true,
            depth: true,
            breadth: true,
            zones: true,
            inference: true,
            hints: true,
            turn: 0,
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
    /// What the model knows: some operation is judged by the witness only.
    Model,
    /// What the search breadth first can tell apart, which alone was allowed: 128 operations open
    /// at once, 128 lost ones, and no order within processes.
    Width,
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
    hands: Hands,
    spares: Spares<M>,
}

impl<'m, M: Model> Checker<'m, M> {
    /// A checker of histories of this model.
    pub fn new(model: &'m M, options: Options) -> Checker<'m, M> {
        Checker { model, options, hands: Hands::default(), spares: Spares::default() }
    }

    /// The same with these hands: what it finds is the same, too.
    pub fn with(self, hands: Hands) -> Checker<'m, M> {
        Checker { hands, ..self }
    }

    /// Looks for an order of this history.
    pub fn check(&mut self, ops: &History<M>) -> Found {
        let (model, options, hands) = (self.model, &self.options, self.hands);
        let pieces = split::split(model, ops, options.parts, options.in_order);
        let search = Search { model, ops, options, hands, spares: &self.spares };
        match search.first(pieces).and_then(|parts| search.rounds(parts)) {
            Ok(orders) => Found::Legal(merge(ops, &orders)),
            Err(End::Illegal(stuck)) => Found::Illegal(stuck),
            Err(End::Zoned(few, part)) => self.stuck_in(ops, few, &part),
            Err(End::Unknown(reached)) => Found::Unknown(reached),
        }
    }

    /// What zones found to have no order, as a search sees it.
    fn stuck_in(&self, ops: &History<M>, few: Vec<u32>, part: &[u32]) -> Found {
        let part = part.iter().map(|id| *id as usize).collect();
        let options = Options { zones: false, ..Options::default() };
        let mut hunt = Hunt::new(self.model, ops, (few, Vec::new()), &options, None);
        let mut purse = Purse::of(&options);
        for round in 0..u32::MAX {
            match hunt.turn(self.model, ops, &options, round, &mut purse) {
                Turn::Illegal(stuck) => return Found::Illegal(Stuck { part, ..stuck }),
                Turn::Open => {}
                Turn::Legal(_) => break,
            }
        }
        unreachable!("zones and search contradict each other")
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
