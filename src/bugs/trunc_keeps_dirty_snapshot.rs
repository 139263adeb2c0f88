//! A snapshot of what was never committed survives the cut of the log.
//!
//! A restart applies the whole log, its tail that no quorum has included, and writes that down as a
//! snapshot. When a leader has the tail cut off, the snapshot stays, and is what the service is
//! rebuilt from. In our design snapshots hold only what is committed, and a cut removes those that
//! reach above it: both are switched off.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "trunc_keeps_dirty_snapshot",
    citation: "ZOOKEEPER-1549",
    mechanism: "a restart snapshots all that the log holds, committed or not, and TRUNC leaves \
                snapshots above its cut; right: snapshot only what is committed, and remove what \
                reaches above a cut; our design has both, and both are switched off",
    published: "a long-open issue; no time was published",
    shows: &[
        "PrefixConsistency",
        "TreeEquality",
        "TotalOrder",
        "ReadValue",
        "Convergence",
        "SessionOrder",
        "Agreement",
        "CommittedLogDurability",
    ],
    scenario: "trunc-keeps-dirty-snapshot",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.disk.planted = Some(BUG.name);
        rules.zab.snapshot_at_boot = || true;
        rules.zab.disk.dies_with_cut = |_reach, _cut| false;
    },
};
