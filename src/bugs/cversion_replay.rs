//! Replaying a create over a fuzzy snapshot leaves the parent's counter of creates wrong.
//!
//! The snapshot may hold the child and an older parent: a replay that stops at the existing child
//! does not bring the counter up (1046). Or it holds a newer parent without the child: a replay
//! that sets the counter to the transaction's takes it back (3249). The next sequential name is one
//! that was given before.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "cversion_replay",
    citation: "ZOOKEEPER-1046, ZOOKEEPER-3249",
    mechanism: "a replayed create sets the parent's cversion to its own value, and leaves it if \
                the node exists; right: raise it to that value in either case, never lower it",
    published: "met in production; no time was published",
    shows: &["TreeEquality", "WriteOutcome", "ReadValue", "Convergence", "SequentialNames"],
    scenario: "cversion-replay",
    plant: |rules| {
        rules.peer.znode.planted = Some(BUG.name);
        rules.peer.znode.parent_cversion = |own, new, exists| if exists { own } else { new };
    },
};
