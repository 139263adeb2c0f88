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
use crate::jute::Reader;
use crate::jute::txn::{Txn, TxnRecord};
use crate::process::{Effects, Now, Tag};
use crate::znode::codec::decode_request;
use crate::znode::op::{ErrorCode, Op, Reply};
use crate::znode::prepare::Request;

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
    /// Waits for its transaction; kept, because the answer's encoding depends on it.
    Write(Result<Op, ErrorCode>),
    /// Waits for the leader's word.
    Sync { op: Op, answered: bool },
    /// Waits for its transaction, and is the last.
    Close,
    /// Nothing that a client may ask: refused in its turn, and the last.
    Refuse,
}

impl What {
    /// Of a request's opcode and body.
    pub fn of(kind: i32, body: &[u8]) -> What {
        if !wire::is_served(kind) {
            return What::Refuse;
        }
        match decode_request(kind, &mut Reader::new(body)) {
            Ok(Op::CloseSession) => What::Close,
            Ok(op @ Op::Sync { .. }) => What::Sync { op, answered: false },
            // A check outside a multi, and what is internal (spec 9, case 26).
            Ok(Op::Check { .. } | Op::CreateSession { .. }) => What::Refuse,
            // To this server it has parts of an unknown type (spec 1.10).
            Ok(Op::Multi(parts)) if !parts.iter().all(|part| wire::is_served(part.opcode())) => {
                What::Write(Err(ErrorCode::MarshallingError))
            }
            Ok(op) if op.is_write() => What::Write(Ok(op)),
            Ok(op) => What::Read(Ok(op)),
            Err(ErrorCode::Unimplemented) => What::Refuse,
            Err(code) if wire::announces_write(kind) => What::Write(Err(code)),
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
            let (session, at) = (state.session, state.submitted);
            let Some(pending) = state.queue.get_mut(at) else { return };
            state.submitted += 1;
            let cxid = pending.xid;
            match &mut pending.what {
                What::Read(_) | What::Ready(_) | What::Refuse => {}
                What::Write(op) => {
                    // Lent to the request, so that nothing is copied.
                    let op = std::mem::replace(op, Err(ErrorCode::SystemError));
                    let lent = self.hand_on(now, Request { session, cxid, op }, fx);
                    if let Some(state) = self.door.get_mut(&conn) {
                        state.queue[at].what = What::Write(lent);
                    }
                }
                What::Sync { op, .. } => {
                    let request = Request { session, cxid, op: Ok(op.clone()) };
                    state.fenced = true;
                    self.ask_sync(conn, &request);
                }
                What::Close => {
                    let request = Request { session, cxid, op: Ok(Op::CloseSession) };
                    let _ = self.hand_on(now, request, fx);
                }
            }
        }
    }

    /// A write becomes a transaction here, or goes to the leader. Gives the operation back.
    pub(super) fn hand_on(
        &mut self,
        now: Now,
        request: Request,
        fx: &mut Effects,
    ) -> Result<Op, ErrorCode> {
        match &self.duty {
            // Its connection is closed by now, or about to be.
            Duty::Idle => request.op,
            Duty::Leading(_) => self.prepare(now, self.id, request, fx),
            Duty::Following(_) => {
                self.ask(Ask::TellLeader(wire::request(&request)));
                request.op
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
                What::Write(_) | What::Close | What::Sync { answered: false, .. } => {
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
                    let Some(What::Sync { op, .. }) = take_head(state) else { return false };
                    state.fenced = false;
                    let result = match &op {
                        Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
                        _ => Ok(Reply::Done),
                    };
                    self.reply(conn, xid, &op, &result, fx);
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
        let zxid = self.reply_zxid(fx);
        let bytes = self.read(conn, (xid, zxid), op, fx);
        fx.reply(conn, Tag::zxid("REPLY", zxid), bytes);
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
        let zxid = self.reply_zxid(fx);
        let bytes = self.read(conn, (xid, zxid), op, fx);
        let Some(state) = self.door.get_mut(&conn) else { return };
        state.queue.push_back(Pending { xid, what: What::Ready(bytes) });
    }

    /// Runs a read, and leaves its watch in the same moment (spec 4.3): its answer.
    fn read(
        &mut self,
        conn: ConnId,
        (xid, zxid): (i32, Zxid),
        op: Result<Op, ErrorCode>,
        fx: &mut Effects,
    ) -> Vec<u8> {
        let op = match op {
            Ok(op) => op,
            Err(code) => return wire::refusal(xid, zxid.wire(), code),
        };
        let result = match &op {
            Op::Ping => Ok(Reply::Done),
            Op::SetWatches { .. } => {
                // What the client missed leaves before the answer, with zxid -1 (spec 1.12).
                for missed in self.watches.set_watches(conn, &self.tree, &op) {
                    let bytes = wire::notification(missed.kind, missed.path, None);
                    fx.reply(conn, Tag::kind("EVENT"), bytes);
                }
                Ok(Reply::Done)
            }
            Op::Exists { .. }
            | Op::GetData { .. }
            | Op::GetChildren { .. }
            | Op::MultiRead(_)
            | Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
            | Op::Sync { .. }
            | Op::Multi(_)
            | Op::CreateSession { .. }
            | Op::CloseSession
            | Op::CreateContainer { .. }
            | Op::CreateTtl { .. }
            | Op::DeleteContainer { .. }
            | Op::SetAcl { .. }
            | Op::GetAcl { .. }
            | Op::AddAuth { .. }
            | Op::AddWatch { .. }
            | Op::CheckWatches { .. }
            | Op::RemoveWatches { .. }
            | Op::SetWatches2 { .. }
            | Op::GetEphemerals { .. }
            | Op::GetAllChildrenNumber { .. }
            | Op::WhoAmI
            | Op::Reconfig { .. } => {
                let result = self.tree.read(&op);
                self.watches.watch_read(conn, &op, result.is_ok());
                result
            }
        };
        wire::answer(xid, zxid, &op, &result)
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
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::DeleteContainer(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_)
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
            Some(Pending { xid, what: What::Write(_) | What::Close }) => *xid == cxid,
            Some(_) | None => false,
        };
        if !asked || state.submitted == 0 {
            return;
        }
        if result == Err(ErrorCode::SessionMoved) {
            // Never sent: the connection ends instead (spec 1.7, case 7).
            return self.close_conn(conn, fx);
        }
        let head = take_head(state);
        let op = if let Some(What::Write(Ok(op))) = head { op } else { Op::CloseSession };
        self.reply(conn, cxid, &op, &result, fx);
        self.pump(now, conn, fx);
    }

    /// The session is closed: so is its connection, after an answer to whoever asked.
    fn end(&mut self, conn: ConnId, cxid: i32, result: Result<Reply, ErrorCode>, fx: &mut Effects) {
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
            self.reply(conn, cxid, &Op::CloseSession, &result, fx);
        }
        self.close_conn(conn, fx);
    }

    fn reply(
        &mut self,
        conn: ConnId,
        xid: i32,
        op: &Op,
        result: &Result<Reply, ErrorCode>,
        fx: &mut Effects,
    ) {
        // A write is answered as soon as it is applied: its own zxid is the last.
        let is_read = matches!(op, Op::Sync { .. });
        let zxid = if is_read { self.reply_zxid(fx) } else { self.tree.last() };
        fx.reply(conn, Tag::zxid("REPLY", zxid), wire::answer(xid, zxid, op, result));
    }
}

impl Pending {
    fn is_read(&self) -> bool {
        match self.what {
            What::Read(_) => true,
            What::Ready(_) | What::Write(_) | What::Sync { .. } | What::Close | What::Refuse => {
                false
            }
        }
    }
}

/// Takes the head of the queue, which was handed on already, as everything at the head is.
fn take_head(state: &mut Conn) -> Option<What> {
    state.submitted = state.submitted.saturating_sub(1);
    state.queue.pop_front().map(|pending| pending.what)
}
