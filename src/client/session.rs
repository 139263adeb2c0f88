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

use crate::base::{Key, PeerId, SessionId, Time, Zxid};
use crate::znode::op::{ErrorCode, Op, Reply};

/// How a session behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The timeout it asks for, in milliseconds.
    pub timeout_ms: u64,
    /// The servers it tries, in this order; not empty.
    pub servers: Vec<PeerId>,
    /// Where its back-off is drawn from.
    pub key: Key,
}

/// What the host does next, or is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection to this server, instead of any other. Answered by `on_connected` or
    /// `on_down`.
    Dial(PeerId),
    /// Send these bytes on the connection.
    Send(Vec<u8>),
    /// Close the connection, or give up the dial. No `on_down` may follow.
    HangUp,
    /// The server accepted the session.
    Connected {
        /// Which session.
        session: SessionId,
        /// True if it was created for this connection.
        fresh: bool,
        /// The negotiated timeout, in milliseconds.
        timeout_ms: u64,
    },
    /// An established connection is over, whoever ended it. Its calls were `Lost` before this.
    Disconnected,
    /// A server said that the session is expired. The next one is opened by itself.
    Expired {
        /// Which session is dead.
        session: SessionId,
    },
    /// A call left. Comes before the `Send` that carries it.
    Sent {
        /// The caller's number.
        call: u64,
        /// Its xid: the cxid of the transaction that it becomes.
        xid: i32,
        /// What it asks.
        op: Op,
    },
    /// A call was answered.
    Answered {
        /// The caller's number.
        call: u64,
        /// The reply header's zxid.
        zxid: Zxid,
        /// The answer.
        result: Result<Reply, ErrorCode>,
    },
    /// A call will not be answered any more. If it was never `Sent`, it did not happen.
    Lost {
        /// The caller's number.
        call: u64,
    },
    /// A watch notification.
    Watch {
        /// Event type (spec 1.8).
        kind: i32,
        /// Which node.
        path: String,
        /// The triggering transaction; `None` if it came out of setWatches.
        zxid: Option<Zxid>,
    },
}

/// A client's session, over all its connections and all its reincarnations after expiry.
#[derive(Clone, Debug)]
pub struct Session {
    options: Options,
}

impl Session {
    /// A session that has not begun.
    pub fn new(options: Options) -> Session {
        Session { options }
    }

    /// The session presented on connecting; 0 while there is none.
    pub fn id(&self) -> SessionId {
        todo!()
    }

    /// The largest reply zxid seen (spec 1.3).
    pub fn last_zxid_seen(&self) -> Zxid {
        todo!()
    }

    /// Whether a server has accepted the session on the present connection.
    pub fn is_connected(&self) -> bool {
        todo!()
    }

    /// How many calls wait for an answer or to be sent.
    pub fn outstanding(&self) -> usize {
        todo!()
    }

    /// When `on_timer` wants to be called; `None` before `begin` and after `halt`.
    pub fn next_wake(&self) -> Option<Time> {
        todo!()
    }

    /// Starts: dials the first server.
    pub fn begin(&mut self, _now: Time, _out: &mut Vec<Action>) {
        todo!()
    }

    /// The connection asked for is open.
    pub fn on_connected(&mut self, _now: Time, _out: &mut Vec<Action>) {
        todo!()
    }

    /// Bytes arrived on it, in any pieces, of any content.
    pub fn on_bytes(&mut self, _now: Time, _bytes: &[u8], _out: &mut Vec<Action>) {
        todo!()
    }

    /// It is gone, or never came to be.
    pub fn on_down(&mut self, _now: Time, _out: &mut Vec<Action>) {
        todo!()
    }

    /// Does what is due by now: a ping, giving up on a silent server, dialling after back-off.
    pub fn on_timer(&mut self, _now: Time, _out: &mut Vec<Action>) {
        todo!()
    }

    /// Asks something, under the caller's own number. Queued until connected, then pipelined.
    /// What is still queued when the session expires is `Lost`, unsent.
    pub fn call(&mut self, _now: Time, _call: u64, _op: Op, _out: &mut Vec<Action>) {
        todo!()
    }

    /// Closes the session, as a call of its own (`Sent` with `Op::CloseSession`, then `Answered`
    /// or `Lost`). Once answered, a fresh session is opened. Calls made in between wait for it.
    pub fn close(&mut self, _now: Time, _call: u64, _out: &mut Vec<Action>) {
        todo!()
    }

    /// Drops the connection, and dials the next server at once.
    pub fn move_on(&mut self, _now: Time, _out: &mut Vec<Action>) {
        todo!()
    }

    /// Drops everything and stays silent for good: all that is outstanding is `Lost`.
    pub fn halt(&mut self, _now: Time, _out: &mut Vec<Action>) {
        todo!()
    }
}
