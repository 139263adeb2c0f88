//! The sweep against the definition, on many small histories: forged ones, most with one thing
//! altered in what clients saw. Both must refuse the same ones.

use crate::base::{Draw, Key, Zxid};
use crate::history::{Committed, Happening, History, Outcome};
use crate::jute::proto::Stat;
use crate::verdict::forge::{self, Shape};
use crate::verdict::search::differential::Compared;
use crate::znode::op::{ErrorCode, Reply};

use super::definition::{refuses, stats};
use super::{Judged, Level, SyncFlavour, Tape, check};

/// What can be altered in a history, by name.
pub(super) const FIELDS: [&str; 25] = [
    "czxid",
    "mzxid",
    "pzxid",
    "version",
    "cversion",
    "aversion",
    "ephemeralOwner",
    "dataLength",
    "numChildren",
    "ctime",
    "mtime",
    "data",
    "names",
    "path",
    "code",
    "failure",
    "answer zxid",
    "answer lost",
    "answer order",
    "answer early",
    "event kind",
    "event zxid",
    "event path",
    "event dropped",
    "event order",
];

/// A history as columns, with its log shown.
pub(super) fn shown(history: &History, log: &[Committed]) -> Tape {
    let mut tape = Tape::of(history);
    for txn in log {
        tape.logged(txn);
    }
    tape
}

/// Whether the sweep refuses a history of which the log is shown.
pub(super) fn refused(history: &History, log: &[Committed]) -> Option<&'static str> {
    match check(&mut shown(history, log)).judge(Level::SyncLinearizable, SyncFlavour::Strict) {
        Judged::Holds => None,
        Judged::Broken(breach) | Judged::Undecided(breach) => Some(breach.kind),
        Judged::Beyond(name) => Some(name),
    }
}

/// A forged history with its log.
pub(super) fn forged(seed: u64, shape: Shape) -> (History, Vec<Committed>) {
    let (mut history, mut log) = (History::new(), Vec::new());
    forge::forge(seed, shape, &mut |at, seen| history.observe(at, &seen), &mut |t| log.push(t));
    (history, log)
}

/// Compares the sweep with the definition on the histories of these numbers.
pub fn compare(seed: u64, numbers: std::ops::Range<u64>) -> Compared {
    let mut all = Compared::default();
    for number in numbers {
        let mut dice = Key(seed).with(number).stream();
        let calls = dice.between(4, 24);
        let shape = Shape { tops: 1 + number as u32 % 2, ..Shape::small(calls) };
        let (mut history, log) = forged(dice.word(), shape);
        let mut altered = "nothing";
        if dice.below(4) > 0 {
            let field = *dice.pick(&FIELDS);
            altered = if alter(&mut history, field, &mut dice) { field } else { altered };
        }
        let (wanted, got) = (refuses(&history, &log), refused(&history, &log));
        all.histories += 1;
        all.illegal += u64::from(wanted.is_some());
        if wanted.is_some() != got.is_some() {
            let what = format!("history {number}, {altered} altered: {wanted:?}, but {got:?}");
            all.disagreements.push(what);
        }
    }
    all
}

/// Alters one thing somewhere in a history; false if there is none of it.
pub(super) fn alter(history: &mut History, field: &str, dice: &mut impl Draw) -> bool {
    let (calls, events) = (history.operations.len(), history.events.len());
    let event = field.starts_with("event");
    let many = if event { events } else { calls };
    if many == 0 {
        return false;
    }
    let from = dice.below(many as u64) as usize;
    (from..many).chain(0..from).any(|at| match event {
        true => alter_event(history, at, field, dice),
        false => alter_call(history, at, field, dice),
    })
}

/// The zxid before or after.
fn near(zxid: &mut Zxid, dice: &mut impl Draw) {
    zxid.0 = if zxid.0 == 0 || dice.below(2) == 0 { zxid.0 + 1 } else { zxid.0 - 1 };
}

fn alter_event(history: &mut History, at: usize, field: &str, dice: &mut impl Draw) -> bool {
    let next = history.events.iter().skip(at + 1).map(|event| event.at).next();
    let event = &mut history.events[at];
    let Happening::Watch { kind, path, zxid, .. } = &mut event.what else { return false };
    match (field, zxid) {
        ("event kind", _) => *kind = *kind % 4 + 1,
        ("event zxid", Some(zxid)) => near(zxid, dice),
        ("event path", _) => path.push('x'),
        ("event dropped", _) => drop(history.events.remove(at)),
        // Among the moments of calls and answers there is room for one more.
        ("event order", _) => {
            let by = dice.between(1, 12);
            let step = event.at.step + by;
            if next.is_some_and(|next| next.step <= step) {
                return false;
            }
            event.at.step = step;
            return !history
                .operations
                .iter()
                .any(|o| o.invoked.step == step || o.returned.is_some_and(|at| at.step == step));
        }
        _ => return false,
    }
    true
}

fn alter_call(history: &mut History, at: usize, field: &str, dice: &mut impl Draw) -> bool {
    let other = dice.below(history.operations.len() as u64) as usize;
    match field {
        "answer order" => {
            let ends = [at, other].map(|at| history.operations[at].returned);
            let [Some(one), Some(two)] = ends else { return false };
            let calls = [at, other].map(|at| history.operations[at].invoked);
            if one == two || calls[0] > two || calls[1] > one {
                return false;
            }
            history.operations[at].returned = Some(two);
            history.operations[other].returned = Some(one);
            return true;
        }
        "answer early" => {
            let operation = &mut history.operations[at];
            let Some(ret) = &mut operation.returned else { return false };
            if ret.step <= operation.invoked.step + 1 {
                return false;
            }
            ret.step = dice.between(operation.invoked.step + 1, ret.step - 1);
            return free(history, at);
        }
        _ => {}
    }
    let operation = &mut history.operations[at];
    let Some(zxid) = &mut operation.zxid else { return false };
    match (field, &mut operation.outcome) {
        ("answer zxid", _) => near(zxid, dice),
        ("answer lost", outcome) => {
            *outcome = Outcome::Lost;
            operation.zxid = None;
        }
        ("code", outcome @ Outcome::Ok(_)) => *outcome = Outcome::Failed(ErrorCode::NoNode),
        ("failure", Outcome::Failed(code)) => {
            let missing = *code == ErrorCode::NoNode;
            *code = if missing { ErrorCode::NotEmpty } else { ErrorCode::NoNode };
        }
        ("data", Outcome::Ok(Reply::Data { data, .. })) => *data = Some(vec![b'?']),
        ("names", Outcome::Ok(Reply::Children { names, .. })) => match names.pop() {
            Some(_) => {}
            None => names.push("x".to_owned()),
        },
        ("path", Outcome::Ok(Reply::Created { path, .. })) => {
            let last = path.pop();
            path.push(if last == Some('0') { '1' } else { '0' });
        }
        ("code" | "failure" | "data" | "names" | "path", _) => return false,
        (_, Outcome::Ok(reply)) => {
            let mut all = stats(reply);
            let many = all.len() as u64;
            return many > 0 && alter_stat(all.swap_remove(dice.below(many) as usize), field, dice);
        }
        (_, Outcome::Failed(_) | Outcome::Lost | Outcome::Open) => return false,
    }
    true
}

/// Whether nothing else is at the moment of an answer.
fn free(history: &History, at: usize) -> bool {
    let step = history.operations[at].returned.map(|ret| ret.step);
    let others = history.operations.iter().enumerate();
    let mut others = others.filter(|(other, o)| {
        Some(o.invoked.step) == step
            || *other != at && o.returned.is_some() && o.returned.map(|ret| ret.step) == step
    });
    others.next().is_none() && history.events.iter().all(|event| Some(event.at.step) != step)
}

fn alter_stat(stat: &mut Stat, field: &str, dice: &mut impl Draw) -> bool {
    let by = if dice.below(2) == 0 { 1 } else { -1 };
    match field {
        "czxid" => stat.czxid += by,
        "mzxid" => stat.mzxid += by,
        "pzxid" => stat.pzxid += by,
        "version" => stat.version += by as i32,
        "cversion" => stat.cversion += by as i32,
        "aversion" => stat.aversion += by as i32,
        "ephemeralOwner" => stat.ephemeral_owner += by,
        "dataLength" => stat.data_length += by as i32,
        "numChildren" => stat.num_children += by as i32,
        "ctime" => stat.ctime += by,
        "mtime" => stat.mtime += by,
        _ => return false,
    }
    true
}
