//! Inference against the definition, and of forged histories.

use super::definition::compare_levels;
use super::*;
use crate::base::Zxid;
use crate::verdict::forge;

#[test]
fn inference_agrees_with_trying_all_views() {
    let all = compare_levels(4, 0..6_000);
    let held = all.each_ref().map(|compared| compared.histories - compared.illegal);
    for compared in all {
        assert_eq!(compared.disagreements, Vec::<String>::new());
    }
    assert!(held.iter().all(|held| *held > 600 && *held < 5_400), "{held:?} of 6000 held");
    assert!(held[0] < held[1] && held[1] < held[2], "{held:?}");
}

#[test]
fn histories_hold_without_the_zxids_of_reads() {
    let mut undecided = 0;
    for seed in 0..30 {
        for lost in [0, 20] {
            let mut history = History::new();
            let shape = forge::Shape { lost, rare: 4, ..forge::Shape::small(300) };
            forge::forge(seed, shape, &mut |at, seen| history.observe(at, &seen), &mut |_| {});
            for operation in &mut history.operations {
                if !operation.op.is_write() {
                    operation.zxid = operation.zxid.map(|_| Zxid::ZERO);
                }
            }
            match check(&history, Level::SyncLinearizable, SyncFlavour::Strict) {
                Judged::Holds => {}
                Judged::Undecided(_) => undecided += 1,
                judged @ (Judged::Broken(_) | Judged::Beyond(_)) => {
                    panic!("seed {seed}, lost {lost}: {judged:?}")
                }
            }
        }
    }
    assert!(undecided < 30, "{undecided} of 60 undecided");
}
