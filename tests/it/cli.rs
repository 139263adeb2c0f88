//! The command as people and scripts meet it: what it prints, what it leaves behind, how it ends.
#![allow(clippy::disallowed_methods, reason = "files are what the command leaves behind")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A folder to run in, empty at first, and what the command said there.
pub struct Room(PathBuf);

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A command that goes on until it is interrupted.
pub struct Running(Child, BufReader<ChildStdout>);

impl Running {
    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("it prints UTF-8");
        line
    }

    /// Until it catches Ctrl-C, which before that ends it like any other program; where the system
    /// does not tell, for a while.
    pub fn until_it_listens(&self) {
        for _ in 0..500 {
            let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
            let status = status.unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
            if caught.is_some_and(|bits| bits & 0b10 != 0) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Ctrl-C; what it then had yet to say.
    pub fn interrupt(mut self) -> Said {
        let kill = format!("kill -INT {}", self.0.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(status.success(), "it still ran");
        let mut rest = Vec::new();
        self.1.read_to_end(&mut rest).expect("it can be read to its end");
        let ended = self.0.wait_with_output().expect("it ends");
        Said::of(Output { stdout: rest, ..ended })
    }
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command writes UTF-8");
        let code = output.status.code().expect("no signal ended it");
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }
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
        Said::of(output)
    }

    /// Starts a command that somebody will interrupt.
    pub fn begin(&self, args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoosim"));
        command.args(args).current_dir(&self.0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        let out = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Running(child, out)
    }

    pub fn path(&self) -> &Path {
        &self.0
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
            "`seed` `x` is not a seed below 2^64\n\
             hint: write `42`, `0x5eed`, or a commit's 40 hexadecimal digits; a range is \
             `0..1000`\n",
        ),
        (
            &["run", "default", "--seed", "0..10"],
            "`seed` `0..10` is not a seed below 2^64\n\
             hint: name one seed here, not a range: `42`\n",
        ),
        (
            &["fuzz", "--seeds", "-5..5"],
            "`-5` is below zero\nhint: seeds, peers, times and counts are 0 or more\n",
        ),
        (
            &["fuzz", "ack-before-fsync", "--bug", "cversion_replay"],
            "`ack-before-fsync` plants `ack_before_fsync` already: with `cversion_replay` beside \
             it nobody could tell which was caught\n\
             hint: name a scenario without bugs, for instance `default`\n",
        ),
        (&["fuzz", "quiet", "quiet"], "scenario `quiet` is named twice\nhint: name each once\n"),
        (
            &["shrink", "z1.default.00000000.1.-.00000000", "--seed", "1"],
            "`z1.default.00000000.1.-.00000000` is a token, which says its seed\n\
             hint: leave `--seed` out\n",
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
    let refused = |args: &[&str], wanted: &str| {
        let said = room.zoosim(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}");
        assert!(said.err.starts_with(wanted), "{args:?}: {}", said.err);
    };
    let scenario = "`quiet` is a scenario, which draws another run for each seed\nhint: `";
    refused(&["explain", "quiet"], &format!("{scenario}--seed N` names one\n"));
    refused(&["replay", "quiet"], &format!("{scenario}zoosim run quiet --seed N` runs one"));
    std::fs::create_dir_all(room.path().join("some/run")).expect("a directory can be made");
    refused(&["replay", "some"], "some: is a directory\nhint: name a file\n");
    room.write("some/run/plan.json", "{}");
    let plan = "some/run: is a directory\nhint: name `some/run/plan.json` in it\n";
    refused(&["replay", "some/run"], plan);
    let times = ["run", "quiet", "--seed", "1", "--trace", "--from", "3s", "--to", "1s"];
    refused(&times, "`--from` 3.000000s is behind `--to` 1.000000s: nothing lies between");
    let property = ["bench", "mutations", "--property", "Durabilty"];
    refused(
        &property,
        "`property` `Durabilty` is not a property\nhint: did you mean `Durability`?",
    );
    // What is of another sort names the verb for it; what is JSON is not called anything else.
    room.write("p.json", &room.zoosim(&["plan", "quiet", "--seed", "1"]).out);
    let sort = "p.json:2:13: `zoosim` is `plan/1`, not `scenario/1`\nhint: `zoosim replay` runs";
    refused(&["run", "p.json"], sort);
    room.write("true.json", &scenario_with("\"expect\": true"));
    let said = room.zoosim(&["run", "true.json"]);
    assert!(said.code == 2 && !said.err.contains("not JSON"), "{}", said.err);
    room.write("plan", &room.read("p.json"));
    refused(&["replay", "plan"], "`plan` is a file, not a token\nhint: `./plan` names it\n");
    for jobs in ["0", "1025", "18446744073709551615"] {
        assert_eq!(room.zoosim(&["fuzz", "quiet", "--jobs", jobs]).code, 2, "{jobs}");
    }
    room.write("empty.jsonl", "");
    let table = ["bench", "bugs", "--table", "empty.jsonl"];
    refused(&table, "empty.jsonl: it holds no whole line\nhint: ");
    for args in [&["fly"][..], &["run"], &["replay", "x", "--at", "soon"], &["list", "cats"]] {
        assert_eq!(room.zoosim(args).code, 2, "{args:?}");
    }
}

/// A scenario that runs, but for what stands on its second line.
fn scenario_with(line: &str) -> String {
    let expect = if line.contains("\"expect\"") { "" } else { "\"expect\": \"pass\"," };
    format!("{{\"zoosim\": \"scenario/1\", \"title\": \"t\", \"why\": \"w\", {expect}\n{line}}}\n")
}

#[test]
fn names_that_nobody_knows_are_refused_where_they_stand_and_their_message_is_fresh() {
    let room = Room::new("bad-names");
    let moment = |on: &str| {
        let when = format!("{{\"moment\": {{\"on\": {on}, \"nth\": 1}}}}");
        let fault = "{\"crash\": {\"peer\": \"same\", \"down\": 9}}";
        format!("\"faults\": [{{\"when\": {when}, \"fault\": {fault}}}]")
    };
    let client = |program: &str| {
        let driver = format!("{{\"program\": {program}}}");
        format!("\"clients\": [{{\"timeout_ms\": 900, \"driver\": {driver}}}]")
    };
    let slow = "{\"uniform\": {\"min_us\": 1, \"max_us\": 2}}";
    let at = "\"faults\": [{\"when\": {\"at\": 5}, \"fault\": {\"pause\": {\"peer\":";
    let lines = [
        moment("{\"send\": \"PROPOSL\"}"),
        moment("{\"receive\": \"ACKEPOC\"}"),
        moment("{\"write\": \"snapshto\"}"),
        moment("{\"note\": \"establishd\"}"),
        moment("{\"note\": \"xyzzy\"}"),
        format!("\"work\": {{\"delay\": {slow}, \"slow\": [[\"zab.aply\", {slow}]]}}"),
        client("{\"name\": \"lock_holdr\"}"),
        client("{\"name\": \"lock_holder\", \"params\": {\"hold_sm\": 5}}"),
        "\"expect\": {\"violation\": [\"Durability\", \"Agreemnt\"]}".to_string(),
        "\"bugs\": [\"ack_before_fsnc\"]".to_string(),
        "\"invariants\": [\"my_own\"]".to_string(),
        "\"protocol\": \"zap\"".to_string(),
        format!("{at} \"same\", \"ms\": 9}}}}}}]"),
        format!("{at} \"other\", \"ms\": 9}}}}}}]"),
    ];
    let mut all = String::new();
    let mut refused = |name: &str, text: &str, verb: &[&str]| {
        room.write(name, text);
        let said = room.zoosim(verb);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{text}");
        all.push_str(&format!("{}\n", said.err));
    };
    for line in &lines {
        refused("x.json", &scenario_with(line), &["run", "x.json", "--seed", "1"]);
    }
    let plan = room.zoosim(&["plan", "ack-before-fsync", "--seed", "0"]).out;
    for (right, wrong) in [("\"ack_before_fsync\"", "\"ack_before\""), ("\"zab\"", "\"zb\"")] {
        assert!(plan.contains(right), "{plan}");
        refused("p.json", &plan.replace(right, wrong), &["replay", "p.json"]);
    }
    crate::gallery::must_be_fresh("tests/it/golden/bad-names.txt", &all);
    // What a kit was not told it takes: a protocol of one's own has words of its own.
    room.write("x.json", &scenario_with(&moment("{\"note\": \"established\"}")));
    assert_eq!(room.zoosim(&["run", "x.json", "--seed", "1"]).code, 0);
}

#[test]
fn what_cannot_be_written_is_told_before_anything_runs() {
    let room = Room::new("unwritable");
    room.write("file.txt", "");
    let cases: &[(&[&str], &str)] = &[
        (&["--junit", "no/junit.xml"], "`--junit FILE` names another place\n"),
        (&["--out", "file.txt/runs"], "`--out DIR` names another place\n"),
        (&["--ledger", "file.txt/l.jsonl"], "name a file in another place\n"),
    ];
    for (option, hint) in cases {
        let said = room.zoosim(&[&["fuzz", "quiet", "--seeds", "0..2"], *option].concat());
        let (first, rest) = said.err.split_once('\n').expect("a hint follows");
        assert!(first.contains(": cannot be written: "), "{}", said.err);
        assert!(first.starts_with(option[1].split('/').next().expect("a path")), "{first}");
        // No status line: nothing has run.
        assert_eq!((said.code, said.out.as_str(), rest), (2, "", &*format!("hint: {hint}")));
    }
    let args = ["crashpoints", "quiet", "--seed", "1", "--out", "file.txt/runs"];
    assert!(room.zoosim(&args).err.starts_with("file.txt/runs: cannot be written: "));
    for (out, hint) in [("small", "small.json"), ("s.txt", "s.json"), (".", "./small.json")] {
        let said = room.zoosim(&["shrink", "ack-before-fsync", "--seed", "0", "--out", out]);
        assert!(said.err.ends_with(&format!("\nhint: `--out {hint}`\n")), "{}", said.err);
        assert_eq!((said.code, said.out.as_str()), (2, ""));
    }
    let args = ["shrink", "ack-before-fsync", "--seed", "0", "--out", "file.txt/small.json"];
    assert!(room.zoosim(&args).err.starts_with("file.txt: cannot be written: "));
}

#[test]
fn each_verb_has_help_with_an_example() {
    let room = Room::new("help");
    for verb in [
        "run",
        "plan",
        "replay",
        "fuzz",
        "shrink",
        "explain",
        "crashpoints",
        "regress",
        "list",
        "bench",
    ] {
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
        "this build behaves differently, or the token was altered: it is of run `00000000`, this \
         was `{digest}`\n"
    );
    assert!(other.err.starts_with(&wanted), "{}", other.err);
    (parts[2], parts[5]) = (hash, digest);
    let recipe = parts[4];
    for odd in ["moments-1", "branch", "branch-18446744073709551616-1", "branch-5-1-4-1--clean"] {
        parts[4] = odd;
        let said = room.zoosim(&["replay", &parts.join(".")]);
        let wanted =
            format!("`token` has no recipe in `{odd}`\nhint: a recipe is `-`, `clean` or ");
        assert!(said.code == 2 && said.err.starts_with(&wanted), "{}", said.err);
    }
    (parts[2], parts[4], parts[5]) = ("00000000", recipe, digest);
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
    let late = room.zoosim(&["replay", "mine.json", "--at", "9999s"]);
    let ends = ": the run ends here, before 9999.000000s\n";
    assert!(late.code == 0 && late.out.contains(ends), "{}", late.out);
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
    let signatures = last["signatures"].as_array().map_or(0, Vec::len);
    let shown = said.out.lines().filter(|line| line.contains("finding/1")).count();
    assert!(shown > 0 && shown == signatures, "the first of each: {}", said.out);
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
fn a_campaign_says_how_often_what_it_planted_was_hit() {
    let room = Room::new("hits");
    let text = room.zoosim(&["fuzz", "ack-before-fsync", "--seeds", "0..8", "--no-shrink"]).out;
    let hit = "\nplanted bug `ack_before_fsync` in `ack-before-fsync`: hit ";
    assert!(text.contains(hit) && text.contains(" seeds\n"), "{text}");
    // Three seeds never come near the end of an epoch's numbers.
    let rare = ["fuzz", "quiet", "--bug", "zxid_rollover", "--seeds", "0..3"];
    let said = room.zoosim(&rare);
    let never = "`zxid_rollover` was never hit: none of 3 seeds reaches it\n";
    assert!(said.code == 1 && said.out.contains(never), "{}", said.out);
}

#[test]
fn a_regression_is_tried_first_and_must_be_clean() {
    let room = Room::new("regress");
    let planted = room.zoosim(&["run", "ack-before-fsync"]);
    let refused = room.zoosim(&["regress", "add", token(&planted.out)]);
    assert_eq!(refused.code, 2);
    let wanted = "the plan has planted bugs: `ack_before_fsync`\n\
                  hint: a regression must pass on a right build: `--clean` takes them out\n";
    assert_eq!(refused.err, wanted);
    room.write("mine.json", &room.zoosim(&["plan", "quiet", "--seed", "1"]).out);
    let added = room.zoosim(&["regress", "add", "mine.json", "--name", "was-lost"]);
    assert_eq!((added.code, added.out.as_str()), (0, "scenarios/regressions/was-lost.json\n"));
    let args = ["fuzz", "quiet", "--seeds", "0..2", "--json", "--junit", "junit.xml"];
    let said = room.zoosim(&args);
    let last: serde_json::Value = serde_json::from_str(said.out.trim()).expect("JSON");
    assert_eq!(last["sources"][0]["source"], "scenarios/regressions/was-lost.json");
    assert_eq!((last["seeds"].clone(), said.code), (2.into(), 0), "a plan is no seed: {last}");
    let kept = &last["regressions"];
    assert_eq!((&kept["plans"], &kept["passed"]), (&1.into(), &1.into()), "{last}");
    assert_eq!((&last["novelty"]["seeds"], &last["sources"][0]["seeds"]), (&2.into(), &1.into()));
    let text = room.zoosim(&["fuzz", "quiet", "--seeds", "0..2"]).out;
    assert!(text.starts_with("\n2 seeds: 2 passed, 0 violated, "), "{text}");
    assert!(text.contains("\n1 regression plans passed\n"), "{text}");
    let junit = room.read("junit.xml");
    assert!(junit.contains("<testsuite name=\"quiet\""), "{junit}");
    assert!(junit.contains("<testcase classname=\"quiet\" name=\"Linearizability\"/>"), "{junit}");
}

#[test]
fn a_failing_run_shrinks_to_a_plan_that_is_a_regression_test() {
    let room = Room::new("shrink");
    let said = room.zoosim(&["run", "ack-before-fsync"]);
    let found = token(&said.out).to_string();
    let small = room.zoosim(&["shrink", &found, "--out", "small.json"]);
    assert_eq!(small.code, 0, "{}", small.err);
    assert!(small.out.starts_with("shrunk `Durability/acked/down/down`\n"), "{}", small.out);
    assert!(small.out.contains("without `ack_before_fsync` the small plan passes"));
    assert!(small.out.ends_with("replay it\n  zoosim replay small.json\n"), "{}", small.out);
    assert_eq!(room.read("small.txt"), small.out);
    let again = room.zoosim(&["replay", "small.json"]);
    assert_eq!(again.code, 0, "what is expected is caught: {}{}", again.out, again.err);
    assert!(again.out.contains("VIOLATION of Durability (acked)"), "{}", again.out);
    let value = room.zoosim(&["shrink", "small.json", "--json", "--out", "smaller.json"]);
    let value: serde_json::Value = serde_json::from_str(value.out.trim()).expect("JSON");
    assert_eq!(value["zoosim"], "shrunk/1");
    assert!(value["after"]["size"]["faults"].as_u64().is_some_and(|faults| faults <= 6));
    assert!(value["after"]["size"]["calls"].as_u64().is_some_and(|calls| calls <= 6));
    let add = ["regress", "add", "small.json", "--clean", "--name", "early-ack"];
    let kept = room.zoosim(&add);
    assert_eq!((kept.code, kept.out.as_str()), (0, "scenarios/regressions/early-ack.json\n"));
    let quiet = room.zoosim(&["fuzz", "quiet", "--seeds", "0..1"]);
    assert_eq!(quiet.code, 0, "{}", quiet.out);
    let none = room.zoosim(&["shrink", "scenarios/regressions/early-ack.json"]);
    let wanted = "scenarios/regressions/early-ack.json, seed 0: there is nothing to shrink: it \
                  passes\nhint: name a run that fails\n";
    assert_eq!((none.code, none.err.as_str()), (2, wanted));
}

#[test]
fn an_explanation_with_its_past_its_neighbour_and_its_curve_is_fresh() {
    let room = Room::new("explain");
    room.zoosim(&["shrink", "ack-before-fsync", "--seed", "0", "--out", "small.json"]);
    let args = ["explain", "small.json", "--points", "8", "--tails", "4"];
    let (one, two) = (room.zoosim(&args), room.zoosim(&args));
    assert_eq!((one.code, &one.out), (0, &two.out), "{}", one.err);
    crate::gallery::must_be_fresh("tests/it/golden/explained.txt", &one.out);
    let mut json = args.to_vec();
    json.push("--json");
    let said = room.zoosim(&json);
    let value: serde_json::Value = serde_json::from_str(said.out.trim()).expect("JSON");
    assert_eq!(value["zoosim"], "explained/1");
    assert_eq!(value["curve"]["points"].as_array().map(Vec::len), Some(9));
    let none = room.zoosim(&["explain", "quiet", "--seed", "0", "--points", "2"]);
    let wanted = "quiet, seed 0: there is nothing to explain: nothing is violated\n\
                  hint: name a run that fails\n";
    assert_eq!((none.code, none.err.as_str()), (2, wanted));
}

#[test]
fn crash_points_are_counted_and_what_they_find_replays() {
    let room = Room::new("crashpoints");
    // Seed 1 is one peer alone, seed 2 three.
    let said = |seed: &str, more: &[&str]| {
        let mut args = vec!["crashpoints", "quiet", "--seed", seed];
        args.extend(more);
        room.zoosim(&args)
    };
    let right = said("1", &["--json", "--jobs", "1"]);
    assert_eq!(right.code, 0, "{}{}", right.out, right.err);
    assert_eq!(right.out, said("1", &["--json", "--jobs", "3"]).out);
    let value: serde_json::Value = serde_json::from_str(right.out.trim()).expect("JSON");
    let points = value["points"].as_u64().expect("a number");
    let table = value["table"].as_array().expect("a table");
    let sum = |of: &str| table.iter().filter_map(|row| row[of].as_u64()).sum::<u64>();
    assert_eq!((sum("points"), sum("passed")), (points, points), "all of them pass");
    assert!(points > 50, "{points}");
    let planted = said("2", &["--peer", "2", "--bug", "ack_before_fsync", "--json"]);
    assert_eq!(planted.code, 0, "crashes alone catch it: {}{}", planted.out, planted.err);
    let value: serde_json::Value = serde_json::from_str(planted.out.trim()).expect("JSON");
    let replay = value["violations"][0]["replay"].as_str().expect("a command").to_string();
    let words: Vec<&str> = replay.split_whitespace().skip(1).collect();
    let again = room.zoosim(&words);
    assert_eq!(again.code, 0, "{replay}: {}{}", again.out, again.err);
    let text = said("1", &["--peer", "1"]).out;
    assert!(text.contains("no crash shows a violation"), "{text}");
    assert!(text.contains("\n  send to_client "), "{text}");
    // One peer alone has nobody to vote with.
    let missed = said("1", &["--peer", "1", "--bug", "vote_order_not_total"]);
    let wanted = "\nno crash shows a violation\nnot caught: expected a violation within ";
    assert!(missed.code == 1 && missed.out.contains(wanted), "{}", missed.out);
    let nobody = said("2", &["--peer", "200"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.starts_with("`quiet`, seed 2 has no peer p200\nhint: "), "{}", nobody.err);
    let fails = room.zoosim(&["crashpoints", "ack-before-fsync", "--seed", "0"]);
    assert_eq!(fails.code, 2, "{}", fails.out);
    assert!(fails.err.contains("fails without any crash added: Durability/"), "{}", fails.err);
}

#[test]
fn a_campaign_says_how_likely_something_new_is() {
    let room = Room::new("novelty");
    let said = room.zoosim(&["fuzz", "quiet", "--seeds", "0..6", "--json"]);
    let value: serde_json::Value = serde_json::from_str(said.out.trim()).expect("JSON");
    let novelty = &value["novelty"];
    let number = |name: &str| novelty[name].as_u64().expect("a number");
    assert_eq!(number("seeds"), 6);
    assert!(number("behaviours") > 50 && number("alone") <= 6, "{novelty}");
    assert_eq!(number("chance_ppm"), number("alone") * 1_000_000 / 6);
    assert!(value["totals"]["pairs"]["leading > epoch_proposed"].as_u64() > Some(0));
    assert!(value["reached"]["notes"][0].as_u64() > Some(10), "{}", value["reached"]);
    let text = room.zoosim(&["fuzz", "quiet", "--seeds", "0..6", "--coverage"]).out;
    assert!(text.contains(" seeds showed one that no other did: the next shows something"));
    assert!(text.contains("\nnotes right behind notes, at one peer:\n"), "{text}");
    assert!(text.contains(" leading > epoch_proposed\n"), "{text}");
}

#[test]
fn a_campaign_shrinks_the_first_finding_of_each_signature() {
    let room = Room::new("fuzz-shrinks");
    let args = ["fuzz", "ack-before-fsync", "--seeds", "0..6", "--json"];
    let said = room.zoosim(&args);
    let lines = said.out.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<serde_json::Value> = lines.collect();
    let of = |what: &str| lines.iter().filter(|line| line["zoosim"] == what).count();
    let last = lines.last().expect("a summary");
    let signatures = last["signatures"].as_array().map_or(0, Vec::len);
    assert!(signatures > 0 && of("shrunk/1") == signatures, "{}", said.out);
    let small = lines.iter().find(|line| line["zoosim"] == "shrunk/1").expect("one at least");
    let path = small["plan"].as_str().expect("a path");
    assert_eq!(room.zoosim(&["replay", path]).code, 0, "{path}");
    let plain = room.zoosim(&["fuzz", "ack-before-fsync", "--seeds", "0..6", "--no-shrink"]);
    assert!(!plain.out.contains("shrunk `"), "{}", plain.out);
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
