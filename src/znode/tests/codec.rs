//! Operations and replies through bytes and back, and bytes that are neither.

use super::*;
use crate::base::{Dice, Draw};
use crate::jute::proto::{Id, RequestHeader, Stat, opcode};
use crate::jute::txn::Txn;
use crate::znode::codec::{decode_reply, decode_request};
use crate::znode::forward;
use crate::znode::op::{WatchKind, WatchMode};

fn stat() -> Stat {
    Stat { czxid: 1, mzxid: 2, version: 3, cversion: -1, num_children: 4, ..Stat::default() }
}

fn watch(path: &str) -> String {
    path.to_owned()
}

/// Every operation that a client may send.
fn operations() -> Vec<Op> {
    let mut all = Vec::new();
    for flags in 0..4 {
        let mode = CreateMode::from_flags(flags).expect("below 4");
        for stat in [false, true] {
            let (path, acl) = ("/é".to_owned(), digest_acl(1));
            all.push(Op::Create { path, data: None, acl, mode, stat });
        }
    }
    all.extend([delete("/a", -1), set_data("/a", "x", 2), Op::Sync { path: "/s".into() }]);
    all.push(Op::SetData { path: "/a".into(), data: None, version: 0 });
    all.push(Op::Multi(vec![]));
    all.push(Op::Multi(vec![create("/m"), delete("/m", 0), check("/m", 1), set_data("/", "", 0)]));
    for watched in [false, true] {
        all.push(Op::Exists { path: watch("/e"), watch: watched });
        all.push(Op::GetData { path: watch("/e"), watch: watched });
        all.push(Op::GetChildren { path: watch("/e"), watch: watched, stat: false });
        all.push(Op::GetChildren { path: watch("/e"), watch: watched, stat: true });
    }
    let read = Op::GetData { path: "/".into(), watch: false };
    let list = Op::GetChildren { path: "/".into(), watch: false, stat: false };
    all.push(Op::MultiRead(vec![read, list]));
    let (data, exist, child) = (vec!["/d".to_owned()], vec![], vec!["/c".into(), "/c2".into()]);
    all.push(Op::SetWatches { relative: 77, data, exist, child });
    all.extend([Op::Ping, Op::CloseSession]);
    all.extend(about_who_and_how_long());
    all
}

/// Permissions, identities, times to live, watches that stay, and the config.
fn about_who_and_how_long() -> Vec<Op> {
    let (path, data, acl) = (|| "/é".to_owned(), || Some(vec![1]), || digest_acl(9));
    let mut all = vec![
        Op::CreateContainer { path: path(), data: None, acl: acl() },
        Op::SetAcl { path: path(), acl: acl(), version: -1 },
        Op::GetAcl { path: path() },
        Op::AddAuth { scheme: "digest".into(), auth: b"user:pw".to_vec() },
        Op::GetEphemerals { prefix: String::new() },
        Op::GetEphemerals { prefix: "/e".into() },
        Op::GetAllChildrenNumber { path: path() },
        Op::WhoAmI,
    ];
    for sequential in [false, true] {
        let ttl = (1 << 40) - 1;
        all.push(Op::CreateTtl { path: path(), data: data(), acl: acl(), sequential, ttl });
    }
    let parts = all.iter().filter(|op| matches!(op.opcode(), 19 | 21)).cloned().collect();
    all.push(Op::Multi(parts));
    let modes = [WatchMode::Persistent, WatchMode::PersistentRecursive];
    all.extend(modes.map(|mode| Op::AddWatch { path: path(), mode }));
    for kind in WatchKind::ALL {
        all.push(Op::CheckWatches { path: path(), kind });
        all.push(Op::RemoveWatches { path: path(), kind });
    }
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (exist, child, persistent) = (list(&[]), list(&["/c", "/d"]), list(&["/p"]));
    let (relative, data, recursive) = (-3, list(&["/d"]), list(&["/"]));
    all.push(Op::SetWatches2 { relative, data, exist, child, persistent, recursive });
    let text = |text: &str| Some(text.to_owned());
    let (joining, leaving) = (text("server.5=h:1:2;3"), text("2,3"));
    all.push(Op::Reconfig { joining, leaving, members: None, version: -1 });
    let members = text("server.1=h:1:2;3");
    all.push(Op::Reconfig { joining: None, leaving: None, members, version: 1 << 33 });
    all
}

#[test]
fn every_operation_survives_the_wire() {
    for op in operations() {
        let mut bytes = Vec::new();
        op.encode_request(5, &mut bytes);
        let mut input = Reader::new(&bytes);
        let header = RequestHeader::decode(&mut input).expect("just written");
        assert_eq!((header.xid, header.op), (5, op.opcode()));
        assert_eq!(decode_request(header.op, &mut input).as_ref(), Ok(&op));
        assert_eq!(input.rest(), b"");
    }
}

#[test]
fn every_request_survives_forwarding() {
    let internal = Op::CreateSession { timeout: 9 };
    for op in operations().into_iter().chain([internal]).map(Ok) {
        let request = Request { session: SessionId(-3), cxid: -2, op };
        assert_eq!(forward::decode(&forward::encode(&request)), Ok(request));
    }
    for code in ErrorCode::ALL {
        let request = Request { session: SessionId(3), cxid: 2, op: Err(code) };
        assert_eq!(forward::decode(&forward::encode(&request)), Ok(request));
    }
    assert!(forward::decode(&[0; 15]).is_err());
}

fn answers(op: &Op) -> Vec<Reply> {
    match op {
        Op::Create { stat: with_stat, .. } => {
            vec![Reply::Created { path: "/é".into(), stat: with_stat.then(stat) }]
        }
        Op::CreateContainer { .. } | Op::CreateTtl { .. } => {
            vec![Reply::Created { path: "/é".into(), stat: Some(stat()) }]
        }
        Op::Exists { .. } | Op::SetData { .. } | Op::SetAcl { .. } => vec![Reply::Stat(stat())],
        Op::GetAcl { .. } => vec![Reply::Acl { acl: digest_acl(3), stat: stat() }],
        Op::GetEphemerals { .. } => {
            vec![Reply::Ephemerals(vec![]), Reply::Ephemerals(vec!["/e".into(), "/é".into()])]
        }
        Op::GetAllChildrenNumber { .. } => vec![Reply::Count(0), Reply::Count(i32::MAX)],
        Op::WhoAmI => vec![Reply::Who(digest_acl(1).into_iter().map(|acl| acl.id).collect())],
        Op::GetData { .. } | Op::Reconfig { .. } => [None, Some(vec![]), Some(vec![1, 2])]
            .map(|data| Reply::Data { data, stat: stat() })
            .into(),
        Op::GetChildren { stat: with_stat, .. } => [vec![], vec!["a".to_owned(), "b".into()]]
            .map(|names| Reply::Children { names, stat: with_stat.then(stat) })
            .into(),
        Op::Sync { path } => vec![Reply::Synced { path: path.clone() }],
        Op::Multi(parts) | Op::MultiRead(parts) => {
            let good = parts.iter().map(|part| Ok(answers(part).remove(0))).collect();
            let codes = [None, Some(ErrorCode::NoNode), Some(ErrorCode::RuntimeInconsistency)];
            let bad = parts.iter().zip(codes.iter().cycle()).map(|(_, code)| Err(*code)).collect();
            vec![Reply::Multi(good), Reply::Multi(bad)]
        }
        Op::Delete { .. }
        | Op::Check { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession
        | Op::DeleteContainer { .. }
        | Op::AddAuth { .. }
        | Op::AddWatch { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. } => vec![Reply::Done],
    }
}

#[test]
fn every_answer_survives_the_wire() {
    for op in operations() {
        for reply in answers(&op) {
            let mut bytes = Vec::new();
            reply.encode(&op, &mut bytes);
            let mut input = Reader::new(&bytes);
            assert_eq!(decode_reply(&op, &mut input), Ok(reply), "{op:?}");
            assert_eq!(input.rest(), b"");
        }
    }
}

#[test]
fn a_failed_multi_is_framed_byte_for_byte() {
    let op = Op::Multi(vec![create("/a"), delete("/b", -1), create("/c")]);
    let results =
        vec![Err(None), Err(Some(ErrorCode::NoNode)), Err(Some(ErrorCode::RuntimeInconsistency))];
    let mut bytes = Vec::new();
    Reply::Multi(results).encode(&op, &mut bytes);
    let mut expected = Vec::new();
    for err in [0i32, -101, -2] {
        expected.extend([0xff, 0xff, 0xff, 0xff, 0]);
        expected.extend(err.to_be_bytes());
        expected.extend(err.to_be_bytes());
    }
    expected.extend([0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(bytes, expected);
}

#[test]
fn create2_within_a_multi_answers_with_type_15_and_a_stat() {
    let Op::Create { path, data, acl, mode, .. } = create("/a") else { panic!() };
    let op = Op::Multi(vec![Op::Create { path, data, acl, mode, stat: true }]);
    let reply = Reply::Created { path: "/a".into(), stat: Some(stat()) };
    let mut bytes = Vec::new();
    Reply::Multi(vec![Ok(reply)]).encode(&op, &mut bytes);
    assert_eq!(bytes[..9], [0, 0, 0, 15, 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 9 + 4 + 2 + 68 + 9);
}

#[test]
fn the_door_refuses_what_it_must() {
    use ErrorCode::{BadArguments, MarshallingError, Unimplemented};
    for op in [20, -10, -1, 0, 10, 13, 23, 99, -5] {
        let refused = decode_request(op, &mut Reader::new(&[0; 64]));
        assert_eq!(refused, Err(Unimplemented), "type {op}");
    }
    let null_path = [[0xff; 12].as_slice(), &[0; 4]].concat();
    for op in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 17, 18, 19, 104, 106] {
        let refused = decode_request(op, &mut Reader::new(&null_path));
        assert_eq!(refused, Err(MarshallingError), "type {op}");
    }
    let create_with = |flags: i32| {
        let mut body = Vec::new();
        create("/a").encode_body(&mut body);
        body.truncate(body.len() - 4);
        flags.encode(&mut body);
        body
    };
    for flags in [5, 6, 7, -1] {
        let refused = decode_request(opcode::CREATE, &mut Reader::new(&create_with(flags)));
        assert_eq!(refused, Err(BadArguments), "flags {flags}");
    }
    let container = decode_request(opcode::CREATE, &mut Reader::new(&create_with(4)));
    assert_eq!(container, Ok(create("/a")), "the container flag alone means nothing");
    for (op, bad) in [(17, 0), (17, 6), (18, 6), (106, 2), (106, -1)] {
        let mut body = Vec::new();
        "/a".to_owned().encode(&mut body);
        bad.encode(&mut body);
        let refused = decode_request(op, &mut Reader::new(&body));
        assert_eq!(refused, Err(MarshallingError), "type {op} with {bad}");
    }
    let mut read = Vec::new();
    Op::GetData { path: "/".into(), watch: false }.encode_body(&mut read);
    let cases = [
        (opcode::MULTI, in_multi(opcode::CREATE, &create_with(7))),
        (opcode::MULTI, in_multi(opcode::GET_DATA, &read)),
        (opcode::MULTI, in_multi(opcode::MULTI, &[])),
        (opcode::MULTI, vec![]),
        (opcode::MULTI_READ, in_multi(opcode::CREATE, &create_with(0))),
        (opcode::MULTI_READ, in_multi(opcode::EXISTS, &read)),
    ];
    for (op, body) in cases {
        assert_eq!(decode_request(op, &mut Reader::new(&body)), Err(MarshallingError));
    }
}

/// One operation within a multi.
fn in_multi(kind: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    kind.encode(&mut bytes);
    bytes.extend([0, 0xff, 0xff, 0xff, 0xff]);
    bytes.extend(body);
    bytes.extend([0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
    bytes
}

/// Spec 1.6, and spec 9 cases 25, 40 and 53: alone, the opcode says what is created, and within a
/// multi the flags do.
#[test]
fn flags_and_opcodes_say_what_is_created() {
    let body = |flags: i32, ttl: Option<i64>| {
        let mut body = Vec::new();
        create("/a").encode_body(&mut body);
        body.truncate(body.len() - 4);
        flags.encode(&mut body);
        ttl.into_iter().for_each(|ttl| ttl.encode(&mut body));
        body
    };
    let Op::Create { path, data, acl, .. } = create("/a") else { panic!() };
    let container =
        || Op::CreateContainer { path: path.clone(), data: data.clone(), acl: acl.clone() };
    let ttl = |sequential| {
        let (path, data, acl) = (path.clone(), data.clone(), acl.clone());
        Op::CreateTtl { path, data, acl, sequential, ttl: 7 }
    };
    let ephemeral = || {
        let (path, data, acl) = (path.clone(), data.clone(), acl.clone());
        Op::Create { path, data, acl, mode: CreateMode::Ephemeral, stat: false }
    };
    let (bad, malformed) = (Err(ErrorCode::BadArguments), Err(ErrorCode::MarshallingError));
    let cases = [
        // Type, flags, ttl, alone, within a multi.
        (19, 4, None, Ok(container()), Ok(container())),
        (19, 0, None, Ok(container()), Ok(create("/a"))),
        (1, 4, None, Ok(create("/a")), Ok(container())),
        (1, 5, None, bad.clone(), malformed.clone()),
        (21, 5, Some(7), Ok(ttl(false)), Ok(ttl(false))),
        (21, 6, Some(7), Ok(ttl(true)), Ok(ttl(true))),
        (21, 0, Some(7), bad.clone(), Ok(create("/a"))),
        (21, 1, Some(7), bad.clone(), Ok(ephemeral())),
        (21, 4, Some(7), bad.clone(), Ok(container())),
        (21, 0, Some(-1), bad.clone(), Ok(create("/a"))),
        (21, 7, Some(7), bad, malformed),
    ];
    for (kind, flags, ttl, alone, within) in cases {
        let body = body(flags, ttl);
        let got = decode_request(kind, &mut Reader::new(&body));
        assert_eq!(got, alone, "type {kind}, flags {flags}");
        let got = decode_request(opcode::MULTI, &mut Reader::new(&in_multi(kind, &body)));
        let within = within.map(|op| Op::Multi(vec![op]));
        assert_eq!(got, within, "type {kind}, flags {flags} within a multi");
    }
    let op = Op::Multi(vec![container(), ttl(false)]);
    let reply = || Ok(Reply::Created { path: "/a".into(), stat: Some(stat()) });
    let mut bytes = Vec::new();
    Reply::Multi(vec![reply(), reply()]).encode(&op, &mut bytes);
    assert_eq!(bytes[..9], [0, 0, 0, 15, 0, 0, 0, 0, 0]);
}

/// Spec 1.5, byte for byte.
#[test]
fn newer_records_are_those_of_the_specification() {
    let body = |op: &Op| {
        let mut body = Vec::new();
        op.encode_body(&mut body);
        body
    };
    let auth = Op::AddAuth { scheme: "ip".into(), auth: vec![7] };
    assert_eq!(body(&auth), [0, 0, 0, 0, 0, 0, 0, 2, b'i', b'p', 0, 0, 0, 1, 7]);
    let kind = WatchKind::PersistentRecursive;
    let remove = Op::RemoveWatches { path: "/".into(), kind };
    assert_eq!(body(&remove), [0, 0, 0, 1, b'/', 0, 0, 0, 5]);
    let watch = Op::AddWatch { path: "/".into(), mode: WatchMode::PersistentRecursive };
    assert_eq!(body(&watch), [0, 0, 0, 1, b'/', 0, 0, 0, 1]);
    let mut answer = Vec::new();
    Reply::Done.encode(&watch, &mut answer);
    assert_eq!(answer, [0; 4], "addWatch answers with an error code");
    let joining = Some("j".to_owned());
    let reconfig = Op::Reconfig { joining, leaving: None, members: None, version: -1 };
    let nothing = [0xff; 16];
    assert_eq!(body(&reconfig), [&[0, 0, 0, 1, b'j'], nothing.as_slice()].concat());
    let ids = vec![Id { scheme: Some("ip".into()), id: None }];
    let mut answer = Vec::new();
    Reply::Who(ids).encode(&Op::WhoAmI, &mut answer);
    assert_eq!(answer, [0, 0, 0, 1, 0, 0, 0, 2, b'i', b'p', 0xff, 0xff, 0xff, 0xff]);
}

/// Half of the inputs are noise, half are real messages with a few bytes changed.
fn noise(dice: &mut Dice, real: &[Vec<u8>]) -> Vec<u8> {
    if dice.below(2) == 0 {
        return (0..dice.below(80)).map(|_| *dice.pick(&[0, 0, 0, 1, 2, 4, 47, 255, 9])).collect();
    }
    let mut bytes = dice.pick(real).clone();
    for _ in 0..dice.below(4) {
        if !bytes.is_empty() {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = dice.word() as u8;
        }
    }
    bytes.truncate(bytes.len() - dice.below(bytes.len() as u64 + 1) as usize / 4);
    bytes
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let operations = operations();
    let mut real: Vec<Vec<u8>> = Vec::new();
    for op in &operations {
        let mut body = Vec::new();
        op.encode_body(&mut body);
        real.push(body);
        for reply in answers(op) {
            let mut body = Vec::new();
            reply.encode(op, &mut body);
            real.push(body);
        }
    }
    let mut dice = Dice::new(7, "noise");
    let mut tree = Tree::new();
    for _ in 0..20_000 {
        let bytes = noise(&mut dice, &real);
        let op = dice.pick(&operations);
        let request = decode_request(op.opcode(), &mut Reader::new(&bytes));
        let _ = decode_reply(op, &mut Reader::new(&bytes));
        let _ = forward::decode(&bytes);
        let _ = TxnRecord::from_bytes(&bytes);
        // Nor do the operations and transactions that come of it.
        if let Ok(op) = request {
            let _ = tree.read(&op);
            let request = Request { session: SessionId(1), cxid: 1, op: Ok(op) };
            let record =
                Prepare::new(Rules::RIGHT).prepare(&tree, &request, Zxid(9), WallMs(i64::MIN));
            tree.apply(&record);
        }
        for kind in [1, 2, 5, 13, 14, 15, -10, -11, -1] {
            if let Ok(txn) = Txn::decode(kind, &mut Reader::new(&bytes)) {
                let header = crate::jute::txn::TxnHeader { kind, ..Default::default() };
                tree.apply(&TxnRecord { header, txn, digest: None });
            }
        }
    }
}
