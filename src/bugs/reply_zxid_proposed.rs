//! Answers to reads carry the last zxid that the leader has proposed.
//!
//! The client takes it for the state that it has seen: it reconnects with it, and is refused by
//! servers that are as far as they can be, or sets its watches as if it knew what it has not seen.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "reply_zxid_proposed",
    citation: "ZOOKEEPER-1412",
    mechanism: "the header of a leader's answer to a read carries the zxid proposed last; right: \
                the zxid applied last",
    published: "reported in the issue tracker; no time was published",
    shows: &[
        "ReadValue",
        "SessionOrder",
        "SyncedRead",
        "WatchLost",
        "WatchSpurious",
        "WatchBeforeData",
        "Linearizability",
        "Liveness",
        "WriteOutcome",
    ],
    scenario: "reply-zxid-proposed",
    plant: |rules| {
        rules.peer.planted = Some(BUG.name);
        rules.peer.reply_zxid = |_applied, prepared| prepared;
    },
};
