//! The tree of znodes and the table of sessions: what transactions make of them.
//!
//! Transactions carry absolute results (spec 5.2), so applying one needs no judgement. It is
//! tolerant: a transaction may meet a tree that already has its effects, or later ones, because a
//! fuzzy snapshot has them (spec 7.4). Replaying everything after such a snapshot leads to the same
//! tree as applying it in the first place.
//!
//! The digest of spec 7.5 is kept up to date by each change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::base::{Digest, SessionId, WallMs, Zxid};
use crate::jute::proto::{Acl, StatPersisted, event_type, opcode};
use crate::jute::txn::{
    CloseSessionTxn, CreateTxn, DeleteTxn, MultiTxn, SetDataTxn, SubTxn, Txn, TxnHeader, TxnRecord,
};
use crate::jute::{Reader, Record};

use super::acl::{self, Acls};
use super::node::{Node, Shape, Walk};
use super::op::{ErrorCode, Op, Reply};
use super::path;
use super::rules::{Rules, decide};

/// One thing that watches may be waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Event type (spec 1.8): 1 created, 2 deleted, 3 data changed; children triggers of the
    /// parent are derived by the watch table (spec 4.2).
    pub kind: i32,
    /// Which node.
    pub path: String,
}

/// What applying a transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer for whoever asked.
    pub result: Result<Reply, ErrorCode>,
    /// What happened, in order.
    pub triggers: Vec<Trigger>,
}

/// The replicated state. `Clone` shares structure.
#[derive(Clone)]
pub struct Tree {
    pub(super) rules: Rules,
    /// How often `rules` answered otherwise than the right ones.
    pub(super) differed: u64,
    pub(super) root: Arc<Node>,
    /// Timeouts in milliseconds.
    pub(super) sessions: Arc<BTreeMap<SessionId, i32>>,
    /// All of them in one number, in no order.
    pub(super) sessions_sum: u64,
    /// Which nodes die with which session.
    pub(super) ephemerals: Arc<BTreeMap<SessionId, BTreeSet<Arc<str>>>>,
    pub(super) acls: Arc<Acls>,
    pub(super) digest: u64,
    pub(super) last: Zxid,
    /// What the parts applied so far came to, while a transaction is applied in parts.
    pub(super) results: Vec<Result<Reply, Option<ErrorCode>>>,
    pub(super) triggers: Vec<Trigger>,
}

/// What a session adds to the sum of the table.
pub(super) fn session_sum(session: SessionId, timeout_ms: i32) -> u64 {
    Digest::of_words(&[session.0 as u64, u64::from(timeout_ms.unsigned_abs())]).0
}

impl Tree {
    /// The fresh tree (spec 2.2): four nodes that were never transactions, so that their parents
    /// did not count them and clients see a cversion of -1 and -2.
    pub fn new() -> Tree {
        let empty = || Some(Arc::from([].as_slice()));
        let mut root = Node::new("/", empty(), acl::OPEN, StatPersisted::default());
        let mut zookeeper = Node::new("/zookeeper", empty(), acl::OPEN, StatPersisted::default());
        let mut acls = Acls::default();
        let read_only = acls.add(&config_acl());
        for (name, acl, aversion) in [("config", read_only, -1), ("quota", acl::OPEN, 0)] {
            let stat = StatPersisted { aversion, ..StatPersisted::default() };
            let node = Node::new(&format!("/zookeeper/{name}"), empty(), acl, stat);
            zookeeper.children.insert(name.into(), Arc::new(node));
        }
        let digest = u64::from(root.sum()) + u64::from(zookeeper.sum());
        root.children.insert("zookeeper".into(), Arc::new(zookeeper));
        Tree { digest, acls: Arc::new(acls), ..Tree::of(root) }
    }

    /// A tree of this root only. The digest is left to the caller.
    pub(super) fn of(root: Node) -> Tree {
        Tree {
            rules: Rules::RIGHT,
            differed: 0,
            root: Arc::new(root),
            sessions: Arc::default(),
            sessions_sum: 0,
            ephemerals: Arc::default(),
            acls: Arc::default(),
            digest: 0,
            last: Zxid::ZERO,
            results: Vec::new(),
            triggers: Vec::new(),
        }
    }

    /// The same tree, under these rules.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Tree {
        Tree { rules, ..self }
    }

    /// How often the rules answered otherwise than the right ones, since it was asked last.
    pub fn differed(&mut self) -> u64 {
        mem::take(&mut self.differed)
    }

    /// The last zxid applied in full.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// The digest (spec 7.5), kept up to date incrementally.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Applies one part. `last` moves with the final one (spec 9, case 90). The triggers of all
    /// parts come with the final one, in order. Tolerant: effects that are there already are left
    /// (spec 7.4).
    pub fn apply_part(&mut self, record: &TxnRecord, part: usize) -> Option<Applied> {
        if part == 0 {
            // What is left of a transaction that was never finished is not this one's.
            self.results.clear();
            self.triggers.clear();
        }
        let result = match &record.txn {
            Txn::Multi(multi) => self.apply_multi(&record.header, multi, part)?,
            Txn::CloseSession(close) => {
                self.apply_close(&record.header, close, part)?;
                Ok(Reply::Done)
            }
            Txn::Create(_)
            | Txn::Create2(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::CreateSession(_)
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::DeleteContainer(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_)
            | Txn::Error(_) => self.apply_one(&record.header, &record.txn),
        };
        self.last = self.last.max(Zxid::from_wire(record.header.zxid));
        Some(Applied { result, triggers: mem::take(&mut self.triggers) })
    }

    /// Applies all parts.
    pub fn apply(&mut self, record: &TxnRecord) -> Applied {
        let mut part = 0;
        loop {
            if let Some(applied) = self.apply_part(record, part) {
                return applied;
            }
            part += 1;
        }
    }

    /// Answers a read. Watches and sync are the caller's.
    ///
    /// # Errors
    /// The error code that the client gets. A write is `Unimplemented` here.
    pub fn read(&self, op: &Op) -> Result<Reply, ErrorCode> {
        match op {
            Op::Exists { path, .. } if path.contains('\0') => Err(ErrorCode::BadArguments),
            Op::Exists { path, .. } => Ok(Reply::Stat(self.found(path)?.visible_stat())),
            Op::GetData { path, .. } => {
                let node = self.found(path)?;
                let data = node.data.as_ref().map(|data| data.to_vec());
                Ok(Reply::Data { data, stat: node.visible_stat() })
            }
            Op::GetChildren { path, stat, .. } => {
                let node = self.found(path)?;
                let names = node.children.keys().map(|name| String::from(&**name)).collect();
                Ok(Reply::Children { names, stat: stat.then(|| node.visible_stat()) })
            }
            Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            // One part's failure is its own (spec 1.11).
            Op::MultiRead(parts) => {
                let results = parts.iter().map(|part| self.read(part).map_err(Some));
                Ok(Reply::Multi(results.collect()))
            }
            Op::SetWatches { .. } | Op::Ping => Ok(Reply::Done),
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
            | Op::Reconfig { .. } => Err(ErrorCode::Unimplemented),
        }
    }

    /// Known sessions and their timeouts in milliseconds, ascending by id.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, i32)> + '_ {
        self.sessions.iter().map(|(id, timeout)| (*id, *timeout))
    }

    /// The table of sessions in one number: equal tables have equal ones.
    pub fn sessions_sum(&self) -> u64 {
        self.sessions_sum
    }

    /// The timeout of a session, if it is known.
    pub fn session(&self, id: SessionId) -> Option<i32> {
        self.sessions.get(&id).copied()
    }

    /// The paths of a session's ephemerals, sorted.
    pub fn ephemerals(&self, id: SessionId) -> Vec<String> {
        let paths = self.ephemerals.get(&id).into_iter().flatten();
        paths.map(|path| path.to_string()).collect()
    }

    /// A node's stat as clients see it, if the node exists.
    pub fn stat(&self, path: &str) -> Option<crate::jute::proto::Stat> {
        Some(self.find(path)?.visible_stat())
    }

    /// Drops ephemerals whose owner is not in the session table (spec 7.4, after replay).
    pub fn drop_orphans(&mut self) {
        let dead = self.ephemerals.iter().filter(|(owner, _)| !self.sessions.contains_key(owner));
        let paths: Vec<Arc<str>> = dead.flat_map(|(_, paths)| paths.iter().cloned()).collect();
        for path in paths {
            let _ = self.delete(&path, self.last.wire());
        }
        self.triggers.clear();
    }

    /// Rewrites `/zookeeper/config` from the peer's own configuration (spec 2.2). Not a
    /// transaction, and no part of the digest (spec 9, case 44).
    pub fn set_config(&mut self, text: &str, version: Zxid, wall: WallMs) {
        let Some(node) = edit(&mut self.root, path::CONFIG) else { return };
        node.set_data(path::CONFIG, Some(Arc::from(text.as_bytes())));
        node.restat(&mut self.digest, |stat| {
            stat.version = -1;
            stat.mzxid = version.wire();
            stat.mtime = wall.0;
        });
    }

    /// What preparing a change needs to know of a node.
    pub(super) fn shape(&self, path: &str) -> Option<Shape> {
        Some(self.find(path)?.shape())
    }

    /// The session's ephemerals, without copying them.
    pub(super) fn owned(&self, id: SessionId) -> impl Iterator<Item = &Arc<str>> {
        self.ephemerals.get(&id).into_iter().flatten()
    }

    /// All nodes, in preorder.
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk::new(&self.root)
    }

    fn find(&self, path: &str) -> Option<&Node> {
        let mut node = &*self.root;
        for name in path::names(path)? {
            node = node.children.get(name)?;
        }
        Some(node)
    }

    fn found(&self, path: &str) -> Result<&Node, ErrorCode> {
        self.find(path).ok_or(ErrorCode::NoNode)
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree::new()
    }
}

/// A summary: the whole tree would fill pages.
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree(last {}, digest {:#x})", self.last, self.digest)
    }
}

/// Applying transactions.
impl Tree {
    fn apply_one(&mut self, header: &TxnHeader, txn: &Txn) -> Result<Reply, ErrorCode> {
        match txn {
            Txn::Create(txn) => {
                self.create(header, txn)?;
                Ok(Reply::Created { path: txn.path.clone(), stat: None })
            }
            Txn::Create2(txn) => {
                self.create(header, txn)?;
                Ok(Reply::Created { path: txn.path.clone(), stat: self.stat(&txn.path) })
            }
            Txn::Delete(DeleteTxn { path }) => {
                self.delete(path, header.zxid)?;
                Ok(Reply::Done)
            }
            Txn::SetData(txn) => self.set_data(header, txn),
            Txn::Check(_) => Ok(Reply::Done),
            Txn::CreateSession(txn) => {
                let session = SessionId(header.client);
                let before = Arc::make_mut(&mut self.sessions).insert(session, txn.timeout);
                self.sessions_sum ^= before.map_or(0, |before| session_sum(session, before));
                self.sessions_sum ^= session_sum(session, txn.timeout);
                Ok(Reply::Done)
            }
            Txn::Error(txn) => Err(ErrorCode::from_wire(txn.err)),
            // These come in parts, and not within another.
            Txn::Multi(_) | Txn::CloseSession(_) => Err(ErrorCode::MarshallingError),
            // Whoever asks has looked at `serves`.
            Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::DeleteContainer(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_) => Err(ErrorCode::Unimplemented),
        }
    }

    /// One part of a multi; the answer with the last one. A failed multi has no effect at all: the
    /// parts before the failing one keep their records in the log and answer 0 (spec 1.10, 7.2).
    fn apply_multi(
        &mut self,
        header: &TxnHeader,
        multi: &MultiTxn,
        part: usize,
    ) -> Option<Result<Reply, ErrorCode>> {
        if has_failed(multi) {
            return Some(Ok(Reply::Multi(multi.parts.iter().map(failed_part).collect())));
        }
        if let Some(sub) = multi.parts.get(part) {
            let bytes = sub.data.as_deref().unwrap_or_default();
            let result = match Txn::decode(sub.kind, &mut Reader::new(bytes)) {
                Ok(txn) => self.apply_one(header, &txn),
                Err(_) => Err(ErrorCode::MarshallingError),
            };
            self.results.push(result.map_err(Some));
        }
        if part + 1 < multi.parts.len() {
            return None;
        }
        Some(Ok(Reply::Multi(mem::take(&mut self.results))))
    }

    /// One part of a closeSession: each path fixed when it was prepared, whoever owns the node by
    /// now, so that replay does not depend on what a fuzzy snapshot says of owners (spec 7.4); at
    /// the end whatever else the session owns, and the session itself.
    fn apply_close(
        &mut self,
        header: &TxnHeader,
        close: &CloseSessionTxn,
        part: usize,
    ) -> Option<()> {
        if let Some(path) = close.paths.get(part) {
            let _ = self.delete(path, header.zxid);
            return None;
        }
        let session = SessionId(header.client);
        let left: Vec<Arc<str>> = self.owned(session).cloned().collect();
        for path in left {
            let _ = self.delete(&path, header.zxid);
        }
        let gone = Arc::make_mut(&mut self.sessions).remove(&session);
        self.sessions_sum ^= gone.map_or(0, |timeout| session_sum(session, timeout));
        Some(())
    }

    fn create(&mut self, header: &TxnHeader, txn: &CreateTxn) -> Result<(), ErrorCode> {
        let (parent, name) = path::split(&txn.path).ok_or(ErrorCode::BadArguments)?;
        if name.is_empty() {
            return Err(ErrorCode::NodeExists);
        }
        let known = self.acls.find(&txn.acl);
        let acl = known.unwrap_or_else(|| Arc::make_mut(&mut self.acls).add(&txn.acl));
        let parent = edit(&mut self.root, parent).ok_or(ErrorCode::NoNode)?;
        // Also when the node exists: a fuzzy snapshot may have the child and an older parent.
        let (own, new) = (parent.stat.cversion, txn.parent_cversion);
        let exists = parent.children.contains_key(name);
        let cversion = decide!(self.rules, self.differed, parent_cversion(own, new, exists));
        parent.restat(&mut self.digest, |stat| {
            stat.cversion = cversion;
            stat.pzxid = stat.pzxid.max(header.zxid);
        });
        if let Some(child) = parent.children.get_mut(name) {
            if child.acl == acl::MISSING {
                Arc::make_mut(child).acl = acl;
            }
            return Err(ErrorCode::NodeExists);
        }
        let stat = new_stat(header, txn.ephemeral);
        let data = txn.data.as_deref().map(Arc::from);
        let node = Node::new(&txn.path, data, acl, stat);
        self.digest = self.digest.wrapping_add(node.sum().into());
        parent.children.insert(name.into(), Arc::new(node));
        if txn.ephemeral {
            let all = Arc::make_mut(&mut self.ephemerals);
            all.entry(SessionId(header.client)).or_default().insert(txn.path.as_str().into());
        }
        self.fire(event_type::NODE_CREATED, &txn.path);
        Ok(())
    }

    fn delete(&mut self, path: &str, zxid: i64) -> Result<(), ErrorCode> {
        let (parent, name) = path::split(path).ok_or(ErrorCode::BadArguments)?;
        let parent = edit(&mut self.root, parent).ok_or(ErrorCode::NoNode)?;
        // Also when the node is gone: a fuzzy snapshot may lack the child and have an older parent.
        parent.restat(&mut self.digest, |stat| stat.pzxid = stat.pzxid.max(zxid));
        let node = parent.children.remove(name).ok_or(ErrorCode::NoNode)?;
        self.forget(path, &node);
        self.fire(event_type::NODE_DELETED, path);
        Ok(())
    }

    /// Takes a removed node out of the digest and the index, and all that was below it: while a
    /// fuzzy snapshot is replayed there may be children of a later incarnation of the node.
    fn forget(&mut self, path: &str, node: &Node) {
        let mut below = Walk::new(node);
        while let Some((tail, node)) = below.next() {
            self.digest = self.digest.wrapping_sub(node.sum().into());
            let owner = SessionId(node.stat.ephemeral_owner);
            if owner == SessionId(0) {
                continue;
            }
            let all = Arc::make_mut(&mut self.ephemerals);
            if let Some(owned) = all.get_mut(&owner) {
                owned.remove(format!("{path}{tail}").as_str());
                if owned.is_empty() {
                    all.remove(&owner);
                }
            }
        }
    }

    fn set_data(&mut self, header: &TxnHeader, txn: &SetDataTxn) -> Result<Reply, ErrorCode> {
        let node = edit(&mut self.root, &txn.path).ok_or(ErrorCode::NoNode)?;
        node.set_data(&txn.path, txn.data.as_deref().map(Arc::from));
        node.restat(&mut self.digest, |stat| {
            stat.mzxid = header.zxid;
            stat.mtime = header.time;
            stat.version = txn.version;
        });
        let stat = node.visible_stat();
        self.fire(event_type::NODE_DATA_CHANGED, &txn.path);
        Ok(Reply::Stat(stat))
    }

    fn fire(&mut self, kind: i32, path: &str) {
        self.triggers.push(Trigger { kind, path: path.to_owned() });
    }
}

/// The stat of a node that a transaction creates (spec 2.3).
pub(super) fn new_stat(header: &TxnHeader, ephemeral: bool) -> StatPersisted {
    StatPersisted {
        czxid: header.zxid,
        mzxid: header.zxid,
        pzxid: header.zxid,
        ctime: header.time,
        mtime: header.time,
        ephemeral_owner: if ephemeral { header.client } else { 0 },
        ..StatPersisted::default()
    }
}

/// The node to change, unshared together with all above it.
pub(super) fn edit<'a>(root: &'a mut Arc<Node>, path: &str) -> Option<&'a mut Node> {
    let mut node = Arc::make_mut(root);
    for name in path::names(path)? {
        node = Arc::make_mut(node.children.get_mut(name)?);
    }
    Some(node)
}

pub(super) fn has_failed(multi: &MultiTxn) -> bool {
    multi.parts.iter().any(|part| part.kind == opcode::ERROR)
}

/// The answer of one part of a failed multi.
fn failed_part(part: &SubTxn) -> Result<Reply, Option<ErrorCode>> {
    if part.kind != opcode::ERROR {
        return Err(None);
    }
    let bytes = part.data.as_deref().unwrap_or_default();
    let code = i32::from_bytes(bytes).map_or(ErrorCode::SystemError, ErrorCode::from_wire);
    Err(Some(code))
}

/// `world:anyone` may read `/zookeeper/config`, and nobody may write it (spec 2.2).
fn config_acl() -> Vec<Acl> {
    super::op::open_acl().into_iter().map(|acl| Acl { perms: 1, ..acl }).collect()
}
