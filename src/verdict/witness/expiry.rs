//! Which sessions a leader has to keep, and which it has to end (spec 3.3, 8.1 C11, 8.2 S12).
//!
//! Judged from what the world saw of clients, frames and clocks. A client is heard where its bytes
//! reach a server; a learner tells its leader of all whom it has heard with its next PING. So it is
//! known by when a leader has heard of a session by rights, and when it may have heard of it last:
//!
//! ```text
//!   client --bytes--> learner --PING--> leader      heard: at least then    (SessionHeard)
//!          --bytes--------------------> leader      touched: at most then   (SessionAbandoned)
//! ```
//!
//! Nothing else is assumed: neither that frames are in time, nor that the ensemble is undisturbed.
//! A client that pings in time under a leader that is told in time is therefore never expired. The
//! end of a session is its proposal: that it is committed like any other, others demand.
//!
//! It knows how fast each clock runs, and is told when one stands still or a peer does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{ConnId, Duration, LinkId, PeerId, SessionId, Time, Zxid};
use crate::jute::proto::opcode;
use crate::plan::Plan;
use crate::process::Tag;
use crate::znode::op::Op;

use super::tally::{Court, Property};

/// How long a server waits for a connection to get its session (spec 1.2).
const GREETING: Duration = Duration::from_ms(10_000);
/// What timers may be late by: a leader's looks at its sessions no more often than this.
const GRACE: Duration = Duration::from_ms(2);
/// Clocks are read in whole nanoseconds.
const ROUNDING: Duration = Duration(2);

/// What is known of the peers' clocks.
#[derive(Clone, Debug)]
struct Timing {
    tick: Duration,
    /// By peer: how fast its monotonic clock runs, in parts per million more than it should.
    drift: BTreeMap<PeerId, i64>,
}

/// A committed session that is not closed.
#[derive(Clone, Copy, Debug)]
struct Alive {
    born: Zxid,
    /// The shortest and the longest timeout that it was ever granted.
    least: Duration,
    most: Duration,
}

/// One connection.
#[derive(Clone, Copy, Debug)]
struct Voice {
    session: SessionId,
    server: PeerId,
    /// Its client was told that it has the session, and asks for nothing that a server would not
    /// read on behind.
    open: bool,
}

/// What a leader knows of one session.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// It has heard of it by then, by rights.
    heard: Time,
    /// It may have heard of it until then.
    touched: Time,
}

/// An established leader.
#[derive(Clone, Debug)]
struct Reign {
    since: Time,
    known: BTreeMap<SessionId, Known>,
    /// Whose end it has proposed.
    ended: BTreeSet<SessionId>,
}

/// Sessions that a PING tells of, and whether it must.
type Told = Vec<(SessionId, bool)>;

/// What a learner has for its leader.
#[derive(Clone, Debug, Default)]
struct Errands {
    /// The link on which it introduced itself last.
    link: Option<LinkId>,
    /// For its next PING.
    next: Told,
    /// With PINGs on their way, the oldest first.
    flights: VecDeque<Told>,
    /// Sessions that were presented to it since it introduced itself: renewals may be under way.
    presented: BTreeSet<SessionId>,
}

/// A session was presented to a server, which may take it up at any moment.
#[derive(Clone, Copy, Debug)]
struct Join {
    conn: ConnId,
    session: SessionId,
    server: PeerId,
    at: Time,
}

/// How far a peer stands still.
#[derive(Clone, Copy, Debug, Default)]
struct Still {
    pauses: u32,
    freezes: u32,
    /// When it was over last.
    until: Time,
}

/// See the file's page.
#[derive(Clone, Debug)]
pub(super) struct Expiry {
    timing: Option<Timing>,
    alive: BTreeMap<SessionId, Alive>,
    births: BTreeMap<Zxid, SessionId>,
    voices: BTreeMap<ConnId, Voice>,
    reigns: BTreeMap<PeerId, Reign>,
    learners: BTreeMap<PeerId, Errands>,
    joins: Vec<Join>,
    stills: BTreeMap<PeerId, Still>,
    /// No session is overdue before this.
    pub(super) due: Time,
}

impl Expiry {
    /// Of peers of which nothing is known: nothing is judged.
    pub(super) fn blind() -> Expiry {
        Expiry {
            timing: None,
            alive: BTreeMap::new(),
            births: BTreeMap::new(),
            voices: BTreeMap::new(),
            reigns: BTreeMap::new(),
            learners: BTreeMap::new(),
            joins: Vec::new(),
            stills: BTreeMap::new(),
            due: Time::NEVER,
        }
    }

    /// Of the peers of a plan.
    pub(super) fn of(plan: &Plan) -> Expiry {
        let tick = Duration::from_ms(plan.knob("tick_ms"));
        // As the world clamps it.
        let drift = |ppm: i64| ppm.clamp(-500_000, 1_000_000);
        let drift = plan.clocks.iter().map(|clock| (clock.peer, drift(clock.drift_ppm)));
        Expiry { timing: Some(Timing { tick, drift: drift.collect() }), ..Expiry::blind() }
    }

    /// A createSession is committed.
    pub(super) fn born(&mut self, session: SessionId, zxid: Zxid, timeout_ms: i32, now: Time) {
        let timeout = Duration::from_ms(u64::try_from(timeout_ms).unwrap_or(0));
        self.alive.insert(session, Alive { born: zxid, least: timeout, most: timeout });
        self.births.insert(zxid, session);
        self.touch_all_of(session, now);
        self.look_by(now + timeout);
    }

    /// A closeSession is committed.
    pub(super) fn closed(&mut self, session: SessionId) {
        if let Some(alive) = self.alive.remove(&session) {
            self.births.remove(&alive.born);
        }
    }

    /// A peer has applied a transaction: if it made a session, whoever asked for it there is told,
    /// which a learner takes for a sign of life.
    pub(super) fn delivered(&mut self, peer: PeerId, zxid: Zxid, now: Time) {
        let Some(session) = self.births.get(&zxid).copied() else { return };
        if let Some(reign) = self.reigns.get_mut(&peer) {
            reign.touch(session, now);
        } else {
            self.learners.entry(peer).or_default().next.push((session, false));
        }
    }

    /// A leader is established: each session starts afresh with it (spec 9, case 11).
    pub(super) fn reigns(&mut self, peer: PeerId, now: Time) {
        let reign = Reign { since: now, known: BTreeMap::new(), ended: BTreeSet::new() };
        self.reigns.insert(peer, reign);
        self.look_by(now);
    }

    /// A peer leads no more.
    pub(super) fn retires(&mut self, peer: PeerId) {
        self.reigns.remove(&peer);
    }

    /// A peer is down.
    pub(super) fn stopped(&mut self, peer: PeerId) {
        self.retires(peer);
        self.learners.remove(&peer);
        self.joins.retain(|join| join.server != peer);
        // A clock that is frozen does not care.
        if let Some(still) = self.stills.get_mut(&peer) {
            still.pauses = 0;
        }
    }

    /// A client opens a connection.
    pub(super) fn connecting(&mut self, conn: ConnId, session: SessionId, server: PeerId) {
        self.voices.insert(conn, Voice { session, server, open: false });
    }

    /// Its client was told that it has the session.
    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        session: SessionId,
        timeout_ms: u64,
        now: Time,
    ) {
        let Some(voice) = self.voices.get_mut(&conn) else { return };
        (voice.session, voice.open) = (session, true);
        let timeout = Duration::from_ms(timeout_ms);
        if let Some(alive) = self.alive.get_mut(&session) {
            (alive.least, alive.most) = (alive.least.min(timeout), alive.most.max(timeout));
        }
        let joins = self.joins.len();
        self.joins.retain(|join| join.conn != conn);
        if self.joins.len() < joins {
            let server = voice.server;
            self.taken_up(session, server, now);
        }
    }

    /// A call leaves: behind some, and behind what is refused, a server reads no more.
    pub(super) fn called(&mut self, conn: ConnId, op: &Op) {
        if !is_read_on_behind(op)
            && let Some(voice) = self.voices.get_mut(&conn)
        {
            voice.open = false;
        }
    }

    /// Bytes of a client reached a server.
    pub(super) fn heard(&mut self, conn: ConnId, whole: bool, now: Time) {
        let Some(Voice { session, server, open }) = self.voices.get(&conn).copied() else { return };
        if session == SessionId(0) || self.timing.is_none() {
            return;
        }
        if !open && self.joins.iter().all(|join| join.conn != conn) {
            self.joins.push(Join { conn, session, server, at: now });
            self.learners.entry(server).or_default().presented.insert(session);
        }
        let by_rights = open && whole;
        match self.reigns.get_mut(&server) {
            Some(reign) => reign.told(session, by_rights, now),
            None => self.learners.entry(server).or_default().next.push((session, by_rights)),
        }
    }

    /// A frame left a peer on the quorum channel.
    pub(super) fn sent(&mut self, link: LinkId, from: PeerId, tag: &Tag) {
        match tag.kind {
            // What it knew of its clients was for another leader: they are gone, too.
            "FOLLOWERINFO" => {
                self.joins.retain(|join| join.server != from);
                self.learners.insert(from, Errands { link: Some(link), ..Errands::default() });
            }
            "PING" => {
                let Some(errands) = self.learners.get_mut(&from) else { return };
                if errands.link != Some(link) {
                    return;
                }
                let mut told = std::mem::take(&mut errands.next);
                let joins = self.joins.iter().filter(|join| join.server == from);
                told.extend(joins.map(|join| (join.session, false)));
                errands.flights.push_back(told);
            }
            _ => {}
        }
    }

    /// A frame reached a peer.
    pub(super) fn received(
        &mut self,
        link: LinkId,
        (from, to): (PeerId, PeerId),
        tag: &Tag,
        now: Time,
    ) {
        let Some(reign) = self.reigns.get_mut(&to) else { return };
        let errands = self.learners.get_mut(&from).filter(|errands| errands.link == Some(link));
        match (tag.kind, errands) {
            ("PING", Some(errands)) => {
                for (session, by_rights) in errands.flights.pop_front().unwrap_or_default() {
                    reign.told(session, by_rights, now);
                }
            }
            ("REVALIDATE", Some(errands)) => {
                for session in &errands.presented {
                    reign.touch(*session, now);
                }
            }
            // On a link that its learner has left.
            ("PING" | "REVALIDATE", None) => {
                for session in self.alive.keys() {
                    reign.touch(*session, now);
                }
            }
            _ => {}
        }
    }

    /// A peer stands still, or its clock; or goes on.
    pub(super) fn fault(&mut self, kind: &str, peer: PeerId, now: Time) {
        let still = match kind {
            "pause" | "resume" | "freeze_clock" | "thaw" => self.stills.entry(peer).or_default(),
            _ => return,
        };
        match kind {
            "pause" => still.pauses += 1,
            "freeze_clock" => still.freezes += 1,
            "resume" => still.pauses = still.pauses.saturating_sub(1),
            _ => still.freezes = still.freezes.saturating_sub(1),
        }
        still.until = now;
    }

    /// Nothing stands still any more.
    pub(super) fn calm(&mut self, now: Time) {
        for still in self.stills.values_mut() {
            *still = Still { pauses: 0, freezes: 0, until: now };
        }
    }

    /// A leader proposes a transaction. The end of a session that nobody asked for: it may not
    /// have heard of it in time (C11).
    pub(super) fn proposed(&mut self, leader: PeerId, record: &[u8], court: &mut Court<'_>) {
        let Some((session, cxid)) = closes(record) else { return };
        let Some(timing) = &self.timing else { return };
        let Some(reign) = self.reigns.get_mut(&leader) else { return };
        reign.ended.insert(session);
        let Some(alive) = self.alive.get(&session).filter(|_| cxid == 0) else { return };
        let heard = reign.known.get(&session).map_or(reign.since, |known| known.heard);
        let heard = heard.max(reign.since);
        let idle = timing.shows(leader, court.at.time.since(heard)) + ROUNDING;
        let timeout = alive.least;
        court.held(Property::SessionAbandoned);
        court.hold(Property::SessionHeard, idle > timeout, "expired", || {
            format!(
                "{leader} expires session {session}, of which it has heard {idle} ago by its \
                 clock, and whose timeout is {timeout}"
            )
        });
    }

    /// Looks for sessions that their leaders should have ended (S12), if any may be.
    pub(super) fn judge(&mut self, applied: &BTreeMap<PeerId, Zxid>, court: &mut Court<'_>) {
        let now = court.at.time;
        self.due = Time::NEVER;
        self.settle_joins(now);
        let Some(timing) = &self.timing else { return };
        let mut due = Time::NEVER;
        for (leader, reign) in &mut self.reigns {
            let still = self.stills.get(leader).copied().unwrap_or_default();
            let stands = still.pauses + still.freezes > 0;
            let here = applied.get(leader).copied().unwrap_or_default();
            for (session, alive) in &self.alive {
                if reign.ended.contains(session) {
                    continue;
                }
                let joins = self.joins.iter().any(|join| join.session == *session);
                if stands || joins || alive.born > here {
                    due = due.min(now + timing.tick);
                    continue;
                }
                let touched = reign.known.get(session).map_or(reign.since, |known| known.touched);
                let from = touched.max(reign.since).max(still.until);
                let patience = alive.most + timing.tick.times(2);
                let by = from + timing.takes(*leader, patience) + GRACE;
                if now <= by {
                    due = due.min(by);
                    continue;
                }
                reign.ended.insert(*session);
                let (idle, timeout) = (now.since(from), alive.most);
                court.hold(Property::SessionAbandoned, false, "kept", || {
                    format!(
                        "{leader} leads and has heard nothing of session {session} for {idle}; \
                         its timeout is {timeout}, a tick {}, and it is not closed",
                        timing.tick
                    )
                });
            }
        }
        self.due = due;
    }

    /// A server that has not taken a session up by now does so no more.
    fn settle_joins(&mut self, now: Time) {
        let Some(timing) = &self.timing else { return };
        let mut over = Vec::new();
        self.joins.retain(|join| {
            let still = self.stills.get(&join.server).copied().unwrap_or_default();
            let from = join.at.max(still.until);
            let ends = from + timing.takes(join.server, GREETING) + GRACE;
            let stays = still.pauses + still.freezes > 0 || now <= ends;
            if !stays {
                over.push(*join);
            }
            stays
        });
        for join in over {
            self.taken_up(join.session, join.server, now);
        }
    }

    /// A server has taken a session up, at some time before this.
    fn taken_up(&mut self, session: SessionId, server: PeerId, now: Time) {
        let errands = self.learners.entry(server).or_default();
        errands.next.push((session, false));
        self.touch_all_of(session, now);
    }

    fn touch_all_of(&mut self, session: SessionId, now: Time) {
        for reign in self.reigns.values_mut() {
            reign.touch(session, now);
        }
    }

    fn look_by(&mut self, at: Time) {
        if self.timing.is_some() {
            self.due = self.due.min(at);
        }
    }
}

impl Reign {
    /// It may have heard of a session.
    fn touch(&mut self, session: SessionId, now: Time) {
        self.told(session, false, now);
    }

    /// It has heard of a session, if by rights; else it may have.
    fn told(&mut self, session: SessionId, by_rights: bool, now: Time) {
        let first = Known { heard: self.since, touched: now };
        let known = self.known.entry(session).or_insert(first);
        known.touched = now;
        if by_rights {
            known.heard = now;
        }
    }
}

impl Timing {
    fn rate(&self, peer: PeerId) -> u128 {
        (1_000_000 + self.drift.get(&peer).copied().unwrap_or(0)) as u128
    }

    /// The most that a peer's clock advances in so much time.
    fn shows(&self, peer: PeerId, time: Duration) -> Duration {
        Duration((u128::from(time.0) * self.rate(peer) / 1_000_000) as u64)
    }

    /// How long a peer's clock takes to advance by so much, if it never stands still.
    fn takes(&self, peer: PeerId, by: Duration) -> Duration {
        Duration((u128::from(by.0) * 1_000_000).div_ceil(self.rate(peer)) as u64)
    }
}

/// If this is the record of a closeSession: of which session, and by which call (spec 6.5).
fn closes(record: &[u8]) -> Option<(SessionId, i32)> {
    let session = i64::from_be_bytes(record.get(..8)?.try_into().ok()?);
    let cxid = i32::from_be_bytes(record.get(8..12)?.try_into().ok()?);
    let kind = i32::from_be_bytes(record.get(28..32)?.try_into().ok()?);
    (kind == opcode::CLOSE_SESSION).then_some((SessionId(session), cxid))
}

/// Whether a server surely goes on reading behind this: it does not behind what ends a connection,
/// and what it does not know does.
fn is_read_on_behind(op: &Op) -> bool {
    matches!(
        op,
        Op::Create { .. }
            | Op::Delete { .. }
            | Op::Exists { .. }
            | Op::GetData { .. }
            | Op::SetData { .. }
            | Op::GetChildren { .. }
            | Op::Sync { .. }
            | Op::Multi(_)
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping
    )
}
