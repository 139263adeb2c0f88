//! Keys that hide in values: Jepsen's independent tuples `[k v]`, and transactions of one
//! micro-operation `[[:append k v]]`.
//!
//! Whether a pair is a tuple or a plain value shows only over the whole history: it is one if
//! every call has one and none has a key otherwise, and every compare-and-set holds a pair as its
//! second half. As long as that is so pairs are taken apart as they come, and take no room; the
//! first call to the contrary puts them together again.

use super::pair::line_number;
use super::source::{Place, Refusal};
use super::value::{Value, Words};
use super::{Call, Calls, Keys};

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
        Keying { keys: Keys::default(), tuples: true, plain: Vec::new(), other: None }
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
        let txn = words.text(call.f) == "txn";
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
    pub fn got(&mut self, at: usize, call: &mut Call, txn: bool) -> Result<(), Refusal> {
        let key = self.keys.get(call.key);
        if txn {
            return unfold_end(call, key);
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

    /// A transaction with one micro-operation is that operation; with more it is none that a model
    /// here has.
    fn unfold(
        &mut self,
        call: &mut Call,
        calls: &mut Calls,
        words: &mut Words,
    ) -> Result<(), Refusal> {
        let line = u64::from(call.line);
        let refuse = |what: String| {
            let hint = "no model here judges transactions of several operations; split them if \
                        each stands for itself";
            Err(Refusal::on_line(line, what, hint))
        };
        let micro = match call.asked.as_list() {
            Some([one]) => one.as_list(),
            Some(many) => {
                return refuse(format!("this transaction has {} operations, not one", many.len()));
            }
            None => None,
        };
        let Some([name, key, value]) = micro else {
            let hint = "a transaction is a list such as `[[:append :x 1]]` or `[[:r :x nil]]`";
            return Err(Refusal::on_line(line, "this transaction cannot be read", hint));
        };
        let f = match name.as_word().map_or("", |word| words.text(word)) {
            "r" => "r",
            "w" => "w",
            "append" => "append",
            other => return refuse(format!("`{other}` is no operation of transactions")),
        };
        call.f = words.of(f);
        call.key = self.named(key, calls, words);
        call.asked = value.clone();
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

/// A completed transaction repeats its operation, with the answer.
fn unfold_end(call: &mut Call, key: &Value) -> Result<(), Refusal> {
    let Some([done]) = call.got.as_list() else { return Ok(()) };
    match done.as_list() {
        Some([_, at, answer]) if at == key => call.got = answer.clone(),
        _ => {
            let what = format!("this ends the transaction of line {} otherwise", call.line);
            let hint = "a completion repeats the operations of its invocation";
            return Err(Refusal::on_line(u64::from(call.end_line), what, hint));
        }
    }
    Ok(())
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
