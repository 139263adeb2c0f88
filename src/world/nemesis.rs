//! The nemesis: carries out the faults of a plan, and stops.
//!
//! A fault strikes at a time, at a moment, or after another. Its targets are names of roles as
//! often as of peers; they are resolved when it strikes, and what was seen says on whom. A moment
//! strikes right where it was seen, between two effects of a step: a crash at a write drops
//! everything that the step asked for after that write. `Receive` strikes when the receiver has
//! handled the frame; `Sync` before anyone learns that the sync has ended.
//!
//! The invariant: once `World::calm` is set nothing here does anything, and everything that was
//! done and can be undone has been undone; what a plan calls `lasting`, of frail peers only, never
//! is.

mod partition;

use std::sync::Arc;

use crate::base::{Duration, Time};
use crate::history::{Seen, Stop};
use crate::plan::{Fault, Pattern, Target, When};
use crate::process::{Channel, Device, Down};

use super::World;
use super::branch::Sight;
use super::disk::device_named;
use super::gates::Barrier;
use super::machine::Damage;
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
    pub(super) context: Vec<(Option<usize>, Option<usize>)>,
    in_force: Vec<Option<Undo>>,
    /// What moments could wait for, if anyone wants to know.
    pub(super) sights: Option<Vec<Sight>>,
}

/// A fault that waits for its moment.
#[derive(Clone, Debug)]
pub(super) struct Armed {
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

impl Armed {
    /// A fault that waits for the `nth` match from `from` ms on.
    pub(super) fn new(
        fault: usize,
        on: &Pattern,
        by: Option<&Target>,
        nth: u32,
        from: u64,
        after_us: u64,
    ) -> Armed {
        Armed {
            fault,
            on: on.clone(),
            by: by.cloned(),
            from: Time::from_ms(from),
            left: nth.max(1),
            after: Duration::from_us(after_us),
        }
    }
}

impl Nemesis {
    /// One more fault waits.
    pub(super) fn arm(&mut self, armed: Armed) {
        self.armed.push(armed);
    }

    /// Nothing that waits will strike, and nothing that is in force will be ended one by one.
    pub(super) fn disarm(&mut self) {
        self.armed.clear();
        self.in_force.clear();
    }
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
                | Pattern::Effect
                | Pattern::Behind(_),
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
                When::Step(step) => self.branches.fault(*step, fault as u32),
                When::Moment { on, by, nth, from, after_us } => {
                    let by = by.as_ref();
                    self.nemesis.arm(Armed::new(fault, on, by, *nth, *from, *after_us));
                }
            }
        }
        self.queue.push(Time::from_ms(plan.calm_at), What::Calm);
    }

    /// Something happened at a peer that a moment may wait for.
    #[inline]
    pub(super) fn sighted(&mut self, peer: usize, other: Option<usize>, sighting: Sighting) {
        let looks = !self.nemesis.armed.is_empty() || self.nemesis.sights.is_some();
        if looks && !self.calm {
            self.look_at(peer, other, sighting);
        }
    }

    fn look_at(&mut self, peer: usize, other: Option<usize>, sighting: Sighting) {
        if self.nemesis.sights.is_some() {
            self.keep_sight(peer, sighting);
        }
        let mut due = Vec::new();
        for at in 0..self.nemesis.armed.len() {
            let armed = &self.nemesis.armed[at];
            let behind = sighting == Sighting::Effect
                && matches!(&armed.on, Pattern::Behind(it) if self.machines[peer].last_did(it));
            let here = (behind || sighting.is(&armed.on)) && armed.from <= self.now;
            let context = (Some(peer), other);
            if here && armed.by.as_ref().is_none_or(|by| self.find(by, context) == Some(peer)) {
                let armed = &mut self.nemesis.armed[at];
                armed.left -= 1;
                if armed.left == 0 {
                    due.push((armed.fault, armed.after));
                }
            }
        }
        if due.is_empty() {
            return;
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
            Fault::Revive {} => {
                self.report(fault, None, "whoever is down starts, and cuts heal".into());
                self.revive();
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
                    self.reset_link(link, Down::Reset);
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
            Fault::Crash { down, lasting, scatter, .. } => {
                self.report(fault, Some(peer), format!("{id} loses power"));
                if *lasting {
                    let what = format!("{id} is down for good");
                    self.see(Seen::Fault { kind: "lasting", peer: Some(id), what });
                }
                self.machines[peer].disk.scatters = *scatter;
                self.crash(peer, *down);
                self.machines[peer].disk.scatters = false;
                self.machines[peer].dead |= lasting;
            }
            Fault::Wipe { down, .. } => {
                self.report(fault, Some(peer), format!("{id} loses power, and its files"));
                self.crash(peer, Some(*down));
                self.machines[peer].disk.wipe();
                self.machines[peer].damaged = true;
            }
            Fault::Pause { ms, .. } => {
                self.report(fault, Some(peer), format!("{id} stands still for {ms} ms"));
                if self.machines[peer].is_up() {
                    self.pausing = true;
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
            Fault::DiskHang { device, lasting: true, .. } => {
                self.report(fault, Some(peer), format!("{id}: {device} hangs"));
                let what = format!("{id}: {device} hangs for good");
                self.see(Seen::Fault { kind: "lasting", peer: Some(id), what });
                let device = device_named(device).expect("checked");
                self.machines[peer].disk.hang_for_good(device);
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
            | Fault::Revive {}
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

    /// Power and network are back for all peers. Whoever refused to start waits for an operator.
    fn revive(&mut self) {
        for heal in 0..self.nemesis.in_force.len() {
            if let Some(Undo::Open(barrier)) = &self.nemesis.in_force[heal]
                && !barrier.pairs.is_empty()
            {
                self.heal(heal);
            }
        }
        for peer in 0..self.machines.len() {
            let machine = &self.machines[peer];
            if !machine.is_up() && !machine.refused && !machine.dead {
                let what = What::Start { peer: peer as u8, life: self.machines[peer].life };
                self.queue.push(self.now, what);
            }
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
                    self.ends("resume", peer, "goes on");
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
                self.ends("thaw", peer, "the clock runs again");
                if self.machines[peer].clock.thaw(self.now) {
                    self.rearm(peer);
                }
            }
        }
        true
    }

    /// What a fault has done to a peer ends by itself.
    fn ends(&mut self, kind: &'static str, peer: usize, what: &str) {
        let id = self.id(peer);
        self.see(Seen::Fault { kind, peer: Some(id), what: format!("{id}: {what}") });
    }
}

/// Where a moment happened, or whom the fault before struck; and the other end.
pub(super) type Context = (Option<usize>, Option<usize>);

fn channel_named(name: &str) -> Option<Channel> {
    match name {
        "election" => Some(Channel::Election),
        "quorum" => Some(Channel::Quorum),
        _ => None,
    }
}
