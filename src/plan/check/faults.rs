//! Checking faults: they name what exists, they end at calm, and only frail peers forget.

use super::super::input::Problem;
use super::super::{EFFECTS, Fault, Pattern, Planned, Split, Target, When};
use super::{Checked, MS_MAX, STEP_MAX, one_of, peer, signed, within};
use crate::base::PeerId;

const DEVICES: [&str; 2] = ["log", "snap"];
const ERRORS: [&str; 4] = ["write_eio", "enospc", "sync_eio", "read_eio"];
const FILES: [&str; 3] = ["log", "snapshot", "epoch"];
const CHANNELS: [&str; 2] = ["election", "quorum"];

/// What faults are checked against.
pub(super) struct Room<'a> {
    pub voters: u8,
    /// Unknown while they are still to be drawn.
    pub clients: Option<usize>,
    pub frail: &'a [PeerId],
    pub calm_at: u64,
    /// Whether the fault at hand follows nothing that happened at a peer.
    pub lone: bool,
}

impl Room<'_> {
    /// Whether these faults name what exists, and only frail peers forget.
    pub fn faults(&self, faults: &[Planned]) -> Checked {
        for (nth, planned) in faults.iter().enumerate() {
            self.when(&format!("faults[{nth}].when"), &planned.when, nth)?;
            let kind = planned.fault.kind();
            let lone = matches!(planned.when, When::At(_) | When::Step(_));
            let room = Room { lone, ..*self };
            room.fault(&format!("faults[{nth}].fault.{kind}"), &planned.fault)?;
        }
        Ok(())
    }

    fn when(&self, path: &str, when: &When, nth: usize) -> Checked {
        let late = |path: String, ms: u64| {
            if ms < self.calm_at {
                return Ok(());
            }
            let hint = format!("every injector stops at `calm_at`, {} ms", self.calm_at);
            Err(Problem::new(&path, format!("is {ms}, too late to happen"), hint))
        };
        match when {
            When::At(ms) => late(format!("{path}.at"), *ms),
            When::Then(_) if nth == 0 => {
                let hint = "write `{\"at\": ms}`: the first fault follows none";
                Err(Problem::new(path, "is `then`", hint))
            }
            When::Then(ms) => within(&format!("{path}.then"), *ms, 0..=MS_MAX),
            When::Step(step) => within(&format!("{path}.step"), *step, 1..=STEP_MAX),
            When::Moment { on, by, nth, from, after_us } => {
                let path = format!("{path}.moment");
                late(format!("{path}.from"), *from)?;
                within(&format!("{path}.nth"), u64::from(*nth), 1..=1_000_000)?;
                within(&format!("{path}.after_us"), *after_us, 0..=MS_MAX * 1_000)?;
                if let Some(by) = by {
                    self.target(&format!("{path}.by"), by)?;
                }
                pattern(&format!("{path}.on"), on)
            }
        }
    }

    fn target(&self, path: &str, target: &Target) -> Checked {
        match target {
            Target::Peer(one) => peer(&format!("{path}.peer"), *one, self.voters),
            Target::Same | Target::Other if self.lone => {
                let word = if *target == Target::Same { "same" } else { "other" };
                let hint = "`same` and `other` are the peers of a moment, or those that the fault \
                            before struck: write `{\"peer\": N}` or `leader`, or another `when`";
                Err(Problem::new(path, format!("is `{word}`, and nothing came before"), hint))
            }
            Target::Leader
            | Target::Follower(_)
            | Target::Shortest
            | Target::Longest
            | Target::Same
            | Target::Other => Ok(()),
        }
    }

    /// Who loses durable state must be named, and frail.
    fn frail(&self, path: &str, target: &Target) -> Checked {
        self.target(&format!("{path}.peer"), target)?;
        let frail = match target {
            Target::Peer(peer) => self.frail.contains(peer),
            Target::Leader
            | Target::Follower(_)
            | Target::Shortest
            | Target::Longest
            | Target::Same
            | Target::Other => false,
        };
        if frail {
            return Ok(());
        }
        let hint = "only peers in `frail` may lose or damage what is durable: write \
                    `{\"peer\": N}`, and N there";
        Err(Problem::new(&format!("{path}.peer"), "is not a frail peer", hint))
    }

    fn fault(&self, path: &str, fault: &Fault) -> Checked {
        let ms = |ms: &u64| within(&format!("{path}.ms"), *ms, 0..=MS_MAX);
        let on = |target: &Target| self.target(&format!("{path}.peer"), target);
        match fault {
            Fault::Crash { peer, down, lasting, scatter } => {
                within(&format!("{path}.down"), down.unwrap_or(0), 0..=MS_MAX)?;
                if *lasting && down.is_some() {
                    let hint =
                        "a peer that is down for good does not start again: leave `down` out";
                    return Err(Problem::new(&format!("{path}.down"), "is `lasting`, too", hint));
                }
                if *lasting || *scatter { self.frail(path, peer) } else { on(peer) }
            }
            Fault::CrashAll { down } => {
                if down.is_empty() {
                    let hint = "write one time or more: they are used in turn";
                    return Err(Problem::new(&format!("{path}.down"), "is empty", hint));
                }
                let mut down = down.iter().enumerate();
                down.try_for_each(|(n, ms)| within(&format!("{path}.down[{n}]"), *ms, 0..=MS_MAX))
            }
            Fault::Revive {} => Ok(()),
            Fault::Wipe { peer, down } => {
                within(&format!("{path}.down"), *down, 0..=MS_MAX)?;
                self.frail(path, peer)
            }
            Fault::Misdirect { peer } => self.frail(path, peer),
            Fault::Rot { peer, file } | Fault::LoseFile { peer, file, .. } => {
                one_of(&format!("{path}.file"), "kind of file", file, &FILES)?;
                self.frail(path, peer)
            }
            Fault::Pause { peer, ms: long } | Fault::FreezeClock { peer, ms: long } => {
                ms(long)?;
                on(peer)
            }
            Fault::Partition { split, ms: long, .. } => {
                ms(&long.unwrap_or(0))?;
                self.split(&format!("{path}.split"), split)
            }
            Fault::Hold { from, to, channel, ms: long } => {
                ms(long)?;
                self.target(&format!("{path}.from"), from)?;
                self.target(&format!("{path}.to"), to)?;
                let channel = channel.as_deref().unwrap_or("quorum");
                one_of(&format!("{path}.channel"), "channel", channel, &CHANNELS)
            }
            Fault::Reset { a, b } => {
                self.target(&format!("{path}.a"), a)?;
                self.target(&format!("{path}.b"), b)
            }
            Fault::CutClient { client, servers, ms: long } => {
                ms(long)?;
                let most = self.clients.unwrap_or(12) as u64;
                within(&format!("{path}.client"), u64::from(*client), 1..=most)?;
                let mut servers = servers.iter().enumerate();
                servers.try_for_each(|(nth, server)| {
                    peer(&format!("{path}.servers[{nth}]"), *server, self.voters)
                })
            }
            Fault::ResetClients { peer } => on(peer),
            Fault::DiskHang { peer, device, ms: long, lasting } => {
                ms(long)?;
                one_of(&format!("{path}.device"), "device", device, &DEVICES)?;
                if *lasting && *long > 0 {
                    let hint = "a device that hangs for good does not wake: leave `ms` out";
                    return Err(Problem::new(&format!("{path}.ms"), "is `lasting`, too", hint));
                }
                if *lasting { self.frail(path, peer) } else { on(peer) }
            }
            Fault::DiskSlow { peer, device, extra_us, ms: long } => {
                ms(long)?;
                within(&format!("{path}.extra_us"), *extra_us, 0..=MS_MAX * 1_000)?;
                one_of(&format!("{path}.device"), "device", device, &DEVICES)?;
                on(peer)
            }
            Fault::DiskError { peer, device, error, count } => {
                within(&format!("{path}.count"), u64::from(*count), 1..=1_000_000)?;
                one_of(&format!("{path}.error"), "disk error", error, &ERRORS)?;
                one_of(&format!("{path}.device"), "device", device, &DEVICES)?;
                on(peer)
            }
            Fault::WallStep { peer, ms: by } => {
                signed(&format!("{path}.ms"), *by, 1_000 * MS_MAX)?;
                on(peer)
            }
        }
    }

    fn split(&self, path: &str, split: &Split) -> Checked {
        match split {
            Split::Isolate(one) => self.target(&format!("{path}.isolate"), one),
            Split::Bridge(one) => self.target(&format!("{path}.bridge"), one),
            Split::Pair(one, other) => {
                self.target(&format!("{path}.pair[0]"), one)?;
                self.target(&format!("{path}.pair[1]"), other)
            }
            Split::Sides(side) => {
                let mut side = side.iter().enumerate();
                side.try_for_each(|(nth, one)| {
                    peer(&format!("{path}.sides[{nth}]"), *one, self.voters)
                })
            }
            Split::LeaderInMinority | Split::Ring => Ok(()),
        }
    }
}

fn pattern(path: &str, pattern: &Pattern) -> Checked {
    let (field, kind) = match pattern {
        Pattern::Effect => return Ok(()),
        Pattern::Sync(device) => {
            return one_of(&format!("{path}.sync"), "device", device, &DEVICES);
        }
        Pattern::Behind(effect) => {
            return one_of(&format!("{path}.behind"), "durable effect", effect, &EFFECTS);
        }
        // Frames, writes and notes are named by protocols: which there are, a kit knows.
        Pattern::Send(kind) => ("send", kind),
        Pattern::Receive(kind) => ("receive", kind),
        Pattern::Write(kind) => ("write", kind),
        Pattern::Note(kind) => ("note", kind),
    };
    if kind.is_empty() {
        let hint = "`zoosim list moments` shows all kinds";
        return Err(Problem::new(&format!("{path}.{field}"), "is empty", hint));
    }
    Ok(())
}
