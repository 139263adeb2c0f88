//! A history in columns: no text, no tree of enums, a fixed number of bytes per call. Built from
//! what is seen, in order; equal to a [`History`] in all that this check looks at.

use std::collections::BTreeMap;

use crate::base::{ConnId, SessionId, Zxid};
use crate::history::{At, CallId, Committed, Did, Happening, History, Outcome, Seen};
use crate::verdict::model::tree::is_beyond;
use crate::verdict::names::{NONE, Names};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::axis::reach;
use super::paths::Paths;
use super::translate::{is_own, is_placed};

/// What a call or one part of a multi asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Delete,
    SetData,
    Check,
    Multi,
    Close,
    Exists,
    GetData,
    GetChildren,
    MultiRead,
    Sync,
    SetWatches,
    Ping,
    CreateSession,
}

impl Kind {
    /// Whether it becomes a transaction of its own.
    pub(super) fn is_txn(self) -> bool {
        match self {
            Kind::Create | Kind::Delete | Kind::SetData | Kind::Multi | Kind::Close => true,
            Kind::Check
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => false,
        }
    }
}

/// Bits of [`Part::flags`].
pub(super) mod flag {
    pub(in super::super) const WATCH: u8 = 1;
    pub(in super::super) const EPHEMERAL: u8 = 2;
    pub(in super::super) const SEQUENTIAL: u8 = 4;
    /// The answer has the shape that its request cannot have: another path, a wrong suffix.
    pub(in super::super) const ODD: u8 = 8;
    /// The reply names children.
    pub(in super::super) const NAMED: u8 = 16;
    /// The answer has a place in the order.
    pub(in super::super) const PLACED: u8 = 32;
    /// The answer's zxid is that of a transaction of its own.
    pub(in super::super) const OWN: u8 = 64;
}

/// [`Part::code`] of a success.
pub(super) const OK: i16 = 0;
/// [`Part::code`] of a call without an answer.
pub(super) const LOST: i16 = 1;
/// [`Part::code`] of a part of a failed multi before the failing one.
pub(super) const EARLY: i16 = 2;
/// [`Part::version`] of a create whose ACL is refused.
pub(super) const BAD_ACL: i32 = i32::MIN;

/// What is asked and answered, of a call or of a part of one. 28 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The path; of a sequential create that succeeded, the name it got.
    pub(super) path: u32,
    /// The payload written or read.
    pub(super) data: u32,
    /// Where the Stat of the answer is.
    pub(super) stat: u32,
    /// Parts of a multi, children of a getChildren, lists of a setWatches: where they begin.
    pub(super) extra: u32,
    /// The version expected; permissions of a create; how many parts or children there are.
    pub(super) version: i32,
    /// The suffix of a sequential name.
    pub(super) seq: i32,
    /// The error code, or one of [`OK`], [`LOST`], [`EARLY`].
    pub(super) code: i16,
    pub(super) kind: Kind,
    pub(super) flags: u8,
}

impl Part {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// One call. One line of a cache, as calls are looked up in other orders than their own.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Rec {
    /// The answer's zxid; 0 without one.
    pub(super) zxid: u64,
    pub(super) part: Part,
    /// Ranks of the call and of its answer among all that was seen; [`NONE`] without an answer.
    pub(super) call: u32,
    pub(super) ret: u32,
    pub(super) session: u32,
    pub(super) conn: u32,
    /// How the log names it.
    pub(super) xid: i32,
    pub(super) id: CallId,
}

/// The figures of a Stat, with a session's number for its owner. One line of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Figures {
    pub(super) czxid: u64,
    pub(super) mzxid: u64,
    pub(super) pzxid: u64,
    pub(super) ctime: i64,
    pub(super) mtime: i64,
    pub(super) version: i32,
    pub(super) cversion: i32,
    pub(super) aversion: i32,
    pub(super) length: i32,
    pub(super) children: i32,
    pub(super) owner: u32,
}

/// One thing at one rank. 8 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tick {
    Called(u32),
    Returned(u32),
    Lost(u32),
    Event(u32),
    /// One of [`Tape::connects`].
    Connected(u32),
    Gone(u32),
    Expired(u32),
}

/// A connection carries a session, new or again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connect {
    pub(super) conn: u32,
    pub(super) session: u32,
    pub(super) fresh: bool,
}

/// A watch notification.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) zxid: u64,
    pub(super) conn: u32,
    pub(super) path: u32,
    pub(super) kind: i32,
}

/// What a setWatches asks: paths by list.
#[derive(Clone, Debug)]
pub(super) struct Rewatch {
    pub(super) since: i64,
    pub(super) lists: [Vec<u32>; 3],
    /// What it was told at once, by kind and path, sorted: events without a zxid come from
    /// setWatches, before its answer.
    pub(super) told: Vec<(i32, u32)>,
}

/// A transaction that somebody who can see the log has told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logged {
    pub(super) zxid: u64,
    pub(super) session: u32,
    pub(super) xid: i32,
    pub(super) did: Did,
}

/// A history in columns. See the file.
#[derive(Clone, Debug)]
pub struct Tape {
    pub(super) calls: Vec<Rec>,
    pub(super) parts: Vec<Part>,
    pub(super) stats: Vec<Figures>,
    /// By path: the Stat that was shown last. Most answers show one again.
    pub(super) latest: Vec<u32>,
    pub(super) kids: Vec<u128>,
    pub(super) rewatches: Vec<Rewatch>,
    pub(super) events: Vec<Event>,
    pub(super) connects: Vec<Connect>,
    pub(super) ticks: Vec<Tick>,
    /// True time of each tick.
    pub(super) times: Vec<u64>,
    pub(super) paths: Paths,
    pub(super) blobs: Names,
    pub(super) sessions: Vec<SessionId>,
    pub(super) conns: Vec<ConnId>,
    /// The session of each connection, as far as known.
    pub(super) carries: Vec<u32>,
    /// The committed log, if it was shown.
    pub(super) log: Vec<Logged>,
    /// The largest zxid that each connection was shown.
    pub(super) until: Vec<u64>,
    /// The largest counter of each epoch that an answer, an event or the log has shown.
    pub(super) epochs: Vec<(u32, u32)>,
    /// Calls that leave watches.
    pub(super) watching: u64,
    /// Calls for transactions that have no answer yet.
    pub(super) unanswered: u64,
    /// Events without a zxid since the last answer, by connection.
    caught: BTreeMap<u32, Vec<(i32, u32)>>,
    /// An operation that this check does not know: the history is the witness's to judge.
    pub(super) beyond: Option<&'static str>,
    by_session: BTreeMap<SessionId, u32>,
    by_conn: BTreeMap<ConnId, u32>,
    open: BTreeMap<CallId, u32>,
}

impl Default for Tape {
    fn default() -> Tape {
        Tape::new()
    }
}

impl Tape {
    /// Nothing seen yet.
    pub fn new() -> Tape {
        Tape {
            calls: Vec::new(),
            parts: Vec::new(),
            stats: Vec::new(),
            latest: Vec::new(),
            kids: Vec::new(),
            rewatches: Vec::new(),
            events: Vec::new(),
            connects: Vec::new(),
            ticks: Vec::new(),
            times: Vec::new(),
            paths: Paths::new(),
            blobs: Names::new(),
            sessions: Vec::new(),
            conns: Vec::new(),
            carries: Vec::new(),
            log: Vec::new(),
            until: Vec::new(),
            epochs: vec![(0, 0)],
            watching: 0,
            unanswered: 0,
            caught: BTreeMap::new(),
            beyond: None,
            by_session: BTreeMap::new(),
            by_conn: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// How many calls there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// A history's columns. What happened in one step has no order of its own: calls are taken
    /// first (so that they are concurrent), then events and answers by zxid, as a server sends
    /// them.
    pub fn of(history: &History) -> Tape {
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        enum What {
            Began,
            Call,
            Told,
            Ended,
        }
        let mut moments: Vec<(At, What, u64, bool, usize)> = Vec::new();
        for (index, operation) in history.operations.iter().enumerate() {
            moments.push((operation.invoked, What::Call, 0, false, index));
            if let Some(at) = operation.returned {
                let zxid = operation.zxid.map_or(0, |zxid| zxid.0);
                moments.push((at, What::Told, zxid, true, index));
            }
        }
        for (index, event) in history.events.iter().enumerate() {
            let (what, zxid) = match &event.what {
                Happening::Connected { .. } => (What::Began, 0),
                Happening::Watch { zxid, .. } => (What::Told, zxid.map_or(0, |zxid| zxid.0)),
                Happening::Disconnected { .. } | Happening::Expired => (What::Ended, 0),
            };
            moments.push((event.at, what, zxid, false, index));
        }
        moments.sort();
        let mut tape = Tape::new();
        for (at, what, _, returned, index) in moments {
            match (what, returned) {
                (What::Call, _) => {
                    let o = &history.operations[index];
                    tape.call(at, o.id, o.session, o.conn, o.xid, &o.op);
                }
                (What::Told, true) => {
                    let o = &history.operations[index];
                    let zxid = o.zxid.unwrap_or_default();
                    match &o.outcome {
                        Outcome::Ok(reply) => tape.end(at, o.id, zxid, &o.op, Ok(reply)),
                        Outcome::Failed(code) => tape.end(at, o.id, zxid, &o.op, Err(*code)),
                        Outcome::Lost | Outcome::Open => tape.lost(at, o.id),
                    }
                }
                (What::Began | What::Told | What::Ended, _) => {
                    tape.happened(at, &history.events[index]);
                }
            }
        }
        history.log.iter().for_each(|txn| tape.logged(txn));
        tape
    }

    fn happened(&mut self, at: At, event: &crate::history::Event) {
        match &event.what {
            Happening::Connected { conn, fresh, .. } => {
                self.connected(at, *conn, event.session, *fresh);
            }
            Happening::Disconnected { conn } => self.gone(at, *conn),
            Happening::Expired => self.expired(at, event.session),
            Happening::Watch { conn, kind, path, zxid } => {
                self.event(at, *conn, *kind, path, *zxid);
            }
        }
    }

    /// Takes one thing seen. What this check does not look at is left out.
    pub fn observe(&mut self, at: At, seen: &Seen, op_of: &mut BTreeMap<CallId, Op>) {
        match seen {
            Seen::Called(call) => {
                self.call(at, call.id, call.session, call.conn, call.xid, &call.op);
                op_of.insert(call.id, call.op.clone());
            }
            Seen::Returned { id, zxid, result } => {
                if let Some(op) = op_of.remove(id) {
                    self.end(at, *id, *zxid, &op, result.as_ref().map_err(|code| *code));
                }
            }
            Seen::Lost { id } => {
                op_of.remove(id);
                self.lost(at, *id);
            }
            Seen::Connected { conn, session, fresh, .. } => {
                self.connected(at, *conn, *session, *fresh);
            }
            Seen::Disconnected { conn, .. } => self.gone(at, *conn),
            Seen::Expired { session, .. } => self.expired(at, *session),
            Seen::Watch { conn, kind, path, zxid, .. } => {
                self.event(at, *conn, *kind, path, *zxid);
            }
            _ => {}
        }
    }

    /// Shows one transaction of the committed log: then what became of calls without an answer
    /// need not be found out.
    pub fn logged(&mut self, txn: &Committed) {
        let Committed { zxid, session, xid, did } = *txn;
        let session = self.session(session);
        reach(&mut self.epochs, zxid.0);
        self.log.push(Logged { zxid: zxid.0, session, xid, did });
    }

    fn tick(&mut self, at: At, tick: Tick) -> u32 {
        assert!(self.ticks.len() < NONE as usize, "a tape holds at most 2^32 moments");
        self.ticks.push(tick);
        self.times.push(at.time.0);
        self.ticks.len() as u32 - 1
    }

    /// A connection is shown a zxid.
    fn show(&mut self, conn: u32, zxid: u64) {
        let until = &mut self.until[conn as usize];
        *until = zxid.max(*until);
        reach(&mut self.epochs, zxid);
    }

    pub(super) fn session(&mut self, session: SessionId) -> u32 {
        let next = self.sessions.len() as u32;
        let index = *self.by_session.entry(session).or_insert(next);
        if index == next {
            self.sessions.push(session);
        }
        index
    }

    fn conn(&mut self, conn: ConnId) -> u32 {
        let next = self.conns.len() as u32;
        let index = *self.by_conn.entry(conn).or_insert(next);
        if index == next {
            self.conns.push(conn);
            self.carries.push(NONE);
            self.until.push(0);
        }
        index
    }

    /// A call leaves its client.
    pub fn call(
        &mut self,
        at: At,
        id: CallId,
        session: SessionId,
        conn: ConnId,
        xid: i32,
        op: &Op,
    ) {
        let (session, conn) = (self.session(session), self.conn(conn));
        self.carries[conn as usize] = session;
        self.beyond = self.beyond.or_else(|| is_beyond(op).then(|| op.name()));
        let part = self.request(op);
        let index = self.calls.len() as u32;
        let call = self.tick(at, Tick::Called(index));
        self.calls.push(Rec { zxid: 0, part, call, ret: NONE, session, conn, xid, id });
        self.open.insert(id, index);
        self.unanswered += u64::from(part.kind.is_txn());
    }

    /// A call is answered: `op` is what it asked.
    pub fn end(
        &mut self,
        at: At,
        id: CallId,
        zxid: Zxid,
        op: &Op,
        result: Result<&Reply, ErrorCode>,
    ) {
        let Some(index) = self.open.remove(&id) else { return };
        let ret = self.tick(at, Tick::Returned(index));
        let Rec { mut part, conn, .. } = self.calls[index as usize];
        match result {
            Ok(reply) => self.answer(&mut part, op, reply),
            Err(code) => part.code = code.wire() as i16,
        }
        part.flags |= if is_placed(&self.parts, &part) { flag::PLACED } else { 0 };
        part.flags |= if is_own(&part) { flag::OWN } else { 0 };
        let rec = &mut self.calls[index as usize];
        (rec.ret, rec.zxid, rec.part) = (ret, zxid.0, part);
        self.show(conn, zxid.0);
        self.watching += u64::from(part.has(flag::WATCH));
        self.unanswered -= u64::from(part.kind.is_txn());
        if let Some(mut caught) = self.caught.remove(&conn)
            && part.kind == Kind::SetWatches
        {
            caught.sort_unstable();
            self.rewatches[part.extra as usize].told = caught;
        }
    }

    /// A call will not be answered.
    pub fn lost(&mut self, at: At, id: CallId) {
        if let Some(index) = self.open.remove(&id) {
            self.tick(at, Tick::Lost(index));
        }
    }

    /// A server accepted a session.
    pub fn connected(&mut self, at: At, conn: ConnId, session: SessionId, fresh: bool) {
        let (conn, session) = (self.conn(conn), self.session(session));
        self.carries[conn as usize] = session;
        self.connects.push(Connect { conn, session, fresh });
        self.tick(at, Tick::Connected(self.connects.len() as u32 - 1));
    }

    /// A connection is gone.
    pub fn gone(&mut self, at: At, conn: ConnId) {
        let conn = self.conn(conn);
        self.tick(at, Tick::Gone(conn));
    }

    /// A client was told that its session is dead.
    pub fn expired(&mut self, at: At, session: SessionId) {
        let session = self.session(session);
        self.tick(at, Tick::Expired(session));
    }

    /// A watch notification arrived.
    pub fn event(&mut self, at: At, conn: ConnId, kind: i32, path: &str, zxid: Option<Zxid>) {
        let (conn, path) = (self.conn(conn), self.paths.intern(path));
        let zxid = zxid.map_or(0, |zxid| zxid.0);
        self.show(conn, zxid);
        if zxid == 0 {
            self.caught.entry(conn).or_default().push((kind, path));
        }
        self.events.push(Event { zxid, conn, path, kind });
        self.tick(at, Tick::Event(self.events.len() as u32 - 1));
    }

    /// True time at a rank.
    pub(super) fn time(&self, rank: u32) -> u64 {
        self.times.get(rank as usize).copied().unwrap_or_default()
    }
}
