//! What a campaign came to: for people, for scripts, for build servers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::explore::{Counts, Estimate, Tally};
use crate::kit::Kit;
use crate::report::junit;

use super::fuzz::{Hunt, Hunted};
use super::reach::count;
use super::{list, reach};

/// The summary for people. It says what was tried, and never how fast.
pub fn text(kit: &Kit, hunt: &Hunt, hunted: &Hunted) -> String {
    let tally = &hunted.tally;
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(words.trim_end());
        text.push('\n');
    };
    line(String::new());
    let came = |of: Counts| {
        let Counts { tried: _, passed, violated, asserted, unknown, broken } = of;
        format!(
            "{passed} passed, {violated} violated, {asserted} with assertions only, {unknown} \
             undecided, {broken} could not run"
        )
    };
    let (seeds, plans) = (tally.of_seeds, tally.of_plans);
    line(format!("{} seeds: {}", seeds.tried, came(seeds)));
    if plans.tried > 0 {
        line(match plans.passed == plans.tried {
            true => format!("{} regression plans passed", plans.tried),
            false => format!("{} regression plans: {}", plans.tried, came(plans)),
        });
    }
    let (simulated, steps) = (tally.simulated, tally.steps);
    line(format!("simulated {simulated} in {steps} steps, digest {}", tally.digest));
    let (twice, differ) = (tally.rechecked, tally.nondeterministic.len());
    line(format!("run twice to check determinism: {twice} runs, {differ} differed"));
    for (index, subject) in hunt.subjects.iter().enumerate() {
        let name = subject.source.name();
        let (tried, _) = tally.by_source.get(&index).copied().unwrap_or_default();
        let held = hunt.held(tally, index);
        // That it was not caught says, too, if it was never hit.
        let told = |times: u64| tried > 0 && (times > 0 || held.is_ok());
        for hit in hunt.hits(tally, index).iter().filter(|hit| told(hit.times)) {
            line(format!("planted bug `{}` in `{name}`: {}", hit.bug, hit.words(tried)));
        }
        if let Err(why) = held {
            line(format!("`{name}`: {why}"));
        }
    }
    for ((source, signature), group) in &tally.groups {
        let name = hunt.subjects[*source].source.name();
        let (count, seeds) = (group.count, group.seeds());
        line(format!("  {count:>7} x {signature} in `{name}`: seeds {seeds}"));
    }
    for (item, why) in tally.unknown_examples.iter().chain(&tally.broken) {
        let name = hunt.subjects[item.source].source.name();
        line(format!("  no verdict: `{name}`, seed {item}: {why}"));
    }
    line(novelty(tally));
    line(String::new());
    line(format!("syncs of learners: {}", shares(tally)));
    line(format!(
        "elections: {} leaders, {} established, {} abdicated",
        count(&tally.totals.notes, "leading"),
        count(&tally.totals.notes, "established"),
        count(&tally.totals.notes, "abdicated"),
    ));
    for (title, table) in tables(tally) {
        line(format!("{title}:"));
        for row in columns(&table) {
            line(row);
        }
    }
    if hunt.coverage {
        line("notes right behind notes, at one peer:".to_string());
        for (pair, count) in &tally.totals.pairs {
            line(format!("  {count:>10} {pair}"));
        }
    }
    line(String::new());
    line("reached, of what is known".to_string());
    for sort in reach::sorts(kit, tally) {
        let (reached, known) = sort.counts();
        line(format!("  {:>4} of {known:<4} {}", reached, sort.title));
    }
    line(format!("  {:>4}         notes right behind notes", tally.totals.pairs.len()));
    line(String::new());
    text.push_str(&reach::never(kit, tally));
    text
}

/// How likely something new is.
fn novelty(tally: &Tally) -> String {
    let estimate = tally.novelty.estimate();
    let Estimate { behaviours, seeds, alone } = estimate;
    format!(
        "{behaviours} behaviours seen; {alone} of {seeds} seeds showed one that no other did: the \
         next shows something new with a chance of about {}",
        percent(alone, seeds),
    )
}

/// Shares of the ways to synchronise a learner, in percent with tenths.
fn shares(tally: &Tally) -> String {
    let modes = [
        ("empty", "sync_empty"),
        ("DIFF", "sync_diff"),
        ("disk DIFF", "sync_disk_diff"),
        ("TRUNC", "sync_trunc"),
        ("SNAP", "sync_snap"),
    ];
    let counts = modes.map(|(name, word)| (name, count(&tally.totals.notes, word)));
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let share = |(name, count): &(&str, u64)| format!("{name} {}", percent(*count, all));
    let shares: Vec<String> = counts.iter().map(share).collect();
    let [(_, empty), _, (_, disk), ..] = counts;
    let busy = all - empty;
    format!("{} of {all}; disk DIFF {} of {busy} not empty", shares.join(", "), percent(disk, busy))
}

fn percent(part: u64, all: u64) -> String {
    let tenths = part * 1000 / all.max(1);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The tables worth printing, the world's split by its first word.
fn tables(tally: &Tally) -> Vec<(String, BTreeMap<String, u64>)> {
    let totals = &tally.totals;
    let mut all = vec![
        ("properties evaluated".to_string(), totals.properties.clone()),
        ("notes".to_string(), totals.notes.clone()),
        ("why they gave up".to_string(), totals.reasons.clone()),
        ("faults that struck".to_string(), totals.faults.clone()),
        ("operations called".to_string(), totals.calls.clone()),
        ("what became of them".to_string(), totals.events.clone()),
    ];
    let mut groups: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for (word, count) in &totals.world {
        let (group, word) = word.split_once(": ").unwrap_or(("the world", word));
        groups.entry(group).or_default().insert(word.to_string(), *count);
    }
    all.extend(groups.into_iter().map(|(group, table)| (group.to_string(), table)));
    all.retain(|(_, table)| !table.is_empty());
    all
}

/// A table in three columns.
fn columns(table: &BTreeMap<String, u64>) -> Vec<String> {
    let cells: Vec<String> =
        table.iter().map(|(word, count)| format!("{count:>10} {word:<22}")).collect();
    cells.chunks(3).map(|row| format!("  {}", row.concat())).collect()
}

/// The summary for scripts: one line.
pub fn json(kit: &Kit, hunt: &Hunt, hunted: &Hunted) -> Value {
    let tally = &hunted.tally;
    let (seeds, plans) = (tally.of_seeds, tally.of_plans);
    let estimate = tally.novelty.estimate();
    let sorts = reach::sorts(kit, tally);
    let reached = sorts.iter().map(|sort| {
        let (reached, known) = sort.counts();
        (sort.title, json!([reached, known]))
    });
    let name = |source: usize| hunt.subjects[source].source.name();
    let groups = tally.groups.iter().map(|((source, signature), group)| {
        let seeds: Vec<u64> = group.examples.iter().map(|item| item.seed).collect();
        json!({
            "source": name(*source), "signature": signature, "count": group.count, "seeds": seeds,
        })
    });
    let sources = (0..hunt.subjects.len()).map(|source| {
        let (tried, violated) = tally.by_source.get(&source).copied().unwrap_or_default();
        let held = hunt.held(tally, source);
        let hits = hunt.hits(tally, source).into_iter();
        let hits = hits.map(|hit| (hit.bug, json!({ "times": hit.times, "seeds": hit.seeds })));
        json!({
            "source": name(source), "seeds": tried, "violated": violated,
            "held": held.is_ok(), "why": held.err(),
            "hits": hits.collect::<BTreeMap<String, Value>>(),
        })
    });
    let differ: Vec<Value> = tally
        .nondeterministic
        .iter()
        .map(|item| json!({ "source": name(item.source), "seed": item.seed }))
        .collect();
    json!({
        "zoosim": "campaign/1",
        "seeds": seeds.tried,
        "passed": seeds.passed,
        "violated": seeds.violated,
        "asserted": seeds.asserted,
        "undecided": seeds.unknown,
        "could_not_run": seeds.broken,
        "regressions": {
            "plans": plans.tried, "passed": plans.passed, "violated": plans.violated,
            "asserted": plans.asserted, "undecided": plans.unknown, "could_not_run": plans.broken,
        },
        "interrupted": hunted.interrupted,
        "steps": tally.steps,
        "simulated_ns": tally.simulated.0,
        "digest": tally.digest.to_string(),
        "run_twice": tally.rechecked,
        "differed": differ,
        "sources": sources.collect::<Vec<Value>>(),
        "signatures": groups.collect::<Vec<Value>>(),
        "novelty": {
            "behaviours": estimate.behaviours, "seeds": estimate.seeds,
            "alone": estimate.alone, "chance_ppm": estimate.chance_ppm(),
        },
        "reached": reached.collect::<BTreeMap<&str, Value>>(),
        "totals": tally.totals,
    })
}

/// The summary for build servers.
pub fn junit(kit: &Kit, hunt: &Hunt, hunted: &Hunted) -> Vec<junit::Suite> {
    let tally = &hunted.tally;
    let known = list::properties(kit);
    let mut suites = Vec::new();
    for (index, subject) in hunt.subjects.iter().enumerate() {
        let held = hunt.held(tally, index);
        let mut cases = Vec::new();
        let case = |name: &str, result| junit::Case { name: name.to_string(), result };
        let verdict = match &held {
            Ok(()) => junit::Result::Held,
            Err(why) => junit::Result::Failed(why.clone(), String::new()),
        };
        cases.push(case("expectation", verdict));
        let negative = subject.source.expect() != crate::plan::Expect::Pass;
        for (property, _) in &known {
            let of = |((source, _), group): &(&(usize, String), &crate::explore::Group)| {
                *source == index && group.property == property
            };
            let groups: Vec<_> = tally.groups.iter().filter(of).collect();
            let result = match groups.is_empty() || negative {
                true if count(&tally.totals.properties, property) == 0 => junit::Result::Skipped,
                true => junit::Result::Held,
                false => {
                    let first = hunted.firsts.iter().find(|(item, finding)| {
                        item.source == index && finding.property == property
                    });
                    let short = first.map_or("", |(_, finding)| finding.detail.as_str());
                    let rows = groups.iter().map(|((_, signature), group)| {
                        format!("{} x {signature}: seeds {}\n", group.count, group.seeds())
                    });
                    junit::Result::Failed(short.to_string(), rows.collect())
                }
            };
            cases.push(case(property, result));
        }
        suites.push(junit::Suite { name: subject.source.name().to_string(), cases });
    }
    suites
}
