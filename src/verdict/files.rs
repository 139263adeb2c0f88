//! A second reader of a peer's files (spec section 7): naive, and independent of `disk`, whose work
//! it is there to judge.
//!
//! It reads what a crash has left, before any repair. It never refuses: what it cannot read it
//! reports as a complaint, and goes on with the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Epoch, Zxid};
use crate::jute::proto::opcode;
use crate::jute::txn::TxnRecord;
use crate::jute::{Reader, Record};
use crate::process::{Device, File, Image};

/// Something that no file should show: a stable word, and a sentence.
pub(super) type Complaint = (&'static str, String);

/// The records of one log file.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) zxids: Vec<Zxid>,
    /// The same records, whole.
    pub(super) txns: Vec<TxnRecord>,
    /// Records that do not decode.
    pub(super) complaints: Vec<Complaint>,
    /// What follows the last record, if it is not padding: allowed in the newest file only.
    pub(super) rubbish: Option<usize>,
}

/// What one image holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// `acceptedEpoch`; `None` without a file.
    pub(super) accepted: Option<Epoch>,
    /// `currentEpoch`; `None` without a file.
    pub(super) current: Option<Epoch>,
    /// The zxid of the newest whole snapshot; 0 without one.
    pub(super) snapshot: Zxid,
    /// The bytes of that snapshot.
    pub(super) body: Option<Arc<Vec<u8>>>,
    /// The log files, oldest first.
    pub(super) logs: Vec<(File, Arc<Records>)>,
    /// Epoch files that cannot be read.
    pub(super) complaints: Vec<Complaint>,
}

impl Contents {
    /// The last zxid of snapshot and log.
    pub(super) fn last(&self) -> Zxid {
        let last = |(_, records): &(File, Arc<Records>)| records.zxids.last().copied();
        let logged = self.logs.iter().filter_map(last).max();
        self.snapshot.max(logged.unwrap_or(Zxid::ZERO))
    }

    /// Whether the transaction is there: in a snapshot at or above it, or in the log.
    pub(super) fn holds(&self, zxid: Zxid) -> bool {
        let within = |records: &Records| records.zxids.binary_search(&zxid).is_ok();
        zxid <= self.snapshot || self.logs.iter().any(|(_, records)| within(records))
    }
}

/// What was read of a peer's files before, by file: most of them never change.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    logs: BTreeMap<File, (Arc<Vec<u8>>, Arc<Records>)>,
}

impl Memory {
    /// Reads an image.
    pub(super) fn read(&mut self, image: &Image) -> Contents {
        let mut contents = Contents::default();
        let complaints = &mut contents.complaints;
        contents.accepted = epoch(image, "acceptedEpoch", complaints);
        contents.current = epoch(image, "currentEpoch", complaints);
        let replaced = replaced(image);
        let only = replaced.as_ref().and_then(|replaced| replaced.snapshot.clone());
        let newest = only.or_else(|| newest_snapshot(image));
        if let Some((zxid, bytes)) = newest {
            (contents.snapshot, contents.body) = (zxid, Some(bytes));
        }
        let mut named: Vec<(u64, &File, &Arc<Vec<u8>>)> = Vec::new();
        if !replaced.is_some_and(|replaced| replaced.clearing) {
            for (file, bytes) in &image.files {
                let number = file.name.strip_prefix("log.").filter(|_| file.device == Device::Log);
                if let Some(first) = number.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
                    named.push((first, file, bytes));
                }
            }
        }
        named.sort_by_key(|(first, _, _)| *first);
        let mut memory = BTreeMap::new();
        for (_, file, bytes) in named {
            let known = self.logs.remove(file).filter(|(old, _)| Arc::ptr_eq(old, bytes));
            let records = known.map_or_else(|| Arc::new(read_log(file, bytes)), |(_, known)| known);
            memory.insert(file.clone(), (Arc::clone(bytes), Arc::clone(&records)));
            contents.logs.push((file.clone(), records));
        }
        self.logs = memory;
        contents
    }
}

/// An epoch file: its first line, as ZooKeeper reads it. The second line vouches for it and is
/// left to the peer itself.
fn epoch(image: &Image, name: &str, complaints: &mut Vec<Complaint>) -> Option<Epoch> {
    let bytes = image.get(&File::snap(name))?;
    let line = bytes.split(|byte| *byte == b'\n').next();
    let value = line.and_then(|line| std::str::from_utf8(line).ok()?.parse().ok());
    if value.is_none() {
        complaints.push(("unreadable", format!("`{name}` does not hold a number")));
    }
    value.map(Epoch)
}

/// A snapshot by its name, and its bytes.
type Snapshot = (Zxid, Arc<Vec<u8>>);

/// What the record of a replaced history says.
struct Replaced {
    /// All log files are void.
    clearing: bool,
    /// The only snapshot that counts, if it is whole.
    snapshot: Option<Snapshot>,
}

fn replaced(image: &Image) -> Option<Replaced> {
    let text = std::str::from_utf8(image.get(&File::log("replaced"))?).ok()?;
    let mut words = text.lines().next()?.split(' ');
    let clearing = words.next()? == "clearing";
    let hex = words.next()?;
    let zxid = Zxid(u64::from_str_radix(hex, 16).ok()?);
    let generation = words.next()?;
    let file = File::snap(format!("snapshot.{hex}.new{generation}"));
    let candidate = image.files.get(&file).filter(|bytes| is_whole(bytes));
    Some(Replaced { clearing, snapshot: candidate.map(|bytes| (zxid, bytes.clone())) })
}

fn newest_snapshot(image: &Image) -> Option<Snapshot> {
    let number = |file: &File| u64::from_str_radix(file.name.strip_prefix("snapshot.")?, 16).ok();
    let files = image.files.iter().filter(|(file, _)| file.device == Device::Snap);
    let named = files.filter_map(|(file, bytes)| number(file).map(|zxid| (Zxid(zxid), bytes)));
    let whole = named.filter(|(_, bytes)| is_whole(bytes)).max_by_key(|(zxid, _)| *zxid)?;
    Some((whole.0, whole.1.clone()))
}

/// Whether a snapshot ends with a seal that covers all before it (spec 7.3).
fn is_whole(bytes: &[u8]) -> bool {
    let Some(start) = bytes.len().checked_sub(13) else { return false };
    bytes.starts_with(b"ZKSN")
        && bytes[start..start + 8] == adler32(&bytes[..start]).to_be_bytes()
        && bytes[start + 8..] == [0, 0, 0, 1, b'/']
}

pub(super) fn adler32(bytes: &[u8]) -> u64 {
    let (mut low, mut high) = (1u32, 0u32);
    for chunk in bytes.chunks(1000) {
        for byte in chunk {
            low += u32::from(*byte);
            high += low;
        }
        (low, high) = (low % 65_521, high % 65_521);
    }
    u64::from(high) << 16 | u64::from(low)
}

fn read_log(file: &File, bytes: &[u8]) -> Records {
    let mut records = Records::default();
    let mut at = 16;
    if !bytes.starts_with(b"ZKLG") {
        records.rubbish = Some(0);
        return records;
    }
    while let Some(record) = next_record(bytes, at) {
        match TxnRecord::from_bytes(record) {
            Ok(txn) => {
                if txn.digest.is_none() && txn.header.kind != opcode::ERROR {
                    let what = format!("`{file}` byte {at}: a transaction without its digest");
                    records.complaints.push(("digest", what));
                }
                records.zxids.push(Zxid::from_wire(txn.header.zxid));
                records.txns.push(txn);
            }
            Err(error) => {
                let what = format!("`{file}` byte {at}: undecodable record ({error})");
                records.complaints.push(("undecodable", what));
            }
        }
        at += 8 + 4 + record.len() + 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    records.rubbish = rest.iter().any(|byte| *byte != 0).then_some(at);
    records
}

/// The record whose frame starts at `at`, if its trailer and its checksum are right (spec 7.1).
fn next_record(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let mut input = Reader::new(bytes.get(at..)?);
    let sum = i64::decode(&mut input).ok()?;
    let length = usize::try_from(i32::decode(&mut input).ok()?).ok().filter(|n| *n > 0)?;
    let record = input.take(length).ok()?;
    let trailer = input.take(1).ok()?;
    (trailer == [0x42] && sum == adler32(record) as i64).then_some(record)
}
