//! The leader's single-threaded preparation: a request becomes a transaction with absolute
//! results, judged against the tree plus everything prepared but not yet applied (spec 5.2).
//!
//! The first check that fails decides the error, in the order of spec 2.5. A failed write becomes
//! an error transaction and takes its zxid like any other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::sync::Arc;

use crate::base::{SessionId, WallMs, Zxid};
use crate::jute::proto::{Acl, opcode};
use crate::jute::txn::{
    CheckTxn, CloseSessionTxn, CreateSessionTxn, CreateTxn, DeleteTxn, ErrorTxn, MultiTxn,
    SetDataTxn, SubTxn, Txn, TxnHeader, TxnRecord,
};

use super::node::Shape;
use super::op::{CreateMode, ErrorCode, Op};
use super::path;
use super::rules::{Rules, decide};
use super::tree::{Tree, new_stat};

/// A request on its way to becoming a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// By which session.
    pub session: SessionId,
    /// Under which xid.
    pub cxid: i32,
    /// What. `Err` if its body could not be decoded: it becomes an error transaction.
    pub op: Result<Op, ErrorCode>,
}

/// Pending change records.
#[derive(Clone, Debug)]
pub struct Prepare {
    rules: Rules,
    /// How often `rules` answered otherwise than the right ones.
    differed: u64,
    /// What each node will be; `None` if it will be gone.
    changes: BTreeMap<Arc<str>, Change>,
    /// The keys of `changes` by zxid, ascending; keys of overwritten records are among them.
    order: VecDeque<(Zxid, Arc<str>)>,
    /// Sessions that will be created (true) or closed (false).
    sessions: BTreeMap<SessionId, (Zxid, bool)>,
    /// The digest of the tree once everything prepared is applied; the tree's own at first.
    digest: Option<u64>,
    /// What a multi has displaced so far, to be put back if it fails.
    displaced: Vec<(Arc<str>, Option<Change>)>,
}

#[derive(Clone, Debug)]
struct Change {
    zxid: Zxid,
    node: Option<Shape>,
}

/// What all checks of one request need.
struct Asked<'a> {
    tree: &'a Tree,
    header: TxnHeader,
    zxid: Zxid,
}

impl Prepare {
    /// Nothing pending.
    pub fn new(rules: Rules) -> Prepare {
        Prepare {
            rules,
            differed: 0,
            changes: BTreeMap::new(),
            order: VecDeque::new(),
            sessions: BTreeMap::new(),
            digest: None,
            displaced: Vec::new(),
        }
    }

    /// How often the rules answered otherwise than the right ones, since it was asked last.
    pub fn differed(&mut self) -> u64 {
        mem::take(&mut self.differed)
    }

    /// The transaction that this write becomes: its own, or an error transaction. It carries the
    /// expected digest of the tree after it (spec 7.5); error transactions carry none (spec 7.1).
    pub fn prepare(
        &mut self,
        tree: &Tree,
        request: &Request,
        zxid: Zxid,
        wall: WallMs,
    ) -> TxnRecord {
        self.digest.get_or_insert_with(|| tree.digest());
        let mut header = TxnHeader {
            client: request.session.0,
            cxid: request.cxid,
            zxid: zxid.wire(),
            time: wall.0,
            kind: opcode::ERROR,
        };
        let asked = Asked { tree, header: header.clone(), zxid };
        let prepared = match &request.op {
            Ok(op) => self.judge(&asked, op),
            Err(code) => Err(*code),
        };
        self.displaced.clear();
        let txn = prepared.unwrap_or_else(|code| Txn::Error(ErrorTxn { err: code.wire() }));
        header.kind = txn.kind();
        let digest = if header.kind == opcode::ERROR { None } else { self.digest };
        TxnRecord { header, txn, digest }
    }

    /// Everything up to `zxid` is applied to the tree: drops its records.
    pub fn applied(&mut self, zxid: Zxid) {
        while let Some((at, path)) = self.order.front()
            && *at <= zxid
        {
            // Unless a later transaction has overwritten the record.
            if self.changes.get(path).is_some_and(|change| change.zxid <= zxid) {
                self.changes.remove(path);
            }
            self.order.pop_front();
        }
        self.sessions.retain(|_, (at, _)| *at > zxid);
    }

    /// Leadership starts: what another term prepared is not pending any more.
    pub fn reset(&mut self) {
        *self = Prepare { differed: self.differed, ..Prepare::new(self.rules) };
    }

    fn judge(&mut self, asked: &Asked<'_>, op: &Op) -> Result<Txn, ErrorCode> {
        let session = SessionId(asked.header.client);
        match op {
            Op::CreateSession { timeout } => {
                self.sessions.insert(session, (asked.zxid, true));
                Ok(Txn::CreateSession(CreateSessionTxn { timeout: *timeout }))
            }
            Op::CloseSession => Ok(Txn::CloseSession(self.close(asked, session))),
            Op::Multi(parts) => {
                self.refuse_closed(session)?;
                self.multi(asked, parts)
            }
            Op::Create { .. } | Op::Delete { .. } | Op::SetData { .. } => {
                self.refuse_closed(session)?;
                self.change(asked, op)
            }
            // Not a write, or not one at this place: the door has refused it (spec 1.5).
            Op::Check { .. }
            | Op::Exists { .. }
            | Op::GetData { .. }
            | Op::GetChildren { .. }
            | Op::Sync { .. }
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping
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
            | Op::Reconfig { .. } => Err(ErrorCode::Unimplemented),
        }
    }

    /// Once a session's end is prepared, nothing may follow it: an ephemeral created now would
    /// never be deleted (ZOOKEEPER-1208, ZOOKEEPER-1496).
    fn refuse_closed(&mut self, session: SessionId) -> Result<(), ErrorCode> {
        if self.is_closing(session) { Err(ErrorCode::SessionExpired) } else { Ok(()) }
    }

    fn is_closing(&mut self, session: SessionId) -> bool {
        let closing = matches!(self.sessions.get(&session), Some((_, false)));
        closing && decide!(self.rules, self.differed, refuses_closing())
    }

    /// One change, on its own or within a multi.
    fn change(&mut self, asked: &Asked<'_>, op: &Op) -> Result<Txn, ErrorCode> {
        match op {
            Op::Create { path, data, acl, mode, stat } => {
                let txn = self.create(asked, path, data.as_deref(), acl, *mode)?;
                Ok(if *stat { Txn::Create2(txn) } else { Txn::Create(txn) })
            }
            Op::Delete { path, version } => self.delete(asked, path, *version),
            Op::SetData { path, data, version } => {
                self.set_data(asked, path, data.as_deref(), *version)
            }
            Op::Check { path, version } => {
                let (node, _) = self.judged(asked, path)?;
                check_version(node.stat.version, *version)?;
                Ok(Txn::Check(CheckTxn { path: path.clone(), version: node.stat.version }))
            }
            Op::Exists { .. }
            | Op::GetData { .. }
            | Op::GetChildren { .. }
            | Op::Sync { .. }
            | Op::Multi(_)
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping
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
            | Op::Reconfig { .. } => Err(ErrorCode::MarshallingError),
        }
    }

    /// All or nothing. A failed multi is a transaction too: the parts before the failing one keep
    /// their records, the failing one has its code, the others -2; and nothing of it stays pending
    /// (spec 1.10, spec 9 cases 29 and 48).
    fn multi(&mut self, asked: &Asked<'_>, parts: &[Op]) -> Result<Txn, ErrorCode> {
        let (order, digest) = (self.order.len(), self.digest);
        let mut txns = Vec::with_capacity(parts.len());
        let mut failed = false;
        for part in parts {
            let txn = if failed {
                Err(ErrorCode::RuntimeInconsistency)
            } else {
                self.change(asked, part)
            };
            failed |= txn.is_err();
            let txn = txn.unwrap_or_else(|code| Txn::Error(ErrorTxn { err: code.wire() }));
            let mut data = Vec::with_capacity(64);
            txn.encode(&mut data);
            txns.push(SubTxn { kind: txn.kind(), data: Some(data) });
        }
        if failed {
            for (path, before) in mem::take(&mut self.displaced).into_iter().rev() {
                match before {
                    Some(change) => self.changes.insert(path, change),
                    None => self.changes.remove(&path),
                };
            }
            self.order.truncate(order);
            self.digest = digest;
        }
        Ok(Txn::Multi(MultiTxn { parts: txns }))
    }

    fn create(
        &mut self,
        asked: &Asked<'_>,
        wanted: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
    ) -> Result<CreateTxn, ErrorCode> {
        if mode.is_ephemeral() && !self.is_alive(asked) {
            return Err(ErrorCode::SessionExpired);
        }
        let (parent_path, _) = path::split(wanted).ok_or(ErrorCode::BadArguments)?;
        if wanted.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let acl = normalised(acl)?;
        let parent = self.look(asked, parent_path).ok_or(ErrorCode::NoNode)?;
        refuse_config(parent_path)?;
        let creates = parent.stat.cversion;
        let path = if mode.is_sequential() {
            // Signed, ten wide: it wraps to negative text (spec 2.3).
            let number = decide!(self.rules, self.differed, sequence(creates, parent.children));
            format!("{wanted}{number:010}")
        } else {
            wanted.to_owned()
        };
        if !path::is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.look(asked, &path).is_some() {
            return Err(ErrorCode::NodeExists);
        }
        if parent.stat.ephemeral_owner != 0 {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let parent_cversion = creates.wrapping_add(1);
        let mut grown = parent.clone();
        grown.children = grown.children.saturating_add(1);
        grown.restat(|stat| {
            stat.cversion = parent_cversion;
            stat.pzxid = asked.header.zxid;
        });
        let ephemeral = mode.is_ephemeral();
        let node = Shape::new(&path, data, new_stat(&asked.header, ephemeral));
        self.put(asked, parent_path, Some(&parent), Some(grown));
        self.put(asked, &path, None, Some(node));
        let data = data.map(<[u8]>::to_vec);
        Ok(CreateTxn { path, data, acl, ephemeral, parent_cversion })
    }

    /// The version is checked before emptiness (spec 9, case 31).
    fn delete(&mut self, asked: &Asked<'_>, path: &str, version: i32) -> Result<Txn, ErrorCode> {
        let (parent, _) = path::split(path).ok_or(ErrorCode::BadArguments)?;
        if path::is_built_in(path) || path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        self.look(asked, parent).ok_or(ErrorCode::NoNode)?;
        let node = self.look(asked, path).ok_or(ErrorCode::NoNode)?;
        check_version(node.stat.version, version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(asked, path);
        Ok(Txn::Delete(DeleteTxn { path: path.to_owned() }))
    }

    fn set_data(
        &mut self,
        asked: &Asked<'_>,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
    ) -> Result<Txn, ErrorCode> {
        let (before, mut node) = self.judged(asked, path)?;
        refuse_config(path)?;
        check_version(before.stat.version, version)?;
        let version = next_version(before.stat.version);
        node.set_data(path, data);
        node.restat(|stat| {
            stat.mzxid = asked.header.zxid;
            stat.mtime = asked.header.time;
            stat.version = version;
        });
        self.put(asked, path, Some(&before), Some(node));
        let data = data.map(<[u8]>::to_vec);
        Ok(Txn::SetData(SetDataTxn { path: path.to_owned(), data, version }))
    }

    /// The session's ephemerals as they will be once everything prepared is applied: applied ones,
    /// plus pending creates, minus pending deletes (spec 3.4; spec 9, case 13).
    fn close(&mut self, asked: &Asked<'_>, session: SessionId) -> CloseSessionTxn {
        let mut paths: BTreeSet<Arc<str>> = asked.tree.owned(session).cloned().collect();
        for (path, change) in &self.changes {
            match &change.node {
                Some(node) if node.stat.ephemeral_owner == session.0 && session.0 != 0 => {
                    if paths.contains(path) || decide!(self.rules, self.differed, closes_pending())
                    {
                        paths.insert(path.clone());
                    }
                }
                // Gone, or another session's by then.
                Some(_) | None => {
                    paths.remove(path);
                }
            }
        }
        for path in &paths {
            self.remove(asked, path);
        }
        self.sessions.insert(session, (asked.zxid, false));
        CloseSessionTxn { paths: paths.iter().map(|path| path.to_string()).collect() }
    }

    /// Whether the session will exist: an ephemeral of any other would outlive its owner.
    fn is_alive(&mut self, asked: &Asked<'_>) -> bool {
        let session = SessionId(asked.header.client);
        let opening = matches!(self.sessions.get(&session), Some((_, true)));
        opening || (!self.is_closing(session) && asked.tree.session(session).is_some())
    }

    /// The node as it will be, or as it is.
    fn look(&self, asked: &Asked<'_>, path: &str) -> Option<Shape> {
        match self.changes.get(path) {
            Some(change) => change.node.clone(),
            None => asked.tree.shape(path),
        }
    }

    /// The node of a valid path, twice: as it was, and to be changed.
    fn judged(&self, asked: &Asked<'_>, path: &str) -> Result<(Shape, Shape), ErrorCode> {
        if !path::is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.look(asked, path).ok_or(ErrorCode::NoNode)?;
        Ok((node.clone(), node))
    }

    /// Removes a node, and one from its parent's children.
    fn remove(&mut self, asked: &Asked<'_>, path: &str) {
        if let Some((parent, _)) = path::split(path)
            && let Some(before) = self.look(asked, parent)
        {
            let mut shrunk = before.clone();
            shrunk.children = shrunk.children.saturating_sub(1);
            shrunk.restat(|stat| stat.pzxid = stat.pzxid.max(asked.header.zxid));
            self.put(asked, parent, Some(&before), Some(shrunk));
        }
        let node = self.look(asked, path);
        self.put(asked, path, node.as_ref(), None);
    }

    fn put(&mut self, asked: &Asked<'_>, path: &str, old: Option<&Shape>, new: Option<Shape>) {
        let sum = |shape: Option<&Shape>| shape.map_or(0, |shape| u64::from(shape.sum()));
        let digest = self.digest.unwrap_or_default();
        self.digest = Some(digest.wrapping_sub(sum(old)).wrapping_add(sum(new.as_ref())));
        let path: Arc<str> = path.into();
        self.order.push_back((asked.zxid, path.clone()));
        let change = Change { zxid: asked.zxid, node: new };
        let before = self.changes.insert(path.clone(), change);
        self.displaced.push((path, before));
    }
}

/// -1 is any version; no other number is (spec 9, case 34).
fn check_version(current: i32, wanted: i32) -> Result<(), ErrorCode> {
    if wanted == -1 || wanted == current { Ok(()) } else { Err(ErrorCode::BadVersion) }
}

/// Versions wrap, and skip the -1 that would mean any version (spec 2.3).
fn next_version(version: i32) -> i32 {
    match version.wrapping_add(1) {
        -1 => 0,
        next => next,
    }
}

/// The one node whose ACL lets nobody write (spec 2.2).
fn refuse_config(path: &str) -> Result<(), ErrorCode> {
    if path == path::CONFIG { Err(ErrorCode::NoAuth) } else { Ok(()) }
}

/// The ACL to store: without duplicates, the first of which stays. Identities of connections do
/// not get here, so that `auth:` never has any to stand for (spec 2.5; spec 9, case 39).
fn normalised(acl: &[Acl]) -> Result<Vec<Acl>, ErrorCode> {
    let mut kept: Vec<Acl> = Vec::with_capacity(acl.len());
    for entry in acl {
        let scheme = entry.id.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
        let id = entry.id.id.as_deref().ok_or(ErrorCode::MarshallingError)?;
        let valid = match scheme {
            "world" => id == "anyone",
            "digest" => id.split(':').count() == 2,
            "ip" => !id.is_empty(),
            _ => false,
        };
        if !valid {
            return Err(ErrorCode::InvalidAcl);
        }
        if !kept.contains(entry) {
            kept.push(entry.clone());
        }
    }
    if kept.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_wrap_and_skip_the_wildcard() {
        assert_eq!(next_version(0), 1);
        assert_eq!(next_version(i32::MAX), i32::MIN);
        assert_eq!(next_version(-2), 0);
        assert_eq!(next_version(-1), 0);
    }

    #[test]
    fn only_minus_one_is_any_version() {
        assert_eq!(check_version(5, -1), Ok(()));
        assert_eq!(check_version(5, 5), Ok(()));
        assert_eq!(check_version(5, -2), Err(ErrorCode::BadVersion));
        assert_eq!(check_version(-1, -1), Ok(()));
    }
}
