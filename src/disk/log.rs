//! The transaction log, and everything else that a peer keeps: which files there are, where the
//! next record goes, and in which order files come and go.
//!
//! Not here: the formats (`records`, `snapshot`, `epoch`), and reading them back (`recover`).
//!
//! What holds between any two effects, so that a crash there leaves a peer that can start: the
//! newest usable snapshot and the log files after it have no gap, and nothing that was cut or
//! replaced comes back once it was said to be gone. A directory keeps any subset of the changes
//! that no sync has covered, so changes that depend on each other have a sync between them; the
//! two devices know nothing of each other, so what must be in order across them waits for a
//! ticket. Hence:
//!
//! - **A new file**: sync of the file before, creation, header, sync, sync of the directory; only
//!   then records (ZOOKEEPER-1069, 2332). So only the newest file can be torn.
//! - **TRUNC** (spec 7.6): first the snapshots that reach above the cut are removed, durably: that
//!   takes a ticket, see [`Cut`]. Then whole files, the newest first, each with a sync: a crash
//!   leaves a shorter log of the same history, never a hole. The cut within a file comes last.
//! - **SNAP**: a follower may have acked committed transactions, so its old history must live
//!   until the new one is durable, and must be dead from then on, for it may hold another branch.
//!   One durable write decides, the record `replaced` on the log device:
//!
//! ```text
//!   snap: snapshot.Z.newG written, synced      | old history; .newG is garbage
//!   --- ticket ---
//!   log:  replaced := "clearing Z G"           | from here on: .newG, no log file, nothing else
//!   log:  every log file removed, synced
//!   log:  replaced := "cleared Z G"            | .newG and the log files made since
//!   --- ticket ---
//!   snap: older snapshots removed, synced      | the same, for .newG is still there
//!   snap: .newG renamed to snapshot.Z, synced  | as any other peer
//! ```
//!
//! - **Purge** (spec 7.6): the oldest log files first, each with a sync, so that what is left has
//!   no hole.

use std::sync::Arc;

use crate::base::{Epoch, Ticket, Zxid};
use crate::process::{Device, Effects, File, Tag};

use super::epoch::{self, Replaced};
use super::recover::follows;
use super::rules::Rules;
use super::{Entry, records, snapshot};

/// Real ZooKeeper grows a log file when less than this is left in it.
const MARGIN: u64 = 4096;

/// One log file.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    /// The zxid of its first record, and of its name.
    pub(super) first: Zxid,
    /// Each record's zxid, and the byte after its trailer.
    pub(super) records: Arc<Vec<(Zxid, u64)>>,
    /// Its length with padding.
    pub(super) len: u64,
}

impl LogFile {
    fn end(&self) -> u64 {
        self.records.last().map_or(records::HEADER as u64, |(_, end)| *end)
    }

    fn last(&self) -> Zxid {
        self.records.last().map_or(self.first, |(zxid, _)| *zxid)
    }
}

/// One snapshot file.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) file: File,
    pub(super) zxid: Zxid,
    /// The last zxid that its content may know.
    pub(super) reach: Zxid,
    /// In bytes.
    pub(super) size: u64,
}

/// What [`recover`](super::recover) found to be put right.
#[derive(Clone, Debug, Default)]
pub(super) struct Repair {
    /// Finish this replacement: all `remove_logs` are old.
    pub(super) clear: Option<Replaced>,
    /// Files of the log device that are nothing.
    pub(super) remove_logs: Vec<File>,
    /// Cut this file to this length.
    pub(super) cut: Option<(File, u64)>,
    /// Files of the snapshot device that are nothing.
    pub(super) remove_snaps: Vec<File>,
    /// The peer has lost everything: say so before it writes anything.
    pub(super) mark: bool,
    /// The peer is as good as synchronised: its marker goes.
    pub(super) unmark: bool,
    /// Finish an interrupted epoch write (ZOOKEEPER-1653, 4269).
    pub(super) current: Option<Epoch>,
}

/// What is left to do after a replacement is decided.
#[derive(Clone, Debug)]
pub(super) struct Settle {
    /// Snapshots and markers of the old history.
    pub(super) voids: Vec<File>,
}

/// How [`Log::truncate`] goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Snapshots that reach above the cut are being removed. Nothing of the log is cut yet: when
    /// this ticket is done, call again.
    Again(Ticket),
    /// The log is being cut: done when this ticket is.
    Last(Ticket),
    /// Nothing was done: what would be left could not be recovered from, because no snapshot at or
    /// below the cut is left (the peer came here by a SNAP). The learner needs a SNAP.
    Impossible,
}

/// The transaction log and the files around it. See the module's page for the orders it keeps.
///
/// A `Disk` event whose ticket is unknown to the caller belongs to a sync within a sequence: if it
/// failed, that is as fatal as any failed sync (spec 9, case 94).
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) rules: Rules,
    /// How often `rules` answered otherwise than the right ones.
    pub(super) differed: u64,
    pub(super) prealloc: u64,
    pub(super) roll_after: u64,
    /// Ascending; none is empty.
    pub(super) files: Vec<LogFile>,
    /// Whether the last file is open for records.
    pub(super) open: bool,
    /// Whether the last file has records that no sync covers.
    pub(super) dirty: bool,
    pub(super) last: Zxid,
    /// Ascending.
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) origin: bool,
    /// The last generation of a replacement.
    pub(super) generation: u64,
    pub(super) expected: Option<Snapshot>,
    pub(super) replacement: Option<(Replaced, u64)>,
    pub(super) settle: Option<Settle>,
    pub(super) repair: Repair,
    /// Small files that exist: epochs and markers.
    pub(super) small: Vec<&'static str>,
    pub(super) has_replaced: bool,
}

impl Log {
    /// How much a file grows at a time (real: 64 MiB; 0: not ahead of its records), and after how
    /// many records the next one starts. Call it once, before the first append.
    pub fn configure(&mut self, prealloc_bytes: u64, roll_after_records: u64) {
        self.prealloc = prealloc_bytes;
        self.roll_after = roll_after_records.max(1);
    }

    /// Asks for what `recover` found necessary: cutting a torn tail, removing an empty last file
    /// and leftovers, finishing an interrupted SNAP or epoch write, marking a wiped peer. `None` if
    /// nothing was. Call it before anything else, and append nothing before the ticket is done: a
    /// wiped peer's marker must be there first.
    pub fn repair(&mut self, fx: &mut Effects) -> Option<Ticket> {
        let repair = std::mem::take(&mut self.repair);
        let mut ticket = self.repair_logs(&repair, fx);
        for file in &repair.remove_snaps {
            fx.remove(file.clone());
        }
        if !repair.remove_snaps.is_empty() {
            ticket = Some(fx.fsync_dir(Device::Snap));
        }
        if self.settle.is_some() {
            ticket = self.settle(fx);
        }
        if repair.mark {
            fx.create(File::snap(epoch::ORIGIN));
            fx.create(File::snap(epoch::UNSYNCED));
            self.origin = true;
            self.remember(epoch::UNSYNCED);
            ticket = Some(fx.fsync_dir(Device::Snap));
        }
        if let Some(current) = repair.current {
            ticket = Some(self.write_current(current, fx));
        } else if repair.unmark {
            ticket = self.unmark(fx).or(ticket);
        }
        ticket
    }

    fn repair_logs(&mut self, repair: &Repair, fx: &mut Effects) -> Option<Ticket> {
        let mut ticket = None;
        for file in &repair.remove_logs {
            fx.remove(file.clone());
        }
        if !repair.remove_logs.is_empty() {
            ticket = Some(fx.fsync_dir(Device::Log));
        }
        if let Some(clear) = repair.clear {
            ticket = Some(Replaced { clearing: false, ..clear }.write(fx));
        }
        if let Some((file, len)) = &repair.cut {
            fx.set_len(file.clone(), *len);
            ticket = Some(fx.fsync(file.clone()));
        }
        ticket
    }

    /// Appends a record. Never to a file that existed at boot (spec 9, case 88); a new file's
    /// header and directory entry are synced before its first record. Rolls by `roll_after`
    /// records (knob) or when told to.
    pub fn append(&mut self, entry: &Entry, fx: &mut Effects) {
        self.settle(fx);
        let rolled = self.files.last().is_some_and(|f| f.records.len() as u64 >= self.roll_after);
        if !self.open || rolled {
            self.start_file(entry.zxid, fx);
        }
        let framed = records::framed(&entry.record);
        let prealloc = self.prealloc;
        let file = self.files.last_mut().expect("start_file leaves an open file");
        let (offset, end) = (file.end(), file.end() + framed.len() as u64);
        if prealloc > 0 && end + MARGIN.min(prealloc / 2) > file.len {
            while end + MARGIN.min(prealloc / 2) > file.len {
                file.len += prealloc;
            }
            fx.set_len(file.file.clone(), file.len);
        }
        file.len = file.len.max(end);
        fx.write_at(file.file.clone(), offset, Tag::zxid("record", entry.zxid), framed);
        Arc::make_mut(&mut file.records).push((entry.zxid, end));
        self.dirty = true;
        self.last = self.last.max(entry.zxid);
    }

    fn start_file(&mut self, first: Zxid, fx: &mut Effects) {
        self.sync_dirty(fx);
        let file = File::log(records::name(first));
        self.files.retain(|old| old.file != file);
        fx.create(file.clone());
        fx.write_at(file.clone(), 0, Tag::zxid("log_header", first), records::header());
        let len = records::HEADER as u64 + self.prealloc;
        if self.prealloc > 0 {
            fx.set_len(file.clone(), len);
        }
        fx.fsync(file.clone());
        fx.fsync_dir(Device::Log);
        self.files.push(LogFile { file, first, records: Arc::default(), len });
        self.open = true;
    }

    fn sync_dirty(&mut self, fx: &mut Effects) -> Option<Ticket> {
        let newest = self.files.last().filter(|_| self.dirty)?;
        self.dirty = false;
        Some(fx.fsync(newest.file.clone()))
    }

    /// Starts a new file at the next append (spec 5.3: when a snapshot starts).
    pub fn roll(&mut self) {
        self.open = false;
    }

    /// Makes everything appended so far durable.
    pub fn sync(&mut self, fx: &mut Effects) -> Ticket {
        match self.sync_dirty(fx) {
            Some(ticket) => ticket,
            None => fx.fsync_dir(Device::Log),
        }
    }

    /// The last zxid appended; that of the snapshot if the log is empty.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// Cuts everything after `last`: the file that holds it is cut right after it (or before the
    /// first entry above it), later files are removed; snapshots named above `last`, or that may
    /// contain effects above it (spec 7.6 D), are removed before. In steps: see [`Cut`]. A snapshot
    /// being written must have been abandoned.
    pub fn truncate(&mut self, last: Zxid, fx: &mut Effects) -> Cut {
        self.settle(fx);
        self.adopt();
        let Some(base) = self.base_below(last) else { return Cut::Impossible };
        if self.cut_snapshots(last, fx) {
            return Cut::Again(fx.fsync_dir(Device::Snap));
        }
        self.open = false;
        self.dirty = false;
        // The newest first, each with a sync: otherwise a crash could leave a hole.
        while let Some(file) = self.files.pop_if(|file| file.first > last) {
            fx.remove(file.file);
            fx.fsync_dir(Device::Log);
        }
        let ticket = self.cut_newest(last, fx);
        self.last = self.files.last().map_or(base, |file| file.last().max(base));
        Cut::Last(ticket)
    }

    /// Removes the snapshots that reach above the cut; whether there were any.
    fn cut_snapshots(&mut self, last: Zxid, fx: &mut Effects) -> bool {
        let (rules, before) = (self.rules, self.snapshots.len());
        let mut differed = 0;
        self.snapshots.retain(|snapshot| {
            let dies = (rules.dies_with_cut)(snapshot.reach, last);
            differed += u64::from(dies != (Rules::RIGHT.dies_with_cut)(snapshot.reach, last));
            if dies {
                fx.remove(snapshot.file.clone());
            }
            !dies
        });
        self.differed += differed;
        self.snapshots.len() < before
    }

    /// How often the rules answered otherwise than the right ones, since it was asked last.
    pub fn differed(&mut self) -> u64 {
        std::mem::take(&mut self.differed)
    }

    fn cut_newest(&mut self, last: Zxid, fx: &mut Effects) -> Ticket {
        let Some(file) = self.files.last_mut() else { return fx.fsync_dir(Device::Log) };
        let keep = file.records.partition_point(|(zxid, _)| *zxid <= last);
        if keep < file.records.len() {
            Arc::make_mut(&mut file.records).truncate(keep);
            file.len = file.end();
            fx.set_len(file.file.clone(), file.len);
        }
        fx.fsync(file.file.clone())
    }

    /// The newest snapshot that knows nothing above `last` and from which the log leads there.
    fn base_below(&self, last: Zxid) -> Option<Zxid> {
        let usable = self.snapshots.iter().rev().filter(|snapshot| snapshot.reach <= last);
        let origin = self.origin.then_some(Zxid::ZERO);
        usable.map(|snapshot| snapshot.zxid).chain(origin).find(|base| {
            let leads = |file: &LogFile| file.first <= *base || follows(*base, file.first);
            *base == last || self.last <= *base || self.files.iter().any(leads)
        })
    }

    /// The snapshot of [`SnapshotWriter::finish_replacing`](super::SnapshotWriter), whose ticket is
    /// done, replaces all that the peer had (spec 7.6 D): every log file and every older snapshot
    /// goes. Decided, and irrevocable, when this ticket is done: before that, ask this log for
    /// nothing else and ack nothing. Until then a crash leaves the old history or the new one,
    /// never a mixture.
    pub fn replaced_by_snapshot(&mut self, zxid: Zxid, fx: &mut Effects) -> Ticket {
        let expected = self.replacement.take().filter(|(replaced, _)| replaced.zxid == zxid);
        let (replaced, size) = expected.expect("finish_replacing of the same zxid came before");
        replaced.write(fx);
        for file in self.files.drain(..) {
            fx.remove(file.file);
        }
        fx.fsync_dir(Device::Log);
        let ticket = Replaced { clearing: false, ..replaced }.write(fx);

        let mut voids: Vec<File> = match self.settle.take() {
            Some(settle) => settle.voids,
            None => Vec::new(),
        };
        self.adopt();
        voids.extend(self.snapshots.drain(..).map(|old| old.file));
        if std::mem::take(&mut self.origin) {
            voids.push(File::snap(epoch::ORIGIN));
        }
        self.settle = Some(Settle { voids });
        self.snapshots.push(Snapshot { file: replaced.candidate(), zxid, reach: zxid, size });
        self.generation = replaced.generation;
        self.has_replaced = true;
        (self.open, self.dirty, self.last) = (false, false, zxid);
        ticket
    }

    /// What [`Log::replaced_by_snapshot`] has left to do once its ticket is done: asked for by
    /// whatever the caller asks next.
    fn settle(&mut self, fx: &mut Effects) -> Option<Ticket> {
        let settle = self.settle.take()?;
        for file in &settle.voids {
            fx.remove(file.clone());
        }
        fx.fsync_dir(Device::Snap);
        let candidate = self.snapshots.first_mut().expect("a replacement leaves its snapshot");
        let file = File::snap(snapshot::name(candidate.zxid));
        fx.rename(std::mem::replace(&mut candidate.file, file.clone()), file);
        Some(fx.fsync_dir(Device::Snap))
    }

    /// A snapshot is about to get its name.
    pub(super) fn expect_snapshot(&mut self, zxid: Zxid, reach: Zxid, size: u64) {
        self.adopt();
        let file = File::snap(snapshot::name(zxid));
        self.expected = Some(Snapshot { file, zxid, reach, size });
    }

    /// Counts the snapshot that was about to get its name among the others.
    fn adopt(&mut self) {
        if let Some(new) = self.expected.take() {
            self.snapshots.retain(|old| old.zxid != new.zxid);
            self.snapshots.push(new);
            self.snapshots.sort_by_key(|snapshot| snapshot.zxid);
        }
    }

    /// A snapshot that is to replace everything is about to get this name.
    pub(super) fn expect_replacement(
        &mut self,
        zxid: Zxid,
        size: u64,
        fx: &mut Effects,
    ) -> Replaced {
        if let Some((old, _)) = self.replacement.take() {
            fx.remove(old.candidate());
            fx.fsync_dir(Device::Snap);
        }
        let replaced = Replaced { zxid, generation: self.generation + 1, clearing: true };
        self.replacement = Some((replaced, size));
        replaced
    }

    /// The snapshot at `zxid`, whose content may reach up to `reach`, is durable: remembers it, and
    /// purges all but the `keep` newest snapshots (at least one) and the log files before the one
    /// that leads on from the oldest kept (spec 7.6; spec 9, case 92).
    pub fn snapshot_taken(&mut self, zxid: Zxid, reach: Zxid, keep: usize, fx: &mut Effects) {
        self.settle(fx);
        self.adopt();
        if let Some(taken) = self.snapshots.iter_mut().find(|snapshot| snapshot.zxid == zxid) {
            taken.reach = taken.reach.max(reach);
            self.purge(keep.max(1), fx);
        }
    }

    fn purge(&mut self, keep: usize, fx: &mut Effects) {
        let mut removed = 0;
        if self.snapshots.len() >= keep && std::mem::take(&mut self.origin) {
            fx.remove(File::snap(epoch::ORIGIN));
            removed += 1;
        }
        for old in self.snapshots.drain(..self.snapshots.len().saturating_sub(keep)) {
            fx.remove(old.file);
            removed += 1;
        }
        if removed > 0 {
            fx.fsync_dir(Device::Snap);
        }
        let oldest = self.snapshots.first().filter(|_| !self.origin).map(|s| s.zxid);
        let oldest = oldest.unwrap_or(Zxid::ZERO);
        let before = self.files.partition_point(|file| file.first <= oldest).saturating_sub(1);
        for old in self.files.drain(..before) {
            fx.remove(old.file);
            fx.fsync_dir(Device::Log);
        }
    }

    /// Asks for every file on both devices, to recover from them while running (after a TRUNC).
    /// Answered by one `Disk` event per ticket; hand all answers to [`image_of`](super::image_of)
    /// and that to [`recover`](super::recover). Keep this log: drop the recovered one.
    pub fn read_all(&self, fx: &mut Effects) -> Vec<(Ticket, File)> {
        let logs = self.files.iter().map(|file| file.file.clone());
        let replaced = self.has_replaced.then(|| File::log(epoch::REPLACED));
        // One that is about to get its name has it by then: devices keep their order.
        let new =
            self.expected.iter().filter(|new| self.snapshots.iter().all(|s| s.zxid != new.zxid));
        let snapshots = self.snapshots.iter().chain(new).map(|snapshot| snapshot.file.clone());
        let origin = self.origin.then(|| File::snap(epoch::ORIGIN));
        let small = self.small.iter().map(|name| File::snap(*name));
        let all = logs.chain(replaced).chain(snapshots).chain(origin).chain(small);
        all.map(|file| (fx.read(file.clone()), file)).collect()
    }

    /// The files needed to send the entries after `from` (spec 6.7 case 5), oldest first, and
    /// their total size in bytes without padding; `None` if the log does not reach back that far.
    pub fn files_after(&self, from: Zxid) -> Option<(Vec<File>, u64)> {
        let start = self.files.partition_point(|file| file.first <= from);
        let next = self.files.first().is_some_and(|file| from.next() == Some(file.first));
        let start = if next { 0 } else { start.checked_sub(1)? };
        let needed = &self.files[start..];
        let size = needed.iter().map(LogFile::end).sum();
        Some((needed.iter().map(|file| file.file.clone()).collect(), size))
    }

    /// The size in bytes of the newest snapshot file; 0 if there is none.
    pub fn snapshot_size(&self) -> u64 {
        self.snapshots.last().map_or(0, |snapshot| snapshot.size)
    }

    /// Makes `acceptedEpoch` durable (spec 6.1): before ACKEPOCH or LEADERINFO leaves.
    pub fn write_accepted(&mut self, epoch: Epoch, fx: &mut Effects) -> Ticket {
        self.remember(epoch::ACCEPTED);
        epoch::write(epoch::ACCEPTED, epoch, fx)
    }

    /// Makes `currentEpoch` durable (spec 6.1): after the history up to the sync point is, before
    /// the ack of NEWLEADER (ZOOKEEPER-4643, 4646). From then on a peer that was fresh or wiped is
    /// like any other: its marker goes, and it may vote.
    pub fn write_current(&mut self, epoch: Epoch, fx: &mut Effects) -> Ticket {
        self.remember(epoch::CURRENT);
        let ticket = epoch::write(epoch::CURRENT, epoch, fx);
        self.unmark(fx).unwrap_or(ticket)
    }

    /// Removes the markers of a peer without a past; what they excuse must be durable before.
    fn unmark(&mut self, fx: &mut Effects) -> Option<Ticket> {
        let before = self.small.len();
        self.small.retain(|name| {
            let marker = *name == epoch::INITIALIZE || *name == epoch::UNSYNCED;
            if marker {
                fx.remove(File::snap(*name));
            }
            !marker
        });
        (self.small.len() < before).then(|| fx.fsync_dir(Device::Snap))
    }

    fn remember(&mut self, name: &'static str) {
        if !self.small.contains(&name) {
            self.small.push(name);
        }
    }
}
