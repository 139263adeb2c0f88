//! ZOOKEEPER-4712, and 4541: whoever leaves its leader does not stop the log task.

use crate::broadcast::zab::OnLeave;

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "log_task_survives_shutdown",
    citation: "ZOOKEEPER-4712, 4541; Remix, EuroSys'25, table 4",
    mechanism: "a peer that leaves its role lets the log task go on: queued appends reach the log \
        after its last zxid was taken for the next vote and synchronisation; right: drain the \
        queue, then bring the service up to the log",
    published: "Remix mSpec-3: 11 s on 16 workers, depth 13, 73,293 states",
    shows: &[
        "ProcessConsistency",
        "TreeEquality",
        "PrefixConsistency",
        "LogContiguous",
        "Durability",
        "Agreement",
        "TotalOrder",
        "LeaderCompleteness",
        "CommittedLogDurability",
    ],
    scenario: "log-task-survives-shutdown",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.on_leave = |queued| match queued {
            0 => OnLeave::Drain,
            _ => OnLeave::Leave,
        };
        // ZooKeeper takes its last zxid from the service, which nobody brings up to the log again.
        rules.zab.last_zxid = |_logged, applied| applied;
    },
};
