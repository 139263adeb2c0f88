//! What the world does all the time, without being asked: delays, stalls, resets, slow disks,
//! crooked clocks.

use serde::{Deserialize, Serialize};

use crate::base::{PeerId, Ratio};

/// A law of delays, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Delay {
    /// Uniform between two bounds.
    Uniform {
        /// At least.
        min_us: u64,
        /// At most.
        max_us: u64,
    },
    /// A floor plus an exponential tail (by table, in integers), cut at 20 means.
    Exponential {
        /// The floor.
        min_us: u64,
        /// The tail's mean.
        mean_us: u64,
    },
    /// Uniform, but `tail` of the draws are log-uniform up to `tail_us`.
    Bimodal {
        /// At least.
        min_us: u64,
        /// At most, without the tail.
        max_us: u64,
        /// How often the tail is drawn.
        tail: Ratio,
        /// The longest tail.
        tail_us: u64,
    },
    /// Log-uniform between two bounds: every power of two equally likely.
    LogUniform {
        /// At least 1.
        min_us: u64,
        /// At most.
        max_us: u64,
    },
}

impl Delay {
    /// The same law without its tail: what is left of it once every injector has stopped.
    pub fn tame(&self) -> Delay {
        match *self {
            Delay::Uniform { .. } => *self,
            Delay::Exponential { min_us, mean_us } => {
                Delay::Uniform { min_us, max_us: min_us.saturating_add(mean_us.saturating_mul(2)) }
            }
            Delay::Bimodal { min_us, max_us, .. } => Delay::Uniform { min_us, max_us },
            Delay::LogUniform { min_us, max_us } => {
                let geometric = min_us.max(1).saturating_mul(max_us.max(1)).isqrt();
                Delay::Uniform { min_us, max_us: geometric.max(min_us) }
            }
        }
    }

    /// The shortest delay that it draws, in microseconds.
    pub fn least_us(&self) -> u64 {
        match *self {
            Delay::Uniform { min_us, .. }
            | Delay::Exponential { min_us, .. }
            | Delay::Bimodal { min_us, .. }
            | Delay::LogUniform { min_us, .. } => min_us,
        }
    }

    /// The longest delay that it draws, in microseconds.
    pub fn most_us(&self) -> u64 {
        match *self {
            Delay::Uniform { max_us, .. } | Delay::LogUniform { max_us, .. } => max_us,
            Delay::Exponential { min_us, mean_us } => {
                min_us.saturating_add(mean_us.saturating_mul(20))
            }
            Delay::Bimodal { max_us, tail_us, .. } => max_us.max(tail_us),
        }
    }
}

/// The network. Links are FIFO streams: nothing is lost or reordered inside one; loss shows as
/// stalls, resets and refused connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetNoise {
    /// One-way delay of each frame between peers.
    pub delay: Delay,
    /// One-way delay between clients and servers.
    pub client_delay: Delay,
    /// Permanently slow directed pairs: `(from, to, extra_us)`.
    #[serde(default)]
    pub slow: Vec<(PeerId, PeerId, u64)>,
    /// Per frame: the stream stalls as if a packet was lost and sent again.
    #[serde(default)]
    pub stall: Ratio,
    /// How long a stall lasts.
    pub stall_us: u64,
    /// Per frame: the link is reset, its bytes in flight are lost.
    #[serde(default)]
    pub reset: Ratio,
    /// Per frame to or from a client: the connection is reset.
    #[serde(default)]
    pub client_reset: Ratio,
    /// Per dial: refused.
    #[serde(default)]
    pub refuse: Ratio,
    /// Per dial: hangs until the connect times out.
    #[serde(default)]
    pub hang: Ratio,
    /// Per accepted link: one side never learns that the other is gone (half-open) when it dies.
    #[serde(default)]
    pub half_open: Ratio,
    /// How many frames each direction of a link carries at once: what is sent beyond that waits
    /// at its sender until an earlier one has arrived. After calm it is at least 1024.
    pub queue: u32,
}

impl NetNoise {
    /// How many frames a link usually carries at once.
    pub const USUAL_QUEUE: u32 = 1_024;
}

/// The disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskNoise {
    /// How long a sync of the log takes.
    pub log_sync: Delay,
    /// How long a sync on the snapshot device takes.
    pub snap_sync: Delay,
    /// How long a read takes.
    pub read: Delay,
    /// On a crash: unsynced appends survive whole, as a prefix of sectors, or not at all; this is
    /// how often a surviving prefix is followed by one sector of garbage.
    #[serde(default)]
    pub garbage: Ratio,
    /// On a crash: how often what was written but not synced survives in full.
    #[serde(default)]
    pub keep: Ratio,
    /// Sector size in bytes.
    pub sector: u64,
}

/// How long deferred pieces of work wait for their turn: the interleaving of a peer's tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkNoise {
    /// For most work.
    pub delay: Delay,
    /// Work kinds that are slow in this run, with their own law.
    #[serde(default)]
    pub slow: Vec<(String, Delay)>,
}

/// The clocks of one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockPlan {
    /// Whose.
    pub peer: PeerId,
    /// How far its wall clock is off at the start.
    #[serde(default)]
    pub wall_offset_ms: i64,
    /// How much faster than true time its clocks run, in parts per million (negative: slower).
    #[serde(default)]
    pub drift_ppm: i64,
}
