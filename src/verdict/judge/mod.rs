//! One history in, one judgement out: for histories of any kind, ours or other tools'.
//!
//! ```text
//!   Foreign --which model?--> typed operations --search--> Judgement
//!   History --level, sync---> the znode service's oracles --> Judgement
//! ```
//!
//! Here neutral calls get their meaning: which model they are of, what their words and values
//! stand for, what becomes of calls that failed. What no model here can judge is refused.

mod explain;
mod keyed;
mod lower;
mod znodes;

use std::collections::BTreeSet;

use crate::history;
use crate::history::foreign::{Foreign, Refusal, Value};

use super::model::{Fifo, Kv, Lists, Model, Mutex, Queue, Register, Set};
use super::search;

pub use explain::{Candidate, Why};
pub use keyed::Keyed;
pub use lower::Fail;
pub use znodes::{Level, SyncFlavour, sync_flavour};

/// What a history is judged against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// Read, write, compare-and-set.
    Register,
    /// Acquire, release.
    Mutex,
    /// Add, remove, contains, read.
    Set,
    /// Enqueue, dequeue, in any order.
    Queue,
    /// Enqueue, dequeue, first in first out.
    Fifo,
    /// Get, put, append of texts.
    Kv,
    /// Append and read of lists.
    List,
    /// The znode service.
    Znodes,
}

/// Names, and other names, of objects.
const NAMES: &[(&str, Object)] = &[
    ("register", Object::Register),
    ("mutex", Object::Mutex),
    ("set", Object::Set),
    ("queue", Object::Queue),
    ("fifo-queue", Object::Fifo),
    ("kv", Object::Kv),
    ("list-append", Object::List),
    ("znodes", Object::Znodes),
    ("cas-register", Object::Register),
    ("multi-register", Object::Register),
    ("rw-register", Object::Register),
    ("lock", Object::Mutex),
    ("unordered-queue", Object::Queue),
    ("fifo", Object::Fifo),
    ("append-list", Object::List),
    ("list", Object::List),
    ("znode", Object::Znodes),
    ("tree", Object::Znodes),
];

impl Object {
    /// All, each once.
    pub const ALL: [Object; 8] = [
        Object::Register,
        Object::Mutex,
        Object::Set,
        Object::Queue,
        Object::Fifo,
        Object::Kv,
        Object::List,
        Object::Znodes,
    ];

    /// As `--model` spells it.
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, object)| *object == self);
        found.map(|(name, _)| *name).expect("every object has a name")
    }

    /// The object of that name, or of another name that it goes by.
    pub fn from_name(name: &str) -> Option<Object> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, object)| *object)
    }
}

/// What is asked of a history.
#[derive(Clone, Debug)]
pub struct Question {
    /// `None`: whatever its operations are of.
    pub object: Option<Object>,
    /// `None`: what the object is to promise: `sync-linearizable` for znodes, else `linearizable`.
    pub level: Option<Level>,
    /// What a sync promises.
    pub sync: SyncFlavour,
    /// What becomes of calls that failed.
    pub fail: Fail,
    /// The search's budgets and reductions.
    pub search: search::Options,
}

impl Default for Question {
    fn default() -> Question {
        let search = search::Options::default();
        Question { object: None, level: None, sync: SyncFlavour::Strict, fail: Fail::Drop, search }
    }
}

/// What a history came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is as asked.
    True,
    /// It is not.
    False(Why),
    /// Nobody knows: why.
    Unknown(String),
}

impl Answer {
    /// As the known standalone tools print it.
    pub fn word(&self) -> &'static str {
        match self {
            Answer::True => "true",
            Answer::False(_) => "false",
            Answer::Unknown(_) => "unknown",
        }
    }
}

/// A judged history.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What it was judged against.
    pub object: Object,
    /// At which level.
    pub level: Level,
    /// How many calls there were.
    pub calls: u64,
    /// How many of these were judged: failed ones, and reads without an answer, say nothing.
    pub judged: u64,
    /// How many keys there were, each a history of its own.
    pub keys: u64,
    /// What it came to.
    pub answer: Answer,
    /// Notes for people: numbers that were measured on the way.
    pub notes: Vec<(&'static str, String)>,
}

/// Searches calls that may have keys: each key is an object of its own.
macro_rules! judge_keys {
    ($foreign:ident, $options:ident, $model:expr, $lower:ident $(, $more:expr)*) => {
        if $foreign.keys.is_empty() {
            searched(&$model, &lower::$lower($foreign $(, $more)*, |_, op| op)?, $options)
        } else {
            let lowered = lower::$lower($foreign $(, $more)*, keyed::Op::new)?;
            // Keys are apart whatever else is switched off: that is what keys are.
            let options = search::Options { parts: true, ..$options.clone() };
            searched(&Keyed { inner: $model, names: lowered.keys.clone() }, &lowered, &options)
        }
    };
}

/// Judges a history of another tool.
///
/// # Errors
/// What no model here can judge.
pub fn judge(foreign: Foreign, question: &Question) -> Result<Judgement, Refusal> {
    let object = match question.object {
        Some(object) => object,
        None => detect(&foreign)?,
    };
    let level = question.level.unwrap_or(Level::Linearizable);
    if level != Level::Linearizable {
        let what = format!("`{}` is a level of znode histories", level.name());
        return Err(Refusal::on_line(0, what, "other objects are judged at `linearizable`"));
    }
    let total = foreign.calls.len() as u64;
    let keys = foreign.keys.len() as u64;
    let fail = question.fail;
    let options = &question.search;
    let (judged, answer) = match object {
        Object::Register => judge_keys!(foreign, options, Register::default(), register, fail),
        Object::Mutex => judge_keys!(foreign, options, Mutex, mutex, fail),
        Object::Set => judge_keys!(foreign, options, Set, set),
        Object::Queue => judge_keys!(foreign, options, Queue, queue, fail),
        Object::Fifo => judge_keys!(foreign, options, Fifo, queue, fail),
        Object::Kv => searched(&Kv::default(), &lower::kv(foreign)?, options),
        Object::List => searched(&Lists::default(), &lower::list(foreign)?, options),
        Object::Znodes => {
            let what = "calls of another tool are no znode history";
            let hint = "znode histories are zoosim's own: `history.jsonl` of a run";
            return Err(Refusal::on_line(0, what, hint));
        }
    };
    if judged == 0 {
        let what = format!("none of the {total} calls says anything: all failed, or have no end");
        return Err(Refusal::on_line(0, what, "an empty history proves nothing"));
    }
    Ok(Judgement { object, level, calls: total, judged, keys, answer, notes: Vec::new() })
}

/// Judges a history of the znode service.
///
/// # Errors
/// A question that is not for such histories.
pub fn judge_znodes(history: &history::History, question: &Question) -> Result<Judgement, Refusal> {
    if let Some(object) = question.object.filter(|object| *object != Object::Znodes) {
        let what = format!("this is a znode history, which model `{}` cannot judge", object.name());
        return Err(Refusal::on_line(0, what, "leave out `--model`"));
    }
    let level = question.level.unwrap_or(Level::SyncLinearizable);
    let calls = history.operations.len() as u64;
    let (answer, notes) = znodes::judge(history, level, question.sync, &question.search)?;
    let object = Object::Znodes;
    Ok(Judgement { object, level, calls, judged: calls, keys: 0, answer, notes })
}

fn searched<M: Model>(
    model: &M,
    lowered: &lower::Lowered<M::Op, M::Answer>,
    options: &search::Options,
) -> (u64, Answer) {
    let answer = match search::check(model, &lowered.ops, options) {
        search::Found::Legal(_) => Answer::True,
        search::Found::Illegal(stuck) => Answer::False(explain::why(model, lowered, &stuck)),
        search::Found::Unknown(reached) => Answer::Unknown(explain::how_far(&reached)),
    };
    (lowered.ops.len() as u64, answer)
}

/// Which object's these operations are.
///
/// # Errors
/// Operations that no model here has, or not one alone.
pub fn detect(foreign: &Foreign) -> Result<Object, Refusal> {
    let mut names = BTreeSet::new();
    let (mut texts, mut counts) = (false, false);
    for call in foreign.calls.iter() {
        let name = foreign.words.text(call.f);
        names.insert(name);
        texts |= name == "append" && matches!(call.asked, Value::Text(_));
        counts |= name == "read" && matches!(call.got, Value::Int(_));
    }
    let only = |known: &[&str]| names.iter().all(|name| known.contains(name));
    let has = |name: &str| names.contains(name);
    let first = |bad: &dyn Fn(&str) -> bool| {
        let mut calls = foreign.calls.iter();
        let found = calls.find(|call| bad(foreign.words.text(call.f)));
        found.map_or(0, |call| u64::from(call.line))
    };
    match () {
        () if only(&["read", "write", "cas", "r", "w"]) => Ok(Object::Register),
        () if has("append") && only(&["append", "r", "read"]) && !texts => Ok(Object::List),
        () if only(&["get", "put", "append"]) => Ok(Object::Kv),
        () if only(&["acquire", "release", "lock", "unlock"]) => Ok(Object::Mutex),
        () if only(&["add", "remove", "contains", "read"]) && !counts => Ok(Object::Set),
        () if only(&["enqueue", "dequeue"]) => {
            let line = first(&|_| true);
            let hint = "say `--model queue` if elements come out in any order, `--model \
                        fifo-queue` if first in is first out";
            Err(Refusal::on_line(line, "this is a queue, but of which kind?", hint))
        }
        () if has("add") && counts && only(&["add", "read"]) => {
            let what = "this is a counter, which no model here judges";
            Err(Refusal::on_line(first(&|name| name == "add"), what, &*known()))
        }
        () => {
            let every = |name: &str| lower::KNOWN.iter().any(|(_, known)| known.contains(&name));
            let line = first(&|name| !every(name));
            let odd = names.iter().find(|name| !every(name));
            let what = match odd {
                Some(name) => format!("`{name}` is no operation of a model here"),
                None => "these operations are not all of one model".to_string(),
            };
            Err(Refusal::on_line(line.max(1), what, &*known()))
        }
    }
}

/// What every model knows, for hints.
fn known() -> String {
    let all = lower::KNOWN
        .iter()
        .map(|(object, names)| format!("`{}`: {}", object.name(), names.join(", ")));
    format!("known are {}", all.collect::<Vec<_>>().join("; "))
}
