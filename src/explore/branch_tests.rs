//! A branch is the run of its plan, a tree is the same each time, and tokens name its branches.

use std::sync::Arc;

use super::branch::{Branch, grow};
use super::{Came, Policy, Recipe, Source, look, try_item};
use crate::base::Digest;
use crate::kit::Kit;
use crate::plan::scenario::Scenario;
use crate::plan::{Fork, Plan};
use crate::run::Run;

fn trees(name: &str, rest: Recipe) -> (Arc<Scenario>, Source) {
    let scenario = Arc::new(Scenario::embedded(name).expect("it is embedded"));
    (scenario.clone(), Source::Scenario(scenario, rest.steered(Policy::Branch)))
}

fn ran(plan: &Arc<Plan>, kit: &Kit) -> (Digest, Vec<crate::verdict::Finding>) {
    let (ran, run) = Run::new(plan.clone(), kit).expect("known names").finish_all();
    (ran.digest, run.verdict.findings().to_vec())
}

#[test]
fn a_branch_run_from_its_beginning_is_the_same_run() {
    let kit = Kit::standard();
    let (scenario, source) = trees("default", Recipe::Bug("epoch_saved_late".to_string()));
    let (mut branches, mut deep, mut struck) = (0, 0, 0);
    for seed in 0..12 {
        let drawn = source.plan(seed);
        grow(&scenario, &drawn, &kit, |grown| {
            let plan = source.branched(grown.branch).plan(seed);
            assert_eq!(*plan, **grown.run.plan(), "seed {seed}, {:?}", grown.branch);
            let text = serde_json::to_string(&*plan).expect("a plan is plain data");
            let read = Plan::parse("plan.json", &text).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(read, *plan);
            let (digest, findings) = ran(&plan, &kit);
            assert_eq!(digest, grown.run.ran().digest, "seed {seed}, {:?}", grown.branch);
            assert_eq!(findings, grown.run.verdict.findings());
            let forks = grown.branch.forks().count();
            branches += usize::from(forks > 0);
            deep += usize::from(forks > 1);
            struck += usize::from(plan.faults.len() > drawn.faults.len());
            true
        })
        .expect("it runs");
    }
    assert!(branches > 20 && deep > 0 && struck > 10, "{branches} {deep} {struck}");
}

#[test]
fn a_tree_is_the_same_each_time_and_all_of_it_is_counted() {
    let kit = Kit::standard();
    let (scenario, source) = trees("default", Recipe::Plain);
    for seed in 0..6 {
        let (first, second) = (try_item(&source, seed, &kit), try_item(&source, seed, &kit));
        assert_eq!(first.0, second.0);
        let (Came::Ran(one), Came::Ran(other)) = (first.1, second.1) else {
            panic!("seed {seed} does not run");
        };
        assert_eq!((&one.beside, one.digest), (&other.beside, other.digest), "seed {seed}");
        assert_eq!(one.totals, other.totals);
        // Each event is counted once, though all branches begin with those of their roots.
        let (mut steps, mut syncs) = (0, 0);
        grow(&scenario, &source.plan(seed), &kit, |grown| {
            let of = |run: &Run| (run.world.now().step, run.world.stats().syncs);
            let before = grown.from.map_or((0, 0), of);
            steps += of(grown.run).0 - before.0;
            syncs += of(grown.run).1 - before.1;
            true
        })
        .expect("it runs");
        assert_eq!(one.end.step + one.beside.steps, steps, "seed {seed}");
        assert_eq!(one.totals.world["the world: syncs"], syncs, "seed {seed}");
    }
}

#[test]
fn what_a_branch_shows_its_token_shows() {
    let kit = Kit::standard();
    let (_, source) = trees("default", Recipe::Bug("epoch_saved_late".to_string()));
    let found = (0..200).find_map(|seed| {
        let (branch, came) = try_item(&source, seed, &kit);
        let Came::Ran(small) = came else { panic!("seed {seed} does not run") };
        (branch != Branch::ROOT && small.signature.is_some()).then_some((seed, branch, small))
    });
    let (seed, branch, small) = found.expect("a branch of some tree shows it");
    let Source::Scenario(scenario, recipe) = source.branched(branch) else {
        panic!("it is a scenario");
    };
    let again = Recipe::of_word(&recipe.word());
    assert_eq!(again, recipe);
    let plan = Source::Scenario(scenario, again).plan(seed);
    let (digest, findings) = ran(&plan, &kit);
    assert_eq!(digest, small.digest);
    assert!(!findings.is_empty());
}

#[test]
fn words_of_branches_say_where_they_parted() {
    let forks = [Fork { step: 812, salt: 1 }, Fork { step: 1_033, salt: 2 }];
    let branch = Branch::of(&forks).expect("it is not too deep");
    let recipe = Recipe::Branched(branch, Box::new(Recipe::Bug("a_bug".to_string())));
    assert_eq!(recipe.word(), "branch-812-1-1033-2--a_bug");
    assert_eq!(Recipe::of_word(&recipe.word()), recipe);
    // No branch goes back in its run, is too deep, or lacks half of a fork.
    for wrong in ["branch-9-1-9-2--b", "branch-1-1-2-1-3-1-4-1--b", "branch-9--b", "branch-x-1--b"]
    {
        assert_eq!(Recipe::of_word(wrong), Recipe::Bug(wrong.to_string()), "{wrong}");
    }
}

#[test]
fn seeds_without_faults_are_not_branched() {
    let kit = Kit::standard();
    let (scenario, source) = trees("quiet", Recipe::Plain);
    let mut runs = 0;
    grow(&scenario, &source.plan(0), &kit, |_| {
        runs += 1;
        true
    })
    .expect("it runs");
    assert_eq!(runs, 1);
    assert!(look(&source.plan(0), &kit).is_ok());
}
