//! A protocol of one's own, through the public interface only: peer 1 leads for ever, everybody
//! keeps everything in memory, a majority commits. It carries the whole znode service, and has all
//! judges; wrong by one line, it is caught, and its token replays.

use std::collections::BTreeMap;

use zoosim::base::{Digest, Duration, Epoch, Key, LinkId, PeerId, PeerSet, Time, Zxid};
use zoosim::broadcast::{Broadcast, Serving, StateMachine};
use zoosim::client::{Act, Heard, Program};
use zoosim::history::{At, Seen};
use zoosim::jute::Record;
use zoosim::jute::quorum::QuorumPacket;
use zoosim::kit::{Kit, Protocol, Rules};
use zoosim::peer::{self, Peer};
use zoosim::plan::Plan;
use zoosim::process::{
    Boot, Channel, Effects, Event, Image, Note, Now, Phase, Probe, Process, Refused, Role, Tag,
    Timer,
};
use zoosim::verdict::{self, Finding, Oracle, Weight};
use zoosim::znode::op::{CreateMode, Op, open_acl};

const LEADER: PeerId = PeerId(1);
const REDIAL: Timer = Timer("fixed.redial", 0);
const PING: Timer = Timer("fixed.ping", 0);

/// The protocol: about as small as one that carries the service can be.
#[derive(Clone)]
struct Fixed {
    me: PeerId,
    majority: usize,
    links: BTreeMap<LinkId, PeerId>,
    log: Vec<Vec<u8>>,
    holders: BTreeMap<u32, PeerSet>,
    committed: u32,
    delivered: u32,
    barriers: Vec<(u64, u32)>,
    serving: bool,
}

fn zxid(counter: u32) -> Zxid {
    Zxid::new(Epoch(1), counter)
}

impl Fixed {
    /// How many peers must hold a record before it counts. `wrong` is the one line.
    fn new(boot: &Boot, wrong: bool) -> Fixed {
        let voters = boot.spec.config.voters.len();
        let majority = if wrong { voters / 2 } else { voters / 2 + 1 };
        let (links, holders, log, barriers) = Default::default();
        let me = boot.spec.id;
        let (committed, delivered, serving) = (0, 0, false);
        Fixed { me, majority, links, log, holders, committed, delivered, barriers, serving }
    }

    fn tell(&self, link: LinkId, kind: &'static str, at: u32, body: &[u8], fx: &mut Effects) {
        let mut bytes = vec![kind.as_bytes()[0]];
        bytes.extend_from_slice(&at.to_be_bytes());
        bytes.extend_from_slice(body);
        fx.send(link, Tag::zxid(kind, zxid(at)), bytes);
    }

    fn tell_all(&self, kind: &'static str, at: u32, body: &[u8], fx: &mut Effects) {
        self.links.keys().for_each(|link| self.tell(*link, kind, at, body, fx));
    }

    fn hold(&mut self, peer: PeerId, up_to: u32) {
        for at in self.committed + 1..=up_to.min(self.log.len() as u32) {
            self.holders.entry(at).or_default().insert(peer);
        }
    }

    /// Commits what enough peers hold, in order; delivers; passes barriers.
    fn advance(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        let held = |this: &Fixed, at| this.holders.get(&at).map_or(0, PeerSet::len);
        while self.me == LEADER && held(self, self.committed + 1) >= self.majority {
            self.committed += 1;
            self.tell_all("COMMIT", self.committed, &[], fx);
        }
        while self.delivered < self.committed.min(self.log.len() as u32) {
            let record = self.log[self.delivered as usize].clone();
            self.delivered += 1;
            let at = zxid(self.delivered);
            fx.note(Note::Delivered { zxid: at, digest: Digest::of(&record) });
            app.deliver(now, at, &record, 0, true, fx);
        }
        let ready = |(_, at): &(u64, u32)| *at <= self.delivered;
        let (passed, waiting) = self.barriers.iter().copied().partition(ready);
        self.barriers = waiting;
        let passed: Vec<(u64, u32)> = passed;
        passed.into_iter().for_each(|(token, _)| app.barrier_passed(now, token, fx));
    }

    fn received(&mut self, now: Now, link: LinkId, bytes: &[u8], app: &mut dyn StateMachine, fx: &mut Effects) {
        let (Some(peer), Some(at)) = (self.links.get(&link).copied(), bytes.get(1..5)) else { return };
        let at = u32::from_be_bytes(at.try_into().expect("four bytes were asked for"));
        let body = &bytes[5..];
        let packet = || QuorumPacket::from_bytes(body).ok();
        match bytes[0] {
            // HELLO: a follower says how much it holds, and gets the rest.
            b'H' => {
                for counter in at + 1..=self.log.len() as u32 {
                    self.tell(link, "PROPOSAL", counter, &self.log[counter as usize - 1], fx);
                }
                self.tell(link, "COMMIT", self.committed, &[], fx);
                self.hold(peer, at);
            }
            b'P' if at as usize == self.log.len() + 1 => {
                self.log.push(body.to_vec());
                self.tell(link, "ACK", at, &[], fx);
            }
            b'A' => self.hold(peer, at),
            b'C' => {
                self.committed = self.committed.max(at);
                if !self.serving {
                    self.serving = true;
                    self.advance(now, app, fx);
                    app.serve(now, Serving::Following { leader: LEADER, epoch: Epoch(1) }, fx);
                }
            }
            b'S' => if let Some(packet) = packet() {
                if self.me == LEADER {
                    app.from_learner(now, peer, packet, fx);
                } else {
                    app.from_leader(now, packet, zxid(at), fx);
                }
            },
            b'T' if self.me == LEADER => app.ponged(now, peer, body),
            b'T' => self.tell(link, "TICK", 0, &app.pong(), fx),
            _ => {}
        }
        self.advance(now, app, fx);
    }
}

impl Broadcast for Fixed {
    fn start(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        app.restore(None, Zxid::ZERO).expect("the fresh tree needs no bytes");
        fx.note(Note::Restored { zxid: Zxid::ZERO, tree: app.digest() });
        if self.me == LEADER {
            self.serving = true;
            app.serve(now, Serving::Leading { epoch: Epoch(1), next: zxid(1) }, fx);
            fx.set_timer_in(PING, Duration::from_ms(100));
        } else {
            fx.dial(LEADER, Channel::Quorum);
        }
    }

    fn step(&mut self, now: Now, event: Event, app: &mut dyn StateMachine, fx: &mut Effects) {
        match event {
            Event::LinkUp { link, peer, .. } => {
                self.links.retain(|_, old| *old != peer);
                self.links.insert(link, peer);
                if self.me != LEADER {
                    self.tell(link, "HELLO", self.log.len() as u32, &[], fx);
                }
            }
            Event::LinkDown { link, .. } => match self.links.remove(&link) {
                Some(peer) if self.me == LEADER => app.learner_left(peer),
                Some(_) => {
                    self.serving = false;
                    app.retire(now, fx);
                    fx.dial(LEADER, Channel::Quorum);
                }
                None => {}
            },
            Event::DialFailed { .. } => fx.set_timer_in(REDIAL, Duration::from_ms(50)),
            Event::Timer(REDIAL) => fx.dial(LEADER, Channel::Quorum),
            Event::Timer(PING) => {
                self.tell_all("TICK", 0, &[], fx);
                fx.set_timer_in(PING, Duration::from_ms(100));
            }
            Event::Received { link, bytes } => self.received(now, link, &bytes, app, fx),
            _ => {}
        }
    }

    fn propose(&mut self, _now: Now, at: Zxid, record: Vec<u8>, fx: &mut Effects) {
        fx.note(Note::Proposed { zxid: at, record: record.clone() });
        self.tell_all("PROPOSAL", at.counter(), &record, fx);
        self.log.push(record);
        self.hold(self.me, at.counter());
        // Alone, or nearly: the record may be committed already; the next event delivers it.
        fx.set_timer_in(PING, Duration::from_ms(1));
    }

    fn tell_leader(&mut self, packet: QuorumPacket, fx: &mut Effects) {
        self.tell_all("SERVICE", self.committed, &packet.to_bytes(), fx);
    }

    fn tell_learner(&mut self, learner: PeerId, packet: QuorumPacket, fx: &mut Effects) {
        let link = self.links.iter().find(|(_, peer)| **peer == learner).map(|(link, _)| *link);
        let body = packet.to_bytes();
        link.into_iter().for_each(|link| self.tell(link, "SERVICE", self.committed, &body, fx));
    }

    fn barrier(&mut self, now: Now, token: u64, app: &mut dyn StateMachine, fx: &mut Effects) {
        self.barriers.push((token, self.log.len() as u32));
        self.advance(now, app, fx);
    }

    fn abdicate(&mut self, _: Now, _: &'static str, _: &mut dyn StateMachine, _: &mut Effects) {}

    fn probe(&self) -> Probe {
        let role = if self.me == LEADER { Role::Leading } else { Role::Following };
        let phase = Phase::Broadcast;
        let logged = zxid(self.log.len() as u32);
        let (committed, serving, epoch) = (zxid(self.committed), self.serving, Epoch(1));
        Probe { role, phase, epoch, logged, committed, serving, ..Probe::default() }
    }

    fn fork(&self) -> Box<dyn Broadcast> {
        Box::new(self.clone())
    }

    fn describe(&self) -> Vec<(String, String)> {
        vec![("committed".to_string(), self.committed.to_string())]
    }
}
