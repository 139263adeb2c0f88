//! What clients did and got: the run as a database's users saw it, without the machine room but for
//! the committed log, if that is shown.

use std::collections::BTreeMap;

use crate::base::{ClientId, ConnId, PeerId, SessionId, Zxid};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::{At, CallId, Committed, Seen};

/// How a call ended: it happened, it failed, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with success.
    Ok(Reply),
    /// Answered with an error: it had no effect.
    Failed(ErrorCode),
    /// Its connection was lost: it may have happened, or not, or may still.
    Lost,
    /// The run ended first: as unknown as `Lost`.
    Open,
}

/// One call of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number; operations are in the order of these.
    pub id: CallId,
    /// By whom.
    pub client: ClientId,
    /// In which session.
    pub session: SessionId,
    /// On which connection.
    pub conn: ConnId,
    /// To which server.
    pub server: PeerId,
    /// Its xid.
    pub xid: i32,
    /// What it asks.
    pub op: Op,
    /// When it left the client.
    pub invoked: At,
    /// When it was answered or lost; `None` if the run ended first.
    pub returned: Option<At>,
    /// The zxid of the answer's header.
    pub zxid: Option<Zxid>,
    /// What came of it.
    pub outcome: Outcome,
}

/// Something else that a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A server accepted the session; `fresh` if it was created then.
    Connected {
        /// On which connection.
        conn: ConnId,
        /// By which server.
        server: PeerId,
        /// Created for this connection.
        fresh: bool,
        /// The negotiated timeout.
        timeout_ms: u64,
    },
    /// The connection is gone.
    Disconnected {
        /// Which.
        conn: ConnId,
    },
    /// The session is dead.
    Expired,
    /// A watch fired.
    Watch {
        /// On which connection.
        conn: ConnId,
        /// Event type (spec 1.8).
        kind: i32,
        /// Which node.
        path: String,
        /// The triggering transaction; `None` out of setWatches.
        zxid: Option<Zxid>,
    },
}

/// An event in a client's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: At,
    /// Whose.
    pub client: ClientId,
    /// In which session; 0 if none was known.
    pub session: SessionId,
    /// What.
    pub what: Happening,
}

/// One line of a kept history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "each is read, used and dropped, and most are calls")]
pub enum Entry {
    /// A call; its time is that of its invocation.
    Call(Operation),
    /// Something else.
    Event(Event),
    /// A transaction, of which there are all or none.
    Committed(Committed),
}

/// What comes first of what was seen in one step: sessions begin, calls are made (so that they are
/// concurrent), then events and answers come by zxid, as a server sends them, the event before the
/// answer; then connections and sessions are over.
pub type Moment = (At, Turn, u64, bool);

/// See [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Said above.
pub enum Turn {
    Began,
    Called,
    Told,
    Over,
}

impl Entry {
    /// Where it stands; a transaction may stand anywhere.
    pub fn moment(&self) -> Option<Moment> {
        match self {
            Entry::Call(operation) => Some(operation.called()),
            Entry::Event(event) => Some(event.moment()),
            Entry::Committed(_) => None,
        }
    }
}

impl Operation {
    /// When it was called.
    pub fn called(&self) -> Moment {
        (self.invoked, Turn::Called, 0, false)
    }

    /// When it was answered or lost, if it was.
    pub fn ended(&self) -> Option<Moment> {
        let zxid = self.zxid.map_or(0, |zxid| zxid.0);
        self.returned.map(|at| (at, Turn::Told, zxid, true))
    }
}

impl Event {
    /// When it happened.
    pub fn moment(&self) -> Moment {
        let (turn, zxid) = match &self.what {
            Happening::Connected { .. } => (Turn::Began, 0),
            Happening::Watch { zxid, .. } => (Turn::Told, zxid.map_or(0, |zxid| zxid.0)),
            Happening::Disconnected { .. } | Happening::Expired => (Turn::Over, 0),
        };
        (self.at, turn, zxid, false)
    }
}

/// Everything clients did and saw, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// All calls, by invocation.
    pub operations: Vec<Operation>,
    /// All else, by time.
    pub events: Vec<Event>,
    /// The committed log, if it was shown.
    pub log: Vec<Committed>,
    /// Where each open call stands in `operations`.
    open: BTreeMap<CallId, usize>,
    /// Which session each connection carries.
    conns: BTreeMap<ConnId, SessionId>,
}

impl History {
    /// Nothing happened yet.
    pub fn new() -> History {
        History::default()
    }

    /// Of these calls, by invocation, and these events, by time.
    pub fn of(operations: Vec<Operation>, events: Vec<Event>) -> History {
        History { operations, events, ..History::default() }
    }

    /// All of it, by time.
    pub fn by_time<E>(
        &self,
        call: &mut dyn FnMut(&Operation) -> Result<(), E>,
        event: &mut dyn FnMut(&Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut events = self.events.iter().peekable();
        for operation in &self.operations {
            while let Some(next) = events.next_if(|next| next.moment() < operation.called()) {
                event(next)?;
            }
            call(operation)?;
        }
        events.try_for_each(event)
    }

    /// Takes the next line of a kept history.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Call(operation) => self.operations.push(operation),
            Entry::Event(event) => self.events.push(event),
            Entry::Committed(committed) => self.log.push(committed),
        }
    }

    /// Takes one thing seen. What clients cannot see is left out.
    pub fn observe(&mut self, at: At, seen: &Seen) {
        match seen {
            Seen::Called(call) => {
                self.open.insert(call.id, self.operations.len());
                self.operations.push(Operation {
                    id: call.id,
                    client: call.client,
                    session: call.session,
                    conn: call.conn,
                    server: call.server,
                    xid: call.xid,
                    op: call.op.clone(),
                    invoked: at,
                    returned: None,
                    zxid: None,
                    outcome: Outcome::Open,
                });
            }
            Seen::Returned { id, zxid, result } => {
                let outcome = match result {
                    Ok(reply) => Outcome::Ok(reply.clone()),
                    Err(code) => Outcome::Failed(*code),
                };
                self.end(at, *id, Some(*zxid), outcome);
            }
            Seen::Lost { id } => self.end(at, *id, None, Outcome::Lost),
            Seen::Connected { client, conn, server, session, fresh, timeout_ms } => {
                self.conns.insert(*conn, *session);
                let (conn, server) = (*conn, *server);
                let (fresh, timeout_ms) = (*fresh, *timeout_ms);
                let what = Happening::Connected { conn, server, fresh, timeout_ms };
                self.events.push(Event { at, client: *client, session: *session, what });
            }
            Seen::Disconnected { client, conn } => {
                let session = self.conns.remove(conn).unwrap_or_default();
                let what = Happening::Disconnected { conn: *conn };
                self.events.push(Event { at, client: *client, session, what });
            }
            Seen::Expired { client, session } => {
                let what = Happening::Expired;
                self.events.push(Event { at, client: *client, session: *session, what });
            }
            Seen::Watch { client, session, conn, kind, path, zxid } => {
                let (conn, kind, path, zxid) = (*conn, *kind, path.clone(), *zxid);
                let what = Happening::Watch { conn, kind, path, zxid };
                self.events.push(Event { at, client: *client, session: *session, what });
            }
            _ => {}
        }
    }

    fn end(&mut self, at: At, id: CallId, zxid: Option<Zxid>, outcome: Outcome) {
        let Some(index) = self.open.remove(&id) else { return };
        let operation = &mut self.operations[index];
        operation.returned = Some(at);
        operation.zxid = zxid;
        operation.outcome = outcome;
    }
}
