//! The modes against each other, on small histories from seeds.

use std::collections::BTreeMap;

use super::*;
use crate::base::{ClientId, ConnId, PeerId, SessionId, Time, Zxid};
use crate::history::{At, CallId, Committed, Did, Event};
use crate::jute::proto::Stat;
use crate::verdict::forge::Shape;
use crate::verdict::generate::tree::{Field, generate};
use crate::verdict::judge::{Answer, SyncFlavour};
use crate::verdict::sweep;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

fn made(seed: u64, calls: u64, wrong: Option<Field>) -> Option<History> {
    let shape = Shape {
        sessions: 3,
        servers: 2,
        pipeline: 1 + seed as u32 % 2,
        tops: 1,
        lost: if seed.is_multiple_of(3) { 40 } else { 0 },
        rare: 20,
        fresh: (seed as u32 % 3) * 50,
        ..Shape::small(calls)
    };
    let mut history = History::new();
    generate(seed, shape, wrong, false, &mut |entry| history.take(entry)).ok()?;
    Some(history)
}

/// The same without the zxids of these.
fn without(history: &History, of: impl Fn(&Operation) -> bool) -> History {
    let mut bare = history.clone();
    for operation in &mut bare.operations {
        if of(operation) {
            operation.zxid = None;
        }
    }
    bare
}

fn judged(history: &History, level: Level, mode: Option<Mode>) -> Judgement {
    let mut question = Question { level: Some(level), mode, ..Question::default() };
    question.search.nodes = 100_000;
    judge_znodes(history, &question).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn what_a_history_has_zxids_for_decides_who_judges_it() {
    let whole = made(1, 60, None).expect("a legal one");
    let level = Level::SyncLinearizable;
    assert_eq!(judged(&whole, level, None).mode, Mode::Witness);
    let writes = without(&whole, |operation| !operation.op.is_write());
    assert_eq!(judged(&writes, level, None).mode, Mode::Views);
    let none = without(&whole, |_| true);
    assert_eq!(judged(&none, level, None).mode, Mode::Search);
    let forced = Question { mode: Some(Mode::Witness), ..Question::default() };
    let refused = judge_znodes(&none, &forced).expect_err("there are no zxids");
    assert!(refused.what.contains("no zxid, which mode `witness` needs"), "{refused}");
    let late = without(&made(2, 3_000, None).expect("a legal one"), |call| call.id.0 > 2_500);
    let refused = streamed(&late).expect_err("it begins otherwise");
    assert!(refused.what.contains("though those before it have"), "{refused}");
    let mut jumbled = made(2, 3_000, None).expect("a legal one");
    assert_eq!(streamed(&jumbled).map(|judged| judged.mode), Ok(Mode::Witness));
    jumbled.events.last_mut().expect("an event").at.step = 1;
    let last = jumbled.events.pop().expect("an event");
    let refused = streamed_with(&jumbled, Some(last)).expect_err("it is late");
    assert!(refused.what.contains("behind what came later"), "{refused}");
}

/// As a file is read.
fn streamed(history: &History) -> Result<Judgement, Refusal> {
    streamed_with(history, None)
}

fn streamed_with(history: &History, last: Option<Event>) -> Result<Judgement, Refusal> {
    asked(history, last, &Question::default())
}

fn asked(
    history: &History,
    last: Option<Event>,
    question: &Question,
) -> Result<Judgement, Refusal> {
    let mut gathering = Gathering::new(question)?;
    let calls = history.operations.iter().cloned().map(Entry::Call);
    let events = history.events.iter().cloned().map(Entry::Event);
    let mut all: Vec<Entry> = calls.chain(events).collect();
    all.sort_by_key(Entry::moment);
    all.extend(history.log.iter().copied().map(Entry::Committed));
    all.extend(last.map(Entry::Event));
    all.into_iter().for_each(|entry| gathering.take(7, entry));
    gathering.judge()
}

/// Columns that were laid down as they came say what the whole history does.
#[test]
fn a_stream_is_judged_as_the_whole() {
    for seed in 0..10 {
        for wrong in [None, Some(Field::Data), Some(Field::Event), Some(Field::Order)] {
            let Some(history) = made(seed, 2_500, wrong) else { continue };
            let (streamed, whole) =
                (streamed(&history), judge_znodes(&history, &Question::default()));
            let (streamed, whole) = (streamed.expect("a stream"), whole.expect("a history"));
            let first = |answer: &Answer| match answer {
                Answer::False(why) => format!("{} {}", why.property, why.detail),
                Answer::True | Answer::Unknown(_) => answer.word().to_string(),
            };
            // Calls that were kept can be searched, too, where lost ones leave a doubt.
            match whole.mode {
                Mode::Search => assert_eq!(streamed.answer.word(), "unknown", "{wrong:?} {seed}"),
                _ => assert_eq!(first(&streamed.answer), first(&whole.answer), "{wrong:?} {seed}"),
            }
            assert_eq!(streamed.properties, whole.properties, "{wrong:?} {seed}");
            assert_eq!(streamed.staleness, whole.staleness, "{wrong:?} {seed}");
        }
    }
}

/// Views need no more than columns, and neither does a witness that asks for other views.
#[test]
fn views_are_found_in_columns_as_in_calls() {
    let wrongs = [None, Some(Field::Data), Some(Field::Names), Some(Field::Order)];
    let mut words = BTreeMap::new();
    for (seed, calls) in (0..4).map(|seed| (seed, 1_600)).chain([(8, 5_500)]) {
        for wrong in wrongs {
            let Some(history) = made(seed, calls, wrong) else { continue };
            let bare = without(&history, |call| !call.op.is_write());
            for level in Level::ALL {
                for (history, mode) in
                    [(&history, Some(Mode::Views)), (&bare, None), (&history, None)]
                {
                    let question = Question { level: Some(level), mode, ..Question::default() };
                    let columns = asked(history, None, &question).expect("a stream");
                    let whole = judge_znodes(history, &question).expect("a history");
                    if whole.mode == Mode::Search {
                        continue;
                    }
                    assert_eq!(columns.mode, whole.mode, "{wrong:?} {seed} {level:?} {mode:?}");
                    let key = |judged: &Judgement| match &judged.answer {
                        Answer::False(why) => format!("{} {}", why.property, why.detail),
                        Answer::True | Answer::Unknown(_) => judged.answer.word().to_string(),
                    };
                    let (columns, whole) = (key(&columns), key(&whole));
                    assert_eq!(columns, whole, "{wrong:?} {seed} {level:?} {mode:?}");
                    let word = whole.split(' ').next().unwrap_or_default().to_string();
                    *words.entry(word).or_insert(0) += 1;
                }
            }
        }
    }
    assert!(words.len() >= 4 && words["true"] > 50, "{words:?}");
}

/// Reads without zxids are judged by columns only once a thousand writes have had theirs.
#[test]
fn a_write_without_its_zxid_is_searched_unless_it_comes_late() {
    let history = made(2, 3_000, None).expect("a legal one");
    let writes = |at: usize| {
        let mut all = history.operations.iter().filter(|call| call.op.is_write());
        all.nth(at).map_or(0, |call| call.id.0)
    };
    for (from, late) in [(writes(500), false), (writes(1_200), true)] {
        let bare = without(&history, |call| !call.op.is_write() || call.id.0 >= from);
        let judged = asked(&bare, None, &Question { search: few(), ..Question::default() });
        match judged {
            Ok(judged) => assert!(!late && judged.mode == Mode::Search),
            Err(refused) => assert!(late, "{refused}"),
        }
    }
}

fn few() -> crate::verdict::search::Options {
    crate::verdict::search::Options { nodes: 1_000, ..Default::default() }
}

/// With the committed log it is no question what lost calls did, and no answer may contradict it.
#[test]
fn a_log_decides_what_lost_calls_did() {
    let level = Level::SyncLinearizable;
    let (mut guessed, mut lies) = (0, 0);
    for seed in 0..30 {
        let shape = Shape { lost: 300, ..Shape::small(2_000) };
        let mut history = History::new();
        generate(seed, shape, None, true, &mut |entry| history.take(entry)).expect("a legal one");
        assert!(!history.log.is_empty());
        for judged in [judged(&history, level, None), streamed(&history).expect("a stream")] {
            assert_eq!(judged.answer, Answer::True, "seed {seed}");
        }
        let mut blind = history.clone();
        blind.log.clear();
        guessed += u32::from(judged(&blind, level, None).answer == Answer::True);
        // The log says that another call was there than the one that was answered.
        let answered = history.operations.iter().find(|call| {
            call.op.is_write() && matches!(call.outcome, Outcome::Ok(_)) && call.xid > 0
        });
        let zxid = answered.and_then(|call| call.zxid).expect("a write was answered");
        let lie = history.log.iter_mut().find(|txn| txn.zxid == zxid).expect("it is in the log");
        lie.did = Did::Nothing;
        let Answer::False(why) = judged(&history, level, None).answer else { continue };
        assert_eq!(why.property, "WriteOutcome", "seed {seed}: {why:?}");
        lies += 1;
    }
    assert!(guessed < 25, "{guessed} of 30 are decided without it");
    assert_eq!(lies, 30);
}

/// A witness's order is one that the others may find, so what it proves they never refuse; and what
/// they refuse it never accepts.
#[test]
fn no_mode_contradicts_another() {
    let mut counts: BTreeMap<(Mode, &str), u32> = BTreeMap::new();
    let wrongs = Field::ALL.iter().map(|(_, field)| Some(*field));
    for wrong in [None].into_iter().chain(wrongs) {
        for seed in 0..12 {
            let Some(history) = made(seed, 40 + seed * 5, wrong) else { continue };
            let mut accepted = None;
            for level in Level::ALL {
                let told = Mode::ALL.map(|mode| judged(&history, level, Some(mode)).answer);
                for (mode, answer) in Mode::ALL.iter().zip(&told) {
                    *counts.entry((*mode, answer.word())).or_default() += 1;
                    if wrong.is_none() && level > Level::Linearizable {
                        let fine = !matches!(answer, Answer::False(_));
                        assert!(fine, "{mode:?} {level:?} {seed}: {answer:?}");
                    }
                }
                let [witness, views, search] = &told;
                let what = || format!("{wrong:?} {level:?} {seed}: {told:?}");
                if *witness == Answer::True {
                    assert!(!matches!(views, Answer::False(_)), "{}", what());
                    assert!(!matches!(search, Answer::False(_)), "{}", what());
                }
                if *views == Answer::True {
                    assert!(!matches!(search, Answer::False(_)), "{}", what());
                }
                // What somebody accepts at a level, the search accepts at all that are weaker.
                let before = accepted.filter(|_| matches!(search, Answer::False(_)));
                assert_eq!(before, None, "{}", what());
                if told.contains(&Answer::True) {
                    accepted = accepted.or(Some(level));
                }
            }
        }
    }
    for mode in Mode::ALL {
        for word in ["true", "false"] {
            let often = counts.get(&(mode, word)).copied().unwrap_or(0);
            assert!(often > 20, "{mode:?} {word}: {counts:?}");
        }
    }
}

#[test]
fn a_stale_view_that_shows_nothing_stale_is_linearizable() {
    let level = Level::Linearizable;
    let fresh = Shape { fresh: 100, lost: 0, rare: 0, watches: 0, ..Shape::small(80) };
    let mut history = History::new();
    generate(4, fresh, None, false, &mut |entry| history.take(entry)).expect("a legal one");
    assert_eq!(judged(&history, level, None).answer, Answer::True);
    // A read of what nobody touched since may as well name an older state.
    let mut older = None;
    for at in 0..history.operations.len() {
        let call = &history.operations[at];
        if call.op.is_write() || !is_answered(call) {
            continue;
        }
        let mut other = history.clone();
        other.operations[at].zxid = call.zxid.map(|zxid| Zxid(zxid.0 - 1));
        let found = judged(&other, level, None);
        assert_ne!(found.answer, Answer::Unknown(String::new()));
        if found.mode == Mode::Views && found.answer == Answer::True {
            older = Some(at);
        }
    }
    assert!(older.is_some(), "no read could name an older state");
}

#[test]
fn a_sync_of_zookeeper_s_kind_promises_less() {
    let mut found = 0;
    for seed in 0..200 {
        let shape = Shape { fresh: 0, lost: 0, rare: 200, ..Shape::small(120) };
        let mut history = History::new();
        generate(seed, shape, None, false, &mut |entry| history.take(entry)).expect("a legal one");
        // A sync that caught up with nothing: its session stays where it was.
        let first = history.operations.iter().position(|call| call.id.0 > 40);
        let Some(first) = first else { continue };
        for at in first..history.operations.len() {
            let call = history.operations[at].clone();
            if !matches!(call.op, crate::znode::op::Op::Sync { .. }) || call.zxid.is_none() {
                continue;
            }
            let before = history.operations[..at].iter().rev();
            let mut before = before.filter(|other| other.session == call.session);
            let Some(view) = before.find_map(|other| other.zxid) else { continue };
            history.operations[at].zxid = Some(view);
            break;
        }
        let ask = |sync| {
            let question = Question { sync, ..Question::default() };
            judge_znodes(&history, &question).expect("it can be judged").answer
        };
        let (strict, loose) = (ask(SyncFlavour::Strict), ask(SyncFlavour::ZooKeeper));
        if let (Answer::False(why), Answer::True) = (&strict, &loose) {
            assert_eq!(why.property, "SyncedRead");
            found += 1;
        }
    }
    assert!(found > 5, "{found} syncs were behind");
}

#[test]
fn a_core_contradicts_itself_as_the_whole_does() {
    let mut small = 0;
    for (name, wrong) in Field::ALL {
        let Some(history) = made(5, 120, Some(wrong)) else { continue };
        let question = Question { explain: true, ..Question::default() };
        let judgement = judge_znodes(&history, &question).expect("it can be judged");
        let Answer::False(why) = judgement.answer else { continue };
        // An event that no watch fires contradicts itself: no answer is needed for that.
        assert!(!why.core.is_empty() || why.property.starts_with("Watch"), "{name}");
        assert!(why.core.len() <= history.operations.len(), "{name}");
        small += u32::from(why.minimal && why.core.len() <= 12);
    }
    assert!(small >= 8, "{small} cores are small");
}

/// A log that names a call twice, or one that nobody made, is no log of these calls (P1).
#[test]
fn a_log_holds_each_call_once_and_nobody_elses() {
    let mut history = History::new();
    let shape = Shape { lost: 60, ..Shape::small(400) };
    generate(5, shape, None, true, &mut |entry| history.take(entry)).expect("a legal one");
    let level = Level::SyncLinearizable;
    let property = |history: &History| match judged(history, level, None).answer {
        Answer::False(why) => why.property,
        Answer::True | Answer::Unknown(_) => "none",
    };
    assert_eq!(property(&history), "none");
    let last = history.log.iter().rposition(|txn| txn.xid > 0 && txn.did == Did::Write);
    let last = history.log[last.expect("writes are in the log")];
    let end = history.log.iter().map(|txn| txn.zxid.0).max().expect("it is not empty");
    let more = |xid| Committed { zxid: Zxid(end + 1), xid, ..last };
    for (xid, broken) in [(last.xid, "DoubleApply"), (i32::MAX, "Phantom")] {
        let mut other = history.clone();
        other.log.push(more(xid));
        assert_eq!(property(&other), broken);
    }
}

/// What one session is shown holds its own writes, and what somebody has written (P3).
#[test]
fn a_session_sees_its_own_writes_and_nothing_that_nobody_wrote() {
    let call = |id: u32, op: Op, value: Reply| {
        let at = |step: u32| At { step: u64::from(step), time: Time(u64::from(step)) };
        let (client, session) = (ClientId(1), SessionId(1));
        let (conn, server, xid) = (ConnId(1), PeerId(1), id as i32 + 1);
        let (invoked, returned) = (at(2 * id + 1), Some(at(2 * id + 2)));
        let (zxid, outcome) = (Some(Zxid(1 << 32 | 2)), Outcome::Ok(value));
        let id = CallId(id);
        Operation { id, client, session, conn, server, xid, op, invoked, returned, zxid, outcome }
    };
    let path = || "/a".to_string();
    let create = Op::Create {
        path: path(),
        data: Some(b"x".to_vec()),
        acl: open_acl(),
        mode: CreateMode::Persistent,
        stat: false,
    };
    let made = call(0, create, Reply::Created { path: path(), stat: None });
    let (czxid, data_length) = (1 << 32 | 2, 1);
    let stat = Stat { czxid, mzxid: czxid, pzxid: czxid, data_length, ..Stat::default() };
    let get = || Op::GetData { path: path(), watch: false };
    let read =
        |data: &[u8]| call(1, get(), Reply::Data { data: Some(data.to_vec()), stat: stat.clone() });
    let mut gone = read(b"x");
    gone.outcome = Outcome::Failed(ErrorCode::NoNode);
    for (read, holds) in [(read(b"x"), true), (read(b"y"), false), (gone, false)] {
        let history = History::of(vec![made.clone(), read], Vec::new());
        for level in Level::ALL {
            let answer = judged(&history, level, None).answer;
            assert_eq!(answer == Answer::True, holds, "{level:?}: {answer:?}");
        }
    }
}

/// At `session` other states may explain what a read showed; a session that lives on after its end,
/// or goes back, they do not.
#[test]
fn other_views_forgive_values_of_reads_alone() {
    let (level, strict) = (Level::Session, SyncFlavour::Strict);
    let mut kept = 0;
    for seed in 0..40 {
        for (_, field) in Field::ALL {
            let Some(history) = made(seed, 300, Some(field)) else { continue };
            let report = sweep::check_history(&history);
            let broken = report.properties.iter().any(|(name, _, broken)| {
                *broken > 0 && *name != "ReadValue" && level.demands(name, strict)
            });
            if broken {
                let answer = judged(&history, level, None).answer;
                assert!(matches!(answer, Answer::False(_)), "{field:?} {seed}: {answer:?}");
                kept += 1;
            }
        }
    }
    assert!(kept > 100, "{kept}");
}

/// Without zxids a session that is shown too little is named, with what contradicts itself.
#[test]
fn a_search_names_the_session_that_is_shown_too_little() {
    let (mut refuted, mut named, mut small) = (0, 0, 0);
    for seed in (0..12).filter(|seed| seed % 3 > 0) {
        for field in [Field::Session, Field::Data, Field::Suffix, Field::Result] {
            let Some(history) = made(seed, 30, Some(field)) else { continue };
            let bare = without(&history, |_| true);
            let level = Some(Level::Session);
            let explain = seed == 1;
            let mut question = Question { level, explain, ..Question::default() };
            question.search.nodes = 100_000;
            let judgement = judge_znodes(&bare, &question).expect("it can be judged");
            assert_eq!(judgement.mode, Mode::Search);
            let Answer::False(why) = judgement.answer else { continue };
            assert_eq!(why.property, "SessionConsistency");
            refuted += 1;
            named += u32::from(why.detail.contains("was shown"));
            small += u32::from(!why.core.is_empty() && why.core.len() < 10);
        }
    }
    assert!(refuted > 10 && named > 5 && small > 0, "{refuted} refuted, {named}, {small}");
}

/// What the sweep does not know is left to the search, which knows: so the verdict is its own.
#[test]
fn what_no_sweep_knows_is_searched() {
    let mut words = [0; 2];
    for seed in [1, 2, 4, 5] {
        for wrong in [None, Some(Field::Data), Some(Field::Suffix), Some(Field::Session)] {
            let Some(plain) = made(seed, 60, wrong) else { continue };
            let mut history = plain.clone();
            let mut last = history.operations.last().expect("it has some").clone();
            let (id, step) = (CallId(last.id.0 + 1), last.invoked.step + 1_000_000);
            let at = |step| At { step, ..last.invoked };
            (last.id, last.session, last.op) = (id, SessionId(77), Op::WhoAmI);
            (last.invoked, last.returned) = (at(step), Some(at(step + 1)));
            last.outcome = Outcome::Ok(Reply::Who(Vec::new()));
            history.take(Entry::Call(last));
            for level in Level::ALL {
                let (by, found) =
                    (judged(&plain, level, Some(Mode::Search)), judged(&history, level, None));
                assert_eq!(found.mode, Mode::Search, "{level:?} {seed}");
                assert!(found.properties.is_empty());
                assert_eq!(by.answer.word(), found.answer.word(), "{wrong:?} {level:?} {seed}");
                words[usize::from(found.answer == Answer::True)] += 1;
            }
            let streamed = streamed(&history).expect("it can be judged");
            assert_eq!(streamed.mode, Mode::Search);
        }
    }
    assert!(words[0] > 10 && words[1] > 10, "{words:?}");
}
