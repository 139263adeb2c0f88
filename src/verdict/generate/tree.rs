//! Histories of the znode service from a seed, call by call: legal by construction, since the
//! forge's service is the specification's, and wrong in one thing if that is wanted.
//!
//! What makes a history wrong contradicts its own zxids for certain: the place where it is done is
//! the first in the second half of the calls where that is so. Without zxids another order may well
//! explain it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use crate::base::{ConnId, SessionId, Zxid};
use crate::history::{At, CallId, Entry, Happening, History, Operation, Outcome, Seen};
use crate::jute::proto::Stat;
use crate::verdict::forge::{self, forge};
use crate::znode::op::{ErrorCode, Op, Reply};

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A read that found its node says that there is none.
    Result,
    /// A read answers what nobody wrote.
    Data,
    /// A child is named that nobody made.
    Names,
    /// A sequential name has another number.
    Suffix,
    /// A field of a Stat.
    Stat(Stats),
    /// A write's answer has another zxid than its Stat.
    Zxid,
    /// A watch event is of another kind.
    Event,
    /// A write returned before a write that precedes it was called.
    Order,
    /// A session is shown an older state than it has seen.
    Session,
}

/// A field of a Stat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are ZooKeeper's.
pub enum Stats {
    Czxid,
    Mzxid,
    Pzxid,
    Ctime,
    Mtime,
    Version,
    Cversion,
    Aversion,
    EphemeralOwner,
    DataLength,
    NumChildren,
}

impl Field {
    /// All, with their names.
    pub const ALL: [(&str, Field); 19] = [
        ("result", Field::Result),
        ("data", Field::Data),
        ("names", Field::Names),
        ("suffix", Field::Suffix),
        ("czxid", Field::Stat(Stats::Czxid)),
        ("mzxid", Field::Stat(Stats::Mzxid)),
        ("pzxid", Field::Stat(Stats::Pzxid)),
        ("ctime", Field::Stat(Stats::Ctime)),
        ("mtime", Field::Stat(Stats::Mtime)),
        ("version", Field::Stat(Stats::Version)),
        ("cversion", Field::Stat(Stats::Cversion)),
        ("aversion", Field::Stat(Stats::Aversion)),
        ("ephemeralOwner", Field::Stat(Stats::EphemeralOwner)),
        ("dataLength", Field::Stat(Stats::DataLength)),
        ("numChildren", Field::Stat(Stats::NumChildren)),
        ("zxid", Field::Zxid),
        ("event", Field::Event),
        ("order", Field::Order),
        ("session", Field::Session),
    ];

    /// The field of that name.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }
}

/// Makes a history, piece by piece into `sink`, by time; with `log`, what was committed as well.
///
/// # Errors
/// That nothing could be made wrong in the wanted way.
pub fn generate(
    seed: u64,
    shape: forge::Shape,
    wrong: Option<Field>,
    log: bool,
    sink: &mut dyn FnMut(Entry),
) -> Result<(), String> {
    let sink = &RefCell::new(sink);
    let mut maker = Maker {
        from: shape.calls / 2,
        wrong,
        window: VecDeque::new(),
        before: 0,
        open: BTreeMap::new(),
        latest: 0,
        conns: BTreeMap::new(),
        seen: BTreeMap::new(),
        stats: BTreeMap::new(),
        recent: VecDeque::new(),
        sink,
    };
    forge(seed, shape, &mut |at, seen| maker.take(at, seen), &mut |txn| {
        if log {
            (sink.borrow_mut())(Entry::Committed(txn));
        }
    });
    maker.drain(true);
    match maker.wrong {
        None => Ok(()),
        Some(_) => {
            let what = "nothing came up that could be made wrong in this way";
            Err(format!("{what}\nhint: say more `--ops`"))
        }
    }
}

/// Makes calls out of what is seen.
struct Maker<'c, 's> {
    /// From which call on something may be made wrong.
    from: u64,
    /// What is still to be made wrong.
    wrong: Option<Field>,
    /// What was seen since the first call that is open.
    window: VecDeque<Entry>,
    /// How much was seen before.
    before: u64,
    /// Where each open call stands among all.
    open: BTreeMap<CallId, u64>,
    /// The latest call.
    latest: u64,
    conns: BTreeMap<ConnId, SessionId>,
    /// What each session has been shown.
    seen: BTreeMap<SessionId, Zxid>,
    /// By path: the zxids and times that a Stat has shown.
    stats: BTreeMap<String, (i64, i64)>,
    /// Writes answered of late: their zxids, and when they were called.
    recent: VecDeque<(Zxid, At)>,
    sink: &'c RefCell<&'s mut dyn FnMut(Entry)>,
}

/// How many answered writes are remembered.
const RECENT: usize = 64;

impl Maker<'_, '_> {
    fn take(&mut self, at: At, seen: Seen) {
        match seen {
            Seen::Called(ref call) => {
                self.latest = u64::from(call.id.0);
                self.open.insert(call.id, self.before + self.window.len() as u64);
                let mut one = History::new();
                one.observe(at, &seen);
                self.window.extend(one.operations.pop().map(Entry::Call));
            }
            Seen::Returned { id, zxid, result } => {
                let outcome = match result {
                    Ok(reply) => Outcome::Ok(reply),
                    Err(code) => Outcome::Failed(code),
                };
                self.end(at, id, Some(zxid), outcome);
            }
            Seen::Lost { id } => self.end(at, id, None, Outcome::Lost),
            Seen::Connected { conn, session, .. } => {
                self.conns.insert(conn, session);
                self.event(at, &seen);
            }
            Seen::Disconnected { .. } | Seen::Expired { .. } | Seen::Watch { .. } => {
                self.event(at, &seen);
            }
            // Of servers, links and disks: no part of what clients saw.
            Seen::Starting { .. }
            | Seen::Refused { .. }
            | Seen::Stopped { .. }
            | Seen::Noted { .. }
            | Seen::Probed { .. }
            | Seen::LinkUp { .. }
            | Seen::LinkDown { .. }
            | Seen::Sent { .. }
            | Seen::Received { .. }
            | Seen::Heard { .. }
            | Seen::Wrote { .. }
            | Seen::Synced { .. }
            | Seen::Connecting { .. }
            | Seen::GaveUp { .. }
            | Seen::Finished { .. }
            | Seen::Claimed { .. }
            | Seen::Complained { .. }
            | Seen::Fault { .. }
            | Seen::Calm { .. }
            | Seen::End { .. } => {}
        }
    }

    fn event(&mut self, at: At, seen: &Seen) {
        let mut one = History::new();
        one.observe(at, seen);
        let Some(mut event) = one.events.pop() else { return };
        match &mut event.what {
            Happening::Disconnected { conn } => {
                event.session = self.conns.remove(conn).unwrap_or_default();
            }
            Happening::Watch { kind, zxid: Some(_), .. }
                if self.wrong == Some(Field::Event) && self.latest >= self.from =>
            {
                *kind = *kind % 4 + 1;
                self.wrong = None;
            }
            Happening::Watch { .. } | Happening::Connected { .. } | Happening::Expired => {}
        }
        self.window.push_back(Entry::Event(event));
    }

    fn end(&mut self, at: At, id: CallId, zxid: Option<Zxid>, outcome: Outcome) {
        let Some(place) = self.open.remove(&id) else { return };
        let index = (place - self.before) as usize;
        let Some(Entry::Call(mut call)) = self.window.get(index).cloned() else { return };
        (call.returned, call.zxid, call.outcome) = (Some(at), zxid, outcome);
        if let Some(field) = self.wrong
            && u64::from(id.0) >= self.from
            && self.spoil(field, &mut call)
        {
            self.wrong = None;
        }
        self.remember(&call);
        self.window[index] = Entry::Call(call);
        self.drain(false);
    }

    fn remember(&mut self, call: &Operation) {
        let Operation { session, zxid: Some(zxid), op, invoked, .. } = call else { return };
        let seen = self.seen.entry(*session).or_default();
        *seen = (*seen).max(*zxid);
        if op.is_write() {
            self.recent.push_back((*zxid, *invoked));
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
        if let (Some(Field::Stat(_)), Some((path, stat))) = (self.wrong, shown(call)) {
            self.stats.insert(path, (stat.czxid, stat.mzxid));
        }
    }

    /// What is closed, in order; in the end what is open, too.
    fn drain(&mut self, all: bool) {
        let closed = |entry: &Entry| match entry {
            Entry::Call(call) => call.returned.is_some(),
            Entry::Event(_) | Entry::Committed(_) => true,
        };
        while self.window.front().is_some_and(|entry| all || closed(entry)) {
            let Some(entry) = self.window.pop_front() else { break };
            self.before += 1;
            (self.sink.borrow_mut())(entry);
        }
    }

    /// Makes a field of an answer wrong; false if it is not there, or it would not be for certain.
    fn spoil(&self, field: Field, call: &mut Operation) -> bool {
        let known = shown(call).map(|(path, stat)| {
            let now = (stat.czxid, stat.mzxid);
            self.stats.get(&path) == Some(&now)
        });
        let seen = self.seen.get(&call.session).copied().unwrap_or_default();
        let Some(zxid) = call.zxid else { return false };
        match (field, &call.op, &mut call.outcome) {
            (Field::Result, Op::GetData { .. }, Outcome::Ok(_)) => {
                call.outcome = Outcome::Failed(ErrorCode::NoNode);
            }
            (Field::Data, _, Outcome::Ok(Reply::Data { data, .. })) => {
                // As long as it was, so that nothing but the payload is wrong.
                let Some(last) = data.as_mut().and_then(|data| data.last_mut()) else {
                    return false;
                };
                *last = b'~';
            }
            (Field::Names, _, Outcome::Ok(Reply::Children { names, .. })) => {
                names.push("~".to_string());
            }
            (Field::Suffix, Op::Create { mode, .. }, Outcome::Ok(Reply::Created { path, .. }))
                if mode.is_sequential() =>
            {
                let number = path[path.len() - 10..].parse::<u32>().unwrap_or_default() + 1;
                path.truncate(path.len() - 10);
                path.push_str(&format!("{number:010}"));
            }
            (Field::Stat(field), _, Outcome::Ok(Reply::Data { stat, .. } | Reply::Stat(stat))) => {
                // A time that one answer alone tells contradicts nothing.
                let timed = matches!(field, Stats::Ctime | Stats::Mtime);
                if timed && known != Some(true) {
                    return false;
                }
                alter(field, stat);
            }
            (Field::Zxid, Op::SetData { .. }, Outcome::Ok(Reply::Stat(_))) => {
                call.zxid = Some(Zxid(zxid.0 + 1));
            }
            (Field::Order, op, Outcome::Ok(_)) if op.is_write() => {
                let later = |(other, invoked): &(Zxid, At)| {
                    *other < zxid && invoked.step > call.invoked.step
                };
                if !self.recent.iter().any(later) {
                    return false;
                }
                call.returned = Some(call.invoked);
            }
            (Field::Session, op, Outcome::Ok(_)) if !op.is_write() && seen.counter() > 1 => {
                call.zxid = Some(Zxid(seen.0 - 1));
            }
            _ => return false,
        }
        true
    }
}

/// The node and the Stat that a read shows.
fn shown(call: &Operation) -> Option<(String, &Stat)> {
    match (&call.op, &call.outcome) {
        (Op::GetData { path, .. }, Outcome::Ok(Reply::Data { stat, .. }))
        | (Op::Exists { path, .. }, Outcome::Ok(Reply::Stat(stat))) => Some((path.clone(), stat)),
        _ => None,
    }
}

fn alter(field: Stats, stat: &mut Stat) {
    match field {
        Stats::Czxid => stat.czxid += 1,
        Stats::Mzxid => stat.mzxid += 1,
        Stats::Pzxid => stat.pzxid += 1,
        Stats::Ctime => stat.ctime += 1,
        Stats::Mtime => stat.mtime += 1,
        Stats::Version => stat.version += 1,
        Stats::Cversion => stat.cversion += 1,
        Stats::Aversion => stat.aversion += 1,
        Stats::EphemeralOwner => stat.ephemeral_owner += 1,
        Stats::DataLength => stat.data_length += 1,
        Stats::NumChildren => stat.num_children += 1,
    }
}
