//! A small world for tests of Zab alone: a few peers, instant links, disks that carry out one
//! operation at a time, and a service that only remembers what it was given.
//!
//! Invariant checked on every delivery and on every change of role: all peers deliver one sequence
//! (`truth`), and whoever begins to lead holds all of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::{Config, Digest, Draw, Key, LinkId, PeerId, Stream, Ticket, Time, WallMs, Zxid};
use crate::broadcast::{Broadcast, Serving};
use crate::disk;
use crate::process::{
    Boot, Channel, Device, Down, Effect, Effects, Event, Note, Now, Spec, SyncMode, Timer, Work,
};

use super::small_parts::{Book, Disk};
use super::{Rules, Zab};

/// One running peer.
struct Node {
    zab: Zab,
    book: Book,
    tickets: u64,
    works: VecDeque<Work>,
    timers: BTreeMap<Timer, Time>,
    events: VecDeque<Event>,
    held: Vec<(Ticket, LinkId, Vec<u8>)>,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Deliver(LinkId, PeerId),
    Event(PeerId),
    Work(PeerId),
    Disk(PeerId, Device),
    Timer(PeerId, Timer),
}

/// The whole.
pub(super) struct SmallWorld {
    config: Config,
    knobs: BTreeMap<String, u64>,
    rules: Rules,
    nodes: BTreeMap<PeerId, Node>,
    disks: BTreeMap<PeerId, Disk>,
    /// What is on its way to one end of a link.
    wires: BTreeMap<(LinkId, PeerId), VecDeque<Event>>,
    ends: BTreeMap<LinkId, (PeerId, PeerId)>,
    pub apart: Vec<(PeerId, PeerId)>,
    next_link: u64,
    pub now: Time,
    pub draw: Stream,
    pub truth: Vec<(Zxid, Digest)>,
    pub synced: BTreeMap<SyncMode, u64>,
    pub notes: BTreeMap<&'static str, u64>,
    pub proposals: u64,
    /// Whether frames may be spoilt: then only survival is asked for.
    pub spoils: bool,
    boots: u64,
}

impl SmallWorld {
    pub fn new(seed: u64, voters: u8, knobs: &[(&str, u64)]) -> SmallWorld {
        SmallWorld::with(seed, voters, knobs, Rules::right())
    }

    /// A world whose peers decide by these rules.
    pub fn with(seed: u64, voters: u8, knobs: &[(&str, u64)], rules: Rules) -> SmallWorld {
        let config = Config::initial(voters);
        let mut world = SmallWorld {
            knobs: knobs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            rules,
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            wires: BTreeMap::new(),
            ends: BTreeMap::new(),
            apart: Vec::new(),
            next_link: 1,
            now: Time::ZERO,
            draw: Key(seed).named("small_world").stream(),
            truth: Vec::new(),
            synced: BTreeMap::new(),
            notes: BTreeMap::new(),
            proposals: 0,
            spoils: false,
            boots: 0,
            config,
        };
        for peer in world.members() {
            world.disks.insert(peer, Disk::of(&disk::fresh_image()));
            world.boot(peer);
        }
        world
    }

    pub fn members(&self) -> Vec<PeerId> {
        self.config.members().collect()
    }

    pub fn is_up(&self, peer: PeerId) -> bool {
        self.nodes.contains_key(&peer)
    }

    pub fn book(&self, peer: PeerId) -> &Book {
        &self.nodes[&peer].book
    }

    pub fn zab(&self, peer: PeerId) -> &Zab {
        &self.nodes[&peer].zab
    }

    /// Everything gone: as a replaced machine.
    pub fn wipe(&mut self, peer: PeerId) {
        assert!(!self.is_up(peer));
        self.disks.insert(peer, Disk::default());
    }

    pub fn boot(&mut self, peer: PeerId) {
        let disk = self.disks.remove(&peer).expect("every member has a disk");
        let image = disk.image(false);
        self.disks.insert(peer, Disk::of(&image));
        self.boots += 1;
        let spec = Spec {
            id: peer,
            config: self.config.clone(),
            knobs: self.knobs.clone(),
            incarnation: self.boots,
        };
        let entropy = Key(self.boots).with(u64::from(peer.0));
        let boot = Boot { spec: Arc::new(spec), image, entropy, now: self.clock() };
        let zab =
            Zab::boot(&boot, self.rules.clone()).unwrap_or_else(|refused| panic!("{refused}"));
        let node = Node {
            zab,
            book: Book::default(),
            tickets: 1,
            works: VecDeque::new(),
            timers: BTreeMap::new(),
            events: VecDeque::new(),
            held: Vec::new(),
        };
        self.nodes.insert(peer, node);
        self.act(peer, |zab, now, book, fx| zab.start(now, book, fx));
    }

    fn clock(&self) -> Now {
        Now { mono: self.now, wall: WallMs(0) }
    }

    /// Stops a peer; with `power`, what no sync covered is lost.
    pub fn crash(&mut self, peer: PeerId, power: bool) {
        self.nodes.remove(&peer).expect("only what runs can crash");
        let disk = self.disks.get_mut(&peer).expect("every member has a disk");
        let image = disk.image(power);
        *disk = Disk::of(&image);
        let links: Vec<LinkId> =
            self.ends.iter().filter(|(_, e)| e.0 == peer || e.1 == peer).map(|(l, _)| *l).collect();
        for link in links {
            self.cut(link, peer);
        }
    }

    /// Ends a link; the end that is not `by` learns of it after what is on its way.
    fn cut(&mut self, link: LinkId, by: PeerId) {
        let Some((a, b)) = self.ends.remove(&link) else { return };
        let other = if a == by { b } else { a };
        self.wires.remove(&(link, by));
        if let Some(wire) = self.wires.get_mut(&(link, other)) {
            wire.push_back(Event::LinkDown { link, why: Down::Closed });
        }
    }

    /// Separates two peers; their links break, at one end only if `half`.
    pub fn separate(&mut self, a: PeerId, b: PeerId, half: bool) {
        self.apart.push((a, b));
        let between = |e: &(PeerId, PeerId)| *e == (a, b) || *e == (b, a);
        let links: Vec<LinkId> =
            self.ends.iter().filter(|(_, e)| between(e)).map(|(link, _)| *link).collect();
        for link in links {
            self.ends.remove(&link);
            for (end, told) in [(a, true), (b, !half)] {
                let wire = self.wires.entry((link, end)).or_default();
                // A dial is always answered.
                wire.retain(|event| matches!(event, Event::LinkUp { .. }));
                if told {
                    wire.push_back(Event::LinkDown { link, why: Down::Reset });
                }
            }
        }
    }

    fn act(&mut self, peer: PeerId, act: impl FnOnce(&mut Zab, Now, &mut Book, &mut Effects)) {
        let now = self.clock();
        let Some(node) = self.nodes.get_mut(&peer) else { return };
        let mut fx = Effects::resume(node.tickets);
        act(&mut node.zab, now, &mut node.book, &mut fx);
        node.tickets = fx.next_ticket();
        for effect in std::mem::take(fx.list_mut()) {
            self.carry_out(peer, effect);
        }
        self.check_role(peer);
        let zab = &self.nodes[&peer].zab;
        let probe = zab.probe();
        let between = zab.history.unsaved || zab.rebuild.is_some();
        assert!(
            between || probe.applied <= probe.logged,
            "{peer}: the service is ahead of the log"
        );
    }

    fn carry_out(&mut self, peer: PeerId, effect: Effect) {
        let now = self.now;
        let node = self.nodes.get_mut(&peer).expect("it just acted");
        match effect {
            Effect::Dial { peer: to, channel } => self.dial(peer, to, channel),
            Effect::Send { link, frame, after: Some(ticket) } => {
                node.held.push((ticket, link, frame.bytes));
            }
            Effect::Send { link, frame, after: None } => self.send(peer, link, frame.bytes),
            Effect::WhenDrained { link } => node.events.push_back(Event::Drained { link }),
            Effect::HangUp { link } => self.cut(link, peer),
            Effect::SetTimer { timer, within } => {
                node.timers.insert(timer, now + within.start);
            }
            Effect::CancelTimer { timer } => {
                node.timers.remove(&timer);
            }
            Effect::Defer { work } => node.works.push_back(work),
            Effect::Note(note) => self.on_note(peer, note),
            Effect::Halt { .. } if self.spoils => {}
            Effect::Halt { reason } => panic!("{peer} halts: {reason}"),
            Effect::Create { ref file }
            | Effect::WriteAt { ref file, .. }
            | Effect::SetLen { ref file, .. }
            | Effect::Rename { from: ref file, .. }
            | Effect::Remove { ref file }
            | Effect::Read { ref file, .. }
            | Effect::Fsync { ref file, .. } => {
                let device = file.device;
                self.disks
                    .get_mut(&peer)
                    .expect("has one")
                    .queues
                    .entry(device)
                    .or_default()
                    .push_back(effect);
            }
            Effect::FsyncDir { device, .. } => {
                self.disks
                    .get_mut(&peer)
                    .expect("has one")
                    .queues
                    .entry(device)
                    .or_default()
                    .push_back(effect);
            }
            Effect::Reply { .. }
            | Effect::Pause { .. }
            | Effect::Resume { .. }
            | Effect::Close { .. } => panic!("{effect:?} is the service's"),
        }
    }

    fn dial(&mut self, peer: PeerId, to: PeerId, channel: Channel) {
        let apart = self.apart.contains(&(peer, to)) || self.apart.contains(&(to, peer));
        if apart || !self.is_up(to) {
            let event = Event::DialFailed { peer: to, channel, why: Down::Refused };
            return self.nodes.get_mut(&peer).expect("it dialled").events.push_back(event);
        }
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.ends.insert(link, (peer, to));
        for (end, other, dialed) in [(peer, to, true), (to, peer, false)] {
            let up = Event::LinkUp { link, peer: other, channel, dialed };
            self.wires.insert((link, end), VecDeque::from([up]));
        }
    }

    fn send(&mut self, from: PeerId, link: LinkId, bytes: Vec<u8>) {
        let Some((a, b)) = self.ends.get(&link) else { return };
        let to = if *a == from { *b } else { *a };
        if let Some(wire) = self.wires.get_mut(&(link, to)) {
            wire.push_back(Event::Received { link, bytes });
        }
    }

    fn on_note(&mut self, peer: PeerId, note: Note) {
        *self.notes.entry(note.kind()).or_insert(0) += 1;
        match note {
            Note::Synced { mode, .. } => *self.synced.entry(mode).or_insert(0) += 1,
            Note::Breach { .. } if self.spoils => {}
            Note::Breach { what, zxid } => panic!("{peer}: breach {what} at {zxid}"),
            Note::Delivered { zxid, digest } => {
                let list = &self.nodes[&peer].book.list;
                let at = list.iter().rposition(|(z, _)| *z == zxid).expect("it was just applied");
                assert_eq!(list[at], (zxid, digest));
                if self.spoils {
                    return;
                }
                if at == self.truth.len() {
                    self.truth.push((zxid, digest));
                }
                assert_eq!(self.truth.get(at), Some(&(zxid, digest)), "{peer} delivers otherwise");
            }
            _ => {}
        }
    }

    fn check_role(&mut self, peer: PeerId) {
        let book = &mut self.nodes.get_mut(&peer).expect("it just acted").book;
        if !std::mem::take(&mut book.changed) || self.spoils {
            return;
        }
        match book.serving {
            Some(Serving::Leading { .. }) => {
                assert!(book.list.starts_with(&self.truth), "{peer} leads without all of it");
                self.truth = book.list.clone();
            }
            Some(Serving::Following { .. }) => {
                assert!(self.truth.starts_with(&book.list), "{peer} follows with another history");
            }
            None => {}
        }
    }

    /// All moves that are possible now.
    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for ((link, end), wire) in &self.wires {
            if !wire.is_empty() && self.is_up(*end) {
                moves.push(Move::Deliver(*link, *end));
            }
        }
        for (peer, node) in &self.nodes {
            if !node.events.is_empty() {
                moves.push(Move::Event(*peer));
            }
            if !node.works.is_empty() {
                moves.push(Move::Work(*peer));
            }
            for (device, queue) in &self.disks[peer].queues {
                if !queue.is_empty() {
                    moves.push(Move::Disk(*peer, *device));
                }
            }
        }
        moves
    }

    /// One thing happens: anything that can, in random order; time passes when nothing can, and
    /// now and then all the same.
    pub fn step(&mut self) {
        let moves = self.moves();
        let next = if moves.is_empty() || self.draw.below(200) == 0 {
            let due = self.nodes.iter().flat_map(|(peer, node)| {
                node.timers.iter().map(move |(timer, at)| (*at, *peer, *timer))
            });
            let Some((at, peer, timer)) = due.min() else { return };
            self.now = self.now.max(at);
            Move::Timer(peer, timer)
        } else {
            *self.draw.pick(&moves)
        };
        self.make(next);
    }

    fn make(&mut self, next: Move) {
        match next {
            Move::Deliver(link, end) => {
                let wire = self.wires.get_mut(&(link, end)).expect("moves lists what is there");
                let event = wire.pop_front().expect("moves lists what is not empty");
                if matches!(event, Event::LinkDown { .. }) {
                    self.wires.remove(&(link, end));
                }
                self.feed(end, event);
            }
            Move::Event(peer) => {
                let event = self.nodes.get_mut(&peer).and_then(|node| node.events.pop_front());
                self.feed(peer, event.expect("moves lists what is not empty"));
            }
            Move::Work(peer) => {
                let work = self.nodes.get_mut(&peer).and_then(|node| node.works.pop_front());
                self.feed(peer, Event::Work(work.expect("moves lists what is not empty")));
            }
            Move::Disk(peer, device) => {
                let disk = self.disks.get_mut(&peer).expect("every member has a disk");
                if let Some((ticket, result)) = disk.run(device) {
                    let node = self.nodes.get_mut(&peer).expect("moves lists running peers");
                    let (due, held): (Vec<_>, Vec<_>) =
                        std::mem::take(&mut node.held).into_iter().partition(|h| h.0 == ticket);
                    node.held = held;
                    for (_, link, bytes) in due {
                        self.send(peer, link, bytes);
                    }
                    self.feed(peer, Event::Disk { ticket, result });
                }
            }
            Move::Timer(peer, timer) => {
                self.nodes.get_mut(&peer).expect("it is listed").timers.remove(&timer);
                self.feed(peer, Event::Timer(timer));
            }
        }
    }

    pub fn feed(&mut self, peer: PeerId, event: Event) {
        self.act(peer, |zab, now, book, fx| zab.step(now, event, book, fx));
    }

    /// Spoils one frame that is on its way, if there is one.
    pub fn spoil(&mut self) {
        let wires: Vec<(LinkId, PeerId)> = self.wires.keys().copied().collect();
        let at = *self.draw.pick(&wires);
        let (byte, value) = (self.draw.word() as usize, self.draw.word() as u8);
        let cut = self.draw.below(3) == 0;
        if let Some(Event::Received { bytes, .. }) =
            self.wires.get_mut(&at).and_then(|wire| wire.back_mut())
        {
            let byte = byte % bytes.len().max(1);
            if cut {
                bytes.truncate(byte);
            } else if let Some(spoilt) = bytes.get_mut(byte) {
                *spoilt = value;
            }
        }
    }

    /// Runs until the condition holds.
    pub fn until(&mut self, what: &str, holds: impl Fn(&SmallWorld) -> bool) {
        for _ in 0..200_000 {
            if holds(self) {
                return;
            }
            self.step();
        }
        let mut lines = String::new();
        for (peer, node) in &self.nodes {
            lines += &format!("\n{peer} {:?} {:?}", node.book.serving, node.zab.describe());
        }
        panic!("never came to {what}: {lines}");
    }

    /// Whoever serves as leader, by the highest epoch.
    pub fn leader(&self) -> Option<PeerId> {
        let leading = self.nodes.iter().filter(|(_, node)| node.book.next.is_some());
        leading.max_by_key(|(_, node)| node.book.next).map(|(peer, _)| *peer)
    }

    /// The leader proposes one transaction.
    pub fn propose(&mut self) {
        let Some(leader) = self.leader() else { return };
        let zxid = self.nodes[&leader].book.next.expect("it leads");
        self.proposals += 1;
        let mut record = vec![0; 12];
        record.extend_from_slice(&zxid.0.to_be_bytes());
        record.extend_from_slice(&[0; 12]);
        record.extend_from_slice(&self.proposals.to_be_bytes());
        self.act(leader, |zab, now, book, fx| {
            book.next = zxid.next();
            zab.propose(now, zxid, record, fx);
        });
    }

    pub fn barrier(&mut self, peer: PeerId, token: u64) {
        self.act(peer, |zab, now, book, fx| zab.barrier(now, token, book, fx));
    }

    /// Everybody runs, serves, and has delivered everything.
    pub fn calm(&self) -> bool {
        self.nodes.len() == self.disks.len()
            && self
                .nodes
                .values()
                .all(|node| node.book.serving.is_some() && node.book.list.len() == self.truth.len())
            && self.nodes.values().all(|node| node.zab.history.tail.is_empty())
    }
}
