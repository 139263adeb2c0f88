//! Films of a few operations.

use super::*;
use crate::verdict::model::Timed;
use crate::verdict::model::register::{Answer, Op, Register};

fn found(ops: &[Timed<Op, Answer>]) -> Found {
    check(&Register::default(), ops, &Options::default())
}

#[test]
fn an_order_respects_real_time() {
    let write = |call, ret, value| Timed::new(1, call, ret, Op::Write(Some(value)), Answer::Done);
    let read = |call, ret, value| Timed::new(2, call, ret, Op::Read, Answer::Is(value));
    let stale = [write(0, 1, 1), write(2, 3, 2), read(4, 5, Some(1))];
    assert!(found(&stale).is_illegal());
    let touching = [write(0, 1, 1), write(2, 4, 2), read(4, 5, Some(1))];
    assert_eq!(found(&touching), Found::Legal(vec![0, 2, 1]));
}

#[test]
fn lost_operations_may_happen_or_not() {
    let lost = Timed::lost(1, 0, Op::Write(Some(7)));
    let read = |call, value| Timed::new(2, call, call + 1, Op::Read, Answer::Is(value));
    assert!(found(&[lost.clone(), read(1, None), read(3, None)]).is_legal());
    assert!(found(&[lost.clone(), read(1, None), read(3, Some(7))]).is_legal());
    assert!(found(&[lost.clone(), read(1, Some(7)), read(3, None)]).is_illegal());
    assert_eq!(found(&[]), Found::Legal(vec![]));
    assert_eq!(found(&[lost]), Found::Legal(vec![]));
}

#[test]
fn a_process_may_ask_for_its_own_order() {
    let write = |value| Timed::new(1, 0, 9, Op::Write(Some(value)), Answer::Done);
    let read = |value| Timed::new(1, 0, 9, Op::Read, Answer::Is(value));
    let ops = [write(1), read(Some(1)), read(None)];
    let in_order = Options { in_order: true, ..Options::default() };
    assert!(check(&Register::default(), &ops, &in_order).is_illegal());
    assert!(found(&ops).is_legal());
}

#[test]
fn a_budget_is_not_a_verdict() {
    let write = |value| Timed::new(1, 0, 9, Op::Write(Some(value)), Answer::Done);
    let ops = [write(1), write(2), Timed::new(2, 10, 11, Op::Read, Answer::Is(Some(1)))];
    let short = Options { nodes: 1, zones: false, ..Options::default() };
    assert!(matches!(check(&Register::default(), &ops, &short), Found::Unknown(_)));
    assert!(found(&ops).is_legal());
}

/// A few thousand of the histories that `zoosim bench check --differential` draws.
#[test]
fn the_search_agrees_with_the_definition() {
    use crate::verdict::model::{Fifo, Kv, Lists, Mutex, Queue, Set};
    use differential::{Compared, Sample, compare};
    fn agrees<M: Sample>(model: &M) {
        let Compared { histories, illegal, disagreements } = compare(model, 7, 0..2_000);
        assert!(disagreements.is_empty(), "{}", disagreements[0]);
        assert!(illegal * 20 > histories && illegal * 2 < histories, "{illegal} are illegal");
    }
    agrees(&Register::default());
    agrees(&Mutex);
    agrees(&Set);
    agrees(&Queue);
    agrees(&Fifo);
    agrees(&Kv::default());
    agrees(&Lists::default());
}
