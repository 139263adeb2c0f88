//! `zoosim bench bugs`: lines that can be added to, and a table that is made of them alone.

use serde_json::Value;

use crate::cli::{Room, Said};

const BUGS: [&str; 6] = ["bench", "bugs", "--scenario", "ack-before-fsync", "--cap", "60s"];

fn bench(room: &Room, args: &[&str]) -> Said {
    let said = room.zoosim(&[&BUGS[..], &["--bug", "ack_before_fsync"], args].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    said
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn what_was_measured_is_not_measured_again() {
    let room = Room::new("bench-resume");
    bench(&room, &["--roots", "2", "--out", "some/bugs.jsonl"]);
    let before = room.read("some/bugs.jsonl");
    assert_eq!(before.lines().count(), 2);
    // The machine went down in the middle of a line.
    room.write("some/bugs.jsonl", &format!("{before}{{\"zoosim\":\"bench-b"));
    let said = bench(&room, &["--roots", "3", "--out", "some/bugs.jsonl", "--markdown"]);
    let after = room.read("some/bugs.jsonl");
    assert!(after.starts_with(&before), "{after}");
    let mut roots: Vec<Option<u64>> =
        lines(&after).iter().map(|line| line["root"].as_u64()).collect();
    // Whichever thread was first.
    roots.sort();
    assert_eq!(roots, [Some(0), Some(1), Some(2)]);
    assert!(said.out.contains("\n| `ack_before_fsync` | 3 of 3 |"), "{}", said.out);
    let table = ["bench", "bugs", "--table", "some/bugs.jsonl", "--markdown"];
    assert_eq!(room.zoosim(&table).out, said.out);
}

#[test]
fn what_another_build_has_measured_is_measured_again() {
    let room = Room::new("bench-label");
    let args = |label: &'static str| ["--roots", "1", "--out", "bugs.jsonl", "--label", label];
    bench(&room, &["--roots", "1", "--out", "bugs.jsonl"]);
    bench(&room, &args("one"));
    bench(&room, &args("one"));
    let all = lines(&room.read("bugs.jsonl"));
    let labels: Vec<&Value> = all.iter().map(|line| &line["label"]).collect();
    assert_eq!(labels, [&Value::Null, &"one".into()]);
    let table = room.zoosim(&["bench", "bugs", "--table", "bugs.jsonl"]).out;
    assert!(table.ends_with("\nbuilds: `one` (1 lines)\n"), "{table}");
}

#[test]
fn what_is_found_is_made_small_also_for_lines_of_an_older_build() {
    let room = Room::new("bench-shrink");
    let said = bench(&room, &["--roots", "2", "--shrink", "1", "--out", "bugs.jsonl"]);
    let medians =
        "\nShrunk: 1 plans of 1 bugs. In the median over the bugs 1 faults and 0 calls are";
    assert!(said.out.contains(medians), "{}", said.out);
    let all = lines(&room.read("bugs.jsonl"));
    let of = |root: u64| all.iter().find(|line| line["root"] == root).expect("a line of each root");
    assert_eq!(of(1)["shrunk"], Value::Null);
    let small = &of(0)["shrunk"];
    let number = |of: &str| small[of].as_u64().expect("a number");
    assert!(small["signature"].as_str().is_some_and(|text| text.starts_with("Durability/")));
    assert!(number("faults") <= 6 && number("calls") <= 6 && number("moves") > 0, "{small}");
    assert!(number("moves") + number("votes") < number("events"), "{small}");
    // The line as an older build has written it: only what is missing is done.
    let mut old = of(0).clone();
    old["zoosim"] = "bench-bug/1".into();
    old.as_object_mut().expect("a line is an object").remove("shrunk");
    room.write("old.jsonl", &format!("{old}\n"));
    bench(&room, &["--roots", "1", "--shrink", "1", "--out", "old.jsonl"]);
    let both = lines(&room.read("old.jsonl"));
    let without_time = |line: &Value| {
        let mut line = line.clone();
        line["shrunk"]["cpu_us"] = 0.into();
        line
    };
    assert_eq!((both.len(), without_time(&both[1])), (2, without_time(of(0))));
    let none = bench(&room, &["--roots", "2", "--shrink", "1", "--out", "bugs.jsonl"]);
    assert_eq!((lines(&room.read("bugs.jsonl")), none.out), (all.clone(), said.out));
}

#[test]
fn seeds_and_events_do_not_depend_on_jobs() {
    let room = Room::new("bench-jobs");
    let seen = |jobs: &str| {
        let said = bench(&room, &["--roots", "4", "--json", "--jobs", jobs]);
        let mut all = Vec::new();
        for line in lines(&said.out) {
            let found = &line["violation"];
            assert_eq!(found["seed"].as_u64().map(|seed| seed / 1_000_000), line["root"].as_u64());
            all.push([&line["root"], &found["seeds"], &found["events"]].map(Value::to_string));
        }
        all.sort();
        all
    };
    let one = seen("1");
    assert_eq!((one.len(), &one), (4, &seen("3")));
}

#[test]
fn bad_files_are_answered_with_place_cause_and_remedy() {
    let room = Room::new("bench-bad");
    bench(&room, &["--roots", "1", "--out", "bugs.jsonl"]);
    let said = room.zoosim(&["bench", "bugs", "--roots", "1", "--out", "bugs.jsonl"]);
    assert_eq!(said.code, 2);
    let cause = "bugs.jsonl:1: measured with scenario `ack-before-fsync` (";
    assert!(said.err.starts_with(cause), "{}", said.err);
    assert!(said.err.ends_with("hint: `--out` with another file starts afresh\n"), "{}", said.err);
    room.write("odd.jsonl", "{\"bug\": 1}\n");
    let said = room.zoosim(&["bench", "bugs", "--table", "odd.jsonl"]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("odd.jsonl:1: "), "{}", said.err);
    assert!(said.err.contains("\nhint: "), "{}", said.err);
    let said = room.zoosim(&["bench", "bugs", "--cap", "1h"]);
    assert!(said.err.contains("`1h` is not seconds: write `600` or `600s`"), "{}", said.err);
}
