//! Reads, evaluated at any state that ever was (P3, P13).

use crate::base::Zxid;
use crate::znode::op::{ErrorCode, Op, Reply};

use super::{Entry, Model, Node, perm};

/// Each server writes this node for itself (spec 2.2): what it holds is not the log's business.
const CONFIG: &str = "/zookeeper/config";

impl Model {
    /// What the state at `view` answers; `None` if the model cannot say.
    pub(crate) fn read(&self, op: &Op, view: Zxid) -> Option<Result<Reply, ErrorCode>> {
        match op {
            Op::Exists { path, .. } | Op::GetData { path, .. } if path == CONFIG => None,
            Op::GetChildren { path, .. } if path == CONFIG => None,
            Op::Exists { path, .. } => Some(self.exists(path, view)),
            Op::GetData { path, .. } => Some(self.get_data(path, view)),
            Op::GetChildren { path, stat, .. } => Some(self.get_children(path, *stat, view)),
            Op::MultiRead(parts) => self.multi_read(parts, view),
            Op::Sync { path } => Some(Ok(Reply::Synced { path: path.clone() })),
            Op::Ping | Op::SetWatches { .. } => Some(Ok(Reply::Done)),
            Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
            | Op::Multi(_)
            | Op::CreateSession { .. }
            | Op::CloseSession
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
            | Op::GetEphemerals { .. }
            | Op::GetAllChildrenNumber { .. }
            | Op::WhoAmI
            | Op::Reconfig { .. } => None,
        }
    }

    fn exists(&self, path: &str, view: Zxid) -> Result<Reply, ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        self.readable(path, view).map(|(_, node)| Reply::Stat(node.stat()))
    }

    fn get_data(&self, path: &str, view: Zxid) -> Result<Reply, ErrorCode> {
        let (_, node) = self.readable(path, view)?;
        Ok(Reply::Data { data: node.bytes(), stat: node.stat() })
    }

    fn get_children(&self, path: &str, stat: bool, view: Zxid) -> Result<Reply, ErrorCode> {
        let (entry, node) = self.readable(path, view)?;
        let stat = stat.then(|| node.stat());
        Ok(Reply::Children { names: self.names(entry, view), stat })
    }

    /// The children at `view`: the newest ones, with later changes taken back.
    fn names(&self, entry: &Entry, view: Zxid) -> Vec<String> {
        let later = entry.child_log.partition_point(|change| change.zxid <= view);
        if later == entry.child_log.len() {
            return entry.children.keys().map(|name| String::from(&**name)).collect();
        }
        let mut children = entry.children.clone();
        for change in entry.child_log[later..].iter().rev() {
            let name = self.entries[change.child as usize].name();
            if change.added {
                children.remove(&name);
            } else {
                children.insert(name, change.child);
            }
        }
        children.keys().map(|name| String::from(&**name)).collect()
    }

    /// Only getData and getChildren are allowed; each has its own result (spec 1.11).
    fn multi_read(&self, parts: &[Op], view: Zxid) -> Option<Result<Reply, ErrorCode>> {
        let mut results = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Op::GetData { .. } | Op::GetChildren { .. } => {
                    results.push(self.read(part, view)?.map_err(Some));
                }
                _ => return Some(Err(ErrorCode::MarshallingError)),
            }
        }
        Some(Ok(Reply::Multi(results)))
    }

    /// Missing comes before forbidden (spec 2.5).
    fn readable(&self, path: &str, view: Zxid) -> Result<(&Entry, &Node), ErrorCode> {
        let entry = self.look(path).ok_or(ErrorCode::NoNode)?;
        let node = entry.at(view).ok_or(ErrorCode::NoNode)?;
        if node.perms & perm::READ == 0 { Err(ErrorCode::NoAuth) } else { Ok((entry, node)) }
    }
}
