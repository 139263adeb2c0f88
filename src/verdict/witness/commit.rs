//! What a committed transaction must be, and what an answer must say.

use crate::base::{SessionId, Zxid};
use crate::history::CallId;
use crate::jute::Record;
use crate::jute::txn::{Txn, TxnHeader, TxnRecord};
use crate::verdict::model::tree::{Asked, Effect};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::Core;
use super::calls::{Pending, is_txn};
use super::effect;
use super::tally::{Court, Property};

impl Core {
    /// Applies the next committed transaction to the model.
    pub(super) fn commit(&mut self, zxid: Zxid, record: &[u8], court: &mut Court<'_>) {
        let decoded = TxnRecord::from_bytes(record).ok();
        let decoded = decoded.filter(|decoded| Zxid::from_wire(decoded.header.zxid) == zxid);
        court.hold(Property::Integrity, decoded.is_some(), "not_a_transaction", || {
            format!("the committed record of {zxid} is not a transaction with that zxid")
        });
        let Some(TxnRecord { header, txn, digest }) = decoded else { return };
        let found = court.findings.len();
        let asked = Asked { session: SessionId(header.client), zxid, time: header.time };
        let applied = match &txn {
            Txn::CreateSession(_) => {
                self.model.open(asked.session);
                self.calls.life(asked.session).born = true;
                true
            }
            Txn::CloseSession(closing) => {
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
            | Txn::Error(_) => self.write(asked, &header, &txn, court),
        };
        if applied {
            self.watches.fire(zxid, self.model.fired());
        }
        // Of a transaction that is wrong in itself, the tree would only say it again.
        if court.findings.len() == found {
            self.trees.became(zxid, self.model.digest(), digest, court);
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
        let refused = effect::refusal(txn).filter(|code| match code {
            ErrorCode::SessionMoved => life.connections > 1,
            _ => life.marked || !open,
        });
        self.taken(id, asked, header.cxid, refused.is_some(), court);
        let Some(pending) = self.calls.pending.get(&id) else { return false };
        let op = &pending.call.op;
        let outcome = match (refused, txn) {
            (Some(code), Txn::Multi(_)) => Ok(Effect::MultiFailed { part: 0, code }),
            (Some(code), _) => Err(code),
            (None, _) => self.model.apply(asked, op),
        };
        let wrong = effect::differs(op, &outcome, txn);
        if let Op::Create { mode, .. } = op
            && mode.is_sequential()
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
            Op::SetWatches { .. } => {
                self.watches.caught_up(conn, op, zxid, &mut self.model, court);
            }
            _ => self.watches.nothing_caught(conn, court),
        }
        // A closing session's own watches are nobody's business any more (spec 4.3).
        if *op != Op::CloseSession {
            self.watches.answered(conn, zxid, &self.model, court);
        }
        self.watches.registered(conn, op, result, zxid, &mut self.model);
        if *op == Op::CloseSession && result.is_ok() {
            self.calls.life(session).told = true;
        }
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
        court.hold(Property::WriteOutcome, result == expected, "answer", || {
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
        let expected = self.model.read(op, zxid);
        court.hold(
            Property::ReadValue,
            expected.as_ref().is_none_or(|expected| expected == result),
            "answer",
            || {
                format!(
                    "{op:?} of session {session} at {zxid}: answered {result:?}, not {expected:?}"
                )
            },
        );
    }
}

/// Some refusals happen at the door, without a place in the order (spec 1.4, 1.10, 2.5).
fn has_zxid(op: &Op, result: &Result<Reply, ErrorCode>) -> bool {
    let malformed = |parts: &[Op]| {
        parts.iter().any(|part| {
            !matches!(
                part,
                Op::Create { .. } | Op::Delete { .. } | Op::SetData { .. } | Op::Check { .. }
            )
        })
    };
    match (op, result) {
        (Op::Check { .. } | Op::CreateSession { .. }, Err(ErrorCode::Unimplemented)) => false,
        (Op::Multi(parts), Err(ErrorCode::MarshallingError)) => !malformed(parts),
        _ => true,
    }
}
