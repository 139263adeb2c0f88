//! A peer's files as bytes, in ZooKeeper's own formats (spec section 7): reading them back after
//! a crash, and asking for the writes that make them.

use crate::base::{Epoch, Ticket, Zxid};
use crate::process::{Effects, Image, Refused};

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
    /// True if this is a fresh peer that carries the `initialize` marker, or holds data: it may
    /// vote. A wiped peer may not until it has synchronised (spec 9, ZOOKEEPER-261).
    pub may_vote: bool,
    /// The newest valid snapshot: its zxid and its body (without header and seals).
    pub snapshot: Option<(Zxid, Vec<u8>)>,
    /// Every log entry after the snapshot, ascending.
    pub entries: Vec<Entry>,
    /// Whether a torn tail was found (and is cut by the log's `repair`).
    pub torn: bool,
    /// Whether an interrupted epoch write was finished (ZOOKEEPER-1653, 4269).
    pub repaired: bool,
    /// The log as found, ready to be appended to.
    pub log: Log,
}

/// Reads a whole image.
///
/// # Errors
/// Where the files are damaged: naming the file and the byte. A torn tail of the newest log file
/// with nothing valid after it is not damage (design: crash model); a checksum error with its
/// trailer intact, a gap between snapshot and log, or an unreadable epoch file is.
pub fn recover(_image: &Image) -> Result<Recovered, Refused> {
    todo!()
}

/// The transaction log: which files there are, where the next record goes.
#[derive(Clone, Debug)]
pub struct Log {}

impl Log {
    /// Asks for what `recover` found necessary: cutting a torn tail, removing an empty last file
    /// and leftovers (`*.tmp`). `None` if nothing was.
    pub fn repair(&mut self, _fx: &mut Effects) -> Option<Ticket> {
        todo!()
    }

    /// Appends a record. Never to a file that existed at boot (spec 9, case 88); a new file's
    /// header and directory entry are synced before its first record. Rolls by `roll_after`
    /// records (knob) or when told to.
    pub fn append(&mut self, _entry: &Entry, _fx: &mut Effects) {
        todo!()
    }

    /// Starts a new file at the next append (spec 5.3: when a snapshot starts).
    pub fn roll(&mut self) {
        todo!()
    }

    /// Makes everything appended so far durable.
    pub fn sync(&mut self, _fx: &mut Effects) -> Ticket {
        todo!()
    }

    /// The last zxid appended; that of the snapshot if the log is empty.
    pub fn last(&self) -> Zxid {
        todo!()
    }

    /// Cuts everything after `last`: the file that holds it is cut right after it (or before the
    /// first entry above it), later files are removed; snapshots named above `last`, or that may
    /// contain effects above it (spec 7.6 D), are removed too. The ticket is that of the last sync.
    pub fn truncate(&mut self, _last: Zxid, _fx: &mut Effects) -> Ticket {
        todo!()
    }

    /// Removes every log file: a snapshot at `zxid`, already durable, replaces them (spec 7.6 D).
    pub fn replaced_by_snapshot(&mut self, _zxid: Zxid, _fx: &mut Effects) -> Ticket {
        todo!()
    }

    /// A snapshot at `zxid` whose content may reach up to `reach` is durable: remembers it, and
    /// purges all but the `keep` newest snapshots and the log files that start at or before the
    /// oldest one kept (spec 7.6).
    pub fn snapshot_taken(&mut self, _zxid: Zxid, _reach: Zxid, _keep: usize, _fx: &mut Effects) {
        todo!()
    }

    /// Asks for every file on both devices, to recover from them while running (after a TRUNC).
    /// Answered by one `Disk` event per ticket; hand all answers to [`image_of`].
    pub fn read_all(&self, _fx: &mut Effects) -> Vec<(Ticket, crate::process::File)> {
        todo!()
    }

    /// The files needed to send the entries after `from` (spec 6.7 case 5), oldest first, and
    /// their total size in bytes; `None` if the log does not reach back that far.
    pub fn files_after(&self, _from: Zxid) -> Option<(Vec<crate::process::File>, u64)> {
        todo!()
    }

    /// The size in bytes of the newest snapshot file; 0 if there is none.
    pub fn snapshot_size(&self) -> u64 {
        todo!()
    }
}

/// Reads the entries of one log file's bytes; stops at padding or a torn tail.
///
/// # Errors
/// If a checksum does not match although its trailer does (corruption), naming the byte.
pub fn read_log(_bytes: &[u8]) -> Result<Vec<Entry>, String> {
    todo!()
}

/// Builds the image out of the answers to [`Log::read_all`].
pub fn image_of(_files: Vec<(crate::process::File, Vec<u8>)>) -> Image {
    todo!()
}

/// Writes one snapshot in chunks: `tmp`, then sync, rename, sync of the directory.
#[derive(Clone, Debug)]
pub struct SnapshotWriter {}

impl SnapshotWriter {
    /// A snapshot whose content starts at `zxid`; `digest` is the tree digest at that moment.
    pub fn begin(_zxid: Zxid, _digest: u64, _fx: &mut Effects) -> SnapshotWriter {
        todo!()
    }

    /// Its zxid.
    pub fn zxid(&self) -> Zxid {
        todo!()
    }

    /// Appends body bytes.
    pub fn chunk(&mut self, _bytes: &[u8], _fx: &mut Effects) {
        todo!()
    }

    /// Appends the seals, syncs, renames into place. Durable when the ticket is done.
    pub fn finish(self, _fx: &mut Effects) -> Ticket {
        todo!()
    }

    /// Gives up: removes the temporary file.
    pub fn abandon(self, _fx: &mut Effects) {
        todo!()
    }
}

/// Makes `acceptedEpoch` durable.
pub fn write_accepted(_epoch: Epoch, _fx: &mut Effects) -> Ticket {
    todo!()
}

/// Makes `currentEpoch` durable.
pub fn write_current(_epoch: Epoch, _fx: &mut Effects) -> Ticket {
    todo!()
}

/// The files of a fresh peer: the `initialize` marker only.
pub fn fresh_image() -> Image {
    todo!()
}

/// The files of a peer of an ensemble that has lived until `last`: epoch files and a snapshot of
/// the fresh tree at `last` (knob for rollover: start near the end of an epoch).
pub fn aged_image(_last: Zxid, _fresh_tree_body: &[u8], _fresh_tree_digest: u64) -> Image {
    todo!()
}
