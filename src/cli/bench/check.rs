//! `zoosim bench check`: what the checker costs, and whether it agrees with the definition.
//!
//! Histories are made before the clock starts; what is timed is the check alone, of one thread. A
//! case is repeated until it has lasted long enough to be read off the clock, three times, and the
//! least counts.

mod histories;
mod sweeps;
mod trees;

use serde_json::json;

use crate::verdict::model::{
    Fifo, History, Kv, Lists, Model, Mutex, Queue, Register, Set, Timed, Txns, Znodes,
};
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
            print(&measure(args)?, as_json);
            Ok(Exit::Held)
        }
    }
}

fn measure(args: &BenchCheckArgs) -> Result<Vec<Row>, String> {
    let mut cases = Cases { only: args.only.as_deref().unwrap_or_default(), rows: Vec::new() };
    registers(&mut cases)?;
    others(&mut cases)?;
    forests(&mut cases)?;
    if args.sweep > 0 && SWEEPS.iter().any(|name| cases.wants(name)) {
        cases.rows.extend(sweeps::rows(args.sweep)?);
    }
    if cases.rows.is_empty() {
        return Err(format!("no case's name begins with `{}`", cases.only));
    }
    if let Some(kib) = peak_memory() {
        let what = "the most memory this process held, histories included".to_string();
        cases.rows.push(Row { name: "memory", value: kib, unit: "KiB", what });
    }
    Ok(cases.rows)
}

/// The cases that are wanted, and what they came to.
struct Cases<'a> {
    only: &'a str,
    rows: Vec<Row>,
}

impl Cases<'_> {
    fn wants(&self, name: &str) -> bool {
        name.starts_with(self.only)
    }

    /// Measures a case, if it is wanted.
    fn add<M: Model>(
        &mut self,
        name: &'static str,
        model: &M,
        truth: Truth,
        what: &str,
        ops: impl FnOnce() -> Vec<Timed<M::Op, M::Answer>>,
    ) -> Result<(), String> {
        if !self.wants(name) {
            return Ok(());
        }
        let ops = ops();
        let (nanos, found) = nanos(model, &ops, truth)?;
        let how = match found {
            Found::Legal(_) => "legal".to_string(),
            Found::Illegal(_) => "illegal".to_string(),
            Found::Unknown(reached) => {
                format!("undecided: {} of {} explained", reached.placed, reached.of)
            }
        };
        let what = format!("{what}: {} operations, {how}", ops.len());
        self.rows.push(Row { name, value: nanos / 1_000, unit: "us", what });
        Ok(())
    }
}

/// What the verdict has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Legal,
    Illegal,
}

/// Cases of which one is not measured without the other: what is dear is to make the history.
const SWEEPS: [&str; 2] = ["sweep_clients", "sweep_logged"];

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

fn registers(cases: &mut Cases<'_>) -> Result<(), String> {
    let model = Register::default();
    let busy = |clients| Shape { clients, ops: 1_000, values: 5, cas: 0, lost: 0 };
    let crashed = |cas| Shape { clients: 5, ops: 1_000, values: 5, cas, lost: 31 };
    if cases.wants("etcd_shape") {
        let mut times = Vec::new();
        for seed in 0..102 {
            let shape = Shape { clients: 5, ops: 75, values: 5, cas: 4, lost: 5 };
            times.push(nanos(&model, &register(shape, seed), Truth::Legal)?.0);
        }
        let what = "median of 102 register histories with cas: 75 operations, 5 clients, 5 lost";
        let (name, value, what) = ("etcd_shape", median(times), what.to_string());
        cases.rows.push(Row { name, value, unit: "ns", what });
    }
    let few = "5 values, clients always busy";
    cases.add("reg_40_legal", &model, Truth::Legal, few, || register(busy(40), 1))?;
    for (name, clients) in [
        ("reg_10_illegal", 10),
        ("reg_15_illegal", 15),
        ("reg_20_illegal", 20),
        ("reg_40_illegal", 40),
    ] {
        let ops = || spoilt(register(busy(clients), 1));
        cases.add(name, &model, Truth::Illegal, few, ops)?;
    }
    let lost = "31 lost writes, 5 clients";
    cases.add("lost_31_legal", &model, Truth::Legal, lost, || register(crashed(0), 1))?;
    let ops = || spoilt(register(crashed(0), 1));
    cases.add("lost_31_illegal", &model, Truth::Illegal, lost, ops)?;
    let lost = "31 lost writes, 5 clients, with cas";
    let ops = || spoilt(register(crashed(3), 1));
    cases.add("lost_31_cas_illegal", &model, Truth::Illegal, lost, ops)?;
    let unique = Shape { clients: 40, ops: 1_000_000, values: 0, cas: 0, lost: 0 };
    let once = "40 clients, no value twice";
    cases.add("zones_legal", &model, Truth::Legal, once, || register(unique, 1))?;
    cases.add("zones_illegal", &model, Truth::Illegal, once, || spoilt(register(unique, 1)))?;
    let what = "parallel writes, 2 reads";
    cases.add("burst_20", &model, Truth::Illegal, what, || burst(20))
}

fn others(cases: &mut Cases<'_>) -> Result<(), String> {
    for (name, many, truth) in [
        ("appends_12_legal", 12, Truth::Legal),
        ("appends_12_illegal", 12, Truth::Illegal),
        ("appends_20_legal", 20, Truth::Legal),
        ("appends_20_illegal", 20, Truth::Illegal),
    ] {
        let ops = || appends(many, truth == Truth::Legal);
        cases.add(name, &Lists::default(), truth, "parallel appends, then reads", ops)?;
    }
    let what = "50 clients, get, put and append under 10 names";
    for (name, truth) in [("map_50_legal", Truth::Legal), ("map_50_illegal", Truth::Illegal)] {
        let ops = || map(50, 2_000, 1, truth == Truth::Legal);
        cases.add(name, &Kv::default(), truth, what, ops)?;
    }
    Ok(())
}

/// Znodes, as no zxid tells of them.
fn forests(cases: &mut Cases<'_>) -> Result<(), String> {
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
        let legal = || tree(Forest { sessions, ops: 2_000, lost }, 1);
        let ops = || if truth == Truth::Legal { legal() } else { stale(legal()) };
        let what = format!("21 paths, {sessions} sessions, {lost} % of the writes lost");
        cases.add(name, &Znodes, truth, &what, ops)?;
    }
    Ok(())
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
        "register": Register::default(), "mutex": Mutex, "set": Set, "queue": Queue,
        "fifo-queue": Fifo, "kv": Kv::default(), "list-append": Lists::default(),
        "multi-register": Txns::default(), "znodes": Znodes
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
    for (name, compared, nanos) in all.iter().filter(|_| as_json) {
        let line = json!({
            "zoosim": "differential/1",
            "model": name,
            "label": args.label,
            "seed": seed,
            "histories": compared.histories,
            "illegal": compared.illegal,
            "disagreements": compared.disagreements,
            "cpu_ms": nanos / 1_000_000,
        });
        say(&format!("{line}\n"));
    }
    for (name, compared, nanos) in all.iter().filter(|_| !as_json) {
        let Compared { histories, illegal, disagreements } = compared;
        let (wrong, cpu) = (disagreements.len(), nanos / 1_000_000);
        say(&format!(
            "{name:<14} {histories:>9} histories {illegal:>8} illegal {wrong:>3} disagreements \
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
