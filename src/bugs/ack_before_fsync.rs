//! The control: a server acknowledges a proposal before it is on disk.
//!
//! If a campaign does not find this within seconds, its faults are wrong.

use crate::process::{Effect, Effects};

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "ack_before_fsync",
    citation: "generic; the control of every campaign",
    mechanism: "a follower acks a PROPOSAL before its log is synced; right: sync, then ack",
    published: "no number: it must be found within seconds",
    shows: &[
        "Durability",
        "LeaderCompleteness",
        "Linearizability",
        "TotalOrder",
        "Agreement",
        "PrefixConsistency",
        "CommittedLogDurability",
        "SyncedRead",
        "SessionOrder",
    ],
    scenario: "ack-before-fsync",
    plant: |rules| rules.rewrites.push((BUG.name, ack_early)),
};

/// Acks leave at once, instead of waiting for their ticket.
fn ack_early(fx: &mut Effects) -> bool {
    let mut hit = false;
    for effect in fx.list_mut() {
        if let Effect::Send { frame, after, .. } = effect
            && frame.tag.kind == "ACK"
            && frame.tag.zxid.counter() != 0
            && after.take().is_some()
        {
            hit = true;
        }
    }
    hit
}
