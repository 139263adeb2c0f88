//! One plan, one run: in one process and in two, on one thread and on several, cloned midway, and
//! in a debug build as in a release build.
//!
//! `golden/runs.txt` (scenario, seed, steps, digest) is one table for all profiles: `cargo test`
//! and `cargo test --release` compare with the same lines, and `.ci/run` asks the release binary
//! for the campaign of `golden/digests.txt`. A changed digest is a changed line in a diff, to be
//! reviewed. After a change that is meant to change runs,
//! `INSTA_UPDATE=always cargo test --test it fresh` writes all of them, the gallery and the
//! README's tables too.

use std::fmt::Write;

use zoosim::base::Digest;
use zoosim::kit::Kit;
use zoosim::run::Run;

use crate::cli::Room;
use crate::gallery::must_be_fresh;
use crate::scenarios::plan;

fn begin(name: &str, seed: u64) -> Run {
    Run::new(plan(name, seed), &Kit::standard()).expect("known names")
}

fn digest(name: &str, seed: u64) -> Digest {
    begin(name, seed).finish_all().0.digest
}

#[test]
fn the_same_seed_runs_the_same_twice() {
    for seed in 0..20 {
        assert_eq!(digest("default", seed), digest("default", seed), "seed {seed}");
    }
    assert_ne!(digest("default", 0), digest("default", 1), "seeds matter");
}

#[test]
fn the_golden_digests_are_fresh() {
    let mut table = String::new();
    for (name, seed) in [
        ("default", 0),
        ("default", 1),
        ("default", 2),
        ("default", 1_000_003),
        ("quiet", 0),
        ("standalone", 0),
        ("power-loss-of-all", 0),
        ("old-leader-gets-trunc", 0),
        ("lagging-follower-gets-snap", 0),
        ("rot-on-a-minority", 0),
        ("session-expiry-race", 0),
        ("ack-before-fsync", 0),
    ] {
        let (ran, _) = begin(name, seed).finish_all();
        writeln!(table, "{name} {seed} {} {}", ran.end.step, ran.digest).expect("a string grows");
    }
    must_be_fresh("tests/it/golden/runs.txt", &table);
}

/// The summary's line of this campaign, for binaries of any profile to be compared with.
#[test]
fn the_digest_of_a_whole_campaign_is_fresh() {
    let said = Room::new("golden").zoosim(&["fuzz", "default", "--seeds", "0..20"]);
    let line = said.out.lines().find(|line| line.contains(", digest "));
    let line = line.expect("a summary has its digest");
    must_be_fresh("tests/it/golden/digests.txt", &format!("{line}\n"));
}

#[test]
fn two_processes_say_the_same() {
    let room = Room::new("processes");
    for seed in ["3", "7"] {
        let args = ["run", "default", "--seed", seed, "--trace"];
        let (one, other) = (room.zoosim(&args), room.zoosim(&args));
        assert!(one.out.lines().count() > 100, "{}", one.err);
        assert_eq!((one.code, one.out, one.err), (other.code, other.out, other.err));
    }
}

#[test]
fn one_thread_and_two_say_the_same() {
    let room = Room::new("one-thread-and-two");
    let said = |scenario: &str, jobs: &str| {
        let said = room.zoosim(&["fuzz", scenario, "--seeds", "0..60", "--jobs", jobs]);
        (said.code, said.out)
    };
    for scenario in ["default", "ack-before-fsync"] {
        assert_eq!(said(scenario, "1"), said(scenario, "2"), "{scenario}");
    }
}

#[test]
fn a_run_cloned_midway_ends_like_the_original() {
    for (name, seed) in [("default", 5), ("power-loss-of-all", 1), ("ack-before-fsync", 2)] {
        let whole = begin(name, seed).finish_all().0;
        for share in [1, 3] {
            let mut run = begin(name, seed);
            while run.ran().end.step < whole.end.step * share / 4 && run.step() {}
            let branch = run.clone();
            let (first, _) = run.finish_all();
            let (second, _) = branch.finish_all();
            assert_eq!(first.digest, whole.digest, "{name} {seed}");
            assert_eq!(second.digest, whole.digest, "{name} {seed}, cloned at {share}/4");
            assert_eq!(second.outcome, whole.outcome, "{name} {seed}, cloned at {share}/4");
        }
    }
}
