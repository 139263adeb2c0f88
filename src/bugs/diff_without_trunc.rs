//! ZOOKEEPER-1154: a learner keeps a transaction that its leader never had.

use crate::broadcast::zab::{Choice, Rules};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "diff_without_trunc",
    citation: "ZOOKEEPER-1154",
    mechanism: "a leader sends DIFF whenever the learner's last zxid lies within its window, \
        without asking whether it has that zxid; right: TRUNC to its own last one before it",
    published: "met in production, and by ZooKeeper's test of a late joiner with the highest zxid",
    shows: &["ProcessConsistency", "PrefixConsistency", "TreeEquality", "Integrity"],
    scenario: "diff-without-trunc",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.sync = |input| {
            let (first, last) = (input.window.front(), input.window.back());
            match (input.peer_last, first, last) {
                (Some(p), Some(first), Some(last))
                    if p != input.last && first.zxid <= p && p <= last.zxid =>
                {
                    let from = input.window.partition_point(|entry| entry.zxid <= p);
                    Choice::Send { cut: None, from }
                }
                (_, _, _) => (Rules::RIGHT.sync)(input),
            }
        };
    },
};
