//! The leader's half of the service: requests become transactions, sessions expire (spec 3.3 to
//! 3.5, 5.2, 5.6).
//!
//! The invariant it keeps: each zxid of the epoch is given to one transaction, in order, and no
//! transaction of a session follows its closeSession.

use std::collections::BTreeMap;

use crate::base::{ConnId, Duration, Epoch, PeerId, SessionId, Time, Zxid};
use crate::jute::quorum::{QuorumPacket, packet};
use crate::jute::txn::TxnRecord;
use crate::jute::{Reader, Record};
use crate::process::{Effects, Note, Now};
use crate::znode::forward;
use crate::znode::op::{ErrorCode, Op};
use crate::znode::prepare::{Prepare, Request};
use crate::znode::rules::Rules;
use crate::znode::session::SessionTracker;
use crate::znode::tree::Tree;

use super::commit::{Pending, What};
use super::rules::{CloseStage, SyncBy, decide};
use super::service::{Duty, EXPIRE, Service};
use super::{Ask, wire};

/// Who waits for a barrier, or for a session to end.
#[derive(Clone, Copy, Debug)]
enum Waiter {
    Conn(ConnId),
    Learner(PeerId),
}

/// What is answered once a barrier is passed.
#[derive(Clone, Copy, Debug)]
enum Behind {
    Sync(Waiter),
    /// The renewal of a session that was unknown when it was asked for, with its timeout.
    Renewal(SessionId, i32, Waiter),
}

/// What only a leader keeps.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    me: PeerId,
    epoch: Epoch,
    /// The zxid of the next transaction; `None` where the epoch has no more.
    next: Option<Zxid>,
    /// The last zxid given out, or the one before the first.
    prepared: Zxid,
    prepare: Prepare,
    tracker: SessionTracker,
    /// When the expiry timer will fire.
    armed: Option<Time>,
    barriers: BTreeMap<u64, Behind>,
    last_token: u64,
    /// Renewals of sessions whose closeSession is on its way.
    renewing: Vec<(SessionId, Waiter)>,
}

/// What a leader knows of a session that is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    Valid,
    Closing,
    Unknown,
}

impl Leader {
    pub fn new(
        me: PeerId,
        (epoch, next): (Epoch, Zxid),
        tree: &Tree,
        (rules, tick): (Rules, Duration),
        now: Now,
    ) -> Leader {
        Leader {
            me,
            epoch,
            next: Some(next),
            prepared: tree.last(),
            prepare: Prepare::new(rules),
            // Every session gets a full timeout from its new leader (spec 9, case 11).
            tracker: SessionTracker::new(tree.sessions(), tick, now.mono),
            armed: None,
            barriers: BTreeMap::new(),
            last_token: 0,
            renewing: Vec::new(),
        }
    }

    /// The last zxid given out.
    pub fn prepared(&self) -> Zxid {
        self.prepared
    }

    pub fn touch(&mut self, now: Now, session: SessionId) {
        // One that is closing is not woken: its requests fail when they are prepared.
        let _ = self.tracker.touch(session, None, now.mono);
    }

    /// Whether this peer owns the session; what is not live is nobody's to have moved.
    pub fn owns(&mut self, session: SessionId, origin: PeerId) -> bool {
        !self.tracker.is_live(session) || self.tracker.check_owner(session, origin)
    }

    /// Decides on a renewal (spec 3.5), or says how to go on.
    ///
    /// A client that is told that its session is expired must be told the truth: the end of the
    /// session is committed. So a closing session's renewal waits for its closeSession, which may
    /// still die with this leader (spec 8.1 C10); and that of an unknown session waits until a
    /// quorum confirms that this peer leads, since a deposed leader knows no newer sessions.
    fn renew(
        &mut self,
        now: Now,
        session: SessionId,
        timeout_ms: i32,
        asker: Waiter,
        fx: &mut Effects,
    ) -> Renewal {
        if self.tracker.touch(session, Some(timeout_ms), now.mono) {
            let owner = match asker {
                Waiter::Conn(_) => self.me,
                Waiter::Learner(peer) => peer,
            };
            self.tracker.set_owner(session, owner);
            self.arm(now, fx);
            return Renewal::Valid;
        }
        if self.tracker.is_known(session) {
            self.renewing.push((session, asker));
            return Renewal::Closing;
        }
        Renewal::Unknown
    }

    /// What a learner's clients touched.
    pub fn ponged(&mut self, now: Now, payload: &[u8]) {
        let mut input = Reader::new(payload);
        while let (Ok(session), Ok(timeout)) = (i64::decode(&mut input), i32::decode(&mut input)) {
            let _ = self.tracker.touch(SessionId(session), Some(timeout.max(1)), now.mono);
        }
    }

    pub fn learner_left(&mut self, learner: PeerId) {
        let stays = |waiter: &Waiter| match waiter {
            Waiter::Conn(_) => true,
            Waiter::Learner(peer) => *peer != learner,
        };
        self.barriers.retain(|_, behind| match behind {
            Behind::Sync(waiter) | Behind::Renewal(_, _, waiter) => stays(waiter),
        });
        self.renewing.retain(|(_, waiter)| stays(waiter));
    }

    pub fn applied(&mut self, zxid: Zxid) {
        self.prepare.applied(zxid);
    }

    /// How often preparation answered otherwise than the right rules would have.
    pub fn differed(&mut self) -> u64 {
        self.prepare.differed()
    }

    /// A createSession is applied. Those of this epoch were counted when they were prepared.
    pub fn session_created(
        &mut self,
        now: Now,
        record: &TxnRecord,
        timeout_ms: i32,
        fx: &mut Effects,
    ) {
        if Zxid::from_wire(record.header.zxid).epoch() != self.epoch {
            self.tracker.add(SessionId(record.header.client), timeout_ms, now.mono);
            self.arm(now, fx);
        }
    }

    /// A closeSession is applied. Returns who asked to renew it meanwhile.
    fn session_closed(&mut self, session: SessionId) -> Vec<Waiter> {
        self.tracker.remove(session);
        let (ended, waiting) = self.renewing.drain(..).partition(|(id, _)| *id == session);
        self.renewing = waiting;
        let ended: Vec<(SessionId, Waiter)> = ended;
        ended.into_iter().map(|(_, waiter)| waiter).collect()
    }

    /// Sets the expiry timer, unless it fires early enough.
    pub fn arm(&mut self, now: Now, fx: &mut Effects) {
        let Some(due) = self.tracker.next_due() else { return };
        if self.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        self.armed = Some(due);
        // At least a millisecond: a due bucket without sessions must not spin.
        let delay = due.since(now.mono).max(Duration::from_ms(1));
        fx.set_timer_in(EXPIRE, delay);
    }

    /// What becomes of a request of this session (spec 5.2): the request, or the error that it is.
    fn judge(
        &mut self,
        now: Now,
        origin: PeerId,
        request: &Request,
        moved: fn(bool) -> bool,
    ) -> Result<(), ErrorCode> {
        let session = request.session;
        match &request.op {
            Ok(Op::CreateSession { timeout }) => {
                self.tracker.add(session, *timeout, now.mono);
                self.tracker.set_owner(session, origin);
                Ok(())
            }
            // No owner check: a stale connection may close, too (spec 3.4, case 8).
            Ok(Op::CloseSession) => Ok(()),
            Ok(_) | Err(_) if !self.tracker.is_live(session) => Err(ErrorCode::SessionExpired),
            Ok(_) | Err(_) => {
                let owns = self.tracker.check_owner(session, origin);
                if moved(owns) { Err(ErrorCode::SessionMoved) } else { Ok(()) }
            }
        }
    }

    fn token(&mut self, behind: Behind) -> u64 {
        self.last_token += 1;
        self.barriers.insert(self.last_token, behind);
        self.last_token
    }
}

impl Service {
    /// Leader: a write becomes the next transaction, its own or an error (spec 5.2). Gives the
    /// operation back.
    pub(super) fn prepare(
        &mut self,
        now: Now,
        origin: PeerId,
        request: Request,
        fx: &mut Effects,
    ) -> Result<Op, ErrorCode> {
        let Duty::Leading(leader) = &mut self.duty else { return request.op };
        let Request { session, cxid, .. } = request;
        let Some(zxid) = leader.next else {
            // The epoch is used up: a new one must follow; the client just loses its connection.
            self.ask(Ask::Abdicate("rollover"));
            let conn = self.voices.get(&session).copied();
            if let Some(conn) = conn.filter(|_| origin == self.id) {
                self.close_conn(conn, fx);
            }
            return request.op;
        };
        let refused = leader.judge(now, origin, &request, self.rules.moved).err();
        leader.next = decide!(self, fx, next_zxid(zxid, self.knobs.last_counter));
        leader.prepared = zxid;
        let record = match refused {
            Some(code) => {
                let refused = Request { session, cxid, op: Err(code) };
                leader.prepare.prepare(&self.tree, &refused, zxid, now.wall)
            }
            None => leader.prepare.prepare(&self.tree, &request, zxid, now.wall),
        };
        match &request.op {
            Ok(Op::CreateSession { .. }) => leader.arm(now, fx),
            Ok(Op::CloseSession) if decide!(self, fx, closing_from(CloseStage::Prepared)) => {
                let _ = leader.tracker.close(session);
            }
            Ok(_) | Err(_) => {}
        }
        self.ask(Ask::Propose { zxid, record: record.to_bytes() });
        request.op
    }

    /// The expiry timer fired: what is due is marked closing, then closed by the quorum.
    pub(super) fn expire(&mut self, now: Now, fx: &mut Effects) {
        let Duty::Leading(leader) = &mut self.duty else { return };
        leader.armed = None;
        for (session, idle, timeout_ms) in leader.tracker.expire(now.mono) {
            let timeout_ms = u64::from(timeout_ms.unsigned_abs());
            fx.note(Note::SessionExpired { session, idle_ns: idle.0, timeout_ms });
            if !decide!(self, fx, closing_from(CloseStage::Due))
                && let Duty::Leading(leader) = &mut self.duty
            {
                leader.tracker.reopen(session);
            }
            let request = Request { session, cxid: 0, op: Ok(Op::CloseSession) };
            let _ = self.prepare(now, self.id, request, fx);
        }
        if let Duty::Leading(leader) = &mut self.duty {
            leader.arm(now, fx);
        }
    }

    /// A learner's service speaks to the leader's. What cannot be read is dropped: the learner's
    /// client will lose patience, nothing else depends on it.
    pub(super) fn hear_learner(
        &mut self,
        now: Now,
        learner: PeerId,
        said: QuorumPacket,
        fx: &mut Effects,
    ) {
        let data = said.data.unwrap_or_default();
        match said.kind {
            packet::REQUEST => {
                let Ok(request) = forward::decode(&data) else { return };
                match &request.op {
                    Ok(Op::Sync { .. }) => self.learner_syncs(learner),
                    // Only writes are forwarded.
                    Ok(op) if !op.is_write() => {}
                    Err(ErrorCode::Unimplemented) => {}
                    Ok(_) | Err(_) => {
                        let _ = self.prepare(now, learner, request, fx);
                    }
                }
            }
            packet::REVALIDATE => {
                let Ok((session, timeout_ms)) = wire::read_revalidate::<i32>(&data) else { return };
                self.ask_renewal(now, session, timeout_ms.max(1), Waiter::Learner(learner), fx);
            }
            packet::SYNC => self.learner_syncs(learner),
            _ => {}
        }
    }

    fn learner_syncs(&mut self, learner: PeerId) {
        let Duty::Leading(leader) = &mut self.duty else { return };
        match (self.rules.sync_by)() {
            SyncBy::Barrier => {
                let token = leader.token(Behind::Sync(Waiter::Learner(learner)));
                self.ask(Ask::Barrier { token });
            }
            SyncBy::Word => self.ask(Ask::TellLearner(learner, wire::synced())),
        }
    }

    /// A sync of a client of this server (spec 5.6).
    pub(super) fn ask_sync(&mut self, conn: ConnId, request: &Request) {
        match &mut self.duty {
            Duty::Idle => {}
            Duty::Leading(leader) => match (self.rules.sync_by)() {
                SyncBy::Barrier => {
                    let token = leader.token(Behind::Sync(Waiter::Conn(conn)));
                    self.ask(Ask::Barrier { token });
                }
                SyncBy::Word => self.sync_answered(conn),
            },
            Duty::Following(learner) => {
                learner.syncing.push_back(conn);
                self.ask(Ask::TellLeader(wire::request(request)));
            }
        }
    }

    /// The sync that this connection has handed on is answered; it leaves in its turn.
    pub(super) fn sync_answered(&mut self, conn: ConnId) {
        let Some(state) = self.door.get_mut(&conn) else { return };
        let waiting = state.queue.iter_mut().find_map(|Pending { what, .. }| match what {
            What::Sync { answered, .. } => Some(answered),
            What::Read(_) | What::Ready(_) | What::Write(_) | What::Close | What::Refuse => None,
        });
        if let Some(answered) = waiting {
            *answered = true;
        }
    }

    /// A client of this server asks to renew a session.
    pub(super) fn renew_here(
        &mut self,
        now: Now,
        conn: ConnId,
        session: SessionId,
        timeout_ms: i32,
        fx: &mut Effects,
    ) {
        self.ask_renewal(now, session, timeout_ms, Waiter::Conn(conn), fx);
    }

    fn ask_renewal(
        &mut self,
        now: Now,
        session: SessionId,
        timeout_ms: i32,
        asker: Waiter,
        fx: &mut Effects,
    ) {
        let Duty::Leading(leader) = &mut self.duty else { return };
        match leader.renew(now, session, timeout_ms, asker, fx) {
            Renewal::Valid => self.tell_renewal(session, true, asker, fx),
            Renewal::Closing => {}
            Renewal::Unknown => {
                let token = leader.token(Behind::Renewal(session, timeout_ms, asker));
                self.ask(Ask::Barrier { token });
            }
        }
    }

    fn tell_renewal(&mut self, session: SessionId, valid: bool, to: Waiter, fx: &mut Effects) {
        fx.note(Note::Revalidated { session, valid });
        match to {
            Waiter::Conn(conn) => self.renewed(conn, valid, fx),
            Waiter::Learner(learner) => {
                self.ask(Ask::TellLearner(learner, wire::revalidate(session, &valid)));
            }
        }
    }

    /// A closeSession is applied: whoever asked to renew the session meanwhile is told its end.
    pub(super) fn close_applied(&mut self, session: SessionId, fx: &mut Effects) {
        let Duty::Leading(leader) = &mut self.duty else { return };
        for waiter in leader.session_closed(session) {
            self.tell_renewal(session, false, waiter, fx);
        }
    }

    /// A barrier is passed: what waited behind it is answered.
    pub(super) fn passed(&mut self, now: Now, token: u64, fx: &mut Effects) {
        let Duty::Leading(leader) = &mut self.duty else { return };
        match leader.barriers.remove(&token) {
            None => {}
            Some(Behind::Sync(Waiter::Conn(conn))) => {
                self.sync_answered(conn);
                self.pump(now, conn, fx);
            }
            Some(Behind::Sync(Waiter::Learner(learner))) => {
                self.ask(Ask::TellLearner(learner, wire::synced()));
            }
            Some(Behind::Renewal(session, timeout_ms, asker)) => {
                match leader.renew(now, session, timeout_ms, asker, fx) {
                    Renewal::Valid => self.tell_renewal(session, true, asker, fx),
                    Renewal::Closing => {}
                    Renewal::Unknown => self.tell_renewal(session, false, asker, fx),
                }
            }
        }
    }
}
