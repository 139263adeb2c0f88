//! What a step does, in words: also one in which nothing is seen.

use crate::base::PeerId;
use crate::process::{Channel, Device, Down};

use super::World;
use super::clients::client_id;
use super::network::End;
use super::queue::What;

impl World {
    /// What the last step of `after` was about, for people. This world must be `after` as it was
    /// before that step: behind it, what ended in the step is forgotten.
    pub fn doing(&self, after: &World) -> String {
        let (_, what) = after.queue.last();
        match what {
            Some(what) if after.at.step > self.at.step => self.words(what),
            Some(_) | None => "the run ends".to_string(),
        }
    }

    fn words(&self, what: What) -> String {
        match what {
            What::Frame { link, side } => self.frame_words(link, side),
            What::Syn { link } => self.link_words(link, |from, to, channel| {
                let found = if self.is_up(to) { "reaches it" } else { "finds it down" };
                format!("{from}'s {channel} dial of {to} {found}")
            }),
            What::SynAck { link } => self.link_words(link, |from, to, channel| {
                format!("{to}'s answer to the {channel} dial of {from} arrives")
            }),
            What::DialFailed { link, why } => {
                let dialed = self.net.dialed(link);
                self.link_words(link, |from, to, channel| {
                    let (to, why) = (dialed.unwrap_or(to), down(why));
                    format!("{from}'s {channel} dial of {to} fails: {why}")
                })
            }
            What::Down { link, side, why, .. } => {
                self.way_words(link, side, |of, other, channel| {
                    let why = down(why);
                    format!("{of} learns that its {channel} link with {other} is gone: {why}")
                })
            }
            What::Drained { link, side } => self.way_words(link, side, |of, other, channel| {
                format!("{of}'s {channel} link to {other} has room again")
            }),
            What::CutTimeout { .. } => {
                "a cut has lasted so long that connections across it time out".to_string()
            }
            What::Timer { peer, slot, .. } => {
                let timer = self.machines[usize::from(peer)].timers.name(slot);
                let timer = timer.map_or(String::new(), |timer| format!(" `{}`", timer.0));
                format!("{}'s timer{timer} fires", id(peer))
            }
            What::Work { peer, lane, .. } => {
                let lane = self.machines[usize::from(peer)].lanes.get(usize::from(lane));
                let lane = lane.map_or(String::new(), |lane| format!(", `{}`", lane.name));
                format!("{} does work that it had deferred{lane}", id(peer))
            }
            What::Disk { peer, device, .. } => {
                let doing = self.machines[usize::from(peer)].disk.doing(device);
                let device = match device {
                    Device::Log => "log",
                    Device::Snap => "snap",
                };
                let doing = doing.unwrap_or_else(|| "an operation".to_string());
                format!("{doing} on {}'s {device} device ends", id(peer))
            }
            What::Held { peer, .. } => {
                format!("{} handles what had waited while it was paused", id(peer))
            }
            What::Start { peer, .. } => format!("{} is started", id(peer)),
            What::Replace { peer, .. } => format!("an operator replaces {}", id(peer)),
            What::ConnSyn { conn } => self.conn_words(conn, |client, server| {
                let found = if self.is_up(server) { "reaches it" } else { "finds it down" };
                format!("{client}'s attempt to connect to {server} {found}")
            }),
            What::ConnUp { conn } => self.conn_words(conn, |client, server| {
                format!("{server}'s answer to {client}'s attempt to connect arrives")
            }),
            What::ConnBytes { conn, side: 0 } => self.conn_words(conn, |client, server| {
                format!("bytes that {client} has sent reach {server}")
            }),
            What::ConnBytes { conn, .. } => self.conn_words(conn, |client, server| {
                format!("bytes that {server} has sent reach {client}")
            }),
            What::ConnDown { conn, side: 0, .. } => self.conn_words(conn, |client, server| {
                format!("{client} learns that its connection to {server} is gone")
            }),
            What::ConnDown { conn, .. } => self.conn_words(conn, |client, server| {
                format!("{server} learns that the connection of {client} is gone")
            }),
            What::Wake { client, .. } => {
                format!("an alarm of {}: the client goes on", client_id(client as usize))
            }
            What::Strike { fault } => {
                let kind = self.plan.faults.get(fault as usize).map(|one| one.fault.kind());
                let kind = kind.map_or(String::new(), |kind| format!(", `{kind}`,"));
                format!("fault {}{kind} strikes", u64::from(fault) + 1)
            }
            What::Heal { .. } => "what a fault had begun ends".to_string(),
            What::Calm => "calm begins: every injector stops".to_string(),
        }
    }

    fn frame_words(&self, link: u32, side: u8) -> String {
        let kind = self.net.next_frame(link, side);
        let gone = self.net.end(link, 1 - side) == Some(End::Gone);
        self.way_words(link, side, |from, to, channel| match (kind, gone) {
            (Some(kind), false) => format!("a {kind} of {from} reaches {to} ({channel})"),
            (Some(kind), true) => {
                format!("a {kind} of {from} finds that {to} has given up their {channel} link")
            }
            (None, _) => format!("a frame of {from} to {to} arrives ({channel})"),
        })
    }

    /// In words, by who dialled whom.
    fn link_words(&self, link: u32, words: impl Fn(PeerId, PeerId, &str) -> String) -> String {
        self.way_words(link, 0, words)
    }

    /// In words, by the end of a link that this is about, and the other.
    fn way_words(
        &self,
        link: u32,
        side: u8,
        words: impl Fn(PeerId, PeerId, &str) -> String,
    ) -> String {
        match self.net.way(link, side) {
            Some((one, other, channel)) => {
                let channel = match channel {
                    Channel::Election => "election",
                    Channel::Quorum => "quorum",
                };
                words(self.id(one), self.id(other), channel)
            }
            None => "news of a link between peers that is gone".to_string(),
        }
    }

    /// In words, by client and server.
    fn conn_words(
        &self,
        conn: u32,
        words: impl Fn(crate::base::ClientId, PeerId) -> String,
    ) -> String {
        match self.conns.pair(conn) {
            Some((client, server)) => words(client_id(client), self.id(server)),
            None => "news of a client's connection that is gone".to_string(),
        }
    }

    fn is_up(&self, peer: PeerId) -> bool {
        self.machines.iter().any(|machine| machine.id == peer && machine.is_up())
    }
}

fn id(peer: u8) -> PeerId {
    PeerId(peer.saturating_add(1))
}

fn down(why: Down) -> &'static str {
    match why {
        Down::Closed => "the other end hung up",
        Down::Reset => "it was reset",
        Down::Refused => "nobody listens there",
        Down::TimedOut => "it timed out",
    }
}
