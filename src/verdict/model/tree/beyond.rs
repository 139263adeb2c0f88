//! What only this model knows of the service: whoever judges histories without it must say so.

use crate::jute::proto::{Acl, Id};
use crate::znode::op::Op;

/// Whether judging the operation takes permissions, containers, times to live, quotas, watches that
/// outlive their events, identities or the config: all that the sweep does not know.
pub(crate) fn is_beyond(op: &Op) -> bool {
    match op {
        Op::Create { path, acl, .. } => !is_worlds(acl) || in_quota(path),
        Op::SetData { path, .. } | Op::Delete { path, .. } => in_quota(path),
        Op::Multi(parts) | Op::MultiRead(parts) => parts.iter().any(is_beyond),
        Op::CreateContainer { .. }
        | Op::CreateTtl { .. }
        | Op::DeleteContainer { .. }
        | Op::SetAcl { .. }
        | Op::GetAcl { .. }
        | Op::AddAuth { .. }
        | Op::AddWatch { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. }
        | Op::GetEphemerals { .. }
        | Op::GetAllChildrenNumber { .. }
        | Op::WhoAmI
        | Op::Reconfig { .. } => true,
        Op::Exists { .. }
        | Op::GetData { .. }
        | Op::GetChildren { .. }
        | Op::Check { .. }
        | Op::Sync { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession => false,
    }
}

/// Whether judging the operation takes quotas or the config: what servers do about these, at times
/// of their own, is no part of a tree without a past, which a search asks.
pub(crate) fn is_unsearched(op: &Op) -> bool {
    op.parts().iter().any(|part| match part {
        Op::Create { path, .. }
        | Op::CreateContainer { path, .. }
        | Op::CreateTtl { path, .. }
        | Op::SetData { path, .. }
        | Op::Delete { path, .. } => in_quota(path),
        other => matches!(other, Op::Reconfig { .. }),
    })
}

/// An ACL that says the same to everybody, or none at all.
fn is_worlds(acl: &[Acl]) -> bool {
    let is_world =
        |id: &Id| (id.scheme.as_deref(), id.id.as_deref()) == (Some("world"), Some("anyone"));
    acl.iter().all(|entry| is_world(&entry.id))
}

fn in_quota(path: &str) -> bool {
    path.starts_with("/zookeeper/quota/")
}
