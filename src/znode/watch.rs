//! Who waits for what: one-shot watches by path and connection (spec section 4). Not replicated.
//!
//! Persistent and recursive watches (spec 1.9) are not served yet: they would be modes of an entry,
//! where now every entry is used up by its first event.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::ConnId;
use crate::jute::proto::event_type;

use super::op::Op;
use super::path;
use super::tree::{Tree, Trigger};

/// A notification to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// To whom.
    pub conn: ConnId,
    /// Event type (spec 1.8).
    pub kind: i32,
    /// Which node.
    pub path: String,
}

type Table = BTreeMap<String, BTreeSet<ConnId>>;

/// The data table and the child table of one server.
#[derive(Clone, Debug, Default)]
pub struct WatchTable {
    data: Table,
    child: Table,
}

impl WatchTable {
    /// Leaves a data watch (exists, getData). Idempotent.
    pub fn watch_data(&mut self, conn: ConnId, path: &str) {
        watch(&mut self.data, conn, path);
    }

    /// Leaves a child watch (getChildren). Idempotent.
    pub fn watch_children(&mut self, conn: ConnId, path: &str) {
        watch(&mut self.child, conn, path);
    }

    /// Leaves the watch that a read asks for, given whether the read succeeded: exists leaves one
    /// on a missing node too, the others do not (spec 1.14; spec 9, case 56). A multiRead leaves
    /// none (case 54).
    pub fn watch_read(&mut self, conn: ConnId, op: &Op, succeeded: bool) {
        match op {
            Op::Exists { path, watch: true } if !path.contains('\0') => self.watch_data(conn, path),
            Op::GetData { path, watch: true } if succeeded => self.watch_data(conn, path),
            Op::GetChildren { path, watch: true, .. } if succeeded => {
                self.watch_children(conn, path);
            }
            Op::Exists { .. }
            | Op::GetData { .. }
            | Op::GetChildren { .. }
            | Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
            | Op::Sync { .. }
            | Op::Multi(_)
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping
            | Op::CreateSession { .. }
            | Op::CloseSession => {}
        }
    }

    /// What this trigger fires, in order (spec 4.2); one-shot watches are used up. Within one
    /// table, connections are told in ascending order.
    pub fn trigger(&mut self, trigger: &Trigger) -> Vec<Fired> {
        let mut fired = Vec::new();
        if self.data.is_empty() && self.child.is_empty() {
            return fired;
        }
        let Trigger { kind, path } = trigger;
        let told = self.data.remove(path).unwrap_or_default();
        fire(&told, *kind, path, &mut fired);
        let (created, deleted) = (event_type::NODE_CREATED, event_type::NODE_DELETED);
        if *kind == deleted
            && let Some(children) = self.child.remove(path)
        {
            // One connection hears of one deletion once (spec 9, case 57).
            fire(children.difference(&told), deleted, path, &mut fired);
        }
        if (*kind == created || *kind == deleted)
            && let Some((parent, _)) = path::split(path)
            && let Some(children) = self.child.remove(parent)
        {
            fire(&children, event_type::NODE_CHILDREN_CHANGED, parent, &mut fired);
        }
        fired
    }

    /// A connection is gone, and its watches.
    pub fn forget(&mut self, conn: ConnId) {
        for table in [&mut self.data, &mut self.child] {
            table.retain(|_, conns| {
                conns.remove(&conn);
                !conns.is_empty()
            });
        }
    }

    /// setWatches after a reconnect (spec 1.12): what has changed since `relative`, the last zxid
    /// the client has seen, fires at once and comes back to be sent before the reply; what has not
    /// is watched. Changes are judged strictly by greater zxids (spec 9, case 60).
    pub fn set_watches(&mut self, conn: ConnId, tree: &Tree, op: &Op) -> Vec<Fired> {
        let Op::SetWatches { relative, data, exist, child } = op else { return Vec::new() };
        let mut fired = Vec::new();
        let mut fire = |kind, path: &String| fired.push(Fired { conn, kind, path: path.clone() });
        for path in data {
            match tree.stat(path) {
                None => fire(event_type::NODE_DELETED, path),
                Some(stat) if stat.mzxid > *relative => fire(event_type::NODE_DATA_CHANGED, path),
                Some(_) => self.watch_data(conn, path),
            }
        }
        for path in exist {
            match tree.stat(path) {
                None => self.watch_data(conn, path),
                Some(_) => fire(event_type::NODE_CREATED, path),
            }
        }
        for path in child {
            match tree.stat(path) {
                None => fire(event_type::NODE_DELETED, path),
                Some(stat) if stat.pzxid > *relative => {
                    fire(event_type::NODE_CHILDREN_CHANGED, path);
                }
                Some(_) => self.watch_children(conn, path),
            }
        }
        fired
    }
}

fn watch(table: &mut Table, conn: ConnId, path: &str) {
    // The empty path is the root (spec 1.14).
    let path = if path.is_empty() { "/" } else { path };
    match table.get_mut(path) {
        Some(conns) => {
            conns.insert(conn);
        }
        None => {
            table.insert(path.to_owned(), BTreeSet::from([conn]));
        }
    }
}

fn fire<'a>(
    conns: impl IntoIterator<Item = &'a ConnId>,
    kind: i32,
    path: &str,
    fired: &mut Vec<Fired>,
) {
    fired.extend(conns.into_iter().map(|conn| Fired { conn: *conn, kind, path: path.to_owned() }));
}
