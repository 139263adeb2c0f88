//! What a committed transaction must be, and what an answer must say.

use crate::base::{SessionId, Zxid};
use crate::history::CallId;
use crate::jute::Record;
use crate::jute::txn::{DeleteTxn, Txn, TxnHeader, TxnRecord};
use crate::verdict::model::tree::{Asked, Effect, Model, Who, is_part};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::Core;
use super::calls::{Pending, is_txn};
use super::effect;
use super::order::Next;
use super::tally::{Court, Property};

impl Core {
    /// Applies the next committed transaction to the model.
    pub(super) fn commit(&mut self, next: &Next, court: &mut Court<'_>) {
        let Next { zxid, record, applied } = next;
        let zxid = *zxid;
        let decoded = TxnRecord::from_bytes(record).ok();
        let decoded = decoded.filter(|decoded| Zxid::from_wire(decoded.header.zxid) == zxid);
        court.hold(Property::Integrity, decoded.is_some(), "not_a_transaction", || {
            format!("the committed record of {zxid} is not a transaction with that zxid")
        });
        let Some(TxnRecord { header, txn, digest }) = decoded else { return };
        let found = court.findings.len();
        let (session, time) = (SessionId(header.client), header.time);
        let asked = Asked { session, zxid, time, who: Who::default(), applied: Some(*applied) };
        let applied = match &txn {
            _ if session == SessionId(0) => self.by_itself(asked, &txn, court),
            Txn::CreateSession(opens) => {
                self.model.open(asked.session);
                self.calls.life(asked.session).born = true;
                self.trees.opened(asked.session, opens.timeout);
                self.expiry.born(asked.session, zxid, opens.timeout, court.at.time);
                true
            }
            Txn::CloseSession(closing) => {
                self.expiry.closed(asked.session);
                self.trees.closed(asked.session);
                let mut paths: Vec<&str> = closing.paths.iter().map(String::as_str).collect();
                paths.sort_unstable();
                self.close(asked, header.cxid, &paths, court);
                true
            }
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
            | Txn::Error(_) => self.write(asked, &header, &txn, court),
        };
        if applied {
            self.watches.fire(zxid, &self.model);
        }
        // Of a transaction that is wrong in itself, the tree would only say it again.
        if court.findings.len() == found {
            self.trees.became(zxid, self.model.digest(), digest, court);
        }
    }

    /// What the leader does by itself: it deletes containers and nodes whose time is over, in no
    /// session (spec 2.4). True if it was applied.
    fn by_itself(&mut self, asked: Asked, txn: &Txn, court: &mut Court<'_>) -> bool {
        let zxid = asked.zxid;
        match txn {
            Txn::DeleteContainer(DeleteTxn { path }) => {
                let due = self.model.is_due(path, asked.time);
                court.hold(Property::WriteOutcome, due.is_ok(), "reaped_too_early", || {
                    let why = due.err().unwrap_or_default();
                    format!("{zxid} deletes `{path}` by itself at {}, but {why}", asked.time)
                });
                let op = Op::DeleteContainer { path: path.clone() };
                self.model.apply(asked, &op).is_ok()
            }
            // It had changed since it was looked at; whose request it was is not told.
            Txn::Error(error) => {
                let codes = [
                    ErrorCode::NoNode,
                    ErrorCode::NotEmpty,
                    ErrorCode::BadVersion,
                    ErrorCode::BadArguments,
                ];
                let fine = codes.iter().any(|code| code.wire() == error.err);
                court.hold(Property::WriteOutcome, fine, "reaped_code", || {
                    format!("{zxid} is a deletion by itself that failed with {}", error.err)
                });
                false
            }
            Txn::Create(_)
            | Txn::Create2(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::Multi(_)
            | Txn::CreateSession(_)
            | Txn::CloseSession(_)
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_) => {
                court.hold(Property::Phantom, false, "no_session", || {
                    format!("{zxid} was asked for in no session: {txn:?}")
                });
                false
            }
        }
    }

    /// closeSession: asked for by the client, or by a leader that gave the session up (P7).
    fn close(&mut self, asked: Asked, cxid: i32, paths: &[&str], court: &mut Court<'_>) {
        let Asked { session, zxid, .. } = asked;
        let is_open = self.model.is_open(session);
        let life = self.calls.life(session);
        let call = life.writes.get(&cxid).copied().filter(|id| {
            let pending = self.calls.pending.get(id);
            pending.is_some_and(|pending| pending.call.op == Op::CloseSession)
        });
        let marked = self.calls.life(session).marked;
        court.hold(Property::Phantom, call.is_some() || marked, "close_session", || {
            format!("{zxid} closes session {session}, which neither asked for it nor expired")
        });
        if let Some(id) = call {
            self.taken(id, asked, cxid, false, court);
        }
        let owned = match self.model.apply(asked, &Op::CloseSession) {
            Ok(Effect::Closed { paths }) => paths,
            _ => Vec::new(),
        };
        let equal = owned.iter().map(|path| &**path).eq(paths.iter().copied());
        court.hold(Property::Ephemerals, equal, "close_session_paths", || {
            format!("{zxid} closes session {session} and deletes {paths:?}; it owns {owned:?}")
        });
        if is_open {
            self.calls.life(session).closed = Some(zxid);
        }
        if let Some(id) = call {
            self.finish(id, zxid, Ok(Reply::Done));
        }
    }

    /// Any other write: its request is judged in the state before it. True if it was applied.
    fn write(
        &mut self,
        asked: Asked,
        header: &TxnHeader,
        txn: &Txn,
        court: &mut Court<'_>,
    ) -> bool {
        let Asked { session, zxid, .. } = asked;
        let open = self.model.is_open(session);
        let life = self.calls.life(session);
        let Some(id) = life.writes.get(&header.cxid).copied() else {
            if life.applied.contains(&header.cxid) {
                court.hold(Property::DoubleApply, false, "twice", || {
                    format!("{zxid}: xid {} of session {session} took effect twice", header.cxid)
                });
            } else {
                court.hold(Property::Phantom, false, "write", || {
                    format!("{zxid}: session {session} made no call with xid {}", header.cxid)
                });
            }
            return false;
        };
        let (connections, marked) = (life.connections, life.marked);
        let Some(op) = self.calls.pending.get(&id).map(|pending| &pending.call.op) else {
            return false;
        };
        let refused = effect::refusal(op, txn).filter(|code| match code {
            ErrorCode::SessionMoved => connections > 1,
            ErrorCode::SessionExpired => marked || !open,
            _ => true,
        });
        self.taken(id, asked, header.cxid, refused.is_some(), court);
        let Some(pending) = self.calls.pending.get(&id) else { return false };
        let op = &pending.call.op;
        let asked = Asked { who: pending.who, ..asked };
        let outcome = match (refused, txn) {
            (Some(code), Txn::Multi(_)) => Ok(Effect::MultiFailed { part: 0, code }),
            (Some(code), _) => Err(code),
            (None, _) => self.model.apply(asked, op),
        };
        let wrong = effect::differs(op, &outcome, txn);
        if matches!(op, Op::Create { mode, .. } if mode.is_sequential())
            || matches!(op, Op::CreateTtl { sequential: true, .. })
        {
            court.held(Property::SequentialNames);
        }
        court.held(Property::WriteOutcome);
        if let Some((property, kind)) = wrong {
            let detail = format!(
                "{zxid} answers {op:?} of session {session} with {txn:?}, but in the state before \
                 it the outcome is {outcome:?}"
            );
            court.report(property, kind, Vec::new(), detail);
        }
        let answer = outcome.map(|effect| effect.reply(op));
        self.finish(id, zxid, answer);
        refused.is_none()
    }

    /// A call became a transaction: never before it was made, after all that had returned by then,
    /// and in the session's order (P1, P2). A refusal may overtake: it is what keeps the order.
    fn taken(&mut self, id: CallId, asked: Asked, cxid: i32, refused: bool, court: &mut Court<'_>) {
        let Asked { session, zxid, .. } = asked;
        let life = self.calls.lives.entry(session).or_default();
        life.writes.remove(&cxid);
        life.applied.push(cxid);
        court.held(Property::Phantom);
        court.held(Property::DoubleApply);
        if let Some(pending) = self.calls.pending.get(&id) {
            court.hold(Property::Linearizability, zxid > pending.floor, "into_the_past", || {
                let floor = pending.floor;
                format!("{zxid} is the effect of a call made when {floor} had been answered")
            });
        }
        let latest = life.latest;
        // A closeSession has no owner check: one from a connection that the session has left kills
        // it all the same (spec 3.4, case 8).
        let pending = self.calls.pending.get(&id);
        let closes = pending.is_some_and(|pending| pending.call.op == Op::CloseSession);
        if !refused && !closes {
            life.latest = latest.max(Some(id));
            court.hold(Property::SessionOrder, Some(id) > latest, "writes_overtake", || {
                format!("{zxid}: a write of session {session} took effect after a later one")
            });
        }
    }

    fn finish(&mut self, id: CallId, zxid: Zxid, answer: Result<Reply, ErrorCode>) {
        let Some(pending) = self.calls.pending.get_mut(&id) else { return };
        pending.done = Some((zxid, answer));
        if pending.lost {
            self.calls.pending.remove(&id);
        }
    }

    /// A call is answered.
    pub(super) fn returned(
        &mut self,
        id: CallId,
        zxid: Zxid,
        result: &Result<Reply, ErrorCode>,
        court: &mut Court<'_>,
    ) {
        let Some(pending) = self.calls.pending.remove(&id) else {
            court.hold(Property::SessionOrder, false, "no_such_call", || {
                format!("call {} was answered, but it is not under way", id.0)
            });
            return;
        };
        if let Op::AddAuth { scheme, auth } = &pending.call.op {
            let (scheme, auth) = (scheme.clone(), auth.clone());
            return self.proved(&pending, (&scheme, &auth), zxid, result, court);
        }
        if *result == Err(ErrorCode::Unimplemented) && pending.done.is_none() {
            self.unserved(&pending, court);
        }
        if !has_zxid(&pending.call.op, result) {
            if let Some(line) = self.calls.lines.get_mut(&pending.call.conn) {
                line.waiting.retain(|waiting| *waiting != id);
            }
            return;
        }
        let (op, conn, session) = (&pending.call.op, pending.call.conn, pending.call.session);
        self.calls.in_order(&pending, zxid, court);
        self.alive(&pending, zxid, result, court);
        if is_txn(op) {
            self.write_answered(&pending, zxid, result, court);
        } else {
            self.read_answered(&pending, zxid, result, court);
        }
        match op {
            Op::SetWatches { .. } | Op::SetWatches2 { .. } => {
                self.watches.caught_up(conn, op, zxid, &mut self.model, court);
            }
            _ => self.watches.nothing_caught(conn, court),
        }
        // A closing session's own watches are nobody's business any more (spec 4.3).
        if *op != Op::CloseSession {
            self.watches.answered(conn, zxid, &self.model, court);
        }
        self.watches.registered(conn, op, result, zxid, &mut self.model);
        self.watches.proved(conn, pending.who, &self.model);
        if *op == Op::CloseSession && result.is_ok() {
            self.calls.life(session).told = true;
        }
    }

    /// An auth packet is answered, out of turn and with zxid 0 (spec 1.15).
    fn proved(
        &mut self,
        pending: &Pending,
        (scheme, auth): (&str, &[u8]),
        zxid: Zxid,
        result: &Result<Reply, ErrorCode>,
        court: &mut Court<'_>,
    ) {
        let expected = self.model.proves(scheme, auth).map(|()| Reply::Done);
        let conn = pending.call.conn;
        court.hold(Property::ReadValue, *result == expected, "auth", || {
            format!("{conn} says who it is by `{scheme}`: answered {result:?}, not {expected:?}")
        });
        court.hold(Property::ReadValue, zxid == Zxid::ZERO, "auth_zxid", || {
            format!("an auth packet on {conn} was answered at {zxid}, not at 0")
        });
        self.watches.proved(conn, pending.who, &self.model);
    }

    /// A server says that it does not know an operation: only of those that clients may not ask.
    fn unserved(&mut self, pending: &Pending, court: &mut Court<'_>) {
        let op = &pending.call.op;
        let known =
            !matches!(op, Op::Check { .. } | Op::CreateSession { .. } | Op::DeleteContainer { .. });
        let property = if is_txn(op) { Property::WriteOutcome } else { Property::ReadValue };
        court.hold(property, !known, "unimplemented", || {
            format!("{op:?} was refused as if there were no such operation")
        });
    }

    /// Nothing succeeds in a session that is closed in the state of the answer (P7).
    fn alive(
        &mut self,
        pending: &Pending,
        zxid: Zxid,
        result: &Result<Reply, ErrorCode>,
        court: &mut Court<'_>,
    ) {
        let session = pending.call.session;
        let life = self.calls.life(session);
        if result.is_err() || pending.call.op == Op::CloseSession {
            return;
        }
        let dead = life.told || life.closed.is_some_and(|closed| zxid >= closed);
        court.hold(Property::SessionExpiry, !dead, "alive_after_death", || {
            format!("session {session} is closed, but its call succeeded at {zxid}")
        });
    }

    fn write_answered(
        &mut self,
        pending: &Pending,
        zxid: Zxid,
        result: &Result<Reply, ErrorCode>,
        court: &mut Court<'_>,
    ) {
        let (op, session) = (&pending.call.op, pending.call.session);
        let Some((own, expected)) = &pending.done else {
            let life = self.calls.life(session);
            if *result == Err(ErrorCode::SessionExpired) && (life.marked || life.closed.is_some()) {
                return;
            }
            court.hold(Property::AckBeforeCommit, false, "write", || {
                format!("{op:?} of session {session} was answered before it was committed")
            });
            return;
        };
        court.held(Property::AckBeforeCommit);
        court.hold(Property::WriteOutcome, zxid == *own, "answer_zxid", || {
            format!("{op:?} of session {session} is {own}, but was answered as {zxid}")
        });
        let agrees = Model::agrees(op, expected, result);
        court.hold(Property::WriteOutcome, agrees, "answer", || {
            format!("{op:?} of session {session}, {own}: answered {result:?}, not {expected:?}")
        });
    }

    fn read_answered(
        &mut self,
        pending: &Pending,
        zxid: Zxid,
        result: &Result<Reply, ErrorCode>,
        court: &mut Court<'_>,
    ) {
        let (op, session) = (&pending.call.op, pending.call.session);
        let known = self.order.is_known(zxid);
        if !court.hold(Property::ReadValue, known, "no_such_state", || {
            let last = self.order.last();
            format!(
                "{op:?} of session {session} was answered at {zxid}, which is no committed \
                 state; the newest is {last}"
            )
        }) {
            return;
        }
        if let Op::Sync { .. } = op {
            let owed = self.order.state_of(pending.floor);
            court.hold(Property::SyncedRead, zxid >= owed, "sync_behind", || {
                format!("{owed} had been answered when session {session} asked for sync: {zxid}")
            });
        }
        let expected = match self.watches.answer(pending.call.conn, op, zxid, &mut self.model) {
            Some(expected) => Some(expected),
            None => self.model.read_as((session, pending.who), op, zxid),
        };
        let agrees = |expected| Model::agrees(op, expected, result);
        court.hold(Property::ReadValue, expected.as_ref().is_none_or(agrees), "answer", || {
            format!("{op:?} of session {session} at {zxid}: answered {result:?}, not {expected:?}")
        });
    }
}

/// Some refusals happen at the door, without a place in the order (spec 1.4, 1.10, 2.5).
fn has_zxid(op: &Op, result: &Result<Reply, ErrorCode>) -> bool {
    let malformed = |parts: &[Op]| !parts.iter().all(is_part);
    match (op, result) {
        // Header zxid -1, but for a write that a server knows and does not allow.
        (_, Err(ErrorCode::Unimplemented)) => matches!(op, Op::CreateTtl { .. }),
        (Op::Multi(parts), Err(ErrorCode::MarshallingError)) => !malformed(parts),
        _ => true,
    }
}
