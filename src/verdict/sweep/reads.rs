//! Reads, evaluated between two transactions of the pass in zxid order (P3, P12, P13), and the
//! watches that they leave.

use crate::verdict::names::NONE;
use crate::verdict::witness::tally::Property;
use crate::znode::op::ErrorCode;

use super::court::Place;
use super::paths::CONFIG;
use super::replay::{GAP, Replay};
use super::tape::{Kind, OK, Part, Rec, flag};
use super::tree::{CHANGED, CHILDREN, CREATED, DELETED, Stamps};

impl Part {
    /// The table of the watch that a read leaves, if it does: 0 for data, 1 for children. exists
    /// leaves one on a missing node, too, getData and getChildren do not (spec 1.14).
    #[inline]
    pub(super) fn leaves_watch(&self) -> Option<u8> {
        if !self.has(flag::WATCH) {
            return None;
        }
        let missing = self.code == ErrorCode::NoNode.wire() as i16;
        match self.kind {
            Kind::Exists => (self.code == OK || missing).then_some(0),
            Kind::GetData => (self.code == OK).then_some(0),
            Kind::GetChildren => (self.code == OK).then_some(1),
            Kind::Create
            | Kind::Delete
            | Kind::SetData
            | Kind::Check
            | Kind::Multi
            | Kind::Close
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => None,
        }
    }
}

impl Replay<'_> {
    /// One read, at its view.
    pub(super) fn read(&mut self, key: u32, call: u32) {
        let rec = self.tape.calls[call as usize];
        let place = Place { rank: rec.ret, call: Some(rec.id) };
        self.court.count(Property::ReadValue);
        self.court.count(Property::Linearizability);
        if rec.ret < self.latest_call {
            let zxid = self.axis.zxid(key);
            let detail = format!(
                "call {} was answered at {zxid}, which shows a call that was made only later",
                rec.id.0
            );
            self.court.broken(Property::Linearizability, "from_the_future", place, detail);
        }
        if self.writer[key as usize] == GAP && !self.tape.log.is_empty() {
            self.must_stand(key, &rec);
        }
        self.measure(key, &rec);
        let wrong = self.value(key, &rec.part);
        if let Some(field) = wrong
            && !self.explained_read(key, &rec.part)
        {
            let zxid = self.axis.zxid(key);
            let detail = || {
                format!(
                    "{:?} of `{}` at {zxid}, answered by call {}: not the state there ({field})",
                    rec.part.kind,
                    self.tape.paths.text(rec.part.path),
                    rec.id.0
                )
            };
            let property = match field {
                "not_caught_up" => Property::WatchLost,
                "not_missed" => Property::WatchSpurious,
                _ => Property::ReadValue,
            };
            let doubtful = self.lost.doubts(self.tape, &rec.part, key);
            self.court.wrong(doubtful, property, field, place, detail);
            self.doubt(doubtful, key, &rec.part);
        }
        if rec.part.kind == Kind::SetWatches && rec.part.code == OK {
            self.rewatch(rec.part.extra, rec.conn, rec.ret);
        } else if let Some(table) = rec.part.leaves_watch() {
            self.watches.arm(table, rec.part.path, rec.conn, rec.ret);
        }
    }

    /// With the log in sight, a server stands at one of its transactions, or at an epoch's start.
    fn must_stand(&mut self, key: u32, rec: &Rec) {
        let zxid = self.axis.zxid(key);
        if zxid.counter() != 0 {
            let place = Place { rank: rec.ret, call: Some(rec.id) };
            let detail = format!("call {} was answered at {zxid}: no such state", rec.id.0);
            self.court.broken(Property::ReadValue, "no_such_state", place, detail);
        }
    }

    /// How old the state was that a read showed (P12): since the first return of what it lacks.
    fn measure(&mut self, key: u32, rec: &Rec) {
        let first = self.returns.get(key as usize + 1).copied().unwrap_or(NONE);
        if !matches!(rec.part.kind, Kind::Sync | Kind::Ping | Kind::SetWatches) {
            let stale = if first < rec.call {
                self.tape.time(rec.call).saturating_sub(self.tape.time(first))
            } else {
                0
            };
            self.staleness.add(stale);
        }
    }

    /// How the answer of a read differs from the state; `None` if it does not.
    pub(super) fn value(&mut self, key: u32, part: &Part) -> Option<&'static str> {
        match part.kind {
            Kind::Exists | Kind::GetData | Kind::GetChildren => self.one_value(key, part),
            Kind::MultiRead => {
                let start = part.extra as usize;
                let all = start..start + part.version as usize;
                let plain = |part: &Part| matches!(part.kind, Kind::GetData | Kind::GetChildren);
                let expected = if self.tape.parts[all.clone()].iter().all(plain) {
                    OK
                } else {
                    ErrorCode::MarshallingError.wire() as i16
                };
                if part.code != expected || part.has(flag::ODD) {
                    return Some("answer");
                }
                if expected != OK {
                    return None;
                }
                all.into_iter().find_map(|n| {
                    let part = self.tape.parts[n];
                    self.one_value(key, &part)
                })
            }
            Kind::Sync | Kind::Ping | Kind::SetWatches
                if part.code != OK || part.has(flag::ODD) =>
            {
                Some("answer")
            }
            Kind::SetWatches => self.rewatch_value(key, part),
            Kind::Sync | Kind::Ping => None,
            Kind::Create
            | Kind::Delete
            | Kind::SetData
            | Kind::Check
            | Kind::Multi
            | Kind::Close
            | Kind::CreateSession => None,
        }
    }

    fn one_value(&mut self, key: u32, part: &Part) -> Option<&'static str> {
        if part.path == CONFIG {
            return None;
        }
        let code = self.tree.readable(&self.tape.paths, part);
        if code != part.code {
            return Some("error_code");
        }
        if code == OK {
            if part.has(flag::ODD) {
                return Some("answer");
            }
            let node = self.tree.node(part.path);
            if part.kind == Kind::GetData && part.data != node.data {
                return Some("data");
            }
            if part.kind == Kind::GetChildren
                && (part.version != node.children
                    || self.tape.kids[part.extra as usize] != node.kids)
            {
                return Some("names");
            }
            if let Some(field) = self.stat_differs(part) {
                return Some(field);
            }
        }
        self.stamp(key, part, code);
        None
    }

    /// setWatches: what it must tell at once, by what the state is (P6e; spec 1.12).
    fn caught(&self, which: u32) -> Vec<(i32, u32)> {
        let asked = &self.tape.rewatches[which as usize];
        let changed = |list, path: &u32| self.changed(list, *path, asked.since as u64);
        let lists = asked.lists.iter().enumerate();
        let mut caught: Vec<(i32, u32)> = lists
            .flat_map(|(list, paths)| paths.iter().map(move |path| (list, path)))
            .filter_map(|(list, path)| Some((changed(list, path)?, *path)))
            .collect();
        caught.sort_unstable();
        caught
    }

    fn changed(&self, list: usize, path: u32, since: u64) -> Option<i32> {
        let node = self.tree.node(path);
        match (list, node.alive) {
            (0 | 2, false) => Some(DELETED),
            (0, true) => (node.mzxid > since).then_some(CHANGED),
            (1, true) => Some(CREATED),
            (1, false) => None,
            (_, _) => (node.pzxid > since).then_some(CHILDREN),
        }
    }

    fn rewatch_value(&mut self, key: u32, part: &Part) -> Option<&'static str> {
        let which = part.extra as usize;
        let expected = self.caught(part.extra);
        let told = &self.tape.rewatches[which].told;
        self.court.add(Property::WatchLost, expected.len() as u64);
        if expected.iter().any(|event| !told.contains(event)) {
            return Some("not_caught_up");
        }
        if expected != *told {
            return Some("not_missed");
        }
        let lists = &self.tape.rewatches[which].lists;
        for path in lists.iter().flatten() {
            if !self.lost.any() {
                break;
            }
            self.tree.seen[*path as usize] =
                Stamps { alive: key, data: key, kids: key, births: key, names: key };
        }
        None
    }

    /// The watches that setWatches leaves.
    fn rewatch(&mut self, which: u32, conn: u32, rank: u32) {
        let asked = &self.tape.rewatches[which as usize];
        for (list, paths) in asked.lists.iter().enumerate() {
            let table = if list == 2 { 1 } else { 0 };
            for path in paths {
                if self.changed(list, *path, asked.since as u64).is_none() {
                    self.watches.arm(table, *path, conn, rank);
                }
            }
        }
    }
}
