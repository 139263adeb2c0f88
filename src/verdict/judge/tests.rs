//! Judgements do not depend on how many hands there are.

use super::*;
use crate::history::foreign::{Format, read, write};
use crate::verdict::generate::{Corrupt, Shape, generate};
use crate::verdict::search::{Hands, Task};

/// Hands that begin at the other end, one task at a time: what is done last is what comes first.
fn backwards(_: usize, tasks: Vec<Task<'_>>) {
    tasks.into_iter().rev().for_each(|task| task());
}

/// Real ones.
fn threads(many: usize, tasks: Vec<Task<'_>>) {
    let mut lots: Vec<Vec<Task<'_>>> = (0..many).map(|_| Vec::new()).collect();
    for (at, task) in tasks.into_iter().enumerate() {
        lots[at % many].push(task);
    }
    std::thread::scope(|scope| {
        for lot in lots {
            scope.spawn(|| lot.into_iter().for_each(|task| task()));
        }
    });
}

/// One shape of a history, and what may be spent on it.
fn shape(seed: u64, object: Object, keys: u64, ops: u64) -> Shape {
    Shape {
        object,
        ops,
        clients: 12,
        seed,
        crashed: seed % 3,
        stale: 0,
        corrupt: None,
        values: Some(3),
        keys,
        txn: 1,
    }
}

/// Several histories under different keys: those of many seeds, of which some are wrong.
fn several(wrong: &[u64]) -> Foreign {
    let mut text = Vec::new();
    for key in 0..12 {
        let corrupt = wrong.contains(&key).then_some(Corrupt::Answer);
        let made = generate(&Shape { corrupt, ..shape(key, Object::Register, 0, 60) });
        let mut lines = Vec::new();
        write::write(&made.expect("a shape"), Format::Edn, &mut lines).expect("memory holds it");
        let lines = String::from_utf8(lines).expect("EDN is UTF-8");
        for line in lines.lines() {
            let at = line.find(":process ").expect("each has one") + ":process ".len();
            let end = at + line[at..].find(|c: char| !c.is_ascii_digit()).expect("more follows");
            let process: u64 = line[at..end].parse().expect("a number");
            // Without its time and index, which stand behind.
            text.push(format!("{}{}, :key {key}}}", &line[..at], process + 1_000 * key));
        }
    }
    read(&mut text.join("\n").as_bytes(), Format::Edn).expect("what was written can be read")
}

fn told(foreign: &Foreign, search: &search::Options, level: Level, hands: Hands) -> String {
    let (search, level) = (search.clone(), Some(level));
    let question = Question { search, hands, level, order: true, ..Question::default() };
    format!("{:?}", judge(foreign.clone(), &question).expect("it can be judged"))
}

#[test]
fn no_number_of_hands_changes_a_word() {
    let mut all: Vec<Foreign> = [&[][..], &[7], &[2, 3, 9], &[11], &[0, 11]].map(several).into();
    for (object, keys) in [(Object::Register, 40), (Object::List, 300), (Object::Register, 300)] {
        all.push(generate(&shape(5, object, keys, 2_000)).expect("a shape"));
    }
    let nodes = 60_000;
    let full = search::Options { turn: 40, nodes, ..search::Options::default() };
    let mut options = vec![full.clone(), search::Options { zones: false, ..full.clone() }];
    for nodes in [1, 100, 3_000, 20_000] {
        options.push(search::Options { nodes, ..full.clone() });
    }
    for bytes in [1_000, 10_000, 50_000, 200_000] {
        options.push(search::Options { bytes, ..full.clone() });
    }
    let mut words = std::collections::BTreeMap::new();
    for (number, foreign) in all.iter().enumerate() {
        for search in &options {
            // Without time most is hard: one history of each kind is enough.
            let sequential = (number == 2).then_some(Level::Sequential);
            for level in [Level::Linearizable].into_iter().chain(sequential) {
                let alone = told(foreign, search, level, Hands::default());
                let (_, word) = alone.split_once("answer: ").expect("there is an answer");
                let word = word.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                let memory = if alone.contains("memory ran out") { " by memory" } else { "" };
                *words.entry(format!("{word}{memory}")).or_insert(0) += 1;
                for (hands, work) in [(2, threads as search::Work), (7, backwards)] {
                    let others = told(foreign, search, level, Hands::new(hands, work));
                    assert_eq!(others, alone, "{number} {search:?} {level:?}");
                }
            }
        }
    }
    let many = |word: &str| words.get(word).copied().unwrap_or(0);
    let enough = [("True", 10), ("False", 10), ("Unknown", 10), ("Unknown by memory", 2)];
    assert!(enough.iter().all(|(word, least)| many(word) >= *least), "{words:?}");
}

/// Calls one after the other, each with its value and what it ended with, as EDN; judged.
fn judged(calls: &[(&str, &str, &str)]) -> Result<(Object, &'static str), String> {
    let mut text = String::new();
    for (end, asked, got) in calls {
        let event = |kind: &str, value: &str| {
            format!("{{:type :{kind}, :process 0, :f :txn, :value {value}}}\n")
        };
        text.push_str(&event("invoke", asked));
        text.push_str(&event(end, got));
    }
    let read = || read(&mut text.as_bytes(), Format::Edn).expect("it can be read");
    let question = Question::default();
    let whole = judge(read(), &question).map_err(|refusal| refusal.to_string());
    let apart = judge_by_key(read(), &question).map_err(|refusal| refusal.to_string());
    assert_eq!(whole.as_ref().err(), apart.as_ref().err(), "by keys or not");
    whole.map(|judgement| (judgement.object, judgement.answer.word()))
}

/// Lists that are kept once are still values like any other.
#[test]
fn registers_hold_lists() {
    let write = ("ok", "[[:w :x [1 2 3]] [:w :y 1]]", "[[:w :x [1 2 3]] [:w :y 1]]");
    let read = |x| ("ok", "[[:r :x nil] [:r :y nil]]", x);
    let right = [write, read("[[:r :x [1 2 3]] [:r :y 1]]")];
    assert_eq!(judged(&right), Ok((Object::Registers, "true")));
    let wrong = [write, read("[[:r :x [1 2 4]] [:r :y 1]]")];
    assert_eq!(judged(&wrong), Ok((Object::Registers, "false")));
    let long = [write, read("[[:r :x [1 2 3 4]] [:r :y 1]]")];
    assert_eq!(judged(&long), Ok((Object::Registers, "false")));
}

#[test]
fn reads_of_lists_alone_are_of_lists() {
    let lists = [("ok", "[[:r :x nil] [:r :y nil]]", "[[:r :x []] [:r :y nil]]")];
    assert_eq!(judged(&lists), Ok((Object::List, "true")));
    let registers = [("ok", "[[:r :x nil] [:r :y nil]]", "[[:r :x nil] [:r :y nil]]")];
    assert_eq!(judged(&registers), Ok((Object::Registers, "true")));
}

#[test]
fn nothing_answered_is_nothing_judged_by_keys_either() {
    let why = judged(&[("info", "[[:append :x 1]]", "nil")]).expect_err("it says nothing");
    assert!(why.contains("none of the 1 calls was answered"), "{why}");
    let why = judged(&[("fail", "[[:append :x 1]]", "nil")]).expect_err("it says nothing");
    assert!(why.contains("all failed, or have no end"), "{why}");
}
