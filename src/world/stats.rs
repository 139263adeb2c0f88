//! Counters of a run: what happened how often. They steer campaigns and tell whether a fault was
//! ever exercised; nothing in the world reads them back.

use std::collections::BTreeMap;

use crate::process::{Channel, Down};

/// Counters of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Steps: events that one party handled.
    pub events: u64,
    /// Frames that left a peer for another.
    pub messages: u64,
    /// Frames that reached a peer.
    pub delivered: u64,
    /// Runs of bytes that reached a client or came from one.
    pub client_messages: u64,
    /// Writes that reached a device's cache.
    pub writes: u64,
    /// Syncs that ended well.
    pub syncs: u64,
    /// Starts of peers.
    pub starts: u64,
    /// Starts that a peer refused.
    pub refusals: u64,
    /// Steps that panicked.
    pub panics: u64,
    /// Peers that stopped themselves.
    pub halts: u64,
    /// Calls of clients.
    pub calls: u64,
    /// Faults of the plan that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What the noise did, by kind: `stall`, `reset`, `refuse`, `hang`, `half_open`,
    /// `queue_full`, ..
    pub noise: BTreeMap<&'static str, u64>,
    /// Crashes by the last durable effect before them: its kind, and its tag's or its file's.
    pub crashes: BTreeMap<(&'static str, String), u64>,
    /// What a crash did to unsynced contents and names: `file_kept`, `file_lost`, `file_torn`,
    /// `file_garbage`, `file_scattered`, `name_kept`, `name_lost`.
    pub crash_outcomes: BTreeMap<&'static str, u64>,
    /// Dials that failed and links that ended, as peers were told: which, on which channel, why.
    pub net_errors: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// How often what was planted answered differently from the right rule, by name.
    pub hits: BTreeMap<&'static str, u64>,
    /// Disk operations that failed: device, operation, error.
    pub disk_errors: BTreeMap<(&'static str, &'static str, &'static str), u64>,
}

impl Stats {
    pub(super) fn noise(&mut self, kind: &'static str) {
        *self.noise.entry(kind).or_default() += 1;
    }

    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// A peer is told that a dial has failed, or that a link has ended.
    pub(super) fn net_error(&mut self, what: &'static str, channel: Channel, why: Down) {
        let channel = match channel {
            Channel::Election => "election",
            Channel::Quorum => "quorum",
        };
        let why = match why {
            Down::Closed => "closed",
            Down::Reset => "reset",
            Down::Refused => "refused",
            Down::TimedOut => "timed_out",
        };
        *self.net_errors.entry((what, channel, why)).or_default() += 1;
    }

    pub(super) fn outcome(&mut self, kind: &'static str) {
        *self.crash_outcomes.entry(kind).or_default() += 1;
    }
}
