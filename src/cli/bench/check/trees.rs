//! Histories of znodes to measure the search with: no zxid is told, so that it has to look.

use crate::base::{Dice, Draw, Ratio, SessionId};
use crate::verdict::model::znodes::{Answer, Op as Asked, Znodes};
use crate::verdict::model::{Model, Timed};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

use super::histories::intervals;

/// A history of znodes.
pub type Trees = Vec<Timed<Asked, Answer>>;

/// What clients do with a tree.
#[derive(Clone, Copy, Debug)]
pub struct Forest {
    /// Sessions that are always busy.
    pub sessions: u64,
    /// Operations in all.
    pub ops: usize,
    /// Of a hundred writes so many are lost, and their session with them.
    pub lost: u64,
}

/// 21 paths: a root, four directories in it and four nodes in each of them.
fn paths() -> Vec<String> {
    let dirs = (0..4).map(|dir| format!("/t/d{dir}"));
    let nodes = (0..16).map(|node| format!("/t/d{}/n{}", node / 4, node % 4));
    std::iter::once("/t".to_string()).chain(dirs).chain(nodes).collect()
}

/// A legal history: the paths are made one after the other, then everybody does anything.
pub fn tree(forest: Forest, seed: u64) -> Trees {
    let mut dice = Dice::new(seed, "tree");
    let (paths, model) = (paths(), Znodes);
    let mut state = model.start();
    let mut all: Trees = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let op = Asked::new(SessionId(0), create(path, CreateMode::Persistent, at));
        let answer = Answer::new(model.answer(&state, &op));
        step(&model, &mut state, &op, Some(&answer));
        let call = 3 * at as u64;
        all.push(Timed::new(0, call, call + 1, op, answer));
    }
    let begin = 3 * paths.len() as u64;
    let mut points = intervals(forest.sessions, forest.ops - paths.len(), &mut dice);
    points.sort();
    let mut session_of: Vec<u64> = (0..forest.sessions).map(|client| 1 + client).collect();
    let mut last = forest.sessions;
    let mut numbered: Vec<String> = Vec::new();
    for (at, (_, call, ret, client)) in points.into_iter().enumerate() {
        let session = session_of[client as usize];
        let op = draw(&paths, &numbered, at, &mut dice);
        let lost = op.is_write() && dice.chance(Ratio { num: forest.lost, den: 100 });
        let op = Asked::new(SessionId(session as i64), op);
        let (call, ret) = (begin + call, begin + ret);
        if lost {
            last += 1;
            session_of[client as usize] = last;
            // Every other one takes effect, and so may be seen.
            if dice.chance(Ratio { num: 1, den: 2 }) {
                step(&model, &mut state, &op, None);
            }
            all.push(Timed::lost(session, call, op));
            continue;
        }
        let answer = Answer::new(model.answer(&state, &op));
        step(&model, &mut state, &op, Some(&answer));
        if let (Op::Create { mode, .. }, Ok(Reply::Created { path, .. })) = (&op.op, &answer.result)
            && mode.is_sequential()
        {
            numbered.push(path.clone());
        }
        all.push(Timed::new(session, call, ret, op, answer));
    }
    all.sort_by_key(|timed| timed.call);
    all
}

fn step(model: &Znodes, state: &mut <Znodes as Model>::State, op: &Asked, answer: Option<&Answer>) {
    let stepped = model.step(state, op, answer);
    assert!(stepped.is_some(), "an answer by the model is right");
}

fn create(path: &str, mode: CreateMode, at: usize) -> Op {
    let data = Some(format!("data {at}").into_bytes());
    Op::Create { path: path.to_string(), data, acl: open_acl(), mode, stat: false }
}

fn draw(paths: &[String], numbered: &[String], at: usize, dice: &mut Dice) -> Op {
    let path = paths[dice.below(paths.len() as u64) as usize].clone();
    match dice.below(16) {
        0 | 1 => create(&path, CreateMode::Persistent, at),
        2 => {
            let name = format!("/t/d{}/s", dice.below(4));
            create(&name, CreateMode::PersistentSequential, at)
        }
        3 => Op::Delete { path, version: -1 },
        4 if !numbered.is_empty() => {
            let at = dice.below(numbered.len() as u64) as usize;
            Op::Delete { path: numbered[at].clone(), version: -1 }
        }
        4..=7 => {
            let data = Some(format!("data {at}").into_bytes());
            let version = if dice.below(3) == 0 { dice.below(4) as i32 } else { -1 };
            Op::SetData { path, data, version }
        }
        8..=12 => Op::GetData { path, watch: false },
        13 => Op::Exists { path, watch: false },
        _ => Op::GetChildren { path, watch: false, stat: false },
    }
}

/// The same history, but a late read of data answers what an earlier one of the same node did.
pub fn stale(mut ops: Trees) -> Trees {
    let of = |timed: &Timed<Asked, Answer>| match (&timed.op.op, &timed.answer) {
        (Op::GetData { path, .. }, Some(Answer { result: Ok(Reply::Data { .. }), .. })) => {
            Some(path.clone())
        }
        _ => None,
    };
    for late in ops.len() * 3 / 4..ops.len() {
        let Some(path) = of(&ops[late]) else { continue };
        let early = (0..late / 2).rev().find(|at| of(&ops[*at]).as_ref() == Some(&path));
        let other = early.and_then(|at| ops[at].answer.clone());
        if other.is_some() && other != ops[late].answer {
            ops[late].answer = other;
            return ops;
        }
    }
    // Nothing fits: then somebody is told that the first path was never there.
    let last = ops.iter().rposition(|timed| of(timed).is_some());
    if let Some(last) = last {
        ops[last].answer = Some(Answer::new(Err(ErrorCode::NoNode)));
    }
    ops
}
