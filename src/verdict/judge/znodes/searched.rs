//! By search: no zxid is believed, an order is looked for that explains the answers.
//!
//! All levels but the last are questions of one search: whether reads may lag, whether a sync
//! brings them up to date, and whether real time counts. What one session alone is to be shown
//! needs an order for each, if there is none for all.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::SessionId;
use crate::history::{CallId, History, Operation};
use crate::verdict::judge::{Answer, Candidate, Judgement, Level, Question, Why, explain};
use crate::verdict::model::Znodes;
use crate::verdict::search::znodes::{self, Again, Alone, Each, Reads, Ready};
use crate::verdict::search::{self, Checker, Found, Stuck};
use crate::verdict::sweep::SyncFlavour;
use crate::znode::op::Op;

use super::{Lines, is_answered};

/// How many operations of the order are shown.
const SHOWN: usize = 5;

/// Judges a history without its zxids.
pub fn judge(history: &History, lines: &Lines<'_>, question: &Question, judgement: &mut Judgement) {
    if let Some(odd) = znodes::unjudged(history) {
        let text = lines.candidate(odd.id.0, "").text;
        judgement.answer = Answer::Unknown(format!("a search cannot judge {text}"));
        return;
    }
    let look = |again| look(history, again, lines, question, judgement.level);
    let (mut answer, mut order) = look(Again::Told);
    let open = znodes::lacking(history);
    if matches!(answer, Answer::False(_)) && open > 0 {
        // Each of these may be there or not, and only none and all of them are tried.
        let (other, by) = look(Again::Untold);
        match other {
            Answer::True => (answer, order) = (Answer::True, by),
            Answer::False(_) if open == 1 => {}
            Answer::False(_) | Answer::Unknown(_) => {
                let what = "whether clients proved again who they are, on a new connection, is not \
                            told";
                let hint = "calls of `auth` on each connection would decide it";
                answer = Answer::Unknown(format!("{what}; {hint}"));
            }
        }
    }
    judgement.answer = answer;
    judgement.order = order;
}

/// Looks for an order, and shows it if that is asked.
fn look(
    history: &History,
    again: Again,
    lines: &Lines<'_>,
    question: &Question,
    level: Level,
) -> (Answer, Vec<Candidate>) {
    let strict = question.sync == SyncFlavour::Strict;
    let ready = |history, reads| znodes::ready(history, reads, again);
    let ready = match level {
        Level::Linearizable => ready(history, Reads::Fresh),
        Level::SyncLinearizable if strict => ready(history, Reads::Lag),
        Level::SyncLinearizable | Level::Osc => ready(&unsynced(history), Reads::Lag),
        Level::Sequential => znodes::timeless(&ready(history, Reads::Fresh)),
        Level::Session => ready(history, Reads::Fresh),
    };
    let options = znodes::of_sessions(&question.search);
    let found = if level == Level::Session {
        match znodes::each(&ready, &options, question.hands) {
            Each::Unknown(reached) => Err(Answer::Unknown(explain::how_far(&reached))),
            Each::Illegal(alone) => Err(Answer::False(why_alone(&alone, lines, question))),
            Each::Legal(order) => Ok(order.unwrap_or_default()),
        }
    } else {
        match Checker::new(&Znodes, options).with(question.hands).check(&ready.ops) {
            Found::Unknown(reached) => Err(Answer::Unknown(explain::how_far(&reached))),
            Found::Illegal(stuck) => {
                let mut why = why(&ready, &stuck, lines, question, level >= Level::Sequential);
                if level == Level::SyncLinearizable && strict {
                    add_syncs(history, lines, &mut why);
                }
                Err(Answer::False(why))
            }
            Found::Legal(order) => Ok(order),
        }
    };
    match found {
        Err(answer) => (answer, Vec::new()),
        Ok(order) => {
            let calls = order.iter().filter(|_| question.order).filter_map(|at| ready.calls[*at]);
            (Answer::True, calls.map(|id| lines.candidate(id.0, "")).collect())
        }
    }
}

/// Why there is no order for one session.
fn why_alone(alone: &Alone, lines: &Lines<'_>, question: &Question) -> Why {
    let mut why = why(&alone.ready, &alone.stuck, lines, question, true);
    why.property = "SessionConsistency";
    let whose = match alone.session {
        Some(session) => format!("no order of all writes fits what session {session} was shown"),
        None => "the writes alone have no order".to_string(),
    };
    if let Some((_, how)) = why.detail.split_once(": ") {
        why.detail = format!("{whose}: {how}");
    }
    why
}

fn why(
    ready: &Ready,
    stuck: &Stuck,
    lines: &Lines<'_>,
    question: &Question,
    timeless: bool,
) -> Why {
    let named = |at: &usize, reason: &str| Some(lines.candidate(ready.calls[*at]?.0, reason));
    let mut why = Why {
        property: if timeless { "SequentialConsistency" } else { "Linearizability" },
        placed: stuck.placed.len() as u64,
        of: stuck.part.len() as u64,
        ..Why::default()
    };
    let shown = stuck.placed.len().saturating_sub(SHOWN);
    why.prefix = stuck.placed[shown..].iter().filter_map(|at| named(at, "")).collect();
    let reason = "its answer does not fit";
    why.next = stuck.next.iter().filter_map(|at| named(at, reason)).collect();
    if question.explain {
        let options = znodes::of_sessions(&question.search);
        let found = search::explain(&Znodes, &ready.ops, stuck, &options);
        why.core = found.core.iter().filter_map(|at| named(at, "")).collect();
        why.minimal = found.minimal;
        if !timeless {
            let shown = found.prefix.len().saturating_sub(SHOWN);
            why.placed = found.prefix.len() as u64;
            why.prefix = found.prefix[shown..].iter().filter_map(|at| named(at, "")).collect();
            why.next = found.refused.iter().filter_map(|(at, why)| named(at, why)).collect();
        }
    }
    let (placed, of) = (why.placed, why.of);
    let first = why
        .next
        .first()
        .map_or(String::new(), |one| format!(": {} cannot come next ({})", one.text, one.reason));
    let what = if timeless { "keeps each session's" } else { "respects real time" };
    why.detail = format!("no order of all calls {what}: after {placed} of {of}{first}");
    why
}

/// A sync is no operation of the order that is searched, but what was called after it depends on
/// it: the latest of each session before its calls in the core is part of what contradicts itself.
fn add_syncs(history: &History, lines: &Lines<'_>, why: &mut Why) {
    let lined = why.core.iter().map(|one| one.line).filter(|line| *line > 0);
    let core: BTreeSet<u64> = lined.collect();
    let mut latest: BTreeMap<SessionId, CallId> = BTreeMap::new();
    let mut syncs: BTreeSet<CallId> = BTreeSet::new();
    for operation in &history.operations {
        let one = lines.candidate(operation.id.0, "");
        if matches!(operation.op, Op::Sync { .. }) && is_answered(operation) {
            latest.insert(operation.session, operation.id);
        } else if core.contains(&one.line) && !operation.op.is_write() {
            syncs.extend(latest.get(&operation.session));
        }
    }
    why.core.extend(syncs.into_iter().map(|id| lines.candidate(id.0, "")));
    why.core.sort_by_key(|one| one.line);
}

fn unsynced(history: &History) -> History {
    let is_sync = |operation: &&Operation| matches!(operation.op, Op::Sync { .. });
    let kept = history.operations.iter().filter(|operation| !is_sync(operation));
    History::of(kept.cloned().collect(), Vec::new())
}
