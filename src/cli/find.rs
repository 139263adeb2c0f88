//! What names and tokens stand for: scenarios, plans, seeds.

use std::path::Path;
use std::sync::Arc;

use crate::explore::{Recipe, Source};
use crate::kit::Kit;
use crate::plan::input::did_you_mean;
use crate::plan::scenario::{Scenario, embedded};
use crate::plan::seeds::parse_seed;
use crate::plan::{Plan, Problem, draw};
use crate::report::Token;
use crate::report::token::is_word;

/// Where scenarios are looked for by name, beside those that this build carries.
const FOLDERS: [&str; 2] = ["scenarios", "scenarios/negative"];

/// Plans that once failed.
pub const REGRESSIONS: &str = "scenarios/regressions";

/// What to run, and by what line it is run again.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where its plan comes from.
    pub source: Source,
    /// Its scenario's file, if it has to be named.
    pub file: Option<String>,
}

impl Subject {
    /// A scenario, with a recipe.
    pub fn scenario(kit: &Kit, name: &str, recipe: Recipe) -> Result<Subject, String> {
        let (scenario, file) = scenario(kit, name)?;
        plants_alone(&scenario, &recipe)?;
        Ok(Subject { source: Source::Scenario(Arc::new(scenario), recipe), file })
    }
}

/// Refuses to plant a bug where another is planted: nobody could tell which of them was caught.
pub fn plants_alone(scenario: &Scenario, recipe: &Recipe) -> Result<(), String> {
    let Recipe::Bug(bug) = recipe.innermost() else { return Ok(()) };
    let Some(other) = scenario.bugs.iter().find(|other| *other != bug) else { return Ok(()) };
    let name = &scenario.name;
    Err(format!(
        "`{name}` plants `{other}` already: with `{bug}` beside it nobody could tell which was \
         caught\nhint: name a scenario without bugs, for instance `default`"
    ))
}

/// The text of a file.
pub fn read(path: &str) -> Result<String, String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| cannot_read(path, "it is not text in UTF-8"))
}

/// The bytes of a file.
pub fn read_bytes(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| match error.kind() {
        _ if Path::new(path).is_dir() => is_directory(path),
        std::io::ErrorKind::NotFound => cannot_read(path, "there is no such file"),
        _ => cannot_read(path, &error.to_string()),
    })
}

fn cannot_read(path: &str, why: &str) -> String {
    format!("{path}: cannot be read: {why}\nhint: a file is named from where you are")
}

/// That something is a directory; most often it is that of a run, which holds its plan.
fn is_directory(path: &str) -> String {
    let plan = Path::new(path).join("plan.json");
    let hint = match plan.exists() {
        true => format!("name `{}` in it", plan.display()),
        false => "name a file".to_string(),
    };
    format!("{path}: is a directory\nhint: {hint}")
}

/// Whether a word names a file, not a scenario or token.
fn is_path(text: &str) -> bool {
    text.contains('/') || text.ends_with(".json")
}

/// The scenario of this name or file, and its file if there is no other way to name it.
pub fn scenario(kit: &Kit, name: &str) -> Result<(Scenario, Option<String>), String> {
    if is_path(name) {
        let scenario = parse(kit, name, &read(name)?)?;
        return Ok((scenario, Some(name.to_string())));
    }
    let carried = |known: &str| known.rsplit('/').next() == Some(name);
    if let Some((known, text)) = embedded().iter().find(|(known, _)| carried(known)) {
        return Ok((parse(kit, known, text)?, None));
    }
    for folder in FOLDERS {
        let path = format!("{folder}/{name}.json");
        if Path::new(&path).exists() {
            return Ok((parse(kit, &path, &read(&path)?)?, None));
        }
    }
    Scenario::embedded(name).map(|scenario| (scenario, None)).map_err(|problem| problem.to_string())
}

/// Reads a scenario. What it names must be known: any of its plans shows that.
pub fn parse(kit: &Kit, place: &str, text: &str) -> Result<Scenario, String> {
    let scenario = Scenario::parse(place, text).map_err(|error| error.to_string())?;
    kit.check(&draw(&scenario, 0)).map_err(|problem| problem.within(place, text).to_string())?;
    if !is_word(&scenario.name) {
        let what = format!("{place}: `{}` cannot be a scenario's name", scenario.name);
        return Err(format!("{what}\nhint: tokens carry letters, digits, `-` and `_` only"));
    }
    Ok(scenario)
}

/// A plan from a file.
pub fn plan(kit: &Kit, path: &str) -> Result<Plan, String> {
    let text = read(path)?;
    let plan = Plan::parse(path, &text).map_err(|error| error.to_string())?;
    kit.check(&plan).map_err(|problem| problem.within(path, &text).to_string())?;
    Ok(plan)
}

/// A seed.
pub fn seed(text: &str) -> Result<u64, String> {
    parse_seed(text).map_err(|problem| problem.to_string())
}

/// `--bug`, checked against the kit.
pub fn recipe(kit: &Kit, bug: Option<&str>) -> Result<Recipe, String> {
    let Some(name) = bug else { return Ok(Recipe::Plain) };
    let known: Vec<&str> = kit.bugs().map(|bug| bug.name).collect();
    if known.contains(&name) {
        return Ok(Recipe::Bug(name.to_string()));
    }
    let hint = crate::plan::input::suggest(name, &known, Some("bugs"));
    Err(Problem::new("bug", format!("`{name}` is not known"), hint).to_string())
}

/// The recipe of a token: what is neither a bug of this kit nor anything else is refused.
fn known_recipe(kit: &Kit, word: &str) -> Result<Recipe, String> {
    let recipe = Recipe::of_word(word);
    let Recipe::Bug(name) = recipe.innermost() else { return Ok(recipe) };
    let known: Vec<&str> = kit.bugs().map(|bug| bug.name).collect();
    if known.contains(&name.as_str()) {
        return Ok(recipe);
    }
    let near = did_you_mean(name, &known).map(|near| format!("did you mean `{near}`? "));
    let hint = format!(
        "{}a recipe is `-`, `clean` or a planted bug's name, alone or behind `moments--`, \
         `branch--` or `branch-STEP-DICE--` (up to three pairs of numbers below 2^64, steps \
         ascending)",
        near.unwrap_or_default()
    );
    Err(Problem::new("token", format!("has no recipe in `{word}`"), hint).to_string())
}

/// What was named for a replay: the subject, its plan, the seed, and the digest that it must have.
pub struct Named {
    /// What to run.
    pub subject: Subject,
    /// Its seed.
    pub seed: u64,
    /// The shortened digest that the token tells.
    pub digest: Option<u32>,
}

/// The run of a scenario's seed if there is one; else what a token or a plan's file names.
pub fn seeded(
    kit: &Kit,
    what: &str,
    seed: Option<&str>,
    file: Option<&str>,
) -> Result<Named, String> {
    let Some(text) = seed else {
        if !is_path(what) && scenario(kit, what).is_ok() {
            return Err(format!(
                "`{what}` is a scenario, which draws another run for each seed\n\
                 hint: `--seed N` names one"
            ));
        }
        return named(kit, what, file);
    };
    if what.parse::<Token>().is_ok() {
        return Err(format!("`{what}` is a token, which says its seed\nhint: leave `--seed` out"));
    }
    let subject = Subject::scenario(kit, what, Recipe::Plain)?;
    Ok(Named { subject, seed: self::seed(text)?, digest: None })
}

/// The run that a token or a plan's file names.
pub fn named(kit: &Kit, what: &str, file: Option<&str>) -> Result<Named, String> {
    if is_path(what) {
        let plan = Arc::new(plan(kit, what)?);
        let seed = plan.seed;
        let subject = Subject { source: Source::Plan(what.to_string(), plan), file: None };
        return Ok(Named { subject, seed, digest: None });
    }
    let token: Token = what.parse().map_err(|problem: Problem| match () {
        () if Path::new(what).is_dir() => is_directory(what),
        () if Path::new(what).is_file() => {
            format!("`{what}` is a file, not a token\nhint: `./{what}` names it")
        }
        () if scenario(kit, what).is_ok() => format!(
            "`{what}` is a scenario, which draws another run for each seed\n\
             hint: `zoosim run {what} --seed N` runs one of them"
        ),
        () => problem.to_string(),
    })?;
    let (scenario, file) = scenario(kit, file.unwrap_or(&token.scenario))?;
    let (name, hash) = (&scenario.name, scenario.digest.short());
    if hash != token.hash || *name != token.scenario {
        let Token { scenario: was, hash: old, .. } = &token;
        let what = if name == was {
            format!("scenario `{was}` has changed: the token is of `{old:08x}`, it is `{hash:08x}`")
        } else {
            format!("the token is of scenario `{was}`, not of `{name}`")
        };
        return Err(format!("{what}\nhint: replay the run's `plan.json`, which says everything"));
    }
    let recipe = known_recipe(kit, &token.recipe)?;
    let subject = Subject { source: Source::Scenario(Arc::new(scenario), recipe), file };
    Ok(Named { subject, seed: token.seed, digest: Some(token.digest) })
}

/// The plans that once failed, in the order of their names.
pub fn regressions(kit: &Kit) -> Result<Vec<Subject>, String> {
    let Ok(folder) = std::fs::read_dir(REGRESSIONS) else { return Ok(Vec::new()) };
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let path = format!("{REGRESSIONS}/{name}");
        let plan = Arc::new(plan(kit, &path)?);
        all.push(Subject { source: Source::Plan(path, plan), file: None });
    }
    Ok(all)
}
