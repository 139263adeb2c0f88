//! Which lost calls may be behind an answer, and where one can have happened: after what its
//! session had seen, before what its session did next, and since the last time that anybody looked
//! at what it changes.

use crate::verdict::names::NONE;

use super::again::Order;
use super::lost::{Goal, REACH, Unknown};
use super::replay::{GAP, Replay, parts_of};
use super::tape::{EARLY, Kind, OK, Part, flag};

/// How many of the dark keys are tried: those that leave most to other lost calls, and of these the
/// latest first.
const PLACES: usize = 3;
/// Out of so many.
const CHOICE: usize = 32;

impl Replay<'_> {
    /// Lost calls that touch what the goal is about, and may have happened by now.
    pub(super) fn candidates(&mut self, key: u32, goal: Goal<'_>) -> Vec<u32> {
        let mut about = match goal {
            Goal::Write(part, _) | Goal::Read(part) => match part.kind {
                Kind::Multi | Kind::MultiRead => {
                    parts_of(self.tape, part).iter().map(|part| part.path).collect()
                }
                Kind::SetWatches => self.tape.rewatches[part.extra as usize]
                    .lists
                    .iter()
                    .flatten()
                    .copied()
                    .collect(),
                _ => vec![part.path],
            },
            Goal::Shown(shown) => shown.iter().map(|shown| shown.path()).collect(),
        };
        about.retain(|path| *path != NONE);
        let parents: Vec<u32> =
            about.iter().map(|path| self.tape.paths.parent[*path as usize]).collect();
        about.extend(parents.into_iter().filter(|path| *path != NONE));
        about.dedup();
        let mut found: Vec<u32> = Vec::new();
        for path in &about {
            let Some(known) = self.lost.by_path.get_mut(path) else { continue };
            let list = &self.lost.list;
            // What another write of its session has overtaken long ago is out of reach.
            known.retain(|n| {
                let unknown = &list[*n as usize];
                unknown.before == NONE || unknown.before.saturating_add(REACH) > key
            });
            found.extend(known.iter().filter(|n| {
                let unknown = &list[**n as usize];
                unknown.placed == GAP && unknown.after < key
            }));
        }
        self.add_ends(key, &about, &mut found);
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|n| seen.insert(*n));
        // Whoever was told of its end has ended; the others may have.
        found.sort_by_key(|n| {
            let unknown = &self.lost.list[*n as usize];
            unknown.call == NONE && !self.lost.told[unknown.session as usize]
        });
        found
    }

    /// Sessions that may have ended unseen, of which the goal's nodes or their children are.
    fn add_ends(&self, key: u32, about: &[u32], found: &mut Vec<u32>) {
        let mut add = |session: u32| {
            let Some(end) = self.lost.ends.get(session as usize) else { return };
            if *end == NONE || self.lives[session as usize].closed != NONE {
                return;
            }
            let unknown = &self.lost.list[*end as usize];
            if unknown.placed == GAP && unknown.after < key && !found.contains(end) {
                found.push(*end);
            }
        };
        for path in about {
            let node = self.tree.node(*path);
            if node.alive && node.owner != NONE {
                add(node.owner);
            }
        }
        for session in 0..self.lost.ends.len() as u32 {
            let end = self.lost.ends[session as usize];
            let over = self.lives[session as usize].closed != NONE;
            if over || end == NONE || self.lost.list[end as usize].after >= key {
                continue;
            }
            let mine = self.tree.owned_by(session);
            if mine.iter().any(|path| about.contains(&self.tape.paths.parent[*path as usize])) {
                add(session);
            }
        }
    }

    /// Keys that a lost call may have had: the one in question, or the latest that is free and of
    /// which nothing is known.
    pub(super) fn places(&self, key: u32, unknown: u32, goal: Goal<'_>) -> Vec<u32> {
        let Unknown { after, before, part, session, fixed, .. } = self.lost.list[unknown as usize];
        let bound = after.max(self.last_look(&part, session));
        let closed = self.lives[session as usize].closed;
        let last = match goal {
            Goal::Write(..) => key - 1,
            Goal::Read(_) | Goal::Shown(_) => key,
        };
        let last = last.min(before.saturating_sub(1)).min(closed.saturating_sub(1));
        let last = last.min(self.told_since(&part, session, goal));
        let free = |at: u32| at > bound && at <= last && self.is_free(unknown, at);
        let changes = self.changes(&part, session);
        let quiet = |at: u32| self.lost.quiet.since(&changes, at);
        let mut places: Vec<u32> = Vec::new();
        let here = matches!(goal, Goal::Shown(_)) && (fixed == NONE || fixed == key);
        if here && free(key) && quiet(key).is_none() {
            places.push(key);
        }
        let mut dark: Vec<u32> = Vec::new();
        let (reach, mut at) = (bound.max(last.saturating_sub(REACH)), last);
        while fixed == NONE && at > reach && dark.len() < CHOICE {
            if !free(at) || self.lost.shown.contains_key(&at) {
                at -= 1;
            } else if let Some(since) = quiet(at) {
                at = since;
            } else {
                dark.push(at);
                at -= 1;
            }
        }
        dark.sort_by_key(|at| self.lost.wanted[*at as usize]);
        places.extend(dark.into_iter().take(PLACES));
        places
    }

    /// The last key at which a write can have happened by the Stat that the goal answers: its
    /// zxids are those of the last changes.
    fn told_since(&self, part: &Part, session: u32, goal: Goal<'_>) -> u32 {
        let (Goal::Write(asked, _) | Goal::Read(asked)) = goal else { return NONE };
        let Some(stat) = self.tape.stats.get(asked.stat as usize) else { return NONE };
        let parent = |path: u32| self.tape.paths.parent[path as usize];
        let below = match part.kind {
            Kind::Create | Kind::Delete => parent(part.path) == asked.path,
            Kind::Close => {
                self.tree.owned_by(session).iter().any(|path| parent(*path) == asked.path)
            }
            Kind::SetData
            | Kind::Check
            | Kind::Multi
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => false,
        };
        let own = part.kind == Kind::SetData && part.path == asked.path;
        match (below, own) {
            (true, _) => self.axis.key(stat.pzxid).unwrap_or(NONE),
            (_, true) => self.axis.key(stat.mzxid).unwrap_or(NONE),
            (false, false) => NONE,
        }
    }

    /// Whether nothing is known that keeps a lost call from having happened at a key, but for what
    /// others saw of it.
    pub(super) fn is_free(&self, unknown: u32, at: u32) -> bool {
        let Unknown { after, before, called, session, .. } = self.lost.list[unknown as usize];
        at > after
            && at < before
            && at < self.lives[session as usize].closed
            && self.writer[at as usize] == GAP
            // Nothing from this key on had returned when the call was made (P1).
            && self.soonest[at as usize] > called
            && self.axis.zxid(at).counter() != 0
            && self.in_turn(unknown, at)
            && self.lost.orders.iter().all(|order| match *order {
                Order::Never(other) => other != unknown,
                Order::NotAt(other, key) => (other, key) != (unknown, at),
                Order::At(other, key) => other == unknown || key != at,
            })
    }

    /// A session's lost calls happen in the order of its calls, too.
    fn in_turn(&self, unknown: u32, at: u32) -> bool {
        let Unknown { call, session, .. } = self.lost.list[unknown as usize];
        let put = self.lost.put.get(&session).map_or(&[][..], Vec::as_slice);
        put.iter().all(|(other, key)| (*other < call) == (*key < at))
    }

    /// The last key at which anybody looked at what this write changes.
    fn last_look(&self, part: &Part, session: u32) -> u32 {
        let parent = |path: u32| {
            let parent = self.tape.paths.parent[path as usize];
            if parent == NONE { path } else { parent }
        };
        // A parent must have been there already: since its creation, if that is known.
        let born = |path: u32| {
            let node = self.tree.node(path);
            if node.alive { self.axis.key(node.czxid).unwrap_or(0) } else { 0 }
        };
        let kids = |path: u32| {
            let seen = self.tree.seen[path as usize];
            seen.kids.max(seen.names).max(born(path))
        };
        let made = |path: u32| kids(path).max(self.tree.seen[path as usize].births);
        let gone = |path: u32| {
            let seen = self.tree.seen[path as usize];
            let last = seen.alive.max(seen.data).max(seen.kids).max(seen.names);
            last.max(kids(parent(path)))
        };
        match part.kind {
            Kind::Create if part.has(flag::SEQUENTIAL) => made(parent(part.path)),
            Kind::Create => gone(part.path).max(made(parent(part.path))),
            Kind::Delete => gone(part.path),
            Kind::SetData => self.tree.seen[part.path as usize].data.max(born(part.path)),
            Kind::Check => {
                let node = self.tree.node(part.path);
                born(part.path).max(self.axis.key(node.mzxid).unwrap_or(0))
            }
            Kind::Multi => {
                let parts = parts_of(self.tape, part);
                parts.iter().map(|part| self.last_look(part, session)).max().unwrap_or(0)
            }
            Kind::Close => self.tree.owned_by(session).into_iter().map(gone).max().unwrap_or(0),
            Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => NONE,
        }
    }

    /// Remembers at which key a write or a read depended on what.
    #[inline]
    pub(super) fn stamp(&mut self, key: u32, part: &Part, code: i16) {
        if !self.lost.any() || part.path == NONE {
            return;
        }
        const NO_NODE: i16 = -101;
        const BAD_VERSION: i16 = -103;
        const NOT_EMPTY: i16 = -111;
        const OF_THE_REQUEST: [i16; 3] = [-5, -8, -114];
        if OF_THE_REQUEST.contains(&code) {
            return;
        }
        let parent = self.tape.paths.parent[part.path as usize];
        let done = code == OK || code == EARLY;
        if matches!(part.kind, Kind::Create | Kind::Delete) && parent != NONE {
            let above = &mut self.tree.seen[parent as usize];
            above.alive = key;
            if done && part.has(flag::SEQUENTIAL) {
                above.births = key;
            }
            let counted = self.lost.counted.get(parent as usize) == Some(&true);
            if code == OK && part.kind == Kind::Create && counted {
                self.lost.born(parent, key);
            }
        }
        let seen = &mut self.tree.seen[part.path as usize];
        seen.alive = key;
        match part.kind {
            _ if code == NO_NODE => {}
            Kind::Create | Kind::SetData | Kind::GetData | Kind::Exists if done => seen.data = key,
            Kind::Delete if done => (seen.kids, seen.names) = (key, key),
            Kind::GetChildren if done => seen.names = key,
            _ if code == BAD_VERSION => seen.data = key,
            _ if code == NOT_EMPTY => seen.names = key,
            _ => {}
        }
        if matches!(part.kind, Kind::Delete | Kind::Check) && part.version != -1 {
            seen.data = key;
        }
        if code == OK && part.stat != NONE {
            (seen.data, seen.kids) = (key, key);
        }
    }

    /// The end of a session depends on all that it deletes.
    pub(super) fn stamp_owned(&mut self, key: u32, session: u32) {
        if self.lost.any() {
            for path in self.tree.owned_by(session) {
                self.tree.seen[path as usize].alive = key;
            }
        }
    }
}
