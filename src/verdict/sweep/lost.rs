//! Calls without an answer, when nobody shows the log (checker notes, 4d): what did they do?
//!
//! The sweep goes on without them until an answer does not fit. Then it looks for a lost call, or
//! for the unseen end of a session, that makes it fit, and gives it a zxid that nobody else has:
//! the one that the answer shows, or else the latest that is free. It may lie in the past, as long
//! as nobody has looked since at what it changes: then what was judged in between stays right.
//!
//! What passes is proven: the order is there. Where there was a choice, a breach that comes later
//! may be the fault of the choice: it is a doubt, and the history stays undecided.

use std::collections::BTreeMap;

use crate::verdict::names::NONE;

use super::again::{Guess, Order};
use super::quiet::Quiet;
use super::replay::{CLOSE, GAP, Replay, TAKEN, parts_of};
use super::shown::Shown;
use super::tape::{Kind, OK, Part, Rec, Tape, Tick, flag};
use super::tree::{CHILDREN, CREATED, Trigger, Who};
use super::unsure::Unsure;

/// How many lost calls together may explain one answer.
const DEPTH: u32 = 3;
/// How far back a lost call may be found to have happened, in keys, if no answer says when.
pub(super) const REACH: u32 = 4096;
/// After so many doubts nothing more is looked for.
const ENOUGH: usize = 8;
/// How many attempts one history is worth, per lost call.
const ATTEMPTS: u64 = 1000;
/// How many attempts one answer is worth, with so many calls behind it.
const TRIES: u64 = 2000;

/// What calls with an answer say of those without.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Calls that were answered as transactions of their own, by call.
    pub(super) writes: Vec<Write>,
    /// Those among them whose effect depends on more than the node that they name.
    pub(super) depending: Vec<u32>,
    /// Calls for transactions without an answer, each with the latest key that its session had
    /// been shown.
    pub(super) unanswered: Vec<(u32, u32)>,
    /// Calls of either that make ephemerals.
    pub(super) owning: Vec<u32>,
    /// By session: whether a closeSession of its own was answered.
    pub(super) closes: Vec<bool>,
    /// By session: the latest key that it was shown at all.
    pub(super) reached: Vec<u32>,
}

/// A call that was answered as a transaction of its own: what is asked of all of them, beside each
/// other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) call: u32,
    pub(super) session: u32,
    pub(super) key: u32,
}

impl Known {
    /// A call that is, or may have been, a transaction.
    pub(super) fn txn(&mut self, parts: &[Part], call: u32, rec: &Rec) {
        if makes_ephemerals(parts, &rec.part) {
            self.owning.push(call);
        }
    }

    /// One that was answered as such.
    pub(super) fn write(&mut self, call: u32, rec: &Rec, key: u32) {
        self.writes.push(Write { call, session: rec.session, key });
        match rec.part.kind {
            Kind::Create if !rec.part.has(flag::SEQUENTIAL) => {}
            Kind::Create | Kind::Delete | Kind::Multi => self.depending.push(call),
            Kind::Close => self.closes[rec.session as usize] |= rec.part.code == OK,
            Kind::SetData
            | Kind::Check
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => {}
        }
    }
}

/// One lost call, or the unseen end of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown {
    /// The call; [`NONE`] for the end of a session.
    pub(super) call: u32,
    pub(super) session: u32,
    pub(super) part: Part,
    /// It happened strictly between these keys.
    pub(super) after: u32,
    pub(super) before: u32,
    /// The rank of its call.
    pub(super) called: u32,
    /// Its payload was read, and the Stat beside it told this key; [`NONE`] if not.
    pub(super) fixed: u32,
    /// The key it was given; [`GAP`] if none.
    pub(super) placed: u32,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknowns {
    pub(super) list: Vec<Unknown>,
    pub(super) by_path: BTreeMap<u32, Vec<u32>>,
    /// Ends of sessions, by session.
    pub(super) ends: Vec<u32>,
    /// What answers and events show to have happened at zxids that no answer has.
    pub(super) shown: BTreeMap<u32, Vec<Shown>>,
    /// Where those of one session were put: call and key.
    pub(super) put: BTreeMap<u32, Vec<(u32, u32)>>,
    attempts: u64,
    tries: u64,
    /// Sessions of which a client was told that they are dead.
    pub(super) told: Vec<bool>,
    unsure: Unsure,
    /// When answers say that nothing happened.
    pub(super) quiet: Quiet,
    /// By key: how many lost calls may have happened there.
    pub(super) wanted: Vec<u32>,
    /// Parents under which a lost call may have made a sequential name, and the keys of all
    /// creates there: they tell which number it got.
    births: BTreeMap<u32, Vec<u32>>,
    /// Whether a path is among these.
    pub(super) counted: Vec<bool>,
    /// Where the lost call under trial is put.
    trying: u32,
    /// What was guessed, in turn.
    pub(super) guesses: Vec<Guess>,
    /// What is settled before.
    pub(super) orders: Vec<Order>,
}

impl Unknowns {
    #[inline]
    pub(super) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// The same, when what all of them did is settled: only what is not sure is remembered.
    pub(super) fn settled(self) -> Unknowns {
        let trying = NONE;
        Unknowns { trying, unsure: self.unsure, ..Unknowns::default() }
    }

    /// Whether anything is not sure.
    pub(super) fn unsure(&self) -> bool {
        !self.unsure.is_empty()
    }

    /// Whether an answer at this key that does not fit may be explained by other guesses.
    pub(super) fn doubts(&self, tape: &Tape, part: &Part, key: u32) -> bool {
        self.unsure.part(tape, part, key)
    }

    /// The same, of what had happened to one path by then.
    pub(super) fn doubts_path(&self, path: u32, key: u32) -> bool {
        self.unsure.path(path, key)
    }

    /// How many nodes were made under a parent since the key under trial.
    pub(super) fn births_since(&self, parent: u32) -> i32 {
        if self.trying == NONE {
            return 0;
        }
        let births = self.births.get(&parent).map_or(&[][..], Vec::as_slice);
        births.iter().rev().take_while(|key| **key > self.trying).count() as i32
    }

    pub(super) fn born(&mut self, parent: u32, key: u32) {
        let births = self.births.entry(parent).or_default();
        let at = births.partition_point(|other| *other <= key);
        births.insert(at, key);
    }

    /// The lost calls of a tape, with the bounds that their sessions' other calls put (P2).
    pub(super) fn of(replay: &Replay<'_>) -> Unknowns {
        let (tape, known) = (&*replay.tape, &replay.known);
        let mut unknowns = Unknowns { trying: NONE, ..Unknowns::default() };
        unknowns.counted = vec![false; tape.paths.len()];
        let sessions = tape.sessions.len();
        let mut ephemeral = vec![false; sessions];
        for call in &known.owning {
            ephemeral[tape.calls[*call as usize].session as usize] = true;
        }
        let mut next = vec![NONE; sessions];
        let mut later = known.writes.iter().rev().peekable();
        for (call, after) in known.unanswered.iter().rev() {
            while let Some(write) = later.next_if(|write| write.call > *call) {
                let next = &mut next[write.session as usize];
                *next = write.key.min(*next);
            }
            let Rec { session, part, call: called, .. } = tape.calls[*call as usize];
            let (before, fixed, placed) = (next[session as usize], NONE, GAP);
            let (call, after) = (*call, *after);
            unknowns.list.push(Unknown {
                call,
                session,
                part,
                after,
                before,
                called,
                fixed,
                placed,
            });
        }
        unknowns.list.reverse();
        for (number, unknown) in unknowns.list.iter().enumerate() {
            let own = std::slice::from_ref(&unknown.part);
            let multi = unknown.part.kind == Kind::Multi;
            for part in if multi { parts_of(tape, &unknown.part) } else { own } {
                if part.has(flag::SEQUENTIAL) && tape.paths.parent[part.path as usize] != NONE {
                    unknowns.counted[tape.paths.parent[part.path as usize] as usize] = true;
                }
            }
            for path in touched(&tape.parts, &tape.paths.parent, &unknown.part) {
                unknowns.by_path.entry(path).or_default().push(number as u32);
            }
        }
        for (session, owns) in ephemeral.into_iter().enumerate() {
            unknowns.ends.push(NONE);
            if owns && !known.closes[session] {
                unknowns.ends[session] = unknowns.list.len() as u32;
                unknowns.list.push(Unknown {
                    call: NONE,
                    session: session as u32,
                    part: CLOSE,
                    after: known.reached[session],
                    before: NONE,
                    called: 0,
                    fixed: NONE,
                    placed: GAP,
                });
            }
        }
        if unknowns.any() {
            let lost = unknowns.list.iter().map(|unknown| (&unknown.part, unknown.after));
            unknowns.unsure = Unsure::of(replay, lost);
            unknowns.told = vec![false; sessions];
            for tick in &tape.ticks {
                if let Tick::Expired(session) = tick {
                    unknowns.told[*session as usize] = true;
                }
            }
            unknowns.look_at_stats(replay);
            unknowns.wanted = unknowns.wishes(replay.axis.len());
            unknowns.quiet = Quiet::of(replay, unknowns.paths(replay));
        }
        unknowns.attempts = 10_000 + ATTEMPTS * unknowns.list.len() as u64;
        unknowns
    }
}

fn makes_ephemerals(parts: &[Part], part: &Part) -> bool {
    match part.kind {
        Kind::Create => part.has(flag::EPHEMERAL),
        Kind::Multi => {
            let start = part.extra as usize;
            parts[start..start + part.version as usize].iter().any(|p| p.has(flag::EPHEMERAL))
        }
        _ => false,
    }
}

/// The paths whose state a write may change.
pub(super) fn touched(parts: &[Part], parents: &[u32], part: &Part) -> Vec<u32> {
    let mut paths = Vec::new();
    match part.kind {
        Kind::Create | Kind::Delete => {
            paths.push(part.path);
            paths.push(parents[part.path as usize]);
        }
        Kind::SetData => paths.push(part.path),
        Kind::Multi => {
            let start = part.extra as usize;
            for part in &parts[start..start + part.version as usize] {
                paths.extend(touched(parts, parents, part));
            }
        }
        _ => {}
    }
    paths.retain(|path| *path != NONE);
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// What must come to fit.
#[derive(Clone, Copy)]
pub(super) enum Goal<'g> {
    Write(&'g Part, Who),
    Read(&'g Part),
    /// What answers and events show of this very key.
    Shown(&'g [Shown]),
}

/// What a trial changed, to be taken back or made good.
pub(super) struct Trial {
    pub(super) unknown: u32,
    pub(super) key: u32,
    pub(super) fired: Vec<Trigger>,
    /// What the end of its session, which was known already, did to it.
    pub(super) ended: Vec<Trigger>,
}

impl Replay<'_> {
    /// Whether lost calls explain the answer to a write. If so, all of it has been carried out.
    pub(super) fn explained(&mut self, key: u32, part: &Part, who: Who) -> bool {
        self.explain(key, Goal::Write(part, who))
    }

    /// Whether lost calls explain the answer to a read.
    pub(super) fn explained_read(&mut self, key: u32, part: &Part) -> bool {
        self.explain(key, Goal::Read(part))
    }

    /// Somebody was shown a change at this zxid, which no answer has. It stands in `fired` then.
    pub(super) fn explain_gap(&mut self, key: u32) {
        if let Some(shown) = self.lost.shown.get(&key).cloned() {
            self.explain(key, Goal::Shown(&shown));
        }
    }

    fn explain(&mut self, key: u32, goal: Goal<'_>) -> bool {
        // In doubt already: what more could be found does not decide the history any more.
        if !self.lost.any() || self.court.doubts.len() >= ENOUGH {
            return false;
        }
        let (mark, was) = (self.tree.mark(), self.tree.keeping);
        self.tree.keeping = true;
        let mut trials = Vec::new();
        // One call that explains it is better than two.
        let found = (1..=DEPTH).any(|depth| {
            self.lost.tries = TRIES;
            self.solve(key, goal, depth, &mut trials)
        });
        let own = std::mem::take(&mut self.tree.fired);
        if found {
            for trial in &trials {
                self.make_good(trial);
            }
        } else {
            self.tree.back(mark);
        }
        if !was {
            self.tree.settle();
        }
        self.tree.fired = match goal {
            Goal::Write(..) if found => own,
            Goal::Shown(..) if found => {
                let here = trials.into_iter().filter(|trial| trial.key == key);
                here.flat_map(|trial| trial.fired).collect()
            }
            Goal::Write(..) | Goal::Read(_) | Goal::Shown(_) => Vec::new(),
        };
        found
    }

    fn solve(&mut self, key: u32, goal: Goal<'_>, depth: u32, trials: &mut Vec<Trial>) -> bool {
        for unknown in self.candidates(key, goal) {
            for at in self.places(key, unknown, goal) {
                if self.lost.attempts == 0 || self.lost.tries == 0 {
                    return false;
                }
                self.lost.attempts -= 1;
                self.lost.tries -= 1;
                let mark = self.tree.mark();
                if !self.put(unknown, at) {
                    continue;
                }
                let fired = std::mem::take(&mut self.tree.fired);
                let ended = self.end_again(unknown, at);
                trials.push(Trial { unknown, key: at, fired, ended });
                let found = match depth {
                    1 => self.meets(key, goal, trials),
                    _ => self.solve(key, goal, depth - 1, trials),
                };
                if found {
                    return true;
                }
                trials.pop();
                self.take_away(unknown, at);
                self.tree.back(mark);
            }
        }
        false
    }

    fn meets(&mut self, key: u32, goal: Goal<'_>, trials: &[Trial]) -> bool {
        match goal {
            Goal::Write(part, who) => self.outcome(key, part, who).is_none(),
            Goal::Read(part) => self.value(key, part).is_none(),
            Goal::Shown(shown) => {
                let zxid = self.axis.zxid(key).0;
                shown.iter().all(|shown| {
                    let node = self.tree.node(shown.path());
                    match *shown {
                        Shown::Created(_, owner) => {
                            node.alive && node.czxid == zxid && node.owner == owner
                        }
                        Shown::Data(_, version, length, data) => {
                            let right = data.is_none_or(|data| node.data == data);
                            let same = (node.version, node.length) == (version, length);
                            node.alive && node.mzxid == zxid && right && same
                        }
                        Shown::Kids(_, cversion, children) => {
                            let same = (node.cversion(), node.children) == (cversion, children);
                            node.alive && node.pzxid == zxid && same
                        }
                        Shown::Fired(path, kind) => {
                            let told = |(_, p, k): &Trigger| (*p, *k) == (path, kind);
                            trials.iter().any(|t| t.key == key && t.fired.iter().any(told))
                        }
                    }
                })
            }
        }
    }

    /// Carries a lost call out at a key, if the state allows it.
    pub(super) fn put(&mut self, unknown: u32, at: u32) -> bool {
        let Unknown { part, session, call, .. } = self.lost.list[unknown as usize];
        let who = Who { session, zxid: self.axis.zxid(at).0 };
        self.tree.fired.clear();
        self.lost.trying = at;
        let fine = match part.kind {
            Kind::Close => {
                self.tree.act(&self.tape.paths, &part, who, 0);
                call != NONE || !self.tree.fired.is_empty()
            }
            _ => self.perform(&part, who),
        };
        self.lost.trying = NONE;
        if fine {
            self.writer[at as usize] = TAKEN;
            self.lost.list[unknown as usize].placed = at;
            if call != NONE {
                self.lost.put.entry(session).or_default().push((call, at));
            }
        }
        fine
    }

    /// A node that turns out to have been made by a session before its end went with it.
    pub(super) fn end_again(&mut self, unknown: u32, at: u32) -> Vec<Trigger> {
        let session = self.lost.list[unknown as usize].session;
        let closed = self.lives[session as usize].closed;
        if closed != NONE && at < closed {
            let who = Who { session, zxid: self.axis.zxid(closed).0 };
            self.tree.act(&self.tape.paths, &CLOSE, who, 0);
        }
        std::mem::take(&mut self.tree.fired)
    }

    fn take_away(&mut self, unknown: u32, at: u32) {
        let Unknown { session, call, .. } = self.lost.list[unknown as usize];
        self.writer[at as usize] = GAP;
        self.lost.list[unknown as usize].placed = GAP;
        if call != NONE {
            self.lost.put.entry(session).or_default().retain(|(other, _)| *other != call);
        }
    }

    /// A lost call is found to have happened: what follows from that.
    pub(super) fn make_good(&mut self, trial: &Trial) {
        let fired = trial.fired.iter().chain(&trial.ended);
        let paths = fired.map(|(_, path, _)| *path).collect();
        self.lost.guesses.push(Guess { unknown: trial.unknown, key: trial.key, paths });
        let Unknown { part, session, called, .. } = self.lost.list[trial.unknown as usize];
        self.latest_call = self.latest_call.max(called + 1);
        let zxid = self.axis.zxid(trial.key).0;
        let ended = self.lives[session as usize].closed;
        for trigger in &trial.ended {
            self.watches.fire(self.axis.zxid(ended).0, *trigger);
        }
        for trigger in &trial.fired {
            self.watches.fire(zxid, *trigger);
            let (_, path, kind) = *trigger;
            let parent = self.tape.paths.parent[path as usize];
            if kind == CREATED && self.lost.counted.get(parent as usize) == Some(&true) {
                self.lost.born(parent, trial.key);
            }
            // Nothing else may be found to have happened to the node itself before. To its parent
            // it may: what children do to it may be done in any order.
            if kind != CHILDREN {
                let seen = &mut self.tree.seen[path as usize];
                seen.alive = seen.alive.max(trial.key);
                seen.data = seen.data.max(trial.key);
            }
        }
        if part.kind == Kind::Close {
            let closed = &mut self.lives[session as usize].closed;
            *closed = trial.key.min(*closed);
        }
    }

    /// The calls without an answer that are shown to have happened, with their zxids.
    pub(super) fn found(&self) -> Vec<(u32, u64)> {
        let placed = self.lost.list.iter().filter(|unknown| unknown.placed != GAP);
        let calls = placed.filter(|unknown| unknown.call != NONE);
        calls.map(|unknown| (unknown.call, self.axis.zxid(unknown.placed).0)).collect()
    }
}
