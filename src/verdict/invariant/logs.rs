//! Two views of transactions: what one peer's log holds, and what the ensemble has committed.

use crate::base::{Digest, Zxid};

/// One entry: its zxid and the digest of its record.
pub type Entry = (Zxid, Digest);

/// A run of entries in ascending order.
#[derive(Clone, Debug, Default)]
pub struct Entries(Vec<Entry>);

impl Entries {
    /// Adds an entry at the end; an entry at or above it that was there is overwritten, as a log
    /// is after a cut.
    pub fn push(&mut self, entry: Entry) {
        while self.0.last().is_some_and(|(zxid, _)| *zxid >= entry.0) {
            self.0.pop();
        }
        self.0.push(entry);
    }

    /// Drops everything after `last`.
    pub fn cut(&mut self, last: Zxid) {
        while self.0.last().is_some_and(|(zxid, _)| *zxid > last) {
            self.0.pop();
        }
    }

    /// The last entry.
    pub fn last(&self) -> Option<Entry> {
        self.0.last().copied()
    }

    /// Where a zxid stands, or would stand.
    pub fn find(&self, zxid: Zxid) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if *last == zxid => Ok(self.0.len() - 1),
            Some((last, _)) if *last < zxid => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&zxid, |(zxid, _)| *zxid),
        }
    }

    /// The digest at a zxid.
    pub fn get(&self, zxid: Zxid) -> Option<Digest> {
        self.find(zxid).ok().map(|at| self.0[at].1)
    }

    /// The entries after `zxid`, ascending.
    pub fn after(&self, zxid: Zxid) -> &[Entry] {
        match self.find(zxid) {
            Ok(at) => &self.0[at + 1..],
            Err(at) => &self.0[at..],
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The entry at an index.
    pub fn at(&self, index: usize) -> Option<Entry> {
        self.0.get(index).copied()
    }
}

/// What one peer holds, as its notes tell.
#[derive(Clone, Debug, Default)]
pub struct PeerLog {
    /// Everything up to here is in a snapshot.
    pub base: Zxid,
    /// The log after it.
    pub entries: Entries,
}

impl PeerLog {
    /// The last zxid held.
    pub fn last(&self) -> Zxid {
        self.entries.last().map_or(self.base, |(zxid, _)| zxid.max(self.base))
    }

    /// Whether this peer holds the entry, in its log or below its snapshot.
    pub fn holds(&self, (zxid, digest): Entry) -> bool {
        match self.entries.get(zxid) {
            Some(held) => held == digest,
            None => zxid <= self.base,
        }
    }

    /// How many entries there are from `first` to `last`, which should be `kept`; of what lies
    /// below the snapshot, which is not known one by one, as many as are missing. `None` if `last`
    /// is none.
    pub fn within(&self, first: Zxid, kept: u32, last: Zxid) -> Option<u32> {
        let end = self.entries.find(last).ok()? + 1;
        let known = if first > self.base {
            self.entries.find(first).map_or(0, |at| end.saturating_sub(at))
        } else {
            let above = self.entries.len() - self.entries.after(self.base).len();
            end.saturating_sub(above).max(kept as usize)
        };
        Some(known as u32)
    }
}
