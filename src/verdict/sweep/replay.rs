//! The pass in zxid order: every transaction once on the mutable tree, every read at its view.

use crate::history::Did;
use crate::verdict::names::NONE;
use crate::verdict::witness::tally::Property;

use super::axis::{Axis, reach};
use super::court::{Court, Place};
use super::lost::{Known, Unknowns};
use super::stale::Staleness;
use super::tape::{Figures, Kind, LOST, OK, Part, Rec, Tape, flag};
use super::tree::{SUFFIX, Tree, Who};
use super::views::Version;
use super::watches::Watches;

/// A zxid that no known call has: a transaction that nobody was told of, or none.
pub(super) const GAP: u32 = NONE;
/// A zxid that a lost call was given.
pub(super) const TAKEN: u32 = NONE - 1;

/// One session, in zxid order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Its latest call, plus one, that took effect (P2).
    pub(super) latest: u32,
    /// The key of the transaction that closed it.
    pub(super) closed: u32,
}

/// So many calls are fetched together.
const AHEAD: u32 = 64;

/// Loads the calls that come next, and their Stats. They lie in another order than theirs: asked
/// for together they arrive together, one by one each would be waited for.
pub(super) fn fetch(tape: &Tape, calls: &[u32]) {
    let mut all = 0;
    for call in calls {
        if let Some(rec) = tape.calls.get(*call as usize) {
            all ^= rec.zxid ^ tape.stats.get(rec.part.stat as usize).map_or(0, |stat| stat.czxid);
        }
    }
    std::hint::black_box(all);
}

/// The pass. See the file.
pub(super) struct Replay<'a> {
    pub(super) tape: &'a mut Tape,
    pub(super) tree: Tree,
    pub(super) axis: Axis,
    /// The call that became the transaction of each key.
    pub(super) writer: Vec<u32>,
    /// Reads by key: where those of each begin in `reads`.
    pub(super) starts: Vec<u32>,
    pub(super) reads: Vec<u32>,
    /// Watch events by key, sorted, for what really happened.
    pub(super) events: Vec<(u32, u32)>,
    pub(super) next_event: usize,
    /// Events whose change really happened then.
    pub(super) real: Vec<bool>,
    /// The largest rank of a call that took effect so far, plus one.
    pub(super) latest_call: u32,
    pub(super) lives: Vec<Life>,
    pub(super) watches: Watches,
    pub(super) lost: Unknowns,
    pub(super) court: Court,
    /// Sessions that the log shows as closed, by key.
    pub(super) closing: Vec<(u32, u32)>,
    /// The first return among the transactions of this key and after.
    pub(super) returns: Vec<u32>,
    /// The same, with the reads of these views. Empty if the log was shown.
    pub(super) soonest: Vec<u32>,
    /// By key: the log's transaction there, if it was shown.
    pub(super) logged: Vec<u32>,
    /// What is known of calls without an answer.
    pub(super) known: Known,
    /// By key: the time of the transaction, as far as Stats have told.
    pub(super) times: Vec<i64>,
    pub(super) staleness: Staleness,
    /// Whether the zxids of reads are believed.
    pub(super) views: bool,
    /// What became of each node, if that is to be kept.
    pub(super) versions: Option<Vec<Version>>,
    /// The first answer that is in doubt: at which key, to what.
    pub(super) doubted: Option<(u32, Part)>,
    /// Whether that is where the pass ends.
    pub(super) halts: bool,
}

pub(super) fn parts_of<'t>(tape: &'t Tape, part: &Part) -> &'t [Part] {
    let start = part.extra as usize;
    &tape.parts[start..start + part.version as usize]
}

impl<'a> Replay<'a> {
    pub(super) fn new(tape: &'a mut Tape) -> Replay<'a> {
        Replay::of(tape, true)
    }

    /// `views`: whether the zxids of reads are believed, and reads looked at.
    pub(super) fn of(tape: &'a mut Tape, views: bool) -> Replay<'a> {
        let most = tape.calls.len() as u64 * 8 + 65_536;
        let guessing = tape.log.is_empty() && tape.unanswered > 0;
        // What lost calls did may show in Stats only, and be the last of its epoch.
        let shown: &[Figures] = if guessing { &tape.stats } else { &[] };
        let shown = shown.iter().flat_map(|stat| [stat.mzxid, stat.pzxid]);
        let mut epochs = tape.epochs.clone();
        shown.clone().for_each(|zxid| reach(&mut epochs, zxid));
        let zxids = tape.calls.iter().map(|rec| rec.zxid);
        let zxids = zxids.chain(tape.events.iter().map(|event| event.zxid));
        let zxids = zxids.chain(tape.log.iter().map(|logged| logged.zxid));
        let axis = Axis::new(&epochs, most, zxids.chain(shown));
        let empty = tape.blobs.intern(b"");
        let tree = Tree::new(&tape.paths, tape.sessions.len(), empty);
        let life = Life { latest: 0, closed: NONE };
        let mut replay = Replay {
            tree,
            writer: vec![GAP; axis.len()],
            starts: Vec::new(),
            reads: Vec::new(),
            events: Vec::new(),
            next_event: 0,
            real: vec![false; tape.events.len()],
            latest_call: 0,
            lives: vec![life; tape.sessions.len()],
            watches: Watches::new(tape),
            lost: Unknowns::default(),
            court: Court::new(),
            closing: Vec::new(),
            returns: Vec::new(),
            soonest: Vec::new(),
            logged: Vec::new(),
            known: Known::default(),
            times: vec![UNKNOWN; axis.len()],
            views,
            versions: None,
            doubted: None,
            halts: false,
            staleness: Staleness::default(),
            axis,
            tape,
        };
        // Zxid 0: the fresh tree (spec 2.2).
        replay.times[0] = 0;
        replay.bucket();
        replay.read_log();
        if replay.tape.log.is_empty() {
            replay.lost = Unknowns::of(&replay);
            if replay.lost.any() {
                replay.tree.watch_over();
            }
        }
        replay
    }

    pub(super) fn run(&mut self) {
        for key in 0..self.axis.len() as u32 {
            if self.halts && self.doubted.is_some() {
                return;
            }
            if key.is_multiple_of(AHEAD) {
                let to = self.axis.len().min((key + AHEAD) as usize);
                fetch(self.tape, &self.writer[key as usize..to]);
            }
            let writer = self.writer[key as usize];
            if writer < TAKEN {
                self.write(key, writer);
            } else if writer == GAP && self.lost.any() && !self.carry_out(key) {
                self.explain_gap(key);
            }
            while self.closing.last().is_some_and(|(at, _)| *at == key) {
                let session = self.closing.pop().map_or(0, |(_, session)| session);
                self.close(key, session);
            }
            self.keep_versions(key);
            self.check_events(key);
            let (from, to) = (self.starts[key as usize], self.starts[key as usize + 1]);
            for at in from..to {
                if at.is_multiple_of(AHEAD) {
                    let until = self.reads.len().min((at + AHEAD) as usize);
                    fetch(self.tape, &self.reads[at as usize..until]);
                }
                self.read(key, self.reads[at as usize]);
            }
        }
    }

    /// One transaction with its answer.
    fn write(&mut self, key: u32, call: u32) {
        let rec = self.tape.calls[call as usize];
        let place = Place { rank: rec.ret, call: Some(rec.id) };
        self.court.count(Property::Linearizability);
        let logged = self.logged.get(key as usize).and_then(|at| self.tape.log.get(*at as usize));
        let refused = logged.is_some_and(|logged| logged.did == Did::Nothing);
        if !self.logged.is_empty() && rec.part.code != LOST {
            let done = rec.part.code == OK && rec.part.kind != Kind::Multi;
            let named = logged.map(|logged| (logged.session, logged.xid));
            if named != Some((rec.session, rec.xid)) || (done && refused) {
                self.not_logged(key, &rec);
            }
        }
        if rec.ret < self.latest_call {
            let zxid = self.axis.zxid(key);
            let detail = format!(
                "call {} is {zxid}, but had returned before the call of an earlier zxid was made",
                rec.id.0
            );
            self.court.broken(Property::Linearizability, "into_the_past", place, detail);
        }
        self.latest_call = self.latest_call.max(rec.call + 1);
        if self.axis.zxid(key).counter() == 0 {
            let zxid = self.axis.zxid(key);
            let detail = format!("call {} was answered as {zxid}: no transaction's", rec.id.0);
            self.court.broken(Property::WriteOutcome, "answer_zxid", place, detail);
        }
        // One that is in the log only has no zxid of its own.
        let zxid = if rec.ret == NONE { self.axis.zxid(key).0 } else { rec.zxid };
        let who = Who { session: rec.session, zxid };
        if rec.part.kind == Kind::Close {
            if rec.part.code != LOST && (rec.part.code != OK || rec.part.has(flag::ODD)) {
                let detail =
                    format!("call {} ended its session, and says that it failed", rec.id.0);
                self.court.broken(Property::WriteOutcome, "error_code", place, detail);
            }
            return self.close(key, rec.session);
        }
        // A refusal of which nobody heard may be that of a session that has moved on: what keeps
        // its writes in order.
        if refused && rec.part.code == LOST {
            return;
        }
        let life = &mut self.lives[rec.session as usize];
        self.court.count(Property::SessionOrder);
        if life.latest > call {
            let detail = format!("call {} took effect after a later one", rec.id.0);
            self.court.broken(Property::SessionOrder, "writes_overtake", place, detail);
        }
        life.latest = life.latest.max(call + 1);
        if life.closed != NONE && rec.part.code != LOST {
            let detail = || format!("call {} took effect in a closed session", rec.id.0);
            let doubtful = self.lost.unsure();
            let (property, kind) = (Property::SessionExpiry, "alive_after_death");
            self.court.wrong(doubtful, property, kind, place, detail);
            self.doubt(doubtful, key, &rec.part);
        }
        self.court.count(Property::WriteOutcome);
        if rec.part.code == LOST {
            // The log shows it: what it does is not for anybody to have been told.
            if self.lives[rec.session as usize].closed == NONE {
                self.perform(&rec.part, who);
            }
        } else if self.outcome(key, &rec.part, who).is_some()
            && !self.explained(key, &rec.part, who)
        {
            let what = self.outcome(key, &rec.part, who).unwrap_or("answer");
            let sequential = rec.part.kind == Kind::Create && what == "suffix";
            let property =
                if sequential { Property::SequentialNames } else { Property::WriteOutcome };
            let zxid = self.axis.zxid(key);
            let detail = || {
                format!(
                    "{:?} of `{}`, {zxid}, answered by call {}: not what the state before it \
                 allows ({what})",
                    rec.part.kind,
                    self.tape.paths.text(rec.part.path),
                    rec.id.0
                )
            };
            let doubtful = self.lost.doubts(self.tape, &rec.part, key);
            self.court.wrong(doubtful, property, what, place, detail);
            self.doubt(doubtful, key, &rec.part);
            self.tree.settle();
            self.perform(&rec.part, who);
        }
        if rec.part.kind == Kind::Create && rec.part.has(flag::SEQUENTIAL) {
            self.court.count(Property::SequentialNames);
        }
        self.fire(zxid);
    }

    /// An answer is in doubt.
    pub(super) fn doubt(&mut self, doubtful: bool, key: u32, part: &Part) {
        if doubtful && self.doubted.is_none() {
            self.doubted = Some((key, *part));
        }
    }

    #[cold]
    fn not_logged(&mut self, key: u32, rec: &Rec) {
        let place = Place { rank: rec.ret, call: Some(rec.id) };
        let (id, zxid) = (rec.id.0, self.axis.zxid(key));
        let detail =
            format!("call {id} was answered as {zxid}, but the log has another there or none");
        self.court.broken(Property::WriteOutcome, "answer_zxid", place, detail);
    }

    /// The end of a session, and of what it owns (P7).
    pub(super) fn close(&mut self, key: u32, session: u32) {
        let who = Who { session, zxid: self.axis.zxid(key).0 };
        self.court.count(Property::Ephemerals);
        self.stamp_owned(key, session);
        self.tree.act(&self.tape.paths, &CLOSE, who, 0);
        let life = &mut self.lives[session as usize];
        life.closed = life.closed.min(key);
        self.fire(who.zxid);
    }

    fn fire(&mut self, zxid: u64) {
        for trigger in &self.tree.fired {
            self.watches.fire(zxid, *trigger);
        }
        self.tree.keeping = false;
    }

    /// Which of the events of this zxid tell of something that happened.
    fn check_events(&mut self, key: u32) {
        while let Some((at, index)) = self.events.get(self.next_event).copied()
            && at == key
        {
            self.next_event += 1;
            let event = self.tape.events[index as usize];
            let mut fired = self.tree.fired.iter();
            self.real[index as usize] =
                fired.any(|(_, path, kind)| (*path, *kind) == (event.path, event.kind));
        }
        self.tree.fired.clear();
    }

    /// Carries a write out as it was answered and says how that differs from what the state
    /// allows. Changes nothing if it differs.
    pub(super) fn outcome(&mut self, key: u32, part: &Part, who: Who) -> Option<&'static str> {
        if part.kind == Kind::Multi {
            return self.multi_outcome(key, part, who);
        }
        if part.has(flag::ODD) {
            return Some("answer");
        }
        self.tree.fired.clear();
        let code = self.tree.judge(&self.tape.paths, part);
        if code == SUFFIX {
            return Some("suffix");
        }
        if code != part.code {
            return Some("error_code");
        }
        if code == OK
            && let Some(field) = self.act_and_show(part, who)
        {
            return Some(field);
        }
        self.stamp(key, part, code);
        None
    }

    /// Carries a write out; takes it back if its Stat is not the one answered.
    fn act_and_show(&mut self, part: &Part, who: Who) -> Option<&'static str> {
        if part.stat == NONE {
            self.act(part, who);
            return None;
        }
        let (mark, was) = (self.tree.mark(), self.tree.keeping);
        self.tree.keeping = true;
        self.act(part, who);
        let wrong = self.stat_differs(part);
        if wrong.is_some() {
            self.tree.back(mark);
            self.tree.fired.clear();
        }
        if !was {
            self.tree.settle();
        }
        wrong
    }

    pub(super) fn act(&mut self, part: &Part, who: Who) {
        let length = self.length(part.data);
        self.tree.act(&self.tape.paths, part, who, length);
    }

    fn length(&self, data: u32) -> i32 {
        if data == NONE { 0 } else { self.tape.blobs.length(data) as i32 }
    }

    /// Carries a write out as far as the state allows, whatever was answered.
    pub(super) fn perform(&mut self, part: &Part, who: Who) -> bool {
        self.tree.fired.clear();
        if part.kind != Kind::Multi {
            let part = self.named(*part);
            let fine = self.tree.judge(&self.tape.paths, &part) == OK;
            if fine {
                self.act(&part, who);
            }
            return fine;
        }
        let (mark, was) = (self.tree.mark(), self.tree.keeping);
        self.tree.keeping = true;
        let mut fine = true;
        for n in 0..part.version as u32 {
            let part = self.named(self.tape.parts[(part.extra + n) as usize]);
            fine = fine && self.tree.judge(&self.tape.paths, &part) == OK;
            if fine {
                self.act(&part, who);
            }
        }
        if !fine {
            self.tree.back(mark);
            self.tree.fired.clear();
        }
        if !was {
            self.tree.settle();
        }
        fine
    }

    /// A sequential create without an answer, with the name that it gets in this state.
    pub(super) fn named(&mut self, mut part: Part) -> Part {
        if part.kind == Kind::Create && part.has(flag::SEQUENTIAL) && part.code != OK {
            let parent = self.tape.paths.parent[part.path as usize];
            if parent != NONE && self.tree.node(parent).alive {
                part.seq = self.tree.node(parent).creates - self.lost.births_since(parent);
                part.flags &= !flag::SEQUENTIAL;
                part.path = self.tape.paths.numbered(part.path, part.seq);
                part.code = OK;
                self.tree.fit(&self.tape.paths);
            }
        }
        part
    }

    /// How the Stat of an answer differs from the node, if it has one.
    pub(super) fn stat_differs(&mut self, part: &Part) -> Option<&'static str> {
        if part.stat == NONE {
            return None;
        }
        let node = &mut self.tree.nodes[part.path as usize];
        if node.shown == part.stat {
            return None;
        }
        let stat = &self.tape.stats[part.stat as usize];
        let wrong = node.differs(stat).or_else(|| mistimed(&self.axis, &mut self.times, stat));
        if wrong.is_none() {
            node.shown = part.stat;
        }
        wrong
    }
}

/// A time that no answer has told yet.
pub(super) const UNKNOWN: i64 = i64::MIN;

/// Which time of a Stat is not its transaction's. One transaction has one time: the first that is
/// told is believed.
pub(super) fn mistimed(axis: &Axis, times: &mut [i64], stat: &Figures) -> Option<&'static str> {
    for (field, zxid, time) in
        [("ctime", stat.czxid, stat.ctime), ("mtime", stat.mzxid, stat.mtime)]
    {
        let Some(key) = axis.key(zxid) else { return Some(field) };
        let known = &mut times[key as usize];
        if *known == UNKNOWN {
            *known = time;
        } else if *known != time {
            return Some(field);
        }
    }
    None
}

/// closeSession, as a part.
pub(super) const CLOSE: Part = Part {
    path: NONE,
    data: NONE,
    stat: NONE,
    extra: NONE,
    version: -1,
    seq: -1,
    code: OK,
    kind: Kind::Close,
    flags: 0,
};
