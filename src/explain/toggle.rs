//! One fault less: does it still fail, and where do the two runs part?

use std::sync::Arc;

use crate::base::Time;
use crate::history::{At, Seen};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::{CannotRun, Run};
use crate::shrink::without_faults;
use crate::verdict::{Outcome, Signature};

/// What was taken out of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toggle {
    /// The n-th fault, from 0.
    Fault(usize),
    /// A planted bug.
    Bug(String),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Toggled {
    /// What was taken out.
    pub without: Toggle,
    /// What it shows without that; `None` if it passes.
    pub shown: Option<Signature>,
    /// Whether there is a verdict.
    pub decided: bool,
    /// Where it parts from the failing run, if it passes.
    pub parting: Option<Parting>,
}

/// Where two runs part.
#[derive(Clone, Debug)]
pub struct Parting {
    /// The last time up to which both saw the same.
    pub at: Time,
    /// How many things both saw; an event may show many, or none.
    pub common: usize,
    /// What the failing run saw from there on, faults left out.
    pub failing: Vec<(At, Seen)>,
    /// What the passing run saw instead.
    pub passing: Vec<(At, Seen)>,
}

/// How many events behind a parting are kept.
const BEHIND: usize = 400;

/// Takes out each fault and each planted bug in turn. Of those that pass, the nearest is the one
/// that parts last.
///
/// # Errors
/// If the plan cannot run.
pub fn toggles(plan: &Arc<Plan>, kit: &Kit) -> Result<Vec<Toggled>, CannotRun> {
    let (_, _, failing) = stream(plan, kit)?;
    let faults = (0..plan.faults.len()).map(Toggle::Fault);
    let bugs = plan.bugs.iter().cloned().map(Toggle::Bug);
    let mut all = Vec::new();
    for without in faults.chain(bugs) {
        let mut other = match &without {
            Toggle::Fault(nth) => without_faults(plan, |index, _| index == *nth),
            Toggle::Bug(_) => plan.as_ref().clone(),
        };
        if let Toggle::Bug(name) = &without {
            other.bugs.retain(|bug| bug != name);
        }
        let (outcome, shown, passing) = stream(&Arc::new(other), kit)?;
        let passes = outcome == Outcome::Pass;
        let decided = !matches!(outcome, Outcome::Unknown(_));
        let parting = passes.then(|| part(&failing, &passing));
        all.push(Toggled { without, shown, decided, parting });
    }
    Ok(all)
}

/// Everything seen but faults and hits: these differ by themselves.
type Stream = Vec<(At, Seen)>;

fn stream(plan: &Arc<Plan>, kit: &Kit) -> Result<(Outcome, Option<Signature>, Stream), CannotRun> {
    let mut run = Run::new(plan.clone(), kit)?;
    let mut all = Vec::new();
    let mut show = |at: At, seen: &[Seen]| {
        for one in seen {
            let own = match one {
                Seen::Fault { .. } => false,
                Seen::Noted { note, .. } => note.kind() != "hit",
                _ => true,
            };
            if own {
                all.push((at, one.clone()));
            }
        }
    };
    while run.step_seen(&mut show) {}
    let signature = run.verdict.signature().cloned();
    Ok((run.verdict.outcome(), signature, all))
}

fn part(failing: &Stream, passing: &Stream) -> Parting {
    let same =
        |(one, other): &(&(At, Seen), &(At, Seen))| one.0.time == other.0.time && one.1 == other.1;
    let common = failing.iter().zip(passing).take_while(same).count();
    let at = if common == 0 { Time::ZERO } else { failing[common - 1].0.time };
    let behind = |stream: &Stream| stream.iter().skip(common).take(BEHIND).cloned().collect();
    Parting { at, common, failing: behind(failing), passing: behind(passing) }
}
