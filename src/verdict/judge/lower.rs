//! What neutral calls mean to each model: their words, their values, and what becomes of calls
//! that failed or have no end.
//!
//! A call that failed did not happen and is left out; with [`Fail::Assert`] one that was refused
//! for its condition alone says that the condition did not hold. A read without an answer says
//! nothing; any other call without one may have happened.

mod lists;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::foreign::{Call, End, Foreign, Refusal, Value, Words};
use crate::verdict::model::{Timed, fifo, kv, mutex, register, set};

use super::Object;

pub use lists::{list, txns};

/// What becomes of calls that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fail {
    /// They did not happen, and say nothing (as Knossos has it).
    #[default]
    Drop,
    /// A refusal says that the condition did not hold (as Porcupine's etcd model has it).
    Assert,
}

/// The operations that each model knows.
pub const KNOWN: &[(Object, &[&str])] = &[
    (Object::Register, &["read", "write", "cas", "r", "w"]),
    (Object::Mutex, &["acquire", "release", "lock", "unlock"]),
    (Object::Set, &["add", "remove", "contains", "read"]),
    (Object::Queue, &["enqueue", "dequeue"]),
    (Object::Kv, &["get", "put", "append"]),
    (Object::List, &["append", "read", "r", "txn"]),
    (Object::Registers, &["read", "write", "r", "w", "txn"]),
];

/// A history as a model takes it.
pub struct Lowered<O, A> {
    /// The operations.
    pub ops: Vec<Timed<O, A>>,
    /// The lines on which each was called and ended.
    pub lines: Vec<(u32, u32)>,
    /// What the keys are called; none if there are none.
    pub keys: Vec<String>,
    /// What values that are no numbers are called.
    pub numbers: Numbers,
}

/// Lets every answer come at the very end: then only the order within each process is left. A
/// process that calls again after a call that nobody answered is another one from then on: that
/// call may still be under way.
pub fn forget_time<O, A>(lowered: &mut Lowered<O, A>) {
    let mut next = lowered.ops.iter().map(|timed| timed.process).max().unwrap_or(0);
    let mut now: BTreeMap<u64, u64> = BTreeMap::new();
    for timed in &mut lowered.ops {
        timed.ret = u64::MAX;
        let first = timed.process;
        timed.process = now.get(&first).copied().unwrap_or(first);
        if timed.answer.is_none() {
            next += 1;
            now.insert(first, next);
        }
    }
}

/// What a call means: what was asked, and the answer if it is known.
type Meaning<O, A> = Option<(O, Option<A>)>;

/// Makes a model's history of neutral calls. `wrap` may put the number of its key to an operation.
fn lower<O, A, W>(
    foreign: Foreign,
    wrap: impl Fn(u32, O) -> W,
    mut meaning: impl FnMut(&Call, &mut Numbers) -> Result<Meaning<O, A>, Refusal>,
) -> Result<Lowered<W, A>, Refusal> {
    let words = foreign.words.clone();
    lower_shared(foreign, wrap, |mut call, numbers| {
        call.got = words.whole(call.got);
        meaning(&call, numbers)
    })
}

/// As [`lower`], where a list that was read may be a [`Value::Prefix`].
fn lower_shared<O, A, W>(
    foreign: Foreign,
    wrap: impl Fn(u32, O) -> W,
    mut meaning: impl FnMut(Call, &mut Numbers) -> Result<Meaning<O, A>, Refusal>,
) -> Result<Lowered<W, A>, Refusal> {
    let Foreign { calls, words, keys, .. } = foreign;
    let mut names = Vec::new();
    if !keys.is_empty() {
        names = (0..=keys.len() as u32).map(|key| words.show(keys.get(key))).collect();
    }
    let numbers = Numbers { words, ids: BTreeMap::new(), values: Vec::new() };
    let ops = Vec::with_capacity(calls.len());
    let lines = Vec::with_capacity(calls.len());
    let mut all = Lowered { ops, lines, keys: names, numbers };
    for call in calls {
        let Call { process, key, invoked, returned, line, end_line, .. } = call;
        let Some((op, answer)) = meaning(call, &mut all.numbers)? else { continue };
        let (process, from) = (u64::from(process), u64::from(invoked));
        let known = answer.is_some() && returned != u32::MAX;
        let ret = if known { u64::from(returned) } else { u64::MAX };
        all.ops.push(Timed { process, call: from, ret, op: wrap(key, op), answer });
        all.lines.push((line, end_line));
    }
    Ok(all)
}

/// Whole numbers for all values: their own for whole numbers, others for all else.
pub struct Numbers {
    words: Arc<Words>,
    ids: BTreeMap<Value, i64>,
    values: Vec<Value>,
}

/// Numbers below this stand for other values.
const OTHERS_END: i64 = i64::MIN + (1 << 40);

impl Numbers {
    fn of(&mut self, value: &Value) -> i64 {
        match value {
            Value::Int(number) if *number >= OTHERS_END => return *number,
            // Equal to the list that it is a beginning of, wherever that stands whole.
            Value::Prefix { .. } => return self.of(&self.words.clone().whole(value.clone())),
            _ => {}
        }
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        let id = i64::MIN + self.values.len() as i64;
        self.ids.insert(value.clone(), id);
        self.values.push(value.clone());
        id
    }

    fn maybe(&mut self, value: &Value) -> Option<i64> {
        if value.is_nil() { None } else { Some(self.of(value)) }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Nil => String::new(),
            Value::Text(word) => self.words.text(*word).to_string(),
            other => self.words.show(other),
        }
    }

    /// The text with the values instead of the numbers that stand for them.
    pub fn spell(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('-') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            let number = rest[..=digits].parse::<i64>().ok();
            let index =
                number.and_then(|number| usize::try_from(number.wrapping_sub(i64::MIN)).ok());
            match index.and_then(|index| self.values.get(index)) {
                Some(value) if number.is_some_and(|number| number < OTHERS_END) => {
                    self.words.put(value, &mut out);
                }
                Some(_) | None => out.push_str(&rest[..=digits]),
            }
            rest = &rest[digits + 1..];
        }
        out.push_str(rest);
        out
    }
}

/// What a call's end says.
enum Said {
    /// It happened, and this is the answer.
    Done,
    /// It was refused, and that is the answer.
    Refused,
    /// It may have happened.
    Perhaps,
    /// Nothing.
    Nothing,
}

fn said(call: &Call, fail: Fail) -> Said {
    match (call.end, fail) {
        (End::Ok, _) => Said::Done,
        (End::Refused, Fail::Assert) => Said::Refused,
        (End::Refused, Fail::Drop) | (End::Failed, _) => Said::Nothing,
        (End::Unknown, _) => Said::Perhaps,
    }
}

/// An operation that is no model's own.
fn stranger(call: &Call, numbers: &Numbers, object: Object) -> Refusal {
    not_of(numbers.words.text(call.f), call, object)
}

/// A name that is no model's own.
fn not_of(name: &str, call: &Call, object: Object) -> Refusal {
    let what = format!("`{name}` is no operation of model `{}`", object.name());
    let known = KNOWN.iter().find(|(of, _)| *of == object).map_or(&[][..], |(_, names)| names);
    let mut hint = format!("it knows {}", known.join(", "));
    if call.several {
        hint.push_str("; `multi-register` and `list-append` have transactions");
    }
    Refusal::on_line(u64::from(call.line), what, hint)
}

fn odd_value(call: &Call, numbers: &Numbers, wanted: &str) -> Refusal {
    let (asked, got) = (numbers.words.show(&call.asked), numbers.words.show(&call.got));
    let f = numbers.words.text(call.f);
    let line = if call.end == End::Ok { call.end_line.max(call.line) } else { call.line };
    let what = format!("`{f}` of `{asked}` that ends with `{got}` cannot be read");
    Refusal::on_line(u64::from(line), what, format!("this should be {wanted}"))
}

/// A completion that repeats its value repeats the one it was called with.
fn repeats(call: &Call, numbers: &Numbers) -> Result<(), Refusal> {
    let other = !call.got.is_nil() && call.got != call.asked;
    if call.end == End::Ok && other && call.got != Value::Bool(true) {
        return Err(odd_value(call, numbers, "a completion with the value of its invocation"));
    }
    Ok(())
}

/// Registers.
pub fn register<W>(
    foreign: Foreign,
    fail: Fail,
    wrap: impl Fn(u32, register::Op) -> W,
) -> Result<Lowered<W, register::Answer>, Refusal> {
    use register::{Answer, Op};
    lower(foreign, wrap, |call, numbers| {
        let said = said(call, fail);
        Ok(match (numbers.words.text(call.f), said) {
            (_, Said::Nothing) => None,
            ("read" | "r", Said::Done) => {
                Some((Op::Read, Some(Answer::Is(numbers.maybe(&call.got)))))
            }
            ("read" | "r", Said::Refused | Said::Perhaps) => None,
            ("write" | "w", said) => {
                repeats(call, numbers)?;
                let op = Op::Write(numbers.maybe(&call.asked));
                match said {
                    Said::Done => Some((op, Some(Answer::Done))),
                    Said::Perhaps => Some((op, None)),
                    Said::Refused | Said::Nothing => None,
                }
            }
            ("cas", said) => {
                repeats(call, numbers)?;
                let Some((old, new)) = call.asked.as_pair() else {
                    return Err(odd_value(call, numbers, "a pair `[old new]`"));
                };
                let op = Op::Cas(numbers.maybe(old), numbers.maybe(new));
                match said {
                    Said::Done => Some((op, Some(Answer::Done))),
                    Said::Refused => Some((op, Some(Answer::Differs))),
                    Said::Perhaps => Some((op, None)),
                    Said::Nothing => None,
                }
            }
            _ => return Err(stranger(call, numbers, Object::Register)),
        })
    })
}

/// Mutexes.
pub fn mutex<W>(
    foreign: Foreign,
    fail: Fail,
    wrap: impl Fn(u32, mutex::Op) -> W,
) -> Result<Lowered<W, mutex::Answer>, Refusal> {
    use mutex::{Answer, Op};
    lower(foreign, wrap, |call, numbers| {
        let op = match numbers.words.text(call.f) {
            "acquire" | "lock" => Op::Acquire,
            "release" | "unlock" => Op::Release,
            _ => return Err(stranger(call, numbers, Object::Mutex)),
        };
        Ok(match said(call, fail) {
            Said::Done => Some((op, Some(Answer::Done))),
            Said::Refused => Some((op, Some(Answer::Refused))),
            Said::Perhaps => Some((op, None)),
            Said::Nothing => None,
        })
    })
}

/// Sets.
pub fn set<W>(
    foreign: Foreign,
    wrap: impl Fn(u32, set::Op) -> W,
) -> Result<Lowered<W, set::Answer>, Refusal> {
    use set::{Answer, Op};
    lower(foreign, wrap, |call, numbers| {
        let said = said(call, Fail::Drop);
        let f = numbers.words.text(call.f).to_string();
        Ok(match (f.as_str(), said) {
            (_, Said::Nothing | Said::Refused) => None,
            ("add" | "remove", said) => {
                let element = numbers.of(&call.asked);
                let op = if f == "add" { Op::Add(element) } else { Op::Remove(element) };
                match said {
                    Said::Done => Some((op, Some(Answer::Done))),
                    Said::Perhaps | Said::Refused | Said::Nothing => Some((op, None)),
                }
            }
            ("contains" | "read", Said::Perhaps) => None,
            ("contains", Said::Done) => {
                let Value::Bool(is) = call.got else {
                    return Err(odd_value(call, numbers, "true or false"));
                };
                Some((Op::Has(numbers.of(&call.asked)), Some(Answer::Is(is))))
            }
            ("read", Said::Done) => {
                let all = match &call.got {
                    Value::Set(all) | Value::List(all) => all.clone(),
                    Value::Nil => Box::default(),
                    _ => return Err(odd_value(call, numbers, "a set or list of elements")),
                };
                // Who reads an element twice has read no set: that fits nowhere.
                let mut all: Vec<i64> = all.iter().map(|value| numbers.of(value)).collect();
                all.sort();
                Some((Op::Read, Some(Answer::All(all))))
            }
            _ => return Err(stranger(call, numbers, Object::Set)),
        })
    })
}

/// Queues of both kinds.
pub fn queue<W>(
    foreign: Foreign,
    fail: Fail,
    wrap: impl Fn(u32, fifo::Op) -> W,
) -> Result<Lowered<W, fifo::Answer>, Refusal> {
    use fifo::{Answer, Op};
    lower(foreign, wrap, |call, numbers| {
        let f = numbers.words.text(call.f).to_string();
        Ok(match (f.as_str(), said(call, fail)) {
            (_, Said::Nothing) => None,
            ("enqueue", Said::Done) => {
                Some((Op::Enqueue(numbers.of(&call.asked)), Some(Answer::Done)))
            }
            ("enqueue", Said::Perhaps) => Some((Op::Enqueue(numbers.of(&call.asked)), None)),
            ("enqueue", Said::Refused) => None,
            ("dequeue", Said::Done) if call.got.is_nil() => {
                Some((Op::Dequeue, Some(Answer::Empty)))
            }
            ("dequeue", Said::Done) => {
                Some((Op::Dequeue, Some(Answer::Got(numbers.of(&call.got)))))
            }
            ("dequeue", Said::Refused) => Some((Op::Dequeue, Some(Answer::Empty))),
            ("dequeue", Said::Perhaps) => Some((Op::Dequeue, None)),
            ("drain", _) => {
                let hint = "write each element that a drain took out as a `dequeue` of its own";
                let line = u64::from(call.line);
                return Err(Refusal::on_line(line, "`drain` is no single operation", hint));
            }
            _ => return Err(stranger(call, numbers, Object::Queue)),
        })
    })
}

/// Maps of texts.
pub fn kv(foreign: Foreign) -> Result<Lowered<kv::Op, kv::Answer>, Refusal> {
    use kv::{Answer, Op};
    let words = foreign.words.clone();
    let names: Vec<String> = (0..=foreign.keys.len() as u32)
        .map(|key| match foreign.keys.get(key) {
            Value::Text(word) => words.text(*word).to_string(),
            other => words.show(other),
        })
        .collect();
    lower(
        foreign,
        |_, op| op,
        move |call, numbers| {
            let key = names[call.key as usize].clone();
            let value = || numbers.text(&call.asked);
            let op = match numbers.words.text(call.f) {
                "get" => Op::Get { key },
                "put" => Op::Put { key, value: value() },
                "append" => Op::Append { key, value: value() },
                _ => return Err(stranger(call, numbers, Object::Kv)),
            };
            let reads = matches!(op, Op::Get { .. });
            Ok(match said(call, Fail::Drop) {
                Said::Done if reads => Some((op, Some(Answer::Is(numbers.text(&call.got))))),
                Said::Done => Some((op, Some(Answer::Done))),
                Said::Perhaps if !reads => Some((op, None)),
                Said::Perhaps | Said::Refused | Said::Nothing => None,
            })
        },
    )
}
