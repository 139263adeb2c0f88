//! Bad input is told from good with a place, a cause and a remedy.

use super::seeds::{parse_seed, parse_seeds, print_seeds};
use super::*;

/// A scenario with one more field.
fn with(field: &str) -> String {
    let head = r#"{ "zoosim": "scenario/1", "title": "t", "why": "w", "expect": "pass","#;
    format!("{head}\n  {field} }}")
}

fn refused(text: &str) -> String {
    Scenario::parse("x.json", text).expect_err("it must be refused").to_string()
}

#[test]
fn malformed_json_is_refused_where_it_breaks() {
    insta::assert_snapshot!(refused("{ \"zoosim\": \"scenario/1\",\n  \"title\" 5 }"), @r#"
    x.json:2:11: expected `:`
    hint: this is not JSON: look for a missing comma, quote or bracket before here
    "#);
    insta::assert_snapshot!(refused(""), @r#"
    x.json:1:1: EOF while parsing a value
    hint: this is not JSON: look for a missing comma, quote or bracket before here
    "#);
    insta::assert_snapshot!(refused("{ \"zoosim\": \"plan/1\" }"), @r#"
    x.json:1:13: `zoosim` is `plan/1`, not `scenario/1`
    hint: `zoosim replay` runs a plan
    "#);
    insta::assert_snapshot!(refused("{ \"zoosim\": \"scenario/9\" }"), @r#"
    x.json:1:13: `zoosim` is `scenario/9`, not `scenario/1`
    hint: this build reads `"zoosim": "scenario/1"` here
    "#);
    insta::assert_snapshot!(refused("[]"), @r#"
    x.json:1:1: `zoosim` is missing
    hint: the first field must be `"zoosim": "scenario/1"`
    "#);
    insta::assert_snapshot!(refused("{ \"zoosim\": \"scenario/1\", \"title\": \"t\" }"), @r#"
    x.json:1:40: missing field `why`
    hint: say why anyone should care: the report prints it
    "#);
}

#[test]
fn unknown_names_come_with_what_may_have_been_meant() {
    insta::assert_snapshot!(refused(&with("\"fautls\": []")), @r#"
    x.json:2:3: unknown field `fautls`
    hint: did you mean `faults`?
    "#);
    let fault =
        r#""faults": [{ "when": { "at": 5 }, "fault": { "partiton": { "split": "ring" } } }]"#;
    insta::assert_snapshot!(refused(&with(fault)), @r#"
    x.json:2:48: unknown fault `partiton`
    hint: did you mean `partition`? `zoosim list faults` shows all
    "#);
    let target = r#""faults": [{ "when": { "at": 5 }, "fault": { "crash": { "peer": "boss" } } }]"#;
    insta::assert_snapshot!(refused(&with(target)), @r#"
    x.json:2:67: unknown target `boss`
    hint: known are `peer`, `leader`, `follower`, `shortest`, `longest`, `same`, `other`
    "#);
    insta::assert_snapshot!(refused(&with("\"knobs\": { \"snap_cout\": 3 }")), @r#"
    x.json:2:27: `knobs.snap_cout` is not a knob
    hint: did you mean `snap_count`? `zoosim list knobs` shows all
    "#);
    insta::assert_snapshot!(refused(&with("\"swarm\": { \"families\": [\"net\", \"crsh\"] }")), @r#"
    x.json:2:34: `swarm.families[1]` is `crsh`, not a family
    hint: did you mean `crash`?
    "#);
    insta::assert_snapshot!(refused(&with("\"swarm\": { \"families\": \"al\" }")), @r#"
    x.json:2:26: unknown word `al`
    hint: did you mean `all`?
    "#);
}

#[test]
fn values_that_no_run_could_have_are_refused() {
    insta::assert_snapshot!(refused(&with("\"voters\": 4")), @r#"
    x.json:2:13: `voters` is 4
    hint: an ensemble has 1, 3, 5 or 7 voters: an even one survives no more than a smaller
    "#);
    insta::assert_snapshot!(refused(&with("\"voters\": [[3, 70],\n [2, 30]]")), @r#"
    x.json:3:3: `voters[1][0]` is 2
    hint: an ensemble has 1, 3, 5 or 7 voters: an even one survives no more than a smaller
    "#);
    insta::assert_snapshot!(refused(&with("\"voters\": \"three\"")), @r#"
    x.json:2:19: invalid type: string "three", expected a number, or a list of [voters, weight]
    hint: the value has another type or length than asked for
    "#);
    insta::assert_snapshot!(refused(&with("\"voters\": 3, \"frail\": [1, 2]")), @r#"
    x.json:2:25: `frail` names 2 of 3 voters
    hint: no ensemble survives that a majority forgets: name at most 1
    "#);
    insta::assert_snapshot!(refused(&with("\"seeds\": \"9..3\"")), @r#"
    x.json:2:12: `seeds` `9..3` holds no seed
    hint: the end is not part of a range: `0..1` is seed 0
    "#);
    insta::assert_snapshot!(refused(&with("\"workload\": { \"clients\": [0, 4] }")), @r#"
    x.json:2:29: `workload.clients[0]` is 0
    hint: it may be 1 to 12
    "#);
}

#[test]
fn faults_that_no_ensemble_could_survive_are_refused() {
    let wipe = r#""voters": 3, "frail": [1], "faults": [
    { "when": { "at": 5 }, "fault": { "wipe": { "peer": { "peer": 2 }, "down": 9 } } }]"#;
    insta::assert_snapshot!(refused(&with(wipe)), @r#"
    x.json:3:57: `faults[0].fault.wipe.peer` is not a frail peer
    hint: only peers in `frail` may lose or damage what is durable: write `{"peer": N}`, and N there
    "#);
    let rot = r#""voters": 3, "frail": [1], "faults": [
    { "when": { "at": 5 }, "fault": { "rot": { "peer": "leader", "file": "log" } } }]"#;
    insta::assert_snapshot!(refused(&with(rot)), @r#"
    x.json:3:56: `faults[0].fault.rot.peer` is not a frail peer
    hint: only peers in `frail` may lose or damage what is durable: write `{"peer": N}`, and N there
    "#);
    let late = r#""calm_at": 100, "faults": [
    { "when": { "at": 500 }, "fault": { "pause": { "peer": "leader", "ms": 9 } } }]"#;
    insta::assert_snapshot!(refused(&with(late)), @r#"
    x.json:3:23: `faults[0].when.at` is 500, too late to happen
    hint: every injector stops at `calm_at`, 100 ms
    "#);
    let first = r#""faults": [
    { "when": { "then": 5 }, "fault": { "pause": { "peer": "leader", "ms": 9 } } }]"#;
    insta::assert_snapshot!(refused(&with(first)), @r#"
    x.json:3:15: `faults[0].when` is `then`
    hint: write `{"at": ms}`: the first fault follows none
    "#);
}

/// The error without its place.
fn cause(text: &str) -> String {
    let error = refused(&with(text));
    error.split_once(": ").expect("a place comes first").1.to_string()
}

#[test]
fn what_lasts_strikes_frail_peers_only_and_has_no_end() {
    let faults = |fault: &str| {
        let when = r#""when": { "at": 5 }"#;
        format!(r#""voters": 3, "frail": [1], "faults": [{{ {when}, "fault": {fault} }}]"#)
    };
    let crash = r#"{ "crash": { "peer": { "peer": 2 }, "lasting": true } }"#;
    let frail = "is not a frail peer\nhint: only peers in `frail` may lose or damage what is \
                 durable: write `{\"peer\": N}`, and N there";
    assert_eq!(cause(&faults(crash)), format!("`faults[0].fault.crash.peer` {frail}"));
    let scatter = r#"{ "crash": { "peer": "leader", "down": 9, "scatter": true } }"#;
    assert_eq!(cause(&faults(scatter)), format!("`faults[0].fault.crash.peer` {frail}"));
    let both = r#"{ "crash": { "peer": { "peer": 1 }, "down": 9, "lasting": true } }"#;
    assert_eq!(
        cause(&faults(both)),
        "`faults[0].fault.crash.down` is `lasting`, too\n\
         hint: a peer that is down for good does not start again: leave `down` out"
    );
    let hang = r#"{ "disk_hang": { "peer": { "peer": 3 }, "device": "log", "lasting": true } }"#;
    assert_eq!(cause(&faults(hang)), format!("`faults[0].fault.disk_hang.peer` {frail}"));
    let ends = r#"{ "disk_hang": { "peer": { "peer": 1 }, "device": "log", "ms": 1,
        "lasting": true } }"#;
    assert_eq!(
        cause(&faults(ends)),
        "`faults[0].fault.disk_hang.ms` is `lasting`, too\n\
         hint: a device that hangs for good does not wake: leave `ms` out"
    );
}

#[test]
fn a_ratio_of_nothing_and_a_sign_that_matters_are_told_as_they_are() {
    let disk = |ratio: &str| {
        let law = r#"{ "uniform": { "min_us": 1, "max_us": 2 } }"#;
        let laws = format!(r#""log_sync": {law}, "snap_sync": {law}, "read": {law}"#);
        format!(r#""disk": {{ {laws}, "sector": 512, "keep": {ratio} }}"#)
    };
    let hint = "hint: a ratio is `[favourable, all]`, at most 1; never is `[0, 1]`";
    for (ratio, what) in [("[1, 0]", "1 in 0"), ("[0, 0]", "0 in 0"), ("[3, 2]", "3 in 2")] {
        assert_eq!(cause(&disk(ratio)), format!("`disk.keep` is {what}\n{hint}"));
    }
    assert_eq!(
        cause(r#""clocks": [{ "peer": 1, "drift_ppm": -1000000 }]"#),
        "`clocks[0].drift_ppm` is -1000000\nhint: it may be -500000 to 500000"
    );
    let step = r#""faults": [{ "when": { "at": 5 }, "fault": { "wall_step": { "peer": "leader",
        "ms": -99999999999 } } }]"#;
    assert_eq!(
        cause(step),
        "`faults[0].fault.wall_step.ms` is -99999999999\n\
         hint: it may be -3600000000 to 3600000000"
    );
}

#[test]
fn multis_do_not_nest() {
    let client = r#""clients": [{ "timeout_ms": 900, "driver": { "script": [
    { "call": { "multi": [{ "multi": [] }] } }] } }]"#;
    insta::assert_snapshot!(refused(&with(client)), @r#"
    x.json:3:27: `clients[0].driver.script[0].call.multi[0]` is not for a multi
    hint: multis do not nest
    "#);
    let client = r#""clients": [{ "timeout_ms": 900, "driver": { "script": [
    { "call": { "delete": { "path": "/a/", "version": -1 } } }] } }]"#;
    insta::assert_snapshot!(refused(&with(client)), @r#"
    x.json:3:37: `clients[0].driver.script[0].call.delete.path` is `/a/`, not a path
    hint: write `/` and names with `/` between them, none of them empty, `.` or `..`
    "#);
}

/// However deep somebody nests, it is an error and not an overflow of the stack.
#[test]
fn deep_nesting_is_an_error() {
    let deep = format!("{}{}", "{\"multi\": [".repeat(10_000), "]}".repeat(10_000));
    let error = Scenario::parse("x.json", &with(&format!("\"clients\": [{deep}]"))).unwrap_err();
    assert_eq!(error.what, "recursion limit exceeded");
}

/// Cutting a valid text anywhere, or changing a byte, never panics.
#[test]
fn no_text_makes_the_reader_panic() {
    let (_, text) = scenario::embedded()[1];
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        assert!(Scenario::parse("x.json", &text[..cut]).is_err() || text[cut..].trim().is_empty());
    }
    for at in 0..text.len() {
        for byte in [b'"', b'{', b']', b'9', b'\\', b' '] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = byte;
            let changed = String::from_utf8_lossy(&bytes);
            let _ = Scenario::parse("x.json", &changed).map_err(|error| error.to_string());
        }
    }
}

#[test]
fn seeds_are_read_in_many_ways_and_printed_in_one() {
    let printed = |text: &str| print_seeds(&parse_seeds(text).unwrap());
    assert_eq!(printed("0..1000"), "0..1000");
    assert_eq!(printed("0x5eed"), "24301");
    assert_eq!(printed("0x10..0x20"), "16..32");
    assert_eq!(printed("18446744073709551615"), "18446744073709551615");
    let commit = "33dbcf7a00000000ffffffffffffffff00000000";
    assert_eq!(parse_seed(commit).unwrap(), 0x33db_cf7a_0000_0000);
    for bad in
        ["", "-1", "+1", "0x", "1..", "..1", "5..5", "9..3", "1..2..3", "18446744073709551616"]
    {
        assert!(parse_seeds(bad).is_err(), "{bad:?}");
    }
    insta::assert_snapshot!(parse_seeds("ten").unwrap_err(), @r#"
    `seed` `ten` is not a seed below 2^64
    hint: write `42`, `0x5eed`, or a commit's 40 hexadecimal digits; a range is `0..1000`
    "#);
    insta::assert_snapshot!(Scenario::embedded("epoch-rase").unwrap_err(), @r#"
    `scenario` `epoch-rase` is not known
    hint: did you mean `epoch-race`?
    "#);
}

#[test]
fn forks_that_no_run_can_take_are_refused() {
    let plan = draw(&Scenario::embedded("default").expect("it is embedded"), 1);
    let with = |forks: &[(u64, u64)]| {
        let forks = forks.iter().map(|(step, salt)| Fork { step: *step, salt: *salt }).collect();
        let plan = Plan { forks, ..plan.clone() };
        let text = serde_json::to_string(&plan).expect("a plan is plain data");
        Plan::parse("x.json", &text).map_err(|error| format!("{}; {}", error.what, error.hint))
    };
    assert!(with(&[(5, 1), (900, 1)]).is_ok());
    let many: Vec<(u64, u64)> = (1..=65).map(|step| (step, 1)).collect();
    let wrong: [(&[(u64, u64)], &str); 5] = [
        (&[(0, 1)], "`forks[0].step` is 0; it may be 1 to 20000000"),
        (&[(20_000_001, 1)], "`forks[0].step` is 20000001; it may be 1 to 20000000"),
        (&[(9, 1), (9, 2)], "is 9, not behind step 9 of the fork before it"),
        (&[(9, 1), (5, 2)], "is 5, not behind step 9 of the fork before it"),
        (&many, "`forks` are 65; at most 64 make a plan"),
    ];
    for (forks, why) in wrong {
        let refused = with(forks).expect_err(why);
        assert!(refused.contains(why), "{refused}");
    }
}
