//! One history in, one judgement out: for histories of any kind, ours or other tools'.
//!
//! ```text
//!   Foreign --which model?--> typed operations --search--> Judgement
//!   History --zxids or none-> witness, views or search ---> Judgement
//! ```
//!
//! Here neutral calls get their meaning: which model they are of, what their words and values
//! stand for, what becomes of calls that failed. What no model here can judge is refused.
//!
//! ```
//! use zoosim::history::foreign::{Format, read};
//! use zoosim::verdict::judge::{Answer, Level, Question, judge};
//!
//! let log = "0 :invoke :write 1\n0 :ok :write 1\n1 :invoke :read nil\n1 :ok :read nil\n";
//! let read = || read(&mut log.as_bytes(), Format::Auto);
//! let found = judge(read()?, &Question::default())?;
//! let Answer::False(why) = found.answer else { panic!("the read is stale") };
//! assert_eq!((why.property, why.next[0].line), ("Linearizability", 3));
//! // Without a clock the reader may simply have come first.
//! let question = Question { level: Some(Level::Sequential), ..Question::default() };
//! assert_eq!(judge(read()?, &question)?.answer, Answer::True);
//! # Ok::<(), zoosim::history::foreign::Refusal>(())
//! ```

mod explain;
mod keyed;
mod lower;
#[cfg(test)]
mod tests;
mod znodes;

use std::collections::BTreeSet;

use crate::history::foreign::{Act, Call, End, Foreign, Refusal, Value};

use super::model::{Fifo, Kv, Lists, Model, Mutex, Queue, Register, Set, Txns};
use super::search::{self, Checker};

pub use super::sweep::{Level, Staleness, SyncFlavour};
pub use explain::{Candidate, Why};
pub use keyed::Keyed;
pub use lower::Fail;
pub use znodes::{Gathering, judge_znodes};

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
    /// Append and read of lists, also in transactions.
    List,
    /// Transactions of reads and writes of registers.
    Registers,
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
    ("multi-register", Object::Registers),
    ("znodes", Object::Znodes),
    ("cas-register", Object::Register),
    ("rw-register", Object::Registers),
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
    pub const ALL: [Object; 9] = [
        Object::Register,
        Object::Mutex,
        Object::Set,
        Object::Queue,
        Object::Fifo,
        Object::Kv,
        Object::List,
        Object::Registers,
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

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The history claims an order by its zxids, which is found true or not.
    Witness,
    /// The order of writes is known, and a state is looked for that each read fits.
    Views,
    /// An order is searched for.
    Search,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::Witness, Mode::Views, Mode::Search];

    /// As `--mode` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Witness => "witness",
            Mode::Views => "views",
            Mode::Search => "search",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// The kind of sync of that name.
pub fn sync_flavour(name: &str) -> Option<SyncFlavour> {
    match name {
        "strict" => Some(SyncFlavour::Strict),
        "zookeeper" => Some(SyncFlavour::ZooKeeper),
        _ => None,
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
    /// `None`: what the history has zxids for. Of znode histories only.
    pub mode: Option<Mode>,
    /// Whether a minimal core is wanted of what is not as asked.
    pub explain: bool,
    /// Whether the order is wanted of what is.
    pub order: bool,
    /// What becomes of calls that failed.
    pub fail: Fail,
    /// The search's budgets and reductions.
    pub search: search::Options,
    /// Steps that a search may take which nobody asked for: it stands in for zxids that are there
    /// and cannot be used.
    pub stand_in: u64,
    /// Who helps the search.
    pub hands: search::Hands,
}

/// Bytes that a search may hold beside the history: what more memory has decided was not met yet.
const BYTES: u64 = 256 << 20;

/// [`Question::stand_in`], if nobody says.
const STAND_IN: u64 = 10_000_000;

impl Default for Question {
    fn default() -> Question {
        let search = search::Options { bytes: BYTES, ..search::Options::default() };
        Question {
            object: None,
            level: None,
            sync: SyncFlavour::Strict,
            mode: None,
            explain: false,
            order: false,
            fail: Fail::Drop,
            search,
            stand_in: STAND_IN,
            hands: search::Hands::default(),
        }
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
    /// How it was found out.
    pub mode: Mode,
    /// How many calls there were.
    pub calls: u64,
    /// How many of these were judged: failed ones, and reads without an answer, say nothing.
    pub judged: u64,
    /// How many keys there were, each a history of its own.
    pub keys: u64,
    /// How many calls were transactions of several operations. Of these `linearizable` is what
    /// databases call strictly serializable.
    pub transactions: u64,
    /// What it came to.
    pub answer: Answer,
    /// The order that makes it true, if that was asked; empty if it is not known.
    pub order: Vec<Candidate>,
    /// Of a witness, by property: its name, how often it was evaluated, how often it was found
    /// broken, and whether the level demands it.
    pub properties: Vec<(&'static str, u64, u64, bool)>,
    /// Of a witness: how stale reads were (P12).
    pub staleness: Option<Staleness>,
    /// Of a witness: the strongest level at which the history holds.
    pub strongest: Option<Level>,
    /// Of a witness that is contradicted, if an explanation was asked and the history is small:
    /// what a search says that believes no zxid.
    pub searched: Option<&'static str>,
}

impl Judgement {
    /// One that is not decided yet.
    fn of(object: Object, level: Level, mode: Mode, calls: u64, judged: u64) -> Judgement {
        Judgement {
            object,
            level,
            mode,
            calls,
            judged,
            keys: 0,
            transactions: 0,
            answer: Answer::Unknown(String::new()),
            order: Vec::new(),
            properties: Vec::new(),
            staleness: None,
            strongest: None,
            searched: None,
        }
    }
}

/// Searches calls that may have keys: each key is an object of its own.
macro_rules! judge_keys {
    ($foreign:ident, $question:ident, $model:expr, $lower:ident $(, $more:expr)*) => {
        if $foreign.keys.is_empty() {
            searched(&$model, lower::$lower($foreign $(, $more)*, |_, op| op)?, $question)
        } else {
            let lowered = lower::$lower($foreign $(, $more)*, keyed::Op::new)?;
            let model = Keyed { inner: $model, names: lowered.keys.clone() };
            searched(&model, lowered, $question)
        }
    };
}

/// Judges a history of another tool.
///
/// # Errors
/// What no model here can judge, and a history of which nobody was told anything.
pub fn judge(foreign: Foreign, question: &Question) -> Result<Judgement, Refusal> {
    says_something(&foreign)?;
    let judgement = judge_part(foreign, question)?;
    if judgement.judged == 0 {
        return Err(says_nothing(judgement.calls));
    }
    Ok(judgement)
}

/// Refuses a history in which nothing was answered.
fn says_something(foreign: &Foreign) -> Result<(), Refusal> {
    let answered = |call: &Call| call.end != End::Unknown;
    if foreign.calls.iter().any(answered) {
        return Ok(());
    }
    let line = foreign.calls.iter().next().map_or(0, |call| u64::from(call.line));
    let what = format!("none of the {} calls was answered", foreign.calls.len());
    Err(Refusal::on_line(line, what, "a history without answers proves nothing"))
}

fn says_nothing(calls: u64) -> Refusal {
    let what = format!("none of the {calls} calls says anything: all failed, or have no end");
    Refusal::on_line(1, what, "an empty history proves nothing")
}

/// Judges each key of a history, or each group of keys that transactions bind together, by itself.
///
/// # Errors
/// What no model here can judge, and a history that says nothing at all.
pub fn judge_by_key(
    foreign: Foreign,
    question: &Question,
) -> Result<Vec<(String, Judgement)>, Refusal> {
    says_something(&foreign)?;
    // Which model it is shows over all keys, not in each.
    let object = match question.object {
        Some(object) => object,
        None => detect(&foreign)?,
    };
    let question = Question { object: Some(object), ..question.clone() };
    let calls = foreign.calls.len() as u64;
    let mut all = Vec::new();
    for (key, foreign) in foreign.by_key() {
        all.push((key, judge_part(foreign, &question)?));
    }
    if all.iter().all(|(_, judgement)| judgement.judged == 0) {
        return Err(says_nothing(calls));
    }
    Ok(all)
}

/// Judges some calls of a history, of which there may be none that says anything.
///
/// # Errors
/// What no model here can judge.
fn judge_part(foreign: Foreign, question: &Question) -> Result<Judgement, Refusal> {
    let object = match question.object {
        Some(object) => object,
        None => detect(&foreign)?,
    };
    let level = question.level.unwrap_or(Level::Linearizable);
    if ![Level::Linearizable, Level::Sequential].contains(&level) {
        let what = format!("`{}` is a level of znode histories", level.name());
        let hint = "other objects are judged at `linearizable` or `sequential`";
        return Err(Refusal::on_line(0, what, hint));
    }
    if let Some(mode) = question.mode.filter(|mode| *mode != Mode::Search) {
        let what = format!("mode `{}` needs zxids, which these calls have not", mode.name());
        return Err(Refusal::on_line(0, what, "leave out `--mode`"));
    }
    let total = foreign.calls.len() as u64;
    let keys = foreign.keys.len() as u64;
    let fail = question.fail;
    let transactions = foreign.calls.iter().filter(|call| call.several).count() as u64;
    let (judged, answer, order) = match object {
        Object::List | Object::Registers if transactions > 0 => {
            searched(&Txns::default(), lower::txns(foreign, object)?, question)
        }
        // Where each transaction is of one register, each register is judged by itself.
        Object::Register | Object::Registers => {
            judge_keys!(foreign, question, Register::default(), register, fail)
        }
        Object::Mutex => judge_keys!(foreign, question, Mutex, mutex, fail),
        Object::Set => judge_keys!(foreign, question, Set, set),
        Object::Queue => judge_keys!(foreign, question, Queue, queue, fail),
        Object::Fifo => judge_keys!(foreign, question, Fifo, queue, fail),
        Object::Kv => searched(&Kv::default(), lower::kv(foreign)?, question),
        Object::List => searched(&Lists::default(), lower::list(foreign)?, question),
        Object::Znodes => {
            let what = "calls of another tool are no znode history";
            let hint = "znode histories are zoosim's own: `history.jsonl` of a run";
            return Err(Refusal::on_line(0, what, hint));
        }
    };
    let judgement = Judgement::of(object, level, Mode::Search, total, judged);
    Ok(Judgement { keys, transactions, answer, order, ..judgement })
}

/// Looks for an order. Keys and other parts of the state are judged apart, except where only the
/// order within each process counts: an order of each part is none of all then.
fn searched<M: Model>(
    model: &M,
    mut lowered: lower::Lowered<M::Op, M::Answer>,
    question: &Question,
) -> (u64, Answer, Vec<Candidate>) {
    let mut options = search::Options { parts: true, ..question.search.clone() };
    if question.level == Some(Level::Sequential) {
        lower::forget_time(&mut lowered);
        options.in_order = true;
    }
    let mut order = Vec::new();
    let answer = match Checker::new(model, options.clone()).with(question.hands).check(&lowered.ops)
    {
        search::Found::Legal(found) => {
            if question.order {
                order = explain::listed(model, &lowered, &found);
            }
            Answer::True
        }
        search::Found::Illegal(stuck) => {
            let mut why = explain::why(model, &lowered, &stuck, options.in_order);
            if question.explain {
                explain::add_core(model, &lowered, &stuck, &options, &mut why);
            }
            Answer::False(why)
        }
        search::Found::Unknown(reached) => Answer::Unknown(explain::how_far(&reached)),
    };
    (lowered.ops.len() as u64, answer, order)
}

/// Which object's these operations are.
///
/// # Errors
/// Operations that no model here has, or not one alone.
pub fn detect(foreign: &Foreign) -> Result<Object, Refusal> {
    let mut names = BTreeSet::new();
    let (mut texts, mut counts, mut several, mut lists) = (false, false, false, false);
    let is_list = |value: &Value| matches!(value, Value::List(_) | Value::Prefix { .. });
    for call in foreign.calls.iter() {
        if call.several {
            several = true;
            for micro in call.micros(&foreign.words) {
                names.insert(micro.act.name());
                lists |= micro.act == Act::Read && is_list(micro.value);
            }
            continue;
        }
        let name = foreign.words.text(call.f);
        names.insert(name);
        texts |= name == "append" && matches!(call.asked, Value::Text(_));
        counts |= name == "read" && matches!(call.got, Value::Int(_));
    }
    let only = |known: &[&str]| names.iter().all(|name| known.contains(name));
    let has = |name: &str| names.contains(name);
    let first = |bad: &dyn Fn(&str) -> bool| {
        let mut calls = foreign.calls.iter();
        let found = calls.find(|call| !call.several && bad(foreign.words.text(call.f)));
        found.map_or(0, |call| u64::from(call.line))
    };
    match () {
        () if several && lists && only(&["r", "read"]) => Ok(Object::List),
        () if several && only(&["r", "w", "read", "write"]) => Ok(Object::Registers),
        () if !several && only(&["read", "write", "cas", "r", "w"]) => Ok(Object::Register),
        () if has("append") && only(&["append", "r", "read"]) && (several || !texts) => {
            Ok(Object::List)
        }
        () if !several && only(&["get", "put", "append"]) => Ok(Object::Kv),
        () if only(&["acquire", "release", "lock", "unlock"]) => Ok(Object::Mutex),
        () if only(&["add", "remove", "contains", "read"]) && !counts => Ok(Object::Set),
        () if only(&["enqueue", "dequeue"]) => {
            let line = first(&|_| true);
            let hint = "say `--model queue` if elements come out in any order, `--model \
                        fifo-queue` if first in is first out";
            Err(Refusal::on_line(line, "this is a queue, but of which kind?", hint))
        }
        () if several && only(&["append", "r", "read", "w", "write"]) => {
            let first = foreign.calls.iter().find(|call| call.several);
            let hint = "`w` is of registers, `append` of lists: write two histories";
            let what = "there are transactions of registers here, and of lists";
            Err(Refusal::on_line(first.map_or(0, |call| u64::from(call.line)), what, hint))
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
