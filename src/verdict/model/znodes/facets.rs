//! What an operation on znodes touches (checker notes, 4c).
//!
//! A znode is four things: that it exists, its data with the version, its list of children, and the
//! counter of creates under it, which names sequential children. A Stat shows the last two, too, as
//! cversion and numChildren. Besides there are, of each session, that it is open, and what it owns.
//! Who may do what with a node is part of that it exists: whoever sees the one depends on the
//! other, and hardly any history has a setACL that would tell them apart.
//!
//! What an operation sees is what decides its answer, or what it does elsewhere, in any state:
//! rather too much than too little. A node that its session owns can go at any time between, so
//! whoever makes one stays together with the end of its session.

use crate::base::SessionId;
use crate::verdict::model::tree::is_unsearched;
use crate::verdict::model::{Touched, mix, mix_text};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply};

/// The facets of a path, added to its hash; large and odd, so that they do not meet.
const EXISTS: u64 = 0x9E37_79B9_7F4A_7C15;
const DATA: u64 = 0xBF58_476D_1CE4_E5B9;
const CHILDREN: u64 = 0x94D0_49BB_1331_11EB;
const COUNTER: u64 = 0xD6E8_FEB8_6659_FD93;

/// Tags of what belongs to a session.
const OPEN: u64 = 15;
const OWNS: u64 = 16;

type Told<'a> = Option<&'a Result<Reply, ErrorCode>>;

/// What this operation with this answer touches.
pub(super) fn touches(op: &super::Op, told: Told<'_>, parts: &mut Touched) {
    let super::Op { session, op, .. } = op;
    if is_unsearched(op) || sees_all(op, told) {
        return parts.clear();
    }
    parts.see(mix(OPEN, session.0 as u64) as u64);
    let effect = match told {
        None => true,
        Some(Ok(Reply::Multi(results))) => results.iter().all(Result::is_ok) && op.is_write(),
        Some(Ok(_)) => op.is_write(),
        Some(Err(_)) => false,
    };
    match (op, told) {
        (Op::Multi(all) | Op::MultiRead(all), Some(Ok(Reply::Multi(results)))) => {
            for (part, result) in all.iter().zip(results) {
                one(*session, part, result.as_ref().ok(), effect, parts);
            }
        }
        (Op::Multi(all) | Op::MultiRead(all), _) => {
            all.iter().for_each(|part| one(*session, part, None, effect, parts));
        }
        (op, Some(Ok(reply))) => one(*session, op, Some(reply), effect, parts),
        (op, Some(Err(_)) | None) => one(*session, op, None, effect, parts),
    }
}

/// Whether its answer depends on nodes that it does not name. Quotas are everybody's, too.
fn sees_all(op: &Op, told: Told<'_>) -> bool {
    match op {
        Op::GetAllChildrenNumber { .. } => !matches!(told, Some(Err(_))),
        Op::GetEphemerals { .. } => true,
        Op::Create { .. }
        | Op::Delete { .. }
        | Op::SetData { .. }
        | Op::Check { .. }
        | Op::Exists { .. }
        | Op::GetData { .. }
        | Op::GetChildren { .. }
        | Op::CloseSession
        | Op::Multi(_)
        | Op::MultiRead(_)
        | Op::Sync { .. }
        | Op::CreateContainer { .. }
        | Op::CreateTtl { .. }
        | Op::DeleteContainer { .. }
        | Op::SetAcl { .. }
        | Op::GetAcl { .. }
        | Op::AddAuth { .. }
        | Op::AddWatch { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. }
        | Op::WhoAmI
        | Op::Reconfig { .. }
        | Op::Ping
        | Op::SetWatches { .. }
        | Op::CreateSession { .. } => false,
    }
}

/// One operation, or part of a multi: with its reply, if it succeeded and that is known, and
/// whether it may have an effect.
fn one(session: SessionId, op: &Op, reply: Option<&Reply>, effect: bool, parts: &mut Touched) {
    match op {
        Op::Create { path, mode, .. } => create(session, path, *mode, reply, effect, parts),
        Op::CreateContainer { path, .. } => {
            create(session, path, CreateMode::Persistent, reply, effect, parts);
        }
        Op::CreateTtl { path, sequential, .. } => {
            let sequential = *sequential;
            let mode =
                if sequential { CreateMode::PersistentSequential } else { CreateMode::Persistent };
            create(session, path, mode, reply, effect, parts);
        }
        Op::Delete { path, version } => delete(path, *version, effect, parts),
        Op::DeleteContainer { path } => delete(path, -1, effect, parts),
        Op::SetAcl { path, .. } => {
            let node = key(path);
            see(parts, &[EXISTS], node);
            if reply.is_some() {
                see(parts, &[DATA, CHILDREN, COUNTER], node);
            }
            if effect {
                change(parts, &[EXISTS], node);
            }
        }
        Op::SetData { path, version, .. } => {
            let node = key(path);
            see(parts, &[EXISTS], node);
            if reply.is_some() {
                see(parts, &[DATA, CHILDREN, COUNTER], node);
            } else {
                see_version(parts, node, *version);
            }
            if effect {
                change(parts, &[DATA], node);
            }
        }
        Op::Check { path, version } => {
            see(parts, &[EXISTS], key(path));
            see_version(parts, key(path), *version);
        }
        Op::Exists { path, .. } | Op::GetData { path, .. } | Op::GetAcl { path } => {
            let node = key(path);
            see(parts, &[EXISTS], node);
            if reply.is_some() {
                see(parts, &[DATA, CHILDREN, COUNTER], node);
            }
        }
        Op::GetChildren { path, stat, .. } => {
            let node = key(path);
            see(parts, &[EXISTS], node);
            if reply.is_some() {
                see(parts, &[CHILDREN], node);
                if *stat {
                    see(parts, &[DATA, COUNTER], node);
                }
            }
        }
        Op::GetAllChildrenNumber { path } => see(parts, &[EXISTS], key(path)),
        Op::CloseSession => {
            parts.see(mix(OWNS, session.0 as u64) as u64);
            if effect {
                parts.change_unnamed();
                parts.make(mix(OPEN, session.0 as u64) as u64);
            }
        }
        // Without a say in the tree, or never a part of a multi.
        Op::Multi(_)
        | Op::MultiRead(_)
        | Op::Sync { .. }
        | Op::AddAuth { .. }
        | Op::AddWatch { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. }
        | Op::GetEphemerals { .. }
        | Op::WhoAmI
        | Op::Reconfig { .. }
        | Op::Ping
        | Op::SetWatches { .. }
        | Op::CreateSession { .. } => {}
    }
}

fn delete(path: &str, version: i32, effect: bool, parts: &mut Touched) {
    let (node, above) = (key(path), key(parent(path)));
    see(parts, &[EXISTS], above);
    see(parts, &[EXISTS, CHILDREN], node);
    see_version(parts, node, version);
    if effect {
        change(parts, &[EXISTS, DATA, CHILDREN, COUNTER], node);
        change(parts, &[CHILDREN], above);
    }
}

fn create(
    session: SessionId,
    path: &str,
    mode: CreateMode,
    reply: Option<&Reply>,
    effect: bool,
    parts: &mut Touched,
) {
    let above = key(parent(path));
    see(parts, &[EXISTS], above);
    let node = if mode.is_sequential() {
        see(parts, &[COUNTER], above);
        match reply {
            Some(Reply::Created { path, .. }) => family(path),
            // Whatever it was called: the last part of the name does not matter.
            Some(_) | None => path,
        }
    } else {
        family(path)
    };
    let node = mix_text(0, node) as u64;
    see(parts, &[EXISTS], node);
    if !effect {
        return;
    }
    let lasts = !mode.is_ephemeral() && !mode.is_sequential();
    for facet in [EXISTS, DATA, CHILDREN, COUNTER] {
        let facet = node.wrapping_add(facet);
        if lasts { parts.make(facet) } else { parts.change(facet) }
    }
    change(parts, &[CHILDREN, COUNTER], above);
    if mode.is_ephemeral() {
        parts.change(mix(OWNS, session.0 as u64) as u64);
    }
}

fn see(parts: &mut Touched, facets: &[u64], node: u64) {
    facets.iter().for_each(|facet| parts.see(node.wrapping_add(*facet)));
}

fn see_version(parts: &mut Touched, node: u64, version: i32) {
    if version != -1 {
        see(parts, &[DATA], node);
    }
}

fn change(parts: &mut Touched, facets: &[u64], node: u64) {
    facets.iter().for_each(|facet| parts.change(node.wrapping_add(*facet)));
}

/// What stands for a path.
fn key(path: &str) -> u64 {
    mix_text(0, family(path)) as u64
}

/// What a path has in common with all that sequential creates could have called like it: nobody
/// knows what a lost one was called. It is the path without the ten characters of a counter.
fn family(path: &str) -> &str {
    let Some(at) = path.len().checked_sub(10).filter(|at| path.is_char_boundary(*at)) else {
        return path;
    };
    let (before, counter) = path.split_at(at);
    let digits = counter.strip_prefix('-').unwrap_or(counter);
    let is_counter = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_counter && before.contains('/') { before } else { path }
}

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_at_the_end_is_no_part_of_a_family() {
        for (path, name) in [
            ("/a/q-0000000012", "/a/q-"),
            ("/a/0000000012", "/a/"),
            ("/a/q--000000001", "/a/q-"),
            ("/a/q-00000012", "/a/q-00000012"),
            ("/a", "/a"),
            ("/ä123456789", "/ä123456789"),
        ] {
            assert_eq!(family(path), name);
        }
    }
}
