//! An unordered queue, or bag: what is taken out is anything that was put in.

use std::collections::BTreeMap;

use super::{Model, mix};

/// What can be asked of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Put this in.
    Enqueue(i64),
    /// Take one out.
    Dequeue,
}

/// What a queue answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in.
    Done,
    /// This was in, and is out now.
    Got(i64),
    /// Nothing is in.
    Empty,
}

/// How an operation and its answer are shown, also for FIFO queues.
pub(super) fn shown(op: &Op, answer: Option<&Answer>) -> String {
    let asked = match op {
        Op::Enqueue(element) => format!("enqueue {element}"),
        Op::Dequeue => "dequeue".to_string(),
    };
    match answer {
        Some(Answer::Done) => format!("{asked} -> ok"),
        Some(Answer::Got(element)) => format!("{asked} -> {element}"),
        Some(Answer::Empty) => format!("{asked} -> empty"),
        None => format!("{asked} -> ?"),
    }
}

/// An unordered queue, empty at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue;

/// What is in a queue.
///
/// A dequeue whose outcome is unknown took out something, but which? It is owed: the elements may
/// be fewer than they seem by so many, and this is settled when the queue is seen to be empty. That
/// is as good as choosing at once, for only emptiness tells what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    elements: BTreeMap<i64, u64>,
    count: u64,
    owed: u64,
    hash: u128,
}

impl State {
    /// Lets so many of an element be in.
    fn set(&mut self, element: i64, many: u64) {
        let was = match many {
            0 => self.elements.remove(&element),
            _ => self.elements.insert(element, many),
        };
        let was = was.unwrap_or(0);
        let of = |many| if many == 0 { 0 } else { mix(mix(4, element as u64) as u64, many) };
        self.hash ^= of(was) ^ of(many);
        self.count = self.count + many - was;
    }

    fn many(&self, element: i64) -> u64 {
        self.elements.get(&element).copied().unwrap_or(0)
    }
}

/// What takes a step back.
#[derive(Clone, Debug)]
pub enum Undo {
    /// Nothing happened.
    Nothing,
    /// An element was put in.
    Added,
    /// This element was taken out.
    Took(i64),
    /// A dequeue was owed.
    Owed,
    /// What was owed was settled; this was there.
    Settled(Box<State>),
}

impl Model for Queue {
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
                state.set(*element, state.many(*element) + 1);
                Some(Undo::Added)
            }
            (Op::Dequeue, Some(Answer::Got(element))) => {
                let many = state.many(*element);
                if many == 0 {
                    return None;
                }
                state.set(*element, many - 1);
                // What is owed can only be what is there.
                Some(Undo::Took(*element)).filter(|_| state.owed <= state.count).or_else(|| {
                    state.set(*element, many);
                    None
                })
            }
            (Op::Dequeue, Some(Answer::Empty)) if state.count != state.owed => None,
            (Op::Dequeue, Some(Answer::Empty)) if state.count == 0 => Some(Undo::Nothing),
            (Op::Dequeue, Some(Answer::Empty)) => {
                Some(Undo::Settled(Box::new(std::mem::take(state))))
            }
            (Op::Dequeue, None) if state.owed == state.count => Some(Undo::Nothing),
            (Op::Dequeue, None) => {
                state.owed += 1;
                Some(Undo::Owed)
            }
            (Op::Enqueue(_) | Op::Dequeue, Some(_)) => None,
        }
    }

    fn back(&self, state: &mut State, op: &Op, undo: Undo) {
        match (undo, op) {
            (Undo::Added, Op::Enqueue(element)) => {
                state.set(*element, state.many(*element) - 1);
            }
            (Undo::Took(element), _) => state.set(element, state.many(element) + 1),
            (Undo::Owed, _) => state.owed -= 1,
            (Undo::Settled(was), _) => *state = *was,
            (Undo::Nothing | Undo::Added, _) => {}
        }
    }

    fn hash(&self, state: &State) -> u128 {
        state.hash ^ mix(4, state.owed)
    }

    // Nothing is pure: seeing the queue empty settles what is owed.

    fn weight(&self, state: &State) -> usize {
        size_of::<State>() + 24 * state.elements.len()
    }

    fn refusal(&self, state: &State, _op: &Op, _answer: Option<&Answer>) -> String {
        let in_it =
            state.elements.iter().flat_map(|(element, many)| (0..*many).map(move |_| element));
        let in_it: Vec<_> = in_it.collect();
        match state.owed {
            0 => format!("in it is {in_it:?}"),
            owed => format!("in it is {in_it:?}, but for {owed}"),
        }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        shown(op, answer)
    }
}
