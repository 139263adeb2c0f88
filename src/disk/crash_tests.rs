//! A crash after every single effect, with several things that it may leave: whatever was promised
//! is recovered, whatever was given up is not, and no crash looks like damage.
//!
//! The devices here are the design's crash model once more, written for this purpose only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::rules::Rules;
use super::*;
use crate::base::{Dice, Draw, Ratio, Ticket};
use crate::process::{Device, Effect, Effects};

const SECTOR: usize = 64;

#[derive(Clone)]
enum Change {
    Name(Arc<str>, usize),
    Rename(Arc<str>, Arc<str>, usize),
    Remove(Arc<str>),
}

#[derive(Clone)]
enum Edit {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Empty,
}

#[derive(Clone, Default)]
struct Contents {
    durable: Vec<u8>,
    edits: Vec<Edit>,
}

impl Contents {
    fn cached(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.edits.iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    }

    /// Everything, nothing, or a prefix of sectors and perhaps one that is garbage.
    fn crash(&mut self, dice: &mut Dice) {
        let edits = std::mem::take(&mut self.edits);
        let whole = [0, edits.len() as u64, dice.below(edits.len() as u64 + 1)];
        let whole = *dice.pick(&whole) as usize;
        edits[..whole].iter().for_each(|edit| edit.apply(&mut self.durable));
        if let Some(Edit::Write(at, bytes)) = edits.get(whole) {
            let ends: Vec<usize> = (*at..*at + bytes.len())
                .filter(|byte| byte.is_multiple_of(SECTOR) && byte > at)
                .collect();
            let cut = if ends.is_empty() { *at } else { *dice.pick(&ends) };
            Edit::Write(*at, bytes[..cut - at].to_vec()).apply(&mut self.durable);
            if dice.chance(Ratio::new(1, 2)) {
                let end = ((cut / SECTOR + 1) * SECTOR).min(at + bytes.len());
                // Wrong in every byte: a trailer that survives would rightly be called damage.
                let noise = bytes[cut - at..end - at].iter();
                let noise = noise.map(|byte| byte ^ (1 + dice.below(255) as u8)).collect();
                Edit::Write(cut, noise).apply(&mut self.durable);
            }
        }
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Edit::Write(at, new) => {
                bytes.resize(bytes.len().max(at + new.len()), 0);
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Edit::SetLen(len) => bytes.resize(*len, 0),
            Edit::Empty => bytes.clear(),
        }
    }
}

#[derive(Clone, Default)]
struct Files {
    cached: BTreeMap<Arc<str>, usize>,
    durable: BTreeMap<Arc<str>, usize>,
    changes: Vec<Change>,
    contents: Vec<Contents>,
}

impl Files {
    fn load(image: &Image, device: Device) -> Files {
        let mut files = Files::default();
        for (file, bytes) in image.on(device) {
            files.cached.insert(file.name.clone(), files.contents.len());
            files.contents.push(Contents { durable: bytes.to_vec(), edits: Vec::new() });
        }
        files.durable = files.cached.clone();
        files
    }

    fn edit(&mut self, file: &File, edit: Edit) {
        let inode = *self.cached.get(&file.name).unwrap_or_else(|| panic!("`{file}` is missing"));
        self.contents[inode].edits.push(edit);
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Create { file } => {
                if self.cached.contains_key(&file.name) {
                    return self.edit(file, Edit::Empty);
                }
                let inode = self.contents.len();
                self.contents.push(Contents::default());
                self.cached.insert(file.name.clone(), inode);
                self.changes.push(Change::Name(file.name.clone(), inode));
            }
            Effect::WriteAt { file, offset, bytes, .. } => {
                self.edit(file, Edit::Write(*offset as usize, bytes.clone()));
            }
            Effect::SetLen { file, len } => self.edit(file, Edit::SetLen(*len as usize)),
            Effect::Rename { from, to } => {
                let inode = self.cached.remove(&from.name);
                let inode = inode.unwrap_or_else(|| panic!("`{from}` is missing"));
                self.cached.insert(to.name.clone(), inode);
                self.changes.push(Change::Rename(from.name.clone(), to.name.clone(), inode));
            }
            Effect::Remove { file } => {
                assert!(self.cached.remove(&file.name).is_some(), "`{file}` is missing");
                self.changes.push(Change::Remove(file.name.clone()));
            }
            Effect::Fsync { file, .. } => {
                let inode = self.cached[&file.name];
                let contents = &mut self.contents[inode];
                contents.durable = contents.cached();
                contents.edits.clear();
            }
            Effect::FsyncDir { .. } => self.keep_names(|| true),
            other => panic!("no device carries out {other:?}"),
        }
    }

    fn keep_names(&mut self, mut keep: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.changes).into_iter().filter(|_| keep()) {
            match change {
                Change::Name(name, inode) => {
                    self.durable.insert(name, inode);
                }
                Change::Rename(from, to, inode) => {
                    self.durable.remove(&from);
                    self.durable.insert(to, inode);
                }
                Change::Remove(name) => {
                    self.durable.remove(&name);
                }
            }
        }
    }

    fn crash(&mut self, dice: &mut Dice) {
        let mode = dice.below(3);
        self.keep_names(|| mode == 0 || (mode == 1 && dice.below(2) == 0));
        for contents in &mut self.contents {
            contents.crash(dice);
        }
        self.cached = self.durable.clone();
    }

    fn save(&self, device: Device, image: &mut Image, durable: bool) {
        for (name, inode) in if durable { &self.durable } else { &self.cached } {
            let contents = &self.contents[*inode];
            let bytes = if durable { contents.durable.clone() } else { contents.cached() };
            image.put(File { device, name: name.clone() }, bytes);
        }
    }
}

/// What a transaction is here: its zxid, and a number that no other transaction ever has.
type Txn = (Zxid, u64);

fn entry((zxid, unique): Txn) -> Entry {
    let mut record = vec![0; 12];
    record.extend_from_slice(&zxid.0.to_be_bytes());
    record.extend_from_slice(&unique.to_be_bytes());
    record.extend_from_slice(&(-1i32).to_be_bytes());
    record.resize(48 + (unique * 37 % 150) as usize, unique as u8 | 1);
    Entry { zxid, record: record.into() }
}

fn unique(record: &[u8]) -> u64 {
    u64::from_be_bytes(record[20..28].try_into().expect("records are longer"))
}

fn body_of(history: &[Txn]) -> Vec<u8> {
    history.iter().flat_map(|(zxid, n)| [zxid.0.to_be_bytes(), n.to_be_bytes()].concat()).collect()
}

fn history_of(body: &[u8]) -> Vec<Txn> {
    let word = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
    body.chunks(16).map(|txn| (Zxid(word(&txn[..8])), word(&txn[8..]))).collect()
}

/// A peer reduced to its files, and what may be found in them after a crash.
struct Peer {
    log: Log,
    fx: Effects,
    queues: [VecDeque<Effect>; 2],
    files: [Files; 2],
    done: Vec<Ticket>,
    history: Vec<Txn>,
    /// Histories that a crash may leave: any prefix at least this long.
    allowed: Vec<(Vec<Txn>, usize)>,
    epoch: u32,
    accepted: u32,
    current: u32,
    uniques: u64,
    dice: Dice,
    crashes: u64,
}

impl Peer {
    fn start(image: &Image, seed: u64) -> Peer {
        let found = recover(image, Rules::RIGHT).expect("a fresh image is fine");
        let mut peer = Peer {
            log: found.log,
            fx: Effects::new(),
            queues: Default::default(),
            files: [Files::load(image, Device::Log), Files::load(image, Device::Snap)],
            done: Vec::new(),
            history: Vec::new(),
            allowed: vec![(Vec::new(), 0)],
            epoch: 0,
            accepted: 0,
            current: 0,
            uniques: 0,
            dice: Dice::new(seed, "crash_tests"),
            crashes: 0,
        };
        peer.boot();
        peer
    }

    fn boot(&mut self) {
        self.log.configure(*self.dice.pick(&[0, 256, 4096]), self.dice.between(1, 6));
        if let Some(ticket) = self.log.repair(&mut self.fx) {
            self.wait(ticket);
        }
    }

    /// Hands over what was asked for; carries some of it out.
    fn issue(&mut self) {
        let next = self.fx.next_ticket();
        for effect in std::mem::replace(&mut self.fx, Effects::resume(next)).list() {
            let device = match effect {
                Effect::Create { file }
                | Effect::WriteAt { file, .. }
                | Effect::SetLen { file, .. }
                | Effect::Rename { from: file, .. }
                | Effect::Remove { file }
                | Effect::Fsync { file, .. } => file.device,
                Effect::FsyncDir { device, .. } => *device,
                other => panic!("not a matter of files: {other:?}"),
            };
            self.queues[device as usize].push_back(effect.clone());
        }
        for _ in 0..self.dice.below(6) {
            let device = self.dice.below(2) as usize;
            self.carry_out(device);
        }
    }

    /// Carries effects out until the ticket is done; the other device may stay behind.
    fn wait(&mut self, ticket: Ticket) {
        self.issue();
        while !self.done.contains(&ticket) {
            let device = self.dice.below(2) as usize;
            self.carry_out(device);
        }
    }

    fn carry_out(&mut self, device: usize) {
        let Some(effect) = self.queues[device].pop_front() else { return };
        self.files[device].carry_out(&effect);
        if let Effect::Fsync { ticket, .. } | Effect::FsyncDir { ticket, .. } = effect {
            self.done.push(ticket);
        }
        for _ in 0..3 {
            self.check(&self.crashed());
            self.crashes += 1;
        }
    }

    fn crashed(&self) -> Image {
        let mut image = Image::default();
        let mut dice = self.dice.clone();
        for _ in 0..self.crashes % 7 {
            dice.word();
        }
        for (files, device) in self.files.iter().zip([Device::Log, Device::Snap]) {
            let mut files = files.clone();
            files.crash(&mut dice);
            files.save(device, &mut image, true);
        }
        image
    }

    fn check(&self, image: &Image) -> (Recovered, Vec<Txn>) {
        let names: Vec<String> = image.files.keys().map(ToString::to_string).collect();
        let found = recover(image, Rules::RIGHT)
            .unwrap_or_else(|refused| panic!("{refused}\n{names:?} {:?}", self.allowed));
        let (base, body) = found.snapshot.clone().unwrap_or_default();
        let mut history = history_of(&body);
        let extra = history.split_off(history.partition_point(|(zxid, _)| *zxid <= base));
        history.extend(found.entries.iter().map(|e| (e.zxid, unique(&e.record))));
        assert!(extra.iter().all(|txn| history.contains(txn)), "{extra:?} is not in the log");
        let allowed =
            |(all, least): &(Vec<Txn>, usize)| all.starts_with(&history) && history.len() >= *least;
        assert!(
            self.allowed.iter().any(allowed),
            "found {history:?}\nof {:?}\n{names:?}",
            self.allowed.iter().map(|(all, least)| (all.len(), *least, all)).collect::<Vec<_>>()
        );
        for pair in found.log.files.windows(2) {
            let (last, _) = *pair[0].records.last().expect("no file is empty");
            assert!(super::recover::follows(last, pair[1].first), "hole after {last}");
        }
        assert!(found.accepted.0 >= self.accepted, "acceptedEpoch {}", found.accepted);
        assert!(found.current.0 >= self.current, "currentEpoch {}", found.current);
        assert!(found.accepted >= found.current);
        (found, history)
    }

    fn new_epoch(&mut self) {
        self.epoch = self.epoch.max(self.accepted) + 1;
        let ticket = self.log.write_accepted(Epoch(self.epoch), &mut self.fx);
        self.wait(ticket);
        self.accepted = self.epoch;
        if self.dice.below(2) == 0 {
            let ticket = self.log.write_current(Epoch(self.epoch), &mut self.fx);
            self.wait(ticket);
            self.current = self.epoch;
        }
    }

    fn next(&mut self) -> Txn {
        self.uniques += 1;
        let last = self.history.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        let same = last.epoch().0 == self.epoch;
        let zxid = if same { Zxid(last.0 + 1) } else { Zxid::new(Epoch(self.epoch), 1) };
        (zxid, self.uniques)
    }

    fn append(&mut self) {
        if self.epoch == 0 {
            self.new_epoch();
        }
        for _ in 0..self.dice.between(1, 5) {
            let txn = self.next();
            self.history.push(txn);
            self.allowed[0].0.push(txn);
            self.log.append(&entry(txn), &mut self.fx);
        }
        if self.dice.below(3) > 0 {
            let ticket = self.log.sync(&mut self.fx);
            self.wait(ticket);
            self.allowed[0].1 = self.history.len();
        } else {
            self.issue();
        }
    }

    fn snapshot(&mut self) {
        self.log.roll();
        let start = self.log.last();
        let mut writer = SnapshotWriter::begin(start, 7, &mut self.fx);
        self.issue();
        self.append();
        let sync = self.log.sync(&mut self.fx);
        self.wait(sync);
        self.allowed[0].1 = self.history.len();
        let known = self.dice.between(0, self.history.len() as u64) as usize;
        let known = known.max(self.history.partition_point(|(zxid, _)| *zxid <= start));
        for chunk in body_of(&self.history[..known]).chunks(100) {
            writer.chunk(chunk, &mut self.fx);
            self.issue();
        }
        let reach = self.history[..known].last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        let ticket = writer.finish(reach, &mut self.log, &mut self.fx);
        self.wait(ticket);
        if self.dice.below(4) > 0 {
            let keep = self.dice.between(1, 3) as usize;
            self.log.snapshot_taken(start, reach, keep, &mut self.fx);
            self.issue();
        }
    }

    fn truncate(&mut self) {
        let keep = self.dice.below(self.history.len() as u64 + 1) as usize;
        let last = self.history[..keep].last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        self.allowed[0].1 = keep.min(self.allowed[0].1);
        loop {
            match self.log.truncate(last, &mut self.fx) {
                Cut::Impossible => break,
                Cut::Again(ticket) => self.wait(ticket),
                Cut::Last(ticket) => {
                    self.wait(ticket);
                    self.history.truncate(keep);
                    self.allowed = vec![(self.history.clone(), keep)];
                    break;
                }
            }
        }
        self.new_epoch();
    }

    /// A SNAP: another history, that shares a prefix with the old one.
    fn replace(&mut self) {
        self.new_epoch();
        let keep = self.dice.below(self.history.len() as u64 + 1) as usize;
        let old = std::mem::take(&mut self.history);
        self.history = old[..keep].to_vec();
        for _ in 0..self.dice.between(1, 4) {
            let txn = self.next();
            self.history.push(txn);
        }
        let last = self.history.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        let mut writer = SnapshotWriter::begin(last, 9, &mut self.fx);
        writer.chunk(body_of(&self.history), &mut self.fx);
        let ticket = writer.finish_replacing(&mut self.log, &mut self.fx);
        self.wait(ticket);
        if self.dice.below(4) == 0 {
            self.history = old; // The leader is gone: as if nothing had been.
            return;
        }
        self.allowed.push((self.history.clone(), self.history.len()));
        let ticket = self.log.replaced_by_snapshot(last, &mut self.fx);
        self.wait(ticket);
        self.allowed = vec![(self.history.clone(), self.history.len())];
        if self.dice.below(2) == 0 {
            let ticket = self.log.write_current(Epoch(self.epoch), &mut self.fx);
            self.wait(ticket);
            self.current = self.epoch;
        }
    }

    fn crash(&mut self) {
        let image = self.crashed();
        let (found, history) = self.check(&image);
        self.queues = Default::default();
        self.files = [Files::load(&image, Device::Log), Files::load(&image, Device::Snap)];
        self.log = found.log;
        self.accepted = found.accepted.0;
        self.current = found.current.0;
        self.epoch = self.accepted;
        self.allowed = vec![(history.clone(), history.len())];
        self.history = history;
        self.boot();
    }

    /// What a running peer reads of itself is what it thinks it has.
    fn look(&mut self) {
        let ticket = self.log.sync(&mut self.fx);
        self.wait(ticket);
        self.allowed[0].1 = self.history.len();
        for device in 0..2 {
            while !self.queues[device].is_empty() {
                self.carry_out(device);
            }
        }
        let mut image = Image::default();
        self.files[0].save(Device::Log, &mut image, false);
        self.files[1].save(Device::Snap, &mut image, false);
        let mut fx = Effects::new();
        let asked = self.log.read_all(&mut fx);
        let read = asked.into_iter().map(|(_, file)| {
            let bytes = image.get(&file).unwrap_or_else(|| panic!("`{file}` is missing"));
            (file.clone(), bytes.to_vec())
        });
        let (found, history) = self.check(&image_of(read.collect()));
        assert_eq!(history, self.history);
        assert_eq!(found.log.last(), self.log.last());
    }
}

fn life(seed: u64, image: &Image) {
    let mut peer = Peer::start(image, seed);
    for _ in 0..25 {
        match peer.dice.below(12) {
            0..=4 => peer.append(),
            5 | 6 => peer.snapshot(),
            7 => peer.truncate(),
            8 => peer.replace(),
            9 => peer.new_epoch(),
            10 => peer.look(),
            _ => peer.crash(),
        }
    }
}

#[test]
fn no_crash_loses_tears_or_resurrects_anything() {
    for seed in 0..150 {
        life(seed, &fresh_image());
    }
}

#[test]
fn a_wiped_peer_survives_every_crash_too() {
    for seed in 1000..1050 {
        life(seed, &Image::default());
    }
}
