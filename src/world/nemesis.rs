//! The nemesis: carries out the faults of a plan, and stops.
//!
//! A fault strikes at a time, at a moment, or after another. Its targets are names of roles as
//! often as of peers; they are resolved when it strikes, and what was seen says on whom. A moment
//! strikes right where it was seen, between two effects of a step: a crash at a write drops
//! everything that the step asked for after that write. `Receive` strikes when the receiver has
//! handled the frame; `Sync` before anyone learns that the sync has ended.
//!
//! The invariant: once `World::calm` is set nothing here does anything, and everything that was
//! done and can be undone has been undone.

use std::sync::Arc;

use crate::base::{Duration, PeerId, Time};
use crate::history::{Seen, Stop};
use crate::plan::{Fault, Pattern, Plan, Split, Target, When};
use crate::process::{Channel, Device, Role};

use super::World;
use super::disk::device_named;
use super::gates::Barrier;
use super::machine::Damage;
use super::network::RETRANSMIT;
use super::queue::What;

/// Something that a moment may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    Send(&'static str),
    Receive(&'static str),
    Write(&'static str),
    Sync(&'static str),
    Effect,
    Note(&'static str),
}

/// What waits, and what is in force.
#[derive(Clone, Default)]
pub(super) struct Nemesis {
    armed: Vec<Armed>,
    /// By fault: where its moment happened or whom the fault before it struck, and the other end.
    context: Vec<(Option<usize>, Option<usize>)>,
    in_force: Vec<Option<Undo>>,
}

/// A fault that waits for its moment.
#[derive(Clone, Debug)]
struct Armed {
    fault: usize,
    on: Pattern,
    by: Option<Target>,
    from: Time,
    left: u32,
    after: Duration,
}

/// How to end what a fault has begun.
#[derive(Clone, Debug)]
enum Undo {
    Resume { peer: usize, life: u32 },
    Open(Barrier),
    Wake { peer: usize, device: Device },
    Hasten { peer: usize, device: Device, extra: Duration },
    Thaw { peer: usize },
}

impl Sighting {
    fn is(self, pattern: &Pattern) -> bool {
        match (self, pattern) {
            (Sighting::Send(kind), Pattern::Send(wanted))
            | (Sighting::Receive(kind), Pattern::Receive(wanted))
            | (Sighting::Write(kind), Pattern::Write(wanted))
            | (Sighting::Sync(kind), Pattern::Sync(wanted))
            | (Sighting::Note(kind), Pattern::Note(wanted)) => kind == wanted,
            (Sighting::Effect, Pattern::Effect) => true,
            (
                Sighting::Send(_)
                | Sighting::Receive(_)
                | Sighting::Write(_)
                | Sighting::Sync(_)
                | Sighting::Note(_)
                | Sighting::Effect,
                Pattern::Send(_)
                | Pattern::Receive(_)
                | Pattern::Write(_)
                | Pattern::Sync(_)
                | Pattern::Note(_)
                | Pattern::Effect,
            ) => false,
        }
    }
}

impl World {
    /// Arms every fault of the plan.
    pub(super) fn nemesis_begin(&mut self) {
        let plan = Arc::clone(&self.plan);
        self.nemesis.context = vec![(None, None); plan.faults.len()];
        for (fault, planned) in plan.faults.iter().enumerate() {
            let what = What::Strike { fault: fault as u32 };
            match &planned.when {
                When::At(ms) => self.queue.push(Time::from_ms(*ms), what),
                When::Then(gap) if fault == 0 => self.queue.push(Time::from_ms(*gap), what),
                When::Then(_) => {}
                When::Moment { on, by, nth, from, after_us } => {
                    self.nemesis.armed.push(Armed {
                        fault,
                        on: on.clone(),
                        by: by.clone(),
                        from: Time::from_ms(*from),
                        left: (*nth).max(1),
                        after: Duration::from_us(*after_us),
                    });
                }
            }
        }
        self.queue.push(Time::from_ms(plan.calm_at), What::Calm);
    }

    /// Something happened at a peer that a moment may wait for.
    #[inline]
    pub(super) fn sighted(&mut self, peer: usize, other: Option<usize>, sighting: Sighting) {
        if !self.nemesis.armed.is_empty() && !self.calm {
            self.look_at(peer, other, sighting);
        }
    }

    fn look_at(&mut self, peer: usize, other: Option<usize>, sighting: Sighting) {
        let mut due = Vec::new();
        for at in 0..self.nemesis.armed.len() {
            let armed = &self.nemesis.armed[at];
            let here = sighting.is(&armed.on) && armed.from <= self.now;
            let context = (Some(peer), other);
            if here && armed.by.as_ref().is_none_or(|by| self.find(by, context) == Some(peer)) {
                let armed = &mut self.nemesis.armed[at];
                armed.left -= 1;
                if armed.left == 0 {
                    due.push((armed.fault, armed.after));
                }
            }
        }
        self.nemesis.armed.retain(|armed| armed.left > 0);
        for (fault, after) in due {
            self.nemesis.context[fault] = (Some(peer), other);
            if after == Duration::ZERO {
                self.strike(fault);
            } else {
                self.queue.push(self.now + after, What::Strike { fault: fault as u32 });
            }
        }
    }

    /// A fault is due.
    pub(super) fn strike_due(&mut self, fault: usize) -> bool {
        if self.calm {
            return false;
        }
        self.strike(fault);
        true
    }

    fn strike(&mut self, index: usize) {
        if self.calm {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let fault = &plan.faults[index].fault;
        let context = self.nemesis.context[index];
        let struck = self.inflict(fault, context);
        self.stats.fault(fault.kind());
        self.digest.word(index as u64);
        if let Some(When::Then(gap)) = plan.faults.get(index + 1).map(|next| &next.when) {
            self.nemesis.context[index + 1] = (struck.or(context.0), context.1);
            let what = What::Strike { fault: index as u32 + 1 };
            self.queue.push(self.now + Duration::from_ms(*gap), what);
        }
    }

    fn report(&mut self, fault: &Fault, peer: Option<usize>, what: String) {
        let peer = peer.map(|peer| self.id(peer));
        self.see(Seen::Fault { kind: fault.kind(), peer, what });
    }

    /// Carries out a fault; whom it struck.
    fn inflict(&mut self, fault: &Fault, context: Context) -> Option<usize> {
        match fault {
            Fault::Crash { peer, .. }
            | Fault::Wipe { peer, .. }
            | Fault::Pause { peer, .. }
            | Fault::ResetClients { peer }
            | Fault::DiskHang { peer, .. }
            | Fault::DiskSlow { peer, .. }
            | Fault::DiskError { peer, .. }
            | Fault::Rot { peer, .. }
            | Fault::LoseFile { peer, .. }
            | Fault::Misdirect { peer }
            | Fault::WallStep { peer, .. }
            | Fault::FreezeClock { peer, .. } => {
                let peer = self.find(peer, context)?;
                self.inflict_on(fault, peer);
                Some(peer)
            }
            Fault::CrashAll { down } => {
                self.report(fault, None, "everybody loses power".into());
                for peer in 0..self.machines.len() {
                    let ms = (!down.is_empty()).then(|| down[peer % down.len()]);
                    self.crash(peer, ms);
                }
                None
            }
            Fault::Partition { split, one_way, clients, reset, ms } => {
                self.partition(fault, split, context, (*one_way, *clients, *reset), *ms)
            }
            Fault::Hold { from, to, channel, ms } => {
                let (from, to) = (self.find(from, context)?, self.find(to, context)?);
                let all = [Channel::Election, Channel::Quorum];
                let wanted = channel.as_deref().map(|name| channel_named(name).expect("checked"));
                let channels = all.into_iter().filter(|c| wanted.is_none_or(|wanted| wanted == *c));
                let holds = channels.map(|channel| (from, to, channel)).collect();
                let (a, b) = (self.id(from), self.id(to));
                let over = channel.as_deref().unwrap_or("both");
                self.report(fault, Some(from), format!("frames from {a} to {b} wait ({over})"));
                self.put_up(Barrier { holds, ..Barrier::default() }, Some(*ms));
                Some(from)
            }
            Fault::Reset { a, b } => {
                let (a, b) = (self.find(a, context)?, self.find(b, context)?);
                let what = format!("links between {} and {} are reset", self.id(a), self.id(b));
                self.report(fault, Some(a), what);
                for link in self.net.between(a, b) {
                    self.reset_link(link, crate::process::Down::Reset);
                }
                Some(a)
            }
            Fault::CutClient { client, servers, ms } => {
                let index = *client as usize - 1;
                let cut = |peer: &usize| servers.is_empty() || servers.contains(&self.id(*peer));
                let peers: Vec<usize> = (0..self.machines.len()).filter(cut).collect();
                let clients = peers.iter().map(|peer| (index, *peer, [true; 2])).collect();
                let names: Vec<String> = peers.iter().map(|p| self.id(*p).to_string()).collect();
                let what = format!("c{client} is cut from {}", names.join(" "));
                self.report(fault, None, what);
                self.put_up(Barrier { clients, ..Barrier::default() }, Some(*ms));
                None
            }
        }
    }

    /// Carries out a fault that strikes one peer.
    fn inflict_on(&mut self, fault: &Fault, peer: usize) {
        let id = self.id(peer);
        let ends = |ms: &u64| Duration::from_ms(*ms);
        match fault {
            Fault::Crash { down, .. } => {
                self.report(fault, Some(peer), format!("{id} loses power"));
                self.crash(peer, *down);
            }
            Fault::Wipe { down, .. } => {
                self.report(fault, Some(peer), format!("{id} loses power, and its files"));
                self.machines[peer].damage.push(Damage::Wipe);
                self.crash(peer, Some(*down));
            }
            Fault::Pause { ms, .. } => {
                self.report(fault, Some(peer), format!("{id} stands still for {ms} ms"));
                if self.machines[peer].is_up() {
                    self.machines[peer].pauses += 1;
                    let life = self.machines[peer].life;
                    self.undo_in(ends(ms), Undo::Resume { peer, life });
                }
            }
            Fault::ResetClients { .. } => {
                self.report(fault, Some(peer), format!("all clients of {id} are reset"));
                for conn in self.conns_of(peer) {
                    self.conn_reset(conn);
                }
            }
            Fault::DiskHang { device, ms, .. } => {
                self.report(fault, Some(peer), format!("{id}: {device} hangs for {ms} ms"));
                let device = device_named(device).expect("checked");
                self.machines[peer].disk.hang(device);
                self.undo_in(ends(ms), Undo::Wake { peer, device });
            }
            Fault::DiskSlow { device, extra_us, ms, .. } => {
                self.report(fault, Some(peer), format!("{id}: {device} is slow for {ms} ms"));
                let device = device_named(device).expect("checked");
                let extra = Duration::from_us(*extra_us);
                self.machines[peer].disk.slow(device, extra);
                self.undo_in(ends(ms), Undo::Hasten { peer, device, extra });
            }
            Fault::DiskError { device, error, count, .. } => {
                self.report(fault, Some(peer), format!("{id}: {device} fails: {error} x {count}"));
                let device = device_named(device).expect("checked");
                self.machines[peer].disk.fail(device, error, *count);
            }
            Fault::Rot { file, .. } => {
                self.report(fault, Some(peer), format!("{id}: rot awaits its {file}"));
                self.machines[peer].damage.push(Damage::Rot { file: file.clone() });
            }
            Fault::LoseFile { file, empty, .. } => {
                self.report(fault, Some(peer), format!("{id}: loss awaits its {file}"));
                let damage = Damage::Lose { file: file.clone(), empty: *empty };
                self.machines[peer].damage.push(damage);
            }
            Fault::Misdirect { .. } => {
                self.report(fault, Some(peer), format!("{id}: its next log write goes astray"));
                self.machines[peer].disk.misdirect();
            }
            Fault::WallStep { ms, .. } => {
                self.report(fault, Some(peer), format!("{id}: the wall clock steps by {ms} ms"));
                self.machines[peer].clock.step_wall(*ms);
            }
            Fault::FreezeClock { ms, .. } => {
                self.report(fault, Some(peer), format!("{id}: the clock freezes for {ms} ms"));
                self.machines[peer].clock.freeze(self.now);
                self.undo_in(ends(ms), Undo::Thaw { peer });
            }
            Fault::CrashAll { .. }
            | Fault::Partition { .. }
            | Fault::Hold { .. }
            | Fault::Reset { .. }
            | Fault::CutClient { .. } => unreachable!("these strike more than one"),
        }
    }

    /// A peer loses power; it starts again after `down` ms, or at calm.
    fn crash(&mut self, peer: usize, down: Option<u64>) {
        if self.machines[peer].is_up() {
            self.stop(peer, Stop::Crash);
        } else {
            // It was down already, and a start may be under way: this one counts.
            self.machines[peer].life += 1;
        }
        if let Some(ms) = down {
            let what = What::Start { peer: peer as u8, life: self.machines[peer].life };
            self.queue.push(self.now + Duration::from_ms(ms), what);
        }
    }

    fn put_up(&mut self, barrier: Barrier, ms: Option<u64>) -> usize {
        self.close_gates(&barrier);
        let undo = Undo::Open(barrier);
        match ms {
            Some(ms) => self.undo_in(Duration::from_ms(ms), undo),
            None => {
                self.nemesis.in_force.push(Some(undo));
                self.nemesis.in_force.len() - 1
            }
        }
    }

    fn undo_in(&mut self, after: Duration, undo: Undo) -> usize {
        let heal = self.nemesis.in_force.len();
        self.nemesis.in_force.push(Some(undo));
        self.queue.push(self.now + after, What::Heal { heal: heal as u32 });
        heal
    }

    /// Whether what a fault began still goes on.
    pub(super) fn is_in_force(&self, heal: usize) -> bool {
        self.nemesis.in_force.get(heal).is_some_and(Option::is_some)
    }

    /// What a fault began ends.
    pub(super) fn heal(&mut self, heal: usize) -> bool {
        let undo = self.nemesis.in_force.get_mut(heal).and_then(Option::take);
        let Some(undo) = undo else { return false };
        match undo {
            Undo::Resume { peer, life } => {
                if self.machines[peer].life == life {
                    self.resume(peer);
                }
            }
            Undo::Open(barrier) => {
                let (kind, what) = if barrier.holds.is_empty() {
                    ("heal", "the cut heals")
                } else {
                    ("release", "what was held goes on")
                };
                self.see(Seen::Fault { kind, peer: None, what: what.into() });
                self.open_gates(&barrier);
            }
            Undo::Wake { peer, device } => self.disk_wake(peer, device),
            Undo::Hasten { peer, device, extra } => {
                self.machines[peer].disk.hasten(device, extra);
            }
            Undo::Thaw { peer } => {
                if self.machines[peer].clock.thaw(self.now) {
                    self.rearm(peer);
                }
            }
        }
        true
    }

    fn partition(
        &mut self,
        fault: &Fault,
        split: &Split,
        context: Context,
        (one_way, clients, reset): (bool, bool, bool),
        ms: Option<u64>,
    ) -> Option<usize> {
        let (pairs, first) = self.split(split, context)?;
        let mut barrier = Barrier::default();
        for (a, b) in &pairs {
            barrier.pairs.push((*a, *b));
            if !one_way {
                barrier.pairs.push((*b, *a));
            }
        }
        if clients {
            let reaches = [!one_way, true];
            let all = 0..self.hosts.len();
            let with = |client| first.iter().map(move |server| (client, *server, reaches));
            barrier.clients = all.flat_map(with).collect();
        }
        let name = |peer: &usize| self.id(*peer).to_string();
        let cut: Vec<String> =
            pairs.iter().map(|(a, b)| format!("{}-{}", name(a), name(b))).collect();
        let ways = if one_way { "one way" } else { "both ways" };
        let what = format!("cut {ways}: {}", cut.join(" "));
        self.report(fault, first.first().copied(), what);
        let servers: Vec<(usize, usize)> = barrier.clients.iter().map(|c| (c.0, c.1)).collect();
        let cut = self.put_up(barrier, ms);
        self.queue.push(self.now + RETRANSMIT, What::CutTimeout { cut: cut as u32 });
        if reset {
            for (a, b) in &pairs {
                for link in self.net.between(*a, *b) {
                    self.reset_link(link, crate::process::Down::Reset);
                }
            }
            for (client, server) in servers {
                for conn in self.conns_of(server) {
                    if self.conns.pair(conn) == Some((client, server)) {
                        self.conn_reset(conn);
                    }
                }
            }
        }
        first.first().copied()
    }

    /// The pairs that a split cuts, the first side first, and the peers of that side.
    fn split(&self, split: &Split, context: Context) -> Option<(Vec<(usize, usize)>, Vec<usize>)> {
        let peers = self.machines.len();
        let all: Vec<usize> = (0..peers).collect();
        let others = |sides: &[usize]| -> Vec<usize> {
            all.iter().filter(|peer| !sides.contains(peer)).copied().collect()
        };
        let first: Vec<usize> = match split {
            Split::Isolate(target) => vec![self.find(target, context)?],
            Split::LeaderInMinority => {
                let leader = self.find(&Target::Leader, context)?;
                (0..((peers - 1) / 2).max(1)).map(|next| (leader + next) % peers).collect()
            }
            Split::Sides(sides) => sides.iter().map(|id| usize::from(id.0) - 1).collect(),
            Split::Bridge(target) => {
                let rest = others(&[self.find(target, context)?]);
                let half = rest[..rest.len() / 2].to_vec();
                let pairs = half.iter().flat_map(|a| rest[half.len()..].iter().map(|b| (*a, *b)));
                return Some((pairs.collect(), half.clone()));
            }
            Split::Ring => {
                // So far around the ring that each sees just more than half.
                let reach = (peers / 2).div_ceil(2);
                let far = |a: usize, b: usize| (b - a).min(peers - (b - a)) > reach;
                let pairs = all.iter().flat_map(|a| (a + 1..peers).map(move |b| (*a, b)));
                return Some((pairs.filter(|(a, b)| far(*a, *b)).collect(), Vec::new()));
            }
            Split::Pair(a, b) => {
                let (a, b) = (self.find(a, context)?, self.find(b, context)?);
                return (a != b).then(|| (vec![(a, b)], vec![a]));
            }
        };
        let second = others(&first);
        let pairs = first.iter().flat_map(|a| second.iter().map(move |b| (*a, *b))).collect();
        Some((pairs, first))
    }

    /// Who a target is now.
    fn find(&self, target: &Target, context: Context) -> Option<usize> {
        let live = || (0..self.machines.len()).filter(|peer| self.machines[*peer].is_up());
        // Of equals the one with the smallest id: `min_by_key` keeps the first, and reversed ids
        // make `max_by_key` do so too.
        let low = |peer: &usize| usize::MAX - *peer;
        let durable = |peer: usize| {
            let machine = &self.machines[peer];
            machine.disk.durable.min(machine.probe.logged)
        };
        let probe = |peer: &usize| &self.machines[*peer].probe;
        let leader = || {
            let leads = live().filter(|peer| probe(peer).role == Role::Leading);
            let leads = leads.max_by_key(|peer| (probe(peer).epoch, low(peer)));
            leads.or_else(|| live().max_by_key(|peer| (probe(peer).logged, low(peer))))
        };
        match target {
            Target::Peer(id) => Some(usize::from(id.0) - 1),
            Target::Leader => leader().or(Some(0)),
            Target::Follower(n) => {
                let leader = leader();
                let follows: Vec<usize> = live().filter(|peer| Some(*peer) != leader).collect();
                let n = usize::from(*n);
                (!follows.is_empty()).then(|| follows[n % follows.len()])
            }
            Target::Shortest => live().min_by_key(|peer| durable(*peer)),
            Target::Longest => live().max_by_key(|peer| (durable(*peer), low(peer))),
            Target::Same => context.0.or_else(leader),
            Target::Other => context.1.or(context.0).or_else(leader),
        }
    }

    /// Every injector stops, and what they have done is undone: the safety phase is over.
    pub(super) fn calm_down(&mut self) -> bool {
        self.calm = true;
        self.nemesis.armed.clear();
        self.nemesis.in_force.clear();
        let troubled = |world: &World, peer: usize| {
            let machine = &world.machines[peer];
            !machine.is_up() || machine.damaged
        };
        let mut core = Vec::new();
        for peer in 0..self.machines.len() {
            let id = self.id(peer);
            if !(self.plan.frail.contains(&id) && troubled(self, peer)) {
                core.push(id);
            }
        }
        self.open_all_gates();
        self.links_calm();
        for peer in 0..self.machines.len() {
            let pending = &mut self.machines[peer].damage;
            // A disk that is already gone stays gone; what would still have come does not come.
            pending.retain(|damage| *damage == Damage::Wipe);
            self.disk_calm(peer);
            while self.machines[peer].clock.is_frozen() {
                if self.machines[peer].clock.thaw(self.now) {
                    self.rearm(peer);
                }
            }
            if self.machines[peer].pauses > 0 {
                self.machines[peer].pauses = 1;
                self.resume(peer);
            }
            if !self.machines[peer].is_up() {
                let life = self.machines[peer].life;
                let peer = peer as u8;
                let refused = self.machines[usize::from(peer)].refused;
                let what =
                    if refused { What::Replace { peer, life } } else { What::Start { peer, life } };
                self.queue.push(self.now + Duration::from_ms(1), what);
            }
        }
        let deadline = self.deadline();
        self.see(Seen::Calm { core, deadline });
        self.clients_calm();
        true
    }

    /// By when a correct ensemble serves again: twenty times what it may take to agree and to
    /// synchronise, the longest election back-off, the longest session, and what is still on its
    /// way, all by the slowest clock.
    fn deadline(&self) -> Time {
        const BACK_OFF: Duration = Duration::from_ms(60_000);
        let plan = &self.plan;
        let ticks = 20 * (plan.knob("init_limit", 10) + plan.knob("sync_limit", 5));
        let ensemble = Duration::from_ms(plan.knob("tick_ms", 2000)).times(ticks);
        let session = plan.clients.iter().map(|client| client.timeout_ms).max().unwrap_or(0);
        let ours = ensemble + BACK_OFF + Duration::from_ms(session) + RETRANSMIT;
        let slowest = plan.clocks.iter().map(|clock| clock.drift_ppm).min().unwrap_or(0);
        let slowest = slowest.clamp(-500_000, 0);
        let rate = (1_000_000 + slowest) as u128;
        self.now + Duration((u128::from(ours.0) * 1_000_000 / rate) as u64)
    }
}

/// Where a moment happened, or whom the fault before struck; and the other end.
type Context = (Option<usize>, Option<usize>);

fn channel_named(name: &str) -> Option<Channel> {
    match name {
        "election" => Some(Channel::Election),
        "quorum" => Some(Channel::Quorum),
        _ => None,
    }
}

/// Refuses plans that name what does not exist, and faults that no correct ensemble could survive.
pub(super) fn check(plan: &Plan) -> Result<(), String> {
    if plan.voters == 0 {
        return Err("an ensemble needs a voter".into());
    }
    let exists = |id: &PeerId| (1..=plan.voters).contains(&id.0);
    if let Some(id) = plan.frail.iter().find(|id| !exists(id)) {
        return Err(format!("frail peer {id} is not one of the {} voters", plan.voters));
    }
    if plan.frail.len() * 2 >= usize::from(plan.voters) && !plan.frail.is_empty() {
        return Err(format!("{} frail peers of {} are no minority", plan.frail.len(), plan.voters));
    }
    for (index, planned) in plan.faults.iter().enumerate() {
        check_fault(plan, &planned.fault)
            .map_err(|why| format!("fault {index} (`{}`): {why}", planned.fault.kind()))?;
    }
    Ok(())
}

fn check_fault(plan: &Plan, fault: &Fault) -> Result<(), String> {
    let one_of = |name: &str, known: &[&str]| match known.contains(&name) {
        true => Ok(()),
        false => Err(format!("unknown name `{name}`, not one of {}", known.join(", "))),
    };
    let exists = |target: &Target| match target {
        Target::Peer(id) if !(1..=plan.voters).contains(&id.0) => Err(format!("no peer {id}")),
        Target::Peer(_)
        | Target::Leader
        | Target::Follower(_)
        | Target::Shortest
        | Target::Longest
        | Target::Same
        | Target::Other => Ok(()),
    };
    let frail = |target: &Target| match target {
        Target::Peer(id) if plan.frail.contains(id) => Ok(()),
        _ => Err("it may only strike a peer that the plan names as frail".to_string()),
    };
    let devices = ["log", "snap"];
    match fault {
        Fault::Crash { peer, .. }
        | Fault::Pause { peer, .. }
        | Fault::ResetClients { peer }
        | Fault::WallStep { peer, .. }
        | Fault::FreezeClock { peer, .. } => exists(peer),
        Fault::CrashAll { .. } => Ok(()),
        Fault::Wipe { peer, .. } | Fault::Misdirect { peer } => frail(peer),
        Fault::Rot { peer, file } | Fault::LoseFile { peer, file, .. } => {
            frail(peer)?;
            one_of(file, &["log", "snapshot", "epoch"])
        }
        Fault::DiskHang { peer, device, .. } | Fault::DiskSlow { peer, device, .. } => {
            exists(peer)?;
            one_of(device, &devices)
        }
        Fault::DiskError { peer, device, error, .. } => {
            exists(peer)?;
            one_of(device, &devices)?;
            one_of(error, &["write_eio", "enospc", "sync_eio", "read_eio"])
        }
        Fault::Partition { split, .. } => match split {
            Split::Isolate(target) | Split::Bridge(target) => exists(target),
            Split::LeaderInMinority | Split::Ring => Ok(()),
            Split::Sides(sides) => sides.iter().try_for_each(|id| exists(&Target::Peer(*id))),
            Split::Pair(a, b) => exists(a).and_then(|()| exists(b)),
        },
        Fault::Hold { from, to, channel, .. } => {
            exists(from)?;
            exists(to)?;
            channel.as_deref().map_or(Ok(()), |name| one_of(name, &["election", "quorum"]))
        }
        Fault::Reset { a, b } => exists(a).and_then(|()| exists(b)),
        Fault::CutClient { client, servers, .. } => {
            if *client == 0 || *client as usize > plan.clients.len() {
                return Err(format!("no client {client}"));
            }
            servers.iter().try_for_each(|id| exists(&Target::Peer(*id)))
        }
    }
}
