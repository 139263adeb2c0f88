//! A ZooKeeper client without sockets: sessions, and programs that stand on them.

mod action;
pub mod programs;
pub mod session;
mod watching;

use crate::base::{Key, SessionId, Time, Zxid};
use crate::znode::op::{ErrorCode, Op, Reply};

/// What a program hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A session is established, or re-established after a reconnect.
    Connected {
        /// Which.
        session: SessionId,
        /// True if it is a new one: nothing of an older session is left.
        fresh: bool,
    },
    /// The connection is lost: what was outstanding has failed with `Lost`.
    Disconnected,
    /// The session is dead, or given up. The library opens a new one by itself.
    Expired,
    /// A call was answered.
    Answer {
        /// The number the program gave the call.
        call: u64,
        /// The reply header's zxid.
        zxid: Zxid,
        /// The answer.
        result: Result<Reply, ErrorCode>,
    },
    /// The connection was lost before an answer: it may have happened, or not, or may still.
    Lost {
        /// The number the program gave the call.
        call: u64,
    },
    /// A watch fired.
    Watch {
        /// Event type (spec 1.8).
        kind: i32,
        /// Which node.
        path: String,
    },
    /// The time asked for has come.
    Woken,
}

/// What a program does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send a call now (queued while disconnected).
    Call {
        /// A number of the program's choosing, to know the answer by.
        call: u64,
        /// What to ask.
        op: Op,
    },
    /// Be woken at this time at the latest.
    WakeAt(Time),
    /// Claim something that the program believes to be true now, such as holding a lock. A
    /// property of the same name may judge it.
    Claim {
        /// A stable word.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// Something is wrong, as seen by the client alone.
    Complain {
        /// The property violated: a stable word.
        property: &'static str,
        /// What was seen, for people.
        detail: String,
    },
    /// Close the session and open another.
    CloseSession,
    /// Drop the connection and connect to another server.
    Move,
}

/// Code that runs as a client. It must be a function of what it heard: no clock, no dice but the
/// key it was born with.
pub trait Program: Send {
    /// Takes one thing heard, appends what to do.
    fn hear(&mut self, now: Time, heard: Heard, acts: &mut Vec<Act>);

    /// Stop making changes: the run is ending. Locks are let go, nothing new is begun.
    fn wind_down(&mut self, acts: &mut Vec<Act>);

    /// A copy.
    fn fork(&self) -> Box<dyn Program>;
}

/// Makes a program from its parameters.
pub type ProgramFn =
    fn(params: &std::collections::BTreeMap<String, u64>, key: Key) -> Box<dyn Program>;
