//! The judge's own znode service: naive, multi-version, written from the specification's text
//! (sections 1.14, 1.15, 2.2 to 2.6, 4.2 and 6.12), so that it shares no mistake with the service
//! it judges, and is ahead of it.
//!
//! It never forgets: each path keeps a list of versions by zxid, so that a read can be evaluated
//! at the very state its server had, however stale (checker notes, P3). It knows nothing of peers,
//! transactions' encodings or watches' owners; it is asked requests, in committed order.
//!
//! ```text
//!   entries[i]:  path   versions  [0.0 absent] [1.4 created] [1.9 set] [2.3 absent] ..
//!                       children  of the newest version, plus a log to walk back to older ones
//!                       events    what would have fired a watch here, by zxid
//! ```

mod acl;
mod beyond;
mod change;
mod config;
pub(in crate::verdict) mod digest;
mod life;
mod path;
mod quota;
mod read;
mod sha;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::jute::proto::{Id, Stat};
use crate::verdict::names::Names;

pub(crate) use acl::{Acls, Who};
pub(crate) use beyond::{is_beyond, is_unsearched};
pub(crate) use read::same_names;
pub(crate) use write::{Asked, Effect, is_part};

use change::Undo;

/// Event types (spec 1.8).
pub(crate) mod event {
    pub(crate) const CREATED: i32 = 1;
    pub(crate) const DELETED: i32 = 2;
    pub(crate) const CHANGED: i32 = 3;
    pub(crate) const CHILDREN: i32 = 4;
}

/// Permissions (spec 2.5).
pub(crate) mod perm {
    pub(crate) const READ: i32 = 1;
    pub(crate) const WRITE: i32 = 2;
    pub(crate) const CREATE: i32 = 4;
    pub(crate) const DELETE: i32 = 8;
    pub(crate) const ADMIN: i32 = 16;
}

/// The number of a path within a model: never reused, whatever becomes of the node.
pub(crate) type Place = u32;

const ROOT: Place = 0;
const CONFIG: Place = 2;
const QUOTA: Place = 3;

/// How the servers are configured, as far as answers depend on it. The default is ZooKeeper's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Nodes with a time to live are allowed (spec 2.4).
    pub extended_types: bool,
    /// Hard limits of quotas refuse (spec 2.6).
    pub enforce_quota: bool,
    /// reconfig is allowed (spec 6.12).
    pub reconfig: bool,
    /// The digest id that is the super user (spec 1.15).
    pub super_digest: Option<String>,
    /// Nobody is asked for permissions (spec 1.15).
    pub skip_acl: bool,
    /// After how many milliseconds without a child a container goes that never had one; `None` is
    /// never (spec 2.4).
    pub never_used_ms: Option<i64>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            extended_types: false,
            enforce_quota: false,
            reconfig: false,
            super_digest: None,
            skip_acl: false,
            never_used_ms: Some(300_000),
        }
    }
}

/// Which of the two watch tables (spec 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Watches left by exists and getData.
    Data,
    /// Watches left by getChildren.
    Child,
}

/// Something that fires the watches of a path in one table (spec 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub(crate) table: Table,
    pub(crate) place: Place,
    pub(crate) kind: i32,
    /// Which of its transaction's. A deletion is one, though it fires in both tables: nobody hears
    /// of it twice.
    pub(crate) nth: u32,
    /// Of which part of a multi: events of one come before those of the next.
    pub(crate) part: u32,
    /// Who may read the node: nobody else is told (spec 4.2).
    pub(crate) acl: Acls,
}

/// One node at one zxid.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    data: Option<Arc<[u8]>>,
    czxid: Zxid,
    mzxid: Zxid,
    pzxid: Zxid,
    ctime: i64,
    mtime: i64,
    version: i32,
    aversion: i32,
    /// Creates of children under this incarnation: the counter of sequential names (P8).
    creates: i32,
    children: i32,
    /// Who owns it, or how long it lives: see [`life`].
    owner: i64,
    acl: Acls,
}

impl Node {
    /// As clients see it. The visible cversion counts creates and deletes (spec 2.3).
    fn stat(&self) -> Stat {
        Stat {
            czxid: self.czxid.wire(),
            mzxid: self.mzxid.wire(),
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.creates.wrapping_mul(2).wrapping_sub(self.children),
            aversion: self.aversion,
            ephemeral_owner: life::visible(self.owner),
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            num_children: self.children,
            pzxid: self.pzxid.wire(),
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        self.data.as_ref().map(|data| data.to_vec())
    }
}

#[derive(Clone, Debug)]
struct Version {
    zxid: Zxid,
    node: Option<Node>,
}

#[derive(Clone, Debug)]
struct ChildChange {
    zxid: Zxid,
    child: Place,
    added: bool,
}

/// Everything ever known of one path.
#[derive(Clone, Debug)]
struct Entry {
    path: Arc<str>,
    /// What stands for the path in hashes.
    key: u64,
    /// What the newest version adds to the digest.
    sum: u32,
    /// Without a past: what it adds to the hash.
    hash: u128,
    parent: Place,
    versions: Vec<Version>,
    /// Children of the newest version, by name.
    children: BTreeMap<Arc<str>, Place>,
    child_log: Vec<ChildChange>,
    /// What fired or would have fired a data watch, ascending.
    data_events: Vec<(Zxid, Trigger)>,
    /// What fired or would have fired a child watch, ascending.
    child_events: Vec<(Zxid, Trigger)>,
}

impl Entry {
    fn now(&self) -> Option<&Node> {
        self.versions.last()?.node.as_ref()
    }

    fn at(&self, view: Zxid) -> Option<&Node> {
        let known = match self.versions.last() {
            Some(last) if last.zxid <= view => self.versions.len(),
            _ => self.versions.partition_point(|version| version.zxid <= view),
        };
        self.versions[..known].last()?.node.as_ref()
    }

    fn name(&self) -> Arc<str> {
        match self.path.rfind('/') {
            Some(slash) => Arc::from(&self.path[slash + 1..]),
            None => self.path.clone(),
        }
    }
}

/// The model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// The paths, numbered by place. They and each entry are shared with copies until one of them
    /// changes it: a search keeps many states that differ in a few nodes.
    places: Arc<Names>,
    entries: Vec<Arc<Entry>>,
    /// Open sessions and what they own; without a past only those that own something.
    sessions: BTreeMap<SessionId, BTreeSet<Place>>,
    /// Without a past: the sessions that were closed.
    closed: BTreeSet<SessionId>,
    /// How to take changes back: those of the last request, or all without a past.
    undo: Vec<Undo>,
    /// Whether older states are kept, too.
    past: bool,
    /// Without a past: tells states apart.
    hash: u128,
    /// With a past: the digest of the newest state (spec 7.5).
    digest: u64,
    /// What the last applied request fired, in order.
    fired: Vec<Trigger>,
    /// Which part of a multi is being applied.
    part: u32,
    settings: Settings,
    /// The sets of identities that connections have, by number.
    whos: Vec<Arc<[Id]>>,
    /// Whether it was told what `/zookeeper/config` begins with.
    knows_config: bool,
}

impl Model {
    /// The fresh tree (spec 2.2).
    pub(crate) fn new() -> Model {
        let mut model = Model {
            places: Arc::new(Names::new()),
            entries: Vec::new(),
            sessions: BTreeMap::new(),
            closed: BTreeSet::new(),
            undo: Vec::new(),
            past: true,
            hash: 0,
            digest: 0,
            fired: Vec::new(),
            part: 0,
            settings: Settings::default(),
            whos: vec![Arc::from([])],
            knows_config: false,
        };
        for path in ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
            let place = model.intern(path);
            let config = path == "/zookeeper/config";
            let node = Node {
                data: Some(Arc::from(&[][..])),
                czxid: Zxid::ZERO,
                mzxid: Zxid::ZERO,
                pzxid: Zxid::ZERO,
                ctime: 0,
                mtime: 0,
                version: 0,
                aversion: if config { -1 } else { 0 },
                creates: 0,
                children: 0,
                owner: 0,
                acl: if config { acl::read_only() } else { None },
            };
            let entry = model.entry(place);
            entry.versions.push(Version { zxid: Zxid::ZERO, node: Some(node) });
            let (name, parent) = (entry.name(), entry.parent);
            if place != ROOT {
                // The built-in children were added without counting as creates (spec 2.2).
                let above = model.entry(parent);
                above.children.insert(name, place);
                if let Some(node) = above.versions.last_mut().and_then(|v| v.node.as_mut()) {
                    node.children += 1;
                }
            }
            model.resum(place);
        }
        model
    }

    /// The number of a path, given out on first use.
    pub(crate) fn intern(&mut self, path: &str) -> Place {
        if let Some(place) = self.place(path) {
            return place;
        }
        let parent = path::parent(path).and_then(|parent| self.place(parent));
        let place = Arc::make_mut(&mut self.places).intern(path.as_bytes());
        let path: Arc<str> = Arc::from(path);
        let key = self.key(&path);
        self.entries.push(Arc::new(Entry {
            key,
            path,
            sum: 0,
            hash: 0,
            parent: parent.unwrap_or(ROOT),
            versions: Vec::new(),
            children: BTreeMap::new(),
            child_log: Vec::new(),
            data_events: Vec::new(),
            child_events: Vec::new(),
        }));
        place
    }

    /// An entry, to be changed.
    fn entry(&mut self, place: Place) -> &mut Entry {
        Arc::make_mut(&mut self.entries[place as usize])
    }

    /// The text of a path.
    pub(crate) fn path(&self, place: Place) -> &str {
        &self.entries[place as usize].path
    }

    /// Whether the session is open in the newest state.
    pub(crate) fn is_open(&self, session: SessionId) -> bool {
        if self.past {
            self.sessions.contains_key(&session)
        } else {
            !self.closed.contains(&session)
        }
    }

    /// createSession (spec 3.2). Twice is once.
    pub(crate) fn open(&mut self, session: SessionId) {
        self.fired.clear();
        self.sessions.entry(session).or_default();
    }

    /// What the last applied request fired, in order.
    pub(crate) fn fired(&self) -> &[Trigger] {
        &self.fired
    }

    /// The first thing after `view` that fires a watch left there (P6a).
    pub(crate) fn first_event(
        &self,
        table: Table,
        place: Place,
        view: Zxid,
    ) -> Option<&(Zxid, Trigger)> {
        let entry = &self.entries[place as usize];
        let events = match table {
            Table::Data => &entry.data_events,
            Table::Child => &entry.child_events,
        };
        events.get(events.partition_point(|(zxid, _)| *zxid <= view))
    }

    /// Whether something of this kind, which fires a watch there, happened at `zxid`.
    pub(crate) fn happened(&self, place: Place, zxid: Zxid, kind: i32) -> bool {
        let entry = &self.entries[place as usize];
        let mut events = entry.data_events.iter().chain(&entry.child_events);
        events.any(|(at, trigger)| (*at, trigger.kind) == (zxid, kind))
    }

    /// All that fires a watch there, in either table, after `view`, in order.
    pub(crate) fn events_at(&self, place: Place, view: Zxid) -> Vec<(Zxid, Trigger)> {
        let entry = &self.entries[place as usize];
        let all = entry.data_events.iter().chain(&entry.child_events);
        in_order(all.filter(|(zxid, _)| *zxid > view))
    }

    /// All that fires data watches there and below after `view`, in order: what a recursive watch
    /// hears of (spec 4.2).
    pub(crate) fn events_below(&self, place: Place, view: Zxid) -> Vec<(Zxid, Trigger)> {
        let top = &self.entries[place as usize].path;
        let within = |entry: &&Arc<Entry>| path::is_within(&entry.path, top);
        let below = self.entries.iter().filter(within);
        let all = below.flat_map(|entry| &entry.data_events);
        in_order(all.filter(|(zxid, _)| *zxid > view))
    }

    /// The places of a path and of all paths above it that were ever named.
    pub(crate) fn upwards(&self, place: Place) -> Vec<Place> {
        let mut path: &str = &self.entries[place as usize].path;
        let mut all = vec![place];
        while path.len() > 1
            && let Some(parent) = path::parent(path)
        {
            all.extend(self.place(parent));
            path = parent;
        }
        all
    }

    /// Configures the servers that it stands for.
    pub(crate) fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The node's mzxid and pzxid at `view`, if it is there: what setWatches compares (spec 1.12).
    pub(crate) fn change_zxids(&self, path: &str, view: Zxid) -> Option<(Zxid, Zxid)> {
        let node = self.look(path)?.at(view)?;
        Some((node.mzxid, node.pzxid))
    }

    /// Drops what only states before `view` need: nobody will ask for them any more.
    pub(crate) fn forget(&mut self, view: Zxid) {
        for entry in self.entries.iter_mut().map(Arc::make_mut) {
            let older = entry.versions.partition_point(|version| version.zxid <= view);
            entry.versions.drain(..older.saturating_sub(1));
            let older = entry.child_log.partition_point(|change| change.zxid <= view);
            entry.child_log.drain(..older);
            for events in [&mut entry.data_events, &mut entry.child_events] {
                let older = events.partition_point(|(zxid, _)| *zxid <= view);
                events.drain(..older);
            }
        }
    }

    /// The number of a path, if it has one.
    fn place(&self, path: &str) -> Option<Place> {
        self.places.find(path.as_bytes())
    }

    fn look(&self, path: &str) -> Option<&Entry> {
        self.place(path).map(|place| &*self.entries[place as usize])
    }
}

fn in_order<'a>(events: impl Iterator<Item = &'a (Zxid, Trigger)>) -> Vec<(Zxid, Trigger)> {
    let mut all: Vec<(Zxid, Trigger)> = events.cloned().collect();
    all.sort_by_key(|(zxid, trigger)| (*zxid, trigger.nth));
    all
}

#[cfg(test)]
mod tests;
