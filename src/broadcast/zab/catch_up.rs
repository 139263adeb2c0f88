//! The leader brings one learner to its own history (spec 6.7).
//!
//! ```text
//!   choose --> DIFF | TRUNC | SNAP, history as PROPOSAL + COMMIT, outstanding PROPOSALs, NEWLEADER
//!      \--> read the log, choose again when it is there
//! ```
//!
//! Invariant: the choice, what it sends and the registration for forwarding are one event, so that
//! no proposal or commit falls between them or comes twice (ZOOKEEPER-962). A snapshot takes longer
//! to leave (`outbox`); what was chosen and registered stays behind it.

use std::collections::VecDeque;

use crate::base::{LinkId, PeerId, Ticket, Zxid};
use crate::disk::{self, Entry};
use crate::jute::quorum::packet;
use crate::process::{File, Note, SyncMode, Tag};

use super::leader::{Reading, Stage};
use super::rules::Register;
use super::sync::{self, Choice, SyncInput};
use super::{Cx, Station, Wait, Zab, decide, wire};

impl Zab {
    /// Chooses how to bring a learner up to date, and does it unless the log must be read first.
    pub(super) fn synchronise(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        self.deliver_all(cx);
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        let peer_last = handle.reported;
        let min = self.history.window.front().map_or(self.history.applied, |entry| entry.zxid);
        let files = match peer_last {
            Some(p) if p < min => self.log.log.files_after(p),
            Some(_) | None => None,
        };
        let budget = self.log.log.snapshot_size().saturating_mul(self.knobs.snap_size_percent);
        let files = files.filter(|(_, bytes)| bytes.saturating_mul(100) <= budget);
        let (last, window) = (self.history.applied, &self.history.window);
        let keeps = peer_last.and_then(|p| self.history.keeps(p, self.current));
        let input = SyncInput { peer_last, last, window, keeps, disk: files.is_some() };
        match decide!(self, cx.fx, sync(&input)) {
            Choice::Empty => {
                let p = peer_last.unwrap_or(last);
                self.send_sync(peer, SyncMode::Empty, packet::DIFF, p, VecDeque::new(), cx);
            }
            Choice::Send { cut, from } => {
                let rest = self.history.window.range(from.min(self.history.window.len())..);
                let rest = rest.cloned().collect();
                self.send_history(peer, SyncMode::Diff, cut, rest, cx);
            }
            Choice::Snap => self.send_snapshot(peer, cx),
            Choice::ReadLog => self.read_log_for(peer, files.unwrap_or_default().0, cx),
        }
    }

    fn read_log_for(&mut self, peer: PeerId, files: Vec<File>, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        handle.stage = Stage::Reading;
        handle.reading = Reading::default();
        for file in files {
            let ticket = cx.fx.read(file.clone());
            self.waits.insert(ticket, Wait::LogFile(peer, handle.link));
            handle.reading.asked.insert(ticket, file);
        }
    }

    pub(super) fn log_file_missing(&mut self, peer: PeerId, link: LinkId, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return self.settle(cx) };
        if leader.at(peer, link).is_some_and(|handle| handle.stage == Stage::Reading) {
            self.send_snapshot(peer, cx);
        }
    }

    /// The log is read: the window may have moved meanwhile, so the choice is made once more on
    /// both together (spec 6.7, case 5).
    pub(super) fn on_log_file(
        &mut self,
        peer: PeerId,
        link: LinkId,
        ticket: Ticket,
        bytes: Vec<u8>,
        cx: &mut Cx<'_>,
    ) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.at(peer, link) else { return };
        let Some(file) = handle.reading.asked.remove(&ticket) else { return };
        if handle.stage != Stage::Reading {
            return;
        }
        handle.heard = cx.now.mono; // It could not say anything while this side was reading.
        handle.reading.files.push((file, bytes));
        if !handle.reading.asked.is_empty() {
            return;
        }
        let (read, reported) = (std::mem::take(&mut handle.reading), handle.reported);
        self.deliver_all(cx);
        let mut entries: Vec<Entry> = Vec::new();
        for (_, bytes) in &read.files {
            let Ok(part) = disk::read_log(bytes) else { return self.send_snapshot(peer, cx) };
            let last = entries.last().map_or(Zxid::ZERO, |entry| entry.zxid);
            entries.extend(part.into_iter().filter(|entry| entry.zxid > last));
        }
        let all = sync::join(entries, &self.history.window, self.history.applied);
        let choice = match (&all, reported) {
            (Some(all), Some(p)) => sync::walk(all, p),
            (_, _) => Choice::Snap,
        };
        match (choice, all) {
            (Choice::Send { cut, from }, Some(mut all)) => {
                all.drain(..from);
                self.send_history(peer, SyncMode::DiskDiff, cut, all, cx);
            }
            (_, _) => self.send_snapshot(peer, cx),
        }
    }

    fn send_history(
        &mut self,
        peer: PeerId,
        mode: SyncMode,
        cut: Option<Zxid>,
        txns: VecDeque<Entry>,
        cx: &mut Cx<'_>,
    ) {
        match cut {
            Some(cut) => self.send_sync(peer, SyncMode::Trunc, packet::TRUNC, cut, txns, cx),
            None => {
                let max = self.history.applied;
                self.send_sync(peer, mode, packet::DIFF, max, txns, cx);
            }
        }
    }

    /// The operation, the history as PROPOSAL + COMMIT, then the registration and NEWLEADER, all
    /// in this event: nothing can fall between (ZOOKEEPER-962).
    fn send_sync(
        &mut self,
        peer: PeerId,
        mode: SyncMode,
        kind: i32,
        zxid: Zxid,
        txns: VecDeque<Entry>,
        cx: &mut Cx<'_>,
    ) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        cx.fx.note(Note::Synced { learner: peer, mode, txns: txns.len() as u64 });
        let epoch = self.current;
        let op: Tag = match mode {
            SyncMode::Trunc | SyncMode::Snap => wire::tag(kind, zxid),
            SyncMode::Empty | SyncMode::Diff | SyncMode::DiskDiff => {
                wire::tag_in(kind, epoch, zxid)
            }
        };
        handle.send(op, wire::write(kind, zxid.wire(), None), cx.fx);
        for entry in &txns {
            let zxid = entry.zxid;
            let bytes = wire::write(packet::PROPOSAL, zxid.wire(), Some(&entry.record));
            handle.send(wire::tag(packet::PROPOSAL, zxid), bytes, cx.fx);
            let bytes = wire::write(packet::COMMIT, zxid.wire(), None);
            handle.send(wire::tag(packet::COMMIT, zxid), bytes, cx.fx);
        }
        handle.stage = Stage::Syncing;
        match mode {
            SyncMode::Snap => self.stream_snapshot(peer, zxid, cx),
            SyncMode::Empty | SyncMode::Diff | SyncMode::DiskDiff | SyncMode::Trunc => {}
        }
        if decide!(self, cx.fx, register()) == Register::WithChoice {
            self.register(peer, zxid, cx);
        }
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        let text = self.election.config_text();
        let bytes = wire::write(packet::NEWLEADER, epoch.start().wire(), Some(text));
        handle.send(wire::tag(packet::NEWLEADER, epoch.start()), bytes, cx.fx);
    }

    fn send_snapshot(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        self.deliver_all(cx);
        self.finish_partial(cx);
        let zxid = self.history.applied;
        self.send_sync(peer, SyncMode::Snap, packet::SNAP, zxid, VecDeque::new(), cx);
    }

    /// From now on the learner gets every proposal and commit; first what is committed but not
    /// applied, and what is outstanding, as far as it goes beyond what the learner has kept.
    pub(super) fn register(&mut self, peer: PeerId, kept: Zxid, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        handle.forwarding = true;
        handle.acked = self.history.committed.max(self.current.start());
        for (at, entry) in self.history.tail.iter().enumerate() {
            let zxid = entry.zxid;
            if zxid <= kept {
                continue;
            }
            let bytes = wire::write(packet::PROPOSAL, zxid.wire(), Some(&entry.record));
            handle.send(wire::tag(packet::PROPOSAL, zxid), bytes, cx.fx);
            if at < self.history.ready {
                let bytes = wire::write(packet::COMMIT, zxid.wire(), None);
                handle.send(wire::tag(packet::COMMIT, zxid), bytes, cx.fx);
            } else {
                handle.owed.owes(zxid, cx.now.mono);
            }
        }
    }
}
