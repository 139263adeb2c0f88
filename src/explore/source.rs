//! Where plans come from: a scenario that is drawn from, or one plan as it is.

use std::sync::Arc;

use crate::plan::draw::draw;
use crate::plan::scenario::Scenario;
use crate::plan::{Expect, Fork, Plan};

use super::{Branch, Policy};

/// Between a policy and the rest of a recipe, in tokens.
const SEPARATOR: &str = "--";

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
    /// A policy steers it, behind the rest.
    Steered(Policy, Box<Recipe>),
    /// One branch of the tree that `Steered(Policy::Branch, ..)` stands for.
    Branched(Branch, Box<Recipe>),
}

impl Recipe {
    /// This recipe, steered by a policy.
    #[must_use]
    pub fn steered(self, policy: Policy) -> Recipe {
        match policy {
            Policy::Swarm => self,
            Policy::Moments | Policy::Branch => Recipe::Steered(policy, Box::new(self)),
        }
    }

    /// As tokens spell it: `-`, `clean`, or the bug's name, behind `moments--` and the
    /// like. A branch says after which steps it takes which dice: `branch-812-1-1033-2--`.
    pub fn word(&self) -> String {
        match self {
            Recipe::Plain => "-".to_string(),
            Recipe::Clean => "clean".to_string(),
            Recipe::Bug(name) => name.clone(),
            Recipe::Steered(policy, rest) => format!("{policy}{SEPARATOR}{}", rest.word()),
            Recipe::Branched(branch, rest) => {
                format!("{}{branch}{SEPARATOR}{}", Policy::Branch, rest.word())
            }
        }
    }

    /// The policy, and the rest.
    pub fn parts(&self) -> (Policy, &Recipe) {
        match self {
            Recipe::Plain | Recipe::Clean | Recipe::Bug(_) => (Policy::Swarm, self),
            Recipe::Steered(policy, rest) => (*policy, rest),
            Recipe::Branched(_, rest) => (Policy::Branch, rest),
        }
    }

    /// What is done to the plan before any policy steers it.
    pub fn innermost(&self) -> &Recipe {
        match self {
            Recipe::Plain | Recipe::Clean | Recipe::Bug(_) => self,
            Recipe::Steered(_, rest) | Recipe::Branched(_, rest) => rest.innermost(),
        }
    }

    /// From the word of a token. A word that is nothing else is taken for a bug's name.
    pub fn of_word(word: &str) -> Recipe {
        if let Some((how, rest)) = word.split_once(SEPARATOR) {
            if let Ok(policy) = how.parse::<Policy>() {
                return Recipe::of_word(rest).steered(policy);
            }
            if let Some(branch) = branch_of(how) {
                return Recipe::Branched(branch, Box::new(Recipe::of_word(rest)));
            }
        }
        match word {
            "-" => Recipe::Plain,
            "clean" => Recipe::Clean,
            name => Recipe::Bug(name.to_string()),
        }
    }
}

impl Recipe {
    fn apply(&self, scenario: &Scenario, plan: &mut Plan) {
        match self {
            Recipe::Plain => {}
            Recipe::Clean => plan.bugs.clear(),
            Recipe::Bug(name) => {
                if !plan.bugs.contains(name) {
                    plan.bugs.push(name.clone());
                }
            }
            Recipe::Steered(policy, rest) => {
                rest.apply(scenario, plan);
                policy.steer(scenario, plan);
            }
            Recipe::Branched(branch, rest) => {
                rest.apply(scenario, plan);
                branch.steer(scenario, plan);
            }
        }
    }

    fn expect(&self, scenario: &Expect) -> Expect {
        match (self, scenario) {
            (Recipe::Plain, _) => scenario.clone(),
            (Recipe::Clean, _) => Expect::Pass,
            (Recipe::Bug(_), Expect::Pass) => Expect::Violation(Vec::new()),
            (Recipe::Bug(_), Expect::Violation(_)) => scenario.clone(),
            (Recipe::Steered(_, rest) | Recipe::Branched(_, rest), _) => rest.expect(scenario),
        }
    }
}

/// The branch of a word such as `branch-812-1-1033-2`.
fn branch_of(word: &str) -> Option<Branch> {
    let numbers = word.strip_prefix(Policy::Branch.name())?.strip_prefix('-')?.split('-');
    let numbers = numbers.map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    let forks: Vec<Fork> =
        pairs.iter().map(|[step, salt]| Fork { step: *step, salt: *salt }).collect();
    Branch::of(&forks).filter(|_| rest.is_empty())
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
                recipe.apply(scenario, &mut plan);
                Arc::new(plan)
            }
        }
    }

    /// The scenario, if each of its seeds is a tree of runs.
    pub fn tree(&self) -> Option<&Scenario> {
        match self {
            Source::Scenario(scenario, Recipe::Steered(Policy::Branch, _)) => Some(scenario),
            Source::Scenario(..) | Source::Plan(..) => None,
        }
    }

    /// Where the plans of one branch of its trees come from.
    #[must_use]
    pub fn branched(&self, branch: Branch) -> Source {
        match self {
            Source::Scenario(scenario, Recipe::Steered(Policy::Branch, rest))
                if branch != Branch::ROOT =>
            {
                Source::Scenario(scenario.clone(), Recipe::Branched(branch, rest.clone()))
            }
            Source::Scenario(..) | Source::Plan(..) => self.clone(),
        }
    }

    /// What must come of it: what was planted must be found, what was made clean must pass.
    pub fn expect(&self) -> Expect {
        match self {
            Source::Plan(_, plan) => plan.expect.clone(),
            Source::Scenario(scenario, recipe) => recipe.expect(&scenario.expect),
        }
    }
}
