//! Transactions over many registers and many lists, each under its own number.
//!
//! The operations of a transaction take effect together, one after the other: later ones see
//! earlier ones. With transactions as operations, linearizability is what databases call strict
//! serializability.

use std::collections::BTreeMap;

use super::list::Elements;
use super::register::{Value, shown};
use super::{Model, Timed, Touched, mix};

/// One operation of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Micro {
    /// What is in this register?
    Read(i64),
    /// Let this register hold this.
    Write(i64, Value),
    /// What is in this list?
    List(i64),
    /// Let this list have this element behind all others.
    Append(i64, i64),
}

impl Micro {
    /// Whether it sees something, and changes nothing.
    pub fn reads(&self) -> bool {
        match self {
            Micro::Read(_) | Micro::List(_) => true,
            Micro::Write(..) | Micro::Append(..) => false,
        }
    }
}

/// What a read within a transaction saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// A register held this.
    Value(Value),
    /// A list had these elements.
    All(Elements),
}

/// Transactions. Registers hold nothing at the start, and lists are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txns {
    /// The longest that was read of each list, if all reads are known (see [`Model::narrowed`]).
    longest: Option<BTreeMap<i64, Elements>>,
}

/// What is in registers that hold something, and in lists that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    registers: BTreeMap<i64, i64>,
    lists: BTreeMap<i64, Vec<i64>>,
    hash: u128,
}

/// Tags of registers and of lists, in hashes and as parts of the state.
const REGISTER: u64 = 21;
const LIST: u64 = 22;

/// Stands for all elements of a list behind the last that anybody has read.
const PAST: i64 = 0;

/// The part of the state that nobody changes: what a transaction touches that sees nothing.
const NOTHING: u64 = 23;

fn part(tag: u64, key: i64) -> u64 {
    mix(tag, key as u64) as u64
}

impl State {
    /// What a register holds.
    pub fn value(&self, register: i64) -> Value {
        self.registers.get(&register).copied()
    }

    /// What is in a list.
    pub fn list(&self, list: i64) -> &[i64] {
        self.lists.get(&list).map_or(&[], Vec::as_slice)
    }

    /// Lets a register hold this; what it held.
    fn put(&mut self, register: i64, value: Value) -> Value {
        let hash = |value: Value| value.map_or(0, |v| mix(part(REGISTER, register), v as u64));
        let before = match value {
            Some(value) => self.registers.insert(register, value),
            None => self.registers.remove(&register),
        };
        self.hash ^= hash(before) ^ hash(value);
        before
    }

    fn toggle(&mut self, list: i64, place: usize, element: i64) {
        self.hash ^= mix(part(LIST, list) ^ (place as u64).rotate_left(40), element as u64);
    }

    fn append(&mut self, list: i64, element: i64) {
        let elements = self.lists.entry(list).or_default();
        let place = elements.len();
        elements.push(element);
        self.toggle(list, place, element);
    }

    /// Takes the last element out of a list.
    fn shorten(&mut self, list: i64) {
        let Some(elements) = self.lists.get_mut(&list) else { return };
        let Some(element) = elements.pop() else { return };
        let place = elements.len();
        if place == 0 {
            self.lists.remove(&list);
        }
        self.toggle(list, place, element);
    }
}

impl Txns {
    /// Carries out one operation of a transaction, if it can see this. What a write wrote over, and
    /// what an append has added, goes to `undo`.
    fn one(
        &self,
        state: &mut State,
        micro: Micro,
        saw: Option<&Saw>,
        undo: &mut Vec<Value>,
    ) -> bool {
        match micro {
            Micro::Read(register) => match saw {
                None => true,
                Some(Saw::Value(value)) => *value == state.value(register),
                Some(Saw::All(_)) => false,
            },
            Micro::List(list) => match saw {
                None => true,
                Some(Saw::All(all)) => all[..] == *state.list(list),
                Some(Saw::Value(_)) => false,
            },
            Micro::Write(register, value) => {
                undo.push(state.put(register, value));
                true
            }
            Micro::Append(list, element) => {
                let place = state.list(list).len();
                let (fits, appended) = match &self.longest {
                    None => (true, Some(element)),
                    Some(longest) => {
                        let longest = longest.get(&list).map_or(&[][..], |all| &all[..]);
                        match longest.get(place) {
                            Some(known) => (*known == element, Some(element)),
                            // Nobody has read so far: it does not matter what is there, nor how
                            // much, but that there is something.
                            None => (true, (place == longest.len()).then_some(PAST)),
                        }
                    }
                };
                if fits {
                    undo.push(appended);
                    appended.into_iter().for_each(|element| state.append(list, element));
                }
                fits
            }
        }
    }

    /// Takes operations back, the last first.
    fn take_back(&self, state: &mut State, done: &[Micro], mut undo: Vec<Value>) {
        for micro in done.iter().rev() {
            match micro {
                Micro::Read(_) | Micro::List(_) => {}
                Micro::Write(register, _) => {
                    state.put(*register, undo.pop().flatten());
                }
                Micro::Append(list, _) => {
                    if undo.pop().flatten().is_some() {
                        state.shorten(*list);
                    }
                }
            }
        }
    }

    /// Carries out a transaction as far as it fits; where it ended.
    fn run(
        &self,
        state: &mut State,
        op: &[Micro],
        answer: Option<&Vec<Saw>>,
        undo: &mut Vec<Value>,
    ) -> usize {
        let mut seen = answer.into_iter().flatten();
        for (at, micro) in op.iter().enumerate() {
            let saw = if micro.reads() { seen.next() } else { None };
            // Fewer answers than reads are no answer.
            let short = micro.reads() && answer.is_some() && saw.is_none();
            if short || !self.one(state, *micro, saw, undo) {
                return at;
            }
        }
        op.len()
    }
}

/// Whether it changes nothing.
fn only_reads(op: &[Micro]) -> bool {
    op.iter().all(Micro::reads)
}

/// How many reads there are.
fn reads(op: &[Micro]) -> usize {
    op.iter().filter(|micro| micro.reads()).count()
}

impl Model for Txns {
    type Op = Vec<Micro>;
    /// What each of its reads saw.
    type Answer = Vec<Saw>;
    type State = State;
    /// What each of its writes wrote over, and each of its appends added.
    type Undo = Vec<Value>;

    fn start(&self) -> State {
        State::default()
    }

    fn step(
        &self,
        state: &mut State,
        op: &Vec<Micro>,
        answer: Option<&Vec<Saw>>,
    ) -> Option<Vec<Value>> {
        if answer.is_some_and(|answer| answer.len() != reads(op)) {
            return None;
        }
        let mut undo = Vec::new();
        let done = self.run(state, op, answer, &mut undo);
        if done < op.len() {
            self.take_back(state, &op[..done], undo);
            return None;
        }
        Some(undo)
    }

    fn back(&self, state: &mut State, op: &Vec<Micro>, undo: Vec<Value>) {
        self.take_back(state, op, undo);
    }

    fn hash(&self, state: &State) -> u128 {
        state.hash
    }

    fn is_pure(&self, op: &Vec<Micro>, _answer: &Vec<Saw>) -> bool {
        only_reads(op)
    }

    /// Nobody knows what a lost one has read, so it sees nothing.
    fn touches(&self, op: &Vec<Micro>, answer: Option<&Vec<Saw>>, parts: &mut Touched) {
        for micro in op {
            match micro {
                Micro::Read(register) if answer.is_some() => parts.see(part(REGISTER, *register)),
                Micro::List(list) if answer.is_some() => parts.see(part(LIST, *list)),
                Micro::Read(_) | Micro::List(_) => {}
                Micro::Write(register, _) => parts.change(part(REGISTER, *register)),
                Micro::Append(list, _) => parts.change(part(LIST, *list)),
            }
        }
        if parts.parts.is_empty() {
            // Naming none would mean all.
            parts.see(NOTHING);
        }
    }

    /// A list passes through all that was read of it, within transactions, too. So the longest read
    /// tells the order of its appends, and what is appended behind it is seen by nobody: one order
    /// of that is as good as another.
    fn narrowed(&self, ops: &[&Timed<Vec<Micro>, Vec<Saw>>]) -> Option<Txns> {
        let mut longest: BTreeMap<i64, &Elements> = BTreeMap::new();
        for timed in ops {
            let Some(answer) = &timed.answer else { continue };
            let seen = timed.op.iter().filter_map(|micro| match micro {
                Micro::Read(register) => Some(*register),
                Micro::List(list) => Some(*list),
                Micro::Write(..) | Micro::Append(..) => None,
            });
            for (list, saw) in seen.zip(answer) {
                let Saw::All(all) = saw else { continue };
                if longest.get(&list).is_none_or(|longest| longest.len() < all.len()) {
                    longest.insert(list, all);
                }
            }
        }
        let longest = longest.into_iter().map(|(list, all)| (list, all.clone()));
        Some(Txns { longest: Some(longest.collect()) })
    }

    fn weight(&self, state: &State) -> usize {
        let lists = state.lists.values().map(|list| 64 + 8 * list.len()).sum::<usize>();
        size_of::<State>() + 32 * state.registers.len() + lists
    }

    fn refusal(&self, state: &State, op: &Vec<Micro>, answer: Option<&Vec<Saw>>) -> String {
        let (mut state, mut undo) = (state.clone(), Vec::new());
        let at = self.run(&mut state, op, answer, &mut undo);
        let saw = answer.and_then(|answer| answer.get(reads(&op[..at])));
        match (op.get(at), saw) {
            (Some(Micro::Read(register)), Some(Saw::Value(value))) => {
                let (saw, is) = (shown(*value), shown(state.value(*register)));
                format!("it read {saw} in {register}, but {is} is there")
            }
            (Some(Micro::List(list)), Some(Saw::All(all))) => {
                let is = state.list(*list);
                format!("it read {all:?} in {list}, but {is:?} is there")
            }
            (Some(Micro::Append(list, element)), _) => {
                let is = state.list(*list);
                format!("{is:?} is in {list}, and no read saw {element} follow it")
            }
            (Some(Micro::Read(_) | Micro::List(_) | Micro::Write(..)) | None, _) => {
                "this is no answer to what was asked".to_string()
            }
        }
    }

    fn show(&self, op: &Vec<Micro>, answer: Option<&Vec<Saw>>) -> String {
        let mut seen = answer.into_iter().flatten();
        let mut saw = || match seen.next() {
            Some(Saw::Value(value)) => format!(" -> {}", shown(*value)),
            Some(Saw::All(all)) => format!(" -> {all:?}"),
            None => String::new(),
        };
        let each = op.iter().map(|micro| match micro {
            Micro::Read(register) => format!("read {register}{}", saw()),
            Micro::List(list) => format!("read {list}{}", saw()),
            Micro::Write(register, value) => format!("write {} to {register}", shown(*value)),
            Micro::Append(list, element) => format!("append {element} to {list}"),
        });
        let all = each.collect::<Vec<_>>().join(", ");
        match answer {
            None => format!("{all} -> ?"),
            Some(_) if only_reads(op) => all,
            Some(_) => format!("{all} -> ok"),
        }
    }
}

#[cfg(test)]
mod tests;
