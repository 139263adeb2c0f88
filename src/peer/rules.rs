//! The load-bearing decisions of a server above the broadcast, as a table of plain functions.
//!
//! The pipeline asks this table wherever a choice is easy to get wrong and hard to see. Each entry
//! is a pure leaf: it decides, the pipeline acts.

use crate::base::{SessionId, Zxid};
use crate::znode;
use crate::znode::session::is_password;

/// When the leader may learn that a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseStage {
    /// Its time is up: the leader is about to close it.
    Due,
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

/// The table. See each entry; [`Rules::RIGHT`] has the right ones.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The name of what was put in, told as a hit whenever an answer differs from the right one.
    pub planted: Option<&'static str>,
    /// The service's own.
    pub znode: znode::rules::Rules,
    /// The zxid of a read's reply header, from the last zxid applied here and the last one prepared
    /// here (a learner prepares none: it passes the first twice). A client presents the largest it
    /// has seen when it reconnects, so it must not see what no other server has to have applied
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
    pub const RIGHT: Rules = Rules {
        planted: None,
        znode: znode::rules::Rules::RIGHT,
        reply_zxid: |applied, _prepared| applied,
        closing_from: |stage| match stage {
            CloseStage::Due | CloseStage::Prepared | CloseStage::Applied => true,
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
    };

    /// The decisions as they should be.
    pub fn right() -> Rules {
        Rules::RIGHT
    }
}

/// Asks the table, and tells a hit if what was put in answers differently.
macro_rules! decide {
    ($service:expr, $fx:expr, $rule:ident($($argument:expr),*)) => {{
        let answer = ($service.rules.$rule)($($argument),*);
        if let Some(name) = $service.rules.planted
            && answer != ($crate::peer::rules::Rules::RIGHT.$rule)($($argument),*)
        {
            $fx.note($crate::process::Note::hit(name));
        }
        answer
    }};
}
pub(super) use decide;
