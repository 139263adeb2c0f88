//! What can happen to a process.

use crate::base::{ConnId, LinkId, PeerId, Ticket, Time, WallMs};

use super::{Timer, Work};

/// Both clocks of a peer at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: may drift or freeze, never goes back. Timers and expiry read it.
    pub mono: Time,
    /// The wall clock: may step either way. Only ctime and mtime read it.
    pub wall: WallMs,
}

/// Which of the two connections between a pair of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Votes (spec 6.2).
    Election,
    /// Learner to leader (spec 6.5).
    Quorum,
}

/// Why a link or a dial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The other side hung up.
    Closed,
    /// The connection was reset: bytes in flight are lost.
    Reset,
    /// Nobody listens there.
    Refused,
    /// The connect timed out.
    TimedOut,
}

/// What went wrong on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// EIO.
    Io,
    /// ENOSPC.
    NoSpace,
    /// The file does not exist.
    Missing,
}

/// How a disk operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskResult {
    /// A sync: everything issued on the device before it is durable.
    Done,
    /// A read: the file's bytes.
    Bytes(Vec<u8>),
    /// A sync, or a write that it covers, or a read failed. What a failed sync covers is in an
    /// unknown state: it must not be retried (spec 9, case 94).
    Failed(DiskError),
}

/// One thing that happens to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link to `peer` is up; `dialed` if this side asked for it.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// Who is at the other end: the runner has checked it.
        peer: PeerId,
        /// Which of the pair's channels.
        channel: Channel,
        /// True on the side that dialled.
        dialed: bool,
    },
    /// A link that was up is gone. Not told to the side that hung up itself.
    LinkDown {
        /// The dead link.
        link: LinkId,
        /// Why.
        why: Down,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Who was dialled.
        peer: PeerId,
        /// Which channel.
        channel: Channel,
        /// Why.
        why: Down,
    },
    /// One frame arrived, whole.
    Received {
        /// On this link.
        link: LinkId,
        /// As sent, without the length prefix.
        bytes: Vec<u8>,
    },
    /// The link's send queue is below its bound, which `when_drained` had asked for.
    Drained {
        /// This link.
        link: LinkId,
    },
    /// A client connected.
    Accepted {
        /// Its connection.
        conn: ConnId,
        /// Its address as text (the `ip` identity of spec 1.15).
        addr: String,
    },
    /// Bytes from a client: any split, any content.
    ConnBytes {
        /// Its connection.
        conn: ConnId,
        /// Raw bytes.
        bytes: Vec<u8>,
    },
    /// The client's connection is gone. Not told to a process that closed it itself.
    ConnDown {
        /// Its connection.
        conn: ConnId,
    },
    /// A disk operation ended.
    Disk {
        /// As returned by the effect.
        ticket: Ticket,
        /// How.
        result: DiskResult,
    },
    /// A timer fired. It is no longer set.
    Timer(Timer),
    /// A deferred piece of work is due.
    Work(Work),
}
