//! A judgement as text, and as a line of JSON.

use serde_json::{Value, json};

use crate::verdict::judge::{Answer, Candidate, Judgement, Level, Object, Staleness, Why};

/// Percentiles of staleness that are told, in thousandths.
const SHARES: [u64; 4] = [500, 900, 990, 999];

/// One line, and, to `explain`, all that is known.
pub fn as_text(file: &str, key: Option<&str>, judgement: &Judgement, explain: bool) -> String {
    let key = key.map_or(String::new(), |key| format!("\t{key}"));
    let mut text = format!("{file}{key}\t{}", judgement.answer.word());
    match &judgement.answer {
        Answer::True => text.push('\n'),
        Answer::False(why) => text.push_str(&format!("\t{}\n", why.property)),
        Answer::Unknown(why) => text.push_str(&format!("\t{why}\n")),
    }
    if explain {
        text.push_str(&details(judgement));
    }
    if !judgement.order.is_empty() {
        text.push_str("  an order that explains all answers\n");
        judgement.order.iter().for_each(|one| text.push_str(&format!("    {}\n", line(one))));
    }
    text
}

fn details(judgement: &Judgement) -> String {
    let Judgement { object, level, mode, calls, judged, keys, .. } = judgement;
    let (object, level, mode) = (object.name(), level.name(), mode.name());
    let mut text =
        format!("  {judged} of {calls} calls judged as `{object}`, `{level}`, by {mode}");
    text.push_str(&match keys {
        0 => "\n".to_string(),
        1 => ", 1 key\n".to_string(),
        keys => format!(", {keys} keys\n"),
    });
    if judgement.transactions > 0 {
        let many = judgement.transactions;
        let means = match judgement.level == Level::Linearizable {
            true => ": `linearizable` means strictly serializable",
            false => "",
        };
        text.push_str(&format!("  {many} are transactions of several operations{means}\n"));
    }
    if is_blind(judgement) {
        text.push_str(
            "  watch events, and times in Stats, could not be judged: that takes zxids\n",
        );
    }
    if let Some(strongest) = judgement.strongest {
        text.push_str(&format!("  the strongest level that holds is `{}`\n", strongest.name()));
    }
    if let Some(staleness) = &judgement.staleness {
        text.push_str(&format!("  {}\n", aged(staleness)));
    }
    if !judgement.properties.is_empty() {
        text.push_str("  property             evaluated     broken\n");
    }
    for (name, evaluated, broken, demanded) in &judgement.properties {
        let not = if *demanded { "" } else { "  not demanded" };
        text.push_str(&format!("  {name:<18} {evaluated:>11} {broken:>10}{not}\n"));
    }
    if let Answer::False(why) = &judgement.answer {
        text.push_str(&explained(why));
    }
    if let Some(word) = judgement.searched {
        text.push_str(&format!("  a search that believes no zxid says `{word}`\n"));
    }
    text
}

/// Whether something in the history says nothing without zxids.
fn is_blind(judgement: &Judgement) -> bool {
    judgement.object == Object::Znodes && judgement.properties.is_empty()
}

/// Staleness in a line: P12.
fn aged(staleness: &Staleness) -> String {
    let (reads, stale) = (staleness.reads(), staleness.stale());
    if stale == 0 {
        return format!("none of {reads} reads was stale");
    }
    let shares = SHARES.map(|share| {
        let whole = share / 10;
        let part = if share % 10 == 0 { String::new() } else { format!(".{}", share % 10) };
        format!("{whole}{part} % up to {}", micros(staleness.per_mille(share)))
    });
    let most = micros(staleness.most());
    format!("{stale} of {reads} reads were stale: {}, all up to {most}", shares.join(", "))
}

fn micros(nanos: u64) -> String {
    format!("{}.{:06} s", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000)
}

fn explained(why: &Why) -> String {
    let mut text = format!("  {}: {}\n", why.property, why.detail);
    if !why.prefix.is_empty() {
        let (placed, of) = (why.placed, why.of);
        text.push_str(&format!(
            "  the longest order found holds {placed} of {of}, and ends with\n"
        ));
        why.prefix.iter().for_each(|one| text.push_str(&format!("    {}\n", line(one))));
    }
    if !why.next.is_empty() {
        text.push_str("  of what real time lets come next, nothing can\n");
        for one in &why.next {
            text.push_str(&format!("    {}: {}\n", line(one), one.reason));
        }
    }
    if !why.core.is_empty() {
        let few = if why.minimal { ", and none of them can be left out" } else { "" };
        text.push_str(&format!("  these answers alone contradict each other{few}\n"));
        why.core.iter().for_each(|one| text.push_str(&format!("    {}\n", line(one))));
    }
    text
}

fn line(one: &Candidate) -> String {
    let lines = match (one.line, one.end_line) {
        (0, _) => String::new(),
        (line, end) if end == line || end == 0 => format!("line {line}: "),
        (line, end) => format!("lines {line} to {end}: "),
    };
    format!("{lines}process {} {}", one.process, one.text)
}

/// All that is known, as JSON.
pub fn as_json(file: &str, key: Option<&str>, judgement: &Judgement) -> Value {
    let Judgement { object, level, mode, calls, judged, keys, answer, .. } = judgement;
    let mut value = json!({
        "zoosim": "check/1", "file": file, "valid": answer.word(), "model": object.name(),
        "level": level.name(), "mode": mode.name(), "calls": calls, "judged": judged,
        "keys": keys,
    });
    if let Some(key) = key {
        value["key"] = json!(key);
    }
    if judgement.transactions > 0 {
        value["transactions"] = json!(judgement.transactions);
    }
    if is_blind(judgement) {
        value["not_judged"] = json!(["watch events", "times"]);
    }
    if let Some(staleness) = &judgement.staleness {
        let share = |share: &u64| json!({ "per_mille": share, "ns": staleness.per_mille(*share) });
        value["staleness"] = json!({
            "reads": staleness.reads(), "stale": staleness.stale(), "most_ns": staleness.most(),
            "shares": SHARES.iter().map(share).collect::<Vec<_>>(),
        });
        value["strongest"] = json!(judgement.strongest.map(|level| level.name()));
        let row = |(name, evaluated, broken, demanded): &(&str, u64, u64, bool)| {
            json!({
                "property": name, "evaluated": evaluated, "broken": broken, "demanded": demanded,
            })
        };
        value["properties"] = judgement.properties.iter().map(row).collect();
    }
    if let Some(word) = judgement.searched {
        value["searched"] = json!(word);
    }
    if !judgement.order.is_empty() {
        value["order"] = judgement.order.iter().map(candidate).collect();
    }
    match answer {
        Answer::True => {}
        Answer::Unknown(why) => value["why"] = json!(why),
        Answer::False(why) => {
            value["property"] = json!(why.property);
            value["why"] = json!(why.detail);
            value["placed"] = json!(why.placed);
            value["of"] = json!(why.of);
            value["prefix"] = why.prefix.iter().map(candidate).collect();
            value["next"] = why.next.iter().map(candidate).collect();
            if !why.core.is_empty() {
                value["core"] = why.core.iter().map(candidate).collect();
                value["minimal"] = json!(why.minimal);
            }
        }
    }
    value
}

fn candidate(one: &Candidate) -> Value {
    json!({
        "line": one.line, "end_line": one.end_line, "process": one.process,
        "operation": one.text, "reason": one.reason,
    })
}
