//! Threads for checks: files side by side, told in the order in which they were named, and hands
//! for the parts of one search.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::verdict::search::Task;

use super::super::{Exit, last_panic, say, talk};

/// Something to print.
pub enum Said {
    /// Data.
    Out(String),
    /// Talk.
    Err(String),
}

impl Said {
    fn print(self) {
        match self {
            Said::Out(text) => say(&text),
            Said::Err(text) => talk(&text),
        }
    }
}

/// So many threads, this one among them, do all these tasks.
pub fn work(many: usize, tasks: Vec<Task<'_>>) {
    let many = many.min(tasks.len());
    let tasks = Mutex::new(tasks.into_iter());
    let hand = || {
        loop {
            let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(task) = next else { return };
            task();
        }
    };
    let broke: Option<String> = thread::scope(|scope| {
        let others: Vec<_> = (1..many).map(|_| scope.spawn(|| caught(hand))).collect();
        hand();
        others.into_iter().find_map(|other| other.join().ok()?.err())
    });
    if let Some(text) = broke {
        panic!("{text}");
    }
}

/// Has so many threads judge files, whose number each is given; what each says is printed in the
/// order of the files, as soon as it and all before it are done. How each ended.
pub fn files(
    threads: usize,
    many: usize,
    judge: impl Fn(usize, &mut dyn FnMut(Said)) -> Exit + Sync,
) -> Vec<Exit> {
    if threads == 1 {
        return (0..many).map(|at| judge(at, &mut Said::print)).collect();
    }
    let next = AtomicUsize::new(0);
    let (sender, receiver) = channel();
    let mut ends = Vec::with_capacity(many);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, judge) = (sender.clone(), &next, &judge);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= many {
                        return;
                    }
                    let mut said = Vec::new();
                    let ended = caught(|| judge(at, &mut |one| said.push(one)));
                    if sender.send((at, said, ended)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        for (at, said, ended) in receiver {
            waiting.insert(at, (said, ended));
            while let Some((said, ended)) = waiting.remove(&ends.len()) {
                said.into_iter().for_each(Said::print);
                ends.push(ended.unwrap_or_else(|text| panic!("{text}")));
            }
        }
    });
    ends
}

/// What it came to, or what its panic said.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| last_panic())
}
