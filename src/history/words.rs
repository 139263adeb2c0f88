//! What was seen, in words for people: short, one line each, always the same for the same value.

use super::{Call, Seen, Stop};
use crate::base::PeerId;
use crate::jute::proto::{Acl, Id};
use crate::process::{Channel, Device, Note, Phase, Role, SyncMode, Tag};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, WatchKind, WatchMode};

/// ZooKeeper's word for a server state.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Looking => "LOOKING",
        Role::Following => "FOLLOWING",
        Role::Leading => "LEADING",
        Role::Observing => "OBSERVING",
    }
}

/// Zab's phases, in lower case.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Election => "election",
        Phase::Discovery => "discovery",
        Phase::Synchronization => "synchronization",
        Phase::Broadcast => "broadcast",
    }
}

/// ZooKeeper's word for a way to synchronise a learner.
pub fn sync_mode(mode: SyncMode) -> &'static str {
    match mode {
        SyncMode::Empty => "an empty DIFF",
        SyncMode::Diff => "DIFF",
        SyncMode::DiskDiff => "DIFF from disk",
        SyncMode::Trunc => "TRUNC",
        SyncMode::Snap => "SNAP",
    }
}

/// A channel between peers.
pub fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Election => "election",
        Channel::Quorum => "quorum",
    }
}

/// A device of a peer.
pub fn device(device: Device) -> &'static str {
    match device {
        Device::Log => "log",
        Device::Snap => "snap",
    }
}

/// A frame's or write's kind, with the zxid or epoch that it carries.
pub fn tag(tag: &Tag) -> String {
    match (tag.zxid.0, tag.epoch.0) {
        (0, 0) => tag.kind.to_string(),
        (0, epoch) => format!("{} e{epoch}", tag.kind),
        _ => format!("{} {}", tag.kind, tag.zxid),
    }
}

/// Peers, with commas.
pub fn peers(peers: &[PeerId]) -> String {
    let names: Vec<String> = peers.iter().map(PeerId::to_string).collect();
    names.join(", ")
}

/// A note.
pub fn note(note: &Note) -> String {
    match note {
        Note::Recovered { last, current, accepted } => {
            format!("recovered up to {last}, current epoch {current}, accepted {accepted}")
        }
        Note::Kept { zxid, .. } => format!("kept {zxid}"),
        Note::TornTail { after } => format!("cut a torn tail after {after}"),
        Note::EpochRepaired { epoch } => format!("repaired epoch to {epoch}"),
        Note::BecameRole { role: Role::Looking, round, .. } => format!("LOOKING, round {round}"),
        Note::BecameRole { role: Role::Leading, round, .. } => format!("LEADING, round {round}"),
        Note::BecameRole { role: Role::Following, leader, .. } => format!("FOLLOWING {leader}"),
        Note::BecameRole { role: Role::Observing, leader, .. } => format!("OBSERVING {leader}"),
        Note::Voted { leader, zxid, epoch, round } => {
            format!("votes for {leader} ({zxid}, e{epoch}), round {round}")
        }
        Note::EpochProposed { epoch } => format!("proposes epoch {epoch}"),
        Note::EpochAccepted { epoch } => format!("accepted epoch {epoch}"),
        Note::EpochCurrent { epoch } => format!("current epoch {epoch}"),
        Note::LeaderSyncing { epoch, last } => format!("syncs epoch {epoch} from {last}"),
        Note::Established { epoch, last } => format!("ESTABLISHED e{epoch} at {last}"),
        Note::Synced { learner, mode, txns } => {
            format!("syncs {learner} by {} of {txns}", sync_mode(*mode))
        }
        Note::NewLeaderAccepted { epoch, last } => format!("accepted NEWLEADER e{epoch} at {last}"),
        Note::UpToDate { epoch } => format!("UPTODATE in e{epoch}"),
        Note::Breach { what, zxid } => format!("BREACH {what} at {zxid}"),
        Note::Proposed { zxid, .. } => format!("proposes {zxid}"),
        Note::Logged { zxid, .. } => format!("logged {zxid}"),
        Note::Durable { zxid } => format!("durable up to {zxid}"),
        Note::Truncated { last } => format!("truncated after {last}"),
        Note::Replaced { zxid } => format!("replaced all by a snapshot at {zxid}"),
        Note::Committed { zxid } => format!("committed {zxid}"),
        Note::Delivered { zxid, .. } => format!("delivered {zxid}"),
        Note::Restored { zxid, .. } => format!("restored the tree at {zxid}"),
        Note::SnapshotTaken { zxid } => format!("took a snapshot at {zxid}"),
        Note::Abdicated { why } => format!("abdicates: {why}"),
        Note::LeftLeader { why } => format!("leaves its leader: {why}"),
        Note::SessionExpired { session, idle_ns, .. } => {
            format!("expires session {session}, idle for {}ms", idle_ns / 1_000_000)
        }
        Note::Revalidated { session, valid } => {
            format!("session {session} {}", if *valid { "lives" } else { "is dead" })
        }
        Note::Hit { bug } => format!("HIT {bug}"),
        Note::Fact { name, value } => format!("{name} {value}"),
    }
}

/// Data as a person would like to read them: text if they are short text, else their length.
pub fn data(data: Option<&[u8]>) -> String {
    let Some(bytes) = data else { return "null".to_string() };
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= 24 && !text.chars().any(char::is_control) => format!("'{text}'"),
        Ok(_) | Err(_) => format!("{} bytes", bytes.len()),
    }
}

/// An operation.
pub fn op(op: &Op) -> String {
    let version = |v: &i32| if *v == -1 { String::new() } else { format!(" if v{v}") };
    let watch = |w: &bool| if *w { " +watch" } else { "" };
    match op {
        Op::Create { path, data: bytes, mode, .. } => {
            let mode = match mode {
                CreateMode::Persistent => "",
                CreateMode::Ephemeral => " ephemeral",
                CreateMode::PersistentSequential => " sequential",
                CreateMode::EphemeralSequential => " ephemeral sequential",
            };
            format!("create{mode} {path} {}", data(bytes.as_deref()))
        }
        Op::Delete { path, version: v } => format!("delete {path}{}", version(v)),
        Op::Exists { path, watch: w } => format!("exists {path}{}", watch(w)),
        Op::GetData { path, watch: w } => format!("get {path}{}", watch(w)),
        Op::SetData { path, data: bytes, version: v } => {
            format!("set {path} {}{}", data(bytes.as_deref()), version(v))
        }
        Op::GetChildren { path, watch: w, .. } => format!("children {path}{}", watch(w)),
        Op::Check { path, version: v } => format!("check {path}{}", version(v)),
        Op::Sync { path } => format!("sync {path}"),
        Op::Multi(ops) => format!("multi [{}]", ops_of(ops)),
        Op::MultiRead(ops) => format!("multiRead [{}]", ops_of(ops)),
        Op::SetWatches { relative, .. } => format!("setWatches after {relative:#x}"),
        Op::Ping => "ping".to_string(),
        Op::CreateSession { timeout } => format!("createSession {timeout}ms"),
        Op::CloseSession => "closeSession".to_string(),
        Op::CreateContainer { path, data: bytes, acl: _ } => {
            format!("create container {path} {}", data(bytes.as_deref()))
        }
        Op::CreateTtl { path, data: bytes, sequential, ttl, acl: _ } => {
            let mode = if *sequential { " sequential" } else { "" };
            format!("create{mode} ttl={ttl}ms {path} {}", data(bytes.as_deref()))
        }
        Op::DeleteContainer { path } => format!("deleteContainer {path}"),
        Op::SetAcl { path, acl, version: v } => {
            format!("setACL {path} {}{}", acls(acl), version(v))
        }
        Op::GetAcl { path } => format!("getACL {path}"),
        Op::AddAuth { scheme, auth } => format!("auth {scheme} {}", data(Some(auth))),
        Op::AddWatch { path, mode } => {
            let mode = match mode {
                WatchMode::Persistent => "persistent",
                WatchMode::PersistentRecursive => "persistent recursive",
            };
            format!("addWatch {mode} {path}")
        }
        Op::CheckWatches { path, kind } => format!("checkWatches {} {path}", watch_kind(*kind)),
        Op::RemoveWatches { path, kind } => format!("removeWatches {} {path}", watch_kind(*kind)),
        Op::SetWatches2 { relative, .. } => format!("setWatches2 after {relative:#x}"),
        Op::GetEphemerals { prefix } => format!("getEphemerals {prefix}"),
        Op::GetAllChildrenNumber { path } => format!("getAllChildrenNumber {path}"),
        Op::WhoAmI => "whoAmI".to_string(),
        Op::Reconfig { joining, leaving, members, version } => {
            let mut text = "reconfig".to_string();
            for (what, list) in [("joining", joining), ("leaving", leaving), ("members", members)] {
                if let Some(list) = list {
                    text.push_str(&format!(" {what}={list}"));
                }
            }
            if *version != -1 {
                text.push_str(&format!(" if {version:#x}"));
            }
            text
        }
    }
}

/// Which watches.
pub fn watch_kind(kind: WatchKind) -> &'static str {
    match kind {
        WatchKind::Children => "children",
        WatchKind::Data => "data",
        WatchKind::Any => "any",
        WatchKind::Persistent => "persistent",
        WatchKind::PersistentRecursive => "persistent recursive",
    }
}

/// An ACL as ZooKeeper's command line writes it: `world:anyone:cdrwa,digest:u:hash:r`.
pub fn acls(acl: &[Acl]) -> String {
    let letters = [(4, 'c'), (8, 'd'), (1, 'r'), (2, 'w'), (16, 'a')];
    let entry = |acl: &Acl| {
        let perms: String =
            letters.iter().filter(|(bit, _)| acl.perms & bit != 0).map(|(_, c)| c).collect();
        let part = |text: &Option<String>| text.as_deref().unwrap_or("null").to_string();
        format!("{}:{}:{perms}", part(&acl.id.scheme), part(&acl.id.id))
    };
    acl.iter().map(entry).collect::<Vec<_>>().join(",")
}

fn ops_of(ops: &[Op]) -> String {
    ops.iter().map(op).collect::<Vec<_>>().join(", ")
}

/// An answer.
pub fn result(result: &Result<Reply, ErrorCode>) -> String {
    match result {
        Ok(answer) => reply(answer),
        Err(code) => format!("{code:?}"),
    }
}

fn reply(reply_: &Reply) -> String {
    match reply_ {
        Reply::Done => "ok".to_string(),
        Reply::Created { path, .. } => format!("created {path}"),
        Reply::Stat(stat) => format!("v{}", stat.version),
        Reply::Data { data: bytes, stat } => {
            format!("{} v{}", data(bytes.as_deref()), stat.version)
        }
        Reply::Children { names, .. } => format!("[{}]", names.join(", ")),
        Reply::Synced { .. } => "synced".to_string(),
        Reply::Multi(parts) => {
            let part = |part: &Result<Reply, Option<ErrorCode>>| match part {
                Ok(answer) => reply(answer),
                Err(Some(code)) => format!("{code:?}"),
                Err(None) => "undone".to_string(),
            };
            format!("[{}]", parts.iter().map(part).collect::<Vec<_>>().join(", "))
        }
        Reply::Acl { acl, stat } => format!("{} av{}", acls(acl), stat.aversion),
        Reply::Ephemerals(paths) => format!("[{}]", paths.join(", ")),
        Reply::Count(number) => number.to_string(),
        Reply::Who(ids) => {
            let part = |text: &Option<String>| text.as_deref().unwrap_or("null").to_string();
            let who = |id: &Id| format!("{}:{}", part(&id.scheme), part(&id.id));
            format!("[{}]", ids.iter().map(who).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Why a peer stopped.
pub fn stop(why: &Stop) -> String {
    match why {
        Stop::Crash => "CRASHED".to_string(),
        Stop::Halt(why) => format!("HALTED: {why}"),
        Stop::Panic(why) => format!("PANICKED: {why}"),
    }
}

/// A call.
pub fn call(call: &Call) -> String {
    format!("{} asks {}: {} (#{})", call.client, call.server, op(&call.op), call.id.0)
}

/// Anything seen, with who did it in front.
pub fn seen(seen: &Seen) -> String {
    match seen {
        Seen::Starting { peer, incarnation, image, damaged } => {
            let damaged = if *damaged { ", damaged" } else { "" };
            let files = image.files.len();
            format!("{peer} starts, incarnation {incarnation}, {files} files{damaged}")
        }
        Seen::Refused { peer, reason, damaged } => {
            let must = if *damaged { " (must be replaced)" } else { "" };
            format!("{peer} refuses to start: {reason}{must}")
        }
        Seen::Stopped { peer, why } => format!("{peer} {}", stop(why)),
        Seen::Noted { peer, note: told } => format!("{peer} {}", note(told)),
        Seen::Probed { peer, probe } => format!(
            "{peer} is {} in {} e{} (accepted {}), logged {}, committed {}, applied {}{}",
            role(probe.role),
            phase(probe.phase),
            probe.epoch,
            probe.accepted,
            probe.logged,
            probe.committed,
            probe.applied,
            if probe.serving { ", serving" } else { "" },
        ),
        Seen::LinkUp { link, from, to, channel: which } => {
            format!("{from} -- {to} {link} up ({})", channel(*which))
        }
        Seen::LinkDown { link } => format!("{link} down"),
        Seen::Sent { from, to, tag: of, .. } => format!("{from} -> {to} {}", tag(of)),
        Seen::Received { from, to, tag: of, .. } => format!("{to} <- {from} {}", tag(of)),
        Seen::Wrote { peer, file, tag: of } => format!("{peer} writes {} to {file}", tag(of)),
        Seen::Synced { peer, device: which, ok: true } => {
            format!("{peer} synced {}", device(*which))
        }
        Seen::Synced { peer, device: which, ok: false } => {
            format!("{peer} failed to sync {}", device(*which))
        }
        Seen::Connecting { client, server, session, last_zxid_seen, .. } => {
            format!("{client} dials {server}, session {session}, has seen {last_zxid_seen}")
        }
        Seen::Connected { client, server, session, fresh, timeout_ms, .. } => {
            let how = if *fresh { "opened" } else { "renewed" };
            format!("{client} {how} session {session} at {server} for {timeout_ms}ms")
        }
        Seen::Disconnected { client, conn } => format!("{client} lost {conn}"),
        Seen::Expired { client, session } => format!("{client} hears: session {session} expired"),
        Seen::GaveUp { client, session } => format!("{client} gives up session {session}"),
        Seen::Heard { server, conn, .. } => format!("{server} reads bytes of {conn}"),
        Seen::Called(asked) => call(asked),
        Seen::Returned { id, zxid, result: answer } => {
            format!("#{} answered at {zxid}: {}", id.0, result(answer))
        }
        Seen::Lost { id } => format!("#{} lost: nobody knows", id.0),
        Seen::Watch { client, kind, path, zxid, .. } => {
            let zxid = zxid.map_or(String::new(), |zxid| format!(" at {zxid}"));
            format!("{client} sees {} {path}{zxid}", watch_event(*kind))
        }
        Seen::Finished { client } => format!("{client} finished"),
        Seen::Claimed { client, name, value, .. } => format!("{client} claims {name} {value}"),
        Seen::Complained { client, property, detail } => {
            format!("{client} complains of {property}: {detail}")
        }
        Seen::Fault { kind, what, .. } => format!("FAULT {kind}: {what}"),
        Seen::Calm { core, deadline } => {
            format!("CALM: {} must serve by {deadline}", peers(core))
        }
        Seen::End { .. } => "the end".to_string(),
    }
}

/// A watch event's type, as spec 1.8 spells it.
pub fn watch_event(kind: i32) -> &'static str {
    match kind {
        1 => "NodeCreated",
        2 => "NodeDeleted",
        3 => "NodeDataChanged",
        4 => "NodeChildrenChanged",
        _ => "an unknown event of",
    }
}
