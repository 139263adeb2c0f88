//! `zoosim shrink`: a run that fails, as small as it gets.
//!
//! The clock box is here: below, budgets are steps. What is best when the time is up is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::explore::{Came, Source, kit_for, try_plan};
use crate::kit::Kit;
use crate::plan::Expect;
use crate::report::small::left;
use crate::shrink::{Budget, Progress, Shrunk, Size, shrink as shrink_plan};

use super::args::{RUNS, ShrinkArgs};
use super::find::{Named, Subject, seeded};
use super::record::{can_write, name_of, plan_text, record, replay_plan, write_text};
use super::replay::same_run;
use super::{Done, Exit, say, talk};

/// How often a person is told how it is going.
const TELL: Duration = Duration::from_secs(5);

/// Shrinks it.
pub fn shrink(kit: &Kit, args: &ShrinkArgs) -> Done {
    let Named { subject, seed, digest } =
        seeded(kit, &args.what, args.seed.as_deref(), args.scenario.as_deref())?;
    let plan = subject.source.plan(seed);
    same_run(kit, &plan, digest, Path::new(RUNS), &args.what)?;
    if let Some(out) = &args.out {
        is_plan_name(out)?;
    }
    can_write(args.out.as_deref().map_or(Path::new(RUNS), |out| out.parent().unwrap_or(out)))?;
    let started = Instant::now();
    let time = args.seconds.map(Duration::from_secs);
    let interrupt = super::interrupt()?;
    let mut told = started;
    let mut enough = |progress: &Progress| {
        if told.elapsed() >= TELL {
            told = Instant::now();
            let Progress { pass, trials, size } = progress;
            talk(&format!("{trials} plans tried, at {pass}: {size}"));
        }
        interrupt.load(Ordering::Relaxed) || time.is_some_and(|time| started.elapsed() >= time)
    };
    let budget = args.steps.map_or_else(Budget::default, |steps| Budget { steps });
    let small = Small::of(kit, &subject, seed, budget, &mut enough)?;
    let path = args.out.clone().unwrap_or_else(|| small.place(Path::new(RUNS)));
    let text = small.write(kit, &path)?;
    if args.json {
        say(&format!("{}\n", small.json(&path)));
    } else {
        say(&text);
    }
    let cut_short = interrupt.load(Ordering::Relaxed);
    Ok(if cut_short { Exit::Incomplete } else { Exit::Held })
}

/// Refuses a name under which the small plan could not be written, or not be found again: its
/// report goes beside it, as text.
fn is_plan_name(out: &Path) -> Result<(), String> {
    let place = out.display();
    if out.is_dir() {
        let hint = out.join("small.json");
        return Err(format!("{place}: is a directory\nhint: `--out {}`", hint.display()));
    }
    if out.extension().is_none_or(|end| end != "json") {
        let hint = out.with_extension("json");
        let what = "a plan's file ends with `.json`, and its report beside it with `.txt`";
        return Err(format!("{place}: {what}\nhint: `--out {}`", hint.display()));
    }
    Ok(())
}

/// A run made small.
pub struct Small {
    /// What its folder is called.
    name: String,
    shrunk: Shrunk,
}

impl Small {
    /// Shrinks a run. What comes of it says what must come of it: a planted bug must be caught.
    pub fn of(
        kit: &Kit,
        subject: &Subject,
        seed: u64,
        budget: Budget,
        enough: &mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Small, String> {
        let plan = subject.source.plan(seed);
        let digest = match try_plan(&plan, kit) {
            Came::Ran(small) => small.digest,
            Came::Cannot(cannot) => return Err(cannot.to_string()),
            Came::Broke(why) => return Err(format!("the simulator itself is at fault: {why}")),
        };
        let name = name_of(subject, seed, digest);
        let kit = kit_for(&plan, kit);
        let shrunk = shrink_plan(&plan, &kit, budget, enough).map_err(|why| {
            format!("{}, seed {seed}: {why}\nhint: name a run that fails", subject.source.name())
        })?;
        let mut small = Small { name, shrunk };
        if !plan.bugs.is_empty() {
            let property = small.shrunk.signature.property.to_string();
            small.shrunk.plan.expect = Expect::Violation(vec![property]);
        }
        Ok(small)
    }

    /// Where it is written if nobody says where.
    pub fn place(&self, runs: &Path) -> PathBuf {
        runs.join(&self.name).join("small.json")
    }

    /// Writes the plan down, and its report beside it, which is returned.
    pub fn write(&self, kit: &Kit, path: &Path) -> Result<String, String> {
        let cannot = |error: std::io::Error| {
            format!("{}: cannot be written: {error}\nhint: `--out FILE`", path.display())
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        write_text(path, &plan_text(&self.shrunk.plan)).map_err(cannot)?;
        let text = self.text(kit, path)?;
        write_text(&path.with_extension("txt"), &text).map_err(cannot)?;
        Ok(text)
    }

    fn text(&self, kit: &Kit, path: &Path) -> Result<String, String> {
        let plan = Arc::new(self.shrunk.plan.clone());
        let Came::Ran(ran) = try_plan(&plan, kit) else {
            return Err("the small plan does not run: this is a mistake of the shrinker".into());
        };
        let source = Source::Plan(path.display().to_string(), plan.clone());
        let subject = Subject { source, file: None };
        let recorded = record(kit, &subject, plan.seed, &ran, None)?;
        let report = recorded.report.trim_end();
        let report = report.strip_suffix(recorded.replay.as_str()).unwrap_or(report);
        let line = replay_plan(path);
        Ok(format!("{}\n{}\n{report}{line}\n", self.lines(), left(&plan)))
    }

    /// What came of it, in a few lines.
    pub fn lines(&self) -> String {
        let Shrunk { signature, before, after, trials, steps, ended, clean_passes, plan } =
            &self.shrunk;
        let row = |(size, at): &(Size, crate::history::At)| {
            format!("{size}, {} events, {}", at.step, at.time)
        };
        let mut text = format!("shrunk `{signature}`\n");
        text.push_str(&format!("  from: {}\n  to:   {}\n", row(before), row(after)));
        text.push_str(&format!("  {trials} plans tried, {steps} events; {ended}\n"));
        if *clean_passes {
            let bugs = plan.bugs.join("`, `");
            text.push_str(&format!("  without `{bugs}` the small plan passes\n"));
        }
        text
    }

    /// The same as data.
    pub fn json(&self, path: &Path) -> Value {
        let Shrunk { signature, before, after, trials, steps, ended, clean_passes, .. } =
            &self.shrunk;
        let row = |(size, at): &(Size, crate::history::At)| {
            let (step, time) = (at.step, at.time.0);
            json!({ "size": size, "events": step, "time_ns": time })
        };
        json!({
            "zoosim": "shrunk/1", "run": self.name, "signature": signature.to_string(),
            "before": row(before), "after": row(after), "trials": trials, "steps": steps,
            "ended": ended.to_string(), "passes_without_bugs": clean_passes,
            "plan": path.display().to_string(),
        })
    }
}
