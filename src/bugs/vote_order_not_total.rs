//! ZOOKEEPER-1419: of two votes with the same zxid, each may beat the other.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "vote_order_not_total",
    citation: "ZOOKEEPER-1419; SandTable, EuroSys'24",
    mechanism: "of two votes with the same zxid the one with the higher id wins, whatever their \
        epochs are: so the one with the lower epoch beats the other and is beaten by it; right: \
        epoch, then zxid, then id",
    published: "SandTable: 4 min, depth 41, 7,625,160 states",
    shows: &["ElectionProgress", "Liveness"],
    scenario: "vote-order-not-total",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.better = |a, b| {
            a.epoch > b.epoch
                || (a.epoch == b.epoch && a.zxid > b.zxid)
                || (a.zxid == b.zxid && a.leader > b.leader)
        };
    },
};
