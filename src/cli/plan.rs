//! `zoosim plan`: what a scenario draws from a seed.

use crate::kit::Kit;

use super::args::PlanArgs;
use super::find::{self, Subject};
use super::record::plan_text;
use super::{Done, Exit, say};

/// Prints the plan.
pub fn plan(kit: &Kit, args: &PlanArgs) -> Done {
    let recipe = find::recipe(kit, args.bug.as_deref())?.steered(args.policy);
    let subject = Subject::scenario(kit, &args.scenario, recipe)?;
    let plan = subject.source.plan(find::seed(&args.seed)?);
    say(&plan_text(&plan));
    Ok(Exit::Held)
}
