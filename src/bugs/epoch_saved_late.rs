//! Epochs become durable too late: after whoever depends on them has heard of them.
//!
//! A follower writes `currentEpoch` when UPTODATE comes, and has acknowledged NEWLEADER before; a
//! leader writes `acceptedEpoch` while its proposal of the epoch is on its way. A crash between the
//! two leaves a peer that compares wrong epochs in the next election.

use crate::broadcast::zab::Step;
use crate::process::Role;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "epoch_saved_late",
    citation: "ZOOKEEPER-1282, ZOOKEEPER-1291",
    mechanism: "a follower writes currentEpoch on UPTODATE, after its ack of NEWLEADER, and a \
                leader writes its acceptedEpoch after proposing it; right: acceptedEpoch durable \
                before LEADERINFO leaves, currentEpoch before the ack",
    published: "found in the review of Zab 1.0",
    shows: &[
        "Durability",
        "EpochMonotone",
        "EpochsOrdered",
        "LeaderCompleteness",
        "Leadership",
        "Agreement",
        "TotalOrder",
        "PrefixConsistency",
        "CommittedLogDurability",
        "Linearizability",
    ],
    scenario: "epoch-saved-late",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.newleader = |_mode, _txns| &[Step::Save, Step::Log, Step::Apply, Step::Ack];
        rules.zab.uptodate = |_mode, _left| &[Step::Epoch];
        rules.zab.promise_first = |role| role != Role::Leading;
    },
};
