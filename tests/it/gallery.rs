//! The gallery: each planted bug and the report of it, as its scenario shows it, kept fresh.
//!
//! `INSTA_UPDATE=always cargo test --test it fresh` writes them anew.
#![allow(clippy::disallowed_methods, reason = "the gallery is files")]

use std::fs;
use std::path::Path;

use crate::cli::Room;

/// Compares a committed file with what it should be now; or writes it, if snapshots are updated.
pub fn must_be_fresh(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        fs::write(&path, text).unwrap_or_else(|why| panic!("{name}: {why}"));
        return;
    }
    let old = fs::read_to_string(&path).unwrap_or_default();
    let stale = old.lines().zip(text.lines()).position(|(old, new)| old != new);
    let stale = stale.unwrap_or_else(|| old.lines().count().min(text.lines().count())) + 1;
    assert!(
        old == text,
        "{name}:{stale}: not what this build says; if that is meant:\n\
         INSTA_UPDATE=always cargo test --test it fresh"
    );
}

/// The page of a bug.
pub fn page(bug: &str) -> String {
    format!("reports/gallery/{bug}.txt")
}

/// What a bug is, above the report of it.
fn head(bug: &zoosim::bugs::Bug) -> String {
    let mut text = format!("{}\n", bug.name);
    let shows = bug.shows.join(", ");
    let rows = [
        ("known from", bug.citation),
        ("mechanism", bug.mechanism),
        ("found by others", bug.published),
        ("shown by", &shows),
    ];
    for (what, says) in rows {
        zoosim::report::text::paragraph(&mut text, &format!("  {what:16}"), says);
    }
    text + "\n"
}

#[test]
fn the_gallery_is_fresh() {
    let room = Room::new("gallery");
    for bug in zoosim::bugs::ALL {
        let said = room.zoosim(&["run", bug.scenario]);
        assert_eq!(said.code, 0, "`{}` is caught: {}{}", bug.name, said.out, said.err);
        must_be_fresh(&page(bug.name), &(head(bug) + &said.out));
    }
}
