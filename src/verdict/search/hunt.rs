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
    rest: Rest,
}

/// What searches may spend, and what they have spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Purse {
    /// Steps that may be tried, and bytes that may be held, in all.
    most: (u64, u64),
    /// Steps tried.
    pub nodes: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Whether it is only a share of what there is: who has used it up waits for more.
    share: bool,
}

/// What is left of a turn: steps of each search whose turn it still is.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    depth: Option<u64>,
    breadth: Option<u64>,
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

/// How one search of a turn ended.
enum Half {
    /// It decided.
    Decided(Turn),
    /// Its turn is over.
    Over,
    /// Its share of memory is used up: so many steps of its turn are left.
    Waits(u64),
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
            rest: Rest::default(),
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

    /// Steps that a turn of this round may take at most, with all searches.
    pub fn most(&self, options: &Options, round: u32) -> u64 {
        let searches = u64::from(self.depth.is_some())
            + u64::from(self.breadth.is_some() || self.fresh && !(round == 0 && options.depth));
        steps(options, self.part.ids.len(), round).saturating_mul(searches)
    }

    /// Searches on, for as long as this round allows.
    pub fn turn(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        round: u32,
        purse: &mut Purse,
    ) -> Turn {
        let nodes = steps(options, self.part.ids.len(), round);
        // A first descent decides most histories; only what it does not is worth the other search.
        let both = round > 0 || !options.depth;
        self.rest = Rest { depth: Some(nodes), breadth: both.then_some(nodes) };
        self.go_on(model, ops, options, purse)
    }

    /// Whether it has not had all of its turn, as its share of memory was used up.
    pub fn is_waiting(&self) -> bool {
        self.rest.depth.is_some() || self.rest.breadth.is_some()
    }

    /// Searches on, for what is left of its turn.
    pub fn go_on(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        purse: &mut Purse,
    ) -> Turn {
        if let Some(nodes) = self.rest.depth.take() {
            match self.turn_depth(model, ops, options, nodes, purse) {
                Half::Decided(turn) => return turn,
                Half::Over => {}
                Half::Waits(left) => {
                    self.rest.depth = Some(left);
                    return Turn::Open;
                }
            }
        }
        if let Some(nodes) = self.rest.breadth.take() {
            match self.turn_breadth(model, ops, options, nodes, purse) {
                Half::Decided(turn) => return turn,
                Half::Over => {}
                Half::Waits(left) => self.rest.breadth = Some(left),
            }
        }
        Turn::Open
    }

    fn turn_depth(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        nodes: u64,
        purse: &mut Purse,
    ) -> Half {
        let Some(mut depth) = self.depth.take() else { return Half::Over };
        let model = self.narrowed.as_ref().unwrap_or(model);
        let before = depth.nodes;
        let budget = purse.budget(nodes, self.depth_bytes);
        let end = depth.run(model, ops, &self.part, options, budget);
        let used = depth.nodes - before;
        purse.nodes += used;
        purse.bytes -= self.depth_bytes;
        self.depth_bytes = 0;
        let half = match end {
            End::Legal => Half::Decided(Turn::Legal(self.own(depth.order(&self.part)))),
            End::Illegal => {
                let (placed, next) = (depth.best(&self.part), depth.best_next(&self.part));
                Half::Decided(Turn::Illegal(self.stuck(placed, next)))
            }
            End::Out(Limit::Nodes) => {
                self.depth_bytes = depth.bytes() as u64;
                Half::Over
            }
            End::Out(Limit::Bytes) if purse.share => {
                self.depth_bytes = depth.bytes() as u64;
                Half::Waits(nodes.saturating_sub(used))
            }
            End::Out(limit) => {
                self.limit = Some(limit);
                self.explained = self.explained.max(depth.best_placed(&self.part));
                return Half::Over;
            }
        };
        purse.bytes += self.depth_bytes;
        self.depth = Some(depth);
        half
    }

    fn turn_breadth(
        &mut self,
        model: &M,
        ops: &History<M>,
        options: &Options,
        nodes: u64,
        purse: &mut Purse,
    ) -> Half {
        let model = self.narrowed.as_ref().unwrap_or(model);
        if std::mem::take(&mut self.fresh) {
            self.breadth = Some(Box::new(Breadth::new(model, &self.part)));
        }
        let Some(mut breadth) = self.breadth.take() else { return Half::Over };
        let before = breadth.nodes;
        let budget = purse.budget(nodes, self.breadth_bytes);
        let end = breadth.run(model, ops, &self.part, options, budget);
        let used = breadth.nodes - before;
        purse.nodes += used;
        purse.bytes -= self.breadth_bytes;
        self.breadth_bytes = 0;
        let half = match end {
            End::Legal => return Half::Decided(Turn::Legal(self.own(breadth.order(&self.part)))),
            End::Illegal => {
                let (placed, next) = breadth.stuck(model, ops, &self.part);
                return Half::Decided(Turn::Illegal(self.stuck(placed, next)));
            }
            End::Out(Limit::Nodes) => Half::Over,
            End::Out(Limit::Bytes) if purse.share => Half::Waits(nodes.saturating_sub(used)),
            End::Out(limit) => {
                self.limit = Some(limit);
                self.explained = self.explained.max(breadth.explained(&self.part));
                return Half::Over;
            }
        };
        self.breadth_bytes = breadth.bytes() as u64;
        purse.bytes += self.breadth_bytes;
        self.breadth = Some(breadth);
        half
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

/// Steps of one search of so many operations in a turn of this round.
pub fn steps(options: &Options, many: usize, round: u32) -> u64 {
    let first = match options.turn {
        0 => FIRST + 8 * many as u64,
        turn => turn,
    };
    first.saturating_mul(1u64.checked_shl(round).unwrap_or(u64::MAX))
}

impl Purse {
    /// All that there is.
    pub fn of(options: &Options) -> Purse {
        Purse { most: (options.nodes, options.bytes), ..Purse::default() }
    }

    /// One of so many shares of what is left, for searches that hold so many bytes; of one all.
    /// Steps are not shared out: they must be enough for all.
    pub fn share(&self, many: usize, own: u64) -> Purse {
        if many == 1 {
            return *self;
        }
        let bytes = own + self.most.1.saturating_sub(self.bytes) / many as u64;
        Purse { most: (self.left(), bytes), nodes: 0, bytes: own, share: true }
    }

    /// Takes back a share that was given out like this.
    pub fn take_back(&mut self, share: &Purse, many: usize, own: u64) {
        if many == 1 {
            (self.nodes, self.bytes) = (share.nodes, share.bytes);
        } else {
            self.nodes += share.nodes;
            self.bytes = self.bytes + share.bytes - own;
        }
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.most.0.saturating_sub(self.nodes)
    }

    /// What a search that holds so many bytes may spend now: steps, and bytes in all of its own.
    fn budget(&self, nodes: u64, own: u64) -> (u64, u64) {
        (nodes.min(self.left()), self.most.1.saturating_sub(self.bytes - own))
    }
}
