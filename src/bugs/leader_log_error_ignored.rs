//! A leader whose log fails goes on leading.
//!
//! Only its log task ends. Nothing it proposes is ever in its own log or tree again, but it answers
//! pings, so that nobody elects another.

use crate::process::Role;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "leader_log_error_ignored",
    citation: "ZOOKEEPER-2247",
    mechanism: "a failed write or sync of a leader's log ends its log task only, and it goes on \
                leading; right: the peer stops; followers may still make a quorum here, so that \
                what stands still is whatever goes through the leader: its tree, syncs, its \
                clients; our design also has a leader stand down whose log is late: that is \
                switched off, too",
    published: "one of the failures that ANDURIL (SOSP'24) reproduces from logs; no time was \
                published",
    shows: &["Liveness", "Convergence"],
    scenario: "leader-log-error-ignored",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.log_failure_stops = |role| role != Role::Leading;
        rules.zab.own_log_late = |_| false;
    },
};
