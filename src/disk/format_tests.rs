//! The formats byte for byte, and what is called damage.

use super::rules::Rules;
use super::*;
use crate::base::{Dice, Draw};
use crate::jute::Record;
use crate::jute::txn::{CreateSessionTxn, Txn, TxnHeader, TxnRecord};
use crate::process::{Effect, Effects, Refused};

fn entry(zxid: u64) -> Entry {
    let header = TxnHeader { client: 0x0100, cxid: 7, zxid: zxid as i64, time: 9, kind: -10 };
    let txn = Txn::CreateSession(CreateSessionTxn { timeout: 4000 });
    let record = TxnRecord { header, txn, digest: Some(0x51C6_D660) }.to_bytes();
    Entry { zxid: Zxid(zxid), record: record.into() }
}

/// In hexadecimal, 16 bytes a line.
fn lines(bytes: &[u8]) -> String {
    let hex = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(16).map(hex).collect::<Vec<_>>().join("\n")
}

/// The bytes of a log file with these records.
fn log_of(zxids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = records::header();
    for zxid in zxids {
        bytes.extend_from_slice(&records::framed(&entry(zxid).record));
    }
    bytes
}

const E1: u64 = 1 << 32;

/// A synchronised peer with a snapshot at 1.0 and records from 1.1 on, in two files.
fn peer() -> Image {
    let mut image = aged_image(Zxid(E1), b"tree", 5);
    image.put(File::log("log.100000001"), log_of(E1 + 1..=E1 + 3));
    let mut newest = log_of(E1 + 4..=E1 + 6);
    newest.resize(4096, 0);
    image.put(File::log("log.100000004"), newest);
    image
}

fn changed(file: &File, change: impl FnOnce(&mut Vec<u8>)) -> Result<Recovered, Refused> {
    let mut image = peer();
    let mut bytes = image.get(file).expect("peer() has it").to_vec();
    change(&mut bytes);
    image.put(file.clone(), bytes);
    recover(&image, Rules::RIGHT)
}

fn refusal(result: Result<Recovered, Refused>) -> String {
    let refused = result.expect_err("this is damage");
    assert!(refused.damaged, "{refused}");
    refused.reason
}

#[test]
fn log_bytes_are_zookeepers() {
    insta::assert_snapshot!(
        lines(&log_of([E1 + 1])),
        @r"
    5a4b4c47000000020000000000000000
    000000005a1b07050000003000000000
    00000100000000070000000100000001
    0000000000000009fffffff600000fa0
    000000020000000051c6d66042
    "
    );
}

#[test]
fn snapshot_bytes_are_zookeepers() {
    let bytes = snapshot::whole(Zxid(E1), 0x51C6_D660, Zxid(E1 + 2), b"body");
    insta::assert_snapshot!(lines(&bytes), @r"
    5a4b534e00000002ffffffffffffffff
    626f6479000000005f9d0aef00000001
    2f000000010000000000000002000000
    0051c6d6600000000007830f64000000
    012f0000000100000002000000005b7e
    1094000000012f
    ");
    assert_eq!(bytes[20..28], snapshot::first_seal(b"body").to_be_bytes());
    assert_eq!(snapshot::body(&bytes, Zxid(E1)), Some(&b"body"[..]));
    assert_eq!(snapshot::reach(&bytes), Some(Zxid(E1 + 2)));
}

#[test]
fn a_snapshot_written_in_chunks_has_the_same_bytes() {
    let mut log = recover(&fresh_image(), Rules::RIGHT).expect("fresh").log;
    let mut fx = Effects::new();
    let mut writer = SnapshotWriter::begin(Zxid(E1), 5, &mut fx);
    writer.chunk(b"bo".as_slice(), &mut fx);
    writer.chunk(b"dy".as_slice(), &mut fx);
    writer.finish(Zxid(E1 + 2), &mut log, &mut fx);
    let mut written = Vec::new();
    for effect in fx.list() {
        if let Effect::WriteAt { offset, bytes, .. } = effect {
            assert_eq!(*offset, written.len() as u64);
            written.extend_from_slice(bytes);
        }
    }
    assert_eq!(written, snapshot::whole(Zxid(E1), 5, Zxid(E1 + 2), b"body"));
}

#[test]
fn epoch_files_begin_with_the_decimal_line_of_zookeeper() {
    let image = aged_image(Zxid(12 << 32), b"", 0);
    let text = image.get(&File::snap("currentEpoch")).expect("aged_image has it");
    assert_eq!(text, b"12\neccd1b29\n");
}

#[test]
fn records_come_back_and_padding_ends_the_log() {
    let found = recover(&peer(), Rules::RIGHT).expect("nothing is wrong");
    let zxids: Vec<u64> = found.entries.iter().map(|entry| entry.zxid.0 - E1).collect();
    assert_eq!(zxids, [1, 2, 3, 4, 5, 6]);
    assert_eq!(found.entries[1], entry(E1 + 2));
    assert_eq!(found.snapshot, Some((Zxid(E1), b"tree".to_vec())));
    assert!(!found.torn && found.may_vote && !found.repaired);
    assert_eq!((found.accepted, found.current), (Epoch(1), Epoch(1)));
}

#[test]
fn a_torn_tail_is_cut_and_what_was_synced_before_it_is_kept() {
    let newest = File::log("log.100000004");
    let whole = log_of(E1 + 4..=E1 + 6).len();
    let last = log_of(E1 + 4..=E1 + 5).len();
    let mut dice = Dice::new(1, "torn");
    for cut in last + 8..whole {
        for garbage in [0, 1, 100] {
            let found = changed(&newest, |bytes| {
                bytes[cut..].fill(0);
                let noise: Vec<u8> = (0..garbage).map(|_| dice.between(1, 255) as u8).collect();
                bytes[cut..cut + garbage].copy_from_slice(&noise);
                if bytes[whole - 1] == 0x42 {
                    bytes[whole - 1] = 0x43;
                }
            });
            let mut found = found.expect("torn is not damaged");
            assert!(found.torn, "cut at {cut}");
            assert_eq!(found.log.last(), Zxid(E1 + 5));
            let mut fx = Effects::new();
            assert!(found.log.repair(&mut fx).is_some());
            let set = Effect::SetLen { file: newest.clone(), len: last as u64 };
            assert_eq!(fx.list().first(), Some(&set));
        }
    }
}

#[test]
fn damage_is_told_from_a_torn_tail() {
    let (older, newest) = (File::log("log.100000001"), File::log("log.100000004"));
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 0x10;
    let frame = log_of([E1]).len() - 16;
    let checks = [
        (refusal(changed(&newest, flip(16 + frame + 20))), "checksum error"),
        (refusal(changed(&newest, flip(16 + 2 * frame + 20))), "checksum error"),
        (refusal(changed(&newest, flip(16 + frame - 1))), "before a valid one"),
        (refusal(changed(&newest, flip(3))), "bad header"),
        (refusal(changed(&newest, |bytes| bytes[16..40].fill(0))), "before a valid one"),
        (refusal(changed(&older, flip(16 + 3 * frame - 1))), "bad record in an older file"),
        (refusal(changed(&older, |bytes| bytes.truncate(16))), "an older file without a record"),
        (refusal(changed(&older, |bytes| bytes.truncate(16 + frame))), "gap between 1.1 and 1.4"),
        (refusal(changed(&File::snap("currentEpoch"), flip(0))), "snap/currentEpoch"),
        (refusal(changed(&File::snap("acceptedEpoch"), Vec::clear)), "snap/acceptedEpoch"),
        (refusal(changed(&File::snap("snapshot.100000000"), flip(17))), "log without a snapshot"),
    ];
    for (reason, expected) in &checks {
        assert!(reason.contains(expected), "{reason}\ndoes not say: {expected}");
    }
}

#[test]
fn a_missing_file_is_never_taken_for_zero() {
    for name in ["acceptedEpoch", "currentEpoch", "snapshot.100000000"] {
        let mut image = peer();
        image.files.remove(&File::snap(name));
        refusal(recover(&image, Rules::RIGHT));
    }
    let mut image = peer();
    let swapped = image.get(&File::snap("acceptedEpoch")).expect("peer() has it").to_vec();
    image.put(File::snap("currentEpoch"), swapped);
    refusal(recover(&image, Rules::RIGHT));
}

#[test]
fn a_snapshot_that_knows_more_than_the_log_shows_a_lost_log() {
    let mut image = peer();
    let body = snapshot::whole(Zxid(E1 + 2), 5, Zxid(E1 + 6), b"tree");
    image.put(File::snap("snapshot.100000002"), body);
    assert_eq!(recover(&image, Rules::RIGHT).expect("the log has it all").entries.len(), 4);
    image.files.remove(&File::log("log.100000004"));
    assert!(refusal(recover(&image, Rules::RIGHT)).contains("knows transactions up to 1.6"));
}

#[test]
fn a_damaged_snapshot_is_made_up_for_by_an_older_one_and_the_log() {
    let mut image = peer();
    image.put(File::snap("snapshot.100000005"), b"not a snapshot".to_vec());
    let found = recover(&image, Rules::RIGHT).expect("snapshot and log lead there");
    assert_eq!((found.log.last(), found.entries.len()), (Zxid(E1 + 6), 6));
    image.put(File::snap("snapshot.100000009"), Vec::new());
    assert!(refusal(recover(&image, Rules::RIGHT)).contains("snapshot.100000009"));
}

#[test]
fn only_the_fresh_and_the_synchronised_may_vote() {
    assert!(recover(&fresh_image(), Rules::RIGHT).expect("fresh").may_vote);
    assert!(recover(&peer(), Rules::RIGHT).expect("synchronised").may_vote);
    let mut wiped = recover(&Image::default(), Rules::RIGHT).expect("wiped");
    assert!(!wiped.may_vote);
    let mut fx = Effects::new();
    wiped.log.repair(&mut fx);
    let made = |name: &str| fx.list().contains(&Effect::Create { file: File::snap(name) });
    assert!(made("unsynced") && made("origin"));
}

#[test]
fn an_interrupted_epoch_write_is_finished() {
    let mut image = peer();
    epoch::put(&mut image, "acceptedEpoch", Epoch(3));
    image.put(File::log("log.200000001"), log_of([2 * E1 + 1]));
    let wrong = Rules { planted: Some("x"), finishes_epoch: || false, ..Rules::RIGHT };
    let refused = recover(&image, wrong).expect_err("it does not know that state");
    assert_eq!((refused.damaged, refused.hit), (true, Some("x")));
    assert!(recover(&peer(), wrong).is_ok(), "nothing was interrupted");
    let mut found = recover(&image, Rules::RIGHT).expect("a sync was durable before its epoch");
    assert!(found.repaired);
    assert_eq!((found.current, found.accepted), (Epoch(2), Epoch(3)));
    let mut fx = Effects::new();
    assert!(found.log.repair(&mut fx).is_some());
    epoch::put(&mut image, "acceptedEpoch", Epoch(1));
    assert!(refusal(recover(&image, Rules::RIGHT)).contains("acceptedEpoch"));
}

#[test]
fn no_bytes_make_the_readers_panic() {
    let mut dice = Dice::new(3, "bytes");
    let image = peer();
    let files: Vec<File> = image.files.keys().cloned().collect();
    for round in 0..4000 {
        let mut image = image.clone();
        let file = dice.pick(&files).clone();
        let mut bytes = image.get(&file).expect("it is listed").to_vec();
        match round % 4 {
            0 => bytes = (0..dice.below(300)).map(|_| dice.word() as u8).collect(),
            1 => bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize),
            _ => {
                for _ in 0..dice.between(1, 4) {
                    let at = dice.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << dice.below(8);
                }
            }
        }
        let _ = read_log(&bytes);
        image.put(file, bytes);
        if let Err(refused) = recover(&image, Rules::RIGHT) {
            assert!(refused.damaged, "{refused}");
        }
    }
}

#[test]
fn the_log_says_which_files_lead_on_from_a_zxid() {
    let log = recover(&peer(), Rules::RIGHT).expect("nothing is wrong").log;
    let names = |from: u64| {
        let (files, _) = log.files_after(Zxid(from))?;
        Some(files.iter().map(|file| file.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(names(E1 - 1), None);
    assert_eq!(names(E1 + 2).map(|names| names.len()), Some(2));
    assert_eq!(names(E1 + 4), Some(vec!["log.100000004".to_string()]));
    assert_eq!(names(E1).map(|names| names.len()), Some(2));
    assert!(log.snapshot_size() > 0);
}
