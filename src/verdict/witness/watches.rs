//! Watches, per connection (P6; spec 4): which are registered, which must fire before what.
//!
//! A registration stands at the view of the read that left it. Commits move it from *armed* to
//! *due* at once, though its server may be far behind: what is due must arrive before any answer
//! whose view shows the change. That makes completeness a safety property: no timer is needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{ConnId, SessionId, Zxid};
use crate::verdict::model::tree::{Model, Place, Table, Trigger, event};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::tally::{Court, Property};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    zxid: Zxid,
    kind: i32,
    place: Place,
}

#[derive(Clone, Debug, Default)]
struct Line {
    armed: BTreeSet<(Place, Table)>,
    due: Vec<Due>,
    /// Events without a zxid: what setWatches caught up with, until it is answered.
    caught: Vec<(i32, String)>,
    /// The session left watches on an earlier connection, and its library may have registered
    /// them here again without our seeing it.
    inherits: bool,
    /// What was heard of inherited watches: each at most once.
    inherited: BTreeSet<(Zxid, i32, Place)>,
}

impl Line {
    /// A node's deletion fires both tables, but each connection hears of it once (spec 4.2).
    fn owe(&mut self, due: Due) {
        if !self.due.contains(&due) {
            self.due.push(due);
        }
    }
}

/// All watches of all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    lines: BTreeMap<ConnId, Line>,
    /// Who waits for a path. May hold connections that are gone.
    armed: BTreeMap<(Place, Table), Vec<ConnId>>,
    /// Sessions whose library remembers watches of a connection that is gone.
    orphaned: BTreeSet<SessionId>,
    /// The run shows setWatches as calls: then nothing is registered unseen.
    shown: bool,
}

impl Watches {
    /// A session presents itself again: its library may register old watches here.
    pub(super) fn renewed(&mut self, conn: ConnId, session: SessionId) {
        if self.orphaned.contains(&session) {
            self.lines.entry(conn).or_default().inherits = true;
        }
    }

    /// The run shows setWatches as calls.
    pub(super) fn set_watches_shown(&mut self) {
        self.shown = true;
    }

    /// The connection is gone, and its watches (C13).
    pub(super) fn forget(&mut self, conn: ConnId, session: SessionId) {
        let Some(line) = self.lines.remove(&conn) else { return };
        if !line.armed.is_empty() || !line.due.is_empty() {
            self.orphaned.insert(session);
        }
    }

    /// What a committed transaction fires.
    pub(super) fn fire(&mut self, zxid: Zxid, fired: &[Trigger]) {
        for Trigger { table, place, kind } in fired.iter().copied() {
            for conn in self.armed.remove(&(place, table)).unwrap_or_default() {
                let Some(line) = self.lines.get_mut(&conn) else { continue };
                if line.armed.remove(&(place, table)) {
                    line.owe(Due { zxid, kind, place });
                }
            }
        }
    }

    /// A read that leaves a watch was answered at `view`: exists leaves one on a missing node too,
    /// getData and getChildren do not (spec 1.14).
    pub(super) fn registered(
        &mut self,
        conn: ConnId,
        op: &Op,
        result: &Result<Reply, ErrorCode>,
        view: Zxid,
        model: &mut Model,
    ) {
        let (path, table) = match (op, result) {
            (Op::Exists { path, watch: true }, Ok(_) | Err(ErrorCode::NoNode))
            | (Op::GetData { path, watch: true }, Ok(_)) => (path, Table::Data),
            (Op::GetChildren { path, watch: true, .. }, Ok(_)) => (path, Table::Child),
            _ => return,
        };
        self.arm(conn, path, table, view, model);
    }

    fn arm(&mut self, conn: ConnId, path: &str, table: Table, view: Zxid, model: &mut Model) {
        let place = model.intern(path);
        let line = self.lines.entry(conn).or_default();
        if let Some((zxid, kind)) = model.first_event(table, place, view) {
            line.owe(Due { zxid, kind, place });
        } else if line.armed.insert((place, table)) {
            self.armed.entry((place, table)).or_default().push(conn);
        }
    }

    /// Nothing that is due by `view` may still be missing when an answer with that view arrives.
    pub(super) fn answered(
        &mut self,
        conn: ConnId,
        view: Zxid,
        model: &Model,
        court: &mut Court<'_>,
    ) {
        let Some(line) = self.lines.get(&conn) else { return };
        if line.due.is_empty() && line.armed.is_empty() {
            return;
        }
        let missing = line.due.iter().find(|due| due.zxid <= view);
        court.hold(Property::WatchBeforeData, missing.is_none(), "data_first", || {
            missing.map_or(String::new(), |due| {
                let (kind, path) = (name(due.kind), model.path(due.place));
                format!(
                    "{conn} got an answer of view {view} before its event {kind} of `{path}`, \
                     which {} fired",
                    due.zxid
                )
            })
        });
    }

    /// A notification arrived.
    pub(super) fn heard(
        &mut self,
        conn: ConnId,
        kind: i32,
        path: &str,
        zxid: Option<Zxid>,
        model: &mut Model,
        court: &mut Court<'_>,
    ) {
        let place = model.intern(path);
        let line = self.lines.entry(conn).or_default();
        let Some(zxid) = zxid else {
            line.caught.push((kind, path.to_owned()));
            return;
        };
        let due = Due { zxid, kind, place };
        let found = line.due.iter().position(|other| *other == due);
        if found.is_none() && line.inherits && !self.shown && model.happened(place, zxid, kind) {
            // Registered again out of our sight: real, and once, is all that can be asked.
            let first = line.inherited.insert((zxid, kind, place));
            court.hold(Property::WatchSpurious, first, "twice", || {
                format!("{conn} heard {} of `{path}` at {zxid} twice", name(kind))
            });
            return;
        }
        court.hold(Property::WatchSpurious, found.is_some(), "unexpected", || {
            let waits = |table| if line.armed.contains(&(place, table)) { "yes" } else { "no" };
            format!(
                "{conn} heard {} of `{path}` at {zxid}, but no watch of it fires then (waiting \
                 for data: {}, for children: {})",
                name(kind),
                waits(Table::Data),
                waits(Table::Child),
            )
        });
        let Some(found) = found else { return };
        line.due.swap_remove(found);
        let earlier = line.due.iter().find(|other| other.zxid < zxid);
        court.hold(Property::WatchBeforeData, earlier.is_none(), "event_order", || {
            let path = earlier.map_or("", |due| model.path(due.place));
            format!("{conn} heard the event of {zxid} before an earlier one of `{path}`")
        });
    }

    /// setWatches was answered at `view`: what it must have caught up with is fixed by the state
    /// there (P6e; spec 1.12), and came before this answer.
    pub(super) fn caught_up(
        &mut self,
        conn: ConnId,
        op: &Op,
        view: Zxid,
        model: &mut Model,
        court: &mut Court<'_>,
    ) {
        let Op::SetWatches { relative, data, exist, child } = op else { return };
        let since = Zxid::from_wire(*relative);
        let mut expected: Vec<(i32, &str)> = Vec::new();
        let mut arm: Vec<(&str, Table)> = Vec::new();
        for path in data {
            match model.change_zxids(path, view) {
                None => expected.push((event::DELETED, path)),
                Some((mzxid, _)) if mzxid > since => expected.push((event::CHANGED, path)),
                Some(_) => arm.push((path, Table::Data)),
            }
        }
        for path in exist {
            match model.change_zxids(path, view) {
                Some(_) => expected.push((event::CREATED, path)),
                None => arm.push((path, Table::Data)),
            }
        }
        for path in child {
            match model.change_zxids(path, view) {
                None => expected.push((event::DELETED, path)),
                Some((_, pzxid)) if pzxid > since => expected.push((event::CHILDREN, path)),
                Some(_) => arm.push((path, Table::Child)),
            }
        }
        let mut caught = std::mem::take(&mut self.lines.entry(conn).or_default().caught);
        for (kind, path) in expected {
            let found = caught.iter().position(|(k, p)| *k == kind && p == path);
            court.hold(Property::WatchLost, found.is_some(), "not_caught_up", || {
                let kind = name(kind);
                format!(
                    "setWatches on {conn}, since {since} and answered at {view}, did not tell \
                     {kind} of `{path}`"
                )
            });
            if let Some(found) = found {
                caught.swap_remove(found);
            }
        }
        court.hold(Property::WatchSpurious, caught.is_empty(), "not_missed", || {
            let (kind, path) = caught.first().map_or((0, ""), |(kind, path)| (*kind, path));
            format!("setWatches on {conn} told {} of `{path}`, unasked or unchanged", name(kind))
        });
        for (path, table) in arm {
            self.arm(conn, path, table, view, model);
        }
    }

    /// Events without a zxid come from setWatches only: whatever else is answered first, they are
    /// out of place.
    pub(super) fn nothing_caught(&mut self, conn: ConnId, court: &mut Court<'_>) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        if line.inherits && !self.shown {
            line.caught.clear();
        }
        if let Some((kind, path)) = line.caught.first() {
            let detail = format!(
                "{conn} heard {} of `{path}` without a zxid, but no setWatches was next",
                name(*kind)
            );
            court.report(Property::WatchSpurious, "no_set_watches", Vec::new(), detail);
        }
    }
}

fn name(kind: i32) -> &'static str {
    match kind {
        event::CREATED => "NodeCreated",
        event::DELETED => "NodeDeleted",
        event::CHANGED => "NodeDataChanged",
        event::CHILDREN => "NodeChildrenChanged",
        _ => "an unknown event",
    }
}
