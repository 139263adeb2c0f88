//! What the sweep must find, by the definition alone (checker notes, section 3): each property as
//! it is written there, tried on all pairs, with the judge's naive model for the states. Slow and
//! obvious; for small histories of which the log is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{ConnId, SessionId, Zxid};
use crate::history::{At, Committed, Did, Happening, History, Operation, Outcome};
use crate::jute::proto::Stat;
use crate::verdict::model::tree::{Asked, Model, Table, event};
use crate::znode::op::{ErrorCode, Op, Reply};

type Answer = Result<Reply, ErrorCode>;

/// A notification that a connection must get: zxid, path and kind.
type Due = (Zxid, String, i32);

/// Watches that are left: table and path.
type Left = Vec<(Table, String)>;

/// What is told at once: kind and path.
type Told = Vec<(i32, String)>;

/// What is broken first, in a few words; `None` if the history is what synced reads promise.
pub(super) fn refuses(history: &History, log: &[Committed]) -> Option<&'static str> {
    let mut judge = Definition::of(history, log);
    judge
        .writes()
        .or_else(|| judge.real_time())
        .or_else(|| judge.order())
        .or_else(|| judge.syncs())
        .or_else(|| judge.deaths())
        .or_else(|| judge.reads())
        .or_else(|| judge.times())
        .or_else(|| judge.watches())
}

struct Definition<'h> {
    history: &'h History,
    log: &'h [Committed],
    model: Model,
    /// By zxid: what the model answered, and whose call it was.
    done: BTreeMap<Zxid, (Answer, Option<&'h Operation>)>,
    /// Where sessions are closed.
    closed: BTreeMap<SessionId, Zxid>,
}

/// An answer that has a place in the order.
struct Answered<'h> {
    op: &'h Operation,
    zxid: Zxid,
    ret: At,
    answer: Answer,
}

fn is_txn(op: &Op) -> bool {
    matches!(
        op,
        Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Multi(_)
            | Op::CloseSession
    )
}

impl Answered<'_> {
    /// Whether it is the answer to a transaction of its own (spec 3.3).
    fn is_own(&self) -> bool {
        let refused = [Err(ErrorCode::SessionExpired), Err(ErrorCode::SessionMoved)];
        is_txn(&self.op.op) && !refused.contains(&self.answer)
    }
}

/// An answer without its times: those are judged apart.
fn timeless(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    if let Ok(reply) = &mut answer {
        stats(reply).into_iter().for_each(|stat| (stat.ctime, stat.mtime) = (0, 0));
    }
    answer
}

/// All Stats of a reply.
pub(super) fn stats(reply: &mut Reply) -> Vec<&mut Stat> {
    match reply {
        Reply::Done
        | Reply::Synced { .. }
        | Reply::Ephemerals(_)
        | Reply::Count(_)
        | Reply::Who(_) => Vec::new(),
        Reply::Created { stat, .. } | Reply::Children { stat, .. } => stat.iter_mut().collect(),
        Reply::Stat(stat) | Reply::Data { stat, .. } | Reply::Acl { stat, .. } => vec![stat],
        Reply::Multi(parts) => parts.iter_mut().flatten().flat_map(stats).collect(),
    }
}

impl<'h> Definition<'h> {
    fn of(history: &'h History, log: &'h [Committed]) -> Definition<'h> {
        let (mut model, mut closed) = (Model::new(), BTreeMap::new());
        let calls = history.operations.iter().filter(|op| is_txn(&op.op));
        let calls: BTreeMap<_, _> = calls.map(|op| ((op.session, op.xid), op)).collect();
        let mut done = BTreeMap::new();
        for entry in log {
            let Committed { zxid, session, xid, did } = *entry;
            let closes = did == Did::Close;
            let call = calls.get(&(session, xid)).copied();
            let close = closes.then_some(&Op::CloseSession);
            let answer = match close.or(call.map(|call| &call.op)) {
                None => {
                    model.open(session);
                    Ok(Reply::Done)
                }
                Some(op) => {
                    let asked = Asked { session, zxid, ..Asked::default() };
                    model.apply(asked, op).map(|effect| effect.reply(op))
                }
            };
            if closes {
                closed.insert(session, zxid);
            }
            done.insert(zxid, (answer, call));
        }
        Definition { history, log, model, done, closed }
    }

    fn answered(&self) -> Vec<Answered<'h>> {
        let answered = self.history.operations.iter().filter_map(|op| {
            let answer = match &op.outcome {
                Outcome::Ok(reply) => Ok(reply.clone()),
                Outcome::Failed(code) => Err(*code),
                Outcome::Lost | Outcome::Open => return None,
            };
            Some(Answered { op, zxid: op.zxid?, ret: op.returned?, answer })
        });
        answered.collect()
    }

    /// Calls that took effect, answered or not: their zxids, and when they were answered.
    fn effects(&self) -> Vec<(&'h Operation, Zxid, Option<At>)> {
        let own = self.answered().into_iter().filter(Answered::is_own);
        let mut all: Vec<_> = own.map(|a| (a.op, a.zxid, Some(a.ret))).collect();
        for (zxid, (_, call)) in &self.done {
            if let Some(call) = call.filter(|call| !answered(call)) {
                all.push((call, *zxid, None));
            }
        }
        all
    }

    /// P1, P8, P9, P10, P13: each answered write is in the log, with the answer that its state
    /// gives.
    fn writes(&self) -> Option<&'static str> {
        self.answered().iter().filter(|a| a.is_own()).find_map(|a| {
            let Some((answer, Some(call))) = self.done.get(&a.zxid) else {
                return Some("a write is not in the log where it was answered");
            };
            let fits = call.id == a.op.id && timeless(answer) == timeless(&a.answer);
            (!fits).then_some("a write is not what the state before it allows")
        })
    }

    /// P1, P3: nothing takes effect before what had returned, nobody sees what is not yet called.
    fn real_time(&self) -> Option<&'static str> {
        let effects = self.effects();
        let late = |(one, zxid, _): &(&Operation, Zxid, Option<At>)| {
            let past = effects
                .iter()
                .any(|(_, other, ret)| other > zxid && ret.is_some_and(|ret| ret < one.invoked));
            let seen = self.answered();
            let future = seen.iter().any(|a| a.zxid >= *zxid && a.ret < one.invoked);
            past || future
        };
        effects.iter().any(late).then_some("an effect before its call")
    }

    /// P2, P3, P5, C1: a session's writes take effect in the order of its calls, its answers and
    /// its connection's come in order, and what they show never goes back.
    fn order(&self) -> Option<&'static str> {
        let effects = self.effects();
        let overtaken = |(a, at, _): &(&Operation, Zxid, Option<At>)| {
            effects.iter().any(|(b, other, _)| {
                let plain = a.op != Op::CloseSession && b.op != Op::CloseSession;
                plain && a.session == b.session && a.id < b.id && at > other
            })
        };
        if effects.iter().any(overtaken) {
            return Some("writes of one session overtake");
        }
        let seen = self.answered();
        for b in &seen {
            let back = seen.iter().any(|a| {
                let one = a.op.session == b.op.session || a.op.conn == b.op.conn;
                one && a.ret < b.ret && a.zxid > b.zxid
            });
            let told = self.heard(b.op.conn).iter().any(|(at, due, _)| {
                due.as_ref().is_some_and(|(zxid, ..)| *at < b.ret && *zxid > b.zxid)
            });
            let skipped = self.history.operations.iter().any(|a| {
                let before = a.conn == b.op.conn && a.id < b.op.id;
                before && a.returned.is_none_or(|ret| ret > b.ret)
            });
            if back || told || skipped {
                return Some("a session or a connection goes back");
            }
        }
        None
    }

    /// P4: a sync has seen all that had been answered when it was called.
    fn syncs(&self) -> Option<&'static str> {
        let seen = self.answered();
        let behind = |sync: &&Answered<'_>| {
            seen.iter().any(|a| {
                let known = self.log.iter().map(|entry| entry.zxid).filter(|zxid| *zxid <= a.zxid);
                a.ret < sync.op.invoked && known.max().unwrap_or_default() > sync.zxid
            })
        };
        let mut syncs = seen.iter().filter(|a| matches!(a.op.op, Op::Sync { .. }));
        syncs.find(behind).map(|_| "a sync is behind")
    }

    /// P7: nothing succeeds in a session that is dead.
    fn deaths(&self) -> Option<&'static str> {
        let seen = self.answered();
        let mut told: Vec<(SessionId, At)> = Vec::new();
        for event in &self.history.events {
            if event.what == Happening::Expired {
                told.push((event.session, event.at));
            }
        }
        for a in seen.iter().filter(|a| a.op.op == Op::CloseSession && a.answer.is_ok()) {
            told.push((a.op.session, a.ret));
        }
        let dead = |session: SessionId, at: At| told.iter().any(|(s, t)| *s == session && *t < at);
        let renewed = self.history.events.iter().any(|event| {
            let connected = matches!(event.what, Happening::Connected { .. });
            connected && dead(event.session, event.at)
        });
        let undead = seen.iter().filter(|a| a.answer.is_ok() && a.op.op != Op::CloseSession);
        let mut undead = undead.map(|a| {
            let closed = self.closed.get(&a.op.session);
            dead(a.op.session, a.ret) || closed.is_some_and(|closed| *closed <= a.zxid)
        });
        (renewed || undead.any(|dead| dead)).then_some("a dead session lives")
    }

    /// P3, P13: each read is answered from the state that its zxid names.
    fn reads(&mut self) -> Option<&'static str> {
        for a in self.answered().iter().filter(|a| !a.is_own()) {
            if a.zxid.counter() != 0 && !self.done.contains_key(&a.zxid) {
                return Some("a read shows no state");
            }
            if is_txn(&a.op.op) {
                continue;
            }
            let expected = self.model.read(&a.op.op, a.zxid);
            if expected.is_some_and(|expected| timeless(&expected) != timeless(&a.answer)) {
                return Some("a read is not of the state that it shows");
            }
            if let Op::SetWatches { .. } = &a.op.op {
                let mut caught: Told = self.caught(a).1;
                let heard = self.heard(a.op.conn);
                let last = |at: &At| {
                    let rets = self.history.operations.iter().filter(|o| o.conn == a.op.conn);
                    let rets = rets.filter(|o| answered(o)).filter_map(|o| o.returned);
                    rets.filter(|ret| *ret < a.ret).all(|ret| ret < *at)
                };
                let told = heard
                    .into_iter()
                    .filter(|(at, due, _)| due.is_none() && *at < a.ret && last(at));
                let mut told: Told = told.map(|(.., what)| what).collect();
                told.sort();
                caught.sort();
                if told != caught {
                    return Some("a setWatches catches up with something else");
                }
            }
        }
        None
    }

    /// One transaction has one time, and the fresh tree has none.
    fn times(&self) -> Option<&'static str> {
        let mut times = BTreeMap::from([(0, 0)]);
        for mut a in self.answered() {
            let Ok(reply) = &mut a.answer else { continue };
            for stat in stats(reply) {
                for (zxid, time) in [(stat.czxid, stat.ctime), (stat.mzxid, stat.mtime)] {
                    if *times.entry(zxid).or_insert(time) != time {
                        return Some("a transaction has two times");
                    }
                }
            }
        }
        None
    }

    /// What a connection heard: when, and of which transaction, if that was said.
    fn heard(&self, conn: ConnId) -> Vec<(At, Option<Due>, (i32, String))> {
        let heard = self.history.events.iter().filter_map(|event| match &event.what {
            Happening::Watch { conn: on, kind, path, zxid } if *on == conn => {
                let due = zxid.map(|zxid| (zxid, path.clone(), *kind));
                Some((event.at, due, (*kind, path.clone())))
            }
            _ => None,
        });
        heard.collect()
    }

    /// Watches that a setWatches leaves, and what it is told at once (P6e; spec 1.12).
    fn caught(&self, a: &Answered<'_>) -> (Left, Told) {
        let (mut left, mut told) = (Vec::new(), Vec::new());
        let Op::SetWatches { relative, data, exist, child } = &a.op.op else { return (left, told) };
        let since = Zxid::from_wire(*relative);
        for (list, path) in data
            .iter()
            .map(|path| (0, path))
            .chain(exist.iter().map(|path| (1, path)).chain(child.iter().map(|path| (2, path))))
        {
            let now = self.model.change_zxids(path, a.zxid);
            let kind = match (list, now) {
                (1, None) => None,
                (1, Some(_)) => Some(event::CREATED),
                (_, None) => Some(event::DELETED),
                (0, Some((mzxid, _))) => (mzxid > since).then_some(event::CHANGED),
                (_, Some((_, pzxid))) => (pzxid > since).then_some(event::CHILDREN),
            };
            match kind {
                Some(kind) => told.push((kind, path.clone())),
                None => {
                    left.push((if list == 2 { Table::Child } else { Table::Data }, path.clone()))
                }
            }
        }
        (left, told)
    }

    /// The watches that an answer leaves (spec 1.14).
    fn left(&self, a: &Answered<'_>) -> Left {
        let missing = a.answer == Err(ErrorCode::NoNode);
        match &a.op.op {
            Op::Exists { path, watch: true } if a.answer.is_ok() || missing => {
                vec![(Table::Data, path.clone())]
            }
            Op::GetData { path, watch: true } if a.answer.is_ok() => {
                vec![(Table::Data, path.clone())]
            }
            Op::GetChildren { path, watch: true, .. } if a.answer.is_ok() => {
                vec![(Table::Child, path.clone())]
            }
            Op::SetWatches { .. } => self.caught(a).0,
            _ => Vec::new(),
        }
    }

    /// P6: each watch fires once, by the first change after its view, before whatever shows it.
    fn watches(&mut self) -> Option<&'static str> {
        let conns: BTreeSet<ConnId> = self.history.operations.iter().map(|op| op.conn).collect();
        conns.into_iter().find_map(|conn| self.watches_of(conn))
    }

    fn watches_of(&mut self, conn: ConnId) -> Option<&'static str> {
        let seen: Vec<_> = self.answered().into_iter().filter(|a| a.op.conn == conn).collect();
        let heard = self.heard(conn);
        let mut dues: BTreeMap<Due, At> = BTreeMap::new();
        for a in &seen {
            for (table, path) in self.left(a) {
                let place = self.model.intern(&path);
                if let Some((zxid, fired)) = self.model.first_event(table, place, a.zxid) {
                    let first = dues.entry((*zxid, path, fired.kind)).or_insert(a.ret);
                    *first = a.ret.min(*first);
                }
            }
        }
        // An event for each due at most, in zxid order.
        let mut told: BTreeMap<&Due, At> = BTreeMap::new();
        for (at, due, _) in &heard {
            let Some(due) = due else {
                let next = seen.iter().filter(|a| a.ret > *at).min_by_key(|a| a.ret);
                if next.is_some_and(|a| !matches!(a.op.op, Op::SetWatches { .. })) {
                    return Some("an event without a zxid, and no setWatches");
                }
                continue;
            };
            let waits = dues.get(due).is_some_and(|since| since < at);
            if !waits || told.insert(due, *at).is_some() || self.gone(conn, *at) {
                return Some("an event that no watch waits for");
            }
            if dues.keys().any(|other| other.0 < due.0 && !told.contains_key(other)) {
                return Some("an event overtakes another");
            }
        }
        // And before any answer that shows as much.
        let late = seen.iter().filter(|a| a.op.op != Op::CloseSession).any(|a| {
            dues.keys().any(|due| due.0 <= a.zxid && told.get(due).is_none_or(|at| *at > a.ret))
        });
        late.then_some("data before its event")
    }

    fn gone(&self, conn: ConnId, at: At) -> bool {
        let gone = Happening::Disconnected { conn };
        self.history.events.iter().any(|event| event.what == gone && event.at < at)
    }
}

fn answered(op: &Operation) -> bool {
    matches!(op.outcome, Outcome::Ok(_) | Outcome::Failed(_))
}
