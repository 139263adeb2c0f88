//! Facts that a process tells: notes when something happened, a probe of how it stands.
//!
//! Notes feed invariants, coverage, the trace and moments. They are claims: what a peer owes for
//! durability is judged from its bytes, never from these.

use crate::base::{Digest, Epoch, PeerId, SessionId, Zxid};

/// ZooKeeper's server states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Electing.
    #[default]
    Looking,
    /// Following a leader.
    Following,
    /// Leading.
    Leading,
    /// Following without a vote.
    Observing,
}

/// How far a leader or learner has come in its epoch (Zab's phases).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Phase 0.
    #[default]
    Election,
    /// Phase 1: agreeing on an epoch.
    Discovery,
    /// Phase 2: making histories equal.
    Synchronization,
    /// Phase 3.
    Broadcast,
}

/// How a learner was brought up to date (spec 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncMode {
    /// Nothing was missing.
    Empty,
    /// Proposals from the leader's memory.
    Diff,
    /// Proposals read from the leader's log on disk.
    DiskDiff,
    /// The learner's tail was cut first.
    Trunc,
    /// A snapshot.
    Snap,
}

/// How a process stands, after a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Its server state.
    pub role: Role,
    /// How far it is in its epoch.
    pub phase: Phase,
    /// `currentEpoch`, term or ballot it acts in.
    pub epoch: Epoch,
    /// `acceptedEpoch`.
    pub accepted: Epoch,
    /// The last zxid it has handed to its log.
    pub logged: Zxid,
    /// The last zxid it knows to be committed.
    pub committed: Zxid,
    /// The last zxid its service has applied.
    pub applied: Zxid,
    /// The tree digest at `applied` (spec 7.5), if it is at rest (no multi half applied).
    pub tree: Option<u64>,
    /// The table of sessions at `applied` in one number, if it is at rest: the exclusive or of
    /// [`Digest::of_words`] of each id and timeout.
    pub sessions: Option<u64>,
    /// The window of committed proposals kept in memory: the first zxid, and how many up to
    /// `applied`.
    pub window: (Zxid, u32),
    /// Whether it serves clients.
    pub serving: bool,
}

/// Something worth telling. `#[non_exhaustive]` is not used: judges match every fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Files were read at boot: the last zxid found, and both epochs.
    Recovered {
        /// Last zxid of snapshot and log.
        last: Zxid,
        /// `currentEpoch` as found.
        current: Epoch,
        /// `acceptedEpoch` as found.
        accepted: Epoch,
    },
    /// A log entry found at boot or kept over a role change: it is part of this peer's log.
    Kept {
        /// Its zxid.
        zxid: Zxid,
        /// The digest of its record bytes.
        digest: Digest,
    },
    /// A torn tail was cut at boot.
    TornTail {
        /// The last zxid before it.
        after: Zxid,
    },
    /// An interrupted epoch write was finished at boot (ZOOKEEPER-1653).
    EpochRepaired {
        /// The epoch adopted.
        epoch: Epoch,
    },
    /// The role changed.
    BecameRole {
        /// The new role.
        role: Role,
        /// The leader it follows, or itself.
        leader: PeerId,
        /// The election round.
        round: u64,
    },
    /// A vote was cast or changed.
    Voted {
        /// For whom.
        leader: PeerId,
        /// The vote's last zxid.
        zxid: Zxid,
        /// The vote's peerEpoch.
        epoch: Epoch,
        /// In which round.
        round: u64,
    },
    /// The candidate leader fixed the new epoch (LEADERINFO leaves).
    EpochProposed {
        /// The epoch.
        epoch: Epoch,
    },
    /// acceptedEpoch is durable.
    EpochAccepted {
        /// The epoch.
        epoch: Epoch,
    },
    /// currentEpoch is durable.
    EpochCurrent {
        /// The epoch.
        epoch: Epoch,
    },
    /// A leader has a quorum of ACKEPOCH: it enters synchronisation, its initial history fixed.
    LeaderSyncing {
        /// Its epoch.
        epoch: Epoch,
        /// The last zxid of its initial history.
        last: Zxid,
    },
    /// A leader has a quorum of NEWLEADER acks: it is established.
    Established {
        /// Its epoch.
        epoch: Epoch,
        /// The last zxid of its initial history.
        last: Zxid,
    },
    /// A leader chose how to synchronise a learner.
    Synced {
        /// The learner.
        learner: PeerId,
        /// How.
        mode: SyncMode,
        /// How many proposals it sent.
        txns: u64,
    },
    /// A learner accepted NEWLEADER: its history up to the sync point and its epoch are durable.
    NewLeaderAccepted {
        /// The epoch.
        epoch: Epoch,
        /// Its last zxid then.
        last: Zxid,
    },
    /// A learner got UPTODATE and serves.
    UpToDate {
        /// The epoch.
        epoch: Epoch,
    },
    /// A learner heard of a protocol breach by its leader or itself: an invariant of Remix I-11 to
    /// I-14. `what` is a stable word.
    Breach {
        /// Which rule.
        what: &'static str,
        /// The zxid concerned.
        zxid: Zxid,
    },
    /// A leader broadcast a new transaction.
    Proposed {
        /// Its zxid.
        zxid: Zxid,
        /// Its record.
        record: Vec<u8>,
    },
    /// An entry was appended to the log (not yet durable).
    Logged {
        /// Its zxid.
        zxid: Zxid,
        /// The digest of its record.
        digest: Digest,
    },
    /// Entries up to here are durable.
    Durable {
        /// The last durable zxid.
        zxid: Zxid,
    },
    /// The log was cut after `last` (TRUNC).
    Truncated {
        /// The last zxid kept.
        last: Zxid,
    },
    /// The whole log was replaced by a snapshot (SNAP).
    Replaced {
        /// The snapshot's zxid.
        zxid: Zxid,
    },
    /// A transaction is committed, as known by this peer.
    Committed {
        /// Its zxid.
        zxid: Zxid,
    },
    /// A transaction was delivered to the service.
    Delivered {
        /// Its zxid.
        zxid: Zxid,
        /// The digest of its record.
        digest: Digest,
    },
    /// The service was reset to a state that ends at `zxid` (boot, SNAP, TRUNC, new role).
    Restored {
        /// The last zxid in it.
        zxid: Zxid,
        /// The tree digest (spec 7.5).
        tree: u64,
    },
    /// A snapshot is durable.
    SnapshotTaken {
        /// Its zxid.
        zxid: Zxid,
    },
    /// A leader gives up.
    Abdicated {
        /// A stable word: `quorum_lost`, `own_log`, `init_limit`, `rollover`, `log_error`, ..
        why: &'static str,
    },
    /// A learner leaves its leader.
    LeftLeader {
        /// A stable word.
        why: &'static str,
    },
    /// The leader marked a session as closing because nobody touched it.
    SessionExpired {
        /// Which.
        session: SessionId,
        /// Nanoseconds of leader-monotonic time since the last touch the leader learnt of.
        idle_ns: u64,
        /// Its negotiated timeout in milliseconds.
        timeout_ms: u64,
    },
    /// A renewal was decided.
    Revalidated {
        /// Which session.
        session: SessionId,
        /// Whether it lives.
        valid: bool,
    },
    /// A planted bug answered differently from the right rule.
    Hit {
        /// Its name.
        bug: &'static str,
    },
    /// A fact of one protocol only: a stable word and a number.
    Fact {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u64,
    },
}

impl Note {
    /// What was planted under this name answered differently from the right rule.
    pub fn hit(name: &'static str) -> Note {
        Note::Hit { bug: name }
    }

    /// All that [`Note::kind`] may be, but the facts of one protocol.
    pub const KINDS: [&str; 36] = [
        "recovered",
        "kept",
        "torn_tail",
        "epoch_repaired",
        "looking",
        "following",
        "leading",
        "voted",
        "epoch_proposed",
        "epoch_accepted",
        "epoch_current",
        "leader_syncing",
        "established",
        "sync_empty",
        "sync_diff",
        "sync_disk_diff",
        "sync_trunc",
        "sync_snap",
        "new_leader_accepted",
        "up_to_date",
        "breach",
        "proposed",
        "logged",
        "durable",
        "truncated",
        "replaced",
        "committed",
        "delivered",
        "restored",
        "snapshot_taken",
        "abdicated",
        "left_leader",
        "session_expired",
        "revalidated",
        "hit",
        "observing",
    ];

    /// The note's kind as a stable word, for coverage tables and moments.
    pub fn kind(&self) -> &'static str {
        match self {
            Note::Recovered { .. } => "recovered",
            Note::Kept { .. } => "kept",
            Note::TornTail { .. } => "torn_tail",
            Note::EpochRepaired { .. } => "epoch_repaired",
            Note::BecameRole { role, .. } => match role {
                Role::Looking => "looking",
                Role::Following => "following",
                Role::Leading => "leading",
                Role::Observing => "observing",
            },
            Note::Voted { .. } => "voted",
            Note::EpochProposed { .. } => "epoch_proposed",
            Note::EpochAccepted { .. } => "epoch_accepted",
            Note::EpochCurrent { .. } => "epoch_current",
            Note::LeaderSyncing { .. } => "leader_syncing",
            Note::Established { .. } => "established",
            Note::Synced { mode, .. } => match mode {
                SyncMode::Empty => "sync_empty",
                SyncMode::Diff => "sync_diff",
                SyncMode::DiskDiff => "sync_disk_diff",
                SyncMode::Trunc => "sync_trunc",
                SyncMode::Snap => "sync_snap",
            },
            Note::NewLeaderAccepted { .. } => "new_leader_accepted",
            Note::UpToDate { .. } => "up_to_date",
            Note::Breach { .. } => "breach",
            Note::Proposed { .. } => "proposed",
            Note::Logged { .. } => "logged",
            Note::Durable { .. } => "durable",
            Note::Truncated { .. } => "truncated",
            Note::Replaced { .. } => "replaced",
            Note::Committed { .. } => "committed",
            Note::Delivered { .. } => "delivered",
            Note::Restored { .. } => "restored",
            Note::SnapshotTaken { .. } => "snapshot_taken",
            Note::Abdicated { .. } => "abdicated",
            Note::LeftLeader { .. } => "left_leader",
            Note::SessionExpired { .. } => "session_expired",
            Note::Revalidated { .. } => "revalidated",
            Note::Hit { .. } => "hit",
            Note::Fact { name, .. } => name,
        }
    }
}
