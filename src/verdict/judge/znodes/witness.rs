//! By zxids: the order is claimed, and the sweep finds it true or not.

use std::collections::BTreeMap;

use crate::base::Zxid;
use crate::history::{At, CallId, History, Operation};
use crate::verdict::judge::{Answer, Candidate, Judgement, Level, Mode, Question, Why};
use crate::verdict::search::Options;
use crate::verdict::sweep::{self, Breach, Judged, Tape};
use crate::verdict::views;

use super::{Lines, answer, core, first_words, is_answered, searched};

/// Histories of at most so many calls are searched, too, to explain them.
pub const SEARCHED: usize = 5_000;

/// Steps that this may take.
const NODES: u64 = 1_000_000;

/// Judges the columns of a history.
pub fn judge(tape: &mut Tape, lines: &Lines<'_>, question: &Question, judgement: &mut Judgement) {
    let (level, sync) = (judgement.level, question.sync);
    let report = sweep::check(tape);
    judgement.strongest = report.strongest(sync);
    let table = report.properties.iter();
    let demanded = |name| level.demands(name, sync);
    judgement.properties =
        table.map(|(name, asked, broken)| (*name, *asked, *broken, demanded(name))).collect();
    judgement.answer = match report.judge(level, sync) {
        Judged::Broken(breach) => Answer::False(why(&breach, &report.found, lines, question)),
        judged @ (Judged::Holds | Judged::Undecided(_) | Judged::Beyond(_)) => {
            answer(judged, lines)
        }
    };
    if let (Answer::True, true, Some(history)) = (&judgement.answer, question.order, lines.kept) {
        judgement.order = order(history, &report.found, lines);
    }
    // Only of what reads showed: that a session lives on, or goes back, no other state explains.
    let reads_only = match level {
        Level::Linearizable => report.judge(Level::SyncLinearizable, sync) == Judged::Holds,
        Level::Session => report.properties.iter().all(|(name, _, broken)| {
            *broken == 0 || *name == "ReadValue" || !level.demands(name, sync)
        }),
        Level::SyncLinearizable | Level::Osc | Level::Sequential => false,
    };
    if let (Answer::False(_), true) = (&judgement.answer, reads_only) {
        match views::check_tape(tape, level, sync) {
            Judged::Broken(_) => {}
            judged @ (Judged::Holds | Judged::Undecided(_) | Judged::Beyond(_)) => {
                judgement.mode = Mode::Views;
                judgement.answer = answer(judged, lines);
            }
        }
    }
    let few = lines.kept.filter(|history| history.operations.len() <= SEARCHED);
    let look = || {
        let mut other = Judgement::of(judgement.object, level, Mode::Search, 0, 0);
        let search = Options { nodes: question.search.nodes.min(NODES), ..question.search.clone() };
        let question = Question { search, ..question.clone() };
        few.map(|history| {
            searched::judge(history, lines, &question, &mut other);
            other.answer
        })
    };
    match &judgement.answer {
        Answer::False(_) if question.explain => {
            judgement.searched = look().map(|answer| answer.word());
        }
        Answer::Unknown(_) if report.beyond.is_some() => {
            return beyond(lines, question, judgement);
        }
        // What no order at all explains, no guess does.
        Answer::Unknown(_) => {
            if let Some(answer @ Answer::False(_)) = look() {
                judgement.mode = Mode::Search;
                judgement.answer = answer;
            }
        }
        Answer::True | Answer::False(_) => {}
    }
    judgement.staleness = Some(report.staleness);
}

/// There are operations that no sweep knows: an order is looked for instead, and the zxids say no
/// more than where to look first. What the sweep has counted meanwhile says nothing.
pub fn beyond(lines: &Lines<'_>, question: &Question, judgement: &mut Judgement) {
    judgement.properties = Vec::new();
    match lines.kept {
        Some(history) => {
            let nodes = question.search.nodes.min(question.stand_in);
            let search = Options { nodes, ..question.search.clone() };
            judgement.mode = Mode::Search;
            let question = Question { search, ..question.clone() };
            searched::judge(history, lines, &question, judgement);
        }
        None => {
            if let Answer::Unknown(why) = &mut judgement.answer {
                why.push_str("; `--mode search` may");
            }
        }
    }
}

fn why(breach: &Breach, found: &[(CallId, Zxid)], lines: &Lines<'_>, question: &Question) -> Why {
    let mut why = first_words(breach, lines);
    let Some(history) = lines.kept else { return why };
    let before = |at: &At| at.time.0 < breach.time;
    let done = |operation: &&Operation| {
        is_answered(operation) && operation.returned.as_ref().is_some_and(before)
    };
    let mut ended: Vec<_> = history.operations.iter().filter(done).collect();
    ended.sort_by_key(|operation| (operation.returned, operation.id));
    why.placed = ended.len() as u64;
    let last = ended[ended.len().saturating_sub(5)..].iter();
    why.prefix = last.map(|operation| lines.candidate(operation.id.0, "")).collect();
    if question.explain {
        let core = core::core(history, found, breach);
        why.minimal = core.minimal;
        why.core = core.calls.iter().map(|id| lines.candidate(id.0, "")).collect();
    }
    why
}

/// The order that the zxids witness: transactions by zxid, reads behind the one that they show.
fn order(history: &History, found: &[(CallId, Zxid)], lines: &Lines<'_>) -> Vec<Candidate> {
    let lost: BTreeMap<CallId, Zxid> = found.iter().copied().collect();
    let placed = history.operations.iter().filter_map(|operation| {
        let own = operation.zxid.filter(|_| is_answered(operation));
        let zxid = own.or(lost.get(&operation.id).copied());
        Some((zxid?, !operation.op.is_write(), operation.invoked, operation.id))
    });
    let mut all: Vec<_> = placed.collect();
    all.sort();
    all.into_iter().map(|(.., id)| lines.candidate(id.0, "")).collect()
}
