//! What makes two findings one: the property, the kind, the roles of the peers concerned, and how
//! far these were in their epoch. Never an id, an epoch, a zxid or a time.
//!
//! A campaign counts findings of one signature together, and a shrunk plan must show the
//! signature of the plan that it was made from.

use std::fmt;

use crate::base::PeerId;
use crate::history::{Seen, words};
use crate::process::{Phase, Role};

use super::Finding;

/// See the module's page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// The property's name.
    pub property: &'static str,
    /// What tells violations of one property apart.
    pub kind: &'static str,
    /// The roles of the peers concerned, each once: `down`, `FOLLOWING`, ..; empty if the finding
    /// is about the whole ensemble.
    pub roles: Vec<&'static str>,
    /// How far the furthest of them had come; of all peers if none is named; `down` if all are.
    pub phase: &'static str,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signature { property, kind, roles, phase } = self;
        let roles = if roles.is_empty() { "ensemble".to_string() } else { roles.join("+") };
        write!(f, "{property}/{kind}/{roles}/{phase}")
    }
}

/// How the peers stand, as far as signatures care.
#[derive(Clone, Debug, Default)]
pub struct Stances(Vec<Option<(Role, Phase)>>);

impl Stances {
    /// Takes one thing seen.
    #[inline]
    pub fn observe(&mut self, seen: &Seen) {
        if let Seen::Probed { peer, probe } = seen {
            self.set(*peer, Some((probe.role, probe.phase)));
        } else if let Seen::Stopped { peer, .. } | Seen::Starting { peer, .. } = seen {
            self.set(*peer, None);
        }
    }

    /// The signature of a finding made now.
    pub fn sign(&self, finding: &Finding) -> Signature {
        let stance = |peer: &PeerId| self.0.get(usize::from(peer.0)).copied().flatten();
        let mut roles: Vec<&'static str> = finding
            .peers
            .iter()
            .map(|peer| stance(peer).map_or("down", |(role, _)| words::role(role)))
            .collect();
        roles.sort_unstable();
        roles.dedup();
        let concerned = finding.peers.iter().filter_map(stance).map(|(_, phase)| phase).max();
        let anyone = self.0.iter().flatten().map(|(_, phase)| *phase).max();
        let phase = if finding.peers.is_empty() { anyone } else { concerned };
        let phase = phase.map_or("down", words::phase);
        Signature { property: finding.property, kind: finding.kind, roles, phase }
    }

    fn set(&mut self, peer: PeerId, stance: Option<(Role, Phase)>) {
        let at = usize::from(peer.0);
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at] = stance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::At;
    use crate::process::Probe;
    use crate::verdict::Weight;

    fn finding(peers: &[u8]) -> Finding {
        let peers = peers.iter().map(|id| PeerId(*id)).collect();
        let (property, kind, detail) = ("Agreement", "differs", String::new());
        Finding { property, weight: Weight::Violation, at: At::default(), peers, kind, detail }
    }

    #[test]
    fn a_signature_has_roles_and_a_phase_but_no_ids() {
        let mut stances = Stances::default();
        assert_eq!(stances.sign(&finding(&[])).to_string(), "Agreement/differs/ensemble/down");
        assert_eq!(stances.sign(&finding(&[7])).to_string(), "Agreement/differs/down/down");
        let mut probe = |peer, role, phase| {
            let probe = Probe { role, phase, ..Probe::default() };
            stances.observe(&Seen::Probed { peer: PeerId(peer), probe });
        };
        probe(1, Role::Following, Phase::Synchronization);
        probe(2, Role::Leading, Phase::Broadcast);
        probe(3, Role::Following, Phase::Discovery);
        let signed = |stances: &Stances, peers| stances.sign(&finding(peers)).to_string();
        let both = "Agreement/differs/FOLLOWING+LEADING/broadcast";
        assert_eq!(signed(&stances, &[1, 2]), both);
        assert_eq!(signed(&stances, &[2, 3, 1]), both, "which peers does not matter");
        assert_eq!(signed(&stances, &[1]), "Agreement/differs/FOLLOWING/synchronization");
        assert_eq!(signed(&stances, &[]), "Agreement/differs/ensemble/broadcast");
        let why = crate::history::Stop::Crash;
        stances.observe(&Seen::Stopped { peer: PeerId(2), why });
        assert_eq!(signed(&stances, &[1, 2]), "Agreement/differs/FOLLOWING+down/synchronization");
    }
}
