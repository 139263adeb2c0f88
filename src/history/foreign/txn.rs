//! Transactions: `[[:r :x nil] [:w :y 2]]`, `[[:append :x 1] [:r :x nil]]`, as the values of calls.
//!
//! A transaction of one operation becomes that operation, on its key, so that it takes no more room
//! than any call. One of several keeps them in its value, key by number: see [`Call::micros`]. A
//! completion must repeat what it ends, but for what was read.

use super::source::Refusal;
use super::value::{Value, Word, Words};
use super::{Call, Calls, Kind};

/// What calls of transactions are called.
const NAMES: [&str; 3] = ["txn", "transact", "transaction"];

/// Whether a call of this name is a transaction.
pub(crate) fn is_txn(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What an operation of a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Tells what is under the key.
    Read,
    /// Lets the value be under the key.
    Write,
    /// Lets the value come last in the list under the key.
    Append,
}

impl Act {
    /// As Jepsen spells it.
    pub fn name(self) -> &'static str {
        match self {
            Act::Read => "r",
            Act::Write => "w",
            Act::Append => "append",
        }
    }

    /// What these words mean: `r`, `read`, `w`, `write`, `append`.
    pub fn from_name(name: &str) -> Option<Act> {
        match name {
            "r" | "read" => Some(Act::Read),
            "w" | "write" => Some(Act::Write),
            "append" => Some(Act::Append),
            _ => None,
        }
    }
}

/// One operation of a transaction of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Micro<'a> {
    /// What it does.
    pub act: Act,
    /// On which of the history's keys.
    pub key: u32,
    /// What it writes; of a read what it saw, if that is known.
    pub value: &'a Value,
}

/// Each operation of a transaction takes so many places in its value.
const EACH: usize = 3;

impl Call {
    /// The operations of a transaction of several; of any other call none.
    pub fn micros<'a>(&'a self, words: &'a Words) -> impl Iterator<Item = Micro<'a>> {
        let asked = if self.several { self.asked.as_list() } else { None };
        let mut seen = self.got.as_list().unwrap_or_default().iter();
        asked.unwrap_or_default().chunks_exact(EACH).filter_map(move |each| {
            let act = Act::from_name(each[0].as_word().map_or("", |word| words.text(word)))?;
            let Value::Int(key) = each[1] else { return None };
            let value = match act {
                Act::Read => seen.next().unwrap_or(&Value::Nil),
                Act::Write | Act::Append => &each[2],
            };
            Some(Micro { act, key: key as u32, value })
        })
    }
}

/// Adds an operation to the value of a transaction of several.
pub fn push(flat: &mut Vec<Value>, name: Word, key: u32, value: Value) {
    flat.extend([Value::Keyword(name), Value::Int(i64::from(key)), value]);
}

/// The operations of a transaction, as they are written.
pub(crate) fn listed(value: &Value, line: u64) -> Result<&[Value], Refusal> {
    value.as_list().ok_or_else(|| {
        let hint = "a transaction is a list such as `[[:append :x 1]]` or `[[:r :x nil]]`";
        Refusal::on_line(line, "this transaction cannot be read", hint)
    })
}

/// One of them, which stands at this place: what, on which key, with which value.
pub(crate) fn one<'v>(
    written: &'v Value,
    at: usize,
    line: u64,
    words: &Words,
) -> Result<(Act, &'v Value, &'v Value), Refusal> {
    let hint = "an operation of a transaction is `[:r key nil]`, `[:w key value]` or `[:append \
                key value]`";
    let at = at + 1;
    let Some([name, key, value]) = written.as_list() else {
        let what = match written.as_list() {
            Some(parts) => {
                let many = parts.len();
                format!("operation {at} of this transaction has {many} parts, not three")
            }
            None => format!("operation {at} of this transaction is `{}`", words.show(written)),
        };
        return Err(Refusal::on_line(line, what, hint));
    };
    let act = name.as_word().and_then(|word| Act::from_name(words.text(word)));
    let act = act.ok_or_else(|| {
        let name = words.show(name);
        Refusal::on_line(line, format!("`{name}` is no operation of transactions"), hint)
    })?;
    Ok((act, key, value))
}

/// What a transaction has read, by its completion: for one of several the list of it, for one of
/// one operation its value. `key` names keys by number.
pub(crate) fn ended<'k>(
    call: &Call,
    written: &Value,
    kind: Kind,
    words: &Words,
    key: impl Fn(u32) -> &'k Value,
) -> Result<Value, Refusal> {
    let line = u64::from(call.end_line);
    let other = |what: &str| {
        let what = format!("this ends the transaction of line {} {what}", call.line);
        let hint = "a completion repeats the operations of its invocation, with what was read";
        Refusal::on_line(line, what, hint)
    };
    let single = Act::from_name(words.text(call.f)).unwrap_or(Act::Read);
    let alone = Micro { act: single, key: call.key, value: &call.asked };
    let asked = || call.micros(words).chain((!call.several).then_some(alone));
    let parts = match (written.as_list(), kind) {
        (Some(parts), _) => parts,
        // What went wrong may stand alone, such as `:timed-out`.
        (None, Kind::Fail | Kind::Info | Kind::Invoke) => return Ok(written.clone()),
        (None, Kind::Ok) if written.is_nil() && asked().all(|one| one.act != Act::Read) => {
            return Ok(Value::Nil);
        }
        (None, Kind::Ok) => return Err(other("without its operations")),
    };
    let excuse = parts.iter().any(|part| part.as_list().is_none());
    if kind != Kind::Ok && excuse {
        return Ok(written.clone());
    }
    let many = asked().count();
    if parts.len() != many {
        return Err(other(&format!("otherwise: it has {many} operations, not {}", parts.len())));
    }
    let mut seen = Vec::new();
    for (at, (asked, part)) in asked().zip(parts).enumerate() {
        let (act, on, value) = one(part, at, line, words)?;
        // A completion may leave out what was written.
        let same = act == Act::Read || value == asked.value || value.is_nil();
        if act != asked.act || on != key(asked.key) || !same {
            let (act, on) = (asked.act.name(), words.show(key(asked.key)));
            let mut wanted = format!("[:{act} {on} ");
            match asked.act {
                Act::Read => wanted.push_str("..]"),
                Act::Write | Act::Append => {
                    words.put(asked.value, &mut wanted);
                    wanted.push(']');
                }
            }
            let found = words.show(part);
            return Err(other(&format!("otherwise: with `{found}`, not `{wanted}`")));
        }
        if act == Act::Read || !call.several {
            seen.push(value.clone());
        }
    }
    Ok(if call.several { Value::list(seen) } else { seen.pop().unwrap_or_default() })
}

/// The least of the keys that each is bound to by transactions, directly or through others.
pub(crate) fn bound(calls: &Calls, words: &Words, keys: usize) -> Vec<u32> {
    let mut up: Vec<u32> = (0..=keys as u32).collect();
    for call in calls.iter().filter(|call| call.several) {
        let mut first = None;
        for micro in call.micros(words) {
            let first = *first.get_or_insert(micro.key);
            let (a, b) = (root(&mut up, first), root(&mut up, micro.key));
            up[a.max(b) as usize] = a.min(b);
        }
    }
    (0..=keys as u32).map(|key| root(&mut up, key)).collect()
}

/// The least that `at` is bound to; the way there is halved.
fn root(up: &mut [u32], mut at: u32) -> u32 {
    while up[at as usize] != at {
        up[at as usize] = up[up[at as usize] as usize];
        at = up[at as usize];
    }
    at
}

/// So many keys that are bound together are named.
const NAMED: usize = 4;

/// What keys that are bound together are called, by the least of them.
pub(crate) fn names(bound: &[u32], show: impl Fn(u32) -> String) -> Vec<String> {
    let mut names = vec![String::new(); bound.len()];
    let mut many = vec![0; bound.len()];
    for (key, least) in (0u32..).zip(bound) {
        let least = *least as usize;
        many[least] += 1;
        if many[least] <= NAMED {
            let blank = if many[least] > 1 { " " } else { "" };
            names[least].push_str(&format!("{blank}{}", show(key)));
        }
    }
    for (name, many) in names.iter_mut().zip(many).filter(|(_, many)| *many > NAMED) {
        name.push_str(&format!(" and {} more", many - NAMED));
    }
    names
}
