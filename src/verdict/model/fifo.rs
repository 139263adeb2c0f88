//! A queue: first in, first out.

use std::collections::VecDeque;

use super::queue::shown;
use super::{Model, mix};

pub use super::queue::{Answer, Op};

/// A FIFO queue, empty at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fifo;

/// The tag of how many were taken out: no element's place.
const TAKEN: u64 = u64::MAX;

/// What is in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    elements: VecDeque<i64>,
    /// How many were ever taken out, so that an element's place is a number for ever.
    taken: u64,
    hash: u128,
}

impl State {
    fn toggle(&mut self, place: u64, element: i64) {
        self.hash ^= mix(place, element as u64);
    }

    fn next_place(&self) -> u64 {
        self.taken + self.elements.len() as u64
    }
}

/// What takes a step back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Nothing happened.
    Nothing,
    /// An element was put in.
    Added,
    /// This element was taken out.
    Took(i64),
}

impl Fifo {
    fn take(state: &mut State) -> Undo {
        match state.elements.pop_front() {
            Some(element) => {
                state.toggle(state.taken, element);
                state.taken += 1;
                Undo::Took(element)
            }
            None => Undo::Nothing,
        }
    }
}

impl Model for Fifo {
    type Op = Op;
    type Answer = Answer;
    type State = State;
    type Undo = Undo;

    fn start(&self) -> State {
        State::default()
    }

    fn step(&self, state: &mut State, op: &Op, answer: Option<&Answer>) -> Option<Undo> {
        match (op, answer) {
            (Op::Enqueue(element), Some(Answer::Done) | None) => {
                state.toggle(state.next_place(), *element);
                state.elements.push_back(*element);
                Some(Undo::Added)
            }
            (Op::Dequeue, Some(Answer::Got(element))) => {
                (state.elements.front() == Some(element)).then(|| Fifo::take(state))
            }
            (Op::Dequeue, Some(Answer::Empty)) => {
                state.elements.is_empty().then_some(Undo::Nothing)
            }
            (Op::Dequeue, None) => Some(Fifo::take(state)),
            (Op::Enqueue(_) | Op::Dequeue, Some(_)) => None,
        }
    }

    fn back(&self, state: &mut State, _op: &Op, undo: Undo) {
        match undo {
            Undo::Nothing => {}
            Undo::Added => {
                if let Some(element) = state.elements.pop_back() {
                    state.toggle(state.next_place(), element);
                }
            }
            Undo::Took(element) => {
                state.taken -= 1;
                state.toggle(state.taken, element);
                state.elements.push_front(element);
            }
        }
    }

    // The places count from the first element ever, so two queues with equal contents and another
    // past differ. That costs little: with the same operations placed, as many were taken out
    // unless lost ones were.
    fn hash(&self, state: &State) -> u128 {
        state.hash ^ mix(TAKEN, state.taken)
    }

    fn is_pure(&self, _op: &Op, answer: &Answer) -> bool {
        *answer == Answer::Empty
    }

    fn weight(&self, state: &State) -> usize {
        size_of::<State>() + 8 * state.elements.capacity()
    }

    fn refusal(&self, state: &State, _op: &Op, _answer: Option<&Answer>) -> String {
        match state.elements.front() {
            Some(element) => format!("{element} is next"),
            None => "it is empty".to_string(),
        }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        shown(op, answer)
    }
}
