//! A learner's half of the service: what it asked its leader, and what the leader said.
//!
//! The invariant it keeps: a word of the leader takes effect once everything that was committed on
//! the link before it is applied here, and words take effect in the order in which they came.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{ConnId, Epoch, PeerId, SessionId, Zxid};
use crate::jute::Record;
use crate::jute::quorum::{QuorumPacket, packet};
use crate::process::{Effects, Now};

use super::service::{Duty, Service};
use super::wire;

/// What only a learner keeps.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    pub leader: PeerId,
    epoch: Epoch,
    /// Sessions touched since the last PING, and their timeouts (spec 3.3).
    pub touched: BTreeMap<SessionId, i32>,
    /// Words of the leader that wait for transactions.
    pub said: VecDeque<(Zxid, QuorumPacket)>,
    /// Renewals asked for, in order: the verdict is for the connection that asked (case 83).
    pub renewing: VecDeque<(SessionId, ConnId)>,
    /// Syncs asked for, in order: so are their answers.
    pub syncing: VecDeque<ConnId>,
}

impl Learner {
    pub fn new(leader: PeerId, epoch: Epoch) -> Learner {
        Learner {
            leader,
            epoch,
            touched: BTreeMap::new(),
            said: VecDeque::new(),
            renewing: VecDeque::new(),
            syncing: VecDeque::new(),
        }
    }

    /// The touched sessions, for the leader.
    pub fn pong(&mut self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.touched.len() * 12);
        for (session, timeout_ms) in std::mem::take(&mut self.touched) {
            session.0.encode(&mut out);
            timeout_ms.encode(&mut out);
        }
        out
    }

    /// The next word that holds now.
    fn due(&mut self, applied: Zxid) -> Option<QuorumPacket> {
        let (after, _) = self.said.front()?;
        // Before the first transaction of the epoch, `after` may be its start, which is none.
        let holds = *after <= applied || *after == self.epoch.start();
        if holds { self.said.pop_front().map(|(_, packet)| packet) } else { None }
    }
}

impl Service {
    /// Lets the leader's words take effect as far as they hold.
    pub(super) fn hear_leader(&mut self, now: Now, fx: &mut Effects) {
        loop {
            let applied = self.tree.last();
            let Duty::Following(learner) = &mut self.duty else { return };
            let Some(said) = learner.due(applied) else { return };
            match said.kind {
                packet::SYNC => {
                    let Some(conn) = learner.syncing.pop_front() else { continue };
                    self.sync_answered(conn);
                    self.pump(now, conn, fx);
                }
                packet::REVALIDATE => {
                    let data = said.data.unwrap_or_default();
                    let verdict = wire::read_revalidate::<bool>(&data);
                    let Ok((session, valid)) = verdict else { continue };
                    let asked = learner.renewing.iter().position(|(asked, _)| *asked == session);
                    let Some(at) = asked else { continue };
                    let Some((_, conn)) = learner.renewing.remove(at) else { continue };
                    self.renewed(conn, valid, fx);
                    self.pump(now, conn, fx);
                }
                // Nothing else is said to a service.
                _ => {}
            }
        }
    }
}
