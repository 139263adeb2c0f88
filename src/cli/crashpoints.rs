//! `zoosim crashpoints`: one passing run, crashed at every durable effect and every send,
//! to peers and to clients.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::base::PeerId;
use crate::explore::{
    Came, Enumerated, Judged, NoPoints, Point, Source, crash_everywhere, try_plan,
};
use crate::kit::Kit;
use crate::plan::{Expect, Plan};
use crate::report::small::moment;

use super::args::CrashpointsArgs;
use super::find::{self, Subject};
use super::record::{can_write, record};
use super::told::wanted;
use super::{Done, Exit, interrupt, is_expected, jobs, say};

/// Crashes it everywhere.
pub fn crashpoints(kit: &Kit, args: &CrashpointsArgs) -> Done {
    let recipe = find::recipe(kit, args.bug.as_deref())?;
    let subject = Subject::scenario(kit, &args.scenario, recipe)?;
    let seed = find::seed(&args.seed)?;
    can_write(&args.out)?;
    let plan = subject.source.plan(seed);
    let name = subject.source.name();
    let peer = args.peer.map(PeerId);
    if let Some(peer) = peer.filter(|peer| peer.0 > plan.voters) {
        let voters = plan.voters;
        return Err(format!(
            "`{name}`, seed {seed} has no peer {peer}\nhint: its peers are p1 to p{voters}"
        ));
    }
    let interrupt = interrupt()?;
    let enough = || interrupt.load(Ordering::Relaxed);
    let all = crash_everywhere(&plan, kit, peer, args.down, jobs(args.jobs), &enough);
    let all = all.map_err(|none| match none {
        NoPoints::Cannot(cannot) => cannot.to_string(),
        NoPoints::Fails(signature) => format!(
            "`{name}`, seed {seed} fails without any crash added: {signature}\n\
             hint: name a seed that passes"
        ),
    })?;
    let found = found(kit, &subject, &plan, &all, args)?;
    let expect = subject.source.expect();
    if args.json {
        let value = as_json(name, args, &plan, &expect, &all, &found);
        say(&format!("{value}\n"));
    } else {
        say(&text(name, &plan, &expect, &all, &found));
    }
    let undecided = all.points.iter().any(|(_, judged, _)| matches!(judged, Judged::Undecided(_)));
    Ok(match &expect {
        Expect::Pass if !found.is_empty() => Exit::Violated,
        _ if all.left > 0 => Exit::Incomplete,
        Expect::Pass if undecided => Exit::Undecided,
        Expect::Pass => Exit::Held,
        Expect::Violation(_) if is_missed(&expect, &found) => Exit::Violated,
        Expect::Violation(_) => Exit::Held,
    })
}

/// Crashes of one signature.
struct Found {
    signature: String,
    finding: crate::verdict::Finding,
    count: u64,
    /// Where the first of them strikes.
    place: String,
    replay: String,
}

/// The violations by signature, the first of each written down as a plan of its own.
fn found(
    kit: &Kit,
    subject: &Subject,
    plan: &Arc<Plan>,
    all: &Enumerated,
    args: &CrashpointsArgs,
) -> Result<Vec<Found>, String> {
    let mut found: Vec<Found> = Vec::new();
    for (point, judged, digest) in &all.points {
        let Judged::Violated(signature, finding) = judged else { continue };
        let signature = signature.to_string();
        if let Some(known) = found.iter_mut().find(|known| known.signature == signature) {
            known.count += 1;
            continue;
        }
        let mut planned = point.plan(plan, args.down);
        if subject.source.expect() != Expect::Pass {
            planned.expect = Expect::Violation(vec![finding.property.to_string()]);
        }
        let place = planned.faults.last().map(|last| moment(&last.when)).unwrap_or_default();
        let replay = write(kit, planned, &args.out, *digest)?;
        let finding = finding.clone();
        found.push(Found { signature, finding, count: 1, place, replay });
    }
    Ok(found)
}

/// Writes a failing run down; the command that replays it.
fn write(kit: &Kit, plan: Plan, out: &Path, digest: crate::base::Digest) -> Result<String, String> {
    let plan = Arc::new(plan);
    let source = Source::Plan(String::new(), plan.clone());
    let Came::Ran(ran) = try_plan(&plan, kit) else {
        return Err("a plan with one more crash does not run: this is a mistake".into());
    };
    if ran.digest != digest {
        return Err("a fork ran unlike its plan: this is a mistake of the simulator".into());
    }
    let subject = Subject { source, file: None };
    Ok(record(kit, &subject, plan.seed, &ran, Some(out))?.replay)
}

/// How many points of a sort there were, and how they came out.
#[derive(Default)]
struct Row {
    points: u64,
    passed: u64,
    violated: u64,
    undecided: u64,
}

fn rows(all: &Enumerated) -> BTreeMap<&str, Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (Point { what, .. }, judged, _) in &all.points {
        let row = rows.entry(what).or_default();
        row.points += 1;
        match judged {
            Judged::Passed => row.passed += 1,
            Judged::Undecided(_) => row.undecided += 1,
            Judged::Violated(..) => row.violated += 1,
        }
    }
    rows
}

/// Whether a violation was expected that no crash shows.
fn is_missed(expect: &Expect, found: &[Found]) -> bool {
    match expect {
        Expect::Pass => false,
        Expect::Violation(_) => !found.iter().any(|one| is_expected(&one.finding, expect)),
    }
}

fn text(name: &str, plan: &Plan, expect: &Expect, all: &Enumerated, found: &[Found]) -> String {
    let seed = plan.seed;
    let (points, steps, voters) = (all.points.len(), all.steps, plan.voters);
    let mut text = format!(
        "`{name}`, seed {seed}: {points} crash points in {steps} events of {voters} peers: every \
         durable effect\nand every send before calm, to peers and to clients\n"
    );
    if let Some(signature) = &all.without {
        text.push_str(&format!("without any crash: {signature}\n"));
    }
    text.push_str("\n  crash right behind            points   passed violated undecided\n");
    for (what, row) in rows(all) {
        let Row { points, passed, violated, undecided } = row;
        text.push_str(&format!(
            "  {what:<28} {points:>7} {passed:>8} {violated:>8} {undecided:>9}\n"
        ));
    }
    for one in found {
        let Found { signature, finding, count, place, replay } = one;
        text.push_str(&format!("\n{count} x {signature}, first: {place}\n"));
        crate::report::text::paragraph(&mut text, "  ", &finding.detail);
        text.push_str(&format!("  {replay}\n"));
    }
    if all.left > 0 {
        text.push_str(&format!("\ncut short: {} more crash points were not tried\n", all.left));
    }
    if found.is_empty() {
        let tried = if all.left > 0 { " that was tried" } else { "" };
        text.push_str(&format!("\nno crash{tried} shows a violation\n"));
    }
    if is_missed(expect, found) {
        let points = all.points.len();
        text.push_str(&format!(
            "not caught: expected {} within {points} crash points\n",
            wanted(expect)
        ));
    }
    text
}

fn as_json(
    name: &str,
    args: &CrashpointsArgs,
    plan: &Plan,
    expect: &Expect,
    all: &Enumerated,
    found: &[Found],
) -> Value {
    let rows = rows(all).into_iter().map(|(what, row)| {
        json!({
            "behind": what, "points": row.points, "passed": row.passed,
            "violated": row.violated, "undecided": row.undecided,
        })
    });
    let missed = is_missed(expect, found);
    let found = found.iter().map(|one| {
        json!({
            "signature": one.signature, "count": one.count, "first": one.place,
            "detail": one.finding.detail, "replay": one.replay,
        })
    });
    json!({
        "zoosim": "crashpoints/1", "source": name, "seed": plan.seed, "peer": args.peer,
        "down_ms": args.down, "events": all.steps, "points": all.points.len(), "left": all.left,
        "without": all.without.as_ref().map(ToString::to_string),
        "expected": wanted(expect), "missed": missed,
        "table": rows.collect::<Vec<Value>>(), "violations": found.collect::<Vec<Value>>(),
    })
}
