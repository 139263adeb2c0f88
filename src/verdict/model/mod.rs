//! What a history is judged against: naive, independent models of the service.
//!
//! [`Model`] is what any object must be to be searched by [`crate::verdict::search`]: a register, a
//! queue, a map, or one of your own. [`Znodes`] is the znode service, for histories of an ensemble.
//!
//! A model of one's own needs a state, one step that can be taken back, and a hash:
//!
//! ```
//! use zoosim::verdict::model::{Model, Timed, mix};
//! use zoosim::verdict::search::{Found, Options, check};
//!
//! /// A counter that answers what it was before.
//! struct Counter;
//!
//! impl Model for Counter {
//!     type Op = u64; // add so much
//!     type Answer = u64;
//!     type State = u64;
//!     type Undo = u64;
//!
//!     fn start(&self) -> u64 {
//!         0
//!     }
//!     fn step(&self, count: &mut u64, add: &u64, answer: Option<&u64>) -> Option<u64> {
//!         let before = *count;
//!         if answer.is_some_and(|answer| *answer != before) {
//!             return None;
//!         }
//!         *count += add;
//!         Some(before)
//!     }
//!     fn back(&self, count: &mut u64, _add: &u64, before: u64) {
//!         *count = before;
//!     }
//!     fn hash(&self, count: &u64) -> u128 {
//!         mix(0, *count)
//!     }
//!     // Adding nothing changes nothing, whatever the count is: it is a read.
//!     fn is_pure(&self, add: &u64, _answer: &u64) -> bool {
//!         *add == 0
//!     }
//! }
//!
//! let lost = Timed::lost(1, 0, 5); // process 1 called at 0 to add 5, and never heard of it
//! let read = |at, count| Timed::new(2, at, at + 1, 0, count);
//! let found = |ops: &[Timed<u64, u64>]| check(&Counter, ops, &Options::default());
//! assert!(found(&[lost.clone(), read(1, 0), read(3, 5)]).is_legal());
//! assert!(found(&[lost.clone(), read(1, 5), read(3, 5)]).is_legal());
//! assert!(matches!(found(&[lost, read(1, 5), read(3, 0)]), Found::Illegal(_)));
//! ```

pub mod fifo;
pub mod kv;
pub mod list;
pub mod mutex;
pub mod queue;
pub mod register;
pub mod set;
pub(crate) mod tree;
pub mod txn;
pub mod znodes;

use std::fmt::Debug;

pub use fifo::Fifo;
pub use kv::Kv;
pub use list::Lists;
pub use mutex::Mutex;
pub use queue::Queue;
pub use register::Register;
pub use set::Set;
pub use txn::Txns;
pub use znodes::Znodes;

/// One operation of a history: who, when, what, and what came of it.
///
/// The interval is closed: an operation takes effect at one moment of `call..=ret`, so operations
/// that touch at an end are concurrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed<O, A> {
    /// The process or session that called.
    pub process: u64,
    /// When it called.
    pub call: u64,
    /// When it was answered; [`u64::MAX`] if it never was.
    pub ret: u64,
    /// What was asked.
    pub op: O,
    /// What was answered. `None`: the outcome is unknown, so it may have happened at any time after
    /// the call, or never; `ret` does not matter then. What is known not to have happened is no
    /// part of a history.
    pub answer: Option<A>,
}

impl<O, A> Timed<O, A> {
    /// An operation that was answered.
    pub fn new(process: u64, call: u64, ret: u64, op: O, answer: A) -> Timed<O, A> {
        Timed { process, call, ret, op, answer: Some(answer) }
    }

    /// An operation whose outcome is unknown.
    pub fn lost(process: u64, call: u64, op: O) -> Timed<O, A> {
        Timed { process, call, ret: u64::MAX, op, answer: None }
    }

    /// The last moment at which it may take effect.
    pub fn end(&self) -> u64 {
        if self.answer.is_none() { u64::MAX } else { self.ret }
    }
}

/// A history of this model.
pub type History<M> = [Timed<<M as Model>::Op, <M as Model>::Answer>];

/// An operation as a register would see it, for histories that zones can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It saw this value; `None` is the value at the start, which must differ from all written.
    Read(Option<u64>),
    /// It wrote this value, whatever was there.
    Write(u64),
    /// Nothing at all, and nobody saw an outcome.
    Nothing,
    /// None of these.
    Other,
}

/// The parts of a state that one operation touches (see [`Model::touches`]).
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// The part, and how it is touched.
    pub(super) parts: Vec<(u64, How)>,
    /// Whether it may change more than that.
    pub(super) unnamed: bool,
}

/// How an operation touches a part of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// It depends on it.
    Sees,
    /// It may change it.
    Changes,
    /// It may change it, probably as the only one.
    Makes,
}

impl Touched {
    /// Whether the operation can end with its answer, or what it does to another part, depends on
    /// this part. A part that nobody sees joins nobody.
    pub fn see(&mut self, part: u64) {
        self.parts.push((part, How::Sees));
    }

    /// The operation may change this part. A part that nobody changes joins nobody.
    pub fn change(&mut self, part: u64) {
        self.parts.push((part, How::Changes));
    }

    /// As [`Touched::change`], of a part that is probably changed once and for all: if it is, and
    /// all who see it do so clearly before or after, they are judged apart from each other, each
    /// knowing of the change.
    pub fn make(&mut self, part: u64) {
        self.parts.push((part, How::Makes));
    }

    /// The operation may change parts that it cannot name. It must be joined with all who see them
    /// through others who do.
    pub fn change_unnamed(&mut self) {
        self.unnamed = true;
    }

    /// Nothing.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.unnamed = false;
    }
}

/// A sequential object: what may happen to one state, one operation after the other.
///
/// Only the first five methods are needed. The others make a search faster or its report nicer;
/// what they promise is part of the verdict, so leave out what you are not sure of.
///
/// All of it is plain data: parts of a history may be judged on several threads.
pub trait Model: Sized + Send + Sync {
    /// What can be asked.
    type Op: Clone + PartialEq + Debug + Send + Sync;
    /// What can be answered.
    type Answer: Clone + PartialEq + Debug + Send + Sync;
    /// What the object remembers.
    type State: Clone + PartialEq + Send;
    /// What takes a step back.
    type Undo: Send;

    /// The state before any operation.
    fn start(&self) -> Self::State;

    /// Carries out an operation, if it can end with this answer here. `None` refuses, and leaves
    /// the state as it was. Without an answer anything that may come of it is fine: an operation
    /// that would be an error then simply changes nothing.
    ///
    /// One state, operation and answer give one new state. An object with more choice than that
    /// keeps the set of states that it may be in.
    fn step(
        &self,
        state: &mut Self::State,
        op: &Self::Op,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::Undo>;

    /// Takes the latest step back, which was this operation.
    fn back(&self, state: &mut Self::State, op: &Self::Op, undo: Self::Undo);

    /// Tells states apart: equal states have equal hashes, others do not ([`mix`] helps). It is
    /// asked for at every step, so a large state keeps it up to date instead of computing it.
    fn hash(&self, state: &Self::State) -> u128;

    /// Whether this operation with this answer leaves the state unchanged in **every** state in
    /// which the answer is right: a read, a refusal. A write that happens to write what is there
    /// already is not pure: in other states the same answer comes with a change.
    fn is_pure(&self, _op: &Self::Op, _answer: &Self::Answer) -> bool {
        false
    }

    /// The parts of the state that an operation sees or changes, as numbers (hash a name with
    /// [`mix`]; a collision costs time only). Operations without a common part, directly or through
    /// others, are judged apart. Nothing means: all of it.
    fn touches(&self, _op: &Self::Op, _answer: Option<&Self::Answer>, _parts: &mut Touched) {}

    /// Where in the order this operation probably stands, in comparison with others (a zxid, a
    /// version, a sequence number): what is tried first. A wrong one costs time, never the verdict.
    fn hint(&self, _op: &Self::Op, _answer: Option<&Self::Answer>) -> Option<u64> {
        None
    }

    /// A model that refuses more, knowing all operations that will ever happen: it may refuse any
    /// step that is in no complete legal order of exactly these, and forget what none of them can
    /// tell apart.
    fn narrowed(&self, _ops: &[&Timed<Self::Op, Self::Answer>]) -> Option<Self> {
        None
    }

    /// The operation as a register sees it. [`Access::Other`] is always right.
    fn access(&self, _op: &Self::Op, _answer: Option<&Self::Answer>) -> Access {
        Access::Other
    }

    /// About how many bytes a copy of the state takes, for budgets.
    fn weight(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }

    /// Why this operation cannot end with this answer here, for people.
    fn refusal(
        &self,
        _state: &Self::State,
        _op: &Self::Op,
        answer: Option<&Self::Answer>,
    ) -> String {
        format!("cannot answer {answer:?} in this state")
    }

    /// The operation and its answer, for people.
    fn show(&self, op: &Self::Op, answer: Option<&Self::Answer>) -> String {
        match answer {
            Some(answer) => format!("{op:?} -> {answer:?}"),
            None => format!("{op:?} -> ?"),
        }
    }
}

/// A 128-bit hash of two numbers, for [`Model::hash`] and [`Model::touches`]: hashes of independent
/// parts of a state are combined with `^`.
#[inline]
pub fn mix(tag: u64, value: u64) -> u128 {
    let seed = tag.wrapping_mul(0x9FB2_1C65_1E98_DF25) ^ 0x2545_F491_4F6C_DD1D;
    let low = avalanche(value ^ seed);
    let high = avalanche(value.wrapping_add(seed.rotate_left(29)) ^ 0xA076_1D64_78BD_642F);
    (u128::from(high) << 64) | u128::from(low)
}

/// A bijection of 64 bits in which every input bit flips half of the output.
#[inline]
fn avalanche(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Like [`mix`], of a text.
pub fn mix_text(tag: u64, text: &str) -> u128 {
    let mut hash = mix(tag, text.len() as u64);
    for chunk in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash =
            hash.rotate_left(41) ^ mix((hash >> 64) as u64, hash as u64 ^ u64::from_le_bytes(word));
    }
    hash
}
