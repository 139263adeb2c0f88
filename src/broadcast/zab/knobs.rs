//! The knobs that Zab reads, with ZooKeeper's defaults (spec 6.13).

use crate::base::Duration;
use crate::process::Spec;

/// The knobs that Zab reads, in units it uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knobs {
    /// tickTime.
    pub tick: Duration,
    /// initLimit, as time.
    pub init: Duration,
    /// syncLimit, as time.
    pub sync: Duration,
    /// How many applied transactions stay in memory for DIFF.
    pub commit_log_count: usize,
    /// Appends between two snapshots, at most.
    pub snap_count: u64,
    /// How large the log read for a DIFF may be, of the newest snapshot.
    pub snap_size_percent: u64,
    /// Snapshots kept.
    pub snap_retain: usize,
    /// How long an election waits at first before it sends again.
    pub poll: Duration,
    /// And at most.
    pub poll_max: Duration,
    /// How long a winner waits for a better vote.
    pub finalize: Duration,
    /// The delay before a dial is tried again.
    pub dial_retry: Duration,
    /// Transactions delivered in one event.
    pub apply_batch: u64,
    /// Nodes written in one event.
    pub snap_chunk: usize,
}

impl Knobs {
    /// The plan's values, or the defaults.
    pub fn of(spec: &Spec) -> Knobs {
        let tick = Duration::from_ms(spec.knob("tick_ms", 2000).max(2));
        Knobs {
            tick,
            init: tick.times(spec.knob("init_limit", 10).max(1)),
            sync: tick.times(spec.knob("sync_limit", 5).max(1)),
            commit_log_count: spec.knob("commit_log_count", 500) as usize,
            snap_count: spec.knob("snap_count", 100_000).max(2),
            snap_size_percent: spec.knob("snap_size_percent", 33),
            snap_retain: spec.knob("snap_retain", 3).max(1) as usize,
            poll: Duration::from_ms(spec.knob("election_poll_ms", 200).max(1)),
            poll_max: Duration::from_ms(spec.knob("election_poll_max_ms", 60_000).max(1)),
            finalize: Duration::from_ms(spec.knob("finalize_wait_ms", 200)),
            dial_retry: Duration::from_ms(spec.knob("dial_retry_ms", 100).max(1)),
            apply_batch: spec.knob("apply_batch", 8).max(1),
            snap_chunk: spec.knob("snap_chunk", 4).max(1) as usize,
        }
    }
}
