//! A first turn for every part, and then turns for what is left, several parts at once.
//!
//! ```text
//!   parts --blocks--> batch --hands, in any order--> what came of each --in order--> one verdict
//! ```
//!
//! What a batch is, and what each of its searches may spend, is settled before it begins, and what
//! came of it is looked at in the order of the parts. So the verdict, the order and every figure
//! are the same for any number of hands:
//!
//! - **steps**: a batch holds only as many searches as the steps that are left are enough for,
//!   whatever each needs; one for which they are not has a batch of its own, and the rest of them;
//! - **bytes**: each has its share of what is free. One that has used it up waits until the batch
//!   is over, and then goes on by itself, in its place, with all that is free;
//! - **the first part without an order** ends it all; of those behind it nothing is asked, not even
//!   what they have spent.

use std::sync::{Mutex, PoisonError};

use super::super::model::{History, Model};
use super::depth::Depth;
use super::hands::Hands;
use super::hunt::{Hunt, Purse, Turn, steps};
use super::split::Piece;
use super::zones::{self, Zones};
use super::{Limit, Options, Reached, Stuck};

/// So many parts are a block, whose first turns one hand takes, unless they have so many operations
/// before: handing over costs something, and most parts are small.
const BLOCK: (usize, usize) = (16, 1 << 12);

/// So many blocks of first turns, or later turns, are a batch: more only wait for each other.
const BATCH: (usize, usize) = (128, 32);

/// A history, and how it is searched.
pub struct Search<'a, M: Model> {
    pub model: &'a M,
    pub ops: &'a History<M>,
    pub options: &'a Options,
    pub hands: Hands,
    /// Searches that lend their memory from one part to the next, whichever it is.
    pub spares: &'a Spares<M>,
}

/// Searches that are over.
pub type Spares<M> = Mutex<Vec<Box<Depth<M>>>>;

/// What all parts have come to so far.
pub struct Parts<M: Model> {
    /// Orders of parts.
    pub orders: Vec<Vec<u32>>,
    /// Parts that are not decided.
    hunts: Vec<Hunt<M>>,
    purse: Purse,
}

/// Why there is no order of all.
pub enum End {
    /// A part has none.
    Illegal(Stuck),
    /// Of a part zones found these few to have none.
    Zoned(Vec<u32>, Vec<u32>),
    /// A budget ran out.
    Unknown(Reached),
}

/// What came of a part's first turn.
enum Came<M: Model> {
    Legal(Vec<u32>),
    Ended(End),
    Open(Box<Hunt<M>>),
}

/// Parts whose first turns are taken one after the other.
struct Block<M: Model> {
    pieces: Vec<Piece>,
    purse: Purse,
    came: Vec<Came<M>>,
}

/// A later turn.
struct Later<M: Model> {
    hunt: Hunt<M>,
    purse: Purse,
    turn: Option<Turn>,
}

impl<M: Model> Search<'_, M> {
    /// A first turn for every part.
    pub fn first(&self, pieces: Vec<Piece>) -> Result<Parts<M>, End> {
        let purse = Purse::of(self.options);
        let mut parts = Parts { orders: Vec::new(), hunts: Vec::new(), purse };
        let mut pieces = pieces.into_iter().peekable();
        while pieces.peek().is_some() {
            let mut blocks = self.blocks(&mut pieces, &parts.purse);
            let many = blocks.len();
            blocks.iter_mut().for_each(|block| block.purse = parts.purse.share(many, 0));
            let seen = self.hands.each(&mut blocks, |block| self.take(block));
            blocks.truncate(seen);
            blocks.iter().for_each(|block| parts.purse.take_back(&block.purse, many, 0));
            for came in blocks.into_iter().flat_map(|block| block.came) {
                match came {
                    Came::Legal(order) => parts.orders.push(order),
                    Came::Ended(end) => return Err(end),
                    Came::Open(hunt) => self.settle(*hunt, &mut parts)?,
                }
            }
        }
        Ok(parts)
    }

    /// The next parts, for as long as the steps that are left are enough for all of them.
    fn blocks(
        &self,
        pieces: &mut std::iter::Peekable<std::vec::IntoIter<Piece>>,
        purse: &Purse,
    ) -> Vec<Block<M>> {
        let mut blocks = Vec::new();
        let mut left = purse.left();
        while blocks.len() < BATCH.0 {
            let (mut block, mut ops) = (Vec::new(), 0);
            while block.len() < BLOCK.0 && ops < BLOCK.1 {
                let Some(next) = pieces.peek() else { break };
                let most = steps(self.options, next.ids.len(), 0);
                let alone = blocks.is_empty() && block.is_empty();
                if most > left && !alone {
                    break;
                }
                left = left.saturating_sub(most);
                ops += next.ids.len();
                block.extend(pieces.next());
            }
            if block.is_empty() {
                break;
            }
            let (purse, came) = (Purse::default(), Vec::with_capacity(block.len()));
            blocks.push(Block { pieces: block, purse, came });
        }
        blocks
    }

    /// Takes the first turns of a block's parts; whether one ended it all.
    fn take(&self, block: &mut Block<M>) -> bool {
        let spares = || self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spare = spares().pop();
        for piece in std::mem::take(&mut block.pieces) {
            let came = self.begin(piece, &mut block.purse, &mut spare);
            let ended = matches!(came, Came::Ended(_));
            block.came.push(came);
            if ended {
                break;
            }
        }
        spares().extend(spare);
        matches!(block.came.last(), Some(Came::Ended(_)))
    }

    fn begin(
        &self,
        Piece { ids, guests }: Piece,
        purse: &mut Purse,
        spare: &mut Option<Box<Depth<M>>>,
    ) -> Came<M> {
        let Search { model, ops, options, .. } = *self;
        if options.zones && !options.in_order {
            match zones::decide(model, ops, &ids) {
                Zones::Legal(order) => return Came::Legal(order),
                Zones::Illegal(few) => return Came::Ended(End::Zoned(few, ids)),
                Zones::Unfit => {}
            }
        }
        let mut hunt = Hunt::new(model, ops, (ids, guests), options, spare.take());
        match hunt.turn(model, ops, options, 0, purse) {
            Turn::Legal(order) => {
                *spare = hunt.depth;
                Came::Legal(order)
            }
            Turn::Illegal(stuck) => {
                *spare = hunt.depth;
                Came::Ended(End::Illegal(stuck))
            }
            Turn::Open => Came::Open(Box::new(hunt)),
        }
    }

    /// A part that is not decided waits for its next turn, when it has had all of this one.
    fn settle(&self, mut hunt: Hunt<M>, parts: &mut Parts<M>) -> Result<(), End> {
        if hunt.is_waiting() {
            match hunt.go_on(self.model, self.ops, self.options, &mut parts.purse) {
                Turn::Legal(order) => {
                    parts.orders.push(order);
                    parts.purse.bytes -= hunt.bytes();
                    return Ok(());
                }
                Turn::Illegal(stuck) => return Err(End::Illegal(stuck)),
                Turn::Open => {}
            }
        }
        parts.hunts.push(hunt);
        Ok(())
    }

    /// Turns for what is left, each twice as long as the one before, until all is decided, one part
    /// has no order, or a budget runs out.
    pub fn rounds(&self, mut parts: Parts<M>) -> Result<Vec<Vec<u32>>, End> {
        let mut round = 1;
        while !parts.hunts.is_empty() {
            let moved = self.round(round, &mut parts)?;
            if parts.hunts.is_empty() {
                break;
            }
            if !moved || parts.purse.left() == 0 {
                let hunts = &parts.hunts;
                return Err(End::Unknown(Reached {
                    placed: hunts.iter().map(Hunt::explained).sum(),
                    of: hunts.iter().map(|hunt| hunt.part.answered).sum(),
                    nodes: parts.purse.nodes,
                    limit: hunts.iter().find_map(|hunt| hunt.limit).unwrap_or(Limit::Nodes),
                }));
            }
            round += 1;
        }
        Ok(parts.orders)
    }

    /// A turn for each that has not given up; whether one got on.
    fn round(&self, round: u32, parts: &mut Parts<M>) -> Result<bool, End> {
        let mut moved = false;
        let mut hunts = std::mem::take(&mut parts.hunts).into_iter().peekable();
        while hunts.peek().is_some() {
            let mut batch: Vec<Later<M>> = Vec::new();
            let mut left = parts.purse.left();
            while batch.len() < BATCH.1 {
                let Some(next) = hunts.peek() else { break };
                let most = next.most(self.options, round);
                if most > left && !batch.is_empty() {
                    break;
                }
                left = left.saturating_sub(most);
                let next = |hunt| Later { hunt, purse: Purse::default(), turn: None };
                batch.extend(hunts.next().map(next));
            }
            let many = batch.len();
            for later in &mut batch {
                later.purse = parts.purse.share(many, later.hunt.bytes());
            }
            let own: Vec<u64> = batch.iter().map(|later| later.hunt.bytes()).collect();
            let seen = self.hands.each(&mut batch, |later| self.later(round, later));
            batch.truncate(seen);
            for (later, own) in batch.iter().zip(own) {
                parts.purse.take_back(&later.purse, many, own);
            }
            for Later { hunt, turn, .. } in batch {
                let (orders, waits) = (parts.orders.len(), parts.hunts.len());
                match turn {
                    Some(Turn::Legal(order)) => {
                        parts.orders.push(order);
                        parts.purse.bytes -= hunt.bytes();
                    }
                    Some(Turn::Illegal(stuck)) => return Err(End::Illegal(stuck)),
                    // Without a turn it had given up before.
                    Some(Turn::Open) | None => self.settle(hunt, parts)?,
                }
                moved |= orders < parts.orders.len();
                moved |= parts.hunts[waits..].iter().any(|hunt| !hunt.gave_up());
            }
        }
        Ok(moved)
    }

    /// Takes a later turn; whether it ended it all.
    fn later(&self, round: u32, later: &mut Later<M>) -> bool {
        let Search { model, ops, options, .. } = *self;
        if later.hunt.gave_up() {
            return false;
        }
        let turn = later.hunt.turn(model, ops, options, round, &mut later.purse);
        let ended = matches!(turn, Turn::Illegal(_));
        later.turn = Some(turn);
        ended
    }
}
