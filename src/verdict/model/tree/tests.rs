//! The model against the sentences of the specification, case by case.

mod lives;
mod rights;

use super::*;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

const S: SessionId = SessionId(7);

fn asked(counter: u64) -> Asked {
    let (zxid, time) = (Zxid(1 << 32 | counter), 1000 + counter as i64);
    Asked { session: S, zxid, time, ..Asked::default() }
}

fn create(path: &str, mode: CreateMode) -> Op {
    Op::Create { path: path.into(), data: None, acl: open_acl(), mode, stat: true }
}

fn ready() -> Model {
    let mut model = Model::new();
    model.open(S);
    model
}

fn stat(model: &Model, path: &str, view: Zxid) -> Result<Stat, ErrorCode> {
    let op = Op::Exists { path: path.into(), watch: false };
    match model.read(&op, view) {
        Some(Ok(Reply::Stat(stat))) => Ok(stat),
        Some(Err(code)) => Err(code),
        other => panic!("exists answers a stat, not {other:?}"),
    }
}

#[test]
fn a_fresh_tree_shows_negative_cversions() {
    let model = Model::new();
    assert_eq!(stat(&model, "/", Zxid::ZERO).map(|s| (s.cversion, s.num_children)), Ok((-1, 1)));
    assert_eq!(stat(&model, "/zookeeper", Zxid::ZERO).map(|s| s.cversion), Ok(-2));
}

#[test]
fn suffixes_count_every_create_and_a_failed_multi_gives_its_numbers_back() {
    let mut model = ready();
    let made = |model: &mut Model, n, path: &str| match model
        .apply(asked(n), &create(path, CreateMode::PersistentSequential))
    {
        Ok(Effect::Created { path, .. }) => path.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(made(&mut model, 1, "/q-"), "/q-0000000000");
    model.apply(asked(2), &create("/plain", CreateMode::Persistent)).unwrap();
    assert_eq!(made(&mut model, 3, "/"), "/0000000002");
    let failing = Op::Multi(vec![
        create("/x-", CreateMode::PersistentSequential),
        Op::Delete { path: "/nowhere".into(), version: -1 },
        Op::Check { path: "/".into(), version: -1 },
    ]);
    let failed = Ok(Effect::MultiFailed { part: 1, code: ErrorCode::NoNode });
    assert_eq!(model.apply(asked(4), &failing), failed);
    assert!(model.fired().is_empty());
    assert_eq!(made(&mut model, 5, "/q-"), "/q-0000000003");
}

#[test]
fn errors_come_in_the_order_of_the_specification() {
    let mut model = ready();
    let make = |model: &mut Model, n, path, mode| model.apply(asked(n), &create(path, mode));
    make(&mut model, 1, "/a", CreateMode::Persistent).unwrap();
    make(&mut model, 2, "/e", CreateMode::Ephemeral).unwrap();
    let persistent = CreateMode::Persistent;
    for (path, code) in [
        ("x", ErrorCode::BadArguments),
        ("/b/", ErrorCode::NoNode),
        ("/a/", ErrorCode::BadArguments),
        ("//a", ErrorCode::BadArguments),
        ("/", ErrorCode::NodeExists),
        ("/a", ErrorCode::NodeExists),
        ("/e/c", ErrorCode::NoChildrenForEphemerals),
    ] {
        assert_eq!(make(&mut model, 3, path, persistent), Err(code), "create {path}");
    }
    make(&mut model, 4, "/a/b", persistent).unwrap();
    for (path, version, code) in [
        ("/", -1, ErrorCode::BadArguments),
        ("/zookeeper", -1, ErrorCode::BadArguments),
        ("/x/y", -1, ErrorCode::NoNode),
        ("/a/", -1, ErrorCode::NoNode),
        ("/a", 5, ErrorCode::BadVersion),
        ("/a", -2, ErrorCode::BadVersion),
        ("/a", 0, ErrorCode::NotEmpty),
    ] {
        let op = Op::Delete { path: path.into(), version };
        assert_eq!(model.apply(asked(5), &op), Err(code), "delete {path}");
    }
    let stranger = Asked { session: SessionId(9), ..asked(6) };
    assert_eq!(model.apply(stranger, &create("x", persistent)), Err(ErrorCode::SessionExpired));
}

#[test]
fn old_views_stay_readable() {
    let mut model = ready();
    model.apply(asked(1), &create("/a", CreateMode::Persistent)).unwrap();
    model.apply(asked(2), &create("/a/x", CreateMode::Ephemeral)).unwrap();
    model.apply(asked(3), &create("/a/y", CreateMode::Persistent)).unwrap();
    assert_eq!(
        model.apply(asked(4), &Op::CloseSession),
        Ok(Effect::Closed { paths: vec!["/a/x".into()] })
    );
    let names = |view: u64| {
        let op = Op::GetChildren { path: "/a".into(), watch: false, stat: false };
        match model.read(&op, Zxid(1 << 32 | view)) {
            Some(Ok(Reply::Children { names, .. })) => names.join(","),
            other => format!("{other:?}"),
        }
    };
    assert_eq!([1, 2, 3, 4, 9].map(names), ["", "x", "x,y", "y", "y"]);
    let stats = |view: u64| {
        stat(&model, "/a", Zxid(1 << 32 | view)).map(|s| (s.cversion, s.num_children, s.pzxid & 15))
    };
    assert_eq!(stats(1), Ok((0, 0, 1)));
    assert_eq!(stats(3), Ok((2, 2, 3)));
    assert_eq!(stats(4), Ok((3, 1, 4)));
    assert_eq!(stats(0), Err(ErrorCode::NoNode));
    assert!(!model.is_open(S));
}

#[test]
fn the_fresh_tree_has_the_digest_of_real_servers() {
    // Spec 7.5, recomputed there from a real server's files.
    assert_eq!(Model::new().digest(), 0x51C6_D660);
}
