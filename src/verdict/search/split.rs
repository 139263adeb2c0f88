//! How a history falls apart into parts that are judged one by one.
//!
//! Operations that touch a common part of the state are judged together, unless it does not matter:
//! nobody changes it, or nobody sees it. A part of the state that is made once, while nobody who
//! sees it is under way, is the same for all of them in any order: time says who comes before.
//! So it joins nobody. Instead whoever made it is a **guest** with all who come later: placed there
//! as well, so that they find what it made. Where it really belongs it is judged itself.
//!
//! That orders of the parts make one order of all is the locality of linearizability: each
//! operation takes effect within its interval, as early as its part's order allows. Order within
//! processes is not local, so operations of one process whose intervals overlap are joined, too.

use super::super::model::{History, How, Model, Timed, Touched};

/// Operations that are judged together, by position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// All of them.
    pub ids: Vec<u32>,
    /// Those that are only guests.
    pub guests: Vec<u32>,
}

/// One touch: the part of the state, by whom, and how.
type Touch = (u64, u32, How);

/// Splits a history. With `in_order` what a process has under way at once stays together.
pub fn split<M: Model>(model: &M, ops: &History<M>, apart: bool, in_order: bool) -> Vec<Piece> {
    let all = || vec![Piece { ids: (0..ops.len() as u32).collect(), guests: Vec::new() }];
    if !apart {
        return all();
    }
    let mut touches: Vec<Touch> = Vec::with_capacity(ops.len());
    let mut touched = Touched::default();
    for (at, timed) in ops.iter().enumerate() {
        touched.clear();
        model.touches(&timed.op, timed.answer.as_ref(), &mut touched);
        if touched.parts.is_empty() {
            return all();
        }
        touches.extend(touched.parts.iter().map(|(part, how)| (*part, at as u32, *how)));
    }
    touches.sort_unstable();
    touches.dedup();
    let mut facets = facets(ops, &touches);
    settle(&touches, &mut facets);
    let mut up: Vec<u32> = (0..ops.len() as u32).collect();
    for (from, to, fate) in &facets {
        if *fate == Fate::Joins {
            touches[*from..*to].windows(2).for_each(|pair| join(&mut up, pair[0].1, pair[1].1));
        }
    }
    if in_order {
        join_overlapping(ops, &mut up);
    }
    let mut pieces: Vec<Piece> = Vec::new();
    let mut number = vec![u32::MAX; ops.len()];
    for at in 0..ops.len() as u32 {
        let root = root(&mut up, at) as usize;
        if number[root] == u32::MAX {
            number[root] = pieces.len() as u32;
            pieces.push(Piece { ids: Vec::new(), guests: Vec::new() });
        }
        number[at as usize] = number[root];
        pieces[number[root] as usize].ids.push(at);
    }
    invite(ops, &touches, &facets, &number, &mut pieces);
    pieces
}

/// What a part of the state means for those who touch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Idle,
    /// They are judged together.
    Joins,
    /// This operation made it, clearly before or after all others.
    Made(u32),
}

/// The touches of each part of the state, as a range, and what they mean.
fn facets<O, A>(ops: &[Timed<O, A>], touches: &[Touch]) -> Vec<(usize, usize, Fate)> {
    let mut facets = Vec::new();
    let mut from = 0;
    while from < touches.len() {
        let many = touches[from..].iter().take_while(|touch| touch.0 == touches[from].0).count();
        let here = &touches[from..from + many];
        facets.push((from, from + many, fate(ops, here)));
        from += many;
    }
    facets
}

fn fate<O, A>(ops: &[Timed<O, A>], here: &[Touch]) -> Fate {
    let mut changes = here.iter().filter(|(.., how)| *how != How::Sees);
    let Some((_, by, how)) = changes.next() else { return Fate::Idle };
    if here.iter().all(|(.., how)| *how != How::Sees) {
        return Fate::Idle;
    }
    let maker = &ops[*by as usize];
    let apart = |(_, other, _): &Touch| {
        let other_op = &ops[*other as usize];
        other == by || maker.ret < other_op.call || other_op.end() < maker.call
    };
    let once = *how == How::Makes && changes.next().is_none() && maker.answer.is_some();
    if once && here.iter().all(apart) { Fate::Made(*by) } else { Fate::Joins }
}

/// Who is a guest elsewhere needs there what it sees itself: only if that is made once, too, or by
/// itself, or never, can it be one.
fn settle(touches: &[Touch], facets: &mut [(usize, usize, Fate)]) {
    let mut makers: Vec<u32> = facets.iter().filter_map(|facet| maker(facet.2)).collect();
    makers.sort_unstable();
    makers.dedup();
    loop {
        let mut unfit = Vec::new();
        for (from, to, fate) in facets.iter() {
            if *fate == Fate::Joins {
                let sees = touches[*from..*to].iter().filter(|(.., how)| *how == How::Sees);
                unfit.extend(sees.map(|touch| touch.1).filter(|op| is_in(&makers, *op)));
            }
        }
        unfit.sort_unstable();
        makers.retain(|op| !is_in(&unfit, *op));
        let mut fewer = false;
        for (.., fate) in facets.iter_mut() {
            if maker(*fate).is_some_and(|op| is_in(&unfit, op)) {
                *fate = Fate::Joins;
                fewer = true;
            }
        }
        if !fewer {
            return;
        }
    }
}

fn maker(fate: Fate) -> Option<u32> {
    match fate {
        Fate::Made(by) => Some(by),
        Fate::Idle | Fate::Joins => None,
    }
}

fn is_in(sorted: &[u32], op: u32) -> bool {
    sorted.binary_search(&op).is_ok()
}

/// Every piece gets as guests those who made what its operations see, and what these see.
fn invite<O, A>(
    ops: &[Timed<O, A>],
    touches: &[Touch],
    facets: &[(usize, usize, Fate)],
    number: &[u32],
    pieces: &mut [Piece],
) {
    // Who sees what was made before, and by whom.
    let mut needs: Vec<(u32, u32)> = Vec::new();
    for (from, to, fate) in facets {
        let Some(by) = maker(*fate) else { continue };
        let later = |touch: &&Touch| ops[by as usize].ret < ops[touch.1 as usize].call;
        needs.extend(touches[*from..*to].iter().filter(later).map(|touch| (touch.1, by)));
    }
    needs.sort_unstable();
    needs.dedup();
    let of = |op: u32| {
        let from = needs.partition_point(|(other, _)| *other < op);
        needs[from..].iter().take_while(move |(other, _)| *other == op).map(|(_, by)| *by)
    };
    for (at, piece) in pieces.iter_mut().enumerate() {
        let mut todo = piece.ids.clone();
        while let Some(op) = todo.pop() {
            for by in of(op) {
                if number[by as usize] as usize != at && !piece.guests.contains(&by) {
                    piece.guests.push(by);
                    todo.push(by);
                }
            }
        }
        piece.guests.sort_unstable();
        piece.ids.extend(&piece.guests);
        piece.ids.sort_unstable();
    }
}

/// Joins the operations of each process that are under way at once.
fn join_overlapping<O, A>(ops: &[Timed<O, A>], up: &mut [u32]) {
    for pair in overlapping(ops, &(0..ops.len() as u32).collect::<Vec<u32>>()) {
        join(up, pair.0, pair.1);
    }
}

/// Of these operations those that overlap another of their process before them, with one such.
pub fn overlapping<O, A>(ops: &[Timed<O, A>], ids: &[u32]) -> Vec<(u32, u32)> {
    let mut by_process: Vec<u32> = ids.to_vec();
    by_process.sort_by_key(|id| (ops[*id as usize].process, ops[*id as usize].call, *id));
    let mut pairs = Vec::new();
    let mut longest: Option<u32> = None;
    for id in by_process {
        let one = &ops[id as usize];
        let other = longest.filter(|other| ops[*other as usize].process == one.process);
        match other {
            Some(other) if ops[other as usize].end() >= one.call => {
                pairs.push((other, id));
                if one.end() > ops[other as usize].end() {
                    longest = Some(id);
                }
            }
            Some(_) | None => longest = Some(id),
        }
    }
    pairs
}

fn join(up: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(up, a), root(up, b));
    up[a.max(b) as usize] = a.min(b);
}

/// The least of those that `at` is joined with; the way there is halved.
fn root(up: &mut [u32], mut at: u32) -> u32 {
    while up[at as usize] != at {
        up[at as usize] = up[up[at as usize] as usize];
        at = up[at as usize];
    }
    at
}
