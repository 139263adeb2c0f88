//! The search depth first, in the style of Wing, Gong and Lowe.
//!
//! Operations are taken out of the line of calls and returns as they are placed. What may come next
//! is every call before the first return that is left. One state is changed and changed back.

mod need;

use std::collections::BTreeMap;

use super::super::model::{History, Model, mix};
use super::part::{ANSWERED, Part};
use super::table::Table;
use super::{Limit, Options};

/// The hash of what is placed has a tag that no state's has by chance: with a small one, an
/// operation placed and a part of a state could cancel each other out, and two configurations look
/// alike.
const PLACED: u64 = 0xC3A5_C85C_97CB_3127;

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All answered operations are placed.
    Legal,
    /// They cannot be.
    Illegal,
    /// It did not end.
    Out(Limit),
}

/// One operation placed.
struct Frame<U> {
    op: u32,
    undo: U,
    /// Where the choices begin that were there before it, and the next of them to try;
    /// [`u32::MAX`] if there was no choice.
    from: u32,
    next: u32,
    /// The latest effective operation of its process placed before it, plus one.
    latest: u32,
}

/// The search, which can be interrupted.
pub struct Depth<M: Model> {
    state: M::State,
    /// The hash of what is placed.
    set: u128,
    /// Answered operations that are not placed.
    left: usize,
    /// The line: what follows each event, and what precedes it. The last place is its end.
    next: Vec<u32>,
    prev: Vec<u32>,
    placed: Vec<bool>,
    /// How many of each class of lost operations are placed.
    used: Vec<u32>,
    /// Per process the turn of the latest effective operation placed, plus one; 0 if none. A lost
    /// one cannot overtake it. Only with `in_order`.
    latest: Vec<u32>,
    frames: Vec<Frame<M::Undo>>,
    choices: Vec<u32>,
    /// What is answered and may come next by time, pure or not; and lost operations placed after
    /// all that is answered which nothing has followed yet that they matter to.
    open: Vec<u32>,
    waiting: Vec<u32>,
    seen: Table,
    /// With `exact`: what was tried, by hash.
    exact: BTreeMap<u128, Vec<Place<M>>>,
    exact_bytes: usize,
    /// Where the choices of the present configuration begin; `None` if they are not gathered.
    at: Option<(u32, u32)>,
    best_left: usize,
    best: Vec<u32>,
    /// So many of `best` stand in `frames`, too, in the same places: a long history has a longest
    /// order at every turn, and each is mostly the one before.
    best_shared: usize,
    best_next: Vec<u32>,
    /// Steps tried.
    pub nodes: u64,
}

/// What is placed, what of it waits, and the state.
type Place<M> = (Vec<bool>, u128, <M as Model>::State);

/// No choice was made.
const FORCED: u32 = u32::MAX;

impl<M: Model> Depth<M> {
    /// At the start of a part.
    pub fn new(model: &M, part: &Part) -> Depth<M> {
        let mut depth = Depth {
            state: model.start(),
            set: 0,
            left: 0,
            next: Vec::new(),
            prev: Vec::new(),
            placed: Vec::new(),
            used: Vec::new(),
            latest: Vec::new(),
            frames: Vec::new(),
            choices: Vec::new(),
            open: Vec::new(),
            waiting: Vec::new(),
            seen: Table::default(),
            exact: BTreeMap::new(),
            exact_bytes: 0,
            at: None,
            best_left: 0,
            best: Vec::new(),
            best_shared: 0,
            best_next: Vec::new(),
            nodes: 0,
        };
        depth.reset(model, part);
        depth
    }

    /// Begins again, with another part.
    pub fn reset(&mut self, model: &M, part: &Part) {
        let end = part.events.len() as u32;
        self.state = model.start();
        self.set = 0;
        self.left = part.answered;
        self.next.clear();
        self.next.extend((1..=end).chain([0]));
        self.prev.clear();
        self.prev.extend([end].into_iter().chain(0..end));
        self.placed.clear();
        self.placed.resize(part.ids.len(), false);
        self.used.clear();
        self.used.resize(part.lost.len(), 0);
        self.latest.clear();
        self.latest.resize(part.processes, 0);
        self.frames.clear();
        self.choices.clear();
        self.seen.clear();
        self.exact.clear();
        self.exact_bytes = 0;
        self.at = None;
        self.best_left = part.answered + 1;
        self.best.clear();
        self.best_shared = 0;
        self.best_next.clear();
        self.nodes = 0;
    }

    /// The order found, as positions in the history.
    pub fn order(&self, part: &Part) -> Vec<u32> {
        self.frames.iter().map(|frame| part.ids[frame.op as usize]).collect()
    }

    /// The longest order that led nowhere.
    pub fn best(&self, part: &Part) -> Vec<usize> {
        self.best.iter().map(|op| part.ids[*op as usize] as usize).collect()
    }

    /// What could have come next there by time.
    pub fn best_next(&self, part: &Part) -> Vec<usize> {
        self.best_next.iter().map(|op| part.ids[*op as usize] as usize).collect()
    }

    /// How many answered operations the longest order explains.
    pub fn best_placed(&self, part: &Part) -> usize {
        part.answered - self.best_left.min(self.left).min(part.answered)
    }

    /// Goes on for so many steps.
    pub fn run(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        options: &Options,
        (nodes, bytes): (u64, u64),
    ) -> End {
        let until = self.nodes.saturating_add(nodes);
        loop {
            let (from, mut next) = match self.at {
                Some(at) => at,
                None => {
                    let before = self.frames.len();
                    self.gather(model, ops, part);
                    if self.left == 0 {
                        return End::Legal;
                    }
                    let from = self.gather_choices(part, options);
                    if part.knows_needs() {
                        self.keep_needed(part, before, from as usize);
                    }
                    (from, from)
                }
            };
            let mut moved = false;
            while (next as usize) < self.choices.len() {
                if self.nodes >= until {
                    self.at = Some((from, next));
                    return End::Out(Limit::Nodes);
                }
                let op = self.choices[next as usize];
                next += 1;
                if self.choose(model, ops, part, options, op, (from, next)) {
                    moved = true;
                    break;
                }
            }
            if moved {
                self.at = None;
                if self.bytes() as u64 > bytes {
                    return End::Out(Limit::Bytes);
                }
                continue;
            }
            if self.left < self.best_left {
                self.remember(from);
            }
            self.choices.truncate(from as usize);
            if !self.back(model, ops, part) {
                return End::Illegal;
            }
        }
    }

    /// Bytes held, about: those that it needs, whoever held its memory before.
    pub fn bytes(&self) -> usize {
        let plan = (self.next.len() + self.prev.len() + self.choices.len()) * 4;
        let frames = self.placed.len() * size_of::<Frame<M::Undo>>();
        self.seen.bytes() + self.exact_bytes + plan + frames
    }

    /// Places every pure operation that may come now and is right.
    fn gather(&mut self, model: &M, ops: &History<M>, part: &Part) {
        let end = part.events.len() as u32;
        // Of one process the later may have been called first: it is looked at again then.
        let (mut event, mut passed) = (self.next[end as usize], false);
        while event != end {
            let (op, is_return) =
                (part.events[event as usize] / 2, part.events[event as usize] % 2);
            if is_return == 1 {
                return;
            }
            let in_turn = self.in_turn(part, op);
            passed |= part.pure[op as usize] && !in_turn;
            if part.pure[op as usize] && in_turn {
                let timed = &ops[part.ids[op as usize] as usize];
                self.nodes += 1;
                if let Some(undo) = model.step(&mut self.state, &timed.op, timed.answer.as_ref()) {
                    self.place(part, op, undo, (FORCED, FORCED));
                    if passed {
                        (event, passed) = (end, false);
                    }
                }
            }
            // Of what was placed this still tells what follows it.
            event = self.next[event as usize];
        }
    }

    /// Lists what may come next: answered operations as the model hints, or else what must return
    /// first, as an order that is there is found much sooner so than by call; then lost ones.
    fn gather_choices(&mut self, part: &Part, options: &Options) -> u32 {
        let from = self.choices.len();
        let end = part.events.len() as u32;
        let mut event = self.next[end as usize];
        self.open.clear();
        while event != end {
            let (op, is_return) =
                (part.events[event as usize] / 2, part.events[event as usize] % 2);
            if is_return == 1 {
                break;
            }
            if self.in_turn(part, op) {
                self.open.push(op);
                if !part.pure[op as usize] {
                    self.push_choice(part, op, from);
                }
            }
            event = self.next[event as usize];
        }
        if options.hints {
            let rank = |op: &u32| part.ranks.get(*op as usize).copied();
            let ret = |op: &u32| part.places[*op as usize][1];
            self.choices[from..].sort_by_key(|op| (rank(op), ret(op)));
        }
        for (class, used) in part.lost.iter().zip(&self.used) {
            if let Some((op, before)) = class.get(*used as usize)
                && *before <= event
                && self.in_turn(part, *op)
            {
                self.choices.push(*op);
            }
        }
        from as u32
    }

    /// Of equal operations only the one that must return first is a choice.
    #[inline]
    fn push_choice(&mut self, part: &Part, op: u32, from: usize) {
        if let Some(class) = part.equal.get(op as usize) {
            let is_rival = |other: &&mut u32| part.equal[**other as usize] == *class;
            if let Some(rival) = self.choices[from..].iter_mut().find(is_rival) {
                if part.places[op as usize][1] < part.places[*rival as usize][1] {
                    *rival = op;
                }
                return;
            }
        }
        self.choices.push(op);
    }

    /// Whether the order within its process lets it come now.
    #[inline]
    fn in_turn(&self, part: &Part, op: u32) -> bool {
        match part.before.get(op as usize) {
            None => true,
            Some(before) => {
                let overtaken = self.latest[before.process as usize] > before.turn
                    && part.class[op as usize] != ANSWERED;
                !overtaken && before.after.is_none_or(|after| self.placed[after as usize])
            }
        }
    }

    /// Places this operation if it is right here and leads where the search has not been.
    fn choose(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        options: &Options,
        op: u32,
        (from, next): (u32, u32),
    ) -> bool {
        self.nodes += 1;
        let timed = &ops[part.ids[op as usize] as usize];
        let lost = timed.answer.is_none();
        let watched = lost && options.symmetry;
        let was = if watched { Some(model.hash(&self.state)) } else { None };
        let copy = (watched && options.exact).then(|| self.state.clone());
        let Some(undo) = model.step(&mut self.state, &timed.op, timed.answer.as_ref()) else {
            return false;
        };
        let hash = model.hash(&self.state);
        let waiting = self.waiting_hash(part, op);
        let set = self.set ^ mix(PLACED, u64::from(op)) ^ waiting;
        let idle = was == Some(hash) && copy.is_none_or(|copy| copy == self.state);
        let known = !idle
            && if options.exact {
                self.is_known(model, op, (set ^ hash, waiting))
            } else {
                !self.seen.insert(set ^ hash)
            };
        if idle || known {
            model.back(&mut self.state, &timed.op, undo);
            return false;
        }
        self.place(part, op, undo, (from, next));
        true
    }

    /// Whether the present state with what is placed and this operation was there before.
    #[cold]
    fn is_known(&mut self, model: &M, op: u32, (hash, waiting): (u128, u128)) -> bool {
        let mut placed = self.placed.clone();
        placed[op as usize] = true;
        let same = self.exact.entry(hash).or_default();
        let known = |(other, also, state): &Place<M>| {
            *other == placed && *also == waiting && *state == self.state
        };
        if same.iter().any(known) {
            return true;
        }
        self.exact_bytes += placed.len() + model.weight(&self.state) + 96;
        same.push((placed, waiting, self.state.clone()));
        false
    }

    /// An operation is placed: an answered one leaves the line.
    #[inline]
    fn place(&mut self, part: &Part, op: u32, undo: M::Undo, (from, next): (u32, u32)) {
        let mut latest = 0;
        if let Some(before) = part.before.get(op as usize) {
            let process = &mut self.latest[before.process as usize];
            latest = *process;
            if !before.pure {
                *process = latest.max(before.turn + 1);
            }
        }
        self.frames.push(Frame { op, undo, from, next, latest });
        self.set ^= mix(PLACED, u64::from(op));
        self.placed[op as usize] = true;
        let class = part.class[op as usize];
        if class != ANSWERED {
            self.used[class as usize] += 1;
            return;
        }
        self.left -= 1;
        // The return first, so that the call still tells what follows it.
        for event in part.places[op as usize].into_iter().rev() {
            let (prev, next) = (self.prev[event as usize], self.next[event as usize]);
            self.next[prev as usize] = next;
            self.prev[next as usize] = prev;
        }
    }

    /// Puts the operations back that were placed last, up to one that was chosen. Whether there was
    /// one.
    fn back(&mut self, model: &M, ops: &History<M>, part: &Part) -> bool {
        while let Some(Frame { op, undo, from, next, latest }) = self.frames.pop() {
            self.best_shared = self.best_shared.min(self.frames.len());
            model.back(&mut self.state, &ops[part.ids[op as usize] as usize].op, undo);
            self.set ^= mix(PLACED, u64::from(op));
            self.placed[op as usize] = false;
            if let Some(before) = part.before.get(op as usize) {
                self.latest[before.process as usize] = latest;
            }
            let class = part.class[op as usize];
            if class != ANSWERED {
                self.used[class as usize] -= 1;
            } else {
                self.left += 1;
                for event in part.places[op as usize] {
                    let (prev, next) = (self.prev[event as usize], self.next[event as usize]);
                    self.next[prev as usize] = event;
                    self.prev[next as usize] = event;
                }
            }
            if next != FORCED {
                self.at = Some((from, next));
                return true;
            }
        }
        false
    }

    /// The longest order yet that leads nowhere.
    fn remember(&mut self, from: u32) {
        self.best_left = self.left;
        self.best.truncate(self.best_shared);
        self.best.extend(self.frames[self.best_shared..].iter().map(|frame| frame.op));
        self.best_shared = self.frames.len();
        self.best_next.clear();
        self.best_next.extend(&self.choices[from as usize..]);
    }
}
