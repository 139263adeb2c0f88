//! Films of a session against bytes fed by hand.

use crate::base::{Draw, Duration, Key, PeerId, SessionId, Time, Zxid};
use crate::jute::proto::{
    ConnectRequest, ConnectResponse, ReplyHeader, RequestHeader, Stat, WatcherEvent,
};
use crate::jute::{Reader, Record, framed};
use crate::znode::codec::decode_request;
use crate::znode::op::{ErrorCode, Op, Reply, WatchKind, WatchMode};

use super::{Action, Options, SET_WATCHES, Session};

const SESSION: i64 = 0x0100_0000_0100_0001;

fn ms(ms: u64) -> Time {
    Time::from_ms(ms)
}

fn new() -> Session {
    let servers = [1, 2, 3].map(PeerId).to_vec();
    Session::new(Options { timeout_ms: 3000, servers, gives_up: false, key: Key(1) })
}

fn acts(act: impl FnOnce(&mut Vec<Action>)) -> Vec<Action> {
    let mut out = Vec::new();
    act(&mut out);
    out
}

fn welcome(session: i64, timeout: i32) -> Vec<u8> {
    let passwd = Some(vec![9; 16]);
    framed(&ConnectResponse { protocol_version: 0, timeout, session, passwd }.to_bytes())
}

/// A session that is open since time 0.
fn open() -> Session {
    let mut session = new();
    assert_eq!(acts(|out| session.begin(ms(0), out)), [Action::Dial(PeerId(1))]);
    acts(|out| session.on_connected(ms(0), out));
    let got = acts(|out| session.on_bytes(ms(0), &welcome(SESSION, 3000), out));
    let session_id = SessionId(SESSION);
    let connected = Action::Connected { session: session_id, fresh: true, timeout_ms: 3000 };
    assert_eq!(got, [connected]);
    session
}

fn answer(xid: i32, zxid: i64, err: i32, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = ReplyHeader { xid, zxid, err }.to_bytes();
    body(&mut bytes);
    framed(&bytes)
}

fn notice(kind: i32, path: &str, zxid: i64) -> Vec<u8> {
    let event = WatcherEvent { kind, state: 3, path: path.into() };
    answer(-1, zxid, 0, |out| event.encode(out))
}

/// The requests among the actions, decoded.
fn requests(actions: &[Action]) -> Vec<(i32, Op)> {
    let sends = actions.iter().filter_map(|action| match action {
        Action::Send(bytes) => Some(bytes),
        _ => None,
    });
    let read = |bytes: &Vec<u8>| {
        let mut input = Reader::new(&bytes[4..]);
        let RequestHeader { xid, op } = Record::decode(&mut input).expect("a header");
        (xid, decode_request(op, &mut input).expect("a request"))
    };
    sends.map(read).collect()
}

fn get(path: &str) -> Op {
    Op::GetData { path: path.into(), watch: true }
}

fn delete(path: &str) -> Op {
    Op::Delete { path: path.into(), version: -1 }
}

#[test]
fn it_presents_itself_with_what_it_has_seen() {
    let mut session = open();
    acts(|out| session.call(ms(1), 1, delete("/a"), out));
    acts(|out| session.on_bytes(ms(2), &answer(1, 77, -101, |_| {}), out));
    assert_eq!(session.last_zxid_seen(), Zxid(77));
    acts(|out| session.on_down(ms(3), out));
    let wake = session.next_wake().expect("it backs off");
    assert_eq!(acts(|out| session.on_timer(wake, out)), [Action::Dial(PeerId(2))]);
    let got = acts(|out| session.on_connected(wake, out));
    let [Action::Send(bytes)] = &got[..] else { panic!("{got:?}") };
    assert_eq!(bytes.len(), 4 + 28 + 16 + 1, "with the read-only byte");
    let request = ConnectRequest::from_bytes(&bytes[4..]).expect("a connect request");
    assert_eq!((request.session, request.last_zxid_seen, request.timeout), (SESSION, 77, 3000));
    assert_eq!(request.passwd, Some(vec![9; 16]));
}

#[test]
fn answers_are_matched_by_order_and_xid() {
    let mut session = open();
    let sent = acts(|out| {
        for call in 10..13 {
            session.call(ms(1), call, delete("/a"), out);
        }
    });
    assert_eq!(requests(&sent).iter().map(|(xid, _)| *xid).collect::<Vec<i32>>(), [1, 2, 3]);
    let mut bytes = answer(1, 5, 0, |_| {});
    bytes.extend(answer(2, 6, -101, |_| {}));
    // In two pieces, cut within the second.
    let got = acts(|out| {
        session.on_bytes(ms(2), &bytes[..27], out);
        session.on_bytes(ms(2), &bytes[27..], out);
    });
    let expected = [
        Action::Answered { call: 10, zxid: Zxid(5), result: Ok(Reply::Done) },
        Action::Answered { call: 11, zxid: Zxid(6), result: Err(ErrorCode::NoNode) },
    ];
    assert_eq!(got, expected);
    let got = acts(|out| session.on_bytes(ms(3), &answer(9, 7, 0, |_| {}), out));
    assert_eq!(got, [Action::HangUp, Action::Lost { call: 12 }, Action::Disconnected]);
}

#[test]
fn calls_wait_for_a_connection_and_survive_a_loss_only_unsent() {
    let mut session = open();
    acts(|out| session.call(ms(1), 1, delete("/sent"), out));
    assert_eq!(
        acts(|out| session.on_down(ms(2), out)),
        [Action::Lost { call: 1 }, Action::Disconnected]
    );
    assert_eq!(acts(|out| session.call(ms(3), 2, delete("/queued"), out)), []);
    acts(|out| session.move_on(ms(3), out));
    acts(|out| session.on_connected(ms(4), out));
    let got = acts(|out| session.on_bytes(ms(5), &welcome(SESSION, 3000), out));
    assert_eq!(requests(&got), [(2, delete("/queued"))]);
    assert!(matches!(got[0], Action::Connected { fresh: false, .. }));
}

#[test]
fn watches_are_left_again_after_a_reconnect_unless_they_fired() {
    let mut session = open();
    acts(|out| {
        session.call(ms(1), 1, get("/data"), out);
        session.call(ms(1), 2, get("/fired"), out);
        session.call(ms(1), 3, Op::Exists { path: "/none".into(), watch: true }, out);
        let path = "/children".to_string();
        session.call(ms(1), 4, Op::GetChildren { path, watch: true, stat: false }, out);
    });
    let data = |out: &mut Vec<u8>| {
        (-1i32).encode(out);
        Stat::default().encode(out);
    };
    let got = acts(|out| {
        session.on_bytes(ms(2), &answer(1, 8, 0, data), out);
        session.on_bytes(ms(2), &answer(2, 8, 0, data), out);
        session.on_bytes(ms(2), &answer(3, 9, -101, |_| {}), out);
        session.on_bytes(ms(2), &answer(4, 9, 0, |out| 0i32.encode(out)), out);
        session.on_bytes(ms(2), &notice(3, "/fired", 10), out);
        session.on_down(ms(3), out);
    });
    let watch = Action::Watch { kind: 3, path: "/fired".into(), zxid: Some(Zxid(10)) };
    assert_eq!(got[4..], [watch, Action::Disconnected]);
    acts(|out| session.move_on(ms(3), out));
    acts(|out| session.on_connected(ms(4), out));
    acts(|out| session.call(ms(4), 5, delete("/after"), out));
    let got = acts(|out| session.on_bytes(ms(5), &welcome(SESSION, 3000), out));
    let list = |path: &str| vec![path.to_string()];
    let again = Op::SetWatches {
        relative: 9,
        data: list("/data"),
        exist: list("/none"),
        child: list("/children"),
    };
    assert_eq!(requests(&got), [(-8, again), (5, delete("/after"))]);
    // What was missed comes before the answer to setWatches, which is the library's own call.
    let got = acts(|out| {
        session.on_bytes(ms(6), &notice(2, "/data", -1), out);
        session.on_bytes(ms(6), &answer(-8, 11, 0, |_| {}), out);
    });
    let watch = Action::Watch { kind: 2, path: "/data".into(), zxid: None };
    let answered = Action::Answered { call: SET_WATCHES, zxid: Zxid(11), result: Ok(Reply::Done) };
    assert_eq!(got, [watch, answered]);
}

/// Spec 1.15 and 8.3; spec 9, case 17.
#[test]
fn identities_are_answered_out_of_turn_and_proved_again_before_watches() {
    let mut session = open();
    let auth = |user: &str| Op::AddAuth { scheme: "digest".into(), auth: user.into() };
    let stay = Op::AddWatch { path: "/p".into(), mode: WatchMode::Persistent };
    let below = Op::AddWatch { path: "/r".into(), mode: WatchMode::PersistentRecursive };
    let got = acts(|out| {
        session.call(ms(1), 1, delete("/x"), out);
        session.call(ms(1), 2, auth("a:a"), out);
        session.call(ms(1), 3, stay.clone(), out);
        session.call(ms(1), 4, auth("b:b"), out);
        session.call(ms(1), 5, below.clone(), out);
    });
    let xids: Vec<i32> = requests(&got).iter().map(|(xid, _)| *xid).collect();
    assert_eq!(xids, [1, -4, 2, -4, 3]);
    let done = |call, zxid| Action::Answered { call, zxid: Zxid(zxid), result: Ok(Reply::Done) };
    let watched = |out: &mut Vec<u8>| 0i32.encode(out);
    let got = acts(|out| {
        session.on_bytes(ms(2), &answer(-4, 0, 0, |_| {}), out);
        session.on_bytes(ms(2), &answer(1, 8, 0, |_| {}), out);
        session.on_bytes(ms(2), &answer(2, 8, 0, watched), out);
        session.on_bytes(ms(2), &answer(3, 8, 0, watched), out);
        session.on_bytes(ms(2), &answer(-4, 0, -115, |_| {}), out);
    });
    let failed = Err(ErrorCode::AuthFailed);
    let refused = Action::Answered { call: 4, zxid: Zxid(0), result: failed };
    assert_eq!(got, [done(2, 0), done(1, 8), done(3, 8), done(5, 8), refused]);
    acts(|out| session.on_down(ms(3), out));
    acts(|out| session.move_on(ms(3), out));
    acts(|out| session.on_connected(ms(4), out));
    let got = acts(|out| session.on_bytes(ms(5), &welcome(SESSION, 3000), out));
    let again = Op::SetWatches2 {
        relative: 8,
        data: vec![],
        exist: vec![],
        child: vec![],
        persistent: vec!["/p".into()],
        recursive: vec!["/r".into()],
    };
    assert_eq!(requests(&got), [(-4, auth("a:a")), (-8, again)]);
    assert_eq!(session.outstanding(), 0, "they are the library's own");
    let remove = Op::RemoveWatches { path: "/p".into(), kind: WatchKind::Any };
    acts(|out| {
        session.on_bytes(ms(6), &answer(-4, 0, 0, |_| {}), out);
        session.on_bytes(ms(6), &answer(-8, 9, 0, |_| {}), out);
        session.call(ms(6), 6, remove, out);
        session.on_bytes(ms(6), &answer(4, 9, 0, |_| {}), out);
        session.on_down(ms(7), out);
        session.move_on(ms(7), out);
        session.on_connected(ms(8), out);
    });
    let got = acts(|out| session.on_bytes(ms(9), &welcome(SESSION, 3000), out));
    let [_, (-8, Op::SetWatches2 { persistent, recursive, .. })] = &requests(&got)[..] else {
        panic!("{got:?}")
    };
    assert_eq!((persistent.len(), recursive.len()), (0, 1), "what was removed is not left again");
}

#[test]
fn setwatches_is_split_into_frames_that_servers_take() {
    let mut session = open();
    let path = |n: usize| format!("/{n}{}", "x".repeat(50_000));
    acts(|out| {
        for n in 0..5 {
            let op = Op::Exists { path: path(n), watch: true };
            session.call(ms(1), n as u64, op, out);
            session.on_bytes(ms(1), &answer(n as i32 + 1, 8, -101, |_| {}), out);
        }
        session.on_down(ms(2), out);
        session.move_on(ms(2), out);
        session.on_connected(ms(2), out);
    });
    let got = acts(|out| session.on_bytes(ms(3), &welcome(SESSION, 3000), out));
    let left: Vec<usize> = requests(&got)
        .iter()
        .map(|(xid, op)| match op {
            Op::SetWatches { relative: 8, exist, .. } if *xid == -8 => exist.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(left, [2, 2, 1]);
    assert_eq!(session.outstanding(), 0, "they are the library's own");
    // Each is answered under a number of its own.
    let got = acts(|out| {
        for zxid in 9..12 {
            session.on_bytes(ms(4), &answer(-8, zxid, 0, |_| {}), out);
        }
    });
    let calls = got.iter().map(|action| match action {
        Action::Answered { call, .. } => *call - SET_WATCHES,
        other => panic!("{other:?}"),
    });
    assert_eq!(calls.collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_session_is_given_up_after_four_thirds_of_its_timeout_in_silence() {
    let mut session = open();
    session.options.gives_up = true;
    acts(|out| session.on_bytes(ms(500), &answer(-2, 3, 0, |_| {}), out));
    acts(|out| session.on_down(ms(600), out));
    acts(|out| session.call(ms(600), 1, delete("/queued"), out));
    // Dials in vain do not count as words of a server.
    let mut now = ms(600);
    let mut got = Vec::new();
    while !got.iter().any(|action| matches!(action, Action::GaveUp { .. })) {
        now = session.next_wake().expect("it goes on");
        got = acts(|out| session.on_timer(now, out));
    }
    assert_eq!(now, ms(4500), "4000 ms after the last byte");
    let session_id = SessionId(SESSION);
    let told = [Action::Lost { call: 1 }, Action::GaveUp { session: session_id }];
    assert!(got.windows(2).any(|pair| pair == told), "{got:?}");
    assert!(matches!(got.last(), Some(Action::Dial(_))));
    assert_eq!(session.id(), SessionId(0), "the next one is another");
    assert_eq!(session.gives_up_at(), None, "which has nothing to give up yet");
}

#[test]
fn a_patient_client_goes_on_until_a_server_denies_its_session() {
    let mut session = open();
    acts(|out| session.on_down(ms(1), out));
    for _ in 0..100 {
        let now = session.next_wake().expect("it goes on");
        let got = acts(|out| session.on_timer(now, out));
        assert!(!got.iter().any(|action| matches!(action, Action::GaveUp { .. })));
    }
    assert_eq!(session.id(), SessionId(SESSION));
}

#[test]
fn an_expired_session_loses_what_was_queued_and_begins_anew() {
    let mut session = open();
    acts(|out| session.on_down(ms(1), out));
    acts(|out| session.call(ms(1), 1, delete("/queued"), out));
    acts(|out| session.move_on(ms(2), out));
    acts(|out| session.on_connected(ms(2), out));
    let got = acts(|out| session.on_bytes(ms(3), &welcome(0, 0), out));
    let expected = [
        Action::HangUp,
        Action::Lost { call: 1 },
        Action::Expired { session: SessionId(SESSION) },
        Action::Dial(PeerId(3)),
    ];
    assert_eq!(got, expected);
    acts(|out| session.on_connected(ms(4), out));
    let got = acts(|out| session.on_bytes(ms(5), &welcome(SESSION + 1, 3000), out));
    let id = SessionId(SESSION + 1);
    assert_eq!(got, [Action::Connected { session: id, fresh: true, timeout_ms: 3000 }]);
}

#[test]
fn it_pings_when_idle_and_gives_up_a_silent_server() {
    let mut session = open();
    assert_eq!(session.next_wake(), Some(ms(1000)));
    let got = acts(|out| session.on_timer(ms(1000), out));
    assert_eq!(requests(&got), [(-2, Op::Ping)]);
    acts(|out| session.on_bytes(ms(1100), &answer(-2, 3, 0, |_| {}), out));
    assert_eq!(session.last_zxid_seen(), Zxid(3));
    assert_eq!(session.next_wake(), Some(ms(2000)), "the next ping");
    acts(|out| session.on_timer(ms(2000), out));
    assert_eq!(session.next_wake(), Some(ms(3000)));
    acts(|out| session.on_timer(ms(3000), out));
    let wake = session.next_wake().expect("a deadline");
    assert_eq!(wake, ms(1100) + Duration::from_ms(2000), "two thirds after the last word");
    let got = acts(|out| session.on_timer(wake, out));
    assert_eq!(got, [Action::HangUp, Action::Disconnected]);
}

#[test]
fn a_server_that_does_not_greet_is_given_up_after_its_share_of_the_timeout() {
    let mut session = new();
    acts(|out| session.begin(ms(0), out));
    acts(|out| session.on_connected(ms(5), out));
    assert_eq!(session.next_wake(), Some(ms(1500)));
    assert_eq!(acts(|out| session.on_timer(ms(1500), out)), [Action::HangUp]);
    let wake = session.next_wake().expect("back-off");
    assert_eq!(acts(|out| session.on_timer(wake, out)), [Action::Dial(PeerId(2))]);
}

#[test]
fn a_closed_session_is_followed_by_a_fresh_one() {
    let mut session = open();
    let got = acts(|out| {
        session.close(ms(1), 1, out);
        session.call(ms(1), 2, delete("/later"), out);
    });
    assert_eq!(requests(&got), [(1, Op::CloseSession)], "nothing is sent behind it");
    let got = acts(|out| session.on_bytes(ms(2), &answer(1, 4, 0, |_| {}), out));
    let closed = Action::Answered { call: 1, zxid: Zxid(4), result: Ok(Reply::Done) };
    let dial = Action::Dial(PeerId(2));
    assert_eq!(got, [closed, Action::HangUp, Action::Disconnected, dial]);
    assert_eq!((session.id(), session.last_zxid_seen()), (SessionId(0), Zxid::ZERO));
    acts(|out| session.on_connected(ms(3), out));
    let got = acts(|out| session.on_bytes(ms(4), &welcome(SESSION + 1, 3000), out));
    assert_eq!(requests(&got), [(2, delete("/later"))]);
}

#[test]
fn no_bytes_make_it_panic_and_each_call_ends_once() {
    for seed in 0..500 {
        let mut draw = Key(seed).stream();
        let mut session = new();
        let mut out = Vec::new();
        session.begin(ms(0), &mut out);
        let mut calls = 0;
        for step in 0..60 {
            let now = ms(step * 50);
            match draw.below(8) {
                0 => session.on_connected(now, &mut out),
                1 => session.on_bytes(now, &welcome(SESSION, 3000), &mut out),
                2 | 3 => {
                    session.call(now, calls, get("/a"), &mut out);
                    calls += 1;
                }
                4 => session.on_timer(now, &mut out),
                5 => {
                    let bytes: Vec<u8> = (0..draw.below(40)).map(|_| draw.below(3) as u8).collect();
                    let bytes = if draw.below(2) == 0 { framed(&bytes) } else { bytes };
                    session.on_bytes(now, &bytes, &mut out);
                }
                6 => {
                    let xid = draw.below(9) as i32 - 2;
                    let bytes = answer(xid, 5, -101, |out| out.extend([0; 9]));
                    session.on_bytes(now, &bytes, &mut out);
                }
                _ => session.on_down(now, &mut out),
            }
        }
        session.halt(ms(9000), &mut out);
        assert_eq!((session.next_wake(), session.outstanding()), (None, 0));
        let mut ended: Vec<u64> = out
            .iter()
            .filter_map(|action| match action {
                Action::Answered { call, .. } | Action::Lost { call } => Some(*call),
                _ => None,
            })
            .collect();
        ended.sort();
        assert_eq!(ended, (0..calls).collect::<Vec<u64>>(), "seed {seed}");
    }
}
