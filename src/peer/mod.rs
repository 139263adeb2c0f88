//! One server: an atomic broadcast below, the znode service above, and the client door.
//!
//! ```text
//!   client bytes -> door -> commit stage --asks--> Broadcast
//!                                ^                     |
//!                                '---- deliver --------'
//! ```
//!
//! The service never calls the broadcast: it queues asks, and [`Peer`] passes them down after each
//! call, until none is left. So neither ever finds the other in the middle of something.

mod commit;
mod door;
mod leader;
mod learner;
pub mod rules;
mod service;
mod wire;

#[cfg(test)]
mod tests;

use crate::base::{PeerId, Zxid};
use crate::broadcast::Broadcast;
use crate::jute::quorum::QuorumPacket;
use crate::process::{Boot, Effects, Event, Now, Probe, Process};

pub use rules::Rules;
pub use service::Service;

/// What the service wants of the broadcast below.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ask {
    /// Leader: broadcast a transaction.
    Propose { zxid: Zxid, record: Vec<u8> },
    /// Learner: a word to the leader's service.
    TellLeader(QuorumPacket),
    /// Leader: a word to a learner's service.
    TellLearner(PeerId, QuorumPacket),
    /// Leader: `barrier_passed(token)` once it is known to lead still.
    Barrier { token: u64 },
    /// Leader: give up.
    Abdicate(&'static str),
}

/// A server as a [`Process`].
pub struct Peer {
    broadcast: Box<dyn Broadcast>,
    service: Service,
}

impl Peer {
    /// A server that has not started. The files are the broadcast's: it restores the service from
    /// them when it starts.
    pub fn boot(boot: Boot, broadcast: Box<dyn Broadcast>, rules: Rules) -> Peer {
        Peer { broadcast, service: Service::new(&boot.spec, rules) }
    }

    /// Passes the service's asks down. A barrier or an abdication may call the service back, which
    /// may ask again: until nothing is left.
    fn settle(&mut self, now: Now, fx: &mut Effects) {
        while let Some(ask) = self.service.next_ask() {
            match ask {
                Ask::Propose { zxid, record } => self.broadcast.propose(now, zxid, record, fx),
                Ask::TellLeader(packet) => self.broadcast.tell_leader(packet, fx),
                Ask::TellLearner(peer, packet) => self.broadcast.tell_learner(peer, packet, fx),
                Ask::Barrier { token } => {
                    self.broadcast.barrier(now, token, &mut self.service, fx);
                }
                Ask::Abdicate(why) => self.broadcast.abdicate(now, why, &mut self.service, fx),
            }
        }
        self.service.tell_hits(fx);
    }
}

impl Process for Peer {
    fn start(&mut self, now: Now, fx: &mut Effects) {
        self.broadcast.start(now, &mut self.service, fx);
        self.settle(now, fx);
    }

    fn step(&mut self, now: Now, event: Event, fx: &mut Effects) {
        match event {
            Event::Accepted { conn, .. } => self.service.accepted(conn, fx),
            Event::ConnBytes { conn, bytes } => self.service.conn_bytes(now, conn, &bytes, fx),
            Event::ConnDown { conn } => self.service.conn_down(conn),
            Event::Timer(timer) if timer.0.starts_with("peer.") => {
                self.service.timer(now, timer, fx);
            }
            // Nothing of the service's is deferred; its prefix is reserved all the same.
            Event::Work(work) if work.0.starts_with("peer.") => {}
            Event::LinkUp { .. }
            | Event::LinkDown { .. }
            | Event::DialFailed { .. }
            | Event::Received { .. }
            | Event::Drained { .. }
            | Event::Disk { .. }
            | Event::Timer(_)
            | Event::Work(_) => self.broadcast.step(now, event, &mut self.service, fx),
        }
        self.settle(now, fx);
    }

    fn probe(&self) -> Probe {
        self.service.complete(self.broadcast.probe())
    }

    fn fork(&self) -> Box<dyn Process> {
        Box::new(Peer { broadcast: self.broadcast.fork(), service: self.service.clone() })
    }

    fn describe(&self) -> Vec<(String, String)> {
        let mut lines = self.broadcast.describe();
        lines.extend(self.service.describe());
        lines
    }
}
