//! Lists that are only appended to, each under its own number.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Model, Timed, Touched, mix};

/// What can be asked of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Let this element come last.
    Append {
        /// In which list.
        list: i64,
        /// What.
        element: i64,
    },
    /// What is in the list?
    Read {
        /// Which.
        list: i64,
    },
}

impl Op {
    /// Which list it reads or changes.
    pub fn list(&self) -> i64 {
        match self {
            Op::Append { list, .. } | Op::Read { list } => *list,
        }
    }
}

/// What lists answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An append.
    Done,
    /// A read: this was in it.
    Is(Elements),
}

/// What was read of a list. As each read tells all of it, reads may share what they have in common:
/// one is a beginning of another.
#[derive(Clone)]
pub struct Elements {
    all: Arc<Vec<i64>>,
    len: u32,
}

impl Elements {
    /// The first so many of them, without a copy.
    pub fn first(&self, len: usize) -> Elements {
        Elements {
            all: self.all.clone(),
            len: self.len.min(u32::try_from(len).unwrap_or(u32::MAX)),
        }
    }
}

impl From<Vec<i64>> for Elements {
    fn from(all: Vec<i64>) -> Elements {
        let len = u32::try_from(all.len()).expect("a list has fewer elements than 2^32");
        Elements { all: Arc::new(all), len }
    }
}

impl FromIterator<i64> for Elements {
    fn from_iter<I: IntoIterator<Item = i64>>(all: I) -> Elements {
        all.into_iter().collect::<Vec<i64>>().into()
    }
}

impl Deref for Elements {
    type Target = [i64];

    fn deref(&self) -> &[i64] {
        &self.all[..self.len as usize]
    }
}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

impl PartialEq for Elements {
    fn eq(&self, other: &Elements) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Elements {}

/// Lists, empty at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// The longest that was read of each list (see [`Model::narrowed`]).
    longest: BTreeMap<i64, Elements>,
}

/// What is in each list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    lists: BTreeMap<i64, Vec<i64>>,
    hash: u128,
}

impl State {
    /// What is in a list.
    pub fn get(&self, list: i64) -> &[i64] {
        self.lists.get(&list).map_or(&[], Vec::as_slice)
    }

    fn toggle(&mut self, list: i64, place: usize, element: i64) {
        self.hash ^= mix(list as u64 ^ (place as u64).rotate_left(40), element as u64);
    }
}

impl Model for Lists {
    type Op = Op;
    type Answer = Answer;
    type State = State;
    /// Whether something was appended.
    type Undo = bool;

    fn start(&self) -> State {
        State::default()
    }

    fn step(&self, state: &mut State, op: &Op, answer: Option<&Answer>) -> Option<bool> {
        match (op, answer) {
            (Op::Append { list, element }, Some(Answer::Done) | None) => {
                let place = state.get(*list).len();
                let longest = self.longest.get(list);
                let other = |longest: &Elements| longest.get(place).is_some_and(|e| e != element);
                if longest.is_some_and(other) {
                    return None;
                }
                state.lists.entry(*list).or_default().push(*element);
                state.toggle(*list, place, *element);
                Some(true)
            }
            (Op::Read { .. }, None) => Some(false),
            (Op::Read { list }, Some(Answer::Is(all))) => {
                (*state.get(*list) == all[..]).then_some(false)
            }
            (Op::Append { .. } | Op::Read { .. }, Some(_)) => None,
        }
    }

    fn back(&self, state: &mut State, op: &Op, appended: bool) {
        if !appended {
            return;
        }
        let Some(elements) = state.lists.get_mut(&op.list()) else { return };
        let Some(element) = elements.pop() else { return };
        let place = elements.len();
        if place == 0 {
            state.lists.remove(&op.list());
        }
        state.toggle(op.list(), place, element);
    }

    fn hash(&self, state: &State) -> u128 {
        state.hash
    }

    fn is_pure(&self, op: &Op, _answer: &Answer) -> bool {
        matches!(op, Op::Read { .. })
    }

    fn touches(&self, op: &Op, _answer: Option<&Answer>, parts: &mut Touched) {
        match op {
            Op::Read { list } => parts.see(*list as u64),
            Op::Append { list, .. } => parts.change(*list as u64),
        }
    }

    /// A list passes through all that was read of it, so the longest read tells the order of its
    /// appends (as Elle infers it).
    fn narrowed(&self, ops: &[&Timed<Op, Answer>]) -> Option<Lists> {
        let mut longest: BTreeMap<i64, Elements> = BTreeMap::new();
        for timed in ops {
            if let (Op::Read { list }, Some(Answer::Is(all))) = (&timed.op, &timed.answer)
                && longest.get(list).is_none_or(|longest| longest.len() < all.len())
            {
                longest.insert(*list, all.clone());
            }
        }
        Some(Lists { longest })
    }

    fn weight(&self, state: &State) -> usize {
        size_of::<State>() + state.lists.values().map(|list| 64 + 8 * list.len()).sum::<usize>()
    }

    fn refusal(&self, state: &State, op: &Op, _answer: Option<&Answer>) -> String {
        let is = state.get(op.list());
        match op {
            Op::Append { element, .. } => {
                format!("{is:?} is there, and no read saw {element} follow it")
            }
            Op::Read { .. } => format!("{is:?} is there"),
        }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        let asked = match op {
            Op::Append { list, element } => format!("append {element} to {list}"),
            Op::Read { list } => format!("read {list}"),
        };
        match answer {
            Some(Answer::Is(all)) => format!("{asked} -> {all:?}"),
            Some(Answer::Done) => format!("{asked} -> ok"),
            None => format!("{asked} -> ?"),
        }
    }
}
