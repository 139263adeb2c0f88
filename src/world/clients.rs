//! The clients of a run: one session each, and what drives it.
//!
//! A script goes step by step; a program hears of everything and acts. Both work through
//! the same `Session`, which owns reconnecting and expiry. After calm a script stops where it is
//! and a program winds down; once nothing is outstanding each client makes its final calls (a
//! write, a sync, a read) until all of them succeed in one go: that is how a run shows that it
//! serves again.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{ClientId, ConnId, Duration, Key, PeerId, Time};
use crate::client::session::{Action, Options, Session, is_library};
use crate::client::{Act, Heard, Program};
use crate::history::{self, CallId, Seen};
use crate::plan::{Call, ClientPlan, Driver, Plan};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

use super::World;
use super::queue::What;

/// How long a client waits before it tries its final calls again.
const AGAIN: Duration = Duration::from_ms(200);

/// A program that can be copied with its world.
struct Actor(Box<dyn Program>);

impl Clone for Actor {
    fn clone(&self) -> Actor {
        Actor(self.0.fork())
    }
}

/// One client.
#[derive(Clone)]
pub(super) struct Host {
    session: Session,
    start_at: Time,
    begun: bool,
    /// None for a script.
    actor: Option<Actor>,
    script: usize,
    /// When the script's last step was made.
    stepped: Time,
    wakes: Vec<Time>,
    /// The connection of the session's last dial.
    conn: Option<u32>,
    last_conn: ConnId,
    server: PeerId,
    tokens: u64,
    open: BTreeMap<u64, Open>,
    last: Final,
    /// When the queue will wake this client; it may find that it is too early.
    alarm: Option<Time>,
    arming: u32,
}

/// A call that is not settled.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Its number once it has left.
    id: Option<CallId>,
    whose: Whose,
}

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Script,
    Program(u64),
    Final,
    /// The library itself: setWatches after a reconnect.
    Library,
}

/// How far a client is with its final calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Final {
    /// It is not calm yet, or earlier calls are outstanding.
    NotYet,
    /// To be tried (again) at this time.
    At(Time),
    Creating,
    Setting,
    Syncing,
    Reading,
    Finished,
}

/// The name of the client with this index.
pub(super) fn client_id(client: usize) -> ClientId {
    ClientId(client as u32 + 1)
}

/// The clients of a plan, before they start.
pub(super) fn hosts(plan: &Plan, programs: Vec<Option<Box<dyn Program>>>, key: Key) -> Vec<Host> {
    let all = plan.clients.iter().zip(programs).enumerate();
    all.map(|(index, (client, program))| {
        host(client, plan.servers_of(index), program, key.with(index as u64))
    })
    .collect()
}

fn host(
    client: &ClientPlan,
    servers: Vec<PeerId>,
    program: Option<Box<dyn Program>>,
    key: Key,
) -> Host {
    let server = servers[0];
    let options = Options {
        timeout_ms: client.timeout_ms,
        servers,
        gives_up: client.gives_up,
        key: key.named("session"),
    };
    let start_at = Time::from_ms(client.start_at);
    Host {
        session: Session::new(options),
        start_at,
        begun: false,
        actor: program.map(Actor),
        script: 0,
        stepped: start_at,
        wakes: Vec::new(),
        conn: None,
        last_conn: ConnId(0),
        server,
        tokens: 0,
        open: BTreeMap::new(),
        last: Final::NotYet,
        alarm: None,
        arming: 0,
    }
}

impl Host {
    /// Gives every draw to come another name.
    pub(super) fn rekey(&mut self, other: impl Fn(&mut Key)) {
        self.session.rekey(other);
    }

    fn token(&mut self, whose: Whose) -> u64 {
        self.tokens += 1;
        self.open.insert(self.tokens, Open { id: None, whose });
        self.tokens
    }

    /// Whether anything but the final calls is outstanding.
    fn is_waiting(&self) -> bool {
        self.open.values().any(|open| !matches!(open.whose, Whose::Final | Whose::Library))
    }
}

impl World {
    /// Sets all clients' alarms.
    pub(super) fn clients_begin(&mut self) {
        for client in 0..self.hosts.len() {
            self.alarm(client, self.hosts[client].start_at);
        }
    }

    /// A client's connect was answered.
    pub(super) fn client_connected(&mut self, client: usize, conn: u32) {
        let host = &mut self.hosts[client];
        if host.conn == Some(conn) {
            let mut actions = Vec::new();
            host.session.on_connected(self.now, &mut actions);
            self.client_do(client, actions);
        }
    }

    /// Bytes reached a client.
    pub(super) fn client_bytes(&mut self, client: usize, conn: u32, bytes: &[u8]) {
        let host = &mut self.hosts[client];
        if host.conn == Some(conn) {
            let mut actions = Vec::new();
            host.session.on_bytes(self.now, bytes, &mut actions);
            self.client_do(client, actions);
        }
    }

    /// A client's connection is gone, or its connect failed.
    pub(super) fn client_down(&mut self, client: usize, conn: u32) {
        let host = &mut self.hosts[client];
        if host.conn == Some(conn) {
            host.conn = None;
            let mut actions = Vec::new();
            host.session.on_down(self.now, &mut actions);
            self.client_do(client, actions);
        }
    }

    /// A client's alarm goes off: something may be due.
    pub(super) fn client_wake(&mut self, client: usize, arming: u32) -> bool {
        let now = self.now;
        let host = &mut self.hosts[client];
        if host.arming != arming {
            return false;
        }
        host.alarm = None;
        let mut actions = Vec::new();
        let mut due = false;
        if !host.begun && host.start_at <= now {
            (host.begun, due) = (true, true);
            host.session.begin(now, &mut actions);
        }
        if host.begun && host.session.next_wake().is_some_and(|at| at <= now) {
            due = true;
            host.session.on_timer(now, &mut actions);
        }
        let woken = host.wakes.iter().any(|at| *at <= now);
        host.wakes.retain(|at| *at > now);
        if woken {
            due = true;
            self.tell_program(client, Heard::Woken, &mut actions);
        }
        due |= self.next_due(client).is_some_and(|at| at <= now);
        self.client_do(client, actions);
        due
    }

    /// Scripts stop where they are, programs wind down, and the final calls come next.
    pub(super) fn clients_calm(&mut self) {
        for client in 0..self.hosts.len() {
            let host = &mut self.hosts[client];
            let mut actions = Vec::new();
            if !host.begun {
                host.begun = true;
                host.session.begin(self.now, &mut actions);
            }
            if let Some(actor) = &mut host.actor {
                let mut acts = Vec::new();
                actor.0.wind_down(&mut acts);
                self.carry_acts(client, acts, &mut actions);
            }
            self.client_do(client, actions);
        }
    }

    /// Carries out what a session asks for, and whatever comes of that.
    fn client_do(&mut self, client: usize, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        loop {
            while let Some(action) = actions.pop_front() {
                let mut more = Vec::new();
                self.client_action(client, action, &mut more);
                actions.extend(more);
            }
            let mut more = Vec::new();
            self.script_go_on(client, &mut more);
            self.final_go_on(client, &mut more);
            if more.is_empty() {
                break;
            }
            actions.extend(more);
        }
        if let Some(at) = self.next_due(client) {
            self.alarm(client, at);
        }
    }

    fn client_action(&mut self, client: usize, action: Action, more: &mut Vec<Action>) {
        let id = client_id(client);
        let conn = self.hosts[client].last_conn;
        match action {
            Action::Dial(server) => self.client_dial(client, server),
            Action::Send(bytes) => {
                if let Some(conn) = self.hosts[client].conn {
                    self.conn_send(conn, 0, bytes);
                }
            }
            Action::HangUp => {
                if let Some(conn) = self.hosts[client].conn.take() {
                    self.conn_close(conn, 0);
                }
            }
            Action::Connected { session, fresh, timeout_ms } => {
                let server = self.hosts[client].server;
                self.see(Seen::Connected { client: id, conn, server, session, fresh, timeout_ms });
                self.tell_program(client, Heard::Connected { session, fresh }, more);
            }
            Action::Disconnected => {
                self.see(Seen::Disconnected { client: id, conn });
                self.tell_program(client, Heard::Disconnected, more);
            }
            Action::Expired { session } => {
                self.see(Seen::Expired { client: id, session });
                self.tell_program(client, Heard::Expired, more);
            }
            Action::GaveUp { session } => {
                self.see(Seen::GaveUp { client: id, session });
                self.tell_program(client, Heard::Expired, more);
            }
            Action::Sent { call, xid, op } => {
                let number = CallId(self.calls);
                self.calls += 1;
                self.stats.calls += 1;
                let host = &mut self.hosts[client];
                if is_library(call) {
                    host.open.insert(call, Open { id: None, whose: Whose::Library });
                }
                if let Some(open) = host.open.get_mut(&call) {
                    open.id = Some(number);
                }
                let (session, server) = (host.session.id(), host.server);
                let call = history::Call { id: number, client: id, session, conn, server, xid, op };
                self.see(Seen::Called(call));
            }
            Action::Answered { call, zxid, result } => {
                let Some(open) = self.hosts[client].open.remove(&call) else { return };
                if let Some(id) = open.id {
                    self.see(Seen::Returned { id, zxid, result: result.clone() });
                }
                match open.whose {
                    Whose::Script | Whose::Library => {}
                    Whose::Program(call) => {
                        self.tell_program(client, Heard::Answer { call, zxid, result }, more);
                    }
                    Whose::Final => self.final_answered(client, &result),
                }
            }
            Action::Lost { call } => {
                let Some(open) = self.hosts[client].open.remove(&call) else { return };
                if let Some(id) = open.id {
                    self.see(Seen::Lost { id });
                }
                match open.whose {
                    Whose::Script | Whose::Library => {}
                    Whose::Program(call) => self.tell_program(client, Heard::Lost { call }, more),
                    Whose::Final => self.hosts[client].last = Final::At(self.now + AGAIN),
                }
            }
            Action::Watch { kind, path, zxid } => {
                let session = self.hosts[client].session.id();
                let heard = Heard::Watch { kind, path: path.clone() };
                self.see(Seen::Watch { client: id, session, conn, kind, path, zxid });
                self.tell_program(client, heard, more);
            }
        }
    }

    fn client_dial(&mut self, client: usize, server: PeerId) {
        if let Some(old) = self.hosts[client].conn.take() {
            self.conn_close(old, 0);
        }
        let conn = self.conn_open(client, server);
        let host = &mut self.hosts[client];
        (host.conn, host.last_conn, host.server) = (Some(conn.0 as u32), conn, server);
        let (session, last_zxid_seen) = (host.session.id(), host.session.last_zxid_seen());
        let client = client_id(client);
        self.see(Seen::Connecting { client, conn, server, session, last_zxid_seen });
    }

    fn tell_program(&mut self, client: usize, heard: Heard, actions: &mut Vec<Action>) {
        let host = &mut self.hosts[client];
        let Some(actor) = &mut host.actor else { return };
        let mut acts = Vec::new();
        actor.0.hear(self.now, heard, &mut acts);
        self.carry_acts(client, acts, actions);
    }

    fn carry_acts(&mut self, client: usize, acts: Vec<Act>, actions: &mut Vec<Action>) {
        let now = self.now;
        let id = client_id(client);
        for act in acts {
            let host = &mut self.hosts[client];
            match act {
                Act::Call { call, op } => {
                    let token = host.token(Whose::Program(call));
                    host.session.call(now, token, op, actions);
                }
                Act::WakeAt(at) => host.wakes.push(at),
                Act::Claim { name, value } => {
                    let session = host.session.id();
                    self.see(Seen::Claimed { client: id, session, name, value });
                }
                Act::Complain { property, detail } => {
                    self.see(Seen::Complained { client: id, property, detail });
                }
                Act::CloseSession => {
                    // Nobody waits for this answer by name; like a script's, it only settles.
                    let token = host.token(Whose::Script);
                    host.session.close(now, token, actions);
                }
                Act::Move => host.session.move_on(now, actions),
            }
        }
    }

    /// Makes the steps of a script that are due.
    fn script_go_on(&mut self, client: usize, actions: &mut Vec<Action>) {
        let plan = std::sync::Arc::clone(&self.plan);
        let Driver::Script(steps) = &plan.clients[client].driver else { return };
        let (now, calm) = (self.now, self.calm);
        let host = &mut self.hosts[client];
        while host.begun && !calm {
            let Some(step) = steps.get(host.script) else { return };
            let due = host.stepped + Duration::from_us(step.wait_us);
            if due > now || (step.drain && host.is_waiting()) {
                return;
            }
            host.script += 1;
            host.stepped = now;
            match (&step.call, step.call.op()) {
                (_, Some(op)) => {
                    let token = host.token(Whose::Script);
                    host.session.call(now, token, op, actions);
                }
                (Call::CloseSession, None) => {
                    let token = host.token(Whose::Script);
                    host.session.close(now, token, actions);
                }
                (Call::Move, None) => host.session.move_on(now, actions),
                // What is neither a call nor one of these does nothing.
                (_, None) => {}
            }
        }
    }

    /// When a client has something to do that nobody else brings about.
    fn next_due(&self, client: usize) -> Option<Time> {
        let host = &self.hosts[client];
        if !host.begun {
            return Some(host.start_at);
        }
        let script = match &self.plan.clients[client].driver {
            Driver::Script(steps) if !self.calm => steps.get(host.script),
            Driver::Script(_) | Driver::Program { .. } => None,
        };
        let script = script.filter(|step| !step.drain || !host.is_waiting());
        let script = script.map(|step| host.stepped + Duration::from_us(step.wait_us));
        let again = match host.last {
            Final::At(at) => Some(at),
            Final::NotYet
            | Final::Creating
            | Final::Setting
            | Final::Syncing
            | Final::Reading
            | Final::Finished => None,
        };
        let wakes = host.wakes.iter().min().copied();
        [script, again, wakes, host.session.next_wake()].into_iter().flatten().min()
    }

    /// Wakes a client by this time. An alarm that is already set for earlier stays: it will be set
    /// again if it turns out to be too early.
    fn alarm(&mut self, client: usize, at: Time) {
        let at = at.max(self.now);
        let host = &mut self.hosts[client];
        if host.alarm.is_none_or(|alarm| at < alarm) {
            host.alarm = Some(at);
            host.arming += 1;
            self.queue.push(at, What::Wake { client: client as u32, arming: host.arming });
        }
    }

    /// Begins the final calls when they are due.
    fn final_go_on(&mut self, client: usize, actions: &mut Vec<Action>) {
        if !self.calm {
            return;
        }
        let now = self.now;
        let host = &mut self.hosts[client];
        let node = format!("/zoosim-final-{}", client + 1);
        let waiting = host.is_waiting();
        let open = host.open.values().any(|open| open.whose == Whose::Final);
        let op = match host.last {
            Final::NotYet if waiting => return,
            Final::At(at) if at > now => return,
            Final::NotYet | Final::At(_) => {
                host.last = Final::Creating;
                Op::Create {
                    path: node,
                    data: Some(b"0".to_vec()),
                    acl: open_acl(),
                    mode: CreateMode::Persistent,
                    stat: false,
                }
            }
            Final::Setting if !open => {
                Op::SetData { path: node, data: Some(b"1".to_vec()), version: -1 }
            }
            Final::Syncing if !open => Op::Sync { path: "/".into() },
            Final::Reading if !open => {
                Op::GetChildren { path: "/".into(), watch: false, stat: false }
            }
            Final::Creating
            | Final::Setting
            | Final::Syncing
            | Final::Reading
            | Final::Finished => return,
        };
        let token = host.token(Whose::Final);
        host.session.call(now, token, op, actions);
    }

    fn final_answered(&mut self, client: usize, result: &Result<Reply, ErrorCode>) {
        let again = Final::At(self.now + AGAIN);
        let host = &mut self.hosts[client];
        let ok = result.is_ok();
        host.last = match host.last {
            Final::Creating if *result == Err(ErrorCode::NodeExists) => Final::Setting,
            Final::Creating | Final::Setting if ok => Final::Syncing,
            Final::Syncing if ok => Final::Reading,
            Final::Reading if ok => Final::Finished,
            Final::Finished => Final::Finished,
            Final::NotYet
            | Final::At(_)
            | Final::Creating
            | Final::Setting
            | Final::Syncing
            | Final::Reading => again,
        };
        if host.last == Final::Finished {
            self.see(Seen::Finished { client: client_id(client) });
        }
    }
}
