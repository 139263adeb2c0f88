//! Promises told, and files that keep them or do not.

use std::sync::Arc;

use super::*;
use crate::disk;
use crate::jute::Record;
use crate::jute::txn::{CreateSessionTxn, Txn, TxnHeader, TxnRecord};
use crate::process::File;

const E1: u64 = 1 << 32;
const E2: u64 = 2 << 32;
const LINK: LinkId = LinkId(1);

/// No sessions, no ACLs, no nodes: the digest of this tree is 0.
const BODY: &[u8] = b"\0\0\0\0\0\0\0\0\0\0\0\x01/";

fn framed(zxid: u64, digest: Option<u64>) -> Vec<u8> {
    let header = TxnHeader { client: 1, cxid: 1, zxid: zxid as i64, time: 1, kind: -10 };
    let txn = Txn::CreateSession(CreateSessionTxn { timeout: 4000 });
    let record = TxnRecord { header, txn, digest }.to_bytes();
    let sum = super::super::files::adler32(&record).to_be_bytes();
    [&sum[..], &(record.len() as i32).to_be_bytes(), &record, &[0x42]].concat()
}

/// A peer whose snapshot is at 1.0, with one log file per list.
fn image(logs: &[&[u64]]) -> Image {
    let mut image = disk::aged_image(Zxid(E1), BODY, 0);
    for zxids in logs {
        let mut bytes = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
        zxids.iter().for_each(|zxid| bytes.extend_from_slice(&framed(*zxid, Some(0))));
        image.put(File::log(format!("log.{:x}", zxids[0])), bytes);
    }
    image
}

fn sent(kind: &'static str, epoch: u32, zxid: u64) -> Seen {
    sent_by(2, kind, epoch, zxid)
}

fn sent_by(peer: u8, kind: &'static str, epoch: u32, zxid: u64) -> Seen {
    let tag = Tag { kind, epoch: Epoch(epoch), zxid: Zxid(zxid) };
    let (from, to) = (PeerId(peer), PeerId(1));
    Seen::Sent { link: LINK, from, to, channel: Channel::Quorum, tag }
}

fn received(kind: &'static str, epoch: u32, zxid: u64) -> Seen {
    let tag = Tag { kind, epoch: Epoch(epoch), zxid: Zxid(zxid) };
    Seen::Received { link: LINK, from: PeerId(1), to: PeerId(2), tag }
}

fn starting(image: Image, damaged: bool) -> Seen {
    Seen::Starting { peer: PeerId(2), incarnation: 2, image: Arc::new(image), damaged }
}

/// What the oracle finds, as `property/kind`.
fn judged(seen: impl IntoIterator<Item = Seen>) -> Vec<String> {
    let mut oracle = Durability::new(Config::initial(3));
    let mut findings = Vec::new();
    for seen in seen {
        oracle.observe(At::default(), &seen, &mut findings);
    }
    findings.iter().map(|found| format!("{}/{}", found.property, found.kind)).collect()
}

#[test]
fn an_acked_transaction_must_be_in_the_log_or_under_a_snapshot() {
    let lost = ["Durability/acked"];
    let files = || image(&[&[E1 + 1, E1 + 2]]);
    for acked in [E1, E1 + 1, E1 + 2] {
        let seen = [sent("ACK", 1, acked), starting(files(), false)];
        assert_eq!(judged(seen), [""; 0]);
    }
    assert_eq!(judged([sent("ACK", 1, E1 + 3), starting(files(), false)]), lost);
    let end = Seen::End { images: vec![(PeerId(2), Arc::new(files()))] };
    assert_eq!(judged([sent("ACK", 1, E1 + 3), end]), lost);
}

#[test]
fn what_only_a_crash_has_touched_must_do_for_a_start() {
    let refused = |damaged| Seen::Refused { peer: PeerId(2), reason: String::new(), damaged };
    let start = |damaged| starting(image(&[&[E1 + 1]]), damaged);
    assert_eq!(judged([start(false), refused(true)]), ["CrashRecovery/refused"]);
    // It will try again, or the world is to blame: now, or some time ago.
    assert_eq!(judged([start(false), refused(false)]), [""; 0]);
    assert_eq!(judged([start(true), refused(true)]), [""; 0]);
    let rot = Seen::Fault { kind: "rot", peer: Some(PeerId(2)), what: String::new() };
    assert_eq!(judged([rot.clone(), start(false), refused(true)]), [""; 0]);
    let replace = Seen::Fault { kind: "replace", peer: Some(PeerId(2)), what: String::new() };
    let again = [rot, start(false), replace, start(false), refused(true)];
    assert_eq!(judged(again), ["CrashRecovery/refused"]);
    // A device that fails carries nothing out behind what failed: no hole comes of it.
    let failed = Seen::Fault { kind: "disk_error", peer: Some(PeerId(2)), what: String::new() };
    assert_eq!(judged([failed, start(false), refused(true)]), ["CrashRecovery/refused"]);
}

#[test]
fn snapshot_and_log_make_the_tree_that_the_log_names() {
    let wrong_log = {
        let mut image = image(&[]);
        let bytes = [&b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"[..], &framed(E1 + 1, Some(7))].concat();
        image.put(File::log(format!("log.{:x}", E1 + 1)), bytes);
        image
    };
    assert_eq!(judged([starting(wrong_log.clone(), false)]), ["DiskReplay/replay"]);
    // A snapshot that knows of more than the log is for its peer to refuse.
    let mut ahead = wrong_log;
    let snapshot = File::snap(format!("snapshot.{E1:x}"));
    let mut bytes = ahead.get(&snapshot).expect("it is there").to_vec();
    let end = bytes.len();
    bytes[end - 21..end - 13].copy_from_slice(&(E1 + 5).to_be_bytes());
    let sum = super::super::files::adler32(&bytes[..end - 13]).to_be_bytes();
    bytes[end - 13..end - 5].copy_from_slice(&sum);
    ahead.put(snapshot, bytes);
    assert_eq!(judged([starting(ahead, false)]), [""; 0]);
    let no_tree = disk::aged_image(Zxid(E1), b"no tree", 0);
    assert_eq!(judged([starting(no_tree, false)]), ["DiskReplay/snapshot"]);
    let other_tree = disk::aged_image(Zxid(E1), BODY, 5);
    assert_eq!(judged([starting(other_tree, false)]), ["DiskReplay/replay"]);
}

#[test]
fn what_the_world_has_damaged_is_not_owed() {
    let files = || image(&[&[E1 + 1]]);
    assert_eq!(judged([sent("ACK", 1, E1 + 3), starting(files(), true)]), [""; 0]);
    let fault = |kind| Seen::Fault { kind, peer: Some(PeerId(2)), what: String::new() };
    let end = || Seen::End { images: vec![(PeerId(2), Arc::new(files()))] };
    let ack = || sent("ACK", 1, E1 + 3);
    assert_eq!(judged([ack(), fault("rot"), end()]), [""; 0]);
    assert_eq!(judged([fault("rot"), starting(files(), true), ack(), end()]), [""; 0]);
    let replaced = [fault("rot"), fault("replace"), starting(files(), true), ack(), end()];
    assert_eq!(judged(replaced), ["Durability/acked"]);
}

#[test]
fn epochs_once_sent_must_be_on_disk() {
    for (kind, promised) in [
        ("ACKEPOCH", "accepted_epoch"),
        ("LEADERINFO", "accepted_epoch"),
        ("NEWLEADER", "current_epoch"),
        ("ACK", "current_epoch"),
    ] {
        let files = || starting(image(&[]), false);
        assert_eq!(judged([sent(kind, 1, E1), files()]), [""; 0]);
        let found = judged([sent(kind, 2, E2), files()]);
        assert_eq!(found, [format!("Durability/{promised}")], "{kind}");
    }
}

#[test]
fn the_ack_of_newleader_vouches_for_the_history_before_it() {
    let sync = |log: &[u64]| {
        judged([
            received("LEADERINFO", 1, E1),
            received("DIFF", 1, E1 + 1),
            received("PROPOSAL", 1, E1 + 1),
            received("COMMIT", 1, E1 + 1),
            received("PROPOSAL", 1, E1 + 2),
            received("NEWLEADER", 1, E1),
            received("PROPOSAL", 1, E1 + 3),
            sent("ACK", 1, E1),
            starting(image(&[log]), false),
        ])
    };
    assert_eq!(sync(&[E1 + 1]), [""; 0]);
    assert_eq!(sync(&[E1 + 2]), ["Durability/acked", "LogContiguous/gap"]);
}

#[test]
fn only_the_leader_of_the_epoch_may_release_a_promise() {
    let cut = |leader: u32, kind: &'static str, at: u64| {
        judged([
            sent("ACK", 1, E1 + 2),
            sent("ACK", 1, E1 + 3),
            sent("ACKEPOCH", 1, E1 + 3),
            received("LEADERINFO", leader, 0),
            received(kind, leader, at),
            starting(image(&[&[E1 + 1, E1 + 2]]), false),
        ])
    };
    assert_eq!(cut(1, "TRUNC", E1 + 2), [""; 0]);
    assert_eq!(cut(2, "SNAP_END", E1 + 2), [""; 0]);
    assert_eq!(cut(2, "SNAP", E1 + 2), ["Durability/acked"], "a part of it releases nothing");
    assert_eq!(cut(2, "SNAP_CHUNK", E1 + 2), ["Durability/acked"]);
    assert_eq!(cut(0, "TRUNC", E1 + 2), ["Durability/acked"]);
    assert_eq!(cut(1, "TRUNC", E1 + 3), ["Durability/acked"]);
}

#[test]
fn a_commit_needs_a_quorum_and_binds_the_leader_that_counted_itself() {
    let leads = || sent("NEWLEADER", 1, E1);
    let commit = || sent("COMMIT", 1, E1 + 1);
    let ack = |peer| sent_by(peer, "ACK", 1, E1 + 1);
    let none = || starting(image(&[]), false);
    assert_eq!(judged([leads(), commit()]), ["Durability/commit_without_quorum"]);
    assert_eq!(judged([leads(), ack(3), commit(), none()]), ["Durability/acked"]);
    assert_eq!(judged([leads(), ack(1), ack(3), commit(), none()]), [""; 0]);
    let old = sent("COMMIT", 0, 1);
    assert_eq!(judged([leads(), old, none()]), [""; 0]);
}

#[test]
fn epochs_on_disk_are_ordered() {
    let of = |accepted: &str, current: &str, log: &[u64]| {
        let mut image = image(&[log]);
        image.put(File::snap("acceptedEpoch"), accepted.as_bytes().to_vec());
        image.put(File::snap("currentEpoch"), current.as_bytes().to_vec());
        let told = |epoch| [received("LEADERINFO", epoch, 0), received("NEWLEADER", epoch, 0)];
        let enters = |epoch| told(epoch).into_iter().chain([starting(image.clone(), false)]);
        let known = judged(enters(2));
        // Only of an epoch that it was to enter may its log be, and its currentEpoch not.
        let unknown = judged(enters(1));
        if known != unknown { [known, unknown].concat() } else { known }
    };
    assert_eq!(of("2\n", "1\n", &[E1 + 1, E2 + 1]), ["EpochsOrdered/current_below_log"]);
    assert_eq!(of("2\n", "2\n", &[E1 + 1, E2 + 1]), [""; 0]);
    assert_eq!(of("1\n", "2\n", &[E1 + 1]), ["EpochsOrdered/accepted_below_current"]);
    assert_eq!(of("1\n", "1\n", &[E2 + 1]), ["EpochsOrdered/accepted_below_log"]);
    assert_eq!(of("", "1\n", &[E1 + 1]), ["EpochsOrdered/unreadable"]);
}

#[test]
fn the_log_is_contiguous_and_decodable() {
    let of = |logs: &[&[u64]]| judged([starting(image(logs), false)]);
    assert_eq!(of(&[&[E1 - 1, E1 + 1], &[E1 + 2]]), [""; 0]);
    assert_eq!(of(&[&[E1 + 1, E1 + 3]]), ["LogContiguous/gap"]);
    assert_eq!(of(&[&[E1 + 2]]), ["LogContiguous/gap"]);
    assert_eq!(of(&[&[E1 + 1, E1 + 1]]), ["LogContiguous/order"]);
    assert_eq!(of(&[&[E1 + 1, E1 + 2], &[E1 + 2]]), ["LogContiguous/order"]);
    let with = |name: &str, more: &[u8]| {
        let mut image = image(&[&[E1 + 1], &[E1 + 2]]);
        let file = File::log(name);
        let bytes = [image.get(&file).expect("image() has it"), more].concat();
        image.put(file, bytes);
        judged([starting(image, false)])
    };
    assert_eq!(with("log.100000002", b"torn"), [""; 0]);
    assert_eq!(with("log.100000001", b"torn"), ["LogDecodable/torn_older"]);
    assert_eq!(with("log.100000002", &framed(E1 + 3, None)), ["LogDecodable/digest"]);
    let record = [7; 40];
    let sum = super::super::files::adler32(&record).to_be_bytes();
    let bad = [&sum[..], &[0, 0, 0, 40], &record, &[0x42]].concat();
    assert_eq!(with("log.100000002", &bad), ["LogDecodable/undecodable"]);
}

#[test]
fn every_image_that_a_peer_may_have_is_fine() {
    assert_eq!(judged([starting(disk::fresh_image(), false)]), [""; 0]);
    assert_eq!(judged([starting(image(&[&[E1 + 1], &[E1 + 2]]), false)]), [""; 0]);
    let oracle = {
        let mut oracle = Durability::new(Config::initial(3));
        oracle.observe(At::default(), &starting(image(&[]), false), &mut Vec::new());
        oracle
    };
    assert!(oracle.evaluated().iter().all(|(_, times)| *times == 1));
    assert_eq!(oracle.properties().len(), oracle.evaluated().len());
}
