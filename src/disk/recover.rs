//! Reading a peer's files back: what they amount to, what a crash has left to be put right, and
//! what is damage.
//!
//! A crash explains: a bad end of the newest log file, a newest log file without a record, files
//! whose names end in `.tmp`, a replacement or an epoch write that stands between two steps, log
//! files and snapshots older than needed. Nothing else: what a crash cannot explain is damage, and
//! the peer refuses to start, naming the file and the byte (CTRL, FAST'18: to cut a damaged log as
//! if it were torn loses what a quorum relies on). Changes nothing: `Log::repair` does.

use std::sync::Arc;

use crate::base::{Epoch, Zxid};
use crate::process::{Device, File, Image, Refused};

use super::epoch::{self, Replaced};
use super::log::{Log, LogFile, Repair, Settle, Snapshot};
use super::records::{self, End};
use super::rules::Rules;
use super::{Entry, Recovered, snapshot};

/// How a file grows unless [`Log::configure`] says otherwise: small, as there are many peers.
const PREALLOC: u64 = 4096;
/// How many records a file takes unless [`Log::configure`] says otherwise.
const ROLL_AFTER: u64 = 100_000;

/// Whether a record at `next` may stand right after one at `previous`: the next counter, or the
/// first of a later epoch (spec 6.8).
pub(super) fn follows(previous: Zxid, next: Zxid) -> bool {
    previous.next() == Some(next) || (next.epoch() > previous.epoch() && next.counter() == 1)
}

fn damaged<T>(reason: String) -> Result<T, Refused> {
    Err(Refused { reason, damaged: true, hit: None })
}

/// Reads a whole image.
///
/// # Errors
/// Where the files are damaged: naming the file and the byte. A torn tail of the newest log file
/// with nothing valid after it is not damage (design: crash model); a checksum error with its
/// trailer intact, a gap between snapshot and log, or an unreadable epoch file is.
pub fn recover(image: &Image, rules: Rules) -> Result<Recovered, Refused> {
    let replaced = Replaced::read(image)?;
    let mut repair = Repair::default();
    let base = Base::find(image, replaced, &mut repair)?;
    let clearing = replaced.filter(|replaced| replaced.clearing);
    let logs = match clearing {
        Some(replaced) => {
            let old = image.on(Device::Log).filter(|(f, _)| records::parse_name(&f.name).is_some());
            repair.remove_logs.extend(old.map(|(file, _)| file.clone()));
            repair.clear = Some(replaced);
            Logs::default()
        }
        None => Logs::read(image, base.zxid, &mut repair)?,
    };
    base.check(&logs, &repair)?;
    let last = logs.last().max(base.zxid);
    let epochs = Epochs::read(image, last, (&base, &logs), &mut repair)?;
    epochs.check(last, &repair, rules)?;

    let tmp = image.files.keys().filter(|file| file.name.ends_with(".tmp"));
    for file in tmp {
        match file.device {
            Device::Log => repair.remove_logs.push(file.clone()),
            Device::Snap => repair.remove_snaps.push(file.clone()),
        }
    }
    Ok(Recovered {
        accepted: epochs.accepted,
        current: epochs.current,
        may_vote: epochs.may_vote,
        snapshot: base.body.map(|body| (base.zxid, body)),
        entries: logs.entries,
        torn: logs.torn,
        repaired: repair.current.is_some(),
        log: Log {
            prealloc: PREALLOC,
            roll_after: ROLL_AFTER,
            // Read from a running peer, the newest file may have records that no sync covers.
            dirty: !logs.files.is_empty(),
            files: logs.files,
            open: false,
            last,
            snapshots: base.snapshots,
            origin: base.origin,
            generation: replaced.map_or(0, |replaced| replaced.generation),
            rules,
            differed: 0,
            expected: None,
            replacement: None,
            settle: base.settle,
            repair,
            small: epochs.small,
            has_replaced: replaced.is_some(),
        },
    })
}

/// Where recovery starts from.
#[derive(Default)]
struct Base {
    zxid: Zxid,
    /// The last zxid that the body may know.
    reach: Zxid,
    /// `None`: the fresh tree.
    body: Option<Vec<u8>>,
    /// Whether there is anything to start from.
    found: bool,
    /// The usable snapshots.
    snapshots: Vec<Snapshot>,
    origin: bool,
    settle: Option<Settle>,
    /// The newest snapshot that could not be used.
    lost: Option<(Zxid, File)>,
}

impl Base {
    fn find(
        image: &Image,
        replaced: Option<Replaced>,
        repair: &mut Repair,
    ) -> Result<Base, Refused> {
        let candidate = replaced.map(Replaced::candidate);
        for (file, _) in image.on(Device::Snap) {
            let left_over = file.name.starts_with("snapshot.") && file.name.contains(".new");
            if left_over && Some(file) != candidate.as_ref() {
                repair.remove_snaps.push(file.clone());
            }
        }
        match (replaced, candidate) {
            (Some(replaced), Some(file)) if image.get(&file).is_some() => {
                Base::replacing(image, replaced.zxid, file)
            }
            (Some(replaced), Some(file)) if replaced.clearing => {
                // A repair may have settled the snapshots before the log device was done.
                let named = File::snap(snapshot::name(replaced.zxid));
                match Base::of(image, &named, replaced.zxid) {
                    Some(base) => Ok(base),
                    None => damaged(format!("`{file}` byte 0: missing, but it replaces the log")),
                }
            }
            (Some(_) | None, _) => Ok(Base::newest(image, repair)),
        }
    }

    /// A replacement is decided: its snapshot is all that counts, and the older ones must go.
    fn replacing(image: &Image, zxid: Zxid, candidate: File) -> Result<Base, Refused> {
        let Some(mut base) = Base::of(image, &candidate, zxid) else {
            return damaged(format!("`{candidate}` byte 0: not a whole snapshot of {zxid}"));
        };
        let void = |file: &File| {
            snapshot::parse_name(&file.name).is_some() || *file.name == *epoch::ORIGIN
        };
        let voids = image.on(Device::Snap).map(|(file, _)| file).filter(|file| void(file));
        base.settle = Some(Settle { voids: voids.cloned().collect() });
        Ok(base)
    }

    /// A base that is this one snapshot; `None` if it is missing or not whole.
    fn of(image: &Image, file: &File, zxid: Zxid) -> Option<Base> {
        let bytes = image.get(file)?;
        let body = snapshot::body(bytes, zxid)?;
        let reach = snapshot::reach(bytes)?;
        let size = bytes.len() as u64;
        Some(Base {
            zxid,
            reach,
            body: Some(body.to_vec()),
            found: true,
            snapshots: vec![Snapshot { file: file.clone(), zxid, reach, size }],
            ..Base::default()
        })
    }

    /// The newest whole snapshot (spec 7.4), or the origin. Snapshots get their names only when
    /// they are durable: one that is not whole is damaged, but the log may make up for it.
    fn newest(image: &Image, repair: &mut Repair) -> Base {
        let named = image.on(Device::Snap);
        let named = named.filter_map(|(file, bytes)| {
            snapshot::parse_name(&file.name).map(|zxid| (zxid, file, bytes))
        });
        let mut named: Vec<(Zxid, &File, &[u8])> = named.collect();
        named.sort_by_key(|(zxid, _, _)| *zxid);
        let origin = image.get(&File::snap(epoch::ORIGIN)).is_some();
        let mut lost = None;
        while let Some((zxid, file, _)) = named.pop() {
            if let Some(mut base) = Base::of(image, file, zxid) {
                // Of older ones only the reach is read: they are whole, or will not be used.
                let older = named.iter().filter_map(|(zxid, file, bytes)| {
                    let (file, size) = ((*file).clone(), bytes.len() as u64);
                    let reach = snapshot::reach(bytes)?.max(*zxid);
                    Some(Snapshot { file, zxid: *zxid, reach, size })
                });
                let older: Vec<Snapshot> = older.collect();
                base.snapshots.splice(0..0, older);
                return Base { origin, lost, ..base };
            }
            lost.get_or_insert_with(|| (zxid, file.clone()));
            repair.remove_snaps.push(file.clone());
        }
        Base { found: origin, origin, lost, ..Base::default() }
    }

    /// Whether the log is long enough for what the snapshots know of it, and has a beginning.
    fn check(&self, logs: &Logs, repair: &Repair) -> Result<(), Refused> {
        let end = logs.last().max(self.zxid);
        if let Some((zxid, file)) = self.lost.as_ref().filter(|(zxid, _)| *zxid > end) {
            return damaged(format!(
                "`{file}` byte 0: not a whole snapshot, and the log ends at {end}, before {zxid}"
            ));
        }
        if self.reach > end {
            let (file, reach) = (snapshot::name(self.zxid), self.reach);
            return damaged(format!(
                "`snap/{file}` byte 0: it knows transactions up to {reach}, the log ends at {end}"
            ));
        }
        match logs.files.first() {
            Some(first) if !self.found && repair.clear.is_none() => {
                let file = &first.file;
                damaged(format!("`{file}` byte 0: a log without a snapshot (spec 9, case 93)"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The log files, read.
#[derive(Default)]
struct Logs {
    files: Vec<LogFile>,
    /// After the base.
    entries: Vec<Entry>,
    torn: bool,
}

impl Logs {
    fn last(&self) -> Zxid {
        let newest = self.files.last().and_then(|file| file.records.last());
        newest.map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    fn read(image: &Image, base: Zxid, repair: &mut Repair) -> Result<Logs, Refused> {
        let named = image.on(Device::Log);
        let named = named.filter_map(|(file, bytes)| {
            records::parse_name(&file.name).map(|first| (first, file, bytes))
        });
        let mut named: Vec<(Zxid, &File, &[u8])> = named.collect();
        named.sort_by_key(|(first, _, _)| *first);
        let mut logs = Logs::default();
        let count = named.len();
        for (index, (first, file, bytes)) in named.into_iter().enumerate() {
            logs.read_file(first, file, bytes, base, index + 1 == count, repair)?;
        }
        Ok(logs)
    }

    fn read_file(
        &mut self,
        first: Zxid,
        file: &File,
        bytes: &[u8],
        base: Zxid,
        newest: bool,
        repair: &mut Repair,
    ) -> Result<(), Refused> {
        let scan = records::scan(bytes);
        let good = scan.good();
        match scan.end {
            End::Clean => {}
            End::Torn if newest => self.torn = true,
            End::Torn => {
                return damaged(format!("`{file}` byte {good}: bad record in an older file"));
            }
            End::Damaged { at, what } => return damaged(format!("`{file}` byte {at}: {what}")),
        }
        if scan.places.is_empty() {
            if !newest {
                return damaged(format!("`{file}` byte {good}: an older file without a record"));
            }
            // Only its header was synced, or not even that (ZOOKEEPER-1069, 2332).
            repair.remove_logs.push(file.clone());
            return Ok(());
        }
        if self.torn {
            repair.cut = Some((file.clone(), good as u64));
        }
        let mut ends = Vec::with_capacity(scan.places.len());
        let mut previous = self.last();
        for place in &scan.places {
            let at = place.start;
            if ends.is_empty() && place.zxid != first {
                return damaged(format!("`{file}` byte {at}: begins with {}", place.zxid));
            }
            if place.zxid <= previous {
                let zxid = place.zxid;
                return damaged(format!("`{file}` byte {at}: {zxid} comes after {previous}"));
            }
            if place.zxid > base {
                if !follows(previous.max(base), place.zxid) {
                    let (from, to) = (previous.max(base), place.zxid);
                    return damaged(format!("`{file}` byte {at}: gap between {from} and {to}"));
                }
                let record = Arc::from(&bytes[place.start..place.end]);
                self.entries.push(Entry { zxid: place.zxid, record });
            }
            previous = place.zxid;
            ends.push((place.zxid, place.end as u64 + 1));
        }
        let len = if self.torn { good } else { bytes.len() } as u64;
        self.files.push(LogFile { file: file.clone(), first, records: Arc::new(ends), len });
        Ok(())
    }
}

/// The epoch files and the markers.
struct Epochs {
    accepted: Epoch,
    current: Epoch,
    may_vote: bool,
    small: Vec<&'static str>,
}

impl Epochs {
    fn read(
        image: &Image,
        last: Zxid,
        (base, logs): (&Base, &Logs),
        repair: &mut Repair,
    ) -> Result<Epochs, Refused> {
        let has = |name: &'static str| image.get(&File::snap(name)).is_some();
        let accepted = epoch::read(image, epoch::ACCEPTED)?;
        let current = epoch::read(image, epoch::CURRENT)?;
        let initialize = has(epoch::INITIALIZE);
        let data = base.body.is_some() || !logs.files.is_empty();
        // Whether nothing speaks of a past: no file but the markers that a repair makes.
        let blank = !initialize && accepted.is_none() && current.is_none() && !data;
        let unsynced = has(epoch::UNSYNCED) || blank;
        repair.mark = blank && !(has(epoch::UNSYNCED) && base.origin);

        let excused = (initialize || unsynced) && current.is_none();
        let missing = |name: &str| Refused {
            reason: format!("`snap/{name}` byte 0: missing, but the peer is not a fresh one"),
            damaged: true,
            hit: None,
        };
        let accepted_value = match accepted {
            Some(accepted) => accepted,
            None if excused => Epoch(0),
            None => return Err(missing(epoch::ACCEPTED)),
        };
        let mut current_value = match current {
            Some(current) => current,
            None if excused => Epoch(0),
            None => return Err(missing(epoch::CURRENT)),
        };
        if !data && !base.found && !blank {
            return damaged("`snap` byte 0: epochs, but neither a snapshot nor a log".into());
        }
        if accepted_value < current_value.max(last.epoch()) {
            return damaged(format!(
                "`snap/acceptedEpoch` byte 0: {accepted_value} is below currentEpoch \
                 {current_value} or the log's {last}"
            ));
        }
        // The history of a sync was durable, its epoch not yet (ZOOKEEPER-1653, 4269). A wiped
        // peer must not take that for being synchronised: it may not vote yet.
        let synced = current.is_some() || initialize;
        if last.epoch() > current_value && synced {
            current_value = last.epoch();
            repair.current = Some(current_value);
        }
        repair.unmark = current.is_some() && (initialize || unsynced);
        let small = [epoch::ACCEPTED, epoch::CURRENT, epoch::INITIALIZE, epoch::UNSYNCED];
        let small = small.into_iter().filter(|name| has(name)).collect();
        let may_vote = synced;
        Ok(Epochs { accepted: accepted_value, current: current_value, may_vote, small })
    }

    /// Whether the rules take an interrupted epoch write for one.
    fn check(&self, last: Zxid, repair: &Repair, rules: Rules) -> Result<(), Refused> {
        if repair.current.is_none() || (rules.finishes_epoch)() {
            return Ok(());
        }
        let reason = format!("`snap/currentEpoch` byte 0: it is older than the log's {last}");
        Err(Refused { reason, damaged: true, hit: rules.planted })
    }
}
