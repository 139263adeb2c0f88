//! How histories of each model are drawn: few values, so that much is possible.

mod znodes;

use crate::base::Draw;

use super::super::model::{Fifo, Kv, Lists, Model, Mutex, Queue, Register, Set, Txns};
use super::super::model::{fifo, kv, list, mutex, queue, register, set, txn};
use super::differential::Sample;

/// One of the answers that the model accepts in this state.
fn accepted<M: Model>(
    model: &M,
    state: &M::State,
    op: &M::Op,
    dice: &mut impl Draw,
    mut candidates: Vec<M::Answer>,
) -> M::Answer {
    candidates.retain(|answer| model.step(&mut state.clone(), op, Some(answer)).is_some());
    assert!(!candidates.is_empty(), "nothing can come of {op:?}");
    let at = dice.below(candidates.len() as u64) as usize;
    candidates.swap_remove(at)
}

fn small(dice: &mut impl Draw) -> i64 {
    dice.below(3) as i64
}

impl Sample for Register {
    fn draw(&self, dice: &mut impl Draw) -> register::Op {
        match dice.below(5) {
            0 | 1 => register::Op::Read,
            2 => register::Op::Cas(Some(small(dice)), Some(small(dice))),
            _ => register::Op::Write(Some(small(dice) + 3 * small(dice))),
        }
    }

    fn right(
        &self,
        state: &register::Value,
        op: &register::Op,
        dice: &mut impl Draw,
    ) -> register::Answer {
        use register::Answer::{Differs, Done, Is};
        accepted(self, state, op, dice, vec![Is(*state), Done, Differs])
    }

    fn wrong(
        &self,
        op: &register::Op,
        right: register::Answer,
        dice: &mut impl Draw,
    ) -> register::Answer {
        use register::Answer::{Differs, Done, Is};
        match (op, right) {
            (register::Op::Read, _) => Is(Some(small(dice)).filter(|value| *value > 0)),
            (register::Op::Cas(..), Done) => Differs,
            (register::Op::Cas(..), _) => Done,
            (register::Op::Write(_), right) => right,
        }
    }
}

impl Sample for Mutex {
    fn draw(&self, dice: &mut impl Draw) -> mutex::Op {
        if dice.below(2) == 0 { mutex::Op::Acquire } else { mutex::Op::Release }
    }

    fn right(&self, state: &bool, op: &mutex::Op, dice: &mut impl Draw) -> mutex::Answer {
        accepted(self, state, op, dice, vec![mutex::Answer::Done, mutex::Answer::Refused])
    }

    fn wrong(&self, _op: &mutex::Op, right: mutex::Answer, _dice: &mut impl Draw) -> mutex::Answer {
        match right {
            mutex::Answer::Done => mutex::Answer::Refused,
            mutex::Answer::Refused => mutex::Answer::Done,
        }
    }
}

impl Sample for Set {
    fn draw(&self, dice: &mut impl Draw) -> set::Op {
        match dice.below(6) {
            0 | 1 => set::Op::Add(small(dice)),
            2 => set::Op::Remove(small(dice)),
            3 => set::Op::Has(small(dice)),
            _ if dice.below(2) == 0 => set::Op::Has(small(dice)),
            _ => set::Op::Read,
        }
    }

    fn right(&self, state: &set::State, op: &set::Op, dice: &mut impl Draw) -> set::Answer {
        let mut all = vec![set::Answer::Done, set::Answer::Is(true), set::Answer::Is(false)];
        let subset = |bits: i64| (0..3).filter(|bit| bits >> bit & 1 == 1).collect();
        all.extend((0..8).map(|bits| set::Answer::All(subset(bits))));
        accepted(self, state, op, dice, all)
    }

    fn wrong(&self, _op: &set::Op, right: set::Answer, dice: &mut impl Draw) -> set::Answer {
        match right {
            set::Answer::Done => set::Answer::Done,
            set::Answer::Is(is) => set::Answer::Is(!is),
            set::Answer::All(mut all) => {
                let element = small(dice);
                match all.binary_search(&element) {
                    Ok(at) => drop(all.remove(at)),
                    Err(at) => all.insert(at, element),
                }
                set::Answer::All(all)
            }
        }
    }
}

fn draw_queue(dice: &mut impl Draw) -> queue::Op {
    if dice.below(2) == 0 { queue::Op::Enqueue(small(dice)) } else { queue::Op::Dequeue }
}

fn queue_answers() -> Vec<queue::Answer> {
    let got = (0..3).map(queue::Answer::Got);
    got.chain([queue::Answer::Done, queue::Answer::Empty]).collect()
}

fn wrong_queue(op: &queue::Op, right: queue::Answer, dice: &mut impl Draw) -> queue::Answer {
    match op {
        queue::Op::Enqueue(_) => right,
        queue::Op::Dequeue if dice.below(2) == 0 => queue::Answer::Empty,
        queue::Op::Dequeue => queue::Answer::Got(small(dice)),
    }
}

impl Sample for Queue {
    fn draw(&self, dice: &mut impl Draw) -> queue::Op {
        draw_queue(dice)
    }

    fn right(&self, state: &queue::State, op: &queue::Op, dice: &mut impl Draw) -> queue::Answer {
        accepted(self, state, op, dice, queue_answers())
    }

    fn wrong(&self, op: &queue::Op, right: queue::Answer, dice: &mut impl Draw) -> queue::Answer {
        wrong_queue(op, right, dice)
    }
}

impl Sample for Fifo {
    fn draw(&self, dice: &mut impl Draw) -> queue::Op {
        draw_queue(dice)
    }

    fn right(&self, state: &fifo::State, op: &queue::Op, dice: &mut impl Draw) -> queue::Answer {
        accepted(self, state, op, dice, queue_answers())
    }

    fn wrong(&self, op: &queue::Op, right: queue::Answer, dice: &mut impl Draw) -> queue::Answer {
        wrong_queue(op, right, dice)
    }
}

impl Sample for Kv {
    fn draw(&self, dice: &mut impl Draw) -> kv::Op {
        let key = ["a", "b"][dice.below(2) as usize].to_string();
        let value = ["", "x", "y", "xy"][dice.below(4) as usize].to_string();
        match dice.below(6) {
            0 => kv::Op::Put { key, value },
            1..=3 => kv::Op::Append { key, value },
            _ => kv::Op::Get { key },
        }
    }

    fn right(&self, state: &kv::State, op: &kv::Op, _dice: &mut impl Draw) -> kv::Answer {
        match op {
            kv::Op::Get { key } => kv::Answer::Is(state.get(key).to_string()),
            kv::Op::Put { .. } | kv::Op::Append { .. } => kv::Answer::Done,
        }
    }

    fn wrong(&self, _op: &kv::Op, right: kv::Answer, dice: &mut impl Draw) -> kv::Answer {
        match right {
            kv::Answer::Done => kv::Answer::Done,
            kv::Answer::Is(mut text) => {
                if dice.below(2) == 0 || text.pop().is_none() {
                    text.push('x');
                }
                kv::Answer::Is(text)
            }
        }
    }
}

impl Sample for Lists {
    fn draw(&self, dice: &mut impl Draw) -> list::Op {
        let list = dice.below(2) as i64;
        match dice.below(2) {
            0 => list::Op::Read { list },
            _ => list::Op::Append { list, element: small(dice) },
        }
    }

    fn right(&self, state: &list::State, op: &list::Op, _dice: &mut impl Draw) -> list::Answer {
        match op {
            list::Op::Read { list } => list::Answer::Is(state.get(*list).to_vec().into()),
            list::Op::Append { .. } => list::Answer::Done,
        }
    }

    fn wrong(&self, _op: &list::Op, right: list::Answer, dice: &mut impl Draw) -> list::Answer {
        match right {
            list::Answer::Done => list::Answer::Done,
            list::Answer::Is(all) => {
                let mut all = all.to_vec();
                if dice.below(2) == 0 || all.pop().is_none() {
                    all.push(small(dice));
                }
                list::Answer::Is(all.into())
            }
        }
    }
}

impl Sample for Txns {
    fn draw(&self, dice: &mut impl Draw) -> Vec<txn::Micro> {
        let micro = |dice: &mut _| {
            let key = Draw::below(dice, 2) as i64;
            match Draw::below(dice, 8) {
                0..3 => txn::Micro::Read(key),
                3 => txn::Micro::Write(key, Some(small(dice)).filter(|value| *value > 0)),
                4 => txn::Micro::Write(key, Some(small(dice))),
                5 => txn::Micro::List(key),
                _ => txn::Micro::Append(key, small(dice)),
            }
        };
        (0..dice.below(4)).map(|_| micro(dice)).collect()
    }

    fn right(
        &self,
        state: &txn::State,
        op: &Vec<txn::Micro>,
        _dice: &mut impl Draw,
    ) -> Vec<txn::Saw> {
        let mut state = state.clone();
        let mut seen = Vec::new();
        for micro in op {
            match micro {
                txn::Micro::Read(key) => seen.push(txn::Saw::Value(state.value(*key))),
                txn::Micro::List(key) => {
                    seen.push(txn::Saw::All(state.list(*key).to_vec().into()));
                }
                txn::Micro::Write(..) | txn::Micro::Append(..) => {
                    let done = self.step(&mut state, &vec![*micro], Some(&Vec::new()));
                    assert!(done.is_some(), "a write is always right");
                }
            }
        }
        seen
    }

    fn wrong(
        &self,
        _op: &Vec<txn::Micro>,
        mut right: Vec<txn::Saw>,
        dice: &mut impl Draw,
    ) -> Vec<txn::Saw> {
        if right.is_empty() {
            return right;
        }
        let at = dice.below(right.len() as u64) as usize;
        match &mut right[at] {
            txn::Saw::Value(value) => *value = Some(small(dice)).filter(|value| *value > 0),
            txn::Saw::All(all) => {
                let mut other = all.to_vec();
                if dice.below(2) == 0 || other.pop().is_none() {
                    other.push(small(dice));
                }
                *all = other.into();
            }
        }
        right
    }
}
