//! What was seen of a run: everything that judges and reports know of it.
//!
//! The world tells [`Seen`] values in order; a verdict folds over them, a trace writes them down,
//! a [`History`] keeps what clients did.

pub mod binary;
mod cause;
pub mod coverage;
pub mod foreign;
pub mod jsonl;
mod log;
mod record;
pub mod trace;
pub mod watermarks;
pub mod words;

pub use cause::{Actor, Cause};
pub use coverage::{Counts, Coverage, Totals};
pub use log::{Committed, Did, Proposals};
pub use record::{Entry, Event, Happening, History, Moment, Operation, Outcome, Turn};
pub use watermarks::Watermarks;

use std::sync::Arc;

use crate::base::{ClientId, ConnId, LinkId, PeerId, SessionId, Time, Zxid};
use crate::process::{Channel, Device, File, Image, Note, Probe, Tag};
use crate::znode::op::{ErrorCode, Op, Reply};

/// When something was seen: the number of the step, and simulated (true) time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Steps since the start of the run.
    pub step: u64,
    /// Simulated time.
    pub time: Time,
}

/// The number of a client call within a run, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u32);

/// A call as it left a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// By whom.
    pub client: ClientId,
    /// In which session.
    pub session: SessionId,
    /// On which connection.
    pub conn: ConnId,
    /// To which server.
    pub server: PeerId,
    /// Its xid: the cxid of the transaction it becomes.
    pub xid: i32,
    /// What it asks.
    pub op: Op,
}

/// Why a peer stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The plan crashed it.
    Crash,
    /// It asked to stop.
    Halt(String),
    /// A step panicked.
    Panic(String),
}

/// One thing seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A peer starts from this durable image (what survived, if it was down).
    Starting {
        /// Who.
        peer: PeerId,
        /// How often it has started, from 1.
        incarnation: u64,
        /// Its files.
        image: Arc<Image>,
        /// True if the world has wiped or damaged these files beyond the crash model since the
        /// last start (rot, wipe, lost file): this peer owes nothing for what it had promised.
        damaged: bool,
    },
    /// It would not start.
    Refused {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: String,
        /// Whether an operator must replace it.
        damaged: bool,
    },
    /// It stopped.
    Stopped {
        /// Who.
        peer: PeerId,
        /// Why.
        why: Stop,
    },
    /// It told a fact.
    Noted {
        /// Who.
        peer: PeerId,
        /// What.
        note: Note,
    },
    /// How it stands after a step.
    Probed {
        /// Who.
        peer: PeerId,
        /// How.
        probe: Probe,
    },
    /// A link came up.
    LinkUp {
        /// Which.
        link: LinkId,
        /// Who dialled.
        from: PeerId,
        /// Whom.
        to: PeerId,
        /// Which channel.
        channel: Channel,
    },
    /// A link went down.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame left a peer (held frames are seen when they leave).
    Sent {
        /// On which link.
        link: LinkId,
        /// By whom.
        from: PeerId,
        /// To whom.
        to: PeerId,
        /// Which channel.
        channel: Channel,
        /// What is known of it.
        tag: Tag,
    },
    /// A frame reached a peer.
    Received {
        /// On which link.
        link: LinkId,
        /// By whom it was sent.
        from: PeerId,
        /// Who got it.
        to: PeerId,
        /// What is known of it.
        tag: Tag,
    },
    /// A write reached a device's cache.
    Wrote {
        /// Whose.
        peer: PeerId,
        /// Which file.
        file: File,
        /// What is known of it.
        tag: Tag,
    },
    /// A sync ended: all that was written before it on the device is durable.
    Synced {
        /// Whose.
        peer: PeerId,
        /// Which device.
        device: Device,
        /// False if it failed.
        ok: bool,
    },
    /// A client opens a connection.
    Connecting {
        /// Who.
        client: ClientId,
        /// On which connection.
        conn: ConnId,
        /// To which server.
        server: PeerId,
        /// The session it presents; 0 for a new one.
        session: SessionId,
        /// The largest zxid it has seen.
        last_zxid_seen: Zxid,
    },
    /// The server accepted the session.
    Connected {
        /// Who.
        client: ClientId,
        /// On which connection.
        conn: ConnId,
        /// By which server.
        server: PeerId,
        /// Which session.
        session: SessionId,
        /// True if the session was created for this connection.
        fresh: bool,
        /// Negotiated timeout, in milliseconds.
        timeout_ms: u64,
    },
    /// Bytes of a client reached a server's process.
    Heard {
        /// By which server.
        server: PeerId,
        /// On which connection.
        conn: ConnId,
        /// Whether what the client sent at once is complete with them: a whole request.
        whole: bool,
    },
    /// The connection is gone: its watches too.
    Disconnected {
        /// Who.
        client: ClientId,
        /// Which connection.
        conn: ConnId,
    },
    /// A server told the client that its session is expired.
    Expired {
        /// Who.
        client: ClientId,
        /// Which session.
        session: SessionId,
    },
    /// A client gave its session up by itself: no server has said so.
    GaveUp {
        /// Who.
        client: ClientId,
        /// Which session.
        session: SessionId,
    },
    /// A call left a client.
    Called(Call),
    /// A call was answered.
    Returned {
        /// Which.
        id: CallId,
        /// The reply header's zxid.
        zxid: Zxid,
        /// The answer.
        result: Result<Reply, ErrorCode>,
    },
    /// A call's connection was lost before its answer.
    Lost {
        /// Which.
        id: CallId,
    },
    /// A watch notification reached a client.
    Watch {
        /// Who.
        client: ClientId,
        /// In which session.
        session: SessionId,
        /// On which connection.
        conn: ConnId,
        /// Event type (spec 1.8).
        kind: i32,
        /// Which node.
        path: String,
        /// The header's zxid: the triggering transaction's, or -1 (as `None`) from setWatches.
        zxid: Option<Zxid>,
    },
    /// After calm: a client has made its final calls (a write, a sync and a read of `/`) and all of
    /// them succeeded.
    Finished {
        /// Who.
        client: ClientId,
    },
    /// A program claimed something.
    Claimed {
        /// Who.
        client: ClientId,
        /// In which session.
        session: SessionId,
        /// What.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// A program complained.
    Complained {
        /// Who.
        client: ClientId,
        /// The property violated.
        property: &'static str,
        /// What it saw.
        detail: String,
    },
    /// An injector did something: `what` for people, `kind` for tables.
    Fault {
        /// The fault's kind as in `zoosim list faults`.
        kind: &'static str,
        /// On whom, if on one peer.
        peer: Option<PeerId>,
        /// What exactly, with all names resolved.
        what: String,
    },
    /// Every injector has stopped. `core` is the set of peers that must serve from now on.
    Calm {
        /// These must be live.
        core: Vec<PeerId>,
        /// Liveness must hold by then.
        deadline: Time,
    },
    /// The run is over.
    End {
        /// Each peer's durable files.
        images: Vec<(PeerId, Arc<Image>)>,
    },
}
