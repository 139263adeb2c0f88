//! Views inferred (checker notes, 4b): the order of writes is known, but not which state each read
//! was answered from. Is there a view for every read, so that the history is ordered sequentially
//! consistent?
//!
//! With the order of writes fixed, of all views that explain a read the earliest is the best: what
//! the past demands are lower bounds, and what the future forbids are upper bounds that no choice
//! moves. So one walk decides, with a binary search per read in the versions of its node.
//!
//! ```text
//!   History --> writes alone, in zxid order --> versions of each node, by key
//!          \--> one walk in real time: the earliest view of each read, between its bounds
//! ```
//!
//! The zxids of reads are not looked at, and nothing is judged of watches: whether a notification
//! was due depends on the view that left the watch, which may be one of several.

mod definition;

use std::collections::BTreeMap;

use crate::history::History;
use crate::verdict::names::NONE;
use crate::verdict::witness::tally::Property;
use crate::znode::op::ErrorCode;

use super::court::Place;
use super::paths::CONFIG;
use super::replay::{GAP, Replay, TAKEN, mistimed, parts_of};
use super::tape::{Kind, OK, Part, Rec, Tape, Tick, flag};
use super::tree::{ABSENT, Node};
use super::{Judged, Level, SyncFlavour, report};

pub use definition::compare;

/// Whether a history holds at a level, if what it says of the zxids of reads is not believed.
///
/// Writes must carry their zxids. Calls without an answer are placed as in
/// [`check_history`](super::check_history); what is refused where some were placed by guess, is
/// undecided.
pub fn check(history: &History, level: Level, sync: SyncFlavour) -> Judged {
    check_tape(&mut Tape::of(history), level, sync)
}

/// The same, of a history in columns.
pub fn check_tape(tape: &mut Tape, level: Level, sync: SyncFlavour) -> Judged {
    let mut guess = Replay::writes_only(tape);
    guess.run();
    let (found, ended) = (guess.placed(), guess.ended());
    drop(guess);
    let mut replay = Replay::settled(tape, &found, &ended);
    replay.run();
    let mut walk = Walk::new(replay, level, sync);
    walk.run();
    let Walk { replay, .. } = walk;
    report(replay).judge(level, sync)
}

/// One version of a node: from which key on it is so.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) path: u32,
    pub(super) key: u32,
    pub(super) node: Node,
}

/// The versions of all nodes.
struct Versions {
    /// Sorted by path, then by key; each path begins with how it was before all transactions.
    all: Vec<Version>,
    /// By path: where its versions begin.
    starts: Vec<u32>,
    /// By version: the next one of its path that is there if this one is not, or the other way
    /// round, or that others may read.
    turns: Vec<u32>,
    /// By path, number and sum of children: the versions where they became that.
    names: BTreeMap<(u32, i32, u128), Vec<u32>>,
}

impl Versions {
    fn of(mut all: Vec<Version>, paths: usize) -> Versions {
        all.sort_by_key(|version| (version.path, version.key));
        let mut starts = vec![0u32; paths + 1];
        all.iter().for_each(|version| starts[version.path as usize + 1] += 1);
        for path in 0..paths {
            starts[path + 1] += starts[path];
        }
        let mut turns = vec![NONE; all.len()];
        let mut names: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for at in (0..all.len()).rev() {
            if let Some(next) = all.get(at + 1).filter(|next| next.path == all[at].path) {
                let state = |node: &Node| (node.alive, node.perms);
                let turned = state(&next.node) != state(&all[at].node);
                turns[at] = if turned { at as u32 + 1 } else { turns[at + 1] };
            }
        }
        let mut before = None;
        for (at, version) in all.iter().enumerate() {
            let Version { path, node, .. } = version;
            let now = Some((*path, node.alive, node.perms, node.children, node.kids));
            if now == before {
                continue;
            }
            before = now;
            names.entry((*path, node.children, node.kids)).or_default().push(at as u32);
        }
        Versions { all, starts, turns, names }
    }

    /// The version of a path at a key.
    fn at(&self, path: u32, key: u32) -> u32 {
        let (from, to) = (self.starts[path as usize] as usize, self.starts[path as usize + 1]);
        let known = self.all[from..to as usize].partition_point(|version| version.key <= key);
        (from + known - 1) as u32
    }

    fn get(&self, at: u32) -> Option<&Version> {
        self.all.get(at as usize)
    }
}

#[derive(Clone, Copy, Default)]
struct Session {
    /// What its next read shows at least.
    least: u32,
}

struct Walk<'a> {
    replay: Replay<'a>,
    level: Level,
    sync: SyncFlavour,
    versions: Versions,
    sessions: Vec<Session>,
    /// By call: the first later write of its session.
    next: Vec<u32>,
    /// By call: its place, once it has one.
    views: Vec<u32>,
    /// By key: the latest rank of a call among the transactions up to it.
    called: Vec<u32>,
    /// The latest place of a write that has returned, and of any call.
    written: u32,
    answered: u32,
}

impl<'a> Walk<'a> {
    fn new(mut replay: Replay<'a>, level: Level, sync: SyncFlavour) -> Walk<'a> {
        let mut versions = replay.versions.take().unwrap_or_default();
        // Names that lost calls were given are paths that nobody knew before.
        let known = versions.iter().take_while(|version| version.key == 0).count() as u32;
        let new = known..replay.tape.paths.len() as u32;
        versions.extend(new.map(|path| Version { path, key: 0, node: ABSENT }));
        let versions = Versions::of(versions, replay.tape.paths.len());
        let (calls, keys) = (replay.tape.calls.len(), replay.axis.len());
        let mut later = vec![NONE; replay.tape.sessions.len()];
        let mut next = vec![NONE; calls];
        for (index, rec) in replay.tape.calls.iter().enumerate().rev() {
            let later = &mut later[rec.session as usize];
            next[index] = *later;
            if rec.part.has(flag::OWN)
                && let Some(key) = replay.axis.key(rec.zxid)
            {
                *later = key.min(*later);
            }
        }
        let mut called = vec![0; keys];
        for key in 0..keys {
            let before = if key == 0 { 0 } else { called[key - 1] };
            let call = replay.tape.calls.get(replay.writer[key] as usize);
            called[key] = call.map_or(0, |rec| rec.call + 1).max(before);
        }
        Walk {
            sessions: vec![Session::default(); later.len()],
            views: vec![0; calls],
            written: 0,
            answered: 0,
            replay,
            level,
            sync,
            versions,
            next,
            called,
        }
    }

    fn run(&mut self) {
        for rank in 0..self.replay.tape.ticks.len() {
            match self.replay.tape.ticks[rank] {
                Tick::Called(call) => self.called(call),
                Tick::Returned(call) => {
                    let view = self.views[call as usize];
                    self.answered = self.answered.max(view);
                    if self.replay.tape.calls[call as usize].part.has(flag::OWN) {
                        self.written = self.written.max(view);
                    }
                }
                Tick::Lost(_)
                | Tick::Event(_)
                | Tick::Connected(_)
                | Tick::Gone(_)
                | Tick::Expired(_) => {}
            }
        }
    }

    /// A call gets its place: a write its own, a read the earliest that it can have.
    fn called(&mut self, call: u32) {
        let rec = self.replay.tape.calls[call as usize];
        if !rec.part.has(flag::PLACED) {
            return;
        }
        let least = self.sessions[rec.session as usize].least;
        let place = if rec.part.has(flag::OWN) {
            // Writes in a wrong order are found in the pass in zxid order.
            self.replay.axis.key(rec.zxid).unwrap_or(least)
        } else {
            self.read(call, &rec, least)
        };
        self.views[call as usize] = place;
        self.sessions[rec.session as usize].least = least.max(place);
    }

    /// The earliest view of a read.
    fn read(&mut self, call: u32, rec: &Rec, least: u32) -> u32 {
        let court = &mut self.replay.court;
        court.count(Property::ReadValue);
        court.count(Property::SessionOrder);
        let strict = self.sync == SyncFlavour::Strict && self.level <= Level::SyncLinearizable;
        let floor = match rec.part.kind {
            Kind::Sync if strict => self.written,
            _ if self.level == Level::Linearizable => self.answered,
            _ => 0,
        };
        let least = least.max(floor);
        let shown = match self.level {
            Level::Linearizable | Level::SyncLinearizable | Level::Osc => {
                // Nothing that was called after the answer.
                self.called.partition_point(|called| *called <= rec.ret) as u32
            }
            Level::Sequential | Level::Session => self.called.len() as u32,
        };
        // Nothing succeeds where its session is closed (P7).
        let closed = match rec.part.code {
            OK => self.replay.lives[rec.session as usize].closed,
            _ => NONE,
        };
        let most = shown.min(self.next[call as usize]).min(closed).saturating_sub(1);
        let view = self.earliest(&rec.part, least);
        if let Some(view) = view
            && view <= most
        {
            return view;
        }
        self.stuck(rec, least, most);
        least
    }

    #[cold]
    fn stuck(&mut self, rec: &Rec, least: u32, most: u32) {
        let (place, id) = (Place { rank: rec.ret, call: Some(rec.id) }, rec.id.0);
        if self.earliest(&rec.part, 0).is_none() {
            let detail = || format!("no state answers as call {id} was answered");
            let doubtful = self.replay.lost.doubts(self.replay.tape, &rec.part, NONE);
            let (property, kind) = (Property::ReadValue, "no_such_state");
            self.replay.court.wrong(doubtful, property, kind, place, detail);
        } else {
            let axis = &self.replay.axis;
            let last = axis.len() as u32 - 1;
            let (least, most) = (axis.zxid(least.min(last)), axis.zxid(most.min(last)));
            let detail = || {
                format!(
                    "no state answers as call {id} was answered from {least}, which it must see, \
                 to {most}, the last that it can"
                )
            };
            let doubtful = self.replay.lost.unsure();
            self.replay.court.wrong(doubtful, Property::SessionOrder, "no_view", place, detail);
        }
    }

    /// The earliest place from `least` on at which all of a read is answered so.
    fn earliest(&mut self, part: &Part, least: u32) -> Option<u32> {
        match part.kind {
            Kind::Exists | Kind::GetData | Kind::GetChildren => self.one(part, least),
            Kind::MultiRead => {
                if self.replay.shapeless(part) {
                    return None;
                }
                if part.code != OK {
                    return Some(least);
                }
                let all = part.extra..part.extra + part.version as u32;
                let mut view = least;
                loop {
                    let mut next = view;
                    for n in all.clone() {
                        let part = self.replay.tape.parts[n as usize];
                        next = self.one(&part, next)?;
                    }
                    if next == view {
                        return Some(view);
                    }
                    view = next;
                }
            }
            Kind::Sync | Kind::Ping | Kind::SetWatches => {
                (!self.replay.shapeless(part)).then_some(least)
            }
            Kind::Create
            | Kind::Delete
            | Kind::SetData
            | Kind::Check
            | Kind::Multi
            | Kind::Close
            | Kind::CreateSession => Some(least),
        }
    }

    /// The same, of a read of one node.
    fn one(&mut self, part: &Part, least: u32) -> Option<u32> {
        if part.path == CONFIG {
            return Some(least);
        }
        if part.code == OK && part.has(flag::ODD) {
            return None;
        }
        let now = self.versions.at(part.path, least);
        if self.fits(now, part) {
            return Some(least);
        }
        let next = if part.code != OK {
            let mut next = self.versions.turns[now as usize];
            while next != NONE && !self.fits(next, part) {
                next = self.versions.turns[next as usize];
            }
            next
        } else if part.stat != NONE {
            // The last change that a Stat tells of made the node what it is there.
            let stat = &self.replay.tape.stats[part.stat as usize];
            let last = stat.czxid.max(stat.mzxid).max(stat.pzxid);
            let key = self.replay.axis.key(last)?;
            self.versions.at(part.path, key)
        } else {
            let sum = self.replay.tape.kids[part.extra as usize];
            let became = self.versions.names.get(&(part.path, part.version, sum))?;
            let from = became.partition_point(|at| *at <= now);
            let paths = &self.replay.tape.paths;
            let there = |at: &u32| self.versions.all[*at as usize].node.answers(paths, part) == OK;
            became[from..].iter().copied().find(there).unwrap_or(NONE)
        };
        let key = self.versions.get(next)?.key;
        (key >= least && self.fits(next, part)).then_some(key)
    }

    /// Whether a version answers a read so.
    fn fits(&mut self, at: u32, part: &Part) -> bool {
        let Some(Version { node, .. }) = self.versions.all.get(at as usize) else { return false };
        let Replay { tape, axis, times, .. } = &mut self.replay;
        let code = node.answers(&tape.paths, part);
        if code != part.code || code != OK {
            return code == part.code;
        }
        if part.kind == Kind::GetData && part.data != node.data {
            return false;
        }
        let kids = part.kind == Kind::GetChildren;
        if kids && (part.version, tape.kids[part.extra as usize]) != (node.children, node.kids) {
            return false;
        }
        let Some(stat) = tape.stats.get(part.stat as usize) else { return true };
        node.differs(stat).or_else(|| mistimed(axis, times, stat)).is_none()
    }
}

impl<'a> Replay<'a> {
    /// The pass without reads: what they were answered says nothing of when.
    fn writes_only(tape: &'a mut Tape) -> Replay<'a> {
        Replay::of(tape, false)
    }

    /// The same once more, with lost calls where they were found to have happened. All versions
    /// of all nodes are kept.
    fn settled(tape: &'a mut Tape, found: &[(u32, u32)], ended: &[(u32, u32)]) -> Replay<'a> {
        let mut replay = Replay::of(tape, false);
        for (call, key) in found {
            replay.writer[*key as usize] = *call;
        }
        for (key, session) in ended {
            replay.writer[*key as usize] = TAKEN;
            replay.closing.push((*key, *session));
        }
        replay.closing.sort_unstable();
        replay.closing.reverse();
        replay.lost = std::mem::take(&mut replay.lost).settled();
        let nodes = replay.tree.nodes.iter().enumerate();
        let first =
            nodes.map(|(path, node)| Version { path: path as u32, key: 0, node: node.clone() });
        replay.versions = Some(first.collect());
        replay
    }

    /// Keeps what the transaction of a key has made of the nodes that it changed.
    pub(super) fn keep_versions(&mut self, key: u32) {
        if let Some(versions) = &mut self.versions {
            for (_, path, _) in &self.tree.fired {
                let node = self.tree.node(*path).clone();
                versions.push(Version { path: *path, key, node });
            }
        }
    }

    /// Whether an answer has a shape that its request cannot have, whatever the state.
    fn shapeless(&self, part: &Part) -> bool {
        let plain = |part: &Part| matches!(part.kind, Kind::GetData | Kind::GetChildren);
        let mixed = part.kind == Kind::MultiRead && !parts_of(self.tape, part).iter().all(plain);
        let refused = ErrorCode::MarshallingError.wire() as i16;
        part.has(flag::ODD) || part.code != if mixed { refused } else { OK }
    }

    /// Lost calls with the keys that they were given.
    fn placed(&self) -> Vec<(u32, u32)> {
        let placed = self.lost.list.iter().filter(|unknown| unknown.placed != GAP);
        let calls = placed.filter(|unknown| unknown.call != NONE);
        calls.map(|unknown| (unknown.call, unknown.placed)).collect()
    }

    /// Sessions with the keys at which they were found to have ended unseen.
    fn ended(&self) -> Vec<(u32, u32)> {
        let placed = self.lost.list.iter().filter(|unknown| unknown.placed != GAP);
        let ends = placed.filter(|unknown| unknown.call == NONE);
        ends.map(|unknown| (unknown.placed, unknown.session)).collect()
    }
}

#[cfg(test)]
mod tests;
