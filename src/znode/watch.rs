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
            | Op::Reconfig { .. } => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Zxid;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    fn fire(table: &mut WatchTable, kind: i32, path: &str) -> Vec<(u64, i32, String)> {
        let fired = table.trigger(&Trigger { kind, path: path.into() });
        fired.into_iter().map(|fired| (fired.conn.0, fired.kind, fired.path)).collect()
    }

    fn told(conn: ConnId, kind: i32, path: &str) -> (u64, i32, String) {
        (conn.0, kind, path.into())
    }

    #[test]
    fn create_fires_the_node_and_then_its_parent() {
        let mut table = WatchTable::default();
        table.watch_children(A, "/p");
        table.watch_data(B, "/p/x");
        table.watch_data(A, "/p");
        assert_eq!(fire(&mut table, 1, "/p/x"), [told(B, 1, "/p/x"), told(A, 4, "/p")]);
        assert_eq!(fire(&mut table, 1, "/p/x"), [], "one shot");
        assert_eq!(fire(&mut table, 3, "/p"), [told(A, 3, "/p")], "the data watch is still there");
    }

    #[test]
    fn set_data_fires_no_child_watch() {
        let mut table = WatchTable::default();
        table.watch_children(A, "/p");
        table.watch_children(A, "/p/x");
        assert_eq!(fire(&mut table, 3, "/p/x"), []);
    }

    #[test]
    fn one_connection_hears_of_one_deletion_once() {
        let mut table = WatchTable::default();
        table.watch_data(A, "/x");
        table.watch_children(A, "/x");
        table.watch_children(B, "/x");
        table.watch_children(B, "/");
        let expected = [told(A, 2, "/x"), told(B, 2, "/x"), told(B, 4, "/")];
        assert_eq!(fire(&mut table, 2, "/x"), expected);
        assert_eq!(fire(&mut table, 2, "/x"), [], "A's child watch is used up as well");
    }

    #[test]
    fn watching_twice_is_watching_once_and_the_empty_path_is_the_root() {
        let mut table = WatchTable::default();
        table.watch_children(A, "");
        table.watch_children(A, "/");
        assert_eq!(fire(&mut table, 1, "/x"), [told(A, 4, "/")]);
    }

    #[test]
    fn a_gone_connection_hears_nothing() {
        let mut table = WatchTable::default();
        table.watch_data(A, "/x");
        table.watch_data(B, "/x");
        table.watch_children(A, "/");
        table.forget(A);
        assert_eq!(fire(&mut table, 1, "/x"), [told(B, 1, "/x")]);
    }

    #[test]
    fn only_exists_watches_a_missing_node() {
        let mut table = WatchTable::default();
        let path = || "/x".to_owned();
        table.watch_read(A, &Op::GetData { path: path(), watch: true }, false);
        table.watch_read(A, &Op::GetChildren { path: path(), watch: true, stat: true }, false);
        let reads = vec![Op::GetData { path: path(), watch: true }];
        table.watch_read(A, &Op::MultiRead(reads), true);
        table.watch_read(A, &Op::Exists { path: path(), watch: false }, true);
        assert_eq!(fire(&mut table, 1, "/x"), []);
        table.watch_read(A, &Op::Exists { path: path(), watch: true }, false);
        assert_eq!(fire(&mut table, 1, "/x"), [told(A, 1, "/x")]);
    }

    #[test]
    fn set_watches_fires_what_is_strictly_newer_and_watches_the_rest() {
        let mut tree = Tree::new();
        tree.set_config("text", Zxid(5), crate::base::WallMs(0));
        let config = || vec![path::CONFIG.to_owned()];
        let set = |relative| Op::SetWatches {
            relative,
            data: [config(), vec!["/gone".into()]].concat(),
            exist: [config(), vec!["/no".into()]].concat(),
            child: [config(), vec!["/gone".into()]].concat(),
        };
        let mut table = WatchTable::default();
        let kinds = |fired: Vec<Fired>| fired.iter().map(|fired| fired.kind).collect::<Vec<_>>();
        assert_eq!(kinds(table.set_watches(A, &tree, &set(5))), [2, 1, 2]);
        assert_eq!(fire(&mut table, 1, "/no"), [told(A, 1, "/no")]);
        let expected = [told(A, 2, path::CONFIG)];
        assert_eq!(fire(&mut table, 2, path::CONFIG), expected, "watched in both tables");
        assert_eq!(kinds(table.set_watches(A, &tree, &set(4))), [3, 2, 1, 2]);
    }
}
