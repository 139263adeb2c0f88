//! `zoosim check` and `zoosim history` as people and scripts meet them: every format, legal,
//! illegal, and what is refused.
#![allow(clippy::disallowed_methods, reason = "histories are files")]

use std::fs;
use std::path::Path;

use crate::cli::{Room, Said};

/// A folder with all histories of `tests/it/histories`.
pub fn room(name: &str) -> (Room, Vec<String>) {
    let room = Room::new(name);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/histories");
    let mut names = Vec::new();
    for entry in fs::read_dir(from).expect("the histories are there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("files have names").to_string_lossy().into_owned();
        fs::copy(&path, room.path().join(&name)).expect("a history can be copied");
        names.push(name);
    }
    names.sort();
    (room, names)
}

fn told(args: &[&str], said: &Said) -> String {
    format!("$ zoosim {}\n{}{}exit {}\n", args.join(" "), said.out, said.err, said.code)
}

#[test]
fn every_history_is_judged_or_refused_with_its_place() {
    let (room, names) = room("check-all");
    let mut all = String::new();
    // Znode histories that can be judged have a file of their own: `znodes`.
    let is_tree = |name: &&String| name.starts_with("tree") && !name.contains("odd");
    let apart = |name: &&String| ["first.jsonl", "twice.jsonl"].contains(&name.as_str());
    for name in names.iter().filter(|name| !is_tree(name) && !apart(name)) {
        let args = ["check", name, "--explain"];
        all.push_str(&told(&args, &room.zoosim(&args)));
    }
    let queue = ["check", "queue.edn", "--model", "queue"];
    let fifo = ["check", "queue.edn", "--model", "fifo-queue", "--explain"];
    let assert = ["check", "console.log", "--fail", "assert"];
    let keys = ["check", "keys.edn", "--keys"];
    let wrong = ["check", "console.log", "--model", "kv"];
    let bound = ["check", "txn-lost-update.edn", "--keys"];
    let order = ["check", "transaction.edn", "--order"];
    let skewed = ["check", "txn-skewed.edn", "--level", "sequential", "--explain"];
    let single = ["check", "transaction.edn", "--model", "register"];
    let other = ["check", "transaction.edn", "--model", "list-append"];
    let all_of = [&queue[..], &fifo, &assert, &keys, &wrong];
    for args in all_of.into_iter().chain([&bound[..], &order, &skewed, &single, &other]) {
        all.push_str(&told(args, &room.zoosim(args)));
    }
    insta::assert_snapshot!(all);
    let said = room.zoosim(&["check", "first.jsonl", "twice.jsonl"]);
    assert!(said.out.starts_with("first.jsonl\ttrue\ntwice.jsonl\tfalse\t"), "{}", said.out);
}

#[test]
fn the_worst_of_all_files_decides_how_it_ends() {
    let (room, _) = room("check-worst");
    let code = |args: &[&str]| room.zoosim(&[&["check"], args].concat()).code;
    assert_eq!(code(&["register.edn", "set.edn"]), 0);
    assert_eq!(code(&["register.edn", "stale-read.edn", "set.edn"]), 1);
    assert_eq!(code(&["kv.txt", "--budget", "1"]), 3);
    assert_eq!(code(&["stale-read.edn", "empty.edn", "set.edn"]), 2);
    assert_eq!(code(&["nowhere.edn"]), 2);
    let said = room.zoosim(&["check", "empty.edn", "register.edn", "stale-read.edn"]);
    assert_eq!(said.out, "register.edn\ttrue\nstale-read.edn\tfalse\tLinearizability\n");
    assert!(
        said.err.starts_with("empty.edn:2:1: there is no history here\nhint: "),
        "{}",
        said.err
    );
}

/// Files side by side, and hands within one: every byte is the same for any number of threads.
#[test]
fn nothing_printed_depends_on_the_number_of_threads() {
    let (room, names) = room("check-jobs");
    let hard =
        ["history", "gen", "--clients", "20", "--values", "3", "--keys", "9", "--ops", "2500"];
    for (name, more) in [("hard", &[][..]), ("wrong", &["--corrupt", "answer", "--seed", "4"])] {
        room.write(name, &room.zoosim(&[&hard, more].concat()).out);
    }
    let mut files: Vec<&str> = names.iter().map(String::as_str).collect();
    files.extend(["hard", "wrong", "nowhere.edn", "hard"]);
    let options: &[&[&str]] =
        &[&[], &["--json"], &["--explain", "--keys"], &["--order", "--json", "--budget", "20000"]];
    for options in options {
        let check = |files: &[&str], jobs: &str| {
            room.zoosim(&[&["check", "--jobs", jobs], *options, files].concat())
        };
        for files in [&files[..], &["hard"], &["wrong"]] {
            let one = check(files, "1");
            for jobs in ["2", "7"] {
                let more = check(files, jobs);
                assert_eq!(more.out, one.out, "{options:?} {files:?}");
                assert_eq!((&more.err, more.code), (&one.err, one.code), "{options:?} {files:?}");
            }
        }
    }
    let said = room.zoosim(&["check", "-", "nowhere.edn", "-", "--jobs", "2"]);
    let last = "-: standard input was read before\n\
                hint: name it once: whoever reads it takes all of it\n";
    assert!(said.code == 2 && said.err.ends_with(last), "{}", said.err);
}

#[test]
fn what_is_typed_wrong_is_answered_with_what_there_is() {
    let (room, _) = room("check-typed");
    let cases: &[(&[&str], &str)] = &[
        (
            &["check", "x", "--model", "regster"],
            "`--model` `regster` is not known\nhint: did you mean `register`?\n",
        ),
        (
            &["check", "x", "--format", "edm"],
            "`format` `edm` is not known\nhint: did you mean `edn`?\n",
        ),
        (
            &["check", "register.edn", "--level", "sync-linearizable"],
            "register.edn: `sync-linearizable` is a level of znode histories\n\
             hint: other objects are judged at `linearizable` or `sequential`\n",
        ),
        (
            &["history", "gen", "--model", "multi-register", "--txn", "0"],
            "there is no such transaction\nhint: say 1 to 100 in `--txn`\n",
        ),
        (
            &["history", "gen", "--ops", "0"],
            "a history has calls and clients\nhint: say at least 1 of each\n",
        ),
    ];
    for (args, err) in cases {
        let said = room.zoosim(args);
        assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (2, *err, ""), "{args:?}");
    }
}

#[test]
fn lines_of_json_hold_the_same_judgements() {
    let (room, _) = room("check-json");
    let said = room.zoosim(&["check", "register.edn", "stale-read.edn", "empty.edn", "--json"]);
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        (lines[0]["valid"].as_str(), lines[0]["model"].as_str()),
        (Some("true"), Some("register"))
    );
    assert_eq!(lines[1]["property"], "Linearizability");
    assert_eq!(lines[1]["next"][0]["line"], 5);
    assert!(lines[2]["error"].as_str().is_some_and(|error| error.starts_with("empty.edn:2:1")));
    assert_eq!(said.code, 2);
}

/// What is made is judged as it was made, through every format.
#[test]
fn made_histories_are_judged_as_they_were_made() {
    let room = Room::new("history-gen");
    let formats = ["edn", "json", "log", "porcupine"];
    let models = [
        "register",
        "mutex",
        "set",
        "queue",
        "fifo-queue",
        "kv",
        "list-append",
        "multi-register",
        "list-append",
    ];
    for (index, model) in models.iter().enumerate() {
        let format = formats[index % formats.len()];
        let make = |more: &[&str]| {
            let first = ["history", "gen", "--model", model, "--seed", "7", "--format", format];
            // The second time lists are in transactions.
            let txn: &[&str] = if index == models.len() - 1 { &["--txn", "3"] } else { &[] };
            let said = room.zoosim(&[&first, txn, more].concat());
            assert_eq!(said.code, 0, "{model}: {}", said.err);
            said.out
        };
        room.write("legal", &make(&["--crashed", "5"]));
        room.write("illegal", &make(&["--corrupt", "answer"]));
        assert_eq!(make(&["--crashed", "5"]), room.read("legal"), "the same seed, the same bytes");
        let said = room.zoosim(&["check", "legal", "illegal", "--model", model]);
        let wanted = "legal\ttrue\nillegal\tfalse\tLinearizability\n";
        assert_eq!((said.out.as_str(), said.code), (wanted, 1), "{model} {format}: {}", said.err);
    }
}

#[test]
fn conversions_keep_what_is_judged() {
    let (room, _) = room("history-convert");
    for (name, to) in [("register.edn", "porcupine"), ("stale-read.edn", "json")] {
        let said = room.zoosim(&["history", "convert", name, "--to", to]);
        assert_eq!(said.code, 0, "{}", said.err);
        room.write("converted", &said.out);
        let verdict = |name: &str| {
            let said = room.zoosim(&["check", name]);
            said.out.split('\t').nth(1).map(str::trim).map(str::to_string)
        };
        assert_eq!(verdict("converted"), verdict(name), "{name}");
    }
    // Lists that are read again and again are kept once, and written whole.
    let lists = ["history", "gen", "--model", "list-append", "--ops", "200", "--crashed", "2"];
    room.write("lists", &room.zoosim(&lists).out);
    room.write("lists.json", &room.zoosim(&["history", "convert", "lists", "--to", "json"]).out);
    let again = room.zoosim(&["history", "convert", "lists.json", "--to", "edn"]);
    assert_eq!(again.out, room.read("lists"), "{}", again.err);
    let said = room.zoosim(&["history", "convert", "register.edn", "--to", "binary"]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("`binary` cannot hold this history\nhint: "), "{}", said.err);
}

/// A run's own history, as its folder keeps it; and with one create answered by another's name.
#[test]
fn a_run_s_history_is_judged_too() {
    let room = Room::new("history-of-a-run");
    let said = room.zoosim(&["run", "ack-before-fsync"]);
    let name = format!("reports/runs/{}/history.jsonl", crate::cli::token(&said.out));
    let said = room.zoosim(&["check", &name]);
    assert!([0, 3].contains(&said.code), "nothing is wrong with it: {}{}", said.out, said.err);
    let text = room.read(&name);
    let mark = "\"value\":{\"path\":\"/a/s-";
    let answers: Vec<&str> = text.split(mark).skip(1).map(|rest| &rest[..10]).collect();
    let (first, last) = (answers.first().expect("an answer"), answers.last().expect("another"));
    assert_ne!(first, last);
    let changed = text.replace(&format!("{mark}{last}"), &format!("{mark}{first}"));
    room.write("twice.jsonl", &changed);
    let said = room.zoosim(&["check", "twice.jsonl"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.starts_with("twice.jsonl\tfalse\t"), "{}", said.out);
}
