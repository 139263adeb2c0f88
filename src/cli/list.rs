//! `zoosim list`: everything that has a name.

use crate::explore::{POLICIES, Recipe, Source};
use crate::kit::Kit;
use crate::plan::Expect;
use crate::plan::draw::KNOBS;
use crate::plan::scenario::{Scenario, embedded};
use crate::verdict::liveness;

use super::args::{ListArgs, Listed};
use super::find::Subject;
use super::{Done, Exit, say};

/// Faults by kind, as plans spell them.
pub const FAULTS: [(&str, &str); 18] = [
    ("crash", "a peer loses power, and starts again later; a frail one perhaps never"),
    ("crash_all", "everybody loses power at once"),
    ("wipe", "a crash after which a frail peer's files are gone"),
    ("revive", "whoever is down starts, and every cut between peers heals"),
    ("pause", "a peer stands still; its clocks go on"),
    ("partition", "the network between peers is cut: silently or by resets, one way or both"),
    ("hold", "links from one peer to another hold their frames"),
    ("reset", "the links between two peers are reset"),
    ("cut_client", "a client cannot reach some servers"),
    ("reset_clients", "all client connections of a peer are reset"),
    ("disk_hang", "a device answers nothing, of a frail peer perhaps for ever"),
    ("disk_slow", "syncs and reads of a device are slower"),
    ("disk_error", "operations of a device fail"),
    ("rot", "a stored bit of a frail peer flips"),
    ("lose_file", "a file of a frail peer disappears, or is found empty"),
    ("misdirect", "a write of a frail peer lands at another offset"),
    ("wall_step", "a wall clock steps"),
    ("freeze_clock", "a monotonic clock stands still"),
];

/// What clients can ask. From [`UNDRAWN`] on, plans can say it and the judge knows it, but the
/// service does not serve it yet, and no draw makes it.
pub const OPERATIONS: [(&str, &str); 26] = [
    ("create", "create a node: persistent or ephemeral, sequential or not"),
    ("create2", "the same, answered with its stat"),
    ("delete", "delete a node, of a version or of any"),
    ("exists", "a node's stat, with a watch or without"),
    ("getData", "a node's data and stat, with a watch or without"),
    ("setData", "change a node's data, of a version or of any"),
    ("getChildren", "the names of a node's children, with a watch or without"),
    ("getChildren2", "the same, with the node's stat"),
    ("sync", "wait until the server has seen what the leader had committed"),
    ("multi", "several changes and checks: all of them or none"),
    ("multiRead", "several reads at once"),
    ("setWatches", "watches are set again behind a reconnect"),
    ("closeSession", "end the session and its ephemeral nodes"),
    ("createContainer", "create a node that goes once it has had children and has none"),
    ("createTTL", "create a node that goes when it is childless and not set for so long"),
    ("setACL", "change who may do what with a node"),
    ("getACL", "who may do what with a node, and its stat"),
    ("auth", "give the connection an identity"),
    ("addWatch", "leave a watch that outlives its events, recursive or not"),
    ("checkWatches", "whether the connection has such a watch on a path"),
    ("removeWatches", "take watches of a path away"),
    ("setWatches2", "setWatches, with the watches that outlive their events"),
    ("getEphemerals", "the session's ephemeral nodes"),
    ("getAllChildrenNumber", "how many nodes are below a node"),
    ("whoAmI", "the connection's identities"),
    ("reconfig", "change the ensemble's members"),
];

/// The first operation that only plans written by hand make.
pub const UNDRAWN: usize = 13;

/// Notes by kind: what peers tell, and what moments can wait for.
pub const NOTES: [(&str, &str); 36] = [
    ("recovered", "files were read at boot"),
    ("kept", "a log entry was found at boot"),
    ("torn_tail", "a torn tail was cut at boot"),
    ("epoch_repaired", "an interrupted epoch write was finished at boot"),
    ("looking", "LOOKING: an election begins"),
    ("following", "FOLLOWING"),
    ("leading", "LEADING"),
    ("voted", "a vote was cast or changed"),
    ("epoch_proposed", "a new epoch is fixed, LEADERINFO leaves"),
    ("epoch_accepted", "acceptedEpoch is durable"),
    ("epoch_current", "currentEpoch is durable"),
    ("leader_syncing", "a quorum of ACKEPOCH: synchronisation begins"),
    ("established", "a quorum has acknowledged NEWLEADER"),
    ("sync_empty", "a learner missed nothing"),
    ("sync_diff", "a learner gets proposals from memory"),
    ("sync_disk_diff", "a learner gets proposals from the log on disk"),
    ("sync_trunc", "a learner must cut its log"),
    ("sync_snap", "a learner gets a snapshot"),
    ("new_leader_accepted", "a learner's history is durable"),
    ("up_to_date", "a learner serves"),
    ("breach", "a message broke the protocol"),
    ("proposed", "a leader broadcast a transaction"),
    ("logged", "an entry was appended, not yet durable"),
    ("durable", "entries are durable"),
    ("truncated", "the log was cut"),
    ("replaced", "the log was replaced by a snapshot"),
    ("committed", "a transaction is known to be committed"),
    ("delivered", "a transaction was delivered to the service"),
    ("restored", "the service was reset to a state"),
    ("snapshot_taken", "a snapshot is durable"),
    ("abdicated", "a leader gives up"),
    ("left_leader", "a learner leaves its leader"),
    ("session_expired", "a session is closed because nobody touched it"),
    ("revalidated", "a session's renewal was decided"),
    ("hit", "a planted bug answered differently"),
    ("observing", "OBSERVING"),
];

/// Frames between peers, and writes, that moments can wait for.
const TAGS: [(&str, &str); 28] = [
    ("send/receive NOTIFICATION", "a vote"),
    ("send/receive FOLLOWERINFO", "a learner tells its accepted epoch"),
    ("send/receive LEADERINFO", "the new epoch"),
    ("send/receive ACKEPOCH", "a learner accepts it, and tells its history's end"),
    ("send/receive DIFF", "synchronisation by proposals"),
    ("send/receive TRUNC", "synchronisation by cutting"),
    ("send/receive SNAP", "synchronisation by a snapshot"),
    ("send/receive SNAP_CHUNK", "a part of the snapshot"),
    ("send/receive SNAP_END", "the end of the snapshot"),
    ("send/receive NEWLEADER", "the sync point"),
    ("send/receive UPTODATE", "a learner may serve"),
    ("send/receive PROPOSAL", "a transaction"),
    ("send/receive ACK", "a transaction, or NEWLEADER, is durable"),
    ("send/receive COMMIT", "a transaction is committed"),
    ("send/receive REQUEST", "a learner forwards a client's request"),
    ("send/receive REVALIDATE", "a learner asks about a session"),
    ("send/receive SYNC", "a client's sync passes through the leader"),
    ("send/receive PING", "a heartbeat"),
    ("send to_client", "an answer, or a watch's event, leaves for a client"),
    ("write record", "an entry of the log reaches the device's cache"),
    ("write log_header", "a new log file begins"),
    ("write snapshot", "a part of a snapshot"),
    ("write acceptedEpoch", "an epoch is promised"),
    ("write currentEpoch", "an epoch begins"),
    ("write replaced", "a snapshot is about to replace all files"),
    ("sync log|snap", "a sync of this device ends"),
    ("effect", "any durable effect: write, create, rename, remove, set length, sync"),
    ("behind EFFECT", "one kind of durable effect, such as `rename currentEpoch`"),
];

/// Prints a list.
pub fn list(kit: &Kit, args: &ListArgs) -> Done {
    let rows = rows(kit, args.what)?;
    let mut text = String::new();
    if args.markdown {
        text.push_str("| name | what |\n|---|---|\n");
        for (name, what) in &rows {
            text.push_str(&format!("| `{name}` | {} |\n", what.replace('|', "\\|")));
        }
    } else {
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, what) in &rows {
            text.push_str(format!("{name:width$}  {what}").trim_end());
            text.push('\n');
        }
    }
    say(&text);
    Ok(Exit::Held)
}

fn rows(kit: &Kit, what: Listed) -> Result<Vec<(String, String)>, String> {
    let owned = |table: &[(&str, &str)]| {
        table.iter().map(|(name, what)| ((*name).to_string(), (*what).to_string())).collect()
    };
    Ok(match what {
        Listed::Faults => owned(&FAULTS),
        Listed::Operations => owned(&OPERATIONS),
        Listed::Invariants => properties(kit),
        Listed::Policies => {
            let row = |(_, name, what): &(_, &str, &str)| (name.to_string(), what.to_string());
            POLICIES.iter().map(row).collect()
        }
        Listed::Moments => {
            let mut all: Vec<(String, String)> = owned(&TAGS);
            let note = |(name, what): &(&str, &str)| (format!("note {name}"), (*what).to_string());
            all.extend(NOTES.iter().map(note));
            all
        }
        Listed::Knobs => {
            let row = |(name, value, min, max, what): &(&str, u64, u64, u64, &str)| {
                ((*name).to_string(), format!("{what} ({value}; {min} to {max})"))
            };
            KNOBS.iter().map(row).collect()
        }
        Listed::Bugs => {
            let row = |bug: &crate::bugs::Bug| {
                (bug.name.to_string(), format!("{} ({})", bug.mechanism, bug.citation))
            };
            kit.bugs().map(row).collect()
        }
        Listed::Scenarios => scenarios()?,
    })
}

fn scenarios() -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for (name, text) in embedded() {
        let scenario = Scenario::parse(name, text).map_err(|error| error.to_string())?;
        let negative = match scenario.expect {
            Expect::Pass => "",
            Expect::Violation(_) => " (must be caught)",
        };
        all.push((scenario.name, format!("{}{negative}", scenario.title)));
    }
    Ok(all)
}

/// Every property that is judged in runs of the default scenario, or that a kit adds by name.
pub fn properties(kit: &Kit) -> Vec<(String, String)> {
    let mut all: Vec<(&str, &str)> = liveness::PROPERTIES.to_vec();
    if let Ok(subject) = Subject::scenario(kit, "default", Recipe::Plain)
        && let Source::Scenario(scenario, _) = &subject.source
    {
        let mut plan = crate::plan::draw(scenario, 0);
        for (what, names) in kit.names() {
            if what == "invariant" {
                plan.invariants = names;
            }
        }
        // A kit without the default's protocol has no such properties.
        for oracle in kit.oracles(&plan).unwrap_or_default() {
            all.extend(oracle.properties());
        }
    }
    all.sort();
    all.dedup();
    // Several oracles may judge one property, each in its own way.
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, what) in all {
        match merged.last_mut() {
            Some((last, text)) if last == name => *text = format!("{text}; {what}"),
            _ => merged.push((name.to_string(), what.to_string())),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::ZAB;
    use crate::process::Note;

    #[test]
    fn what_moments_can_wait_for_is_what_plans_may_name() {
        assert_eq!(NOTES.map(|(name, _)| name), Note::KINDS);
        let rest = |head: &str| -> Vec<&str> {
            TAGS.iter().filter_map(|(name, _)| name.strip_prefix(head)).collect()
        };
        assert_eq!(rest("send/receive "), ZAB.frames);
        assert_eq!(rest("write "), ZAB.writes);
    }
}
