//! The command as people and scripts meet it: what it prints, what it leaves behind, how it ends.
#![allow(clippy::disallowed_methods, reason = "files are what the command leaves behind")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder to run in, empty at first, and what the command said there.
pub struct Room(PathBuf);

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Room {
    pub fn new(name: &str) -> Room {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if path.exists() {
            fs::remove_dir_all(&path).expect("an old room can be removed");
        }
        fs::create_dir_all(&path).expect("a room can be made");
        Room(path)
    }

    pub fn zoosim(&self, args: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_zoosim"))
            .args(args)
            .current_dir(&self.0)
            .output()
            .expect("the command starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
        let code = output.status.code().expect("no signal ended it");
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("a file can be written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }
}

/// The token in the last line of a report.
pub fn token(report: &str) -> &str {
    let last = report.trim_end().lines().last().expect("a report has lines");
    last.trim().strip_prefix("zoosim replay ").expect("a report ends with its replay")
}

#[test]
fn bad_input_is_answered_with_place_cause_and_remedy() {
    let room = Room::new("bad-input");
    room.write("not.json", "{");
    room.write("odd.json", "{\"zoosim\": \"scenario/1\",\n \"titel\": \"x\"}");
    room.write(
        "a b.json",
        "{\"zoosim\":\"scenario/1\",\"title\":\"t\",\"why\":\"w\",\"expect\":\"pass\"}",
    );
    let cases: &[(&[&str], &str)] = &[
        (&["run", "defalt"], "`scenario` `defalt` is not known\nhint: did you mean `default`?\n"),
        (
            &["run", "default", "--seed", "x"],
            "`seeds` `x` is not a seed below 2^64\n\
             hint: write `42`, `0x5eed`, `0..1000`, or a commit's 40 hexadecimal digits\n",
        ),
        (
            &["run", "default", "--bug", "ack_before_fsnc"],
            "`bug` `ack_before_fsnc` is not known\n\
             hint: did you mean `ack_before_fsync`? `zoosim list bugs` shows all\n",
        ),
        (
            &["fuzz", "--seeds", "5..5"],
            "`seeds` `5..5` holds no seed\n\
             hint: the end is not part of a range: `0..1` is seed 0\n",
        ),
        (
            &["run", "nothing.json"],
            "nothing.json: cannot be read: there is no such file\n\
             hint: a file is named from where you are\n",
        ),
        (
            &["run", "odd.json"],
            "odd.json:2:2: unknown field `titel`\nhint: did you mean `title`?\n",
        ),
        (
            &["run", "a b.json"],
            "a b.json: `a b` cannot be a scenario's name\n\
             hint: tokens carry letters, digits, `-` and `_` only\n",
        ),
        (
            &["replay", "z1.default.0.1"],
            "`token` `z1.default.0.1` has 4 parts, not 6\n\
             hint: a token is `z1.<scenario>.<hash>.<seed>.<recipe>.<digest>`, as reports end \
             with\n",
        ),
        (
            &["replay", "z9.default.00000000.1.-.00000000"],
            "`token` is of version `z9`\nhint: this build reads tokens that begin with `z1.`\n",
        ),
        (
            &["replay", "z1.default.0000000g.1.-.00000000"],
            "`token` has no digest of 8 digits in `0000000g`\n\
             hint: a token is `z1.<scenario>.<hash>.<seed>.<recipe>.<digest>`, as reports end \
             with\n",
        ),
    ];
    for (args, err) in cases {
        let said = room.zoosim(args);
        assert_eq!((said.code, said.err.as_str(), said.out.as_str()), (2, *err, ""), "{args:?}");
    }
    let said = room.zoosim(&["run", "not.json"]);
    assert_eq!(said.code, 2);
    assert!(said.err.starts_with("not.json:1:"), "{}", said.err);
    assert!(said.err.contains("\nhint: "), "{}", said.err);
    for args in [&["fly"][..], &["run"], &["replay", "x", "--at", "soon"], &["list", "cats"]] {
        assert_eq!(room.zoosim(args).code, 2, "{args:?}");
    }
}

#[test]
fn each_verb_has_help_with_an_example() {
    let room = Room::new("help");
    for verb in ["run", "plan", "replay", "fuzz", "regress", "list", "bench"] {
        let said = room.zoosim(&[verb, "--help"]);
        assert_eq!(said.code, 0, "{verb}");
        assert!(said.out.contains(&format!("example: zoosim {verb}")), "{verb}: {}", said.out);
    }
    assert!(room.zoosim(&["--help"]).out.contains("exit codes: 0 what was expected held"));
}

#[test]
fn a_token_replays_the_run_that_it_names_and_no_other() {
    let room = Room::new("token");
    let said = room.zoosim(&["run", "ack-before-fsync"]);
    assert_eq!(said.code, 0, "the control is caught: {}{}", said.out, said.err);
    let token = token(&said.out).to_string();
    let files = ["plan.json", "history.jsonl", "trace.jsonl", "verdict.json", "report.txt"];
    for name in files {
        let text = room.read(&format!("reports/runs/{token}/{name}"));
        assert!(text.ends_with('\n'), "{name} is whole");
    }
    assert_eq!(
        room.read(&format!("reports/runs/{token}/report.txt")),
        said.out.trim_end().to_string() + "\n"
    );
    let again = room.zoosim(&["replay", &token]);
    assert_eq!((again.code, again.out), (0, said.out));

    let mut parts: Vec<&str> = token.split('.').collect();
    let (hash, digest) = (parts[2], parts[5]);
    parts[5] = "00000000";
    let other = room.zoosim(&["replay", &parts.join(".")]);
    assert_eq!(other.code, 2);
    let wanted = format!(
        "this build behaves differently: the token is of run `00000000`, this was `{digest}`\n"
    );
    assert!(other.err.starts_with(&wanted), "{}", other.err);
    (parts[2], parts[5]) = ("00000000", digest);
    let changed = room.zoosim(&["replay", &parts.join(".")]);
    assert_eq!(changed.code, 2);
    let wanted = format!(
        "scenario `ack-before-fsync` has changed: the token is of `00000000`, it is `{hash}`\n"
    );
    assert!(changed.err.starts_with(&wanted), "{}", changed.err);
}

#[test]
fn a_printed_plan_is_the_run_that_its_seed_draws() {
    let room = Room::new("plan");
    let plan = room.zoosim(&["plan", "quiet", "--seed", "0x3"]);
    assert_eq!(plan.code, 0, "{}", plan.err);
    room.write("mine.json", &plan.out);
    let drawn = room.zoosim(&["run", "quiet", "--seed", "3"]);
    let read = room.zoosim(&["replay", "mine.json"]);
    let digest =
        |said: &Said| said.out.trim_end().rsplit('.').next().expect("a name has parts").to_string();
    assert_eq!(drawn.code, 0, "{}{}", drawn.out, drawn.err);
    assert_eq!(digest(&drawn), digest(&read), "{}{}", drawn.out, read.out);
    let early = room.zoosim(&["replay", "mine.json", "--at", "1.5s"]);
    assert_eq!(early.code, 0);
    assert!(early.out.starts_with("1.5"), "{}", early.out);
    assert!(early.out.contains("\np1\n"), "{}", early.out);
    let args = ["replay", "mine.json", "--trace", "--from", "1s", "--to", "2000ms"];
    let trace = room.zoosim(&args);
    let times = trace.out.lines().filter(|line| line.starts_with("    "));
    assert!(times.clone().count() > 10, "{}", trace.out);
    assert!(times.clone().all(|line| line.trim_start().starts_with("1.")), "{}", trace.out);
}

#[test]
fn no_byte_of_a_campaign_depends_on_the_number_of_threads() {
    let room = Room::new("jobs");
    let run = |jobs: &str, json: bool| {
        let mut args = vec!["fuzz", "default", "--seeds", "0..40", "--jobs", jobs];
        if json {
            args.push("--json");
        }
        let said = room.zoosim(&args);
        (said.code, said.out)
    };
    assert_eq!(run("1", false), run("3", false));
    assert_eq!(run("1", true), run("5", true));
}

#[test]
fn a_campaign_stops_where_it_is_told_to() {
    let room = Room::new("stops");
    let planted = ["fuzz", "ack-before-fsync", "--seeds", "0..400", "--stop-after", "3", "--json"];
    let said = room.zoosim(&planted);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let last: serde_json::Value =
        serde_json::from_str(said.out.lines().last().expect("a summary")).expect("JSON");
    let found = last["violated"].as_u64().zip(last["asserted"].as_u64());
    assert_eq!(found.map(|(violated, asserted)| violated + asserted), Some(3));
    assert_eq!(said.out.lines().filter(|line| line.contains("finding/1")).count(), 3);
    let quiet = room.zoosim(&["fuzz", "quiet", "--until-quiet", "5", "--json"]);
    let last: serde_json::Value = serde_json::from_str(quiet.out.trim()).expect("JSON");
    assert_eq!(last["zoosim"], "campaign/1");
    assert!(last["seeds"].as_u64().is_some_and(|seeds| (6..500).contains(&seeds)), "{last}");
}

#[test]
fn a_bug_that_is_not_caught_fails_the_campaign() {
    let room = Room::new("not-caught");
    // One seed in which nothing ever crashes: acks that come too early do no harm.
    let text = room.zoosim(&["plan", "ack-before-fsync", "--seed", "0"]).out;
    let mut plan: serde_json::Value = serde_json::from_str(&text).expect("a plan");
    plan["bugs"] = serde_json::json!([]);
    room.write("right.json", &plan.to_string());
    let said = room.zoosim(&["replay", "right.json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("expected a violation of `"), "{}", said.out);
}

#[test]
fn a_regression_is_tried_first_and_must_be_clean() {
    let room = Room::new("regress");
    let planted = room.zoosim(&["run", "ack-before-fsync"]);
    let refused = room.zoosim(&["regress", "add", token(&planted.out)]);
    assert_eq!(refused.code, 2);
    let wanted = "the plan has planted bugs: `ack_before_fsync`\n\
                  hint: a regression must pass on a right build\n";
    assert_eq!(refused.err, wanted);
    room.write("mine.json", &room.zoosim(&["plan", "quiet", "--seed", "1"]).out);
    let added = room.zoosim(&["regress", "add", "mine.json", "--name", "was-lost"]);
    assert_eq!((added.code, added.out.as_str()), (0, "scenarios/regressions/was-lost.json\n"));
    let args = ["fuzz", "quiet", "--seeds", "0..2", "--json", "--junit", "junit.xml"];
    let said = room.zoosim(&args);
    let last: serde_json::Value = serde_json::from_str(said.out.trim()).expect("JSON");
    assert_eq!(last["sources"][0]["source"], "scenarios/regressions/was-lost.json");
    assert_eq!((last["seeds"].clone(), said.code), (3.into(), 0), "{last}");
    let junit = room.read("junit.xml");
    assert!(junit.contains("<testsuite name=\"quiet\""), "{junit}");
    assert!(junit.contains("<testcase classname=\"quiet\" name=\"Linearizability\"/>"), "{junit}");
}

#[test]
fn lists_name_everything_once() {
    let room = Room::new("lists");
    for what in ["faults", "invariants", "scenarios", "operations", "bugs", "knobs", "moments"] {
        let said = room.zoosim(&["list", what]);
        let mut names: Vec<&str> = said
            .out
            .lines()
            .map(|line| line.split("  ").next().expect("a line has a first word"))
            .collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!((said.code, names.len()), (0, all), "{what}");
        let table = room.zoosim(&["list", what, "--markdown"]);
        assert_eq!(table.out.lines().count(), all + 2, "{what}");
    }
}

#[test]
fn a_library_s_campaign_asserts() {
    zoosim::fuzz("ack-before-fsync").assert_expected();
    zoosim::fuzz("ack-before-fsync").clean().seeds(0..2).assert_pass();
    zoosim::fuzz("quiet").seeds(0..5).assert_pass();
    let failed = std::panic::catch_unwind(|| zoosim::fuzz("ack-before-fsync").assert_pass());
    let report = failed.expect_err("the bug is found");
    let report = report.downcast_ref::<String>().expect("the panic carries the report");
    assert!(token(report).starts_with("z1.ack-before-fsync."), "{report}");
}
