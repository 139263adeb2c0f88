//! The znode service, for histories of an ensemble: the judge's own tree, searched.
//!
//! What a request means is the business of `verdict/model/tree`, which the witness also asks. Here
//! it keeps no past, takes steps back, and has a hash.
//!
//! Only what an order of operations decides is compared: not zxids and times. A zxid that is known
//! says where to look first, no more.
//!
//! The servers are taken to be configured as ZooKeeper comes, but that nodes may have times to
//! live: where they may not, the service says so, and that is no matter of order. Who speaks from
//! which address is not known: an `ip` is told, and not judged.

mod facets;
mod words;

use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::jute::proto::{Id, Stat};
use crate::znode::op::{self, ErrorCode, Reply};

use super::tree::{Asked, Effect, Model as Tree, Settings, Who, same_names};
use super::{Model, Touched};

/// What is asked, and in which session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The session.
    pub session: SessionId,
    /// What it asks.
    pub op: op::Op,
    /// Who asks: the identities that its connection has proved, but for its address; `None` if it
    /// has proved none.
    pub who: Option<Arc<[Id]>>,
}

impl Op {
    /// What somebody asks who has proved nothing.
    pub fn new(session: SessionId, op: op::Op) -> Op {
        Op { session, op, who: None }
    }
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The reply, or the code of an error.
    pub result: Result<Reply, ErrorCode>,
    /// The zxid of the transaction or of the state that was read, if it was told: what to try
    /// first, never believed.
    pub zxid: Option<Zxid>,
}

impl Answer {
    /// An answer that tells no zxid.
    pub fn new(result: Result<Reply, ErrorCode>) -> Answer {
        Answer { result, zxid: None }
    }
}

/// The service, with the tree that every ensemble begins with. Sessions are open until closed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Znodes;

/// The tree as it is after some of the operations. A copy cannot be taken back to what was before
/// it.
pub struct State(Tree);

impl Clone for State {
    fn clone(&self) -> State {
        State(self.0.copy())
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.0.same(&other.0)
    }
}

impl Znodes {
    /// What the service answers in this state.
    pub fn answer(&self, state: &State, op: &Op) -> Result<Reply, ErrorCode> {
        let mut tree = state.0.copy();
        let who = known(&mut tree, op);
        if !op.op.is_write() {
            let closed = !tree.is_open(op.session);
            let read = tree.read_as((op.session, who), &op.op, Zxid::ZERO).filter(|_| !closed);
            let code = if closed { ErrorCode::SessionExpired } else { ErrorCode::Unimplemented };
            return read.unwrap_or(Err(code));
        }
        tree.apply(asked(op.session, who), &op.op).map(|effect| effect.reply(&op.op))
    }
}

impl Model for Znodes {
    type Op = Op;
    type Answer = Answer;
    type State = State;
    type Undo = usize;

    fn start(&self) -> State {
        let mut tree = Tree::forgetful();
        tree.configure(Settings { extended_types: true, ..Settings::default() });
        State(tree)
    }

    fn step(&self, state: &mut State, op: &Op, answer: Option<&Answer>) -> Option<usize> {
        let State(tree) = state;
        let mark = tree.mark();
        let who = known(tree, op);
        if !op.op.is_write() {
            return answer.is_none_or(|answer| read_fits(tree, op, who, answer)).then_some(mark);
        }
        // Closed behind its back a session can only do less, unless it owns something.
        if answer.is_none() && op.op == op::Op::CloseSession && !tree.owns(op.session) {
            return Some(mark);
        }
        let outcome = tree.apply(asked(op.session, who), &op.op);
        if answer.is_none_or(|answer| fits(&outcome, &op.op, &answer.result)) {
            return Some(mark);
        }
        tree.back(mark);
        None
    }

    fn back(&self, state: &mut State, _op: &Op, mark: usize) {
        state.0.back(mark);
    }

    fn hash(&self, state: &State) -> u128 {
        state.0.hash()
    }

    /// Reads, errors, a multi that failed and one that only checks. Never a write that took effect,
    /// even where it writes what is there already.
    fn is_pure(&self, op: &Op, answer: &Answer) -> bool {
        let is_check = |part: &op::Op| matches!(part, op::Op::Check { .. });
        match (&op.op, &answer.result) {
            (_, Err(_)) => true,
            (op::Op::Multi(_), Ok(Reply::Multi(parts))) if parts.iter().any(Result::is_err) => true,
            (op::Op::Multi(parts), Ok(_)) => parts.iter().all(is_check),
            (op, Ok(_)) => !op.is_write(),
        }
    }

    fn touches(&self, op: &Op, answer: Option<&Answer>, parts: &mut Touched) {
        facets::touches(op, answer.map(|answer| &answer.result), parts);
    }

    /// By zxid where one is known: that of the transaction, or else what a Stat says of it.
    fn hint(&self, _op: &Op, answer: Option<&Answer>) -> Option<u64> {
        let answer = answer?;
        let zxid = match (&answer.zxid, &answer.result) {
            (Some(zxid), _) => zxid.0,
            (None, Ok(Reply::Stat(stat))) => stat.mzxid as u64,
            (None, Ok(Reply::Created { stat: Some(stat), .. })) => stat.czxid as u64,
            (None, Ok(_) | Err(_)) => 0,
        };
        (zxid > 0).then_some(zxid)
    }

    fn weight(&self, state: &State) -> usize {
        size_of::<State>() + 400 * state.0.size()
    }

    fn refusal(&self, state: &State, op: &Op, answer: Option<&Answer>) -> String {
        let told = answer.map(|answer| &answer.result);
        words::refusal(&state.0, op, &self.answer(state, op), told)
    }

    fn show(&self, op: &Op, answer: Option<&Answer>) -> String {
        words::show(op, answer.map(|answer| &answer.result))
    }
}

/// Without a past there is one moment, and no time.
fn asked(session: SessionId, who: Who) -> Asked {
    Asked { session, who, ..Asked::default() }
}

/// As whom the tree knows who asks.
fn known(tree: &mut Tree, op: &Op) -> Who {
    op.who.as_ref().map_or(Who::default(), |ids| tree.known_as(ids))
}

/// Whether a read, now, is answered like this.
fn read_fits(tree: &Tree, op: &Op, who: Who, answer: &Answer) -> bool {
    if !tree.is_open(op.session) {
        return answer.result == Err(ErrorCode::SessionExpired);
    }
    // Most reads are tried in many states, and seldom fit: so the cheap questions come first.
    if answer.result.as_ref().is_ok_and(|reply| !tree.may_show(&op.op, reply)) {
        return false;
    }
    match (tree.read_as((op.session, who), &op.op, Zxid::ZERO), &answer.result) {
        (Some(Ok(would)), Ok(reply)) => same_reply(&would, reply),
        (Some(Err(would)), Err(code)) => would == *code,
        (Some(Ok(_)), Err(_)) | (Some(Err(_)), Ok(_)) | (None, _) => false,
    }
}

/// Whether what came of a write is answered like this.
fn fits(
    outcome: &Result<Effect, ErrorCode>,
    op: &op::Op,
    result: &Result<Reply, ErrorCode>,
) -> bool {
    match (outcome, result) {
        (
            Ok(Effect::Created { path, stat, .. }),
            Ok(Reply::Created { path: told, stat: shown }),
        ) => {
            let wants = !matches!(op, op::Op::Create { stat: false, .. });
            let same = shown.as_ref().is_none_or(|shown| same_stat(stat, shown));
            **path == **told && wants == shown.is_some() && same
        }
        (Ok(Effect::Changed { stat } | Effect::Granted { stat, .. }), Ok(Reply::Stat(shown))) => {
            same_stat(stat, shown)
        }
        (Ok(Effect::Deleted | Effect::Checked | Effect::Closed { .. }), Ok(Reply::Done)) => true,
        (Ok(effect @ (Effect::Multi(_) | Effect::MultiFailed { .. })), Ok(reply)) => {
            same_reply(&effect.reply(op), reply)
        }
        (Err(code), Err(told)) => code == told,
        (Ok(_), _) | (Err(_), Ok(_)) => false,
    }
}

/// Equal but for what the order of transactions alone decides: zxids and times.
fn same_stat(a: &Stat, b: &Stat) -> bool {
    let order = |stat: &Stat| (stat.version, stat.cversion, stat.aversion, stat.num_children);
    let owner = |stat: &Stat| (stat.ephemeral_owner, stat.data_length);
    order(a) == order(b) && owner(a) == owner(b)
}

fn same_reply(a: &Reply, b: &Reply) -> bool {
    let same_part = |(a, b): (&Result<Reply, _>, &Result<Reply, _>)| match (a, b) {
        (Ok(a), Ok(b)) => same_reply(a, b),
        (Err(a), Err(b)) => a == b,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    };
    let same_stats = |a: &Option<Stat>, b: &Option<Stat>| match (a, b) {
        (Some(a), Some(b)) => same_stat(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    match (a, b) {
        (Reply::Created { path, stat }, Reply::Created { path: other, stat: shown }) => {
            path == other && same_stats(stat, shown)
        }
        (Reply::Stat(a), Reply::Stat(b)) => same_stat(a, b),
        (Reply::Data { data, stat }, Reply::Data { data: other, stat: shown }) => {
            data == other && same_stat(stat, shown)
        }
        (Reply::Children { names, stat }, Reply::Children { names: other, stat: shown }) => {
            same_names(names, other) && same_stats(stat, shown)
        }
        (Reply::Acl { acl, stat }, Reply::Acl { acl: other, stat: shown }) => {
            acl == other && same_stat(stat, shown)
        }
        (Reply::Ephemerals(a), Reply::Ephemerals(b)) => same_names(a, b),
        (Reply::Who(a), Reply::Who(b)) => proved(a) == proved(b),
        (Reply::Multi(a), Reply::Multi(b)) => a.len() == b.len() && a.iter().zip(b).all(same_part),
        (a, b) => a == b,
    }
}

/// The identities that are judged, in an order of their own.
fn proved(ids: &[Id]) -> Vec<&Id> {
    let is_address = |id: &&Id| id.scheme.as_deref() == Some("ip");
    let mut proved: Vec<&Id> = ids.iter().filter(|id| !is_address(id)).collect();
    proved.sort_by(|a, b| (&a.scheme, &a.id).cmp(&(&b.scheme, &b.id)));
    proved
}
