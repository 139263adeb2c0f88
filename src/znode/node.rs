//! One znode with its children, its share of the digest, and walks over a tree of them.
//!
//! Nodes nest, and each is shared until it changes: a copy of the tree is a copy of one pointer,
//! and a change copies only the nodes between the root and what it touches, never their data.

use std::collections::{BTreeMap, btree_map};
use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use crate::jute::proto::{Stat, StatPersisted};

use super::{crc, path};

/// The children of a node by name: sorted, because their order is observable (spec 9, case 45).
pub(super) type Children = BTreeMap<Arc<str>, Arc<Node>>;

/// A znode.
#[derive(Clone)]
pub(super) struct Node {
    /// Null is not empty (spec 9, case 36).
    pub data: Option<Arc<[u8]>>,
    /// Its ACL's number in the table of ACLs.
    pub acl: i64,
    /// With `cversion` counting creates only (spec 2.3).
    pub stat: StatPersisted,
    /// What is below it.
    pub children: Children,
    /// The checksum's state after path and data; `None` if the digest does not count this node.
    prefix: Option<u32>,
    /// What it adds to the digest of the tree.
    sum: u32,
}

impl Node {
    /// A node without children.
    pub fn new(path: &str, data: Option<Arc<[u8]>>, acl: i64, stat: StatPersisted) -> Node {
        let prefix = prefix(path, data.as_deref());
        let sum = sum(prefix, &stat);
        Node { data, acl, stat, children: BTreeMap::new(), prefix, sum }
    }

    /// Replaces the data. The stat has to be changed with [`Node::restat`] afterwards.
    pub fn set_data(&mut self, path: &str, data: Option<Arc<[u8]>>) {
        self.prefix = prefix(path, data.as_deref());
        self.data = data;
    }

    /// Changes the stat and keeps the tree's digest up to date.
    pub fn restat(&mut self, digest: &mut u64, change: impl FnOnce(&mut StatPersisted)) {
        change(&mut self.stat);
        let sum = sum(self.prefix, &self.stat);
        *digest = digest.wrapping_sub(self.sum.into()).wrapping_add(sum.into());
        self.sum = sum;
    }

    /// What the node, without its children, adds to the digest.
    pub fn sum(&self) -> u32 {
        self.sum
    }

    /// All that preparing a change needs to know of the node.
    pub fn shape(&self) -> Shape {
        let children = self.children.len() as u32;
        Shape { stat: self.stat.clone(), children, prefix: self.prefix, sum: self.sum }
    }

    /// The stat as clients see it: `cversion` counts creates and deletes (spec 2.3).
    pub fn visible_stat(&self) -> Stat {
        let stat = &self.stat;
        let children = self.children.len() as i32;
        Stat {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion.wrapping_mul(2).wrapping_sub(children),
            aversion: stat.aversion,
            ephemeral_owner: stat.ephemeral_owner,
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            num_children: children,
            pzxid: stat.pzxid,
        }
    }
}

/// Without this, dropping a very deep tree would recurse as deep.
impl Drop for Node {
    fn drop(&mut self) {
        if self.children.is_empty() {
            return;
        }
        let mut left = vec![mem::take(&mut self.children)];
        while let Some(children) = left.pop() {
            for (_, child) in children {
                if let Some(mut child) = Arc::into_inner(child)
                    && !child.children.is_empty()
                {
                    left.push(mem::take(&mut child.children));
                }
            }
        }
    }
}

/// A node without its data: what a pending change remembers (spec 5.2).
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// As in [`Node`].
    pub stat: StatPersisted,
    /// How many.
    pub children: u32,
    prefix: Option<u32>,
    sum: u32,
}

impl Shape {
    /// The shape of a new node.
    pub fn new(path: &str, data: Option<&[u8]>, stat: StatPersisted) -> Shape {
        let prefix = prefix(path, data);
        let sum = sum(prefix, &stat);
        Shape { stat, children: 0, prefix, sum }
    }

    /// What it adds to the digest.
    pub fn sum(&self) -> u32 {
        self.sum
    }

    /// Changes the data and, when done with the stat, what it adds to the digest.
    pub fn set_data(&mut self, path: &str, data: Option<&[u8]>) {
        self.prefix = prefix(path, data);
    }

    /// Changes the stat.
    pub fn restat(&mut self, change: impl FnOnce(&mut StatPersisted)) {
        change(&mut self.stat);
        self.sum = sum(self.prefix, &self.stat);
    }
}

/// The state of the checksum after a node's path and data.
fn prefix(path: &str, data: Option<&[u8]>) -> Option<u32> {
    if !path::is_counted(path) {
        return None;
    }
    // The root goes by the empty path in digests and snapshots.
    let path = if path == "/" { "" } else { path };
    Some(crc::update(crc::update(crc::START, path.as_bytes()), data.unwrap_or_default()))
}

/// The checksum of spec 7.5: the order of fields is not that of the record.
fn sum(prefix: Option<u32>, stat: &StatPersisted) -> u32 {
    let Some(prefix) = prefix else { return 0 };
    let mut bytes = [0; 60];
    let longs = [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime];
    for (slot, long) in bytes[..40].chunks_exact_mut(8).zip(longs) {
        slot.copy_from_slice(&long.to_be_bytes());
    }
    let ints = [stat.version, stat.cversion, stat.aversion];
    for (slot, int) in bytes[40..52].chunks_exact_mut(4).zip(ints) {
        slot.copy_from_slice(&int.to_be_bytes());
    }
    bytes[52..].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    crc::finish(crc::update(prefix, &bytes))
}

/// Nodes in preorder, parents before children, siblings by name.
///
/// It may start anywhere, also after a path that is gone. Because it is a true preorder, whoever
/// walks in pieces while the tree changes has always seen the parent of what comes next: where a
/// walk stands within a subtree, the subtree's root was seen (spec 7.3).
pub(super) struct Walk<'a> {
    /// The root, if it is still to come.
    root: Option<&'a Node>,
    /// The path of the last node; empty for the root.
    path: String,
    /// Per level: how much of `path` is the parent's, and the siblings still to come.
    levels: Vec<(usize, Siblings<'a>)>,
}

type Siblings<'a> = btree_map::Range<'a, Arc<str>, Arc<Node>>;

impl<'a> Walk<'a> {
    /// All nodes from `root` down.
    pub fn new(root: &'a Node) -> Walk<'a> {
        Walk { root: Some(root), path: String::new(), levels: Vec::new() }
    }

    /// The nodes that come after `after`; the root is the empty path.
    pub fn after(root: &'a Node, after: &str) -> Walk<'a> {
        let mut walk = Walk { root: None, path: String::new(), levels: Vec::new() };
        let mut node = root;
        for name in path::names(after).into_iter().flatten() {
            let later = (Bound::Excluded(name), Bound::Unbounded);
            walk.levels.push((walk.path.len(), node.children.range::<str, _>(later)));
            let Some(child) = node.children.get(name) else { return walk };
            walk.path.push('/');
            walk.path.push_str(name);
            node = child;
        }
        walk.levels.push((walk.path.len(), node.children.range::<str, _>(..)));
        walk
    }

    /// The next node and its path; the root's is empty.
    pub fn next(&mut self) -> Option<(&str, &'a Node)> {
        if let Some(root) = self.root.take() {
            self.levels.push((0, root.children.range::<str, _>(..)));
            return Some(("", root));
        }
        loop {
            let (parent, siblings) = self.levels.last_mut()?;
            self.path.truncate(*parent);
            match siblings.next() {
                None => {
                    self.levels.pop();
                }
                Some((name, node)) => {
                    self.path.push('/');
                    self.path.push_str(name);
                    self.levels.push((self.path.len(), node.children.range::<str, _>(..)));
                    return Some((&self.path, node));
                }
            }
        }
    }
}
