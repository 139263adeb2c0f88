//! The load-bearing decisions of a server above the broadcast, as a table of plain functions.
//!
//! The pipeline asks this table wherever a choice is easy to get wrong and hard to see. Each entry
//! is a pure leaf: it decides, the pipeline acts.

use crate::base::{SessionId, Zxid};
use crate::znode::session::is_password;

/// When the leader may learn that a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseStage {
    /// Its closeSession becomes a transaction.
    Prepared,
    /// That transaction is applied.
    Applied,
}

/// When a read is executed. Its answer always leaves in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAt {
    /// When everything before it in its session is answered.
    Turn,
    /// When it arrives.
    Arrival,
}

/// What a delivered transaction sends to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The notifications that it fires.
    Events,
    /// The answer to whoever asked for it.
    Answer,
}

/// How the leader comes to answer a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncBy {
    /// Through the broadcast's barrier: a quorum confirms that it still leads.
    Barrier,
    /// At once.
    Word,
}

/// The table.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The zxid of a reply header, from the last zxid applied here and the last one prepared here
    /// (a learner prepares none: it passes the first twice). A client presents the largest it has
    /// seen when it reconnects, so it must not see what no other server has to have applied
    /// (ZOOKEEPER-1412).
    pub reply_zxid: fn(applied: Zxid, prepared: Zxid) -> Zxid,
    /// Whether a session counts as closing from this stage on. If requests behind a closeSession
    /// were still prepared, an ephemeral would outlive its owner (ZOOKEEPER-1208).
    pub closing_from: fn(stage: CloseStage) -> bool,
    /// Whether a client that has seen `seen` may be served from a tree at `applied` (spec 1.3).
    pub admits: fn(seen: Zxid, applied: Zxid) -> bool,
    /// Whether the password proves ownership of the session (spec 3.1).
    pub proves: fn(session: SessionId, passwd: &[u8]) -> bool,
    /// When reads run (spec 5.5).
    pub read_at: fn() -> ReadAt,
    /// Whether reads wait, given whether a transaction is applied in part (spec 8.1, C14).
    pub reads_wait: fn(half_applied: bool) -> bool,
    /// What a transaction sends first (spec 4.3: a client's own event precedes its answer).
    pub delivery: fn() -> [Delivery; 2],
    /// Whether a request is refused as moved, given whether its origin owns the session (spec 3.5).
    pub moved: fn(owns: bool) -> bool,
    /// Whether a touch reported by a learner counts at the leader (spec 3.3).
    pub pong_counts: fn() -> bool,
    /// How syncs are answered (spec 5.6 D).
    pub sync_by: fn() -> SyncBy,
    /// The zxid of the next transaction behind this one, if its counter stays below `last`;
    /// otherwise the epoch is used up, and its leader gives up rather than let the counter run
    /// into the epoch (ZOOKEEPER-1277, spec 6.10).
    pub next_zxid: fn(zxid: Zxid, last: u32) -> Option<Zxid>,
}

impl Rules {
    /// The decisions as they should be.
    pub fn right() -> Rules {
        Rules {
            reply_zxid: |applied, _prepared| applied,
            closing_from: |stage| match stage {
                CloseStage::Prepared | CloseStage::Applied => true,
            },
            admits: |seen, applied| seen <= applied,
            proves: is_password,
            read_at: || ReadAt::Turn,
            reads_wait: |half_applied| half_applied,
            delivery: || [Delivery::Events, Delivery::Answer],
            moved: |owns| !owns,
            pong_counts: || true,
            sync_by: || SyncBy::Barrier,
            next_zxid: |zxid, last| zxid.next().filter(|next| next.counter() < last),
        }
    }
}
