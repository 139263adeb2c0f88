//! The report that a person reads first: what was violated, the plan in short, the story, how each
//! peer stands, and the line that replays it.

use std::fmt::Write;

use crate::base::PeerId;
use crate::history::At;
use crate::plan::{Driver, Expect, Plan};
use crate::verdict::{Finding, Outcome, Weight};

use super::lanes::Story;

/// All that a report is made of.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// What was to happen.
    pub plan: &'a Plan,
    /// What it came to.
    pub outcome: &'a Outcome,
    /// Everything found.
    pub findings: &'a [Finding],
    /// What each property says.
    pub properties: &'a [(&'static str, &'static str)],
    /// The last events before the violation.
    pub story: &'a Story,
    /// How each peer stood at the end.
    pub states: &'a [(PeerId, Vec<(String, String)>)],
    /// When the run ended.
    pub end: At,
    /// The command that replays it.
    pub replay: &'a str,
}

/// How wide prose is.
const WIDTH: usize = 96;

/// The report.
pub fn report(case: &Case<'_>) -> String {
    let mut text = String::new();
    headline(&mut text, case);
    verdict(&mut text, case);
    plan(&mut text, case.plan);
    faults(&mut text, case);
    let (kept, told) = case.story.counts();
    line(&mut text, &format!("what happened (the last {kept} of {told} events worth telling)"));
    line(&mut text, "");
    line(&mut text, case.story.draw(case.plan.voters).trim_end());
    line(&mut text, "");
    states(&mut text, case);
    line(&mut text, "replay it");
    line(&mut text, &format!("  {}", case.replay));
    text
}

fn headline(text: &mut String, case: &Case<'_>) {
    let Plan { scenario, seed, title, why, voters, clients, .. } = case.plan;
    line(text, title);
    line(text, &"=".repeat(title.chars().count().min(WIDTH)));
    line(text, "");
    let clients = clients.len();
    line(text, &format!("scenario `{scenario}`, seed {seed}: {voters} peers, {clients} clients"));
    line(text, "");
    paragraph(text, "why it matters: ", why);
    line(text, "");
}

fn verdict(text: &mut String, case: &Case<'_>) {
    match case.outcome {
        Outcome::Pass => {
            line(text, &format!("PASSED at {}, step {}", case.end.time, case.end.step))
        }
        Outcome::Unknown(why) => {
            line(text, &format!("UNDECIDED at {}, step {}", case.end.time, case.end.step));
            paragraph(text, "  ", why);
        }
        Outcome::Violated(finding) => violated(text, case, finding),
    }
    let main = match case.outcome {
        Outcome::Violated(finding) => Some(finding),
        Outcome::Pass | Outcome::Unknown(_) => None,
    };
    let others: Vec<&Finding> = case.findings.iter().filter(|one| Some(*one) != main).collect();
    if !others.is_empty() {
        line(text, "");
        line(text, &format!("also found: {}", others.len()));
    }
    for other in others.iter().take(8) {
        let weight = weight(other.weight);
        let head = format!("  {} {weight} of {}: ", other.at.time, other.property);
        paragraph(text, &head, &other.detail);
    }
    line(text, "");
}

fn violated(text: &mut String, case: &Case<'_>, finding: &Finding) {
    let Finding { property, weight: heavy, at, peers, kind, detail } = finding;
    let word = weight(*heavy).to_uppercase();
    let (time, step) = (at.time, at.step);
    line(text, &format!("{word} of {property} ({kind}) at {time}, step {step}"));
    line(text, "");
    if let Some((_, says)) = case.properties.iter().find(|(name, _)| name == property) {
        paragraph(text, "  it says: ", says);
    }
    paragraph(text, "  seen:    ", detail);
    if !peers.is_empty() {
        paragraph(text, "  peers:   ", &crate::history::words::peers(peers));
    }
    match heavy {
        Weight::Assertion => {
            line(text, "");
            let note = "this is a local assertion: a check inside one peer failed, or a step of it \
                        panicked. The run went on, and no property of the service was violated in \
                        it.";
            paragraph(text, "  note:    ", note);
        }
        Weight::Violation => {}
    }
}

fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Assertion => "assertion",
        Weight::Violation => "violation",
    }
}

fn plan(text: &mut String, plan: &Plan) {
    line(text, "the plan");
    let expected = match &plan.expect {
        Expect::Pass => "no violation".to_string(),
        Expect::Violation(names) if names.is_empty() => "a violation".to_string(),
        Expect::Violation(names) => format!("a violation of {}", names.join(" or ")),
    };
    line(text, &format!("  protocol `{}`; expected: {expected}", plan.protocol));
    for bug in &plan.bugs {
        line(text, &format!("  planted bug `{bug}`"));
    }
    let knobs: Vec<String> =
        plan.knobs.iter().map(|(name, value)| format!("{name} {value}")).collect();
    paragraph(text, "  knobs: ", &knobs.join(", "));
    if plan.initial_counter != 0 {
        line(text, &format!("  the first zxid's counter is {}", plan.initial_counter));
    }
    for (index, client) in plan.clients.iter().enumerate() {
        let does = match &client.driver {
            Driver::Script(steps) => format!("a script of {} steps", steps.len()),
            Driver::Program { name, .. } => format!("the program `{name}`"),
        };
        let (id, timeout) = (index + 1, client.timeout_ms);
        line(text, &format!("  c{id}: {does}, session timeout {timeout}ms"));
    }
    if !plan.frail.is_empty() {
        let frail = crate::history::words::peers(&plan.frail);
        line(text, &format!("  frail (may lose what they stored): {frail}"));
    }
    for fork in &plan.forks {
        line(text, &format!("  other dice after step {}", fork.step));
    }
    let faults = plan.faults.len();
    line(text, &format!("  {faults} faults planned; calm from {}ms on", plan.calm_at));
    line(text, "");
}

fn faults(text: &mut String, case: &Case<'_>) {
    let struck = case.story.faults();
    if struck.is_empty() {
        line(text, "no fault had struck");
    } else {
        line(text, "faults that had struck");
    }
    for (at, what) in struck {
        line(text, &format!("  {:>13} {what}", at.time.to_string()));
    }
    line(text, "");
}

fn states(text: &mut String, case: &Case<'_>) {
    line(text, &format!("how each peer stands at {}", case.end.time));
    for (peer, facts) in case.states {
        line(text, &format!("  {peer}"));
        let widest = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in facts {
            line(text, &format!("    {name:widest$}  {value}"));
        }
    }
    line(text, "");
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("a string takes everything");
}

/// Words in lines of `WIDTH`, the first behind `head`, the others below its end.
pub fn paragraph(text: &mut String, head: &str, words: &str) {
    let indent = head.chars().count();
    let mut current = head.to_string();
    let mut fresh = true;
    for word in words.split_whitespace() {
        let long = current.chars().count() + 1 + word.chars().count() > WIDTH;
        if long && !fresh {
            line(text, current.trim_end());
            current = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            current.push(' ');
        }
        current.push_str(word);
        fresh = false;
    }
    line(text, current.trim_end());
}
