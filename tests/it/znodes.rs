//! Znode histories as `zoosim check` and `zoosim history` meet them: levels, modes, made ones, and
//! what is refused.
#![allow(clippy::disallowed_methods, reason = "histories are files")]

use std::fs;

use serde_json::Value;

use zoosim::history::{History, Operation, Outcome, Proposals};
use zoosim::kit::Kit;
use zoosim::run::Run;
use zoosim::verdict::judge::{Answer, Question, judge_znodes};

use crate::check::room;
use crate::cli::Room;
use crate::scenarios::plan;

const LEVELS: [&str; 5] = ["linearizable", "sync-linearizable", "osc", "sequential", "session"];

/// The fixtures that are znode histories.
fn trees(names: &[String]) -> Vec<&str> {
    let is_tree = |name: &&str| name.starts_with("tree") && !name.contains("odd");
    names.iter().map(String::as_str).filter(is_tree).collect()
}

#[test]
fn znode_histories_are_judged_at_every_level() {
    let (room, names) = room("znode-levels");
    let mut all = String::new();
    for level in LEVELS {
        let mut args = vec!["check", "--level", level];
        args.extend(trees(&names));
        let said = room.zoosim(&args);
        all.push_str(&format!("{level}: exit {}\n{}{}\n", said.code, said.out, said.err));
    }
    let loose = ["check", "tree-stale-sync.jsonl", "--sync", "zookeeper"];
    let said = room.zoosim(&loose);
    all.push_str(&format!("a sync of ZooKeeper's kind: exit {}\n{}\n", said.code, said.out));
    for mode in ["witness", "views", "search"] {
        let args = ["check", "tree-went-back.jsonl", "tree-views.jsonl", "--mode", mode];
        let said = room.zoosim(&args);
        all.push_str(&format!("by {mode}: exit {}\n{}{}\n", said.code, said.out, said.err));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn lines_of_json_tell_the_mode_the_properties_and_how_stale_reads_were() {
    let (room, _) = room("znode-json");
    let files = ["tree.jsonl", "tree-views.jsonl", "tree-bare.jsonl", "tree-went-back.jsonl"];
    let said = room.zoosim(&[&["check", "--json", "--explain", "--order"][..], &files].concat());
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let modes: Vec<_> = lines.iter().map(|line| line["mode"].as_str().unwrap_or("")).collect();
    assert_eq!(modes, ["witness", "views", "search", "witness"]);
    let staleness = &lines[0]["staleness"];
    assert_eq!((&staleness["reads"], &staleness["stale"]), (&2.into(), &1.into()), "{staleness}");
    // What it lacked was answered at step 12, and it was called at step 13.
    assert_eq!(staleness["most_ns"], 1_000);
    assert_eq!(lines[0]["strongest"], "sync-linearizable");
    let table = lines[0]["properties"].as_array().expect("a table");
    let row = |name: &str| table.iter().find(|row| row["property"] == name).expect("a property");
    assert_eq!((&row("ReadValue")["broken"], &row("FreshReads")["broken"]), (&0.into(), &1.into()));
    assert_eq!(row("FreshReads")["demanded"], false);
    assert_eq!(lines[0]["order"].as_array().map(Vec::len), Some(4));
    assert_eq!(lines[1]["not_judged"][0], "watch events");
    let broken = &lines[3];
    assert_eq!((&broken["valid"], &broken["property"]), (&"false".into(), &"SessionOrder".into()));
    assert_eq!(broken["next"][0]["line"], 7, "{broken}");
    assert_eq!(broken["searched"], "false", "nor is there another order: {broken}");
    assert_eq!(broken["core"].as_array().map(Vec::len), Some(2), "{broken}");
    assert_eq!(said.code, 1);
}

#[test]
fn people_are_told_the_same() {
    let (room, _) = room("znode-explained");
    let said = room.zoosim(&["check", "tree-went-back.jsonl", "--explain"]);
    for part in [
        "tree-went-back.jsonl\tfalse\tSessionOrder\n",
        "4 of 4 calls judged as `znodes`, `sync-linearizable`, by witness\n",
        "SessionOrder: its session was shown 1.4, then 1.3 by call 3\n",
        "these answers alone contradict each other, and none of them can be left out\n",
        "line 7: process 2 ",
    ] {
        assert!(said.out.contains(part), "`{part}` is not in\n{}", said.out);
    }
    let said = room.zoosim(&["check", "tree.jsonl", "--order"]);
    let order: Vec<&str> = said.out.lines().skip(2).map(str::trim).collect();
    let begins =
        ["line 4: process 1", "line 6: process 2", "line 5: process 1", "line 8: process 2"];
    assert_eq!(order.len(), 4, "{}", said.out);
    for (line, begin) in order.iter().zip(begins) {
        assert!(line.starts_with(begin), "{}", said.out);
    }
}

/// What is made is judged as it was made, in both of our formats.
#[test]
fn made_znode_histories_are_judged_as_they_were_made() {
    let room = Room::new("znode-gen");
    let make = |more: &[&str], out: &str| {
        let first = ["history", "gen", "--model", "znodes", "--ops", "800", "--clients", "8"];
        let said = room.zoosim(&[&first, more, &["--out", out]].concat());
        assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    };
    make(&["--seed", "3", "--stale", "40"], "legal.jsonl");
    make(&["--seed", "3", "--stale", "40", "--format", "binary"], "legal.bin");
    make(&["--seed", "3", "--stale", "40"], "again.jsonl");
    assert_eq!(room.read("legal.jsonl"), room.read("again.jsonl"), "the same seed, the same bytes");
    make(&["--seed", "3"], "fresh.jsonl");
    let said = room.zoosim(&["check", "legal.jsonl", "legal.bin", "fresh.jsonl"]);
    assert_eq!(said.out, "legal.jsonl\ttrue\nlegal.bin\ttrue\nfresh.jsonl\ttrue\n", "{}", said.err);
    let said = room.zoosim(&["check", "fresh.jsonl", "--level", "linearizable"]);
    assert_eq!(said.out, "fresh.jsonl\ttrue\n", "{}", said.err);
    make(&["--seed", "3", "--crashed", "2", "--pipeline", "3"], "lost.jsonl");
    let said = room.zoosim(&["check", "lost.jsonl"]);
    assert!([0, 3].contains(&said.code), "{}{}", said.out, said.err);
    let fields =
        ["result", "data", "names", "suffix", "version", "mzxid", "zxid", "event", "order"];
    for field in fields {
        make(&["--seed", "3", "--corrupt", field, "--format", "binary"], "wrong.bin");
        let said = room.zoosim(&["check", "wrong.bin"]);
        assert!(said.out.starts_with("wrong.bin\tfalse\t"), "{field}: {}{}", said.out, said.err);
    }
    let said = room.zoosim(&["history", "gen", "--model", "znodes", "--corrupt", "versoin"]);
    assert_eq!(said.code, 2);
    assert!(said.err.ends_with("hint: did you mean `version`?\n"), "{}", said.err);
}

#[test]
fn damaged_histories_are_refused_with_their_place() {
    let (room, _) = room("znode-damaged");
    let folder = room.path();
    let whole = fs::read(folder.join("tree.zoohist")).expect("a binary history");
    fs::write(folder.join("cut.zoohist"), &whole[..whole.len() - 3]).expect("a file");
    let mut flipped = whole.clone();
    flipped[40] ^= 4;
    fs::write(folder.join("flipped.zoohist"), flipped).expect("a file");
    let mut newer = whole;
    newer[7] = 9;
    fs::write(folder.join("newer.zoohist"), newer).expect("a file");
    let mut all = String::new();
    for name in ["tree-odd.jsonl", "cut.zoohist", "flipped.zoohist", "newer.zoohist"] {
        let said = room.zoosim(&["check", name]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{name}");
        all.push_str(&said.err);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn other_objects_may_keep_the_order_of_each_process_only() {
    let (room, _) = room("sequential");
    let said = room.zoosim(&["check", "sequential.edn", "across-keys.edn"]);
    assert_eq!(
        said.out,
        "sequential.edn\tfalse\tLinearizability\nacross-keys.edn\tfalse\tLinearizability\n"
    );
    let sequential = ["check", "sequential.edn", "across-keys.edn", "--level", "sequential"];
    let said = room.zoosim(&sequential);
    assert_eq!(
        said.out, "sequential.edn\ttrue\nacross-keys.edn\tfalse\tSequentialConsistency\n",
        "{}",
        said.err
    );
    let said = room.zoosim(&["check", "across-keys.edn", "--level", "sequential", "--keys"]);
    assert!(said.err.contains("keys cannot be judged apart at `sequential`"), "{}", said.err);
    let said = room.zoosim(&["check", "sequential.edn", "--level", "osc"]);
    assert!(said.err.contains("`osc` is a level of znode histories"), "{}", said.err);
    let said = room.zoosim(&["check", "stale-read.edn", "--json", "--explain"]);
    let line: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(line["core"].as_array().map(Vec::len), Some(3), "{line}");
    let said = room.zoosim(&["check", "quirks.edn", "--order"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("an order that explains all answers\n"), "{}", said.out);
    // One of its failed compare-and-sets was refused though its value was there.
    let said = room.zoosim(&["check", "quirks.edn", "--fail", "assert"]);
    assert_eq!(said.out, "quirks.edn\tfalse\tLinearizability\n", "{}", said.err);
}

/// What clients saw of a run, with the log of its servers, is decided whatever was lost; so are
/// the files of a recorded run.
#[test]
fn the_log_of_a_run_decides_what_its_lost_calls_did() {
    let mut lost = 0;
    for seed in 0..100 {
        let mut run = Run::new(plan("default", seed), &Kit::standard()).expect("known names");
        let (mut history, mut proposals) = (History::new(), Proposals::default());
        while run.step_seen(|at, seen| {
            seen.iter().for_each(|one| history.observe(at, one));
            seen.iter().for_each(|one| proposals.observe(one));
        }) {}
        history.log = proposals.of(run.verdict.committed());
        let is_lost = |call: &&Operation| matches!(call.outcome, Outcome::Lost | Outcome::Open);
        lost += history.operations.iter().filter(is_lost).count();
        let judged = judge_znodes(&history, &Question::default()).expect("it has zxids");
        assert_eq!(judged.answer, Answer::True, "seed {seed}");
    }
    assert!(lost > 300, "only {lost} calls were lost");
}
