//! The story of a run as a space-time diagram in text: one lane per peer and one for the clients,
//! time runs down, messages are arrows.
//!
//! ```text
//!                 p1                     p2                     clients
//!    1.200345s    | LEADING, round 1     |                      |
//!    1.204000s    *---PROPOSAL 1.7------>|                      |
//! ```
//!
//! A message is shown when it arrives. Pings, election notices and the traffic inside a peer are
//! left out; each row is one event.

use std::collections::VecDeque;

use crate::base::{ClientId, PeerId};
use crate::history::{At, CallId, Seen, words};

/// How many events a story keeps.
pub const LAST: usize = 60;

/// The last events worth telling of a run, and all faults that struck in it.
#[derive(Clone, Debug)]
pub struct Story {
    until: u64,
    keep: usize,
    events: VecDeque<(At, Seen)>,
    told: u64,
    faults: Vec<(At, String)>,
    /// Who made each call: answers name only the call.
    callers: Vec<(CallId, ClientId)>,
}

impl Story {
    /// A story that ends with this step and keeps its last `keep` events.
    pub fn until(step: u64, keep: usize) -> Story {
        Story {
            until: step,
            keep,
            events: VecDeque::new(),
            told: 0,
            faults: Vec::new(),
            callers: Vec::new(),
        }
    }

    /// Takes one thing seen.
    pub fn observe(&mut self, at: At, seen: &Seen) {
        if at.step > self.until {
            return;
        }
        match seen {
            Seen::Fault { kind, what, .. } => self.faults.push((at, format!("{kind}: {what}"))),
            Seen::Called(call) => self.callers.push((call.id, call.client)),
            _ => {}
        }
        if !is_told(seen) {
            return;
        }
        self.told += 1;
        if self.events.len() == self.keep {
            self.events.pop_front();
        }
        self.events.push_back((at, seen.clone()));
    }

    /// The faults that struck, in order.
    pub fn faults(&self) -> &[(At, String)] {
        &self.faults
    }

    /// How many events it keeps, and how many there were.
    pub fn counts(&self) -> (usize, u64) {
        (self.events.len(), self.told)
    }

    /// Draws it, with so many peers.
    pub fn draw(&self, peers: u8) -> String {
        let page = Page { width: lane_width(peers), peers: usize::from(peers) };
        let mut text = page.head();
        for (at, seen) in &self.events {
            text.push_str(&page.row(*at, seen, &self.callers));
        }
        text
    }
}

/// Whether an event is worth a row.
pub fn is_told(seen: &Seen) -> bool {
    match seen {
        Seen::Received { tag, .. } => !matches!(tag.kind, "PING" | "NOTIFICATION"),
        Seen::Noted { note, .. } => !matches!(
            note.kind(),
            "kept" | "voted" | "proposed" | "logged" | "committed" | "delivered"
        ),
        Seen::Starting { .. }
        | Seen::Refused { .. }
        | Seen::Stopped { .. }
        | Seen::Connected { .. }
        | Seen::Expired { .. }
        | Seen::GaveUp { .. }
        | Seen::Called(_)
        | Seen::Returned { .. }
        | Seen::Lost { .. }
        | Seen::Watch { .. }
        | Seen::Finished { .. }
        | Seen::Claimed { .. }
        | Seen::Complained { .. }
        | Seen::Fault { .. }
        | Seen::Calm { .. } => true,
        Seen::Probed { .. }
        | Seen::LinkUp { .. }
        | Seen::LinkDown { .. }
        | Seen::Sent { .. }
        | Seen::Wrote { .. }
        | Seen::Synced { .. }
        | Seen::Connecting { .. }
        | Seen::Heard { .. }
        | Seen::Disconnected { .. }
        | Seen::End { .. } => false,
    }
}

/// How wide a lane is, so that all fit on a page.
fn lane_width(peers: u8) -> usize {
    (90 / usize::from(peers.max(1))).clamp(16, 26)
}

/// Where the first lane begins.
const MARGIN: usize = 15;

struct Page {
    width: usize,
    peers: usize,
}

/// What stands in a row.
enum Mark {
    /// A text behind a lane's line, which may cover the lanes to the right.
    Text(usize, String),
    /// An arrow from one lane to another.
    Arrow(usize, usize, String),
    /// A text over all lanes.
    Banner(String),
}

impl Page {
    fn column(&self, lane: usize) -> usize {
        MARGIN + lane * self.width
    }

    fn lane(&self, peer: PeerId) -> usize {
        usize::from(peer.0).saturating_sub(1).min(self.peers)
    }

    fn head(&self) -> String {
        let mut line = vec![' '; self.column(self.peers)];
        for lane in 0..self.peers {
            write_at(&mut line, self.column(lane), &format!("p{}", lane + 1));
        }
        write_at(&mut line, self.column(self.peers), "clients");
        ended(line)
    }

    fn row(&self, at: At, seen: &Seen, callers: &[(CallId, ClientId)]) -> String {
        let mut line = vec![' '; self.column(self.peers) + 1];
        for lane in 0..=self.peers {
            write_at(&mut line, self.column(lane), "|");
        }
        let time = format!("{:>13}", at.time.to_string());
        write_at(&mut line, 0, &time);
        match self.mark(seen, callers) {
            Mark::Text(lane, text) => write_at(&mut line, self.column(lane) + 2, &text),
            Mark::Banner(text) => write_at(&mut line, MARGIN, &format!("=== {text} ===")),
            Mark::Arrow(from, to, text) => {
                let (from, to) = (self.column(from), self.column(to));
                let (left, right) = (from.min(to), from.max(to));
                write_at(&mut line, left, &"-".repeat(right - left));
                write_at(&mut line, from, "*");
                if from < to {
                    write_at(&mut line, to - 1, ">|");
                } else {
                    write_at(&mut line, to, "|<");
                }
                let room = (right - left).saturating_sub(text.chars().count());
                write_at(&mut line, left + (room / 2).max(3), &text);
            }
        }
        ended(line)
    }

    fn mark(&self, seen: &Seen, callers: &[(CallId, ClientId)]) -> Mark {
        let clients = self.peers;
        let whole = words::seen(seen);
        // The lane says who it is.
        let bare =
            |peer: &PeerId| whole.strip_prefix(&format!("{peer} ")).unwrap_or(&whole).to_string();
        let answer = |id: &CallId| {
            let known = callers.iter().find(|(known, _)| known == id);
            let who = known.map_or(String::new(), |(_, client)| format!("{client} "));
            Mark::Text(clients, format!("{who}{whole}"))
        };
        match seen {
            Seen::Received { from, to, tag, .. } => {
                Mark::Arrow(self.lane(*from), self.lane(*to), words::tag(tag))
            }
            Seen::Starting { peer, .. }
            | Seen::Refused { peer, .. }
            | Seen::Stopped { peer, .. }
            | Seen::Noted { peer, .. }
            | Seen::Probed { peer, .. }
            | Seen::Wrote { peer, .. }
            | Seen::Synced { peer, .. }
            | Seen::Heard { server: peer, .. } => Mark::Text(self.lane(*peer), bare(peer)),
            Seen::Fault { .. } | Seen::Calm { .. } | Seen::End { .. } => Mark::Banner(whole),
            Seen::Returned { id, .. } | Seen::Lost { id } => answer(id),
            Seen::Connecting { .. }
            | Seen::Connected { .. }
            | Seen::Disconnected { .. }
            | Seen::Expired { .. }
            | Seen::GaveUp { .. }
            | Seen::Called(_)
            | Seen::Watch { .. }
            | Seen::Finished { .. }
            | Seen::Claimed { .. }
            | Seen::Complained { .. } => Mark::Text(clients, whole),
            Seen::Sent { from, to, tag, .. } => {
                Mark::Text(self.lane(*from), format!("-> {to} {}", words::tag(tag)))
            }
            Seen::LinkUp { .. } | Seen::LinkDown { .. } => Mark::Banner(whole),
        }
    }
}

fn write_at(line: &mut Vec<char>, at: usize, text: &str) {
    for (offset, letter) in text.chars().enumerate() {
        let letter = if letter.is_control() { ' ' } else { letter };
        if line.len() <= at + offset {
            line.resize(at + offset + 1, ' ');
        }
        line[at + offset] = letter;
    }
}

fn ended(line: Vec<char>) -> String {
    let line: String = line.into_iter().collect();
    format!("{}\n", line.trim_end())
}
