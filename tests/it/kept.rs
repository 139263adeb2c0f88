//! What is kept is kept: accounts of seeds, plans that once failed, and what is printed.
#![allow(clippy::disallowed_methods, reason = "files are what the command leaves behind")]

use std::fs::{File, TryLockError};

use crate::cli::{Room, token};

#[test]
fn a_ledger_goes_on_where_it_ended_and_adds_up() {
    let room = Room::new("ledger");
    const FILE: &str = "some/seeds.jsonl";
    let fuzz = |more: &[&str]| {
        let said = room.zoosim(&[&["fuzz", "--ledger", FILE], more].concat());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.out
    };
    let line = |n: usize| -> serde_json::Value {
        let text = room.read(FILE);
        serde_json::from_str(text.lines().nth(n).expect("a line")).expect("JSON")
    };
    let number = |line: &serde_json::Value, of: &str| line[of].as_u64().expect("a number");
    fuzz(&["quiet", "--seeds", "0..20", "--label", "one"]);
    let first = line(0);
    assert_eq!((number(&first, "first"), number(&first, "last")), (0, 19), "{first}");
    assert_eq!((number(&first, "passed"), number(&first, "reruns")), (20, 2), "{first}");
    assert!(number(&first, "events") > 1_000 && first["label"] == "one", "{first}");
    // The machine went down in the middle of a line; and a plan that once failed is no seed.
    room.write(FILE, &format!("{}{{\"zoosim\":", room.read(FILE)));
    room.write("mine.json", &room.zoosim(&["plan", "quiet", "--seed", "1"]).out);
    room.zoosim(&["regress", "add", "mine.json", "--name", "was-lost"]);
    fuzz(&["quiet", "--until-quiet", "5"]);
    let second = line(1);
    let (from, to) = (number(&second, "first"), number(&second, "last"));
    assert!(from == 20 && to > from && second["label"] == "", "{second}");
    assert_eq!(number(&second, "passed"), to - from + 1, "{second}");
    fuzz(&["quiet", "--seeds", "10..20", "--label", "one"]);
    let totals = fuzz(&["--totals", "--markdown"]);
    let row = |label: &str, seeds: u64, distinct: u64| {
        let kind = format!("{} | swarm | - | {label}", first["hash"].as_str().expect("a hash"));
        let wanted = format!("{kind}{seeds} | {distinct} | {seeds} | 0 | 0 | 0 | 0 | ");
        assert!(totals.contains(&wanted), "{wanted}\n{totals}");
    };
    row("", to + 11, to + 1);
    row("one | ", 30, 20);
    row("- | ", to - 19, to - 19);
}

#[test]
fn what_was_tried_before_an_interrupt_is_in_the_ledger() {
    let room = Room::new("ledger-interrupt");
    let planted = ["fuzz", "ack-before-fsync", "--no-shrink", "--json", "--seconds", "600"];
    let mut running = room.begin(&[&planted[..], &["--ledger", "seeds.jsonl"]].concat());
    let found = running.line();
    assert!(found.contains("finding/1"), "{found}");
    let said = running.interrupt();
    assert_eq!(said.code, 5, "{}{}", said.out, said.err);
    let line: serde_json::Value = serde_json::from_str(&room.read("seeds.jsonl")).expect("JSON");
    let last: serde_json::Value =
        serde_json::from_str(said.out.lines().last().expect("a summary")).expect("JSON");
    for of in ["passed", "violated", "undecided"] {
        assert_eq!(line[of], last[of], "{line}");
    }
    assert_eq!((&line["events"], &line["first"]), (&last["steps"], &0.into()), "{line}");
    assert_eq!(line["last"].as_u64().map(|seed| seed + 1), last["seeds"].as_u64(), "{line}");
}

#[test]
fn a_ledger_that_does_not_add_up_is_refused_with_its_place() {
    let room = Room::new("ledger-bad");
    room.zoosim(&["fuzz", "quiet", "--seeds", "0..2", "--ledger", "seeds.jsonl"]);
    let whole = room.read("seeds.jsonl");
    room.write("seeds.jsonl", &format!("{whole}{}", whole.replace("\"passed\":2", "\"passed\":3")));
    let wanted = "seeds.jsonl:2: it tells what became of other than its 2 seeds\n\
                  hint: remove the line: `--seeds` tries its seeds again\n";
    for args in [
        &["fuzz", "quiet", "--ledger", "seeds.jsonl"][..],
        &["fuzz", "--totals", "--ledger", "seeds.jsonl"],
    ] {
        let said = room.zoosim(args);
        assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (2, wanted, ""), "{args:?}");
    }
    room.write("seeds.jsonl", &whole.replace("fuzz-ledger/1", "fuzz-ledger/9"));
    let said = room.zoosim(&["fuzz", "--totals", "--ledger", "seeds.jsonl"]);
    assert!(said.err.starts_with("seeds.jsonl:1: is `fuzz-ledger/9`, not `"), "{}", said.err);
    let said = room.zoosim(&["fuzz", "quiet", "default", "--ledger", "other.jsonl"]);
    let wanted = "a ledger is kept for one scenario at a time\nhint: name one\n";
    assert_eq!((said.code, said.err.as_str()), (2, wanted));
}

#[test]
fn nothing_but_a_torn_line_of_its_own_is_cut_from_a_file() {
    let room = Room::new("ledger-foreign");
    let fuzz = |file: &str| room.zoosim(&["fuzz", "quiet", "--seeds", "0..2", "--ledger", file]);
    for (file, text) in [("notes.txt", "my notes"), ("one.json", "{\"zoosim\":\"plan/1\"}")] {
        room.write(file, text);
        let said = fuzz(file);
        let wanted = format!("{file}:1: this begins no line of such a file\nhint: ");
        assert!(said.code == 2 && said.err.starts_with(&wanted), "{}", said.err);
        assert_eq!(room.read(file), text);
    }
    let bugs = ["bench", "bugs", "--roots", "1", "--cap", "1", "--out", "notes.txt"];
    assert_eq!((room.zoosim(&bugs).code, room.read("notes.txt").as_str()), (2, "my notes"));
    // Whole but for its end, it is kept.
    assert_eq!(fuzz("seeds.jsonl").code, 0);
    let whole = room.read("seeds.jsonl");
    room.write("seeds.jsonl", whole.trim_end());
    assert_eq!(fuzz("seeds.jsonl").code, 0);
    let both = room.read("seeds.jsonl");
    assert!(both.starts_with(&whole) && both.lines().count() == 2, "{both}");
    assert_eq!(fuzz(".").err, ".: is not a file\nhint: name a file\n");
}

#[test]
fn a_ledger_is_kept_by_one_process_at_a_time() {
    let room = Room::new("ledger-two");
    room.write("seeds.jsonl", "");
    let file = File::options().append(true).open(room.path().join("seeds.jsonl"));
    let file = file.expect("it is there");
    file.lock().expect("nobody else has it");
    let fuzz = || room.zoosim(&["fuzz", "quiet", "--seeds", "0..2", "--ledger", "seeds.jsonl"]);
    let said = fuzz();
    let wanted = "seeds.jsonl: another process adds to it\n\
                  hint: wait for it, or name another file\n";
    assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (2, wanted, ""));
    drop(file);
    assert_eq!(fuzz().code, 0);
    // And it is locked as long as a campaign adds to it.
    let args = ["fuzz", "ack-before-fsync", "--no-shrink", "--json", "--seconds", "600"];
    let mut running = room.begin(&[&args[..], &["--ledger", "seeds.jsonl"]].concat());
    running.line();
    let other = File::options().append(true).open(room.path().join("seeds.jsonl"));
    let tried = other.expect("it is there").try_lock();
    assert!(matches!(tried, Err(TryLockError::WouldBlock)), "{tried:?}");
    running.interrupt();
}

#[test]
fn a_plan_is_never_kept_in_the_place_of_another() {
    let room = Room::new("regress-twice");
    let found = room.zoosim(&["run", "ack-before-fsync", "--seed", "0"]);
    let token = token(&found.out);
    let add = |more: &[&str]| room.zoosim(&[&["regress", "add", "--clean"], more].concat());
    assert_eq!(add(&[token]).code, 0);
    assert_eq!(add(&[token]).code, 0, "it is the same plan");
    const FILE: &str = "scenarios/regressions/ack-before-fsync-0.json";
    let kept = room.read(FILE);
    room.write("other.json", &room.zoosim(&["plan", "quiet", "--seed", "1"]).out);
    let said = add(&["other.json", "--name", "ack-before-fsync-0"]);
    let wanted = format!("{FILE}: is another plan\nhint: `--name` gives this one another name\n");
    assert_eq!((said.code, said.err), (2, wanted));
    assert_eq!(room.read(FILE), kept);
    // A token that was altered names no run, whoever reads it.
    let last = if token.ends_with('0') { "1" } else { "0" };
    let altered = format!("{}{last}", &token[..token.len() - 1]);
    for args in [&["regress", "add", "--clean"][..], &["replay", "--at", "1s"], &["shrink"]] {
        let said = room.zoosim(&[args, &[&altered]].concat());
        let wanted = "this build behaves differently, or the token was altered: ";
        assert!(said.code == 2 && said.err.starts_with(wanted), "{args:?}: {}", said.err);
    }
}

/// Elsewhere no file is always full.
#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_printed_is_told() {
    use std::process::{Command, Stdio};
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let zoosim = |args: &[&str], out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoosim"));
        let output = command.args(args).stdout(out).output().expect("the command starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    for args in [&["list", "bugs"][..], &["plan", "quiet", "--seed", "1"]] {
        let (code, err) = zoosim(args, full.try_clone().expect("another handle").into());
        assert!(err.starts_with("what was to be printed is lost: "), "{args:?}: {err}");
        assert_eq!(code, Some(2), "{args:?}");
    }
}

#[test]
fn what_was_done_before_an_interrupt_is_told() {
    let room = Room::new("interrupts");
    let args = ["shrink", "ack-before-fsync", "--seed", "0", "--out", "small.json"];
    assert_eq!(room.zoosim(&args).code, 0);
    let endless = ["--points", "1000", "--tails", "1000"];
    for (args, wanted) in [
        (&["crashpoints", "quiet", "--seed", "2"][..], " more crash points were not tried\n"),
        (&[&["explain", "small.json"][..], &endless].concat(), " more points were not tried\n"),
    ] {
        let running = room.begin(args);
        running.until_it_listens();
        let said = running.interrupt();
        assert!(said.out.contains(wanted), "{args:?}: {}", said.out);
        assert_eq!(said.code, 5, "{args:?}");
    }
}
