//! Histories as other tools read them: what is written here is read back as the same calls.
//!
//! Whatever has no known end is closed by `:info` after everything else, so that a reader that
//! wants an end for each call finds one.

use std::io::{self, Write};

use super::detect::Format;
use super::value::{Value, Words, quote};
use super::{Act, Call, End, Foreign, Kind, Micro};

/// A call's beginning or end, in the order of time.
struct Point<'a> {
    call: &'a Call,
    kind: Kind,
    form: Form,
}

/// How a call is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By itself, with its key in its value if it has one.
    Plain,
    /// With a field for its key.
    Kv,
    /// As a transaction.
    Txn,
}

/// Writes a history in one of the formats of other tools; in our own, nothing.
///
/// # Errors
/// Those of `out`.
pub fn write(foreign: &Foreign, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Edn | Format::Auto => events(foreign, edn, out),
        Format::Json => events(foreign, json, out),
        Format::Lines => events(foreign, columns, out),
        Format::Porcupine => operations(foreign, out),
        Format::Znodes | Format::Binary => Ok(()),
    }
}

/// Appends an event to a line: its number among all, what it is, and its value as EDN.
type Line = fn(&Foreign, &Point<'_>, usize, &mut String);

fn events(foreign: &Foreign, line: Line, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    for (index, point) in points(foreign).iter().enumerate() {
        text.clear();
        line(foreign, point, index, &mut text);
        text.push('\n');
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn points(foreign: &Foreign) -> Vec<Point<'_>> {
    let words = &foreign.words;
    let is_txn = |call: &Call| call.several || ["r", "w"].contains(&words.text(call.f));
    let txns = foreign.calls.iter().any(is_txn);
    let mut points = Vec::with_capacity(foreign.calls.len() * 2);
    for call in foreign.calls.iter() {
        let form = form(words, call, txns);
        points.push((call.invoked, Point { call, kind: Kind::Invoke, form }));
        let kind = match call.end {
            End::Ok => Kind::Ok,
            End::Refused | End::Failed => Kind::Fail,
            End::Unknown => Kind::Info,
        };
        points.push((call.returned, Point { call, kind, form }));
    }
    // Stable: those that never ended stay in the order of their calls.
    points.sort_by_key(|(at, _)| *at);
    points.into_iter().map(|(_, point)| point).collect()
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }
}

/// How a call is written, beside transactions or not: maps of texts have appends, too.
fn form(words: &Words, call: &Call, txns: bool) -> Form {
    let is = |names: &[&str]| names.contains(&words.text(call.f));
    let keyed = call.key != 0;
    match call.asked {
        _ if call.several => Form::Txn,
        _ if keyed && is(&["get", "put"]) => Form::Kv,
        Value::Text(_) if !txns && is(&["append"]) => Form::Kv,
        _ if keyed && is(&["r", "w", "append"]) => Form::Txn,
        _ => Form::Plain,
    }
}

/// A transaction of several operations; with what was read, if it ended well.
fn several(foreign: &Foreign, call: &Call, seen: bool) -> Value {
    let words = &foreign.words;
    let micro = |micro: Micro<'_>| {
        let f = words.find(micro.act.name()).map_or(Value::Nil, Value::Keyword);
        let hidden = micro.act == Act::Read && !seen;
        let value = if hidden { Value::Nil } else { micro.value.clone() };
        Value::list(vec![f, foreign.keys.get(micro.key).clone(), value])
    };
    Value::list(call.micros(words).map(micro).collect())
}

/// The value of an event with its key, if the key goes into the value.
fn value(foreign: &Foreign, point: &Point<'_>) -> Value {
    let call = point.call;
    if call.several {
        return several(foreign, call, point.kind == Kind::Ok);
    }
    let value = match (point.kind, &call.got) {
        (Kind::Ok, Value::Nil) if !is_read(foreign, call) => &call.asked,
        (Kind::Ok, got) => got,
        (Kind::Invoke | Kind::Fail | Kind::Info, _) => &call.asked,
    };
    let key = || foreign.keys.get(call.key).clone();
    match point.form {
        Form::Txn => {
            let f = Value::Keyword(call.f);
            Value::list(vec![Value::list(vec![f, key(), value.clone()])])
        }
        Form::Plain if call.key != 0 => Value::list(vec![key(), value.clone()]),
        Form::Plain | Form::Kv => value.clone(),
    }
}

/// Whether an empty answer is an answer.
fn is_read(foreign: &Foreign, call: &Call) -> bool {
    ["read", "r", "get", "dequeue"].contains(&foreign.words.text(call.f))
}

fn edn(foreign: &Foreign, point: &Point<'_>, index: usize, line: &mut String) {
    let (call, words) = (point.call, &foreign.words);
    let kind = point.kind.name();
    let f = if point.form == Form::Txn { "txn" } else { words.text(call.f) };
    if point.form == Form::Kv {
        line.push_str(&format!("{{:process {}, :type :{kind}, :f :{f}, :key ", call.process));
        words.put(foreign.keys.get(call.key), line);
        line.push_str(", :value ");
        words.put(&value(foreign, point), line);
        line.push('}');
        return;
    }
    line.push_str(&format!("{{:type :{kind}, :f :{f}, :value "));
    words.put(&value(foreign, point), line);
    line.push_str(&format!(", :process {}, :time {}, :index {index}", call.process, index * 1000));
    if let Some(error) = error(point) {
        line.push_str(&format!(", :error :{error}"));
    }
    line.push('}');
}

/// What an event says went wrong.
fn error(point: &Point<'_>) -> Option<&'static str> {
    match (point.kind, point.call.end) {
        (Kind::Fail, End::Failed) | (Kind::Info, _) => Some("timed-out"),
        (Kind::Invoke | Kind::Ok | Kind::Fail, _) => None,
    }
}

fn columns(foreign: &Foreign, point: &Point<'_>, _: usize, line: &mut String) {
    let (call, words) = (point.call, &foreign.words);
    let f = if point.form == Form::Txn { "txn" } else { words.text(call.f) };
    let kind = point.kind.name();
    line.push_str(&format!("INFO  jepsen.util - {}\t:{kind}\t:{f}\t", call.process));
    if let Some(error) = error(point) {
        // As etcd's logs do: what went wrong takes the value's place.
        line.push_str(&format!(":{error}"));
        return;
    }
    let value = value(foreign, point);
    match point.form == Form::Kv {
        true => words.put(&Value::list(vec![foreign.keys.get(call.key).clone(), value]), line),
        false => words.put(&value, line),
    }
}

fn json(foreign: &Foreign, point: &Point<'_>, index: usize, line: &mut String) {
    let (call, words) = (point.call, &foreign.words);
    let f = if point.form == Form::Txn { "txn" } else { words.text(call.f) };
    line.push_str(&format!("{{\"type\":\"{}\",\"f\":\"{f}\",\"value\":", point.kind.name()));
    put_json(words, &value(foreign, point), line);
    if point.form == Form::Kv {
        line.push_str(",\"key\":");
        put_json(words, foreign.keys.get(call.key), line);
    }
    line.push_str(&format!(
        ",\"process\":{},\"time\":{},\"index\":{index}",
        call.process,
        index * 1000
    ));
    if let Some(error) = error(point) {
        line.push_str(&format!(",\"error\":\"{error}\""));
    }
    line.push('}');
}

fn operations(foreign: &Foreign, out: &mut dyn Write) -> io::Result<()> {
    let last = foreign.calls.iter().map(|call| call.invoked.max(call.returned.wrapping_add(1)));
    let end = last.max().unwrap_or_default().saturating_add(1);
    let mut text = String::new();
    for (index, call) in foreign.calls.iter().enumerate() {
        text.clear();
        text.push_str(if index == 0 { "[" } else { ",\n " });
        operation(foreign, call, end, &mut text);
        out.write_all(text.as_bytes())?;
    }
    out.write_all(b"]\n")
}

fn operation(foreign: &Foreign, call: &Call, end: u32, line: &mut String) {
    let words = &foreign.words;
    line.push_str(&format!("{{\"ClientId\":{},\"Input\":{{\"Op\":", call.process));
    quote(if call.several { "txn" } else { words.text(call.f) }, line);
    if call.key != 0 {
        line.push_str(",\"Key\":");
        put_json(words, foreign.keys.get(call.key), line);
    }
    match call.asked.as_pair() {
        Some((old, new)) if words.text(call.f) == "cas" => {
            line.push_str(",\"Arg1\":");
            put_json(words, old, line);
            line.push_str(",\"Arg2\":");
            put_json(words, new, line);
        }
        _ => {
            line.push_str(",\"Value\":");
            let asked = call.several.then(|| several(foreign, call, false));
            put_json(words, asked.as_ref().unwrap_or(&call.asked), line);
        }
    }
    let returned = if call.returned == u32::MAX { end } else { call.returned };
    line.push_str(&format!("}},\"Call\":{},\"Output\":{{", call.invoked));
    match call.end {
        End::Unknown => line.push_str("\"Unknown\":true"),
        // Of plain operations readers have to take any other `Ok` for done.
        End::Refused => line.push_str("\"Ok\":false,\"Refused\":true"),
        End::Failed => line.push_str("\"Ok\":false,\"Failed\":true"),
        End::Ok => {
            line.push_str("\"Ok\":true,\"Value\":");
            let got = call.several.then(|| several(foreign, call, true));
            put_json(words, got.as_ref().unwrap_or(&call.got), line);
        }
    }
    line.push_str(&format!("}},\"Return\":{returned}}}"));
}

/// A value as JSON: words become strings, sets lists.
fn put_json(words: &Words, value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Number(word) | Value::Text(word) | Value::Keyword(word) | Value::Symbol(word) => {
            quote(words.text(*word), out);
        }
        Value::Prefix { list, len } => {
            let values = words.prefix(*list, *len).to_vec();
            put_json(words, &Value::list(values), out);
        }
        Value::List(values) | Value::Set(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                put_json(words, value, out);
            }
            out.push(']');
        }
        Value::Map(pairs) => {
            out.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                quote(&words.show(key), out);
                out.push(':');
                put_json(words, value, out);
            }
            out.push('}');
        }
    }
}
