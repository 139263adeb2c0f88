//! The searches of one part, in turns.

use super::super::model::{History, Model};
use super::breadth::Breadth;
use super::depth::{Depth, End};
use super::part::Part;
use super::{Limit, Options, Stuck};

/// One part, and its searches as far as they have come.
pub struct Hunt<M: Model> {
    /// The part.
    pub part: Part,
    /// What is judged elsewhere, so that no order found here has it.
    guests: Vec<u32>,
    /// The model, narrowed to what the part shows.
    narrowed: Option<M>,
    /// The search depth first, unless it gave up.
    pub depth: Option<Box<Depth<M>>>,
    breadth: Option<Box<Breadth<M>>>,
    /// Whether there may be a search breadth first that has not begun.
    fresh: bool,
    /// Why a search gave up.
    pub limit: Option<Limit>,
    /// Bytes that the searches hold, about.
    depth_bytes: u64,
    breadth_bytes: u64,
    explained: usize,
}

/// What all searches have spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Steps tried.
    pub nodes: u64,
    /// Bytes held.
    pub bytes: u64,
}

/// What came of a turn.
pub enum Turn {
    /// This order, as positions in the history.
    Legal(Vec<u32>),
    /// There is none.
    Illegal(Stuck),
    /// Nothing yet.
    Open,
}

/// Steps of a first turn, besides some for each operation.
const FIRST: u64 = 1 << 12;

impl<M: Model> Hunt<M> {
    /// Nothing searched yet of these operations, of which some are guests. A spare search lends its
    /// memory.
    pub fn new(
        model: &M,
        ops: &History<M>,
        (ids, guests): (Vec<u32>, Vec<u32>),
        options: &Options,
        spare: Option<Box<Depth<M>>>,
    ) -> Hunt<M> {
        let narrowed = if options.inference {
            model.narrowed(&ids.iter().map(|id| &ops[*id as usize]).collect::<Vec<_>>())
        } else {
            None
        };
        let model = narrowed.as_ref().unwrap_or(model);
        let part = Part::new(model, ops, ids, options);
        let depth = options.depth.then(|| match spare {
            Some(mut depth) => {
                depth.reset(model, &part);
                depth
            }
            None => Box::new(Depth::new(model, &part)),
        });
        Hunt {
            part,
            guests,
            narrowed,
            depth,
            breadth: None,
            fresh: options.breadth,
            limit: None,
            depth_bytes: 0,
            breadth_bytes: 0,
            explained: 0,
        }
    }

    /// Whether no search is left that could go on.
    pub fn gave_up(&self) -> bool {
        self.depth.is_none() && self.breadth.is_none() && !self.fresh
    }

    /// How many answered operations were explained at best.
    pub fn explained(&self) -> usize {
        let depth = self.depth.as_ref().map_or(0, |depth| depth.best_placed(&self.part));
        let breadth = self.breadth.as_ref().map_or(0, |breadth| breadth.explained(&self.part));
        self.explained.max(depth).max(breadth)
    }

    /// Searches on, for as long as this round allows.
    pub fn turn(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        round: u32,
        spent: &mut Spent,
    ) -> Turn {
        let first = match options.turn {
            0 => FIRST + 8 * self.part.ids.len() as u64,
            turn => turn,
        };
        let nodes = first.saturating_mul(1u64.checked_shl(round).unwrap_or(u64::MAX));
        if let Some(turn) = self.turn_depth(model, ops, options, nodes, spent) {
            return turn;
        }
        // A first descent decides most histories; only what it does not is worth the other search.
        if round == 0 && options.depth {
            return Turn::Open;
        }
        self.turn_breadth(model, ops, options, nodes, spent).unwrap_or(Turn::Open)
    }

    fn turn_depth(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        nodes: u64,
        spent: &mut Spent,
    ) -> Option<Turn> {
        let mut depth = self.depth.take()?;
        let model = self.narrowed.as_ref().unwrap_or(model);
        let before = depth.nodes;
        let budget = spent.budget(options, nodes, self.depth_bytes);
        let end = depth.run(model, ops, &self.part, options, budget);
        spent.nodes += depth.nodes - before;
        spent.bytes -= self.depth_bytes;
        self.depth_bytes = 0;
        let turn = match end {
            End::Legal => Some(Turn::Legal(self.own(depth.order(&self.part)))),
            End::Illegal => {
                let (placed, next) = (depth.best(&self.part), depth.best_next(&self.part));
                Some(Turn::Illegal(self.stuck(placed, next)))
            }
            End::Out(Limit::Nodes) => {
                self.depth_bytes = depth.bytes() as u64;
                None
            }
            End::Out(limit) => {
                self.limit = Some(limit);
                self.explained = self.explained.max(depth.best_placed(&self.part));
                return None;
            }
        };
        spent.bytes += self.depth_bytes;
        self.depth = Some(depth);
        turn
    }

    fn turn_breadth(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        nodes: u64,
        spent: &mut Spent,
    ) -> Option<Turn> {
        let model = self.narrowed.as_ref().unwrap_or(model);
        if std::mem::take(&mut self.fresh) {
            self.breadth = Some(Box::new(Breadth::new(model, &self.part)));
        }
        let mut breadth = self.breadth.take()?;
        let before = breadth.nodes;
        let budget = spent.budget(options, nodes, self.breadth_bytes);
        let end = breadth.run(model, ops, &self.part, options, budget);
        spent.nodes += breadth.nodes - before;
        spent.bytes -= self.breadth_bytes;
        self.breadth_bytes = 0;
        match end {
            End::Legal => Some(Turn::Legal(self.own(breadth.order(&self.part)))),
            End::Illegal => {
                let (placed, next) = breadth.stuck(model, ops, &self.part);
                Some(Turn::Illegal(self.stuck(placed, next)))
            }
            End::Out(Limit::Nodes) => {
                self.breadth_bytes = breadth.bytes() as u64;
                spent.bytes += self.breadth_bytes;
                self.breadth = Some(breadth);
                None
            }
            End::Out(limit) => {
                self.limit = Some(limit);
                self.explained = self.explained.max(breadth.explained(&self.part));
                None
            }
        }
    }

    /// An order without guests.
    fn own(&self, mut order: Vec<u32>) -> Vec<u32> {
        order.retain(|id| self.guests.binary_search(id).is_err());
        order
    }

    fn stuck(&self, placed: Vec<usize>, next: Vec<usize>) -> Stuck {
        let mut part: Vec<usize> = self.part.ids.iter().map(|id| *id as usize).collect();
        part.sort_unstable();
        Stuck { part, placed, next }
    }

    /// All bytes its searches hold, about.
    pub fn bytes(&self) -> u64 {
        self.depth_bytes + self.breadth_bytes
    }
}

impl Spent {
    /// What a search that holds so many bytes may spend now: steps, and bytes in all of its own.
    fn budget(&self, options: &Options, nodes: u64, own: u64) -> (u64, u64) {
        let left = options.nodes.saturating_sub(self.nodes);
        (nodes.min(left), options.bytes.saturating_sub(self.bytes - own))
    }
}
