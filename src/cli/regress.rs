//! `zoosim regress add`: a plan that once failed is kept, and tried first from now on.

use std::path::Path;

use crate::kit::Kit;
use crate::plan::Expect;
use crate::report::token::is_word;

use super::args::{RUNS, RegressArgs, RegressVerb};
use super::find::{self, Named, REGRESSIONS, named};
use super::record::{plan_text, write_text};
use super::replay::same_run;
use super::{Done, Exit, say};

/// Copies the plan.
pub fn regress(kit: &Kit, args: &RegressArgs) -> Done {
    let RegressVerb::Add { what, name, scenario, clean } = &args.verb;
    let Named { subject, seed, digest } = named(kit, what, scenario.as_deref())?;
    let plan = subject.source.plan(seed);
    same_run(kit, &plan, digest, Path::new(RUNS), what)?;
    let mut plan = plan.as_ref().clone();
    let name = name.clone().unwrap_or_else(|| format!("{}-{seed}", plan.scenario));
    if !is_word(&name) {
        return Err(format!(
            "`{name}` cannot be a plan's name\nhint: use letters, digits, `-` and `_` only"
        ));
    }
    if *clean {
        plan.bugs.clear();
    }
    if !plan.bugs.is_empty() {
        let bugs = plan.bugs.join("`, `");
        return Err(format!(
            "the plan has planted bugs: `{bugs}`\nhint: a regression must pass on a right build: \
             `--clean` takes them out"
        ));
    }
    plan.expect = Expect::Pass;
    let path = format!("{REGRESSIONS}/{name}.json");
    let text = plan_text(&plan);
    if Path::new(&path).exists() && find::read(&path)? != text {
        return Err(format!("{path}: is another plan\nhint: `--name` gives this one another name"));
    }
    let made = std::fs::create_dir_all(REGRESSIONS);
    let written = made.and_then(|()| write_text(Path::new(&path), &text));
    written.map_err(|error| format!("{path}: cannot be written: {error}"))?;
    say(&format!("{path}\n"));
    Ok(Exit::Held)
}
