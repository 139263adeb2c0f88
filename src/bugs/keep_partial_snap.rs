//! What a SNAP brought stays in memory although the SNAP was never finished.
//!
//! The learner has restored its service from the leader's snapshot and stands at its zxid; the
//! leader dies before the snapshot is on the learner's disk. The service is kept, the next leader
//! is told its zxid and sends a DIFF from there: nothing on disk ever fills the hole before it.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "keep_partial_snap",
    citation: "ZOOKEEPER-3642",
    mechanism: "a service restored from a SNAP that did not finish is kept, and votes and \
                reports with its zxid, so that the next DIFF leaves a hole on disk; right: drop \
                it, and rebuild the service from disk",
    published: "met at Facebook; no time was published",
    shows: &[
        "LogContiguous",
        "Durability",
        "TreeEquality",
        "CrashRecovery",
        "TotalOrder",
        "LeaderCompleteness",
        "PrefixConsistency",
        "QuorumHolds",
        "CommittedLogDurability",
        "ProcessConsistency",
        "Linearizability",
    ],
    scenario: "keep-partial-snap",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.keep_partial_snap = || true;
        rules.zab.last_zxid = |logged, applied| logged.max(applied);
    },
};
