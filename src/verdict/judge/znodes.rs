//! Histories of the znode service, at a level: which oracle answers which question.

use crate::history::History;
use crate::history::foreign::Refusal;
use crate::verdict::model::{Model, Znodes};
use crate::verdict::search::znodes::{self, Reads};
use crate::verdict::search::{Explanation, Found, Options, explain};

use super::{Answer, Candidate, Why, explain as words};

/// A consistency level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All operations, reads too, take effect between call and return.
    Linearizable,
    /// Writes are linearizable, and so are reads behind a sync.
    SyncLinearizable,
}

/// What sync promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SyncFlavour {
    /// After it, nothing that had returned before it was called is missing.
    #[default]
    Strict,
}

impl Level {
    /// All of them, the strongest first.
    pub const ALL: [Level; 2] = [Level::Linearizable, Level::SyncLinearizable];

    /// As `--level` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Linearizable => "linearizable",
            Level::SyncLinearizable => "sync-linearizable",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The flavour of that name.
pub fn sync_flavour(name: &str) -> Option<SyncFlavour> {
    match name {
        "strict" => Some(SyncFlavour::Strict),
        _ => None,
    }
}

/// What was measured, by name.
type Notes = Vec<(&'static str, String)>;

/// Judges a history at a level.
pub fn judge(
    history: &History,
    level: Level,
    _sync: SyncFlavour,
    options: &Options,
) -> Result<(Answer, Notes), Refusal> {
    let reads = match level {
        Level::Linearizable => Reads::Fresh,
        Level::SyncLinearizable => Reads::Lag,
    };
    let (ready, found) = znodes::check(history, reads, options);
    let answer = match found {
        Found::Legal(_) => Answer::True,
        Found::Unknown(reached) => Answer::Unknown(words::how_far(&reached)),
        Found::Illegal(stuck) => {
            let options = znodes::of_sessions(options);
            let why = explain(&Znodes, &ready.ops, &stuck, &options);
            Answer::False(told(&ready, &why, stuck.part.len()))
        }
    };
    Ok((answer, Vec::new()))
}

/// How many operations of the order are shown.
const SHOWN: usize = 5;

/// An explanation, for people.
fn told(ready: &znodes::Ready, why: &Explanation, of: usize) -> Why {
    let show = |at: usize| Znodes.show(&ready.ops[at].op, ready.ops[at].answer.as_ref());
    let candidate = |at: usize, reason: &str| Candidate {
        process: ready.ops[at].op.session.0 as u64,
        text: show(at),
        reason: reason.to_string(),
        ..Candidate::default()
    };
    let shown = why.prefix.len().saturating_sub(SHOWN);
    let core: Vec<String> = why.core.iter().map(|at| format!("`{}`", show(*at))).collect();
    let reason = why.refused.first().map_or("", |(_, reason)| reason);
    let detail = format!(
        "after {} operations `{}` cannot come next ({reason}); these contradict each other{}: {}",
        why.prefix.len(),
        show(why.cannot),
        if why.minimal { "" } else { ", or some of them" },
        core.join(", ")
    );
    Why {
        property: "Linearizability",
        detail,
        placed: why.prefix.len() as u64,
        of: of as u64,
        prefix: why.prefix[shown..].iter().map(|at| candidate(*at, "")).collect(),
        next: why.refused.iter().map(|(at, reason)| candidate(*at, reason)).collect(),
    }
}
