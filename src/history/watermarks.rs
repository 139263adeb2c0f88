//! How far a run has come into trouble: six cheap integers that rise as things get tangled.
//!
//! A run that has never been so deep in one of them is worth going on from in more than one way.
//! Each counts something that must be there, and be there at once, before most bugs can show:
//!
//! | mark | what it counts |
//! |---|---|
//! | epochs | different epochs accepted among the peers |
//! | divergence | different epochs in which the peers' logs end |
//! | acked | peers that acked a NEWLEADER whose epoch is not established |
//! | pending | the longest queue of log entries that are not durable, in powers of two |
//! | moving | sessions on their way to another server |
//! | watches | clients without a connection that had set watches |

use super::Seen;
use crate::base::{Epoch, PeerId, SessionId, Zxid};
use crate::process::{Note, Probe};
use crate::znode::op::Op;

/// How many marks there are.
pub const MARKS: usize = 6;

/// A peer, as far as marks go. What it has logged and promised outlives it.
#[derive(Clone, Copy, Debug, Default)]
struct Peer {
    probe: Probe,
    /// The epoch of the NEWLEADER it acked last.
    acked: Epoch,
    /// Entries logged since a sync covered all of them.
    pending: u32,
}

/// A client, as far as marks go.
#[derive(Clone, Copy, Debug, Default)]
struct Client {
    server: Option<PeerId>,
    connected: bool,
    moving: bool,
    watches: bool,
}

/// See the file's page.
#[derive(Clone, Debug)]
pub struct Watermarks {
    peers: Vec<Peer>,
    clients: Vec<Client>,
    /// The last epoch that a quorum has acked.
    established: Epoch,
    high: [u32; MARKS],
}

impl Watermarks {
    /// Of a run that has not begun.
    pub fn new(peers: u8, clients: usize) -> Watermarks {
        Watermarks {
            peers: vec![Peer::default(); usize::from(peers)],
            clients: vec![Client::default(); clients],
            established: Epoch(0),
            high: [1, 1, 0, 2, 0, 0],
        }
    }

    /// The highest values so far.
    pub fn high(&self) -> [u32; MARKS] {
        self.high
    }

    /// Takes one thing seen; true if a mark has risen above all that was.
    pub fn observe(&mut self, seen: &Seen) -> bool {
        match seen {
            Seen::Probed { peer, probe } => {
                let peer = self.peer(*peer);
                let was = std::mem::replace(&mut peer.probe, *probe);
                let ends = probe.logged.epoch() != was.logged.epoch();
                (probe.accepted != was.accepted && self.rises(0, self.epochs()))
                    | (ends && self.rises(1, self.divergence()))
            }
            Seen::Stopped { peer, .. } => {
                self.peer(*peer).pending = 0;
                false
            }
            Seen::Noted { peer, note } => self.noted(*peer, note),
            Seen::Connecting { client, server, session, .. } => {
                let client = &mut self.clients[client.0 as usize - 1];
                let moves = client.server.is_some_and(|before| before != *server);
                client.moving = *session != SessionId(0) && moves;
                let moving = self.clients.iter().filter(|client| client.moving).count();
                self.rises(4, moving as u32)
            }
            Seen::Connected { client, server, fresh, .. } => {
                let client = &mut self.clients[client.0 as usize - 1];
                let watches = client.watches && !fresh;
                *client = Client { server: Some(*server), connected: true, moving: false, watches };
                false
            }
            Seen::Expired { client, .. } => {
                self.clients[client.0 as usize - 1] = Client::default();
                false
            }
            Seen::Disconnected { client, .. } => {
                self.clients[client.0 as usize - 1].connected = false;
                let lost = self.clients.iter().filter(|client| client.watches && !client.connected);
                let lost = lost.count();
                self.rises(5, lost as u32)
            }
            Seen::Called(call) => {
                let watches = match &call.op {
                    Op::Exists { watch, .. }
                    | Op::GetData { watch, .. }
                    | Op::GetChildren { watch, .. } => *watch,
                    _ => false,
                };
                self.clients[call.client.0 as usize - 1].watches |= watches;
                false
            }
            _ => false,
        }
    }

    fn noted(&mut self, peer: PeerId, note: &Note) -> bool {
        match note {
            Note::NewLeaderAccepted { epoch, .. } => {
                self.peer(peer).acked = *epoch;
                let acked = self.peers.iter().filter(|peer| peer.acked > self.established);
                let acked = acked.count();
                self.rises(2, acked as u32)
            }
            Note::Established { epoch, .. } => {
                self.established = self.established.max(*epoch);
                false
            }
            Note::Logged { .. } => {
                let peer = self.peer(peer);
                peer.pending += 1;
                let power = peer.pending.ilog2();
                self.rises(3, power)
            }
            Note::Durable { zxid } => {
                let peer = self.peer(peer);
                if *zxid >= peer.probe.logged || peer.probe.logged == Zxid(0) {
                    peer.pending = 0;
                }
                false
            }
            _ => false,
        }
    }

    fn peer(&mut self, peer: PeerId) -> &mut Peer {
        &mut self.peers[usize::from(peer.0) - 1]
    }

    fn epochs(&self) -> u32 {
        different(self.peers.iter().map(|peer| peer.probe.accepted))
    }

    fn divergence(&self) -> u32 {
        different(self.peers.iter().map(|peer| peer.probe.logged.epoch()))
    }

    fn rises(&mut self, mark: usize, value: u32) -> bool {
        let rises = value > self.high[mark];
        self.high[mark] = self.high[mark].max(value);
        rises
    }
}

/// How many different epochs there are.
fn different(epochs: impl Iterator<Item = Epoch>) -> u32 {
    let mut known = [Epoch(u32::MAX); 16];
    let mut count = 0;
    for epoch in epochs {
        if count < known.len() && !known[..count].contains(&epoch) {
            known[count] = epoch;
            count += 1;
        }
    }
    count as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientId, ConnId, Digest};
    use crate::history::{Call, CallId};

    fn probed(peer: u8, accepted: u32, logged: u32) -> Seen {
        let logged = Zxid::new(Epoch(logged), 1);
        let probe = Probe { accepted: Epoch(accepted), logged, ..Probe::default() };
        Seen::Probed { peer: PeerId(peer), probe }
    }

    fn noted(peer: u8, note: Note) -> Seen {
        Seen::Noted { peer: PeerId(peer), note }
    }

    fn logged(peer: u8, counter: u32) -> Seen {
        let zxid = Zxid::new(Epoch(1), counter);
        noted(peer, Note::Logged { zxid, digest: Digest::EMPTY })
    }

    const CLIENT: ClientId = ClientId(1);

    fn connecting(server: u8, session: i64) -> Seen {
        let (server, session) = (PeerId(server), SessionId(session));
        let last_zxid_seen = Zxid(0);
        Seen::Connecting { client: CLIENT, conn: ConnId(1), server, session, last_zxid_seen }
    }

    fn connected(server: u8) -> Seen {
        let (server, session) = (PeerId(server), SessionId(7));
        let (fresh, timeout_ms) = (false, 100);
        Seen::Connected { client: CLIENT, conn: ConnId(1), server, session, fresh, timeout_ms }
    }

    fn watching() -> Seen {
        Seen::Called(Call {
            id: CallId(0),
            client: CLIENT,
            session: SessionId(7),
            conn: ConnId(1),
            server: PeerId(1),
            xid: 1,
            op: Op::Exists { path: "/a".to_string(), watch: true },
        })
    }

    /// Which of these raise a mark, and what the marks come to.
    fn risen(all: &[Seen]) -> (Vec<usize>, [u32; MARKS]) {
        let mut marks = Watermarks::new(3, 1);
        let rises = all.iter().enumerate().filter(|(_, seen)| marks.observe(seen));
        let rises = rises.map(|(nth, _)| nth).collect();
        (rises, marks.high())
    }

    #[test]
    fn each_mark_rises_with_what_it_counts_and_only_above_what_was() {
        let epochs = [probed(1, 1, 0), probed(2, 2, 0), probed(2, 1, 0), probed(3, 2, 0)];
        assert_eq!(risen(&epochs), (vec![0, 1], [3, 1, 0, 2, 0, 0]));
        let ends = [probed(1, 0, 1), probed(1, 0, 1), probed(3, 0, 2)];
        assert_eq!(risen(&ends), (vec![0, 2], [1, 3, 0, 2, 0, 0]));
        let acked = |peer| noted(peer, Note::NewLeaderAccepted { epoch: Epoch(1), last: Zxid(0) });
        let established = noted(1, Note::Established { epoch: Epoch(1), last: Zxid(0) });
        let acks = [acked(1), acked(2), established, acked(3)];
        assert_eq!(risen(&acks), (vec![0, 1], [1, 1, 2, 2, 0, 0]));
        let mut queue: Vec<Seen> = (1..=16).map(|counter| logged(1, counter)).collect();
        assert_eq!(risen(&queue), (vec![7, 15], [1, 1, 0, 4, 0, 0]));
        queue.insert(4, noted(1, Note::Durable { zxid: Zxid::new(Epoch(1), 4) }));
        queue.truncate(12);
        assert_eq!(risen(&queue), (vec![], [1, 1, 0, 2, 0, 0]), "a sync empties the queue");
        let moves = [connecting(1, 0), connected(1), connecting(1, 7), connecting(2, 7)];
        assert_eq!(risen(&moves), (vec![3], [1, 1, 0, 2, 1, 0]), "to the same server is no move");
        let gone = Seen::Disconnected { client: CLIENT, conn: ConnId(1) };
        let lost = [connected(1), gone.clone(), connected(1), watching(), gone];
        assert_eq!(risen(&lost), (vec![4], [1, 1, 0, 2, 0, 1]));
    }
}
