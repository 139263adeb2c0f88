//! Watches of every mode (spec 1.12, 1.13, 4.1, 4.2): each check fires.

use super::story::{SESSION, Story, goes, stat};
use super::*;
use crate::jute::proto::Stat;
use crate::jute::txn::{CreateTxn, DeleteTxn, MultiTxn, SetDataTxn, SubTxn};
use crate::znode::op::{CreateMode, WatchKind, WatchMode, grant, open_acl};

const CREATED: i32 = 1;
const DELETED: i32 = 2;
const CHANGED: i32 = 3;
const CHILDREN: i32 = 4;

fn add(path: &str, mode: WatchMode) -> Op {
    Op::AddWatch { path: path.into(), mode }
}

fn done() -> Result<Reply, ErrorCode> {
    Ok(Reply::Done)
}

/// `/a` is there since transaction 2.
fn story() -> Story {
    let mut story = Story::new();
    story.make("/a", None, 1);
    story
}

/// The second connection leaves a watch that stays.
fn staying(path: &str, mode: WatchMode) -> Story {
    let mut story = story();
    story.read(2, add(path, mode), done());
    story
}

fn ping(story: &mut Story) {
    let op = Op::Sync { path: "/".into() };
    story.read(2, op, Ok(Reply::Synced { path: "/".into() }));
}

/// Spec 4.1 and 4.2; spec 9, case 61.
#[test]
fn a_persistent_watch_tells_of_every_change_in_both_tables() {
    let story = staying("/a", WatchMode::Persistent);
    let told = |events: &[(i32, &str)]| {
        goes(&story, |s| {
            let changed = s.set("/a", 2);
            s.make("/a/b", None, 1);
            for (kind, path) in events {
                s.event(2, *kind, path, if *kind == CHANGED { changed } else { changed + 1 });
            }
            ping(s);
        })
    };
    assert_eq!(told(&[(CHANGED, "/a"), (CHILDREN, "/a")]), "none");
    assert_eq!(told(&[(CHANGED, "/a")]), "WatchBeforeData/data_first");
    assert_eq!(told(&[(CHILDREN, "/a")]), "WatchBeforeData/event_order");
    let more = [(CHANGED, "/a"), (CHILDREN, "/a"), (CREATED, "/a/b")];
    assert_eq!(told(&more), "WatchSpurious/unexpected");
    assert_eq!(told(&[(CHANGED, "/a"), (CHANGED, "/a")]), "WatchSpurious/unexpected");
}

/// Spec 4.2; spec 9, case 62.
#[test]
fn a_recursive_watch_tells_of_all_below_but_of_no_child_list() {
    for (path, mode) in
        [("/a", WatchMode::PersistentRecursive), ("/", WatchMode::PersistentRecursive)]
    {
        let story = staying(path, mode);
        let told = |events: &[(i32, &str)]| {
            goes(&story, |s| {
                s.make("/a/b", None, 1);
                s.make("/a/b/c", None, 1);
                for (n, (kind, path)) in events.iter().enumerate() {
                    s.event(2, *kind, path, s.now() - 1 + n as u64);
                }
                ping(s);
            })
        };
        assert_eq!(told(&[(CREATED, "/a/b"), (CREATED, "/a/b/c")]), "none", "{path}");
        assert_eq!(told(&[(CREATED, "/a/b")]), "WatchBeforeData/data_first");
        assert_eq!(told(&[(CHILDREN, "/a")]), "WatchSpurious/unexpected");
    }
    // It works where nothing is yet, and nowhere else.
    let story = staying("/none/x", WatchMode::PersistentRecursive);
    let elsewhere = goes(&story, |s| {
        s.make("/none", None, 2);
        ping(s);
        s.make("/none/xy", None, 1);
        ping(s);
        s.make("/none/x", None, 2);
    });
    assert_eq!(elsewhere, "none");
    let missed = goes(&story, |s| {
        s.make("/none", None, 2);
        s.make("/none/x", None, 1);
        ping(s);
    });
    assert_eq!(missed, "WatchBeforeData/data_first");
}

/// Spec 9, cases 57 and 61: one change, one event; only the one-shot part is used up.
#[test]
fn watches_of_several_modes_share_one_event() {
    let mut story = staying("/a", WatchMode::Persistent);
    story.read(2, add("/a", WatchMode::PersistentRecursive), done());
    let read = Op::GetData { path: "/a".into(), watch: true };
    story.read(2, read, Ok(Reply::Data { data: None, stat: stat(2) }));
    let list = Op::GetChildren { path: "/a".into(), watch: true, stat: false };
    story.read(2, list, Ok(Reply::Children { names: vec![], stat: None }));
    let deleted = |times: usize| {
        goes(&story, |s| {
            let op = Op::Delete { path: "/a".into(), version: -1 };
            s.write(op, Txn::Delete(DeleteTxn { path: "/a".into() }), done());
            for _ in 0..times {
                s.event(2, DELETED, "/a", s.now());
            }
            ping(s);
            // What stays hears of the next one.
            s.make("/a", None, 2);
            s.event(2, CREATED, "/a", s.now());
            ping(s);
        })
    };
    assert_eq!(deleted(1), "none");
    assert_eq!(deleted(2), "WatchSpurious/unexpected");
    assert_eq!(deleted(0), "WatchBeforeData/data_first");
}

/// Spec 1.13; spec 9, case 65.
#[test]
fn removed_watches_are_there_before_and_gone_afterwards() {
    use WatchKind::{Any, Children, Data, Persistent, PersistentRecursive};
    let remove = |kind| Op::RemoveWatches { path: "/a".into(), kind };
    let check = |kind| Op::CheckWatches { path: "/a".into(), kind };
    let mut story = staying("/a", WatchMode::Persistent);
    let read = Op::Exists { path: "/a".into(), watch: true };
    story.read(2, read, Ok(Reply::Stat(stat(2))));
    for (kind, there) in [
        (Any, true),
        (Data, true),
        (Persistent, true),
        (Children, false),
        (PersistentRecursive, false),
    ] {
        let none = || Err(ErrorCode::NoWatcher);
        for op in [check(kind), remove(kind)] {
            let (right, wrong) = if there { (done(), none()) } else { (none(), done()) };
            assert_eq!(goes(&story, |s| s.read(2, op.clone(), right)), "none", "{op:?}");
            assert_eq!(goes(&story, |s| s.read(2, op, wrong)), "ReadValue/answer");
        }
        // Of another connection they are not.
        let other = goes(&story, |s| s.read(3, check(kind), none()));
        assert_eq!(other, "none");
    }
    let removed = |kinds: &[WatchKind], event: bool| {
        goes(&story, |s| {
            for kind in kinds {
                s.read(2, remove(*kind), done());
            }
            s.set("/a", 2);
            if event {
                s.event(2, CHANGED, "/a", s.now());
            }
            ping(s);
        })
    };
    assert_eq!(removed(&[Persistent], true), "none", "the one-shot watch is left");
    assert_eq!(removed(&[Persistent], false), "WatchBeforeData/data_first");
    assert_eq!(removed(&[Data, Persistent], false), "none");
    assert_eq!(removed(&[Data, Persistent], true), "WatchSpurious/unexpected");
    assert_eq!(removed(&[Any], false), "none");
    assert_eq!(removed(&[Any, Any], false), "ReadValue/answer");
}

/// A server may be behind: what has fired elsewhere is still there for it to remove.
#[test]
fn a_server_that_is_behind_removes_what_has_not_fired_there() {
    let mut story = story();
    let read = Op::Exists { path: "/a".into(), watch: true };
    story.read(2, read, Ok(Reply::Stat(stat(2))));
    let before = story.now();
    let removed = |view: u64, answer: Result<Reply, ErrorCode>, event: bool| {
        goes(&story, |s| {
            // Nobody of the session is answered: it would have seen too much.
            let set = Op::SetData { path: "/a".into(), data: None, version: -1 };
            let id = s.call(1, set);
            let txn = SetDataTxn { path: "/a".into(), data: None, version: 1 };
            let zxid = s.commit(SESSION, id as i32 + 1, Txn::SetData(txn));
            if event {
                s.event(2, CHANGED, "/a", zxid);
            }
            let remove = Op::RemoveWatches { path: "/a".into(), kind: WatchKind::Data };
            let id = s.call(2, remove);
            s.answer(id, before + view, answer);
            ping(s);
        })
    };
    assert_eq!(removed(0, done(), false), "none");
    assert_eq!(removed(1, Err(ErrorCode::NoWatcher), true), "none");
    assert_eq!(removed(1, done(), true), "ReadValue/answer");
    assert_eq!(removed(0, Err(ErrorCode::NoWatcher), false), "ReadValue/answer");
}

/// Spec 1.12: what stays is left again, without catching up.
#[test]
fn set_watches2_leaves_again_what_stays() {
    let mut story = staying("/a", WatchMode::Persistent);
    story.drop_connection(2);
    story.set("/a", 2);
    let list = |path: &str| vec![path.to_string()];
    let again = Op::SetWatches2 {
        relative: 1 << 32 | 2,
        data: list("/a"),
        exist: vec![],
        child: vec![],
        persistent: list("/a"),
        recursive: list("/r"),
    };
    let told = |caught: &[i32], events: &[(i32, &str)]| {
        goes(&story, |s| {
            let id = s.call(3, again.clone());
            caught.iter().for_each(|kind| s.event(3, *kind, "/a", 0));
            s.answer(id, s.now(), done());
            s.make("/a/b", None, 1);
            s.make("/r", None, 2);
            for (n, (kind, path)) in events.iter().enumerate() {
                s.event(3, *kind, path, s.now() - 1 + n as u64);
            }
            let op = Op::Sync { path: "/".into() };
            s.read(3, op, Ok(Reply::Synced { path: "/".into() }));
        })
    };
    let events = [(CHILDREN, "/a"), (CREATED, "/r")];
    assert_eq!(told(&[CHANGED], &events), "none");
    assert_eq!(told(&[], &events), "WatchLost/not_caught_up");
    assert_eq!(told(&[CHANGED, CHANGED], &events), "WatchSpurious/not_missed");
    assert_eq!(told(&[CHANGED], &events[..1]), "WatchBeforeData/data_first");
}

/// Spec 4.2: triggers run part by part, all with the same zxid (spec 9, case 52).
#[test]
fn events_of_a_multi_come_in_the_order_of_its_parts() {
    let story = staying("/", WatchMode::PersistentRecursive);
    let (path, mode) = ("/m".to_string(), CreateMode::Persistent);
    let create = Op::Create { path, data: None, acl: open_acl(), mode, stat: false };
    let delete = Op::Delete { path: "/m".into(), version: -1 };
    let part = |txn: Txn| {
        let mut data = Vec::new();
        txn.encode(&mut data);
        SubTxn { kind: txn.kind(), data: Some(data) }
    };
    let make = |parent_cversion| {
        let (path, acl) = ("/m".to_string(), open_acl());
        part(Txn::Create(CreateTxn { path, data: None, acl, ephemeral: false, parent_cversion }))
    };
    let gone = part(Txn::Delete(DeleteTxn { path: "/m".into() }));
    let op = Op::Multi(vec![create.clone(), delete, create]);
    let txn = Txn::Multi(MultiTxn { parts: vec![make(2), gone, make(3)] });
    let made = || Ok(Reply::Created { path: "/m".into(), stat: None });
    let told = |kinds: &[i32]| {
        goes(&story, |s| {
            let id = s.call(1, op.clone());
            let zxid = s.commit(SESSION, id as i32 + 1, txn.clone());
            s.answer(id, zxid, Ok(Reply::Multi(vec![made(), Ok(Reply::Done), made()])));
            kinds.iter().for_each(|kind| s.event(2, *kind, "/m", zxid));
            ping(s);
        })
    };
    assert_eq!(told(&[CREATED, DELETED, CREATED]), "none");
    assert_eq!(told(&[CREATED, CREATED, DELETED]), "WatchBeforeData/event_order");
    assert_eq!(told(&[DELETED, CREATED, CREATED]), "WatchBeforeData/event_order");
    assert_eq!(told(&[CREATED, DELETED]), "WatchBeforeData/data_first");
}

/// Spec 4.2 and spec 9, case 63: who may not read a node is not told of it, but the watch is used
/// up.
#[test]
fn events_are_told_to_those_who_may_read() {
    let user = "user:tpUq/4Pn5A64fVZyQ0gOJ8ZWqkY=";
    let watch = Op::Exists { path: "/s".into(), watch: true };
    let mut before = Story::new();
    before.read(2, watch.clone(), Err(ErrorCode::NoNode));
    let made = |story: &Story, events: usize| {
        goes(story, |s| {
            s.make("/s", Some(vec![grant(31, "digest", user)]), 1);
            (0..events).for_each(|_| s.event(2, CREATED, "/s", s.now()));
            ping(s);
            ping(s);
        })
    };
    assert_eq!(made(&before, 0), "none");
    assert_eq!(made(&before, 1), "WatchSpurious/unreadable");
    let mut known = before.clone();
    known.prove(2, "user:password");
    assert_eq!(made(&known, 1), "none");
    assert_eq!(made(&known, 0), "WatchBeforeData/data_first");
    assert_eq!(made(&known, 2), "WatchSpurious/unexpected", "used up");
    // While its packet is under way nobody knows: both are fine.
    let mut asking = before.clone();
    let auth = Op::AddAuth { scheme: "digest".into(), auth: b"user:password".into() };
    asking.call(2, auth);
    assert_eq!(made(&asking, 0), "none");
    assert_eq!(made(&asking, 1), "none");
    // It is used up without having been told.
    let used = goes(&before, |s| {
        s.make("/s", Some(vec![grant(31, "digest", user)]), 1);
        ping(s);
        s.prove(2, "user:password");
        let check = Op::CheckWatches { path: "/s".into(), kind: WatchKind::Data };
        s.read(2, check, Err(ErrorCode::NoWatcher));
        let seen = Ok(Reply::Stat(Stat { ..stat(2) }));
        s.read(2, Op::Exists { path: "/s".into(), watch: false }, seen);
    });
    assert_eq!(used, "none");
}

/// Spec 1.15: an answer to an auth packet overtakes, and what it proved stays proved.
#[test]
fn what_was_proved_stays_proved_when_older_answers_come() {
    let user = "user:tpUq/4Pn5A64fVZyQ0gOJ8ZWqkY=";
    let told = |event: bool| {
        let mut story = Story::new();
        let watch = Op::Exists { path: "/s".into(), watch: true };
        let id = story.call(2, watch);
        story.prove(2, "user:password");
        story.answer(id, story.now(), Err(ErrorCode::NoNode));
        story.make("/s", Some(vec![grant(31, "digest", user)]), 1);
        if event {
            story.event(2, CREATED, "/s", story.now());
        }
        ping(&mut story);
        story.verdict()
    };
    assert_eq!(told(true), "none");
    assert_eq!(told(false), "WatchBeforeData/data_first");
}
