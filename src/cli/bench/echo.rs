//! The smallest protocol there is: one peer broadcasts, the others answer. It measures what the
//! world itself costs.

use std::sync::Arc;

use crate::base::{LinkId, PeerId};
use crate::plan::{Plan, Scenario, draw};
use crate::process::{Boot, Channel, Effects, Event, Image, Now, Probe, Process, Refused, Tag};
use crate::world::{Cast, World};

use super::Clock;

/// How many rounds are run.
const ROUNDS: u64 = 40_000;

/// Peer 1 broadcasts; whoever gets a frame answers it.
#[derive(Clone)]
struct Echo {
    id: PeerId,
    peers: u8,
    links: Vec<LinkId>,
    answers: usize,
}

impl Process for Echo {
    fn start(&mut self, _now: Now, fx: &mut Effects) {
        if self.id == PeerId(1) {
            (2..=self.peers).for_each(|id| fx.dial(PeerId(id), Channel::Quorum));
        }
    }

    fn step(&mut self, _now: Now, event: Event, fx: &mut Effects) {
        match event {
            Event::LinkUp { link, dialed: true, .. } => {
                self.links.push(link);
                if self.links.len() + 1 == usize::from(self.peers) {
                    self.broadcast(fx);
                }
            }
            Event::Received { link, .. } if self.id != PeerId(1) => {
                fx.send(link, Tag::kind("ACK"), vec![2; 16]);
            }
            Event::Received { .. } => {
                self.answers += 1;
                if self.answers == self.links.len() {
                    self.broadcast(fx);
                }
            }
            Event::DialFailed { peer, channel, .. } => fx.dial(peer, channel),
            Event::LinkUp { .. }
            | Event::LinkDown { .. }
            | Event::Drained { .. }
            | Event::Accepted { .. }
            | Event::ConnBytes { .. }
            | Event::ConnDown { .. }
            | Event::Disk { .. }
            | Event::Timer(_)
            | Event::Work(_) => {}
        }
    }

    fn probe(&self) -> Probe {
        Probe::default()
    }

    fn fork(&self) -> Box<dyn Process> {
        Box::new(self.clone())
    }

    fn describe(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

impl Echo {
    fn broadcast(&mut self, fx: &mut Effects) {
        self.answers = 0;
        for link in &self.links {
            fx.send(*link, Tag::kind("PROPOSAL"), vec![1; 64]);
        }
    }
}

fn boot(boot: Boot, peers: u8) -> Result<Box<dyn Process>, Refused> {
    Ok(Box::new(Echo { id: boot.spec.id, peers, links: Vec::new(), answers: 0 }))
}

/// How many frames went back and forth, and how many nanoseconds that took.
pub fn messages() -> Result<(u64, u64), String> {
    let text = super::quiet(5, 0, 600_000);
    let scenario = Scenario::parse("bench-echo", &text).map_err(|error| error.to_string())?;
    let mut plan: Plan = draw(&scenario, 1);
    plan.clients.clear();
    let voters = plan.voters;
    let images = (1..=voters).map(|id| (PeerId(id), Image::default())).collect();
    let start = Arc::new(move |birth: Boot| boot(birth, voters));
    let cast = Cast { boot: start, images, programs: Vec::new() };
    let mut world = World::new(Arc::new(plan), cast)?;
    let mut seen = Vec::new();
    let clock = Clock::start();
    for _ in 0..2 * 4 * ROUNDS {
        seen.clear();
        if world.step(&mut seen).is_none() {
            break;
        }
    }
    Ok((world.stats().delivered, clock.nanos()))
}
