//! A learner's way with its leader (spec 6.6, 6.8, 6.10).
//!
//! ```text
//!   Dialing -> Discovery -> Choosing -> Syncing -> Accepting -> Accepted -> Serving
//!          link     LEADERINFO   DIFF|TRUNC|SNAP  NEWLEADER  (steps) ACK   UPTODATE
//! ```
//!
//! Invariants: ACKEPOCH is held by the ticket of acceptedEpoch; a proposal follows the last one
//! without a gap; a COMMIT is for the first proposal not committed; packets that arrive while the
//! disk is busy with a step wait in their order.

use std::collections::VecDeque;

use crate::base::{LinkId, PeerId, Time, Zxid};
use crate::broadcast::Serving;
use crate::jute::Record;
use crate::jute::quorum::{QuorumPacket, packet};
use crate::process::{Channel, Effects, Note, Phase, Role, SyncMode, Timer};

use super::newleader::Waiting;
use super::rules::{EpochAnswer, Step};
use super::{Cx, Station, Zab, decide, entry, wire};

/// How often a leader is dialled before the election is held again.
const TRIES_MAX: u32 = 5;

/// How far a learner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// No link yet.
    Dialing,
    /// FOLLOWERINFO left.
    Discovery,
    /// ACKEPOCH left.
    Choosing,
    /// SNAP came, and its end has not: memory and disk are what they were.
    Receiving,
    /// DIFF, TRUNC or all of SNAP came.
    Syncing,
    /// NEWLEADER came, and its steps are under way.
    Accepting,
    /// NEWLEADER is acknowledged.
    Accepted,
    /// UPTODATE came, and its steps are under way.
    Finishing,
    /// Serving.
    Serving,
}

/// A learner's state in all phases.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    pub leader: PeerId,
    pub link: Option<LinkId>,
    pub stage: Stage,
    /// Whether it counts: it is a voter, and had its files when it joined.
    pub voting: bool,
    tries: u32,
    started: Time,
    heard: Time,
    /// The leader's epoch, from LEADERINFO on.
    pub epoch: crate::base::Epoch,
    pub mode: SyncMode,
    /// What SNAP brought, until it is durable.
    pub snap: Option<(Zxid, Vec<u8>)>,
    pub steps: &'static [Step],
    pub waiting: Waiting,
    /// How many transactions the leader had committed before NEWLEADER are in the tail.
    pub synced: usize,
    /// The last of them: the ACK of NEWLEADER stands for everything up to here.
    pub vouched: Zxid,
    /// Logs and acknowledges what comes after before UPTODATE.
    pub early: bool,
    /// Up to here proposals are off the list that COMMITs before UPTODATE are matched with.
    pub drained: Zxid,
    inbox: VecDeque<Vec<u8>>,
}

impl Learner {
    /// Whether clients are served.
    pub fn serving(&self) -> bool {
        self.stage == Stage::Serving
    }

    /// Whether this proposal is acknowledged once it is logged.
    pub fn acknowledges(&self, zxid: Zxid) -> bool {
        zxid > self.vouched && (self.stage == Stage::Serving || self.early)
    }

    /// Whether it waits for a link to this peer.
    pub fn awaits_link(&self, peer: PeerId) -> bool {
        self.leader == peer && self.stage == Stage::Dialing
    }

    /// Zab's phase.
    pub fn phase(&self) -> Phase {
        match self.stage {
            Stage::Dialing | Stage::Discovery => Phase::Discovery,
            Stage::Choosing
            | Stage::Receiving
            | Stage::Syncing
            | Stage::Accepting
            | Stage::Accepted
            | Stage::Finishing => Phase::Synchronization,
            Stage::Serving => Phase::Broadcast,
        }
    }

    pub fn describe(&self, line: &mut impl FnMut(&str, String)) {
        line("leader", self.leader.to_string());
        line("stage", format!("{:?}", self.stage));
        line("leader_epoch", self.epoch.to_string());
        line("waiting_for", format!("{:?}", self.waiting));
        line("packets_held", self.inbox.len().to_string());
    }
}

impl Zab {
    /// Somebody else won an election.
    pub(super) fn learn_from(&mut self, leader: PeerId, cx: &mut Cx<'_>) {
        let voting = self.votes();
        self.station = Station::Learning(Learner {
            leader,
            link: None,
            stage: Stage::Dialing,
            voting,
            tries: 0,
            started: cx.now.mono,
            heard: cx.now.mono,
            epoch: self.accepted,
            mode: SyncMode::Empty,
            snap: None,
            steps: &[],
            waiting: Waiting::Nothing,
            synced: 0,
            vouched: Zxid::ZERO,
            early: false,
            drained: Zxid::ZERO,
            inbox: VecDeque::new(),
        });
        let role = if voting { Role::Following } else { Role::Observing };
        let round = self.election.round as u64;
        cx.fx.note(Note::BecameRole { role, leader, round });
        self.set_tick(cx);
        self.dial_leader(cx);
    }

    pub(super) fn dial_leader(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        if learner.stage != Stage::Dialing {
            return;
        }
        learner.tries += 1;
        if learner.tries > TRIES_MAX {
            return self.leave(Note::LeftLeader { why: "unreachable" }, cx);
        }
        cx.fx.dial(learner.leader, Channel::Quorum);
    }

    pub(super) fn leader_dial_failed(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        if learner.awaits_link(peer) {
            cx.fx.set_timer_in(Timer("zab.join", 0), self.knobs.dial_retry);
        }
    }

    /// The link is up: FOLLOWERINFO.
    pub(super) fn introduce(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.link = Some(link);
        learner.stage = Stage::Discovery;
        learner.heard = cx.now.mono;
        let kind = if learner.voting { packet::FOLLOWERINFO } else { packet::OBSERVERINFO };
        let info = wire::learner_info(i64::from(self.me.0), self.config.version);
        let zxid = self.accepted.start();
        cx.fx.send(link, wire::tag(kind, zxid), wire::write(kind, zxid.wire(), Some(&info)));
    }

    /// The link is gone. Before the leader has said anything this is like a refused dial: it may
    /// not have decided yet.
    pub(super) fn leader_gone(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.link = None;
        if learner.stage == Stage::Discovery {
            learner.stage = Stage::Dialing;
            cx.fx.set_timer_in(Timer("zab.join", 0), self.knobs.dial_retry);
        } else {
            self.leave(Note::LeftLeader { why: "link_down" }, cx);
        }
    }

    /// Leaves a leader that sent what its phase does not allow (Remix I-11, I-13, I-14).
    fn leader_breach(&mut self, what: &'static str, zxid: i64, cx: &mut Cx<'_>) {
        cx.fx.note(Note::Breach { what, zxid: Zxid::from_wire(zxid.max(0)) });
        self.leave(Note::LeftLeader { why: what }, cx);
    }

    pub(super) fn on_leader_packet(&mut self, bytes: Vec<u8>, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.heard = cx.now.mono;
        if learner.waiting != Waiting::Nothing {
            return learner.inbox.push_back(bytes);
        }
        self.take_packet(&bytes, cx);
    }

    /// Takes the packets that waited for a step.
    pub(super) fn drain_inbox(&mut self, cx: &mut Cx<'_>) {
        while let Station::Learning(learner) = &mut self.station {
            if learner.waiting != Waiting::Nothing {
                return;
            }
            let Some(bytes) = learner.inbox.pop_front() else { return };
            self.take_packet(&bytes, cx);
        }
    }

    fn take_packet(&mut self, bytes: &[u8], cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        let stage = learner.stage;
        if stage == Stage::Receiving {
            return self.on_snap_chunk(bytes, cx);
        }
        let Ok(packet) = wire::read(bytes) else { return self.leader_breach("packet", 0, cx) };
        let synced = stage == Stage::Syncing || stage >= Stage::Accepted;
        match (packet.kind, stage) {
            (packet::LEADERINFO, Stage::Discovery) => self.on_leader_info(packet.zxid, cx),
            (packet::DIFF, Stage::Choosing) => self.begin_sync(SyncMode::Diff),
            (packet::TRUNC, Stage::Choosing) => self.on_trunc(packet.zxid, cx),
            (packet::SNAP, Stage::Choosing) => self.on_snap(packet.zxid, cx),
            (packet::PROPOSAL, _) if synced => self.on_proposal(&packet, cx),
            (packet::COMMIT, _) if synced => self.on_commit(packet.zxid, cx),
            (packet::NEWLEADER, Stage::Syncing) => self.on_newleader(packet.zxid, cx),
            (packet::UPTODATE, Stage::Accepted) => self.on_uptodate(cx),
            (packet::PING, Stage::Serving) => self.on_ping(packet.zxid, cx),
            (packet::REQUEST | packet::REVALIDATE | packet::SYNC, Stage::Serving) => {
                match QuorumPacket::from_bytes(bytes) {
                    Ok(whole) => {
                        cx.app.from_leader(cx.now, whole, self.history.committed, cx.fx);
                    }
                    Err(_) => self.leader_breach("packet", packet.zxid, cx),
                }
            }
            _ => self.leader_breach("learner_phase", packet.zxid, cx),
        }
    }

    fn on_leader_info(&mut self, zxid: i64, cx: &mut Cx<'_>) {
        if zxid < 0 {
            return self.leader_breach("leader_info", zxid, cx);
        }
        let epoch = Zxid::from_wire(zxid).epoch();
        let current = match decide!(self, cx.fx, answer_epoch(self.accepted, epoch)) {
            EpochAnswer::Refuse => {
                return self.leave(Note::LeftLeader { why: "old_epoch" }, cx);
            }
            EpochAnswer::Promise => {
                if epoch > self.accepted {
                    self.promise(epoch, cx.fx);
                }
                self.current.0 as i32
            }
            EpochAnswer::Repeat => -1,
        };
        let last = self.last_zxid(cx.fx);
        let wire_last = if self.want_snap { wire::NO_ZXID } else { last.wire() };
        let Station::Learning(learner) = &mut self.station else { return };
        let Some(link) = learner.link else { return };
        learner.epoch = epoch;
        learner.stage = Stage::Choosing;
        let bytes = wire::write(packet::ACKEPOCH, wire_last, Some(&current.to_be_bytes()));
        self.send_promised(link, wire::tag_in(packet::ACKEPOCH, epoch, last), bytes, cx.fx);
    }

    fn begin_sync(&mut self, mode: SyncMode) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.mode = mode;
        learner.stage = Stage::Syncing;
    }

    fn on_trunc(&mut self, zxid: i64, cx: &mut Cx<'_>) {
        let cut = Zxid::from_wire(zxid);
        if zxid < 0 || cut > self.log.last() {
            return self.leader_breach("trunc_target", zxid, cx);
        }
        self.begin_sync(SyncMode::Trunc);
        let Station::Learning(learner) = &mut self.station else { return };
        learner.waiting = Waiting::Rebuild;
        self.cut_log(cut, cx);
    }

    /// The log is cut and the service rebuilt from it.
    pub(super) fn rebuilt_after_cut(&mut self, cut: Zxid, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        if learner.waiting != Waiting::Rebuild {
            return;
        }
        learner.waiting = Waiting::Nothing;
        if self.log.last() != cut {
            self.want_snap = true; // The histories part somewhere below the cut.
            return self.leader_breach("trunc_target", cut.wire(), cx);
        }
        self.drain_inbox(cx);
    }

    /// The leader's service follows. Until all of it is here nothing changes, so that whatever ends
    /// the transfer leaves nothing half-taken.
    fn on_snap(&mut self, zxid: i64, cx: &mut Cx<'_>) {
        if zxid < 0 {
            return self.leader_breach("snap", zxid, cx);
        }
        let Station::Learning(learner) = &mut self.station else { return };
        learner.snap = Some((Zxid::from_wire(zxid), Vec::new()));
        learner.stage = Stage::Receiving;
    }

    fn on_snap_chunk(&mut self, bytes: &[u8], cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        let Some((zxid, body)) = &mut learner.snap else { return };
        if bytes == wire::SNAP_SIGNATURE {
            return self.on_snap_end(cx);
        }
        match wire::read(bytes) {
            Ok(packet) if packet.kind == packet::SNAP && packet.zxid == zxid.wire() => {
                body.extend_from_slice(packet.payload());
            }
            Ok(_) | Err(_) => {
                let zxid = zxid.wire();
                self.leader_breach("snap", zxid, cx);
            }
        }
    }

    /// The service starts over from the leader's. Until it is durable, disk holds another history
    /// (ZOOKEEPER-3642).
    fn on_snap_end(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        let Some((zxid, body)) = &learner.snap else { return };
        let zxid = *zxid;
        self.history.unsaved = true;
        if cx.app.restore(Some(body), zxid).is_err() {
            return self.leader_breach("snap", zxid.wire(), cx);
        }
        self.history.reset(zxid);
        self.begin_sync(SyncMode::Snap);
        self.tell_restored(cx);
    }

    fn on_proposal(&mut self, packet: &wire::Packet<'_>, cx: &mut Cx<'_>) {
        let zxid = Zxid::from_wire(packet.zxid);
        let record = packet.payload();
        let newest = self.history.newest();
        let fits = wire::record_zxid(record) == Ok(zxid) && packet.zxid > 0;
        if !fits || zxid <= newest || !decide!(self, cx.fx, follows(newest, zxid)) {
            return self.leader_breach("proposal_gap", packet.zxid, cx);
        }
        let entry = entry(zxid, record);
        self.history.tail.push_back(entry.clone());
        let Station::Learning(learner) = &self.station else { return };
        if learner.acknowledges(zxid) {
            self.hand_to_log(entry, cx.fx);
        }
    }

    fn on_commit(&mut self, zxid: i64, cx: &mut Cx<'_>) {
        let commit = Zxid::from_wire(zxid);
        let Station::Learning(learner) = &self.station else { return };
        let listed = learner.serving() || commit > learner.drained;
        if !listed || self.history.next_commit() != Some(commit) {
            return self.leader_breach("commit_order", zxid, cx);
        }
        self.history.ready += 1;
        if learner.serving() {
            self.history.commit_up_to(commit, cx.fx);
            self.schedule_apply(cx.fx);
        }
    }

    fn on_ping(&mut self, zxid: i64, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &self.station else { return };
        let Some(link) = learner.link else { return };
        let pong = cx.app.pong();
        let tag = wire::tag(packet::PING, Zxid::from_wire(zxid.max(0)));
        cx.fx.send(link, tag, wire::write(packet::PING, zxid, Some(&pong)));
    }

    /// UPTODATE's steps are done: everything received so far is committed or pending; serve.
    pub(super) fn go_live(&mut self, cx: &mut Cx<'_>) {
        let Station::Learning(learner) = &mut self.station else { return };
        learner.stage = Stage::Serving;
        let (leader, epoch) = (learner.leader, learner.epoch);
        self.may_vote = true; // All that a quorum knows is durable here from now on.
        self.want_snap = false;
        self.election.settle_epoch(epoch);
        cx.fx.note(Note::UpToDate { epoch });
        self.history.commit_up_to(self.history.applied, cx.fx);
        for at in 0..self.history.ready {
            let zxid = self.history.tail[at].zxid;
            self.history.commit_up_to(zxid, cx.fx);
        }
        cx.app.serve(cx.now, Serving::Following { leader, epoch }, cx.fx);
        self.hand_tail_to_log(self.history.tail.len(), cx.fx);
        self.schedule_apply(cx.fx);
    }

    pub(super) fn send_to_leader(&mut self, packet: &QuorumPacket, fx: &mut Effects) {
        let Station::Learning(learner) = &self.station else { return };
        let Some(link) = learner.link.filter(|_| learner.serving()) else { return };
        let tag = wire::tag_in(packet.kind, learner.epoch, Zxid::ZERO);
        fx.send(link, tag, packet.to_bytes());
    }

    /// Every half tick: has the leader been silent for too long? Not while this side is busy.
    pub(super) fn on_learner_tick(&mut self, cx: &mut Cx<'_>) {
        self.set_tick(cx);
        let now = cx.now.mono;
        let Station::Learning(learner) = &self.station else { return };
        let (init, sync) = (self.knobs.init, self.knobs.sync);
        let deadline = match learner.stage {
            Stage::Dialing => learner.started + init,
            Stage::Serving => learner.heard + sync,
            Stage::Discovery
            | Stage::Choosing
            | Stage::Receiving
            | Stage::Syncing
            | Stage::Accepting
            | Stage::Accepted
            | Stage::Finishing => learner.heard + init,
        };
        if learner.waiting == Waiting::Nothing && now > deadline {
            self.leave(Note::LeftLeader { why: "timeout" }, cx);
        }
    }
}
