//! A peer's tree, rebuilt from its files by a reader that shares nothing with the service: the
//! newest snapshot, and the log replayed on top of it (spec 7.3, 7.4). What comes of it must be the
//! tree whose digest the log's last transaction carries (spec 7.5, 8.2 S9), whatever moment of a
//! fuzzy snapshot and whatever suffix of the log a crash has left.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::Zxid;
use crate::jute::proto::{Acl, StatPersisted, opcode};
use crate::jute::txn::{CreateTxn, SetDataTxn, Txn, TxnHeader, TxnRecord};
use crate::jute::{Error, Reader, Record, decode_vec};

use super::files::{Complaint, Contents, Records};
use super::model::tree::digest::share;

/// A checksum and the string `/`, which end each part of a snapshot.
const SEAL: usize = 13;

/// Before the sessions: magic, version, database id.
const HEADER: usize = 16;

#[derive(Clone, Debug)]
struct Node {
    data: Option<Vec<u8>>,
    stat: StatPersisted,
}

/// Nodes by path.
#[derive(Clone, Debug, Default)]
struct Tree(BTreeMap<String, Node>);

/// What was rebuilt last, for a look at the same files again.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    snapshot: Option<(Arc<Vec<u8>>, Arc<Tree>)>,
    compared: Vec<Arc<Records>>,
}

/// What a comparison came to.
pub(super) enum Compared {
    /// There is nothing to compare with, or it was compared before.
    Nothing,
    /// The trees are equal.
    Equal,
    /// They are not, or there is none.
    Wrong(Complaint),
}

impl Memory {
    /// Rebuilds the tree of these files and compares it.
    pub(super) fn compare(&mut self, contents: &Contents) -> Compared {
        let Some(bytes) = &contents.body else { return Compared::Nothing };
        let known = self.snapshot.as_ref().filter(|(old, _)| Arc::ptr_eq(old, bytes));
        let logs = contents.logs.iter().map(|(_, records)| records);
        if known.is_some()
            && self.compared.len() == contents.logs.len()
            && self.compared.iter().zip(logs.clone()).all(|(old, new)| Arc::ptr_eq(old, new))
        {
            return Compared::Nothing;
        }
        self.compared = logs.cloned().collect();
        let base = match known {
            Some((_, tree)) => tree.clone(),
            None => match decode(bytes) {
                Ok(tree) => Arc::new(tree),
                Err(error) => {
                    let what =
                        format!("the snapshot at {} does not decode: {error}", contents.snapshot);
                    return Compared::Wrong(("snapshot", what));
                }
            },
        };
        self.snapshot = Some((bytes.clone(), base.clone()));
        let txns = contents.logs.iter().flat_map(|(_, records)| &records.txns);
        let behind = |txn: &&TxnRecord| Zxid::from_wire(txn.header.zxid) > contents.snapshot;
        let (mut tree, mut last) = (Tree::clone(&base), contents.snapshot);
        let mut claimed = None;
        for txn in txns.filter(behind) {
            tree.replay(&txn.header, &txn.txn);
            last = Zxid::from_wire(txn.header.zxid);
            claimed = txn.digest.or(claimed);
        }
        // A snapshot may know of more than the log: then its peer must not start.
        let (digest, reach) = tail(bytes);
        let claimed = if last == contents.snapshot { Some(digest) } else { claimed };
        match claimed {
            Some(claimed) if reach <= last && claimed != tree.digest() => {
                let rebuilt = tree.digest();
                let from = contents.snapshot;
                let what = format!(
                    "the snapshot at {from} and the log up to {last} make the tree {rebuilt:#x}, \
                     but the tree at {last} is {claimed:#x}"
                );
                Compared::Wrong(("replay", what))
            }
            Some(_) if reach <= last => Compared::Equal,
            Some(_) | None => Compared::Nothing,
        }
    }
}

/// The digest that a whole snapshot gives for its zxid, and the last zxid that it may know of.
fn tail(bytes: &[u8]) -> (u64, Zxid) {
    let long = |from_end: usize| {
        let start = bytes.len().checked_sub(from_end)?;
        Some(u64::from_be_bytes(bytes.get(start..start + 8)?.try_into().ok()?))
    };
    let digest = long(8 + SEAL + 8 + SEAL).unwrap_or_default();
    (digest, Zxid(long(8 + SEAL).unwrap_or_default()))
}

fn decode(bytes: &[u8]) -> Result<Tree, Error> {
    let mut input = Reader::new(bytes);
    input.take(HEADER)?;
    for _ in 0..i32::decode(&mut input)? {
        let (_session, _timeout) = (i64::decode(&mut input)?, i32::decode(&mut input)?);
    }
    for _ in 0..i32::decode(&mut input)? {
        let (_number, _acl) = (i64::decode(&mut input)?, decode_vec::<Acl>(&mut input)?);
    }
    let mut tree = Tree::default();
    loop {
        let start = input.clone();
        let path = String::decode(&mut input)?;
        if path == "/" {
            return Ok(tree);
        }
        let data = Record::decode(&mut input)?;
        let _acl = i64::decode(&mut input)?;
        let node = Node { data, stat: Record::decode(&mut input)? };
        let path = if path.is_empty() { "/".to_string() } else { path };
        if path != "/" && !tree.0.contains_key(parent(&path)) {
            return Err(start.error("a node without its parent"));
        }
        if tree.0.insert(path, node).is_some() {
            return Err(start.error("a node is there twice"));
        }
    }
}

/// Owners of nodes that go by themselves (spec 2.4).
const CONTAINER: i64 = i64::MIN;
const TTL: i64 = -1 << 56;

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(slash) => &path[..slash],
    }
}

impl Tree {
    fn digest(&self) -> u64 {
        let data = |node: &Node| node.data.clone().unwrap_or_default();
        self.0
            .iter()
            .map(|(path, node)| u64::from(share(path, &data(node), &node.stat)))
            .fold(0, u64::wrapping_add)
    }

    /// Carries out a transaction that the tree may have in parts already: what is there stays,
    /// what is gone is gone, counters are only raised (spec 7.4).
    fn replay(&mut self, header: &TxnHeader, txn: &Txn) {
        match txn {
            Txn::Create(txn) | Txn::Create2(txn) => self.create(header, txn),
            Txn::CreateContainer(txn) => {
                self.make(header, (&txn.path, &txn.data), CONTAINER, txn.parent_cversion);
            }
            Txn::CreateTtl(txn) => {
                self.make(header, (&txn.path, &txn.data), TTL | txn.ttl, txn.parent_cversion);
            }
            Txn::Delete(txn) | Txn::DeleteContainer(txn) => self.delete(header, &txn.path),
            Txn::SetData(txn) | Txn::Reconfig(txn) => self.set_data(header, txn),
            Txn::SetAcl(txn) => {
                if let Some(node) = self.0.get_mut(&txn.path) {
                    node.stat.aversion = txn.version;
                }
            }
            Txn::CloseSession(txn) => txn.paths.iter().for_each(|path| self.delete(header, path)),
            // The parts before the one that failed keep their records (spec 7.2).
            Txn::Multi(multi) if multi.parts.iter().any(|part| part.kind == opcode::ERROR) => {}
            Txn::Multi(multi) => {
                for part in &multi.parts {
                    let mut input = Reader::new(part.data.as_deref().unwrap_or_default());
                    let is_nested = part.kind == opcode::MULTI;
                    if let Ok(txn) = Txn::decode(part.kind, &mut input)
                        && !is_nested
                    {
                        self.replay(header, &txn);
                    }
                }
            }
            Txn::CreateSession(_) | Txn::Check(_) | Txn::Error(_) => {}
        }
    }

    fn create(&mut self, header: &TxnHeader, txn: &CreateTxn) {
        let owner = if txn.ephemeral { header.client } else { 0 };
        self.make(header, (&txn.path, &txn.data), owner, txn.parent_cversion);
    }

    fn make(
        &mut self,
        header: &TxnHeader,
        (path, data): (&str, &Option<Vec<u8>>),
        owner: i64,
        creates: i32,
    ) {
        let Some(above) = self.0.get_mut(parent(path)) else { return };
        above.stat.cversion = above.stat.cversion.max(creates);
        above.stat.pzxid = above.stat.pzxid.max(header.zxid);
        let stat = StatPersisted {
            czxid: header.zxid,
            mzxid: header.zxid,
            pzxid: header.zxid,
            ctime: header.time,
            mtime: header.time,
            ephemeral_owner: owner,
            ..StatPersisted::default()
        };
        let node = Node { data: data.clone(), stat };
        self.0.entry(path.to_owned()).or_insert(node);
    }

    fn delete(&mut self, header: &TxnHeader, path: &str) {
        let below = format!("{path}/");
        self.0.retain(|known, _| known != path && !known.starts_with(&below));
        if let Some(above) = self.0.get_mut(parent(path)) {
            above.stat.pzxid = above.stat.pzxid.max(header.zxid);
        }
    }

    fn set_data(&mut self, header: &TxnHeader, txn: &SetDataTxn) {
        if let Some(node) = self.0.get_mut(&txn.path) {
            node.data = txn.data.clone();
            node.stat.version = txn.version;
            node.stat.mzxid = header.zxid;
            node.stat.mtime = header.time;
        }
    }
}
