//! `zoosim replay`: the run that a token or a plan names, once more.

use std::path::Path;
use std::sync::Arc;

use crate::base::Time;
use crate::explore::{Came, Source, try_plan};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::report::token::short;
use crate::run::Run;

use super::args::ReplayArgs;
use super::find::{Named, named};
use super::{Done, Exit, run, say};

/// Replays it.
pub fn replay(kit: &Kit, args: &ReplayArgs) -> Done {
    args.trace.check()?;
    let Named { subject, seed, digest } = named(kit, &args.what, args.scenario.as_deref())?;
    same_run(kit, &subject.source.plan(seed), digest, &args.out, &args.what)?;
    if let Some(time) = args.at {
        return at(kit, &subject.source, seed, time);
    }
    if args.trace.trace {
        run::print_trace(kit, &subject.source.plan(seed), args.trace)?;
    }
    run::one(kit, &subject, seed, &args.out)
}

/// Refuses a token whose run is another one with this build.
pub fn same_run(
    kit: &Kit,
    plan: &Arc<Plan>,
    digest: Option<u32>,
    out: &Path,
    what: &str,
) -> Result<(), String> {
    if let Some(wanted) = digest
        && let Came::Ran(small) = try_plan(plan, kit)
        && small.digest.short() != wanted
    {
        let ran = short(small.digest);
        let kept = out.join(what).join("plan.json");
        let hint = match kept.is_file() {
            true => format!("replay `{}`: a plan says everything a seed once drew", kept.display()),
            false => "copy the token again, or take the build that wrote it; a run's `plan.json` \
                      says everything a seed once drew"
                .to_string(),
        };
        return Err(format!(
            "this build behaves differently, or the token was altered: it is of run \
             `{wanted:08x}`, this was `{ran}`\nhint: {hint}"
        ));
    }
    Ok(())
}

/// Runs up to a time, and prints how each peer stands.
fn at(kit: &Kit, source: &Source, seed: u64, time: Time) -> Done {
    let mut run = Run::new(source.plan(seed), kit).map_err(|cannot| cannot.to_string())?;
    while run.world.now().time < time && run.step() {}
    let now = run.world.now();
    let mut text = format!("{}, step {}", now.time, now.step);
    if now.time < time {
        text.push_str(&format!(": the run ends here, before {time}"));
    }
    text.push('\n');
    for (peer, facts) in run.describe() {
        text.push_str(&format!("{peer}\n"));
        let widest = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in facts {
            text.push_str(&format!("  {name:widest$}  {value}\n"));
        }
    }
    say(&text);
    Ok(Exit::Held)
}
