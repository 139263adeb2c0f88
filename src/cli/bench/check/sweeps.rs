//! Znode histories judged by their zxids: as many calls as wanted, a thousand sessions, 2 % of the
//! writes without a known outcome.

use std::collections::BTreeMap;

use crate::verdict::forge::{Shape, forge};
use crate::verdict::sweep::{Judged, Level, SyncFlavour, Tape, check};

use super::super::{Clock, Row, per_second};

/// How often a check is repeated; the least time counts.
const REPEATS: u64 = 3;

/// Measures the check alone: of a history with the log that a run knows, and as clients see it.
pub fn rows(calls: u64) -> Result<Vec<Row>, String> {
    let (mut tape, mut ops, mut log) = (Tape::new(), BTreeMap::new(), Vec::new());
    let mut sink = |at, seen| tape.observe(at, &seen, &mut ops);
    forge(1, Shape::wide(calls), &mut sink, &mut |txn| log.push(txn));
    let mut rows = vec![row("sweep_clients", &mut tape, "as clients see it")?];
    for txn in &log {
        tape.logged(txn);
    }
    drop(log);
    let logged = row("sweep_logged", &mut tape, "with the committed log")?;
    if !logged.what.ends_with("holds") {
        return Err(format!("a legal history is judged otherwise: {}", logged.what));
    }
    rows.push(logged);
    Ok(rows)
}

fn row(name: &'static str, tape: &mut Tape, how: &str) -> Result<Row, String> {
    let (level, sync) = (Level::SyncLinearizable, SyncFlavour::Strict);
    let (mut least, mut judged) = (u64::MAX, Judged::Holds);
    for _ in 0..REPEATS {
        let clock = Clock::start();
        let report = check(tape);
        least = least.min(clock.nanos());
        judged = report.judge(level, sync);
    }
    let came_to = match judged {
        Judged::Holds => "holds".to_string(),
        Judged::Undecided(doubt) => format!("undecided, {} {}", doubt.property, doubt.kind),
        Judged::Beyond(name) => return Err(format!("`{name}` is not known to the sweep")),
        Judged::Broken(breach) => {
            return Err(format!("a legal history is judged illegal: {}", breach.detail));
        }
    };
    let calls = tape.len() as u64;
    let what =
        format!("{calls} operations of 1,000 sessions, 2 % of writes lost, {how}: {came_to}");
    Ok(Row { name, value: per_second(calls, least), unit: "ops/s", what })
}
