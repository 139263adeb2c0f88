//! Zab with fast leader election (spec section 6), without IO.
//!
//! ```text
//!  LOOKING --elected--> LEADING:   Discovery -> Synchronization -> Broadcast
//!     ^  \--elected--> FOLLOWING:  Discovery -> Synchronization -> Broadcast
//!     |                     |
//!     +--- log drained, service brought up to the log ---+
//! ```
//!
//! Three tasks share the state and are events of their own, so that a runner may put anything
//! between them: messages (`election`, `leader`, `learner`), the log (`log_task`), the service
//! (`apply_task`, `snapshot_task`). What an election and a synchronisation see is always the log:
//! while LOOKING nobody votes before every write in flight has ended.
//!
//! Invariants: epoch(last logged) <= currentEpoch <= acceptedEpoch on disk; an ACK leaves only
//! after what it acknowledges is durable; the service holds a prefix of the log, and all of it
//! while voting.

mod apply_task;
mod catch_up;
mod election;
mod history;
mod knobs;
mod leader;
mod learner;
mod log_task;
mod mesh;
mod newleader;
mod outbox;
mod proposals;
mod rebuild;
pub mod rules;
mod snapshot_task;
mod sync;
mod tickets;
mod wire;

#[cfg(test)]
mod films;
#[cfg(test)]
mod small_parts;
#[cfg(test)]
mod small_world;

use std::collections::BTreeMap;

use crate::base::{Config, Epoch, Key, LinkId, PeerId, Ticket, Zxid};
use crate::disk::{self, Entry};
use crate::jute::quorum::QuorumPacket;
use crate::process::{
    Boot, Channel, Effects, Event, Note, Now, Phase, Probe, Refused, Role, Timer,
};

use super::{Broadcast, StateMachine};

pub use rules::{AckWhen, Ballot, EpochAnswer, NotLogged, OnLeave, Register, Rules, Step};
pub use sync::{Choice, SyncInput};

pub(crate) use rules::decide;

use election::Election;
use history::History;
use knobs::Knobs;
use leader::Leader;
use learner::Learner;
use log_task::LogTask;
use mesh::Mesh;
use rebuild::Rebuild;
use snapshot_task::SnapshotTask;

/// What one handler works with, besides the peer itself.
struct Cx<'a> {
    now: Now,
    app: &'a mut dyn StateMachine,
    fx: &'a mut Effects,
}

/// What a disk operation in flight is for.
#[derive(Clone, Debug)]
enum Wait {
    /// The log's repair at boot.
    Repair,
    /// Appends up to this zxid.
    Log(Zxid),
    /// acceptedEpoch.
    Accepted(Epoch),
    /// currentEpoch.
    Current(Epoch),
    /// A snapshot of the running service, whose content may reach the second zxid.
    Snapshot(Zxid, Zxid),
    /// The snapshot that SNAP brought.
    Saved(Zxid),
    /// The removal of the log that SNAP replaced.
    Replaced(Zxid),
    /// TRUNC's cut, or what must go before it can begin.
    Cut { cut: Zxid, done: bool },
    /// One file of all, to rebuild the service from.
    Rebuild,
    /// One log file, to synchronise this learner on this link.
    LogFile(PeerId, LinkId),
}

/// What this peer is at the moment.
#[derive(Clone, Debug)]
enum Station {
    /// Electing, once `ready`: before that, writes in flight must end.
    Looking { ready: bool },
    /// Leading, in any phase.
    Leading(Leader),
    /// Following or observing, in any phase.
    Learning(Learner),
}

/// The protocol's whole state for one peer.
#[derive(Clone, Debug)]
pub struct Zab {
    me: PeerId,
    config: Config,
    knobs: Knobs,
    rules: Rules,
    entropy: Key,
    /// acceptedEpoch: promised, and durable unless `promise` is in flight.
    accepted: Epoch,
    promise: Option<Ticket>,
    /// currentEpoch, durable.
    current: Epoch,
    /// The highest epoch that a voter had accepted beyond the one this peer led.
    outbid: Epoch,
    may_vote: bool,
    /// The next synchronisation must be a SNAP: the log cannot be cut where a leader wants it.
    want_snap: bool,
    /// What boot found, until `start` hands it to the service.
    found: Option<Box<disk::Recovered>>,
    mesh: Mesh,
    election: Election,
    station: Station,
    history: History,
    log: LogTask,
    snapshot: SnapshotTask,
    /// Links of the quorum channel.
    links: BTreeMap<LinkId, PeerId>,
    waits: BTreeMap<Ticket, Wait>,
    rebuild: Option<Rebuild>,
    halted: bool,
}

impl Zab {
    /// Recovers from the boot image. Nothing is asked for before `start`.
    ///
    /// # Errors
    /// If the files are damaged, or promise what their log contradicts.
    pub fn boot(boot: &Boot, rules: Rules) -> Result<Zab, Refused> {
        let mut found = disk::recover(&boot.image, rules.disk)?;
        let spec = &boot.spec;
        found.log.configure(spec.knob("prealloc", 4096), spec.knob("log_roll", 100_000));
        let knobs = Knobs::of(spec);
        Ok(Zab {
            me: spec.id,
            config: spec.config.clone(),
            knobs,
            rules,
            entropy: boot.entropy.named("zab"),
            accepted: found.accepted,
            promise: None,
            current: found.current,
            outbid: Epoch(0),
            may_vote: found.may_vote,
            want_snap: false,
            mesh: Mesh::new(spec.id, &spec.config),
            election: Election::new(&spec.config, knobs.poll),
            station: Station::Looking { ready: false },
            history: History::new(knobs.commit_log_count),
            log: LogTask::new(found.log.clone()),
            snapshot: SnapshotTask::default(),
            links: BTreeMap::new(),
            waits: BTreeMap::new(),
            rebuild: None,
            halted: false,
            found: Some(Box::new(found)),
        })
    }

    /// Whether this peer's vote counts.
    fn votes(&self) -> bool {
        self.may_vote && self.config.is_voter(self.me)
    }

    fn role(&self) -> Role {
        match &self.station {
            Station::Looking { .. } => Role::Looking,
            Station::Leading(_) => Role::Leading,
            Station::Learning(learner) if learner.voting => Role::Following,
            Station::Learning(_) => Role::Observing,
        }
    }

    /// Stops for good: what is on disk is no longer known.
    fn halt(&mut self, reason: String, fx: &mut Effects) {
        self.halted = true;
        fx.halt(reason);
    }

    /// The last zxid to vote with and to report.
    fn last_zxid(&self, fx: &mut Effects) -> Zxid {
        decide!(self, fx, last_zxid(self.log.last(), self.history.applied))
    }

    /// Promises an epoch: nothing that depends on it may leave before its ticket is done.
    fn promise(&mut self, epoch: Epoch, fx: &mut Effects) {
        assert!(epoch > self.accepted, "an epoch is promised once");
        self.accepted = epoch;
        let ticket = self.log.log.write_accepted(epoch, fx);
        self.promise = Some(ticket);
        self.waits.insert(ticket, Wait::Accepted(epoch));
    }

    /// Sends on a link, once the promise in flight is durable.
    fn send_promised(
        &self,
        link: LinkId,
        tag: crate::process::Tag,
        bytes: Vec<u8>,
        fx: &mut Effects,
    ) {
        match self.promise {
            Some(ticket) if decide!(self, fx, promise_first(self.role())) => {
                fx.send_after(ticket, link, tag, bytes);
            }
            Some(_) | None => fx.send(link, tag, bytes),
        }
    }

    /// Leaves a role: links closed, clients gone, log drained; then elects (spec 6.10).
    fn leave(&mut self, note: Note, cx: &mut Cx<'_>) {
        let served = match &self.station {
            Station::Looking { .. } => return,
            Station::Leading(leader) => leader.phase == Phase::Broadcast,
            Station::Learning(learner) => learner.serving(),
        };
        cx.fx.note(note);
        for link in std::mem::take(&mut self.links).into_keys() {
            cx.fx.hang_up(link);
        }
        self.abandon_snapshot(cx.fx);
        self.finish_partial(cx);
        if served {
            cx.app.retire(cx.now, cx.fx);
        }
        match decide!(self, cx.fx, on_leave(self.log.queued())) {
            OnLeave::Drain => self.append_queue(cx.fx),
            OnLeave::Leave => {}
            OnLeave::Drop => self.log.drop_queue(),
        }
        self.station = Station::Looking { ready: false };
        let (leader, round) = (self.me, self.election.round as u64);
        cx.fx.note(Note::BecameRole { role: Role::Looking, leader, round });
        cx.fx.cancel_timer(Timer("zab.tick", 0));
        cx.fx.cancel_timer(Timer("zab.join", 0));
        self.settle(cx);
    }

    /// Elects once nothing is in flight: the log is final, and the service is brought up to it.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let Station::Looking { ready: false } = self.station else { return };
        if self.halted || !self.waits.is_empty() || self.rebuild.is_some() {
            return;
        }
        if self.history.unsaved && !decide!(self, cx.fx, keep_partial_snap()) {
            return self.start_rebuild(cx.fx);
        }
        if decide!(self, cx.fx, fast_forward(self.log.last(), self.history.applied)) {
            self.fast_forward(cx);
        } else {
            self.history.forget_tail();
        }
        if self.halted {
            return;
        }
        self.station = Station::Looking { ready: true };
        self.begin_election(cx);
    }

    fn on_link_up(&mut self, link: LinkId, peer: PeerId, dialed: bool, cx: &mut Cx<'_>) {
        match &self.station {
            Station::Learning(learner) if dialed && learner.awaits_link(peer) => {
                self.links.insert(link, peer);
                self.introduce(link, cx);
            }
            Station::Leading(_) if !dialed => {
                self.links.insert(link, peer);
                self.learner_connected(link, peer, cx);
            }
            // Nobody listens here now: as good as refused.
            Station::Looking { .. } | Station::Leading(_) | Station::Learning(_) => {
                cx.fx.hang_up(link);
            }
        }
    }

    fn on_received(&mut self, link: LinkId, bytes: Vec<u8>, cx: &mut Cx<'_>) {
        if let Some(peer) = self.mesh.peer_of(link) {
            return self.on_notification(peer, link, &bytes, cx);
        }
        let Some(peer) = self.links.get(&link).copied() else { return };
        match &self.station {
            Station::Looking { .. } => {}
            Station::Leading(_) => self.on_learner_packet(peer, link, &bytes, cx),
            Station::Learning(_) => self.on_leader_packet(bytes, cx),
        }
    }

    fn on_link_down(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        if self.mesh_link_down(link, cx.fx) {
            return;
        }
        let Some(peer) = self.links.remove(&link) else { return };
        match &self.station {
            Station::Looking { .. } => {}
            Station::Leading(_) => self.learner_gone(peer, link, cx),
            Station::Learning(_) => self.leader_gone(cx),
        }
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut Cx<'_>) {
        match (timer.0, &self.station) {
            ("zab.poll", Station::Looking { ready: true }) => self.on_poll(cx),
            ("zab.finalize", Station::Looking { ready: true }) => self.on_finalize(cx),
            ("zab.dial" | "zab.nudge", _) => self.mesh_retry(timer, cx.fx),
            ("zab.tick", Station::Leading(_)) => self.on_leader_tick(cx),
            ("zab.tick", Station::Learning(_)) => self.on_learner_tick(cx),
            ("zab.join", Station::Learning(_)) => self.dial_leader(cx),
            _ => {} // A timer of a role that was left.
        }
    }

    fn dispatch(&mut self, event: Event, cx: &mut Cx<'_>) {
        match event {
            Event::LinkUp { link, peer, channel: Channel::Election, dialed } => {
                self.mesh_link_up(link, peer, dialed, cx.fx);
            }
            Event::LinkUp { link, peer, channel: Channel::Quorum, dialed } => {
                self.on_link_up(link, peer, dialed, cx);
            }
            Event::LinkDown { link, .. } => self.on_link_down(link, cx),
            Event::DialFailed { peer, channel: Channel::Election, .. } => {
                self.mesh_dial_failed(peer, cx.fx);
            }
            Event::DialFailed { peer, channel: Channel::Quorum, .. } => {
                self.leader_dial_failed(peer, cx);
            }
            Event::Received { link, bytes } => self.on_received(link, bytes, cx),
            Event::Disk { ticket, result } => self.on_disk(ticket, result, cx),
            Event::Timer(timer) => self.on_timer(timer, cx),
            Event::Work(work) => match work.0 {
                "zab.log" => self.run_log(cx),
                "zab.apply" => self.run_apply(cx),
                "zab.snap" => self.run_snapshot(cx),
                _ => {} // Not one of Zab's.
            },
            Event::Drained { link } => self.on_drained(link, cx),
            // The service's.
            Event::Accepted { .. } | Event::ConnBytes { .. } | Event::ConnDown { .. } => {}
        }
    }
}

impl Broadcast for Zab {
    fn start(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        let cx = &mut Cx { now, app, fx };
        let Some(found) = self.found.take() else { return };
        cx.fx.note(Note::Recovered {
            last: found.entries.last().map_or(self.log.last(), |entry| entry.zxid),
            current: found.current,
            accepted: found.accepted,
        });
        if found.torn {
            cx.fx.note(Note::TornTail { after: self.log.last() });
        }
        if found.repaired {
            cx.fx.note(Note::EpochRepaired { epoch: found.current });
        }
        self.repair_log(cx.fx);
        self.restore(found.snapshot, found.entries, cx);
        if self.halted {
            return;
        }
        if decide!(self, cx.fx, snapshot_at_boot()) {
            self.snapshot_whole(cx);
        }
        self.mesh_start(cx.fx);
        self.settle(cx);
    }

    fn step(&mut self, now: Now, event: Event, app: &mut dyn StateMachine, fx: &mut Effects) {
        if !self.halted {
            self.dispatch(event, &mut Cx { now, app, fx });
        }
    }

    fn propose(&mut self, now: Now, zxid: Zxid, record: Vec<u8>, fx: &mut Effects) {
        self.propose_record(now, zxid, record, fx);
    }

    fn tell_leader(&mut self, packet: QuorumPacket, fx: &mut Effects) {
        self.send_to_leader(&packet, fx);
    }

    fn tell_learner(&mut self, learner: PeerId, packet: QuorumPacket, fx: &mut Effects) {
        self.send_to_learner(learner, &packet, fx);
    }

    fn barrier(&mut self, now: Now, token: u64, app: &mut dyn StateMachine, fx: &mut Effects) {
        self.add_barrier(token, &mut Cx { now, app, fx });
    }

    fn abdicate(
        &mut self,
        now: Now,
        why: &'static str,
        app: &mut dyn StateMachine,
        fx: &mut Effects,
    ) {
        if let Station::Leading(_) = self.station {
            self.leave(Note::Abdicated { why }, &mut Cx { now, app, fx });
        }
    }

    fn probe(&self) -> Probe {
        let (phase, epoch, serving) = match &self.station {
            Station::Looking { .. } => (Phase::Election, self.current, false),
            Station::Leading(leader) => {
                (leader.phase, self.current, leader.phase == Phase::Broadcast)
            }
            Station::Learning(learner) => (learner.phase(), self.current, learner.serving()),
        };
        let window = &self.history.window;
        let first = window.front().map_or(Zxid::ZERO, |entry| entry.zxid);
        Probe {
            role: self.role(),
            phase,
            epoch,
            accepted: self.accepted,
            logged: self.log.last(),
            committed: self.history.committed,
            applied: self.history.applied,
            tree: None,
            sessions: None,
            window: (first, window.len() as u32),
            serving,
        }
    }

    fn fork(&self) -> Box<dyn Broadcast> {
        Box::new(self.clone())
    }

    fn describe(&self) -> Vec<(String, String)> {
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
        line("role", format!("{:?}", self.role()));
        line("accepted_epoch", self.accepted.to_string());
        line("current_epoch", self.current.to_string());
        line("round", self.election.round.to_string());
        line("vote", self.election.ballot.to_string());
        line("logged", self.log.last().to_string());
        line("durable", self.log.durable.to_string());
        line("log_tail", self.log_tail());
        line("committed", self.history.committed.to_string());
        line("applied", self.history.applied.to_string());
        line("not_applied", self.history.tail.len().to_string());
        line("window", self.history.window.len().to_string());
        line("disk_in_flight", format!("{:?}", self.waits));
        match &self.station {
            Station::Looking { ready } => line("ready_to_vote", ready.to_string()),
            Station::Leading(leader) => leader.describe(&mut line),
            Station::Learning(learner) => learner.describe(&mut line),
        }
        lines
    }
}

impl Zab {
    /// The last zxids that are in its log or on their way there, with a bar behind the durable.
    fn log_tail(&self) -> String {
        let History { window, tail, .. } = &self.history;
        let known: Vec<Zxid> = window.iter().chain(tail).map(|entry| entry.zxid).collect();
        let last = &known[known.len().saturating_sub(8)..];
        let durable = last.partition_point(|zxid| *zxid <= self.log.durable);
        let words =
            |zxids: &[Zxid]| zxids.iter().map(|zxid| format!("{zxid} ")).collect::<String>();
        format!("{}| {}", words(&last[..durable]), words(&last[durable..])).trim_end().to_string()
    }
}

/// A shared entry out of a proposal's bytes.
fn entry(zxid: Zxid, record: &[u8]) -> Entry {
    Entry { zxid, record: std::sync::Arc::from(record) }
}
