//! Watches, per connection (P6; spec 4): which are registered, which must fire before what.
//!
//! A registration stands at the view of the read that left it. Commits move it from *armed* to
//! *due* at once, though its server may be far behind: what is due must arrive before any answer
//! whose view shows the change. That makes completeness a safety property: no timer is needed.
//! Watches that stay are due again and again, and of a connection's watches that one change fires
//! there is one event.

mod line;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{ConnId, SessionId, Zxid};
use crate::verdict::model::tree::{Model, Place, Table, Trigger, Who, event};
use crate::znode::op::{ErrorCode, Op, Reply, WatchMode};

use line::{Due, Line, Source};

use super::tally::{Court, Property};

/// All watches of all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    lines: BTreeMap<ConnId, Line>,
    /// Who waits for a path. May hold connections that are gone.
    armed: BTreeMap<(Place, Table), Vec<ConnId>>,
    /// Who listens to a path for good. May hold connections that are gone.
    stay: BTreeMap<(Place, WatchMode), BTreeSet<ConnId>>,
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
        if !line.armed.is_empty() || !line.due.is_empty() || !line.stay.is_empty() {
            self.orphaned.insert(session);
        }
    }

    /// The connection asks something with these identities: its server may know them.
    pub(super) fn claims(&mut self, conn: ConnId, who: Who) {
        self.lines.entry(conn).or_default().maybe = who;
    }

    /// What was asked with these identities is answered: its server does know them. An auth packet
    /// may be answered before what was asked ahead of it.
    pub(super) fn proved(&mut self, conn: ConnId, who: Who, model: &Model) {
        if let Some(line) = self.lines.get_mut(&conn)
            && model.is_more(who, line.surely)
        {
            line.surely = who;
        }
    }

    /// What a committed transaction fires.
    pub(super) fn fire(&mut self, zxid: Zxid, model: &Model) {
        for trigger in model.fired() {
            let place = trigger.place;
            for conn in self.armed.remove(&(place, trigger.table)).unwrap_or_default() {
                let Some(line) = self.lines.get_mut(&conn) else { continue };
                if line.armed.remove(&(place, trigger.table)) {
                    let must = line.must(model, &trigger.acl);
                    line.owe(zxid, trigger, (Source::Once(trigger.table), place), must);
                }
            }
            if !self.stay.is_empty() {
                self.fire_those_that_stay(zxid, trigger, model);
            }
        }
    }

    /// Persistent ones hear both tables of their path; recursive ones hear the data table of theirs
    /// and of all below (spec 4.2; spec 9, case 62).
    fn fire_those_that_stay(&mut self, zxid: Zxid, trigger: &Trigger, model: &Model) {
        let mut heard = vec![(trigger.place, WatchMode::Persistent)];
        if trigger.table == Table::Data {
            let upwards = model.upwards(trigger.place).into_iter();
            heard.extend(upwards.map(|place| (place, WatchMode::PersistentRecursive)));
        }
        for (place, mode) in heard {
            for conn in self.stay.get(&(place, mode)).into_iter().flatten() {
                let Some(line) = self.lines.get_mut(conn) else { continue };
                if line.stay.contains(&(place, mode)) {
                    let must = line.must(model, &trigger.acl);
                    line.owe(zxid, trigger, (Source::Stays(mode), place), must);
                }
            }
        }
    }

    /// What leaves watches, or takes them away, was answered at `view`: exists leaves one on a
    /// missing node too, getData and getChildren do not (spec 1.14).
    pub(super) fn registered(
        &mut self,
        conn: ConnId,
        op: &Op,
        result: &Result<Reply, ErrorCode>,
        view: Zxid,
        model: &mut Model,
    ) {
        match (op, result) {
            (Op::Exists { path, watch: true }, Ok(_) | Err(ErrorCode::NoNode))
            | (Op::GetData { path, watch: true }, Ok(_)) => {
                self.arm(conn, path, Table::Data, view, model);
            }
            (Op::GetChildren { path, watch: true, .. }, Ok(_)) => {
                self.arm(conn, path, Table::Child, view, model);
            }
            (Op::AddWatch { path, mode }, Ok(_)) => self.settle(conn, path, *mode, view, model),
            (Op::RemoveWatches { path, kind }, Ok(_)) => {
                let place = model.intern(path);
                self.lines.entry(conn).or_default().remove(*kind, place, view);
            }
            _ => {}
        }
    }

    /// What checkWatches and removeWatches must answer at `view` (spec 1.13); `None` if they do not
    /// ask for watches, or it cannot be known which there are.
    pub(super) fn answer(
        &mut self,
        conn: ConnId,
        op: &Op,
        view: Zxid,
        model: &mut Model,
    ) -> Option<Result<Reply, ErrorCode>> {
        let (Op::CheckWatches { path, kind } | Op::RemoveWatches { path, kind }) = op else {
            return None;
        };
        let place = model.intern(path);
        let line = self.lines.entry(conn).or_default();
        if line.inherits && !self.shown {
            return None;
        }
        Some(match line.holds(*kind, place, view) {
            true => Ok(Reply::Done),
            false => Err(ErrorCode::NoWatcher),
        })
    }

    fn arm(&mut self, conn: ConnId, path: &str, table: Table, view: Zxid, model: &mut Model) {
        let place = model.intern(path);
        let line = self.lines.entry(conn).or_default();
        if let Some((zxid, trigger)) = model.first_event(table, place, view) {
            let must = line.must(model, &trigger.acl);
            line.owe(*zxid, trigger, (Source::Once(table), place), must);
        } else if line.armed.insert((place, table)) {
            self.armed.entry((place, table)).or_default().push(conn);
        }
    }

    /// A watch that stays is left at `view`: all that came after fires it.
    fn settle(&mut self, conn: ConnId, path: &str, mode: WatchMode, view: Zxid, model: &mut Model) {
        let place = model.intern(path);
        let line = self.lines.entry(conn).or_default();
        if !line.stay.insert((place, mode)) {
            return;
        }
        self.stay.entry((place, mode)).or_default().insert(conn);
        let missed = match mode {
            WatchMode::Persistent => model.events_at(place, view),
            WatchMode::PersistentRecursive => model.events_below(place, view),
        };
        for (zxid, trigger) in &missed {
            let must = line.must(model, &trigger.acl);
            line.owe(*zxid, trigger, (Source::Stays(mode), place), must);
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
        let Some(line) = self.lines.get_mut(&conn) else { return };
        if line.due.is_empty() && line.armed.is_empty() && line.stay.is_empty() {
            return;
        }
        let missing = line.due.iter().find(|due| due.must && due.zxid <= view);
        court.hold(Property::WatchBeforeData, missing.is_none(), "data_first", || {
            missing.map_or(String::new(), |Due { zxid, trigger, .. }| {
                let (kind, path) = (name(trigger.kind), model.path(trigger.place));
                format!(
                    "{conn} got an answer of view {view} before its event {kind} of `{path}`, \
                     which {zxid} fired"
                )
            })
        });
        // What it perhaps could not read was not told.
        line.due.retain(|due| due.must || due.zxid > view);
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
        let fits = |due: &Due| (due.zxid, due.trigger.kind, due.trigger.place);
        let fitting =
            line.due.iter().enumerate().filter(|(_, due)| fits(due) == (zxid, kind, place));
        let found = fitting.min_by_key(|(_, due)| due.trigger.nth).map(|(at, _)| at);
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
        let heard = line.due.swap_remove(found);
        let readable = heard.must || line.may(model, &heard.trigger.acl);
        court.hold(Property::WatchSpurious, readable, "unreadable", || {
            format!("{conn} heard {} of `{path}` at {zxid}, which it may not read", name(kind))
        });
        let first = |due: &Due| (due.zxid, due.trigger.part);
        let earlier = line.due.iter().find(|other| other.must && first(other) < first(&heard));
        court.hold(Property::WatchBeforeData, earlier.is_none(), "event_order", || {
            let path = earlier.map_or("", |due| model.path(due.trigger.place));
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
        let (Op::SetWatches { relative, data, exist, child }
        | Op::SetWatches2 { relative, data, exist, child, .. }) = op
        else {
            return;
        };
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
        if let Op::SetWatches2 { persistent, recursive, .. } = op {
            for path in persistent {
                self.settle(conn, path, WatchMode::Persistent, view, model);
            }
            for path in recursive {
                self.settle(conn, path, WatchMode::PersistentRecursive, view, model);
            }
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
