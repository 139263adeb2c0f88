//! The watches of a forged history's servers.

use super::{Forge, Op, Table, Zxid, event};

impl Forge<'_> {
    /// The watches that a read leaves (spec 1.12, 1.14).
    pub(super) fn watch(&mut self, n: usize, op: &Op, found: bool) {
        match op {
            Op::Exists { path, watch: true } => {
                self.leave(n, path, Table::Data, usize::from(!found));
            }
            Op::GetData { path, watch: true } if found => self.leave(n, path, Table::Data, 0),
            Op::GetChildren { path, watch: true, .. } if found => {
                self.leave(n, path, Table::Child, 2);
            }
            Op::SetWatches { relative, data, exist, child } => {
                let view = self.servers[self.clients[n].server].shown;
                let since = Zxid::from_wire(*relative);
                for (list, paths) in [data, exist, child].into_iter().enumerate() {
                    for path in paths {
                        self.catch_up(n, list, path, view, since);
                    }
                }
            }
            _ => {}
        }
    }

    fn catch_up(&mut self, n: usize, list: usize, path: &str, view: Zxid, since: Zxid) {
        let kind = match (list, self.model.change_zxids(path, view)) {
            (1, None) => None,
            (1, Some(_)) => Some(event::CREATED),
            (_, None) => Some(event::DELETED),
            (0, Some((mzxid, _))) => (mzxid > since).then_some(event::CHANGED),
            (_, Some((_, pzxid))) => (pzxid > since).then_some(event::CHILDREN),
        };
        match kind {
            Some(kind) => {
                let place = self.model.intern(path);
                self.notify(n, kind, place, None);
            }
            None => {
                let table = if list == 2 { Table::Child } else { Table::Data };
                self.leave(n, path, table, list);
            }
        }
    }

    fn leave(&mut self, n: usize, path: &str, table: Table, list: usize) {
        let place = self.model.intern(path);
        self.clients[n].remembered[list].insert(path.to_owned());
        let server = self.clients[n].server;
        let who = self.servers[server].watches.entry((place, table)).or_default();
        who.insert(n as u32);
    }
}
