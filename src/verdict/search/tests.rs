//! Films of a few operations.

use super::*;
use crate::verdict::model::register::{Answer, Op, Register};
use crate::verdict::model::{Model, Timed};

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
    use crate::verdict::model::{Fifo, Kv, Lists, Mutex, Queue, Set, Txns, Znodes};
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
    agrees(&Txns::default());
    agrees(&Znodes);
}

/// A stale read among others: who cannot be placed, why, and which answers contradict each other.
#[test]
fn an_explanation_names_what_contradicts() {
    let write = |call, ret, value| Timed::new(1, call, ret, Op::Write(Some(value)), Answer::Done);
    let read = |call, ret, value| Timed::new(2, call, ret, Op::Read, Answer::Is(value));
    let ops = [
        write(0, 1, 1),
        read(2, 3, Some(1)),
        write(4, 5, 2),
        write(6, 20, 3),
        read(7, 8, Some(1)),
        read(9, 30, Some(3)),
    ];
    for zones in [true, false] {
        let options = Options { zones, ..Options::default() };
        let Found::Illegal(stuck) = check(&Register::default(), &ops, &options) else {
            panic!("a stale read was not found");
        };
        let why = explain(&Register::default(), &ops, &stuck, &options);
        assert_eq!((why.cannot, why.core.as_slice(), why.minimal), (4, &[1, 2, 4][..], true));
        assert_eq!(why.prefix, [0, 1, 2, 3]);
        assert_eq!(why.refused[0], (4, "it read 1, but 3 is there".to_string()));
    }
}

/// Whatever is explained is true: the prefix is an order, and the core alone is impossible.
#[test]
fn explanations_are_true() {
    use crate::base::Key;
    let (model, options) = (Register::default(), Options::default());
    let mut explained = 0;
    for number in 0..3_000 {
        let ops = differential::draw(&model, &mut Key(5).with(number).stream());
        let Found::Illegal(stuck) = check(&model, &ops, &options) else { continue };
        let why = explain(&model, &ops, &stuck, &options);
        let believing = |core: &[usize]| {
            let mut some = ops.clone();
            let mut at = 0;
            some.retain_mut(|timed| {
                at += 1;
                let later = ops[why.cannot].ret < timed.call;
                let answer = timed.answer.take_if(|_| !core.contains(&(at - 1)));
                !answer.is_some_and(|answer| model.is_pure(&timed.op, &answer)) && !later
            });
            differential::linearizable(&model, &some, false)
        };
        assert!(!believing(&why.core), "{why:?} of {ops:?}");
        for left_out in &why.core {
            let fewer: Vec<usize> = why.core.iter().copied().filter(|at| at != left_out).collect();
            assert!(!why.minimal || believing(&fewer), "{why:?} of {ops:?}");
        }
        assert!(why.refused.iter().any(|(at, _)| *at == why.cannot), "{why:?} of {ops:?}");
        explained += 1;
    }
    assert!(explained > 300, "only {explained} were illegal");
}

/// What a lost dequeue took out of an unordered queue is owed: that is as good as any choice.
#[test]
fn owed_elements_are_as_good_as_chosen_ones() {
    use crate::base::Key;
    use crate::verdict::model::Queue;
    use crate::verdict::model::queue::{Answer, Op};
    let (mut chosen, mut illegal) = (0, 0);
    for number in 0..6_000 {
        let ops = differential::draw(&Queue, &mut Key(9).with(number).stream());
        let lost = |timed: &Timed<Op, Answer>| timed.op == Op::Dequeue && timed.answer.is_none();
        let open: Vec<usize> = (0..ops.len()).filter(|at| lost(&ops[*at])).collect();
        if open.is_empty() || open.len() > 3 {
            continue;
        }
        // Each took one of the three elements, or nothing.
        let any = (0..4usize.pow(open.len() as u32)).any(|mut choice| {
            let mut some = ops.clone();
            for at in &open {
                some[*at].ret = u64::MAX;
                some[*at].answer = Some(Answer::Got(choice as i64 % 4));
                choice /= 4;
            }
            some.retain(|timed| timed.answer != Some(Answer::Got(3)));
            differential::linearizable(&Queue, &some, false)
        });
        assert_eq!(check(&Queue, &ops, &Options::default()).is_legal(), any, "{ops:?}");
        chosen += 1;
        illegal += u32::from(!any);
    }
    assert!(chosen > 1_000 && illegal > 50, "{illegal} of {chosen} were illegal");
}

/// A register that takes a write of what is there for a read: the mistake that real logs hide.
struct Hasty(Register);

impl Model for Hasty {
    type Op = Op;
    type Answer = Answer;
    type State = Option<i64>;
    type Undo = Option<i64>;

    fn start(&self) -> Option<i64> {
        self.0.start()
    }
    fn step(
        &self,
        state: &mut Option<i64>,
        op: &Op,
        answer: Option<&Answer>,
    ) -> Option<Option<i64>> {
        self.0.step(state, op, answer)
    }
    fn back(&self, state: &mut Option<i64>, op: &Op, undo: Option<i64>) {
        self.0.back(state, op, undo);
    }
    fn hash(&self, state: &Option<i64>) -> u128 {
        self.0.hash(state)
    }
    fn is_pure(&self, op: &Op, answer: &Answer) -> bool {
        matches!(op, Op::Write(Some(1))) || self.0.is_pure(op, answer)
    }
}

impl differential::Sample for Hasty {
    fn draw(&self, dice: &mut impl crate::base::Draw) -> Op {
        self.0.draw(dice)
    }
    fn right(&self, state: &Option<i64>, op: &Op, dice: &mut impl crate::base::Draw) -> Answer {
        self.0.right(state, op, dice)
    }
    fn wrong(&self, op: &Op, right: Answer, dice: &mut impl crate::base::Draw) -> Answer {
        self.0.wrong(op, right, dice)
    }
}

#[test]
fn the_definition_finds_what_is_wrongly_called_pure() {
    let compared = differential::compare(&Hasty(Register::default()), 7, 0..2_000);
    assert!(compared.disagreements.len() > 20, "only {}", compared.disagreements.len());
}

/// Each limit of the search breadth first is a limit, not a verdict; with both it does not matter.
#[test]
fn what_is_too_wide_is_left_to_the_other_search() {
    let write = |n: i64| Timed::new(n as u64, 0, 10, Op::Write(Some(n % 3)), Answer::Done);
    let mut ops: Vec<_> = (0..200).map(write).collect();
    ops.push(Timed::new(0, 20, 21, Op::Read, Answer::Is(Some(1))));
    let alone = Options { depth: false, ..Options::default() };
    let Found::Unknown(reached) = check(&Register::default(), &ops, &alone) else {
        panic!("200 operations are open at once");
    };
    assert_eq!(reached.limit, Limit::Width);
    assert!(found(&ops).is_legal());
}
