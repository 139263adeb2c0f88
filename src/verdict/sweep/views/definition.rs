//! Views by the definition alone: all views of all reads, by the judge's naive model.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::base::{ClientId, ConnId, Draw, Epoch, Key, PeerId, SessionId, Time, Zxid};
use crate::history::{At, Call, CallId, History, Seen};
use crate::verdict::model::tree::{Asked, Model};
use crate::verdict::search::differential::Compared;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

use super::super::{Judged, Level, SyncFlavour};
use super::check;

type Answer = Result<Reply, ErrorCode>;

/// A call with its interval; of a write, its place in the order.
#[derive(Clone, Debug)]
struct Timed {
    session: i64,
    op: Op,
    call: u64,
    ret: u64,
    answer: Answer,
    position: Option<u32>,
}

fn zxid(position: u32) -> Zxid {
    Zxid::new(Epoch(1), position)
}

fn some_write(dice: &mut impl Draw, n: u64) -> Op {
    let path = (*dice.pick(&["/a", "/a/x", "/b"])).to_owned();
    let data = Some(vec![b'0' + dice.below(3) as u8; 1 + n as usize % 2]);
    match dice.below(4) {
        0 => Op::Delete { path, version: -1 },
        1 => Op::SetData { path, data, version: -1 },
        _ => {
            let (mode, acl) = (CreateMode::Persistent, open_acl());
            Op::Create { path, data, acl, mode, stat: false }
        }
    }
}

fn some_read(dice: &mut impl Draw) -> Op {
    let path = (*dice.pick(&["/a", "/a/x", "/b", "/"])).to_owned();
    let names = |path| Op::GetChildren { path, watch: false, stat: false };
    match dice.below(6) {
        0 => Op::Exists { path, watch: false },
        1 => Op::GetData { path, watch: false },
        2 => Op::GetChildren { path, watch: false, stat: true },
        3 => Op::MultiRead(vec![names(path), names("/".to_owned())]),
        4 => Op::Sync { path },
        _ => names(path),
    }
}

/// A few writes, each after the call of the one before, and reads that each show some state.
fn small(dice: &mut impl Draw) -> (Model, u32, Vec<Timed>) {
    let (mut model, mut all) = (Model::new(), Vec::new());
    [1, 2].map(SessionId).into_iter().for_each(|session| model.open(session));
    let writes = dice.between(1, 5) as u32;
    let mut busy = BTreeMap::new();
    let mut now = 1;
    for position in 1..=writes {
        let session = dice.between(1, 2) as i64;
        now = now.max(busy.get(&session).copied().unwrap_or(0)) + dice.below(4);
        let (call, ret) = (now, now + 1 + dice.below(6));
        busy.insert(session, ret);
        let op = some_write(dice, u64::from(position));
        let (who, time) = (SessionId(session), now as i64);
        let asked = Asked { session: who, zxid: zxid(position), time, ..Asked::default() };
        let answer = model.apply(asked, &op).map(|effect| effect.reply(&op));
        all.push(Timed { session, op, call, ret, answer, position: Some(position) });
    }
    let mut busy = BTreeMap::new();
    for _ in 0..dice.between(1, 4) {
        let session = dice.between(1, 3) as i64;
        let call = busy.get(&session).copied().unwrap_or(0) + 1 + dice.below(6);
        let ret = call + 1 + dice.below(8);
        busy.insert(session, ret);
        let op = some_read(dice);
        let shown = dice.below(u64::from(writes) + 1) as u32;
        let answer = model.read(&op, zxid(shown)).expect("the model knows all of these");
        all.push(Timed { session, op, call, ret, answer, position: None });
    }
    all.sort_by_key(|timed| timed.call);
    (model, writes, all)
}

/// The history of these calls; reads say nothing of their views.
fn history(all: &[Timed]) -> History {
    let mut seen = Vec::new();
    for (n, timed) in all.iter().enumerate() {
        let (id, session) = (CallId(n as u32), SessionId(timed.session));
        let (client, conn) = (ClientId(timed.session as u32), ConnId(timed.session as u64));
        let (server, xid, op) = (PeerId(1), n as i32, timed.op.clone());
        let call = Call { id, client, session, conn, server, xid, op };
        seen.push((timed.call * 2, Seen::Called(call)));
        let zxid = timed.position.map_or(Zxid::ZERO, zxid);
        let result = timed.answer.clone();
        seen.push((timed.ret * 2 + 1, Seen::Returned { id, zxid, result }));
    }
    seen.sort_by_key(|(step, _)| *step);
    let mut history = History::new();
    for (step, seen) in &seen {
        history.observe(At { step: *step, time: Time(*step) }, seen);
    }
    history
}

/// Whether there are views for all calls from the `n`th on, by the definition alone.
fn brute(model: &Model, last: u32, all: &[Timed], views: &mut Vec<u32>, level: Level) -> bool {
    let n = views.len();
    let Some(timed) = all.get(n) else { return true };
    let candidates = match timed.position {
        Some(position) => position..=position,
        None => 0..=last,
    };
    for view in candidates {
        let shown = timed.position.is_some()
            || model.read(&timed.op, zxid(view)).as_ref() == Some(&timed.answer);
        let strong = level <= Level::SyncLinearizable && matches!(timed.op, Op::Sync { .. });
        let before = all.iter().zip(&*views).all(|(other, at)| {
            let own = other.session != timed.session
                || if timed.position.is_some() { *at < view } else { *at <= view };
            let wrote = other.position.is_some();
            let must =
                wrote && (timed.position.is_some() || strong) || level == Level::Linearizable;
            let fresh = !must || other.ret >= timed.call || *at <= view;
            // A read never shows what was called only after its answer.
            let future = other.position.is_some()
                || timed.position.is_none_or(|position| position > *at)
                || timed.call <= other.ret;
            own && fresh && future
        });
        if !shown || !before {
            continue;
        }
        views.push(view);
        if brute(model, last, all, views, level) {
            return true;
        }
        views.truncate(n);
    }
    false
}

/// Compares the inference with the definition on the small histories of these numbers, at each of
/// the three levels that know real time.
pub(super) fn compare_levels(seed: u64, numbers: Range<u64>) -> [Compared; 3] {
    let mut all = [Compared::default(), Compared::default(), Compared::default()];
    for number in numbers {
        let (model, last, calls) = small(&mut Key(seed).with(number).stream());
        let history = history(&calls);
        let levels = [Level::Linearizable, Level::SyncLinearizable, Level::Osc];
        for (compared, level) in all.iter_mut().zip(levels) {
            let legal = brute(&model, last, &calls, &mut Vec::new(), level);
            let judged = check(&history, level, SyncFlavour::Strict);
            compared.histories += 1;
            compared.illegal += u64::from(!legal);
            if legal != (judged == Judged::Holds) {
                let level = level.name();
                let what = format!("history {number}, {level}: {judged:?}, by definition {legal}");
                compared.disagreements.push(what);
            }
        }
    }
    all
}

/// The same, in one sum.
pub fn compare(seed: u64, numbers: Range<u64>) -> Compared {
    let mut sum = Compared::default();
    for compared in compare_levels(seed, numbers) {
        sum.histories += compared.histories;
        sum.illegal += compared.illegal;
        sum.disagreements.extend(compared.disagreements);
    }
    sum
}
