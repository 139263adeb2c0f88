//! The table of what it takes to find the bugs, from lines. No clock: it is a function of them.

use crate::bugs::Bug;
use crate::kit::Kit;

use super::line::{First, Line, seconds};

/// At which depth breadth-first search over a hand-written model first shows the bug, as published:
/// Remix (EuroSys'25, table 4), the traces of zookeeper-tla-spec, and SandTable (EuroSys'24).
const TLC_DEPTH: [(&str, u64); 9] = [
    ("epoch_before_history", 21),
    ("ack_newleader_before_fsync", 21),
    ("log_task_survives_shutdown", 13),
    ("proposal_ack_overtakes", 12),
    ("serve_before_sync_commit", 13),
    ("commit_after_newleader_panics", 20),
    ("log_diff_after_uptodate", 14),
    ("keep_db_vote_by_memory", 10),
    ("vote_order_not_total", 41),
];

const HEAD: [&str; 12] = [
    "bug",
    "found",
    "seeds",
    "events",
    "CPU-s",
    "in 60 s",
    "in 10 min",
    "first assertion",
    "first oracle",
    "LLC or DUR",
    "TLC depth",
    "published, or how it was met",
];

/// The table, bugs in the order of the catalogue.
pub fn render(kit: &Kit, lines: &[Line], markdown: bool) -> String {
    let known: Vec<&str> = crate::bugs::ALL.iter().map(|bug| bug.name).collect();
    let own = kit.bugs().filter(|bug| !known.contains(&bug.name));
    let mut rows = Vec::new();
    for bug in crate::bugs::ALL.iter().chain(own) {
        let of: Vec<&Line> = lines.iter().filter(|line| line.bug == bug.name).collect();
        if !of.is_empty() {
            rows.push(row(bug, &of));
        }
    }
    if markdown { as_markdown(&rows) } else { as_text(&rows) }
}

fn row(bug: &Bug, of: &[&Line]) -> Vec<String> {
    let firsts: Vec<Option<&First>> = of.iter().map(|line| line.violation.as_ref()).collect();
    let found = firsts.iter().flatten().count();
    let within = |most_s: u64| {
        let quick = |first: &&&First| first.cpu_us <= most_s * 1_000_000;
        let count = firsts.iter().flatten().filter(quick).count();
        format!("{} %", count * 100 / of.len())
    };
    let pair = |value: &dyn Fn(&First) -> u64, shown: &dyn Fn(u64) -> String| {
        let values: Vec<Option<u64>> = firsts.iter().map(|first| first.map(value)).collect();
        let [median, p90] = [50, 90].map(|percent| rank(&values, percent));
        let shown = |value: Option<u64>| value.map_or("not found".to_string(), shown);
        match (median, p90) {
            (None, None) => "not found".to_string(),
            (median, p90) => format!("{} / {}", shown(median), shown(p90)),
        }
    };
    let kinds = |of: &[Option<&First>]| {
        let seen = of.iter().flatten().count();
        let times: Vec<Option<u64>> = of.iter().flatten().map(|first| Some(first.cpu_us)).collect();
        match (usual(of), rank(&times, 50)) {
            (Some(usual), Some(median)) => format!("{usual} ({seen}: {} s)", seconds(median)),
            _ => "-".to_string(),
        }
    };
    let assertions: Vec<_> = of.iter().map(|line| line.assertion.as_ref()).collect();
    let losses: Vec<_> = of.iter().map(|line| line.loss.as_ref()).collect();
    let depth = TLC_DEPTH.iter().find(|(name, _)| *name == bug.name);
    vec![
        format!("`{}`", bug.name),
        format!("{found} of {}", of.len()),
        pair(&|first| first.seeds, &|count| short(count)),
        pair(&|first| first.events, &|count| short(count)),
        pair(&|first| first.cpu_us, &seconds),
        within(60),
        within(600),
        kinds(&assertions),
        usual(&firsts).unwrap_or("-").to_string(),
        kinds(&losses),
        depth.map_or("-".to_string(), |(_, depth)| depth.to_string()),
        bug.published.to_string(),
    ]
}

/// The nearest rank: what so many of a hundred are at most. Whoever found nothing comes last.
fn rank(values: &[Option<u64>], percent: usize) -> Option<u64> {
    let mut values = values.to_vec();
    values.sort_by_key(|value| value.unwrap_or(u64::MAX));
    let nth = (values.len() * percent).div_ceil(100).max(1);
    values.get(nth - 1).copied().flatten()
}

/// The property that comes first most often; of equals the first in the alphabet.
fn usual<'a>(firsts: &[Option<&'a First>]) -> Option<&'a str> {
    let mut names: Vec<&str> =
        firsts.iter().flatten().map(|first| first.property.as_str()).collect();
    names.sort_unstable();
    let count = |name: &str| names.iter().filter(|other| **other == name).count();
    names.iter().rev().max_by_key(|name| count(name)).copied()
}

/// A number with three digits that count.
fn short(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{} k", count / 1_000),
        1_000_000..10_000_000 => format!("{}.{} M", count / 1_000_000, count / 100_000 % 10),
        _ => format!("{} M", count / 1_000_000),
    }
}

fn as_markdown(rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

fn as_text(rows: &[Vec<String>]) -> String {
    // Sentences are for documents.
    let mut widths = [0; HEAD.len() - 1];
    for (width, name) in widths.iter_mut().zip(HEAD) {
        *width = name.len();
    }
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = HEAD.iter().map(|name| name.to_string()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<String>>().join("  ");
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_is_no_small_number() {
        let values = [Some(4), None, Some(2), Some(9)];
        assert_eq!(rank(&values, 50), Some(4));
        assert_eq!(rank(&values, 75), Some(9));
        assert_eq!(rank(&values, 90), None);
        assert_eq!(rank(&[], 50), None);
        let thirty: Vec<Option<u64>> = (1..=30).map(|n| (n <= 27).then_some(n)).collect();
        assert_eq!((rank(&thirty, 50), rank(&thirty, 90)), (Some(15), Some(27)));
    }

    #[test]
    fn numbers_are_short() {
        let counts = [7, 9_999, 10_000, 1_250_000, 123_456_789].map(short);
        assert_eq!(counts, ["7", "9999", "10 k", "1.2 M", "123 M"]);
        assert_eq!(
            [12_345, 9_990_000, 12_345_678, 599_999_999].map(seconds),
            ["0.01", "9.99", "12.3", "599"]
        );
    }
}
