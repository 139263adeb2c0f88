//! The sweep against the witness in the loop, on runs of the witness's own legal ensemble.

use std::collections::BTreeMap;

use super::*;
use crate::base::{Dice, Digest, Draw};
use crate::history::{Committed, Happening, History, Outcome, Seen};
use crate::jute::Record;
use crate::jute::txn::TxnRecord;
use crate::process::Note;
use crate::verdict::forge;
use crate::verdict::witness::tests::ensemble::{at, legal};
use crate::verdict::witness::tests::judge;
use crate::verdict::witness::tests::mutate::{KINDS, mutate};
use crate::znode::op::{CreateMode, Op, grant, open_acl};

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
                tape.logged(&Committed::of(record));
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
                judged @ (Judged::Broken(_) | Judged::Undecided(_) | Judged::Beyond(_)) => {
                    panic!("seed {seed}, log {log}: {judged:#?}")
                }
            }
        }
        // One call in four is lost there, all on seven paths.
        assert!(undecided < 20, "{undecided} of 200 undecided");
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

#[test]
fn what_only_the_witness_judges_leaves_every_level_undecided() {
    let mut history = History::new();
    let legal = legal(1, 200);
    legal.iter().enumerate().for_each(|(step, seen)| history.observe(at(step), seen));
    let report = check_history(&history);
    assert_eq!(report.judge(Level::Session, SyncFlavour::Strict), Judged::Holds);
    let open = open_acl();
    let secret = vec![grant(31, "digest", "u:h")];
    let create = |path: &str, acl| Op::Create {
        path: path.to_string(),
        data: None,
        acl,
        mode: CreateMode::Persistent,
        stat: false,
    };
    let cases = [
        (Op::WhoAmI, true),
        (create("/z", open.clone()), false),
        (create("/z", secret.clone()), true),
        (create("/zookeeper/quota/a/zookeeper_limits", open), true),
        (Op::Multi(vec![create("/z", secret)]), true),
    ];
    for (op, beyond) in cases {
        let mut other = history.clone();
        let mut lost = other.operations.pop().expect("it has some");
        lost.op = op.clone();
        lost.outcome = crate::history::Outcome::Lost;
        other.operations.push(lost);
        let report = check_history(&other);
        for level in Level::ALL {
            let judged = report.judge(level, SyncFlavour::Strict);
            assert_eq!(matches!(judged, Judged::Beyond(_)), beyond, "{op:?}: {judged:?}");
        }
    }
}

/// A forged history as columns, and whether its log is shown.
fn forged(seed: u64, shape: forge::Shape, log: bool) -> Tape {
    let (mut tape, mut ops, mut logged) = (Tape::new(), BTreeMap::new(), Vec::new());
    let mut sink = |at, seen| tape.observe(at, &seen, &mut ops);
    forge::forge(seed, shape, &mut sink, &mut |txn| logged.push(txn));
    for txn in logged.iter().filter(|_| log) {
        tape.logged(txn);
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
                judged @ (Judged::Broken(_) | Judged::Undecided(_) | Judged::Beyond(_)) => {
                    panic!("seed {seed}, log {log}: {judged:#?}")
                }
            }
        }
        assert!(undecided < 6, "{undecided} of 60 undecided");
        assert!(log || found > 100, "{found} lost calls were found");
    }
}

/// What answers say did not happen, and what other lost calls may need, bear on where a lost call
/// is guessed to have happened. Of these histories 24 are decided, 20 without either.
#[test]
fn where_lost_calls_happened_is_often_found() {
    let holds = |seed: &u64| {
        let mut shape = forge::Shape::wide(4_000);
        shape.sessions = 60;
        let report = check(&mut forged(*seed, shape, false));
        report.judge(Level::SyncLinearizable, SyncFlavour::Strict) == Judged::Holds
    };
    let decided = (0..30).filter(holds).count();
    assert!(decided > 21, "{decided} of 30 are decided");
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

#[test]
fn the_sweep_refuses_what_the_definition_refuses_and_nothing_else() {
    let compared = differential::compare(1, 0..3_000);
    assert_eq!(compared.disagreements, Vec::<String>::new());
    // A watch that was heard of on an earlier connection is registered again on none.
    let once = differential::compare(1, 912_288..912_289);
    assert_eq!((once.illegal, once.disagreements), (1, Vec::new()));
    let illegal = compared.illegal;
    assert!(illegal > 600 && illegal < 2_400, "{illegal} of 3000 were illegal");
}

/// What clients saw of a run whose peers told of its log, and that log.
fn legal_history(seed: u64) -> (Vec<Seen>, History, Vec<Committed>) {
    let seen = legal(seed, 300);
    let (history, log) = history_of(&seen);
    (seen, history, log)
}

fn history_of(seen: &[Seen]) -> (History, Vec<Committed>) {
    let mut history = History::new();
    seen.iter().enumerate().for_each(|(step, seen)| history.observe(at(step), seen));
    let log = tape_of(seen, true).log;
    let tape = tape_of(seen, true);
    let log = log.into_iter().map(|txn| Committed {
        zxid: Zxid(txn.zxid),
        session: tape.sessions[txn.session as usize],
        xid: txn.xid,
        did: txn.did,
    });
    (history, log.collect())
}

/// The same run, as clients now say that they saw it: altered answers and events in place.
fn seen_as(seen: &[Seen], history: &History) -> Vec<Seen> {
    let notes = seen.iter().enumerate().filter_map(|(step, seen)| match seen {
        Seen::Noted { .. } | Seen::Connecting { .. } => Some((step as u64, 0, seen.clone())),
        _ => None,
    });
    let mut all: Vec<(u64, u8, Seen)> = notes.collect();
    let clients = seen.iter().filter_map(|seen| match seen {
        Seen::Called(call) => Some((call.id, call.clone())),
        _ => None,
    });
    let calls: BTreeMap<_, _> = clients.collect();
    for operation in &history.operations {
        all.push((operation.invoked.step, 1, Seen::Called(calls[&operation.id].clone())));
        let Some(at) = operation.returned else { continue };
        let (id, zxid) = (operation.id, operation.zxid.unwrap_or_default());
        let seen = match &operation.outcome {
            Outcome::Ok(reply) => Seen::Returned { id, zxid, result: Ok(reply.clone()) },
            Outcome::Failed(code) => Seen::Returned { id, zxid, result: Err(*code) },
            Outcome::Lost | Outcome::Open => Seen::Lost { id },
        };
        all.push((at.step, 2, seen));
    }
    for event in &history.events {
        let (client, session) = (event.client, event.session);
        let seen = match event.what.clone() {
            Happening::Connected { conn, server, fresh, timeout_ms } => {
                Seen::Connected { client, conn, server, session, fresh, timeout_ms }
            }
            Happening::Disconnected { conn } => Seen::Disconnected { client, conn },
            Happening::Expired => Seen::Expired { client, session },
            Happening::Watch { conn, kind, path, zxid } => {
                Seen::Watch { client, session, conn, kind, path, zxid }
            }
        };
        all.push((event.at.step, 2, seen));
    }
    all.sort_by_key(|(step, order, _)| (*step, *order));
    all.into_iter().map(|(.., seen)| seen).collect()
}

/// Of so many alterations of each field: how many the definition refuses. The sweep must refuse
/// the same ones, and the witness in the loop at least these.
fn altered(times: u32) -> Vec<(&'static str, u32)> {
    let mut dice = Dice::new(2, "sweep fields");
    let whole: Vec<_> = (0..20).map(legal_history).collect();
    let mut table = Vec::new();
    for field in differential::FIELDS {
        let (mut done, mut illegal) = (0, 0);
        while done < times {
            let (seen, history, log) = &whole[dice.below(20) as usize];
            let mut history = history.clone();
            if !differential::alter(&mut history, field, &mut dice) {
                continue;
            }
            done += 1;
            let wanted = definition::refuses(&history, log);
            let got = differential::refused(&history, log);
            assert_eq!(wanted.is_some(), got.is_some(), "{field}: {wanted:?}, but {got:?}");
            let (_, findings) = judge(&seen_as(seen, &history));
            let missed = wanted.is_some() && findings.is_empty();
            assert!(!missed, "{field}: the witness accepts it: {wanted:?}");
            illegal += u32::from(wanted.is_some());
        }
        table.push((field, illegal));
    }
    table
}

#[test]
#[allow(clippy::print_stdout, reason = "the table, for whoever asks with --nocapture")]
fn no_alteration_of_any_field_is_accepted_that_the_definition_refuses() {
    let (seen, history, _) = legal_history(0);
    assert_eq!(judge(&seen_as(&seen, &history)).1, vec![], "unaltered, it is the same run");
    let table = altered(200);
    // What is legal all the same: a read at a neighbouring state that it cannot tell from its own,
    // a time that nobody else was told, what is still in order in another one.
    let sometimes = ["ctime", "mtime", "answer ", "event dropped", "event order"];
    for (field, illegal) in table {
        println!("{field:<16} {illegal:>4} of 200 refused, by the definition too");
        let all = !sometimes.iter().any(|start| field.starts_with(start));
        assert!(illegal > 0 && (illegal == 200 || !all), "{field}: {illegal} of 200");
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
    assert_eq!(broken("WatchLost"), (Some(Session), Some(Session)));
    assert_eq!(broken("ReadValue"), (None, None));
    assert_eq!(broken("SessionOrder"), (None, None));
}
