//! `zoosim regress add`: a plan that once failed is kept, and tried first from now on.

use crate::kit::Kit;
use crate::plan::Expect;
use crate::report::token::is_word;

use super::args::{RegressArgs, RegressVerb};
use super::find::{Named, REGRESSIONS, named};
use super::record::plan_text;
use super::{Done, Exit, say};

/// Copies the plan.
pub fn regress(kit: &Kit, args: &RegressArgs) -> Done {
    let RegressVerb::Add { what, name, scenario, clean } = &args.verb;
    let Named { subject, seed, .. } = named(kit, what, scenario.as_deref())?;
    let mut plan = subject.source.plan(seed).as_ref().clone();
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
    let tmp = format!("{path}.tmp");
    let write = || {
        std::fs::create_dir_all(REGRESSIONS)?;
        std::fs::write(&tmp, plan_text(&plan))?;
        std::fs::rename(&tmp, &path)
    };
    write().map_err(|error: std::io::Error| format!("{path}: cannot be written: {error}"))?;
    say(&format!("{path}\n"));
    Ok(Exit::Held)
}
