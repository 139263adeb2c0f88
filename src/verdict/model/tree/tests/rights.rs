//! Who is who and who may do what, against the specification's sentences (1.14, 1.15, 2.5).

use super::*;
use crate::jute::proto::{Acl, Id};
use crate::znode::op::grant;

/// `user:password`, as the specification has it stored.
const USER: &str = "user:tpUq/4Pn5A64fVZyQ0gOJ8ZWqkY=";
const BOB: &str = "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=";

fn of(model: &mut Model, auths: &[(&str, &str)]) -> Who {
    let address = "10.1.0.7";
    let mut who = model.known_at(address);
    for (scheme, auth) in auths {
        who = model.proved(who, scheme, auth.as_bytes(), address);
    }
    who
}

fn by(who: Who, counter: u64) -> Asked {
    Asked { who, ..asked(counter) }
}

fn make(path: &str, acl: Vec<Acl>) -> Op {
    let (data, mode) = (None, CreateMode::Persistent);
    Op::Create { path: path.into(), data, acl, mode, stat: false }
}

fn stored(model: &Model, path: &str) -> Vec<Acl> {
    acl::in_full(&model.look(path).and_then(Entry::now).expect("it exists").acl)
}

/// Spec 1.15: digest ids are hashes, and only some schemes prove anything (case 18).
#[test]
fn credentials_give_the_identities_of_the_specification() {
    let settings = Settings { super_digest: Some(BOB.to_string()), ..Settings::default() };
    let prove = |scheme: &str, auth: &str| settings.prove(scheme, auth.as_bytes(), "10.1.0.7");
    let id = |scheme: &str, id: &str| grant(0, scheme, id).id;
    assert_eq!(prove("digest", "user:password"), Ok(vec![id("digest", USER)]));
    assert_eq!(prove("digest", "bob:pw"), Ok(vec![id("super", ""), id("digest", BOB)]));
    assert_eq!(prove("ip", ""), Ok(vec![id("ip", "10.1.0.7")]));
    for scheme in ["world", "auth", "sasl", "x509", "super", ""] {
        assert_eq!(prove(scheme, "user:password"), Err(ErrorCode::AuthFailed), "{scheme}");
    }
}

/// Spec 2.5, list normalisation; spec 9, case 39.
#[test]
fn lists_are_normalised_as_the_specification_says() {
    let mut model = ready();
    let nobody = of(&mut model, &[]);
    let both = of(&mut model, &[("digest", "user:password"), ("digest", "bob:pw")]);
    let null = |scheme: Option<&str>, id: Option<&str>| Acl {
        perms: 1,
        id: Id { scheme: scheme.map(str::to_owned), id: id.map(str::to_owned) },
    };
    let (invalid, malformed) = (Err(ErrorCode::InvalidAcl), Err(ErrorCode::MarshallingError));
    let digest = |perms, id: &str| grant(perms, "digest", id);
    let world = |perms| grant(perms, "world", "anyone");
    let cases = vec![
        (vec![], both, invalid.clone()),
        (vec![null(None, Some("x"))], both, invalid.clone()),
        (vec![grant(1, "nonsense", "x")], both, invalid.clone()),
        (vec![grant(1, "sasl", "x")], both, invalid.clone()),
        (vec![grant(1, "x509", "CN=x")], both, invalid.clone()),
        (vec![grant(1, "world", "me")], both, invalid.clone()),
        (vec![null(Some("world"), None)], both, malformed.clone()),
        (vec![null(Some("digest"), None)], both, malformed),
        (vec![digest(1, "noparts")], both, invalid.clone()),
        (vec![digest(1, "a:b:c")], both, invalid.clone()),
        (vec![grant(1, "ip", "10.1.0")], both, invalid.clone()),
        (vec![grant(1, "ip", "10.1.0.0/33")], both, invalid.clone()),
        (vec![grant(1, "ip", "fe80::/10")], both, Ok(vec![grant(1, "ip", "fe80::/10")])),
        (vec![digest(1, USER), digest(1, USER)], nobody, Ok(vec![digest(1, USER)])),
        (
            vec![digest(1, USER), digest(2, USER)],
            nobody,
            Ok(vec![digest(1, USER), digest(2, USER)]),
        ),
        // Unknown bits are stored as given.
        (vec![world(1 << 10)], nobody, Ok(vec![world(1 << 10)])),
        (vec![world(31)], nobody, Ok(open_acl())),
        // `auth` is whoever has proved something, and an address proves nothing.
        (vec![grant(31, "auth", "ignored")], nobody, invalid),
        (vec![null(Some("auth"), None)], both, Ok(vec![digest(1, USER), digest(1, BOB)])),
    ];
    for (n, (acl, who, expected)) in cases.into_iter().enumerate() {
        let (path, counter) = (format!("/n{n}"), n as u64 + 1);
        let made = model.apply(by(who, counter), &make(&path, acl.clone()));
        assert_eq!(made.map(|_| stored(&model, &path)), expected, "{acl:?}");
    }
}

/// Spec 2.5 and spec 9, cases 30 and 51: which permission each operation asks for, and of whom.
#[test]
fn each_operation_asks_for_its_own_permission() {
    let reads = |path: &str| {
        vec![
            Op::Exists { path: path.into(), watch: false },
            Op::GetData { path: path.into(), watch: false },
            Op::GetChildren { path: path.into(), watch: false, stat: true },
            Op::GetAllChildrenNumber { path: path.into() },
        ]
    };
    let (delete, check) = (
        Op::Delete { path: "/p/c".into(), version: -1 },
        Op::Multi(vec![Op::Check { path: "/p".into(), version: -1 }]),
    );
    let set = Op::SetData { path: "/p".into(), data: None, version: -1 };
    let set_acl = Op::SetAcl { path: "/p".into(), acl: open_acl(), version: -1 };
    let writes = [(make("/p/d", open_acl()), 4), (delete, 8), (set, 2), (set_acl, 16), (check, 1)];
    for perms in [0, 1, 2, 4, 8, 16, 31] {
        let mut model = ready();
        let nobody = of(&mut model, &[]);
        model.apply(asked(1), &make("/p", open_acl())).unwrap();
        // The child lets nobody do anything, which keeps nobody from deleting it.
        model.apply(asked(2), &make("/p/c", vec![grant(0, "world", "anyone")])).unwrap();
        let acl = vec![grant(perms, "world", "anyone")];
        model.apply(asked(3), &Op::SetAcl { path: "/p".into(), acl, version: -1 }).unwrap();
        for op in reads("/p") {
            let read = model.read_as((S, nobody), &op, Zxid(u64::MAX)).unwrap();
            assert_eq!(read.is_ok(), perms & 1 != 0, "{perms} for {op:?}");
        }
        let acl = Op::GetAcl { path: "/p".into() };
        let read = model.read_as((S, nobody), &acl, Zxid(u64::MAX)).unwrap();
        assert_eq!(read.is_ok(), perms & 17 != 0, "{perms} for getACL");
        for (op, asks) in &writes {
            let outcome = model.clone().apply(by(nobody, 4), op);
            let refused = match outcome {
                Err(code) | Ok(Effect::MultiFailed { code, .. }) => Some(code),
                Ok(_) => None,
            };
            let expected = (perms & asks == 0).then_some(ErrorCode::NoAuth);
            assert_eq!(refused, expected, "{perms} for {op:?}");
        }
        assert!(reads("/p/c").iter().all(|op| {
            model.read_as((S, nobody), op, Zxid(u64::MAX)) == Some(Err(ErrorCode::NoAuth))
        }));
    }
}

/// Spec 2.5, the order of checks; spec 9, case 31.
#[test]
fn permissions_come_behind_existence_and_before_versions() {
    let mut model = ready();
    let nobody = of(&mut model, &[]);
    let only = |perms| vec![grant(perms, "digest", USER)];
    model.apply(asked(1), &make("/p", only(31))).unwrap();
    let set_acl = |path: &str, acl, version| Op::SetAcl { path: path.into(), acl, version };
    let set = |path: &str, version| Op::SetData { path: path.into(), data: None, version };
    let delete = |path: &str| Op::Delete { path: path.into(), version: 9 };
    use ErrorCode::{BadArguments, InvalidAcl, NoAuth, NoNode};
    for (op, code) in [
        (set_acl("p", vec![], 9), BadArguments),
        (set_acl("/none", vec![], 9), InvalidAcl),
        (set_acl("/none", open_acl(), 9), NoNode),
        (set_acl("/p", open_acl(), 9), NoAuth),
        (set("/p/", 9), BadArguments),
        (set("/none", 9), NoNode),
        (set("/p", 9), NoAuth),
        (make("/p/x", vec![]), InvalidAcl),
        (make("/p/x/", open_acl()), NoNode),
        (make("/p/", open_acl()), NoAuth),
        (delete("/p/x"), NoAuth),
        (delete("/none/x"), NoNode),
    ] {
        assert_eq!(model.apply(by(nobody, 2), &op), Err(code), "{op:?}");
    }
    let user = of(&mut model, &[("digest", "user:password")]);
    for (op, code) in [
        (set_acl("/p", open_acl(), 9), ErrorCode::BadVersion),
        (set_acl("/p", open_acl(), -2), ErrorCode::BadVersion),
        (set("/p", 9), ErrorCode::BadVersion),
        (make("/p/", open_acl()), BadArguments),
        (delete("/p/x"), NoNode),
    ] {
        assert_eq!(model.apply(by(user, 3), &op), Err(code), "{op:?}");
    }
    let exists = |path: &str| Op::Exists { path: path.into(), watch: false };
    let read = |model: &Model, op: &Op| model.read_as((S, nobody), op, Zxid(u64::MAX));
    assert_eq!(read(&model, &exists("/p")), Some(Err(NoAuth)), "since 3.9 (spec 10)");
    assert_eq!(read(&model, &exists("/none")), Some(Err(NoNode)));
    assert_eq!(read(&model, &exists("/p\0")), Some(Err(BadArguments)));
}

/// Spec 2.3 and 4.2; spec 9, cases 35 and 59.
#[test]
fn set_acl_counts_its_own_version_and_nothing_else() {
    let mut model = ready();
    model.apply(asked(1), &make("/p", open_acl())).unwrap();
    let before = stat(&model, "/p", Zxid(u64::MAX)).unwrap();
    let acl = vec![grant(31, "world", "anyone"), grant(1, "ip", "10.0.0.0/8")];
    let set = Op::SetAcl { path: "/p".into(), acl: acl.clone(), version: 0 };
    let granted = model.apply(asked(2), &set);
    let after = Stat { aversion: 1, ..before };
    assert_eq!(granted.map(|effect| effect.reply(&set)), Ok(Reply::Stat(after.clone())));
    assert_eq!(stat(&model, "/p", Zxid(u64::MAX)), Ok(after));
    assert!(model.fired().is_empty());
    assert_eq!(model.apply(asked(3), &set), Err(ErrorCode::BadVersion));
    // The config's starts at -1, which is not shown as -1 again.
    let config = stored(&model, "/zookeeper/config");
    assert_eq!(config, [grant(1, "world", "anyone")]);
    let set = Op::SetData { path: "/zookeeper/config".into(), data: None, version: -1 };
    assert_eq!(model.apply(asked(4), &set), Err(ErrorCode::NoAuth));
}

/// Spec 2.5; spec 9, case 38.
#[test]
fn passwords_are_masked_unless_the_reader_administers_the_node() {
    let mut model = ready();
    let acl = vec![grant(17, "digest", USER), grant(1, "digest", BOB), grant(1, "world", "anyone")];
    model.apply(asked(1), &make("/p", acl.clone())).unwrap();
    let shown = |model: &Model, who| {
        let op = Op::GetAcl { path: "/p".into() };
        match model.read_as((S, who), &op, Zxid(u64::MAX)) {
            Some(Ok(Reply::Acl { acl, .. })) => acl,
            other => panic!("{other:?}"),
        }
    };
    let masked =
        [grant(17, "digest", "user:x"), grant(1, "digest", "bob:x"), grant(1, "world", "anyone")];
    let bob = of(&mut model, &[("digest", "bob:pw")]);
    let user = of(&mut model, &[("digest", "user:password")]);
    assert_eq!(shown(&model, bob), masked);
    assert_eq!(shown(&model, user), acl);
    model.configure(Settings { super_digest: Some(BOB.into()), ..Settings::default() });
    let root = of(&mut model, &[("digest", "bob:pw")]);
    assert_eq!(shown(&model, root), acl, "super administers everything");
    model.configure(Settings { skip_acl: true, ..Settings::default() });
    assert_eq!(shown(&model, bob), acl);
}

/// Spec 1.15: equal after masking, and of the same family.
#[test]
fn addresses_match_by_their_leading_bits() {
    let cases = [
        ("10.1.0.7", true),
        ("10.1.0.8", false),
        ("10.1.0.0/24", true),
        ("10.2.0.0/15", false),
        ("11.0.0.0/7", true),
        ("99.99.99.99/0", true),
        ("::ffff:10.1.0.7", false),
        ("::/0", false),
    ];
    for (network, matches) in cases {
        let mut model = ready();
        let who = of(&mut model, &[]);
        model.apply(asked(1), &make("/p", vec![grant(1, "ip", network)])).unwrap();
        let op = Op::GetData { path: "/p".into(), watch: false };
        let read = model.read_as((S, who), &op, Zxid(u64::MAX)).unwrap();
        assert_eq!(read.is_ok(), matches, "{network}");
    }
}

/// Spec 1.14; spec 9, case 46.
#[test]
fn who_and_what_one_has_and_how_many_there_are() {
    let mut model = ready();
    let who = of(&mut model, &[("digest", "user:password"), ("digest", "user:password")]);
    let at = |view: u64| Zxid(1 << 32 | view);
    let read = |model: &Model, op: Op, view| match model.read_as((S, who), &op, at(view)) {
        Some(Ok(reply)) => reply,
        other => panic!("{other:?}"),
    };
    let ids = [grant(0, "ip", "10.1.0.7").id, grant(0, "digest", "user").id];
    assert_eq!(read(&model, Op::WhoAmI, 0), Reply::Who(ids.to_vec()));
    let count = |path: &str| Op::GetAllChildrenNumber { path: path.into() };
    assert_eq!(read(&model, count("/"), 0), Reply::Count(3), "the built-in ones");
    for (n, path) in ["/ep", "/eph2", "/x"].into_iter().enumerate() {
        model.apply(asked(n as u64 + 1), &create(path, CreateMode::Ephemeral)).unwrap();
    }
    model.apply(asked(4), &create("/p", CreateMode::Persistent)).unwrap();
    model.apply(asked(5), &create("/p/q", CreateMode::Persistent)).unwrap();
    model.apply(asked(6), &Op::Delete { path: "/ep".into(), version: -1 }).unwrap();
    let own = |model: &Model, prefix: &str, view| {
        let op = Op::GetEphemerals { prefix: prefix.into() };
        match model.read_as((S, who), &op, at(view)) {
            Some(Ok(Reply::Ephemerals(paths))) => paths.join(" "),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(own(&model, "/ep", 5), "/ep /eph2", "a prefix is text");
    assert_eq!(own(&model, "/ep", 6), "/eph2");
    for all in ["", "  ", "/"] {
        assert_eq!(own(&model, all, 5), "/ep /eph2 /x");
    }
    let stranger = Op::GetEphemerals { prefix: "/".into() };
    let theirs = model.read_as((SessionId(8), who), &stranger, at(5));
    assert_eq!(theirs, Some(Ok(Reply::Ephemerals(vec![]))));
    assert_eq!(read(&model, count("/"), 5), Reply::Count(8));
    assert_eq!(read(&model, count("/p"), 5), Reply::Count(1));
    assert_eq!(read(&model, count("/p"), 4), Reply::Count(0));
    let missing = model.read_as((S, who), &count("/none"), at(5));
    assert_eq!(missing, Some(Err(ErrorCode::NoNode)));
}
