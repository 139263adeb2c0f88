//! The commit stage: one FIFO per session, and who is answered when (spec 5.5 to 5.7).
//!
//! ```text
//!   queue of a connection     [ write 7 | read 8 | sync 9 | write 10 ]
//!                               handed on         handed on   waits: behind a sync
//! ```
//!
//! Writes are handed on when they arrive; their transactions come back in the same order. A read
//! runs when it is at the head. The invariant it keeps: answers leave in the order of the
//! requests, and their zxids never decrease (spec 8.1, C1 and C2).

use crate::base::{ConnId, SessionId, Zxid};
use crate::jute::proto::{event_type, opcode};
use crate::jute::txn::{Txn, TxnRecord};
use crate::process::{Effects, Now, Tag};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::door::{Conn, Stage};
use super::rules::ReadAt;
use super::service::{Duty, Service};
use super::{Ask, wire};

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub xid: i32,
    pub what: What,
}

/// What kind of waiting it is.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Runs at the head of the queue.
    Read(Result<Op, ErrorCode>),
    /// A read that ran ahead: its answer waits for its turn.
    Ready(Vec<u8>),
    /// Waits for its transaction. The body is kept until it is forwarded.
    Write { kind: i32, op: Option<Result<Op, ErrorCode>>, body: Vec<u8> },
    /// Waits for the leader's word.
    Sync { path: String, answered: bool },
    /// Waits for its transaction, and is the last.
    Close,
    /// Nothing that a client may ask: refused in its turn, and the last.
    Refuse,
}

impl What {
    /// Of a request's opcode and body.
    pub fn of(kind: i32, body: &[u8]) -> What {
        if kind == opcode::CLOSE_SESSION {
            return What::Close;
        }
        match wire::decode_op(kind, body) {
            Ok(Op::Sync { path }) => What::Sync { path, answered: false },
            // A check outside a multi, and what is internal (spec 9, case 26).
            Ok(Op::Check { .. } | Op::CreateSession { .. } | Op::CloseSession) => What::Refuse,
            Ok(op) if op.is_write() => What::Write { kind, op: Some(Ok(op)), body: body.to_vec() },
            Ok(op) => What::Read(Ok(op)),
            Err(ErrorCode::Unimplemented) => What::Refuse,
            Err(code) if wire::announces_write(kind) => {
                What::Write { kind, op: Some(Err(code)), body: body.to_vec() }
            }
            Err(code) => What::Read(Err(code)),
        }
    }
}

impl Service {
    /// Hands on what may leave: all writes up to the first sync that is not answered.
    pub(super) fn submit(&mut self, now: Now, conn: ConnId, fx: &mut Effects) {
        loop {
            let Some(state) = self.door.get_mut(&conn) else { return };
            if state.fenced {
                return;
            }
            let session = state.session;
            let Some(pending) = state.queue.get_mut(state.submitted) else { return };
            state.submitted += 1;
            let cxid = pending.xid;
            match &mut pending.what {
                What::Read(_) | What::Ready(_) | What::Refuse => {}
                What::Write { kind, op, body } => {
                    let (kind, body) = (*kind, std::mem::take(body));
                    let op = op.take().expect("a write is handed on once");
                    self.hand_on(now, session, cxid, kind, op, &body, fx);
                }
                What::Sync { .. } => {
                    state.fenced = true;
                    self.ask_sync(now, conn, session, cxid, fx);
                }
                What::Close => {
                    let op = Ok(Op::CloseSession);
                    self.hand_on(now, session, cxid, opcode::CLOSE_SESSION, op, &[], fx);
                }
            }
        }
    }

    /// A write becomes a transaction here, or goes to the leader.
    #[allow(clippy::too_many_arguments)] // The request, field by field.
    fn hand_on(
        &mut self,
        now: Now,
        session: SessionId,
        cxid: i32,
        kind: i32,
        op: Result<Op, ErrorCode>,
        body: &[u8],
        fx: &mut Effects,
    ) {
        match &self.duty {
            // Its connection is closed by now, or about to be.
            Duty::Idle => {}
            Duty::Leading(_) => self.prepare(now, self.id, session, cxid, op, fx),
            Duty::Following(_) => {
                let forwarded = wire::Forwarded { session, cxid, kind, payload: body };
                self.ask(Ask::TellLeader(forwarded.packet()));
            }
        }
    }

    /// Answers from the head of the queue as far as possible. True if a sync was among it, so that
    /// more may be handed on.
    pub(super) fn drain(&mut self, conn: ConnId, fx: &mut Effects) -> bool {
        loop {
            let Some(state) = self.door.get_mut(&conn) else { return false };
            let Some(head) = state.queue.front() else { return false };
            let xid = head.xid;
            match &head.what {
                What::Write { .. } | What::Close | What::Sync { answered: false, .. } => {
                    return false;
                }
                What::Read(_) => {
                    if self.reads_wait() {
                        self.stalled.insert(conn);
                        return false;
                    }
                    self.read_at_head(conn, fx);
                }
                What::Ready(_) => {
                    let Some(What::Ready(bytes)) = take_head(state) else { return false };
                    fx.reply(conn, Tag::kind("REPLY"), bytes);
                }
                What::Sync { answered: true, .. } => {
                    let Some(What::Sync { path, .. }) = take_head(state) else { return false };
                    state.fenced = false;
                    self.reply(conn, xid, &Ok(Reply::Synced { path }), fx);
                    return true;
                }
                What::Refuse => {
                    let bytes = wire::refusal(xid, -1, ErrorCode::Unimplemented);
                    fx.reply(conn, Tag::kind("REFUSED"), bytes);
                    self.close_conn(conn, fx);
                    return false;
                }
            }
        }
    }

    fn read_at_head(&mut self, conn: ConnId, fx: &mut Effects) {
        let Some(state) = self.door.get_mut(&conn) else { return };
        let (session, xid) = (state.session, state.queue.front().map_or(0, |head| head.xid));
        let Some(What::Read(op)) = take_head(state) else { return };
        if self.has_moved(session) {
            // The leader knows at once that another server has the session (spec 3.5, case 7).
            return self.close_conn(conn, fx);
        }
        let result = op.and_then(|op| self.read(conn, &op, fx));
        self.reply(conn, xid, &result, fx);
    }

    fn has_moved(&mut self, session: SessionId) -> bool {
        match &mut self.duty {
            Duty::Leading(leader) => {
                let owns = leader.owns(session, self.id);
                (self.rules.moved)(owns)
            }
            Duty::Idle | Duty::Following(_) => false,
        }
    }

    /// If the rules say so, runs the read that has just arrived at once.
    pub(super) fn read_early(&mut self, conn: ConnId, fx: &mut Effects) {
        match (self.rules.read_at)() {
            ReadAt::Turn => return,
            ReadAt::Arrival => {}
        }
        let Some(state) = self.door.get_mut(&conn) else { return };
        if state.queue.len() < 2 || !matches!(state.queue.back(), Some(last) if last.is_read()) {
            return;
        }
        let Some(Pending { xid, what: What::Read(op) }) = state.queue.pop_back() else { return };
        let result = op.and_then(|op| self.read(conn, &op, fx));
        let bytes = wire::answer(xid, self.reply_zxid(), &result);
        let Some(state) = self.door.get_mut(&conn) else { return };
        state.queue.push_back(Pending { xid, what: What::Ready(bytes) });
    }

    /// Runs a read, and leaves its watch in the same moment (spec 4.3).
    fn read(&mut self, conn: ConnId, op: &Op, fx: &mut Effects) -> Result<Reply, ErrorCode> {
        match op {
            Op::Ping => Ok(Reply::Done),
            Op::SetWatches { relative, data, exist, child } => {
                let relative = Zxid::from_wire((*relative).max(0));
                self.set_watches(conn, relative, [data, exist, child], fx);
                Ok(Reply::Done)
            }
            Op::Exists { path, watch } => {
                let result = self.tree.read(op);
                // On a missing node, too: that is what it is for (spec 1.14, case 56).
                if *watch && matches!(result, Ok(_) | Err(ErrorCode::NoNode)) {
                    self.watches.watch_data(conn, path);
                }
                result
            }
            Op::GetData { path, watch } => {
                let result = self.tree.read(op);
                if *watch && result.is_ok() {
                    self.watches.watch_data(conn, path);
                }
                result
            }
            Op::GetChildren { path, watch, .. } => {
                let result = self.tree.read(op);
                if *watch && result.is_ok() {
                    self.watches.watch_children(conn, path);
                }
                result
            }
            Op::MultiRead(_) => self.tree.read(op),
            Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
            | Op::Sync { .. }
            | Op::Multi(_)
            | Op::CreateSession { .. }
            | Op::CloseSession => Err(ErrorCode::Unimplemented),
        }
    }

    /// What a client missed while it was away, else the watch again (spec 1.12).
    fn set_watches(
        &mut self,
        conn: ConnId,
        relative: Zxid,
        [data, exist, child]: [&Vec<String>; 3],
        fx: &mut Effects,
    ) {
        for path in data {
            match self.changes(path) {
                None => tell(conn, event_type::NODE_DELETED, path, fx),
                Some((mzxid, _)) if mzxid > relative => {
                    tell(conn, event_type::NODE_DATA_CHANGED, path, fx);
                }
                Some(_) => self.watches.watch_data(conn, path),
            }
        }
        for path in exist {
            match self.changes(path) {
                Some(_) => tell(conn, event_type::NODE_CREATED, path, fx),
                None => self.watches.watch_data(conn, path),
            }
        }
        for path in child {
            match self.changes(path) {
                None => tell(conn, event_type::NODE_DELETED, path, fx),
                Some((_, pzxid)) if pzxid > relative => {
                    tell(conn, event_type::NODE_CHILDREN_CHANGED, path, fx);
                }
                Some(_) => self.watches.watch_children(conn, path),
            }
        }
    }

    /// The zxids of a node's last changes, of its data and of its children.
    fn changes(&self, path: &str) -> Option<(Zxid, Zxid)> {
        match self.tree.read(&Op::Exists { path: path.to_string(), watch: false }) {
            Ok(Reply::Stat(stat)) => {
                Some((Zxid::from_wire(stat.mzxid), Zxid::from_wire(stat.pzxid)))
            }
            _ => None,
        }
    }

    /// A transaction is applied: answers the client of this server that asked for it, if any. It is
    /// known by session and xid, at the head of its queue; anything else is another server's.
    pub(super) fn answer(
        &mut self,
        now: Now,
        record: &TxnRecord,
        result: Result<Reply, ErrorCode>,
        fx: &mut Effects,
    ) {
        let session = SessionId(record.header.client);
        let Some(conn) = self.voices.get(&session).copied() else { return };
        match &record.txn {
            Txn::CreateSession(_) => {
                let opening = self.door.get(&conn).is_some_and(|c| c.stage == Stage::Opening);
                if opening {
                    self.open(conn, fx);
                    self.pump(now, conn, fx);
                }
            }
            Txn::CloseSession(_) => self.end(conn, record.header.cxid, result, fx),
            Txn::Create(_)
            | Txn::Create2(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::Multi(_)
            | Txn::Error(_) => self.answer_head(now, conn, record.header.cxid, result, fx),
        }
    }

    fn answer_head(
        &mut self,
        now: Now,
        conn: ConnId,
        cxid: i32,
        result: Result<Reply, ErrorCode>,
        fx: &mut Effects,
    ) {
        let Some(state) = self.door.get_mut(&conn) else { return };
        let asked = match state.queue.front() {
            Some(Pending { xid, what: What::Write { .. } | What::Close }) => *xid == cxid,
            Some(_) | None => false,
        };
        if !asked || state.submitted == 0 {
            return;
        }
        if result == Err(ErrorCode::SessionMoved) {
            // Never sent: the connection ends instead (spec 1.7, case 7).
            return self.close_conn(conn, fx);
        }
        let _ = take_head(state);
        self.reply(conn, cxid, &result, fx);
        self.pump(now, conn, fx);
    }

    /// The session is closed: so is its connection, after an answer to whoever asked.
    fn end(
        &mut self,
        conn: ConnId,
        cxid: i32,
        result: Result<Reply, ErrorCode>,
        fx: &mut Effects,
    ) {
        let Some(state) = self.door.get_mut(&conn) else { return };
        if state.stage == Stage::Renewing {
            // The leader's answer to the renewal is on its way, and is the rejection.
            return;
        }
        let asked = match state.queue.front() {
            Some(Pending { xid, what: What::Close }) => *xid == cxid,
            Some(_) | None => false,
        };
        if asked {
            self.reply(conn, cxid, &result, fx);
        }
        self.close_conn(conn, fx);
    }

    fn reply(
        &mut self,
        conn: ConnId,
        xid: i32,
        result: &Result<Reply, ErrorCode>,
        fx: &mut Effects,
    ) {
        let zxid = self.reply_zxid();
        fx.reply(conn, Tag::zxid("REPLY", zxid), wire::answer(xid, zxid, result));
    }
}

impl Pending {
    fn is_read(&self) -> bool {
        match self.what {
            What::Read(_) => true,
            What::Ready(_)
            | What::Write { .. }
            | What::Sync { .. }
            | What::Close
            | What::Refuse => false,
        }
    }
}

/// Takes the head of the queue, which was handed on already, as everything at the head is.
fn take_head(state: &mut Conn) -> Option<What> {
    state.submitted = state.submitted.saturating_sub(1);
    state.queue.pop_front().map(|pending| pending.what)
}

fn tell(conn: ConnId, kind: i32, path: &str, fx: &mut Effects) {
    fx.reply(conn, Tag::kind("EVENT"), wire::notification(kind, path.to_string(), None));
}
