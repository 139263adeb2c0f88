//! ZOOKEEPER-3023: a follower serves before it has applied what it was synchronised with.

use crate::broadcast::zab::{Rules, Step};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "serve_before_sync_commit",
    citation: "ZOOKEEPER-3023; Remix, EuroSys'25, table 4",
    mechanism: "synchronised transactions still wait for the apply task when a follower acks \
        NEWLEADER and starts to serve; right: apply them before the ack",
    published: "Remix mSpec-3: 11 s on 16 workers, depth 13, 78,892 states; TLC on 2 cores: 16 \
        CPU-s",
    shows: &["CommitConsistency", "SyncedRead", "SessionOrder", "Linearizability"],
    scenario: "serve-before-sync-commit",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.newleader = |mode, txns| match txns {
            0 => (Rules::RIGHT.newleader)(mode, txns),
            _ => &[Step::Save, Step::Log, Step::Epoch, Step::Ack],
        };
    },
};
