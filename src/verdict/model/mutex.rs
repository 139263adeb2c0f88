//! A lock that one can hold at a time. Who holds it is not told apart.

use super::{Model, mix};

/// What can be asked of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Take it.
    Acquire,
    /// Give it back.
    Release,
}

/// What a lock answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was taken, or given back.
    Done,
    /// It was held already, or not held: nothing happened.
    Refused,
}

/// A lock, free at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutex;

impl Model for Mutex {
    type Op = Op;
    type Answer = Answer;
    /// Whether it is held.
    type State = bool;
    type Undo = bool;

    fn start(&self) -> bool {
        false
    }

    fn step(&self, held: &mut bool, op: &Op, answer: Option<&Answer>) -> Option<bool> {
        let before = *held;
        let can = match op {
            Op::Acquire => !before,
            Op::Release => before,
        };
        match answer {
            Some(Answer::Done) if !can => return None,
            Some(Answer::Refused) if can => return None,
            Some(Answer::Done | Answer::Refused) | None => {}
        }
        if can {
            *held = !before;
        }
        Some(before)
    }

    fn back(&self, held: &mut bool, _op: &Op, before: bool) {
        *held = before;
    }

    fn hash(&self, held: &bool) -> u128 {
        mix(2, u64::from(*held))
    }

    fn is_pure(&self, _op: &Op, answer: &Answer) -> bool {
        *answer == Answer::Refused
    }

    fn refusal(&self, held: &bool, _op: &Op, _answer: Option<&Answer>) -> String {
        if *held { "it is held".to_string() } else { "it is free".to_string() }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        let asked = match op {
            Op::Acquire => "acquire",
            Op::Release => "release",
        };
        let answered = match answer {
            Some(Answer::Done) => "ok",
            Some(Answer::Refused) => "refused",
            None => "?",
        };
        format!("{asked} -> {answered}")
    }
}
