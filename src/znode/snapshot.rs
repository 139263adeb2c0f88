//! A tree as the body of a snapshot (spec 7.3): sessions, ACLs, nodes in preorder, `/`.
//!
//! Written in pieces while transactions are applied in between: each node is whole, but one node
//! may be older than the next (a fuzzy snapshot). Header, seals and checksums are the file's.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Cursor, SessionId, Zxid};
use crate::jute::proto::StatPersisted;
use crate::jute::{Error, Reader, Record};

use super::acl::{self, Acls};
use super::node::{Node, Walk};
use super::path;
use super::tree::{Tree, session_sum};

/// Ends the list of nodes; the root's path is empty there.
const END: &str = "/";

impl Tree {
    /// Appends at most `nodes` more nodes of a snapshot body (spec 7.3: sessions, ACLs, nodes in
    /// preorder, terminator `/`); true when complete.
    pub fn snapshot(&self, cursor: &mut Cursor, nodes: usize, out: &mut Vec<u8>) -> bool {
        if !cursor.started {
            cursor.started = true;
            (self.sessions.len() as i32).encode(out);
            for (session, timeout) in self.sessions.iter() {
                session.0.encode(out);
                timeout.encode(out);
            }
            self.acls.encode(out);
        }
        let mut walk = match &cursor.after {
            None => self.walk(),
            Some(after) => Walk::after(&self.root, after),
        };
        for _ in 0..nodes {
            let Some((path, node)) = walk.next() else {
                END.to_owned().encode(out);
                return true;
            };
            encode_node(path, node, out);
            let after = cursor.after.get_or_insert_default();
            after.clear();
            after.push_str(path);
        }
        false
    }

    /// Reads a snapshot body back; `last` becomes `zxid`.
    ///
    /// # Errors
    /// What is wrong, naming the byte.
    pub fn restore(body: &[u8], zxid: Zxid) -> Result<Tree, String> {
        let mut input = Reader::new(body);
        let tree = restore(&mut input, zxid).map_err(|error| format!("snapshot: {error}"))?;
        if !input.rest().is_empty() {
            return Err(format!("snapshot: byte {}: bytes after the end", input.at()));
        }
        Ok(tree)
    }
}

fn encode_node(path: &str, node: &Node, out: &mut Vec<u8>) {
    encode_bytes(path.as_bytes(), out);
    match &node.data {
        None => (-1i32).encode(out),
        Some(data) => encode_bytes(data, out),
    }
    node.acl.encode(out);
    node.stat.encode(out);
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as i32).encode(out);
    out.extend_from_slice(bytes);
}

fn restore(input: &mut Reader<'_>, zxid: Zxid) -> Result<Tree, Error> {
    let mut sessions = BTreeMap::new();
    for _ in 0..i32::decode(input)? {
        let session = SessionId(Record::decode(input)?);
        sessions.insert(session, Record::decode(input)?);
    }
    let acls = Acls::decode(input)?;
    let start = input.clone();
    if !String::decode(input)?.is_empty() {
        return Err(start.error("the first node is not the root"));
    }
    let root = decode_node("/", &acls, input)?;
    let mut tree = Tree { digest: root.sum().into(), ..Tree::of(root) };
    loop {
        let start = input.clone();
        let path = String::decode(input)?;
        if path == END {
            break;
        }
        let node = decode_node(&path, &acls, input)?;
        add(&mut tree, &path, node).map_err(|what| start.error(what))?;
    }
    let sum = |sum, (session, timeout): (&SessionId, &i32)| sum ^ session_sum(*session, *timeout);
    let sessions_sum = sessions.iter().fold(0, sum);
    Ok(Tree {
        sessions: Arc::new(sessions),
        sessions_sum,
        acls: Arc::new(acls),
        last: zxid,
        ..tree
    })
}

fn decode_node(path: &str, acls: &Acls, input: &mut Reader<'_>) -> Result<Node, Error> {
    let data: Option<Vec<u8>> = Record::decode(input)?;
    let acl = i64::decode(input)?;
    let acl = if acls.contains(acl) { acl } else { acl::MISSING };
    let stat = StatPersisted::decode(input)?;
    Ok(Node::new(path, data.map(Arc::from), acl, stat))
}

fn add(tree: &mut Tree, path: &str, node: Node) -> Result<(), &'static str> {
    if !path::is_valid(path) {
        return Err("a node has an impossible path");
    }
    let (parent, name) = path::split(path).ok_or("a node has an impossible path")?;
    let parent = super::tree::edit(&mut tree.root, parent).ok_or("a node without its parent")?;
    let (sum, owner) = (node.sum(), SessionId(node.stat.ephemeral_owner));
    if parent.children.insert(name.into(), Arc::new(node)).is_some() {
        return Err("a node is there twice");
    }
    tree.digest = tree.digest.wrapping_add(sum.into());
    if owner != SessionId(0) {
        let all = Arc::make_mut(&mut tree.ephemerals);
        all.entry(owner).or_default().insert(path.into());
    }
    Ok(())
}
