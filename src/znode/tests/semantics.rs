//! What clients may rely on: spec 2 and the corner cases of spec 9 that concern the service.

use super::*;
use crate::znode::tree::Trigger;

#[test]
fn the_fresh_tree_is_that_of_the_specification() {
    let tree = Tree::new();
    assert_eq!(tree.digest(), 0x51C6_D660);
    assert_eq!(tree.last(), Zxid::ZERO);
    let stat = |path| tree.stat(path).expect("built in");
    assert_eq!(stat("/").cversion, -1);
    assert_eq!(stat("/zookeeper").cversion, -2);
    assert_eq!(stat("/zookeeper/config").aversion, -1);
    let read = tree.read(&Op::GetChildren { path: "/zookeeper".into(), watch: false, stat: false });
    let names = vec!["config".to_owned(), "quota".to_owned()];
    assert_eq!(read, Ok(Reply::Children { names, stat: None }));
    assert_eq!(tree.stat(""), tree.stat("/"), "the empty path is the root for reads");
}

#[test]
fn stats_change_as_the_table_says() {
    let mut service = Service::new();
    assert_eq!(service.run(create("/p")), created("/p"));
    let born = service.stat("/p");
    assert_eq!((born.czxid, born.mzxid, born.pzxid), (born.czxid, born.czxid, born.czxid));
    assert_eq!((born.version, born.cversion, born.aversion, born.data_length), (0, 0, 0, 4));
    assert_eq!(service.stat("/").pzxid, born.czxid);
    assert_eq!(service.stat("/").cversion, 0, "-1 and one create");

    assert_eq!(service.run(create("/p/x")), created("/p/x"));
    let parent = service.stat("/p");
    let child = service.stat("/p/x");
    assert_eq!((parent.pzxid, parent.cversion, parent.num_children), (child.czxid, 1, 1));
    assert_eq!((parent.mzxid, parent.version, parent.mtime), (born.mzxid, 0, born.mtime));

    let Ok(Reply::Stat(set)) = service.run(set_data("/p", "longer", 0)) else { panic!() };
    assert_eq!((set.version, set.cversion, set.aversion, set.data_length), (1, 1, 0, 6));
    assert!(set.mzxid > child.czxid && set.mtime > born.mtime);
    assert_eq!((set.pzxid, set.ctime, set.czxid), (parent.pzxid, born.ctime, born.czxid));

    assert_eq!(service.run(delete("/p/x", -1)), Ok(Reply::Done));
    let parent = service.stat("/p");
    assert_eq!((parent.cversion, parent.num_children), (2, 0), "creates and deletes");
    assert_eq!(parent.pzxid, service.tree.last().wire());
    assert_eq!(parent.mzxid, set.mzxid);
}

/// Each operation on the same tree, and its error.
#[test]
fn errors_have_the_precedence_of_the_specification() {
    use ErrorCode::*;
    let mut service = Service::new();
    for op in [create("/a"), create("/a/b"), ephemeral("/e"), set_data("/a", "x", -1)] {
        assert!(service.run(op).is_ok());
    }
    let no_acl = |path: &str| {
        let (path, mode) = (path.to_owned(), CreateMode::Persistent);
        Op::Create { path, data: None, acl: vec![], mode, stat: false }
    };
    let cases = [
        (create("a"), BadArguments),
        (create("/x\0"), BadArguments),
        (no_acl("/missing/x"), InvalidAcl),
        (create("/missing/x"), NoNode),
        (create("/missing/"), NoNode),
        (create("/a/"), BadArguments),
        (create("//a"), BadArguments),
        (create("/a/."), BadArguments),
        (create("/"), NodeExists),
        (create("/a"), NodeExists),
        (create("/e/x"), NoChildrenForEphemerals),
        (create("/zookeeper/config/x"), NoAuth),
        (delete("/", -1), BadArguments),
        (delete("/zookeeper", -1), BadArguments),
        (delete("/zookeeper/quota", 0), BadArguments),
        (delete("a", -1), BadArguments),
        (delete("/a\0", -1), BadArguments),
        (delete("/missing/x", -1), NoNode),
        (delete("/missing", -1), NoNode),
        (delete("/a/", -1), NoNode),
        (delete("/a", 0), BadVersion),
        (delete("/a", -2), BadVersion),
        (delete("/a", 1), NotEmpty),
        (set_data("", "x", -1), BadArguments),
        (set_data("/a/", "x", -1), BadArguments),
        (set_data("/missing", "x", 3), NoNode),
        (set_data("/a", "x", 0), BadVersion),
        (set_data("/zookeeper/config", "x", -1), NoAuth),
        (check("/a", -1), Unimplemented),
        (Op::Ping, Unimplemented),
    ];
    for (op, code) in cases {
        let (before, digest) = (service.tree.last(), service.tree.digest());
        assert_eq!(service.run(op.clone()), Err(code), "{op:?}");
        assert_eq!(Some(service.tree.last()), before.next(), "a failed write takes a zxid");
        assert_eq!(service.tree.digest(), digest);
    }
    let undecodable = service.ask(SESSIONS[0], Err(MarshallingError));
    assert_eq!(service.catch_up_one().map(|applied| applied.result), Some(Err(MarshallingError)));
    assert_eq!(undecodable.digest, None);
    assert!(service.run(set_data("/", "x", 0)).is_ok(), "the root's data may be set");
    assert!(service.run(create("/zookeeper/quota/mine")).is_ok());
}

#[test]
fn config_is_rewritten_without_a_transaction() {
    let mut service = Service::new();
    service.tree.set_config("text", Zxid(5), WallMs(6));
    let config = service.stat("/zookeeper/config");
    assert_eq!((config.version, config.mzxid, config.mtime, config.data_length), (-1, 5, 6, 4));
    assert_eq!(service.tree.digest(), Service::new().tree.digest(), "not counted");
}

#[test]
fn null_data_is_not_empty_data() {
    let mut service = Service::new();
    for (path, data) in [("/null", None), ("/empty", Some(vec![]))] {
        let (acl, mode) = (open_acl(), CreateMode::Persistent);
        let create = Op::Create { path: path.into(), data: data.clone(), acl, mode, stat: true };
        assert!(service.run(create).is_ok());
        let read = service.tree.read(&Op::GetData { path: path.into(), watch: false });
        let Ok(Reply::Data { data: read, stat }) = read else { panic!("{read:?}") };
        assert_eq!((read, stat.data_length), (data, 0));
    }
}

#[test]
fn suffixes_count_all_creates_also_pending_ones() {
    let mut service = Service::new();
    assert!(service.run(create("/q")).is_ok());
    // Nothing of this is applied before all of it is prepared.
    let ops = [sequential("/q/a-"), create("/q/plain"), sequential("/q/b-"), sequential("/q/")];
    for op in ops {
        service.ask(SESSIONS[0], Ok(op));
    }
    let paths = ["/q/a-0000000000", "/q/plain", "/q/b-0000000002", "/q/0000000003"];
    for path in paths {
        assert_eq!(service.catch_up_one().map(|applied| applied.result), Some(created(path)));
    }
    assert!(service.run(delete("/q/b-0000000002", -1)).is_ok());
    assert_eq!(service.run(sequential("/q/")), created("/q/0000000004"), "deletes do not count");
}

#[test]
fn suffixes_wrap_to_negative_text() {
    assert_eq!(format!("{:010}", i32::MIN), "-2147483648");
    assert_eq!(format!("{:010}", -5i32), "-000000005");
    let mut service = Service::new();
    assert!(service.run(create("/q")).is_ok());
    // A record as a leader would write it after 2^31 creates.
    let mut record = service.ask(SESSIONS[0], Ok(create("/q/x")));
    service.waiting.clear();
    if let crate::jute::txn::Txn::Create(txn) = &mut record.txn {
        txn.parent_cversion = i32::MAX;
    }
    service.tree.apply(&record);
    service.prepare.reset();
    assert_eq!(service.run(sequential("/q/")), created("/q/2147483647"));
    assert_eq!(service.run(sequential("/q/")), created("/q/-2147483648"));
    assert_eq!(service.run(sequential("/q/")), created("/q/-2147483647"));
}

#[test]
fn failed_multi_gives_its_numbers_back() {
    let mut service = Service::new();
    assert!(service.run(create("/q")).is_ok());
    let digest = service.tree.digest();
    let parts = vec![sequential("/q/a-"), check("/q/a-0000000000", -1), delete("/no", -1)];
    let tail = vec![set_data("/q", "x", -1), create("/q/y")];
    let multi = Op::Multi(parts.into_iter().chain(tail).collect());
    let record = service.ask(SESSIONS[0], Ok(multi));
    service.ask(SESSIONS[0], Ok(sequential("/q/b-")));
    let applied = service.catch_up_one().expect("the multi");
    let inconsistent = Err(Some(ErrorCode::RuntimeInconsistency));
    let (none, no_node) = (Err(None), Err(Some(ErrorCode::NoNode)));
    let results = vec![none.clone(), none, no_node, inconsistent.clone(), inconsistent];
    assert_eq!(applied.result, Ok(Reply::Multi(results)));
    assert_eq!(applied.triggers, [], "a failed multi fires nothing");
    assert_eq!((record.digest, service.tree.digest()), (Some(digest), digest));
    let next = service.catch_up_one().map(|applied| applied.result);
    assert_eq!(next, Some(created("/q/b-0000000000")));
}

#[test]
fn failed_multi_restores_what_it_displaced() {
    let mut service = Service::new();
    service.ask(SESSIONS[0], Ok(create("/p")));
    service.ask(SESSIONS[0], Ok(set_data("/p", "one", 0)));
    let parts = vec![set_data("/p", "two", 1), delete("/p", 2), create("/p"), check("/p", 9)];
    service.ask(SESSIONS[0], Ok(Op::Multi(parts)));
    service.ask(SESSIONS[0], Ok(set_data("/p", "three", 1)));
    while let Some(applied) = service.catch_up_one() {
        assert!(applied.result.is_ok(), "{applied:?}");
    }
    let stat = service.stat("/p");
    assert_eq!((stat.version, stat.data_length), (2, 5));
}

#[test]
fn parts_of_a_multi_see_the_parts_before_them() {
    let mut service = Service::new();
    let create2 = match create("/m/x") {
        Op::Create { path, data, acl, mode, .. } => {
            Op::Create { path, data, acl, mode, stat: true }
        }
        other => other,
    };
    let parts = vec![
        create("/m"),
        check("/m", 0),
        create2,
        set_data("/m/x", "new", 0),
        check("/m/x", 1),
        delete("/m/x", 1),
    ];
    let applied = service.run_as(SESSIONS[0], Op::Multi(parts));
    let Ok(Reply::Multi(results)) = applied.result else { panic!() };
    assert_eq!(results.len(), 6);
    let zxid = service.tree.last().wire();
    let Ok(Reply::Created { stat: Some(stat), .. }) = &results[2] else { panic!() };
    assert_eq!((stat.czxid, stat.version), (zxid, 0));
    let Ok(Reply::Stat(stat)) = &results[3] else { panic!() };
    assert_eq!((stat.mzxid, stat.version), (zxid, 1));
    let fired: Vec<_> = applied.triggers.iter().map(|t| (t.kind, t.path.as_str())).collect();
    assert_eq!(fired, [(1, "/m"), (1, "/m/x"), (3, "/m/x"), (2, "/m/x")]);
    assert_eq!(service.stat("/m").cversion, 2);
}

#[test]
fn empty_multi_succeeds_and_takes_a_zxid() {
    let mut service = Service::new();
    let before = service.tree.last();
    assert_eq!(service.run(Op::Multi(vec![])), Ok(Reply::Multi(vec![])));
    assert_eq!(Some(service.tree.last()), before.next());
    let nested = Op::Multi(vec![Op::Multi(vec![])]);
    let results = vec![Err(Some(ErrorCode::MarshallingError))];
    assert_eq!(service.run(nested), Ok(Reply::Multi(results)));
}

#[test]
fn multi_moves_last_only_with_its_final_part() {
    let mut service = Service::new();
    let before = service.tree.last();
    let record = service.ask(SESSIONS[0], Ok(Op::Multi(vec![create("/x"), create("/y")])));
    assert_eq!(Tree::parts(&record), 2);
    assert_eq!(service.tree.apply_part(&record, 0), None);
    assert_eq!((service.tree.last(), service.tree.stat("/x").is_some()), (before, true));
    let applied = service.tree.apply_part(&record, 1).expect("final");
    assert_eq!(applied.triggers.len(), 2);
    assert_eq!(service.tree.last().wire(), record.header.zxid);
}

#[test]
fn multi_read_answers_each_part_on_its_own() {
    let mut service = Service::new();
    assert!(service.run(create("/a")).is_ok());
    let data = |path: &str| Op::GetData { path: path.into(), watch: true };
    let children = Op::GetChildren { path: "/a".into(), watch: false, stat: false };
    let read = service.tree.read(&Op::MultiRead(vec![data("/no"), data("/a"), children]));
    let Ok(Reply::Multi(results)) = read else { panic!() };
    assert_eq!(results[0], Err(Some(ErrorCode::NoNode)));
    assert!(matches!(&results[1], Ok(Reply::Data { .. })));
    assert_eq!(results[2], Ok(Reply::Children { names: vec![], stat: None }));
}

#[test]
fn close_deletes_pending_creates_and_skips_pending_deletes() {
    let mut service = Service::new();
    let [mine, other, _] = SESSIONS;
    for path in ["/kept", "/deleted", "/taken"] {
        service.run_as(mine, ephemeral(path));
    }
    service.ask(mine, Ok(delete("/deleted", -1)));
    service.ask(mine, Ok(delete("/taken", -1)));
    service.ask(other, Ok(ephemeral("/taken")));
    service.ask(mine, Ok(ephemeral("/pending")));
    let record = service.ask(mine, Ok(Op::CloseSession));
    let crate::jute::txn::Txn::CloseSession(close) = &record.txn else { panic!() };
    assert_eq!(close.paths, ["/kept", "/pending"]);
    // The name is free for whoever is prepared next.
    service.ask(other, Ok(create("/pending")));
    while service.waiting.len() > 2 {
        service.catch_up_one();
    }
    let closed = service.catch_up_one().expect("the close");
    let gone = |path: &str| Trigger { kind: 2, path: path.into() };
    assert_eq!(closed.triggers, [gone("/kept"), gone("/pending")]);
    let again = service.catch_up_one().map(|applied| applied.result);
    assert_eq!(again, Some(created("/pending")));
    assert_eq!(service.tree.ephemerals(other), ["/taken"]);
    assert_eq!(service.tree.session(mine), None);
}

#[test]
fn nothing_follows_a_prepared_close() {
    let mut service = Service::new();
    let expired = Some(Err(ErrorCode::SessionExpired));
    service.ask(SESSIONS[0], Ok(Op::CloseSession));
    let ops = [ephemeral("/e"), create("/p"), Op::Multi(vec![create("/p")]), delete("/p", -1)];
    for op in ops.clone() {
        service.ask(SESSIONS[0], Ok(op));
    }
    service.ask(SESSIONS[0], Ok(Op::CloseSession));
    assert_eq!(service.catch_up_one().map(|applied| applied.result), Some(Ok(Reply::Done)));
    for op in ops {
        assert_eq!(service.catch_up_one().map(|applied| applied.result), expired, "{op:?}");
    }
    let twice = service.catch_up_one().map(|applied| applied.result);
    assert_eq!(twice, Some(Ok(Reply::Done)), "closing an unknown session does nothing");
    assert_eq!(service.run(ephemeral("/e")), Err(ErrorCode::SessionExpired), "unknown by now");
    assert_eq!(service.tree.stat("/e"), None);
}

#[test]
fn ephemeral_of_a_session_that_is_only_prepared_is_accepted() {
    let mut service = Service::new();
    let session = SessionId(0x900);
    service.ask(session, Ok(Op::CreateSession { timeout: 5000 }));
    assert!(service.run_as(session, ephemeral("/e")).result.is_ok());
    assert_eq!(service.tree.session(session), Some(5000));
    assert_eq!(service.stat("/e").ephemeral_owner, 0x900);
}

#[test]
fn another_session_may_delete_an_ephemeral() {
    let mut service = Service::new();
    service.run_as(SESSIONS[0], ephemeral("/e"));
    service.run_as(SESSIONS[1], delete("/e", -1));
    assert!(service.tree.ephemerals(SESSIONS[0]).is_empty());
}

#[test]
fn acls_lose_duplicates_and_unknown_schemes_are_refused() {
    let mut service = Service::new();
    let with = |acl| match create("/a") {
        Op::Create { path, data, mode, stat, .. } => Op::Create { path, data, acl, mode, stat },
        other => other,
    };
    let mut bad = open_acl();
    bad[0].id.scheme = Some("auth".into());
    assert_eq!(service.run(with(bad.clone())), Err(ErrorCode::InvalidAcl));
    bad[0].id.id = None;
    assert_eq!(service.run(with(bad)), Err(ErrorCode::MarshallingError));
    let twice = [open_acl(), digest_acl(1), open_acl()].concat();
    let record = service.ask(SESSIONS[0], Ok(with(twice)));
    let crate::jute::txn::Txn::Create(txn) = &record.txn else { panic!() };
    assert_eq!(txn.acl, [open_acl(), digest_acl(1)].concat());
}

#[test]
fn a_very_deep_tree_is_dropped_without_recursion() {
    let mut service = Service::new();
    let mut path = String::new();
    for _ in 0..5_000 {
        path.push_str("/d");
        assert!(service.run(create(&path)).is_ok());
    }
    let copy = service.tree.clone();
    drop(service);
    assert!(copy.stat(&path).is_some());
}
