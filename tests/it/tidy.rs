//! The house keeps its own rules: layering, the top level, columns, sizes, purposes.
#![allow(clippy::disallowed_methods, reason = "it reads the sources")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use zoosim::history::Seen;
use zoosim::kit::Kit;
use zoosim::run::Run;

/// Who may import whom. Data: a change here is a change of the architecture.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("jute", &["base"]),
    ("znode", &["base", "jute"]),
    ("process", &["base"]),
    ("disk", &["base", "jute", "process"]),
    ("broadcast", &["base", "jute", "process", "disk"]),
    ("peer", &["base", "jute", "znode", "disk", "process", "broadcast"]),
    ("client", &["base", "jute", "process", "znode"]),
    ("bugs", &["base", "znode", "process", "disk", "broadcast", "peer"]),
    ("plan", &["base", "znode"]),
    ("history", &["base", "jute", "process", "znode"]),
    ("world", &["base", "process", "client", "plan", "history", "znode"]),
    ("verdict", &["base", "jute", "disk", "process", "plan", "history", "znode"]),
    (
        "kit",
        &[
            "base",
            "process",
            "broadcast",
            "peer",
            "bugs",
            "plan",
            "verdict",
            "client",
            "disk",
            "world",
            "znode",
        ],
    ),
    ("run", &["base", "kit", "plan", "world", "history", "verdict"]),
    ("shrink", &["base", "plan", "history", "verdict", "kit", "run"]),
    ("explain", &["base", "plan", "history", "verdict", "kit", "run", "shrink"]),
    ("explore", &["base", "plan", "history", "verdict", "kit", "run"]),
    ("report", &["base", "jute", "plan", "history", "process", "verdict", "znode"]),
];

/// Deeper rules: `znode` for these means its operations and paths, never its tree.
const ONLY_OPERATIONS: &[&str] = &["plan", "history", "world", "verdict", "client", "report"];

/// Files longer than this are named below with their length, which may only shrink.
const LONG: usize = 520;
const RATCHET: &[(&str, usize)] = &[];

pub fn files(under: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(under)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|why| panic!("{}: {why}", dir.display())) {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub fn short(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The module of `src/` that a file belongs to.
fn module(path: &Path) -> String {
    let short = short(path);
    let inner = short.strip_prefix("src/").expect("a file under src");
    inner.split('/').next().expect("a path has a first part").trim_end_matches(".rs").to_string()
}

#[test]
fn modules_import_only_what_their_layer_may() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files("src", ".rs") {
        let module = module(&path);
        if ["lib", "main", "cli"].contains(&module.as_str()) || short(&path).contains("tests") {
            continue;
        }
        let Some(may) = allowed.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` has no layer", short(&path)));
            continue;
        };
        let text = read(&path);
        // What follows a test module belongs to tests, which may use anything.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (at, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            for used in line.split("crate::").skip(1) {
                let name: String =
                    used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = allowed.contains_key(name.as_str());
                if known && name != module && !may.contains(&name.as_str()) {
                    let place = format!("{}:{}", short(&path), at + 1);
                    wrong.push(format!("{place}: `{module}` imports `{name}`"));
                }
                let of_znode = used.strip_prefix("znode::").unwrap_or_default();
                let tree = of_znode.starts_with("tree") || of_znode.starts_with("prepare");
                if tree && ONLY_OPERATIONS.contains(&module.as_str()) {
                    let place = format!("{}:{}", short(&path), at + 1);
                    wrong.push(format!("{place}: `{module}` looks into the service"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_holds_only_what_it_should() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "scenarios",
        "tests",
        "reports",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "clippy.toml",
        "rustfmt.toml",
        "target",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root).expect("the root is readable") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || known.contains(&name.as_str()), "`{name}` is no part");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in files("src", ".rs").into_iter().chain(files("tests", ".rs")) {
        assert!(read(&path).starts_with("//! "), "{} has no purpose", short(&path));
    }
}

#[test]
fn lines_have_at_most_a_hundred_columns() {
    for path in files("src", ".rs").into_iter().chain(files("tests", ".rs")) {
        for (at, line) in read(&path).lines().enumerate() {
            let columns = line.chars().count();
            assert!(columns <= 100, "{}:{}: {columns} columns", short(&path), at + 1);
        }
    }
}

#[test]
fn files_stay_short() {
    let ratchet: BTreeMap<&str, usize> = RATCHET.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files("src", ".rs") {
        let name = short(&path);
        let lines = read(&path).lines().count();
        let most = ratchet.get(name.as_str()).copied().unwrap_or(LONG);
        if lines > most {
            wrong.push(format!("{name}: {lines} lines, at most {most}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_protocol_does_not_know_that_it_may_be_wrong() {
    for path in files("src/broadcast", ".rs").into_iter().chain(files("src/peer", ".rs")) {
        let text = read(&path).to_lowercase();
        let found = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "bug");
        assert!(!found, "{} speaks of bugs", short(&path));
    }
}

/// What is banned, and what takes its place.
#[test]
fn banned_words_do_not_come_back() {
    let bans = [
        ("debug_assert", "assert!: checks stay on in release"),
        ("cfg(debug_assertions)", "nothing depends on the build's profile"),
        ("unsafe ", "safe code"),
        ("#[ignore", "a test that runs"),
    ];
    for path in files("src", ".rs").into_iter().chain(files("tests", ".rs")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = read(&path);
        for (word, instead) in bans {
            assert!(!text.contains(word), "{}: `{word}`; use {instead}", short(&path));
        }
    }
}

/// Two columns of a markdown table of ARCHITECTURE.md, without its head: name and what it imports.
#[test]
fn the_documented_layers_are_the_tested_ones() {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md"));
    for (module, may) in LAYERS {
        let may: Vec<String> = may.iter().map(|name| format!("`{name}`")).collect();
        let may = if may.is_empty() { "-".to_string() } else { may.join(" ") };
        let row = format!("| `{module}` | {may} |");
        assert!(text.lines().any(|line| line == row), "ARCHITECTURE.md lacks the row\n{row}");
    }
}

#[test]
fn every_bug_has_its_scenario_and_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for bug in zoosim::bugs::ALL {
        let scenario = root.join(format!("scenarios/negative/{}.json", bug.scenario));
        assert!(read(&scenario).contains(&format!("\"bugs\": [\"{}\"]", bug.name)));
        let expect = bug.shows.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
        let expect = format!("\"expect\": {{\"violation\": [{}]}}", expect.join(", "));
        assert!(read(&scenario).contains(&expect), "`{}` is expected to show {expect}", bug.name);
        let page = read(&root.join(crate::gallery::page(bug.name)));
        assert!(page.contains(&format!("planted bug `{}`", bug.name)), "`{}`", bug.name);
    }
    let pages = files("reports/gallery", ".txt").len();
    assert_eq!(pages, zoosim::bugs::ALL.len(), "each page is of a bug");
}

/// What moments can wait for is what peers really tell and send: as the sources spell it, and as
/// runs show it.
#[test]
fn listed_moments_are_those_that_exist() {
    let said = crate::cli::Room::new("moments").zoosim(&["list", "moments"]);
    let listed = |of: &str| -> BTreeSet<String> {
        let rows = said.out.lines().filter_map(|line| line.strip_prefix(of));
        let word = |row: &str| row.split("  ").next().unwrap_or_default().trim().to_string();
        rows.map(word).collect()
    };
    let source = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/process/note.rs"));
    let kinds = source.split("pub fn kind(").nth(1).expect("notes have kinds");
    let kinds = kinds.split("\n    }\n").next().expect("a function ends");
    let kinds: BTreeSet<String> = kinds.split('"').skip(1).step_by(2).map(str::to_string).collect();
    assert_eq!(listed("note "), kinds);

    let mut frames = BTreeSet::new();
    for name in ["default", "lagging-follower-gets-snap", "old-leader-gets-trunc"] {
        for seed in 0..30 {
            let plan = crate::scenarios::plan(name, seed);
            let mut run = Run::new(plan, &Kit::standard()).expect("known names");
            while run.step_seen(|_, seen| {
                for one in seen {
                    if let Seen::Sent { tag, .. } = one {
                        frames.insert(tag.kind.to_string());
                    }
                }
            }) {}
        }
    }
    assert_eq!(listed("send/receive "), frames);
}
