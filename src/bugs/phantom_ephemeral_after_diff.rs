//! What a follower's service has in memory survives the DIFF of a leader that never had it.
//!
//! The leader dies right after the follower has taken its proposal: the service has it, the log
//! does not, and the next leader is told where the log ends. In our design what is handed to the
//! log is in the log before anyone votes, and what is not is forgotten: both are switched off.

use crate::broadcast::zab::{NotLogged, OnLeave};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "phantom_ephemeral_after_diff",
    citation: "ZOOKEEPER-5010",
    mechanism: "a proposal that a follower's service has applied, and its log does not hold, stays \
                in the service when another leader sends a DIFF; right: the service holds what the \
                log holds, nothing else, before the next vote; our design logs what is handed to \
                the log before it votes and forgets the rest: both are switched off",
    published: "met by a study with injected faults, 2025; no time was published",
    shows: &[
        "TreeEquality",
        "ReadValue",
        "Convergence",
        "PrefixConsistency",
        "TotalOrder",
        "SessionOrder",
        "WriteOutcome",
        "SequentialNames",
    ],
    scenario: "phantom-ephemeral-after-diff",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.on_leave = |queued| if queued > 0 { OnLeave::Drop } else { OnLeave::Drain };
        rules.zab.not_logged = || NotLogged::Applied;
    },
};
