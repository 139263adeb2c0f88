//! Trees by their digests (spec 7.5, 8.2 S8): what a transaction says the tree becomes, and what
//! each peer's tree is, against the model's.

use std::collections::BTreeMap;

use crate::base::{PeerId, Zxid};
use crate::process::Probe;

use super::tally::{Court, Property};

/// The digests of all committed states, and who was compared with which.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    digests: Vec<(Zxid, u64)>,
    compared: BTreeMap<PeerId, Zxid>,
}

impl Trees {
    /// The model's tree is this one after `zxid`; the transaction claimed another digest, maybe.
    pub(super) fn became(
        &mut self,
        zxid: Zxid,
        digest: u64,
        claimed: Option<u64>,
        court: &mut Court<'_>,
    ) {
        self.digests.push((zxid, digest));
        let Some(claimed) = claimed else { return };
        court.hold(Property::TreeEquality, claimed == digest, "claimed", || {
            format!("{zxid} says that the tree becomes {claimed:#x}, but it becomes {digest:#x}")
        });
    }

    /// A peer's files or state were replaced: it is compared anew, at the same zxid too.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.compared.remove(&peer);
    }

    /// A peer's tree at rest, once for each zxid that it comes to. What it has from before a new
    /// epoch may still be abandoned: only committed states are compared, by their very zxid.
    pub(super) fn probed(&mut self, peer: PeerId, probe: &Probe, court: &mut Court<'_>) {
        let (Some(tree), applied) = (probe.tree, probe.applied) else { return };
        if self.compared.get(&peer) == Some(&applied) {
            return;
        }
        let Ok(at) = self.digests.binary_search_by_key(&applied, |(zxid, _)| *zxid) else { return };
        self.compared.insert(peer, applied);
        let digest = self.digests[at].1;
        court.hold(Property::TreeEquality, tree == digest, "wrong_tree", || {
            format!("the tree of {peer} at {applied} is {tree:#x}, but it should be {digest:#x}")
        });
    }
}
