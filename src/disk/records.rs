//! The bytes of one transaction log file (spec 7.1), and telling its end from damage.
//!
//! ```text
//!   ZKLG 2 dbid=0 | adler32(record) len record 0x42 | adler32(record) len record 0x42 | 0 0 0 ..
//! ```
//!
//! Not here: which files there are, and when they are written (`log`).
//!
//! The rule of a bad record, after CTRL (Alagappan et al., FAST'18): a crash can only spoil what
//! no sync has covered, and that is the end of the newest file. So a bad record with a valid one
//! after it is damage; one with its trailer in place but a wrong checksum is damage (spec 9, case
//! 87); one with nothing valid after it may be what a crash has torn, if the file is the newest.
//!
//! What this cannot tell: rot of only the length or the trailer of the very last record from a torn
//! one. Nothing that was synced later vouches for that record, and a mark of its own would have to
//! be synced before every acknowledgement. The record is cut, and the peer has forgotten what it
//! may have acked; so rot is for a minority of frail peers only (`plan/check`).

use crate::base::Zxid;
use crate::jute::txn;

use super::sum::adler32;

/// `ZKLG`.
const MAGIC: u32 = 0x5A4B_4C47;
/// The version that every ZooKeeper writes.
const VERSION: u32 = 2;
/// Magic, version and database id.
pub(super) const HEADER: usize = 16;
/// Checksum and length before a record.
const PREFIX: usize = 12;
/// Ends each record.
const TRAILER: u8 = 0x42;
/// What fits a record: its `TxnHeader`.
const SHORTEST: usize = 32;
/// No transaction is longer: `jute.maxbuffer` bounds a request, a transaction adds little to it.
const LONGEST: usize = 2 * crate::jute::MAX_BUFFER;

/// The header of a new log file.
pub(super) fn header() -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(&MAGIC.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&0i64.to_be_bytes());
    out
}

/// One record as the file has it.
pub(super) fn framed(record: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX + record.len() + 1);
    out.extend_from_slice(&adler32(record).to_be_bytes());
    out.extend_from_slice(&(record.len() as i32).to_be_bytes());
    out.extend_from_slice(record);
    out.push(TRAILER);
    out
}

/// The name of the file whose first record is `first`.
pub(super) fn name(first: Zxid) -> String {
    format!("log.{:x}", first.0)
}

/// The first zxid of a file of this name; `None` if it is not the name of a log file.
pub(super) fn parse_name(text: &str) -> Option<Zxid> {
    hex_after(text, "log.")
}

/// The number after `prefix`, in the only spelling that we write.
pub(super) fn hex_after(text: &str, prefix: &str) -> Option<Zxid> {
    let digits = text.strip_prefix(prefix)?;
    let value = u64::from_str_radix(digits, 16).ok()?;
    (format!("{value:x}") == digits).then_some(Zxid(value))
}

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its zxid.
    pub(super) zxid: Zxid,
    /// The first byte of the record itself.
    pub(super) start: usize,
    /// The byte after the record itself; its trailer is there.
    pub(super) end: usize,
}

/// How a log file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the last record, or with zeros after it.
    Clean,
    /// With something that is no record, and nothing valid after it.
    Torn,
    /// With something that no crash explains.
    Damaged {
        /// At which byte.
        at: usize,
        /// What it is.
        what: &'static str,
    },
}

/// What one log file holds.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// Its records up to the first bad one.
    pub(super) places: Vec<Place>,
    /// What is after them.
    pub(super) end: End,
    /// Whether the header is whole. If not, there are no places.
    pub(super) header: bool,
}

impl Scan {
    /// The byte after the last good record.
    pub(super) fn good(&self) -> usize {
        match self.places.last() {
            Some(last) => last.end + 1,
            None if self.header => HEADER,
            None => 0,
        }
    }
}

/// Reads a file from its start to its last good record. Never panics, whatever the bytes.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    if bytes.get(..HEADER) != Some(header().as_slice()) {
        let end = match valid_after(bytes, 0) {
            true => End::Damaged { at: 0, what: "bad header before valid records" },
            false => End::Torn,
        };
        return Scan { places: Vec::new(), end, header: false };
    }
    let mut places: Vec<Place> = Vec::new();
    let mut at = HEADER;
    let end = loop {
        match record_at(bytes, at) {
            Some(place) => {
                if places.last().is_some_and(|last| last.zxid >= place.zxid) {
                    break End::Damaged { at, what: "zxid not above the one before" };
                }
                at = place.end + 1;
                places.push(place);
            }
            None => break end_at(bytes, at),
        }
    };
    Scan { places, end, header: true }
}

/// The whole record whose frame starts at `at`, if there is one.
fn record_at(bytes: &[u8], at: usize) -> Option<Place> {
    let (start, end) = frame_at(bytes, at)?;
    let record = &bytes[start..end];
    let sum = i64::from_be_bytes(bytes[at..at + 8].try_into().ok()?);
    if sum != adler32(record) {
        return None;
    }
    let zxid = Zxid::from_wire(txn::zxid_of(record).ok()?);
    Some(Place { zxid, start, end })
}

/// The bounds of a record whose length makes sense and whose trailer is in place.
fn frame_at(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let length: [u8; 4] = bytes.get(at + 8..at + PREFIX)?.try_into().ok()?;
    let length = usize::try_from(i32::from_be_bytes(length)).ok()?;
    if !(SHORTEST..=LONGEST).contains(&length) {
        return None;
    }
    let (start, end) = (at + PREFIX, at + PREFIX + length);
    (bytes.get(end) == Some(&TRAILER)).then_some((start, end))
}

/// What it means that there is no good record at `at`.
fn end_at(bytes: &[u8], at: usize) -> End {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.iter().all(|byte| *byte == 0) {
        End::Clean
    } else if frame_at(bytes, at).is_some() {
        End::Damaged { at, what: "checksum error with its trailer in place" }
    } else if valid_after(bytes, at + 1) {
        End::Damaged { at, what: "bad record before a valid one" }
    } else {
        End::Torn
    }
}

/// Whether a valid record starts at any byte from `from` on. Only ever asked of a bad tail.
fn valid_after(bytes: &[u8], from: usize) -> bool {
    (from..bytes.len()).any(|at| record_at(bytes, at).is_some())
}
