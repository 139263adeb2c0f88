//! The leader's way to its epoch: discovery, then synchronisation (spec 6.6, 6.7).
//!
//! ```text
//!   learner                            leader
//!     FOLLOWERINFO(acceptedEpoch) --->  a quorum: e = 1 + max, acceptedEpoch := e durable
//!     <--- LEADERINFO(e)
//!     ACKEPOCH(currentEpoch, last) -->  a quorum: currentEpoch := e durable
//!     <--- DIFF | TRUNC | SNAP and its chunks, history, NEWLEADER(e)
//!     ACK(e) ------------------------>  a quorum: established
//!     <--- UPTODATE
//! ```
//!
//! Invariants: no LEADERINFO before acceptedEpoch is durable; one choice of synchronisation and
//! one registration for forwarding in the same event (ZOOKEEPER-962); only voters count, and a
//! voter that lost its files does not until its next election.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{Epoch, LinkId, PeerId, PeerSet, Ticket, Time, Zxid};
use crate::broadcast::Serving;
use crate::jute::Record;
use crate::jute::quorum::{LearnerInfo, packet};
use crate::process::{File, Note, Phase, Role, Timer};

use super::outbox::Outbox;
use super::proposals::{Barrier, Owed};
use super::rules::Register;
use super::{Cx, Station, Wait, Zab, decide, wire};

/// How far a learner is, as its leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Nothing was said yet.
    Connected,
    /// FOLLOWERINFO came.
    Introduced,
    /// LEADERINFO left.
    Informed,
    /// ACKEPOCH came.
    Promised,
    /// The log is being read for it.
    Reading,
    /// NEWLEADER left.
    Syncing,
    /// NEWLEADER is acknowledged.
    Synced,
    /// UPTODATE left.
    UpToDate,
}

/// Log files being read for one learner.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub asked: BTreeMap<Ticket, File>,
    pub files: Vec<(File, Vec<u8>)>,
}

/// One learner's link, as its leader sees it.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub link: LinkId,
    pub stage: Stage,
    /// Whether its acknowledgements count.
    pub counts: bool,
    /// Gets proposals and commits.
    pub forwarding: bool,
    /// When a packet came last.
    pub heard: Time,
    /// Its last zxid, as ACKEPOCH reported it; `None` demands a snapshot.
    pub reported: Option<Zxid>,
    /// All proposals up to here are acknowledged.
    pub acked: Zxid,
    /// Which acknowledgements it owes.
    pub owed: Owed,
    pub pings: u64,
    pub pongs: u64,
    pub reading: Reading,
    /// The snapshot that is on its way to it, and what stays behind that.
    pub outbox: Option<Outbox>,
}

/// A leader's state in all phases.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub phase: Phase,
    /// The new epoch, once it is fixed.
    pub epoch: Option<Epoch>,
    /// The highest acceptedEpoch heard of.
    seen: Epoch,
    /// When the phase must be over.
    deadline: Time,
    /// Own (currentEpoch, last zxid) when the role began.
    mine: (Epoch, Zxid),
    introduced: PeerSet,
    promised: PeerSet,
    synced: PeerSet,
    entering: bool,
    /// The last zxid proposed; at first the zxid of NEWLEADER.
    pub proposed: Zxid,
    /// Own log is durable up to here.
    pub own_acked: Zxid,
    /// What own log owes.
    pub owed: Owed,
    pub learners: BTreeMap<PeerId, Handle>,
    pub barriers: VecDeque<Barrier>,
    half_ticks: u64,
}

impl Leader {
    /// The learner at the other end of this very link.
    pub fn at(&mut self, peer: PeerId, link: LinkId) -> Option<&mut Handle> {
        self.learners.get_mut(&peer).filter(|handle| handle.link == link)
    }

    pub fn describe(&self, line: &mut impl FnMut(&str, String)) {
        line("phase", format!("{:?}", self.phase));
        line("epoch", format!("{:?}", self.epoch));
        line("proposed", self.proposed.to_string());
        line("own_acked", self.own_acked.to_string());
        for (peer, handle) in &self.learners {
            let (stage, acked) = (handle.stage, handle.acked);
            line("learner", format!("{peer} {stage:?} acked {acked} counts {}", handle.counts));
            if let Some((chunks, held)) = handle.outbox.as_ref().map(Outbox::lengths) {
                line("outbox", format!("{peer} chunks {chunks} held {held}"));
            }
        }
    }
}

impl Zab {
    /// Won an election.
    pub(super) fn lead(&mut self, cx: &mut Cx<'_>) {
        let round = self.election.round as u64;
        cx.fx.note(Note::BecameRole { role: Role::Leading, leader: self.me, round });
        self.want_snap = false;
        let last = self.last_zxid(cx.fx);
        self.station = Station::Leading(Leader {
            phase: Phase::Discovery,
            epoch: None,
            seen: self.accepted,
            deadline: cx.now.mono + self.knobs.init,
            mine: (self.current, last),
            introduced: PeerSet::EMPTY,
            promised: PeerSet::EMPTY,
            synced: PeerSet::EMPTY,
            entering: false,
            proposed: Zxid::ZERO,
            own_acked: Zxid::ZERO,
            owed: Owed::default(),
            learners: BTreeMap::new(),
            barriers: VecDeque::new(),
            half_ticks: 0,
        });
        self.set_tick(cx);
        self.fix_epoch(cx);
    }

    /// Both roles look at their clocks every half tick.
    pub(super) fn set_tick(&self, cx: &mut Cx<'_>) {
        let half = crate::base::Duration(self.knobs.tick.0 / 2);
        cx.fx.set_timer_in(Timer("zab.tick", 0), half);
    }

    pub(super) fn learner_connected(&mut self, link: LinkId, peer: PeerId, cx: &mut Cx<'_>) {
        self.drop_learner(peer, cx); // A newer link replaces an older one.
        self.links.insert(link, peer);
        let Station::Leading(leader) = &mut self.station else { return };
        let handle = Handle {
            link,
            stage: Stage::Connected,
            counts: false,
            forwarding: false,
            heard: cx.now.mono,
            reported: None,
            acked: Zxid::ZERO,
            owed: Owed::default(),
            pings: 0,
            pongs: 0,
            reading: Reading::default(),
            outbox: None,
        };
        leader.learners.insert(peer, handle);
    }

    /// A learner's link is gone.
    pub(super) fn learner_gone(&mut self, peer: PeerId, link: LinkId, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        if leader.at(peer, link).is_none() {
            return;
        }
        leader.learners.remove(&peer);
        for barrier in &mut leader.barriers {
            barrier.marks.remove(&peer);
        }
        cx.app.learner_left(peer);
    }

    /// Hangs up on a learner, if there is one.
    pub(super) fn drop_learner(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &self.station else { return };
        let Some(link) = leader.learners.get(&peer).map(|handle| handle.link) else { return };
        cx.fx.hang_up(link);
        self.links.remove(&link);
        self.learner_gone(peer, link, cx);
    }

    /// Drops a learner that sent what its phase does not allow (Remix I-11, I-12).
    pub(super) fn breach(&mut self, peer: PeerId, what: &'static str, zxid: i64, cx: &mut Cx<'_>) {
        cx.fx.note(Note::Breach { what, zxid: Zxid::from_wire(zxid.max(0)) });
        self.drop_learner(peer, cx);
    }

    pub(super) fn on_learner_packet(
        &mut self,
        peer: PeerId,
        link: LinkId,
        bytes: &[u8],
        cx: &mut Cx<'_>,
    ) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.at(peer, link) else { return };
        let Ok(packet) = wire::read(bytes) else {
            return self.breach(peer, "packet", 0, cx);
        };
        handle.heard = cx.now.mono;
        let stage = handle.stage;
        match (packet.kind, stage) {
            (packet::FOLLOWERINFO | packet::OBSERVERINFO, Stage::Connected) => {
                self.on_follower_info(peer, &packet, cx);
            }
            (packet::ACKEPOCH, Stage::Informed) => self.on_ack_epoch(peer, &packet, cx),
            (packet::ACK, Stage::Syncing | Stage::Synced | Stage::UpToDate) => {
                self.on_ack(peer, packet.zxid, cx);
            }
            (packet::PING, Stage::UpToDate) => self.on_pong(peer, packet.payload(), cx),
            (packet::REQUEST | packet::REVALIDATE | packet::SYNC, Stage::UpToDate) => {
                match Record::from_bytes(bytes) {
                    Ok(whole) => cx.app.from_learner(cx.now, peer, whole, cx.fx),
                    Err(_) => self.breach(peer, "packet", packet.zxid, cx),
                }
            }
            _ => self.breach(peer, "leader_phase", packet.zxid, cx),
        }
    }

    fn on_follower_info(&mut self, peer: PeerId, packet: &wire::Packet<'_>, cx: &mut Cx<'_>) {
        let Ok(info) = LearnerInfo::from_bytes(packet.payload()) else {
            return self.breach(peer, "packet", packet.zxid, cx);
        };
        let newer = info.config_version > self.config.version.wire();
        if info.sid != i64::from(peer.0) || packet.zxid < 0 || newer {
            return self.breach(peer, "follower_info", packet.zxid, cx);
        }
        let counts = packet.kind == packet::FOLLOWERINFO && self.config.is_voter(peer);
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        handle.counts = counts;
        handle.stage = Stage::Introduced;
        let accepted = Zxid::from_wire(packet.zxid).epoch();
        if let Some(epoch) = leader.epoch {
            if counts && decide!(self, cx.fx, yields(epoch, accepted)) {
                self.outbid = self.outbid.max(accepted);
                return self.leave(Note::Abdicated { why: "outbid" }, cx);
            }
            return self.inform(peer, cx); // Later joiners get the same epoch.
        }
        leader.seen = leader.seen.max(accepted);
        if counts {
            leader.introduced.insert(peer);
        }
        self.fix_epoch(cx);
    }

    /// Fixes the new epoch once self and those introduced are a quorum: higher than any of them
    /// has accepted, durable before anybody hears of it (ZOOKEEPER-1282).
    fn fix_epoch(&mut self, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let mut present = leader.introduced;
        present.insert(self.me);
        if leader.epoch.is_some() || !decide!(self, cx.fx, quorum(&self.config, &present)) {
            return;
        }
        let seen = leader.seen.max(self.accepted).max(self.outbid);
        let epoch = decide!(self, cx.fx, new_epoch(seen, leader.mine.1));
        leader.epoch = Some(epoch);
        leader.proposed = epoch.start();
        let waiting: Vec<PeerId> = leader
            .learners
            .iter()
            .filter(|(_, handle)| handle.stage == Stage::Introduced)
            .map(|(peer, _)| *peer)
            .collect();
        if epoch > self.accepted {
            self.promise(epoch, cx.fx);
        }
        cx.fx.note(Note::EpochProposed { epoch });
        for peer in waiting {
            self.inform(peer, cx);
        }
        self.leader_promised(cx); // Only goes on if there was nothing to make durable.
    }

    fn inform(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let (Some(epoch), Some(handle)) = (leader.epoch, leader.learners.get_mut(&peer)) else {
            return;
        };
        handle.stage = Stage::Informed;
        let link = handle.link;
        let version = wire::PROTOCOL_VERSION.to_be_bytes();
        let bytes = wire::write(packet::LEADERINFO, epoch.start().wire(), Some(&version));
        self.send_promised(link, wire::tag(packet::LEADERINFO, epoch.start()), bytes, cx.fx);
    }

    fn on_ack_epoch(&mut self, peer: PeerId, packet: &wire::Packet<'_>, cx: &mut Cx<'_>) {
        let Ok(current) = wire::ack_epoch(packet.payload()) else {
            return self.breach(peer, "packet", packet.zxid, cx);
        };
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        let last = if packet.zxid < 0 { None } else { Some(Zxid::from_wire(packet.zxid)) };
        handle.reported = last;
        handle.stage = Stage::Promised;
        if let (Ok(current), Phase::Discovery) = (u32::try_from(current), leader.phase) {
            let theirs = (Epoch(current), last.unwrap_or(Zxid::ZERO));
            if decide!(self, cx.fx, refuses(leader.mine, theirs)) {
                return self.drop_learner(peer, cx);
            }
            if handle.counts {
                leader.promised.insert(peer);
            }
        }
        if leader.phase == Phase::Discovery {
            self.leader_promised(cx);
        } else {
            self.synchronise(peer, cx);
        }
    }

    /// Goes on to synchronisation once a quorum has promised the epoch, durably also here.
    pub(super) fn leader_promised(&mut self, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(epoch) = leader.epoch else { return };
        let mut promised = leader.promised;
        promised.insert(self.me);
        let waits = self.promise.is_some() || leader.entering || leader.phase != Phase::Discovery;
        if waits || !decide!(self, cx.fx, quorum(&self.config, &promised)) {
            return;
        }
        leader.entering = true;
        let ticket = self.log.log.write_current(epoch, cx.fx);
        self.waits.insert(ticket, Wait::Current(epoch));
    }

    /// currentEpoch is durable: the initial history is fixed.
    pub(super) fn enter_synchronization(&mut self, epoch: Epoch, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        if leader.epoch != Some(epoch) || leader.phase != Phase::Discovery {
            return;
        }
        assert!(self.history.tail.is_empty(), "a leader's service holds its whole log");
        leader.phase = Phase::Synchronization;
        leader.deadline = cx.now.mono + self.knobs.init;
        leader.synced.insert(self.me);
        cx.fx.note(Note::LeaderSyncing { epoch, last: self.history.applied });
        let promised: Vec<PeerId> = leader
            .learners
            .iter()
            .filter(|(_, handle)| handle.stage == Stage::Promised)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in promised {
            self.synchronise(peer, cx);
        }
        self.establish(cx);
    }

    /// ACK of NEWLEADER: the learner holds the initial history durably.
    pub(super) fn on_newleader_ack(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        let late = decide!(self, cx.fx, register()) == Register::WithAck;
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        handle.stage = Stage::Synced;
        if handle.counts {
            leader.synced.insert(peer);
        }
        if late {
            self.deliver_all(cx);
            self.register(peer, Zxid::ZERO, cx);
        }
        let Station::Leading(leader) = &mut self.station else { return };
        if leader.phase == Phase::Broadcast {
            self.up_to_date(peer, cx);
        } else {
            self.establish(cx);
        }
    }

    /// Established once a quorum holds the initial history: all of it is committed now.
    fn establish(&mut self, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let (Some(epoch), Phase::Synchronization) = (leader.epoch, leader.phase) else { return };
        if !decide!(self, cx.fx, quorum(&self.config, &leader.synced)) {
            return;
        }
        leader.phase = Phase::Broadcast;
        leader.own_acked = leader.proposed;
        let last = self.history.applied;
        cx.fx.note(Note::Established { epoch, last });
        self.history.commit_up_to(last, cx.fx);
        self.election.settle_epoch(epoch);
        let synced: Vec<PeerId> = leader
            .learners
            .iter()
            .filter(|(_, handle)| handle.stage == Stage::Synced)
            .map(|(peer, _)| *peer)
            .collect();
        let next = Zxid(epoch.start().0 + 1);
        cx.app.serve(cx.now, Serving::Leading { epoch, next }, cx.fx);
        for peer in synced {
            self.up_to_date(peer, cx);
        }
    }

    fn up_to_date(&mut self, peer: PeerId, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        handle.stage = Stage::UpToDate;
        // It was this side that kept silent until here, and what it was sent before had to wait.
        handle.heard = cx.now.mono;
        handle.owed.afresh(cx.now.mono);
        let tag = wire::tag_in(packet::UPTODATE, self.current, Zxid::ZERO);
        cx.fx.send(handle.link, tag, wire::write(packet::UPTODATE, wire::NO_ZXID, None));
    }

    /// Every half tick: pings, and what must not take longer than its limit (spec 6.10, 6.13).
    pub(super) fn on_leader_tick(&mut self, cx: &mut Cx<'_>) {
        self.set_tick(cx);
        let now = cx.now.mono;
        let Station::Leading(leader) = &mut self.station else { return };
        leader.half_ticks += 1;
        if leader.phase != Phase::Broadcast && now > leader.deadline {
            return self.leave(Note::Abdicated { why: "init_limit" }, cx);
        }
        let (init, sync) = (self.knobs.init, self.knobs.sync);
        let late: Vec<PeerId> = leader
            .learners
            .iter()
            .filter(|(_, handle)| handle.is_late(now, init, sync))
            .map(|(peer, _)| *peer)
            .collect();
        let check = leader.half_ticks.is_multiple_of(2) && leader.phase == Phase::Broadcast;
        // Learners that need its log to catch up would wait for ever behind a device that hangs.
        let own_log_late = check && leader.owed.is_late(now, sync);
        for peer in late {
            self.drop_learner(peer, cx);
        }
        if decide!(self, cx.fx, own_log_late(own_log_late)) {
            return self.leave(Note::Abdicated { why: "own_log" }, cx);
        }
        if check && !self.has_quorum(cx) {
            return self.leave(Note::Abdicated { why: "quorum_lost" }, cx);
        }
        self.ping_all(cx.fx);
    }

    fn has_quorum(&self, cx: &mut Cx<'_>) -> bool {
        let Station::Leading(leader) = &self.station else { return false };
        let (now, sync) = (cx.now.mono, self.knobs.sync);
        let live = |handle: &Handle| {
            handle.counts && handle.stage >= Stage::Synced && now <= handle.heard + sync
        };
        let mut heard: PeerSet =
            leader.learners.iter().filter(|(_, h)| live(h)).map(|(peer, _)| *peer).collect();
        heard.insert(self.me);
        decide!(self, cx.fx, quorum(&self.config, &heard))
    }
}
