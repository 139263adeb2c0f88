//! What stands in the way of messages: cuts and holds, per direction of each pair.
//!
//! A gate closes one direction. Whatever comes up at a closed gate is parked, in order, and sets
//! out again when the gate opens. Cuts end in timeouts if they last; holds never do.

use crate::base::{Duration, Key, Time};
use crate::process::Channel;

use super::World;
use super::network::RETRANSMIT;
use super::queue::What;

/// All gates, and what waits at them.
#[derive(Clone)]
pub(super) struct Gates {
    peers: usize,
    /// By pair: how many cuts are in force from the first to the second.
    cuts: Vec<u16>,
    /// By pair and channel: how many holds.
    holds: Vec<u16>,
    /// By client and server: how many cuts, towards the server and back.
    clients: Vec<[u16; 2]>,
    /// How many of all these are in force: most runs look no further.
    closed: u32,
    parked: Vec<What>,
    releases: u64,
}

/// Directions that one fault has closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Barrier {
    /// Cut from peer to peer.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Held from peer to peer.
    pub(super) holds: Vec<(usize, usize, Channel)>,
    /// Cut between client and server: towards the server, and back.
    pub(super) clients: Vec<(usize, usize, [bool; 2])>,
}

impl Gates {
    /// Everything open.
    pub(super) fn new(peers: usize, clients: usize) -> Gates {
        Gates {
            peers,
            cuts: vec![0; peers * peers],
            holds: vec![0; peers * peers * 2],
            clients: vec![[0; 2]; clients * peers],
            closed: 0,
            parked: Vec::new(),
            releases: 0,
        }
    }

    fn count(&mut self, barrier: &Barrier, change: impl Fn(u16) -> u16) {
        for (from, to) in &barrier.pairs {
            let gate = &mut self.cuts[from * self.peers + to];
            *gate = change(*gate);
        }
        for (from, to, channel) in &barrier.holds {
            let gate = &mut self.holds[(from * self.peers + to) * 2 + *channel as usize];
            *gate = change(*gate);
        }
        for (client, server, directions) in &barrier.clients {
            let gate = &mut self.clients[client * self.peers + server];
            for side in 0..2 {
                if directions[side] {
                    gate[side] = change(gate[side]);
                }
            }
        }
        let counts = self.cuts.iter().chain(&self.holds).chain(self.clients.iter().flatten());
        self.closed = counts.map(|count| u32::from(*count)).sum();
    }
}

impl World {
    /// Closes gates.
    pub(super) fn close_gates(&mut self, barrier: &Barrier) {
        self.gates.count(barrier, |count| count + 1);
    }

    /// Opens gates again, and lets go what is free now.
    pub(super) fn open_gates(&mut self, barrier: &Barrier) {
        self.gates.count(barrier, |count| count.saturating_sub(1));
        self.release();
    }

    /// Opens all gates.
    pub(super) fn open_all_gates(&mut self) {
        let gates = &mut self.gates;
        gates.cuts.fill(0);
        gates.holds.fill(0);
        gates.clients.fill([0; 2]);
        gates.closed = 0;
        self.release();
    }

    /// Whether nothing gets from one peer to another.
    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.gates.cuts[from * self.gates.peers + to] > 0
    }

    /// Whether nothing gets from a server to a client.
    pub(super) fn client_is_cut(&self, client: usize, server: usize) -> bool {
        self.gates.clients[client * self.gates.peers + server][1] > 0
    }

    /// Parks what stands before a closed gate.
    #[inline]
    pub(super) fn is_parked(&mut self, what: What) -> bool {
        let parked = self.gates.closed > 0 && self.is_shut(what);
        if parked {
            self.gates.parked.push(what);
        }
        parked
    }

    fn is_shut(&self, what: What) -> bool {
        let gates = &self.gates;
        if let Some((link, side)) = on_link(what) {
            let Some((from, to, channel)) = self.net.way(link, side) else { return false };
            let gate = from * gates.peers + to;
            return gates.cuts[gate] > 0 || gates.holds[gate * 2 + channel as usize] > 0;
        }
        if let Some((conn, side)) = on_conn(what) {
            let Some((client, server)) = self.conns.pair(conn) else { return false };
            return gates.clients[client * gates.peers + server][usize::from(side)] > 0;
        }
        false
    }

    /// What is parked before an open gate sets out again, after one delay per direction.
    fn release(&mut self) {
        self.gates.releases += 1;
        let key = self.key.named("release").with(self.gates.releases);
        for what in std::mem::take(&mut self.gates.parked) {
            if self.is_shut(what) {
                self.gates.parked.push(what);
                continue;
            }
            if let Some((link, side)) = on_link(what) {
                let Some((from, to, _)) = self.net.way(link, side) else { continue };
                let at = self.release_at(key.with(from as u64).with(to as u64));
                self.no_earlier(link, side, at);
                self.queue.push(at, what);
            } else if let Some((conn, side)) = on_conn(what) {
                let Some((client, server)) = self.conns.pair(conn) else { continue };
                let key = key.named("client").with(client as u64).with(server as u64);
                let at = self.release_at(key);
                self.conn_no_earlier(conn, usize::from(side), at);
                self.queue.push(at, what);
            }
        }
    }

    fn release_at(&self, key: Key) -> Time {
        let delay: Duration = self.plan.net.delay.tame().draw(&mut key.stream());
        self.now + delay
    }

    /// A cut that lasts makes those give up who have sent something into it.
    pub(super) fn cut_timeout(&mut self, cut: u32) -> bool {
        if !self.is_in_force(cut as usize) {
            return false;
        }
        self.give_up();
        self.conns_give_up();
        self.queue.push(self.now + RETRANSMIT, What::CutTimeout { cut });
        true
    }
}

/// The link, and the end from which this comes over it.
fn on_link(what: What) -> Option<(u32, u8)> {
    match what {
        What::Frame { link, side } => Some((link, side)),
        What::Syn { link } => Some((link, 0)),
        What::SynAck { link } => Some((link, 1)),
        What::Down { link, side, local: false, .. } => Some((link, 1 - side)),
        What::DialFailed { .. }
        | What::Down { .. }
        | What::Drained { .. }
        | What::CutTimeout { .. }
        | What::Timer { .. }
        | What::Work { .. }
        | What::Disk { .. }
        | What::Held { .. }
        | What::Start { .. }
        | What::Replace { .. }
        | What::ConnSyn { .. }
        | What::ConnUp { .. }
        | What::ConnBytes { .. }
        | What::ConnDown { .. }
        | What::Wake { .. }
        | What::Strike { .. }
        | What::Heal { .. }
        | What::Calm => None,
    }
}

/// The connection, and the end from which this comes over it.
fn on_conn(what: What) -> Option<(u32, u8)> {
    match what {
        What::ConnSyn { conn } => Some((conn, 0)),
        What::ConnUp { conn } => Some((conn, 1)),
        What::ConnBytes { conn, side } => Some((conn, side)),
        What::ConnDown { conn, side, local: false } => Some((conn, 1 - side)),
        What::Frame { .. }
        | What::Syn { .. }
        | What::SynAck { .. }
        | What::DialFailed { .. }
        | What::Down { .. }
        | What::Drained { .. }
        | What::CutTimeout { .. }
        | What::Timer { .. }
        | What::Work { .. }
        | What::Disk { .. }
        | What::Held { .. }
        | What::Start { .. }
        | What::Replace { .. }
        | What::ConnDown { .. }
        | What::Wake { .. }
        | What::Strike { .. }
        | What::Heal { .. }
        | What::Calm => None,
    }
}
