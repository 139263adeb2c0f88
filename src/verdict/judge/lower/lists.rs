//! Lists that grow, and transactions of lists or registers.

use std::collections::BTreeMap;

use crate::history::foreign::{Act, Call, Foreign, Micro, Refusal, Value, Words};
use crate::verdict::judge::Object;
use crate::verdict::model::list::Elements;
use crate::verdict::model::{list, txn};

use super::{Fail, Lowered, Numbers, Said, lower_shared, not_of, repeats, said, stranger};

/// Lists that grow.
pub fn list(foreign: Foreign) -> Result<Lowered<list::Op, list::Answer>, Refusal> {
    use list::{Answer, Op};
    let keys: Vec<Value> =
        (0..=foreign.keys.len() as u32).map(|key| foreign.keys.get(key).clone()).collect();
    let words = foreign.words.clone();
    let mut grown = Grown::new();
    lower_shared(
        foreign,
        |_, op| op,
        move |call, numbers| {
            let list = numbers.of(&keys[call.key as usize]);
            let f = words.text(call.f);
            Ok(match (f, said(&call, Fail::Drop)) {
                (_, Said::Nothing | Said::Refused) => None,
                ("append", Said::Done) => {
                    let element = numbers.of(&call.asked);
                    Some((Op::Append { list, element }, Some(Answer::Done)))
                }
                ("append", Said::Perhaps) => {
                    Some((Op::Append { list, element: numbers.of(&call.asked) }, None))
                }
                ("r" | "read", Said::Perhaps) => None,
                ("r" | "read", Said::Done) => {
                    let all = elements(&call, &call.got, numbers, &mut grown)?;
                    Some((Op::Read { list }, Some(Answer::Is(all))))
                }
                _ => return Err(stranger(&call, numbers, Object::List)),
            })
        },
    )
}

/// Transactions of registers or, if the object is that, of lists; some have several operations.
pub fn txns(
    foreign: Foreign,
    object: Object,
) -> Result<Lowered<Vec<txn::Micro>, Vec<txn::Saw>>, Refusal> {
    let words = foreign.words.clone();
    let keys: Vec<Value> =
        (0..=foreign.keys.len() as u32).map(|key| foreign.keys.get(key).clone()).collect();
    let lists = object == Object::List;
    let mut grown = Grown::new();
    lower_shared(
        foreign,
        |_, op| op,
        move |call, numbers| {
            let said = said(&call, Fail::Drop);
            let done = matches!(said, Said::Done);
            let (mut op, mut seen) = (Vec::new(), Vec::new());
            for Micro { act, key, value } in steps(&call, &words, numbers, object)? {
                let key = numbers.of(&keys[key as usize]);
                match act {
                    Act::Append if lists => {
                        op.push(txn::Micro::Append(key, numbers.of(value)));
                    }
                    Act::Write if !lists => {
                        op.push(txn::Micro::Write(key, numbers.maybe(value)));
                    }
                    Act::Write | Act::Append => return Err(not_of(act.name(), &call, object)),
                    Act::Read if lists => {
                        op.push(txn::Micro::List(key));
                        if done {
                            let all = elements(&call, value, numbers, &mut grown)?;
                            seen.push(txn::Saw::All(all));
                        }
                    }
                    Act::Read => {
                        op.push(txn::Micro::Read(key));
                        if done {
                            seen.push(txn::Saw::Value(numbers.maybe(value)));
                        }
                    }
                }
            }
            let writes = op.iter().any(|micro| !micro.reads());
            Ok(match said {
                Said::Done if !op.is_empty() => Some((op, Some(seen))),
                Said::Perhaps if writes => Some((op, None)),
                Said::Done | Said::Perhaps | Said::Refused | Said::Nothing => None,
            })
        },
    )
}

/// The operations of a call, which may be one that stands for itself.
fn steps<'a>(
    call: &'a Call,
    words: &'a Words,
    numbers: &Numbers,
    object: Object,
) -> Result<Vec<Micro<'a>>, Refusal> {
    if call.several {
        return Ok(call.micros(words).collect());
    }
    let act = Act::from_name(words.text(call.f)).ok_or_else(|| stranger(call, numbers, object))?;
    let value = match act {
        Act::Read => &call.got,
        Act::Write => {
            repeats(call, numbers)?;
            &call.asked
        }
        Act::Append => &call.asked,
    };
    Ok(vec![Micro { act, key: call.key, value }])
}

/// Lists of which beginnings were read, as long as they have become.
type Grown = BTreeMap<u32, Elements>;

/// What a read of a list saw.
fn elements(
    call: &Call,
    value: &Value,
    numbers: &mut Numbers,
    grown: &mut Grown,
) -> Result<Elements, Refusal> {
    match value {
        Value::List(all) => Ok(all.iter().map(|value| numbers.of(value)).collect()),
        Value::Prefix { list, len } => {
            let words = numbers.words.clone();
            let mut of = |values: &[Value]| values.iter().map(|value| numbers.of(value)).collect();
            let whole = grown.entry(*list).or_insert_with(|| of(words.grown(*list)));
            Ok(whole.first(*len as usize))
        }
        Value::Nil => Ok(Vec::new().into()),
        odd => {
            let what = format!("a list was read, but `{}` is none", numbers.words.show(odd));
            let hint = "what is in a list is a list, such as `[1 2]`";
            Err(Refusal::on_line(u64::from(call.end_line), what, hint))
        }
    }
}
