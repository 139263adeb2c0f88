//! Porcupine's operations or events as JSON: an array of objects, or one object per line.
//!
//! ```text
//! {"ClientId":0,"Input":{"Op":1,"Key":"k","Value":"x"},"Call":0,"Output":{"Value":""},"Return":9}
//! {"ClientId":0,"Kind":false,"Value":{"Op":"get","Key":"k"},"Id":3}
//! ```
//!
//! Names are read in any case, with or without underscores. Inputs are the model's own affair
//! there, so the usual shapes are understood: an operation by its name; or by its number in the
//! order get, put, append if there is a key, else read, write, cas; or by a flag that is true for a
//! read. Intervals are closed: what returns when another is called is concurrent with it.

use std::collections::BTreeMap;

use super::edn::{Dialect, Reader};
use super::keys::Keying;
use super::pair::line_number;
use super::source::{Place, Refusal, Source};
use super::txn;
use super::value::{Value, Word, Words};
use super::{Call, Calls, End, Foreign, Format, Keys};

/// Reads all of it.
pub(crate) fn read(source: Source<'_>) -> Result<Foreign, Refusal> {
    let mut reader = Reader::new(source, Words::new(), Dialect::Json);
    let mut builder = Builder::default();
    let read = all(&mut reader, &mut builder);
    if let Some(failure) = reader.source.failure() {
        return Err(failure);
    }
    read?;
    let end = reader.source.place();
    builder.finish(reader.words, end)
}

fn all(reader: &mut Reader<'_>, builder: &mut Builder) -> Result<(), Refusal> {
    let open = reader.source.place();
    let array = reader.blank()? == Some(b'[');
    if array {
        reader.source.take();
    }
    let mut closed = false;
    loop {
        let next = reader.blank()?;
        let place = reader.source.place();
        match next {
            None if array && !closed => return Err(reader.unclosed(open)),
            None => return Ok(()),
            Some(b']') if array && !closed => {
                reader.source.take();
                closed = true;
            }
            Some(b'{') if !closed => {
                let value = reader.value()?;
                let line = line_number(place)?;
                let object = Object::new(value, &reader.words, place);
                builder.take(object, line, &mut reader.words)?;
            }
            Some(_) => {
                let hint = "Porcupine's histories are objects: see `zoosim check --help`";
                return Err(Refusal::at(place, "this is no operation or event", hint));
            }
        }
    }
}

/// An object's fields, by their names in lower case without underscores.
struct Object {
    fields: Vec<(String, Value)>,
    place: Place,
}

impl Object {
    fn new(value: Value, words: &Words, place: Place) -> Object {
        let Value::Map(pairs) = value else { return Object { fields: Vec::new(), place } };
        let name = |key: &Value| {
            let text = key.as_word().map_or("", |word| words.text(word));
            text.to_lowercase().replace('_', "")
        };
        let fields = pairs.into_iter().map(|(key, value)| (name(&key), value)).collect();
        Object { fields, place }
    }

    fn get(&self, names: &[&str]) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value)
    }

    fn want(&self, name: &str) -> Result<&Value, Refusal> {
        self.get(&[name]).ok_or_else(|| {
            let what = format!("this has no `{name}`");
            let hint = "an operation has `ClientId`, `Input`, `Call`, `Output` and `Return`, an \
                        event `ClientId`, `Kind`, `Value` and `Id`";
            Refusal::at(self.place, what, hint)
        })
    }

    fn int(&self, name: &str) -> Result<i64, Refusal> {
        match self.want(name)? {
            Value::Int(number) => Ok(*number),
            _ => {
                let what = format!("`{name}` is no whole number below 2^63");
                Err(Refusal::at(self.place, what, "write it without a fraction"))
            }
        }
    }

    fn client(&self) -> Result<u32, Refusal> {
        let number = if self.get(&["clientid"]).is_some() { self.int("clientid")? } else { 0 };
        u32::try_from(number).map_err(|_| {
            let what = format!("client {number} is out of range");
            Refusal::at(self.place, what, "clients are numbered from 0 to 2^32 - 1")
        })
    }
}

/// What an input asks.
struct Asked {
    f: Word,
    key: Option<Value>,
    value: Value,
}

/// Makes calls of operations or of events.
#[derive(Default)]
struct Builder {
    calls: Vec<Call>,
    keys: Keys,
    /// When each call began and ended, if operations say so.
    times: Vec<(i64, i64)>,
    /// Open calls by the events' `Id`.
    open: BTreeMap<i64, usize>,
    at: u32,
}

impl Builder {
    fn take(&mut self, object: Object, line: u32, words: &mut Words) -> Result<(), Refusal> {
        let place = object.place;
        let mixed = || {
            let hint = "a history is of operations or of events, not of both";
            Refusal::at(place, "this is of another kind than what stands before", hint)
        };
        if object.get(&["kind"]).is_some() {
            if !self.times.is_empty() {
                return Err(mixed());
            }
            return self.event(&object, line, words);
        }
        if self.at > 0 {
            return Err(mixed());
        }
        let (from, to) = (object.int("call")?, object.int("return")?);
        if to < from {
            let what = format!("this returns at {to}, before its call at {from}");
            return Err(Refusal::at(place, what, "times grow"));
        }
        let process = object.client()?;
        let asked = asked(object.want("input")?, words, place)?;
        let mut call = self.call(process, asked, line);
        let reads = ["read", "get", "cas"].contains(&words.text(call.f));
        let output = if reads { Some(object.want("output")?) } else { object.get(&["output"]) };
        end(&mut call, output.unwrap_or(&Value::Nil), words);
        call.end_line = line;
        self.calls.push(call);
        self.times.push((from, to));
        Ok(())
    }

    fn event(&mut self, object: &Object, line: u32, words: &mut Words) -> Result<(), Refusal> {
        let (id, value) = (object.int("id")?, object.want("value")?);
        let returns = is_return(object.want("kind")?, words, object.place)?;
        self.at += 1;
        match (returns, self.open.remove(&id)) {
            (false, None) => {
                let asked = asked(value, words, object.place)?;
                let mut call = self.call(object.client()?, asked, line);
                call.invoked = self.at;
                self.open.insert(id, self.calls.len());
                self.calls.push(call);
            }
            (true, Some(open)) => {
                let call = &mut self.calls[open];
                end(call, value, words);
                call.end_line = line;
                if call.end != End::Unknown {
                    call.returned = self.at;
                }
            }
            (false, Some(open)) => {
                let what = format!("call {id} is open since line {}", self.calls[open].line);
                return Err(Refusal::at(object.place, what, "each call has an `Id` of its own"));
            }
            (true, None) => {
                let what = format!("call {id} returns, and was never made");
                return Err(Refusal::at(object.place, what, "is its call missing before?"));
            }
        }
        Ok(())
    }

    fn call(&mut self, process: u32, asked: Asked, line: u32) -> Call {
        let Asked { f, key, value } = asked;
        let key = key.map_or(0, |key| self.keys.of(&key));
        let (end, returned, end_line) = (End::Unknown, u32::MAX, 0);
        let (invoked, got, several) = (0, Value::Nil, false);
        let asked = value;
        Call { process, f, key, end, several, invoked, returned, line, end_line, asked, got }
    }

    fn finish(mut self, mut words: Words, end: Place) -> Result<Foreign, Refusal> {
        if self.calls.is_empty() {
            let hint = "a history without calls proves nothing: is this the right file?";
            return Err(Refusal::at(end, "no client called anything here", hint));
        }
        self.rank(end)?;
        let mut calls = Calls::default();
        self.calls.sort_by_key(|call| call.invoked);
        // Keys may hide in values here, too.
        let mut keying = Keying::of(self.keys);
        for (at, mut call) in self.calls.into_iter().enumerate() {
            if call.key == 0 || txn::is_txn(words.text(call.f)) {
                let txn = keying.asked(&mut call, None, &mut calls, &mut words)?;
                if call.returned != u32::MAX {
                    keying.got(at, &mut call, txn, &words)?;
                }
            }
            calls.push(call);
        }
        let keys = keying.finish(&mut calls, &words)?;
        Ok(Foreign { format: Format::Porcupine, calls, words: words.into(), keys, notes: 0 })
    }

    /// Times become positions; at one time, calls stand before returns.
    fn rank(&mut self, place: Place) -> Result<(), Refusal> {
        let times = self.times.iter().enumerate();
        let both = times.flat_map(|(at, (from, to))| [(*from, false, at), (*to, true, at)]);
        let mut points: Vec<(i64, bool, usize)> = both.collect();
        points.sort();
        for (rank, (_, returns, at)) in points.into_iter().enumerate() {
            let rank = u32::try_from(rank + 1).map_err(|_| {
                Refusal::at(place, "this history has more than 2^32 events", "cut it into parts")
            })?;
            let call = &mut self.calls[at];
            match (returns, call.end) {
                (false, _) => call.invoked = rank,
                (true, End::Unknown) => {}
                (true, End::Ok | End::Refused | End::Failed) => call.returned = rank,
            }
        }
        Ok(())
    }
}

/// `CallEvent` is false or 0 there, `ReturnEvent` true or 1.
fn is_return(kind: &Value, words: &Words, place: Place) -> Result<bool, Refusal> {
    let word = kind.as_word().map(|word| words.text(word).to_lowercase());
    match (kind, word.as_deref()) {
        (Value::Bool(returns), _) => Ok(*returns),
        (Value::Int(number @ (0 | 1)), _) => Ok(*number == 1),
        (_, Some("call" | "callevent" | "invoke")) => Ok(false),
        (_, Some("return" | "returnevent" | "ok")) => Ok(true),
        _ => {
            let what = format!("`{}` is no kind of event", words.show(kind));
            Err(Refusal::at(place, what, "known are `\"call\"` and `\"return\"`"))
        }
    }
}

/// What an input asks, by the shapes in use.
fn asked(input: &Value, words: &mut Words, place: Place) -> Result<Asked, Refusal> {
    let object = Object::new(input.clone(), words, place);
    let key = object.get(&["key", "k"]).cloned();
    let value = object.get(&["value", "v", "val"]).cloned();
    let first = object.get(&["arg1", "old", "from", "arg"]).cloned();
    let second = object.get(&["arg2", "new", "to"]).cloned();
    let name = match object.get(&["op", "f", "kind", "type", "name", "operation"]) {
        Some(Value::Text(word)) => words.text(*word).to_lowercase(),
        Some(Value::Bool(reads)) => (if *reads { "read" } else { "write" }).to_string(),
        Some(Value::Int(number @ 0..=2)) => {
            let keyed = ["get", "put", "append"];
            let plain = ["read", "write", "cas"];
            (if key.is_some() { keyed } else { plain })[*number as usize].to_string()
        }
        _ => {
            let hint = "an input has an `op`: a name such as `\"read\"`, or 0, 1 or 2";
            let what = format!("the input `{}` names no operation", words.show(input));
            return Err(Refusal::at(place, what, hint));
        }
    };
    let value = match (name.as_str(), value, first, second) {
        ("cas", _, Some(old), Some(new)) => Value::list(vec![old, new]),
        ("get" | "read", ..) => Value::Nil,
        (_, Some(value), ..) => value,
        (_, None, Some(first), _) => first,
        (_, None, None, _) => Value::Nil,
    };
    Ok(Asked { f: words.of(&name), key, value })
}

/// How a call ended, by its output.
fn end(call: &mut Call, output: &Value, words: &Words) {
    let object = Object::new(output.clone(), words, Place { line: 0, column: 0 });
    let is = |name: &str, wanted: bool| object.get(&[name]) == Some(&Value::Bool(wanted));
    // Outputs of reads and of plain writes have an `ok` that nobody sets.
    let plain = ["read", "get", "write", "put", "append"].contains(&words.text(call.f));
    call.end = match () {
        () if is("unknown", true) => End::Unknown,
        () if is("refused", true) => End::Refused,
        () if is("failed", true) => End::Failed,
        () if !plain && (is("ok", false) || *output == Value::Bool(false)) => End::Refused,
        () => End::Ok,
    };
    let writes = ["write", "put", "append"].contains(&words.text(call.f));
    call.got = match output {
        // Whatever stands there, models do not look at it.
        _ if writes || is("exists", false) => Value::Nil,
        Value::Map(_) => object.get(&["value", "v", "val"]).cloned().unwrap_or_default(),
        plain => plain.clone(),
    };
}
