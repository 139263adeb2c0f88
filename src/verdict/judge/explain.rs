//! Why a history is not what was asked: the operations that cannot be placed, with their lines,
//! and why each was refused after the longest order that was found.

use std::collections::BTreeSet;

use crate::verdict::model::{Model, Timed};
use crate::verdict::search::{self, Limit, Options, Reached, Stuck};

use super::lower::Lowered;

/// Why a history is not what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// The property that is violated first.
    pub property: &'static str,
    /// In a sentence.
    pub detail: String,
    /// How many operations the longest order that was found holds.
    pub placed: u64,
    /// .. of how many that can have an effect on each other.
    pub of: u64,
    /// The last of these, in their order, the latest at the end.
    pub prefix: Vec<Candidate>,
    /// What would have to come next, none of which can.
    pub next: Vec<Candidate>,
    /// Calls whose answers contradict each other, whatever else happened; only if it was asked.
    pub core: Vec<Candidate>,
    /// Whether each of them is needed.
    pub minimal: bool,
}

/// An operation, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The line of its call; 0 if it has none.
    pub line: u64,
    /// The line of its end; 0 if it has none.
    pub end_line: u64,
    /// Who called.
    pub process: u64,
    /// What it is.
    pub text: String,
    /// Why it cannot come next; empty if it was placed.
    pub reason: String,
}

/// How many operations of the order are shown.
const SHOWN: usize = 5;

/// Why the search found no order: none by real time, or, `in_order`, none by each process's.
pub fn why<M: Model>(
    model: &M,
    lowered: &Lowered<M::Op, M::Answer>,
    stuck: &Stuck,
    in_order: bool,
) -> Why {
    let ops = &lowered.ops;
    let candidate = |index: usize, reason: String| candidate(model, lowered, index, &reason);
    let mut state = model.start();
    for index in &stuck.placed {
        let timed = &ops[*index];
        if model.step(&mut state, &timed.op, timed.answer.as_ref()).is_none() {
            // What was decided without a search has no order to show beyond this.
            break;
        }
    }
    let next = if stuck.next.is_empty() { enabled(ops, stuck) } else { stuck.next.clone() };
    let next = next.iter().map(|index| {
        let timed = &ops[*index];
        let reason = match model.step(&mut state, &timed.op, timed.answer.as_ref()) {
            None => model.refusal(&state, &timed.op, timed.answer.as_ref()),
            Some(undo) => {
                model.back(&mut state, &timed.op, undo);
                "it could, but then the others cannot".to_string()
            }
        };
        candidate(*index, reason)
    });
    let next: Vec<Candidate> = next.collect();
    let shown = stuck.placed.len().saturating_sub(SHOWN);
    let prefix = stuck.placed[shown..].iter().map(|index| candidate(*index, String::new()));
    let placed: BTreeSet<usize> = stuck.placed.iter().copied().collect();
    let (placed, of) = (placed.len() as u64, stuck.part.len() as u64);
    let first = next.iter().find(|one| one.end_line > 0).or(next.first());
    let what = if in_order {
        "no order of all operations keeps each process's"
    } else {
        "no order of all operations respects real time"
    };
    let detail = match first {
        Some(one) => format!(
            "{what}: after {placed} of {of}, `{}` of line {} cannot come next ({})",
            one.text, one.line, one.reason
        ),
        None => what.to_string(),
    };
    let prefix = prefix.collect();
    let property = if in_order { "SequentialConsistency" } else { "Linearizability" };
    Why { property, detail, placed, of, prefix, next, ..Why::default() }
}

/// An operation, for people.
fn candidate<M: Model>(
    model: &M,
    lowered: &Lowered<M::Op, M::Answer>,
    index: usize,
    reason: &str,
) -> Candidate {
    let timed = &lowered.ops[index];
    let (line, end_line) = lowered.lines[index];
    let shown = model.show(&timed.op, timed.answer.as_ref());
    Candidate {
        line: line.into(),
        end_line: end_line.into(),
        process: timed.process,
        text: lowered.numbers.spell(&shown),
        reason: lowered.numbers.spell(reason),
    }
}

/// An order, for people.
pub fn listed<M: Model>(
    model: &M,
    lowered: &Lowered<M::Op, M::Answer>,
    order: &[usize],
) -> Vec<Candidate> {
    order.iter().map(|index| candidate(model, lowered, *index, "")).collect()
}

/// Finds the operation that cannot be placed and a minimal core, by searching smaller histories.
pub fn add_core<M: Model>(
    model: &M,
    lowered: &Lowered<M::Op, M::Answer>,
    stuck: &Stuck,
    options: &Options,
    why: &mut Why,
) {
    let found = search::explain(model, &lowered.ops, stuck, options);
    why.core = listed(model, lowered, &found.core);
    why.minimal = found.minimal;
    if options.in_order {
        // What comes next there is told by time, which is of no account here.
        return;
    }
    let refused = found.refused.iter();
    why.next = refused.map(|(index, reason)| candidate(model, lowered, *index, reason)).collect();
    let shown = found.prefix.len().saturating_sub(SHOWN);
    why.placed = found.prefix.len() as u64;
    why.prefix = listed(model, lowered, &found.prefix[shown..]);
}

/// What real time lets come next: what was called before anything else that is left has ended.
fn enabled<O, A>(ops: &[Timed<O, A>], stuck: &Stuck) -> Vec<usize> {
    let placed: BTreeSet<usize> = stuck.placed.iter().copied().collect();
    let left: Vec<usize> =
        stuck.part.iter().copied().filter(|index| !placed.contains(index)).collect();
    let bound = left.iter().map(|index| ops[*index].end()).min().unwrap_or_default();
    left.into_iter().filter(|index| ops[*index].call <= bound).collect()
}

/// How far a search came whose budget ran out.
pub fn how_far(reached: &Reached) -> String {
    let Reached { placed, of, nodes, limit } = reached;
    let what = match limit {
        Limit::Nodes => "the budget of steps ran out",
        Limit::Bytes => "the budget of memory ran out",
        Limit::Model => {
            return "not all of its operations are known to a search: some are judged \
                                in the loop only"
                .to_string();
        }
        Limit::Width => "too much was open at once",
    };
    format!("{what} after {nodes} steps: {placed} of {of} are in order")
}
