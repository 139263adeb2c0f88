//! Histories of other tools, as a neutral list of calls: who called what, with which values, when,
//! and how it ended. What the names mean is for models to say.
//!
//! ```text
//!   bytes --format--> Event, Event, ..  --pair, keys--> Call, Call, ..
//! ```
//!
//! Read are Jepsen's `history.edn` (also as JSON), its console lines and `history.txt`, key-value
//! lines, and Porcupine's operations and events as JSON. Nothing is read past: a line that cannot
//! be understood is refused with its place, and so is a history without a single call. Reading is
//! one pass, and a call takes 64 bytes beside its words, and the operations of a transaction of
//! several.

mod detect;
mod edn;
mod jepsen;
mod keys;
mod lines;
mod pair;
mod porcupine;
mod source;
#[cfg(test)]
mod tests;
pub mod txn;
mod value;
pub mod write;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

pub use detect::{Format, detect};
pub use source::{Place, Refusal, Source};
pub use txn::{Act, Micro};
pub use value::{Value, Word, Words};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It happened, and `got` is its answer.
    Ok,
    /// It did not happen, and the answer says no more than that its condition did not hold.
    Refused,
    /// It did not happen, for another reason: a timeout, a lost connection.
    Failed,
    /// Nobody knows: it may have happened, or not, or may still.
    Unknown,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// By whom.
    pub process: u32,
    /// What: `read`, `write`, ..
    pub f: Word,
    /// On which of the history's keys; 0 if it has none.
    pub key: u32,
    /// How it ended.
    pub end: End,
    /// Whether it is a transaction of more or less than one operation: see [`Call::micros`].
    pub several: bool,
    /// Its invocation's position among all events.
    pub invoked: u32,
    /// Its completion's; `u32::MAX` if it never ended or nobody knows how.
    pub returned: u32,
    /// The line of its invocation.
    pub line: u32,
    /// The line of its completion; 0 if there is none.
    pub end_line: u32,
    /// The value it was called with.
    pub asked: Value,
    /// The value it ended with.
    pub got: Value,
}

/// How many calls are kept, and given back, together.
const CHUNK: usize = 1 << 12;

/// Calls in the order of their invocations. Taking them out frees them piece by piece, so that
/// what is made of them does not stand beside them.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    chunks: Vec<Vec<Call>>,
}

impl Calls {
    /// How many there are.
    pub fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Adds one.
    pub fn push(&mut self, call: Call) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut().expect("it was made above").push(call);
    }

    /// One of them.
    pub fn get_mut(&mut self, index: usize) -> &mut Call {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.chunks.iter().flatten()
    }

    /// All, in order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        self.chunks.iter_mut().flatten()
    }
}

impl IntoIterator for Calls {
    type Item = Call;
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<Call>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks.into_iter().flatten()
    }
}

/// A history of another tool.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// How it was written.
    pub format: Format,
    /// What clients called.
    pub calls: Calls,
    /// The words in it.
    pub words: Arc<Words>,
    /// The keys in it; the first is none.
    pub keys: Keys,
    /// Events that are no client's: a nemesis's, notes.
    pub notes: u64,
}

impl Foreign {
    /// Each key's calls as a history of their own, with the key's name. Keys that transactions bind
    /// together stay together.
    pub fn by_key(self) -> Vec<(String, Foreign)> {
        let Foreign { format, calls, words, keys, notes } = self;
        let bound = txn::bound(&calls, &words, keys.len());
        let mut apart: Vec<Calls> = vec![Calls::default(); keys.len() + 1];
        for call in calls {
            let key = match call.several {
                true => call.micros(&words).next().map(|micro| micro.key),
                false => Some(call.key),
            };
            // A transaction of nothing is of no key.
            if let Some(key) = key {
                apart[bound[key as usize] as usize].push(call);
            }
        }
        let named = apart.into_iter().enumerate().filter(|(_, calls)| !calls.is_empty());
        let mut names = txn::names(&bound, |key| words.show(keys.get(key)));
        let one = |(key, calls)| {
            let name = std::mem::take(&mut names[key]);
            (name, Foreign { format, calls, words: words.clone(), keys: keys.clone(), notes })
        };
        named.map(one).collect()
    }
}

/// Keys, each once.
#[derive(Clone, Debug)]
pub struct Keys {
    all: Vec<Value>,
    numbers: BTreeMap<Value, u32>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { all: vec![Value::Nil], numbers: BTreeMap::new() }
    }
}

impl Keys {
    /// The number of a key, which it gets now if it is new.
    pub fn of(&mut self, key: &Value) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).expect("fewer keys than calls");
        self.all.push(key.clone());
        self.numbers.insert(key.clone(), number);
        number
    }

    /// A key.
    pub fn get(&self, number: u32) -> &Value {
        &self.all[number as usize]
    }

    /// How many there are, beside none.
    pub fn len(&self) -> usize {
        self.all.len() - 1
    }

    /// Whether no call has a key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// One event of a history.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Where it begins.
    pub place: Place,
    pub kind: Kind,
    /// `None` if it is no client: a nemesis.
    pub process: Option<u32>,
    pub f: Word,
    /// `None` if the format has none, or hides it in the value.
    pub key: Option<Value>,
    pub value: Value,
    /// Why it failed, if it says so.
    pub error: Value,
}

/// Reads a history that is written like this.
///
/// # Errors
/// The first thing that cannot be understood, and histories without a call.
pub fn read(bytes: &mut dyn Read, format: Format) -> Result<Foreign, Refusal> {
    let mut source = Source::new(bytes);
    let format = match format {
        Format::Auto => detect(&mut source)?,
        format => format,
    };
    match format {
        Format::Edn | Format::Json => jepsen::read(source, format),
        Format::Lines => lines::read(source),
        Format::Porcupine => porcupine::read(source),
        Format::Znodes | Format::Binary | Format::Auto => {
            let what = format!("this is `{}`: it holds znode histories", format.name());
            Err(Refusal::at(Place { line: 0, column: 0 }, what, "read it as its own kind"))
        }
    }
}
