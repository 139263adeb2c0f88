//! Legal histories of the znode service, as many calls as wanted: for tests, for benches, for other
//! people's checkers.
//!
//! A log with one leader, servers that lag behind it, sessions that pipeline calls, lose their
//! connections, move, watch, close and expire. Outcomes come from the judge's naive model, so that
//! what is forged is legal by the specification's text, not by the service's word.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{ClientId, ConnId, Dice, Draw, Epoch, PeerId, SessionId, Time, Zxid};
use crate::history::{At, Call, CallId, Committed, Did, Seen};
use crate::verdict::model::tree::{Asked, Model, Place, Table, Trigger, event};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

/// What a forged history is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// About how many calls.
    pub calls: u64,
    /// How many sessions are open at a time.
    pub sessions: u32,
    /// How many servers they are spread over.
    pub servers: u32,
    /// How many calls a session may have under way at a time.
    pub pipeline: u32,
    /// How many top-level nodes there are.
    pub tops: u32,
    /// How many children of each are used.
    pub below: u32,
    /// Of a hundred calls, so many are writes.
    pub writes: u32,
    /// Of a thousand writes, so many are never answered.
    pub lost: u32,
    /// Of a thousand reads, so many leave a watch.
    pub watches: u32,
    /// Of a thousand calls, so many are multis, syncs, and ends of sessions each.
    pub rare: u32,
    /// Calls of one epoch; 0 for one epoch only.
    pub epoch: u64,
    /// Of a hundred reads, so many are answered by a server that has applied everything.
    pub fresh: u32,
}

impl Shape {
    /// A small history in which everything happens often.
    pub fn small(calls: u64) -> Shape {
        Shape {
            calls,
            sessions: 4,
            servers: 3,
            pipeline: 3,
            tops: 3,
            below: 2,
            writes: 50,
            lost: 20,
            watches: 200,
            rare: 40,
            epoch: 100,
            fresh: 0,
        }
    }

    /// The shape of the benches: a thousand sessions on a thousand paths, 2 % of writes unknown.
    pub fn wide(calls: u64) -> Shape {
        Shape {
            calls,
            sessions: 1000,
            servers: 5,
            pipeline: 2,
            tops: 50,
            below: 20,
            writes: 50,
            lost: 20,
            watches: 20,
            rare: 5,
            epoch: 1_000_000,
            fresh: 0,
        }
    }
}

mod asks;
mod watching;

type Answer = Result<Reply, ErrorCode>;

struct Entry {
    committed: Committed,
    answer: Answer,
    fired: Vec<Trigger>,
}

struct Server {
    /// How many transactions it has applied, of all there ever were.
    applied: u64,
    shown: Zxid,
    watches: BTreeMap<(Place, Table), BTreeSet<u32>>,
}

struct Asking {
    id: CallId,
    xid: i32,
    op: Op,
    /// The number of its transaction, once it has one.
    txn: Option<u64>,
}

struct Client {
    session: SessionId,
    conn: ConnId,
    server: usize,
    xid: i32,
    seen: Zxid,
    queue: VecDeque<Asking>,
    /// What its library remembers: data, exist and child watches.
    remembered: [BTreeSet<String>; 3],
    /// Sequential nodes that it made and may delete.
    made: Vec<String>,
}

/// The forge: a service, and those who use it.
struct Forge<'s> {
    shape: Shape,
    dice: Dice,
    model: Model,
    /// The newest transactions, and how many were forgotten before them.
    log: VecDeque<Entry>,
    forgotten: u64,
    zxid: Zxid,
    servers: Vec<Server>,
    clients: Vec<Client>,
    /// Who has which session.
    owners: BTreeMap<SessionId, usize>,
    sink: &'s mut dyn FnMut(At, Seen),
    tell: &'s mut dyn FnMut(Committed),
    step: u64,
    calls: u32,
    conns: u64,
    next_session: i64,
    since_epoch: u64,
}

/// Forges a history: `sink` gets what clients saw, in order, `tell` the log.
pub fn forge(
    seed: u64,
    shape: Shape,
    sink: &mut dyn FnMut(At, Seen),
    tell: &mut dyn FnMut(Committed),
) {
    let server = || Server { applied: 0, shown: Zxid::ZERO, watches: BTreeMap::new() };
    let mut forge = Forge {
        shape,
        dice: Dice::new(seed, "forge"),
        model: Model::new(),
        log: VecDeque::new(),
        forgotten: 0,
        zxid: Epoch(1).start(),
        servers: (0..shape.servers.max(1)).map(|_| server()).collect(),
        clients: Vec::new(),
        owners: BTreeMap::new(),
        sink,
        tell,
        step: 0,
        calls: 0,
        conns: 0,
        next_session: 0x100,
        since_epoch: 0,
    };
    for n in 0..shape.sessions.max(1) {
        forge.clients.push(Client {
            session: SessionId(0),
            conn: ConnId(0),
            server: 0,
            xid: 0,
            seen: Zxid::ZERO,
            queue: VecDeque::new(),
            remembered: Default::default(),
            made: Vec::new(),
        });
        forge.open(n as usize);
    }
    // What everything else stands on.
    for top in 0..shape.tops {
        let (path, mode) = (format!("/d{top}"), CreateMode::Persistent);
        let op = Op::Create { path, data: None, acl: open_acl(), mode, stat: false };
        forge.ask(0, op);
        forge.serve(0);
        forge.serve(0);
    }
    while u64::from(forge.calls) < shape.calls {
        forge.turn();
    }
}

impl Forge<'_> {
    fn see(&mut self, seen: Seen) {
        self.step += 1;
        let at = At { step: self.step, time: Time(self.step * 1000) };
        (self.sink)(at, seen);
    }

    fn end(&self) -> u64 {
        self.forgotten + self.log.len() as u64
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.dice.below(1000) < u64::from(per_mille)
    }

    /// Somebody does something.
    fn turn(&mut self) {
        let n = self.dice.below(self.clients.len() as u64) as usize;
        if self.clients[n].queue.len() < self.shape.pipeline as usize && self.dice.below(2) == 0 {
            let op = self.op(n);
            self.ask(n, op);
        } else {
            self.serve(n);
        }
        if self.dice.below(self.clients.len() as u64 / 4 + 2) == 0 {
            let server = self.dice.below(self.servers.len() as u64) as usize;
            let most = self.dice.below(self.end() - self.servers[server].applied + 1);
            let to = self.servers[server].applied + most;
            self.apply_to(server, to);
        }
        let (rare, lost) = (self.shape.rare, self.shape.lost * self.shape.writes / 100);
        match self.dice.below(4) {
            0 if self.chance(lost) => self.reconnect(n),
            // Where nothing is to be lost, nobody expires who waits for an answer.
            1 if self.chance(rare) && (lost > 0 || self.clients[n].queue.is_empty()) => {
                self.expire(n);
            }
            2 if self.shape.epoch > 0 && self.since_epoch > self.shape.epoch => {
                self.since_epoch = 0;
                self.zxid = self.zxid.epoch().next().start();
            }
            _ => {}
        }
        if self.end().is_multiple_of(4096) {
            self.forget();
        }
    }

    /// What every server has applied is not needed any more.
    fn forget(&mut self) {
        let oldest = self.servers.iter().map(|server| server.applied).min().unwrap_or(0);
        let mut zxid = None;
        while self.forgotten + 1 < oldest
            && let Some(entry) = self.log.pop_front()
        {
            zxid = Some(entry.committed.zxid);
            self.forgotten += 1;
        }
        if let Some(zxid) = zxid {
            self.model.forget(zxid);
        }
    }

    /// A transaction.
    fn append(&mut self, session: SessionId, xid: i32, op: Option<&Op>) -> u64 {
        self.zxid = Zxid(self.zxid.0 + 1);
        self.since_epoch += 1;
        let time = 1_000 + self.end() as i64;
        let asked = Asked { session, zxid: self.zxid, time, ..Asked::default() };
        let answer = match op {
            None => {
                self.model.open(session);
                Ok(Reply::Done)
            }
            Some(op) => self.model.apply(asked, op).map(|effect| effect.reply(op)),
        };
        let fired = if answer.is_ok() { self.model.fired().to_vec() } else { Vec::new() };
        let did = match (op, &answer) {
            (_, Err(_)) => Did::Nothing,
            (Some(Op::CloseSession), Ok(_)) => Did::Close,
            (Some(_) | None, Ok(_)) => Did::Write,
        };
        let committed = Committed { zxid: self.zxid, session, xid, did };
        (self.tell)(committed);
        self.log.push_back(Entry { committed, answer, fired });
        self.end()
    }

    /// A server applies the log so far: events to those who watch, each once (spec 4.2).
    fn apply_to(&mut self, s: usize, to: u64) {
        while self.servers[s].applied < to {
            let at = (self.servers[s].applied - self.forgotten) as usize;
            self.servers[s].applied += 1;
            let zxid = self.log[at].committed.zxid;
            self.servers[s].shown = zxid;
            let mut told: BTreeSet<(u32, Place, i32)> = BTreeSet::new();
            for n in 0..self.log[at].fired.len() {
                let Trigger { table, place, kind, .. } = self.log[at].fired[n];
                let Some(who) = self.servers[s].watches.remove(&(place, table)) else { continue };
                for client in who {
                    if told.insert((client, place, kind)) {
                        self.notify(client as usize, kind, place, Some(zxid));
                    }
                }
            }
            self.answer_write(s, at);
        }
    }

    /// Whoever waits for this transaction on this server is answered as it is applied.
    fn answer_write(&mut self, s: usize, at: usize) {
        let (number, entry) = (self.servers[s].applied, &self.log[at]);
        let Some(n) = self.owners.get(&entry.committed.session).copied() else { return };
        let head = self.clients[n].queue.front();
        if self.clients[n].server == s && head.is_some_and(|head| head.txn == Some(number)) {
            let answer = (entry.committed.zxid, entry.answer.clone());
            self.answer(n, answer);
        }
    }

    fn notify(&mut self, n: usize, kind: i32, place: Place, zxid: Option<Zxid>) {
        let path = self.model.path(place).to_owned();
        let client = &mut self.clients[n];
        let [data, exist, child] = &mut client.remembered;
        if kind != event::CHILDREN {
            data.remove(&path);
            exist.remove(&path);
        }
        if kind == event::DELETED || kind == event::CHILDREN {
            child.remove(&path);
        }
        let (session, conn) = (client.session, client.conn);
        let client = ClientId(n as u32 + 1);
        self.see(Seen::Watch { client, session, conn, kind, path, zxid });
    }

    /// A new session, on a server that has applied its creation.
    fn open(&mut self, n: usize) {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        let server = self.dice.below(self.servers.len() as u64) as usize;
        let to = self.append(session, 0, None);
        self.apply_to(server, to);
        let client = &mut self.clients[n];
        self.owners.remove(&client.session);
        self.owners.insert(session, n);
        (client.session, client.xid, client.server) = (session, 0, server);
        client.remembered = Default::default();
        client.made.clear();
        self.connect(n, true);
    }

    fn connect(&mut self, n: usize, fresh: bool) {
        self.conns += 1;
        let client = &mut self.clients[n];
        client.conn = ConnId(self.conns);
        let (session, conn, server) = (client.session, client.conn, client.server);
        let (server, last_zxid_seen) = (PeerId(server as u8 + 1), client.seen);
        let client = ClientId(n as u32 + 1);
        let presented = if fresh { SessionId(0) } else { session };
        self.see(Seen::Connecting { client, conn, server, session: presented, last_zxid_seen });
        self.see(Seen::Connected { client, conn, server, session, fresh, timeout_ms: 4000 });
    }

    /// The connection is gone, and with it its watches. What was under way may become a
    /// transaction all the same: at once, or never.
    fn hang_up(&mut self, n: usize) {
        for asking in std::mem::take(&mut self.clients[n].queue) {
            let session = self.clients[n].session;
            if asking.op.is_write() && asking.txn.is_none() && self.dice.below(2) == 0 {
                self.append(session, asking.xid, Some(&asking.op));
            }
            self.see(Seen::Lost { id: asking.id });
        }
        let client = &self.clients[n];
        let (server, conn) = (client.server, client.conn);
        let held = client.remembered.iter().flatten();
        let places: Vec<Place> = held.map(|path| self.model.intern(path)).collect();
        for place in places {
            for table in [Table::Data, Table::Child] {
                if let Some(who) = self.servers[server].watches.get_mut(&(place, table)) {
                    who.remove(&(n as u32));
                }
            }
        }
        self.see(Seen::Disconnected { client: ClientId(n as u32 + 1), conn });
    }

    fn reconnect(&mut self, n: usize) {
        self.hang_up(n);
        if !self.model.is_open(self.clients[n].session) {
            // It closed itself, though it was never told.
            let (client, session) = (ClientId(n as u32 + 1), self.clients[n].session);
            self.see(Seen::Expired { client, session });
            return self.open(n);
        }
        let server = self.dice.below(self.servers.len() as u64) as usize;
        while self.servers[server].shown < self.clients[n].seen {
            let next = self.servers[server].applied + 1;
            if next > self.end() {
                break;
            }
            self.apply_to(server, next);
        }
        self.clients[n].server = server;
        self.connect(n, false);
        let [data, exist, child] = self.clients[n].remembered.clone();
        if data.is_empty() && exist.is_empty() && child.is_empty() {
            return;
        }
        let relative = self.clients[n].seen.wire();
        let [data, exist, child] = [data, exist, child].map(|set| set.into_iter().collect());
        self.ask(n, Op::SetWatches { relative, data, exist, child });
        self.serve(n);
    }

    /// A session that nobody hears of any more ends; its client is told when it comes back.
    fn expire(&mut self, n: usize) {
        self.hang_up(n);
        let session = self.clients[n].session;
        if self.model.is_open(session) {
            self.append(session, 0, Some(&Op::CloseSession));
        }
        let client = ClientId(n as u32 + 1);
        self.see(Seen::Expired { client, session });
        self.open(n);
    }

    fn ask(&mut self, n: usize, op: Op) {
        let id = CallId(self.calls);
        self.calls += 1;
        let client = &mut self.clients[n];
        client.xid += 1;
        let xid = if let Op::SetWatches { .. } = op { -8 } else { client.xid };
        client.queue.push_back(Asking { id, xid, op: op.clone(), txn: None });
        let (session, conn, server) = (client.session, client.conn, client.server);
        let (client, server) = (ClientId(n as u32 + 1), PeerId(server as u8 + 1));
        self.see(Seen::Called(Call { id, client, session, conn, server, xid, op }));
    }

    /// The head of a session's queue goes one step further.
    fn serve(&mut self, n: usize) {
        let (session, server) = (self.clients[n].session, self.clients[n].server);
        let Some(head) = self.clients[n].queue.front() else { return };
        let (xid, op, txn) = (head.xid, head.op.clone(), head.txn);
        let answer = match txn {
            Some(txn) => return self.apply_to(server, txn),
            None if op.is_write() => {
                let txn = self.append(session, xid, Some(&op));
                if let Some(head) = self.clients[n].queue.front_mut() {
                    head.txn = Some(txn);
                }
                return;
            }
            None => {
                let fresh = self.shape.fresh;
                let fresh = fresh > 0 && self.dice.below(100) < u64::from(fresh);
                if fresh || matches!(op, Op::Sync { .. }) {
                    self.apply_to(server, self.end());
                }
                let view = self.servers[server].shown;
                let Some(answer) = self.model.read(&op, view) else { return };
                self.watch(n, &op, answer.is_ok());
                (view, answer)
            }
        };
        self.answer(n, answer);
    }

    fn answer(&mut self, n: usize, (zxid, result): (Zxid, Answer)) {
        let client = &mut self.clients[n];
        let Some(asking) = client.queue.pop_front() else { return };
        client.seen = client.seen.max(zxid);
        if let (Op::Create { mode, .. }, Ok(Reply::Created { path, .. })) = (&asking.op, &result)
            && mode.is_sequential()
        {
            client.made.push(path.clone());
        }
        self.see(Seen::Returned { id: asking.id, zxid, result });
        if asking.op == Op::CloseSession {
            self.hang_up(n);
            self.open(n);
        }
    }
}
