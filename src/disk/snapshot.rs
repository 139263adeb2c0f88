//! The bytes of a snapshot file (spec 7.3), writing one in chunks, and telling a whole one.
//!
//! ```text
//!   ZKSN 2 dbid=-1 | body | seal | zxid 2 digest | seal | reach | seal      seal = adler32 "/"
//! ```
//!
//! The body is the service's. The last number is ZooKeeper's `lastProcessedZxid`: the last zxid
//! applied when the body was complete. A fuzzy snapshot (spec 7.4) may contain effects up to it,
//! so we call it its *reach*, and read it back: recovery must find the log at least that long, and
//! a TRUNC below it must not leave the snapshot behind (spec 7.6).
//!
//! A snapshot gets its name only when its bytes are durable, so a bad one under its name is damage.

use crate::base::{Ticket, Zxid};
use crate::process::{Device, Effects, File, Tag};

use super::epoch::Replaced;
use super::log::Log;
use super::records::hex_after;
use super::sum::Adler;

/// `ZKSN`.
const MAGIC: u32 = 0x5A4B_534E;
/// The version that every ZooKeeper writes.
const VERSION: u32 = 2;
/// Magic, version and database id.
const HEADER: usize = 16;
/// A checksum and the string `/`.
const SEAL: usize = 13;
/// Zxid, digest version and digest.
const DIGEST: usize = 20;
/// All that follows the body.
const TAIL: usize = SEAL + DIGEST + SEAL + 8 + SEAL;

/// The name of the snapshot at `zxid`.
pub(super) fn name(zxid: Zxid) -> String {
    format!("snapshot.{:x}", zxid.0)
}

/// The zxid of a snapshot of this name; `None` if it is not the name of a snapshot.
pub(super) fn parse_name(text: &str) -> Option<Zxid> {
    hex_after(text, "snapshot.")
}

fn header() -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(&MAGIC.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&(-1i64).to_be_bytes());
    out
}

/// Appends a seal to `out`; `sum` is that of everything before, and then of the seal, too.
fn seal(sum: &mut Adler, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&sum.value().to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 1, b'/']);
    sum.add(&out[start..]);
}

/// What follows the body; `sum` is that of everything before.
fn tail(mut sum: Adler, zxid: Zxid, digest: u64, reach: Zxid) -> Vec<u8> {
    let mut out = Vec::with_capacity(TAIL);
    let mut block = |out: &mut Vec<u8>, bytes: &[u8]| {
        sum.add(bytes);
        out.extend_from_slice(bytes);
        seal(&mut sum, out);
    };
    block(&mut out, &[]);
    let mut words = Vec::with_capacity(DIGEST);
    words.extend_from_slice(&zxid.wire().to_be_bytes());
    words.extend_from_slice(&VERSION.to_be_bytes());
    words.extend_from_slice(&digest.to_be_bytes());
    block(&mut out, &words);
    block(&mut out, &reach.wire().to_be_bytes());
    out
}

/// A whole snapshot file.
pub(super) fn whole(zxid: Zxid, digest: u64, reach: Zxid, body: &[u8]) -> Vec<u8> {
    let mut out = header();
    out.extend_from_slice(body);
    let mut sum = Adler::new();
    sum.add(&out);
    out.extend_from_slice(&tail(sum, zxid, digest, reach));
    out
}

/// What a snapshot file's last block says, unchecked; the file is known to be long enough.
pub(super) fn reach(bytes: &[u8]) -> Option<Zxid> {
    let start = bytes.len().checked_sub(8 + SEAL)?;
    let block: [u8; 8] = bytes.get(start..start + 8)?.try_into().ok()?;
    Some(Zxid::from_wire(i64::from_be_bytes(block)))
}

/// The body of a snapshot file, if all its seals hold and it is the one of this zxid.
pub(super) fn body(bytes: &[u8], zxid: Zxid) -> Option<&[u8]> {
    let end = bytes.len().checked_sub(TAIL).filter(|end| *end >= HEADER)?;
    if bytes[..HEADER] != header() {
        return None;
    }
    let words = &bytes[end + SEAL..];
    let own = i64::from_be_bytes(words[..8].try_into().ok()?);
    let digest = u64::from_be_bytes(words[12..20].try_into().ok()?);
    let mut sum = Adler::new();
    sum.add(&bytes[..end]);
    let holds = own == zxid.wire() && bytes[end..] == tail(sum, zxid, digest, reach(bytes)?);
    holds.then(|| &bytes[HEADER..end])
}

/// Writes one snapshot in chunks under a temporary name; it gets its own when it is durable.
///
/// Two ways to end: [`SnapshotWriter::finish`] for the snapshots that a serving peer takes now and
/// then, [`SnapshotWriter::finish_replacing`] for the one that a SNAP brings.
#[derive(Clone, Debug)]
pub struct SnapshotWriter {
    zxid: Zxid,
    /// Its name until it is durable: each chunk names it.
    tmp: File,
    digest: u64,
    sum: Adler,
    len: u64,
}

impl SnapshotWriter {
    /// A snapshot whose content starts at `zxid`; `digest` is the tree digest at that moment.
    pub fn begin(zxid: Zxid, digest: u64, fx: &mut Effects) -> SnapshotWriter {
        let tmp = File::snap(name(zxid)).tmp();
        fx.create(tmp.clone());
        let mut writer = SnapshotWriter { zxid, tmp, digest, sum: Adler::new(), len: 0 };
        writer.chunk(header(), fx);
        writer
    }

    /// Its zxid.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Appends body bytes.
    pub fn chunk(&mut self, bytes: impl Into<Vec<u8>>, fx: &mut Effects) {
        let bytes = bytes.into();
        self.sum.add(&bytes);
        self.append(bytes, fx);
    }

    /// Appends the seals, syncs, renames into place. Durable when the ticket is done; call
    /// [`Log::snapshot_taken`] then.
    ///
    /// `reach` is the last zxid applied while the body was written. Call this only when the log is
    /// durable up to `reach`: after a crash, a snapshot that knows more than the log means that
    /// the log has lost something, and the peer refuses to start.
    pub fn finish(mut self, reach: Zxid, log: &mut Log, fx: &mut Effects) -> Ticket {
        // A reach below the start is a caller's slip: the content reaches at least to its start.
        let reach = reach.max(self.zxid);
        self.close(reach, fx);
        log.expect_snapshot(self.zxid, reach, self.len);
        fx.rename(self.tmp, File::snap(name(self.zxid)));
        fx.fsync_dir(Device::Snap)
    }

    /// Appends the seals and syncs: a snapshot that is to replace all that the peer has (SNAP).
    /// The body must be the state at exactly `zxid`, with no effect of a later transaction. While
    /// nothing else is done, a crash forgets it: when the ticket is done, call
    /// [`Log::replaced_by_snapshot`].
    pub fn finish_replacing(mut self, log: &mut Log, fx: &mut Effects) -> Ticket {
        self.close(self.zxid, fx);
        let candidate: Replaced = log.expect_replacement(self.zxid, self.len, fx);
        fx.rename(self.tmp, candidate.candidate());
        fx.fsync_dir(Device::Snap)
    }

    /// Gives up: removes the temporary file.
    pub fn abandon(self, fx: &mut Effects) {
        fx.remove(self.tmp);
    }

    fn append(&mut self, bytes: Vec<u8>, fx: &mut Effects) {
        let offset = self.len;
        self.len += bytes.len() as u64;
        fx.write_at(self.tmp.clone(), offset, Tag::zxid("snapshot", self.zxid), bytes);
    }

    fn close(&mut self, reach: Zxid, fx: &mut Effects) {
        self.append(tail(self.sum, self.zxid, self.digest, reach), fx);
        fx.fsync(self.tmp.clone());
    }
}

/// The checksum of the first seal, for tests of the format.
#[cfg(test)]
pub(super) fn first_seal(body: &[u8]) -> i64 {
    let mut bytes = header();
    bytes.extend_from_slice(body);
    super::sum::adler32(&bytes)
}
