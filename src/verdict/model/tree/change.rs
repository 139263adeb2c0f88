//! The few ways in which the tree changes. Whatever a request means, it comes down to these, and
//! each of them notes how to take it back: a failed multi does, and so does a search that tries one
//! order after the other.
//!
//! A model that keeps no past ([`Model::forgetful`]) has one version of each path instead of all of
//! them, no log of children and no events; but a hash of its state, which follows every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::verdict::model::{mix, mix_text};
use crate::znode::op::{Op, Reply};

use super::acl::{self, Acls};
use super::{ChildChange, Model, Node, Place, Table, Trigger, Version, event};

/// One change, as it is taken back.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    Put { place: Place, was: Option<Version>, hash: u128 },
    Child { parent: Place, child: Place, added: bool },
    Closed(SessionId),
}

/// Tags of [`mix`], so that a node and a session never cancel each other out.
const NODE: u64 = 0x7A6E_6F64_6573_0001;
const DATA: u64 = 0x7A6E_6F64_6573_0002;
const CLOSED: u64 = 0x7A6E_6F64_6573_0003;

impl Node {
    /// What tells this node from others there may be at its path, but for zxids and times, which
    /// follow from the order of transactions alone, and its children, which are nodes of their own.
    fn hash(&self, path: u64) -> u128 {
        // All fields are named, so that a new one is not forgotten here.
        let Node {
            data,
            version,
            aversion,
            creates,
            owner,
            acl,
            czxid: _,
            mzxid: _,
            pzxid: _,
            ctime: _,
            mtime: _,
            children: _,
        } = self;
        let data = data.as_deref().map_or(0, hash_of);
        let counters = (u64::from(*version as u32) << 32) | u64::from(*creates as u32);
        let rights = acl::hash_of(acl) ^ u64::from(*aversion as u32);
        [counters, rights, *owner as u64].into_iter().fold(mix(path, data), |hash, word| {
            hash.rotate_left(43) ^ mix((hash >> 64) as u64 ^ NODE, word ^ hash as u64)
        })
    }
}

pub(super) fn hash_of(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(mix(DATA, bytes.len() as u64) as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word)) as u64
    })
}

impl Model {
    /// The fresh tree, for a search: it keeps no past, but a hash, and how to take back everything.
    /// Every session is open until it is closed.
    pub(crate) fn forgetful() -> Model {
        let mut model = Model::new();
        model.past = false;
        for entry in model.entries.iter_mut().map(Arc::make_mut) {
            entry.key = mix_text(NODE, &entry.path) as u64;
            entry.hash = entry.now().map_or(0, |node| node.hash(entry.key));
            model.hash ^= entry.hash;
        }
        model
    }

    /// Tells the states of models apart that keep no past: nodes, without zxids and times, and
    /// which sessions are closed.
    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }

    /// Whether two models that keep no past are in the same state.
    pub(crate) fn same(&self, other: &Model) -> bool {
        fn live(model: &Model) -> BTreeMap<&str, &Node> {
            let all = model.entries.iter();
            all.filter_map(|entry| Some((&*entry.path, entry.now()?))).collect()
        }
        self.closed == other.closed && live(self) == live(other)
    }

    /// Whether the newest state could show this of a node: a question that is cheaper than a read,
    /// which is still to be asked if the answer is yes.
    pub(crate) fn may_show(&self, op: &Op, reply: &Reply) -> bool {
        let now = |path: &str| {
            let entry = self.look(path)?;
            Some((entry, entry.now()?))
        };
        match (op, reply) {
            (Op::Exists { path, .. }, Reply::Stat(stat)) => {
                now(path).is_some_and(|(_, node)| node.version == stat.version)
            }
            (Op::GetData { path, .. }, Reply::Data { data, stat }) => {
                now(path).is_some_and(|(_, node)| {
                    node.version == stat.version && node.data.as_deref() == data.as_deref()
                })
            }
            (Op::GetChildren { path, .. }, Reply::Children { names, .. }) => {
                now(path).is_some_and(|(entry, _)| {
                    let here = entry.children.keys();
                    here.len() == names.len() && here.zip(names).all(|(a, b)| **a == **b)
                })
            }
            _ => true,
        }
    }

    /// How many paths it knows, there or not.
    pub(crate) fn size(&self) -> usize {
        self.entries.len()
    }

    /// Whether the session owns a node.
    pub(crate) fn owns(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|owned| !owned.is_empty())
    }

    /// The same state, with nothing in it to take back.
    pub(crate) fn copy(&self) -> Model {
        Model {
            places: self.places.clone(),
            entries: self.entries.clone(),
            sessions: self.sessions.clone(),
            closed: self.closed.clone(),
            undo: Vec::new(),
            past: self.past,
            hash: self.hash,
            digest: self.digest,
            fired: Vec::new(),
            part: 0,
            settings: self.settings.clone(),
            whos: self.whos.clone(),
            knows_config: self.knows_config,
        }
    }

    /// Where [`Model::back`] comes back to.
    pub(crate) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// The changes since this mark are of no further interest.
    pub(super) fn keep(&mut self) {
        if self.past {
            self.undo.clear();
        }
    }

    /// Takes everything since the mark back.
    pub(crate) fn back(&mut self, mark: usize) {
        self.fired.clear();
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Put { place, was, hash }) => {
                    self.own(place, false);
                    let versions = &mut self.entry(place).versions;
                    versions.pop();
                    versions.extend(was);
                    self.count(place, hash);
                    self.resum(place);
                    self.own(place, true);
                }
                Some(Undo::Child { parent, child, added }) => {
                    let name = self.entries[child as usize].name();
                    let entry = self.entry(parent);
                    entry.child_log.pop();
                    if added {
                        entry.children.remove(&name);
                    } else {
                        entry.children.insert(name, child);
                    }
                }
                Some(Undo::Closed(session)) => {
                    self.closed.remove(&session);
                    self.hash ^= mix(CLOSED, session.0 as u64);
                }
                None => return,
            }
        }
    }

    /// A session is closed from now on. What it owned must be gone.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        if !self.past && self.closed.insert(session) {
            self.hash ^= mix(CLOSED, session.0 as u64);
            self.undo.push(Undo::Closed(session));
        }
    }

    pub(super) fn fire(&mut self, table: Table, place: Place, kind: i32, acl: Acls) {
        if !self.past {
            return;
        }
        // The child table hears of a deletion behind the data table, and it is the same one.
        let again = table == Table::Child && kind == event::DELETED;
        let nth = self.fired.len() as u32 - u32::from(again);
        let part = self.part;
        self.fired.push(Trigger { table, place, kind, nth, part, acl });
    }

    /// What was fired by this transaction is known from now on.
    pub(super) fn note_fired(&mut self, zxid: Zxid) {
        for trigger in &self.fired {
            let entry = Arc::make_mut(&mut self.entries[trigger.place as usize]);
            let events = match trigger.table {
                Table::Data => &mut entry.data_events,
                Table::Child => &mut entry.child_events,
            };
            events.push((zxid, trigger.clone()));
        }
    }

    /// A new version of a path. Parts of one multi share a zxid: only the last is ever seen.
    pub(super) fn put(&mut self, place: Place, zxid: Zxid, node: Option<Node>) {
        self.own(place, false);
        let past = self.past;
        let same = |last: &Version| last.zxid == zxid && zxid != Zxid::ZERO || !past;
        let versions = &mut self.entry(place).versions;
        let was = match versions.last_mut().filter(|last| same(last)) {
            Some(last) => Some(std::mem::replace(last, Version { zxid, node })),
            None => {
                versions.push(Version { zxid, node });
                None
            }
        };
        let entry = &self.entries[place as usize];
        let node = entry.now().filter(|_| !past);
        let hash = self.count(place, node.map_or(0, |node| node.hash(entry.key)));
        self.resum(place);
        self.own(place, true);
        self.undo.push(Undo::Put { place, was, hash });
    }

    /// A child comes into its parent's list, or goes.
    pub(super) fn relate(&mut self, parent: Place, child: Place, zxid: Zxid, added: bool) {
        let name = self.entries[child as usize].name();
        let past = self.past;
        let entry = self.entry(parent);
        if added {
            entry.children.insert(name, child);
        } else {
            entry.children.remove(&name);
        }
        if past {
            entry.child_log.push(ChildChange { zxid, child, added });
        }
        self.undo.push(Undo::Child { parent, child, added });
    }

    /// Keeps the list of what a session owns in step with the newest version of a path.
    fn own(&mut self, place: Place, yes: bool) {
        let owner = self.node(place).map_or(0, |node| node.owner);
        if owner == 0 {
            return;
        }
        if yes && !self.past {
            self.sessions.entry(SessionId(owner)).or_default();
        }
        if let Some(owned) = self.sessions.get_mut(&SessionId(owner)) {
            if yes {
                owned.insert(place);
            } else {
                owned.remove(&place);
            }
        }
    }

    /// What a path adds to the hash from now on; what it added before.
    fn count(&mut self, place: Place, hash: u128) -> u128 {
        let was = std::mem::replace(&mut self.entry(place).hash, hash);
        self.hash ^= was ^ hash;
        was
    }

    /// A path has this key in the hash: its number depends on what was asked before.
    pub(super) fn key(&self, path: &Arc<str>) -> u64 {
        if self.past { 0 } else { mix_text(NODE, path) as u64 }
    }
}
