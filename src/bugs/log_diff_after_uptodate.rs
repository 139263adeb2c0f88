//! ZOOKEEPER-3911: a follower vouches for a history that it logs only on UPTODATE.

use crate::broadcast::zab::{Rules, Step};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "log_diff_after_uptodate",
    citation: "ZOOKEEPER-3911; zookeeper-tla-spec, mixed_v1",
    mechanism: "a follower keeps the proposals of DIFF in memory, acks NEWLEADER, and logs them on \
        UPTODATE; right: durable before the ack",
    published: "mixed_v1 (TLC): 42 s to LeaderLogCompleteness, depth 14, 286,286 states",
    shows: &[
        "LeaderCompleteness",
        "Durability",
        "CommittedLogDurability",
        "QuorumHolds",
        "Agreement",
        "TotalOrder",
        "PrefixConsistency",
        "ProcessConsistency",
    ],
    scenario: "log-diff-after-uptodate",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.newleader = |mode, txns| match txns {
            0 => (Rules::RIGHT.newleader)(mode, txns),
            _ => &[Step::Save, Step::Epoch, Step::Ack],
        };
        rules.zab.uptodate = |mode, left| match left {
            0 => (Rules::RIGHT.uptodate)(mode, left),
            _ => &[Step::Log, Step::Apply],
        };
    },
};
