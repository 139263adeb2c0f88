//! The pass in real time: sessions and connections never go back (P2, P3, P5, C1), syncs have
//! seen all that had returned (P4), the dead stay dead (P7), and watches fire before the data that
//! they announce, once (P6).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::base::Zxid;
use crate::verdict::names::NONE;
use crate::verdict::witness::tally::Property;

use super::court::Place;
use super::replay::{GAP, Replay, TAKEN};
use super::tape::{Connect, Event, Kind, OK, Rec, Tape, Tick, flag};
use super::tree::{CHILDREN, DELETED};
use super::watches::Due;

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    view: u64,
    told: bool,
}

/// A connection.
#[derive(Clone, Copy, Debug)]
struct Line {
    floor: u64,
    /// Calls without an answer: the first, from which [`Walk::behind`] leads on, and the last.
    first: u32,
    last: u32,
    /// Its dues: the zxid of the first that was not delivered ([`NOTHING`] if there is none), where
    /// that stands, and where they end.
    due: u64,
    next: u32,
    end: u32,
    /// The session left watches on an earlier connection, which its library may have registered
    /// here again without our seeing it: these are [`Walk::inherited`].
    inherits: bool,
    gone: bool,
}

struct Walk<'r, 'a> {
    replay: &'r mut Replay<'a>,
    sessions: Vec<Session>,
    lines: Vec<Line>,
    /// By call: the next one of its connection, while both wait.
    behind: Vec<u32>,
    /// By call: what had been answered to anybody when it was made, as a zxid's place in
    /// `answers`.
    floors: Vec<u32>,
    /// The zxids of answers that no earlier answer had reached.
    answers: Vec<u64>,
    /// Events without a zxid since the last answer, by connection.
    caught: BTreeMap<u32, Vec<(i32, u32)>>,
    /// Watches that sessions have left and not heard of since: session, path and table.
    left: BTreeSet<(u32, u32, u8)>,
    /// Those that they had left on earlier connections, by connection.
    inherited: BTreeSet<(u32, u32, u8)>,
    /// Dues by connection, in the order in which they fired.
    dues: Vec<Due>,
    delivered: Vec<bool>,
    /// setWatches are shown as calls: then nothing is registered unseen.
    shown: bool,
}

/// Later than all zxids: nothing is due.
const NOTHING: u64 = u64::MAX;
/// So many moments are looked ahead.
const AHEAD: usize = 64;

/// Walks over all that was seen, in order.
pub(super) fn walk(replay: &mut Replay<'_>) {
    let none = Line {
        floor: 0,
        first: NONE,
        last: NONE,
        due: NOTHING,
        next: 0,
        end: 0,
        inherits: false,
        gone: false,
    };
    let mut lines = vec![none; replay.tape.conns.len()];
    let mut dues = std::mem::take(&mut replay.watches.dues);
    // Sorting keeps what is equal in order.
    dues.sort_by_key(|due| due.conn);
    for (at, due) in dues.iter().enumerate() {
        let line = &mut lines[due.conn as usize];
        if line.due == NOTHING {
            (line.due, line.next) = (due.zxid, at as u32);
        }
        line.end = at as u32 + 1;
    }
    let mut walk = Walk {
        sessions: vec![Session::default(); replay.tape.sessions.len()],
        lines,
        behind: vec![NONE; replay.tape.calls.len()],
        floors: vec![0; replay.tape.calls.len()],
        answers: vec![0],
        caught: BTreeMap::new(),
        left: BTreeSet::new(),
        inherited: BTreeSet::new(),
        delivered: vec![false; dues.len()],
        dues,
        shown: !replay.tape.rewatches.is_empty(),
        replay,
    };
    for rank in 0..walk.replay.tape.ticks.len() {
        if rank.is_multiple_of(AHEAD) {
            let to = walk.replay.tape.ticks.len().min(rank + AHEAD);
            fetch(walk.replay.tape, rank..to);
        }
        walk.tick(rank as u32);
    }
}

/// Loads the calls that are answered next, all together (see the pass in zxid order).
fn fetch(tape: &Tape, ranks: Range<usize>) {
    let mut all = 0;
    for tick in &tape.ticks[ranks] {
        if let Tick::Returned(call) = tick {
            all ^= tape.calls[*call as usize].zxid;
        }
    }
    std::hint::black_box(all);
}

impl Walk<'_, '_> {
    fn tick(&mut self, rank: u32) {
        match self.replay.tape.ticks[rank as usize] {
            Tick::Called(call) => self.called(call),
            Tick::Returned(call) => self.returned(rank, call),
            Tick::Lost(call) => {
                self.take(call);
            }
            Tick::Event(event) => self.heard(rank, event),
            Tick::Connected(connect) => {
                let Connect { conn, session, fresh } = self.replay.tape.connects[connect as usize];
                if !fresh && !self.shown {
                    self.inherit(conn, session);
                }
                self.replay.court.count(Property::SessionExpiry);
                if self.sessions[session as usize].told {
                    let detail =
                        format!("session {} was renewed after its death", self.name(session));
                    self.broken(Property::SessionExpiry, "renewed_after_death", rank, detail);
                }
            }
            Tick::Gone(conn) => self.lines[conn as usize].gone = true,
            Tick::Expired(session) => self.sessions[session as usize].told = true,
        }
    }

    /// A call waits behind those of its connection.
    fn called(&mut self, call: u32) {
        self.floors[call as usize] = self.answers.len() as u32 - 1;
        let line = &mut self.lines[self.replay.tape.calls[call as usize].conn as usize];
        match line.last {
            NONE => line.first = call,
            last => self.behind[last as usize] = call,
        }
        line.last = call;
    }

    /// A call waits no more. Whether it was its turn.
    fn take(&mut self, call: u32) -> bool {
        let line = &mut self.lines[self.replay.tape.calls[call as usize].conn as usize];
        let behind = self.behind[call as usize];
        if line.first == call {
            line.first = behind;
            if behind == NONE {
                line.last = NONE;
            }
            return true;
        }
        let mut before = line.first;
        while before != NONE && self.behind[before as usize] != call {
            before = self.behind[before as usize];
        }
        if before != NONE {
            self.behind[before as usize] = behind;
            if line.last == call {
                line.last = before;
            }
        }
        false
    }

    fn name(&self, session: u32) -> String {
        self.replay.tape.sessions[session as usize].to_string()
    }

    fn broken(&mut self, property: Property, kind: &'static str, rank: u32, detail: String) {
        self.replay.court.broken(property, kind, Place { rank, call: None }, detail);
    }

    fn returned(&mut self, rank: u32, call: u32) {
        let rec = self.replay.tape.calls[call as usize];
        let in_turn = self.take(call);
        if !rec.part.has(flag::PLACED) {
            return;
        }
        self.in_order(&rec, in_turn, rank);
        self.alive(&rec, rank);
        self.fresh(&rec, call);
        if self.answers.last().is_some_and(|answered| *answered < rec.zxid) {
            self.answers.push(rec.zxid);
        }
        if let Some(table) = rec.part.leaves_watch().filter(|_| !self.shown) {
            self.left.insert((rec.session, rec.part.path, table));
        }
        if rec.part.kind == Kind::SetWatches {
            self.caught.remove(&rec.conn);
        } else if !self.caught.is_empty() {
            self.nothing_caught(&rec, rank);
        }
        // A closing session's own watches are nobody's business any more (spec 4.3).
        if rec.part.kind != Kind::Close {
            self.events_first(&rec, rank);
        } else if rec.part.code == OK {
            self.sessions[rec.session as usize].told = true;
        }
    }

    /// Answers come in the order of the calls; views never go back (C1, C2, P3, P5).
    fn in_order(&mut self, rec: &Rec, in_turn: bool, rank: u32) {
        let court = &mut self.replay.court;
        court.add(Property::SessionOrder, 3);
        let place = Place { rank, call: Some(rec.id) };
        let (id, zxid) = (rec.id.0, Zxid(rec.zxid));
        if !in_turn {
            let detail = format!("call {id} was answered out of turn");
            court.broken(Property::SessionOrder, "answer_order", place, detail);
        }
        let life = &mut self.sessions[rec.session as usize];
        let view = Zxid(life.view);
        life.view = life.view.max(rec.zxid);
        if zxid < view {
            let detail = format!("its session was shown {view}, then {zxid} by call {id}");
            court.broken(Property::SessionOrder, "session_went_back", place, detail);
        }
        let line = &mut self.lines[rec.conn as usize];
        let floor = Zxid(line.floor);
        line.floor = line.floor.max(rec.zxid);
        if zxid < floor {
            let detail = format!("its connection was shown {floor}, then {zxid} by call {id}");
            court.broken(Property::SessionOrder, "connection_went_back", place, detail);
        }
    }

    /// Nothing succeeds in a session that is closed in the state of the answer (P7).
    fn alive(&mut self, rec: &Rec, rank: u32) {
        if rec.part.code != OK || rec.part.kind == Kind::Close {
            return;
        }
        let court = &mut self.replay.court;
        court.count(Property::SessionExpiry);
        let place = Place { rank, call: Some(rec.id) };
        let closed = self.replay.lives[rec.session as usize].closed;
        let shown = self.replay.axis.key(rec.zxid);
        if self.sessions[rec.session as usize].told {
            let detail = format!("call {} succeeded in a dead session", rec.id.0);
            court.broken(Property::SessionExpiry, "alive_after_death", place, detail);
        } else if closed != NONE && shown.is_some_and(|shown| shown >= closed) {
            let detail = || format!("call {} succeeded where its session is closed", rec.id.0);
            let doubtful = self.replay.lost.unsure();
            let (property, kind) = (Property::SessionExpiry, "alive_after_death");
            self.replay.court.wrong(doubtful, property, kind, place, detail);
        }
    }

    /// After sync nothing that had returned is missing (P4); of a linearizable service, no read
    /// lacks it.
    fn fresh(&mut self, rec: &Rec, call: u32) {
        let sync = rec.part.kind == Kind::Sync;
        let read = matches!(
            rec.part.kind,
            Kind::Exists | Kind::GetData | Kind::GetChildren | Kind::MultiRead
        );
        if !sync && !read {
            return;
        }
        if sync {
            self.replay.court.count(Property::SyncedRead);
        } else {
            self.replay.court.fresh += 1;
        }
        let floor = self.answers[self.floors[call as usize] as usize];
        if rec.zxid >= floor {
            return;
        }
        let (state, doubtful) = self.state_of(floor);
        if rec.zxid >= state {
            return;
        }
        let place = Place { rank: rec.ret, call: Some(rec.id) };
        let (floor, zxid) = (Zxid(floor), Zxid(rec.zxid));
        let detail = || {
            format!(
                "{floor} had been answered when call {} was made, which was answered at {zxid}",
                rec.id.0
            )
        };
        if sync {
            let (property, kind) = (Property::SyncedRead, "sync_behind");
            self.replay.court.wrong(doubtful, property, kind, place, detail);
        } else {
            self.replay.court.stale(place, detail);
        }
    }

    /// The last known transaction of the state at a zxid, and whether it is there by guess.
    fn state_of(&self, zxid: u64) -> (u64, bool) {
        let Some(mut key) = self.replay.axis.key(zxid) else { return (zxid, false) };
        while key > 0 && self.replay.writer[key as usize] == GAP {
            key -= 1;
        }
        let guessed = self.replay.writer[key as usize] == TAKEN && self.replay.lost.unsure();
        (self.replay.axis.zxid(key).0, guessed)
    }

    /// What fired by the state of an answer has been told before it (P6b, P6d).
    fn events_first(&mut self, rec: &Rec, rank: u32) {
        let line = &self.lines[rec.conn as usize];
        if line.due == NOTHING {
            return;
        }
        self.replay.court.count(Property::WatchBeforeData);
        if line.due <= rec.zxid {
            let at = line.next;
            let due = self.dues[at as usize];
            let path = self.replay.tape.paths.text(due.path);
            let (zxid, view) = (Zxid(due.zxid), Zxid(rec.zxid));
            let detail = || {
                format!(
                    "call {} was answered at {view} before the event {} of `{path}`, fired by \
                     {zxid}",
                    rec.id.0, due.kind
                )
            };
            let place = Place { rank, call: Some(rec.id) };
            let key = self.replay.axis.key(due.zxid).unwrap_or(NONE);
            let doubtful = self.replay.lost.doubts_path(due.path, key);
            let (property, kind) = (Property::WatchBeforeData, "data_first");
            self.replay.court.wrong(doubtful, property, kind, place, detail);
            // It is said once.
            self.deliver(rec.conn, at);
        }
    }

    fn deliver(&mut self, conn: u32, at: u32) {
        self.delivered[at as usize] = true;
        let line = &mut self.lines[conn as usize];
        while line.next < line.end && self.delivered[line.next as usize] {
            line.next += 1;
        }
        let more = line.next < line.end;
        line.due = if more { self.dues[line.next as usize].zxid } else { NOTHING };
    }

    /// A session comes back on another connection: its library registers there again what watches
    /// it has left and not heard of.
    fn inherit(&mut self, conn: u32, session: u32) {
        let of = |owner: u32| (owner, 0, 0)..=(owner, NONE, u8::MAX);
        let waiting: Vec<(u32, u32, u8)> = self.left.range(of(session)).copied().collect();
        self.lines[conn as usize].inherits = !waiting.is_empty();
        self.inherited.extend(waiting.into_iter().map(|(_, path, table)| (conn, path, table)));
    }

    /// Whether a notification may be for a watch that its connection inherited. The watches that it
    /// is for wait no more.
    fn is_inherited(&mut self, conn: u32, path: u32, kind: i32) -> bool {
        let session = self.replay.tape.carries.get(conn as usize).copied().unwrap_or(NONE);
        let mut inherited = false;
        for table in [0, 1] {
            if (kind == CHILDREN) == (table == 1) || kind == DELETED {
                self.left.remove(&(session, path, table));
                inherited |= self.inherited.remove(&(conn, path, table));
            }
        }
        inherited
    }

    /// A notification: for a watch that waits, once, in zxid order (P6a, P6c).
    fn heard(&mut self, rank: u32, event: u32) {
        let Event { zxid, conn, path, kind } = self.replay.tape.events[event as usize];
        let inherited = !self.shown && self.is_inherited(conn, path, kind);
        if zxid == 0 {
            return self.caught.entry(conn).or_default().push((kind, path));
        }
        let line = &mut self.lines[conn as usize];
        line.floor = line.floor.max(zxid);
        self.replay.court.count(Property::WatchSpurious);
        let first = line.due;
        let line = &self.lines[conn as usize];
        let mut open = (line.next..line.end).filter(|at| !self.delivered[*at as usize]);
        let found = open.find(|at| {
            let due = &self.dues[*at as usize];
            due.zxid > zxid
                || (due.zxid, due.path, due.kind) == (zxid, path, kind) && due.rank < rank
        });
        let found = found.filter(|at| self.dues[*at as usize].zxid == zxid);
        let Some(found) = found.filter(|_| !line.gone) else {
            if !inherited || !self.replay.real[event as usize] {
                let text = self.replay.tape.paths.text(path);
                let key = self.replay.axis.key(zxid).unwrap_or(NONE);
                let zxid = Zxid(zxid);
                let detail =
                    || format!("event {kind} of `{text}` at {zxid}, but no watch of it fires then");
                let place = Place { rank, call: None };
                let doubtful = self.replay.lost.doubts_path(path, key);
                let (property, kind) = (Property::WatchSpurious, "unexpected");
                self.replay.court.wrong(doubtful, property, kind, place, detail);
            }
            return;
        };
        self.deliver(conn, found);
        self.replay.court.count(Property::WatchBeforeData);
        if first < zxid {
            let detail = || format!("the event of {} overtook an earlier one", Zxid(zxid));
            let place = Place { rank, call: None };
            let (doubtful, kind) = (self.replay.lost.unsure(), "event_order");
            self.replay.court.wrong(doubtful, Property::WatchBeforeData, kind, place, detail);
        }
    }

    /// Events without a zxid come from setWatches only.
    fn nothing_caught(&mut self, rec: &Rec, rank: u32) {
        let Some(caught) = self.caught.remove(&rec.conn) else { return };
        if self.lines[rec.conn as usize].inherits {
            return;
        }
        let (kind, path) = caught[0];
        let path = self.replay.tape.paths.text(path);
        let detail = format!("event {kind} of `{path}` without a zxid, but no setWatches was next");
        let place = Place { rank, call: Some(rec.id) };
        self.replay.court.broken(Property::WatchSpurious, "no_set_watches", place, detail);
    }
}
