//! Trees by their digests (spec 7.5, 8.2 S8): what a transaction says the tree becomes, and what
//! each peer's tree is, against the model's.

use std::collections::BTreeMap;

use crate::base::{Digest, PeerId, SessionId, Zxid};
use crate::process::Probe;

use super::tally::{Court, Property};

/// A committed state.
#[derive(Clone, Copy, Debug)]
struct State {
    zxid: Zxid,
    tree: u64,
    sessions: u64,
}

/// The digests of all committed states, and who was compared with which.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    digests: Vec<State>,
    /// Open sessions and their timeouts, and the sum that a peer tells of its own.
    sessions: BTreeMap<SessionId, i32>,
    sum: u64,
    compared: BTreeMap<PeerId, Zxid>,
}

impl Trees {
    /// A session is opened.
    pub(super) fn opened(&mut self, session: SessionId, timeout_ms: i32) {
        self.closed(session);
        self.sessions.insert(session, timeout_ms);
        self.sum ^= sum(session, timeout_ms);
    }

    /// A session is closed.
    pub(super) fn closed(&mut self, session: SessionId) {
        let timeout_ms = self.sessions.remove(&session);
        self.sum ^= timeout_ms.map_or(0, |timeout_ms| sum(session, timeout_ms));
    }

    /// The model's tree is this one after `zxid`; the transaction claimed another digest, maybe.
    pub(super) fn became(
        &mut self,
        zxid: Zxid,
        digest: u64,
        claimed: Option<u64>,
        court: &mut Court<'_>,
    ) {
        self.digests.push(State { zxid, tree: digest, sessions: self.sum });
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
        let Ok(at) = self.digests.binary_search_by_key(&applied, |state| state.zxid) else {
            return;
        };
        self.compared.insert(peer, applied);
        let State { tree: digest, sessions, .. } = self.digests[at];
        court.hold(Property::TreeEquality, tree == digest, "wrong_tree", || {
            format!("the tree of {peer} at {applied} is {tree:#x}, but it should be {digest:#x}")
        });
        let Some(own) = probe.sessions else { return };
        court.hold(Property::SessionEquality, own == sessions, "table", || {
            let open: Vec<String> = self.sessions.keys().map(SessionId::to_string).collect();
            format!(
                "the table of sessions of {peer} at {applied} is another than it should be; open \
                 at the newest commit: {}",
                open.join(", ")
            )
        });
    }
}

fn sum(session: SessionId, timeout_ms: i32) -> u64 {
    Digest::of_words(&[session.0 as u64, u64::from(timeout_ms.unsigned_abs())]).0
}
