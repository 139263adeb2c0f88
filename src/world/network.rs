//! Links between peers: streams that keep their order, lose nothing in silence, and break.
//!
//! A link is one incarnation of one channel of a pair. Each direction has its own delays; a frame
//! never overtakes an earlier one of its direction. What is lost on the way shows as a stall; what
//! cannot be delivered ends in a reset. How each end learns of the death of a link:
//!
//! ```text
//!   the other hung up        Closed, behind the frames already sent
//!   the other crashed        Reset, after a delay; frames in flight may still arrive before it
//!   the link was reset       Reset at both ends; frames in flight are lost both ways
//!   a cut lasts too long     TimedOut at each end that has sent something since it began
//!   nobody told this end     on its next send: Reset when the frame arrives, or, if it was drawn
//!   (half-open)              half-open, TimedOut as long after as TCP would go on trying
//! ```
//!
//! Whatever comes up while its way is cut or held is parked, and goes on when the way is free.

mod flight;
mod lane;
mod room;

use crate::base::{Draw, Duration, Epoch, Key, LinkId, PeerId, Time};
use crate::history::Seen;
use crate::process::{Channel, Down, Event, Frame};

use super::World;
use super::nemesis::Sighting;
use super::queue::What;
use flight::Flight;
use lane::Lane;

/// How long TCP goes on sending again what nobody acknowledges, before it gives up.
pub(super) const RETRANSMIT: Duration = Duration::from_ms(15_000);
/// How long a dial waits for an answer.
const CONNECT: Duration = Duration::from_ms(4_000);

/// All links, and what stands in their way.
#[derive(Clone)]
pub(super) struct Network {
    links: Vec<Option<Box<Link>>>,
    /// The links that are not quite dead, ascending.
    live: Vec<u32>,
    /// Per directed pair and channel: the names of its draws.
    lanes: Vec<Lane>,
    peers: usize,
}

/// The state of one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Not yet told that the link is up.
    Opening,
    /// Told that it is up, and not that it is down.
    Up,
    /// Told that it is down, or hung up, or crashed.
    Gone,
}

#[derive(Clone, Debug)]
struct Link {
    id: LinkId,
    /// Whom the dialler asked for, even if there is nobody of that name.
    dialed: PeerId,
    ends: [usize; 2],
    channel: Channel,
    state: [End; 2],
    flight: [Flight; 2],
    /// News of the link's death are on their way to this end.
    told: [bool; 2],
    /// It was reset: nothing is delivered any more.
    broken: bool,
    /// The end that would not hear of the other's death.
    half_open: Option<usize>,
    seen_up: bool,
}

impl Network {
    /// No links yet; `slow` pairs as the plan says.
    pub(super) fn new(peers: usize, key: Key, slow: &[(PeerId, PeerId, u64)]) -> Network {
        let mut lanes = Vec::new();
        for from in 0..peers {
            for to in 0..peers {
                let named = |(a, b): (PeerId, PeerId)| (usize::from(a.0), usize::from(b.0));
                let extra =
                    slow.iter().filter(|slow| named((slow.0, slow.1)) == (from + 1, to + 1));
                let extra = Duration::from_us(extra.map(|slow| slow.2).sum());
                for channel in 0..2 {
                    let key = key.with(from as u64).with(to as u64).with(channel);
                    lanes.push(Lane::new(key, extra));
                }
            }
        }
        Network { links: Vec::new(), live: Vec::new(), lanes, peers }
    }

    #[inline]
    fn lane(&mut self, from: usize, to: usize, channel: Channel) -> &mut Lane {
        &mut self.lanes[(from * self.peers + to) * 2 + channel as usize]
    }

    #[inline]
    fn link(&mut self, link: u32) -> Option<&mut Link> {
        self.links.get_mut(link as usize)?.as_deref_mut()
    }

    /// From whom to whom something of `side` travels, and on which channel.
    pub(super) fn way(&self, link: u32, side: u8) -> Option<(usize, usize, Channel)> {
        let link = self.links.get(link as usize)?.as_deref()?;
        let side = usize::from(side);
        Some((link.ends[side], link.ends[1 - side], link.channel))
    }

    /// Whom the dialler of a link asked for.
    pub(super) fn dialed(&self, link: u32) -> Option<PeerId> {
        Some(self.links.get(link as usize)?.as_deref()?.dialed)
    }

    /// The state of one end of a link.
    pub(super) fn end(&self, link: u32, side: u8) -> Option<End> {
        Some(self.links.get(link as usize)?.as_deref()?.state[usize::from(side)])
    }

    /// The kind of the oldest frame on its way from `side`.
    pub(super) fn next_frame(&self, link: u32, side: u8) -> Option<&'static str> {
        let link = self.links.get(link as usize)?.as_deref()?;
        link.flight[usize::from(side)].frames.front().map(|frame| frame.tag.kind)
    }

    /// The live links between two peers.
    pub(super) fn between(&self, a: usize, b: usize) -> Vec<u32> {
        let is_between = |link: &&u32| {
            let link = self.links[**link as usize].as_deref().expect("it is live");
            link.ends == [a, b] || link.ends == [b, a]
        };
        self.live.iter().filter(is_between).copied().collect()
    }

    /// Gives every draw to come another name.
    pub(super) fn rekey(&mut self, other: impl Fn(&mut Key) + Copy) {
        for lane in &mut self.lanes {
            lane.rekey(other);
        }
    }

    /// All live links.
    pub(super) fn live(&self) -> Vec<u32> {
        self.live.clone()
    }

    /// Forgets a link of which nobody is left to hear.
    fn bury(&mut self, link: u32) {
        let dead = |l: &Link| l.state[0] == End::Gone && l.state[1] != End::Up;
        if self.link(link).is_some_and(|l| dead(l)) {
            self.links[link as usize] = None;
            self.live.retain(|live| *live != link);
        }
    }
}

impl Link {
    fn side_of(&self, peer: usize) -> Option<usize> {
        self.ends.iter().position(|end| *end == peer)
    }
}

impl World {
    /// One peer dials another.
    pub(super) fn dial(&mut self, from: usize, to: PeerId, channel: Channel) {
        let target = usize::from(to.0).wrapping_sub(1);
        let link = self.net.links.len() as u32;
        let known = target < self.machines.len() && target != from;
        let id = LinkId(u64::from(link));
        let ends = [from, if known { target } else { from }];
        self.net.links.push(Some(Box::new(Link {
            id,
            dialed: to,
            ends,
            channel,
            state: [End::Opening; 2],
            flight: [Flight::default(), Flight::default()],
            told: [false; 2],
            broken: false,
            half_open: None,
            seen_up: false,
        })));
        self.net.live.push(link);
        let noise = &self.plan.net;
        let lane = self.net.lane(from, ends[1], channel);
        let extra = lane.extra;
        let mut dice = lane.next("dial", Epoch(0)).stream();
        let law = if self.calm { noise.delay.tame() } else { noise.delay };
        let there = self.now + law.draw(&mut dice) + extra;
        let timeout = What::DialFailed { link, why: Down::TimedOut };
        if !known || (!self.calm && dice.chance(noise.refuse)) {
            self.stats.noise("refuse");
            self.queue.push(there, What::DialFailed { link, why: Down::Refused });
        } else if !self.calm && dice.chance(noise.hang) {
            self.stats.noise("hang");
            self.queue.push(self.now + CONNECT, timeout);
        } else {
            self.queue.push(there, What::Syn { link });
            self.queue.push(self.now + CONNECT, timeout);
        }
    }

    /// A dial reaches its target.
    pub(super) fn syn(&mut self, link: u32) -> bool {
        let Some(l) = self.net.link(link) else { return false };
        if l.state[0] != End::Opening {
            return false;
        }
        let ([from, to], channel, id) = (l.ends, l.channel, l.id);
        let (noise, now, calm) = (&self.plan.net, self.now, self.calm);
        let law = if calm { noise.delay.tame() } else { noise.delay };
        let lane = self.net.lane(to, from, channel);
        let extra = lane.extra;
        let mut dice = lane.next("answer", Epoch(0)).stream();
        let back = now + law.draw(&mut dice) + extra;
        if !self.machines[to].is_up() {
            self.queue.push(back, What::DialFailed { link, why: Down::Refused });
            return true;
        }
        let half_open = !calm && dice.chance(noise.half_open);
        let l = self.net.link(link).expect("it was there");
        l.half_open = half_open.then(|| dice.below(2) as usize);
        l.state[1] = End::Up;
        l.flight[1].last = back;
        l.seen_up = true;
        self.queue.push(back, What::SynAck { link });
        let (from, to) = (self.id(from), self.id(to));
        self.see(Seen::LinkUp { link: id, from, to, channel });
        let event = Event::LinkUp { link: id, peer: from, channel, dialed: false };
        self.run(usize::from(to.0) - 1, event);
        true
    }

    /// The answer to a dial reaches the dialler.
    pub(super) fn syn_ack(&mut self, link: u32) -> bool {
        let Some(l) = self.net.link(link) else { return false };
        if l.broken {
            return false;
        }
        match l.state[0] {
            End::Opening => {
                l.state[0] = End::Up;
                let ([from, to], channel, id) = (l.ends, l.channel, l.id);
                let peer = self.id(to);
                self.run(from, Event::LinkUp { link: id, peer, channel, dialed: true });
            }
            // The dialler has given up or crashed: its answer to the answer is a reset.
            End::Gone => self.unanswered(link, 1),
            End::Up => return false,
        }
        true
    }

    /// A dial fails, unless it has ended before.
    pub(super) fn dial_failed(&mut self, link: u32, why: Down) -> bool {
        let Some(l) = self.net.link(link) else { return false };
        if l.state[0] != End::Opening {
            return false;
        }
        l.state[0] = End::Gone;
        let (from, peer, channel) = (l.ends[0], l.dialed, l.channel);
        self.net.bury(link);
        self.stats.net_error("dial", channel, why);
        self.run(from, Event::DialFailed { peer, channel, why });
        true
    }

    /// A frame leaves a peer, if the link still takes any.
    pub(super) fn send(&mut self, peer: usize, link: LinkId, frame: Frame) {
        let number = link.0 as u32;
        let Some(l) = self.net.link(number) else { return };
        let Some(side) = l.side_of(peer).filter(|side| l.state[*side] == End::Up) else { return };
        let (to, channel, tag, broken) = (l.ends[1 - side], l.channel, frame.tag, l.broken);
        let (noise, calm, bound) = (&self.plan.net, self.calm, self.queue_bound());
        let lane = self.net.lane(peer, to, channel);
        let extra = lane.extra;
        let mut dice = lane.next(tag.kind, tag.epoch).stream();
        let delay = if calm { noise.delay.tame() } else { noise.delay }.draw(&mut dice);
        let mut takes = delay + extra;
        let mut reset = false;
        if !calm {
            if noise.stall.num > 0 && dice.chance(noise.stall) {
                takes = takes + Duration::from_us(noise.stall_us);
                self.stats.noise("stall");
            }
            reset = noise.reset.num > 0 && dice.chance(noise.reset);
        }
        self.stats.messages += 1;
        if !broken {
            let l = self.net.links[number as usize].as_deref_mut().expect("it is there");
            match l.flight[side].send(frame, takes, self.now, bound) {
                Some(at) => self.queue.push(at, What::Frame { link: number, side: side as u8 }),
                None => self.stats.noise("queue_full"),
            }
        }
        let (from, to) = (self.id(peer), self.id(to));
        self.see(Seen::Sent { link, from, to, channel, tag });
        if broken {
            self.unanswered(number, side);
        } else if reset {
            self.stats.noise("reset");
            self.reset_link(number, Down::Reset);
        }
        self.sighted(peer, Some(usize::from(to.0) - 1), Sighting::Send(tag.kind));
    }

    /// The oldest frame of a direction arrives.
    pub(super) fn frame(&mut self, link: u32, side: u8) -> bool {
        let Some(l) = self.net.link(link) else { return false };
        let side = usize::from(side);
        let [from, to] = [l.ends[side], l.ends[1 - side]];
        match l.state[1 - side] {
            // The answer to the dial was sent before this frame, and comes up before it.
            End::Opening => return false,
            End::Gone => {
                let lost = l.flight[side].lose();
                if lost {
                    self.unanswered(link, side);
                }
                return lost;
            }
            End::Up => {}
        }
        let Some(frame) = l.flight[side].frames.pop_front() else { return false };
        let id = l.id;
        if l.flight[side].wants_room() {
            self.make_room(link, side);
        }
        self.fold_frame(id.0, &frame);
        self.stats.delivered += 1;
        let tag = frame.tag;
        let (from_id, to_id) = (self.id(from), self.id(to));
        self.see(Seen::Received { link: id, from: from_id, to: to_id, tag });
        let life = self.machines[to].life;
        self.run(to, Event::Received { link: id, bytes: frame.bytes });
        if self.machines[to].life == life {
            self.sighted(to, Some(from), Sighting::Receive(tag.kind));
        }
        true
    }

    /// A peer hangs up.
    pub(super) fn hang_up(&mut self, peer: usize, link: LinkId) {
        let number = link.0 as u32;
        let Some(l) = self.net.link(number) else { return };
        let Some(side) = l.side_of(peer).filter(|side| l.state[*side] == End::Up) else { return };
        l.state[side] = End::Gone;
        self.see(Seen::LinkDown { link });
        self.machines[peer].waiting.retain(|waiting| waiting.link != link);
        let now = self.now;
        let (delay, law_extra) = self.notice(number, side);
        let l = self.net.link(number).expect("it was there");
        if let Some(at) = l.flight[side].close(delay + law_extra, now) {
            self.closed(number, side, at);
        }
        self.net.bury(number);
    }

    /// An end learns that its link is dead.
    pub(super) fn down(&mut self, link: u32, side: u8, why: Down) -> bool {
        let Some(l) = self.net.link(link) else { return false };
        let side = usize::from(side);
        let was = std::mem::replace(&mut l.state[side], End::Gone);
        if was == End::Gone {
            return false;
        }
        l.flight[1 - side].lose();
        l.flight[side].forsake();
        let (peer, dialed, id, channel) = (l.ends[side], l.dialed, l.id, l.channel);
        // Whatever was sent after the other end died is answered by nobody but this.
        self.net.bury(link);
        self.machines[peer].waiting.retain(|waiting| waiting.link != id);
        if was == End::Opening {
            self.stats.net_error("dial", channel, why);
            self.run(peer, Event::DialFailed { peer: dialed, channel, why });
        } else {
            self.stats.net_error("link", channel, why);
            self.see(Seen::LinkDown { link: id });
            self.run(peer, Event::LinkDown { link: id, why });
        }
        true
    }

    /// Resets a link: what is in flight is lost both ways, and each end learns of it, unless the
    /// link was drawn half-open.
    pub(super) fn reset_link(&mut self, link: u32, why: Down) {
        let Some(l) = self.net.link(link) else { return };
        l.broken = true;
        for flight in &mut l.flight {
            flight.lose();
        }
        let id = l.id;
        if l.seen_up {
            self.see(Seen::LinkDown { link: id });
        }
        for side in 0..2 {
            self.tell(link, side, why, true);
        }
        self.net.bury(link);
    }

    /// All links of a peer lose their end there.
    pub(super) fn links_crash(&mut self, peer: usize) {
        for link in self.net.live() {
            let Some(l) = self.net.link(link) else { continue };
            let Some(side) = l.side_of(peer) else { continue };
            if std::mem::replace(&mut l.state[side], End::Gone) == End::Gone {
                continue;
            }
            l.flight[1 - side].lose();
            l.flight[side].forsake();
            let (id, seen_up) = (l.id, l.seen_up);
            if seen_up {
                self.see(Seen::LinkDown { link: id });
            }
            self.tell(link, 1 - side, Down::Reset, false);
            self.net.bury(link);
        }
    }

    /// News of a link's death set out for an end, unless it is the deaf end of a half-open link.
    fn tell(&mut self, link: u32, side: usize, why: Down, local: bool) {
        let calm = self.calm;
        let Some(l) = self.net.link(link) else { return };
        if l.state[side] == End::Gone || l.told[side] {
            return;
        }
        if side == 1 && l.state[1] == End::Opening {
            return;
        }
        if !calm && l.half_open == Some(side) {
            self.stats.noise("half_open");
            return;
        }
        l.told[side] = true;
        let (delay, extra) = self.notice(link, 1 - side);
        let what = What::Down { link, side: side as u8, why, local };
        self.queue.push(self.now + delay + extra, what);
    }

    /// An end has sent something that nobody will ever answer.
    fn unanswered(&mut self, link: u32, side: usize) {
        let calm = self.calm;
        let Some(l) = self.net.link(link) else { return };
        if l.state[side] == End::Gone || l.told[side] {
            return;
        }
        if !calm && l.half_open == Some(side) {
            l.told[side] = true;
            let what = What::Down { link, side: side as u8, why: Down::TimedOut, local: true };
            self.queue.push(self.now + RETRANSMIT, what);
        } else {
            self.tell(link, side, Down::Reset, false);
        }
    }

    /// How long news from the end `side` take.
    fn notice(&mut self, link: u32, side: usize) -> (Duration, Duration) {
        let law = self.plan.net.delay;
        let law = if self.calm { law.tame() } else { law };
        let l = self.net.link(link).expect("news are of a link that is there");
        let (from, to, channel) = (l.ends[side], l.ends[1 - side], l.channel);
        let lane = self.net.lane(from, to, channel);
        let delay = law.draw(&mut lane.next("news", Epoch(0)).stream());
        (delay, lane.extra)
    }

    /// A cut has lasted for another retransmission timeout: each end whose frames it stopped gives
    /// up, and the other end is not told.
    pub(super) fn give_up(&mut self) {
        for link in self.net.live() {
            for side in 0..2u8 {
                let Some(l) = self.net.link(link) else { continue };
                let waits = !l.flight[usize::from(side)].frames.is_empty();
                let up = l.state[usize::from(side)] == End::Up;
                let (from, to) = (l.ends[usize::from(side)], l.ends[1 - usize::from(side)]);
                if waits && up && self.is_cut(from, to) {
                    let what = What::Down { link, side, why: Down::TimedOut, local: true };
                    self.queue.push(self.now, what);
                }
            }
        }
    }

    /// No end stays in the dark once every injector has stopped.
    pub(super) fn links_calm(&mut self) {
        for link in self.net.live() {
            for side in 0..2 {
                self.make_room(link, side);
            }
            for side in 0..2 {
                let Some(l) = self.net.link(link) else { continue };
                let other_gone = l.state[1 - side] == End::Gone;
                if l.broken || (other_gone && l.state[side] == End::Up) {
                    self.tell(link, side, Down::Reset, true);
                }
            }
        }
    }

    /// What is on its way along a direction that was just freed arrives no earlier than this.
    pub(super) fn no_earlier(&mut self, link: u32, side: u8, at: Time) {
        if let Some(l) = self.net.link(link) {
            let flight = &mut l.flight[usize::from(side)];
            flight.last = flight.last.max(at);
        }
    }
}
