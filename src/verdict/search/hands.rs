//! Who does the work: one after the other, or whoever the caller lends. Nothing here starts a
//! thread, and no result depends on how many hands there are.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A piece of work, for any hand.
pub type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Has so many hands do all of these, each once and in any order, and comes back when all is done.
pub type Work = for<'a> fn(usize, Vec<Task<'a>>);

/// Hands that are lent to a search. By default it has but its own.
#[derive(Clone, Copy)]
pub struct Hands {
    many: usize,
    work: Work,
}

impl Default for Hands {
    fn default() -> Hands {
        let work = |_: usize, tasks: Vec<Task<'_>>| tasks.into_iter().for_each(|task| task());
        Hands { many: 1, work }
    }
}

impl fmt::Debug for Hands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hands({})", self.many)
    }
}

impl Hands {
    /// So many hands, that work like this.
    pub fn new(many: usize, work: Work) -> Hands {
        Hands { many: many.max(1), work }
    }

    /// Works on each of these. `work` tells whether what it came to ends it all: then nobody asks
    /// for those behind, and they may be left as they are. How many are worth a look: those up to
    /// the first that ended it all, which is the same for any hands.
    pub(super) fn each<T: Send>(
        self,
        all: &mut [T],
        work: impl Fn(&mut T) -> bool + Sync,
    ) -> usize {
        let many = all.len();
        if self.many == 1 || many <= 1 {
            let ended = all.iter_mut().position(work);
            return ended.map_or(many, |at| at + 1);
        }
        let ended = AtomicUsize::new(many);
        let one = |(at, one)| -> Task<'_> {
            let (ended, work) = (&ended, &work);
            Box::new(move || {
                if at < ended.load(Ordering::Relaxed) && work(one) {
                    ended.fetch_min(at, Ordering::Relaxed);
                }
            })
        };
        (self.work)(self.many, all.iter_mut().enumerate().map(one).collect());
        (ended.into_inner() + 1).min(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands that begin at the other end.
    fn backwards(_: usize, tasks: Vec<Task<'_>>) {
        tasks.into_iter().rev().for_each(|task| task());
    }

    #[test]
    fn what_is_before_the_first_end_is_always_done() {
        for hands in [Hands::default(), Hands::new(2, backwards), Hands::new(7, backwards)] {
            for ends in [&[][..], &[0], &[3], &[9], &[3, 5, 9], &[2, 3]] {
                let mut all: Vec<(usize, bool)> = (0..10).map(|at| (at, false)).collect();
                let seen = hands.each(&mut all, |(at, done)| {
                    *done = true;
                    ends.contains(at)
                });
                assert_eq!(seen, ends.first().map_or(10, |at| at + 1), "{hands:?} {ends:?}");
                assert!(all[..seen].iter().all(|(_, done)| *done), "{hands:?} {ends:?}");
            }
            assert_eq!(hands.each(&mut Vec::<u8>::new(), |_| true), 0);
        }
    }
}
