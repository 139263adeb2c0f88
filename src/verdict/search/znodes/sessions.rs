//! What each session alone was shown, without zxids: the weakest of the levels.
//!
//! For each session there is an order of the writes of all sessions, in which every write has its
//! answer and each session keeps its own order, into which the reads of that session fit, in the
//! order of its calls. So it never goes back, and holds its own writes. Real time does not matter,
//! and two sessions may need different orders: where one order does for all, the history is
//! sequentially consistent.
//!
//! Of one session that is the search for an order of all operations, without the reads of others.

use std::collections::BTreeSet;

use crate::base::SessionId;

use super::super::super::model::Znodes;
use super::super::{Checker, Found, Hands, Options, Reached, Stuck};
use super::{Ready, of_sessions};

/// What the sessions of a history came to.
#[derive(Clone, Debug)]
pub enum Each {
    /// For every session there is an order: this one for all of them, if one was found.
    Legal(Option<Vec<usize>>),
    /// For one of them there is none.
    Illegal(Box<Alone>),
    /// For none of them it was shown that there is none, and for some not that there is one.
    Unknown(Reached),
}

/// A session for which there is no order.
#[derive(Clone, Debug)]
pub struct Alone {
    /// Which one; `None` if the writes have no order even if nobody reads.
    pub session: Option<SessionId>,
    /// The writes of all, and its reads.
    pub ready: Ready,
    /// Where the search stood.
    pub stuck: Stuck,
}

/// Looks for one order of all operations, and if there is none, for one for each session. Only the
/// order within each session counts, whatever the times of these say.
pub fn each(ready: &Ready, options: &Options, hands: Hands) -> Each {
    let options = of_sessions(options);
    let ready = timeless(ready);
    let check = |ready: &Ready, options: &Options| {
        Checker::new(&Znodes, options.clone()).with(hands).check(&ready.ops)
    };
    if let Found::Legal(order) = check(&ready, &options) {
        return Each::Legal(Some(order));
    }
    let reads = ready.ops.iter().filter(|timed| !timed.op.op.is_write());
    let readers: BTreeSet<SessionId> = reads.map(|timed| timed.op.session).collect();
    let all: Vec<_> = [None].into_iter().chain(readers.into_iter().map(Some)).collect();
    // What may be spent on all of them was spent once before, at most.
    let options = Options { nodes: options.nodes.div_ceil(all.len() as u64), ..options };
    let mut unknown = None;
    for session in all {
        let alone = alone(&ready, session);
        match check(&alone, &options) {
            Found::Legal(_) => {}
            Found::Illegal(stuck) => {
                return Each::Illegal(Box::new(Alone { session, ready: alone, stuck }));
            }
            Found::Unknown(reached) => unknown = unknown.or(Some(reached)),
        }
    }
    unknown.map_or(Each::Legal(None), Each::Unknown)
}

/// The same without real time: only the order within each session is left.
pub fn timeless(ready: &Ready) -> Ready {
    let mut ready = ready.clone();
    ready.ops.iter_mut().for_each(|timed| timed.ret = u64::MAX);
    ready
}

/// The writes of all sessions, and the reads of one of them.
fn alone(ready: &Ready, session: Option<SessionId>) -> Ready {
    let ops = ready.ops.iter().zip(&ready.calls);
    let wanted =
        ops.filter(|(timed, _)| timed.op.op.is_write() || Some(timed.op.session) == session);
    let (ops, calls) = wanted.map(|(timed, call)| (timed.clone(), *call)).unzip();
    Ready { ops, calls }
}
