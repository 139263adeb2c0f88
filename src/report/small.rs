//! A small plan in words: every fault, and every call.

use std::fmt::Write;

use crate::history::words;
use crate::plan::{Call, Driver, Fork, Pattern, Plan, Planned, Target, When};

/// The most faults and calls that are told each.
const MOST: usize = 40;

/// What is left of a plan.
pub fn left(plan: &Plan) -> String {
    let mut text = String::from("faults\n");
    if plan.faults.is_empty() {
        text.push_str("  none\n");
    }
    for planned in plan.faults.iter().take(MOST) {
        let Planned { when, fault } = planned;
        let value = serde_json::to_value(fault).unwrap_or_default();
        let fields = value.get(fault.kind()).map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  {}: {} {fields}", moment(when), fault.kind());
    }
    more(&mut text, plan.faults.len());
    for Fork { step, salt } in &plan.forks {
        let _ = writeln!(text, "  after step {step}: other dice ({salt})");
    }
    text.push_str("calls\n");
    for (nth, client) in plan.clients.iter().enumerate() {
        let name = format!("c{}", nth + 1);
        match &client.driver {
            Driver::Program { name: program, .. } => {
                let _ = writeln!(text, "  {name}  the program `{program}`");
            }
            Driver::Script(steps) if steps.is_empty() => {
                let _ = writeln!(text, "  {name}  none");
            }
            Driver::Script(steps) => {
                for step in steps.iter().take(MOST) {
                    let wait = match step.wait_us {
                        0 => String::new(),
                        us => format!("{us}us later: "),
                    };
                    let drain = if step.drain { "once all is answered: " } else { "" };
                    let _ = writeln!(text, "  {name}  {wait}{drain}{}", call(&step.call));
                }
                more(&mut text, steps.len());
            }
        }
    }
    text
}

fn more(text: &mut String, all: usize) {
    if all > MOST {
        let _ = writeln!(text, "  .. and {} more", all - MOST);
    }
}

/// When a fault strikes, in words.
pub fn moment(when: &When) -> String {
    match when {
        When::At(ms) => format!("at {ms}ms"),
        When::Step(step) => format!("after step {step}"),
        When::Then(ms) => format!("{ms}ms after the one before"),
        When::Moment { on, by, nth, from, after_us } => {
            let what = match on {
                Pattern::Send(kind) => format!("{kind} sent"),
                Pattern::Receive(kind) => format!("{kind} received"),
                Pattern::Write(kind) => format!("write of `{kind}`"),
                Pattern::Sync(device) => format!("sync of `{device}`"),
                Pattern::Effect => "durable effect".to_string(),
                Pattern::Behind(effect) => format!("`{effect}`"),
                Pattern::Note(kind) => format!("`{kind}`"),
            };
            let by = match by {
                None => String::new(),
                Some(Target::Peer(peer)) => format!(" by {peer}"),
                Some(Target::Leader) => " by the leader".to_string(),
                Some(Target::Follower(n)) => format!(" by follower {n}"),
                Some(Target::Shortest) => " by the peer with the shortest log".to_string(),
                Some(Target::Longest) => " by the peer with the longest log".to_string(),
                Some(Target::Same | Target::Other) => String::new(),
            };
            let from = if *from > 0 { format!(" from {from}ms on") } else { String::new() };
            let after = if *after_us > 0 { format!(" + {after_us}us") } else { String::new() };
            format!("{what} no. {nth}{by}{from}{after}")
        }
    }
}

fn call(call: &Call) -> String {
    let watch = |watch: &bool| if *watch { ", with a watch" } else { "" };
    match call {
        Call::Create { path, data, mode, .. } => {
            let mode = serde_json::to_value(mode).unwrap_or_default();
            format!("create {path} = {data} ({})", mode.as_str().unwrap_or_default())
        }
        Call::Delete { path, version } => format!("delete {path}, version {version}"),
        Call::Exists { path, watch: w } => format!("exists {path}{}", watch(w)),
        Call::GetData { path, watch: w } => format!("getData {path}{}", watch(w)),
        Call::SetData { path, data, version } => {
            format!("setData {path} = {data}, version {version}")
        }
        Call::GetChildren { path, watch: w, .. } => format!("getChildren {path}{}", watch(w)),
        Call::Check { path, version } => format!("check {path}, version {version}"),
        Call::Sync { path } => format!("sync {path}"),
        Call::Multi(parts) => format!("multi [{}]", all(parts)),
        Call::MultiRead(parts) => format!("multiRead [{}]", all(parts)),
        Call::CreateContainer { path, data, .. } => format!("createContainer {path} = {data}"),
        Call::CreateTtl { path, data, ttl, .. } => format!("createTTL {path} = {data}, {ttl} ms"),
        Call::SetAcl { path, acl, version } => {
            format!("setACL {path} to {acl:?}, version {version}")
        }
        Call::GetAcl { path } => format!("getACL {path}"),
        Call::AddAuth { scheme, auth } => format!("auth {scheme} {auth}"),
        Call::AddWatch { path, mode } => format!("addWatch {path} ({mode:?})"),
        Call::CheckWatches { path, kind } => format!("checkWatches {path} ({kind:?})"),
        Call::RemoveWatches { path, kind } => format!("removeWatches {path} ({kind:?})"),
        Call::GetEphemerals { prefix } => format!("getEphemerals {prefix}"),
        Call::GetAllChildrenNumber { path } => format!("getAllChildrenNumber {path}"),
        Call::WhoAmI => "whoAmI".to_string(),
        Call::Reconfig { .. } => call.op().as_ref().map(words::op).unwrap_or_default(),
        Call::CloseSession => "close the session".to_string(),
        Call::Move => "move to another server".to_string(),
        Call::Idle => "nothing".to_string(),
    }
}

fn all(parts: &[Call]) -> String {
    parts.iter().map(call).collect::<Vec<String>>().join("; ")
}
