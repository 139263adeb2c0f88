//! The sweep: the witness for whole histories, in linear time (checker notes, 4a and 4d).
//!
//! A client's history carries zxids: a write's answer its own, a read's answer that of the state
//! it shows. So the order of effects is claimed, and only has to be found true. The history is laid
//! down in columns first; then every transaction is carried out once, in zxid order, on one mutable
//! tree, every read is evaluated in between, at its view; and one walk in real time checks what
//! sessions and watches promise. What passes is proven linearizable in its writes: the order is
//! there. What fails contradicts itself.
//!
//! ```text
//!   History, Seen --> Tape --> bucket by zxid --> replay --> walk --> Report
//!                    columns   counting sort      zxid order  real time
//! ```
//!
//! It shares nothing with the witness in the loop but the names of the properties: the two judge
//! each other in tests, and the definition judges both. Calls without an answer are placed where
//! answers show them (`lost`); where one may be behind it, an answer that does not fit is a doubt
//! and no breach (`unsure`).
//!
//! What a search without zxids cannot see, and this can, and why:
//! - a wrong czxid, mzxid, pzxid, ctime or mtime: zxids and times are names that the service gives,
//!   and any order explains them if nobody says which order they claim;
//! - a stale read without a sync before it: some earlier state explains it (P3);
//! - a view that goes back between two servers, if both states give the same answer (P5);
//! - a watch that fires late, twice or never: notifications are no part of an order of calls (P6);
//! - two answers with one zxid, or an answer with another's: to it they are bare numbers (P9).
//!
//! And what neither can: what happened to a node that nobody looked at again, and a time that one
//! single answer tells.

mod again;
mod axis;
mod bucket;
mod court;
mod definition;
pub mod differential;
mod level;
mod lost;
mod multi;
mod paths;
mod place;
mod quiet;
mod reads;
mod replay;
mod shown;
mod stale;
mod tape;
mod translate;
mod tree;
mod unsure;
pub mod views;
mod walk;
mod watches;

use crate::base::Zxid;
use crate::history::{CallId, History};

pub use court::Breach;
pub use level::{Level, SyncFlavour};
pub use stale::Staleness;
pub use tape::Tape;

/// What a history came to, at a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Every property that the level demands holds: the order of all calls is exhibited.
    Holds,
    /// This one does not, and is the first in real time.
    Broken(Breach),
    /// A lost call may have done one thing or another; as it was guessed, this does not hold.
    Undecided(Breach),
    /// There is an operation, of this name, that the sweep does not know.
    Beyond(&'static str),
}

/// What the sweep found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was found broken, by real time; of very many only the first of each pass.
    pub breaches: Vec<Breach>,
    /// What is broken unless a lost call did something else than was guessed.
    pub doubts: Vec<Breach>,
    /// By property: its name, how often it was evaluated, how often it was found broken.
    pub properties: Vec<(&'static str, u64, u64)>,
    /// How stale reads were (P12).
    pub staleness: Staleness,
    /// Calls without an answer that took effect, with their zxids.
    pub found: Vec<(CallId, Zxid)>,
    /// The name of an operation that the sweep does not know: nothing is decided then.
    pub beyond: Option<&'static str>,
}

impl Report {
    /// What the history came to at a level.
    pub fn judge(&self, level: Level, sync: SyncFlavour) -> Judged {
        if let Some(beyond) = self.beyond {
            return Judged::Beyond(beyond);
        }
        let demanded = |breach: &&Breach| level.demands(breach.property, sync);
        if let Some(breach) = self.breaches.iter().find(demanded) {
            return Judged::Broken(breach.clone());
        }
        match self.doubts.iter().find(demanded) {
            Some(doubt) => Judged::Undecided(doubt.clone()),
            None => Judged::Holds,
        }
    }

    /// The strongest level at which the history holds, if any.
    pub fn strongest(&self, sync: SyncFlavour) -> Option<Level> {
        Level::ALL.into_iter().find(|level| self.judge(*level, sync) == Judged::Holds)
    }
}

/// Checks a whole history. The tape may learn names on the way, which changes no answer.
pub fn check(tape: &mut Tape) -> Report {
    let mut replay = first(tape, Vec::new());
    let Some(came) = again::came(&mut replay) else { return finished(replay) };
    drop(replay);
    let orders = again::orders(tape, came).unwrap_or_default();
    finished(first(tape, orders))
}

/// The pass in zxid order, with this settled of lost calls.
fn first(tape: &mut Tape, orders: Vec<again::Order>) -> replay::Replay<'_> {
    let mut replay = replay::Replay::new(tape);
    replay.lost.orders = orders;
    replay.run();
    replay
}

fn finished(mut replay: replay::Replay<'_>) -> Report {
    walk::walk(&mut replay);
    report(replay)
}

fn report(replay: replay::Replay<'_>) -> Report {
    let found = replay.found();
    let replay::Replay { tape, court, staleness, .. } = replay;
    let id = |call: u32| tape.calls[call as usize].id;
    let found = found.into_iter().map(|(call, zxid)| (id(call), Zxid(zxid))).collect();
    let properties = court.table();
    let mut lists = [court.breaches, court.doubts];
    for list in &mut lists {
        list.sort_by_key(|breach| breach.rank);
        for breach in list {
            breach.time = tape.time(breach.rank);
        }
    }
    let [breaches, doubts] = lists;
    Report { breaches, doubts, properties, staleness, found, beyond: tape.beyond }
}

/// Checks a history as clients kept it.
pub fn check_history(history: &History) -> Report {
    check(&mut Tape::of(history))
}

#[cfg(test)]
mod tests;
