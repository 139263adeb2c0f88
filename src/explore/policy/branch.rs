//! What happens where a run is branched: a few faults right there, or only other dice.

use crate::base::{Dice, Draw};
use crate::plan::scenario::Scenario;
use crate::plan::{Fault, Fork, Plan, Planned, Split, Target, When};

use super::{Course, Policy};

/// The faults of a fork: the first strikes right after its step, the others follow it.
pub fn at_fork(scenario: &Scenario, plan: &Plan, fork: Fork) -> Vec<Planned> {
    let mut plan = Plan { faults: scenario.faults.clone(), ..plan.clone() };
    let known = plan.faults.len();
    let mut course = Course::new(scenario, &mut plan, Policy::Branch);
    course.dice = Dice::new(course.plan.seed, &format!("branch/{}/{}", fork.step, fork.salt));
    burst(&mut course, When::Step(fork.step));
    plan.faults.split_off(known)
}

/// A fault, and up to two that follow it closely.
fn burst(course: &mut Course<'_>, when: When) {
    let weights = [(None, 15), (Some("crash"), 45), (Some("crash"), 12), (Some("partition"), 18)];
    let weights = weights.map(|(family, weight)| match family {
        Some(family) if !course.allows(family) => 0,
        _ => weight,
    });
    let first = match course.dice.below(5) {
        0 | 1 => Target::Leader,
        2 => Target::Longest,
        3 => Target::Shortest,
        _ => course.follower(),
    };
    let blink = course.dice.scale(1, course.tick * 2);
    match course.dice.weighted(&weights) {
        0 => {}
        1 => {
            let long = course.dice.below(3) == 0;
            let down = if long { course.election_ms * 2 + blink } else { blink };
            course.add(when, Fault::crash(first, Some(down)));
            course.followers_up(blink);
        }
        2 => {
            let down = (0..course.plan.voters).map(|_| course.dice.scale(1, course.tick * 4));
            let down = down.collect();
            course.add(when, Fault::CrashAll { down });
        }
        _ => {
            let ms = course.tick * course.sync_limit + course.election_ms * 2;
            let one_way = course.dice.below(3) == 0;
            let reset = course.dice.below(2) == 0;
            let split = Split::Isolate(first);
            let fault = Fault::Partition { split, one_way, clients: false, reset, ms: Some(ms) };
            course.add(when, fault);
            if course.allows("crash") && course.dice.below(2) == 0 {
                let gap = course.dice.scale(1, course.tick);
                let down = course.election_ms + course.dice.scale(1, course.tick * 8);
                let fault = Fault::crash(Target::Same, Some(down));
                course.add(When::Then(gap), fault);
            }
        }
    }
}
