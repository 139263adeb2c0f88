//! Films of a few calls, and the search against a reference that tries all orders.

use super::*;
use crate::base::{ClientId, ConnId, Dice, Draw, PeerId, Time, Zxid};
use crate::history::{At, Call, Seen};
use crate::znode::op::{CreateMode, open_acl};

/// Session, request, when it was made; when it was answered, and what.
type Timed = (i64, Op, u64, Option<(u64, Result<Reply, ErrorCode>)>);

/// Builds a history from calls with explicit intervals.
fn history(calls: &[Timed]) -> History {
    let mut seen: Vec<(u64, Seen)> = Vec::new();
    for (n, (session, op, from, answer)) in calls.iter().enumerate() {
        let (id, client) = (CallId(n as u32), ClientId(*session as u32));
        let (session, conn, server) = (SessionId(*session), ConnId(1), PeerId(1));
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

fn create(path: &str, data: &str, mode: CreateMode) -> Op {
    Op::Create { path: path.into(), data: Some(data.into()), acl: open_acl(), mode, stat: false }
}

fn made(path: &str) -> Result<Reply, ErrorCode> {
    Ok(Reply::Created { path: path.into(), stat: None })
}

#[test]
fn the_order_of_returned_calls_is_kept() {
    let (a, b) = (create("/a", "1", CreateMode::Persistent), CreateMode::PersistentSequential);
    let exists = Err(ErrorCode::NodeExists);
    let run = |first: (u64, u64), second: (u64, u64)| {
        check(
            &history(&[
                (1, a.clone(), first.0, Some((first.1, exists.clone()))),
                (2, a.clone(), second.0, Some((second.1, made("/a")))),
            ]),
            1000,
        )
    };
    assert_eq!(run((0, 5), (3, 9)), Linear::Ok);
    let stuck = vec![CallId(0)];
    assert_eq!(run((0, 2), (3, 9)), Linear::Illegal { explained: 0, stuck });
    let twice = |name: &str| (1, create("/s", "1", b), 0, Some((9, made(name))));
    let legal = [twice("/s0000000000"), twice("/s0000000001")];
    assert_eq!(check(&history(&legal), 1000), Linear::Ok);
    let same = [twice("/s0000000000"), twice("/s0000000000")];
    assert!(matches!(check(&history(&same), 1000), Linear::Illegal { .. }));
}

#[test]
fn lost_calls_and_expiry_may_happen_or_not() {
    let lost = (1, create("/e", "1", CreateMode::Ephemeral), 0, None);
    let again = |answer| (2, create("/e", "2", CreateMode::Persistent), 5, Some((9, answer)));
    for answer in [made("/e"), Err(ErrorCode::NodeExists)] {
        assert_eq!(check(&history(&[lost.clone(), again(answer)]), 1000), Linear::Ok);
    }
    let first = (1, create("/e", "1", CreateMode::Ephemeral), 0, Some((2, made("/e"))));
    let lasting = (1, create("/e", "1", CreateMode::Persistent), 0, Some((2, made("/e"))));
    assert_eq!(check(&history(&[first, again(made("/e"))]), 1000), Linear::Ok, "expired between");
    let gone = check(&history(&[lasting, again(made("/e"))]), 1000);
    assert!(matches!(gone, Linear::Illegal { explained: 1, .. }));
}

#[test]
fn a_read_counts_only_behind_a_sync() {
    let write = (1, create("/a", "1", CreateMode::Persistent), 0, Some((2, made("/a"))));
    let read = |from| {
        let op = Op::Exists { path: "/a".into(), watch: false };
        (2, op, from, Some((from + 1, Err(ErrorCode::NoNode))))
    };
    let sync = |from| {
        let answer = Ok(Reply::Synced { path: "/".into() });
        (2, Op::Sync { path: "/".into() }, from, Some((from + 1, answer)))
    };
    assert_eq!(check(&history(&[write.clone(), read(5)]), 1000), Linear::Ok);
    let behind = check(&history(&[write.clone(), sync(3), read(5)]), 1000);
    assert!(matches!(behind, Linear::Illegal { .. }));
    assert_eq!(check(&history(&[sync(1), write, read(5)]), 1000), Linear::Ok);
    let none = check(&History::new(), 0);
    assert_eq!(none, Linear::Ok);
}

/// All orders of all subsets: no rule but real time and session order.
fn brute(tasks: &[Task], done: &mut Vec<bool>, state: &mut State) -> bool {
    if tasks.iter().zip(&*done).all(|(task, done)| *done || task.answer.is_none()) {
        return true;
    }
    let open = |done: &Vec<bool>| (0..tasks.len()).filter(|n| !done[*n]).collect::<Vec<_>>();
    let bound = open(done).iter().map(|n| tasks[*n].to).min().unwrap_or(u64::MAX);
    for n in open(done) {
        let task = &tasks[n];
        let overtakes = tasks.iter().zip(&*done).any(|(other, done)| {
            let (a, b) = (task.id, other.id);
            let early = !done && other.answer.is_some() && b < a;
            let late = *done && a < b && !other.pure && task.answer.is_none();
            other.session == task.session && !task.expiry && !other.expiry && (early || late)
        });
        if task.from > bound || overtakes {
            continue;
        }
        let mark = state.mark();
        let answer = state.apply(task.session, &task.op);
        if task.answer.as_ref().is_none_or(|expected| answer == *expected) {
            done[n] = true;
            if brute(tasks, done, state) {
                return true;
            }
            done[n] = false;
        }
        state.back(mark);
    }
    false
}

#[test]
fn the_search_agrees_with_trying_everything() {
    let mut dice = Dice::new(3, "linear");
    let mut illegal = 0;
    for _ in 0..3000 {
        let mut calls = Vec::new();
        for n in 0..dice.between(2, 6) {
            let mode = *dice.pick(&[CreateMode::Persistent, CreateMode::Ephemeral]);
            let version = *dice.pick(&[-1, 0, 1]);
            let op = match dice.below(4) {
                0 | 1 => create("/a", &n.to_string(), mode),
                2 => Op::Delete { path: "/a".into(), version: -1 },
                _ => Op::SetData { path: "/a".into(), data: None, version },
            };
            let from = dice.below(12);
            let to = from + 1 + dice.below(9);
            let errors = [ErrorCode::NoNode, ErrorCode::NodeExists, ErrorCode::BadVersion];
            let fine = match &op {
                Op::Create { .. } => made("/a"),
                Op::Delete { .. } => Ok(Reply::Done),
                _ => Ok(Reply::Stat(Stat { version: dice.below(2) as i32 + 1, ..Stat::default() })),
            };
            let answer = match dice.below(5) {
                0 => None,
                1 => Some((to, Err(*dice.pick(&errors)))),
                _ => Some((to, fine)),
            };
            calls.push((1 + dice.below(3) as i64, op, from, answer));
        }
        calls.sort_by_key(|call| call.2);
        let history = history(&calls);
        let tasks = tasks(&history);
        let slow = brute(&tasks, &mut vec![false; tasks.len()], &mut State::fresh());
        let fast = check(&history, 100_000);
        assert_eq!(fast == Linear::Ok, slow, "{fast:?} of {calls:#?}");
        illegal += u32::from(!slow);
    }
    assert!(illegal > 300 && illegal < 2700, "{illegal} of 3000 were illegal");
}
