//! Keys that hide in values: Jepsen's independent tuples `[k v]`, and transactions, each operation
//! of which has its key: `[[:append k v]]`.
//!
//! Whether a pair is a tuple or a plain value shows only over the whole history: it is one if
//! every call has one and none has a key otherwise, and every compare-and-set holds a pair as its
//! second half. As long as that is so pairs are taken apart as they come, and take no room; the
//! first call to the contrary puts them together again.

use super::pair::line_number;
use super::source::{Place, Refusal};
use super::txn::{self, Act};
use super::value::{Value, Words};
use super::{Call, Calls, End, Keys, Kind};

/// Takes keys out of the values of calls.
pub(crate) struct Keying {
    keys: Keys,
    /// Whether every call so far had a tuple, and has been taken apart.
    tuples: bool,
    /// The calls, by position, whose ends had no tuple with their key.
    plain: Vec<u32>,
    /// The first of these that had a tuple with another: its position, and that key.
    other: Option<(usize, Value)>,
}

impl Keying {
    pub fn new() -> Keying {
        Keying::of(Keys::default())
    }

    /// Of calls some of which have these keys, which do not hide.
    pub fn of(keys: Keys) -> Keying {
        let tuples = keys.is_empty();
        Keying { keys, tuples, plain: Vec::new(), other: None }
    }

    /// Finds the key of a new call, which is named beside its value, or is in it. Says whether the
    /// call was a transaction.
    pub fn asked(
        &mut self,
        call: &mut Call,
        named: Option<&Value>,
        calls: &mut Calls,
        words: &mut Words,
    ) -> Result<bool, Refusal> {
        let txn = txn::is_txn(words.text(call.f));
        if txn {
            self.unfold(call, calls, words)?;
        } else if let Some(key) = named {
            call.key = self.named(key, calls, words);
        } else if self.tuples && is_tuple(call, words) {
            let (key, asked) = halves(std::mem::take(&mut call.asked)).expect("it is a tuple");
            (call.key, call.asked) = (self.keys.of(&key), asked);
        } else {
            self.put_together(calls, words);
        }
        Ok(txn)
    }

    /// The number of a key that does not hide, so that no pair is a tuple.
    pub fn named(&mut self, key: &Value, calls: &mut Calls, words: &Words) -> u32 {
        self.put_together(calls, words);
        self.keys.of(key)
    }

    /// Takes the key out of what a call, at this position, has ended with.
    pub fn got(
        &mut self,
        at: usize,
        call: &mut Call,
        txn: bool,
        words: &Words,
    ) -> Result<(), Refusal> {
        let key = self.keys.get(call.key);
        if txn {
            let kind = if call.end == End::Ok { Kind::Ok } else { Kind::Fail };
            let written = std::mem::take(&mut call.got);
            call.got = txn::ended(call, &written, kind, words, |key| self.keys.get(key))?;
            return Ok(());
        }
        if !self.tuples {
            return Ok(());
        }
        // What went wrong may stand alone, such as `:timed-out`.
        match call.got.as_pair() {
            Some((of, _)) if of == key => {
                call.got = halves(std::mem::take(&mut call.got)).expect("it is a pair").1;
                return Ok(());
            }
            Some((of, _)) if self.other.is_none() => self.other = Some((at, of.clone())),
            Some(_) | None => {}
        }
        self.plain.push(line_number(Place { line: at as u64, column: 0 })?);
        Ok(())
    }

    /// Looks at what a call of unknown end says.
    pub fn unknown(
        &self,
        call: &Call,
        written: &Value,
        txn: bool,
        words: &Words,
    ) -> Result<(), Refusal> {
        if txn {
            txn::ended(call, written, Kind::Info, words, |key| self.keys.get(key))?;
        }
        Ok(())
    }

    /// Pairs were plain values all along.
    fn put_together(&mut self, calls: &mut Calls, words: &Words) {
        if !std::mem::replace(&mut self.tuples, false) {
            return;
        }
        self.plain.sort_unstable();
        for (at, call) in calls.iter_mut().enumerate() {
            let pair = |half: &mut Value| {
                let key = self.keys.get(call.key).clone();
                *half = Value::list(vec![key, words.whole(std::mem::take(half))]);
            };
            pair(&mut call.asked);
            if call.returned != u32::MAX && self.plain.binary_search(&(at as u32)).is_err() {
                pair(&mut call.got);
            }
            call.key = 0;
        }
        (self.keys, self.plain, self.other) = (Keys::default(), Vec::new(), None);
    }

    /// Takes the keys out of a transaction. One with one operation is that operation.
    fn unfold(
        &mut self,
        call: &mut Call,
        calls: &mut Calls,
        words: &mut Words,
    ) -> Result<(), Refusal> {
        let line = u64::from(call.line);
        self.put_together(calls, words);
        let asked = std::mem::take(&mut call.asked);
        let all = txn::listed(&asked, line)?;
        if let [one] = all {
            let (act, key, value) = txn::one(one, 0, line, words)?;
            (call.f, call.key) = (words.of(act.name()), self.keys.of(key));
            call.asked = value.clone();
            return Ok(());
        }
        let mut flat = Vec::with_capacity(all.len() * 3);
        for (at, one) in all.iter().enumerate() {
            let (act, key, value) = txn::one(one, at, line, words)?;
            // What a read saw stands in its completion.
            let value = if act == Act::Read { Value::Nil } else { value.clone() };
            txn::push(&mut flat, words.of(act.name()), self.keys.of(key), value);
        }
        (call.several, call.key, call.asked) = (true, 0, Value::list(flat));
        Ok(())
    }

    /// All keys.
    pub fn finish(self, calls: &mut Calls, words: &Words) -> Result<Keys, Refusal> {
        if let Some((at, of)) = self.other {
            let call = calls.get_mut(at);
            let (of, key) = (words.show(&of), words.show(self.keys.get(call.key)));
            let what = format!("this ends a call on key {key}, and names key {of}");
            let hint = "a completion has the key of its invocation";
            return Err(Refusal::on_line(u64::from(call.end_line), what, hint));
        }
        Ok(self.keys)
    }
}

fn halves(value: Value) -> Option<(Value, Value)> {
    match value {
        Value::List(values) if values.len() == 2 => {
            let mut values = values.into_iter();
            values.next().zip(values.next())
        }
        _ => None,
    }
}

/// A lone compare-and-set of two plain values is none.
fn is_tuple(call: &Call, words: &Words) -> bool {
    match call.asked.as_pair() {
        Some((_, second)) if words.text(call.f) == "cas" => second.as_pair().is_some(),
        Some(_) => true,
        None => false,
    }
}
