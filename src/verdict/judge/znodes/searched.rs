//! By search: no zxid is believed, an order is looked for that explains the answers.
//!
//! All levels but the last are questions of one search: whether reads may lag, whether a sync
//! brings them up to date, and whether real time counts. What one session alone is to be shown
//! needs an order for each, if there is none for all.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::SessionId;
use crate::history::{CallId, History, Operation};
use crate::verdict::judge::{Answer, Judgement, Level, Question, Why, explain};
use crate::verdict::model::Znodes;
use crate::verdict::model::tree::is_beyond;
use crate::verdict::search::znodes::{self, Alone, Each, Reads, Ready};
use crate::verdict::search::{self, Found, Stuck};
use crate::verdict::sweep::SyncFlavour;
use crate::znode::op::Op;

use super::{Lines, is_answered};

/// How many operations of the order are shown.
const SHOWN: usize = 5;

/// Judges a history without its zxids.
pub fn judge(history: &History, lines: &Lines<'_>, question: &Question, judgement: &mut Judgement) {
    let level = judgement.level;
    let strict = question.sync == SyncFlavour::Strict;
    let ready = match level {
        Level::Linearizable => znodes::ready(history, Reads::Fresh),
        Level::SyncLinearizable if strict => znodes::ready(history, Reads::Lag),
        Level::SyncLinearizable | Level::Osc => znodes::ready(&unsynced(history), Reads::Lag),
        Level::Sequential => znodes::timeless(&znodes::ready(history, Reads::Fresh)),
        Level::Session => znodes::ready(history, Reads::Fresh),
    };
    let options = znodes::of_sessions(&question.search);
    if let Some(odd) = history.operations.iter().find(|operation| is_beyond(&operation.op)) {
        let text = lines.candidate(odd.id.0, "").text;
        judgement.answer = Answer::Unknown(format!("a search cannot judge {text}"));
        return;
    }
    let mut found_order = Vec::new();
    judgement.answer = if level == Level::Session {
        match znodes::each(&ready, &options) {
            Each::Unknown(reached) => Answer::Unknown(explain::how_far(&reached)),
            Each::Illegal(alone) => Answer::False(why_alone(&alone, lines, question)),
            Each::Legal(order) => {
                found_order = order.unwrap_or_default();
                Answer::True
            }
        }
    } else {
        match search::check(&Znodes, &ready.ops, &options) {
            Found::Unknown(reached) => Answer::Unknown(explain::how_far(&reached)),
            Found::Illegal(stuck) => {
                let mut why = why(&ready, &stuck, lines, question, level >= Level::Sequential);
                if level == Level::SyncLinearizable && strict {
                    add_syncs(history, lines, &mut why);
                }
                Answer::False(why)
            }
            Found::Legal(order) => {
                found_order = order;
                Answer::True
            }
        }
    };
    if question.order {
        let calls = found_order.iter().filter_map(|at| ready.calls[*at]);
        judgement.order = calls.map(|id| lines.candidate(id.0, "")).collect();
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
