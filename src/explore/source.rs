//! Where plans come from: a scenario that is drawn from, or one plan as it is.

use std::sync::Arc;

use crate::plan::draw::draw;
use crate::plan::scenario::Scenario;
use crate::plan::{Expect, Plan};

/// What is done to a plan after it was drawn. Tokens carry it as a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Recipe {
    /// Nothing.
    #[default]
    Plain,
    /// Its bugs are taken out.
    Clean,
    /// This bug is planted, whatever others there are.
    Bug(String),
}

impl Recipe {
    /// As tokens spell it: `-`, `clean`, or the bug's name.
    pub fn word(&self) -> &str {
        match self {
            Recipe::Plain => "-",
            Recipe::Clean => "clean",
            Recipe::Bug(name) => name,
        }
    }

    /// From the word of a token.
    pub fn of_word(word: &str) -> Recipe {
        match word {
            "-" => Recipe::Plain,
            "clean" => Recipe::Clean,
            name => Recipe::Bug(name.to_string()),
        }
    }
}

/// Where plans come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Each seed draws another plan.
    Scenario(Arc<Scenario>, Recipe),
    /// One plan, under the name of its file; it has one seed.
    Plan(String, Arc<Plan>),
}

impl Source {
    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            Source::Scenario(scenario, _) => &scenario.name,
            Source::Plan(name, _) => name,
        }
    }

    /// The plan of a seed.
    pub fn plan(&self, seed: u64) -> Arc<Plan> {
        match self {
            Source::Plan(_, plan) => plan.clone(),
            Source::Scenario(scenario, recipe) => {
                let mut plan = draw(scenario, seed);
                match recipe {
                    Recipe::Plain => {}
                    Recipe::Clean => plan.bugs.clear(),
                    Recipe::Bug(name) => {
                        if !plan.bugs.contains(name) {
                            plan.bugs.push(name.clone());
                        }
                    }
                }
                Arc::new(plan)
            }
        }
    }

    /// What must come of it: what was planted must be found, what was made clean must pass.
    pub fn expect(&self) -> Expect {
        match self {
            Source::Plan(_, plan) => plan.expect.clone(),
            Source::Scenario(scenario, Recipe::Plain) => scenario.expect.clone(),
            Source::Scenario(_, Recipe::Clean) => Expect::Pass,
            Source::Scenario(scenario, Recipe::Bug(_)) => match &scenario.expect {
                Expect::Pass => Expect::Violation(Vec::new()),
                named @ Expect::Violation(_) => named.clone(),
            },
        }
    }
}
