//! A black-box search for linearizability: the witness's differential for small histories.
//!
//! It believes no zxid. It looks for an order of all writes, and of reads after a sync, that
//! respects real time and each session, and in which every answer is right (checker notes 2, 4c):
//! a depth-first search in the style of Wing and Gong, with a memory of what was tried, and
//!
//! - R1: an operation that changes nothing in any state where its answer is right, and is right
//!   now, is taken at once and never reconsidered;
//! - R2: of equal lost calls only the earliest is tried, none where it changes nothing, and none
//!   has to happen;
//! - R4, R5: one state, changed and taken back, remembered by a 128-bit hash;
//! - R8: a budget of steps, so that the verdict is the same on any machine.
//!
//! Plain reads may be stale and are left out. A session's expiry is a lost closeSession.

mod state;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::SessionId;
use crate::history::{CallId, History, Operation, Outcome};
use crate::jute::proto::Stat;
use crate::znode::op::{ErrorCode, Op, Reply};

use state::{State, hash_of};

/// What the search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linear {
    /// An order exists.
    Ok,
    /// None exists.
    Illegal {
        /// How many answered operations the longest order explains.
        explained: usize,
        /// The calls that could come next there, none of which can.
        stuck: Vec<CallId>,
    },
    /// The budget ran out.
    Unknown,
}

/// One operation of the search.
#[derive(Clone, Debug)]
struct Task {
    id: CallId,
    session: SessionId,
    op: Op,
    /// Steps of invocation and return; ties are concurrent.
    from: u64,
    to: u64,
    /// `None` if it was lost.
    answer: Option<Result<Reply, ErrorCode>>,
    pure: bool,
    /// The operation of the same session that must come first: its last answered one before this.
    after: Option<usize>,
    /// The equal lost operation that must be used first (R2).
    twin: Option<usize>,
    /// A session's expiry: worth trying only while it deletes something.
    expiry: bool,
}

/// Looks for an order, for at most `budget` steps.
pub fn check(history: &History, budget: u64) -> Linear {
    let tasks = tasks(history);
    let mut search = Search {
        done: vec![false; tasks.len()],
        left: tasks.iter().filter(|task| task.answer.is_some()).count(),
        latest: BTreeMap::new(),
        state: State::fresh(),
        set: 0,
        seen: BTreeSet::new(),
        frames: Vec::new(),
        first: 0,
        tasks: &tasks,
    };
    search.run(budget)
}

/// What has to be ordered, by invocation.
fn tasks(history: &History) -> Vec<Task> {
    let mut tasks = Vec::new();
    // Per session: a sync that was answered, and no write after it.
    let mut synced: BTreeMap<SessionId, u64> = BTreeMap::new();
    let mut owners: BTreeMap<SessionId, u64> = BTreeMap::new();
    for operation in &history.operations {
        let Operation { id, session, op, .. } = operation;
        let from = operation.invoked.step;
        let to = operation.returned.map_or(u64::MAX, |at| at.step);
        let answer = match &operation.outcome {
            Outcome::Ok(reply) => Some(Ok(plain(reply))),
            Outcome::Failed(code) if depends_on_more(*code) => continue,
            Outcome::Failed(code) => Some(Err(*code)),
            Outcome::Lost | Outcome::Open => None,
        };
        let to = if answer.is_none() { u64::MAX } else { to };
        let (from, wanted) = match op {
            Op::Sync { .. } => {
                if answer.is_some() {
                    synced.insert(*session, from);
                }
                continue;
            }
            Op::Exists { path, .. } | Op::GetData { path, .. } | Op::GetChildren { path, .. } => {
                let sync = synced.get(session).filter(|_| path != "/zookeeper/config");
                (sync.copied().unwrap_or(from), sync.is_some() && answer.is_some())
            }
            Op::Check { .. } | Op::CreateSession { .. } => (from, false),
            _ => (from, op.is_write()),
        };
        if !wanted {
            continue;
        }
        if op.is_write() {
            synced.remove(session);
        }
        if makes_ephemerals(op) {
            owners.entry(*session).or_insert(from);
        }
        let pure = is_pure(op, answer.as_ref());
        let (id, session, op) = (*id, *session, op.clone());
        let task = Task {
            id,
            session,
            op,
            from,
            to,
            answer,
            pure,
            after: None,
            twin: None,
            expiry: false,
        };
        tasks.push(task);
    }
    for (session, from) in owners {
        tasks.push(Task {
            id: CallId(u32::MAX),
            session,
            op: Op::CloseSession,
            from,
            to: u64::MAX,
            answer: None,
            pure: false,
            after: None,
            twin: None,
            expiry: true,
        });
    }
    tasks.sort_by_key(|task| (task.from, task.id));
    relate(&mut tasks);
    tasks
}

/// Fills in what must come before what: a session's answered operations in the order of their
/// calls, equal lost ones in the order of theirs.
fn relate(tasks: &mut [Task]) {
    let mut by_call: Vec<usize> = (0..tasks.len()).collect();
    by_call.sort_by_key(|index| tasks[*index].id);
    let mut last: BTreeMap<SessionId, usize> = BTreeMap::new();
    let mut lost: Vec<usize> = Vec::new();
    for index in by_call {
        let session = tasks[index].session;
        if !tasks[index].expiry {
            tasks[index].after = last.get(&session).copied();
        }
        if tasks[index].answer.is_some() {
            last.insert(session, index);
            continue;
        }
        let equal = |other: &&usize| {
            let other = &tasks[**other];
            (other.session, &other.op, other.after, other.expiry)
                == (session, &tasks[index].op, tasks[index].after, tasks[index].expiry)
        };
        tasks[index].twin = lost.iter().rev().find(equal).copied();
        lost.push(index);
    }
}

/// Refusals that depend on clocks, connections or encodings, not on the tree: without effect.
fn depends_on_more(code: ErrorCode) -> bool {
    match code {
        ErrorCode::SessionExpired
        | ErrorCode::SessionMoved
        | ErrorCode::MarshallingError
        | ErrorCode::Unimplemented
        | ErrorCode::NoAuth
        | ErrorCode::InvalidAcl
        | ErrorCode::AuthFailed
        | ErrorCode::SystemError
        | ErrorCode::BadArguments => true,
        ErrorCode::NoNode
        | ErrorCode::BadVersion
        | ErrorCode::NoChildrenForEphemerals
        | ErrorCode::NodeExists
        | ErrorCode::NotEmpty
        | ErrorCode::RuntimeInconsistency => false,
    }
}

fn makes_ephemerals(op: &Op) -> bool {
    match op {
        Op::Create { mode, .. } => mode.is_ephemeral(),
        Op::Multi(parts) => parts.iter().any(makes_ephemerals),
        _ => false,
    }
}

/// R1. An effective write is never pure, even where it writes what is there already.
fn is_pure(op: &Op, answer: Option<&Result<Reply, ErrorCode>>) -> bool {
    match (op, answer) {
        (_, None) => false,
        (_, Some(Err(_))) => true,
        (Op::Multi(_), Some(Ok(Reply::Multi(results)))) if results.iter().any(Result::is_err) => {
            true
        }
        (Op::Multi(parts), _) => parts.iter().all(|part| matches!(part, Op::Check { .. })),
        (op, _) => !op.is_write(),
    }
}

/// An answer without what the order of transactions alone decides: zxids and times.
fn plain(reply: &Reply) -> Reply {
    let bare = |stat: &Stat| Stat {
        version: stat.version,
        cversion: stat.cversion,
        ephemeral_owner: stat.ephemeral_owner,
        data_length: stat.data_length,
        num_children: stat.num_children,
        ..Stat::default()
    };
    match reply {
        Reply::Done => Reply::Done,
        Reply::Created { path, stat } => {
            Reply::Created { path: path.clone(), stat: stat.as_ref().map(bare) }
        }
        Reply::Stat(stat) => Reply::Stat(bare(stat)),
        Reply::Data { data, stat } => Reply::Data { data: data.clone(), stat: bare(stat) },
        Reply::Children { names, stat } => {
            Reply::Children { names: names.clone(), stat: stat.as_ref().map(bare) }
        }
        Reply::Synced { path } => Reply::Synced { path: path.clone() },
        Reply::Multi(parts) => {
            let part = |part: &Result<Reply, Option<ErrorCode>>| match part {
                Ok(reply) => Ok(plain(reply)),
                Err(code) => Err(*code),
            };
            Reply::Multi(parts.iter().map(part).collect())
        }
    }
}

/// One step of the present order.
struct Frame {
    task: usize,
    mark: usize,
    /// The session's latest write before it.
    latest: Option<CallId>,
    first: usize,
}

struct Search<'a> {
    tasks: &'a [Task],
    done: Vec<bool>,
    /// Answered operations that are not in the order yet.
    left: usize,
    /// The latest effective write of each session in the order (P2). Only these count, or taking
    /// what is pure at once (R1) would shut lost writes out; and a read may be overtaken by a lost
    /// write anyhow, whose server need not be its own.
    latest: BTreeMap<SessionId, CallId>,
    state: State,
    /// The hash of what is in the order.
    set: u128,
    seen: BTreeSet<u128>,
    frames: Vec<Frame>,
    /// Everything before is in the order.
    first: usize,
}

impl Search<'_> {
    fn run(&mut self, budget: u64) -> Linear {
        let total = self.left;
        let mut steps = 0;
        let mut best = (total, self.enabled());
        let mut from = 0;
        loop {
            if self.left == 0 {
                return Linear::Ok;
            }
            steps += 1;
            if steps > budget {
                return Linear::Unknown;
            }
            let enabled = self.enabled();
            if self.left < best.0 {
                best = (self.left, enabled.clone());
            }
            if self.advance(&enabled, from, &mut steps) {
                from = 0;
                continue;
            }
            // Back over all that was pure, to the next choice of the one before.
            loop {
                let Some(frame) = self.frames.pop() else {
                    let stuck = best.1.iter().map(|task| self.tasks[*task].id);
                    let stuck = stuck.filter(|id| id.0 != u32::MAX).collect();
                    return Linear::Illegal { explained: total - best.0, stuck };
                };
                let task = frame.task;
                self.take_back(frame);
                if !self.tasks[task].pure {
                    from = task + 1;
                    break;
                }
            }
        }
    }

    /// What may come next by real time and session order, by invocation.
    fn enabled(&self) -> Vec<usize> {
        let mut bound = u64::MAX;
        let mut enabled = Vec::new();
        for (index, task) in self.tasks.iter().enumerate().skip(self.first) {
            if task.from > bound {
                break;
            }
            if self.done[index] {
                continue;
            }
            bound = bound.min(task.to);
            enabled.push(index);
        }
        let free = |task: Option<usize>| task.is_none_or(|task| self.done[task]);
        enabled.retain(|index| {
            let task = &self.tasks[*index];
            // A lost write cannot overtake a later effective one of its session (P2).
            let late = self.latest.get(&task.session).is_some_and(|latest| *latest > task.id);
            let overtaken = task.answer.is_none() && late;
            free(task.after) && free(task.twin) && !overtaken
        });
        enabled
    }

    /// Puts one more operation into the order: a pure one if any fits, else the first that fits
    /// among those not tried here yet, answered ones before lost ones.
    fn advance(&mut self, enabled: &[usize], from: usize, steps: &mut u64) -> bool {
        if from == 0 {
            for index in enabled.iter().copied().filter(|index| self.tasks[*index].pure) {
                *steps += 1;
                if self.put(index) {
                    return true;
                }
            }
        }
        enabled.iter().copied().filter(|index| *index >= from && !self.tasks[*index].pure).any(
            |index| {
                *steps += 1;
                self.put(index)
            },
        )
    }

    fn put(&mut self, index: usize) -> bool {
        let task = &self.tasks[index];
        let (mark, before) = (self.state.mark(), self.state.hash());
        if task.expiry && !self.state.owns(task.session) {
            return false;
        }
        let answer = self.state.apply(task.session, &task.op);
        let fits = match &task.answer {
            Some(expected) => answer == *expected,
            None => answer.is_ok() && self.state.hash() != before,
        };
        let set = self.set ^ hash_of(7, index as u64);
        if !fits || !self.seen.insert(set ^ self.state.hash()) {
            self.state.back(mark);
            return false;
        }
        self.set = set;
        self.done[index] = true;
        self.left -= usize::from(task.answer.is_some());
        let latest = self.latest.get(&task.session).copied();
        if !task.expiry && !task.pure {
            self.latest.insert(task.session, latest.map_or(task.id, |id| id.max(task.id)));
        }
        self.frames.push(Frame { task: index, mark, latest, first: self.first });
        while self.done.get(self.first) == Some(&true) {
            self.first += 1;
        }
        true
    }

    fn take_back(&mut self, frame: Frame) {
        let task = &self.tasks[frame.task];
        self.state.back(frame.mark);
        self.set ^= hash_of(7, frame.task as u64);
        self.done[frame.task] = false;
        self.left += usize::from(task.answer.is_some());
        match frame.latest {
            Some(latest) => self.latest.insert(task.session, latest),
            None => self.latest.remove(&task.session),
        };
        self.first = frame.first;
    }
}

#[cfg(test)]
mod tests;
