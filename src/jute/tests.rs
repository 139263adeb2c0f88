//! Records through bytes and back, bytes that are no records, and frames in pieces.

use super::proto::*;
use super::quorum::{LearnerInfo, Notification, QuorumPacket};
use super::txn::*;
use super::*;
use crate::base::{Dice, Draw};

fn survives<T: Record + PartialEq + fmt::Debug>(record: T) {
    let bytes = record.to_bytes();
    let mut input = Reader::new(&bytes);
    assert_eq!(T::decode(&mut input), Ok(record));
    assert_eq!(input.rest(), b"");
    for cut in 0..bytes.len() {
        assert!(T::from_bytes(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
    }
    let longer = [bytes, vec![1, 2, 3]].concat();
    assert!(T::from_bytes(&longer).is_ok(), "trailing bytes are ignored");
}

fn acl() -> Vec<Acl> {
    let id = Id { scheme: Some("world".into()), id: None };
    vec![Acl { perms: 31, id }, Acl::default()]
}

#[test]
fn primitives_are_big_endian_and_null_is_not_empty() {
    assert_eq!(0x0102_0304i32.to_bytes(), [1, 2, 3, 4]);
    assert_eq!((-2i64).to_bytes(), [255, 255, 255, 255, 255, 255, 255, 254]);
    assert_eq!(None::<Vec<u8>>.to_bytes(), [255; 4]);
    assert_eq!(Some(Vec::<u8>::new()).to_bytes(), [0; 4]);
    assert_eq!("é".to_owned().to_bytes(), [0, 0, 0, 2, 0xC3, 0xA9]);
    assert_eq!(bool::from_bytes(&[9]), Ok(true), "any non-zero byte reads true");
    for text in [None, Some(String::new()), Some("/a".to_owned())] {
        survives(text);
    }
    survives(vec!["a".to_owned(), String::new()]);
}

#[test]
fn malformed_text_decodes_to_the_replacement_character() {
    assert_eq!(String::from_bytes(&[0, 0, 0, 2, b'/', 0xFF]), Ok("/\u{fffd}".to_owned()));
    let null = String::from_bytes(&[255; 4]);
    assert_eq!(null, Err(Error { at: 0, what: "null string" }));
}

#[test]
fn null_vectors_read_as_empty_ones() {
    assert_eq!(Vec::<String>::from_bytes(&[255; 4]), Ok(vec![]));
}

#[test]
fn impossible_lengths_are_errors_and_allocate_nothing() {
    for length in [i32::MIN, -2, MAX_BUFFER as i32 + 1, i32::MAX, MAX_BUFFER as i32] {
        let bytes = length.to_bytes();
        assert!(Option::<Vec<u8>>::from_bytes(&bytes).is_err(), "{length}");
        assert!(String::from_bytes(&bytes).is_err(), "{length}");
        assert!(Vec::<Acl>::from_bytes(&bytes).is_err(), "{length}");
    }
}

#[test]
fn client_records_survive() {
    survives(ConnectRequest { timeout: 4000, passwd: Some(vec![7; 16]), ..Default::default() });
    survives(ConnectResponse { session: -5, passwd: None, ..Default::default() });
    survives(RequestHeader { xid: -2, op: 11 });
    survives(ReplyHeader { xid: 1, zxid: -1, err: -6 });
    let (path, data) = (Some("/a".to_owned()), Some(vec![1]));
    survives(CreateRequest { path: path.clone(), data: data.clone(), acl: acl(), flags: 3 });
    survives(VersionRequest { path: path.clone(), version: -1 });
    survives(WatchRequest { path: path.clone(), watch: true });
    survives(SetDataRequest { path: None, data: data.clone(), version: 7 });
    survives(PathRecord { path: path.clone() });
    survives(Create2Response { path, stat: Stat::default() });
    survives(GetDataResponse { data, stat: Stat { pzxid: 9, ..Stat::default() } });
    survives(GetChildren2Response { children: vec!["x".into()], stat: Stat::default() });
    survives(MultiHeader { op: -1, done: true, err: -1 });
    survives(SetWatchesRequest { relative_zxid: 3, exist: vec!["/".into()], ..Default::default() });
    survives(WatcherEvent { kind: 4, state: 3, path: "/".into() });
}

#[test]
fn sizes_are_those_of_the_specification() {
    assert_eq!(Stat::default().to_bytes().len(), 68);
    assert_eq!(StatPersisted::default().to_bytes().len(), 60);
    assert_eq!(MultiHeader::default().to_bytes().len(), 9);
    let passwd = Some(vec![0; 16]);
    assert_eq!(ConnectResponse { passwd, ..Default::default() }.to_bytes().len(), 36);
    assert_eq!(ReplyHeader::default().to_bytes().len(), 16);
}

#[test]
fn quorum_records_survive() {
    let authinfo = vec![Id { scheme: Some("ip".into()), id: Some("::1".into()) }];
    survives(QuorumPacket { kind: 2, zxid: 1 << 32, data: Some(vec![1]), authinfo });
    survives(Notification { state: 2, leader: 3, version: 2, config: None, ..Default::default() });
    survives(LearnerInfo { sid: 1, protocol_version: 0x10000, config_version: 0 });
}

#[test]
fn notifications_of_every_age_are_read() {
    let config = Some(b"version=0".to_vec());
    let (zxid, round) = ((7 << 32) + 9, 5);
    let newest =
        Notification { state: 2, leader: 3, zxid, round, peer_epoch: 8, version: 2, config };
    let bytes = newest.to_bytes();
    assert_eq!(Notification::read(&bytes), Ok(newest.clone()));
    // Before 3.4: the epoch is that of the candidate's zxid.
    let old = Notification { peer_epoch: 7, version: 0, config: None, ..newest.clone() };
    assert_eq!(Notification::read(&bytes[..28]), Ok(old));
    // Before 3.5: whatever the last four bytes say is no version.
    let older = Notification { version: 0, config: None, ..newest.clone() };
    assert_eq!(Notification::read(&bytes[..40]), Ok(older));
    // Version 1 has no configuration, whatever follows.
    let mut first = bytes.clone();
    first[36..40].copy_from_slice(&1i32.to_be_bytes());
    let vote = Notification { version: 1, config: None, ..newest.clone() };
    assert_eq!(Notification::read(&first), Ok(vote));
    // Behind the configuration there may be more.
    assert_eq!(Notification::read(&[bytes.as_slice(), &[1, 2]].concat()), Ok(newest));
    // Shorter ones, and lengths that lie, are nothing.
    for cut in (0..28).chain(29..40).chain(41..bytes.len()) {
        assert!(Notification::read(&bytes[..cut]).is_err(), "{cut} bytes");
    }
    for length in [-1, -2, 1_000, i32::MAX] {
        let mut lies = bytes.clone();
        lies[40..44].copy_from_slice(&length.to_be_bytes());
        assert!(Notification::read(&lies).is_err(), "length {length}");
    }
}

fn transactions() -> Vec<Txn> {
    let path = || "/a".to_owned();
    let create = CreateTxn { path: path(), acl: acl(), ephemeral: true, ..Default::default() };
    let part = SubTxn { kind: 1, data: Some(create.to_bytes()) };
    vec![
        Txn::Create(create.clone()),
        Txn::Create2(create),
        Txn::Delete(DeleteTxn { path: path() }),
        Txn::SetData(SetDataTxn { path: path(), data: None, version: 1 }),
        Txn::Check(CheckTxn { path: path(), version: 1 }),
        Txn::Multi(MultiTxn { parts: vec![part, SubTxn::default()] }),
        Txn::CreateSession(CreateSessionTxn { timeout: 4000 }),
        Txn::CloseSession(CloseSessionTxn { paths: vec![path()] }),
        Txn::Error(ErrorTxn { err: -101 }),
    ]
}

#[test]
fn log_records_survive_with_and_without_their_digest() {
    for txn in transactions() {
        for digest in [None, Some(u64::MAX - 5)] {
            let (kind, zxid) = (txn.kind(), 0x5_0000_0001);
            let header = TxnHeader { client: -7, cxid: 1, zxid, time: 99, kind };
            let record = TxnRecord { header, txn: txn.clone(), digest };
            let bytes = record.to_bytes();
            assert_eq!(TxnRecord::from_bytes(&bytes), Ok(record));
            assert_eq!(zxid_of(&bytes), Ok(zxid));
        }
    }
    let header = TxnHeader { kind: opcode::CLOSE_SESSION, ..Default::default() };
    let old = TxnRecord::from_bytes(&header.to_bytes()).expect("old logs have no body there");
    assert_eq!(old.txn, Txn::CloseSession(CloseSessionTxn::default()));
    assert!(zxid_of(&[0; 19]).is_err());
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let mut dice = Dice::new(1, "jute");
    for _ in 0..50_000 {
        let length = dice.below(60);
        let bytes: Vec<u8> = (0..length)
            .map(|_| match dice.below(3) {
                0 => 0,
                1 => dice.below(8) as u8,
                _ => dice.word() as u8,
            })
            .collect();
        let _ = TxnRecord::from_bytes(&bytes);
        let _ = CreateRequest::from_bytes(&bytes);
        let _ = SetWatchesRequest::from_bytes(&bytes);
        let _ = QuorumPacket::from_bytes(&bytes);
        let _ = Notification::read(&bytes);
        let _ = ConnectRequest::from_bytes(&bytes);
        for txn in transactions() {
            let _ = Txn::decode(txn.kind(), &mut Reader::new(&bytes));
        }
    }
}

#[test]
fn frames_come_out_whole_however_the_bytes_arrive() {
    let frames: Vec<Vec<u8>> = (1..20u8).map(|n| vec![n; usize::from(n)]).collect();
    let stream: Vec<u8> = frames.iter().flat_map(|frame| framed(frame)).collect();
    let mut dice = Dice::new(2, "frames");
    for _ in 0..200 {
        let (mut unframer, mut out, mut at) = (Unframer::default(), Vec::new(), 0);
        while at < stream.len() {
            let end = (at + dice.below(9) as usize).min(stream.len());
            unframer.push(&stream[at..end]);
            at = end;
            while let Some(frame) = unframer.next(19).expect("all lengths are possible") {
                out.push(frame);
            }
        }
        assert_eq!(out, frames);
        assert_eq!(unframer.pending(), b"");
    }
}

#[test]
fn impossible_frame_lengths_are_errors() {
    for length in [0, -1, i32::MIN, 11, i32::MAX] {
        let mut unframer = Unframer::default();
        unframer.push(&length.to_be_bytes());
        assert!(unframer.next(10).is_err(), "{length}");
    }
    let mut unframer = Unframer::default();
    unframer.push(&framed(&[5; 10]));
    assert_eq!(unframer.next(10), Ok(Some(vec![5; 10])), "exactly the limit is legal");
}
