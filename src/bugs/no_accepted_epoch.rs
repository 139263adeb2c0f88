//! ZOOKEEPER-335: nobody remembers which epochs were promised.

use crate::broadcast::zab::EpochAnswer;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "no_accepted_epoch",
    citation: "ZOOKEEPER-335; SAMC, OSDI'14",
    mechanism: "a leader takes the epoch of its last zxid plus one, and followers promise the same \
        epoch to whoever asks; right: one more than any accepted epoch of a quorum, and a promise \
        is durable and counts once",
    published: "SAMC's flagship: it needs 3 crashes and 3 reboots",
    shows: &[
        "Leadership",
        "Agreement",
        "Integrity",
        "EpochMonotone",
        "EpochsOrdered",
        "Durability",
    ],
    scenario: "no-accepted-epoch",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.new_epoch = |_seen, last| last.epoch().next();
        rules.zab.answer_epoch = |_accepted, _proposed| EpochAnswer::Promise;
        rules.zab.yields = |_epoch, _accepted| false;
    },
};
