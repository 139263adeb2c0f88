//! Histories of the znode service, at a level: which oracle answers which question.

use crate::history::History;
use crate::history::foreign::Refusal;
use crate::verdict::linear::{self, Linear};
use crate::verdict::search::Options;

use super::{Answer, Candidate, Why};

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
    if level == Level::Linearizable {
        let what = "znode histories cannot be judged at this level here";
        return Err(Refusal::on_line(0, what, "say `--level sync-linearizable`"));
    }
    let answer = match linear::check(history, options.nodes) {
        Linear::Ok => Answer::True,
        Linear::Unknown => Answer::Unknown("the budget of steps ran out".to_string()),
        Linear::Illegal { explained, stuck } => {
            let of = history.operations.len() as u64;
            let next = stuck.iter().filter_map(|id| {
                let found = history.operations.binary_search_by_key(id, |op| op.id).ok()?;
                let operation = &history.operations[found];
                Some(Candidate {
                    process: operation.client.0.into(),
                    text: crate::history::words::op(&operation.op),
                    reason: "its answer does not fit".to_string(),
                    ..Candidate::default()
                })
            });
            let placed = explained as u64;
            let detail = format!("after {placed} operations none of those left can come next");
            let (property, next) = ("Linearizability", next.collect());
            Answer::False(Why { property, detail, placed, of, prefix: Vec::new(), next })
        }
    };
    Ok((answer, Vec::new()))
}
