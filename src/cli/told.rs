//! What more than one verb has to say of runs.

use std::sync::Arc;

use crate::explore::first_difference;
use crate::history::{Seen, words};
use crate::kit::Kit;
use crate::plan::{Expect, Plan};

use super::last_panic;

/// What a negative scenario wants to see.
pub fn wanted(expect: &Expect) -> String {
    match expect {
        Expect::Pass => "no violation".to_string(),
        Expect::Violation(names) if names.is_empty() => "a violation".to_string(),
        Expect::Violation(names) => format!("a violation of `{}`", names.join("` or `")),
    }
}

/// That the simulator panicked, and where.
pub fn broke(name: &str, seed: u64) -> String {
    let why = last_panic();
    format!("`{name}`, seed {seed}: the simulator itself is at fault: {why}")
}

/// That two runs of one plan differ, and where.
pub fn nondeterminism(kit: &Kit, plan: &Arc<Plan>, name: &str, seed: u64) -> String {
    let mut text =
        format!("nondeterminism: `{name}`, seed {seed} ran differently the second time\n");
    let difference = match first_difference(plan, kit) {
        Err(cannot) => return text + &format!("  {cannot}\n"),
        Ok(None) => {
            return text + "  run twice more, side by side, it was the same: rare, or of threads\n";
        }
        Ok(Some(difference)) => difference,
    };
    let at = difference.at;
    text.push_str(&format!("  first difference at {}, step {}\n", at.time, at.step));
    let lines = |seen: &[Seen]| seen.iter().map(words::seen).collect::<Vec<String>>();
    let (left, right) = (lines(&difference.left.0), lines(&difference.right.0));
    let width = left.iter().map(|line| line.chars().count()).max().unwrap_or(0).clamp(20, 60);
    for n in 0..left.len().max(right.len()) {
        let (one, other) = (left.get(n), right.get(n));
        let mark = if one == other { ' ' } else { '!' };
        let (one, other) = (one.map_or("", String::as_str), other.map_or("", String::as_str));
        text.push_str(&format!("  {mark} {one:width$} | {other}\n"));
    }
    text.push_str(&format!("    digest {} | {}\n", difference.left.1, difference.right.1));
    text
}
