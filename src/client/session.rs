//! One ZooKeeper session as a state machine without sockets: it dials, proves who it is, keeps
//! itself alive, pipelines calls, and survives the loss of any connection (spec 1.3, 1.4, 8.3).
//!
//! How a host drives it. The host owns the sockets, the clock and nothing else:
//!
//! ```text
//!   Session::new(options)            once
//!   begin(now)                       when the client starts: the first Dial comes out
//!   on_connected(now)                the connection asked for by the last Dial is open
//!   on_bytes(now, bytes)             bytes from that connection, in any pieces
//!   on_down(now)                     that connection is gone, or the dial came to nothing
//!   on_timer(now)                    at next_wake(), or later: what is due is done
//!   call(now, call, op)              a call under the caller's own number
//!   close(now, call), move_on(now), halt(now)
//! ```
//!
//! Every method appends [`Action`]s, to be carried out in order. There is at most one connection at
//! a time: a `Dial` replaces whatever was there, and after `HangUp` or `Dial` the host must deliver
//! nothing more of the older connection. After each method the host looks at
//! [`Session::next_wake`], the one timer, and forgets the previous one. `Send` always means the
//! connection of the last `Dial`. To tell a history of a connection's beginning, read
//! [`Session::id`] and [`Session::last_zxid_seen`] when the `Dial` is carried out: exactly these
//! are presented to the server.
//!
//! The invariant it keeps: each call that was accepted ends in exactly one `Answered` or `Lost`,
//! and answers come in the order of the calls (spec 8.1, C1). A call that is `Lost` without having
//! been `Sent` did not happen; one that was `Sent` may have happened, or may still.

use std::collections::VecDeque;

use crate::base::{Draw, Duration, Key, PeerId, SessionId, Time, Zxid};
use crate::jute::proto::{ConnectRequest, ConnectResponse, ReplyHeader, WatcherEvent, xid};
use crate::jute::{Error, MAX_BUFFER, Reader, Record, Unframer};
use crate::znode::codec::decode_reply;
use crate::znode::op::{ErrorCode, Op};

use super::watching::Watches;

pub use super::action::Action;

/// The longest back-off between two dials.
const BACKOFF_MS_MAX: u64 = 1_000;

/// A client that asks nothing pings at least this often (spec 8.3).
const PING_MS_MAX: u64 = 10_000;

/// How a session behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The timeout it asks for, in milliseconds.
    pub timeout_ms: u64,
    /// The servers it tries, in this order; not empty.
    pub servers: Vec<PeerId>,
    /// Gives its session up by itself after four thirds of the timeout without a byte from any
    /// server, as recent libraries do (spec 8.3); others go on until a server denies it.
    pub gives_up: bool,
    /// Where its back-off is drawn from.
    pub key: Key,
}

/// The numbers from which on the library's own calls, setWatches after a reconnect, are told: hosts
/// that record what was sent see them like any other.
pub const SET_WATCHES: u64 = u64::MAX - 0xFFFF;

/// The first of the numbers under which the library proves identities again after a reconnect.
const AUTH: u64 = SET_WATCHES - 0x1_0000;

/// Whether a call is the library's own, not the caller's.
pub fn is_library(call: u64) -> bool {
    call >= AUTH
}

/// A connect is given this long at least, in microseconds.
const MIN_PATIENCE_US: u64 = 1_500_000;

/// How the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Not begun, or halted.
    Idle,
    /// Backing off until then.
    Waiting(Time),
    /// Dialled or greeting; given up at that time.
    Joining(Time),
    /// A server has accepted the session.
    Open,
}

/// A request on the wire.
#[derive(Clone, Debug)]
struct Asked {
    /// The caller's number, or one of the library's.
    call: u64,
    xid: i32,
    op: Op,
}

/// A client's session, over all its connections and all its reincarnations after expiry.
#[derive(Clone, Debug)]
pub struct Session {
    options: Options,
    link: Link,
    id: SessionId,
    passwd: Vec<u8>,
    seen: Zxid,
    /// As negotiated; as asked for until then.
    timeout_ms: u64,
    frames: Unframer,
    /// Which server is dialled next.
    next_server: usize,
    /// How many dials in a row came to nothing.
    failures: u32,
    /// How many back-offs were drawn.
    backoffs: u64,
    next_xid: i32,
    queued: VecDeque<(u64, Op)>,
    asked: VecDeque<Asked>,
    watches: Watches,
    /// Auth packets that were accepted: identities are of a connection, so that each new one needs
    /// them again (spec 9, case 17).
    proofs: Vec<Op>,
    heard_at: Time,
    sent_at: Time,
}

impl Session {
    /// Gives every draw to come another name.
    pub fn rekey(&mut self, other: impl Fn(&mut Key)) {
        other(&mut self.options.key);
    }

    /// A session that has not begun.
    pub fn new(options: Options) -> Session {
        assert!(!options.servers.is_empty(), "a client knows at least one server");
        let timeout_ms = options.timeout_ms.max(1);
        Session {
            options,
            link: Link::Idle,
            id: SessionId(0),
            passwd: vec![0; 16],
            seen: Zxid::ZERO,
            timeout_ms,
            frames: Unframer::default(),
            next_server: 0,
            failures: 0,
            backoffs: 0,
            next_xid: 1,
            queued: VecDeque::new(),
            asked: VecDeque::new(),
            watches: Watches::default(),
            proofs: Vec::new(),
            heard_at: Time::ZERO,
            sent_at: Time::ZERO,
        }
    }

    /// The session presented on connecting; 0 while there is none.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The largest reply zxid seen (spec 1.3).
    pub fn last_zxid_seen(&self) -> Zxid {
        self.seen
    }

    /// Whether a server has accepted the session on the present connection.
    pub fn is_connected(&self) -> bool {
        self.link == Link::Open
    }

    /// How many calls wait for an answer or to be sent.
    pub fn outstanding(&self) -> usize {
        self.queued.len() + self.asked.iter().filter(|asked| !is_library(asked.call)).count()
    }

    /// When `on_timer` wants to be called; `None` before `begin` and after `halt`.
    pub fn next_wake(&self) -> Option<Time> {
        match self.link {
            Link::Idle => None,
            Link::Waiting(until) | Link::Joining(until) => {
                Some(self.gives_up_at().map_or(until, |at| at.min(until)))
            }
            Link::Open => Some(self.silence_ends().min(self.ping_due())),
        }
    }

    /// Starts: dials the first server.
    pub fn begin(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.link == Link::Idle {
            self.dial(now, out);
        }
    }

    /// The connection asked for is open.
    pub fn on_connected(&mut self, now: Time, out: &mut Vec<Action>) {
        if !matches!(self.link, Link::Joining(_)) {
            return;
        }
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.seen.wire(),
            timeout: i32::try_from(self.options.timeout_ms).unwrap_or(i32::MAX),
            session: self.id.0,
            passwd: Some(self.passwd.clone()),
        };
        self.send(now, out, |bytes| {
            request.encode(bytes);
            // Never content with a read-only server.
            false.encode(bytes);
        });
    }

    /// Bytes arrived on it, in any pieces, of any content.
    pub fn on_bytes(&mut self, now: Time, bytes: &[u8], out: &mut Vec<Action>) {
        self.frames.push(bytes);
        self.heard_at = now;
        loop {
            let done = match self.link {
                Link::Idle | Link::Waiting(_) => return,
                Link::Joining(_) | Link::Open => self.frames.next(2 * MAX_BUFFER),
            };
            let understood = match done {
                Ok(None) => return,
                Ok(Some(frame)) if self.link == Link::Open => self.on_reply(now, &frame, out),
                Ok(Some(frame)) => self.on_welcome(now, &frame, out),
                Err(error) => Err(error),
            };
            if understood.is_err() {
                // Whatever this is, it is not this session's conversation any more.
                out.push(Action::HangUp);
                return self.lose(now, out);
            }
        }
    }

    /// It is gone, or never came to be.
    pub fn on_down(&mut self, now: Time, out: &mut Vec<Action>) {
        match self.link {
            Link::Idle | Link::Waiting(_) => {}
            Link::Joining(_) | Link::Open => self.lose(now, out),
        }
    }

    /// Does what is due by now: a ping, giving up on a silent server, dialling after back-off.
    pub fn on_timer(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.next_wake().is_none_or(|wake| now < wake) {
            return;
        }
        match self.link {
            Link::Idle => {}
            Link::Waiting(_) | Link::Joining(_)
                if self.gives_up_at().is_some_and(|at| at <= now) =>
            {
                self.give_up(now, out);
            }
            Link::Waiting(_) => self.dial(now, out),
            Link::Joining(_) => {
                out.push(Action::HangUp);
                self.lose(now, out);
            }
            Link::Open if self.silence_ends() <= now => {
                out.push(Action::HangUp);
                self.lose(now, out);
            }
            Link::Open => self.send(now, out, |bytes| Op::Ping.encode_request(xid::PING, bytes)),
        }
    }

    /// Asks something, under the caller's own number. Queued until connected, then pipelined.
    /// What is still queued when the session expires is `Lost`, unsent.
    pub fn call(&mut self, now: Time, call: u64, op: Op, out: &mut Vec<Action>) {
        self.queued.push_back((call, op));
        self.flush(now, out);
    }

    /// Closes the session, as a call of its own (`Sent` with `Op::CloseSession`, then `Answered`
    /// or `Lost`). Once answered, a fresh session is opened. Calls made in between wait for it.
    pub fn close(&mut self, now: Time, call: u64, out: &mut Vec<Action>) {
        self.call(now, call, Op::CloseSession, out);
    }

    /// Drops the connection, and dials the next server at once.
    pub fn move_on(&mut self, now: Time, out: &mut Vec<Action>) {
        match self.link {
            Link::Idle => return,
            Link::Waiting(_) => {}
            Link::Joining(_) | Link::Open => {
                out.push(Action::HangUp);
                self.lose(now, out);
            }
        }
        self.dial(now, out);
    }

    /// Drops everything and stays silent for good: all that is outstanding is `Lost`.
    pub fn halt(&mut self, now: Time, out: &mut Vec<Action>) {
        match self.link {
            Link::Idle | Link::Waiting(_) => {}
            Link::Joining(_) | Link::Open => {
                out.push(Action::HangUp);
                self.lose(now, out);
            }
        }
        self.drop_queue(out);
        self.link = Link::Idle;
    }

    /// A server that says nothing for two thirds of the timeout is given up.
    fn silence_ends(&self) -> Time {
        self.heard_at + Duration::from_us(self.timeout_ms.saturating_mul(1000) / 3 * 2)
    }

    /// When the session is given up if no server says anything until then. Not while it is open:
    /// the server is given up before.
    fn gives_up_at(&self) -> Option<Time> {
        let most = Duration::from_us(self.timeout_ms.saturating_mul(1000) / 3 * 4);
        let begun = self.options.gives_up && self.id != SessionId(0);
        begun.then(|| self.heard_at + most)
    }

    /// Begins another session, whatever has become of this one.
    fn give_up(&mut self, now: Time, out: &mut Vec<Action>) {
        let session = self.id;
        if matches!(self.link, Link::Joining(_)) {
            out.push(Action::HangUp);
        }
        self.forget_session();
        self.drop_queue(out);
        out.push(Action::GaveUp { session });
        self.dial(now, out);
    }

    /// A third of the timeout without a request, and a ping is due.
    fn ping_due(&self) -> Time {
        let third = Duration::from_us(self.timeout_ms.saturating_mul(1000) / 3);
        self.sent_at + third.min(Duration::from_ms(PING_MS_MAX))
    }

    fn dial(&mut self, now: Time, out: &mut Vec<Action>) {
        let servers = &self.options.servers;
        let server = servers[self.next_server % servers.len()];
        // So that all servers can be tried before the session expires; but a timeout below a round
        // trip and a quorum's work would never connect to anybody.
        let share_us = self.timeout_ms.saturating_mul(1000) / servers.len() as u64;
        let patience_us = share_us.max(MIN_PATIENCE_US);
        self.next_server = (self.next_server + 1) % servers.len();
        self.link = Link::Joining(now + Duration::from_us(patience_us.max(1)));
        self.frames = Unframer::default();
        out.push(Action::Dial(server));
    }

    /// The connection is over: what was asked on it will not be answered. Backs off.
    fn lose(&mut self, now: Time, out: &mut Vec<Action>) {
        for asked in std::mem::take(&mut self.asked) {
            out.push(Action::Lost { call: asked.call });
        }
        if self.link == Link::Open {
            out.push(Action::Disconnected);
        }
        self.frames = Unframer::default();
        let ceiling = (20u64 << self.failures.min(6)).min(BACKOFF_MS_MAX);
        self.failures += 1;
        self.backoffs += 1;
        let delay_us = self.options.key.with(self.backoffs).stream().below(ceiling * 1000 + 1);
        self.link = Link::Waiting(now + Duration::from_us(delay_us));
    }

    fn drop_queue(&mut self, out: &mut Vec<Action>) {
        out.extend(self.queued.drain(..).map(|(call, _)| Action::Lost { call }));
    }

    /// The session is no more: the next connection begins another.
    fn forget_session(&mut self) {
        self.id = SessionId(0);
        self.passwd = vec![0; 16];
        self.seen = Zxid::ZERO;
        self.timeout_ms = self.options.timeout_ms.max(1);
        self.watches = Watches::default();
        self.proofs.clear();
    }

    /// The answer to the connect request (spec 1.3).
    fn on_welcome(&mut self, now: Time, frame: &[u8], out: &mut Vec<Action>) -> Result<(), Error> {
        let mut input = Reader::new(frame);
        let response = ConnectResponse::decode(&mut input)?;
        if response.timeout <= 0 || response.session == 0 {
            return self.on_rejected(now, out);
        }
        let session = SessionId(response.session);
        let fresh = self.id == SessionId(0);
        if !fresh && session != self.id {
            return Err(input.error("another session than the one asked for"));
        }
        self.id = session;
        self.passwd = response.passwd.unwrap_or_default();
        self.timeout_ms = u64::from(response.timeout.unsigned_abs());
        self.failures = 0;
        self.link = Link::Open;
        out.push(Action::Connected { session, fresh, timeout_ms: self.timeout_ms });
        self.prove_again(now, out);
        self.leave_watches(now, out);
        self.flush(now, out);
        Ok(())
    }

    fn on_rejected(&mut self, now: Time, out: &mut Vec<Action>) -> Result<(), Error> {
        let session = self.id;
        if session == SessionId(0) {
            return Err(Error { at: 0, what: "a new session was rejected" });
        }
        out.push(Action::HangUp);
        self.forget_session();
        self.drop_queue(out);
        out.push(Action::Expired { session });
        self.dial(now, out);
        Ok(())
    }

    /// Who the session was known to be on the connection before, it is on this one (spec 8.3).
    fn prove_again(&mut self, now: Time, out: &mut Vec<Action>) {
        for (nth, op) in self.proofs.clone().into_iter().enumerate() {
            self.ask(now, AUTH + nth as u64, xid::AUTH, op, out);
        }
    }

    fn ask(&mut self, now: Time, call: u64, xid: i32, op: Op, out: &mut Vec<Action>) {
        out.push(Action::Sent { call, xid, op: op.clone() });
        self.send(now, out, |bytes| op.encode_request(xid, bytes));
        self.asked.push_back(Asked { call, xid, op });
    }

    /// What was watched before the connection was lost is watched again, or is told to have
    /// changed meanwhile (spec 1.12).
    fn leave_watches(&mut self, now: Time, out: &mut Vec<Action>) {
        let xid = xid::SET_WATCHES;
        for (call, op) in (SET_WATCHES..=u64::MAX).zip(self.watches.again(self.seen)) {
            self.ask(now, call, xid, op, out);
        }
    }

    /// Sends what is queued. Behind a closeSession nothing is answered, so it waits (case 15).
    fn flush(&mut self, now: Time, out: &mut Vec<Action>) {
        while self.link == Link::Open
            && !matches!(self.asked.back(), Some(Asked { op: Op::CloseSession, .. }))
            && let Some((call, op)) = self.queued.pop_front()
        {
            let xid = match op {
                Op::AddAuth { .. } => xid::AUTH,
                _ => {
                    let xid = self.next_xid;
                    self.next_xid = xid.checked_add(1).unwrap_or(1);
                    xid
                }
            };
            self.ask(now, call, xid, op, out);
        }
    }

    fn send(&mut self, now: Time, out: &mut Vec<Action>, body: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&[0; 4]);
        body(&mut bytes);
        let length = (bytes.len() - 4) as i32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.sent_at = now;
        out.push(Action::Send(bytes));
    }

    /// One frame of an open session: a notification, a pong, or the next answer.
    fn on_reply(&mut self, now: Time, frame: &[u8], out: &mut Vec<Action>) -> Result<(), Error> {
        let mut input = Reader::new(frame);
        let header = ReplyHeader::decode(&mut input)?;
        if header.xid == xid::NOTIFICATION {
            let WatcherEvent { kind, path, .. } = Record::decode(&mut input)?;
            self.watches.fired(kind, &path);
            let zxid = (header.zxid >= 0).then(|| Zxid::from_wire(header.zxid));
            out.push(Action::Watch { kind, path, zxid });
            return Ok(());
        }
        let zxid = Zxid::from_wire(header.zxid.max(0));
        if header.xid == xid::PING {
            self.seen = self.seen.max(zxid);
            return Ok(());
        }
        // Answers come in the order of requests, but those to auth packets overtake (spec 1.15).
        let is_auth = |xid| xid == xid::AUTH;
        let next = self.asked.iter().position(|a| is_auth(a.xid) == is_auth(header.xid));
        let next = next.filter(|at| self.asked[*at].xid == header.xid);
        let next = next.ok_or_else(|| input.error("an answer to another request"))?;
        let asked = &self.asked[next];
        let result = match header.err {
            0 => Ok(decode_reply(&asked.op, &mut input)?),
            code => Err(ErrorCode::from_wire(code)),
        };
        // Only now: a body that cannot be read has answered nothing.
        let Some(asked) = self.asked.remove(next) else { return Ok(()) };
        self.seen = self.seen.max(zxid);
        self.watches.left(&asked.op, &result);
        if let (Op::AddAuth { .. }, Ok(_)) = (&asked.op, &result)
            && !self.proofs.contains(&asked.op)
        {
            self.proofs.push(asked.op.clone());
        }
        out.push(Action::Answered { call: asked.call, zxid, result });
        if asked.op == Op::CloseSession {
            out.push(Action::HangUp);
            self.lose(now, out);
            self.forget_session();
            self.failures = 0;
            self.dial(now, out);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
