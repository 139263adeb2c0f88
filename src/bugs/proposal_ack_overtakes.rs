//! ZOOKEEPER-4685: the ack of a proposal overtakes the ack of NEWLEADER.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "proposal_ack_overtakes",
    citation: "ZOOKEEPER-4685; Remix, EuroSys'25, table 4",
    mechanism: "a learner's log task acks proposals that came before NEWLEADER while NEWLEADER is \
        still being accepted; the leader waits for another ack and gives the learner up; right: \
        no proposal is acked before NEWLEADER is",
    published: "Remix mSpec-3: 10 s on 16 workers, depth 12, 67,418 states; TLC on 2 cores: 13 to \
        15 CPU-s, messageLegal",
    shows: &["MessageLegal", "RecoveryProgress"],
    scenario: "proposal-ack-overtakes",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.log_before_uptodate = |pending| pending > 0;
    },
};
