//! Campaigns as tests: `zoosim::fuzz("rolling-restarts").seeds(0..200).assert_pass()`.

use std::ops::Range;
use std::sync::Arc;

use crate::explore::{Came, Campaign, Item, Next, Recipe, Small, Source, Tally};
use crate::kit::Kit;
use crate::plan::Expect;
use crate::verdict::Outcome;

use super::find::{self, Subject};
use super::is_expected;
use super::record::record;
use super::run::own_seeds;
use super::told::wanted;

/// Many seeds of one scenario, with what must come of them.
#[must_use = "nothing is tried before one of the `assert_` methods"]
pub struct Fuzz {
    name: String,
    text: Option<String>,
    seeds: Option<Range<u64>>,
    bug: Option<String>,
    clean: bool,
    kit: Kit,
    jobs: usize,
}

/// Tries the scenario of this name.
pub fn fuzz(scenario: &str) -> Fuzz {
    Fuzz {
        name: scenario.to_string(),
        text: None,
        seeds: None,
        bug: None,
        clean: false,
        kit: Kit::standard(),
        jobs: super::jobs(None),
    }
}

/// What a campaign came to.
struct Result {
    tally: Tally,
    /// The first seed with a finding of the wanted sort: any if none is wanted.
    first: Option<(Item, Box<Small>)>,
}

impl Fuzz {
    /// These seeds; the scenario's own if this is not said.
    pub fn seeds(mut self, seeds: Range<u64>) -> Fuzz {
        self.seeds = Some(seeds);
        self
    }

    /// Plants a bug.
    pub fn bug(mut self, name: &str) -> Fuzz {
        self.bug = Some(name.to_string());
        self
    }

    /// Takes out the bugs that the scenario plants.
    pub fn clean(mut self) -> Fuzz {
        self.clean = true;
        self
    }

    /// With other protocols, invariants, programs or bugs.
    pub fn kit(mut self, kit: Kit) -> Fuzz {
        self.kit = kit;
        self
    }

    /// With this text as the scenario, under the name given.
    pub fn scenario_text(mut self, text: &str) -> Fuzz {
        self.text = Some(text.to_string());
        self
    }

    /// With so many threads.
    pub fn jobs(mut self, jobs: usize) -> Fuzz {
        self.jobs = jobs;
        self
    }

    /// Every seed passes.
    ///
    /// # Panics
    /// With the report of the first seed that does not.
    pub fn assert_pass(self) {
        let subject = self.subject();
        let result = self.run(&subject, &Expect::Pass);
        self.check(&subject, &result);
        if let Some((item, small)) = &result.first {
            panic!("{}", self.report(&subject, *item, small));
        }
        let tally = &result.tally;
        if let Some((item, why)) = tally.unknown_examples.first() {
            panic!("`{}`, seed {}: undecided: {why}", self.name, item.seed);
        }
    }

    /// Some seed shows a violation of one of these properties; of any if none is named.
    ///
    /// # Panics
    /// If none does.
    pub fn assert_caught(self, properties: &[&str]) {
        let names = properties.iter().map(|name| (*name).to_string()).collect();
        self.caught(&Expect::Violation(names));
    }

    /// What the scenario expects.
    ///
    /// # Panics
    /// With a report if it does not come.
    pub fn assert_expected(self) {
        match self.subject().source.expect() {
            Expect::Pass => self.assert_pass(),
            expect @ Expect::Violation(_) => self.caught(&expect),
        }
    }

    fn caught(self, expect: &Expect) {
        let subject = self.subject();
        let result = self.run(&subject, expect);
        self.check(&subject, &result);
        let tried = result.tally.tried();
        let others: Vec<&String> = result.tally.groups.keys().map(|(_, words)| words).collect();
        assert!(
            result.first.is_some(),
            "`{}`: expected {} within {tried} seeds, seen: {others:?}",
            self.name,
            wanted(expect),
        );
    }

    fn subject(&self) -> Subject {
        let recipe = match (&self.bug, self.clean) {
            (Some(name), _) => Recipe::Bug(name.clone()),
            (None, true) => Recipe::Clean,
            (None, false) => Recipe::Plain,
        };
        let subject = match &self.text {
            None => Subject::scenario(&self.kit, &self.name, recipe),
            Some(text) => find::parse(&self.kit, &self.name, text).map(|scenario| Subject {
                source: Source::Scenario(Arc::new(scenario), recipe),
                file: Some("FILE".to_string()),
            }),
        };
        subject.unwrap_or_else(|error| panic!("{error}"))
    }

    fn run(&self, subject: &Subject, expect: &Expect) -> Result {
        if let Err(unknown) = find::recipe(&self.kit, self.bug.as_deref()) {
            panic!("{unknown}");
        }
        let (first, last) = match &self.seeds {
            Some(seeds) => (seeds.start, seeds.end.saturating_sub(1)),
            None => own_seeds(&subject.source).unwrap_or_else(|error| panic!("{error}")),
        };
        let campaign = Campaign {
            plans: Vec::new(),
            scenarios: vec![subject.source.clone()],
            first,
            last: Some(last),
            jobs: self.jobs,
        };
        let mut result = Result { tally: Tally::default(), first: None };
        campaign.run(
            &self.kit,
            || false,
            || {},
            |tried| {
                result.tally.take(tried);
                if let Came::Ran(small) = &tried.came
                    && let Outcome::Violated(finding) = &small.outcome
                    && (*expect == Expect::Pass || is_expected(finding, expect))
                {
                    result.first = Some((tried.item, small.clone()));
                    return Next::Stop;
                }
                Next::Go
            },
        );
        result
    }

    /// Whatever is asserted, every seed must run, and run the same twice.
    fn check(&self, subject: &Subject, result: &Result) {
        if let Some((item, why)) = result.tally.broken.first() {
            panic!("`{}`, seed {}: {why}", self.name, item.seed);
        }
        if let Some(item) = result.tally.nondeterministic.first() {
            let plan = subject.source.plan(item.seed);
            panic!("{}", super::told::nondeterminism(&self.kit, &plan, &self.name, item.seed));
        }
    }

    fn report(&self, subject: &Subject, item: Item, small: &Small) -> String {
        match record(&self.kit, subject, item.seed, small, None) {
            Ok(recorded) => recorded.report,
            Err(error) => error,
        }
    }
}
