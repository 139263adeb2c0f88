//! What the small world is made of: a service that is a list, and a disk that does one operation
//! at a time and forgets what no sync covered.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{Cursor, Digest, PeerId, Ticket, Zxid};
use crate::broadcast::{Serving, StateMachine};
use crate::jute::quorum::QuorumPacket;
use crate::process::{Device, DiskResult, Effect, Effects, File, Image, Now};

/// A service that is the list of what it applied.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub list: Vec<(Zxid, Digest)>,
    pub serving: Option<Serving>,
    pub next: Option<Zxid>,
    pub passed: Vec<u64>,
    pub changed: bool,
    half: bool,
}

impl StateMachine for Book {
    fn restore(&mut self, snapshot: Option<&[u8]>, _last: Zxid) -> Result<(), String> {
        self.list.clear();
        for line in snapshot.unwrap_or_default().chunks(16) {
            let word = |at: usize| line.get(at..at + 8).and_then(|b| b.try_into().ok());
            let (zxid, digest) = (word(0).ok_or("short")?, word(8).ok_or("short")?);
            let zxid = Zxid(u64::from_be_bytes(zxid));
            self.list.push((zxid, Digest(u64::from_be_bytes(digest))));
        }
        Ok(())
    }

    fn replay(&mut self, zxid: Zxid, record: &[u8]) -> Result<(), String> {
        if self.last() < zxid {
            self.list.push((zxid, Digest::of(record)));
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        _now: Now,
        zxid: Zxid,
        record: &[u8],
        part: usize,
        whole: bool,
        _fx: &mut Effects,
    ) -> bool {
        assert_eq!(part > 0, self.half, "parts come in order");
        self.half = part == 0 && !whole;
        if !self.half {
            self.list.push((zxid, Digest::of(record)));
        }
        !self.half
    }

    fn last(&self) -> Zxid {
        self.list.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    fn digest(&self) -> u64 {
        let mut digest = Digest::EMPTY;
        self.list.iter().for_each(|(zxid, d)| digest.word(zxid.0 ^ d.0));
        digest.0
    }

    fn snapshot(&self, cursor: &mut Cursor, nodes: usize, out: &mut Vec<u8>) -> bool {
        cursor.started = true;
        let at = cursor.after.as_ref().map_or(0, |after| after.len());
        let rest = &self.list[at..];
        for (zxid, digest) in rest.iter().take(nodes) {
            out.extend_from_slice(&zxid.0.to_be_bytes());
            out.extend_from_slice(&digest.0.to_be_bytes());
        }
        // As many characters as lines were written.
        cursor.after = Some("/".repeat(at + rest.len().min(nodes)));
        rest.len() <= nodes
    }

    fn serve(&mut self, _now: Now, serving: Serving, _fx: &mut Effects) {
        self.next = match serving {
            Serving::Leading { next, .. } => Some(next),
            Serving::Following { .. } => None,
        };
        self.serving = Some(serving);
        self.changed = true;
    }

    fn retire(&mut self, _now: Now, _fx: &mut Effects) {
        assert!(self.serving.is_some(), "only who serves retires");
        assert!(!self.half, "nobody sees half a transaction");
        (self.serving, self.next) = (None, None);
    }

    fn from_learner(&mut self, _: Now, _: PeerId, _: QuorumPacket, _: &mut Effects) {}
    fn from_leader(&mut self, _: Now, _: QuorumPacket, _: Zxid, _: &mut Effects) {}
    fn learner_left(&mut self, _: PeerId) {}
    fn pong(&mut self) -> Vec<u8> {
        vec![7]
    }
    fn ponged(&mut self, _: Now, _: PeerId, _: &[u8]) {}
    fn barrier_passed(&mut self, _: Now, token: u64, _: &mut Effects) {
        self.passed.push(token);
    }
}

/// A device's state: names and contents, as they are and as a crash would leave them.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    inodes: Vec<(Vec<u8>, Vec<u8>)>,
    live: BTreeMap<File, usize>,
    durable: BTreeMap<File, usize>,
    pub queues: BTreeMap<Device, VecDeque<Effect>>,
}

impl Disk {
    pub fn of(image: &Image) -> Disk {
        let mut disk = Disk::default();
        for (file, bytes) in &image.files {
            disk.live.insert(file.clone(), disk.inodes.len());
            disk.inodes.push((bytes.to_vec(), bytes.to_vec()));
        }
        disk.durable = disk.live.clone();
        disk
    }

    /// What is found after a crash; `power`: with the loss of all that no sync covered.
    pub fn image(&self, power: bool) -> Image {
        let mut image = Image::default();
        for (file, inode) in if power { &self.durable } else { &self.live } {
            let (live, durable) = &self.inodes[*inode];
            image.put(file.clone(), if power { durable.clone() } else { live.clone() });
        }
        image
    }

    fn content(&mut self, file: &File) -> &mut Vec<u8> {
        let inode = self.live.get(file).copied();
        &mut self.inodes[inode.unwrap_or_else(|| panic!("{file} is written but not there"))].0
    }

    /// Carries out the next operation of a device.
    pub fn run(&mut self, device: Device) -> Option<(Ticket, DiskResult)> {
        let effect = self.queues.get_mut(&device)?.pop_front()?;
        match effect {
            Effect::Create { file } => {
                self.live.insert(file, self.inodes.len());
                self.inodes.push((Vec::new(), Vec::new()));
            }
            Effect::WriteAt { file, offset, bytes, .. } => {
                let content = self.content(&file);
                let end = offset as usize + bytes.len();
                content.resize(content.len().max(end), 0);
                content[offset as usize..end].copy_from_slice(&bytes);
            }
            Effect::SetLen { file, len } => self.content(&file).resize(len as usize, 0),
            Effect::Rename { from, to } => {
                let inode = self.live.remove(&from).expect("renamed files exist");
                self.live.insert(to, inode);
            }
            Effect::Remove { file } => {
                self.live.remove(&file);
            }
            Effect::Read { ticket, file } => {
                let bytes = self.content(&file).clone();
                return Some((ticket, DiskResult::Bytes(bytes)));
            }
            Effect::Fsync { ticket, file } => {
                let inode = self.live[&file];
                self.inodes[inode].1 = self.inodes[inode].0.clone();
                return Some((ticket, DiskResult::Done));
            }
            Effect::FsyncDir { ticket, device } => {
                self.durable.retain(|file, _| file.device != device);
                let live = self.live.iter().filter(|(file, _)| file.device == device);
                self.durable.extend(live.map(|(file, inode)| (file.clone(), *inode)));
                return Some((ticket, DiskResult::Done));
            }
            other => panic!("{other:?} is not for a disk"),
        }
        None
    }
}
