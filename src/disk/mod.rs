//! A peer's files as bytes, in ZooKeeper's own formats (spec section 7): reading them back after
//! a crash, and asking for the writes that make them.
//!
//! | in reading order | what is there |
//! |---|---|
//! | `records` | the bytes of a log file, and telling a torn end from damage |
//! | `snapshot` | the bytes of a snapshot, and writing one in chunks |
//! | `epoch` | the small files: epochs, markers, the record of a replaced history |
//! | `log` | which files there are, and the orders in which they come and go |
//! | `rules` | the decisions that are easy to get wrong |
//! | `recover` | an image read back: what it amounts to, or why it is damaged |
//! | `sum` | adler32 and crc32 |
//!
//! What a crash leaves is given by the design: unsynced appends survive as a prefix of sectors and
//! at most one sector of garbage; changes of a directory survive each on its own until a sync
//! covers them. The invariant kept: whatever a completed ticket covered is recovered, whatever was
//! cut or replaced before a completed ticket never is, and no crash looks like damage.
//!
//! Knows neither transactions nor the protocol: a record is bytes with a zxid.

mod epoch;
mod log;
mod records;
mod recover;
pub mod rules;
mod snapshot;
mod sum;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod format_tests;

pub use log::{Cut, Log};
pub use recover::recover;
pub use snapshot::SnapshotWriter;

use crate::base::{Epoch, Zxid};
use crate::process::{File, Image};

/// One log record: its zxid and its bytes (`TxnHeader` + txn + digest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order.
    pub zxid: Zxid,
    /// Its bytes, shared: logs, sync queues and memory windows hold the same ones.
    pub record: std::sync::Arc<[u8]>,
}

/// What a peer's files amount to.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// `acceptedEpoch`.
    pub accepted: Epoch,
    /// `currentEpoch`.
    pub current: Epoch,
    /// True if this is a fresh peer that carries the `initialize` marker, or was synchronised: it
    /// may vote. A wiped peer may not until it has (spec 9, ZOOKEEPER-261): it starts to when it
    /// writes `currentEpoch`.
    pub may_vote: bool,
    /// The newest valid snapshot: its zxid and its body (without header and seals). `None`: the
    /// fresh tree at zxid 0.
    pub snapshot: Option<(Zxid, Vec<u8>)>,
    /// Every log entry after the snapshot, ascending.
    pub entries: Vec<Entry>,
    /// Whether a torn tail was found (and is cut by the log's `repair`).
    pub torn: bool,
    /// Whether an interrupted epoch write is finished (ZOOKEEPER-1653, 4269): `current` is the
    /// epoch adopted, and the log's `repair` writes it.
    pub repaired: bool,
    /// The log as found, ready to be appended to.
    pub log: Log,
}

/// Reads the entries of one log file's bytes; stops at padding or a torn tail.
///
/// # Errors
/// If a checksum does not match although its trailer does (corruption), or a bad record is followed
/// by a valid one, naming the byte.
pub fn read_log(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let scan = records::scan(bytes);
    if let records::End::Damaged { at, what } = scan.end {
        return Err(format!("byte {at}: {what}"));
    }
    let entry = |place: &records::Place| Entry {
        zxid: place.zxid,
        record: bytes[place.start..place.end].into(),
    };
    Ok(scan.places.iter().map(entry).collect())
}

/// Builds the image out of the answers to [`Log::read_all`].
pub fn image_of(files: Vec<(File, Vec<u8>)>) -> Image {
    let mut image = Image::default();
    for (file, bytes) in files {
        image.put(file, bytes);
    }
    image
}

/// The files of a fresh peer of a fresh ensemble: only markers. `initialize` says that it may vote
/// (ZOOKEEPER-261), `origin` stands for the snapshot at zxid 0.
pub fn fresh_image() -> Image {
    let mut image = Image::default();
    image.put(File::snap(epoch::INITIALIZE), Vec::new());
    image.put(File::snap(epoch::ORIGIN), Vec::new());
    image
}

/// The files of a peer of an ensemble that has lived until `last`: epoch files and a snapshot of
/// the fresh tree at `last` (knob for rollover: start near the end of an epoch).
pub fn aged_image(last: Zxid, fresh_tree_body: &[u8], fresh_tree_digest: u64) -> Image {
    let mut image = Image::default();
    epoch::put(&mut image, epoch::ACCEPTED, last.epoch());
    epoch::put(&mut image, epoch::CURRENT, last.epoch());
    let bytes = snapshot::whole(last, fresh_tree_digest, last, fresh_tree_body);
    image.put(File::snap(snapshot::name(last)), bytes);
    image
}
