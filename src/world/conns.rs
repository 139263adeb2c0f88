//! Connections between clients and servers: byte streams with delays of their own.
//!
//! They keep order and are cut into pieces at the world's pleasure, so that both codecs are made to
//! read every split. What dies, dies for both ends: the server's end at once or by a message, the
//! client's likewise.

use std::collections::VecDeque;

use crate::base::{ConnId, Draw, Duration, Key, PeerId, Ratio, Time};
use crate::history::Seen;
use crate::plan::TO_CLIENT;
use crate::process::{Event, Frame};

use super::World;
use super::nemesis::Sighting;
use super::network::End;
use super::queue::What;

/// How often a run of bytes arrives in two pieces.
const SPLIT: Ratio = Ratio::new(1, 32);

/// All connections, and the names of their draws.
#[derive(Clone)]
pub(super) struct Conns {
    conns: Vec<Option<Box<Conn>>>,
    live: Vec<u32>,
    lanes: Vec<[Lane; 2]>,
    peers: usize,
}

#[derive(Clone, Debug)]
struct Conn {
    client: usize,
    server: usize,
    state: [End; 2],
    /// Reset, though its ends may not know yet: what is sent from now on goes nowhere.
    broken: bool,
    flight: [VecDeque<Vec<u8>>; 2],
    last: [Time; 2],
    /// The server does not read: this many arrivals wait for it to go on.
    paused: bool,
    waiting: u32,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    key: Key,
    drawn: u64,
}

impl Lane {
    fn next(&mut self) -> Key {
        self.drawn += 1;
        self.key.with(self.drawn)
    }
}

impl Conns {
    /// No connections yet.
    pub(super) fn new(clients: usize, peers: usize, key: Key) -> Conns {
        let lane = |client: usize, peer: usize, side: u64| Lane {
            key: key.with(client as u64).with(peer as u64).with(side),
            drawn: 0,
        };
        let pairs = (0..clients).flat_map(|client| (0..peers).map(move |peer| (client, peer)));
        let lanes = pairs.map(|(client, peer)| [lane(client, peer, 0), lane(client, peer, 1)]);
        Conns { conns: Vec::new(), live: Vec::new(), lanes: lanes.collect(), peers }
    }

    /// Gives every draw to come another name.
    pub(super) fn rekey(&mut self, other: impl Fn(&mut Key)) {
        self.lanes.iter_mut().flatten().for_each(|lane| other(&mut lane.key));
    }

    fn conn(&mut self, conn: u32) -> Option<&mut Conn> {
        self.conns.get_mut(conn as usize)?.as_deref_mut()
    }

    /// Which client and server a connection joins.
    pub(super) fn pair(&self, conn: u32) -> Option<(usize, usize)> {
        let conn = self.conns.get(conn as usize)?.as_deref()?;
        Some((conn.client, conn.server))
    }

    fn lane(&mut self, conn: u32, side: usize) -> Option<&mut Lane> {
        let (client, server) = self.pair(conn)?;
        Some(&mut self.lanes[client * self.peers + server][side])
    }

    fn bury(&mut self, conn: u32) {
        let dead = |c: &Conn| c.state[0] == End::Gone && c.state[1] != End::Up;
        if self.conn(conn).is_some_and(|c| dead(c)) {
            self.conns[conn as usize] = None;
            self.live.retain(|live| *live != conn);
        }
    }
}

impl World {
    /// A client opens a connection.
    pub(super) fn conn_open(&mut self, client: usize, server: PeerId) -> ConnId {
        let conn = self.conns.conns.len() as u32;
        let known = usize::from(server.0).wrapping_sub(1);
        let server = known.min(self.machines.len() - 1);
        self.conns.conns.push(Some(Box::new(Conn {
            client,
            server,
            state: [End::Opening; 2],
            flight: [VecDeque::new(), VecDeque::new()],
            last: [self.now; 2],
            broken: false,
            paused: false,
            waiting: 0,
        })));
        self.conns.live.push(conn);
        let at = self.conn_arrival(conn, 0);
        self.queue.push(at, What::ConnSyn { conn });
        ConnId(u64::from(conn))
    }

    /// When what `side` sends now arrives: never before what it has sent earlier.
    fn conn_arrival(&mut self, conn: u32, side: usize) -> Time {
        let law = self.plan.net.client_delay;
        let law = if self.calm { law.tame() } else { law };
        let now = self.now;
        let Some(lane) = self.conns.lane(conn, side) else { return now };
        let delay = law.draw(&mut lane.next().named("delay").stream());
        let c = self.conns.conn(conn).expect("its lane was found");
        c.last[side] = c.last[side].max(now + delay);
        c.last[side]
    }

    /// A connect reaches its server.
    pub(super) fn conn_syn(&mut self, conn: u32) -> bool {
        let Some(c) = self.conns.conn(conn) else { return false };
        if c.state[0] != End::Opening {
            self.conns.bury(conn);
            return false;
        }
        let (client, server) = (c.client, c.server);
        let back = self.conn_arrival(conn, 1);
        if !self.machines[server].is_up() {
            self.queue.push(back, What::ConnDown { conn, side: 0, local: false });
            return true;
        }
        self.conns.conn(conn).expect("it was there").state[1] = End::Up;
        self.queue.push(back, What::ConnUp { conn });
        let addr = super::clients::client_id(client).address();
        self.run(server, Event::Accepted { conn: ConnId(u64::from(conn)), addr });
        true
    }

    /// The answer to a connect reaches the client.
    pub(super) fn conn_up(&mut self, conn: u32) -> bool {
        let Some(c) = self.conns.conn(conn) else { return false };
        if c.state[0] != End::Opening {
            return false;
        }
        c.state[0] = End::Up;
        let client = c.client;
        self.client_connected(client, conn);
        true
    }

    /// Bytes leave one end of a connection. False if it takes none any more.
    pub(super) fn conn_send(&mut self, conn: u32, side: usize, bytes: Vec<u8>) -> bool {
        let ratio = self.plan.net.client_reset;
        let calm = self.calm;
        let takes = |c: &&mut Conn| c.state[side] == End::Up && !c.broken;
        let Some(c) = self.conns.conn(conn).filter(takes) else { return false };
        c.flight[side].push_back(bytes);
        let at = self.conn_arrival(conn, side);
        self.queue.push(at, What::ConnBytes { conn, side: side as u8 });
        self.stats.client_messages += 1;
        if !calm && ratio.num > 0 {
            let lane = self.conns.lane(conn, side).expect("it was there");
            let reset = lane.key.with(lane.drawn).named("reset").stream().chance(ratio);
            if reset {
                self.stats.noise("client_reset");
                self.conn_reset(conn);
            }
        }
        true
    }

    /// A server answers a client.
    pub(super) fn reply(&mut self, peer: usize, conn: ConnId, frame: Frame) {
        let conn = conn.0 as u32;
        let own = self.conns.pair(conn).is_some_and(|(_, server)| server == peer);
        if own && self.conn_send(conn, 1, frame.bytes) {
            self.sighted(peer, None, Sighting::Send(TO_CLIENT));
        }
    }

    /// A server stops reading from a client, or goes on.
    pub(super) fn conn_reading(&mut self, peer: usize, conn: ConnId, reads: bool) {
        let number = conn.0 as u32;
        let now = self.now;
        let Some(c) = self.conns.conn(number).filter(|c| c.server == peer) else { return };
        c.paused = !reads;
        if reads {
            for _ in 0..std::mem::take(&mut c.waiting) {
                self.queue.push(now, What::ConnBytes { conn: number, side: 0 });
            }
        }
    }

    /// The oldest bytes of a direction arrive, or a piece of them.
    pub(super) fn conn_bytes(&mut self, conn: u32, side: u8) -> bool {
        let side = usize::from(side);
        let Some(c) = self.conns.conn(conn) else { return false };
        if c.flight[side].is_empty() {
            return false;
        }
        match c.state[1 - side] {
            End::Opening => return false,
            // Bytes for an end that is gone are answered with a reset.
            End::Gone => {
                c.flight[side].clear();
                let at = self.conn_arrival(conn, 1 - side);
                let what = What::ConnDown { conn, side: side as u8, local: false };
                self.queue.push(at, what);
                return true;
            }
            End::Up => {}
        }
        if side == 0 && c.paused {
            c.waiting += 1;
            return false;
        }
        let (client, server) = (c.client, c.server);
        let mut bytes = c.flight[side].pop_front().expect("it is not empty");
        let lane = self.conns.lane(conn, side).expect("it was there");
        let mut dice = lane.next().named("split").stream();
        let mut whole = true;
        if bytes.len() > 1 && dice.chance(SPLIT) {
            let rest = bytes.split_off(1 + dice.below(bytes.len() as u64 - 1) as usize);
            whole = false;
            let gap = Duration::from_us(dice.between(1, 200));
            let c = self.conns.conn(conn).expect("it was there");
            c.flight[side].push_front(rest);
            let what = What::ConnBytes { conn, side: side as u8 };
            self.queue.push(self.now + gap, what);
        }
        self.digest.word(u64::from(conn));
        self.fold_bytes(&bytes);
        if side == 0 {
            let conn = ConnId(u64::from(conn));
            self.see(Seen::Heard { server: self.id(server), conn, whole });
            self.run(server, Event::ConnBytes { conn, bytes });
        } else {
            self.client_bytes(client, conn, &bytes);
        }
        true
    }

    /// One end closes, behind the bytes it has already sent.
    pub(super) fn conn_close(&mut self, conn: u32, side: usize) {
        let Some(c) = self.conns.conn(conn) else { return };
        if std::mem::replace(&mut c.state[side], End::Gone) == End::Gone {
            return;
        }
        c.flight[1 - side].clear();
        if c.state[1 - side] != End::Gone {
            let at = self.conn_arrival(conn, side);
            let what = What::ConnDown { conn, side: 1 - side as u8, local: false };
            self.queue.push(at, what);
        }
        self.conns.bury(conn);
    }

    /// A server closes a client's connection.
    pub(super) fn close(&mut self, peer: usize, conn: ConnId) {
        let conn = conn.0 as u32;
        if self.conns.pair(conn).is_some_and(|(_, server)| server == peer) {
            self.conn_close(conn, 1);
        }
    }

    /// A connection is reset: what is in flight is lost, both ends learn of it.
    pub(super) fn conn_reset(&mut self, conn: u32) {
        for side in 0..2 {
            let Some(c) = self.conns.conn(conn) else { return };
            c.broken = true;
            c.flight[side].clear();
            if c.state[side] != End::Gone {
                let at = self.conn_arrival(conn, 1 - side);
                let what = What::ConnDown { conn, side: side as u8, local: true };
                self.queue.push(at, what);
            }
        }
    }

    /// An end learns that its connection is dead.
    pub(super) fn conn_down(&mut self, conn: u32, side: u8) -> bool {
        let side = usize::from(side);
        let Some(c) = self.conns.conn(conn) else { return false };
        let was = std::mem::replace(&mut c.state[side], End::Gone);
        if was == End::Gone || (side == 1 && was == End::Opening) {
            return false;
        }
        c.flight[1 - side].clear();
        let (client, server) = (c.client, c.server);
        self.conns.bury(conn);
        if side == 0 {
            self.client_down(client, conn);
        } else {
            self.run(server, Event::ConnDown { conn: ConnId(u64::from(conn)) });
        }
        true
    }

    /// All connections of a server lose their end there.
    pub(super) fn conns_crash(&mut self, peer: usize) {
        for conn in self.conns_of(peer) {
            let Some(c) = self.conns.conn(conn).filter(|c| c.state[1] == End::Up) else { continue };
            c.state[1] = End::Gone;
            c.flight[0].clear();
            let at = self.conn_arrival(conn, 1);
            self.queue.push(at, What::ConnDown { conn, side: 0, local: false });
            self.conns.bury(conn);
        }
    }

    /// The live connections of a server.
    pub(super) fn conns_of(&self, peer: usize) -> Vec<u32> {
        let of = |conn: &&u32| self.conns.pair(**conn).is_some_and(|pair| pair.1 == peer);
        self.conns.live.iter().filter(of).copied().collect()
    }

    /// A cut has lasted for another retransmission timeout: servers give up on clients they have
    /// sent something to. Clients have timeouts of their own.
    pub(super) fn conns_give_up(&mut self) {
        for conn in self.conns.live.clone() {
            let Some(c) = self.conns.conn(conn) else { continue };
            let (waits, client, server) = (!c.flight[1].is_empty(), c.client, c.server);
            if waits && c.state[1] == End::Up && self.client_is_cut(client, server) {
                let what = What::ConnDown { conn, side: 1, local: true };
                self.queue.push(self.now, what);
            }
        }
    }

    /// What is on its way along a direction that was just freed arrives no earlier than this.
    pub(super) fn conn_no_earlier(&mut self, conn: u32, side: usize, at: Time) {
        if let Some(c) = self.conns.conn(conn) {
            c.last[side] = c.last[side].max(at);
        }
    }
}
