//! A set of numbers: add, remove, has, and read all.

use std::collections::BTreeSet;

use super::{Model, Touched, mix};

/// What can be asked of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Let it be in, whether or not it is.
    Add(i64),
    /// Let it be out, whether or not it is.
    Remove(i64),
    /// Is it in?
    Has(i64),
    /// What is in?
    Read,
}

/// What a set answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in, or out, from now on.
    Done,
    /// Whether it is in.
    Is(bool),
    /// All that is in, ascending, each once.
    All(Vec<i64>),
}

/// A set, empty at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set;

/// What is in a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    elements: BTreeSet<i64>,
    hash: u128,
}

impl State {
    /// Puts in what is out, takes out what is in.
    fn flip(&mut self, element: i64) {
        if !self.elements.remove(&element) {
            self.elements.insert(element);
        }
        self.hash ^= mix(3, element as u64);
    }
}

impl Model for Set {
    type Op = Op;
    type Answer = Answer;
    type State = State;
    /// Whether it changed.
    type Undo = bool;

    fn start(&self) -> State {
        State::default()
    }

    fn step(&self, state: &mut State, op: &Op, answer: Option<&Answer>) -> Option<bool> {
        let in_it = |element: &i64| state.elements.contains(element);
        let (fits, flips) = match (op, answer) {
            (Op::Add(element), Some(Answer::Done) | None) => (true, Some(*element)),
            (Op::Remove(element), Some(Answer::Done) | None) => (true, Some(*element)),
            (Op::Has(element), Some(Answer::Is(is))) => (in_it(element) == *is, None),
            (Op::Read, Some(Answer::All(all))) => {
                let same = all.len() == state.elements.len();
                (same && all.iter().eq(state.elements.iter()), None)
            }
            (Op::Has(_) | Op::Read, None) => (true, None),
            (Op::Add(_) | Op::Remove(_) | Op::Has(_) | Op::Read, Some(_)) => (false, None),
        };
        let adds = matches!(op, Op::Add(_));
        let flips = flips.filter(|element| in_it(element) != adds);
        if let Some(element) = flips.filter(|_| fits) {
            state.flip(element);
        }
        fits.then_some(flips.is_some())
    }

    fn back(&self, state: &mut State, op: &Op, changed: bool) {
        match op {
            Op::Add(element) | Op::Remove(element) if changed => state.flip(*element),
            Op::Add(_) | Op::Remove(_) | Op::Has(_) | Op::Read => {}
        }
    }

    fn hash(&self, state: &State) -> u128 {
        state.hash
    }

    fn is_pure(&self, op: &Op, _answer: &Answer) -> bool {
        matches!(op, Op::Has(_) | Op::Read)
    }

    fn touches(&self, op: &Op, _answer: Option<&Answer>, parts: &mut Touched) {
        match op {
            Op::Add(element) | Op::Remove(element) => parts.change(*element as u64),
            Op::Has(element) => parts.see(*element as u64),
            Op::Read => {}
        }
    }

    fn weight(&self, state: &State) -> usize {
        size_of::<State>() + 16 * state.elements.len()
    }

    fn refusal(&self, state: &State, op: &Op, _answer: Option<&Answer>) -> String {
        match op {
            Op::Has(element) if state.elements.contains(element) => format!("{element} is in"),
            Op::Has(element) => format!("{element} is not in"),
            Op::Read => format!("in it is {:?}", state.elements),
            Op::Add(_) | Op::Remove(_) => "this is no answer to what was asked".to_string(),
        }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        let asked = match op {
            Op::Add(element) => format!("add {element}"),
            Op::Remove(element) => format!("remove {element}"),
            Op::Has(element) => format!("has {element}"),
            Op::Read => "read".to_string(),
        };
        match answer {
            Some(Answer::Done) => format!("{asked} -> ok"),
            Some(Answer::Is(is)) => format!("{asked} -> {is}"),
            Some(Answer::All(all)) => format!("{asked} -> {all:?}"),
            None => format!("{asked} -> ?"),
        }
    }
}
