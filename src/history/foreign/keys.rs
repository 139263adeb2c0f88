//! Keys that hide in values: Jepsen's independent tuples `[k v]`, and transactions of one
//! micro-operation `[[:append k v]]`.
//!
//! Whether a pair is a tuple or a plain value shows only over the whole history: it is one if
//! every call has one, and every compare-and-set holds a pair as its second half.

use std::sync::Arc;

use super::source::Refusal;
use super::value::Value;
use super::{Call, Foreign};

/// Moves keys out of values.
pub(crate) fn split(foreign: &mut Foreign) -> Result<(), Refusal> {
    unfold_transactions(foreign)?;
    if is_keyed(foreign) {
        for call in foreign.calls.iter_mut() {
            let (asked, got) = (std::mem::take(&mut call.asked), std::mem::take(&mut call.got));
            let (key, asked) = halves(asked).expect("every call was seen to have a tuple");
            call.key = foreign.keys.of(&key);
            call.asked = asked;
            // What went wrong may stand alone, such as `:timed-out`.
            call.got = match halves(got.clone()) {
                Some((of, got)) if of == key => got,
                Some((of, _)) => {
                    let (of, key) = (foreign.words.show(&of), foreign.words.show(&key));
                    let what = format!("this ends a call on key {key}, and names key {of}");
                    let line = u64::from(call.end_line);
                    let hint = "a completion has the key of its invocation";
                    return Err(Refusal::on_line(line, what, hint));
                }
                None => got,
            };
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

/// Whether every call has a tuple. A lone compare-and-set of two plain values is none.
fn is_keyed(foreign: &Foreign) -> bool {
    foreign.keys.is_empty()
        && foreign.calls.iter().all(|call| match call.asked.as_pair() {
            Some((_, second)) if foreign.words.text(call.f) == "cas" => second.as_pair().is_some(),
            Some(_) => true,
            None => false,
        })
}

/// `:txn` with one micro-operation is that operation; with more it is none that a model here has.
fn unfold_transactions(foreign: &mut Foreign) -> Result<(), Refusal> {
    let Some(txn) = foreign.words.find("txn") else { return Ok(()) };
    let refuse = |line: u32, what: String| {
        let hint = "no model here judges transactions of several operations; split them if each \
                    stands for itself";
        Err(Refusal::on_line(u64::from(line), what, hint))
    };
    for call in foreign.calls.iter_mut() {
        let Call { f, key, asked, got, line, end_line, .. } = call;
        if *f != txn {
            continue;
        }
        let micro = match asked.as_list() {
            Some([one]) => one.as_list().map(<[Value]>::to_vec),
            Some(many) => {
                let what = format!("this transaction has {} operations, not one", many.len());
                return refuse(*line, what);
            }
            None => None,
        };
        let Some([name, of, value]) = micro.as_deref() else {
            let hint = "a transaction is a list such as `[[:append :x 1]]` or `[[:r :x nil]]`";
            let what = "this transaction cannot be read";
            return Err(Refusal::on_line(u64::from(*line), what, hint));
        };
        let name = name.as_word().map_or("", |word| foreign.words.text(word));
        let name = match name {
            "r" => "r",
            "w" => "w",
            "append" => "append",
            other => return refuse(*line, format!("`{other}` is no operation of transactions")),
        };
        if let Some([done]) = got.as_list() {
            match done.as_list() {
                Some([_, at, answer]) if at == of => *got = answer.clone(),
                _ => {
                    let what = format!("this ends the transaction of line {line} otherwise");
                    let hint = "a completion repeats the operations of its invocation";
                    return Err(Refusal::on_line(u64::from(*end_line), what, hint));
                }
            }
        }
        *key = foreign.keys.of(of);
        *asked = value.clone();
        *f = Arc::make_mut(&mut foreign.words).of(name);
    }
    Ok(())
}
