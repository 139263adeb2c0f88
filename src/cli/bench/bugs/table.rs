//! The table of what it takes to find the bugs, from lines. No clock: it is a function of them.

use std::collections::BTreeMap;

use crate::bugs::Bug;
use crate::explore::POLICIES;
use crate::kit::Kit;

use super::super::super::table::{as_markdown, as_text};
use super::line::{First, Line, seconds};
use super::small::Small;

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

const HEAD: [&str; 15] = [
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
    "shrunk to",
    "shrinking, CPU-s",
    "shrunk trace",
    "TLC depth",
    "published, or how it was met",
];

/// The table, bugs in the order of the catalogue. Lines of more than one policy are compared.
pub fn render(kit: &Kit, lines: &[Line], markdown: bool) -> String {
    let lines = &latest(lines);
    table(kit, lines, markdown) + &labels(lines)
}

/// Of which builds the lines are, if any of them says so.
fn labels(lines: &[Line]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    lines.iter().for_each(|line| *counts.entry(&line.label).or_default() += 1);
    if counts.keys().all(|label| label.is_empty()) {
        return String::new();
    }
    let told = counts.iter().map(|(label, count)| match label.is_empty() {
        true => format!("no label ({count} lines)"),
        false => format!("`{label}` ({count} lines)"),
    });
    format!("\nbuilds: {}\n", told.collect::<Vec<_>>().join(", "))
}

fn table(kit: &Kit, lines: &[Line], markdown: bool) -> String {
    // Also those that were dropped: what decided is worth telling.
    let mut policies: Vec<&str> = POLICIES.map(|(_, name, _)| name).to_vec();
    for line in lines {
        if !policies.contains(&line.policy.as_str()) {
            policies.push(&line.policy);
        }
    }
    policies.retain(|name| lines.iter().any(|line| line.policy == *name));
    if policies.len() > 1 {
        return compared(kit, lines, &policies, markdown);
    }
    let rows = of_bugs(kit, lines, row);
    let head = HEAD.map(str::to_string).to_vec();
    // Sentences are for documents.
    let short = |row: &Vec<String>| row[..HEAD.len() - 1].to_vec();
    let table = match markdown {
        true => as_markdown(&head, &rows),
        false => as_text(&short(&head), &rows.iter().map(short).collect::<Vec<_>>()),
    };
    let medians = catalogue(lines).map(|text| format!("\n{text}"));
    table + &medians.unwrap_or_default()
}

/// What was given up with a smaller cap may have been tried again: the last line counts.
fn latest(lines: &[Line]) -> Vec<Line> {
    let unit = |line: &Line| (line.policy.clone(), line.bug.clone(), line.root);
    let last: BTreeMap<_, _> = lines.iter().map(|line| (unit(line), line)).collect();
    last.into_values().cloned().collect()
}

/// What the policies need for each bug, and for all of them.
fn compared(kit: &Kit, lines: &[Line], policies: &[&str], markdown: bool) -> String {
    let cell = |of: &[&Line], policy: &str| {
        let of = of.iter().filter(|line| line.policy == policy);
        let times: Vec<Option<u64>> =
            of.map(|line| line.violation.as_ref().map(|first| first.cpu_us)).collect();
        if times.is_empty() {
            return "-".to_string();
        }
        let found = times.iter().flatten().count();
        let median = rank(&times, 50).map_or("not found".to_string(), seconds);
        format!("{median} ({found} of {})", times.len())
    };
    let cells = |of: &[&Line]| policies.iter().map(|policy| cell(of, policy)).collect::<Vec<_>>();
    let mut rows = of_bugs(kit, lines, |bug, of| {
        std::iter::once(format!("`{}`", bug.name)).chain(cells(of)).collect()
    });
    let all: Vec<&Line> = lines.iter().collect();
    rows.push(std::iter::once("all".to_string()).chain(cells(&all)).collect());
    let head = policies.iter().map(|policy| format!("`{policy}`, CPU-s"));
    let head: Vec<String> = std::iter::once("bug".to_string()).chain(head).collect();
    if markdown { as_markdown(&head, &rows) } else { as_text(&head, &rows) }
}

fn of_bugs(
    kit: &Kit,
    lines: &[Line],
    row: impl Fn(&Bug, &[&Line]) -> Vec<String>,
) -> Vec<Vec<String>> {
    let known: Vec<&str> = crate::bugs::ALL.iter().map(|bug| bug.name).collect();
    let own = kit.bugs().filter(|bug| !known.contains(&bug.name));
    let mut rows = Vec::new();
    for bug in crate::bugs::ALL.iter().chain(own) {
        let of: Vec<&Line> = lines.iter().filter(|line| line.bug == bug.name).collect();
        if !of.is_empty() {
            rows.push(row(bug, &of));
        }
    }
    rows
}

fn row(bug: &Bug, of: &[&Line]) -> Vec<String> {
    let firsts: Vec<Option<&First>> = of.iter().map(|line| line.violation.as_ref()).collect();
    let found = firsts.iter().flatten().count();
    let within = |most_s: u64| {
        let quick = |first: &&&First| first.cpu_us <= most_s * 1_000_000;
        let count = firsts.iter().flatten().filter(quick).count();
        let percent = count * 100 / of.len();
        // What was given up earlier might have been found by then.
        let cut = |line: &&&Line| line.violation.is_none() && line.cap_s < most_s;
        match (of.iter().filter(cut).count(), count) {
            (0, _) => format!("{percent} %"),
            (_, 0) => "-".to_string(),
            _ => format!("at least {percent} %"),
        }
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
    let mut row = vec![
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
    ];
    row.extend(small_cells(of));
    row.extend([
        depth.map_or("-".to_string(), |(_, depth)| depth.to_string()),
        bug.published.to_string(),
    ]);
    row
}

/// The medians over the plans that were made small: what is left, what it took, how long its trace
/// is.
fn small_cells(of: &[&Line]) -> [String; 3] {
    let small: Vec<&Small> = of.iter().filter_map(|line| line.shrunk.as_ref()).collect();
    if small.is_empty() {
        return ["-", "-", "-"].map(str::to_string);
    }
    let median = |value: &dyn Fn(&Small) -> u64| median(small.iter().map(|one| value(one)));
    let (faults, calls) = (median(&|one| one.faults), median(&|one| one.calls));
    let (moves, votes) = (median(&|one| one.moves), median(&|one| one.votes));
    [
        format!("{faults} faults, {calls} calls"),
        seconds(median(&|one| one.cpu_us)),
        format!("{moves} moves, {votes} votes"),
    ]
}

/// The nearest rank in the middle; 0 of nothing.
fn median(values: impl Iterator<Item = u64>) -> u64 {
    rank(&values.map(Some).collect::<Vec<_>>(), 50).unwrap_or_default()
}

/// The medians over the catalogue of each bug's medians, and what is asked of them.
fn catalogue(lines: &[Line]) -> Option<String> {
    let mut bugs: BTreeMap<&str, Vec<&Small>> = BTreeMap::new();
    for line in lines {
        if let Some(small) = &line.shrunk {
            bugs.entry(&line.bug).or_default().push(small);
        }
    }
    let plans = bugs.values().map(Vec::len).sum::<usize>();
    let most = bugs.values().flatten().map(|one| one.cpu_us).max()?;
    let over = |value: &dyn Fn(&Small) -> u64| {
        median(bugs.values().map(|of| median(of.iter().map(|one| value(one)))))
    };
    Some(format!(
        "Shrunk: {plans} plans of {} bugs. In the median over the bugs {} faults and {} calls are \
         left (target: at most 6 and 6), after {} CPU-seconds; the longest took {} (target: under \
         60).\n",
        bugs.len(),
        over(&|one| one.faults),
        over(&|one| one.calls),
        seconds(over(&|one| one.cpu_us)),
        seconds(most),
    ))
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

    fn line(policy: &str, root: u64, cpu_us: Option<u64>) -> Line {
        let first = |cpu_us| First {
            property: "Durability".to_string(),
            kind: "acked".to_string(),
            seed: 7,
            seeds: 8,
            events: 90_000,
            cpu_us,
        };
        Line {
            zoosim: super::super::line::FORMAT.to_string(),
            bug: "ack_before_fsync".to_string(),
            root,
            scenario: "default".to_string(),
            hash: "00000000".to_string(),
            policy: policy.to_string(),
            label: String::new(),
            cap_s: 60,
            seeds: 9,
            events: 100_000,
            cpu_us: 61_000_000,
            hit: 1,
            assertion: None,
            violation: cpu_us.map(first),
            loss: None,
            shrunk: None,
        }
    }

    #[test]
    fn what_was_made_small_is_counted_by_bug() {
        let kit = Kit::standard();
        let small = |faults, cpu_us| Small {
            signature: "Durability/acked/down/down".to_string(),
            faults,
            calls: 2,
            peers: 3,
            events: 115,
            moves: 21,
            votes: 9,
            plans: 234,
            steps: 134_391,
            cpu_us,
            done: true,
        };
        let of = |bug: &str, root, small| Line {
            bug: bug.to_string(),
            shrunk: Some(small),
            ..line("swarm", root, Some(1_500_000))
        };
        let lines = [
            of("ack_before_fsync", 0, small(1, 200_000)),
            of("ack_before_fsync", 1, small(3, 61_000_000)),
            of("ack_before_fsync", 2, small(2, 100_000)),
            of("epoch_before_history", 0, small(7, 5_000_000)),
            of("no_epoch_repair", 0, small(8, 5_000_000)),
        ];
        let rendered = render(&kit, &lines, true);
        let row = rendered.lines().nth(2).expect("a row below the head");
        assert!(row.contains("| 2 faults, 2 calls | 0.20 | 21 moves, 9 votes | - |"), "{row}");
        let medians = "Shrunk: 5 plans of 3 bugs. In the median over the bugs 7 faults and 2 calls \
                       are left (target: at most 6 and 6), after 5.00 CPU-seconds; the \
                       longest took 61.0 (target: under 60).";
        assert_eq!(rendered.lines().last(), Some(medians));
    }

    #[test]
    fn policies_are_compared_if_there_are_some() {
        let kit = Kit::standard();
        let mut lines = vec![line("swarm", 0, Some(1_500_000)), line("swarm", 1, None)];
        let alone = render(&kit, &lines, true);
        let row = alone.lines().nth(2).expect("a row below the head");
        let wanted = "| `ack_before_fsync` | 1 of 2 | 8 / not found | 90 k / not found | \
                      1.50 / not found | 50 % | at least 50 % | - | Durability | - | - | - | - | \
                      - | no number: ";
        assert!(row.starts_with(wanted), "{row}");
        assert!(!render(&kit, &lines, false).contains("no number"));
        let hasty = Line { cap_s: 0, ..line("swarm", 0, None) };
        let row = render(&kit, &[hasty], true);
        assert!(row.contains("| not found | not found | not found | - | - | - |"), "{row}");
        lines.push(line("moments", 0, Some(20_000_000)));
        let rendered = render(&kit, &lines, true);
        let mut rows = rendered.lines().skip(2);
        let cells = "| 1.50 (1 of 2) | 20.0 (1 of 1) |";
        assert_eq!(rows.next(), Some(format!("| `ack_before_fsync` {cells}").as_str()));
        assert_eq!(rows.next(), Some(format!("| all {cells}").as_str()));
        // Tried again with more time.
        lines.push(line("swarm", 1, Some(40_000_000)));
        let rendered = render(&kit, &lines, true);
        let row = rendered.lines().nth(2).expect("a row below the head");
        assert!(row.contains("| 1.50 (2 of 2) | 20.0 (1 of 1) |"), "{row}");
    }

    #[test]
    fn a_table_says_of_which_builds_it_is() {
        let kit = Kit::standard();
        let old = line("swarm", 0, None);
        assert!(!render(&kit, std::slice::from_ref(&old), true).contains("builds: "));
        assert!(!old.to_json().contains("label"), "lines of old and new builds are the same");
        let new = Line { root: 1, label: "1a2b".to_string(), ..old.clone() };
        let again = Line::parse(&new.to_json()).expect("it is whole");
        assert_eq!(again, new);
        let rendered = render(&kit, &[old, new], true);
        let last = rendered.lines().last();
        assert_eq!(last, Some("builds: no label (1 lines), `1a2b` (1 lines)"));
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
