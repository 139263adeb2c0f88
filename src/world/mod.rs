//! The simulated machine room: peers, links, connections, disks, clocks, clients and the nemesis,
//! all moved by one queue of events.
//!
//! A [`World`] is a function of its plan and of the code in its [`Cast`]: it reports what was seen,
//! it never judges. [`World::step`] takes one event from the queue, lets one party handle it, and
//! carries out what that party asked for, in order.
//!
//! ```text
//!   queue --What--> link, disk, clock, client or nemesis
//!                        |  Event
//!                        v
//!                   Process::step --Effects--> links, disks, timers --What--> queue
//!                                  \--Notes--> Seen, moments
//! ```
//!
//! The invariant: everything that decides is keyed by what it decides (see `Key`), so that taking
//! one fault out of a plan does not re-deal the dice of the rest.

mod branch;
mod calm;
mod check;
mod clients;
mod conns;
mod delay;
mod device;
mod disk;
mod doing;
mod fold;
mod gates;
mod machine;
mod nemesis;
mod network;
mod peers;
mod queue;
mod stats;
mod targets;
#[cfg(test)]
mod tests;

pub use branch::Sight;
pub use stats::Stats;

use std::sync::Arc;

use crate::base::{Config, Digest, Key, PeerId, Time};
use crate::client::Program;
use crate::history::{At, Seen};
use crate::plan::Plan;
use crate::process::{Boot, Device, Effect, Effects, Image, Process, Refused};

use branch::Branches;
use clients::Host;
use conns::Conns;
use gates::Gates;
use machine::{Held, Machine};
use nemesis::Nemesis;
use network::Network;
use queue::{Queue, What};

/// The code that plays the parts which a plan only names.
pub struct Cast {
    /// Starts a peer.
    pub boot: Arc<BootPeer>,
    /// The files that peers start with; none if absent.
    pub images: Vec<(PeerId, Image)>,
    /// One per client of the plan: its program, or None for a script.
    pub programs: Vec<Option<Box<dyn Program>>>,
}

/// Starts a peer from its files.
pub type BootPeer = dyn Fn(Boot) -> Result<Box<dyn Process>, Refused> + Send + Sync;

/// A run in progress. A clone goes on exactly as the original would.
#[derive(Clone)]
pub struct World {
    plan: Arc<Plan>,
    boot: Arc<BootPeer>,
    config: Config,
    key: Key,
    at: At,
    now: Time,
    queue: Queue,
    digest: Digest,
    stats: Stats,
    machines: Vec<Machine>,
    net: Network,
    conns: Conns,
    hosts: Vec<Host>,
    nemesis: Nemesis,
    branches: Branches,
    gates: Gates,
    calls: u32,
    /// Every injector consults this, and does nothing once it is set.
    calm: bool,
    /// Some peer has been paused in this run: until then nothing need be held.
    pausing: bool,
    finished: bool,
    scratch: Scratch,
    seen: Vec<Seen>,
}

/// Buffers that are used again and again, and hold nothing between steps.
#[derive(Default)]
struct Scratch {
    fx: Effects,
}

impl Clone for Scratch {
    fn clone(&self) -> Scratch {
        Scratch::default()
    }
}

impl World {
    /// The machine room of a plan, before the first event.
    ///
    /// # Errors
    /// What no correct ensemble could survive, or what does not make sense, naming the fault.
    pub fn new(plan: Arc<Plan>, cast: Cast) -> Result<World, String> {
        check::check(&plan)?;
        if plan.clients.len() != cast.programs.len() {
            let (want, have) = (plan.clients.len(), cast.programs.len());
            return Err(format!("the plan has {want} clients, but the cast {have} programs"));
        }
        let key = Key(plan.key);
        let peers = usize::from(plan.voters);
        let ids = (1..=plan.voters).map(PeerId);
        let peer_key = |id: PeerId| key.named("peer").with(u64::from(id.0));
        let mut machines: Vec<Machine> =
            ids.map(|id| Machine::new(id, &plan, peer_key(id))).collect();
        for (id, image) in &cast.images {
            let machine = machines.iter_mut().find(|machine| machine.id == *id);
            machine.ok_or_else(|| format!("{id} has files but is no peer"))?.disk.load(image);
        }
        let mut world = World {
            config: Config::initial(plan.voters),
            boot: cast.boot,
            key,
            at: At::default(),
            now: Time::ZERO,
            queue: Queue::default(),
            digest: Digest::EMPTY,
            stats: Stats::default(),
            machines,
            net: Network::new(peers, key.named("net"), &plan.net.slow),
            conns: Conns::new(plan.clients.len(), peers, key.named("conn")),
            hosts: clients::hosts(&plan, cast.programs, key.named("client")),
            nemesis: Nemesis::default(),
            branches: Branches::new(&plan.forks),
            gates: Gates::new(peers, plan.clients.len()),
            calls: 0,
            calm: false,
            pausing: false,
            finished: false,
            scratch: Scratch::default(),
            seen: Vec::new(),
            plan,
        };
        world.begin();
        Ok(world)
    }

    /// Takes one event, lets one party handle it, and appends what was seen, in order. None when
    /// nothing is left to happen, or after [`World::finish`].
    pub fn step(&mut self, out: &mut Vec<Seen>) -> Option<At> {
        if self.finished {
            return None;
        }
        if self.branches.due <= self.at.step {
            self.branch();
        }
        std::mem::swap(&mut self.seen, out);
        let mut happened = false;
        while !happened {
            let Some((time, what)) = self.queue.pop() else { break };
            self.now = time;
            happened = self.take(what);
        }
        std::mem::swap(&mut self.seen, out);
        if !happened {
            return None;
        }
        self.at = At { step: self.at.step + 1, time: self.now };
        self.stats.events += 1;
        Some(self.at)
    }

    /// Ends the run: tells what is durable.
    pub fn finish(&mut self, out: &mut Vec<Seen>) {
        self.finished = true;
        let image = |machine: &Machine| (machine.id, Arc::new(machine.disk.image()));
        out.push(Seen::End { images: self.machines.iter().map(image).collect() });
    }

    /// The last step, and simulated time.
    pub fn now(&self) -> At {
        self.at
    }

    /// The fold of everything that happened so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Counters so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The plan of this run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// All that a person debugging a peer would like to read of it; nothing if there is no such
    /// peer.
    pub fn describe(&self, peer: PeerId) -> Vec<(String, String)> {
        let Some(machine) = self.machines.iter().find(|machine| machine.id == peer) else {
            return Vec::new();
        };
        let state = match (machine.is_up(), machine.pauses) {
            (true, 0) => "up",
            (true, _) => "paused",
            (false, _) if machine.refused => "refused to start",
            (false, _) => "down",
        };
        let mut all = vec![
            ("machine".to_string(), state.to_string()),
            ("incarnation".to_string(), machine.incarnation.to_string()),
            ("mono".to_string(), machine.clock.mono(self.now).to_string()),
        ];
        if machine.is_up() {
            let timers = machine.timers.describe(machine.clock.mono(self.now));
            all.push(("timers".to_string(), timers));
        }
        all.extend(machine.body.iter().flat_map(|body| body.0.describe()));
        all
    }

    fn begin(&mut self) {
        for peer in 0..self.machines.len() {
            let what = What::Start { peer: peer as u8, life: 0 };
            self.queue.push(Time::ZERO, what);
        }
        self.clients_begin();
        self.nemesis_begin();
    }

    /// Lets whoever `what` names handle it. False if there is nobody any more, or if it waits.
    fn take(&mut self, what: What) -> bool {
        if self.is_parked(what) || self.is_held(what) {
            return false;
        }
        let before = self.digest;
        self.digest.word(self.now.0);
        self.digest.word(what.code());
        let happened = self.dispatch(what);
        if !happened {
            // What is stale is no part of the run.
            self.digest = before;
        }
        happened
    }

    fn dispatch(&mut self, what: What) -> bool {
        match what {
            What::Frame { link, side } => self.frame(link, side),
            What::Syn { link } => self.syn(link),
            What::SynAck { link } => self.syn_ack(link),
            What::DialFailed { link, why } => self.dial_failed(link, why),
            What::Down { link, side, why, .. } => self.down(link, side, why),
            What::Drained { link, side } => self.drained(link, side),
            What::CutTimeout { cut } => self.cut_timeout(cut),
            What::Timer { peer, slot, arming } => self.timer(usize::from(peer), slot, arming),
            What::Work { peer, lane, life } => self.work(usize::from(peer), lane, life),
            What::Disk { peer, device, turn } => self.disk_end(usize::from(peer), device, turn),
            What::Held { peer, life } => self.held(usize::from(peer), life),
            What::Start { peer, life } => self.start_if(usize::from(peer), life),
            What::Replace { peer, life } => self.replace(usize::from(peer), life),
            What::ConnSyn { conn } => self.conn_syn(conn),
            What::ConnUp { conn } => self.conn_up(conn),
            What::ConnBytes { conn, side } => self.conn_bytes(conn, side),
            What::ConnDown { conn, side, .. } => self.conn_down(conn, side),
            What::Wake { client, arming } => self.client_wake(client as usize, arming),
            What::Strike { fault } => self.strike_due(fault as usize),
            What::Heal { heal } => self.heal(heal as usize),
            What::Calm => self.calm_down(),
        }
    }

    /// Keeps what is meant for a paused peer until it goes on.
    fn is_held(&mut self, what: What) -> bool {
        if !self.pausing {
            return false;
        }
        let Some(peer) = self.meant_for(what) else { return false };
        let machine = &mut self.machines[peer];
        let held = machine.pauses > 0;
        if held {
            machine.held.push_back(Held::What(what));
        }
        held
    }

    /// The peer whose process would have to handle this.
    #[inline]
    fn meant_for(&self, what: What) -> Option<usize> {
        match what {
            What::Frame { link, side } => self.net.way(link, side).map(|way| way.1),
            What::Syn { link } => self.net.way(link, 0).map(|way| way.1),
            What::SynAck { link } => self.net.way(link, 1).map(|way| way.1),
            What::DialFailed { link, .. } => self.net.way(link, 0).map(|way| way.0),
            What::Down { link, side, .. } | What::Drained { link, side } => {
                self.net.way(link, side).map(|way| way.0)
            }
            What::Timer { peer, .. } | What::Work { peer, .. } => Some(usize::from(peer)),
            What::ConnSyn { conn }
            | What::ConnBytes { conn, side: 0 }
            | What::ConnDown { conn, side: 1, .. } => self.conns.pair(conn).map(|pair| pair.1),
            What::ConnUp { .. }
            | What::ConnBytes { .. }
            | What::ConnDown { .. }
            | What::Disk { .. }
            | What::Held { .. }
            | What::Start { .. }
            | What::Replace { .. }
            | What::CutTimeout { .. }
            | What::Wake { .. }
            | What::Strike { .. }
            | What::Heal { .. }
            | What::Calm => None,
        }
    }

    /// Carries out one thing that a peer asked for.
    fn carry_out(&mut self, peer: usize, effect: Effect) {
        match effect {
            Effect::Dial { peer: to, channel } => self.dial(peer, to, channel),
            Effect::Send { link, frame, after } => self.send_when(peer, link, frame, after),
            Effect::WhenDrained { link } => self.when_drained(peer, link),
            Effect::HangUp { link } => self.hang_up(peer, link),
            Effect::Reply { conn, frame } => self.reply(peer, conn, frame),
            Effect::Pause { conn } => self.conn_reading(peer, conn, false),
            Effect::Resume { conn } => self.conn_reading(peer, conn, true),
            Effect::Close { conn } => self.close(peer, conn),
            Effect::Create { ref file }
            | Effect::WriteAt { ref file, .. }
            | Effect::SetLen { ref file, .. }
            | Effect::Rename { from: ref file, .. }
            | Effect::Remove { ref file }
            | Effect::Read { ref file, .. }
            | Effect::Fsync { ref file, .. } => {
                let device: Device = file.device;
                self.disk_ask(peer, device, effect);
            }
            Effect::FsyncDir { device, .. } => self.disk_ask(peer, device, effect),
            Effect::SetTimer { timer, within } => self.set_timer(peer, timer, within),
            Effect::CancelTimer { timer } => self.machines[peer].timers.cancel(timer),
            Effect::Defer { work } => self.defer(peer, work),
            Effect::Note(note) => self.noted(peer, note),
            Effect::Halt { reason } => self.halt(peer, reason),
        }
    }

    #[inline]
    fn see(&mut self, seen: Seen) {
        self.seen.push(seen);
    }

    #[inline]
    fn id(&self, peer: usize) -> PeerId {
        self.machines[peer].id
    }
}

/// Whether two words are the same: by their address if they can be, as a protocol spells each of
/// its words in one place.
#[inline]
fn is_same(a: &'static str, b: &'static str) -> bool {
    (std::ptr::eq(a.as_ptr(), b.as_ptr()) && a.len() == b.len()) || a == b
}
