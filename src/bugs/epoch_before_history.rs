//! ZOOKEEPER-4643: a follower moves to the new epoch before it holds the new leader's history.

use crate::broadcast::zab::{Rules, Step};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "epoch_before_history",
    citation: "ZOOKEEPER-4643; Remix, EuroSys'25, table 4",
    mechanism: "on NEWLEADER a follower writes currentEpoch first and logs the synchronised \
        transactions after; right: history durable, then currentEpoch, then the ack",
    published: "Remix mSpec-2: 17 s on 16 workers, depth 21, 208,018 states; TLC on 2 cores: 24 to \
        28 CPU-s with the election abstracted away",
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
    scenario: "epoch-before-history",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.newleader = |mode, txns| match txns {
            0 => (Rules::RIGHT.newleader)(mode, txns),
            _ => &[Step::Save, Step::Epoch, Step::Log, Step::Apply, Step::Ack],
        };
    },
};
