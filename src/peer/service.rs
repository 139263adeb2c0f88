//! The replicated service of one server: its tree, its clients, its part in the ensemble.
//!
//! The invariant it keeps: what clients see of the tree is the tree after some whole transaction.
//! A multi or closeSession may be applied in parts (the snapshot walks in between), but reads wait
//! for the last one, and events and answers leave with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{Config, ConnId, Cursor, Duration, PeerId, SessionId, Zxid};
use crate::broadcast::{Serving, StateMachine};
use crate::jute::Record;
use crate::jute::quorum::QuorumPacket;
use crate::jute::txn::{Txn, TxnRecord};
use crate::process::{Effects, Note, Now, Probe, Spec, Tag, Timer};
use crate::znode::tree::{Applied, Tree, Trigger};
use crate::znode::watch::WatchTable;

use super::door::Conn;
use super::leader::Leader;
use super::learner::Learner;
use super::rules::{Delivery, Rules, decide};
use super::{Ask, wire};

/// The timer by which the leader expires sessions.
pub(super) const EXPIRE: Timer = Timer("peer.expire", 0);

/// What the server is to its clients.
#[derive(Clone, Debug)]
pub(super) enum Duty {
    /// It does not serve.
    Idle,
    /// It prepares transactions.
    Leading(Box<Leader>),
    /// It forwards writes to its leader.
    Following(Learner),
}

/// Numbers from the configuration.
#[derive(Clone, Debug)]
pub(super) struct Knobs {
    pub tick: Duration,
    pub min_session_ms: i32,
    pub max_session_ms: i32,
    pub outstanding_limit: usize,
    /// The counter that no transaction gets: its epoch is used up.
    pub last_counter: u32,
}

impl Knobs {
    fn new(spec: &Spec) -> Knobs {
        let tick_ms = spec.knob("tick_ms", 2000).max(1);
        let ms = |name, ticks| i32::try_from(spec.knob(name, tick_ms * ticks)).unwrap_or(i32::MAX);
        let last_counter = u32::try_from(spec.knob("last_counter", 0)).unwrap_or(0);
        let min_session_ms = ms("min_session_ms", 2).max(1);
        Knobs {
            tick: Duration::from_ms(tick_ms),
            min_session_ms,
            max_session_ms: ms("max_session_ms", 20).max(min_session_ms),
            outstanding_limit: spec.knob("outstanding_limit", 1000).max(1) as usize,
            last_counter: if last_counter == 0 { u32::MAX } else { last_counter },
        }
    }
}

/// A transaction of which some parts are applied.
#[derive(Clone, Debug)]
struct Half {
    zxid: Zxid,
    record: TxnRecord,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub struct Service {
    pub(super) id: PeerId,
    pub(super) rules: Rules,
    pub(super) knobs: Knobs,
    pub(super) tree: Tree,
    half: Option<Half>,
    pub(super) duty: Duty,
    pub(super) door: BTreeMap<ConnId, Conn>,
    /// Which connection of this server speaks for a session: the newest that proved itself.
    pub(super) voices: BTreeMap<SessionId, ConnId>,
    pub(super) watches: WatchTable,
    /// Connections whose next read waits for the rest of a transaction.
    pub(super) stalled: BTreeSet<ConnId>,
    asks: VecDeque<Ask>,
    /// The last session id given out; the first is its start (spec 3.1).
    last_session: i64,
    /// What `/zookeeper/config` says (spec 2.2).
    config: Config,
    /// How often the tree's rules answered otherwise than the right ones, not yet told.
    differed: u64,
}

impl Service {
    pub(super) fn new(spec: &Spec, rules: Rules) -> Service {
        // Server in the top byte, incarnation below, a counter of 2^24 at the bottom (spec 3.1 D):
        // unique without a clock, and never 0, as the counter starts at 1.
        let start = i64::from(spec.id.0) << 56 | ((spec.incarnation & 0xFFFF_FFFF) << 24) as i64;
        Service {
            id: spec.id,
            rules,
            knobs: Knobs::new(spec),
            tree: Tree::new().with_rules(rules.znode),
            half: None,
            duty: Duty::Idle,
            door: BTreeMap::new(),
            voices: BTreeMap::new(),
            watches: WatchTable::default(),
            stalled: BTreeSet::new(),
            asks: VecDeque::new(),
            last_session: start,
            config: spec.config.clone(),
            differed: 0,
        }
    }

    pub(super) fn next_ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.asks.push_back(ask);
    }

    pub(super) fn next_session(&mut self) -> SessionId {
        self.last_session = self.last_session.wrapping_add(1);
        SessionId(self.last_session)
    }

    pub(super) fn is_serving(&self) -> bool {
        match self.duty {
            Duty::Idle => false,
            Duty::Leading(_) | Duty::Following(_) => true,
        }
    }

    /// Whether a read has to wait because a transaction is applied in part.
    pub(super) fn reads_wait(&self) -> bool {
        (self.rules.reads_wait)(self.half.is_some())
    }

    /// The zxid of a reply header now (ZOOKEEPER-1412).
    pub(super) fn reply_zxid(&self, fx: &mut Effects) -> Zxid {
        let applied = self.tree.last();
        let prepared = match &self.duty {
            Duty::Leading(leader) => leader.prepared(),
            Duty::Following(_) | Duty::Idle => applied,
        };
        decide!(self, fx, reply_zxid(applied, prepared))
    }

    /// Tells where the rules of tree and preparation answered otherwise than the right ones.
    pub(super) fn tell_hits(&mut self, fx: &mut Effects) {
        let Some(name) = self.rules.znode.planted else { return };
        self.count_hits();
        for _ in 0..std::mem::take(&mut self.differed) {
            fx.note(Note::hit(name));
        }
    }

    fn count_hits(&mut self) {
        self.differed += self.tree.differed();
        if let Duty::Leading(leader) = &mut self.duty {
            self.differed += leader.differed();
        }
    }

    /// Adds what the service knows to the broadcast's probe.
    pub(super) fn complete(&self, probe: Probe) -> Probe {
        Probe {
            applied: self.tree.last(),
            tree: if self.half.is_some() { None } else { Some(self.tree.digest()) },
            sessions: if self.half.is_some() { None } else { Some(self.tree.sessions_sum()) },
            serving: self.is_serving(),
            ..probe
        }
    }

    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let duty = match &self.duty {
            Duty::Idle => "idle".to_string(),
            Duty::Leading(leader) => format!("leading, prepared {}", leader.prepared()),
            Duty::Following(learner) => format!("following {}", learner.leader),
        };
        let mut lines = vec![
            ("service".to_string(), duty),
            ("applied".to_string(), self.tree.last().to_string()),
            ("tree digest".to_string(), format!("{:016x}", self.tree.digest())),
        ];
        if let Some(half) = &self.half {
            lines.push(("applied in part".to_string(), half.zxid.to_string()));
        }
        for (session, timeout_ms) in self.tree.sessions() {
            let ephemerals = self.tree.ephemerals(session).len();
            let text = format!("timeout {timeout_ms}ms, {ephemerals} ephemerals");
            lines.push((format!("session {session}"), text));
        }
        for (conn, state) in &self.door {
            lines.push((conn.to_string(), state.describe()));
        }
        lines
    }

    /// A timer of the service's own fired.
    pub(super) fn timer(&mut self, now: Now, timer: Timer, fx: &mut Effects) {
        if timer == EXPIRE {
            self.expire(now, fx);
        } else if timer.0 == super::door::GREETING {
            self.greeting_overdue(ConnId(timer.1), fx);
        }
    }

    /// A transaction is applied in full: tell who waits for it.
    fn settled(&mut self, now: Now, record: &TxnRecord, applied: Applied, fx: &mut Effects) {
        self.note_applied(now, record, fx);
        let mut result = Some(applied.result);
        for delivery in (self.rules.delivery)() {
            match delivery {
                Delivery::Events => self.fire(record, &applied.triggers, fx),
                Delivery::Answer => {
                    if let Some(result) = result.take() {
                        self.answer(now, record, result, fx);
                    }
                }
            }
        }
        self.hear_leader(now, fx);
        for conn in std::mem::take(&mut self.stalled) {
            self.pump(now, conn, fx);
        }
    }

    fn fire(&mut self, record: &TxnRecord, triggers: &[Trigger], fx: &mut Effects) {
        let zxid = Zxid::from_wire(record.header.zxid);
        for trigger in triggers {
            for fired in self.watches.trigger(trigger) {
                let bytes = wire::notification(fired.kind, fired.path, Some(zxid));
                fx.reply(fired.conn, Tag::zxid("EVENT", zxid), bytes);
            }
        }
    }

    /// The leader's own books: pending changes, and sessions that came or went.
    fn note_applied(&mut self, now: Now, record: &TxnRecord, fx: &mut Effects) {
        let Duty::Leading(leader) = &mut self.duty else { return };
        let session = SessionId(record.header.client);
        leader.applied(Zxid::from_wire(record.header.zxid));
        match &record.txn {
            Txn::CreateSession(txn) => leader.session_created(now, record, txn.timeout, fx),
            Txn::CloseSession(_) => self.close_applied(session, fx),
            Txn::Create(_)
            | Txn::Create2(_)
            | Txn::Delete(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::Multi(_)
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::DeleteContainer(_)
            | Txn::SetAcl(_)
            | Txn::Reconfig(_)
            | Txn::Error(_) => {}
        }
    }
}

impl StateMachine for Service {
    fn restore(&mut self, snapshot: Option<&[u8]>, last: Zxid) -> Result<(), String> {
        self.half = None;
        self.count_hits();
        let rules = self.rules.znode;
        self.tree = Tree::new().with_rules(rules);
        if let Some(body) = snapshot {
            self.tree = Tree::restore(body, last)?.with_rules(rules);
        }
        Ok(())
    }

    fn replay(&mut self, _zxid: Zxid, record: &[u8]) -> Result<(), String> {
        let record = TxnRecord::from_bytes(record).map_err(|error| error.to_string())?;
        if !Tree::serves(&record.txn) {
            return Err(format!("transactions of type {} are not served", record.header.kind));
        }
        // If parts of it are applied already, the rest follows: effects are absolute (spec 7.4).
        self.half = None;
        self.tree.apply(&record);
        Ok(())
    }

    fn deliver(
        &mut self,
        now: Now,
        zxid: Zxid,
        record: &[u8],
        part: usize,
        whole: bool,
        fx: &mut Effects,
    ) -> bool {
        let record = match self.half.take() {
            Some(half) if half.zxid == zxid && part > 0 => half.record,
            _ => match TxnRecord::from_bytes(record) {
                Ok(record) if !Tree::serves(&record.txn) => {
                    let kind = record.header.kind;
                    fx.halt(format!("transaction {zxid} is of type {kind}, which is not served"));
                    return true;
                }
                Ok(record) => record,
                Err(error) => {
                    // A committed record that cannot be read: going on would lose it silently.
                    fx.halt(format!("transaction {zxid} cannot be decoded: {error}"));
                    return true;
                }
            },
        };
        let applied = if whole {
            (part..Tree::parts(&record).max(part + 1))
                .find_map(|part| self.tree.apply_part(&record, part))
        } else {
            self.tree.apply_part(&record, part)
        };
        match applied {
            Some(applied) => {
                self.settled(now, &record, applied, fx);
                true
            }
            None => {
                self.half = Some(Half { zxid, record });
                false
            }
        }
    }

    fn last(&self) -> Zxid {
        self.tree.last()
    }

    fn digest(&self) -> u64 {
        self.tree.digest()
    }

    fn snapshot(&self, cursor: &mut Cursor, nodes: usize, out: &mut Vec<u8>) -> bool {
        self.tree.snapshot(cursor, nodes, out)
    }

    fn serve(&mut self, now: Now, serving: Serving, fx: &mut Effects) {
        self.retire(now, fx);
        // After recovery no ephemeral may be without an owner (spec 7.4); none is, unless the
        // snapshot was taken while its session came.
        self.tree.drop_orphans();
        self.tree.set_config(&self.config.text(), self.config.version, now.wall);
        self.duty = match serving {
            Serving::Leading { epoch, next } => {
                let rules = (self.rules.znode, self.knobs.tick);
                let mut leader = Leader::new(self.id, (epoch, next), &self.tree, rules, now);
                leader.arm(now, fx);
                Duty::Leading(Box::new(leader))
            }
            Serving::Following { leader, epoch } => Duty::Following(Learner::new(leader, epoch)),
        };
    }

    fn retire(&mut self, _now: Now, fx: &mut Effects) {
        match self.duty {
            Duty::Idle => {}
            Duty::Leading(_) => fx.cancel_timer(EXPIRE),
            Duty::Following(_) => {}
        }
        self.count_hits();
        self.duty = Duty::Idle;
        let conns: Vec<ConnId> = self.door.keys().copied().collect();
        for conn in conns {
            self.close_conn(conn, fx);
        }
        self.stalled.clear();
        // Asks of the old duty must not reach the broadcast in a new one.
        self.asks.clear();
        assert!(self.voices.is_empty(), "a session's voice is one of the connections just closed");
    }

    fn from_learner(&mut self, now: Now, learner: PeerId, packet: QuorumPacket, fx: &mut Effects) {
        self.hear_learner(now, learner, packet, fx);
    }

    fn from_leader(&mut self, now: Now, packet: QuorumPacket, after: Zxid, fx: &mut Effects) {
        let Duty::Following(learner) = &mut self.duty else { return };
        learner.said.push_back((after, packet));
        self.hear_leader(now, fx);
    }

    fn learner_left(&mut self, learner: PeerId) {
        if let Duty::Leading(leader) = &mut self.duty {
            leader.learner_left(learner);
        }
    }

    fn pong(&mut self) -> Vec<u8> {
        match &mut self.duty {
            Duty::Following(learner) => learner.pong(),
            Duty::Idle | Duty::Leading(_) => Vec::new(),
        }
    }

    fn ponged(&mut self, now: Now, _learner: PeerId, payload: &[u8]) {
        if let Duty::Leading(leader) = &mut self.duty
            && (self.rules.pong_counts)()
        {
            leader.ponged(now, payload);
        }
    }

    fn barrier_passed(&mut self, now: Now, token: u64, fx: &mut Effects) {
        self.passed(now, token, fx);
    }
}
