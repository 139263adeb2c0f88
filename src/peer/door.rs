//! The client door: connections, frames, and who may come in (spec 1.2, 1.3, 3.5).
//!
//! Bytes may be anything. What is not a legal frame closes its connection; nothing else happens.
//! The invariant it keeps: an open connection has proved its session's password, and at most one
//! connection of this server speaks for a session.

use std::collections::VecDeque;

use crate::base::{ConnId, Duration, SessionId, Zxid};
use crate::jute::proto::{RequestHeader, opcode, xid};
use crate::jute::{Reader, Record, Unframer};
use crate::process::{Effects, Now, Tag, Timer};
use crate::znode::op::{ErrorCode, Op};
use crate::znode::prepare::Request;
use crate::znode::session::password;

use super::commit::{Pending, What};
use super::service::{Duty, Service};
use super::{Ask, wire};

/// The timer that closes a connection which got no session, by the connection's number.
pub(super) const GREETING: &str = "peer.greeting";

/// How long it has (spec 1.2).
const GREETING_MS: u64 = 10_000;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first frame is not here yet.
    Greeting,
    /// Its new session waits for the quorum.
    Opening,
    /// Its renewal waits for the leader.
    Renewing,
    /// It asks and is answered.
    Open,
    /// Its last request is in; whatever comes behind it is not read (spec 9, case 15).
    Closing,
}

/// One client connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    pub frames: Unframer,
    pub stage: Stage,
    pub session: SessionId,
    pub timeout_ms: i32,
    /// Whether the client sent the `readOnly` byte and so expects one.
    pub modern: bool,
    /// Requests that are not answered yet, in order.
    pub queue: VecDeque<Pending>,
    /// How many at the front of the queue were handed on.
    pub submitted: usize,
    /// A sync was handed on: what is behind it is not, until it is answered.
    pub fenced: bool,
    /// Reading is paused.
    pub paused: bool,
}

impl Conn {
    fn new() -> Conn {
        Conn {
            frames: Unframer::default(),
            stage: Stage::Greeting,
            session: SessionId(0),
            timeout_ms: 0,
            modern: false,
            queue: VecDeque::new(),
            submitted: 0,
            fenced: false,
            paused: false,
        }
    }

    pub fn describe(&self) -> String {
        let Conn { stage, session, timeout_ms, .. } = self;
        let waiting = self.queue.len();
        format!("{stage:?}, session {session}, timeout {timeout_ms}ms, {waiting} waiting")
    }
}

impl Service {
    /// A client connected.
    pub(super) fn accepted(&mut self, conn: ConnId, fx: &mut Effects) {
        if !self.is_serving() {
            fx.close(conn);
            return;
        }
        self.door.insert(conn, Conn::new());
        fx.set_timer_in(Timer(GREETING, conn.0), Duration::from_ms(GREETING_MS));
    }

    /// Bytes from a client.
    pub(super) fn conn_bytes(&mut self, now: Now, conn: ConnId, bytes: &[u8], fx: &mut Effects) {
        // Late bytes of a connection that this side has closed.
        let Some(state) = self.door.get_mut(&conn) else { return };
        state.frames.push(bytes);
        self.pump(now, conn, fx);
    }

    /// The client is gone. Its session lives on until it expires (spec 9, case 14).
    pub(super) fn conn_down(&mut self, conn: ConnId) {
        self.forget_conn(conn);
    }

    /// Closes a connection from this side.
    pub(super) fn close_conn(&mut self, conn: ConnId, fx: &mut Effects) {
        let Some(state) = self.forget_conn(conn) else { return };
        match state.stage {
            Stage::Greeting | Stage::Opening | Stage::Renewing => {
                fx.cancel_timer(Timer(GREETING, conn.0));
            }
            Stage::Open | Stage::Closing => {}
        }
        fx.close(conn);
    }

    fn forget_conn(&mut self, conn: ConnId) -> Option<Conn> {
        let state = self.door.remove(&conn)?;
        if self.voices.get(&state.session) == Some(&conn) {
            self.voices.remove(&state.session);
        }
        self.watches.forget(conn);
        self.stalled.remove(&conn);
        Some(state)
    }

    /// A connection took too long to get a session.
    pub(super) fn greeting_overdue(&mut self, conn: ConnId, fx: &mut Effects) {
        let Some(state) = self.door.get(&conn) else { return };
        match state.stage {
            Stage::Greeting | Stage::Opening | Stage::Renewing => self.close_conn(conn, fx),
            Stage::Open | Stage::Closing => {}
        }
    }

    /// Moves a connection as far as it can go now: hands on, answers, reads the next frame.
    pub(super) fn pump(&mut self, now: Now, conn: ConnId, fx: &mut Effects) {
        loop {
            self.submit(now, conn, fx);
            if self.drain(conn, fx) {
                continue;
            }
            self.throttle(conn, fx);
            let Some(state) = self.door.get_mut(&conn) else { return };
            let reads = match state.stage {
                Stage::Greeting | Stage::Open => !state.paused,
                Stage::Opening | Stage::Renewing | Stage::Closing => false,
            };
            if !reads {
                return;
            }
            let stage = state.stage;
            match state.frames.next(wire::FRAME_MAX) {
                Ok(None) => return,
                Ok(Some(frame)) if stage == Stage::Greeting => self.greet(now, conn, &frame, fx),
                Ok(Some(frame)) => self.intake(now, conn, &frame, fx),
                Err(_) => return self.close_conn(conn, fx),
            }
        }
    }

    /// Stops reading from a connection that asks faster than it is answered (spec 5.8).
    fn throttle(&mut self, conn: ConnId, fx: &mut Effects) {
        let limit = self.knobs.outstanding_limit;
        let Some(state) = self.door.get_mut(&conn) else { return };
        if state.stage != Stage::Open {
            return;
        }
        if !state.paused && state.queue.len() >= limit {
            state.paused = true;
            fx.pause(conn);
        } else if state.paused && state.queue.len() <= limit / 2 {
            state.paused = false;
            fx.resume_reading(conn);
        }
    }

    /// The first frame: the decisions of spec 1.3, in their order.
    fn greet(&mut self, now: Now, conn: ConnId, frame: &[u8], fx: &mut Effects) {
        let Ok(connect) = wire::connect_request(frame) else { return self.close_conn(conn, fx) };
        let request = connect.request;
        let seen = Zxid::from_wire(request.last_zxid_seen.max(0));
        if !self.is_serving() || !(self.rules.admits)(seen, self.tree.last()) {
            // Silently: the client must try elsewhere, not believe itself expired (case 2).
            return self.close_conn(conn, fx);
        }
        let timeout_ms =
            request.timeout.clamp(self.knobs.min_session_ms, self.knobs.max_session_ms);
        let asked = SessionId(request.session);
        let state = self.door.get_mut(&conn).expect("the caller took this frame from it");
        state.modern = connect.modern;
        state.timeout_ms = timeout_ms;
        state.paused = true;
        fx.pause(conn);
        if asked == SessionId(0) {
            let session = self.next_session();
            self.speak_for(conn, session, Stage::Opening, fx);
            // Answered once the quorum has it, and this server has applied it.
            let op = Ok(Op::CreateSession { timeout: timeout_ms });
            let _ = self.hand_on(now, Request { session, cxid: 0, op }, fx);
        } else if !(self.rules.proves)(asked, request.passwd.as_deref().unwrap_or_default()) {
            // Before anything is done to the connection that has the session (case 6).
            self.reject(conn, fx);
        } else {
            self.speak_for(conn, asked, Stage::Renewing, fx);
            self.renew(now, conn, asked, timeout_ms, fx);
        }
    }

    /// From now on the session is heard on this connection, and no longer on an older one (case 5).
    fn speak_for(&mut self, conn: ConnId, session: SessionId, stage: Stage, fx: &mut Effects) {
        let Some(state) = self.door.get_mut(&conn) else { return };
        state.session = session;
        state.stage = stage;
        if let Some(older) = self.voices.insert(session, conn) {
            self.close_conn(older, fx);
        }
    }

    /// Asks the leader whether the session lives, and to be its owner from now on.
    fn renew(
        &mut self,
        now: Now,
        conn: ConnId,
        session: SessionId,
        timeout_ms: i32,
        fx: &mut Effects,
    ) {
        match &mut self.duty {
            Duty::Idle => self.close_conn(conn, fx),
            Duty::Leading(_) => self.renew_here(now, conn, session, timeout_ms, fx),
            Duty::Following(learner) => {
                learner.renewing.push_back((session, conn));
                self.ask(Ask::TellLeader(wire::revalidate(session, &timeout_ms)));
            }
        }
    }

    /// The leader has decided on the renewal that this connection asked for.
    pub(super) fn renewed(&mut self, conn: ConnId, valid: bool, fx: &mut Effects) {
        // Gone meanwhile: the verdict is for nobody else (spec 9, case 83).
        let Some(state) = self.door.get(&conn) else { return };
        if state.stage != Stage::Renewing {
            return;
        }
        if valid { self.open(conn, fx) } else { self.reject(conn, fx) }
    }

    /// The session is there: the client may ask.
    pub(super) fn open(&mut self, conn: ConnId, fx: &mut Effects) {
        let Some(state) = self.door.get_mut(&conn) else { return };
        state.stage = Stage::Open;
        state.paused = false;
        let (session, timeout_ms, modern) = (state.session, state.timeout_ms, state.modern);
        if let Duty::Following(learner) = &mut self.duty {
            learner.touched.insert(session, timeout_ms);
        }
        let bytes = wire::connect_response(session, timeout_ms, password(session), modern);
        fx.cancel_timer(Timer(GREETING, conn.0));
        fx.reply(conn, Tag::kind("CONNECT"), bytes);
        fx.resume_reading(conn);
    }

    /// Tells the client that the session is none, then closes (spec 9, case 3).
    fn reject(&mut self, conn: ConnId, fx: &mut Effects) {
        let Some(state) = self.door.get(&conn) else { return };
        let bytes = wire::connect_response(SessionId(0), 0, [0; 16], state.modern);
        fx.reply(conn, Tag::kind("REJECT"), bytes);
        self.close_conn(conn, fx);
    }

    /// A request: into the connection's queue.
    fn intake(&mut self, now: Now, conn: ConnId, frame: &[u8], fx: &mut Effects) {
        let mut input = Reader::new(frame);
        let Ok(header) = RequestHeader::decode(&mut input) else {
            return self.close_conn(conn, fx);
        };
        if header.op == opcode::AUTH {
            // Answered out of turn (spec 1.15); no scheme is served, so it fails (case 18).
            let bytes = wire::refusal(xid::AUTH, 0, ErrorCode::AuthFailed);
            fx.reply(conn, Tag::kind("AUTH"), bytes);
            return self.close_conn(conn, fx);
        }
        self.touch(now, conn);
        let what = What::of(header.op, input.rest());
        let ends = match what {
            What::Close | What::Refuse => true,
            What::Read(_) | What::Ready(_) | What::Write(_) | What::Sync { .. } => false,
        };
        let xid = if header.op == opcode::PING { xid::PING } else { header.xid };
        let Some(state) = self.door.get_mut(&conn) else { return };
        if ends {
            state.stage = Stage::Closing;
        }
        state.queue.push_back(Pending { xid, what });
        self.read_early(conn, fx);
    }

    /// Every request keeps its session alive, pings too (spec 3.3).
    fn touch(&mut self, now: Now, conn: ConnId) {
        let Some(state) = self.door.get(&conn) else { return };
        let (session, timeout_ms) = (state.session, state.timeout_ms);
        match &mut self.duty {
            Duty::Idle => {}
            Duty::Leading(leader) => leader.touch(now, session),
            Duty::Following(learner) => {
                learner.touched.insert(session, timeout_ms);
            }
        }
    }
}
