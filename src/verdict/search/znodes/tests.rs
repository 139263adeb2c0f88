//! Films of a few calls; the levels against their definition; and what facets must not be.

mod beyond;
mod sessions;

use super::super::differential::{self, Sample};
use super::super::split::split;
use super::super::{Stuck, explain};
use super::*;
use crate::base::{ClientId, ConnId, Dice, Draw, PeerId, Time, Zxid};
use crate::history::{At, Call, Seen};
use crate::jute::proto::Stat;
use crate::verdict::model::znodes::State;
use crate::verdict::model::{Model, Touched, mix_text};
use crate::znode::op::{CreateMode, Reply, open_acl};

type Result = std::result::Result<Reply, ErrorCode>;

/// Session, request, when it was made; when it was answered, and what.
type Film = (i64, Op, u64, Option<(u64, Result)>);

/// Builds a history from calls with explicit intervals.
fn history(calls: &[Film]) -> History {
    let mut seen: Vec<(u64, Seen)> = Vec::new();
    for (n, (session, op, from, answer)) in calls.iter().enumerate() {
        let (id, client) = (CallId(n as u32), ClientId(*session as u32));
        let (session, conn, server) = (SessionId(*session), ConnId(*session as u64), PeerId(1));
        let (xid, op) = (n as i32, op.clone());
        seen.push((*from, Seen::Called(Call { id, client, session, conn, server, xid, op })));
        if let Some((to, result)) = answer {
            let result = result.clone();
            seen.push((*to, Seen::Returned { id, zxid: Zxid(1), result }));
        }
    }
    seen.sort_by_key(|(step, _)| *step);
    let mut history = History::new();
    for (step, seen) in &seen {
        history.observe(At { step: *step, time: Time(*step) }, seen);
    }
    history
}

fn found(calls: &[Film], reads: Reads) -> Found {
    check(&history(calls), reads, &Options::default()).1
}

fn create(path: &str, mode: CreateMode) -> Op {
    let data = Some(b"1".to_vec());
    Op::Create { path: path.into(), data, acl: open_acl(), mode, stat: false }
}

fn made(path: &str) -> Result {
    Ok(Reply::Created { path: path.into(), stat: None })
}

fn exists(path: &str) -> Op {
    Op::Exists { path: path.into(), watch: false }
}

#[test]
fn the_order_of_returned_calls_is_kept() {
    let (a, b) = (create("/a", CreateMode::Persistent), CreateMode::PersistentSequential);
    let run = |first: (u64, u64), second: (u64, u64)| {
        let refused = Err(ErrorCode::NodeExists);
        let first = (1, a.clone(), first.0, Some((first.1, refused)));
        found(&[first, (2, a.clone(), second.0, Some((second.1, made("/a"))))], Reads::Fresh)
    };
    assert!(run((0, 5), (3, 9)).is_legal());
    assert!(run((0, 2), (3, 9)).is_illegal());
    let twice = |name: &str| (1, create("/s", b), 0, Some((9, made(name))));
    assert!(found(&[twice("/s0000000000"), twice("/s0000000001")], Reads::Fresh).is_legal());
    assert!(found(&[twice("/s0000000000"), twice("/s0000000000")], Reads::Fresh).is_illegal());
    assert!(found(&[twice("/s0000000001"), twice("/s0000000000")], Reads::Fresh).is_illegal());
}

#[test]
fn lost_calls_and_expiry_may_happen_or_not() {
    let lost = (1, create("/e", CreateMode::Ephemeral), 0, None);
    let again = |answer| (2, create("/e", CreateMode::Persistent), 5, Some((9, answer)));
    for answer in [made("/e"), Err(ErrorCode::NodeExists)] {
        assert!(found(&[lost.clone(), again(answer)], Reads::Fresh).is_legal());
    }
    let first = (1, create("/e", CreateMode::Ephemeral), 0, Some((2, made("/e"))));
    let lasting = (1, create("/e", CreateMode::Persistent), 0, Some((2, made("/e"))));
    assert!(found(&[first, again(made("/e"))], Reads::Fresh).is_legal(), "expired between");
    assert!(found(&[lasting, again(made("/e"))], Reads::Fresh).is_illegal());
}

#[test]
fn a_plain_read_may_lag_but_not_behind_its_sync() {
    let write = (1, create("/a", CreateMode::Persistent), 0, Some((2, made("/a"))));
    let read = |from| (2, exists("/a"), from, Some((from + 1, Err(ErrorCode::NoNode))));
    let sync = |from| {
        let answer = Ok(Reply::Synced { path: "/".into() });
        (2, Op::Sync { path: "/".into() }, from, Some((from + 1, answer)))
    };
    assert!(found(&[write.clone(), read(5)], Reads::Lag).is_legal());
    assert!(found(&[write.clone(), read(5)], Reads::Fresh).is_illegal());
    assert!(found(&[write.clone(), sync(3), read(5)], Reads::Lag).is_illegal());
    assert!(found(&[sync(1), write.clone(), read(5)], Reads::Lag).is_legal());
    let there = (
        2,
        exists("/a"),
        5,
        Some((6, Ok(Reply::Stat(Stat { data_length: 1, ..Stat::default() })))),
    );
    assert!(found(&[write.clone(), there.clone()], Reads::Lag).is_legal());
    assert!(found(&[write, there, read(8)], Reads::Lag).is_illegal(), "backwards");
    assert!(found(&[], Reads::Lag).is_legal());
}

/// What of the definition is asked for.
#[derive(Clone, Copy)]
struct Rule {
    /// Whether real time counts, and with it syncs.
    timed: bool,
    /// Whose reads must have views; `None` is everybody's.
    whose: Option<i64>,
}

/// P1 to P4 of the checker notes, by trying all: an order of the writes, and a view for each read.
fn lags(calls: &[Film]) -> bool {
    explained(calls, Rule { timed: true, whose: None })
}

fn explained(calls: &[Film], rule: Rule) -> bool {
    fn orders(calls: &[Film], order: &mut Vec<usize>, rule: Rule) -> bool {
        let is_write = |n: &usize| calls[*n].1.is_write();
        let answered = |n: usize| calls[n].3.as_ref().map(|(to, _)| *to);
        let all =
            (0..calls.len()).all(|n| !is_write(&n) || answered(n).is_none() || order.contains(&n));
        if all && views(calls, order, rule) {
            return true;
        }
        for n in (0..calls.len()).filter(is_write) {
            let early = |other: &usize| {
                let (a, b) = (&calls[*other], &calls[n]);
                let before = rule.timed && answered(*other).is_some_and(|to| to < b.2);
                before || a.0 == b.0 && *other < n && answered(*other).is_some()
            };
            // A lost call takes effect before later effective ones of its session, or never.
            let late = |other: &usize| {
                let refused = calls[*other].3.as_ref().is_some_and(|(_, result)| result.is_err());
                calls[*other].0 == calls[n].0 && *other > n && !refused
            };
            let waits = (0..calls.len()).filter(is_write).any(|o| early(&o) && !order.contains(&o));
            let overtaken = answered(n).is_none() && order.iter().any(late);
            if order.contains(&n) || waits || overtaken {
                continue;
            }
            order.push(n);
            if orders(calls, order, rule) {
                return true;
            }
            order.pop();
        }
        false
    }
    /// Whether each write has its answer in this order, and each read a view.
    fn views(calls: &[Film], order: &[usize], rule: Rule) -> bool {
        let asked = |n: usize| Asked::new(SessionId(calls[n].0), calls[n].1.clone());
        let mut states: Vec<State> = vec![Znodes.start()];
        for n in order {
            let mut state = states[states.len() - 1].clone();
            let answer = calls[*n].3.as_ref().map(|(_, result)| Answer::new(result.clone()));
            if Znodes.step(&mut state, &asked(*n), answer.as_ref()).is_none() {
                return false;
            }
            states.push(state);
        }
        let place = |n: usize| order.iter().position(|other| *other == n).map(|at| at + 1);
        (1..=3).filter(|session| rule.whose.is_none_or(|who| who == *session)).all(|session| {
            // The lowest view that the session may still have: the earliest that fits is the best.
            let mut least = 0;
            for n in (0..calls.len()).filter(|n| calls[*n].0 == session) {
                let Some((to, result)) = &calls[n].3 else {
                    // A lost one does not come before what its session saw earlier.
                    if place(n).is_some_and(|at| at <= least) {
                        return false;
                    }
                    continue;
                };
                if calls[n].1.is_write() {
                    let Some(at) = place(n).filter(|at| *at > least) else { return false };
                    least = at;
                } else if matches!(calls[n].1, Op::Sync { .. }) {
                    for (at, other) in order.iter().enumerate().filter(|_| rule.timed) {
                        if calls[*other].3.as_ref().is_some_and(|(to, _)| *to < calls[n].2) {
                            least = least.max(at + 1);
                        }
                    }
                } else {
                    let later = |other: &usize| rule.timed && calls[*other].2 > *to;
                    let future = order.iter().position(later);
                    let answer = Answer::new(result.clone());
                    let fits = |view: &usize| {
                        let mut state = states[*view].clone();
                        Znodes.step(&mut state, &asked(n), Some(&answer)).is_some()
                    };
                    let most = future.unwrap_or(order.len());
                    let Some(view) = (least..=most).find(fits) else { return false };
                    least = view;
                }
            }
            true
        })
    }
    orders(calls, &mut Vec::new(), rule)
}

/// A few calls of three sessions, the answers of which may be anything.
fn some_calls(dice: &mut Dice, paths: &[&str]) -> Vec<Film> {
    let mut calls: Vec<Film> = Vec::new();
    for _ in 0..dice.between(2, 6) {
        let version = *dice.pick(&[-1, 0, 1]);
        let path = if paths.len() > 1 { *dice.pick(paths) } else { paths[0] };
        let op = match dice.below(8) {
            0 | 1 => create(path, CreateMode::Persistent),
            2 => Op::Delete { path: path.into(), version: -1 },
            3 => Op::SetData { path: path.into(), data: Some(b"2".to_vec()), version },
            4 => Op::Sync { path: "/".into() },
            _ => exists(path),
        };
        let (from, session) = (dice.below(12), 1 + dice.below(3) as i64);
        let to = from + 1 + dice.below(9);
        let stat = Stat { version: dice.below(2) as i32, data_length: 1, ..Stat::default() };
        let fine = match &op {
            Op::Create { .. } => made(path),
            Op::Delete { .. } => Ok(Reply::Done),
            Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            _ => Ok(Reply::Stat(stat)),
        };
        let errors = [ErrorCode::NoNode, ErrorCode::NodeExists, ErrorCode::BadVersion];
        let answer = match dice.below(6) {
            0 => None,
            1 if !matches!(op, Op::Sync { .. }) => Some((to, Err(*dice.pick(&errors)))),
            _ => Some((to, fine)),
        };
        calls.push((session, op, from, answer));
    }
    calls.sort_by_key(|call| call.2);
    calls
}

#[test]
fn reads_lag_as_they_are_defined_to() {
    let mut dice = Dice::new(3, "lag");
    let (mut illegal, mut stale) = (0, 0);
    for _ in 0..30_000 {
        let calls = some_calls(&mut dice, &["/a"]);
        let slow = lags(&calls);
        let fast = found(&calls, Reads::Lag);
        assert_eq!(fast.is_legal(), slow, "{fast:?} of {calls:#?}");
        illegal += u32::from(!slow);
        stale += u32::from(slow && found(&calls, Reads::Fresh).is_illegal());
    }
    assert!(illegal > 3_000 && illegal < 28_500, "{illegal} of 30000 were illegal");
    assert!(stale > 40, "only {stale} had stale reads");
}

fn asked(op: Op) -> Asked {
    Asked::new(SessionId(1), op)
}

#[test]
fn nodes_below_a_parent_that_stays_are_judged_apart() {
    let timed =
        |at, op, result| Timed::new(at, 10 * at, 10 * at + 5, asked(op), Answer::new(result));
    let stat = |version| Stat { version, data_length: 1, ..Stat::default() };
    let read = |path: &str, data: &[u8], version| {
        let reply = Reply::Data { data: Some(data.to_vec()), stat: stat(version) };
        (Op::GetData { path: path.into(), watch: false }, Ok(reply))
    };
    let mut ops = vec![
        timed(0, create("/p", CreateMode::Persistent), made("/p")),
        timed(1, create("/p/a", CreateMode::Persistent), made("/p/a")),
        timed(2, create("/p/b", CreateMode::Persistent), made("/p/b")),
        timed(3, set("/p/a"), Ok(Reply::Stat(stat(1)))),
        timed(4, set("/p/b"), Ok(Reply::Stat(stat(1)))),
    ];
    for (path, at) in [("/p/a", 5), ("/p/b", 6)] {
        let (op, result) = read(path, b"2", 1);
        ops.push(timed(at, op, result));
    }
    let pieces = split(&Znodes, &ops, true, false);
    let of = |ids: &[u32]| pieces.iter().find(|piece| piece.ids == ids).map(|p| p.guests.clone());
    assert_eq!(of(&[0, 1, 3, 5]), Some(vec![0]), "{pieces:?}");
    assert_eq!(of(&[0, 2, 4, 6]), Some(vec![0]), "{pieces:?}");
    let Found::Legal(order) = super::super::check(&Znodes, &ops, &Options::default()) else {
        panic!("it is legal");
    };
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
    // Who asks for the children of the parent joins them all.
    let list = Op::GetChildren { path: "/p".into(), watch: false, stat: false };
    ops.push(timed(
        7,
        list,
        Ok(Reply::Children { names: vec!["a".into(), "b".into()], stat: None }),
    ));
    assert!(split(&Znodes, &ops, true, false).iter().any(|piece| piece.ids.len() >= 7));
}

#[test]
fn an_explanation_of_znodes_names_what_contradicts() {
    let timed =
        |at, op, result| Timed::new(at, 10 * at, 10 * at + 5, asked(op), Answer::new(result));
    let ops = [
        timed(0, create("/p", CreateMode::Persistent), made("/p")),
        timed(1, create("/q", CreateMode::Persistent), made("/q")),
        timed(2, create("/p/a", CreateMode::Persistent), made("/p/a")),
        timed(3, Op::Delete { path: "/p".into(), version: -1 }, Ok(Reply::Done)),
        timed(4, exists("/q"), Err(ErrorCode::NodeExists)),
    ];
    let options = Options::default();
    let found = super::super::check(&Znodes, &ops[..4], &options);
    let Found::Illegal(stuck) = found else { panic!("a parent was deleted") };
    let why = explain(&Znodes, &ops[..4], &stuck, &options);
    assert_eq!((why.cannot, why.core.as_slice(), why.minimal), (3, &[2, 3][..], true));
    assert_eq!(why.refused[0], (3, "/p has children".to_string()));
    let Found::Illegal(Stuck { part, .. }) = super::super::check(&Znodes, &ops, &options) else {
        panic!("exists never answers NodeExists");
    };
    assert!(!part.contains(&4) || !part.contains(&2), "what has no common part is apart");
}

fn set(path: &str) -> Op {
    Op::SetData { path: path.into(), data: Some(b"2".to_vec()), version: -1 }
}

fn at_version(version: i32) -> Result {
    Ok(Reply::Stat(Stat { version, data_length: 1, ..Stat::default() }))
}

/// From seed 117940: the first lost call of session 3 matters to the read only through the second,
/// which its session keeps behind it, and the lost one of session 2 has to come between.
#[test]
fn a_lost_call_may_matter_through_another_one_that_comes_later() {
    let short = Op::SetData { path: "/w".into(), data: None, version: -1 };
    let calls = [
        (1, create("/z", CreateMode::Persistent), 1, Some((2, made("/z")))),
        (1, create("/w", CreateMode::Persistent), 3, Some((4, made("/w")))),
        (2, short, 5, None),
        (3, set("/z"), 6, None),
        (3, set("/w"), 7, None),
        (2, exists("/w"), 20, Some((22, at_version(2)))),
        (3, set("/z"), 30, Some((31, at_version(2)))),
    ];
    assert!(found(&calls, Reads::Fresh).is_legal());
}

/// A legal history of two nodes in which many calls are lost, and take effect late or never.
fn mostly_lost(dice: &mut Dice) -> Vec<Film> {
    let paths = ["/a", "/b"];
    let new = |path: &&str| (1, create(path, CreateMode::Persistent), 0, Some((1, made(path))));
    let mut calls: Vec<Film> = paths.iter().map(new).collect();
    // Of each node its version and how long its data are; of each session what may yet happen.
    let mut nodes = [(0, 1); 2];
    let mut pending: [Vec<(usize, usize)>; 3] = Default::default();
    let mut latest = [2; 3];
    for now in (20..).step_by(5).take(dice.between(8, 16) as usize) {
        let (who, path) = (dice.below(3) as usize, dice.below(2) as usize);
        let (kind, length) = (dice.below(6), dice.below(3) as usize);
        if kind < 2 {
            if !pending[who].is_empty() {
                let (path, length) = pending[who].remove(0);
                nodes[path] = (nodes[path].0 + 1, length);
            }
            continue;
        }
        // Often several at once, as a client calls that finds a server again.
        latest[who] = latest[who].max(now - 4 * dice.below(4));
        let data = Some(vec![b'2'; length]);
        let set = Op::SetData { path: paths[path].into(), data, version: -1 };
        if kind < 4 {
            calls.push((1 + who as i64, set, latest[who], None));
            pending[who].push((path, length));
            continue;
        }
        let op = if kind == 4 { set } else { exists(paths[path]) };
        if kind == 4 {
            pending[who].clear();
            nodes[path] = (nodes[path].0 + 1, length);
        }
        let (version, data_length) = (nodes[path].0, nodes[path].1 as i32);
        let stat = Stat { version, data_length, ..Stat::default() };
        let answer = Some((now + 1 + dice.below(15), Ok(Reply::Stat(stat))));
        calls.push((1 + who as i64, op, latest[who], answer));
    }
    calls.sort_by_key(|call| call.2);
    calls
}

#[test]
fn no_reduction_matters_where_much_is_lost() {
    let mut dice = Dice::new(5, "lost");
    let mut illegal = 0;
    for _ in 0..5_000 {
        let mut calls = mostly_lost(&mut dice);
        assert!(found(&calls, Reads::Fresh).is_legal(), "it is legal: {calls:#?}");
        let answered: Vec<usize> = (2..calls.len()).filter(|n| calls[*n].3.is_some()).collect();
        if answered.is_empty() {
            continue;
        }
        let wrong = *dice.pick(&answered);
        if let Some((_, Ok(Reply::Stat(stat)))) = &mut calls[wrong].3 {
            stat.version += *dice.pick(&[-1, 1]);
        }
        let history = history(&calls);
        let plain = Options { pure: false, symmetry: false, need: false, ..Options::default() };
        let plain = Options { dominance: false, parts: false, breadth: false, ..plain };
        let slow = check(&history, Reads::Fresh, &plain).1;
        let fast = check(&history, Reads::Fresh, &Options::default()).1;
        assert_eq!(fast.is_legal(), slow.is_legal(), "{fast:?} of {calls:#?}");
        illegal += u32::from(slow.is_illegal());
    }
    assert!(illegal > 1_000, "only {illegal} were illegal");
}

/// Znodes split by path alone, as keys of a map would be: parents do not matter to children.
struct ByPath;

impl Model for ByPath {
    type Op = Asked;
    type Answer = Answer;
    type State = State;
    type Undo = usize;

    fn start(&self) -> State {
        Znodes.start()
    }
    fn step(&self, state: &mut State, op: &Asked, answer: Option<&Answer>) -> Option<usize> {
        Znodes.step(state, op, answer)
    }
    fn back(&self, state: &mut State, op: &Asked, undo: usize) {
        Znodes.back(state, op, undo);
    }
    fn hash(&self, state: &State) -> u128 {
        Znodes.hash(state)
    }
    fn is_pure(&self, op: &Asked, answer: &Answer) -> bool {
        Znodes.is_pure(op, answer)
    }
    fn touches(&self, op: &Asked, _answer: Option<&Answer>, parts: &mut Touched) {
        let (Op::Create { path, .. } | Op::Delete { path, .. } | Op::SetData { path, .. }) = &op.op
        else {
            return;
        };
        parts.see(mix_text(0, path) as u64);
        parts.change(mix_text(0, path) as u64);
    }
}

impl Sample for ByPath {
    fn draw(&self, dice: &mut impl Draw) -> Asked {
        loop {
            let op = Znodes.draw(dice);
            if matches!(op.op, Op::Create { .. } | Op::Delete { .. } | Op::SetData { .. }) {
                return op;
            }
        }
    }
    fn right(&self, state: &State, op: &Asked, dice: &mut impl Draw) -> Answer {
        Znodes.right(state, op, dice)
    }
    fn wrong(&self, op: &Asked, right: Answer, dice: &mut impl Draw) -> Answer {
        Znodes.wrong(op, right, dice)
    }
}

#[test]
fn the_definition_finds_that_paths_alone_are_no_parts() {
    let compared = differential::compare(&ByPath, 7, 0..1_000);
    assert!(compared.disagreements.len() > 20, "only {}", compared.disagreements.len());
}
