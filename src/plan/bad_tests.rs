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
    insta::assert_snapshot!(refused("{ \"zoosim\": \"scenario/1\",\n  \"title\" 5 }"), @"");
    insta::assert_snapshot!(refused(""), @"");
    insta::assert_snapshot!(refused("{ \"zoosim\": \"plan/1\" }"), @"");
    insta::assert_snapshot!(refused("[]"), @"");
    insta::assert_snapshot!(refused("{ \"zoosim\": \"scenario/1\", \"title\": \"t\" }"), @"");
}

#[test]
fn unknown_names_come_with_what_may_have_been_meant() {
    insta::assert_snapshot!(refused(&with("\"fautls\": []")), @"");
    let fault =
        r#""faults": [{ "when": { "at": 5 }, "fault": { "partiton": { "split": "ring" } } }]"#;
    insta::assert_snapshot!(refused(&with(fault)), @"");
    let target = r#""faults": [{ "when": { "at": 5 }, "fault": { "crash": { "peer": "boss" } } }]"#;
    insta::assert_snapshot!(refused(&with(target)), @"");
    insta::assert_snapshot!(refused(&with("\"knobs\": { \"snap_cout\": 3 }")), @"");
    insta::assert_snapshot!(refused(&with("\"swarm\": { \"families\": [\"net\", \"crsh\"] }")), @"");
    insta::assert_snapshot!(refused(&with("\"swarm\": { \"families\": \"al\" }")), @"");
}

#[test]
fn values_that_no_run_could_have_are_refused() {
    insta::assert_snapshot!(refused(&with("\"voters\": 4")), @"");
    insta::assert_snapshot!(refused(&with("\"voters\": [[3, 70],\n [2, 30]]")), @"");
    insta::assert_snapshot!(refused(&with("\"voters\": \"three\"")), @"");
    insta::assert_snapshot!(refused(&with("\"voters\": 3, \"frail\": [1, 2]")), @"");
    insta::assert_snapshot!(refused(&with("\"seeds\": \"9..3\"")), @"");
    insta::assert_snapshot!(refused(&with("\"workload\": { \"clients\": [0, 4] }")), @"");
}

#[test]
fn faults_that_no_ensemble_could_survive_are_refused() {
    let wipe = r#""voters": 3, "frail": [1], "faults": [
    { "when": { "at": 5 }, "fault": { "wipe": { "peer": { "peer": 2 }, "down": 9 } } }]"#;
    insta::assert_snapshot!(refused(&with(wipe)), @"");
    let rot = r#""voters": 3, "frail": [1], "faults": [
    { "when": { "at": 5 }, "fault": { "rot": { "peer": "leader", "file": "log" } } }]"#;
    insta::assert_snapshot!(refused(&with(rot)), @"");
    let late = r#""calm_at": 100, "faults": [
    { "when": { "at": 500 }, "fault": { "pause": { "peer": "leader", "ms": 9 } } }]"#;
    insta::assert_snapshot!(refused(&with(late)), @"");
    let first = r#""faults": [
    { "when": { "then": 5 }, "fault": { "pause": { "peer": "leader", "ms": 9 } } }]"#;
    insta::assert_snapshot!(refused(&with(first)), @"");
}

#[test]
fn multis_do_not_nest() {
    let client = r#""clients": [{ "timeout_ms": 900, "driver": { "script": [
    { "call": { "multi": [{ "multi": [] }] } }] } }]"#;
    insta::assert_snapshot!(refused(&with(client)), @"");
    let client = r#""clients": [{ "timeout_ms": 900, "driver": { "script": [
    { "call": { "delete": { "path": "/a/", "version": -1 } } }] } }]"#;
    insta::assert_snapshot!(refused(&with(client)), @"");
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
    insta::assert_snapshot!(parse_seeds("ten").unwrap_err(), @"");
    insta::assert_snapshot!(Scenario::embedded("epoch-rase").unwrap_err(), @"");
}
