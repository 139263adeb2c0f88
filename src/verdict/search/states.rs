//! The states of a search breadth first: each kept once, with what was learnt about it.

use super::super::model::{History, Model};
use super::part::Part;

/// One state.
struct Known<S> {
    state: S,
    hash: u128,
    /// The open pure operations that are right here, as slots; valid up to the call of this number.
    right: u128,
    calls: u32,
    /// Where operations lead: [`REFUSED`], or a state.
    leads: Vec<(u32, u32)>,
    weight: usize,
}

/// In place of a state: the operation cannot happen here.
pub const REFUSED: u32 = u32::MAX;

/// So many ways out of a state are remembered.
const WAYS: usize = 96;

/// All states met, by number.
pub struct States<M: Model> {
    known: Vec<Known<M::State>>,
    /// Numbers plus one, by hash: open addressing over a power of two of places.
    places: Vec<u32>,
    bytes: usize,
}

impl<M: Model> States<M> {
    /// None yet.
    pub fn new() -> States<M> {
        States { known: Vec::new(), places: vec![0; 64], bytes: 0 }
    }

    /// Only the start, which is number 0.
    pub fn reset(&mut self, model: &M) {
        self.known.clear();
        self.places.clear();
        self.places.resize(64, 0);
        self.bytes = 0;
        let start = model.start();
        let hash = model.hash(&start);
        if let Err(free) = self.find(hash, None) {
            self.add(model, start, hash, free);
        }
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.bytes + 4 * self.places.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Where this operation leads from a state; [`REFUSED`] if it cannot happen. Whether the model
    /// had to be asked.
    pub fn lead(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        from: u32,
        op: u32,
        exact: bool,
    ) -> (u32, bool) {
        let known = &mut self.known[from as usize];
        if let Some((_, to)) = known.leads.iter().find(|(other, _)| *other == op) {
            return (*to, false);
        }
        let timed = &ops[part.ids[op as usize] as usize];
        let undo = model.step(&mut known.state, &timed.op, timed.answer.as_ref());
        let mut to = REFUSED;
        if let Some(undo) = undo {
            let hash = model.hash(&known.state);
            // The state itself was changed, so that a copy is only made of what is new.
            let copy = exact.then(|| known.state.clone());
            let found = self.find(hash, copy.as_ref());
            let changed = &mut self.known[from as usize].state;
            let copy = copy.or_else(|| found.is_err().then(|| changed.clone()));
            model.back(changed, &timed.op, undo);
            to = match (found, copy) {
                (Err(free), Some(state)) => self.add(model, state, hash, free),
                (Ok(number), _) | (Err(number), None) => number as u32,
            };
        }
        let leads = &mut self.known[from as usize].leads;
        if leads.len() >= WAYS {
            leads.clear();
        }
        leads.push((op, to));
        (to, true)
    }

    /// The slots of open pure operations that are right in this state. `calls` are all pure
    /// operations called so far, with their slots; none before `oldest` is still open; `open` tells
    /// which are.
    pub fn right(
        &mut self,
        model: &M,
        ops: &History<M>,
        part: &Part,
        number: u32,
        (calls, oldest, open): (&[(u32, u32)], usize, u128),
    ) -> u128 {
        let known = &mut self.known[number as usize];
        let new = &calls[oldest.max(known.calls as usize)..];
        for (op, slot) in new {
            let bit = 1u128 << slot;
            known.right &= !bit;
            if open & bit == 0 {
                continue;
            }
            let timed = &ops[part.ids[*op as usize] as usize];
            let undo = model.step(&mut known.state, &timed.op, timed.answer.as_ref());
            if let Some(undo) = undo {
                model.back(&mut known.state, &timed.op, undo);
                known.right |= bit;
            }
        }
        known.calls = calls.len() as u32;
        known.right & open
    }

    /// The number of the state with this hash, which is also equal to `state` if that is given; or
    /// the place where it would be.
    fn find(&self, hash: u128, state: Option<&M::State>) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut at = (hash ^ (hash >> 64)) as usize & mask;
        loop {
            match self.places[at] {
                0 => return Err(at),
                number => {
                    let known = &self.known[number as usize - 1];
                    if known.hash == hash && state.is_none_or(|state| known.state == *state) {
                        return Ok(number as usize - 1);
                    }
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn add(&mut self, model: &M, state: M::State, hash: u128, free: usize) -> u32 {
        let weight = model.weight(&state) + size_of::<Known<M::State>>() + 64;
        self.bytes += weight;
        let (right, calls, leads) = (0, 0, Vec::new());
        self.known.push(Known { state, hash, right, calls, leads, weight });
        let number = self.known.len() as u32;
        self.places[free] = number;
        if self.known.len() * 2 > self.places.len() {
            self.spread();
        }
        number - 1
    }

    fn spread(&mut self) {
        let size = (self.known.len() * 4).next_power_of_two();
        self.places.clear();
        self.places.resize(size, 0);
        for (number, known) in self.known.iter().enumerate() {
            let mut at = (known.hash ^ (known.hash >> 64)) as usize & (size - 1);
            while self.places[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.places[at] = number as u32 + 1;
        }
    }

    /// Forgets all states that are not wanted; their new numbers.
    pub fn keep(&mut self, wanted: &[bool]) -> Vec<u32> {
        let mut numbers = vec![REFUSED; wanted.len()];
        let mut kept = 0;
        let mut at = 0;
        self.known.retain_mut(|known| {
            at += 1;
            if !wanted[at - 1] {
                return false;
            }
            numbers[at - 1] = kept;
            kept += 1;
            known.leads.clear();
            true
        });
        self.bytes = self.known.iter().map(|known| known.weight).sum();
        self.spread();
        numbers
    }
}
