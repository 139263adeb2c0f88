//! ZOOKEEPER-4394: a COMMIT between NEWLEADER and UPTODATE finds no proposal to commit.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "commit_after_newleader_panics",
    citation: "ZOOKEEPER-4394; Remix, EuroSys'25, table 4",
    mechanism: "NEWLEADER takes the pending proposals off the list that COMMITs are matched with \
        until UPTODATE: the next COMMIT finds an empty list, and the learner gives up; right: \
        what is not committed stays on the list",
    published: "Remix mSpec-1*: 9 s on 16 workers, depth 20, 14,264 states; several reports from \
        production",
    shows: &["RecoveryProgress", "Liveness"],
    scenario: "commit-after-newleader-panics",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.newleader_drains = |pending| pending > 0;
    },
};
