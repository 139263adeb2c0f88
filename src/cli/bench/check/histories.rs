//! Histories to measure the search with: of the shapes that checkers are usually compared by.

use crate::base::{Dice, Draw, Ratio};
use crate::verdict::model::register::{Answer, Op, Register};
use crate::verdict::model::{Kv, Model, Timed, kv, list};
use crate::verdict::search::{Options, check};

/// A history of a register.
pub type Registers = Vec<Timed<Op, Answer>>;

/// A history of lists.
pub type Appends = Vec<Timed<list::Op, list::Answer>>;

/// A history of a map.
pub type Maps = Vec<Timed<kv::Op, kv::Answer>>;

/// What clients do with a register.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Clients that are always busy.
    pub clients: u64,
    /// Operations in all.
    pub ops: usize,
    /// How many values are written; 0 if each is written once.
    pub values: u64,
    /// Of twelve operations so many are compare-and-set.
    pub cas: u64,
    /// So many writes are lost.
    pub lost: usize,
}

/// Operations with their intervals and moments: each client calls again soon after it is answered.
pub fn intervals(clients: u64, ops: usize, dice: &mut Dice) -> Vec<(u64, u64, u64, u64)> {
    let mut free: Vec<u64> = (0..clients).map(|_| dice.below(500)).collect();
    let mut all = Vec::with_capacity(ops);
    for at in 0..ops {
        let client = at % free.len();
        let call = free[client];
        let ret = call + dice.between(1, 1000);
        free[client] = ret + dice.between(1, 10);
        all.push((dice.between(call, ret), call, ret, client as u64));
    }
    all
}

/// A legal history of a register.
pub fn register(shape: Shape, seed: u64) -> Registers {
    let mut dice = Dice::new(seed, "register");
    let mut points = intervals(shape.clients, shape.ops, &mut dice);
    points.sort();
    let lost_each = shape.ops.checked_div(shape.lost).unwrap_or(usize::MAX);
    let mut value = None;
    let mut process = shape.clients;
    let mut all = Vec::with_capacity(shape.ops);
    let mut lost = 0;
    for (at, (_, call, ret, client)) in points.into_iter().enumerate() {
        let fresh = match shape.values {
            0 => at as i64,
            values => dice.below(values) as i64,
        };
        if lost < shape.lost && at >= (lost + 1) * lost_each / 2 {
            lost += 1;
            process += 1;
            // Every other one takes effect, and so may be seen.
            if dice.chance(Ratio { num: 1, den: 2 }) {
                value = Some(fresh);
            }
            all.push(Timed::lost(process, call, Op::Write(Some(fresh))));
            continue;
        }
        let (op, answer) = match dice.below(12) {
            draw if draw < shape.cas => {
                let old = Some(dice.below(shape.values.max(1)) as i64);
                let done = old == value;
                if done {
                    value = Some(fresh);
                }
                (Op::Cas(old, Some(fresh)), if done { Answer::Done } else { Answer::Differs })
            }
            draw if draw < 6 => {
                value = Some(fresh);
                (Op::Write(Some(fresh)), Answer::Done)
            }
            _ => (Op::Read, Answer::Is(value)),
        };
        all.push(Timed::new(client, call, ret, op, answer));
    }
    all.sort_by_key(|timed| timed.call);
    all
}

/// The same history, so spoilt that there is no order: one late read is changed to another value
/// that is written, if that is soon found to do; else two reads in the end disagree. Where writes
/// were lost they could explain that: there the late read sees what nobody wrote.
pub fn spoilt(mut ops: Registers) -> Registers {
    let values: Vec<Op> = ops.iter().map(|timed| timed.op).filter(|op| *op != Op::Read).collect();
    let lost = ops.iter().any(|timed| timed.answer.is_none());
    let late = ops.len() * 3 / 4;
    if lost && let Some(read) = ops[late..].iter_mut().find(|timed| timed.op == Op::Read) {
        read.answer = Some(Answer::Is(Some(-1)));
        return ops;
    }
    let mut trials = 12;
    for at in late..ops.len() {
        let Some(Answer::Is(right)) = ops[at].answer else { continue };
        for op in values.iter().rev().take(4) {
            let Op::Write(wrong) = *op else { continue };
            if wrong == right || trials == 0 {
                continue;
            }
            trials -= 1;
            ops[at].answer = Some(Answer::Is(wrong));
            let options = Options { nodes: 300_000, depth: false, ..Options::default() };
            if check(&Register::default(), &ops, &options).is_illegal() {
                return ops;
            }
            ops[at].answer = Some(Answer::Is(right));
        }
    }
    let quiet = ops.iter().filter(|timed| timed.answer.is_some()).map(|timed| timed.ret).max();
    let quiet = quiet.unwrap_or(0);
    for (later, value) in [(10, 0), (20, 1), (30, 0)] {
        let read = (Op::Read, Answer::Is(Some(value)));
        ops.push(Timed::new(0, quiet + later, quiet + later + 1, read.0, read.1));
    }
    ops
}

/// So many writes at once, and two reads that disagree.
pub fn burst(writes: u64) -> Registers {
    let write = |n| Timed::new(n, 0, 10, Op::Write(Some(n as i64)), Answer::Done);
    let read = |at, value| Timed::new(0, at, at + 1, Op::Read, Answer::Is(Some(value)));
    (0..writes).map(write).chain([read(20, 1), read(30, 2)]).collect()
}

/// So many appends at once, then a read of all; and if it is to be illegal, another order later.
pub fn appends(many: i64, legal: bool) -> Appends {
    let append = |element| {
        let op = list::Op::Append { list: 0, element };
        Timed::new(element as u64, 0, 10, op, list::Answer::Done)
    };
    let mut seen: Vec<i64> = (0..many).collect();
    Dice::new(many as u64, "appends").shuffle(&mut seen);
    let read = |at, seen: &[i64]| {
        let seen = list::Answer::Is(seen.iter().copied().collect());
        Timed::new(0, at, at + 1, list::Op::Read { list: 0 }, seen)
    };
    let mut ops: Appends = (0..many).map(append).collect();
    ops.push(read(20, &seen));
    if !legal {
        let last = seen.len() - 1;
        seen.swap(last, last - 1);
        ops.push(read(30, &seen));
    }
    ops
}

/// Clients that get, put and append under ten names.
pub fn map(clients: u64, ops: usize, seed: u64, legal: bool) -> Maps {
    let mut dice = Dice::new(seed, "map");
    let mut points = intervals(clients, ops, &mut dice);
    points.sort();
    let (model, mut state) = (Kv::default(), Kv::default().start());
    let mut all = Vec::with_capacity(ops);
    for (at, (_, call, ret, client)) in points.into_iter().enumerate() {
        let key = dice.below(10).to_string();
        let value = format!("x {client} {at} y");
        let op = match dice.below(10) {
            0 => kv::Op::Put { key, value },
            1..=5 => kv::Op::Append { key, value },
            _ => kv::Op::Get { key },
        };
        let answer = match &op {
            kv::Op::Get { key } => kv::Answer::Is(state.get(key).to_string()),
            kv::Op::Put { .. } | kv::Op::Append { .. } => kv::Answer::Done,
        };
        let stepped = model.step(&mut state, &op, Some(&answer));
        assert!(stepped.is_some(), "an answer by the model is right");
        all.push(Timed::new(client, call, ret, op, answer));
    }
    if !legal {
        let gets = all.iter_mut().skip(ops * 3 / 4).filter_map(|timed| match &mut timed.answer {
            Some(kv::Answer::Is(text)) if text.len() > 12 => Some(text),
            _ => None,
        });
        // Part of one append is not there.
        gets.take(1).for_each(|text| text.truncate(text.len() - 3));
    }
    all.sort_by_key(|timed| timed.call);
    all
}
