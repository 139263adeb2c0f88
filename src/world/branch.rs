//! What a copy of a world can be given, so that it goes another way than the original: one more
//! fault, other dice. And what those who choose where to branch must know: what faults could have
//! waited for, and what led to a step.

use std::sync::Arc;

use crate::base::{ClientId, Key, PeerId, Time};
use crate::history::{Actor, Cause};
use crate::plan::{Fork, Pattern, Planned, When};

use super::World;
use super::nemesis::{Armed, Sighting};
use super::queue::What;

/// Something that a fault could have waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// At which peer it happened.
    pub peer: PeerId,
    /// The moment that waits for it.
    pub on: Pattern,
    /// What it was, in a few words: durable effects with their kind and what they are of.
    pub what: String,
}

/// What is to happen right after certain steps.
#[derive(Clone, Debug)]
pub(super) struct Branches {
    /// After this step the next of them is due.
    pub(super) due: u64,
    forks: Vec<Fork>,
    /// Steps, and the faults that strike right after them.
    faults: Vec<(u64, u32)>,
}

impl Branches {
    pub(super) fn new(forks: &[Fork]) -> Branches {
        let mut branches = Branches { due: 0, forks: forks.to_vec(), faults: Vec::new() };
        branches.wait();
        branches
    }

    /// One more fault strikes after a step.
    pub(super) fn fault(&mut self, step: u64, fault: u32) {
        self.faults.push((step, fault));
        self.wait();
    }

    fn wait(&mut self) {
        let steps = self.forks.iter().map(|fork| fork.step);
        let due = steps.chain(self.faults.iter().map(|(step, _)| *step)).min();
        self.due = due.unwrap_or(u64::MAX);
    }
}

impl World {
    /// Does what is due after this step: takes other dice, and lets faults strike.
    pub(super) fn branch(&mut self) {
        let step = self.at.step;
        let (forks, faults) = (self.branches.forks.clone(), self.branches.faults.clone());
        for fork in forks.iter().filter(|fork| fork.step <= step) {
            self.rekey(fork.salt);
        }
        for (_, fault) in faults.iter().filter(|(due, _)| *due <= step) {
            self.queue.push(self.now, What::Strike { fault: *fault });
        }
        self.branches.forks.retain(|fork| fork.step > step);
        self.branches.faults.retain(|(due, _)| *due > step);
        self.branches.wait();
    }

    /// Takes other dice after this step, and arms more faults, behind those of the plan: from here
    /// on this is a run of its plan with that fork and those faults.
    pub fn fork(&mut self, salt: u64, faults: &[Planned]) {
        let fork = Fork { step: self.at.step, salt };
        Arc::make_mut(&mut self.plan).forks.push(fork);
        self.branches.forks.push(fork);
        self.branches.wait();
        for planned in faults {
            self.arm(planned.clone());
        }
    }

    /// Arms one more fault, behind those of the plan. Its moment is counted from now on.
    pub fn arm(&mut self, planned: Planned) {
        let fault = self.plan.faults.len();
        self.nemesis.context.resize(fault + 1, (None, None));
        let strike = What::Strike { fault: fault as u32 };
        match &planned.when {
            When::Moment { on, by, nth, from, after_us } => {
                self.nemesis.arm(Armed::new(fault, on, by.as_ref(), *nth, *from, *after_us));
            }
            When::At(ms) => self.queue.push(Time::from_ms(*ms).max(self.now), strike),
            When::Step(step) => self.branches.fault(*step, fault as u32),
            // It follows the one before it.
            When::Then(_) => {}
        }
        Arc::make_mut(&mut self.plan).faults.push(planned);
    }

    /// From here on every draw is another one: what is on its way arrives as it would have, and
    /// nothing else is as it was.
    pub fn rekey(&mut self, salt: u64) {
        let other = |key: &mut Key| *key = key.named("branch").with(salt);
        other(&mut self.key);
        self.net.rekey(other);
        self.conns.rekey(other);
        for machine in &mut self.machines {
            machine.rekey(other);
        }
        for host in &mut self.hosts {
            host.rekey(other);
        }
    }

    /// From here on keeps what faults could wait for, to be taken by [`World::take_sights`].
    pub fn keep_sights(&mut self) {
        self.nemesis.sights = Some(Vec::new());
    }

    /// What faults could have waited for since the last time, in order.
    pub fn take_sights(&mut self) -> Vec<Sight> {
        self.nemesis.sights.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Remembers a sighting, in words.
    pub(super) fn keep_sight(&mut self, peer: usize, sighting: Sighting) {
        let (effect, of) = self.machines[peer].last_effect();
        let (on, what) = match sighting {
            Sighting::Send(kind) => (Pattern::Send(kind.into()), format!("send {kind}")),
            Sighting::Receive(kind) => (Pattern::Receive(kind.into()), format!("receive {kind}")),
            Sighting::Write(kind) => (Pattern::Write(kind.into()), format!("write {kind}")),
            Sighting::Sync(device) => (Pattern::Sync(device.into()), format!("{effect} {of}")),
            Sighting::Effect => (Pattern::Effect, format!("{effect} {of}")),
            Sighting::Note(kind) => (Pattern::Note(kind.into()), format!("note {kind}")),
        };
        let peer = self.id(peer);
        let sight = Sight { peer, on, what };
        self.nemesis.sights.get_or_insert_default().push(sight);
    }

    /// What led to the last step, and who took it.
    pub fn cause(&self) -> Cause {
        let (asked, what) = self.queue.last();
        let is_message = matches!(
            what,
            Some(
                What::Frame { .. }
                    | What::Syn { .. }
                    | What::SynAck { .. }
                    | What::DialFailed { .. }
                    | What::Down { .. }
                    | What::ConnSyn { .. }
                    | What::ConnUp { .. }
                    | What::ConnBytes { .. }
                    | What::ConnDown { .. }
            )
        );
        let asked_so_far = self.queue.asked();
        Cause { asked, is_message, asked_so_far, actor: self.actor(what) }
    }

    /// Who took the last step of `after`, which was this world before it.
    pub fn actor_of(&self, after: &World) -> Option<Actor> {
        self.actor(after.queue.last().1)
    }

    fn actor(&self, what: Option<What>) -> Option<Actor> {
        let peer = |index: usize| Actor::Peer(PeerId(index as u8 + 1));
        let client = |index: usize| Actor::Client(ClientId(index as u32 + 1));
        let what = what?;
        if let Some(index) = self.meant_for(what) {
            return Some(peer(index));
        }
        match what {
            What::Disk { peer: index, .. }
            | What::Held { peer: index, .. }
            | What::Start { peer: index, .. }
            | What::Replace { peer: index, .. } => Some(peer(usize::from(index))),
            What::ConnUp { conn } | What::ConnBytes { conn, .. } | What::ConnDown { conn, .. } => {
                self.conns.pair(conn).map(|pair| client(pair.0))
            }
            What::Wake { client: index, .. } => Some(client(index as usize)),
            What::Frame { .. }
            | What::Syn { .. }
            | What::SynAck { .. }
            | What::DialFailed { .. }
            | What::Down { .. }
            | What::Drained { .. }
            | What::CutTimeout { .. }
            | What::Timer { .. }
            | What::Work { .. }
            | What::ConnSyn { .. }
            | What::Strike { .. }
            | What::Heal { .. }
            | What::Calm => None,
        }
    }
}
