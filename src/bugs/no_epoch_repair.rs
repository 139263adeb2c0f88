//! A crash between a sync's history and its epoch makes a peer refuse to start, for ever.
//!
//! The log holds transactions of an epoch that `currentEpoch` does not name yet. In our design
//! recovery knows that state, and finishes the write.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "no_epoch_repair",
    citation: "ZOOKEEPER-1653, ZOOKEEPER-2354",
    mechanism: "a peer whose log is of a newer epoch than its currentEpoch refuses to start; \
                right: a crash can leave that, so finish the interrupted write of the epoch; our \
                design knows that state at boot: that is switched off",
    published: "one of the failures that FCatch and SAMC are known for; no verified number",
    shows: &["CrashRecovery", "Liveness"],
    scenario: "no-epoch-repair",
    plant: |rules| {
        rules.zab.disk.planted = Some(BUG.name);
        rules.zab.disk.finishes_epoch = || false;
    },
};
