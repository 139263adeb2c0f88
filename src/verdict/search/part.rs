//! One independent part of a history, laid out for a search.
//!
//! Calls and returns of answered operations stand in one line, by time, calls before returns of the
//! same time. Lost operations never return: they wait beside it, in classes of equal ones.

use std::collections::BTreeMap;

use super::super::model::{History, How, Model, Touched};
use super::Options;
use super::split::overlapping;

/// In [`Part::class`]: the operation was answered.
pub const ANSWERED: u32 = u32::MAX;

/// So many words of [`Part::needs`] are worth it.
const NEEDS: usize = 1 << 21;

/// A part of a history.
pub struct Part {
    /// Position in the history of each operation here, by call. Everything else here counts by it.
    pub ids: Vec<u32>,
    /// How many of them were answered.
    pub answered: usize,
    /// Calls and returns: the operation, twice, plus one if it is its return.
    pub events: Vec<u32>,
    /// Of each answered operation where its call and return are in `events`.
    pub places: Vec<[u32; 2]>,
    /// Which operations are placed as soon as they are right.
    pub pure: Vec<bool>,
    /// Lost operations: in each class by call, with the number of events before the call.
    pub lost: Vec<Vec<(u32, u32)>>,
    /// The class of each lost operation; [`ANSWERED`] for the others.
    pub class: Vec<u32>,
    /// Answered operations that are not pure, overlap and are equal have equal numbers here: of
    /// these only the one that must return first is tried. Empty if there are none.
    pub equal: Vec<u32>,
    /// Whether a process has operations under way at once, whose order matters. Otherwise time says
    /// it all.
    pub in_order: bool,
    /// With `in_order`: what must be placed before each, and what it must not come after.
    pub before: Vec<Before>,
    /// How many processes there are, with `in_order`.
    pub processes: usize,
    /// What to try first, if the model hints at it.
    pub ranks: Vec<u64>,
    /// Of each lost operation a bit for each operation that it matters to, or that matters to it.
    /// Empty if that is not known.
    needs: Vec<(u32, Vec<u64>)>,
}

/// What the order within a process asks of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// The latest answered operation of its process before it.
    pub after: Option<u32>,
    /// Its process.
    pub process: u32,
    /// The how-manyth it is in the history: of one process the lesser comes first.
    pub turn: u32,
    /// Whether it changes nothing, so that it shuts nothing out.
    pub pure: bool,
}

impl Part {
    /// Lays out the operations with these positions.
    pub fn new<M: Model>(
        model: &M,
        ops: &History<M>,
        mut ids: Vec<u32>,
        options: &Options,
    ) -> Part {
        let of = |id: &u32| &ops[*id as usize];
        // Of calls at the same time the history says which came first.
        let when = |id: &u32| (of(id).call, *id);
        if !ids.is_sorted_by_key(when) {
            ids.sort_unstable_by_key(when);
        }
        let n = ids.len();
        let mut part = Part {
            ids,
            answered: 0,
            events: Vec::with_capacity(2 * n),
            places: vec![[0; 2]; n],
            pure: vec![false; n],
            lost: Vec::new(),
            class: vec![ANSWERED; n],
            equal: Vec::new(),
            in_order: false,
            before: Vec::new(),
            processes: 0,
            ranks: Vec::new(),
            needs: Vec::new(),
        };
        part.in_order = options.in_order && !overlapping(ops, &part.ids).is_empty();
        part.line_up(model, ops, options);
        if options.symmetry && !part.in_order {
            part.find_equals::<M>(ops);
        }
        if part.in_order {
            part.keep_in_order(model, ops);
        }
        if options.need && !part.lost.is_empty() {
            part.find_needs(model, ops);
        }
        if options.hints {
            let hint = |id| {
                let timed = of(id);
                model.hint(&timed.op, timed.answer.as_ref())
            };
            if part.ids.iter().any(|id| hint(id).is_some()) {
                part.ranks = part.ids.iter().map(|id| hint(id).unwrap_or(u64::MAX)).collect();
            }
        }
        part
    }

    /// Finds out which operations each lost one must not change places with: one of them changes
    /// what the other touches, or they are of one process whose order matters.
    fn find_needs<M: Model>(&mut self, model: &M, ops: &History<M>) {
        let lost: Vec<u32> = self.lost.iter().flatten().map(|(op, _)| *op).collect();
        let words = self.ids.len().div_ceil(64);
        if words * lost.len() > NEEDS {
            return;
        }
        let mut touches: Vec<(u64, u32, bool)> = Vec::new();
        let (mut touched, mut unnamed) = (Touched::default(), Vec::new());
        for (at, id) in self.ids.iter().enumerate() {
            let timed = &ops[*id as usize];
            touched.clear();
            model.touches(&timed.op, timed.answer.as_ref(), &mut touched);
            if touched.parts.is_empty() {
                return;
            }
            if touched.unnamed {
                unnamed.push(at);
            }
            let touch = |(part, how): &(u64, How)| (*part, at as u32, *how != How::Sees);
            touches.extend(touched.parts.iter().map(touch));
        }
        touches.sort_unstable();
        for op in lost {
            let timed = &ops[self.ids[op as usize] as usize];
            touched.clear();
            model.touches(&timed.op, None, &mut touched);
            let mut bits = vec![if touched.unnamed { u64::MAX } else { 0 }; words];
            unnamed.iter().for_each(|at| bits[at / 64] |= 1 << (at % 64));
            for (part, how) in &touched.parts {
                let from = touches.partition_point(|(other, ..)| other < part);
                let same = touches[from..].iter().take_while(|(other, ..)| other == part);
                for (_, other, changes) in same {
                    if *changes || *how != How::Sees {
                        bits[*other as usize / 64] |= 1 << (other % 64);
                    }
                }
            }
            if self.in_order {
                for (at, id) in self.ids.iter().enumerate() {
                    if ops[*id as usize].process == timed.process {
                        bits[at / 64] |= 1 << (at % 64);
                    }
                }
            }
            self.needs.push((op, bits));
        }
        self.needs.sort_unstable();
    }

    /// Whether it is known what a lost operation matters to.
    pub fn knows_needs(&self) -> bool {
        !self.needs.is_empty()
    }

    /// Whether a lost operation may not change places with another.
    pub fn matters(&self, lost: u32, other: u32) -> bool {
        let found = self.needs.binary_search_by_key(&lost, |(op, _)| *op);
        found.map_or(true, |at| self.needs[at].1[other as usize / 64] >> (other % 64) & 1 == 1)
    }

    fn line_up<M: Model>(&mut self, model: &M, ops: &History<M>, options: &Options) {
        let mut returns: Vec<(u64, u32)> = Vec::with_capacity(self.ids.len());
        for (at, id) in self.ids.iter().enumerate() {
            if ops[*id as usize].answer.is_some() {
                returns.push((ops[*id as usize].ret, at as u32));
            }
        }
        returns.sort_unstable();
        self.answered = returns.len();
        let mut returns = returns.into_iter().peekable();
        for at in 0..self.ids.len() {
            let timed = &ops[self.ids[at] as usize];
            while let Some((_, back)) = returns.next_if(|(ret, _)| *ret < timed.call) {
                self.push(back, 1);
            }
            match &timed.answer {
                Some(answer) => {
                    self.push(at as u32, 0);
                    self.pure[at] = options.pure && model.is_pure(&timed.op, answer);
                }
                None => self.push_lost::<M>(ops, at, options),
            }
        }
        returns.for_each(|(_, back)| self.push(back, 1));
    }

    fn push(&mut self, at: u32, end: u32) {
        self.places[at as usize][end as usize] = self.events.len() as u32;
        self.events.push(at * 2 + end);
    }

    /// Into the class of its equals. With `in_order` only what directly follows an equal one in
    /// its process is in its class, by call, too: anything between may be placed, and shuts the
    /// earlier one out.
    fn push_lost<M: Model>(&mut self, ops: &History<M>, at: usize, options: &Options) {
        let lost = (at as u32, self.events.len() as u32);
        let of = |at: usize| &ops[self.ids[at] as usize];
        let one = of(at);
        let id = self.ids[at];
        let in_process = |other: &u32| *other < id && ops[*other as usize].process == one.process;
        let before =
            if self.in_order { self.ids.iter().copied().filter(in_process).max() } else { None };
        let equal = |class: &Vec<(u32, u32)>| {
            let last = class[class.len() - 1].0 as usize;
            of(last).op == one.op && (!self.in_order || before == Some(self.ids[last]))
        };
        let class = self.lost.iter().position(equal).filter(|_| options.symmetry);
        let class = class.unwrap_or(self.lost.len());
        if class == self.lost.len() {
            self.lost.push(Vec::new());
        }
        self.lost[class].push(lost);
        self.class[at] = class as u32;
    }

    /// Two equal operations that are open at once change places in any order without a trace.
    fn find_equals<M: Model>(&mut self, ops: &History<M>) {
        let of = |at: u32| &ops[self.ids[at as usize] as usize];
        let mut open: Vec<u32> = Vec::new();
        let mut equal: Vec<u32> = (0..self.ids.len() as u32).collect();
        let mut some = false;
        for event in &self.events {
            let (at, is_return) = (event / 2, event % 2 == 1);
            if self.pure[at as usize] {
                continue;
            }
            if is_return {
                open.retain(|other| *other != at);
                continue;
            }
            let same = |other: &&u32| {
                let (a, b) = (of(**other), of(at));
                a.op == b.op && a.answer == b.answer
            };
            if let Some(other) = open.iter().find(same) {
                equal[at as usize] = equal[*other as usize];
                some = true;
            }
            open.push(at);
        }
        if some {
            self.equal = equal;
        }
    }

    fn keep_in_order<M: Model>(&mut self, model: &M, ops: &History<M>) {
        let mut by_turn: Vec<u32> = (0..self.ids.len() as u32).collect();
        by_turn.sort_unstable_by_key(|at| self.ids[*at as usize]);
        let mut last: BTreeMap<u64, (u32, Option<u32>)> = BTreeMap::new();
        let nothing = Before { after: None, process: 0, turn: 0, pure: false };
        self.before = vec![nothing; self.ids.len()];
        for (turn, at) in by_turn.into_iter().enumerate() {
            let timed = &ops[self.ids[at as usize] as usize];
            let known = last.len() as u32;
            let (process, latest) = last.entry(timed.process).or_insert((known, None));
            let answer = timed.answer.as_ref();
            let pure = answer.is_some_and(|answer| model.is_pure(&timed.op, answer));
            let (after, process, turn) = (*latest, *process, turn as u32);
            self.before[at as usize] = Before { after, process, turn, pure };
            if timed.answer.is_some() {
                *latest = Some(at);
            }
        }
        self.processes = last.len();
    }
}
