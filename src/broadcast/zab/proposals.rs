//! The established leader's broadcast: proposals, acknowledgements, commits, pings, barriers
//! (spec 5.4, 6.10).
//!
//! ```text
//!   propose -> PROPOSAL to learners, own log
//!   a quorum durable, and nothing before it uncommitted -> COMMIT -> apply task
//! ```
//!
//! Invariants: a proposal is committed only with a quorum of durable copies, the leader's own
//! counted after its own sync; commits leave in the order of zxids.

use std::collections::BTreeMap;

use crate::base::{Duration, PeerId, PeerSet, Time, Zxid};
use crate::jute::Record;
use crate::jute::quorum::{QuorumPacket, packet};
use crate::process::{Effects, Note, Phase};

use super::leader::{Handle, Stage};
use super::rules::AckWhen;
use super::{Cx, Station, Zab, decide, entry, wire};

/// Something that waits until all proposed before is delivered and this peer is known to lead.
#[derive(Clone, Debug)]
pub(super) struct Barrier {
    token: u64,
    upto: Zxid,
    /// Per learner, which of its pongs answers a ping sent since. One that joined since has no
    /// mark: any pong of its will do.
    pub marks: BTreeMap<PeerId, u64>,
}

/// Acknowledgements that someone owes: the oldest proposal not acknowledged and the newest made,
/// with their times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Owed(Option<[(Zxid, Time); 2]>);

impl Owed {
    /// A proposal was made.
    pub fn owes(&mut self, zxid: Zxid, now: Time) {
        let oldest = self.0.map_or((zxid, now), |[oldest, _]| oldest);
        self.0 = Some([oldest, (zxid, now)]);
    }

    /// Everything up to `zxid` is acknowledged. Two marks bound the age of the oldest proposal
    /// owed from above by the age of the newest made when the first mark was reached.
    fn paid(&mut self, zxid: Zxid) {
        self.0 = match self.0 {
            Some([oldest, newest]) if oldest.0 > zxid => Some([oldest, newest]),
            Some([_, newest]) if newest.0 > zxid => Some([newest, newest]),
            Some(_) | None => None,
        };
    }

    /// Whatever is owed counts from now on.
    pub fn afresh(&mut self, now: Time) {
        self.0 = self.0.map(|marks| marks.map(|(zxid, _)| (zxid, now)));
    }

    /// Whether something is owed for longer than this.
    pub fn is_late(&self, now: Time, limit: Duration) -> bool {
        self.0.is_some_and(|[(_, since), _]| now > since + limit)
    }
}

impl Handle {
    /// Whether it was silent, or owes an ACK, for too long.
    pub(super) fn is_late(&self, now: Time, init: Duration, sync: Duration) -> bool {
        let limit = if self.stage < Stage::UpToDate { init + sync } else { sync };
        let owes = self.stage == Stage::UpToDate && self.owed.is_late(now, sync);
        owes || now > self.heard + limit
    }
}

impl Zab {
    pub(super) fn propose_record(
        &mut self,
        now: crate::process::Now,
        zxid: Zxid,
        record: Vec<u8>,
        fx: &mut Effects,
    ) {
        let Station::Leading(leader) = &mut self.station else { return };
        if leader.phase != Phase::Broadcast {
            return; // The service has not yet heard that this peer retired.
        }
        let dense = decide!(self, fx, dense(leader.proposed, zxid));
        assert!(dense, "zxids of an epoch are dense: {zxid} after {}", leader.proposed);
        leader.proposed = zxid;
        let entry = entry(zxid, &record);
        fx.note(Note::Proposed { zxid, record });
        let bytes = wire::write(packet::PROPOSAL, zxid.wire(), Some(&entry.record));
        for handle in leader.learners.values_mut().filter(|handle| handle.forwarding) {
            handle.owed.owes(zxid, now.mono);
            handle.send(wire::tag(packet::PROPOSAL, zxid), bytes.clone(), fx);
        }
        leader.owed.owes(zxid, now.mono);
        if decide!(self, fx, own_ack()) == AckWhen::AtOnce {
            leader.own_acked = zxid;
        }
        self.history.tail.push_back(entry.clone());
        self.hand_to_log(entry, fx);
    }

    /// The own log is durable up to `last`.
    pub(super) fn leader_logged(&mut self, last: Zxid, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        leader.owed.paid(last);
        if leader.phase == Phase::Broadcast && last > leader.own_acked {
            leader.own_acked = last;
            self.advance_commits(cx);
        }
    }

    pub(super) fn on_ack(&mut self, peer: PeerId, zxid: i64, cx: &mut Cx<'_>) {
        let start = self.current.start();
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        let acked = Zxid::from_wire(zxid);
        if handle.stage == Stage::Syncing {
            if acked == start && handle.outbox.is_none() {
                return self.on_newleader_ack(peer, cx);
            }
            return self.breach(peer, "ack_before_newleader", zxid, cx);
        }
        if acked == start {
            return; // The ACK of UPTODATE tells nothing new.
        }
        if acked > leader.proposed || !(self.rules.dense)(handle.acked, acked) {
            return self.breach(peer, "ack_sequence", zxid, cx);
        }
        handle.acked = acked;
        handle.owed.paid(acked);
        self.advance_commits(cx);
    }

    /// Commits what a quorum holds durably, strictly in order.
    fn advance_commits(&mut self, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        while let Some(zxid) = self.history.next_commit() {
            let holds = |handle: &Handle| {
                handle.counts && handle.stage >= Stage::Synced && handle.acked >= zxid
            };
            let mut holders: PeerSet =
                leader.learners.iter().filter(|(_, h)| holds(h)).map(|(peer, _)| *peer).collect();
            if leader.own_acked >= zxid {
                holders.insert(self.me);
            }
            if !decide!(self, cx.fx, quorum(&self.config, &holders)) {
                break;
            }
            self.history.ready += 1;
            self.history.commit_up_to(zxid, cx.fx);
            for handle in leader.learners.values_mut().filter(|handle| handle.forwarding) {
                let bytes = wire::write(packet::COMMIT, zxid.wire(), None);
                handle.send(wire::tag(packet::COMMIT, zxid), bytes, cx.fx);
            }
        }
        self.schedule_apply(cx.fx);
    }

    pub(super) fn send_to_learner(
        &mut self,
        learner: PeerId,
        packet: &QuorumPacket,
        fx: &mut Effects,
    ) {
        let Station::Leading(leader) = &self.station else { return };
        let Some(handle) = leader.learners.get(&learner) else { return };
        if handle.stage == Stage::UpToDate {
            let tag = wire::tag_in(packet.kind, self.current, Zxid::ZERO);
            fx.send(handle.link, tag, packet.to_bytes());
        }
    }

    /// Pings all learners that are up to date.
    pub(super) fn ping_all(&mut self, fx: &mut Effects) {
        let Station::Leading(leader) = &mut self.station else { return };
        let zxid = leader.proposed;
        for handle in leader.learners.values_mut() {
            if handle.stage == Stage::UpToDate {
                handle.pings += 1;
                let bytes = wire::write(packet::PING, zxid.wire(), None);
                fx.send(handle.link, wire::tag(packet::PING, zxid), bytes);
            }
        }
    }

    pub(super) fn on_pong(&mut self, peer: PeerId, payload: &[u8], cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        if handle.pongs == handle.pings {
            return self.breach(peer, "pong_without_ping", 0, cx);
        }
        handle.pongs += 1;
        cx.app.ponged(cx.now, peer, payload);
        self.check_barriers(cx);
    }

    pub(super) fn add_barrier(&mut self, token: u64, cx: &mut Cx<'_>) {
        match &self.station {
            Station::Leading(leader) if leader.phase == Phase::Broadcast => {}
            Station::Looking { .. } | Station::Leading(_) | Station::Learning(_) => return,
        }
        self.ping_all(cx.fx);
        let Station::Leading(leader) = &mut self.station else { return };
        let up = leader.learners.iter().filter(|(_, handle)| handle.stage == Stage::UpToDate);
        let marks = up.map(|(peer, handle)| (*peer, handle.pings)).collect();
        leader.barriers.push_back(Barrier { token, upto: leader.proposed, marks });
        self.check_barriers(cx);
    }

    /// Passes barriers, oldest first.
    pub(super) fn check_barriers(&mut self, cx: &mut Cx<'_>) {
        loop {
            let Station::Leading(leader) = &mut self.station else { return };
            let Some(barrier) = leader.barriers.front() else { return };
            if self.history.applied < barrier.upto && barrier.upto.counter() != 0 {
                return;
            }
            let confirmed = |peer: &PeerId, handle: &Handle| {
                let mark = barrier.marks.get(peer).copied().unwrap_or(1);
                handle.counts && handle.pongs >= mark
            };
            let mut quorum: PeerSet =
                leader.learners.iter().filter(|(p, h)| confirmed(p, h)).map(|(p, _)| *p).collect();
            quorum.insert(self.me);
            if !decide!(self, cx.fx, quorum(&self.config, &quorum)) {
                return;
            }
            let token = barrier.token;
            leader.barriers.pop_front();
            cx.app.barrier_passed(cx.now, token, cx.fx);
        }
    }
}
