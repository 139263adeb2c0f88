//! What a peer finds wrong by itself, and what the world sees it promise too early.
//!
//! These are assertions: they name the cause, and the run goes on to see what comes of it.

use crate::base::{PeerId, Zxid};
use crate::history::{At, Seen, Stop};
use crate::process::{Channel, Device, Note};
use crate::verdict::{Finding, Oracle, Weight};

const PROPERTIES: &[(&str, &str)] = &[
    ("NoPanic", "no step of a peer panics"),
    ("PhaseRules", "messages come in the phase and order that allow them (I-11 to I-14)"),
    ("AckDurable", "a proposal is acked only once it is on disk (S4)"),
];

#[derive(Clone, Copy, Debug, Default)]
struct Disk {
    /// The last zxid written to the log's cache, and the last that a sync covered.
    written: Zxid,
    durable: Zxid,
}

/// See the file's page.
#[derive(Clone, Debug, Default)]
pub struct Local {
    disks: Vec<(PeerId, Disk)>,
    counts: [u64; PROPERTIES.len()],
}

impl Local {
    fn disk(&mut self, peer: PeerId) -> &mut Disk {
        let at = match self.disks.binary_search_by_key(&peer, |(id, _)| *id) {
            Ok(at) => at,
            Err(at) => {
                self.disks.insert(at, (peer, Disk::default()));
                at
            }
        };
        &mut self.disks[at].1
    }
}

impl Oracle for Local {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        PROPERTIES
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        let mut found = |property: usize, kind, peer, detail| {
            let property = PROPERTIES[property].0;
            let weight = Weight::Assertion;
            findings.push(Finding { property, weight, at, peers: vec![peer], kind, detail });
        };
        match seen {
            Seen::Starting { peer, .. } => {
                self.counts[0] += 1;
                *self.disk(*peer) = Disk::default();
            }
            Seen::Stopped { peer, why: Stop::Panic(message) } => {
                found(0, "panic", *peer, format!("{peer} panicked: {message}"));
            }
            Seen::Noted { peer, note: Note::Breach { what, zxid } } => {
                let detail = format!("{peer} met `{what}` at {zxid}");
                found(1, what, *peer, detail);
            }
            Seen::Wrote { peer, file, tag } if file.device == Device::Log => {
                let disk = self.disk(*peer);
                disk.written = disk.written.max(tag.zxid);
            }
            Seen::Synced { peer, device: Device::Log, ok: true } => {
                let disk = self.disk(*peer);
                disk.durable = disk.written;
            }
            Seen::Received { to, tag, .. } => match tag.kind {
                "LEADERINFO" | "NEWLEADER" => self.counts[1] += 1,
                // A cut or replaced log starts again below what was durable before.
                "TRUNC" | "SNAP_END" => *self.disk(*to) = Disk::default(),
                _ => {}
            },
            Seen::Sent { from, channel: Channel::Quorum, tag, .. }
                if tag.kind == "ACK" && tag.zxid.counter() != 0 =>
            {
                self.counts[2] += 1;
                if self.disk(*from).durable < tag.zxid {
                    let detail = format!("{from} acked {} before its disk held it", tag.zxid);
                    found(2, "ack_early", *from, detail);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _at: At, _findings: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        PROPERTIES.iter().zip(self.counts).map(|((name, _), count)| (*name, count)).collect()
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
