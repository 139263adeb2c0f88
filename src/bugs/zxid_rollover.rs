//! The counter of a zxid overflows into its epoch.
//!
//! Zxids go on as the next epoch's, which nobody has elected: its next leader gives them out again.
//! In our design the leader abdicates before the last counter, its proposals must be dense within
//! its epoch, and learners take no other: all three are switched off. The knob `last_counter` makes
//! the counter short enough to overflow in a run.

use crate::base::Zxid;
use crate::broadcast::zab;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "zxid_rollover",
    citation: "ZOOKEEPER-1277",
    mechanism: "after the last counter of an epoch the zxid's counter overflows into the half that \
                is the epoch; right: the leader abdicates before the last counter; our design also \
                wants proposals dense at the leader and at each learner: that is switched off, too",
    published: "met in production; no time was published",
    shows: &[
        "MessageLegal",
        "LocalPrimaryOrder",
        "LogContiguous",
        "EpochsOrdered",
        "Durability",
        "Integrity",
        "Agreement",
        "GlobalPrimaryOrder",
        "LeaderCompleteness",
        "TotalOrder",
        "PrefixConsistency",
    ],
    scenario: "zxid-rollover",
    plant: |rules| {
        rules.peer.planted = Some(BUG.name);
        rules.peer.next_zxid = |zxid, last| match zxid.next() {
            Some(next) if next.counter() < last => Some(next),
            Some(_) | None => Some(zxid.epoch().next().start()),
        };
        rules.zab.planted = Some(BUG.name);
        rules.zab.dense = |last, next| overflows(last, next) || next > last;
        rules.zab.follows =
            |last, next| overflows(last, next) || (zab::Rules::RIGHT.follows)(last, next);
    },
};

/// Whether the second zxid is what the first becomes by an overflow.
fn overflows(last: Zxid, next: Zxid) -> bool {
    next == last.epoch().next().start()
}
