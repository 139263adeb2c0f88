//! The README says what this build does: its tables, its failure, its commands.
#![allow(clippy::disallowed_methods, reason = "it reads the README")]

use std::fs;
use std::path::Path;

use crate::cli::Room;
use crate::gallery::must_be_fresh;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// What stands between `<!-- name -->` and the next `<!-- end -->` becomes `body`.
fn filled(text: &str, name: &str, body: &str) -> String {
    let begin = format!("<!-- {name} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").expect("what begins also ends");
    format!("{before}{begin}{body}<!-- end -->{after}")
}

/// Of the control's report: the verdict, the last events, and the replay.
fn excerpt(room: &Room) -> String {
    let page = room.zoosim(&["run", "ack-before-fsync"]).out;
    let lines: Vec<&str> = page.lines().collect();
    let at = |start: &str| {
        let found = lines.iter().position(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line begins with `{start}`"))
    };
    let verdict = &lines[at("VIOLATION")..at("also found")];
    let events = &lines[at("what happened")..at("how each peer stands")];
    let last = events.len().saturating_sub(17);
    let replay = &lines[at("replay it")..];
    let part = |lines: &[&str]| {
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        lines.join("\n").trim_end().to_string()
    };
    let (verdict, events, lanes) = (part(verdict), part(&events[last..]), part(&events[2..3]));
    format!("```text\n{verdict}\n\n{lanes}\n{events}\n\n{}\n```\n", part(replay))
}

/// What shrinking the control comes to, and what is left of it.
fn shrunk(room: &Room) -> String {
    let page = room.zoosim(&["shrink", "ack-before-fsync", "--seed", "0", "--out", "small.json"]);
    let (head, _) = page.out.split_once("\nPeers acknowledge").expect("then comes the report");
    format!("```text\n{}\n```\n", head.trim_end())
}

#[test]
fn the_readme_is_fresh() {
    let room = Room::new("readme-tables");
    let mut text = filled(&read("README.md"), "failure", &excerpt(&room));
    for what in ["faults", "invariants", "scenarios", "bugs"] {
        let table = room.zoosim(&["list", what, "--markdown"]).out;
        text = filled(&text, &format!("table {what}"), &table);
    }
    for (name, file) in [("detection", "bugs.jsonl"), ("policies", "policies.jsonl")] {
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/bench").join(file);
        let stored = stored.display().to_string();
        let table = room.zoosim(&["bench", "bugs", "--table", &stored, "--markdown"]);
        assert_eq!(table.code, 0, "{}", table.err);
        text = filled(&text, &format!("table {name}"), &table.out);
    }
    must_be_fresh("README.md", &filled(&text, "shrunk", &shrunk(&room)));
}

/// Each line of a `sh` fence is a command that ends well; cargo's own are what `.ci/run` does.
#[test]
fn its_commands_work() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    let room = Room::new("readme-commands");
    let mut ran = 0;
    for fence in readme.split("```sh\n").skip(1) {
        let fence = fence.split("```").next().expect("a fence ends");
        for line in fence.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.split_first() {
                Some((&"zoosim", args)) => {
                    let said = room.zoosim(args);
                    assert_eq!(said.code, 0, "`{line}`: {}{}", said.out, said.err);
                    ran += 1;
                }
                Some((&"cargo", _)) => assert!(ci.contains(line), "`.ci/run` lacks `{line}`"),
                Some(_) | None => panic!("`{line}` is not checked"),
            }
        }
    }
    assert!(ran >= 5, "{ran} commands");
    assert!(room.read("junit.xml").contains("<testsuite "));
}
