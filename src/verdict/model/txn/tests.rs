//! Transactions against a definition that copies everything.

use super::*;
use crate::base::random::{Dice, Draw};
use crate::verdict::search::{Found, Options, check, explain};

/// Registers and lists, as plainly as can be.
type Plain = (BTreeMap<i64, Value>, BTreeMap<i64, Vec<i64>>);

/// What a transaction makes of this, and what its reads see.
fn defined(before: &Plain, op: &[Micro]) -> (Plain, Vec<Saw>) {
    let (mut registers, mut lists) = before.clone();
    let mut seen = Vec::new();
    for micro in op {
        match *micro {
            Micro::Read(key) => seen.push(Saw::Value(registers.get(&key).copied().flatten())),
            Micro::Write(key, value) => drop(registers.insert(key, value)),
            Micro::List(key) => {
                seen.push(Saw::All(lists.get(&key).cloned().unwrap_or_default().into()));
            }
            Micro::Append(key, element) => lists.entry(key).or_default().push(element),
        }
    }
    registers.retain(|_, value| value.is_some());
    ((registers, lists), seen)
}

fn draw(dice: &mut Dice) -> Vec<Micro> {
    let micro = |dice: &mut Dice| {
        let (key, value) = (dice.below(3) as i64, dice.below(3) as i64);
        match dice.below(5) {
            0 => Micro::Read(key),
            1 => Micro::Write(key, Some(value)),
            2 => Micro::Write(key, None),
            3 => Micro::List(key),
            _ => Micro::Append(key, value),
        }
    };
    (0..dice.below(5)).map(|_| micro(dice)).collect()
}

fn plain(state: &State) -> Plain {
    let registers = state.registers.iter().map(|(key, value)| (*key, Some(*value)));
    (registers.collect(), state.lists.clone())
}

/// Each step is as defined, with the right answer only, and is taken back to what was; equal hashes
/// are equal states.
#[test]
fn steps_are_as_defined_and_can_be_taken_back() {
    let model = Txns::default();
    let mut dice = Dice::new(3, "transactions");
    let mut hashes: BTreeMap<u128, Plain> = BTreeMap::new();
    let (mut refused, mut pure) = (0, 0);
    for _ in 0..300 {
        let (mut state, mut is) = (model.start(), Plain::default());
        let mut steps = Vec::new();
        for _ in 0..dice.below(12) {
            let op = draw(&mut dice);
            let (next, right) = defined(&is, &op);
            let before = (state.clone(), model.hash(&state));
            for at in 0..right.len() {
                let mut wrong = right.clone();
                match &mut wrong[at] {
                    Saw::Value(value) => *value = value.map_or(Some(0), |value| Some(value + 1)),
                    Saw::All(all) => *all = [all, &[7][..]].concat().into(),
                }
                assert!(model.step(&mut state, &op, Some(&wrong)).is_none(), "{op:?} {wrong:?}");
                assert!(model.refusal(&state, &op, Some(&wrong)).contains("is there"), "{op:?}");
                wrong.truncate(at);
                assert!(model.step(&mut state, &op, Some(&wrong)).is_none(), "{op:?} {wrong:?}");
                assert_eq!((&state, model.hash(&state)), (&before.0, before.1), "{op:?}");
                refused += 1;
            }
            if model.is_pure(&op, &right) {
                assert_eq!(next, is, "{op:?} is pure");
                pure += 1;
            }
            let known = dice.below(2) == 0;
            let undo = model.step(&mut state, &op, known.then_some(&right)).expect("it is right");
            is = next;
            assert_eq!(plain(&state), is, "{op:?}");
            let same = hashes.entry(model.hash(&state)).or_insert_with(|| is.clone());
            assert_eq!(*same, is, "two states look alike");
            steps.push((before, op, undo));
        }
        for ((before, hash), op, undo) in steps.into_iter().rev() {
            model.back(&mut state, &op, undo);
            assert_eq!((&state, model.hash(&state)), (&before, hash), "{op:?}");
        }
    }
    assert!(refused > 1_000 && pure > 100 && hashes.len() > 500, "{refused} {pure}");
}

fn txn(at: u64, op: &[Micro], seen: &[Value]) -> Timed<Vec<Micro>, Vec<Saw>> {
    let saw = seen.iter().map(|value| Saw::Value(*value)).collect();
    Timed::new(at, at, at + 1, op.to_vec(), saw)
}

/// Half of a transaction is never seen; each key by itself is as it should be.
#[test]
fn a_fractured_read_is_illegal() {
    use Micro::{Read, Write};
    let write = txn(0, &[Write(1, Some(1)), Write(2, Some(2))], &[]);
    let (whole, half) = ([Some(1), Some(2)], [Some(1), None]);
    let found = |seen: &[Value]| {
        let mut read = txn(1, &[Read(1), Read(2)], seen);
        read.call = 0;
        check(&Txns::default(), &[write.clone(), read], &Options::default())
    };
    assert!(found(&whole).is_legal());
    assert!(found(&[None, None]).is_legal());
    assert!(found(&half).is_illegal());
}

/// Two that read the same and write cannot both be right.
#[test]
fn a_lost_update_is_illegal_and_explained() {
    use Micro::{Read, Write};
    let add = |process, value| {
        let mut add = txn(0, &[Read(1), Write(1, Some(value)), Read(1)], &[None, Some(value)]);
        (add.process, add.ret) = (process, 9);
        add
    };
    let other = txn(20, &[Write(5, Some(5)), Read(6)], &[None]);
    let ops = [other, add(1, 1), add(2, 2)];
    let (model, options) = (Txns::default(), Options::default());
    let Found::Illegal(stuck) = check(&model, &ops, &options) else { panic!("one is lost") };
    // What shares no key is judged apart.
    assert_eq!(stuck.part, [1, 2]);
    let why = explain(&model, &ops, &stuck, &options);
    assert_eq!((why.core.as_slice(), why.minimal), (&[1, 2][..], true));
    assert!(why.refused[0].1.starts_with("it read nil in 1, but"), "{why:?}");
}

/// What a lost transaction has read is not known; what it wrote is there as a whole, or not.
#[test]
fn a_lost_transaction_happens_as_a_whole_or_not() {
    use Micro::{Read, Write};
    let lost = Timed::lost(9, 0, vec![Read(3), Write(1, Some(1)), Write(2, Some(2))]);
    let found = |seen: &[Value]| {
        let read = txn(5, &[Read(1), Read(2)], seen);
        check(&Txns::default(), &[lost.clone(), read], &Options::default()).is_legal()
    };
    assert!(found(&[None, None]) && found(&[Some(1), Some(2)]));
    assert!(!found(&[Some(1), None]) && !found(&[None, Some(2)]));
}

/// Behind the last read lists grow in any order, which is no reason to try them all: the one that
/// reads and must come first is found, and so is that there is no room for it.
#[test]
fn what_nobody_reads_any_more_is_not_ordered() {
    use Micro::{Append, List};
    let found = |many: u64, end: u64| {
        let lost = (0..20).map(|n| Timed::lost(100 + n, 0, vec![Append(1, 50 + n as i64)]));
        let blind = (0..many).map(|n| {
            let twice = vec![Append(1, n as i64), Append(2, n as i64)];
            Timed::new(n, 1, 90, twice, Vec::new())
        });
        let early = Timed::new(99, end, end + 1, vec![List(1)], vec![Saw::All(vec![7].into())]);
        let ops: Vec<_> = lost.chain(blind).chain([early]).collect();
        check(&Txns::default(), &ops, &Options { nodes: 100_000, ..Options::default() })
    };
    assert!(found(20, 80).is_legal());
    assert!(found(10, 91).is_illegal());
}
