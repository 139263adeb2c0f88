//! Second thoughts: where an answer is in doubt because of what lost calls were guessed to have
//! done, some guess before it was wrong, or missing. The pass is made again without one of them, or
//! with a lost call settled that was not guessed, or with two such changes; what brings it further
//! stays. What passes in the end is proven, however it was found; what never does is undecided.

use std::collections::BTreeSet;

use super::court::FRESH;
use super::lost::{Goal, REACH, Trial};
use super::replay::{GAP, Replay, parts_of};
use super::tape::{Kind, Tape};

/// How many calls all passes together may look at.
const WORK: u64 = 30_000_000;
/// With fewer passes than this nothing is found as a rule, and none is made.
const PASSES: u64 = 100;
/// How many guesses are doubted for one answer.
const TRIES: usize = 192;
/// How many guesses of one kind are among these.
const SOME: usize = 24;
/// In how many places a lost call that was not guessed is put.
const PLACES: usize = 16;

/// A lost call that was found to have happened at a key.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) unknown: u32,
    pub(super) key: u32,
    /// The paths that it changed.
    pub(super) paths: Vec<u32>,
}

/// What is settled of a lost call before the pass begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// It never happened.
    Never(u32),
    /// It did not happen at this key.
    NotAt(u32, u32),
    /// It happened at this key, if the state allowed it.
    At(u32, u32),
}

/// How far a pass came.
pub(super) struct Came {
    /// The key of the first answer in doubt.
    key: u32,
    /// What may help, the likeliest first.
    ideas: Vec<Order>,
}

/// Whether nothing is broken for certain, stale reads aside.
fn is_sound(replay: &Replay<'_>) -> bool {
    replay.court.breaches.iter().all(|breach| breach.property == FRESH.0)
}

/// How many passes over so many calls may be made.
fn passes(tape: &Tape) -> u64 {
    WORK / (tape.len() as u64).max(1)
}

/// How far a pass came, if it came to a doubt that is worth another, and nothing is broken for
/// certain.
pub(super) fn came(replay: &mut Replay<'_>) -> Option<Came> {
    let worth = is_sound(replay) && passes(replay.tape) >= PASSES;
    let (key, part) = replay.doubted.filter(|_| worth)?;
    let mut about = BTreeSet::from([part.path]);
    if matches!(part.kind, Kind::Multi | Kind::MultiRead) {
        about.extend(parts_of(replay.tape, &part).iter().map(|part| part.path));
    }
    let parents: Vec<u32> = about
        .iter()
        .filter_map(|path| replay.tape.paths.parent.get(*path as usize))
        .copied()
        .collect();
    let unseen = replay.candidates(key, Goal::Read(&part));
    let lost = &replay.lost;
    // Sessions with lost calls that touch it: another guess may stand in their way.
    let calls = about.iter().chain(&parents).filter_map(|path| lost.by_path.get(path)).flatten();
    let sessions: BTreeSet<u32> = calls.map(|n| lost.list[*n as usize].session).collect();
    let near = |guess: &&Guess| guess.paths.iter().any(|path| about.contains(path));
    let above = |guess: &&Guess| guess.paths.iter().any(|path| parents.contains(path));
    let kin = |guess: &&Guess| sessions.contains(&lost.list[guess.unknown as usize].session);
    let late = || lost.guesses.iter().rev();
    let not_there = |guess: &Guess| Order::NotAt(guess.unknown, guess.key);
    let mut ideas: Vec<Order> = Vec::new();
    ideas.extend(late().filter(near).map(not_there).take(SOME));
    ideas.extend(late().filter(near).map(|guess| Order::Never(guess.unknown)).take(SOME / 2));
    for unknown in unseen {
        let least = lost.list[unknown as usize].after;
        let keys = (least + 1..=key).rev().take(REACH as usize);
        let dark = keys.filter(|at| replay.is_free(unknown, *at) && !lost.shown.contains_key(at));
        ideas.extend(dark.take(PLACES).map(|at| Order::At(unknown, at)));
    }
    ideas.extend(late().filter(above).map(not_there).take(SOME));
    ideas.extend(late().filter(kin).map(not_there).take(SOME));
    ideas.extend(late().map(not_there));
    let mut known = BTreeSet::new();
    ideas.retain(|idea| known.insert(*idea));
    ideas.truncate(TRIES);
    Some(Came { key, ideas })
}

/// Settles what lost calls did until no answer of the pass in zxid order is in doubt.
pub(super) fn orders(tape: &mut Tape, first: Came) -> Option<Vec<Order>> {
    let left = passes(tape);
    let mut search = Search { tape, orders: Vec::new(), left };
    let mut front = first;
    loop {
        let further = search.further(&front, front.key, 1);
        match further.or_else(|| search.further(&front, front.key, 2))? {
            Pass::Whole => return Some(search.orders),
            Pass::Doubted(came) => front = came,
            Pass::Broken => return None,
        }
    }
}

/// What came of a pass.
enum Pass {
    /// Nothing is in doubt.
    Whole,
    /// Something is.
    Doubted(Came),
    /// Something is broken for certain.
    Broken,
}

struct Search<'t> {
    tape: &'t mut Tape,
    orders: Vec<Order>,
    /// Passes that may still be made.
    left: u64,
}

impl Search<'_> {
    /// Looks for so many ideas together that bring a pass beyond a key, and keeps them.
    fn further(&mut self, front: &Came, key: u32, ideas: u32) -> Option<Pass> {
        let some = if ideas > 1 { SOME } else { TRIES };
        for idea in front.ideas.iter().take(some) {
            self.orders.push(*idea);
            match self.pass()? {
                Pass::Doubted(came) if came.key <= key => {
                    if ideas > 1
                        && let Some(found) = self.further(&came, key, ideas - 1)
                    {
                        return Some(found);
                    }
                }
                Pass::Broken => {}
                found => return Some(found),
            }
            self.orders.pop();
        }
        None
    }

    /// A pass with what is settled so far; `None` if there have been too many.
    fn pass(&mut self) -> Option<Pass> {
        self.left = self.left.checked_sub(1)?;
        let mut replay = Replay::new(self.tape);
        (replay.lost.orders, replay.halts) = (self.orders.clone(), true);
        replay.run();
        Some(match (came(&mut replay), is_sound(&replay)) {
            (Some(came), _) => Pass::Doubted(came),
            (None, true) => Pass::Whole,
            (None, false) => Pass::Broken,
        })
    }
}

impl Replay<'_> {
    /// Whether one happened at this key, as was settled before. It stands in `fired` then.
    pub(super) fn carry_out(&mut self, key: u32) -> bool {
        let here = |order: &Order| match *order {
            Order::At(unknown, at) if at == key => Some(unknown),
            Order::At(..) | Order::NotAt(..) | Order::Never(_) => None,
        };
        let Some(unknown) = self.lost.orders.iter().find_map(here) else { return false };
        let happens = self.lost.list[unknown as usize].placed == GAP
            && self.is_free(unknown, key)
            && self.put(unknown, key);
        if happens {
            let fired = std::mem::take(&mut self.tree.fired);
            let ended = self.end_again(unknown, key);
            let trial = Trial { unknown, key, fired, ended };
            self.make_good(&trial);
            self.tree.fired = trial.fired;
        }
        happens
    }
}
