//! A session that is being closed may still create ephemerals.
//!
//! Its closeSession lists the ephemerals to delete when it is prepared; the session counts as open
//! until that transaction is applied. A create in between is accepted, and what it made outlives
//! its owner. Our design refuses it twice, by the leader's session tracker and by preparation: both
//! are switched off.

use crate::peer::rules::CloseStage;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "create_during_close",
    citation: "ZOOKEEPER-1208, ZOOKEEPER-1496",
    mechanism: "a session counts as open until its closeSession is applied, so that an ephemeral \
                created meanwhile outlives it; right: it is closing from the moment that \
                closeSession is prepared, or its time is up; our design refuses it twice, by the \
                tracker of sessions and by preparation: both are switched off",
    published: "met in production; no time was published",
    shows: &[
        "WriteOutcome",
        "Ephemerals",
        "Linearizability",
        "ReadValue",
        "SessionExpiry",
        "TreeEquality",
        "SessionOrder",
    ],
    scenario: "create-during-close",
    plant: |rules| {
        rules.peer.planted = Some(BUG.name);
        rules.peer.znode.planted = Some(BUG.name);
        rules.peer.closing_from = |stage| match stage {
            CloseStage::Due | CloseStage::Prepared => false,
            CloseStage::Applied => true,
        };
        rules.peer.znode.refuses_closing = || false;
    },
};
