//! Atomic broadcast: what a protocol must be to carry a replicated service.
//!
//! ```text
//!            propose, tell_leader, barrier                 deliver, serve, retire
//!   service ------------------------------> Broadcast ------------------------------> service
//!            (asks, drained after each call)            (StateMachine, called in step)
//! ```
//!
//! A protocol sees records as bytes: only their zxid and their length matter to it.

pub mod zab;

use crate::base::{Cursor, Epoch, PeerId, Zxid};
use crate::jute::quorum::QuorumPacket;
use crate::process::{Effects, Event, Now, Probe};

/// In which capacity the service above serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// As the established leader of `epoch`: it prepares transactions, the first being `next`.
    Leading {
        /// Its epoch.
        epoch: Epoch,
        /// The zxid of the first transaction it may propose.
        next: Zxid,
    },
    /// As a learner of `leader`.
    Following {
        /// Whom requests are forwarded to.
        leader: PeerId,
        /// The leader's epoch.
        epoch: Epoch,
    },
}

/// The service that a protocol carries. Called by the protocol, within a step.
#[allow(clippy::wrong_self_convention, reason = "`from_learner` tells who speaks")]
pub trait StateMachine {
    /// Forgets everything and starts from the body of a snapshot (spec 7.3 without header and
    /// seals, as SNAP carries it), or from the fresh tree; `last` is the snapshot's zxid.
    ///
    /// # Errors
    /// What is wrong with the bytes. The state is the fresh tree then.
    fn restore(&mut self, snapshot: Option<&[u8]>, last: Zxid) -> Result<(), String>;

    /// Applies a record while catching up: tolerant of effects that a fuzzy snapshot already has
    /// (spec 7.4). No client sees it happen.
    ///
    /// # Errors
    /// If the record cannot be decoded.
    fn replay(&mut self, zxid: Zxid, record: &[u8]) -> Result<(), String>;

    /// Applies the next part of a committed record, fires watches and answers clients once it is
    /// whole. Parts are numbered from 0; `whole` asks for all of them at once. True when done.
    fn deliver(
        &mut self,
        now: Now,
        zxid: Zxid,
        record: &[u8],
        part: usize,
        whole: bool,
        fx: &mut Effects,
    ) -> bool;

    /// The last zxid applied in full.
    fn last(&self) -> Zxid;

    /// The tree digest (spec 7.5) now.
    fn digest(&self) -> u64;

    /// Appends at most `nodes` more nodes of a snapshot body; true when it is complete.
    fn snapshot(&self, cursor: &mut Cursor, nodes: usize, out: &mut Vec<u8>) -> bool;

    /// From now on clients are served.
    fn serve(&mut self, now: Now, serving: Serving, fx: &mut Effects);

    /// From now on they are not: all their connections are closed (spec 6.10).
    fn retire(&mut self, now: Now, fx: &mut Effects);

    /// A learner's service tells the leader's: REQUEST, REVALIDATE or SYNC (spec 6.5).
    fn from_learner(&mut self, now: Now, learner: PeerId, packet: QuorumPacket, fx: &mut Effects);

    /// The leader's service tells this learner's. What it says holds once `after`, the last zxid
    /// committed on the link before it, is applied here.
    fn from_leader(&mut self, now: Now, packet: QuorumPacket, after: Zxid, fx: &mut Effects);

    /// A learner's link is gone (leader only).
    fn learner_left(&mut self, learner: PeerId);

    /// What a learner answers to a PING: the sessions touched since the last one (spec 3.3).
    fn pong(&mut self) -> Vec<u8>;

    /// What a learner answered to a PING (leader only).
    fn ponged(&mut self, now: Now, learner: PeerId, payload: &[u8]);

    /// A barrier asked for with [`Broadcast::barrier`] is passed.
    fn barrier_passed(&mut self, now: Now, token: u64, fx: &mut Effects);
}

/// An atomic broadcast protocol.
pub trait Broadcast: Send {
    /// Runs once: recovery of the service from the boot image, repairs, first dials and timers.
    fn start(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects);

    /// Takes one event that is the protocol's: links, disk, timers and work that it set.
    fn step(&mut self, now: Now, event: Event, app: &mut dyn StateMachine, fx: &mut Effects);

    /// Leader: broadcasts a record whose zxid follows that of the last one.
    fn propose(&mut self, now: Now, zxid: Zxid, record: Vec<u8>, fx: &mut Effects);

    /// Learner: sends to the leader's service. Dropped if there is no leader.
    fn tell_leader(&mut self, packet: QuorumPacket, fx: &mut Effects);

    /// Leader: sends to a learner's service, in order with proposals and commits.
    fn tell_learner(&mut self, learner: PeerId, packet: QuorumPacket, fx: &mut Effects);

    /// Leader: calls `barrier_passed(token)` once all that was proposed before is applied here and
    /// a quorum has confirmed, since now, that this peer still leads (spec 5.6 D).
    fn barrier(&mut self, now: Now, token: u64, app: &mut dyn StateMachine, fx: &mut Effects);

    /// Leader: gives up, for a reason of the service's (`rollover`).
    fn abdicate(
        &mut self,
        now: Now,
        why: &'static str,
        app: &mut dyn StateMachine,
        fx: &mut Effects,
    );

    /// How it stands; `tree` is left to the caller.
    fn probe(&self) -> Probe;

    /// A copy.
    fn fork(&self) -> Box<dyn Broadcast>;

    /// What a person debugging it would like to read.
    fn describe(&self) -> Vec<(String, String)>;
}
