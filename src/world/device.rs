//! One device of a peer as bytes: what its cache shows, what of it is durable, and what a loss of
//! power leaves.
//!
//! Contents are kept once, with an undo list of everything not yet synced: appending and syncing
//! cost what they write, never what the file holds. A sync forgets the undo list; a loss of power
//! replays a part of it. The directory is kept twice, with a list of the changes between.
//!
//! Not here: time, tickets, errors (see `disk`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Digest, Draw, Key, Zxid};
use crate::plan::DiskNoise;
use crate::process::{Device, DiskError, File, Image};

use super::stats::Stats;

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    cached: BTreeMap<Arc<str>, u32>,
    durable: BTreeMap<Arc<str>, u32>,
    renamed: Vec<DirChange>,
    contents: BTreeMap<u32, Contents>,
    next: u32,
}

/// A change of the directory that no directory sync has covered yet.
#[derive(Clone, Debug)]
enum DirChange {
    Create { name: Arc<str>, inode: u32 },
    Rename { from: Arc<str>, to: Arc<str>, inode: u32 },
    Remove { name: Arc<str>, inode: u32 },
}

/// A file's bytes, whatever its name.
#[derive(Clone, Debug, Default)]
struct Contents {
    data: Arc<Vec<u8>>,
    undo: Vec<Undo>,
    /// A sync of it has failed: what it covered is marked clean and will never be written.
    poisoned: bool,
    /// The largest zxid written and not yet synced.
    pending: Zxid,
}

/// How to take back one change of contents.
#[derive(Clone, Debug)]
enum Undo {
    /// `len` bytes at `offset` replaced `old`; the file was `old_len` long.
    Write { offset: usize, len: usize, old: Vec<u8>, old_len: usize },
    /// The file was cut: this was behind.
    Cut { tail: Vec<u8> },
    /// The file was extended from this length.
    Extend { old_len: usize },
    /// The file was emptied: this was its contents.
    Empty { old: Arc<Vec<u8>> },
}

impl Files {
    /// The files of one device of an image, all of them durable.
    pub(super) fn load(&mut self, image: &Image, device: Device) {
        *self = Files { next: self.next, ..Files::default() };
        for (file, bytes) in &image.files {
            if file.device == device {
                self.next += 1;
                let contents = Contents { data: Arc::clone(bytes), ..Contents::default() };
                self.contents.insert(self.next, contents);
                self.cached.insert(Arc::clone(&file.name), self.next);
            }
        }
        self.durable = self.cached.clone();
    }

    /// Adds what is durable to an image.
    pub(super) fn save(&self, image: &mut Image, device: Device) {
        for (name, inode) in &self.durable {
            let contents = &self.contents[inode];
            let bytes = if contents.undo.is_empty() {
                Arc::clone(&contents.data)
            } else {
                let mut past = contents.clone();
                past.take_back(0);
                past.data
            };
            image.files.insert(File { device, name: Arc::clone(name) }, bytes);
        }
    }

    /// The cached bytes of a file.
    pub(super) fn read(&self, name: &str) -> Option<&[u8]> {
        let contents = &self.contents[self.cached.get(name)?];
        Some(contents.data.as_slice())
    }

    /// Creates a file, or empties an existing one.
    pub(super) fn create(&mut self, name: &Arc<str>) {
        if let Some(inode) = self.cached.get(name) {
            let contents = self.contents.get_mut(inode).expect("a name has contents");
            let old = std::mem::take(&mut contents.data);
            contents.undo.push(Undo::Empty { old });
            return;
        }
        self.next += 1;
        self.contents.insert(self.next, Contents::default());
        self.cached.insert(Arc::clone(name), self.next);
        self.renamed.push(DirChange::Create { name: Arc::clone(name), inode: self.next });
    }

    /// Writes at an offset.
    pub(super) fn write(
        &mut self,
        name: &str,
        offset: u64,
        bytes: &[u8],
        zxid: Zxid,
    ) -> Result<(), DiskError> {
        let inode = self.cached.get(name).ok_or(DiskError::Missing)?;
        let contents = self.contents.get_mut(inode).expect("a name has contents");
        let offset = usize::try_from(offset).expect("files fit into memory");
        let data = Arc::make_mut(&mut contents.data);
        let (old_len, end) = (data.len(), offset + bytes.len());
        let old = data[offset.min(old_len)..end.min(old_len)].to_vec();
        if offset > old_len {
            data.resize(offset, 0);
        }
        let inside = end.min(old_len).saturating_sub(offset);
        if inside > 0 {
            data[offset..offset + inside].copy_from_slice(&bytes[..inside]);
        }
        data.extend_from_slice(&bytes[inside..]);
        contents.undo.push(Undo::Write { offset, len: bytes.len(), old, old_len });
        contents.pending = contents.pending.max(zxid);
        Ok(())
    }

    /// Cuts or extends a file.
    pub(super) fn set_len(&mut self, name: &str, len: u64) -> Result<(), DiskError> {
        let inode = self.cached.get(name).ok_or(DiskError::Missing)?;
        let contents = self.contents.get_mut(inode).expect("a name has contents");
        let len = usize::try_from(len).expect("files fit into memory");
        let data = Arc::make_mut(&mut contents.data);
        if len < data.len() {
            contents.undo.push(Undo::Cut { tail: data.split_off(len) });
        } else {
            contents.undo.push(Undo::Extend { old_len: data.len() });
            data.resize(len, 0);
        }
        Ok(())
    }

    /// Renames a file.
    pub(super) fn rename(&mut self, from: &Arc<str>, to: &Arc<str>) -> Result<(), DiskError> {
        let inode = self.cached.remove(from).ok_or(DiskError::Missing)?;
        self.cached.insert(Arc::clone(to), inode);
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        self.renamed.push(DirChange::Rename { from, to, inode });
        Ok(())
    }

    /// Removes a file.
    pub(super) fn remove(&mut self, name: &Arc<str>) -> Result<(), DiskError> {
        let inode = self.cached.remove(name).ok_or(DiskError::Missing)?;
        self.renamed.push(DirChange::Remove { name: Arc::clone(name), inode });
        Ok(())
    }

    /// Makes a file's contents durable; the largest zxid that this covers.
    pub(super) fn sync(&mut self, name: &str) -> Result<Zxid, DiskError> {
        let inode = self.cached.get(name).ok_or(DiskError::Missing)?;
        let contents = self.contents.get_mut(inode).expect("a name has contents");
        if contents.poisoned {
            return Ok(Zxid::ZERO);
        }
        contents.undo.clear();
        Ok(std::mem::take(&mut contents.pending))
    }

    /// A sync of this file has failed: no later sync makes up for it.
    pub(super) fn poison(&mut self, name: &str) {
        if let Some(inode) = self.cached.get(name) {
            self.contents.get_mut(inode).expect("a name has contents").poisoned = true;
        }
    }

    /// Makes the directory durable.
    pub(super) fn sync_dir(&mut self) {
        let mut suspects = Vec::new();
        for change in std::mem::take(&mut self.renamed) {
            suspects.push(change.inode());
            suspects.extend(change.apply(&mut self.durable));
        }
        for inode in suspects {
            if !self.is_named(inode) {
                self.contents.remove(&inode);
            }
        }
    }

    /// Cuts the power: what is left is durable, and is what the cache shows. Whether pages have
    /// reached the disk out of their order, as they only do if it `scatters`.
    pub(super) fn crash(
        &mut self,
        key: Key,
        noise: &DiskNoise,
        scatters: bool,
        stats: &mut Stats,
    ) -> bool {
        let mut reordered = false;
        let keep_names = key.named("names").stream().chance(noise.keep);
        for (nth, change) in std::mem::take(&mut self.renamed).into_iter().enumerate() {
            if keep_names || key.named("name").with(nth as u64).stream().below(2) == 0 {
                change.apply(&mut self.durable);
                stats.outcome("name_kept");
            } else {
                stats.outcome("name_lost");
            }
        }
        self.cached = self.durable.clone();
        self.forget_nameless();
        for (name, inode) in &self.durable {
            let contents = self.contents.get_mut(inode).expect("a name has contents");
            if !contents.undo.is_empty() && scatters {
                reordered |= contents.scatter(key.named(name), noise, stats);
            } else if !contents.undo.is_empty() {
                contents.crash(key.named(name), noise, stats);
            }
            (contents.poisoned, contents.pending) = (false, Zxid::ZERO);
        }
        reordered
    }

    /// Names that satisfy `wanted`, in order: what damage may strike.
    pub(super) fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        self.durable.keys().filter(|name| wanted(name)).cloned().collect()
    }

    /// Flips a bit of a durable file: which one is a function of its bytes. False if it is empty.
    pub(super) fn rot(&mut self, name: &str) -> bool {
        let Some(inode) = self.durable.get(name) else { return false };
        let contents = self.contents.get_mut(inode).expect("a name has contents");
        let mut dice = Key(Digest::of(&contents.data).0).named("rot").stream();
        let data = Arc::make_mut(&mut contents.data);
        if data.is_empty() {
            return false;
        }
        let at = dice.below(data.len() as u64) as usize;
        data[at] ^= 1 << dice.below(8);
        true
    }

    /// Takes a durable file away, or leaves it empty.
    pub(super) fn lose(&mut self, name: &str, empty: bool) {
        if empty {
            if let Some(inode) = self.durable.get(name) {
                self.contents.insert(*inode, Contents::default());
            }
        } else {
            self.durable.remove(name);
            self.cached.remove(name);
            self.forget_nameless();
        }
    }

    fn forget_nameless(&mut self) {
        let mut contents = std::mem::take(&mut self.contents);
        contents.retain(|inode, _| self.is_named(*inode));
        self.contents = contents;
    }

    /// Whether an inode has a name, or may get one back in a crash.
    fn is_named(&self, inode: u32) -> bool {
        self.cached.values().chain(self.durable.values()).any(|named| *named == inode)
            || self.renamed.iter().any(|change| change.inode() == inode)
    }
}

impl DirChange {
    fn inode(&self) -> u32 {
        match self {
            DirChange::Create { inode, .. }
            | DirChange::Rename { inode, .. }
            | DirChange::Remove { inode, .. } => *inode,
        }
    }

    /// Applies the change to a directory in which earlier changes may be missing; the inode that
    /// has lost its name by this.
    fn apply(self, names: &mut BTreeMap<Arc<str>, u32>) -> Option<u32> {
        match self {
            DirChange::Create { name, inode } => names.insert(name, inode),
            DirChange::Rename { from, to, inode } => {
                if names.get(&from) == Some(&inode) {
                    names.remove(&from);
                }
                names.insert(to, inode)
            }
            DirChange::Remove { name, inode } => {
                if names.get(&name) == Some(&inode) {
                    names.remove(&name)
                } else {
                    None
                }
            }
        }
    }
}

impl Contents {
    /// Takes changes back, the latest first, until `left` of them are left.
    fn take_back(&mut self, left: usize) {
        while self.undo.len() > left {
            let undo = self.undo.pop().expect("there are more than `left`");
            match undo {
                Undo::Write { offset, old, old_len, .. } => {
                    let data = Arc::make_mut(&mut self.data);
                    data[offset.min(old_len)..][..old.len()].copy_from_slice(&old);
                    data.truncate(old_len);
                }
                Undo::Cut { tail } => Arc::make_mut(&mut self.data).extend_from_slice(&tail),
                Undo::Extend { old_len } => Arc::make_mut(&mut self.data).truncate(old_len),
                Undo::Empty { old } => self.data = old,
            }
        }
    }

    /// In full, not at all, or as a prefix of sectors in the order of writing, perhaps with one
    /// sector of garbage behind it.
    fn crash(&mut self, key: Key, noise: &DiskNoise, stats: &mut Stats) {
        let mut dice = key.stream();
        if dice.chance(noise.keep) {
            self.undo.clear();
            stats.outcome("file_kept");
            return;
        }
        if dice.below(2) == 0 {
            self.take_back(0);
            stats.outcome("file_lost");
            return;
        }
        let sector = usize::try_from(noise.sector.max(1)).expect("sectors fit into memory");
        let units: usize = self.undo.iter().map(|undo| undo.sectors(sector)).sum();
        let mut survive = dice.below(units as u64 + 1) as usize;
        let garbage = dice.chance(noise.garbage);
        let whole = self.undo.iter().take_while(|undo| {
            let fits = undo.sectors(sector) <= survive;
            survive -= if fits { undo.sectors(sector) } else { 0 };
            fits
        });
        let whole = whole.count();
        stats.outcome("file_torn");
        if whole < self.undo.len() {
            self.take_back(whole + 1);
            self.tear(survive, sector, garbage, &mut dice, stats);
        }
        self.undo.clear();
    }

    /// Each sector that differs from what was synced has reached the disk or has not, as the cache
    /// was written back in no order at all. Whether one has survived an earlier one.
    fn scatter(&mut self, key: Key, noise: &DiskNoise, stats: &mut Stats) -> bool {
        let mut dice = key.stream();
        let sector = usize::try_from(noise.sector.max(1)).expect("sectors fit into memory");
        let cached = Arc::clone(&self.data);
        self.take_back(0);
        let old = Arc::clone(&self.data);
        let data = Arc::make_mut(&mut self.data);
        if cached.len() < old.len() && dice.below(2) == 0 {
            data.truncate(cached.len());
        }
        let (mut lost, mut reordered) = (false, false);
        for start in (0..cached.len()).step_by(sector) {
            let end = (start + sector).min(cached.len());
            if old.get(start..end) == Some(&cached[start..end]) {
                continue;
            }
            if dice.below(2) == 0 {
                overwrite(data, start, &cached[start..end]);
                reordered |= lost;
            } else {
                lost = true;
            }
        }
        stats.outcome(if reordered { "file_scattered" } else { "file_torn" });
        reordered
    }

    /// Of the last change, only the first `survive` sectors reached the disk.
    fn tear(
        &mut self,
        survive: usize,
        sector: usize,
        garbage: bool,
        dice: &mut impl Draw,
        stats: &mut Stats,
    ) {
        let Some(Undo::Write { offset, len, .. }) = self.undo.last() else {
            return self.take_back(self.undo.len() - 1);
        };
        let (start, end) = (*offset, *offset + *len);
        let cut = ((start / sector + survive) * sector).clamp(start, end);
        let spoilt_end = ((cut / sector + 1) * sector).min(end);
        let kept = self.data[start..cut].to_vec();
        let intended = self.data[cut..spoilt_end].to_vec();
        self.take_back(self.undo.len() - 1);
        let data = Arc::make_mut(&mut self.data);
        if !kept.is_empty() {
            overwrite(data, start, &kept);
        }
        if garbage && !intended.is_empty() {
            overwrite(data, cut, &spoil(intended, dice));
            stats.outcome("file_garbage");
        }
    }
}

impl Undo {
    /// How many sectors the change touched: what a loss of power may cut it into.
    fn sectors(&self, sector: usize) -> usize {
        match self {
            Undo::Write { offset, len, .. } if *len > 0 => {
                (offset + len - 1) / sector - offset / sector + 1
            }
            Undo::Write { .. } | Undo::Cut { .. } | Undo::Extend { .. } | Undo::Empty { .. } => 1,
        }
    }
}

fn overwrite(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if data.len() < at + bytes.len() {
        data.resize(at + bytes.len(), 0);
    }
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A sector that was being written when the power went: zeros, noise, or right only at its start.
/// The noise is a function of the bytes that should have been there.
fn spoil(mut bytes: Vec<u8>, dice: &mut impl Draw) -> Vec<u8> {
    let mut noise = Key(Digest::of(&bytes).0).named("spoil").stream();
    let right = match dice.below(3) {
        0 => {
            bytes.fill(0);
            return bytes;
        }
        1 => 0,
        _ => bytes.len() / 2,
    };
    for byte in &mut bytes[right..] {
        *byte ^= 1 + noise.below(255) as u8;
    }
    bytes
}
