//! `zoosim bench check`: what the checker costs, and whether it agrees with the definition.
//!
//! Histories are made before the clock starts; what is timed is the check alone, of one thread. A
//! case is repeated until it has lasted long enough to be read off the clock, three times, and the
//! least counts.

mod histories;
mod sweeps;
mod trees;

use serde_json::json;

use crate::verdict::model::{Fifo, History, Kv, Lists, Model, Mutex, Queue, Register, Set, Znodes};
use crate::verdict::search::differential::{Compared, Sample, compare};
use crate::verdict::search::{Checker, Found, Options};
use crate::verdict::{sweep, views};

use super::super::args::BenchCheckArgs;
use super::super::{Done, Exit, say};
use super::{Clock, Row, median, peak_memory, print};

use histories::{Shape, appends, burst, map, register, spoilt};
use trees::{Forest, stale, tree};

/// Measures, or compares.
pub fn check(args: &BenchCheckArgs, as_json: bool) -> Done {
    match args.differential {
        Some(histories) => differential(histories, args, as_json),
        None => {
            print(&measure(args.sweep)?, as_json);
            Ok(Exit::Held)
        }
    }
}

fn measure(swept: u64) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    rows.extend(registers()?);
    rows.extend(others()?);
    rows.extend(forests()?);
    if swept > 0 {
        rows.extend(sweeps::rows(swept)?);
    }
    if let Some(kib) = peak_memory() {
        let what = "the most memory this process held, histories included".to_string();
        rows.push(Row { name: "memory", value: kib, unit: "KiB", what });
    }
    Ok(rows)
}

/// What the verdict has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Legal,
    Illegal,
}

/// What a check may spend: a row whose case is harder says how far it came.
const NODES: u64 = 4_000_000;

/// As [`NODES`], in bytes.
const BYTES: u64 = 256 << 20;

/// Nanoseconds that a check takes, and what it came to.
fn nanos<M: Model>(model: &M, ops: &History<M>, truth: Truth) -> Result<(u64, Found), String> {
    let options = Options { nodes: NODES, bytes: BYTES, ..Options::default() };
    let mut checker = Checker::new(model, options);
    let mut found = checker.check(ops);
    let right = match (&found, truth) {
        (Found::Legal(_), Truth::Legal) | (Found::Illegal(_), Truth::Illegal) => true,
        (Found::Legal(_), Truth::Illegal) | (Found::Illegal(_), Truth::Legal) => false,
        (Found::Unknown(_), Truth::Legal | Truth::Illegal) => true,
    };
    if !right {
        return Err(format!("a check of {} operations came to {found:?}", ops.len()));
    }
    let (mut least, mut repeat) = (u64::MAX, 1);
    let decided = found.is_legal() || found.is_illegal();
    for _ in 0..if decided { 3 } else { 1 } {
        loop {
            let clock = Clock::start();
            for _ in 0..repeat {
                found = checker.check(ops);
            }
            let nanos = clock.nanos();
            if nanos > 2_000_000 {
                least = least.min(nanos / repeat);
                break;
            }
            repeat *= 4;
        }
    }
    Ok((least, found))
}

fn row<M: Model>(
    name: &'static str,
    model: &M,
    ops: &History<M>,
    truth: Truth,
    what: &str,
) -> Result<Row, String> {
    let (nanos, found) = nanos(model, ops, truth)?;
    let how = match found {
        Found::Legal(_) => "legal".to_string(),
        Found::Illegal(_) => "illegal".to_string(),
        Found::Unknown(reached) => {
            format!("undecided: {} of {} explained", reached.placed, reached.of)
        }
    };
    let what = format!("{what}: {} operations, {how}", ops.len());
    Ok(Row { name, value: nanos / 1_000, unit: "us", what })
}

fn registers() -> Result<Vec<Row>, String> {
    let model = Register::default();
    let busy = |clients| Shape { clients, ops: 1_000, values: 5, cas: 0, lost: 0 };
    let crashed = |cas| Shape { clients: 5, ops: 1_000, values: 5, cas, lost: 31 };
    let mut times = Vec::new();
    for seed in 0..102 {
        let shape = Shape { clients: 5, ops: 75, values: 5, cas: 4, lost: 5 };
        times.push(nanos(&model, &register(shape, seed), Truth::Legal)?.0);
    }
    let what = "median of 102 register histories with cas: 75 operations, 5 clients, 5 lost";
    let etcd = Row { name: "etcd_shape", value: median(times), unit: "ns", what: what.to_string() };
    let mut rows = vec![etcd];
    let few = "5 values, clients always busy";
    rows.push(row("reg_40_legal", &model, &register(busy(40), 1), Truth::Legal, few)?);
    for (name, clients, truth) in [
        ("reg_10_illegal", 10, Truth::Illegal),
        ("reg_15_illegal", 15, Truth::Illegal),
        ("reg_20_illegal", 20, Truth::Illegal),
        ("reg_40_illegal", 40, Truth::Illegal),
    ] {
        rows.push(row(name, &model, &spoilt(register(busy(clients), 1)), truth, few)?);
    }
    let lost = "31 lost writes, 5 clients";
    rows.push(row("lost_31_legal", &model, &register(crashed(0), 1), Truth::Legal, lost)?);
    rows.push(row(
        "lost_31_illegal",
        &model,
        &spoilt(register(crashed(0), 1)),
        Truth::Illegal,
        lost,
    )?);
    let lost = "31 lost writes, 5 clients, with cas";
    let cas = spoilt(register(crashed(3), 1));
    rows.push(row("lost_31_cas_illegal", &model, &cas, Truth::Illegal, lost)?);
    let unique = Shape { clients: 40, ops: 1_000_000, values: 0, cas: 0, lost: 0 };
    let zones = register(unique, 1);
    rows.push(row("zones_legal", &model, &zones, Truth::Legal, "40 clients, no value twice")?);
    let zones = spoilt(zones);
    rows.push(row("zones_illegal", &model, &zones, Truth::Illegal, "40 clients, no value twice")?);
    rows.push(row("burst_20", &model, &burst(20), Truth::Illegal, "parallel writes, 2 reads")?);
    Ok(rows)
}

fn others() -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let lists = Lists::default();
    for (name, many, truth) in [
        ("appends_12_legal", 12, Truth::Legal),
        ("appends_12_illegal", 12, Truth::Illegal),
        ("appends_20_legal", 20, Truth::Legal),
        ("appends_20_illegal", 20, Truth::Illegal),
    ] {
        let ops = appends(many, truth == Truth::Legal);
        rows.push(row(name, &lists, &ops, truth, "parallel appends, then reads")?);
    }
    let what = "50 clients, get, put and append under 10 names";
    for (name, truth) in [("map_50_legal", Truth::Legal), ("map_50_illegal", Truth::Illegal)] {
        let ops = map(50, 2_000, 1, truth == Truth::Legal);
        rows.push(row(name, &Kv::default(), &ops, truth, what)?);
    }
    Ok(rows)
}

/// Znodes, as no zxid tells of them.
fn forests() -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (name, sessions, lost, truth) in [
        ("tree_5", 5, 0, Truth::Legal),
        ("tree_10", 10, 0, Truth::Legal),
        ("tree_15", 15, 0, Truth::Legal),
        ("tree_20", 20, 0, Truth::Legal),
        ("tree_10_lost", 10, 2, Truth::Legal),
        ("tree_20_lost", 20, 2, Truth::Legal),
        ("tree_10_illegal", 10, 0, Truth::Illegal),
        ("tree_20_illegal", 20, 0, Truth::Illegal),
        ("tree_10_lost_illegal", 10, 2, Truth::Illegal),
    ] {
        let forest = Forest { sessions, ops: 2_000, lost };
        let mut ops = tree(forest, 1);
        if truth == Truth::Illegal {
            ops = stale(ops);
        }
        let what = format!("21 paths, {sessions} sessions, {lost} % of the writes lost");
        rows.push(row(name, &Znodes, &ops, truth, &what)?);
    }
    Ok(rows)
}

/// Compares the search with the definition on so many histories of each model, or of one.
fn differential(histories: u64, args: &BenchCheckArgs, as_json: bool) -> Done {
    let seed = args.seed;
    let mut all = Vec::new();
    let wanted = |name: &str| args.model.as_ref().is_none_or(|model| model == name);
    macro_rules! compared {
        ($($name:literal: $model:expr),*) => {$(
            if wanted($name) {
                all.push(one($name, &$model, histories, seed));
            }
        )*};
    }
    compared!(
        "register": Register::default(), "mutex": Mutex, "set": Set, "queue": Queue, "fifo": Fifo,
        "map": Kv::default(), "lists": Lists::default(), "znodes": Znodes
    );
    let witness =
        [("sweep", sweep::differential::compare as fn(_, _) -> _), ("views", views::compare)];
    for (name, compare) in witness.into_iter().filter(|(name, _)| wanted(name)) {
        let clock = Clock::start();
        let compared = compare(seed, 0..histories);
        all.push((name, compared, clock.nanos()));
    }
    if all.is_empty() {
        let model = args.model.as_deref().unwrap_or_default();
        return Err(format!("`--model {model}` is none of those that `--help` lists"));
    }
    let wrong: usize = all.iter().map(|(_, compared, _)| compared.disagreements.len()).sum();
    if as_json {
        let row = |(name, compared, nanos): &(&str, Compared, u64)| {
            json!({
                "model": name,
                "histories": compared.histories,
                "illegal": compared.illegal,
                "disagreements": compared.disagreements,
                "cpu_ms": nanos / 1_000_000,
            })
        };
        let rows: Vec<_> = all.iter().map(row).collect();
        say(&format!("{}\n", json!({ "zoosim": "differential/1", "seed": seed, "rows": rows })));
    }
    for (name, compared, nanos) in all.iter().filter(|_| !as_json) {
        let Compared { histories, illegal, disagreements } = compared;
        let (wrong, cpu) = (disagreements.len(), nanos / 1_000_000);
        say(&format!(
            "{name:<10} {histories:>9} histories {illegal:>8} illegal {wrong:>3} disagreements \
             {cpu:>8} ms\n"
        ));
        disagreements.iter().take(3).for_each(|wrong| say(&format!("  {wrong}\n")));
    }
    Ok(if wrong == 0 { Exit::Held } else { Exit::Violated })
}

fn one<M: Sample>(
    name: &'static str,
    model: &M,
    histories: u64,
    seed: u64,
) -> (&'static str, Compared, u64) {
    let clock = Clock::start();
    let compared = compare(model, seed, 0..histories);
    (name, compared, clock.nanos())
}
