//! Durability is judged from bytes: what a peer promised in frames that really left it must be in
//! its files, whenever it starts and at the end of the run.
//!
//! ```text
//!   Sent ACK, ACKEPOCH, ..  --> a ledger of promises per peer  \
//!   Received TRUNC, SNAP    --> promises released               >  audit(image) --> findings
//!   Starting, End           --> the bytes, read by `files`     /
//! ```
//!
//! Not here: what notes claim about durability, and whether two peers' logs agree. What the world
//! has damaged beyond the crash model is owed by nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Config, Epoch, LinkId, PeerId, PeerSet, Zxid};
use crate::history::{At, Seen};
use crate::process::{Channel, Image, Tag};

use super::files::{Contents, Memory};
use super::rebuilt::{self, Compared};
use super::{Finding, Oracle, Weight};

const DURABILITY: &str = "Durability";
const EPOCHS: &str = "EpochsOrdered";
const CONTIGUOUS: &str = "LogContiguous";
const DECODABLE: &str = "LogDecodable";
const STARTS: &str = "CrashRecovery";
const REPLAY: &str = "DiskReplay";

/// What one peer owes.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// Transactions it said to have in its log.
    logged: BTreeSet<Zxid>,
    accepted: Epoch,
    current: Epoch,
    /// The link to its leader, by the last LEADERINFO, and the leader's epoch.
    leader: Option<(LinkId, Epoch)>,
    /// What came before NEWLEADER on that link, and whether its ack vouches for it in any case.
    syncing: Vec<(Zxid, bool)>,
    /// Whether NEWLEADER has come on that link.
    synced: bool,
    /// The newest epoch whose NEWLEADER it has got: from then on its log may be of that epoch, and
    /// its currentEpoch not yet.
    entering: Epoch,
    /// The epoch it leads, by the last NEWLEADER it sent.
    leading: Epoch,
    /// The world has damaged its files beyond the crash model, and damage may lie hidden: nothing
    /// is owed until the files are replaced.
    damaged: bool,
    /// The world has damaged, or emptied, the files that it starts from.
    excused: bool,
    memory: Memory,
    rebuilt: rebuilt::Memory,
}

/// The oracle. See the module's page.
#[derive(Clone, Debug)]
pub struct Durability {
    config: Config,
    peers: BTreeMap<PeerId, Ledger>,
    /// Who has ever acked a transaction above the last committed one.
    acks: BTreeMap<Zxid, PeerSet>,
    /// The last transaction seen committed by a leader of its own epoch.
    committed: Zxid,
    evaluated: [u64; 6],
}

impl Durability {
    /// For a run of this ensemble.
    pub fn new(config: Config) -> Durability {
        Durability {
            config,
            peers: BTreeMap::new(),
            acks: BTreeMap::new(),
            committed: Zxid::ZERO,
            evaluated: [0; 6],
        }
    }

    /// A frame left a peer: what it promises (spec 6.6, 6.8, 6.10).
    fn sent(&mut self, at: At, from: PeerId, tag: &Tag, findings: &mut Vec<Finding>) {
        let ledger = self.peers.entry(from).or_default();
        match tag.kind {
            "ACK" if tag.zxid.counter() == 0 => {
                ledger.current = ledger.current.max(tag.epoch);
                // Proposals of the new epoch that are still undecided are acked one by one.
                for (zxid, vouched) in std::mem::take(&mut ledger.syncing) {
                    if vouched || zxid.epoch() < tag.epoch {
                        ledger.logged.insert(zxid);
                    }
                    self.acks.entry(zxid).or_default().insert(from);
                }
            }
            "ACK" => {
                ledger.logged.insert(tag.zxid);
                self.acks.entry(tag.zxid).or_default().insert(from);
            }
            "ACKEPOCH" => ledger.accepted = ledger.accepted.max(tag.epoch),
            "LEADERINFO" => {
                ledger.accepted = ledger.accepted.max(tag.epoch);
                ledger.leading = tag.epoch;
            }
            "NEWLEADER" => {
                ledger.current = ledger.current.max(tag.epoch);
                ledger.leading = tag.epoch;
            }
            "COMMIT" => self.commits(at, from, tag.zxid, findings),
            _ => {}
        }
    }

    /// A leader commits a transaction of its own epoch: a quorum must have vouched for it. If the
    /// frames of the others do not make one, the leader has counted itself, and owes it too.
    fn commits(&mut self, at: At, leader: PeerId, zxid: Zxid, findings: &mut Vec<Finding>) {
        let ledger = self.peers.entry(leader).or_default();
        // What it commits of older epochs is its initial history: NEWLEADER's acks vouch for that.
        if zxid.epoch() != ledger.leading || zxid <= self.committed || zxid.counter() == 0 {
            return;
        }
        let mut acks = self.acks.get(&zxid).copied().unwrap_or_default();
        if !self.config.is_quorum(&acks) {
            acks.insert(leader);
            ledger.logged.insert(zxid);
        }
        self.evaluated[0] += 1;
        if !self.config.is_quorum(&acks) {
            let detail = format!("{leader} committed {zxid}, which only {acks:?} had acked.");
            findings.push(finding(DURABILITY, "commit_without_quorum", at, leader, detail));
        }
        self.committed = zxid;
        self.acks = self.acks.split_off(&zxid);
    }

    /// A frame reached a peer: what its leader releases it from, or will have it vouch for.
    fn received(&mut self, link: LinkId, to: PeerId, tag: &Tag) {
        let ledger = self.peers.entry(to).or_default();
        if tag.kind == "LEADERINFO" {
            ledger.leader = Some((link, tag.epoch));
            ledger.syncing.clear();
            ledger.synced = false;
            return;
        }
        let Some((_, epoch)) = ledger.leader.filter(|(from, _)| *from == link) else { return };
        match tag.kind {
            // Only the leader of the epoch that it is in may take a promise back.
            // Only all of a snapshot takes the place of what was there before.
            "TRUNC" | "SNAP_END" if epoch >= ledger.accepted => {
                ledger.logged = ledger.logged.range(..=tag.zxid).copied().collect();
                if tag.kind == "SNAP_END" && tag.zxid.counter() > 0 {
                    ledger.syncing.push((tag.zxid, true));
                }
            }
            "DIFF" if tag.zxid.counter() > 0 => ledger.syncing.push((tag.zxid, true)),
            "PROPOSAL" if !ledger.synced => ledger.syncing.push((tag.zxid, false)),
            "COMMIT" if !ledger.synced => {
                let committed = ledger.syncing.iter_mut().filter(|(zxid, _)| *zxid == tag.zxid);
                committed.for_each(|(_, vouched)| *vouched = true);
            }
            "NEWLEADER" => {
                ledger.synced = true;
                ledger.entering = ledger.entering.max(epoch);
            }
            _ => {}
        }
    }

    fn starting(
        &mut self,
        at: At,
        peer: PeerId,
        image: &Image,
        damaged: bool,
        findings: &mut Vec<Finding>,
    ) {
        let ledger = self.peers.entry(peer).or_default();
        ledger.excused = damaged || ledger.damaged;
        if ledger.excused {
            let damaged = ledger.damaged;
            *ledger = Ledger { damaged, excused: true, ..Ledger::default() };
            return;
        }
        ledger.leader = None;
        ledger.syncing.clear();
        ledger.leading = Epoch(0);
        self.audit(at, peer, image, findings);
    }

    /// A peer calls its files damaged, which nobody has touched but itself and its crashes: it
    /// would do so for ever.
    fn refused(&mut self, at: At, peer: PeerId, reason: &str, findings: &mut Vec<Finding>) {
        let ledger = self.peers.entry(peer).or_default();
        if !ledger.excused {
            let detail = format!("{peer} takes what its crash has left for damage: {reason}");
            findings.push(finding(STARTS, "refused", at, peer, detail));
        }
    }

    /// Reads a peer's files and holds them against its ledger: at most one finding per property.
    fn audit(&mut self, at: At, peer: PeerId, image: &Image, findings: &mut Vec<Finding>) {
        let ledger = self.peers.entry(peer).or_default();
        let contents = ledger.memory.read(image);
        let checks = [
            (DURABILITY, ledger.unkept(&contents)),
            (EPOCHS, disordered(&contents).or_else(|| ledger.unentered(&contents))),
            (CONTIGUOUS, broken(&contents)),
            (DECODABLE, unreadable(&contents)),
        ];
        for (index, (property, found)) in checks.into_iter().enumerate() {
            self.evaluated[index] += 1;
            if let Some((kind, what)) = found {
                let detail = format!("The durable files of {peer}: {what}.");
                findings.push(finding(property, kind, at, peer, detail));
            }
        }
        match ledger.rebuilt.compare(&contents) {
            Compared::Nothing => {}
            Compared::Equal => self.evaluated[5] += 1,
            Compared::Wrong((kind, what)) => {
                self.evaluated[5] += 1;
                let detail = format!("The durable files of {peer}: {what}.");
                findings.push(finding(REPLAY, kind, at, peer, detail));
            }
        }
    }
}

fn finding(
    property: &'static str,
    kind: &'static str,
    at: At,
    peer: PeerId,
    detail: String,
) -> Finding {
    Finding { property, weight: Weight::Violation, at, peers: vec![peer], kind, detail }
}

impl Ledger {
    /// `currentEpoch >= epoch(last zxid)` (spec 6.1), but for a crash between the history that came
    /// before NEWLEADER and the epoch, which recovery finishes (ZOOKEEPER-1653, 4269).
    fn unentered(&self, contents: &Contents) -> Option<(&'static str, String)> {
        let current = contents.current.unwrap_or_default();
        let last = contents.last();
        (current < last.epoch() && self.entering < last.epoch()).then(|| {
            let what = format!(
                "currentEpoch {current} is below the log's {last}, of an epoch whose NEWLEADER \
                 it has never got"
            );
            ("current_below_log", what)
        })
    }

    /// The first promise that the files do not keep.
    fn unkept(&self, contents: &Contents) -> Option<(&'static str, String)> {
        let accepted = contents.accepted.unwrap_or_default();
        let current = contents.current.unwrap_or_default();
        if accepted < self.accepted {
            let owed = self.accepted;
            return Some((
                "accepted_epoch",
                format!("acceptedEpoch is {accepted}, but it promised {owed}"),
            ));
        }
        if current < self.current {
            let owed = self.current;
            return Some((
                "current_epoch",
                format!("currentEpoch is {current}, but it promised {owed}"),
            ));
        }
        // What the snapshot covers needs no look: only what is above it is asked for.
        let above = (std::ops::Bound::Excluded(contents.snapshot), std::ops::Bound::Unbounded);
        let lost = self.logged.range(above).find(|zxid| !contents.holds(**zxid))?;
        let last = contents.last();
        Some(("acked", format!("{lost} is gone, but it was acked; the log ends at {last}")))
    }
}

/// `acceptedEpoch >= currentEpoch`, and `acceptedEpoch >= epoch(last zxid)` (spec 6.1).
fn disordered(contents: &Contents) -> Option<(&'static str, String)> {
    if let Some(complaint) = contents.complaints.first() {
        return Some(complaint.clone());
    }
    let accepted = contents.accepted.unwrap_or_default();
    let current = contents.current.unwrap_or_default();
    let last = contents.last();
    if accepted < current {
        let what = format!("acceptedEpoch {accepted} is below currentEpoch {current}");
        Some(("accepted_below_current", what))
    } else if accepted < last.epoch() {
        Some(("accepted_below_log", format!("acceptedEpoch {accepted} is below the log's {last}")))
    } else {
        None
    }
}

/// Zxids must increase over the whole log; after the snapshot they must also have no gap within an
/// epoch, and begin each epoch with its first (spec 6.8).
fn broken(contents: &Contents) -> Option<(&'static str, String)> {
    let mut previous = Zxid::ZERO;
    for (file, records) in &contents.logs {
        for zxid in &records.zxids {
            if *zxid <= previous {
                return Some(("order", format!("`{file}` has {zxid} after {previous}")));
            }
            let before = previous.max(contents.snapshot);
            let first = zxid.epoch() > before.epoch() && zxid.counter() == 1;
            if *zxid > contents.snapshot && before.next() != Some(*zxid) && !first {
                return Some(("gap", format!("`{file}` has {zxid} right after {before}")));
            }
            previous = *zxid;
        }
    }
    None
}

/// Every record must decode, with its digest; only the newest file may end in something else.
fn unreadable(contents: &Contents) -> Option<(&'static str, String)> {
    let newest = contents.logs.len().saturating_sub(1);
    for (index, (file, records)) in contents.logs.iter().enumerate() {
        if let Some(complaint) = records.complaints.first() {
            return Some(complaint.clone());
        }
        if let Some(at) = records.rubbish.filter(|_| index < newest) {
            let what = format!("`{file}` byte {at}: no record and no padding in an older file");
            return Some(("torn_older", what));
        }
    }
    None
}

impl Oracle for Durability {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (DURABILITY, "what a peer has acked, accepted or committed is in its files"),
            (
                EPOCHS,
                "on disk, acceptedEpoch >= currentEpoch >= epoch of the last zxid, or repaired",
            ),
            (CONTIGUOUS, "on disk, zxids increase, without gaps within an epoch"),
            (DECODABLE, "on disk, every record decodes and carries its digest"),
            (STARTS, "a peer starts from whatever its own crash has left"),
            (REPLAY, "on disk, snapshot and log make the tree that the log's end names (S9)"),
        ]
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        match seen {
            Seen::Sent { from, channel: Channel::Quorum, tag, .. } => {
                self.sent(at, *from, tag, findings);
            }
            Seen::Received { link, to, tag, .. } => self.received(*link, *to, tag),
            Seen::Starting { peer, image, damaged, .. } => {
                self.evaluated[4] += u64::from(!*damaged);
                self.starting(at, *peer, image, *damaged, findings);
            }
            Seen::Refused { peer, reason, damaged: true } => {
                self.refused(at, *peer, reason, findings);
            }
            Seen::Fault { kind, peer: Some(peer), .. } => {
                let ledger = self.peers.entry(*peer).or_default();
                match *kind {
                    "rot" | "lose_file" | "misdirect" | "scatter" => ledger.damaged = true,
                    "wipe" | "replace" => *ledger = Ledger::default(),
                    _ => {}
                }
            }
            Seen::End { images } => {
                for (peer, image) in images {
                    if !self.peers.entry(*peer).or_default().damaged {
                        self.audit(at, *peer, image, findings);
                    }
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _at: At, _findings: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        [DURABILITY, EPOCHS, CONTIGUOUS, DECODABLE, STARTS, REPLAY]
            .into_iter()
            .zip(self.evaluated)
            .collect()
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
