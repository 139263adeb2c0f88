//! The sweep against the witness in the loop, on runs of the witness's own legal ensemble.

use std::collections::BTreeMap;

use super::names::NONE;
use super::tape::{Kind, LOST, OK, flag};
use super::*;
use crate::base::{Dice, Digest, Draw, SessionId};
use crate::history::{History, Seen};
use crate::jute::Record;
use crate::jute::txn::{Txn, TxnRecord};
use crate::process::Note;
use crate::verdict::forge;
use crate::verdict::witness::tests::ensemble::{at, legal};
use crate::verdict::witness::tests::judge;
use crate::verdict::witness::tests::mutate::{KINDS, mutate};

/// The columns of what was seen; with the committed log, or as clients see it.
fn tape_of(seen: &[Seen], log: bool) -> Tape {
    let (mut tape, mut ops) = (Tape::new(), BTreeMap::new());
    let mut records = BTreeMap::new();
    let mut last = Zxid::ZERO;
    for (step, seen) in seen.iter().enumerate() {
        tape.observe(at(step), seen, &mut ops);
        let Seen::Noted { note, .. } = seen else { continue };
        match note {
            Note::Proposed { record, .. } => {
                records.insert(Digest::of(record), TxnRecord::from_bytes(record));
            }
            Note::Delivered { zxid, digest } if log && *zxid > last => {
                last = *zxid;
                let Some(Ok(record)) = records.get(digest) else { continue };
                let closes = matches!(record.txn, Txn::CloseSession(_));
                tape.logged(*zxid, SessionId(record.header.client), record.header.cxid, closes);
            }
            _ => {}
        }
    }
    tape
}

#[test]
fn legal_runs_hold_with_the_log_and_without() {
    for log in [true, false] {
        let mut undecided = 0;
        for seed in 0..200 {
            let seen = legal(seed, 600);
            let report = check(&mut tape_of(&seen, log));
            match report.judge(Level::SyncLinearizable, SyncFlavour::Strict) {
                Judged::Holds => {}
                Judged::Undecided(_) if !log => undecided += 1,
                Judged::Broken(breach) | Judged::Undecided(breach) => {
                    panic!("seed {seed}, log {log}: {breach:#?}")
                }
            }
        }
        // One call in four is lost there, all on seven paths.
        assert!(undecided < 120, "{undecided} of 200 undecided");
    }
}

#[test]
fn a_kept_history_says_what_the_seen_one_did() {
    for seed in 0..20 {
        let seen = legal(seed, 400);
        let mut history = History::new();
        seen.iter().enumerate().for_each(|(step, seen)| history.observe(at(step), seen));
        let (kept, direct) = (check_history(&history), check(&mut tape_of(&seen, false)));
        assert_eq!(kept.breaches, direct.breaches, "seed {seed}");
        assert_eq!((kept.doubts, kept.found), (direct.doubts, direct.found), "seed {seed}");
    }
}

/// A forged history as columns, and whether its log is shown.
fn forged(seed: u64, shape: forge::Shape, log: bool) -> Tape {
    let (mut tape, mut ops, mut logged) = (Tape::new(), BTreeMap::new(), Vec::new());
    let mut sink = |at, seen| tape.observe(at, &seen, &mut ops);
    forge::forge(seed, shape, &mut sink, &mut |txn| logged.push(txn));
    for txn in logged.iter().filter(|_| log) {
        tape.logged(txn.zxid, txn.session, txn.xid, txn.closes);
    }
    tape
}

#[test]
fn forged_histories_hold_with_the_log_and_without() {
    for log in [true, false] {
        let (mut undecided, mut found) = (0, 0);
        for seed in 0..60 {
            let mut shape = forge::Shape::small(400);
            shape.sessions = 4 + seed as u32 % 5;
            let report = check(&mut forged(seed, shape, log));
            found += report.found.len();
            match report.judge(Level::SyncLinearizable, SyncFlavour::Strict) {
                Judged::Holds => {}
                Judged::Undecided(_) if !log => undecided += 1,
                Judged::Broken(breach) | Judged::Undecided(breach) => {
                    panic!("seed {seed}, log {log}: {breach:#?}")
                }
            }
        }
        assert!(undecided < 30, "{undecided} of 60 undecided");
        assert!(log || found > 100, "{found} lost calls were found");
    }
}

#[test]
fn wide_histories_hold() {
    let report = check(&mut forged(1, forge::Shape::wide(20_000), true));
    let judged = report.judge(Level::SyncLinearizable, SyncFlavour::Strict);
    assert!(matches!(judged, Judged::Holds), "{judged:?}");
    assert!(report.strongest(SyncFlavour::Strict) == Some(Level::SyncLinearizable));
    assert!(report.staleness.stale() > 100 && report.staleness.most() > 1_000);
    let report = check(&mut forged(1, forge::Shape::wide(20_000), false));
    let judged = report.judge(Level::SyncLinearizable, SyncFlavour::Strict);
    assert!(!matches!(judged, Judged::Broken(_)), "{judged:?}");
    assert!(!report.found.is_empty());
}

/// Mutations of what clients see: those of the log's records are the other witness's business.
const SEEN_BY_CLIENTS: [&str; 12] = [
    "stat",
    "data",
    "names",
    "success becomes failure",
    "failure becomes another",
    "answer from the future",
    "session goes back",
    "write answered with another zxid",
    "event dropped",
    "event twice",
    "event altered",
    "event after data",
];

#[test]
fn what_the_witness_in_the_loop_refuses_the_sweep_does_not_accept() {
    let mut dice = Dice::new(1, "sweep mutations");
    assert!(SEEN_BY_CLIENTS.iter().all(|kind| KINDS.contains(kind)));
    let mut times = 0;
    for kind in SEEN_BY_CLIENTS {
        let mut done = 0;
        for seed in 0..40 {
            let mut seen = legal(seed, 300);
            if !mutate(kind, &mut seen, &mut dice) {
                continue;
            }
            done += 1;
            let finding = judge(&seen).1.into_iter().next().expect("the other one refuses it");
            let report = check(&mut tape_of(&seen, true));
            if report.judge(Level::SyncLinearizable, SyncFlavour::Strict) == Judged::Holds {
                // A time that one answer alone tells is nothing that clients can contradict.
                assert!(kind == "stat", "`{kind}` of seed {seed} was accepted: {finding:?}");
                times += 1;
            }
        }
        assert!(done >= 12, "`{kind}` found a place {done} times only");
    }
    assert!(times < 12, "{times} of 40 altered Stats were accepted");
}

/// The fields of a history that can be altered, by name.
const FIELDS: [&str; 19] = [
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
    "code",
    "suffix",
    "event kind",
    "event zxid",
    "event path",
    "answer zxid",
];

/// Alters one field of one random answer or event; false if there is none there.
fn corrupt(tape: &mut Tape, field: &str, dice: &mut Dice) -> bool {
    let nth = |dice: &mut Dice, len: usize| dice.below(len as u64) as usize;
    let by = if dice.below(2) == 0 { 1 } else { -1 };
    if let Some(what) = field.strip_prefix("event ") {
        if tape.events.is_empty() {
            return false;
        }
        let at = nth(dice, tape.events.len());
        let event = &mut tape.events[at];
        match what {
            "kind" if event.zxid > 0 => event.kind = event.kind % 4 + 1,
            "zxid" if event.zxid > 0 => event.zxid = event.zxid.wrapping_add_signed(by),
            "path" if event.zxid > 0 => event.path = (event.path + 1) % tape.paths.len() as u32,
            _ => return false,
        }
        return true;
    }
    let at = nth(dice, tape.calls.len());
    let rec = &mut tape.calls[at];
    if rec.part.code == LOST || rec.part.stat == NONE && FIELDS[..11].contains(&field) {
        return false;
    }
    // Stats are kept once for many answers: this one gets its own.
    if let Some(stat) = tape.stats.get(rec.part.stat as usize).copied() {
        rec.part.stat = tape.stats.len() as u32;
        tape.stats.push(stat);
    }
    let stat = tape.stats.get_mut(rec.part.stat as usize);
    match (field, stat) {
        ("czxid", Some(stat)) => stat.czxid = stat.czxid.wrapping_add_signed(by),
        ("mzxid", Some(stat)) => stat.mzxid = stat.mzxid.wrapping_add_signed(by),
        ("pzxid", Some(stat)) => stat.pzxid = stat.pzxid.wrapping_add_signed(by),
        ("version", Some(stat)) => stat.version += by as i32,
        ("cversion", Some(stat)) => stat.cversion += by as i32,
        ("aversion", Some(stat)) => stat.aversion += by as i32,
        ("ephemeralOwner", Some(stat)) => stat.owner = if stat.owner == 0 { 1 } else { 0 },
        ("dataLength", Some(stat)) => stat.length += by as i32,
        ("numChildren", Some(stat)) => stat.children += by as i32,
        ("ctime", Some(stat)) => stat.ctime += by,
        ("mtime", Some(stat)) => stat.mtime += by,
        ("data", _) if rec.part.kind == Kind::GetData && rec.part.code == OK => {
            rec.part.data = if rec.part.data == 0 { 1 } else { 0 };
        }
        ("names", _) if rec.part.has(flag::NAMED) => tape.kids[rec.part.extra as usize] += 1,
        ("code", _) if rec.part.kind != Kind::Sync && rec.part.kind != Kind::SetWatches => {
            rec.part.code = if rec.part.code == -101 { -111 } else { -101 };
        }
        ("suffix", _) if rec.part.has(flag::SEQUENTIAL) && rec.part.code == OK => {
            rec.part.seq += by as i32;
        }
        ("answer zxid", _) => rec.zxid = rec.zxid.wrapping_add_signed(by),
        _ => return false,
    }
    true
}

#[test]
fn no_corruption_of_any_field_is_accepted() {
    let mut dice = Dice::new(2, "sweep fields");
    let whole: Vec<Tape> =
        (0..10).map(|seed| forged(seed, forge::Shape::small(300), true)).collect();
    for field in FIELDS {
        let (mut done, mut accepted) = (0, 0);
        while done < 200 {
            let mut tape = whole[dice.below(10) as usize].clone();
            if !corrupt(&mut tape, field, &mut dice) {
                continue;
            }
            done += 1;
            let report = check(&mut tape);
            let judged = report.judge(Level::SyncLinearizable, SyncFlavour::Strict);
            accepted += u32::from(judged == Judged::Holds);
        }
        // What is legal all the same: a read at a neighbouring state that it cannot tell from its
        // own, and a time that nobody else was told.
        let legal = match field {
            "answer zxid" => 60,
            "ctime" | "mtime" => 90,
            _ => 0,
        };
        assert!(accepted <= legal, "{field}: {accepted} of 200 accepted");
    }
}

#[test]
fn weaker_levels_forgive_what_stronger_ones_do_not() {
    let seen = legal(3, 500);
    let mut report = check(&mut tape_of(&seen, true));
    let strict = SyncFlavour::Strict;
    assert_eq!(report.strongest(strict), Some(Level::SyncLinearizable), "followers are stale");
    let mut broken = |property: &'static str| {
        let breach =
            Breach { property, kind: "x", time: 0, rank: 0, call: None, detail: "".into() };
        report.breaches = vec![breach];
        (report.strongest(strict), report.strongest(SyncFlavour::ZooKeeper))
    };
    use Level::*;
    assert_eq!(broken("SyncedRead"), (Some(Osc), Some(Linearizable)));
    assert_eq!(broken("Linearizability"), (Some(Sequential), Some(Sequential)));
    assert_eq!(broken("ReadValue"), (Some(Session), Some(Session)));
    assert_eq!(broken("SessionOrder"), (None, None));
}
