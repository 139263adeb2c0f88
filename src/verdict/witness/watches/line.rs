//! What is registered and due on one connection.

use std::collections::BTreeSet;

use crate::base::Zxid;
use crate::verdict::model::tree::{Acls, Model, Place, Table, Trigger, Who, perm};
use crate::znode::op::{WatchKind, WatchMode};

/// What an event came of: a one-shot watch in one table, or one that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Once(Table),
    Stays(WatchMode),
}

/// An event that must arrive before any answer that could show what fired it.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) zxid: Zxid,
    pub(super) trigger: Trigger,
    /// All watches that it is the event of, each with its path: they share one notification.
    pub(super) of: Vec<(Source, Place)>,
    /// Whoever listens could read the node for sure when it fired. If it only may be so, the event
    /// may come or not (spec 4.2).
    pub(super) must: bool,
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// One-shot watches that nothing has fired yet.
    pub(super) armed: BTreeSet<(Place, Table)>,
    /// Watches that outlive their events.
    pub(super) stay: BTreeSet<(Place, WatchMode)>,
    pub(super) due: Vec<Due>,
    /// Events without a zxid: what setWatches caught up with, until it is answered.
    pub(super) caught: Vec<(i32, String)>,
    /// The session left watches on an earlier connection, and its library may have registered
    /// them here again without our seeing it.
    pub(super) inherits: bool,
    /// What was heard of inherited watches: each at most once.
    pub(super) inherited: BTreeSet<(Zxid, i32, Place)>,
    /// The identities that the server knows for sure, and those that it may know.
    pub(super) surely: Who,
    pub(super) maybe: Who,
}

impl Line {
    /// A watch fires. Whatever fires at once is one event: of a deletion in both tables, and of
    /// watches of several modes, a connection hears once (spec 4.2; spec 9, cases 57 and 61).
    pub(super) fn owe(&mut self, zxid: Zxid, trigger: &Trigger, of: (Source, Place), must: bool) {
        let same = |due: &&mut Due| due.zxid == zxid && due.trigger.nth == trigger.nth;
        match self.due.iter_mut().find(same) {
            Some(due) if due.of.contains(&of) => {}
            Some(due) => due.of.push(of),
            None => self.due.push(Due { zxid, trigger: trigger.clone(), of: vec![of], must }),
        }
    }

    pub(super) fn must(&self, model: &Model, acl: &Acls) -> bool {
        model.may(acl, perm::READ, self.surely)
    }

    pub(super) fn may(&self, model: &Model, acl: &Acls) -> bool {
        model.may(acl, perm::READ, self.maybe)
    }

    /// Whether a server at `view` holds such a watch for this connection. One-shot watches that
    /// fire later than that are still there.
    pub(super) fn holds(&self, kind: WatchKind, place: Place, view: Zxid) -> bool {
        let once = |table| {
            let of = (Source::Once(table), place);
            self.armed.contains(&(place, table))
                || self.due.iter().any(|due| due.zxid > view && due.of.contains(&of))
        };
        let stays = |mode| self.stay.contains(&(place, mode));
        match kind {
            WatchKind::Children => once(Table::Child),
            WatchKind::Data => once(Table::Data),
            WatchKind::Persistent => stays(WatchMode::Persistent),
            WatchKind::PersistentRecursive => stays(WatchMode::PersistentRecursive),
            WatchKind::Any => {
                [Table::Data, Table::Child].into_iter().any(once)
                    || [WatchMode::Persistent, WatchMode::PersistentRecursive]
                        .into_iter()
                        .any(stays)
            }
        }
    }

    /// Such watches are gone from a server at `view`: what would have fired them later does not.
    pub(super) fn remove(&mut self, kind: WatchKind, place: Place, view: Zxid) {
        let gone: &[Source] = match kind {
            WatchKind::Children => &[Source::Once(Table::Child)],
            WatchKind::Data => &[Source::Once(Table::Data)],
            WatchKind::Persistent => &[Source::Stays(WatchMode::Persistent)],
            WatchKind::PersistentRecursive => &[Source::Stays(WatchMode::PersistentRecursive)],
            WatchKind::Any => &[
                Source::Once(Table::Child),
                Source::Once(Table::Data),
                Source::Stays(WatchMode::Persistent),
                Source::Stays(WatchMode::PersistentRecursive),
            ],
        };
        for source in gone {
            match source {
                Source::Once(table) => self.armed.remove(&(place, *table)),
                Source::Stays(mode) => self.stay.remove(&(place, *mode)),
            };
        }
        for due in self.due.iter_mut().filter(|due| due.zxid > view) {
            due.of.retain(|(source, at)| *at != place || !gone.contains(source));
        }
        self.due.retain(|due| !due.of.is_empty());
    }
}
