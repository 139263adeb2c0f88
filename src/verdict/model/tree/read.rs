//! Reads, evaluated at any state that ever was (P3, P13).

use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::{Entry, Model, Node, Who, path, perm};

/// Each server writes this node for itself (spec 2.2): what it holds is not the log's business.
const CONFIG_PATH: &str = "/zookeeper/config";

impl Model {
    /// What the state at `view` answers to somebody of whom nothing is known; `None` if the model
    /// cannot say.
    pub(crate) fn read(&self, op: &Op, view: Zxid) -> Option<Result<Reply, ErrorCode>> {
        self.read_as((SessionId(0), Who::default()), op, view)
    }

    /// What the state at `view` answers; `None` if the model cannot say: of watches, which are a
    /// connection's, and of the auth packet, which is answered out of turn.
    pub(crate) fn read_as(
        &self,
        (session, who): (SessionId, Who),
        op: &Op,
        view: Zxid,
    ) -> Option<Result<Reply, ErrorCode>> {
        match op {
            Op::Exists { path, .. }
            | Op::GetData { path, .. }
            | Op::GetChildren { path, .. }
            | Op::GetAcl { path }
                if path == CONFIG_PATH && !self.knows_config =>
            {
                None
            }
            Op::Exists { path, .. } => Some(self.exists(path, who, view)),
            Op::GetData { path, .. } => Some(self.get_data(path, who, view)),
            Op::GetChildren { path, stat, .. } => Some(self.get_children(path, *stat, who, view)),
            Op::GetAcl { path } => Some(self.get_acl(path, who, view)),
            Op::GetAllChildrenNumber { path } => Some(self.count_below(path, who, view)),
            Op::GetEphemerals { prefix } => {
                Some(Ok(Reply::Ephemerals(self.ephemerals(session, prefix, view))))
            }
            Op::WhoAmI => Some(Ok(Reply::Who(self.shown_ids(who)))),
            Op::MultiRead(parts) => self.multi_read(parts, (session, who), view),
            Op::Sync { path } => Some(Ok(Reply::Synced { path: path.clone() })),
            // No existence, no permission and no validity is asked for (spec 1.13).
            Op::Ping | Op::SetWatches { .. } | Op::SetWatches2 { .. } | Op::AddWatch { .. } => {
                Some(Ok(Reply::Done))
            }
            Op::CheckWatches { .. }
            | Op::RemoveWatches { .. }
            | Op::AddAuth { .. }
            | Op::Create { .. }
            | Op::CreateContainer { .. }
            | Op::CreateTtl { .. }
            | Op::DeleteContainer { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::SetAcl { .. }
            | Op::Reconfig { .. }
            | Op::Check { .. }
            | Op::Multi(_)
            | Op::CreateSession { .. }
            | Op::CloseSession => None,
        }
    }

    fn exists(&self, path: &str, who: Who, view: Zxid) -> Result<Reply, ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        self.readable(path, who, view).map(|(_, node)| Reply::Stat(node.stat()))
    }

    fn get_data(&self, path: &str, who: Who, view: Zxid) -> Result<Reply, ErrorCode> {
        let (_, node) = self.readable(path, who, view)?;
        Ok(Reply::Data { data: node.bytes(), stat: node.stat() })
    }

    fn get_children(
        &self,
        path: &str,
        stat: bool,
        who: Who,
        view: Zxid,
    ) -> Result<Reply, ErrorCode> {
        let (entry, node) = self.readable(path, who, view)?;
        let stat = stat.then(|| node.stat());
        Ok(Reply::Children { names: self.names(entry, view), stat })
    }

    /// Who may read or administer the node may see its ACL (spec 2.5).
    fn get_acl(&self, path: &str, who: Who, view: Zxid) -> Result<Reply, ErrorCode> {
        let node = self.look(path).and_then(|entry| entry.at(view)).ok_or(ErrorCode::NoNode)?;
        self.allowed(node, perm::READ | perm::ADMIN, who)?;
        Ok(Reply::Acl { acl: self.shown(node, who), stat: node.stat() })
    }

    /// All nodes below, the built-in ones too, without the node itself (spec 1.14).
    fn count_below(&self, path: &str, who: Who, view: Zxid) -> Result<Reply, ErrorCode> {
        self.readable(path, who, view)?;
        let below =
            |entry: &&Arc<Entry>| *entry.path != *path && path::is_within(&entry.path, path);
        let there = self.entries.iter().filter(below).filter(|entry| entry.at(view).is_some());
        Ok(Reply::Count(there.count() as i32))
    }

    /// The session's own, by the beginning of their text (spec 1.14; spec 9, case 46).
    fn ephemerals(&self, session: SessionId, prefix: &str, view: Zxid) -> Vec<String> {
        let prefix = if prefix.trim().is_empty() { "/" } else { prefix };
        let own = |entry: &&Arc<Entry>| {
            entry.at(view).is_some_and(|node| node.owner == session.0) && session.0 != 0
        };
        let mut paths: Vec<String> = (self.entries.iter().filter(own))
            .map(|entry| entry.path.to_string())
            .filter(|path| path.starts_with(prefix))
            .collect();
        paths.sort();
        paths
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
    fn multi_read(
        &self,
        parts: &[Op],
        asker: (SessionId, Who),
        view: Zxid,
    ) -> Option<Result<Reply, ErrorCode>> {
        let mut results = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Op::GetData { .. } | Op::GetChildren { .. } => {
                    results.push(self.read_as(asker, part, view)?.map_err(Some));
                }
                _ => return Some(Err(ErrorCode::MarshallingError)),
            }
        }
        Some(Ok(Reply::Multi(results)))
    }

    /// Missing comes before forbidden (spec 2.5).
    fn readable(&self, path: &str, who: Who, view: Zxid) -> Result<(&Entry, &Node), ErrorCode> {
        let entry = self.look(path).ok_or(ErrorCode::NoNode)?;
        let node = entry.at(view).ok_or(ErrorCode::NoNode)?;
        self.allowed(node, perm::READ, who)?;
        Ok((entry, node))
    }

    /// Whether an answer is the expected one, but for what no specification fixes: when a server
    /// wrote its config down, and the order of identities and of ephemerals.
    pub(crate) fn agrees(
        op: &Op,
        expected: &Result<Reply, ErrorCode>,
        got: &Result<Reply, ErrorCode>,
    ) -> bool {
        match (op, expected, got) {
            (_, Ok(Reply::Ephemerals(all)), Ok(Reply::Ephemerals(told))) => same_names(all, told),
            (
                _,
                Ok(Reply::Children { names: all, stat }),
                Ok(Reply::Children { names: told, stat: shown }),
            ) => same_names(all, told) && stat == shown,
            (_, Ok(Reply::Who(all)), Ok(Reply::Who(told))) => {
                all.len() == told.len() && all.iter().all(|id| told.contains(id))
            }
            (Op::MultiRead(ops), Ok(Reply::Multi(all)), Ok(Reply::Multi(told))) => {
                let agrees = |(op, (expected, got)): (&Op, (&Part, &Part))| match (expected, got) {
                    (Ok(expected), Ok(got)) => {
                        Model::agrees(op, &Ok(expected.clone()), &Ok(got.clone()))
                    }
                    _ => expected == got,
                };
                all.len() == told.len() && ops.iter().zip(all.iter().zip(told)).all(agrees)
            }
            (
                Op::Exists { path, .. }
                | Op::GetData { path, .. }
                | Op::GetChildren { path, .. }
                | Op::GetAcl { path },
                Ok(expected),
                Ok(got),
            ) if path == CONFIG_PATH => timeless(expected) == timeless(got),
            (Op::Reconfig { .. }, Ok(expected), Ok(got)) => timeless(expected) == timeless(got),
            _ => expected == got,
        }
    }
}

/// Whether these are the same names: their order is not specified (spec 1.14).
pub(crate) fn same_names(one: &[String], other: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    one == other || (one.len() == other.len() && sorted(one) == sorted(other))
}

/// One result of a multiRead.
type Part = Result<Reply, Option<ErrorCode>>;

/// A reply without the mtime of its stat.
fn timeless(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    if let Reply::Stat(stat)
    | Reply::Data { stat, .. }
    | Reply::Acl { stat, .. }
    | Reply::Children { stat: Some(stat), .. } = &mut reply
    {
        stat.mtime = 0;
    }
    reply
}
