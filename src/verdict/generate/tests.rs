//! What is made is what it says: legal, or wrong; the same from the same seed; and it survives
//! every format.

use super::*;
use crate::history::History;
use crate::history::foreign::{read, write};
use crate::verdict::forge;
use crate::verdict::judge::{Answer, Question, judge, judge_znodes};

fn shape(object: Object, seed: u64) -> Shape {
    let (ops, clients, crashed, stale) = (60, 4, 0, 0);
    let (corrupt, values, keys, txn) = (None, Some(4), 0, 3);
    Shape { object, ops, clients, seed, crashed, stale, corrupt, values, keys, txn }
}

fn make(shape: &Shape) -> Foreign {
    generate(shape).unwrap_or_else(|why| panic!("{shape:?}: {why}"))
}

fn answer(foreign: Foreign, object: Object) -> Answer {
    let question = Question { object: Some(object), ..Question::default() };
    judge(foreign, &question).expect("it was made for this").answer
}

fn objects() -> impl Iterator<Item = Object> {
    Object::ALL.into_iter().filter(|object| *object != Object::Znodes)
}

#[test]
fn legal_histories_are_legal_in_every_format() {
    let formats = [Format::Edn, Format::Json, Format::Lines, Format::Porcupine];
    for object in objects() {
        for seed in 0..40 {
            let keys = [0, 3][seed as usize % 2];
            let values = if seed % 3 == 0 { None } else { Some(4) };
            let shape = Shape { crashed: seed % 4 * 5, keys, values, ..shape(object, seed) };
            let made = make(&shape);
            assert_eq!(answer(made.clone(), object), Answer::True, "{shape:?}");
            let format = formats[seed as usize / 2 % 4];
            let mut bytes = Vec::new();
            write::write(&made, format, &mut bytes).expect("a vector takes everything");
            let again = read(&mut bytes.as_slice(), Format::Auto);
            let again = again.unwrap_or_else(|why| panic!("{shape:?} {format:?}: {why}"));
            assert_eq!(again.format, format, "{shape:?}");
            assert_eq!(again.calls.len(), made.calls.len(), "{shape:?}");
            assert_eq!(answer(again, object), Answer::True, "{shape:?} {format:?}");
        }
    }
}

#[test]
fn a_corrupted_answer_is_always_found() {
    for object in objects() {
        for seed in 0..40 {
            let keys = [0, 3][seed as usize % 2];
            let shape = Shape { corrupt: Some(Corrupt::Answer), keys, ..shape(object, seed) };
            let found = answer(make(&shape), object);
            assert!(matches!(found, Answer::False(_)), "{shape:?}: {found:?}");
        }
    }
}

#[test]
fn lost_writes_and_stale_reads_are_often_found() {
    let found = |object: Object, change: fn(&mut Shape)| {
        let illegal = |seed: &u64| {
            let mut shape = shape(object, *seed);
            shape.values = None;
            change(&mut shape);
            matches!(answer(make(&shape), object), Answer::False(_))
        };
        (0..40).filter(illegal).count()
    };
    for object in [Object::Register, Object::List, Object::Registers] {
        assert_eq!(found(object, |_| {}), 0);
        // With few clients little can hide a write that was lost.
        let lost = |shape: &mut Shape| {
            (shape.clients, shape.corrupt) = (2, Some(Corrupt::LostWrite));
        };
        assert!(found(object, lost) > 8, "{object:?}");
        assert!(found(object, |shape| shape.stale = 20) > 20, "{object:?}");
    }
}

/// Frozen: who keeps a seed keeps the history.
#[test]
fn the_same_seed_makes_the_same_bytes() {
    let mut all = String::new();
    for object in objects() {
        let txn = if object == Object::List { 1 } else { 3 };
        let made = make(&Shape { ops: 4, clients: 2, crashed: 20, txn, ..shape(object, 1) });
        let mut bytes = Vec::new();
        write::write(&made, Format::Edn, &mut bytes).expect("a vector takes everything");
        all.push_str(&format!("; {}\n", object.name()));
        all.push_str(&String::from_utf8(bytes).expect("EDN is text"));
    }
    insta::assert_snapshot!(all);
}

/// What a made znode history is judged to be.
fn swept(seed: u64, wrong: Option<tree::Field>) -> Answer {
    let mut history = History::new();
    let shape = forge::Shape { fresh: 50, ..forge::Shape::small(600) };
    tree::generate(seed, shape, wrong, false, &mut |entry| history.take(entry))
        .unwrap_or_else(|why| panic!("{wrong:?} {seed}: {why}"));
    assert!(history.operations.len() >= 600);
    judge_znodes(&history, &Question::default()).expect("it can be judged").answer
}

#[test]
fn znode_histories_are_never_illegal_unless_something_was_made_wrong() {
    for seed in 0..20 {
        let found = swept(seed, None);
        assert!(!matches!(found, Answer::False(_)), "{seed}: {found:?}");
    }
    for (name, field) in tree::Field::ALL {
        for seed in 0..10 {
            let found = swept(seed, Some(field));
            assert_ne!(found, Answer::True, "{name} {seed}");
        }
    }
}
