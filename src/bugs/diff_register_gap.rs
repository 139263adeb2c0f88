//! What is committed while a learner takes its DIFF reaches it never.
//!
//! The list of what a learner lacks is made when it joins, but it is registered for new proposals
//! only when it has acknowledged NEWLEADER: what was proposed and applied in between is in neither.
//! In our design choice and registration are one event, and a learner refuses a proposal that does
//! not follow its last: both are switched off, for history's learners only warned.

use crate::broadcast::zab::Register;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "diff_register_gap",
    citation: "ZOOKEEPER-962",
    mechanism: "the DIFF is chosen first and the learner registered for forwarding when it has \
                acknowledged NEWLEADER, so that a commit in between is a hole in its history; \
                right: one event, and no proposal is taken that leaves a gap; our design has both, \
                and both are switched off",
    published: "met in production; no time was published",
    shows: &[
        "TotalOrder",
        "LogContiguous",
        "TreeEquality",
        "ProcessConsistency",
        "PrefixConsistency",
        "Durability",
        "LocalPrimaryOrder",
        "QuorumHolds",
        "LeaderCompleteness",
        "RecoveryProgress",
        "MessageLegal",
    ],
    scenario: "diff-register-gap",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.register = || Register::WithAck;
        rules.zab.follows = |last, next| next > last;
    },
};
