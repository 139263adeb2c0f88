//! The search breadth first, just in time.
//!
//! It goes from event to event and keeps every configuration that explains all returns so far: the
//! open operations that are placed, the lost ones used, and the state. Only when an operation must
//! return are others placed, in every order that lets it. What others make superfluous is dropped
//! (see [`super::antichain`]); at a quiet moment little is left.

use super::super::model::{History, Model};
use super::antichain::{Antichain, Config};
use super::depth::End;
use super::part::{ANSWERED, Part};
use super::states::{REFUSED, States};
use super::{Limit, Options};

/// A configuration tells so many open operations, and so many lost ones, apart.
const WIDTH: usize = 128;

/// What may be placed next, whatever the configuration.
#[derive(Clone, Copy)]
struct Candidate {
    op: u32,
    slot: u32,
    /// The first candidate that is equal: only one of them is tried.
    group: u32,
}

/// The search, which can be interrupted.
pub struct Breadth<M: Model> {
    states: States<M>,
    frontier: Vec<Config>,
    /// The frontier behind the present return, as far as it is known.
    ahead: Vec<Config>,
    /// What is to be extended so that the present return can come, by lost operations used.
    todo: Vec<Vec<Config>>,
    seen: Antichain,
    reached: Antichain,
    /// The next event, and whether its extension has begun.
    event: usize,
    begun: bool,
    /// Slot of each operation while it is open; which are open, and which of these are pure.
    slots: Vec<u8>,
    open: u128,
    open_pure: u128,
    /// Pure operations called so far, with their slots; none before `oldest` is open.
    pure_calls: Vec<(u32, u32)>,
    oldest: usize,
    candidates: Vec<Candidate>,
    /// Lost operations by bit, with the number of events before their calls; the bits of each class
    /// by call; and those called so far.
    lost: Vec<(u32, u32)>,
    classes: Vec<u128>,
    called: u128,
    /// How configurations came about: the one before, and the operation.
    paths: Vec<(u32, u32)>,
    /// At so many paths those that lead nowhere are dropped.
    sweep_at: usize,
    /// There is more open or lost than configurations can tell apart.
    unfit: bool,
    checks: u32,
    /// Steps tried.
    pub nodes: u64,
}

/// Before any operation.
const ROOT: u32 = u32::MAX;

/// The fewest paths worth sweeping.
const SWEEP: usize = 1 << 16;

impl<M: Model> Breadth<M> {
    /// At the start of a part.
    pub fn new(model: &M, part: &Part) -> Breadth<M> {
        let mut states = States::new();
        states.reset(model);
        let mut breadth = Breadth {
            states,
            frontier: vec![Config { mask: 0, used: 0, state: 0, path: ROOT }],
            ahead: Vec::new(),
            todo: Vec::new(),
            seen: Antichain::default(),
            reached: Antichain::default(),
            event: 0,
            begun: false,
            slots: Vec::new(),
            open: 0,
            open_pure: 0,
            pure_calls: Vec::new(),
            oldest: 0,
            checks: 0,
            candidates: Vec::new(),
            lost: part.lost.iter().flatten().copied().collect(),
            classes: Vec::new(),
            called: 0,
            paths: Vec::new(),
            sweep_at: SWEEP,
            unfit: part.in_order || part.lost.iter().flatten().count() > WIDTH,
            nodes: 0,
        };
        breadth.unfit |= !breadth.give_slots(part);
        if !breadth.unfit {
            breadth.todo = (0..=breadth.lost.len()).map(|_| Vec::new()).collect();
            let mut bit = 0;
            for class in &part.lost {
                let bits = if class.len() == WIDTH { u128::MAX } else { (1 << class.len()) - 1 };
                breadth.classes.push(bits << bit);
                bit += class.len();
            }
        }
        breadth
    }

    /// Gives each answered operation a slot for as long as it is open. Whether there are enough.
    fn give_slots(&mut self, part: &Part) -> bool {
        self.slots = vec![0; part.ids.len()];
        let mut open = 0u128;
        for event in &part.events {
            let (op, is_return) = ((event / 2) as usize, event % 2 == 1);
            if is_return {
                open &= !(1 << self.slots[op]);
                continue;
            }
            let slot = open.trailing_ones();
            if slot as usize == WIDTH {
                return false;
            }
            open |= 1 << slot;
            self.slots[op] = slot as u8;
        }
        true
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        let configs = self.frontier.capacity() + self.ahead.capacity();
        let todo: usize = self.todo.iter().map(Vec::capacity).sum();
        (configs + todo) * size_of::<Config>()
            + self.paths.capacity() * 8
            + self.seen.bytes()
            + self.reached.bytes()
            + self.states.bytes()
    }

    /// Goes on for so many steps, within so many bytes.
    pub fn run(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        options: &Options,
        (nodes, bytes): (u64, u64),
    ) -> End {
        if self.unfit {
            return End::Out(Limit::Width);
        }
        let until = self.nodes.saturating_add(nodes);
        while let Some(event) = part.events.get(self.event) {
            let (op, is_return) = (event / 2, event % 2 == 1);
            let bit = 1u128 << self.slots[op as usize];
            if !is_return {
                self.open |= bit;
                if part.pure[op as usize] {
                    self.open_pure |= bit;
                    self.pure_calls.push((op, bit.trailing_zeros()));
                }
                self.event += 1;
                continue;
            }
            if !self.begun {
                self.begin(model, ops, part, options, op);
            }
            if let Some(limit) = self.extend(model, ops, part, options, bit, (until, bytes)) {
                return End::Out(limit);
            }
            if self.ahead.is_empty() {
                return End::Illegal;
            }
            std::mem::swap(&mut self.frontier, &mut self.ahead);
            self.begun = false;
            self.open &= !bit;
            self.open_pure &= !bit;
            self.event += 1;
            if self.paths.len() > self.sweep_at {
                self.sweep();
            }
        }
        End::Legal
    }

    /// An operation must return now: what every configuration has to go on from.
    fn begin(&mut self, model: &M, ops: &History<M>, part: &Part, options: &Options, op: u32) {
        self.begun = true;
        self.seen.clear();
        self.reached.clear();
        self.ahead.clear();
        self.list_candidates(part);
        let bit = 1u128 << self.slots[op as usize];
        let frontier = std::mem::take(&mut self.frontier);
        for config in &frontier {
            self.nodes += 1;
            self.reach(model, ops, part, options, *config, bit);
        }
        self.frontier = frontier;
    }

    /// The open operations that are not pure, by return, and the lost ones called so far.
    fn list_candidates(&mut self, part: &Part) {
        self.candidates.clear();
        let now = self.event as u32;
        for (bit, (_, before)) in self.lost.iter().enumerate() {
            self.called |= u128::from(*before <= now) << bit;
        }
        while self
            .pure_calls
            .get(self.oldest)
            .is_some_and(|(op, _)| part.places[*op as usize][1] < now)
        {
            self.oldest += 1;
        }
        let many = (self.open & !self.open_pure).count_ones() as usize;
        for event in &part.events[self.event..] {
            if self.candidates.len() == many {
                break;
            }
            let (op, is_return) = (event / 2, event % 2 == 1);
            let slot = u32::from(self.slots[op as usize]);
            let is_open = part.places[op as usize][0] < now;
            if !is_return || !is_open || part.pure[op as usize] {
                continue;
            }
            let class = |op: u32| part.equal.get(op as usize).copied();
            let equal = |other: &Candidate| class(op).is_some() && class(other.op) == class(op);
            let group = self.candidates.iter().position(equal).unwrap_or(self.candidates.len());
            self.candidates.push(Candidate { op, slot, group: group as u32 });
        }
    }

    /// A configuration was reached: if the operation that must return is placed, it belongs to the
    /// frontier behind the return; else it is to be extended.
    fn reach(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        options: &Options,
        mut config: Config,
        bit: u128,
    ) {
        let calls = (self.pure_calls.as_slice(), self.oldest, self.open_pure);
        let right = self.states.right(model, ops, part, config.state, calls);
        let mut new = right & !config.mask;
        config.mask |= new;
        if config.mask & bit != 0 {
            let without = Config { mask: config.mask & !bit, ..config };
            if !self.reached.insert(without, self.open_pure, options.dominance) {
                return;
            }
        } else if !self.seen.insert(config, self.open_pure, options.dominance) {
            return;
        }
        while new != 0 {
            let slot = new.trailing_zeros();
            new &= new - 1;
            let called = self.pure_calls.iter().rev().find(|(_, other)| *other == slot);
            let (op, _) = called.expect("what is open was called");
            self.paths.push((config.path, *op));
            config.path = self.paths.len() as u32 - 1;
        }
        if config.mask & bit != 0 {
            self.ahead.push(Config { mask: config.mask & !bit, ..config });
        } else {
            self.todo[config.used.count_ones() as usize].push(config);
        }
    }

    /// Places more in what is to be extended, until nothing is left of it.
    fn extend(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        options: &Options,
        bit: u128,
        (until, bytes): (u64, u64),
    ) -> Option<Limit> {
        for level in 0..self.todo.len() {
            while let Some(config) = self.todo[level].pop() {
                self.checks = self.checks.wrapping_add(1);
                let full = self.checks.is_multiple_of(1024) && self.bytes() as u64 > bytes;
                if full || self.nodes >= until {
                    self.todo[level].push(config);
                    return Some(if full { Limit::Bytes } else { Limit::Nodes });
                }
                let mut tried = 0u128;
                for at in 0..self.candidates.len() {
                    let Candidate { op, slot, group } = self.candidates[at];
                    if config.mask & (1 << slot) == 0 && tried & (1 << group) == 0 {
                        tried |= 1 << group;
                        let mask = config.mask | (1 << slot);
                        self.step(model, ops, part, options, Config { mask, ..config }, (op, bit));
                    }
                }
                for class in 0..self.classes.len() {
                    let free = self.classes[class] & self.called & !config.used;
                    if free != 0 {
                        let lost = free.trailing_zeros();
                        let used = config.used | (1 << lost);
                        let op = self.lost[lost as usize].0;
                        self.step(model, ops, part, options, Config { used, ..config }, (op, bit));
                    }
                }
            }
        }
        None
    }

    /// One operation more, already entered in the configuration.
    fn step(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        options: &Options,
        config: Config,
        (op, bit): (u32, u128),
    ) {
        self.nodes += 1;
        let (to, _) = self.states.lead(model, ops, part, config.state, op, options.exact);
        let idle = to == config.state && options.symmetry && part.class[op as usize] != ANSWERED;
        if to == REFUSED || idle {
            return;
        }
        let before = self.paths.len();
        self.paths.push((config.path, op));
        let config = Config { state: to, path: before as u32, ..config };
        let (ahead, todo) = (self.ahead.len(), self.todo[config.used.count_ones() as usize].len());
        self.reach(model, ops, part, options, config, bit);
        let now = self.todo[config.used.count_ones() as usize].len();
        if (ahead, todo) == (self.ahead.len(), now) {
            self.paths.truncate(before);
        }
    }

    /// Drops the paths and states that no configuration needs.
    fn sweep(&mut self) {
        let mut wanted = vec![false; self.states.len()];
        let mut live = vec![false; self.paths.len()];
        for config in &self.frontier {
            wanted[config.state as usize] = true;
            let mut at = config.path;
            while at != ROOT && !live[at as usize] {
                live[at as usize] = true;
                at = self.paths[at as usize].0;
            }
        }
        let numbers = self.states.keep(&wanted);
        let mut moved = vec![ROOT; self.paths.len()];
        let mut kept = 0;
        for at in 0..self.paths.len() {
            if live[at] {
                let (before, op) = self.paths[at];
                let before = if before == ROOT { ROOT } else { moved[before as usize] };
                self.paths[kept] = (before, op);
                moved[at] = kept as u32;
                kept += 1;
            }
        }
        self.paths.truncate(kept);
        for config in &mut self.frontier {
            config.state = numbers[config.state as usize];
            if config.path != ROOT {
                config.path = moved[config.path as usize];
            }
        }
        self.sweep_at = SWEEP.max(2 * kept);
    }

    /// The operations placed on the way to a configuration.
    fn path(&self, config: &Config) -> Vec<u32> {
        let mut path = Vec::new();
        let mut at = config.path;
        while at != ROOT {
            path.push(self.paths[at as usize].1);
            at = self.paths[at as usize].0;
        }
        path.reverse();
        path
    }

    /// The order found, as positions in the history.
    pub fn order(&self, part: &Part) -> Vec<u32> {
        let path = self.frontier.first().map(|config| self.path(config)).unwrap_or_default();
        path.into_iter().map(|op| part.ids[op as usize]).collect()
    }

    /// An order that leads nowhere, and what time lets come next there, none of which can: the
    /// longest of those that were there before the return that cannot come, and then whatever fits.
    pub fn stuck(&mut self, model: &M, ops: &History<M>, part: &Part) -> (Vec<usize>, Vec<usize>) {
        let longest = self.frontier.iter().rev().max_by_key(|config| config.mask.count_ones());
        let mut placed = longest.map(|config| self.path(config)).unwrap_or_default();
        let timed = |op: u32| &ops[part.ids[op as usize] as usize];
        let mut state = model.start();
        let mut fits =
            |op: &u32| model.step(&mut state, &timed(*op).op, timed(*op).answer.as_ref()).is_some();
        // All of it, unless the model calls something pure that is not.
        let right = placed.iter().take_while(|op| fits(op)).count();
        placed.truncate(right);
        let called = |op: u32| match part.class[op as usize] {
            ANSWERED => part.places[op as usize][0] < self.event as u32,
            class => {
                let before = part.lost[class as usize].iter().find(|(other, _)| *other == op);
                before.is_some_and(|(_, before)| *before <= self.event as u32)
            }
        };
        loop {
            let open = (0..part.ids.len() as u32).filter(|op| called(*op) && !placed.contains(op));
            let open: Vec<u32> = open.collect();
            let fits = open.iter().find(|op| {
                let was = model.hash(&state);
                let (op, answer) = (&timed(**op).op, timed(**op).answer.as_ref());
                let Some(undo) = model.step(&mut state, op, answer) else { return false };
                let idle = answer.is_none() && model.hash(&state) == was;
                if idle {
                    model.back(&mut state, op, undo);
                }
                !idle
            });
            let Some(fits) = fits else {
                let global = |ops: Vec<u32>| -> Vec<usize> {
                    ops.into_iter().map(|op| part.ids[op as usize] as usize).collect()
                };
                return (global(placed), global(open));
            };
            placed.push(*fits);
        }
    }

    /// How many answered operations are explained for sure.
    pub fn explained(&self, part: &Part) -> usize {
        part.events[..self.event.min(part.events.len())].iter().filter(|e| *e % 2 == 1).count()
    }
}
