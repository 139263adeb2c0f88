//! A house for tests: one leader and at most one learner over a broadcast that commits at once,
//! clients as raw bytes, and a clock that only tests move.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::{
    Config, ConnId, Duration, Epoch, Key, LinkId, PeerId, SessionId, Time, WallMs, Zxid,
};
use crate::broadcast::{Broadcast, Serving, StateMachine};
use crate::jute::proto::{ConnectRequest, ConnectResponse, ReplyHeader, WatcherEvent};
use crate::jute::quorum::{QuorumPacket, packet};
use crate::jute::{Reader, Record, Unframer, framed};
use crate::peer::{Peer, Rules};
use crate::process::{
    Boot, Effect, Effects, Event, Image, Note, Now, Probe, Process, Spec, Tag, Timer, Work,
};
use crate::znode::codec::decode_reply;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

pub const LEADER: PeerId = PeerId(1);
pub const LEARNER: PeerId = PeerId(2);

/// Commits what is proposed as soon as its work is done, and tells the learner.
#[derive(Clone)]
pub struct Fake {
    leads: bool,
    first: Zxid,
    in_parts: bool,
    log: VecDeque<(Zxid, Vec<u8>)>,
    part: usize,
    barriers: Vec<u64>,
    heard: Zxid,
}

const LINK: LinkId = LinkId(1);
const DELIVER: Work = Work("fake.deliver", 0);

impl Fake {
    fn send(&self, packet: &QuorumPacket, fx: &mut Effects) {
        fx.send(LINK, Tag::kind("FAKE"), packet.to_bytes());
    }

    fn pass(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        if self.log.is_empty() {
            for token in std::mem::take(&mut self.barriers) {
                app.barrier_passed(now, token, fx);
            }
        }
    }

    fn received(&mut self, now: Now, bytes: &[u8], app: &mut dyn StateMachine, fx: &mut Effects) {
        let packet = QuorumPacket::from_bytes(bytes).expect("the fake sends whole packets");
        let data = packet.data.clone().unwrap_or_default();
        match packet.kind {
            packet::INFORM => {
                self.heard = Zxid::from_wire(packet.zxid);
                app.deliver(now, self.heard, &data, 0, true, fx);
            }
            packet::PING if self.leads => app.ponged(now, LEARNER, &data),
            packet::PING => {
                let data = Some(app.pong());
                let pong = QuorumPacket { kind: packet::PING, data, ..QuorumPacket::default() };
                self.send(&pong, fx);
            }
            _ if self.leads => app.from_learner(now, LEARNER, packet, fx),
            _ => app.from_leader(now, packet, self.heard, fx),
        }
    }
}

impl Broadcast for Fake {
    fn start(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        app.restore(None, Zxid::ZERO).expect("the fresh tree");
        let serving = if self.leads {
            Serving::Leading { epoch: Epoch(1), next: self.first }
        } else {
            Serving::Following { leader: LEADER, epoch: Epoch(1) }
        };
        app.serve(now, serving, fx);
    }

    fn step(&mut self, now: Now, event: Event, app: &mut dyn StateMachine, fx: &mut Effects) {
        match event {
            Event::Received { bytes, .. } => self.received(now, &bytes, app, fx),
            Event::Work(_) => {
                let Some((zxid, record)) = self.log.front() else { return };
                if app.deliver(now, *zxid, record, self.part, !self.in_parts, fx) {
                    self.part = 0;
                    self.log.pop_front();
                } else {
                    self.part += 1;
                    fx.defer(DELIVER);
                }
                self.pass(now, app, fx);
            }
            _ => {}
        }
    }

    fn propose(&mut self, _now: Now, zxid: Zxid, record: Vec<u8>, fx: &mut Effects) {
        let data = Some(record.clone());
        let zxid_wire = zxid.wire();
        let inform = QuorumPacket { kind: packet::INFORM, zxid: zxid_wire, data, ..<_>::default() };
        self.send(&inform, fx);
        self.log.push_back((zxid, record));
        fx.defer(DELIVER);
    }

    fn tell_leader(&mut self, packet: QuorumPacket, fx: &mut Effects) {
        self.send(&packet, fx);
    }

    fn tell_learner(&mut self, _learner: PeerId, packet: QuorumPacket, fx: &mut Effects) {
        self.send(&packet, fx);
    }

    fn barrier(&mut self, now: Now, token: u64, app: &mut dyn StateMachine, fx: &mut Effects) {
        self.barriers.push(token);
        self.pass(now, app, fx);
    }

    fn abdicate(
        &mut self,
        now: Now,
        why: &'static str,
        app: &mut dyn StateMachine,
        fx: &mut Effects,
    ) {
        fx.note(Note::Abdicated { why });
        app.retire(now, fx);
    }

    fn probe(&self) -> Probe {
        Probe::default()
    }

    fn fork(&self) -> Box<dyn Broadcast> {
        Box::new(self.clone())
    }

    fn describe(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Connect { session: i64, timeout: i32, bytes: usize },
    Event { kind: i32, path: String, zxid: i64 },
    Reply { xid: i32, zxid: i64, result: Result<Reply, i32> },
    Closed,
}

#[derive(Default)]
struct Client {
    at: usize,
    frames: Unframer,
    greeted: bool,
    asked: VecDeque<Op>,
    got: Vec<Got>,
}

pub struct House {
    peers: Vec<Box<dyn Process>>,
    now: Now,
    tickets: u64,
    timers: Vec<BTreeMap<Timer, Time>>,
    events: VecDeque<(usize, Event)>,
    clients: BTreeMap<ConnId, Client>,
    pub notes: Vec<Note>,
    pub paused: Vec<ConnId>,
    /// Does not read what clients get: they did not ask anything sensible.
    blind: bool,
}

impl House {
    pub fn new(peers: usize) -> House {
        House::with(peers, &[], false, Zxid(0x1_0000_0001))
    }

    pub fn with(peers: usize, knobs: &[(&str, u64)], in_parts: bool, first: Zxid) -> House {
        let mut house = House {
            peers: Vec::new(),
            now: Now { mono: Time::ZERO, wall: WallMs(1_000) },
            tickets: 1,
            timers: vec![BTreeMap::new(); peers],
            events: VecDeque::new(),
            clients: BTreeMap::new(),
            notes: Vec::new(),
            paused: Vec::new(),
            blind: false,
        };
        for at in 0..peers {
            let mut spec = Spec {
                id: PeerId(at as u8 + 1),
                config: Config::initial(peers as u8),
                knobs: BTreeMap::from([("tick_ms".to_string(), 1000)]),
                incarnation: 1,
            };
            spec.knobs.extend(knobs.iter().map(|(name, value)| (name.to_string(), *value)));
            let boot = Boot {
                spec: Arc::new(spec),
                image: Image::default(),
                entropy: Key(1),
                now: house.now,
            };
            let fake = Fake {
                leads: at == 0,
                first,
                in_parts,
                log: VecDeque::new(),
                part: 0,
                barriers: Vec::new(),
                heard: Zxid::ZERO,
            };
            house.peers.push(Box::new(Peer::boot(boot, Box::new(fake), Rules::right())));
            let mut fx = Effects::resume(house.tickets);
            house.peers[at].start(house.now, &mut fx);
            house.carry_out(at, fx);
        }
        house.run();
        house
    }

    fn carry_out(&mut self, at: usize, mut fx: Effects) {
        self.tickets = fx.next_ticket();
        for effect in fx.list_mut().drain(..) {
            match effect {
                Effect::Send { frame, .. } if self.peers.len() > 1 => {
                    let event = Event::Received { link: LINK, bytes: frame.bytes };
                    self.events.push_back((1 - at, event));
                }
                Effect::Reply { conn, frame } => self.deliver(conn, &frame.bytes),
                Effect::Close { conn } => {
                    self.clients.get_mut(&conn).expect("a client").got.push(Got::Closed);
                }
                Effect::Pause { conn } => self.paused.push(conn),
                Effect::Resume { conn } => self.paused.retain(|paused| *paused != conn),
                Effect::SetTimer { timer, within } => {
                    self.timers[at].insert(timer, self.now.mono + within.start);
                }
                Effect::CancelTimer { timer } => {
                    self.timers[at].remove(&timer);
                }
                Effect::Defer { work } => self.events.push_back((at, Event::Work(work))),
                Effect::Note(note) => self.notes.push(note),
                Effect::Send { .. } => {}
                other => panic!("a service never asks for {other:?}"),
            }
        }
    }

    /// One event; false if there is none.
    pub fn step(&mut self) -> bool {
        let Some((at, event)) = self.events.pop_front() else { return false };
        let mut fx = Effects::resume(self.tickets);
        self.peers[at].step(self.now, event, &mut fx);
        self.carry_out(at, fx);
        true
    }

    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Runs without reading what clients get.
    pub fn run_blind(&mut self) {
        self.blind = true;
        self.run();
    }

    /// Lets time pass, firing timers in order.
    pub fn pass_ms(&mut self, ms: u64) {
        let end = self.now.mono + Duration::from_ms(ms);
        loop {
            let due = (0..self.peers.len())
                .flat_map(|at| self.timers[at].iter().map(move |(timer, due)| (*due, at, *timer)))
                .min();
            let Some((due, at, timer)) = due.filter(|(due, ..)| *due <= end) else { break };
            self.now.mono = due.max(self.now.mono);
            self.timers[at].remove(&timer);
            self.events.push_back((at, Event::Timer(timer)));
            self.run();
        }
        self.now.mono = end;
        self.run();
    }

    /// The leader pings the learner, which tells whom it heard of.
    pub fn ping_learner(&mut self) {
        let ping = QuorumPacket { kind: packet::PING, ..QuorumPacket::default() };
        self.events.push_back((1, Event::Received { link: LINK, bytes: ping.to_bytes() }));
        self.run();
    }

    pub fn probe(&self, at: usize) -> Probe {
        self.peers[at].probe()
    }

    pub fn describe(&self, at: usize) -> String {
        let lines = self.peers[at].describe();
        lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    pub fn accept(&mut self, at: usize, conn: u64) -> ConnId {
        let conn = ConnId(conn);
        self.clients.insert(conn, Client { at, ..Client::default() });
        self.events.push_back((at, Event::Accepted { conn, addr: "client".into() }));
        conn
    }

    pub fn bytes(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let at = self.clients[&conn].at;
        self.events.push_back((at, Event::ConnBytes { conn, bytes }));
    }

    pub fn down(&mut self, conn: ConnId) {
        let at = self.clients[&conn].at;
        self.events.push_back((at, Event::ConnDown { conn }));
        self.run();
    }

    /// A connection with a session, old or new.
    pub fn connect(&mut self, at: usize, conn: u64, session: i64, passwd: &[u8]) -> ConnId {
        let conn = self.accept(at, conn);
        self.bytes(conn, connect_frame(session, passwd, 0, true));
        self.run();
        conn
    }

    /// A connection with a new session, and the session.
    pub fn join(&mut self, at: usize, conn: u64) -> (ConnId, SessionId) {
        let conn = self.connect(at, conn, 0, &[]);
        match self.take(conn).as_slice() {
            [Got::Connect { session, .. }] if *session != 0 => (conn, SessionId(*session)),
            other => panic!("no session: {other:?}"),
        }
    }

    /// Sends a request without running.
    pub fn ask(&mut self, conn: ConnId, xid: i32, op: Op) {
        let mut body = Vec::new();
        op.encode_request(xid, &mut body);
        self.bytes(conn, framed(&body));
        self.clients.get_mut(&conn).expect("a client").asked.push_back(op);
    }

    /// Sends a request whose body may be anything; whatever answers it is read as of a ping.
    pub fn ask_raw(&mut self, conn: ConnId, xid: i32, kind: i32, body: &[u8]) {
        let mut frame = xid.to_be_bytes().to_vec();
        frame.extend(kind.to_be_bytes());
        frame.extend(body);
        self.bytes(conn, framed(&frame));
        self.clients.get_mut(&conn).expect("a client").asked.push_back(Op::Ping);
    }

    /// The other service says this.
    pub fn packet(&mut self, at: usize, packet: &QuorumPacket) {
        self.events.push_back((at, Event::Received { link: LINK, bytes: packet.to_bytes() }));
    }

    /// Asks, runs, and takes all that came.
    pub fn call(&mut self, conn: ConnId, xid: i32, op: Op) -> Vec<Got> {
        self.ask(conn, xid, op);
        self.run();
        self.take(conn)
    }

    pub fn take(&mut self, conn: ConnId) -> Vec<Got> {
        std::mem::take(&mut self.clients.get_mut(&conn).expect("a client").got)
    }

    fn deliver(&mut self, conn: ConnId, bytes: &[u8]) {
        if self.blind {
            return;
        }
        let client = self.clients.get_mut(&conn).expect("a client");
        client.frames.push(bytes);
        while let Some(frame) = client.frames.next(1 << 21).expect("a legal frame") {
            let mut input = Reader::new(&frame);
            if !client.greeted {
                client.greeted = true;
                let response = ConnectResponse::decode(&mut input).expect("a connect response");
                let ConnectResponse { session, timeout, .. } = response;
                client.got.push(Got::Connect { session, timeout, bytes: frame.len() });
                continue;
            }
            let header = ReplyHeader::decode(&mut input).expect("a header");
            if header.xid == -1 {
                let WatcherEvent { kind, path, .. } = Record::decode(&mut input).expect("an event");
                client.got.push(Got::Event { kind, path, zxid: header.zxid });
                continue;
            }
            let op = client.asked.pop_front().expect("an answer follows a question");
            let result = match header.err {
                0 => Ok(decode_reply(&op, &mut input).expect("a body")),
                err => Err(err),
            };
            client.got.push(Got::Reply { xid: header.xid, zxid: header.zxid, result });
        }
    }
}

pub fn connect_frame(session: i64, passwd: &[u8], seen: i64, modern: bool) -> Vec<u8> {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: seen,
        timeout: 4000,
        session,
        passwd: Some(passwd.to_vec()),
    };
    let mut body = request.to_bytes();
    if modern {
        body.push(0);
    }
    framed(&body)
}

pub fn create(path: &str, mode: CreateMode) -> Op {
    let (path, data) = (path.to_string(), Some(b"x".to_vec()));
    Op::Create { path, data, acl: open_acl(), mode, stat: false }
}

pub fn created(path: &str) -> Result<Reply, i32> {
    Ok(Reply::Created { path: path.to_string(), stat: None })
}

pub fn get(path: &str, watch: bool) -> Op {
    Op::GetData { path: path.to_string(), watch }
}

pub fn set(path: &str, data: &str) -> Op {
    Op::SetData { path: path.to_string(), data: Some(data.into()), version: -1 }
}

pub fn exists(path: &str, watch: bool) -> Op {
    Op::Exists { path: path.to_string(), watch }
}

pub fn no_node() -> Result<Reply, i32> {
    Err(ErrorCode::NoNode.wire())
}
