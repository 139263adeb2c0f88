//! Whether the service comes back once every injector has stopped (spec 8.2 S12).
//!
//! After calm the core must, within the plan's bound: have one established leader, every other
//! live member of the core serving in its epoch, every client finished, and all of them at the
//! same zxid. A run settles when all of that holds. Otherwise the finding names what is missing,
//! or the run is undecided, and says which [`Excuse`] of its plan holds.

mod excuse;
#[cfg(test)]
mod tests;

pub use excuse::{Demands, Excuse};

use crate::base::{PeerId, Time};
use crate::history::{At, Seen};
use crate::process::{Phase, Probe, Role};

use super::{Finding, Weight};

/// What this judge judges.
pub const PROPERTIES: &[(&str, &str)] = &[
    ("Liveness", "after faults stop, one leader, all of the core serve, all clients finish"),
    ("Convergence", "after faults stop, all of the core reach the same zxid and tree"),
];

#[derive(Clone, Copy, Debug, Default)]
struct Member {
    probe: Probe,
    up: bool,
}

/// See the file's page.
#[derive(Clone, Debug)]
pub struct Liveness {
    members: Vec<(PeerId, Member)>,
    demands: Demands,
    finished: usize,
    core: Option<Vec<PeerId>>,
    calm_at: Time,
    deadline: Time,
    /// When the run settled.
    settled: Option<At>,
    refused: Vec<(PeerId, String)>,
}

impl Liveness {
    /// Nothing seen yet.
    pub fn new(demands: Demands) -> Liveness {
        Liveness {
            members: Vec::new(),
            demands,
            finished: 0,
            core: None,
            calm_at: Time::ZERO,
            deadline: Time::NEVER,
            settled: None,
            refused: Vec::new(),
        }
    }

    /// Takes one thing seen.
    pub fn observe(&mut self, at: At, seen: &Seen) {
        match seen {
            Seen::Probed { peer, probe } => self.member(*peer).probe = *probe,
            Seen::Starting { peer, .. } => {
                self.member(*peer).up = true;
                self.refused.retain(|(refused, _)| refused != peer);
                return;
            }
            Seen::Stopped { peer, .. } => {
                *self.member(*peer) = Member::default();
                return;
            }
            Seen::Refused { peer, reason, .. } => {
                *self.member(*peer) = Member::default();
                self.refused.push((*peer, reason.clone()));
                return;
            }
            Seen::Calm { core, deadline } => {
                self.core = Some(core.clone());
                self.calm_at = at.time;
                self.deadline = *deadline;
            }
            Seen::Finished { .. } => self.finished += 1,
            _ => return,
        }
        if self.core.is_some() && self.settled.is_none() && self.missing().is_none() {
            self.settled = Some(at);
        }
    }

    /// Whether everything that must happen after calm has happened.
    pub fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    /// Whether the run may end at this moment: all of the core stand at the same zxid. There is
    /// always something to apply, such as the end of an abandoned session, so that a run that
    /// ends at any other moment finds some peer behind. The same bound holds for this as for
    /// settling.
    pub fn may_end(&self, at: At) -> bool {
        let bound = self.deadline.since(self.calm_at);
        let patience = self.settled.map_or(self.deadline, |settled| settled.time + bound.times(2));
        at.time >= patience || self.missing().is_none()
    }

    /// Whether the bound has passed without that.
    pub fn is_late(&self, at: At) -> bool {
        self.settled.is_none() && at.time > self.deadline
    }

    /// The run is over. If something is missing, and the plan excuses it: what, and how.
    pub fn finish(&mut self, at: At, findings: &mut Vec<Finding>) -> Option<String> {
        if let (Some((kind, _, detail)), Some(excuse)) = (self.missing(), self.excuse()) {
            return Some(format!("excused: {excuse}; {kind}: {detail}"));
        }
        let (property, kind, peers, detail) = match (self.settled, self.missing()) {
            (None, None) => return None,
            (None, Some((kind, peers, detail))) => {
                ("Liveness", kind, peers, format!("{detail}, though faults stopped long ago"))
            }
            (Some(_), missing) => match (missing, self.diverged()) {
                (Some(("behind", peers, detail)), _) => ("Convergence", "behind", peers, detail),
                (_, Some((peers, detail))) => ("Convergence", "tree", peers, detail),
                (_, None) => return None,
            },
        };
        findings.push(Finding { property, weight: Weight::Violation, at, peers, kind, detail });
        None
    }

    /// Why no correct ensemble could do what is demanded, if so.
    fn excuse(&self) -> Option<Excuse> {
        let core = self.core.as_deref()?;
        Excuse::of_core(core, &self.demands).or_else(|| self.demands.excuse.clone())
    }

    /// How often each property was evaluated.
    pub fn evaluated(&self) -> Vec<(&'static str, u64)> {
        let calm = u64::from(self.core.is_some());
        vec![("Liveness", calm), ("Convergence", u64::from(self.settled.is_some()))]
    }

    fn member(&mut self, peer: PeerId) -> &mut Member {
        let at = match self.members.binary_search_by_key(&peer, |(id, _)| *id) {
            Ok(at) => at,
            Err(at) => {
                self.members.insert(at, (peer, Member::default()));
                at
            }
        };
        &mut self.members[at].1
    }

    fn of_core(&self) -> impl Iterator<Item = &(PeerId, Member)> {
        let core = self.core.as_deref().unwrap_or_default();
        self.members.iter().filter(move |(peer, _)| core.contains(peer))
    }

    /// What is still missing, if anything: a stable word, who, and a sentence.
    fn missing(&self) -> Option<(&'static str, Vec<PeerId>, String)> {
        let Some(core) = &self.core else {
            return Some(("never_calm", Vec::new(), "the run ended before calm".to_string()));
        };
        let leads = |(_, m): &&(PeerId, Member)| {
            m.up && m.probe.role == Role::Leading && m.probe.phase == Phase::Broadcast
        };
        // A peer outside the core may lead: it need not, but it may well be healthy again.
        let leader = self.members.iter().filter(leads).max_by_key(|(_, m)| m.probe.epoch);
        let Some((leader, epoch)) = leader.map(|(peer, m)| (*peer, m.probe.epoch)) else {
            return Some(("no_leader", core.clone(), "no peer leads".to_string()));
        };
        let leaders: Vec<PeerId> = self.of_core().filter(leads).map(|(peer, _)| *peer).collect();
        if leaders.len() > 1 {
            return Some(("two_leaders", leaders, "more than one peer leads".to_string()));
        }
        let serves = |m: &Member| m.up && m.probe.serving && m.probe.epoch == epoch;
        let idle: Vec<PeerId> =
            self.of_core().filter(|(_, m)| !serves(m)).map(|(peer, _)| *peer).collect();
        if !idle.is_empty() {
            let why = self.refused.iter().map(|(peer, why)| format!("; {peer} refused: {why}"));
            let why: String = why.collect();
            let detail = format!("{idle:?} do not serve under {leader} in epoch {epoch}{why}");
            return Some(("not_serving", idle, detail));
        }
        let clients = self.demands.servers.len();
        if self.finished < clients {
            let detail = format!("{} of {clients} clients finished", self.finished);
            return Some(("clients_unfinished", Vec::new(), detail));
        }
        let top = self.of_core().map(|(_, m)| m.probe.applied).max().unwrap_or_default();
        let behind: Vec<PeerId> =
            self.of_core().filter(|(_, m)| m.probe.applied != top).map(|(p, _)| *p).collect();
        if !behind.is_empty() {
            let detail = format!("{behind:?} have not applied {top}");
            return Some(("behind", behind, detail));
        }
        None
    }

    fn diverged(&self) -> Option<(Vec<PeerId>, String)> {
        let mut trees = self.of_core().filter_map(|(peer, m)| Some((*peer, m.probe.tree?)));
        let (first, tree) = trees.next()?;
        let other = trees.find(|(_, other)| *other != tree)?;
        let detail = format!("the trees of {first} and {} differ at the same zxid", other.0);
        Some((vec![first, other.0], detail))
    }
}
