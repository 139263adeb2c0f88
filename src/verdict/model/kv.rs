//! A map from names to texts: get, put, append. What was never put is the empty text.

use super::{Model, Timed, Touched, mix_text};

/// What can be asked of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// What is there?
    Get {
        /// Where.
        key: String,
    },
    /// Let this be there.
    Put {
        /// Where.
        key: String,
        /// What.
        value: String,
    },
    /// Let this follow what is there.
    Append {
        /// Where.
        key: String,
        /// What.
        value: String,
    },
}

impl Op {
    /// Where it reads or writes.
    pub fn key(&self) -> &str {
        match self {
            Op::Get { key } | Op::Put { key, .. } | Op::Append { key, .. } => key,
        }
    }
}

/// What a map answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A get: this was there.
    Is(String),
    /// A put or an append.
    Done,
}

/// A map, empty at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    /// Keys that are never put, with the longest text that was read there: what is there is always
    /// a beginning of it, or begins with it (see [`Model::narrowed`]).
    grown: Vec<(String, String)>,
}

/// One text, with a hash that an append continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Text {
    text: String,
    sum: u128,
}

impl Text {
    fn append(&mut self, more: &str) {
        self.text.push_str(more);
        for byte in more.bytes() {
            let sum = (self.sum ^ u128::from(byte)).wrapping_add(0x9E37_79B9_7F4A_7C15);
            let sum = sum.wrapping_mul(0xDA94_2042_E4DD_58B5_2360_ED05_1FC6_5DA5);
            self.sum = sum ^ (sum >> 67);
        }
    }
}

/// What is in a map: names in the order in which they were first written.
#[derive(Clone, Debug, Default)]
pub struct State {
    cells: Vec<(String, u128, Text)>,
    hash: u128,
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        let within =
            |a: &State, b: &State| a.cells.iter().all(|(key, ..)| a.get(key) == b.get(key));
        self.hash == other.hash && within(self, other) && within(other, self)
    }
}

impl State {
    /// What is under a name.
    pub fn get(&self, key: &str) -> &str {
        let cell = self.cells.iter().find(|(name, ..)| name == key);
        cell.map_or("", |(.., text)| text.text.as_str())
    }

    /// The cell of this name, and its place.
    fn cell(&mut self, key: &str) -> &mut (String, u128, Text) {
        let at = self.cells.iter().position(|(name, ..)| name == key);
        let at = at.unwrap_or_else(|| {
            self.cells.push((key.to_owned(), mix_text(6, key), Text::default()));
            self.cells.len() - 1
        });
        &mut self.cells[at]
    }

    fn change(&mut self, key: &str, with: impl FnOnce(&mut Text) -> Undo) -> Undo {
        let (_, name, text) = self.cell(key);
        let of = |name: u128, text: &Text| {
            if text.text.is_empty() { 0 } else { name.wrapping_add(text.sum).rotate_left(31) }
        };
        let before = of(*name, text);
        let undo = with(text);
        let hash = before ^ of(*name, text);
        self.hash ^= hash;
        undo
    }
}

/// What takes a step back.
#[derive(Clone, Debug)]
pub enum Undo {
    /// Nothing happened.
    Nothing,
    /// This was there.
    Put(Box<(String, u128)>),
    /// So many bytes were there, with this hash.
    Append(usize, u128),
}

impl Model for Kv {
    type Op = Op;
    type Answer = Answer;
    type State = State;
    type Undo = Undo;

    fn start(&self) -> State {
        State::default()
    }

    fn step(&self, state: &mut State, op: &Op, answer: Option<&Answer>) -> Option<Undo> {
        match (op, answer) {
            (Op::Get { .. }, None) => Some(Undo::Nothing),
            (Op::Get { key }, Some(Answer::Is(value))) => {
                (state.get(key) == value).then_some(Undo::Nothing)
            }
            (Op::Put { key, value }, Some(Answer::Done) | None) => {
                Some(state.change(key, |text| {
                    let was = std::mem::take(text);
                    text.append(value);
                    Undo::Put(Box::new((was.text, was.sum)))
                }))
            }
            (Op::Append { key, value }, Some(Answer::Done) | None) => {
                let grown = self.grown.iter().find(|(name, _)| name == key);
                if grown.is_some_and(|(_, longest)| !grows_to(state.get(key), value, longest)) {
                    return None;
                }
                Some(state.change(key, |text| {
                    let undo = Undo::Append(text.text.len(), text.sum);
                    text.append(value);
                    undo
                }))
            }
            (Op::Get { .. }, Some(Answer::Done))
            | (Op::Put { .. } | Op::Append { .. }, Some(Answer::Is(_))) => None,
        }
    }

    fn back(&self, state: &mut State, op: &Op, undo: Undo) {
        let back = |text: &mut Text| {
            match undo {
                Undo::Put(was) => (text.text, text.sum) = *was,
                Undo::Append(len, sum) => {
                    text.text.truncate(len);
                    text.sum = sum;
                }
                Undo::Nothing => {}
            }
            Undo::Nothing
        };
        match op {
            Op::Get { .. } => {}
            Op::Put { key, .. } | Op::Append { key, .. } => {
                state.change(key, back);
            }
        }
    }

    fn hash(&self, state: &State) -> u128 {
        state.hash
    }

    fn is_pure(&self, op: &Op, _answer: &Answer) -> bool {
        // Putting what is there, or appending nothing, is rare and not worth a rule.
        matches!(op, Op::Get { .. })
    }

    fn touches(&self, op: &Op, _answer: Option<&Answer>, parts: &mut Touched) {
        let key = mix_text(6, op.key()) as u64;
        match op {
            Op::Get { .. } => parts.see(key),
            Op::Put { .. } | Op::Append { .. } => parts.change(key),
        }
    }

    /// A text that is only ever appended to passes through all that was read of it: each state is a
    /// beginning of the longest, or begins with it.
    fn narrowed(&self, ops: &[&Timed<Op, Answer>]) -> Option<Kv> {
        let mut grown: Vec<(String, String)> = Vec::new();
        for timed in ops {
            if let (Op::Get { key }, Some(Answer::Is(value))) = (&timed.op, &timed.answer) {
                match grown.iter_mut().find(|(name, _)| name == key) {
                    Some((_, longest)) if longest.len() < value.len() => longest.clone_from(value),
                    Some(_) => {}
                    None => grown.push((key.clone(), value.clone())),
                }
            }
        }
        let put = |key: &str| {
            ops.iter().any(|timed| matches!(&timed.op, Op::Put { key: at, .. } if at == key))
        };
        grown.retain(|(key, _)| !put(key));
        (!grown.is_empty()).then_some(Kv { grown })
    }

    fn weight(&self, state: &State) -> usize {
        let cells = state.cells.iter();
        size_of::<State>()
            + cells.map(|(key, _, text)| 96 + key.len() + text.text.len()).sum::<usize>()
    }

    fn refusal(&self, state: &State, op: &Op, _answer: Option<&Answer>) -> String {
        let is = state.get(op.key());
        match op {
            Op::Append { value, .. } => {
                format!("{is:?} is there, and no get saw {value:?} follow it")
            }
            Op::Get { .. } | Op::Put { .. } => format!("{is:?} is there"),
        }
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        let asked = match op {
            Op::Get { key } => format!("get {key}"),
            Op::Put { key, value } => format!("put {key} {value:?}"),
            Op::Append { key, value } => format!("append {key} {value:?}"),
        };
        match answer {
            Some(Answer::Is(value)) => format!("{asked} -> {value:?}"),
            Some(Answer::Done) => format!("{asked} -> ok"),
            None => format!("{asked} -> ?"),
        }
    }
}

/// Whether `text` with `more` behind it is a beginning of `longest`, or begins with it.
fn grows_to(text: &str, more: &str, longest: &str) -> bool {
    let Some(rest) = longest.as_bytes().get(text.len()..) else {
        return true;
    };
    rest.iter().zip(more.as_bytes()).all(|(a, b)| a == b)
}
