//! What a session asks of its host, and what it tells it: see [`super::session`] for how the two
//! work together.

use crate::base::{PeerId, SessionId, Zxid};
use crate::znode::op::{ErrorCode, Op, Reply};

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
    /// The session was given up without a server's word: it may be alive for a while yet. The next
    /// one is opened by itself.
    GaveUp {
        /// Which session is abandoned.
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
