//! A second opinion on a run that nobody objects to: a black-box search looks for an order of the
//! calls, and knows nothing of zxids. Where the witness saw no fault, it must not find one either.
//!
//! It wants the whole history, and its steps, so it is asked of few runs: of one in sixteen of a
//! campaign, and of every run that a person looks at. Large histories are left to the witness.

use crate::base::SessionId;
use crate::history::{At, History, Seen};

use super::judge::{Answer, Candidate, Level, Mode, Question, Why, judge_znodes};
use super::search::Options;
use super::sweep::SyncFlavour;
use super::{Finding, Weight};

/// What a finding of the search is of; the witness names it, too.
pub(super) const PROPERTY: &str = "Linearizability";
/// What tells it apart.
const KIND: &str = "search_disagrees";

/// How many steps the search may take for one history: most small ones need hundreds.
const STEPS: u64 = 50_000;
/// How many bytes it may hold meanwhile.
const BYTES: u64 = 64 << 20;
/// Histories of more calls are left to the witness alone.
const CALLS: usize = 400;
/// So many of the answers that contradict each other are told.
const TOLD: usize = 8;

/// Whether the search alone has found it.
pub fn found(finding: &Finding) -> bool {
    finding.kind == KIND
}

/// The history of a run, and what the search made of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Searched {
    history: History,
    /// What it came to, as a word of a campaign's tables; `None` if it was not asked.
    pub(super) word: Option<&'static str>,
}

impl Searched {
    pub(super) fn observe(&mut self, at: At, seen: &Seen) {
        self.history.observe(at, seen);
    }

    /// The run is over, and every oracle is content.
    pub(super) fn finish(&mut self, at: At, findings: &mut Vec<Finding>) {
        if self.history.operations.len() > CALLS {
            return;
        }
        let question = Question {
            level: Some(Level::SyncLinearizable),
            sync: SyncFlavour::Strict,
            mode: Some(Mode::Search),
            search: Options { nodes: STEPS, bytes: BYTES, ..Options::default() },
            explain: true,
            ..Question::default()
        };
        // What nobody answered has nothing to be ordered.
        let Ok(judgement) = judge_znodes(&self.history, &question) else { return };
        self.word = Some(match judgement.answer {
            Answer::True => "black-box search: agrees with the witness",
            Answer::Unknown(_) => "black-box search: out of steps",
            Answer::False(why) => {
                findings.push(Finding {
                    property: PROPERTY,
                    weight: Weight::Violation,
                    at,
                    peers: Vec::new(),
                    kind: KIND,
                    detail: told(&why),
                });
                "black-box search: disagrees"
            }
        });
    }
}

fn told(why: &Why) -> String {
    let one = |one: &Candidate| format!("{} by {}", one.text, SessionId(one.process as i64));
    let core: Vec<String> = why.core.iter().take(TOLD).map(one).collect();
    let more = why.core.len().saturating_sub(TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let core = core.join("; ");
    format!(
        "the witness accepts the history, but {}. These answers alone contradict each other: \
         {core}{more}.",
        why.detail,
    )
}
