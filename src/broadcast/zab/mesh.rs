//! The election mesh: one link per pair of peers, dialled by the bigger sid (spec 6.2).
//!
//! ```text
//!   bigger sid ---- dial, redial with back-off ---------------------> smaller sid
//!   bigger sid <--- nudge: a dial that is dropped and answered so --- smaller sid without a link
//! ```
//!
//! Invariants: the surviving link is always the newest one that the bigger sid dialled; whoever
//! knows that there is none tries again, so a link that only one side has seen die comes back. One
//! notification waits per peer: the newest.

use std::collections::BTreeMap;

use crate::base::{Config, LinkId, PeerId, PeerSet};
use crate::process::{Channel, Effects, Timer};

use super::{Station, Zab};

/// How many dial delays a smaller sid waits for the bigger one before it nudges.
const NUDGE_AFTER: u64 = 5;

/// The longest back-off, as a power of two of the dial delay.
const BACK_OFF_MAX: u32 = 4;

/// Links to the other members.
#[derive(Clone, Debug)]
pub(super) struct Mesh {
    me: PeerId,
    members: PeerSet,
    links: BTreeMap<PeerId, LinkId>,
    dialing: PeerSet,
    failed: BTreeMap<PeerId, u32>,
    /// Whom a notification waits for.
    owed: PeerSet,
}

impl Mesh {
    pub fn new(me: PeerId, config: &Config) -> Mesh {
        Mesh {
            me,
            members: config.members().filter(|peer| *peer != me).collect(),
            links: BTreeMap::new(),
            dialing: PeerSet::EMPTY,
            failed: BTreeMap::new(),
            owed: PeerSet::EMPTY,
        }
    }

    /// Whose link this is.
    pub fn peer_of(&self, link: LinkId) -> Option<PeerId> {
        self.links.iter().find(|(_, at)| **at == link).map(|(peer, _)| *peer)
    }

    /// The link to a peer; if there is none, it is owed the newest notification.
    pub fn link_or_owe(&mut self, peer: PeerId) -> Option<LinkId> {
        let link = self.links.get(&peer).copied();
        if link.is_none() {
            self.owed.insert(peer);
        }
        link
    }

    fn dial(&mut self, peer: PeerId, fx: &mut Effects) {
        if self.dialing.insert(peer) {
            fx.dial(peer, Channel::Election);
        }
    }
}

impl Zab {
    pub(super) fn mesh_start(&mut self, fx: &mut Effects) {
        let members = self.mesh.members;
        for peer in members.iter() {
            if self.mesh.me > peer {
                self.mesh.dial(peer, fx);
            } else {
                self.retry_later(peer, fx);
            }
        }
    }

    /// Sets the timer of whoever's turn it is: a dial of the bigger sid, a nudge of the smaller.
    fn retry_later(&mut self, peer: PeerId, fx: &mut Effects) {
        let delay = self.knobs.dial_retry;
        if self.mesh.me > peer {
            let failed = self.mesh.failed.entry(peer).or_insert(0);
            let delay = delay.times(1 << (*failed).min(BACK_OFF_MAX));
            *failed = failed.saturating_add(1);
            fx.set_timer_in(Timer("zab.dial", u64::from(peer.0)), delay);
        } else {
            let delay = delay.times(NUDGE_AFTER);
            fx.set_timer_in(Timer("zab.nudge", u64::from(peer.0)), delay);
        }
    }

    pub(super) fn mesh_retry(&mut self, timer: Timer, fx: &mut Effects) {
        let Ok(peer) = u8::try_from(timer.1).map(PeerId) else { return };
        if self.mesh.links.contains_key(&peer) {
            return;
        }
        self.mesh.dial(peer, fx);
        if self.mesh.me < peer {
            self.retry_later(peer, fx);
        }
    }

    pub(super) fn mesh_dial_failed(&mut self, peer: PeerId, fx: &mut Effects) {
        self.mesh.dialing.remove(peer);
        if self.mesh.me > peer && !self.mesh.links.contains_key(&peer) {
            self.retry_later(peer, fx);
        }
    }

    pub(super) fn mesh_link_up(
        &mut self,
        link: LinkId,
        peer: PeerId,
        dialed: bool,
        fx: &mut Effects,
    ) {
        if dialed {
            self.mesh.dialing.remove(peer);
        }
        if !self.mesh.members.contains(peer) {
            return fx.hang_up(link);
        }
        match (self.mesh.me > peer, dialed) {
            (true, true) | (false, false) => self.install(link, peer, fx),
            (true, false) => {
                // The other side has no link: what this side holds is dead, even if nobody said so.
                fx.hang_up(link);
                if let Some(old) = self.mesh.links.remove(&peer) {
                    fx.hang_up(old);
                }
                self.mesh.dial(peer, fx);
            }
            (false, true) => {} // A nudge: its other end drops it and dials back.
        }
    }

    fn install(&mut self, link: LinkId, peer: PeerId, fx: &mut Effects) {
        self.mesh.failed.remove(&peer);
        fx.cancel_timer(Timer(
            if self.mesh.me > peer { "zab.dial" } else { "zab.nudge" },
            u64::from(peer.0),
        ));
        if let Some(old) = self.mesh.links.insert(peer, link) {
            fx.hang_up(old);
        }
        let looking = matches!(self.station, Station::Looking { ready: true });
        if self.mesh.owed.remove(peer) || looking {
            self.notify(peer, fx);
        }
    }

    /// True if the link was the mesh's.
    pub(super) fn mesh_link_down(&mut self, link: LinkId, fx: &mut Effects) -> bool {
        let Some(peer) = self.mesh.peer_of(link) else { return false };
        self.mesh.links.remove(&peer);
        self.retry_later(peer, fx);
        true
    }

    /// Hangs up on a peer that sent what no peer sends; it may try again.
    pub(super) fn mesh_drop(&mut self, peer: PeerId, link: LinkId, fx: &mut Effects) {
        fx.hang_up(link);
        self.mesh.links.remove(&peer);
        self.retry_later(peer, fx);
    }
}
