//! The passes, from coarse to fine.

mod calls;
mod constants;
mod faults;
mod forks;
mod moments;
mod noise;
mod parties;
mod tail;

use super::shrinker::Shrinker;
use super::size::Size;

/// The most rounds: each is cheaper than the one before, and few plans need a third.
const ROUNDS: usize = 5;

/// All passes, until a round finds nothing more.
pub fn all(shrinker: &mut Shrinker<'_>) {
    run(shrinker, "tail", tail::cut);
    for round in 0..ROUNDS {
        let before = shrinker.best.clone();
        // Other keys are tried less and less: what they could help with, they have.
        let keys = [6, 4, 2, 1, 1][round];
        run(shrinker, "forks", |shrinker| forks::straighten(shrinker, keys));
        run(shrinker, "peers", |shrinker| parties::peers(shrinker, keys));
        run(shrinker, "kinds of faults", |shrinker| faults::kinds(shrinker, keys));
        run(shrinker, "faults", |shrinker| faults::single(shrinker, keys));
        run(shrinker, "clients", |shrinker| parties::clients(shrinker, keys));
        run(shrinker, "noise", |shrinker| noise::families(shrinker, keys));
        run(shrinker, "epochs", |shrinker| noise::sooner(shrinker, keys / 2));
        run(shrinker, "calls", |shrinker| calls::delete(shrinker, keys / 2));
        run(shrinker, "knobs", noise::knobs);
        run(shrinker, "constants", constants::simplify);
        run(shrinker, "moments", moments::name);
        run(shrinker, "tail", tail::cut);
        let same = Size::of(&before) == Size::of(&shrinker.best);
        if same && round > 0 || before == shrinker.best || shrinker.is_over() {
            break;
        }
    }
    run(shrinker, "calls", calls::tidy);
    run(shrinker, "tail", tail::trim);
}

fn run(shrinker: &mut Shrinker<'_>, name: &'static str, pass: impl FnOnce(&mut Shrinker<'_>)) {
    shrinker.pass = name;
    if !shrinker.is_over() {
        pass(shrinker);
    }
}
