//! The reference of these tests: a tree that is copied whole for every transaction. Slow and
//! obvious; it shares no code with the model.

use std::collections::BTreeMap;

use crate::base::{SessionId, Zxid};
use crate::jute::Record;
use crate::jute::proto::Stat;
use crate::jute::txn::*;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply};

#[derive(Clone, Debug)]
pub(super) struct Node {
    data: Option<Vec<u8>>,
    /// With the visible cversion, counted up on every create and delete below.
    stat: Stat,
    creates: i32,
}

/// The whole service after one transaction.
#[derive(Clone, Debug)]
pub(super) struct State {
    nodes: BTreeMap<String, Node>,
    pub(super) sessions: Vec<SessionId>,
}

/// What a request came to.
pub(super) struct Done {
    pub(super) result: Result<Reply, ErrorCode>,
    pub(super) txn: Txn,
    /// Event type and path, in order.
    pub(super) fired: Vec<(i32, String)>,
}

fn above(path: &str) -> String {
    let slash = path.rfind('/').unwrap_or(0);
    if slash == 0 { "/".into() } else { path[..slash].into() }
}

fn fails(code: ErrorCode) -> Done {
    let txn = Txn::Error(ErrorTxn { err: code.wire() });
    Done { result: Err(code), txn, fired: Vec::new() }
}

impl State {
    pub(super) fn fresh() -> State {
        let mut nodes = BTreeMap::new();
        for (path, cversion) in
            [("/", -1), ("/zookeeper", -2), ("/zookeeper/quota", 0), ("/zookeeper/config", 0)]
        {
            let stat = Stat { cversion, ..Stat::default() };
            nodes.insert(path.to_owned(), Node { data: Some(Vec::new()), stat, creates: 0 });
        }
        State { nodes, sessions: Vec::new() }
    }

    fn names(&self, path: &str) -> Vec<String> {
        let below = |child: &&String| child.as_str() != "/" && above(child) == path;
        self.nodes.keys().filter(below).map(|c| c[c.rfind('/').unwrap() + 1..].into()).collect()
    }

    fn stat(&self, path: &str) -> Option<Stat> {
        let node = self.nodes.get(path)?;
        let data_length = node.data.as_ref().map_or(0, Vec::len) as i32;
        let num_children = self.names(path).len() as i32;
        Some(Stat { data_length, num_children, ..node.stat.clone() })
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    pub(super) fn owned(&self, session: SessionId) -> Vec<String> {
        let owns = |(_, node): &(&String, &Node)| node.stat.ephemeral_owner == session.0;
        self.nodes.iter().filter(owns).map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn changed(&self, path: &str) -> Option<(i64, i64)> {
        self.nodes.get(path).map(|node| (node.stat.mzxid, node.stat.pzxid))
    }

    pub(super) fn read(&self, op: &Op) -> Result<Reply, ErrorCode> {
        let stat = |path: &str| self.stat(path).ok_or(ErrorCode::NoNode);
        match op {
            Op::Exists { path, .. } => Ok(Reply::Stat(stat(path)?)),
            Op::GetData { path, .. } => {
                let stat = stat(path)?;
                Ok(Reply::Data { data: self.nodes[path].data.clone(), stat })
            }
            Op::GetChildren { path, stat: wanted, .. } => {
                let stat = stat(path)?;
                Ok(Reply::Children { names: self.names(path), stat: wanted.then_some(stat) })
            }
            Op::MultiRead(parts) => {
                Ok(Reply::Multi(parts.iter().map(|op| self.read(op).map_err(Some)).collect()))
            }
            Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            _ => Ok(Reply::Done),
        }
    }

    pub(super) fn write(&mut self, session: SessionId, zxid: Zxid, time: i64, op: &Op) -> Done {
        if *op == Op::CloseSession {
            let paths = self.owned(session);
            let mut fired = Vec::new();
            for path in &paths {
                self.cut(path, zxid, &mut fired);
            }
            self.sessions.retain(|open| *open != session);
            let txn = Txn::CloseSession(CloseSessionTxn { paths });
            return Done { result: Ok(Reply::Done), txn, fired };
        }
        if !self.sessions.contains(&session) {
            return fails(ErrorCode::SessionExpired);
        }
        let Op::Multi(parts) = op else { return self.one(session, zxid, time, op) };
        let before = self.clone();
        let (mut replies, mut txns, mut fired) = (Vec::new(), Vec::new(), Vec::new());
        let mut failed = false;
        for part in parts {
            let mut done = match failed {
                true => fails(ErrorCode::RuntimeInconsistency),
                false => self.one(session, zxid, time, part),
            };
            failed |= done.result.is_err();
            replies.push(done.result.map_err(Some));
            let mut data = Vec::new();
            done.txn.encode(&mut data);
            txns.push(SubTxn { kind: done.txn.kind(), data: Some(data) });
            fired.append(&mut done.fired);
        }
        if failed {
            *self = before;
            fired.clear();
            replies.iter_mut().filter(|reply| reply.is_ok()).for_each(|reply| *reply = Err(None));
        }
        let txn = Txn::Multi(MultiTxn { parts: txns });
        Done { result: Ok(Reply::Multi(replies)), txn, fired }
    }

    fn cut(&mut self, path: &str, zxid: Zxid, fired: &mut Vec<(i32, String)>) {
        self.nodes.remove(path);
        let parent = self.nodes.get_mut(&above(path)).unwrap();
        parent.stat.cversion += 1;
        parent.stat.pzxid = zxid.wire();
        fired.push((2, path.to_owned()));
    }

    fn one(&mut self, session: SessionId, zxid: Zxid, time: i64, op: &Op) -> Done {
        let mut fired = Vec::new();
        match op {
            Op::Create { path, data, acl, mode, stat } => {
                let Some(parent) = self.nodes.get_mut(&above(path)) else {
                    return fails(ErrorCode::NoNode);
                };
                let path = match mode {
                    CreateMode::PersistentSequential | CreateMode::EphemeralSequential => {
                        format!("{path}{:010}", parent.creates)
                    }
                    _ => path.clone(),
                };
                let under = parent.stat.ephemeral_owner != 0;
                if self.has(&path) {
                    return fails(ErrorCode::NodeExists);
                }
                if under {
                    return fails(ErrorCode::NoChildrenForEphemerals);
                }
                let parent = self.nodes.get_mut(&above(&path)).unwrap();
                parent.creates += 1;
                parent.stat.cversion += 1;
                parent.stat.pzxid = zxid.wire();
                let parent_cversion = parent.creates;
                let z = zxid.wire();
                let owner = if mode.is_ephemeral() { session.0 } else { 0 };
                let times = Stat {
                    czxid: z,
                    mzxid: z,
                    pzxid: z,
                    ctime: time,
                    mtime: time,
                    ..Stat::default()
                };
                let new = Stat { ephemeral_owner: owner, ..times };
                self.nodes.insert(path.clone(), Node { data: data.clone(), stat: new, creates: 0 });
                fired.push((1, path.clone()));
                let seen = stat.then(|| self.stat(&path).unwrap());
                let txn = CreateTxn {
                    path: path.clone(),
                    data: data.clone(),
                    acl: acl.clone(),
                    ephemeral: owner != 0,
                    parent_cversion,
                };
                let txn = if *stat { Txn::Create2(txn) } else { Txn::Create(txn) };
                Done { result: Ok(Reply::Created { path, stat: seen }), txn, fired }
            }
            Op::Delete { path, version } => {
                if path == "/" {
                    return fails(ErrorCode::BadArguments);
                }
                let Some(node) = self.nodes.get(path) else { return fails(ErrorCode::NoNode) };
                if *version != -1 && node.stat.version != *version {
                    return fails(ErrorCode::BadVersion);
                }
                if !self.names(path).is_empty() {
                    return fails(ErrorCode::NotEmpty);
                }
                self.cut(path, zxid, &mut fired);
                let txn = Txn::Delete(DeleteTxn { path: path.clone() });
                Done { result: Ok(Reply::Done), txn, fired }
            }
            Op::SetData { path, data, version } => {
                let Some(node) = self.nodes.get_mut(path) else { return fails(ErrorCode::NoNode) };
                if *version != -1 && node.stat.version != *version {
                    return fails(ErrorCode::BadVersion);
                }
                node.data = data.clone();
                node.stat.version += 1;
                node.stat.mzxid = zxid.wire();
                node.stat.mtime = time;
                fired.push((3, path.clone()));
                let version = node.stat.version;
                let txn = SetDataTxn { path: path.clone(), data: data.clone(), version };
                let result = Ok(Reply::Stat(self.stat(path).unwrap()));
                Done { result, txn: Txn::SetData(txn), fired }
            }
            Op::Check { path, version } => {
                let Some(node) = self.nodes.get(path) else { return fails(ErrorCode::NoNode) };
                if *version != -1 && node.stat.version != *version {
                    return fails(ErrorCode::BadVersion);
                }
                let txn = CheckTxn { path: path.clone(), version: node.stat.version };
                Done { result: Ok(Reply::Done), txn: Txn::Check(txn), fired }
            }
            _ => fails(ErrorCode::MarshallingError),
        }
    }
}

/// The record of a transaction.
pub(super) fn record(session: SessionId, cxid: i32, zxid: Zxid, time: i64, txn: Txn) -> Vec<u8> {
    let header = TxnHeader { client: session.0, cxid, zxid: zxid.wire(), time, kind: txn.kind() };
    TxnRecord { header, txn, digest: None }.to_bytes()
}
