//! Running peers: starts, steps, stops, timers and deferred work.
//!
//! A step's effects are carried out in order, and the rest of them is dropped as soon as the peer
//! is down: a crash falls between two effects, never within one. A panic in a step crashes its
//! peer, and the run goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::base::{Draw, Duration, LinkId, Ticket};
use crate::history::{Seen, Stop};
use crate::process::{Boot, Effects, Event, Frame, Note, Spec, Timer, Work};

use super::World;
use super::machine::{Body, Damage, Held, Waiting};
use super::nemesis::Sighting;
use super::queue::What;

/// After how long a supervisor starts a process that stopped by itself: within these bounds.
const RESTART_MS: (u64, u64) = (1_000, 3_000);
/// After how long an operator replaces a peer that refuses to start.
const REPLACE: Duration = Duration::from_ms(10_000);

impl World {
    /// Starts a peer that is down, unless this was meant for another life of it.
    pub(super) fn start_if(&mut self, peer: usize, life: u32) -> bool {
        let machine = &self.machines[peer];
        if machine.is_up() || machine.dead || machine.life != life {
            return false;
        }
        self.start(peer);
        true
    }

    fn start(&mut self, peer: usize) {
        let id = self.id(peer);
        for damage in std::mem::take(&mut self.machines[peer].damage) {
            if let Some(what) = self.machines[peer].disk.damage(&damage) {
                self.machines[peer].damaged = true;
                let kind = match damage {
                    Damage::Rot { .. } => "rot",
                    Damage::Lose { .. } => "lose_file",
                    Damage::Replace => "replace",
                };
                self.see(Seen::Fault { kind, peer: Some(id), what: format!("{id}: {what}") });
            }
        }
        let machine = &mut self.machines[peer];
        machine.incarnation += 1;
        machine.life += 1;
        machine.refused = false;
        let damaged = std::mem::take(&mut machine.damaged);
        let incarnation = machine.incarnation;
        let image = machine.disk.image();
        let now = machine.now(self.now);
        let entropy = machine.key.named("entropy").with(incarnation);
        let spec =
            Spec { id, config: self.config.clone(), knobs: self.plan.all_knobs(), incarnation };
        let shared = Arc::new(image.clone());
        self.stats.starts += 1;
        self.digest.word(incarnation);
        self.see(Seen::Starting { peer: id, incarnation, image: shared, damaged });
        let boot = Boot { spec: Arc::new(spec), image, entropy, now };
        let boots = Arc::clone(&self.boot);
        match catch_unwind(AssertUnwindSafe(|| boots(boot))) {
            Err(panic) => self.panicked(peer, panic),
            Ok(Err(refused)) => {
                self.stats.refusals += 1;
                let (reason, damaged) = (refused.reason, refused.damaged);
                if let Some(name) = refused.hit {
                    *self.stats.hits.entry(name).or_default() += 1;
                    self.see(Seen::Noted { peer: id, note: Note::hit(name) });
                }
                self.see(Seen::Refused { peer: id, reason, damaged });
                self.refused(peer, damaged);
            }
            Ok(Ok(process)) => {
                self.machines[peer].body = Some(Body(process));
                self.run_with(peer, None);
            }
        }
    }

    /// A supervisor tries again; damaged files are for an operator.
    fn refused(&mut self, peer: usize, damaged: bool) {
        let machine = &mut self.machines[peer];
        machine.refused = damaged;
        let life = machine.life;
        if !damaged {
            self.restart_later(peer);
        } else if self.calm || self.plan.frail.contains(&self.id(peer)) {
            let what = What::Replace { peer: peer as u8, life };
            self.queue.push(self.now + REPLACE, what);
        }
    }

    /// An operator replaces a peer that refuses to start: an empty disk, a new start.
    pub(super) fn replace(&mut self, peer: usize, life: u32) -> bool {
        let machine = &mut self.machines[peer];
        if machine.life != life || machine.is_up() || machine.dead {
            return false;
        }
        machine.damage.push(Damage::Replace);
        self.start(peer);
        true
    }

    pub(super) fn restart_later(&mut self, peer: usize) {
        let machine = &self.machines[peer];
        let key = machine.key.named("restart").with(machine.incarnation);
        let ms = key.stream().between(RESTART_MS.0, RESTART_MS.1);
        let what = What::Start { peer: peer as u8, life: machine.life };
        self.queue.push(self.now + Duration::from_ms(ms), what);
    }

    /// Lets a peer handle an event.
    #[inline]
    pub(super) fn run(&mut self, peer: usize, event: Event) {
        self.run_with(peer, Some(event));
    }

    fn run_with(&mut self, peer: usize, event: Option<Event>) {
        let machine = &mut self.machines[peer];
        let now = machine.now(self.now);
        let Some(body) = &mut machine.body else { return };
        let life = machine.life;
        let starts = event.is_none();
        let mut fx = std::mem::take(&mut self.scratch.fx);
        fx.reset(machine.next_ticket);
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            match event {
                Some(event) => body.0.step(now, event, &mut fx),
                None => body.0.start(now, &mut fx),
            }
            body.0.probe()
        }));
        let probe = match stepped {
            Ok(probe) => probe,
            Err(panic) => return self.panicked(peer, panic),
        };
        let machine = &mut self.machines[peer];
        machine.next_ticket = fx.next_ticket();
        if starts {
            // What it has found in its files is durable, and nothing else is.
            machine.disk.durable = probe.logged;
        }
        for effect in fx.list_mut().drain(..) {
            self.carry_out(peer, effect);
            if self.machines[peer].life != life {
                break;
            }
        }
        self.scratch.fx = fx;
        let machine = &mut self.machines[peer];
        if machine.life == life && (machine.probe != probe || machine.fresh) {
            machine.probe = probe;
            machine.fresh = false;
            let peer = machine.id;
            self.see(Seen::Probed { peer, probe });
        }
    }

    fn panicked(&mut self, peer: usize, panic: Box<dyn Any + Send>) {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        self.scratch.fx = Effects::new();
        self.stats.panics += 1;
        self.stop(peer, Stop::Panic(text.unwrap_or_else(|| "a panic without words".into())));
        self.restart_later(peer);
    }

    /// A process asked to stop: a supervisor starts it again.
    pub(super) fn halt(&mut self, peer: usize, reason: String) {
        self.stats.halts += 1;
        self.stop(peer, Stop::Halt(reason));
        self.restart_later(peer);
    }

    /// A peer goes down: its links and connections break, what was not synced is at the mercy of
    /// the crash model.
    pub(super) fn stop(&mut self, peer: usize, why: Stop) {
        let machine = &mut self.machines[peer];
        let id = machine.id;
        let (effect, what) = machine.last_effect();
        *self.stats.crashes.entry((effect, what.to_string())).or_default() += 1;
        machine.forget();
        machine.crashes += 1;
        self.disk_crash(peer);
        self.digest.word(self.machines[peer].crashes);
        self.see(Seen::Stopped { peer: id, why });
        self.links_crash(peer);
        self.conns_crash(peer);
    }

    /// A frame leaves now, or when its ticket is done, or never if that has failed.
    pub(super) fn send_when(
        &mut self,
        peer: usize,
        link: LinkId,
        frame: Frame,
        after: Option<Ticket>,
    ) {
        let Some(ticket) = after else { return self.send(peer, link, frame) };
        match self.machines[peer].disk.answered(ticket) {
            Some(true) => self.send(peer, link, frame),
            Some(false) => {}
            None => self.machines[peer].waiting.push_back(Waiting { ticket, link, frame }),
        }
    }

    /// A peer tells a fact.
    pub(super) fn noted(&mut self, peer: usize, note: Note) {
        let kind = note.kind();
        if let Note::Hit { bug } = &note {
            *self.stats.hits.entry(*bug).or_default() += 1;
        }
        let peer_id = self.id(peer);
        self.see(Seen::Noted { peer: peer_id, note });
        self.sighted(peer, None, Sighting::Note(kind));
    }

    /// A peer sets a timer.
    pub(super) fn set_timer(
        &mut self,
        peer: usize,
        timer: Timer,
        within: std::ops::Range<Duration>,
    ) {
        let machine = &mut self.machines[peer];
        let mono = machine.clock.mono(self.now);
        let key = machine.key.named("timer").with(machine.incarnation);
        let (slot, arming, fires) = machine.timers.set(timer, within, mono, key);
        // A frozen clock sets off its timers when it thaws.
        if let Some(at) = machine.clock.reaches(fires) {
            let what = What::Timer { peer: peer as u8, slot, arming };
            self.queue.push(at.max(self.now), what);
        }
    }

    /// A timer comes up: it fires if it is still set and the peer's clock has come so far.
    pub(super) fn timer(&mut self, peer: usize, slot: u32, arming: u32) -> bool {
        let machine = &mut self.machines[peer];
        let Some(fires) = machine.timers.fires(slot, arming) else { return false };
        if !machine.is_up() {
            return false;
        }
        if machine.clock.mono(self.now) < fires {
            if let Some(at) = machine.clock.reaches(fires) {
                self.queue.push(at, What::Timer { peer: peer as u8, slot, arming });
            }
            return false;
        }
        let timer = machine.timers.fire(slot);
        self.digest.word(timer.1);
        self.run(peer, Event::Timer(timer));
        true
    }

    /// The clock of a peer runs again: its timers are set off anew.
    pub(super) fn rearm(&mut self, peer: usize) {
        let machine = &self.machines[peer];
        for (slot, arming, fires) in machine.timers.armed() {
            if let Some(at) = machine.clock.reaches(fires) {
                let what = What::Timer { peer: peer as u8, slot, arming };
                self.queue.push(at.max(self.now), what);
            }
        }
    }

    /// A peer puts work off.
    pub(super) fn defer(&mut self, peer: usize, work: Work) {
        let machine = &mut self.machines[peer];
        let due = machine.defer(work, self.now, &self.plan.work, self.calm);
        let what = What::Work { peer: peer as u8, lane: due.lane, life: machine.life };
        self.queue.push(due.at, what);
    }

    /// A deferred piece of work is due.
    pub(super) fn work(&mut self, peer: usize, lane: u16, life: u32) -> bool {
        let machine = &mut self.machines[peer];
        if machine.life != life {
            return false;
        }
        let lane = &mut machine.lanes[usize::from(lane)];
        let Some(number) = lane.due.pop_front() else { return false };
        let work = Work(lane.name, number);
        self.digest.word(lane.fold ^ number);
        self.run(peer, Event::Work(work));
        true
    }

    /// A paused peer goes on, if this was the last pause in force: what was held for it comes up,
    /// in its order.
    pub(super) fn resume(&mut self, peer: usize) {
        let machine = &mut self.machines[peer];
        machine.pauses = machine.pauses.saturating_sub(1);
        if machine.pauses == 0 {
            for _ in 0..machine.held.len() {
                let what = What::Held { peer: peer as u8, life: machine.life };
                self.queue.push(self.now, what);
            }
        }
    }

    /// Something that was held comes up.
    pub(super) fn held(&mut self, peer: usize, life: u32) -> bool {
        let machine = &mut self.machines[peer];
        if machine.life != life || machine.pauses > 0 {
            return false;
        }
        match machine.held.pop_front() {
            None => false,
            Some(Held::Event(event)) => {
                self.run(peer, event);
                true
            }
            Some(Held::What(what)) => self.take(what),
        }
    }
}
