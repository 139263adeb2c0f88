//! A register: read, write, and compare-and-set.

use super::{Access, Model, mix};

/// What a register holds: a number, or nothing.
pub type Value = Option<i64>;

/// What can be asked of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// What is there?
    Read,
    /// Let this be there.
    Write(Value),
    /// Let the second be there if the first is.
    Cas(Value, Value),
}

/// What a register answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A read: this was there.
    Is(Value),
    /// A write, or a compare-and-set that found what it expected.
    Done,
    /// A compare-and-set found something else, and did nothing.
    Differs,
}

/// A register, and what it holds at the start. With [`Op::Cas`] it is the compare-and-set register
/// of other checkers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// What it holds at the start.
    pub start: Value,
}

impl Model for Register {
    type Op = Op;
    type Answer = Answer;
    type State = Value;
    type Undo = Value;

    fn start(&self) -> Value {
        self.start
    }

    #[inline]
    fn step(&self, state: &mut Value, op: &Op, answer: Option<&Answer>) -> Option<Value> {
        let before = *state;
        let (fits, after) = match (*op, answer) {
            (Op::Read, Some(Answer::Is(value))) => (*value == before, before),
            (Op::Read, None) => (true, before),
            (Op::Write(value), Some(Answer::Done) | None) => (true, value),
            (Op::Cas(old, new), Some(Answer::Done)) => (old == before, new),
            (Op::Cas(old, _), Some(Answer::Differs)) => (old != before, before),
            (Op::Cas(old, new), None) => (true, if old == before { new } else { before }),
            (Op::Read, Some(Answer::Done | Answer::Differs))
            | (Op::Write(_), Some(Answer::Is(_) | Answer::Differs))
            | (Op::Cas(..), Some(Answer::Is(_))) => (false, before),
        };
        fits.then(|| {
            *state = after;
            before
        })
    }

    #[inline]
    fn back(&self, state: &mut Value, _op: &Op, before: Value) {
        *state = before;
    }

    #[inline]
    fn hash(&self, state: &Value) -> u128 {
        match state {
            Some(value) => mix(1, *value as u64),
            None => 0,
        }
    }

    #[inline]
    fn is_pure(&self, op: &Op, answer: &Answer) -> bool {
        // A compare-and-set that was done is not pure, not even of a value with itself: simple
        // rules are easier to believe, and nobody does it.
        match (op, answer) {
            (Op::Read, _) | (Op::Cas(..), Answer::Differs) => true,
            (Op::Write(_), _) | (Op::Cas(..), _) => false,
        }
    }

    fn access(&self, op: &Op, answer: Option<&Answer>) -> Access {
        match (*op, answer) {
            (Op::Read, None) => Access::Nothing,
            (Op::Read, Some(Answer::Is(value))) if *value == self.start => Access::Read(None),
            (Op::Read, Some(Answer::Is(Some(value)))) => Access::Read(Some(*value as u64)),
            (Op::Write(value), _) if value == self.start => Access::Other,
            (Op::Write(Some(value)), Some(Answer::Done) | None) => Access::Write(value as u64),
            (Op::Read | Op::Write(_) | Op::Cas(..), _) => Access::Other,
        }
    }

    fn refusal(&self, state: &Value, op: &Op, answer: Option<&Answer>) -> String {
        let is = shown(*state);
        match (*op, answer) {
            (Op::Read, Some(Answer::Is(value))) => {
                format!("it read {}, but {is} is there", shown(*value))
            }
            (Op::Cas(old, _), Some(Answer::Done)) => {
                format!("it found {}, but {is} is there", shown(old))
            }
            (Op::Cas(old, _), Some(Answer::Differs)) => {
                format!("it did not find {}, which is there", shown(old))
            }
            (Op::Read | Op::Write(_) | Op::Cas(..), _) => {
                "this is no answer to what was asked".to_string()
            }
        }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        let asked = match op {
            Op::Read => "read".to_string(),
            Op::Write(value) => format!("write {}", shown(*value)),
            Op::Cas(old, new) => format!("cas {} to {}", shown(*old), shown(*new)),
        };
        match answer {
            Some(Answer::Is(value)) => format!("{asked} -> {}", shown(*value)),
            Some(Answer::Done) => format!("{asked} -> ok"),
            Some(Answer::Differs) => format!("{asked} -> differs"),
            None => format!("{asked} -> ?"),
        }
    }
}

pub(super) fn shown(value: Value) -> String {
    value.map_or_else(|| "nil".to_string(), |value| value.to_string())
}
