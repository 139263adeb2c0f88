//! What clients are doing: sessions, connections, and calls that are not over yet.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{ConnId, SessionId, Zxid};
use crate::history::{Call, CallId};
use crate::verdict::model::tree::{Model, Who};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::tally::{Court, Property};

/// One session, for as long as the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// Its createSession is committed.
    pub(super) born: bool,
    /// The zxid of the transaction that closed it.
    pub(super) closed: Option<Zxid>,
    /// A leader has given it up: refusals are in order from now on (spec 3.3).
    pub(super) marked: bool,
    /// Its client was told that it is dead.
    pub(super) told: bool,
    /// How often it was presented: with more than one connection it may have moved (spec 3.5).
    pub(super) connections: u32,
    /// The largest zxid of its answers (P3).
    pub(super) view: Zxid,
    /// Its writes that are not committed yet, by xid.
    pub(super) writes: BTreeMap<i32, CallId>,
    /// Its writes that are, in commit order.
    pub(super) applied: Vec<i32>,
    /// The latest of these calls (P2).
    pub(super) latest: Option<CallId>,
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    session: SessionId,
    /// Where its client is, and who it has said to be.
    pub(super) who: Option<Who>,
    /// No answer may be older than this (C2, 4.3).
    pub(super) floor: Zxid,
    /// What its server had applied when it had read who the client is and what it has seen.
    met: Option<Zxid>,
    /// Its calls without an answer, in order (C1).
    pub(super) waiting: VecDeque<CallId>,
}

/// A call that is not over.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) call: Call,
    /// The largest zxid that anybody had been answered when it was made (P1, P4).
    pub(super) floor: Zxid,
    /// The identities of its connection when it was made; of an auth packet, afterwards.
    pub(super) who: Who,
    /// Its connection is lost: it may still take effect.
    pub(super) lost: bool,
    /// The transaction that it became, and the answer that the model expects.
    pub(super) done: Option<(Zxid, Result<Reply, ErrorCode>)>,
}

/// Sessions, connections and calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    pub(super) lives: BTreeMap<SessionId, Life>,
    pub(super) lines: BTreeMap<ConnId, Line>,
    pub(super) pending: BTreeMap<CallId, Pending>,
    /// The largest zxid of any answer.
    pub(super) answered: Zxid,
}

impl Calls {
    /// A client opens a connection. What it has seen is the floor of what it may be shown (P5).
    pub(super) fn connecting(&mut self, conn: ConnId, session: SessionId, seen: Zxid) {
        self.lines.insert(conn, Line { session, floor: seen, ..Line::default() });
        if session != SessionId(0) {
            self.life(session).connections += 1;
        }
    }

    /// A server reads what its client says, whose first word is what it has seen.
    pub(super) fn met(&mut self, conn: ConnId, applied: Zxid) {
        let line = self.lines.entry(conn).or_default();
        line.met.get_or_insert(applied);
    }

    /// A server accepted it. A new session is told of only once it is committed (spec 3.2).
    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        session: SessionId,
        fresh: bool,
        court: &mut Court<'_>,
    ) {
        let line = self.lines.entry(conn).or_default();
        line.session = session;
        if let Some(applied) = line.met {
            let seen = line.floor;
            court.hold(Property::Admission, seen <= applied, "behind", || {
                format!(
                    "session {session} had seen {seen} when a server that had applied {applied} \
                     took it on {conn}"
                )
            });
        }
        let life = self.life(session);
        if fresh {
            life.connections += 1;
            court.hold(Property::AckBeforeCommit, life.born, "session", || {
                format!("session {session} was granted before its createSession was committed")
            });
        }
        court.hold(Property::SessionExpiry, !life.told, "renewed_after_death", || {
            format!("session {session} was renewed after its client was told that it is expired")
        });
    }

    /// The connection is gone; its calls are reported lost by themselves. Whose it was.
    pub(super) fn disconnected(&mut self, conn: ConnId) -> SessionId {
        self.lines.remove(&conn).map_or(SessionId(0), |line| line.session)
    }

    /// A client is told that its session is dead: then it is (P7, C10), or a leader has given it
    /// up and refuses renewals while its closeSession is on its way (spec 3.3).
    pub(super) fn expired(&mut self, session: SessionId, court: &mut Court<'_>) {
        let life = self.life(session);
        life.told = true;
        let dead = life.closed.is_some() || !life.born;
        court.hold(Property::SessionExpiry, dead, "told_too_early", || {
            format!("a client was told that session {session} is expired, but it is not closed")
        });
    }

    /// A leader has given the session up.
    pub(super) fn marked(&mut self, session: SessionId) {
        self.life(session).marked = true;
    }

    /// A call leaves its client, with the identities of its connection: those of all auth packets
    /// before it, for a server reads them in order (spec 1.15).
    pub(super) fn called(&mut self, call: &Call, model: &mut Model) -> Who {
        let id = call.id;
        let line = self.lines.entry(call.conn).or_default();
        let address = call.client.address();
        let mut who = *line.who.get_or_insert_with(|| model.known_at(&address));
        if let Op::AddAuth { scheme, auth } = &call.op {
            who = model.proved(who, scheme, auth, &address);
            line.who = Some(who);
        } else {
            line.waiting.push_back(id);
        }
        if is_txn(&call.op) {
            self.life(call.session).writes.insert(call.xid, id);
        }
        let floor = self.answered;
        let pending = Pending { call: call.clone(), floor, who, lost: false, done: None };
        self.pending.insert(id, pending);
        who
    }

    /// A call will not be answered. A write may still be committed.
    pub(super) fn lost(&mut self, id: CallId) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        pending.lost = true;
        if let Some(line) = self.lines.get_mut(&pending.call.conn) {
            line.waiting.retain(|waiting| *waiting != id);
        }
        if pending.done.is_some() || !is_txn(&pending.call.op) {
            self.pending.remove(&id);
        }
    }

    /// An event of `zxid` arrived: its server has applied that much.
    pub(super) fn heard(&mut self, conn: ConnId, zxid: Zxid) {
        let line = self.lines.entry(conn).or_default();
        line.floor = line.floor.max(zxid);
    }

    /// The session's life, known or not.
    pub(super) fn life(&mut self, session: SessionId) -> &mut Life {
        self.lives.entry(session).or_default()
    }

    /// An answer is the next one of its connection, and not older than what the connection and
    /// the session were shown (C1, C2, P3). Its view is theirs from now on.
    pub(super) fn in_order(&mut self, pending: &Pending, zxid: Zxid, court: &mut Court<'_>) {
        let Call { id, conn, session, .. } = pending.call;
        let line = self.lines.entry(conn).or_default();
        let next = line.waiting.front().copied();
        line.waiting.retain(|waiting| *waiting != id);
        court.hold(Property::SessionOrder, next == Some(id), "answer_order", || {
            format!("call {} of session {session} was answered out of turn on {conn}", id.0)
        });
        let floor = line.floor;
        line.floor = floor.max(zxid);
        let life = self.lives.entry(session).or_default();
        let view = life.view;
        life.view = view.max(zxid);
        court.hold(Property::SessionOrder, zxid >= view, "session_went_back", || {
            format!("session {session} was shown {view}, then {zxid} by call {}", id.0)
        });
        court.hold(Property::SessionOrder, zxid >= floor, "connection_went_back", || {
            format!("{conn} had been shown {floor}, then call {} was answered at {zxid}", id.0)
        });
        self.answered = self.answered.max(zxid);
    }
}

/// Whether the call becomes a transaction. A check alone is refused without one (spec 1.5).
pub(super) fn is_txn(op: &Op) -> bool {
    op.is_write()
        && !matches!(op, Op::Check { .. } | Op::CreateSession { .. } | Op::DeleteContainer { .. })
}
