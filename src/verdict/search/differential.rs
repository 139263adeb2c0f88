//! The definition of linearizability, and random small histories to hold the search against it.
//!
//! [`linearizable`] is the definition: some order of all answered operations, and of any of the
//! lost ones, in which none comes after one that was called after its return, and every answer is
//! right. It tries all of them. [`compare`] draws a history, asks the definition, then the search
//! with everything on and with a random half of its reductions, and checks the orders that come
//! with the verdicts too. `zoosim bench check --differential N` does it N times for each model.

use std::collections::BTreeMap;

use crate::base::{Draw, Key, Ratio};

use super::super::model::{History, Model, Timed};
use super::{Checker, Found, Limit, Options};

/// A model of which histories can be drawn. Few values make histories that are hard to tell.
pub trait Sample: Model {
    /// A random operation.
    fn draw(&self, dice: &mut impl Draw) -> Self::Op;

    /// An answer that is right in this state.
    fn right(&self, state: &Self::State, op: &Self::Op, dice: &mut impl Draw) -> Self::Answer;

    /// An answer to this operation that may be wrong.
    fn wrong(&self, op: &Self::Op, right: Self::Answer, dice: &mut impl Draw) -> Self::Answer;
}

/// Whether this history is linearizable, by trying every order.
pub fn linearizable<M: Model>(model: &M, ops: &History<M>, in_order: bool) -> bool {
    let mut placed = vec![false; ops.len()];
    extend(model, ops, in_order, &mut placed, &mut model.start())
}

/// Whether something can follow what is placed, and so on, until all that was answered is.
fn extend<M: Model>(
    model: &M,
    ops: &History<M>,
    in_order: bool,
    placed: &mut [bool],
    state: &mut M::State,
) -> bool {
    if (0..ops.len()).all(|at| ops[at].answer.is_none() || placed[at]) {
        return true;
    }
    for at in 0..ops.len() {
        if placed[at] || !may_follow(model, ops, in_order, placed, at) {
            continue;
        }
        let Some(undo) = model.step(state, &ops[at].op, ops[at].answer.as_ref()) else {
            continue;
        };
        placed[at] = true;
        let found = extend(model, ops, in_order, placed, state);
        placed[at] = false;
        model.back(state, &ops[at].op, undo);
        if found {
            return true;
        }
    }
    false
}

/// Whether time and, if asked for, the order within its process let this operation follow those
/// that are placed.
fn may_follow<M: Model>(
    model: &M,
    ops: &History<M>,
    in_order: bool,
    placed: &[bool],
    at: usize,
) -> bool {
    let waits = |other: &usize| !placed[*other] && ops[*other].answer.is_some();
    let late = |other: &usize| waits(other) && ops[*other].ret < ops[at].call;
    let first = |other: &usize| {
        let (a, b) = (&ops[*other], &ops[at]);
        a.process == b.process && *other < at
    };
    if (0..ops.len()).any(|other| late(&other) || in_order && waits(&other) && first(&other)) {
        return false;
    }
    // A lost operation takes effect before the later effective ones of its process, or never.
    let effective = |other: &usize| {
        let answer = ops[*other].answer.as_ref();
        answer.is_none_or(|answer| !model.is_pure(&ops[*other].op, answer))
    };
    let overtaken = |other: &usize| {
        let (a, b) = (&ops[at], &ops[*other]);
        a.process == b.process && at < *other && effective(other)
    };
    let lost = in_order && ops[at].answer.is_none();
    !(lost && (0..ops.len()).any(|other| placed[other] && overtaken(&other)))
}

/// Whether this is an order of some operations, respecting time, in which every answer is right.
pub fn is_order<M: Model>(model: &M, ops: &History<M>, in_order: bool, order: &[usize]) -> bool {
    let (mut state, mut placed) = (model.start(), vec![false; ops.len()]);
    order.iter().all(|at| {
        let timed = &ops[*at];
        let fits = !placed[*at] && may_follow(model, ops, in_order, &placed, *at);
        placed[*at] = true;
        fits && model.step(&mut state, &timed.op, timed.answer.as_ref()).is_some()
    })
}

/// An operation to be: when it takes effect, and whether its answer is lost.
struct Planned<O, A> {
    point: u64,
    /// When it is written down: of one process what stands first comes first, whatever its call.
    turn: u64,
    lost: bool,
    timed: Timed<O, A>,
}

/// A random history: most answers are right by some order within the intervals.
pub fn draw<M: Sample>(model: &M, dice: &mut impl Draw) -> Vec<Timed<M::Op, M::Answer>> {
    let span = dice.between(2, 16);
    // In some histories processes do not wait for their answers.
    let piped = dice.below(3) == 0;
    let mut all: Vec<Planned<M::Op, M::Answer>> = Vec::new();
    for _ in 0..dice.between(1, 7) {
        let (mut process, mut call) = (dice.below(3), dice.below(span));
        if piped
            && dice.below(2) == 0
            && let Some(last) = all.last()
        {
            (process, call) = (last.timed.process, last.timed.call);
        }
        let ret = call + dice.below(span / 2 + 1);
        let (point, turn) = (dice.between(call, ret), dice.between(call, ret));
        let lost = dice.chance(Ratio { num: 1, den: 6 });
        let timed = Timed { process, call, ret, op: model.draw(dice), answer: None };
        all.push(Planned { point, turn, lost, timed });
    }
    all.sort_by_key(|planned| planned.turn);
    if piped {
        keep_in_order(&mut all);
    }
    answered(model, all, dice)
}

/// A history longer than trying all orders can be, but for those in which processes keep their
/// order: one process sends all its calls at once, a few of others come in between.
fn draw_burst<M: Sample>(model: &M, dice: &mut impl Draw) -> Vec<Timed<M::Op, M::Answer>> {
    let many = dice.between(21, 25);
    let mut all = Vec::new();
    let (mut others, mut losses) = (dice.below(3), 2);
    for n in 0..many {
        let other = others > 0 && dice.below(many - n) < others;
        others -= u64::from(other);
        let process = if other { dice.between(1, 2) } else { 0 };
        let (call, ret) = if other { (dice.below(2), dice.below(many)) } else { (0, many) };
        let (call, ret) = (call.min(ret), dice.between(ret, many));
        let point = if other { dice.between(call, ret) } else { n };
        let lost = losses > 0 && dice.chance(Ratio { num: 1, den: 10 });
        losses -= u64::from(lost);
        let timed = Timed { process, call, ret, op: model.draw(dice), answer: None };
        all.push(Planned { point, turn: n, lost, timed });
    }
    keep_in_order(&mut all);
    answered(model, all, dice)
}

/// Moves what would take effect before an earlier operation of its process behind that.
fn keep_in_order<O, A>(all: &mut [Planned<O, A>]) {
    let mut latest = BTreeMap::new();
    for planned in all {
        let latest = latest.entry(planned.timed.process).or_insert(0);
        planned.point = planned.point.max(*latest);
        planned.timed.ret = planned.timed.ret.max(planned.point);
        *latest = planned.point;
    }
}

/// Carries operations out in the order of their points, and spoils some of the answers.
fn answered<M: Sample>(
    model: &M,
    mut all: Vec<Planned<M::Op, M::Answer>>,
    dice: &mut impl Draw,
) -> Vec<Timed<M::Op, M::Answer>> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|at| (all[*at].point, *at));
    let mut state = model.start();
    let spoil = Ratio { num: dice.below(4), den: 6 };
    for at in order {
        let Planned { lost, timed, .. } = &mut all[at];
        if *lost && dice.chance(Ratio { num: 1, den: 2 }) {
            continue;
        }
        let right = model.right(&state, &timed.op, dice);
        let answer = if *lost { None } else { Some(right) };
        // What took effect did so with the right answer, even if another is told.
        let stepped = model.step(&mut state, &timed.op, answer.as_ref());
        assert!(stepped.is_some(), "{:?} was said to be right", timed.op);
        timed.answer = answer;
        if dice.chance(spoil) {
            timed.answer = timed.answer.take().map(|right| model.wrong(&timed.op, right, dice));
        }
    }
    all.into_iter().map(|planned| planned.timed).collect()
}

/// What a number of comparisons came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Histories drawn.
    pub histories: u64,
    /// Of these, not linearizable by the definition.
    pub illegal: u64,
    /// Where the search says something else, or gives an order that is none: what and where.
    pub disagreements: Vec<String>,
}

/// Of so many histories one is a burst.
const BURSTS: u64 = 128;

/// Compares the search with the definition on the histories of these numbers.
pub fn compare<M: Sample>(model: &M, seed: u64, numbers: std::ops::Range<u64>) -> Compared {
    let mut all = Compared::default();
    let mut usual = [false, true]
        .map(|in_order| Checker::new(model, Options { in_order, ..Options::default() }));
    for number in numbers {
        let mut dice = Key(seed).with(number).stream();
        let burst = number % BURSTS == BURSTS - 1;
        let ops = if burst { draw_burst(model, &mut dice) } else { draw(model, &mut dice) };
        // What the definition says: of the order within processes, too, once that is asked for.
        let mut by_definition = [None, None];
        let mut expected = |in_order: bool| {
            let known = &mut by_definition[usize::from(in_order)];
            *known.get_or_insert_with(|| linearizable(model, &ops, in_order))
        };
        let first = expected(burst);
        all.histories += 1;
        all.illegal += u64::from(!first);
        let usual = &mut usual[usize::from(burst)];
        let options = Options { in_order: burst, ..Options::default() };
        let mut wrong = disagreement(model, &ops, &options, first, usual.check(&ops));
        for _ in 0..2 {
            let mut options = some_of(&mut dice);
            options.in_order |= burst;
            let expected = expected(options.in_order);
            let found = Checker::new(model, options.clone()).check(&ops);
            wrong = wrong.or_else(|| disagreement(model, &ops, &options, expected, found));
        }
        if let Some(wrong) = wrong {
            all.disagreements.push(format!("history {number} of seed {seed}: {wrong}"));
        }
    }
    all
}

/// A random half of all reductions.
fn some_of(dice: &mut impl Draw) -> Options {
    let mut flip = || dice.below(2) == 0;
    let (depth, breadth) = (flip(), flip());
    Options {
        in_order: flip(),
        exact: flip(),
        parts: flip(),
        pure: flip(),
        symmetry: flip(),
        need: flip(),
        dominance: flip(),
        depth: depth || !breadth,
        breadth,
        zones: flip(),
        inference: flip(),
        hints: flip(),
        turn: 1 + dice.below(8),
        ..Options::default()
    }
}

/// What is wrong with this verdict.
fn disagreement<M: Model>(
    model: &M,
    ops: &History<M>,
    options: &Options,
    expected: bool,
    found: Found,
) -> Option<String> {
    let placed = |order: &[usize]| {
        let answered = |at: &usize| ops[*at].answer.is_some() && !order.contains(at);
        !(0..ops.len()).any(|at| answered(&at))
    };
    let fine = match &found {
        Found::Legal(order) => {
            expected && placed(order) && is_order(model, ops, options.in_order, order)
        }
        Found::Illegal(stuck) => !expected && stuck_is_true(model, ops, options, stuck),
        Found::Unknown(reached) => reached.limit == Limit::Width && !options.depth,
    };
    let say = || format!("linearizable: {expected}, but {found:?} with {options:?} of {ops:?}");
    (!fine).then(say)
}

/// Whether an order that leads nowhere is an order at least, and leads nowhere by these candidates.
fn stuck_is_true<M: Model>(
    model: &M,
    ops: &History<M>,
    options: &Options,
    stuck: &super::Stuck,
) -> bool {
    // Zones look at few operations of a part, so that the order is one of these alone.
    let among = |all: &[usize]| {
        let order: Option<Vec<usize>> =
            stuck.placed.iter().map(|at| all.iter().position(|other| other == at)).collect();
        let ops: Vec<_> = all.iter().map(|at| ops[*at].clone()).collect();
        order.is_some_and(|order| is_order(model, &ops, options.in_order, &order))
    };
    let mut near: Vec<usize> = stuck.placed.iter().chain(&stuck.next).copied().collect();
    near.sort_unstable();
    let of_part: Vec<_> = stuck.part.iter().map(|at| ops[*at].clone()).collect();
    (among(&stuck.part) || options.zones && among(&near))
        && !linearizable(model, &of_part, options.in_order)
}
