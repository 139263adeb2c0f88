//! The server above a broadcast that commits at once: claims of the specification, over raw bytes.

mod house;

use crate::base::{SessionId, Zxid};
use crate::jute::framed;
use crate::process::Note;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, WatchKind, WatchMode, open_acl};
use crate::znode::session::password;

use house::{Got, House, connect_frame, create, created, exists, get, no_node, set};

/// The zxid of the n-th transaction of the fake's epoch.
fn z(n: i64) -> i64 {
    0x1_0000_0000 + n
}

fn reply(xid: i32, n: i64, result: Result<Reply, i32>) -> Got {
    Got::Reply { xid, zxid: z(n), result }
}

fn event(kind: i32, path: &str, n: i64) -> Got {
    Got::Event { kind, path: path.to_string(), zxid: z(n) }
}

fn xids(got: &[Got]) -> Vec<i32> {
    got.iter()
        .map(|got| match got {
            Got::Reply { xid, .. } => *xid,
            Got::Event { .. } => -1,
            Got::Connect { .. } | Got::Closed => panic!("neither reply nor event: {got:?}"),
        })
        .collect()
}

#[test]
fn a_session_is_created_by_a_transaction_and_answered_in_the_clients_own_format() {
    let mut house = House::new(1);
    for (conn, modern, bytes) in [(1, true, 37), (2, false, 36)] {
        let conn = house.accept(0, conn);
        house.bytes(conn, connect_frame(0, b"anything", 0, modern));
        house.run();
        let session = (1 << 56) + (1 << 24) + conn.0 as i64;
        assert_eq!(house.take(conn), [Got::Connect { session, timeout: 4000, bytes }]);
        assert_eq!(house.probe(0).applied.wire(), z(conn.0 as i64));
    }
}

#[test]
fn writes_reads_and_failures_are_answered_with_their_zxids() {
    let mut house = House::new(1);
    let (conn, _) = house.join(0, 1);
    let persistent = CreateMode::Persistent;
    assert_eq!(house.call(conn, 1, create("/a", persistent)), [reply(1, 2, created("/a"))]);
    let exists_code = Err(ErrorCode::NodeExists.wire());
    assert_eq!(house.call(conn, 2, create("/a", persistent)), [reply(2, 3, exists_code)]);
    assert_eq!(house.call(conn, 3, get("/b", false)), [reply(3, 3, no_node())]);
    assert_eq!(house.call(conn, 9, Op::Ping), [reply(-2, 3, Ok(Reply::Done))]);
    let [Got::Reply { result: Ok(Reply::Data { data, .. }), .. }] =
        &house.call(conn, 4, get("/a", false))[..]
    else {
        panic!("no data");
    };
    assert_eq!(data.as_deref(), Some(&b"x"[..]));
    assert_eq!(house.probe(0).tree.is_some(), house.probe(0).serving);
}

#[test]
fn answers_leave_in_the_order_of_the_requests() {
    for (peers, at) in [(1, 0), (2, 0), (2, 1)] {
        let mut house = House::new(peers);
        let (conn, _) = house.join(at, 1);
        house.ask(conn, 1, create("/a", CreateMode::Persistent));
        house.ask(conn, 2, get("/a", false));
        house.ask(conn, 3, Op::Sync { path: "/a".into() });
        house.ask(conn, 4, set("/a", "y"));
        house.ask(conn, 5, Op::Ping);
        house.ask(conn, 6, get("/a", false));
        house.run();
        let got = house.take(conn);
        assert_eq!(xids(&got), [1, 2, 3, 4, -2, 6], "peer {at} of {peers}: {got:?}");
        let Got::Reply { result: Ok(Reply::Data { data, .. }), .. } = &got[5] else { panic!() };
        assert_eq!(data.as_deref(), Some(&b"y"[..]), "reads its own write");
    }
}

#[test]
fn a_watch_fires_once_before_the_answer_of_the_write() {
    for at in [0, 1] {
        let mut house = House::new(2);
        let (conn, _) = house.join(at, 1);
        assert_eq!(house.call(conn, 1, exists("/a", true)), [reply(1, 1, no_node())]);
        assert_eq!(house.call(conn, 2, get("/a", true)), [reply(2, 1, no_node())]);
        let got = house.call(conn, 3, create("/a", CreateMode::Persistent));
        assert_eq!(got, [event(1, "/a", 2), reply(3, 2, created("/a"))]);
        assert_eq!(xids(&house.call(conn, 4, set("/a", "y"))), [4], "used up");
        house.call(conn, 5, get("/a", true));
        let got = house.call(conn, 6, Op::Delete { path: "/a".into(), version: -1 });
        assert_eq!(got, [event(2, "/a", 4), reply(6, 4, Ok(Reply::Done))]);
    }
}

#[test]
fn set_watches_tells_what_was_missed_before_its_answer() {
    let mut house = House::new(1);
    let (conn, _) = house.join(0, 1);
    house.call(conn, 1, create("/a", CreateMode::Persistent));
    let op = Op::SetWatches {
        relative: z(1),
        data: vec!["/a".into(), "/gone".into()],
        exist: vec!["/later".into()],
        child: vec![],
    };
    let got = house.call(conn, -8, op);
    let missed = |kind, path: &str| Got::Event { kind, path: path.into(), zxid: -1 };
    assert_eq!(got, [missed(3, "/a"), missed(2, "/gone"), reply(-8, 2, Ok(Reply::Done))]);
    let got = house.call(conn, 2, create("/later", CreateMode::Persistent));
    assert_eq!(got, [event(1, "/later", 3), reply(2, 3, created("/later"))]);
}

#[test]
fn reads_never_see_half_a_multi() {
    let mut house = House::with(1, &[], true, Zxid(0x1_0000_0001));
    let (writer, _) = house.join(0, 1);
    let (reader, _) = house.join(0, 2);
    let parts = ["/a", "/b", "/c"].map(|path| create(path, CreateMode::Persistent));
    house.ask(writer, 1, Op::Multi(parts.to_vec()));
    assert!(house.step(), "the request is prepared");
    assert!(house.step(), "its first part is applied");
    assert_eq!(house.probe(0).tree, None);
    house.ask(reader, 1, exists("/a", false));
    house.ask(reader, 2, exists("/c", false));
    house.run();
    let got = house.take(reader);
    let found = got.iter().filter(|got| matches!(got, Got::Reply { result: Ok(_), .. })).count();
    assert_eq!((xids(&got), found), (vec![1, 2], 2), "{got:?}");
    let got = house.take(writer);
    let Got::Reply { result: Ok(Reply::Multi(results)), zxid, .. } = &got[0] else { panic!() };
    assert_eq!((results.len(), *zxid), (3, z(3)));
}

#[test]
fn a_closed_session_takes_its_ephemerals_along_and_is_answered_last() {
    let mut house = House::new(2);
    let (conn, session) = house.join(1, 1);
    let (other, _) = house.join(0, 2);
    house.call(conn, 1, create("/e", CreateMode::Ephemeral));
    house.call(other, 1, exists("/e", true));
    house.ask(conn, 2, Op::CloseSession);
    house.ask(conn, 3, get("/e", false));
    house.run();
    assert_eq!(house.take(conn), [reply(2, 4, Ok(Reply::Done)), Got::Closed]);
    assert_eq!(house.take(other), [event(2, "/e", 4)]);
    let again = house.connect(1, 3, session.0, &password(session));
    assert_eq!(house.take(again), [rejection(), Got::Closed], "it is gone");
    assert_eq!(house.probe(0).tree, house.probe(1).tree);
}

/// Spec 1.5 and 1.10: what this server does not serve is to clients what does not exist.
#[test]
fn what_is_not_served_is_refused_like_unknown_types() {
    let path = || "/a".to_string();
    let container = Op::CreateContainer { path: path(), data: None, acl: open_acl() };
    let ttl = 5;
    let of_ttl =
        Op::CreateTtl { path: path(), data: None, acl: open_acl(), sequential: false, ttl };
    let (mode, kind) = (WatchMode::Persistent, WatchKind::Any);
    let none = Vec::new;
    let mut house = House::new(2);
    let refused = [
        container.clone(),
        of_ttl.clone(),
        Op::DeleteContainer { path: path() },
        Op::SetAcl { path: path(), acl: open_acl(), version: -1 },
        Op::GetAcl { path: path() },
        Op::AddWatch { path: path(), mode },
        Op::CheckWatches { path: path(), kind },
        Op::RemoveWatches { path: path(), kind },
        Op::SetWatches2 {
            relative: 0,
            data: none(),
            exist: none(),
            child: none(),
            persistent: none(),
            recursive: vec![path()],
        },
        Op::GetEphemerals { prefix: path() },
        Op::GetAllChildrenNumber { path: path() },
        Op::WhoAmI,
        Op::Reconfig { joining: None, leaving: None, members: None, version: -1 },
    ];
    let count = refused.len() as u64;
    for (nth, op) in refused.into_iter().enumerate() {
        let (conn, _) = house.join(nth % 2, nth as u64 + 1);
        house.ask(conn, 7, op.clone());
        house.run();
        let answer = Got::Reply { xid: 7, zxid: -1, result: Err(ErrorCode::Unimplemented.wire()) };
        assert_eq!(house.take(conn), [answer, Got::Closed], "{op:?}");
    }
    assert_eq!(house.probe(0).applied.wire(), z(count as i64), "only sessions took zxids");
    for (nth, part) in [container, of_ttl].into_iter().enumerate() {
        let conn = house.join(nth, count + 1 + nth as u64).0;
        let malformed = Err(ErrorCode::MarshallingError.wire());
        let parts = vec![create("/b", CreateMode::Persistent), part];
        let zxid = count as i64 + 2 + 2 * nth as i64;
        assert_eq!(house.call(conn, 1, Op::Multi(parts)), [reply(1, zxid, malformed)]);
        assert_eq!(house.call(conn, 2, get("/b", false)), [reply(2, zxid, no_node())]);
    }
}

fn rejection() -> Got {
    Got::Connect { session: 0, timeout: 0, bytes: 37 }
}

#[test]
fn a_silent_session_expires_and_a_pinging_one_lives() {
    for at in [0, 1] {
        let mut house = House::new(2);
        let (silent, session) = house.join(at, 1);
        let (lively, _) = house.join(at, 2);
        house.call(silent, 1, create("/e", CreateMode::Ephemeral));
        for _ in 0..6 {
            house.pass_ms(1000);
            house.call(lively, -2, Op::Ping);
            house.ping_learner();
        }
        assert_eq!(house.take(silent), [Got::Closed], "peer {at}");
        assert_eq!(house.call(lively, 1, exists("/e", false)), [reply(1, 4, no_node())]);
        let expired = house.notes.iter().filter_map(|note| match note {
            Note::SessionExpired { session, idle_ns, timeout_ms } => {
                assert!(*idle_ns > timeout_ms * 1_000_000);
                Some(*session)
            }
            _ => None,
        });
        assert_eq!(expired.collect::<Vec<SessionId>>(), [session]);
    }
}

#[test]
fn a_renewal_takes_the_session_over_from_an_older_connection_of_this_server() {
    for at in [0, 1] {
        let mut house = House::new(2);
        let (first, session) = house.join(at, 1);
        let forged = house.connect(at, 2, session.0, &[7; 16]);
        assert_eq!(house.take(forged), [rejection(), Got::Closed]);
        assert_eq!(house.take(first), [], "a wrong password disturbs nobody");
        let second = house.connect(at, 3, session.0, &password(session));
        let welcome = Got::Connect { session: session.0, timeout: 4000, bytes: 37 };
        assert_eq!(house.take(second), [welcome]);
        assert_eq!(house.take(first), [Got::Closed]);
        let got = house.call(second, 1, create("/a", CreateMode::Ephemeral));
        assert_eq!(got, [reply(1, 2, created("/a"))]);
    }
}

#[test]
fn two_renewals_at_once_are_answered_each_on_its_own_connection() {
    let mut house = House::new(2);
    let (conn, session) = house.join(1, 1);
    house.down(conn);
    let frame = connect_frame(session.0, &password(session), 0, true);
    let [first, second] = [2, 3].map(|conn| house.accept(1, conn));
    house.bytes(first, frame.clone());
    house.bytes(second, frame);
    house.run();
    assert_eq!(house.take(first), [Got::Closed]);
    assert_eq!(house.take(second).len(), 1, "welcome");
    assert_eq!(xids(&house.call(second, 1, get("/", false))), [1]);
}

#[test]
fn a_moved_session_loses_its_old_connection_at_the_next_write() {
    let mut house = House::new(2);
    let (old, session) = house.join(1, 1);
    let new = house.connect(0, 2, session.0, &password(session));
    assert_eq!(house.take(new).len(), 1);
    assert_eq!(xids(&house.call(old, 1, get("/", false))), [1], "a learner's reads go on");
    assert_eq!(house.call(old, 2, create("/a", CreateMode::Persistent)), [Got::Closed]);
    let got = house.call(new, 1, exists("/a", false));
    assert_eq!(got, [reply(1, 2, no_node())], "the error transaction took a zxid");
}

#[test]
fn the_leader_closes_a_moved_sessions_old_connection_at_the_next_read() {
    let mut house = House::new(2);
    let (old, session) = house.join(0, 1);
    let new = house.connect(1, 2, session.0, &password(session));
    assert_eq!(house.take(new).len(), 1);
    assert_eq!(house.call(old, 1, get("/", false)), [Got::Closed]);
    let got = house.call(new, 1, create("/a", CreateMode::Ephemeral));
    assert_eq!(got, [reply(1, 2, created("/a"))]);
}

#[test]
fn a_client_from_the_future_is_closed_silently() {
    let mut house = House::new(1);
    let conn = house.accept(0, 1);
    house.bytes(conn, connect_frame(0, &[], z(5), true));
    house.run();
    assert_eq!(house.take(conn), [Got::Closed]);
}

#[test]
fn what_nobody_may_ask_is_refused_in_its_turn_and_closes() {
    for kind in [13, 20, -10, -1, 0, 99] {
        let mut house = House::new(1);
        let (conn, _) = house.join(0, 1);
        house.ask(conn, 1, create("/a", CreateMode::Persistent));
        house.ask(conn, 2, Op::Ping);
        house.ask_raw(conn, 7, kind, &[0; 40]);
        house.ask(conn, 3, Op::Ping);
        house.run();
        let refused = Got::Reply { xid: 7, zxid: -1, result: Err(-6) };
        let expected =
            [reply(1, 2, created("/a")), reply(-2, 2, Ok(Reply::Done)), refused, Got::Closed];
        assert_eq!(house.take(conn), expected, "opcode {kind}");
        assert_eq!(house.probe(0).applied.wire(), z(2), "no zxid is used for it");
    }
}

#[test]
fn a_malformed_write_takes_its_place_in_the_order() {
    for at in [0, 1] {
        let mut house = House::new(2);
        let (conn, _) = house.join(at, 1);
        house.ask_raw(conn, 1, 5, &[0, 0]);
        let got = house.call(conn, 2, create("/a", CreateMode::Persistent));
        let Got::Reply { xid: 1, zxid, result: Err(-5) } = got[0] else { panic!("{got:?}") };
        assert_eq!(zxid, z(2));
    }
}

#[test]
fn frames_of_impossible_length_close_the_connection() {
    for bytes in [vec![0; 4], vec![0xFF; 8], framed(&[1, 2, 3]), vec![0, 0x10, 0, 0, 1]] {
        let mut house = House::new(1);
        let (conn, _) = house.join(0, 1);
        house.bytes(conn, bytes.clone());
        house.run();
        assert_eq!(house.take(conn), [Got::Closed], "{bytes:?}");
    }
}

#[test]
fn the_last_zxid_of_an_epoch_is_never_proposed() {
    let mut house = House::with(2, &[], false, Zxid(0x1_FFFF_FFFD));
    let (conn, _) = house.join(0, 1);
    house.call(conn, 1, create("/a", CreateMode::Persistent));
    assert_eq!(house.call(conn, 2, set("/a", "y")), [Got::Closed]);
    assert!(house.notes.contains(&Note::Abdicated { why: "rollover" }));
    assert_eq!(house.probe(0).applied, Zxid(0x1_FFFF_FFFE));
    let late = house.accept(0, 2);
    house.run();
    assert_eq!(house.take(late), [Got::Closed], "it does not serve");
}

#[test]
fn a_connection_that_asks_too_much_is_not_read_until_it_is_answered() {
    let mut house = House::with(1, &[("outstanding_limit", 4)], false, Zxid(0x1_0000_0001));
    let (conn, _) = house.join(0, 1);
    house.call(conn, 1, create("/a", CreateMode::Persistent));
    let mut most = 0;
    for xid in 2..40 {
        house.ask(conn, xid, set("/a", "y"));
    }
    while house.step() {
        most = most.max(house.paused.len());
    }
    assert_eq!((most, house.paused.len()), (1, 0));
    assert_eq!(xids(&house.take(conn)), (2..40).collect::<Vec<i32>>());
}

#[test]
fn a_connection_without_a_session_is_closed_in_time() {
    let mut house = House::new(1);
    let silent = house.accept(0, 1);
    let (open, _) = house.join(0, 2);
    house.pass_ms(10_000);
    assert_eq!(house.take(silent), [Got::Closed]);
    // The other expired, as it said nothing either.
    assert_eq!(house.take(open), [Got::Closed]);
}

#[test]
fn no_bytes_of_a_client_make_it_panic() {
    use crate::base::{Draw, Key};
    for seed in 0..300 {
        let mut draw = Key(seed).stream();
        let mut house = House::new(2);
        let at = (seed % 2) as usize;
        let conn = house.accept(at, 1);
        if seed % 3 > 0 {
            let session = if seed % 5 == 0 { 1 << 56 | 1 << 24 | draw.below(4) as i64 } else { 0 };
            let passwd = password(SessionId(session));
            house.bytes(conn, connect_frame(session, &passwd, 0, true));
        }
        for _ in 0..draw.below(20) {
            let mut body: Vec<u8> = (0..draw.below(60)).map(|_| draw.word() as u8).collect();
            if body.len() > 8 {
                body[4..8].copy_from_slice(&(draw.below(26) as i32 - 12).to_be_bytes());
                body.iter_mut().skip(8).for_each(|byte| *byte &= 3);
            }
            let frame = if draw.below(8) == 0 { body } else { framed(&body) };
            let cut = draw.below(frame.len() as u64 + 1) as usize;
            house.bytes(conn, frame[..cut].to_vec());
            house.bytes(conn, frame[cut..].to_vec());
        }
        house.run_blind();
        house.describe(at);
    }
}

#[test]
fn no_words_of_another_peer_make_a_service_panic() {
    use crate::base::{Draw, Key};
    use crate::jute::quorum::{QuorumPacket, packet};
    for seed in 0..300 {
        let mut draw = Key(seed).with(1).stream();
        let mut house = House::new(2);
        let (conn, _) = house.join((seed % 2) as usize, 1);
        house.ask(conn, 1, Op::Sync { path: "/".into() });
        house.ask(conn, 2, Op::Ping);
        for _ in 0..20 {
            let kind = [packet::REQUEST, packet::REVALIDATE, packet::SYNC][draw.below(3) as usize];
            let mut data: Vec<u8> = (0..draw.below(50)).map(|_| draw.below(3) as u8).collect();
            if data.len() > 16 {
                data[12..16].copy_from_slice(&(draw.below(26) as i32 - 12).to_be_bytes());
            }
            let data = (draw.below(9) > 0).then_some(data);
            let said = QuorumPacket { kind, zxid: -1, data, authinfo: Vec::new() };
            house.packet(draw.below(2) as usize, &said);
        }
        house.run_blind();
        house.pass_ms(20_000);
    }
}
