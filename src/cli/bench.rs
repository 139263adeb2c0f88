//! `zoosim bench`: a few named measurements of this build on this machine.
//!
//! Time is that of the processor, of this thread alone, where the system tells it
//! (`/proc/thread-self/schedstat`), so that a busy machine does not spoil it; else wall time.
//! Each case is a fixed plan that is run several times; what is printed is its median. The digest
//! is always on. An event is one thing taken from the queue that one party handled; what came up
//! stale costs time and is not counted.

mod bugs;
mod check;
mod echo;
mod mutations;

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::explore::{Recipe, Source};
use crate::kit::Kit;
use crate::plan::{Plan, draw};
use crate::run::{Ran, Run};

use super::args::{BenchArgs, BenchVerb};
use super::find::Subject;
use super::{Done, Exit, say};

/// One measurement.
struct Row {
    name: &'static str,
    value: u64,
    unit: &'static str,
    what: String,
}

/// Seeds of the default swarm that are timed.
const SEEDS: u64 = 200;

/// A quiet ensemble, described as a scenario; one silent client if there are no calls. Its tick is
/// that of ZooKeeper's own configuration, two seconds, unless it is busy.
fn quiet(voters: u8, calls: u64, calm_at: u64) -> String {
    let mut scenario = json!({
        "zoosim": "scenario/1",
        "title": "a quiet ensemble",
        "why": "to be measured",
        "expect": "pass",
        "voters": voters,
        "swarm": { "families": "none", "faults": [0, 0] },
        "calm_at": calm_at,
    });
    if calls == 0 {
        scenario["knobs"] = json!({ "tick_ms": 2_000 });
        let script = json!([{ "call": "idle" }]);
        scenario["clients"] = json!([{ "timeout_ms": 4_000, "driver": { "script": script } }]);
    } else {
        scenario["workload"] =
            json!({ "clients": [4, 4], "calls": [calls, calls], "programs_percent": 0 });
    }
    scenario.to_string()
}

/// Measures.
pub fn bench(kit: &Kit, args: &BenchArgs) -> Done {
    match &args.verb {
        Some(BenchVerb::Bugs(bugs)) => return bugs::bugs(kit, bugs, args.json || bugs.json),
        Some(BenchVerb::Mutations(mutations)) => {
            return mutations::mutations(kit, mutations, args.json);
        }
        Some(BenchVerb::Check(check)) => return check::check(check, args.json),
        None => {}
    }
    let mut rows = Vec::new();
    rows.extend(swarm(kit)?);
    let busy = plan_of("bench-busy", &quiet(3, 2_000, 20_000))?;
    let (nanos, ran) = timed(kit, &busy)?;
    rows.push(rate("zab_3_peers", "events/s", ran.end.step, nanos, &ran));
    let idle = plan_of("bench-idle", &quiet(5, 0, 3_600_000))?;
    let (nanos, ran) = timed(kit, &idle)?;
    rows.push(rate("idle_5_peers", "simulated s/s", ran.end.time.0 / 1_000_000_000, nanos, &ran));
    let minute = plan_of("bench-minute", &quiet(3, 1_000, 60_000))?;
    let (nanos, ran) = timed(kit, &minute)?;
    let what = format!("60 simulated seconds, 1,000 operations: {} steps", ran.end.step);
    rows.push(Row { name: "minute_judged", value: nanos / 1_000, unit: "us", what });
    let (messages, nanos) = messages()?;
    let what = format!("{messages} frames of 5 trivial peers");
    let value = per_second(messages, nanos);
    rows.push(Row { name: "trivial_5_peers", value, unit: "messages/s", what });
    if let Some(kib) = peak_memory() {
        let what = "the most memory this process held".to_string();
        rows.push(Row { name: "memory", value: kib, unit: "KiB", what });
    }
    print(&rows, args.json);
    Ok(Exit::Held)
}

fn print(rows: &[Row], as_json: bool) {
    if as_json {
        let row = |row: &Row| json!({ "name": row.name, "value": row.value, "unit": row.unit });
        let rows: Vec<_> = rows.iter().map(row).collect();
        say(&format!("{}\n", json!({ "zoosim": "bench/1", "rows": rows })));
        return;
    }
    for Row { name, value, unit, what } in rows {
        say(&format!("{name:<18} {value:>12} {unit:<14} {what}\n"));
    }
}

fn rate(name: &'static str, unit: &'static str, count: u64, nanos: u64, ran: &Ran) -> Row {
    let what = format!("{} steps, {} simulated: {}", ran.end.step, ran.end.time, ran.outcome);
    Row { name, value: per_second(count, nanos), unit, what }
}

fn per_second(count: u64, nanos: u64) -> u64 {
    let value = u128::from(count) * 1_000_000_000 / u128::from(nanos.max(1));
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The median time of a judged seed of the default swarm.
fn swarm(kit: &Kit) -> Result<[Row; 2], String> {
    let subject = Subject::scenario(kit, "default", Recipe::Plain)?;
    let (mut times, mut steps, mut all) = (Vec::new(), 0, 0);
    for seed in 0..SEEDS {
        let plan = subject.source.plan(seed);
        let (nanos, ran) = once(kit, &plan)?;
        times.push(nanos);
        steps += ran.end.step;
        all += nanos;
    }
    let what = format!("median of {SEEDS} seeds of `default`, judged");
    Ok([
        Row { name: "swarm_seed", value: median(times) / 1_000, unit: "us", what },
        Row {
            name: "swarm_events",
            value: per_second(steps, all),
            unit: "events/s",
            what: format!("{steps} steps in these seeds"),
        },
    ])
}

fn plan_of(name: &str, text: &str) -> Result<Arc<Plan>, String> {
    let scenario = crate::plan::Scenario::parse(name, text).map_err(|error| error.to_string())?;
    Ok(Source::Plan(name.to_string(), Arc::new(draw(&scenario, 1))).plan(1))
}

/// How many frames the trivial peers exchange, and how long that takes.
fn messages() -> Result<(u64, u64), String> {
    let (mut frames, mut times) = (0, Vec::new());
    while times.len() < REPEATS {
        let (count, nanos) = echo::messages()?;
        frames = count;
        times.push(nanos);
    }
    Ok((frames, median(times)))
}

/// How often each case is run.
const REPEATS: usize = 15;

/// Runs a plan several times, and tells how long it takes.
fn timed(kit: &Kit, plan: &Arc<Plan>) -> Result<(u64, Ran), String> {
    let (nanos, ran) = once(kit, plan)?;
    let mut times = vec![nanos];
    while times.len() < REPEATS {
        times.push(once(kit, plan)?.0);
    }
    Ok((median(times), ran))
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort();
    times[times.len() / 2]
}

/// Runs a plan, and tells how long it took.
fn once(kit: &Kit, plan: &Arc<Plan>) -> Result<(u64, Ran), String> {
    let run = Run::new(plan.clone(), kit).map_err(|cannot| cannot.to_string())?;
    let clock = Clock::start();
    let (ran, _) = run.finish_all();
    Ok((clock.nanos(), ran))
}

/// A stopwatch.
struct Clock {
    cpu: Option<u64>,
    wall: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock { cpu: cpu_nanos(), wall: Instant::now() }
    }

    fn nanos(&self) -> u64 {
        match (self.cpu, cpu_nanos()) {
            (Some(start), Some(now)) => now.saturating_sub(start),
            _ => self.wall.elapsed().as_nanos() as u64,
        }
    }
}

/// How long this thread has run. The system brings the number up to date when it switches
/// threads, and else once in a tick: the shortest of sleeps makes it switch.
fn cpu_nanos() -> Option<u64> {
    std::thread::sleep(std::time::Duration::from_nanos(1));
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().filter(|nanos| *nanos > 0)
}

fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
