//! Invocations and completions become calls.
//!
//! A completion belongs to the open invocation of its process. An `:info` leaves the call open for
//! ever; one without an invocation is a note. What was never completed is as unknown.

use std::collections::BTreeMap;

use super::keys::Keying;
use super::source::{Place, Refusal};
use super::txn::{self, Act};
use super::value::{Value, Words};
use super::{Call, Calls, End, Event, Foreign, Format, Kind};

/// Errors that say that a condition did not hold, and nothing else went wrong.
const REFUSALS: &[&str] = &[
    "not-found",
    "key-not-found",
    "did-not-succeed",
    "did-not-match",
    "precondition-failed",
    "cas-failed",
    "empty",
    "held",
    "not-held",
    "already-held",
];

/// Pairs events as they come.
pub(crate) struct Pairing {
    calls: Calls,
    keying: Keying,
    notes: u64,
    /// Per process, its open call, and whether it is a transaction.
    open: BTreeMap<u32, (usize, bool)>,
    /// Events so far.
    at: u32,
    /// By key, the list that is read of it.
    grown: BTreeMap<u32, Option<u32>>,
}

impl Pairing {
    pub fn new() -> Pairing {
        let (calls, keying, open) = (Calls::default(), Keying::new(), BTreeMap::new());
        Pairing { calls, keying, notes: 0, open, at: 0, grown: BTreeMap::new() }
    }

    /// Takes the next event.
    pub fn take(&mut self, event: Event, words: &mut Words) -> Result<(), Refusal> {
        let Some(process) = event.process else {
            self.notes += 1;
            return Ok(());
        };
        let line = line_number(event.place)?;
        self.at = self.at.checked_add(1).ok_or_else(|| too_long(event.place))?;
        match (event.kind, self.open.remove(&process)) {
            (Kind::Invoke, None) => {
                let mut call = Call {
                    process,
                    f: event.f,
                    key: 0,
                    end: End::Unknown,
                    several: false,
                    invoked: self.at,
                    returned: u32::MAX,
                    line,
                    end_line: 0,
                    asked: event.value,
                    got: Value::Nil,
                };
                let named = event.key.as_ref();
                let txn = self.keying.asked(&mut call, named, &mut self.calls, words)?;
                self.open.insert(process, (self.calls.len(), txn));
                self.calls.push(call);
                Ok(())
            }
            (Kind::Invoke, Some((open, _))) => {
                let since = self.calls.get_mut(open).line;
                let what =
                    format!("process {process} calls again: its call of line {since} is open");
                let hint = "a process has one call at a time: is a completion missing?";
                Err(Refusal::at(event.place, what, hint))
            }
            (Kind::Info, None) => {
                self.notes += 1;
                Ok(())
            }
            (Kind::Ok | Kind::Fail, None) => {
                let what = format!("process {process} ends a call that it has not made");
                Err(Refusal::at(event.place, what, "is an invocation missing before?"))
            }
            (Kind::Ok | Kind::Fail | Kind::Info, Some(open)) => self.end(open, event, line, words),
        }
    }

    fn end(
        &mut self,
        (open, txn): (usize, bool),
        event: Event,
        line: u32,
        words: &mut Words,
    ) -> Result<(), Refusal> {
        // The keys of a transaction stand in its value.
        let key = event.key.as_ref().filter(|_| !txn);
        let key = key.map(|key| self.keying.named(key, &mut self.calls, words));
        let call = self.calls.get_mut(open);
        let same = if txn { txn::is_txn(words.text(event.f)) } else { call.f == event.f };
        if !same || key.is_some_and(|key| key != call.key) {
            let asked = words.text(call.f);
            let (since, ended) = (call.line, words.text(event.f));
            let what = format!("this `{ended}` ends the `{asked}` of line {since}");
            let hint = "a completion repeats what was called, and on which key";
            return Err(Refusal::at(event.place, what, hint));
        }
        call.end_line = line;
        match event.kind {
            Kind::Info | Kind::Invoke => {
                return self.keying.unknown(call, &event.value, txn, words);
            }
            Kind::Ok => call.end = End::Ok,
            Kind::Fail => call.end = failure(&event, words),
        }
        call.returned = self.at;
        call.got = event.value;
        self.keying.got(open, call, txn, words)?;
        self.share(open, words);
        Ok(())
    }

    /// Keeps of lists that a call has read only what is new in them.
    fn share(&mut self, at: usize, words: &mut Words) {
        let call = self.calls.get_mut(at);
        if call.end != End::Ok {
            // What it read may never have been, and would not be a beginning of what others read.
            return;
        }
        if !call.several {
            let reads = matches!(words.text(call.f), "r" | "read");
            if reads && matches!(call.got, Value::List(_)) {
                let grown = self.grown.entry(call.key).or_default();
                call.got = words.shared(std::mem::take(&mut call.got), grown);
            }
            return;
        }
        let any = |all: &[Value]| all.iter().any(|value| matches!(value, Value::List(_)));
        if !call.got.as_list().is_some_and(any) {
            return;
        }
        let read = call.micros(words).filter(|micro| micro.act == Act::Read);
        let keys: Vec<u32> = read.map(|micro| micro.key).collect();
        if let Value::List(seen) = &mut call.got {
            for (value, key) in seen.iter_mut().zip(keys) {
                let grown = self.grown.entry(key).or_default();
                *value = words.shared(std::mem::take(value), grown);
            }
        }
    }

    /// All calls, if there is one.
    pub fn finish(self, format: Format, words: Words, end: Place) -> Result<Foreign, Refusal> {
        let Pairing { mut calls, keying, notes, .. } = self;
        if calls.is_empty() {
            let hint = "a history without calls proves nothing: is this the right file?";
            return Err(Refusal::at(end, "no client called anything here", hint));
        }
        let keys = keying.finish(&mut calls, &words)?;
        Ok(Foreign { format, calls, words: words.into(), keys, notes })
    }
}

/// What a `:fail` says.
fn failure(event: &Event, words: &Words) -> End {
    let excuse = match (&event.error, &event.value) {
        (Value::Nil, Value::Keyword(word)) => Some(*word),
        (Value::Nil, _) => None,
        (Value::List(all), _) => all.first().and_then(Value::as_word),
        (error, _) => error.as_word(),
    };
    match (excuse, &event.error) {
        (None, Value::Nil) => End::Refused,
        (Some(word), _) if REFUSALS.contains(&words.text(word)) => End::Refused,
        _ => End::Failed,
    }
}

pub(crate) fn line_number(place: Place) -> Result<u32, Refusal> {
    u32::try_from(place.line).map_err(|_| too_long(place))
}

fn too_long(place: Place) -> Refusal {
    Refusal::at(place, "this history has more than 2^32 events", "cut it into parts")
}
