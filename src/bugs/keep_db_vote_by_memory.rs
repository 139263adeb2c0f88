//! ZOOKEEPER-2845: what was logged but not applied is forgotten by votes, not by the log.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "keep_db_vote_by_memory",
    citation: "ZOOKEEPER-2845; zookeeper-tla-spec, mixed_v1",
    mechanism: "a peer that leaves its role keeps its service as it is, without the log's tail, \
        and votes and reports by what the service has applied; right: bring the service up to the \
        log before anybody votes",
    published: "mixed_v1 (TLC): 12 s, depth 10, 6,347 states; random simulation 2 to 3 s; TLC on 2 \
        cores: 4 CPU-s",
    shows: &[
        "LeaderCompleteness",
        "ProcessConsistency",
        "PrefixConsistency",
        "TreeEquality",
        "Durability",
        "Agreement",
        "TotalOrder",
        "CommittedLogDurability",
    ],
    scenario: "keep-db-vote-by-memory",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.fast_forward = |logged, applied| applied >= logged;
        rules.zab.last_zxid = |_logged, applied| applied;
    },
};
