//! A legal ensemble: a random walk of clients and servers that produces what would be seen of it,
//! with stale servers, pipelining, lost calls that take effect later, moves, watches that are
//! caught up with, expiry, and changes of epoch with abandoned proposals.

mod serve;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{ClientId, ConnId, Dice, Digest, Draw, Epoch, PeerId, SessionId, Time, Zxid};
use crate::history::{At, Call, CallId, Seen};
use crate::jute::txn::{CreateSessionTxn, Txn};
use crate::process::Note;
use crate::znode::op::{CreateMode, Op, Reply, open_acl};

use super::service::{State, record};

const PATHS: [&str; 7] = ["/a", "/b", "/a/x", "/a/y", "/b/x", "/q", "/"];

struct Entry {
    zxid: Zxid,
    digest: Digest,
    by: SessionId,
    cxid: i32,
    result: Result<Reply, crate::znode::op::ErrorCode>,
    fired: Vec<(i32, String)>,
    closes: bool,
}

#[derive(Default)]
struct Server {
    applied: usize,
    shown: Zxid,
    data: BTreeMap<String, BTreeSet<ConnId>>,
    child: BTreeMap<String, BTreeSet<ConnId>>,
}

struct Client {
    session: SessionId,
    conn: ConnId,
    server: usize,
    xid: i32,
    seen: Zxid,
    queue: VecDeque<(CallId, i32, Op)>,
    /// The head of the queue is a write that is in the log.
    taken: bool,
    /// Writes of earlier connections that are still under way.
    ghosts: VecDeque<(i32, Op)>,
    /// What the library remembers: data, exist and child watches.
    remembered: [BTreeSet<String>; 3],
}

pub(super) struct Ensemble {
    dice: Dice,
    pub(super) seen: Vec<Seen>,
    states: Vec<State>,
    log: Vec<Entry>,
    epoch: Epoch,
    counter: u32,
    leader: usize,
    servers: Vec<Server>,
    clients: Vec<Client>,
    calls: u32,
    conns: u64,
    sessions: i64,
    data: u64,
}

pub(in crate::verdict) fn at(step: usize) -> At {
    At { step: step as u64, time: Time(step as u64 * 1000) }
}

/// A legal run of so many steps.
pub(in crate::verdict) fn legal(seed: u64, steps: usize) -> Vec<Seen> {
    let mut run = Ensemble {
        dice: Dice::new(seed, "witness"),
        seen: Vec::new(),
        states: vec![State::fresh()],
        log: Vec::new(),
        epoch: Epoch(0),
        counter: 0,
        leader: 0,
        servers: (0..3).map(|_| Server::default()).collect(),
        clients: Vec::new(),
        calls: 0,
        conns: 0,
        sessions: 0x100,
        data: 0,
    };
    run.elect();
    for n in 0..4 {
        run.clients.push(Client {
            session: SessionId(0),
            conn: ConnId(0),
            server: 0,
            xid: 0,
            seen: Zxid::ZERO,
            queue: VecDeque::new(),
            taken: false,
            ghosts: VecDeque::new(),
            remembered: Default::default(),
        });
        run.open(n);
    }
    for _ in 0..steps {
        run.step();
    }
    run.seen
}

impl Ensemble {
    fn note(&mut self, peer: usize, note: Note) {
        self.seen.push(Seen::Noted { peer: PeerId(peer as u8 + 1), note });
    }

    /// A new epoch. Sometimes the old leader leaves a proposal behind that never counts.
    fn elect(&mut self) {
        if self.epoch.0 > 0 && self.dice.below(2) == 0 {
            let zxid = Zxid::new(self.epoch, self.counter + 1);
            let txn = Txn::CreateSession(CreateSessionTxn { timeout: 1 });
            let record = record(SessionId(9), 0, zxid, 0, txn);
            self.note(self.leader, Note::Proposed { zxid, record });
        }
        self.leader = self.dice.below(3) as usize;
        while self.servers[self.leader].applied < self.log.len() {
            self.apply(self.leader);
        }
        self.epoch = self.epoch.next();
        self.counter = 0;
        let last = self.log.last().map_or(Zxid::ZERO, |entry| entry.zxid);
        self.note(self.leader, Note::Established { epoch: self.epoch, last });
        self.servers[self.leader].shown = self.epoch.start();
    }

    fn append(&mut self, by: SessionId, cxid: i32, op: Option<&Op>) {
        self.counter += 1;
        let zxid = Zxid::new(self.epoch, self.counter);
        let time = 1_000 + self.log.len() as i64 * 7;
        let mut state = self.states.last().unwrap().clone();
        let (result, txn, fired) = match op {
            Some(op) => {
                let done = state.write(by, zxid, time, op);
                (done.result, done.txn, done.fired)
            }
            None => {
                state.sessions.push(by);
                (Ok(Reply::Done), Txn::CreateSession(CreateSessionTxn { timeout: 4 }), Vec::new())
            }
        };
        let closes = op == Some(&Op::CloseSession);
        let record = record(by, cxid, zxid, time, txn);
        let digest = Digest::of(&record);
        self.log.push(Entry { zxid, digest, by, cxid, result, fired, closes });
        self.states.push(state);
        self.note(self.leader, Note::Proposed { zxid, record });
        match self.dice.below(2) {
            0 => self.note(self.leader, Note::Committed { zxid }),
            _ => {
                // Somebody must have it before anybody can tell of it.
                while self.servers[self.leader].applied < self.log.len() {
                    self.apply(self.leader);
                }
            }
        }
    }

    /// A server applies the next transaction: events, then the answer.
    fn apply(&mut self, s: usize) {
        let index = self.servers[s].applied;
        let Some(entry) = self.log.get(index) else { return };
        let Entry { zxid, digest, by, cxid, closes, .. } = *entry;
        let (result, fired) = (entry.result.clone(), entry.fired.clone());
        self.note(s, Note::Delivered { zxid, digest });
        self.servers[s].applied += 1;
        self.servers[s].shown = zxid;
        for (kind, path) in fired {
            self.fire(s, zxid, kind, &path);
        }
        for n in 0..self.clients.len() {
            let client = &mut self.clients[n];
            if client.server != s || client.session != by {
                continue;
            }
            let waits = client.taken && client.queue.front().is_some_and(|head| head.1 == cxid);
            if waits {
                client.taken = false;
                let (id, ..) = client.queue.pop_front().unwrap();
                client.seen = client.seen.max(zxid);
                self.seen.push(Seen::Returned { id, zxid, result: result.clone() });
            }
            if closes {
                self.down(n);
                if !waits {
                    self.expired(n);
                }
                self.open(n);
            }
        }
    }

    fn fire(&mut self, s: usize, zxid: Zxid, kind: i32, path: &str) {
        let slash = path.rfind('/').unwrap();
        let parent = if slash == 0 { "/" } else { &path[..slash] };
        let server = &mut self.servers[s];
        let mut told: Vec<(ConnId, i32, &str)> = Vec::new();
        let data = server.data.remove(path).unwrap_or_default();
        told.extend(data.iter().map(|conn| (*conn, kind, path)));
        if kind == 2 {
            let child = server.child.remove(path).unwrap_or_default();
            told.extend(child.difference(&data).map(|conn| (*conn, 2, path)));
        }
        if kind != 3 {
            let child = server.child.remove(parent).unwrap_or_default();
            told.extend(child.iter().map(|conn| (*conn, 4, parent)));
        }
        for (conn, kind, path) in told {
            self.tell(conn, kind, path, Some(zxid));
        }
    }

    fn tell(&mut self, conn: ConnId, kind: i32, path: &str, zxid: Option<Zxid>) {
        let Some(n) = self.clients.iter().position(|client| client.conn == conn) else { return };
        let client = &mut self.clients[n];
        let [data, exist, child] = &mut client.remembered;
        if kind != 4 {
            data.remove(path);
            exist.remove(path);
        }
        if kind == 2 || kind == 4 {
            child.remove(path);
        }
        let (session, path) = (client.session, path.to_owned());
        self.seen.push(Seen::Watch {
            client: ClientId(n as u32 + 1),
            session,
            conn,
            kind,
            path,
            zxid,
        });
    }

    /// A new session.
    fn open(&mut self, n: usize) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let server = self.dial(n, SessionId(0));
        self.append(session, 0, None);
        while self.servers[server].applied < self.log.len() {
            self.apply(server);
        }
        let client = &mut self.clients[n];
        client.session = session;
        client.xid = 0;
        client.remembered = Default::default();
        client.ghosts.clear();
        let (client, conn, server) =
            (ClientId(n as u32 + 1), client.conn, PeerId(server as u8 + 1));
        let fresh = true;
        self.seen.push(Seen::Connected { client, conn, server, session, fresh, timeout_ms: 4 });
    }

    fn dial(&mut self, n: usize, session: SessionId) -> usize {
        let floor = self.clients[n].seen;
        let server = loop {
            let server = self.dice.below(3) as usize;
            if self.servers[server].shown >= floor {
                break server;
            }
            if self.servers[server].applied < self.log.len() {
                self.apply(server);
            }
        };
        self.conns += 1;
        let conn = ConnId(self.conns);
        let client = &mut self.clients[n];
        client.conn = conn;
        client.server = server;
        client.taken = false;
        self.seen.push(Seen::Connecting {
            client: ClientId(n as u32 + 1),
            conn,
            server: PeerId(server as u8 + 1),
            session,
            last_zxid_seen: floor,
        });
        server
    }

    fn down(&mut self, n: usize) {
        let client = &mut self.clients[n];
        let (conn, mut taken) = (client.conn, std::mem::take(&mut client.taken));
        let queue = std::mem::take(&mut client.queue);
        let mut under_way = self.dice.below(4) != 0;
        for (id, xid, op) in queue {
            under_way &= self.dice.below(3) != 0;
            if op.is_write() && under_way && !std::mem::take(&mut taken) {
                self.clients[n].ghosts.push_back((xid, op));
            }
            self.seen.push(Seen::Lost { id });
        }
        for server in &mut self.servers {
            for conns in server.data.values_mut().chain(server.child.values_mut()) {
                conns.remove(&conn);
            }
        }
        self.clients[n].conn = ConnId(0);
        self.seen.push(Seen::Disconnected { client: ClientId(n as u32 + 1), conn });
    }

    fn expired(&mut self, n: usize) {
        let session = self.clients[n].session;
        self.dial(n, session);
        self.seen.push(Seen::Expired { client: ClientId(n as u32 + 1), session });
        let conn = std::mem::replace(&mut self.clients[n].conn, ConnId(0));
        self.seen.push(Seen::Disconnected { client: ClientId(n as u32 + 1), conn });
    }

    /// The connection is lost, and another server found; watches are registered again.
    fn reconnect(&mut self, n: usize) {
        self.down(n);
        let session = self.clients[n].session;
        if !self.states.last().unwrap().sessions.contains(&session) {
            self.expired(n);
            return self.open(n);
        }
        for _ in 0..self.dice.below(9) {
            let other = (n + 1 + self.dice.below(3) as usize) % 4;
            if self.clients[other].queue.len() < 4 {
                let op = self.op();
                self.ask(other, op);
            }
            self.serve(other);
            self.apply(self.leader);
        }
        if self.clients[n].session != session {
            return;
        }
        let server = self.dial(n, session);
        let conn = self.clients[n].conn;
        self.seen.push(Seen::Connected {
            client: ClientId(n as u32 + 1),
            conn,
            server: PeerId(server as u8 + 1),
            session,
            fresh: false,
            timeout_ms: 4,
        });
        let [data, exist, child] = self.clients[n].remembered.clone();
        if data.is_empty() && exist.is_empty() && child.is_empty() {
            return;
        }
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        let relative = self.clients[n].seen.wire();
        let op = Op::SetWatches {
            relative,
            data: list(&data),
            exist: list(&exist),
            child: list(&child),
        };
        self.ask(n, op);
        self.serve(n);
    }

    fn ask(&mut self, n: usize, op: Op) {
        let id = CallId(self.calls);
        self.calls += 1;
        let client = &mut self.clients[n];
        client.xid += 1;
        let xid = if let Op::SetWatches { .. } = op { -8 } else { client.xid };
        client.queue.push_back((id, xid, op.clone()));
        let (session, conn) = (client.session, client.conn);
        let server = PeerId(client.server as u8 + 1);
        let client = ClientId(n as u32 + 1);
        self.seen.push(Seen::Called(Call { id, client, session, conn, server, xid, op }));
    }

    fn step(&mut self) {
        let n = self.dice.below(4) as usize;
        match self.dice.below(100) {
            0..=34 if self.clients[n].queue.len() < 4 => {
                let op = self.op();
                self.ask(n, op);
            }
            35..=59 => self.serve(n),
            60..=89 => {
                let server = self.dice.below(3) as usize;
                self.apply(server);
            }
            90..=93 => self.reconnect(n),
            94 => {
                let session = self.clients[n].session;
                let (idle_ns, timeout_ms) = (5_000_000, 4);
                self.note(self.leader, Note::SessionExpired { session, idle_ns, timeout_ms });
                self.append(session, 0, Some(&Op::CloseSession));
            }
            95 if self.clients[n].queue.is_empty() => self.ask(n, Op::CloseSession),
            96 => self.elect(),
            _ => {}
        }
    }

    fn op(&mut self) -> Op {
        let path = (*self.dice.pick(&PATHS)).to_owned();
        self.data += 1;
        let data = Some(self.data.to_string().into_bytes());
        let (watch, stat) = (self.dice.below(2) == 0, self.dice.below(2) == 0);
        let version = *self.dice.pick(&[-1, -1, -1, 0, 1]);
        match self.dice.below(13) {
            0..=2 => {
                let mode = *self.dice.pick(&[
                    CreateMode::Persistent,
                    CreateMode::Persistent,
                    CreateMode::Ephemeral,
                    CreateMode::PersistentSequential,
                    CreateMode::EphemeralSequential,
                ]);
                let path = if mode.is_sequential() {
                    format!("{}/s-", path.trim_end_matches('/'))
                } else {
                    path
                };
                Op::Create { path, data, acl: open_acl(), mode, stat }
            }
            3..=4 => Op::Delete { path, version },
            5 => Op::SetData { path, data, version },
            6 => Op::Exists { path, watch },
            7..=8 => Op::GetData { path, watch },
            9 => Op::GetChildren { path, watch, stat },
            10 => Op::Sync { path },
            11 => Op::MultiRead(vec![
                Op::GetData { path: path.clone(), watch: false },
                Op::GetChildren { path, watch: false, stat: false },
            ]),
            _ => {
                let mut parts = vec![Op::Check { path: path.clone(), version }];
                let mode = CreateMode::PersistentSequential;
                let sub = format!("{}/m-", path.trim_end_matches('/'));
                parts.push(Op::Create {
                    path: sub,
                    data: data.clone(),
                    acl: open_acl(),
                    mode,
                    stat,
                });
                parts.push(Op::SetData { path, data, version: -1 });
                if stat {
                    parts.push(Op::Delete { path: "/q".into(), version: -1 });
                }
                Op::Multi(parts)
            }
        }
    }
}
