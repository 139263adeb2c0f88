//! ZOOKEEPER-4646, and 4785 in production: a follower vouches for a history that its log task has
//! not synced.

use crate::broadcast::zab::{Rules, Step};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "ack_newleader_before_fsync",
    citation: "ZOOKEEPER-4646, 4785; Remix, EuroSys'25, table 4",
    mechanism: "on NEWLEADER a follower hands the synchronised transactions to its log task, and \
        acks before they are synced; right: append and sync, then the ack",
    published: "Remix mSpec-3: 109 s on 16 workers, depth 21, 2,880,498 states; TLC on 2 cores: 20 \
        to 25 CPU-s with the election abstracted away; 4785 was met in production",
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
    scenario: "ack-newleader-before-fsync",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.newleader = |mode, txns| match txns {
            0 => (Rules::RIGHT.newleader)(mode, txns),
            _ => &[Step::Save, Step::LogLater, Step::Apply, Step::Epoch, Step::Ack],
        };
    },
};
