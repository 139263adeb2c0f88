//! `zoosim plan`: what a scenario draws from a seed.

use crate::explore::Recipe;

use super::args::PlanArgs;
use super::find::{self, Subject};
use super::record::plan_text;
use super::{Done, Exit, say};

/// Prints the plan.
pub fn plan(args: &PlanArgs) -> Done {
    let recipe = args.bug.clone().map_or(Recipe::Plain, Recipe::Bug).steered(args.policy);
    let subject = Subject::scenario(&args.scenario, recipe)?;
    let plan = subject.source.plan(find::seed(&args.seed)?);
    say(&plan_text(&plan));
    Ok(Exit::Held)
}
