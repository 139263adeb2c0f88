//! The witness: the zxid-guided consistency checker, in the loop (checker notes 4a).
//!
//! Answers carry zxids, so the order of effects need not be searched: transactions become
//! committed one after another, the model judges each *request* in the state before it, and every
//! answer is compared with that state, at once and in about constant time. A run without findings
//! exhibits a legal order; a finding means that the service's own claims contradict each other.
//!
//! ```text
//!   Proposed, Committed, Delivered, Established --> order --> model --> watches
//!                                                     |         |
//!   Called -------------------------> calls ----------+         |
//!   Returned, Watch, Expired, ..  ------------------------------+--> findings
//! ```
//!
//! It is not the durability ledger, and knows no protocol: how transactions became committed is
//! judged elsewhere.

mod calls;
mod commit;
mod effect;
mod expiry;
mod order;
pub(super) mod tally;
mod trees;
mod watches;

use crate::base::{Config, Digest, PeerId, SessionId, Zxid};
use crate::history::{At, Seen};
use crate::plan::Plan;
use crate::process::{Channel, Note, Role};

use super::{Finding, Oracle};
use calls::Calls;
use expiry::Expiry;
use order::Order;
use tally::{Court, PROPERTIES, Property, Tally};
use trees::Trees;
use watches::Watches;

use super::model::tree::Model;
pub use super::model::tree::Settings;
use crate::znode::op::Op;

/// The oracle. See the module.
#[derive(Clone, Debug)]
pub struct Witness {
    tally: Tally,
    core: Core,
}

/// What it knows of the run so far.
#[derive(Clone, Debug)]
struct Core {
    order: Order,
    model: Model,
    calls: Calls,
    watches: Watches,
    trees: Trees,
    expiry: Expiry,
}

impl Witness {
    /// A witness of a run that begins with the fresh tree.
    pub fn new() -> Witness {
        Witness::with(Settings::default(), None)
    }

    /// A witness of the run of a plan, whose peers speak Zab: it judges their clocks as well.
    pub fn of(plan: &Plan) -> Witness {
        let config = Config::initial(plan.voters);
        let mut witness = Witness::with(Settings::default(), Some(&config));
        witness.core.expiry = Expiry::of(plan);
        witness
    }

    /// A witness of servers that are configured like this, and begin with this config, if it is
    /// known.
    pub fn with(settings: Settings, config: Option<&Config>) -> Witness {
        let mut model = Model::new();
        model.configure(settings);
        if let Some(config) = config {
            model.begin_with(&config.text(), config.version);
        }
        let core = Core {
            order: Order::default(),
            model,
            calls: Calls::default(),
            watches: Watches::default(),
            trees: Trees::default(),
            expiry: Expiry::blind(),
        };
        Witness { tally: Tally::new(), core }
    }
}

impl Default for Witness {
    fn default() -> Witness {
        Witness::new()
    }
}

impl Oracle for Witness {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        PROPERTIES
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        let mut court = Court { at, tally: &mut self.tally, findings };
        self.core.see(seen, &mut court);
    }

    /// All is judged as it happens: nothing is left for the end.
    fn finish(&mut self, _at: At, _findings: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        self.tally.counts()
    }

    fn committed(&self) -> &[(Zxid, Digest)] {
        self.core.order.all()
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

impl Core {
    fn see(&mut self, seen: &Seen, court: &mut Court<'_>) {
        let now = court.at.time;
        if now > self.expiry.due {
            self.expiry.judge(self.order.applied_by_peer(), court);
        }
        match seen {
            Seen::Noted { peer, note } => self.note(*peer, note, court),
            Seen::Starting { peer, .. } | Seen::Stopped { peer, .. } => {
                self.order.stepped_down(*peer);
                self.trees.forget(*peer);
                self.expiry.stopped(*peer);
            }
            Seen::Probed { peer, probe } => self.trees.probed(*peer, probe, court),
            Seen::Sent { link, from, channel: Channel::Quorum, tag, .. } => {
                self.expiry.sent(*link, *from, tag);
            }
            Seen::Received { link, from, to, tag } => {
                self.expiry.received(*link, (*from, *to), tag, now);
            }
            Seen::Heard { server, conn, whole } => {
                if *whole {
                    self.calls.met(*conn, self.order.applied_by(*server));
                }
                self.expiry.heard(*conn, *whole, now);
            }
            Seen::Fault { kind, peer: Some(peer), .. } => self.expiry.fault(kind, *peer, now),
            Seen::Calm { .. } => self.expiry.calm(now),
            Seen::Connecting { conn, server, session, last_zxid_seen, .. } => {
                self.calls.connecting(*conn, *session, *last_zxid_seen);
                self.watches.renewed(*conn, *session);
                self.expiry.connecting(*conn, *session, *server);
            }
            Seen::Connected { conn, session, fresh, timeout_ms, .. } => {
                self.calls.connected(*conn, *session, *fresh, court);
                self.expiry.connected(*conn, *session, *timeout_ms, now);
            }
            Seen::Disconnected { conn, .. } => {
                let session = self.calls.disconnected(*conn);
                self.watches.forget(*conn, session);
            }
            Seen::Expired { session, .. } => self.calls.expired(*session, court),
            Seen::Called(call) => {
                if let Op::SetWatches { .. } | Op::SetWatches2 { .. } = call.op {
                    self.watches.set_watches_shown();
                }
                self.expiry.called(call.conn, &call.op);
                let who = self.calls.called(call, &mut self.model);
                self.watches.claims(call.conn, who);
            }
            Seen::Returned { id, zxid, result } => self.returned(*id, *zxid, result, court),
            Seen::Lost { id } => self.calls.lost(*id),
            Seen::Watch { conn, kind, path, zxid, .. } => {
                self.watches.heard(*conn, *kind, path, *zxid, &mut self.model, court);
                if let Some(zxid) = zxid {
                    self.calls.heard(*conn, *zxid);
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, peer: PeerId, note: &Note, court: &mut Court<'_>) {
        match note {
            Note::Proposed { zxid, record } => {
                self.order.proposed(peer, *zxid, record);
                self.expiry.proposed(peer, record, court);
            }
            Note::Established { epoch, last } => self.order.established(peer, *epoch, *last, court),
            Note::Committed { zxid } => self.order.committed(peer, *zxid, court),
            Note::Delivered { zxid, digest } => self.order.delivered(peer, *zxid, *digest, court),
            Note::BecameRole { role, .. } => {
                if *role != Role::Leading {
                    self.order.stepped_down(peer);
                    self.expiry.retires(peer);
                }
            }
            Note::Abdicated { .. } => {
                self.order.stepped_down(peer);
                self.expiry.retires(peer);
            }
            Note::Restored { zxid, .. } => {
                self.trees.forget(peer);
                self.order.applied(peer, *zxid);
            }
            Note::SessionExpired { session, idle_ns, timeout_ms } => {
                self.marked(peer, *session, *idle_ns, *timeout_ms, court);
            }
            _ => return,
        }
        while let Some(next) = self.order.next() {
            self.commit(&next, court);
        }
        match note {
            Note::Established { .. } => self.expiry.reigns(peer, court.at.time),
            Note::Delivered { zxid, .. } => self.expiry.delivered(peer, *zxid, court.at.time),
            _ => {}
        }
    }

    /// A leader gives a session up: only after its timeout, by the leader's own clock (P7).
    fn marked(
        &mut self,
        peer: PeerId,
        session: SessionId,
        idle_ns: u64,
        timeout_ms: u64,
        court: &mut Court<'_>,
    ) {
        let timely = idle_ns > timeout_ms.saturating_mul(1_000_000);
        court.hold(Property::SessionExpiry, timely, "too_early", || {
            format!(
                "{peer} expired session {session} after {idle_ns} ns without a touch, but its \
                 timeout is {timeout_ms} ms"
            )
        });
        self.calls.marked(session);
    }
}

#[cfg(test)]
pub(super) mod tests;
