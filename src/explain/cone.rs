//! The happens-before cone of a violation: every step that could have had to do with it.
//!
//! A step is in the past of another if the same party took it before (a peer's disk and timers are
//! its own), or if the other answers something that it sent. What is not in the cone cannot have
//! mattered, whatever the time says.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LinkId, PeerId};
use crate::history::{Actor, At, Seen};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::{CannotRun, Run};
use crate::verdict::Outcome;

/// The past of a violation.
#[derive(Clone, Debug)]
pub struct Cone {
    /// Its steps, in order; the last one is the violation's.
    pub steps: Vec<InCone>,
    /// How many steps there were up to the violation.
    pub of: u64,
}

/// One step of the cone.
#[derive(Clone, Debug)]
pub struct InCone {
    /// When.
    pub at: At,
    /// What was seen in it.
    pub seen: Vec<Seen>,
    /// The step that sent what this one got.
    pub sent_in: Option<u64>,
}

/// One step as it was recorded.
struct Step {
    at: At,
    seen: Vec<Seen>,
    /// Requests made so far.
    asked: u64,
    /// The last step of each party of this one before it.
    before: Vec<usize>,
    /// The step whose message this one handled.
    message: Option<usize>,
}

/// The past of a plan's violation; `None` if there is none.
///
/// # Errors
/// If the plan cannot run.
pub fn cone(plan: &Arc<Plan>, kit: &Kit) -> Result<Option<Cone>, CannotRun> {
    let mut run = Run::new(plan.clone(), kit)?;
    let mut log = Log::default();
    loop {
        let mut seen_here = Vec::new();
        let mut when = At::default();
        let more = run.step_seen(|at, seen| {
            when = at;
            seen_here.extend_from_slice(seen);
        });
        log.take(when, seen_here, run.world.cause());
        if !more {
            break;
        }
    }
    let Outcome::Violated(finding) = run.verdict.outcome() else { return Ok(None) };
    let Some(last) = log.steps.iter().rposition(|step| step.at.step <= finding.at.step) else {
        return Ok(None);
    };
    let mut open = vec![last];
    for peer in &finding.peers {
        let of = |step: &Step| touches(&step.seen, *peer);
        open.extend(log.steps[..=last].iter().rposition(of));
    }
    Ok(Some(log.past(open, last)))
}

/// Everything that happened, with what led to what.
#[derive(Default)]
struct Log {
    steps: Vec<Step>,
    last_of: BTreeMap<Actor, usize>,
    /// In which steps the frames of a direction were sent, and how many of them arrived.
    frames: BTreeMap<(LinkId, PeerId), (Vec<usize>, usize)>,
}

impl Log {
    fn take(&mut self, at: At, seen: Vec<Seen>, cause: crate::history::Cause) {
        let now = self.steps.len();
        let mut parties: Vec<Actor> = cause.actor.into_iter().collect();
        let mut message = None;
        for one in &seen {
            match one {
                Seen::Sent { link, from, .. } => {
                    self.frames.entry((*link, *from)).or_default().0.push(now);
                }
                Seen::Received { link, from, .. } => {
                    let (sent, arrived) = self.frames.entry((*link, *from)).or_default();
                    message = sent.get(*arrived).copied();
                    *arrived += 1;
                }
                Seen::Stopped { peer, .. }
                | Seen::Starting { peer, .. }
                | Seen::Fault { peer: Some(peer), .. } => {
                    let peer = Actor::Peer(*peer);
                    if !parties.contains(&peer) {
                        parties.push(peer);
                    }
                }
                _ => {}
            }
        }
        if message.is_none() && cause.is_message {
            let asked = self.steps.partition_point(|step| step.asked < cause.asked);
            message = (asked < now).then_some(asked);
        }
        let before = parties.iter().filter_map(|party| self.last_of.insert(*party, now)).collect();
        self.steps.push(Step { at, seen, asked: cause.asked_so_far, before, message });
    }

    /// The steps from which these can be reached.
    fn past(mut self, mut open: Vec<usize>, last: usize) -> Cone {
        let mut inside = vec![false; last + 1];
        while let Some(at) = open.pop() {
            if at <= last && !std::mem::replace(&mut inside[at], true) {
                open.extend(&self.steps[at].before);
                open.extend(self.steps[at].message);
            }
        }
        let steps = (0..=last).filter(|at| inside[*at]).map(|at| {
            let sent_in = self.steps[at].message.map(|sent| self.steps[sent].at.step);
            let step = &mut self.steps[at];
            InCone { at: step.at, seen: std::mem::take(&mut step.seen), sent_in }
        });
        let steps = steps.collect();
        Cone { steps, of: last as u64 + 1 }
    }
}

/// Whether a step shows something of a peer.
fn touches(seen: &[Seen], of: PeerId) -> bool {
    seen.iter().any(|one| match one {
        Seen::Starting { peer, .. }
        | Seen::Refused { peer, .. }
        | Seen::Stopped { peer, .. }
        | Seen::Noted { peer, .. }
        | Seen::Probed { peer, .. }
        | Seen::Wrote { peer, .. }
        | Seen::Synced { peer, .. } => *peer == of,
        Seen::Sent { from, .. } => *from == of,
        Seen::Received { to, .. } => *to == of,
        Seen::Heard { server, .. } => *server == of,
        Seen::Fault { peer, .. } => *peer == Some(of),
        Seen::LinkUp { .. }
        | Seen::LinkDown { .. }
        | Seen::Connecting { .. }
        | Seen::Connected { .. }
        | Seen::Disconnected { .. }
        | Seen::Expired { .. }
        | Seen::GaveUp { .. }
        | Seen::Called(_)
        | Seen::Returned { .. }
        | Seen::Lost { .. }
        | Seen::Watch { .. }
        | Seen::Finished { .. }
        | Seen::Claimed { .. }
        | Seen::Complained { .. }
        | Seen::Calm { .. }
        | Seen::End { .. } => false,
    })
}
