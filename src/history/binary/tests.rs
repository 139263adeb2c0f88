//! Both of our own forms hold the same, and neither accepts damage.

use super::*;
use crate::base::random::{Dice, Draw};
use crate::base::{ClientId, ConnId, PeerId, SessionId, Time, Zxid};
use crate::history::foreign::Refusal;
use crate::history::{
    At, CallId, Committed, Did, Event, Happening, History, Operation, Outcome, jsonl,
};
use crate::jute::proto::{Acl, Stat};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, WatchKind, WatchMode, grant, open_acl};

/// The calls about permissions, times to live, watches that stay, and the config.
fn newer(stat: &Stat) -> Vec<(Op, Outcome)> {
    let (path, acl) = (|| "/a".to_string(), || vec![grant(9, "digest", "u:h"), Acl::default()]);
    let created = Reply::Created { path: path(), stat: Some(stat.clone()) };
    let container = Op::CreateContainer { path: path(), data: None, acl: acl() };
    let ttl = Op::CreateTtl {
        path: path(),
        data: Some(vec![0xff]),
        acl: acl(),
        sequential: true,
        ttl: 1 << 39,
    };
    let ok = |op: &Op, reply: &Reply| (op.clone(), Outcome::Ok(reply.clone()));
    let (sid, text) = (|| vec![Acl::default().id, grant(1, "ip", "::1").id], "server.1=h:1:2");
    let both = Op::Multi(vec![container.clone(), ttl.clone()]);
    let mut all = vec![
        ok(&container, &created),
        ok(&ttl, &created),
        ok(&both, &Reply::Multi(vec![Ok(created.clone()), Ok(created.clone())])),
        (Op::DeleteContainer { path: path() }, Outcome::Open),
        ok(&Op::SetAcl { path: path(), acl: acl(), version: -2 }, &Reply::Stat(stat.clone())),
        ok(&Op::GetAcl { path: path() }, &Reply::Acl { acl: acl(), stat: stat.clone() }),
        ok(&Op::AddAuth { scheme: "digest".to_string(), auth: vec![0, 0xff] }, &Reply::Done),
        ok(
            &Op::SetWatches2 {
                relative: -1,
                data: vec![],
                exist: vec![path()],
                child: vec![],
                persistent: vec!["/p".to_string()],
                recursive: vec![path(), "/".to_string()],
            },
            &Reply::Done,
        ),
        ok(&Op::GetEphemerals { prefix: String::new() }, &Reply::Ephemerals(vec![path()])),
        ok(&Op::GetAllChildrenNumber { path: path() }, &Reply::Count(5)),
        ok(&Op::WhoAmI, &Reply::Who(sid())),
        ok(
            &Op::Reconfig {
                joining: Some(text.to_string()),
                leaving: None,
                members: None,
                version: i64::MIN,
            },
            &Reply::Data { data: Some(text.into()), stat: stat.clone() },
        ),
    ];
    for mode in [WatchMode::Persistent, WatchMode::PersistentRecursive] {
        all.push(ok(&Op::AddWatch { path: path(), mode }, &Reply::Done));
    }
    for kind in WatchKind::ALL {
        let none = Outcome::Failed(ErrorCode::NoWatcher);
        all.push((Op::CheckWatches { path: path(), kind }, none));
        all.push(ok(&Op::RemoveWatches { path: path(), kind }, &Reply::Done));
    }
    all.extend(ErrorCode::ALL.map(|code| (Op::Ping, Outcome::Failed(code))));
    all
}

/// One call of every kind, with every kind of answer, and one event of every kind.
fn everything() -> History {
    let (path, text) = (|| "/a".to_string(), |bytes: &[u8]| Some(bytes.to_vec()));
    let stat = Stat { czxid: -1, version: 7, num_children: 3, pzxid: i64::MAX, ..Stat::default() };
    let mode = CreateMode::EphemeralSequential;
    let create = |stat| Op::Create { path: path(), data: None, acl: open_acl(), mode, stat };
    let set = Op::SetData { path: path(), data: text(b"x"), version: -1 };
    let (delete, check) =
        (Op::Delete { path: path(), version: 3 }, Op::Check { path: "/é".to_string(), version: 4 });
    let ok = Outcome::Ok;
    let failed = Outcome::Failed(ErrorCode::BadVersion);
    let names = vec!["x".to_string(), "é".to_string()];
    let multi = Op::Multi(vec![create(true), set.clone(), delete.clone(), check.clone()]);
    let get = |path: &str| Op::GetData { path: path.to_string(), watch: true };
    let data = |bytes: &[u8]| Reply::Data { data: text(bytes), stat: stat.clone() };
    let watches =
        Op::SetWatches { relative: 9, data: vec![path()], exist: vec![], child: names.clone() };
    let children = |stat| Op::GetChildren { path: path(), watch: false, stat };
    let created = |stat| Reply::Created { path: path(), stat };
    let calls = [
        (create(false), ok(created(None))),
        (create(true), ok(created(Some(stat.clone())))),
        (delete.clone(), ok(Reply::Done)),
        (delete, failed),
        (set.clone(), ok(Reply::Stat(stat.clone()))),
        (set, Outcome::Lost),
        (Op::Exists { path: path(), watch: false }, ok(Reply::Stat(stat.clone()))),
        (get("/a"), ok(data(b"\xff\x00"))),
        (children(false), ok(Reply::Children { names: names.clone(), stat: None })),
        (children(true), ok(Reply::Children { names, stat: Some(stat.clone()) })),
        (Op::Sync { path: path() }, ok(Reply::Synced { path: path() })),
        (
            multi.clone(),
            ok(Reply::Multi(vec![
                Ok(created(Some(stat.clone()))),
                Ok(Reply::Stat(stat.clone())),
                Ok(Reply::Done),
                Ok(Reply::Done),
            ])),
        ),
        (
            multi,
            ok(Reply::Multi(vec![
                Err(None),
                Err(Some(ErrorCode::NoNode)),
                Err(Some(ErrorCode::RuntimeInconsistency)),
                Err(Some(ErrorCode::RuntimeInconsistency)),
            ])),
        ),
        (
            Op::MultiRead(vec![get("/a"), get("/b")]),
            ok(Reply::Multi(vec![Ok(data(b"1")), Err(Some(ErrorCode::NoNode))])),
        ),
        (watches, ok(Reply::Done)),
        (Op::Ping, Outcome::Open),
        (Op::CreateSession { timeout: 4000 }, Outcome::Open),
        (Op::CloseSession, ok(Reply::Done)),
    ];
    let calls = calls.into_iter().chain(newer(&stat));
    let at = |step: u64| At { step, time: Time(step * 1_000_003) };
    let operation = |(index, (op, outcome)): (usize, (Op, Outcome))| Operation {
        id: CallId(index as u32 * 3),
        client: ClientId(index as u32),
        session: SessionId(-5),
        conn: ConnId(1 << 40),
        server: PeerId(255),
        xid: -8,
        op,
        invoked: at(index as u64 * 2),
        returned: (outcome != Outcome::Open).then(|| at(index as u64 * 2 + 5)),
        zxid: matches!(outcome, Outcome::Ok(_)).then_some(Zxid(u64::MAX)),
        outcome,
    };
    let conn = ConnId(4);
    let watch = |zxid| Happening::Watch { conn, kind: 3, path: "/w".to_string(), zxid };
    let events = [
        Happening::Connected { conn, server: PeerId(1), fresh: true, timeout_ms: 4000 },
        Happening::Disconnected { conn },
        Happening::Expired,
        watch(None),
        watch(Some(Zxid(7))),
    ];
    let event = |(index, what): (usize, Happening)| {
        let (client, session) = (ClientId(1), SessionId(index as i64));
        Event { at: at(index as u64), client, session, what }
    };
    let calls = calls.enumerate().map(operation).collect();
    let mut history = History::of(calls, events.into_iter().enumerate().map(event).collect());
    let txn = |(index, did)| {
        let (zxid, session) = (Zxid(7 - index as u64), SessionId(-5));
        Committed { zxid, session, xid: 1 - index, did }
    };
    history.log = (0..).zip(Did::ALL).map(txn).collect();
    history
}

fn binary(history: &History) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(history, &mut bytes).expect("a vector takes everything");
    bytes
}

fn lines(history: &History) -> String {
    let mut text = String::new();
    jsonl::export(history, &mut text).expect("a string takes everything");
    text
}

#[test]
fn what_is_written_is_read_back() {
    let history = everything();
    assert_eq!(import(&mut binary(&history).as_slice()), Ok(history.clone()));
    assert_eq!(jsonl::import(&mut lines(&history).as_bytes()), Ok(history));
}

#[test]
fn many_blocks_are_one_history() {
    let mut history = everything();
    let last = history.operations.last().expect("it has calls").clone();
    for n in 1..20_000 {
        let mut call = last.clone();
        call.id = CallId(last.id.0 + n);
        call.op = Op::Delete { path: format!("/n{}", n % 5000), version: n as i32 };
        history.operations.push(call);
    }
    let bytes = binary(&history);
    assert!(bytes.len() > 4 << 16, "{} bytes are several blocks", bytes.len());
    assert!(bytes.len() < lines(&history).len() / 5);
    assert_eq!(import(&mut bytes.as_slice()), Ok(history));
}

#[test]
fn every_cut_and_every_flipped_bit_of_the_binary_form_is_refused() {
    let bytes = binary(&everything());
    for length in 0..bytes.len() {
        assert!(import(&mut &bytes[..length]).is_err(), "{length} bytes");
    }
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(import(&mut bytes.as_slice()).is_err(), "bit {bit}");
    }
    let mut more = bytes.clone();
    more.push(0);
    let refused = import(&mut more.as_slice()).expect_err("something stands behind");
    assert_eq!(refused.what, format!("byte {}: something stands behind the end", bytes.len()));
}

/// Payloads that no writer made, under a right digest: refused or read, without a panic.
#[test]
fn strange_payloads_do_no_harm() {
    let mut dice = Dice::new(2, "payloads");
    let whole = binary(&everything());
    for _ in 0..20_000 {
        let mut payload = whole[MAGIC.len() + 5..].to_vec();
        for _ in 0..dice.between(1, 3) {
            let at = dice.below(payload.len() as u64) as usize;
            payload[at] = dice.below(256) as u8;
        }
        payload.truncate(dice.below(payload.len() as u64) as usize);
        let kind = dice.below(4) as u8;
        let mut bytes = MAGIC.to_vec();
        bytes.push(kind);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(&payload);
        bytes.extend(digest(kind, &payload).to_le_bytes());
        assert!(import(&mut bytes.as_slice()).is_err(), "no end says that it is whole");
    }
}

#[test]
fn damaged_lines_are_read_or_refused() {
    let whole = lines(&everything()).into_bytes();
    let mut dice = Dice::new(3, "lines");
    let mut refused = 0;
    for _ in 0..5_000 {
        let mut bytes = whole.clone();
        for _ in 0..dice.between(1, 3) {
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(3) {
                0 => bytes.truncate(at + 1),
                1 => bytes[at] = *dice.pick(b"{}[],:\"0-9ax"),
                _ => drop(bytes.remove(at)),
            }
        }
        match jsonl::import(&mut bytes.as_slice()) {
            Ok(history) => assert!(!history.operations.is_empty()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 2_000, "{refused} were refused");
}

#[test]
fn lines_are_refused_with_their_number() {
    let refused = |text: &str| {
        let refusal: Refusal = jsonl::import(&mut text.as_bytes()).expect_err("it is refused");
        refusal.to_string().lines().next().unwrap_or_default().to_string()
    };
    let whole = lines(&everything());
    let swapped = |from: &str, to: &str| whole.replacen(from, to, 1);
    let head = "{\"zoosim\":\"history/1\"}\n";
    let said = [
        refused(""),
        refused(head),
        refused("{\"zoosim\":\"history/9\"}\n"),
        refused(&whole[head.len()..]),
        refused(&whole[..whole.len() - 9]),
        refused(&swapped("\"op\":\"create\"", "\"op\":\"crate\"")),
        refused(&swapped("\"id\":3", "\"id\":0")),
        refused(&swapped("\"outcome\":\"lost\"", "\"outcome\":\"failed\"")),
        refused(&swapped("\"xid\":-8", "\"xid\":4294967296")),
        refused(&swapped("\"error\":-103", "\"error\":-9")),
        refused(&swapped("\"type\":\"expired\"", "\"type\":\"expiry\"")),
        refused(&swapped("\"did\":\"close\"", "\"did\":\"closed\"")),
    ];
    insta::assert_snapshot!(said.join("\n"));
}
