//! What goes wrong on purpose, when, and to whom.

use serde::{Deserialize, Serialize};

use crate::base::PeerId;

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// When it strikes.
    pub when: When,
    /// What happens.
    pub fault: Fault,
}

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// At this time.
    At(u64),
    /// Right after the `nth` match (from 1) of a pattern from `from` ms on, plus a delay. A crash
    /// on a write or sync strikes before anything after that effect happens.
    Moment {
        /// What is waited for.
        on: Pattern,
        /// On which peer it must happen; anyone if absent.
        #[serde(default)]
        by: Option<Target>,
        /// Which match, from 1.
        nth: u32,
        /// Matches before this time do not count.
        #[serde(default)]
        from: u64,
        /// Microseconds after the match.
        #[serde(default)]
        after_us: u64,
    },
    /// `gap` ms after the previous fault of the list has struck (not healed).
    Then(u64),
    /// Right after this step of the run: what a run that was branched there was given. It means
    /// nothing in any other run.
    Step(u64),
}

/// What a moment waits for. Kinds are those of tags and notes: `zoosim list moments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pattern {
    /// A frame of this kind leaves the peer, or, if it is [`TO_CLIENT`], what is for a client.
    Send(String),
    /// A frame of this kind reaches the peer.
    Receive(String),
    /// A write of this kind reaches the peer's device cache.
    Write(String),
    /// A sync on the peer ends (`log` or `snap`).
    Sync(String),
    /// Any durable effect of the peer: write, create, rename, remove, set length, sync.
    Effect,
    /// This durable effect of the peer, by kind and what it was done to: `rename currentEpoch`.
    Behind(String),
    /// The peer tells a note of this kind.
    Note(String),
}

/// What a server sends to a client: an answer, a watch's event, or that its session is open.
pub const TO_CLIENT: &str = "to_client";

/// Durable effects, by kind and by what they are done to: what [`Pattern::Behind`] can wait for.
pub const EFFECTS: [&str; 31] = [
    "create log",
    "create snapshot",
    "create acceptedEpoch",
    "create currentEpoch",
    "create replaced",
    "write log_header",
    "write record",
    "write snapshot",
    "write acceptedEpoch",
    "write currentEpoch",
    "write replaced",
    "set_len log",
    "fsync log",
    "fsync snapshot",
    "fsync acceptedEpoch",
    "fsync currentEpoch",
    "fsync replaced",
    "rename snapshot",
    "rename acceptedEpoch",
    "rename currentEpoch",
    "rename replaced",
    "remove log",
    "remove snapshot",
    "remove acceptedEpoch",
    "remove currentEpoch",
    "remove replaced",
    "remove initialize",
    "remove unsynced",
    "remove origin",
    "fsync_dir log",
    "fsync_dir snap",
];

/// Whom a fault strikes; resolved when it strikes, and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// This peer.
    Peer(PeerId),
    /// The peer that leads in the highest epoch; the one with the longest log if none leads.
    Leader,
    /// The n-th live follower by id, from 0, modulo their number.
    Follower(u8),
    /// The live peer with the smallest last durable zxid.
    Shortest,
    /// The live peer with the largest last durable zxid.
    Longest,
    /// The peer at which the moment happened (or that the previous fault struck).
    Same,
    /// The other end of the moment's frame; as `Same` if there is none.
    Other,
}

/// Sides of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// One peer against the rest.
    Isolate(Target),
    /// The leader with a minority, the rest in the majority.
    LeaderInMinority,
    /// These against the rest.
    Sides(Vec<PeerId>),
    /// Each peer sees itself and its neighbours in a ring: majorities overlap.
    Ring,
    /// Two halves that both see one peer.
    Bridge(Target),
    /// Only this pair is cut.
    Pair(Target, Target),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A peer loses power; it starts again after `down` ms, or at calm if absent.
    Crash {
        /// Who.
        peer: Target,
        /// For how long.
        #[serde(default)]
        down: Option<u64>,
        /// It never starts again, also not at calm. Frail peers only.
        #[serde(default, skip_serializing_if = "is_not")]
        lasting: bool,
        /// Of what was written and not synced any sectors survive, not only a prefix: pages reach
        /// a disk in any order. Frail peers only.
        #[serde(default, skip_serializing_if = "is_not")]
        scatter: bool,
    },
    /// Everybody loses power at once; they start again after the times given in turn, cyclically.
    CrashAll {
        /// For how long, by order of id.
        down: Vec<u64>,
    },
    /// A crash after which the peer's files are gone. Frail peers only.
    Wipe {
        /// Who.
        peer: Target,
        /// For how long.
        down: u64,
    },
    /// Whoever is down starts, and every cut between peers heals: power and network are back.
    Revive {},
    /// A peer stands still; its clocks go on.
    Pause {
        /// Who.
        peer: Target,
        /// For how long.
        ms: u64,
    },
    /// The network between peers is cut.
    Partition {
        /// How.
        split: Split,
        /// Only in the direction from the first side to the second.
        #[serde(default)]
        one_way: bool,
        /// Clients on the second side are cut from the first, too.
        #[serde(default)]
        clients: bool,
        /// Links across are reset at once, instead of falling silent.
        #[serde(default)]
        reset: bool,
        /// For how long; until calm if absent.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// All links from one peer to another hold their frames.
    Hold {
        /// From.
        from: Target,
        /// To.
        to: Target,
        /// `election`, `quorum`, or both if absent.
        #[serde(default)]
        channel: Option<String>,
        /// For how long.
        ms: u64,
    },
    /// All links between two peers are reset.
    Reset {
        /// One.
        a: Target,
        /// The other.
        b: Target,
    },
    /// A client cannot reach these servers.
    CutClient {
        /// Which, from 1.
        client: u32,
        /// Which servers; all if empty.
        servers: Vec<PeerId>,
        /// For how long.
        ms: u64,
    },
    /// All client connections of a peer are reset.
    ResetClients {
        /// Whose.
        peer: Target,
    },
    /// A device answers nothing.
    DiskHang {
        /// Whose.
        peer: Target,
        /// `log` or `snap`.
        device: String,
        /// For how long.
        #[serde(default)]
        ms: u64,
        /// It never wakes, also not at calm. Frail peers only.
        #[serde(default, skip_serializing_if = "is_not")]
        lasting: bool,
    },
    /// Syncs and reads of a device are slower by this much.
    DiskSlow {
        /// Whose.
        peer: Target,
        /// `log` or `snap`.
        device: String,
        /// By how much.
        extra_us: u64,
        /// For how long.
        ms: u64,
    },
    /// Operations of a device fail.
    DiskError {
        /// Whose.
        peer: Target,
        /// `log` or `snap`.
        device: String,
        /// `write_eio`, `enospc`, `sync_eio`, `read_eio`.
        error: String,
        /// How many operations fail.
        count: u32,
    },
    /// A stored bit flips. Frail peers only; strikes when the peer is next down.
    Rot {
        /// Whose.
        peer: Target,
        /// `log`, `snapshot`, `epoch`.
        file: String,
    },
    /// A file disappears, or is found empty. Frail peers only; strikes when next down.
    LoseFile {
        /// Whose.
        peer: Target,
        /// `log`, `snapshot`, `epoch`.
        file: String,
        /// Found with no bytes, instead of not found.
        #[serde(default)]
        empty: bool,
    },
    /// The next write of the log lands at another offset. Frail peers only.
    Misdirect {
        /// Whose.
        peer: Target,
    },
    /// The wall clock steps.
    WallStep {
        /// Whose.
        peer: Target,
        /// By how much; negative is back.
        ms: i64,
    },
    /// The monotonic clock stands still, and with it the timers.
    FreezeClock {
        /// Whose.
        peer: Target,
        /// For how long, in true time.
        ms: u64,
    },
}

fn is_not(flag: &bool) -> bool {
    !flag
}

impl Fault {
    /// A loss of power as any peer may suffer it.
    pub fn crash(peer: Target, down: Option<u64>) -> Fault {
        Fault::Crash { peer, down, lasting: false, scatter: false }
    }

    /// A device that answers nothing for some time.
    pub fn disk_hang(peer: Target, device: &str, ms: u64) -> Fault {
        Fault::DiskHang { peer, device: device.to_string(), ms, lasting: false }
    }

    /// Its kind, as plans spell it and `zoosim list faults` shows it.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Crash { .. } => "crash",
            Fault::CrashAll { .. } => "crash_all",
            Fault::Wipe { .. } => "wipe",
            Fault::Revive {} => "revive",
            Fault::Pause { .. } => "pause",
            Fault::Partition { .. } => "partition",
            Fault::Hold { .. } => "hold",
            Fault::Reset { .. } => "reset",
            Fault::CutClient { .. } => "cut_client",
            Fault::ResetClients { .. } => "reset_clients",
            Fault::DiskHang { .. } => "disk_hang",
            Fault::DiskSlow { .. } => "disk_slow",
            Fault::DiskError { .. } => "disk_error",
            Fault::Rot { .. } => "rot",
            Fault::LoseFile { .. } => "lose_file",
            Fault::Misdirect { .. } => "misdirect",
            Fault::WallStep { .. } => "wall_step",
            Fault::FreezeClock { .. } => "freeze_clock",
        }
    }
}
