//! Times become moments: a fault that waits for what must have happened before it outlives
//! changes that shift times.

use crate::base::{PeerId, Time};
use crate::history::{At, Seen, words};
use crate::plan::{Pattern, Plan, Target, When};

use super::super::shrinker::Shrinker;

/// How many moments before a fault are tried.
const TRIED: usize = 6;

/// Frames and notes of which a run has so many that counting them names nothing.
const COMMON: [&str; 4] = ["PING", "NOTIFICATION", "kept", "hit"];

/// Something that a fault could have waited for.
struct Sight {
    at: Time,
    peer: PeerId,
    on: Pattern,
    /// How many of the sort there had been at this peer, with this one.
    nth: u32,
}

/// Gives each fault that strikes at a time a moment instead, if it fails all the same.
pub fn name(shrinker: &mut Shrinker<'_>) {
    for nth in 0..shrinker.best.faults.len() {
        let When::At(ms) = shrinker.best.faults[nth].when else { continue };
        if shrinker.is_over() {
            return;
        }
        let strikes = Time::from_ms(ms);
        let mut sights: Vec<Sight> = Vec::new();
        shrinker.watch(|at, seen| look(&mut sights, strikes, at, seen));
        // The rarer and the later, the more it says.
        sights.sort_by_key(|sight| {
            let gap = strikes.since(sight.at).as_ms();
            (gap / 50 + u64::from(sight.nth) * 2, std::cmp::Reverse(sight.at))
        });
        sights.truncate(TRIED);
        for sight in sights {
            let exact = strikes.since(sight.at).0 / 1_000;
            let moment = |after_us| {
                let by = Some(Target::Peer(sight.peer));
                When::Moment { on: sight.on.clone(), by, nth: sight.nth, from: 0, after_us }
            };
            let with = |when| {
                let mut plan: Plan = shrinker.best.clone();
                plan.faults[nth].when = when;
                plan
            };
            let [now, then] = [0, exact].map(|after_us| with(moment(after_us)));
            if shrinker.offer(now) || shrinker.offer(then) {
                break;
            }
        }
    }
}

/// Remembers what a fault could wait for; of one sort at one peer only the last.
fn look(sights: &mut Vec<Sight>, strikes: Time, at: At, seen: &[Seen]) {
    if at.time >= strikes {
        return;
    }
    for one in seen {
        let (peer, on) = match one {
            Seen::Sent { from, tag, .. } => (*from, Pattern::Send(tag.kind.to_string())),
            Seen::Received { to, tag, .. } => (*to, Pattern::Receive(tag.kind.to_string())),
            Seen::Wrote { peer, tag, .. } => (*peer, Pattern::Write(tag.kind.to_string())),
            Seen::Noted { peer, note } => (*peer, Pattern::Note(note.kind().to_string())),
            Seen::Synced { peer, device, ok: true } => {
                (*peer, Pattern::Sync(words::device(*device).to_string()))
            }
            _ => continue,
        };
        if let Pattern::Send(kind) | Pattern::Receive(kind) | Pattern::Note(kind) = &on
            && COMMON.contains(&kind.as_str())
        {
            continue;
        }
        match sights.iter_mut().find(|sight| sight.peer == peer && sight.on == on) {
            Some(sight) => (sight.at, sight.nth) = (at.time, sight.nth + 1),
            None => sights.push(Sight { at: at.time, peer, on, nth: 1 }),
        }
    }
}
