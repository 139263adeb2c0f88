//! Who is meant: names of roles and sides, resolved to peers when a fault strikes.
//!
//! Only probes and what syncs have covered are looked at, never a protocol's own state. Of equals
//! the one with the smallest id is meant, so that a target is a function of the run.

use crate::plan::{Split, Target};
use crate::process::Role;

use super::World;
use super::nemesis::Context;

/// The pairs that are cut, and the peers of the first side.
pub(super) type Sides = (Vec<(usize, usize)>, Vec<usize>);

impl World {
    /// The pairs that a split cuts, the first side first, and the peers of that side.
    pub(super) fn split(&self, split: &Split, context: Context) -> Option<Sides> {
        let peers = self.machines.len();
        let all: Vec<usize> = (0..peers).collect();
        let others = |sides: &[usize]| -> Vec<usize> {
            all.iter().filter(|peer| !sides.contains(peer)).copied().collect()
        };
        let first: Vec<usize> = match split {
            Split::Isolate(target) => vec![self.find(target, context)?],
            Split::LeaderInMinority => {
                let leader = self.find(&Target::Leader, context)?;
                (0..((peers - 1) / 2).max(1)).map(|next| (leader + next) % peers).collect()
            }
            Split::Sides(sides) => sides.iter().map(|id| usize::from(id.0) - 1).collect(),
            Split::Bridge(target) => {
                let rest = others(&[self.find(target, context)?]);
                let half = rest[..rest.len() / 2].to_vec();
                let pairs = half.iter().flat_map(|a| rest[half.len()..].iter().map(|b| (*a, *b)));
                return Some((pairs.collect(), half.clone()));
            }
            Split::Ring => {
                // So far around the ring that each sees just more than half.
                let reach = (peers / 2).div_ceil(2);
                let far = |a: usize, b: usize| (b - a).min(peers - (b - a)) > reach;
                let pairs = all.iter().flat_map(|a| (a + 1..peers).map(move |b| (*a, b)));
                return Some((pairs.filter(|(a, b)| far(*a, *b)).collect(), Vec::new()));
            }
            Split::Pair(a, b) => {
                let (a, b) = (self.find(a, context)?, self.find(b, context)?);
                return (a != b).then(|| (vec![(a, b)], vec![a]));
            }
        };
        let second = others(&first);
        let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (*a, *b))).collect();
        Some((pairs, first))
    }

    /// Who a target is now.
    pub(super) fn find(&self, target: &Target, context: Context) -> Option<usize> {
        let live = || (0..self.machines.len()).filter(|peer| self.machines[*peer].is_up());
        // Of equals the one with the smallest id: `min_by_key` keeps the first, and reversed ids
        // make `max_by_key` do so too.
        let low = |peer: &usize| usize::MAX - *peer;
        let durable = |peer: usize| {
            let machine = &self.machines[peer];
            machine.disk.durable.min(machine.probe.logged)
        };
        let probe = |peer: &usize| &self.machines[*peer].probe;
        let leader = || {
            let leads = live().filter(|peer| probe(peer).role == Role::Leading);
            let leads = leads.max_by_key(|peer| (probe(peer).epoch, low(peer)));
            leads.or_else(|| live().max_by_key(|peer| (probe(peer).logged, low(peer))))
        };
        match target {
            Target::Peer(id) => Some(usize::from(id.0) - 1),
            Target::Leader => leader().or(Some(0)),
            Target::Follower(n) => {
                let leader = leader();
                let follows: Vec<usize> = live().filter(|peer| Some(*peer) != leader).collect();
                let n = usize::from(*n);
                (!follows.is_empty()).then(|| follows[n % follows.len()])
            }
            Target::Shortest => live().min_by_key(|peer| durable(*peer)),
            Target::Longest => live().max_by_key(|peer| (durable(*peer), low(peer))),
            Target::Same => context.0.or_else(leader),
            Target::Other => context.1.or(context.0).or_else(leader),
        }
    }
}
