//! `zoosim explain`: why a run fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::explain::{
    Cone, Curve, Jump, Parting, Toggle, Toggled, cone, curve, toggles as toggle_all,
};
use crate::explore::kit_for;
use crate::history::{Actor, At, Seen, words};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::report::lanes::is_told;
use crate::report::small::moment;
use crate::run::CannotRun;

use super::args::{ExplainArgs, RUNS};
use super::find::{Named, seeded};
use super::replay::same_run;
use super::{Done, Exit, interrupt, say};

/// How many events behind a parting are shown of each run.
const BEHIND: usize = 5;
/// How wide the plot's bars are.
const BAR: u32 = 40;

/// Explains it.
pub fn explain(kit: &Kit, args: &ExplainArgs) -> Done {
    let Named { subject, seed, digest } =
        seeded(kit, &args.what, args.seed.as_deref(), args.scenario.as_deref())?;
    let plan = subject.source.plan(seed);
    same_run(kit, &plan, digest, Path::new(RUNS), &args.what)?;
    let kit = &kit_for(&plan, kit);
    let cannot = |cannot: CannotRun| cannot.to_string();
    let interrupt = interrupt()?;
    let enough = || interrupt.load(Ordering::Relaxed);
    let past = cone(&plan, kit).map_err(cannot)?;
    let shares = curve(&plan, kit, args.points, args.tails as u32, &enough).map_err(cannot)?;
    let (Some(past), Some(shares)) = (past, shares) else {
        let name = subject.source.name();
        return Err(format!(
            "{name}, seed {seed}: there is nothing to explain: nothing is violated\n\
             hint: name a run that fails"
        ));
    };
    let toggled = toggle_all(&plan, kit).map_err(cannot)?;
    if args.json {
        say(&format!("{}\n", as_json(&plan, args, &past, &toggled, &shares)));
    } else {
        let mut text = format!("why `{}`\n\n", shares.signature);
        text.push_str(&cone_text(&past, args.events));
        text.push_str(&toggles_text(&plan, &toggled));
        text.push_str(&curve_text(&shares));
        say(&text);
    }
    Ok(if shares.left > 0 { Exit::Incomplete } else { Exit::Held })
}

/// The events of a cone worth telling: time, step, what was seen, and the step that sent it.
fn told(past: &Cone) -> Vec<(At, &Seen, Option<u64>)> {
    let all = past.steps.iter().flat_map(|step| {
        let told = step.seen.iter().filter(|one| is_told(one));
        told.map(|one| {
            let message = matches!(one, Seen::Received { .. } | Seen::Returned { .. });
            (step.at, one, step.sent_in.filter(|_| message))
        })
    });
    all.collect()
}

fn cone_text(past: &Cone, most: usize) -> String {
    let all = told(past);
    let skipped = all.len().saturating_sub(most);
    let mut text = format!(
        "what led to it: {} of {} events are in its past; of {} worth telling the last {}\n\n",
        past.steps.len(),
        past.of,
        all.len(),
        all.len() - skipped,
    );
    // Faults are few, and matter however long ago they struck.
    let faults = all[..skipped].iter().filter(|(_, one, _)| matches!(one, Seen::Fault { .. }));
    for (at, one, sent) in faults.chain(&all[skipped..]) {
        text.push_str(&event_line(*at, one, *sent));
    }
    text.push('\n');
    text
}

fn event_line(at: At, one: &Seen, sent: Option<u64>) -> String {
    let sent = sent.map_or(String::new(), |step| format!("  <- {step}"));
    format!("{:>13} {:>6} {}{sent}\n", at.time.to_string(), at.step, words::seen(one))
}

fn name_of(plan: &Plan, toggle: &Toggle) -> String {
    match toggle {
        Toggle::Bug(name) => format!("the planted bug `{name}`"),
        Toggle::Fault(nth) => {
            let planned = &plan.faults[*nth];
            let (kind, when) = (planned.fault.kind(), moment(&planned.when));
            format!("fault {}, `{kind}`, {when}", nth + 1)
        }
    }
}

/// Of the runs that pass, the one that parts last; faults before bugs.
fn nearest(toggled: &[Toggled]) -> Option<(&Toggled, &Parting)> {
    let passing = toggled.iter().filter_map(|one| Some((one, one.parting.as_ref()?)));
    passing.max_by_key(|(one, parting)| (matches!(one.without, Toggle::Fault(_)), parting.common))
}

fn outcome(one: &Toggled) -> String {
    match &one.shown {
        Some(signature) => format!("fails: {signature}"),
        None if one.decided => "passes".to_string(),
        None => "has no verdict".to_string(),
    }
}

fn toggles_text(plan: &Plan, toggled: &[Toggled]) -> String {
    let mut text = String::from("what takes it away\n\n");
    for one in toggled {
        text.push_str(&format!("  without {}: {}\n", name_of(plan, &one.without), outcome(one)));
    }
    let Some((one, parting)) = nearest(toggled) else {
        text.push_str("  no single fault: it fails without any one of them\n\n");
        return text;
    };
    let name = name_of(plan, &one.without);
    let (at, common) = (parting.at, parting.common);
    text.push_str(&format!(
        "\nthe nearest passing run is without {name}\n\
         the two part at {at}, after {common} things that both saw:\n"
    ));
    for (title, side) in [("failing", &parting.failing), ("passing", &parting.passing)] {
        text.push_str(&format!("  {title}\n"));
        let told = side.iter().enumerate();
        let told = told.filter(|(nth, (_, one))| *nth == 0 || is_told(one)).take(BEHIND);
        for (_, (at, one)) in told {
            text.push_str(&event_line(*at, one, None));
        }
    }
    text.push('\n');
    text
}

fn percent(part: u32, of: u32) -> u32 {
    (part * 100).checked_div(of).unwrap_or(0)
}

fn curve_text(curve: &Curve) -> String {
    let tails = curve.tails;
    let mut text = format!(
        "since when it was bound to happen: rewound to each point, {tails} tails with other \
         dice\n\n"
    );
    for share in &curve.shares {
        let bar = (share.same * BAR).checked_div(tails).unwrap_or(0) as usize;
        let (time, step) = (share.at.time.to_string(), share.at.step);
        let (bar, part) = ("#".repeat(bar), percent(share.same, tails));
        text.push_str(&format!("{time:>13} {step:>6} {part:>3}% {bar}\n"));
    }
    if curve.left > 0 {
        text.push_str(&format!("\ncut short: {} more points were not tried\n", curve.left));
    }
    if let Some(fewest) = curve.bound() {
        let fewest = percent(fewest, tails);
        let tails = if fewest == 100 { "all".to_string() } else { format!("at least {fewest}%") };
        text.push_str(&format!(
            "\nit was bound to happen from the start: from every point {tails} of the tails fail \
             in the\nsame way. The plan itself brings it about, whatever the dice\n"
        ));
        return text;
    }
    match &curve.jump {
        None => {}
        Some(Jump { shares, at, doing, seen, around, by: _ }) => {
            let (from, to) = (percent(shares.0, tails), percent(shares.1, tails));
            text.push_str(&format!(
                "\nit jumps from {from}% to {to}% at {}, step {}: {doing}\n",
                at.time, at.step
            ));
            for one in seen {
                text.push_str(&event_line(*at, one, None));
            }
            if seen.is_empty() {
                text.push_str(&around_text(around));
            }
        }
    }
    text
}

/// What was seen around a step that shows nothing itself.
fn around_text(around: &[Option<(At, Seen)>; 2]) -> String {
    let mut text = "nothing was seen in it\n".to_string();
    for (when, one) in ["last before it", "first behind it"].iter().zip(around) {
        match one {
            Some((at, one)) => {
                text.push_str(&format!("{when}\n{}", event_line(*at, one, None)));
            }
            None => text.push_str(&format!("{when}: nothing\n")),
        }
    }
    text
}

fn who(by: Actor) -> String {
    match by {
        Actor::Peer(peer) => peer.to_string(),
        Actor::Client(client) => client.to_string(),
    }
}

fn as_json(
    plan: &Arc<Plan>,
    args: &ExplainArgs,
    past: &Cone,
    toggled: &[Toggled],
    curve: &Curve,
) -> Value {
    let event = |at: &At, one: &Seen| {
        let what = words::seen(one);
        json!({ "step": at.step, "time_ns": at.time.0, "seen": what })
    };
    let all = told(past);
    let events = all[all.len().saturating_sub(args.events)..].iter().map(|(at, one, sent)| {
        let mut value = event(at, one);
        value["sent_in"] = json!(sent);
        value
    });
    let without = toggled.iter().map(|one| {
        let parting = one.parting.as_ref().map(|parting| {
            let first = |side: &[(At, Seen)]| side.first().map(|(at, one)| event(at, one));
            json!({
                "time_ns": parting.at.0, "common": parting.common,
                "failing": first(&parting.failing), "passing": first(&parting.passing),
            })
        });
        json!({
            "without": name_of(plan, &one.without),
            "shown": one.shown.as_ref().map(ToString::to_string),
            "passes": one.shown.is_none() && one.decided, "parting": parting,
        })
    });
    let shares = curve.shares.iter().map(|share| {
        let At { step, time } = share.at;
        json!({ "step": step, "time_ns": time.0, "same": share.same, "any": share.any })
    });
    let near = |one: &Option<(At, Seen)>| one.as_ref().map(|(at, one)| event(at, one));
    let jump = curve.jump.as_ref().map(|jump| {
        let seen: Vec<String> = jump.seen.iter().map(words::seen).collect();
        json!({
            "step": jump.at.step, "time_ns": jump.at.time.0, "doing": jump.doing,
            "by": jump.by.map(who), "seen": seen,
            "before": jump.shares.0, "behind": jump.shares.1,
            "last_before": near(&jump.around[0]), "first_behind": near(&jump.around[1]),
        })
    });
    json!({
        "zoosim": "explained/1", "signature": curve.signature.to_string(),
        "past": { "events": past.steps.len(), "of": past.of, "last": events.collect::<Vec<_>>() },
        "without": without.collect::<Vec<Value>>(),
        "curve": {
            "tails": curve.tails, "points": shares.collect::<Vec<_>>(), "jump": jump,
            "from_the_start": curve.bound().is_some(), "left": curve.left,
        },
    })
}
