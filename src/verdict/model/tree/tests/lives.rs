//! Containers, times to live, quotas and the config, against the specification's sentences.

use super::*;
use crate::base::Config;
use crate::znode::op::grant;

fn all_on() -> Settings {
    Settings { extended_types: true, enforce_quota: true, reconfig: true, ..Settings::default() }
}

fn with(settings: Settings) -> Model {
    let mut model = ready();
    model.configure(settings);
    model
}

fn container(path: &str) -> Op {
    Op::CreateContainer { path: path.into(), data: None, acl: open_acl() }
}

fn lives(path: &str, ttl: i64, sequential: bool) -> Op {
    Op::CreateTtl { path: path.into(), data: None, acl: open_acl(), sequential, ttl }
}

fn put(path: &str, data: &str) -> Op {
    let (data, mode) = (Some(data.into()), CreateMode::Persistent);
    Op::Create { path: path.into(), data, acl: open_acl(), mode, stat: false }
}

fn delete(path: &str) -> Op {
    Op::Delete { path: path.into(), version: -1 }
}

fn set(path: &str, data: &str) -> Op {
    Op::SetData { path: path.into(), data: Some(data.into()), version: -1 }
}

/// Spec 2.4: what the owner of a node says, and what clients see of it (spec 9, case 42).
#[test]
fn owners_are_encoded_as_the_specification_says() {
    let longest = (1 << 40) - 1;
    assert_eq!(life::CONTAINER as u64, 0x8000_0000_0000_0000);
    assert_eq!(life::of_ttl(1).map(|owner| owner as u64), Ok(0xFF00_0000_0000_0001));
    assert_eq!(life::of_ttl(longest).map(|owner| owner as u64), Ok(0xFF00_00FF_FFFF_FFFF));
    for bad in [0, -1, longest + 1, i64::MIN] {
        assert_eq!(life::of_ttl(bad), Err(ErrorCode::BadArguments), "{bad}");
    }
    for (owner, ttl, ephemeral) in [
        (0, None, false),
        (life::CONTAINER, None, false),
        (life::of_ttl(7).unwrap(), Some(7), false),
        (life::of_ttl(longest).unwrap(), Some(longest), false),
        // Another feature than a time to live, and a session of the last server.
        (-1 << 40, None, true),
        (0xFE << 56, None, true),
        (7, None, true),
    ] {
        assert_eq!((life::ttl(owner), life::is_ephemeral(owner)), (ttl, ephemeral), "{owner:#x}");
        assert_eq!(life::visible(owner), if ephemeral { owner } else { 0 });
    }
    let mut model = with(all_on());
    model.apply(asked(1), &container("/c")).unwrap();
    model.apply(asked(2), &lives("/t", 5, false)).unwrap();
    for path in ["/c", "/t"] {
        let seen = stat(&model, path, Zxid(u64::MAX)).unwrap();
        assert_eq!((seen.ephemeral_owner, seen.version), (0, 0), "{path}");
    }
}

/// Spec 2.5: what is not allowed at all comes before the session; spec 9, case 25.
#[test]
fn times_to_live_are_refused_before_anything_else() {
    let stranger = Asked { session: SessionId(9), ..asked(1) };
    let refused = |settings, asked: Asked, ttl| {
        with(settings).apply(asked, &lives("bad path", ttl, false)).unwrap_err()
    };
    assert_eq!(refused(Settings::default(), stranger, 5), ErrorCode::Unimplemented);
    assert_eq!(refused(Settings::default(), asked(1), 0), ErrorCode::Unimplemented);
    for ttl in [0, -1, 1 << 40] {
        assert_eq!(refused(all_on(), stranger, ttl), ErrorCode::BadArguments, "{ttl}");
    }
    assert_eq!(refused(all_on(), stranger, 5), ErrorCode::SessionExpired);
    assert_eq!(refused(all_on(), asked(1), 5), ErrorCode::BadArguments);
    let mut model = with(Settings::default());
    let multi = Op::Multi(vec![container("/c"), lives("/t", 5, false)]);
    let failed = Effect::MultiFailed { part: 1, code: ErrorCode::Unimplemented };
    assert_eq!(model.apply(asked(1), &multi), Ok(failed));
}

/// Spec 2.4 and 2.3: only ephemerals have no children, and names count all creates.
#[test]
fn containers_and_those_with_a_time_may_have_children() {
    let mut model = with(all_on());
    model.apply(asked(1), &container("/c")).unwrap();
    model.apply(asked(2), &lives("/c/t-", 5, true)).unwrap();
    let made = model.apply(asked(3), &lives("/c/t-0000000000/u-", 5, true)).unwrap();
    let Reply::Created { path, stat: Some(seen) } = made.reply(&lives("", 1, true)) else {
        panic!("{made:?}")
    };
    assert_eq!((&*path, seen.czxid), ("/c/t-0000000000/u-0000000000", 1 << 32 | 3));
    model.apply(asked(4), &create("/e", CreateMode::Ephemeral)).unwrap();
    let below = model.apply(asked(5), &container("/e/c"));
    assert_eq!(below, Err(ErrorCode::NoChildrenForEphemerals));
    // The session's end takes none of them along.
    let closed = model.apply(asked(6), &Op::CloseSession);
    assert_eq!(closed, Ok(Effect::Closed { paths: vec!["/e".into()] }));
}

/// Spec 2.4; spec 9, case 41. Transaction n is made at 1000 + n.
#[test]
fn only_what_is_due_may_go_by_itself() {
    let mut model = with(all_on());
    let all = [container("/used"), container("/unused"), lives("/t", 100, false)];
    for (n, op) in all.iter().chain([&put("/p", ""), &put("/used/x", "")]).enumerate() {
        model.apply(asked(n as u64 + 1), op).unwrap();
    }
    model.apply(asked(6), &create("/e", CreateMode::Ephemeral)).unwrap();
    let due = |model: &Model, path: &str, now| model.is_due(path, now).is_ok();
    assert!(!due(&model, "/used", i64::MAX), "it has a child");
    model.apply(asked(7), &delete("/used/x")).unwrap();
    for (path, now, expected) in [
        ("/used", 0, true),
        ("/unused", 1002 + 300_000, false),
        ("/unused", 1002 + 300_001, true),
        ("/t", 1003 + 100, false),
        ("/t", 1003 + 101, true),
        ("/p", i64::MAX, false),
        ("/e", i64::MAX, false),
        ("/none", i64::MAX, false),
    ] {
        assert_eq!(due(&model, path, now), expected, "{path} at {now}");
    }
    model.apply(asked(200), &set("/t", "again")).unwrap();
    assert!(!due(&model, "/t", 1003 + 101), "who sets it lets it live on");
    model.configure(Settings { never_used_ms: None, ..all_on() });
    assert!(!due(&model, "/unused", i64::MAX), "never, up to 3.9");
}

/// Spec 2.5 (deleteContainer), with the recommended deviations of 2.4 and of spec 9, case 26.
#[test]
fn delete_container_is_the_leaders_own_and_looks_again() {
    let mut model = with(all_on());
    for (n, op) in [container("/c"), put("/c/x", ""), put("/p", "")].iter().enumerate() {
        model.apply(asked(n as u64 + 1), op).unwrap();
    }
    model.apply(asked(4), &create("/e", CreateMode::Ephemeral)).unwrap();
    let remove = |path: &str| Op::DeleteContainer { path: path.into() };
    let leader = |n| Asked { session: SessionId(0), ..asked(n) };
    for (path, code) in [
        ("/", ErrorCode::BadArguments),
        ("/none", ErrorCode::NoNode),
        ("/c", ErrorCode::NotEmpty),
        ("/e", ErrorCode::BadVersion),
        // A real server deletes it.
        ("/p", ErrorCode::BadVersion),
    ] {
        assert_eq!(model.apply(leader(5), &remove(path)), Err(code), "{path}");
    }
    model.apply(asked(6), &delete("/c/x")).unwrap();
    assert_eq!(model.apply(asked(7), &remove("/c")), Err(ErrorCode::Unimplemented));
    assert_eq!(model.apply(leader(8), &remove("/c")), Ok(Effect::Deleted));
    let fired: Vec<i32> = model.fired().iter().map(|trigger| trigger.kind).collect();
    assert_eq!(fired, [event::DELETED, event::DELETED, event::CHILDREN]);
}

fn text(model: &Model, path: &str, view: u64) -> String {
    let op = Op::GetData { path: path.into(), watch: false };
    match model.read(&op, Zxid(1 << 32 | view)) {
        Some(Ok(Reply::Data { data, stat })) => {
            assert_eq!(stat.version, 0, "usage is no change of the node");
            String::from_utf8(data.unwrap_or_default()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn limited(limits: &str) -> Model {
    let mut model = with(all_on());
    let quota = |rest: &str| format!("/zookeeper/quota/a{rest}");
    for (n, op) in [
        put("/a", "12345"),
        put("/a/b", "1"),
        put(&quota(""), ""),
        put(&quota("/zookeeper_limits"), limits),
        put(&quota("/zookeeper_stats"), "count=0,bytes=0"),
    ]
    .iter()
    .enumerate()
    {
        model.apply(asked(n as u64 + 1), op).unwrap();
    }
    model
}

const STATS: &str = "/zookeeper/quota/a/zookeeper_stats";

/// Spec 2.6: usage is a side effect, recounted when its node is made (spec 9, case 43).
#[test]
fn usage_follows_every_change_below_the_deepest_limits() {
    let mut model = limited("count=2,bytes=3");
    assert_eq!(text(&model, STATS, 5), "count=2,bytes=6", "itself included");
    let failing = Op::Multi(vec![put("/a/x", "1"), delete("/none")]);
    for (n, op) in [
        put("/a/c", "123"),
        set("/a/c", ""),
        set("/a/c", ""),
        delete("/a/b"),
        failing,
        put("/ab", "not below"),
        Op::Multi(vec![put("/a/m", "1"), put("/a/n", "2"), delete("/a/m")]),
        create("/a/e", CreateMode::Ephemeral),
        Op::CloseSession,
    ]
    .iter()
    .enumerate()
    {
        let _ = model.apply(asked(n as u64 + 6), op);
    }
    let seen: Vec<String> = (5..15).map(|view| text(&model, STATS, view)).collect();
    let expected = [
        "count=2,bytes=6",
        "count=3,bytes=9",
        "count=3,bytes=6",
        "count=3,bytes=6",
        "count=2,bytes=5",
        "count=2,bytes=5",
        "count=2,bytes=5",
        "count=3,bytes=6",
        "count=4,bytes=6",
        "count=3,bytes=6",
    ];
    assert_eq!(seen, expected);
    assert!(model.fired().iter().all(|trigger| model.path(trigger.place) != STATS));
}

/// Spec 2.6 and 2.5: only hard limits refuse, only if enforced, before the version, and by what was
/// applied.
#[test]
fn hard_limits_refuse_by_what_was_applied() {
    let hard = "count=1,bytes=1=;byteHardLimit=8;countHardLimit=3";
    let soft = "count=1,bytes=1=;byteHardLimit=;countHardLimit=-1";
    let apply = |limits: &str, ops: &[Op], settings: Settings, applied: Option<u64>| {
        let mut model = limited(limits);
        model.configure(settings);
        let mut last = None;
        for (n, op) in ops.iter().enumerate() {
            let applied = applied.map(|view| Zxid(1 << 32 | view));
            let asked = Asked { applied, ..asked(n as u64 + 6) };
            last = model.apply(asked, op).err();
        }
        last
    };
    let over = Some(ErrorCode::QuotaExceeded);
    let versioned = Op::SetData { path: "/a".into(), data: Some("123456789".into()), version: 99 };
    let cases = [
        (vec![put("/a/c", "12")], None),
        (vec![put("/a/c", "123")], over),
        (vec![put("/a/c", ""), put("/a/d", "")], over),
        (vec![put("/a/c", ""), put("/b", "123456789")], None),
        (vec![set("/a", "1234567")], None),
        (vec![set("/a", "12345678")], over),
        (vec![versioned], over),
        (vec![delete("/a/b"), put("/a/c", "123")], None),
    ];
    for (ops, expected) in &cases {
        assert_eq!(apply(hard, ops, all_on(), None), *expected, "{ops:?}");
        assert_ne!(apply(soft, ops, all_on(), None), over);
        let lax = Settings { enforce_quota: false, ..all_on() };
        assert_ne!(apply(hard, ops, lax, None), over);
    }
    // What was on its way is not counted: bursts overshoot, and what is gone still counts.
    assert_eq!(apply(hard, &cases[2].0, all_on(), Some(5)), None);
    assert_eq!(apply(hard, &cases[7].0, all_on(), Some(5)), over);
    assert_eq!(apply(hard, &cases[1].0, all_on(), Some(3)), None, "there were no limits then");
}

/// Spec 2.2, 6.9, 6.12 and 2.5.
#[test]
fn reconfig_makes_the_next_config_or_says_why_not() {
    let started = || {
        let mut model = with(all_on());
        let config = Config::initial(3);
        model.begin_with(&config.text(), config.version);
        model
    };
    let change = |joining: Option<&str>, leaving: Option<&str>, members: Option<&str>, version| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let (joining, leaving, members) = (own(joining), own(leaving), own(members));
        Op::Reconfig { joining, leaving, members, version }
    };
    let four = "server.4=h:1:2;3";
    let mut model = started();
    let nobody = change(Some(four), None, None, -1);
    assert_eq!(model.apply(asked(1), &nobody), Err(ErrorCode::NoAuth), "nobody but super");
    model.configure(Settings { skip_acl: true, ..all_on() });
    use ErrorCode::{BadArguments, BadVersion};
    for (op, code) in [
        (change(Some(four), None, None, 5), BadVersion),
        (change(Some("server.4=h:1:2"), None, None, -1), BadArguments),
        (change(Some("4=h:1:2;3"), None, None, -1), BadArguments),
        (change(None, Some("x"), None, -1), BadArguments),
        (change(None, Some("1,2,3"), None, -1), BadArguments),
    ] {
        assert_eq!(model.apply(asked(2), &op), Err(code), "{op:?}");
    }
    let op = change(Some("server.4=h:1:2:observer;9.9.9.9:3"), Some("1, 2"), None, 0);
    let made = model.apply(asked(3), &op).unwrap();
    let Reply::Data { data, stat } = made.reply(&op) else { panic!("{made:?}") };
    let text = "server.3=peer-3:2888:3888:participant;0.0.0.0:2181\n\
                server.4=h:1:2:observer;9.9.9.9:3\nversion=100000003";
    assert_eq!(String::from_utf8(data.unwrap()).unwrap(), text);
    assert_eq!((stat.version, stat.mzxid), (-1, 1 << 32 | 3));
    let fired: Vec<_> = model.fired().iter().map(|t| (t.table, t.place, t.kind)).collect();
    assert_eq!(fired, [(Table::Data, CONFIG, event::CHANGED)]);
    let all =
        change(None, None, Some("server.9=z:1:2;3,server.7=y:1:2:participant;3"), 1 << 32 | 3);
    let made = model.apply(asked(4), &all).unwrap();
    let Effect::Configured { data, .. } = made else { panic!("{made:?}") };
    let text = "server.7=y:1:2:participant;0.0.0.0:3\nserver.9=z:1:2:participant;0.0.0.0:3\n\
                version=100000004";
    assert_eq!(String::from_utf8(data.unwrap()).unwrap(), text);
    model.configure(Settings::default());
    let stranger = Asked { session: SessionId(9), ..asked(5) };
    assert_eq!(model.apply(stranger, &all), Err(ErrorCode::ReconfigDisabled));
    let read = Op::GetAcl { path: "/zookeeper/config".into() };
    let acl = match model.read(&read, Zxid(u64::MAX)) {
        Some(Ok(Reply::Acl { acl, stat })) => (acl, stat.aversion),
        other => panic!("{other:?}"),
    };
    assert_eq!(acl, (vec![grant(1, "world", "anyone")], -1));
    assert_eq!(with(all_on()).read(&read, Zxid(u64::MAX)), None, "it was not told");
}
