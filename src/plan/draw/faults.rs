//! Faults: a few long episodes or many short ones, of the families that this seed has.

use crate::base::{Dice, Draw, PeerId};

use super::super::scenario::Scenario;
use super::super::{ClientPlan, Fault, Pattern, Planned, Target, When};
use super::{Setting, moments, shapes};

/// Families of faults: name, and in how many seeds of a hundred it takes part.
const FAMILIES: [(&str, u64); 7] = [
    ("crash", 65),
    ("partition", 60),
    ("hold", 30),
    ("pause", 30),
    ("client", 35),
    ("disk_fault", 25),
    ("clock", 20),
];

/// How one seed breaks things.
pub struct Style {
    /// Few and long, instead of many and short.
    pub long: bool,
    /// Clients are there to be cut off.
    pub clients: u32,
}

/// The faults that the swarm adds; frail peers are chosen here if the seed has any.
pub fn draw(setting: &Setting<'_>, clients: u32, frail: &mut Vec<PeerId>) -> Vec<Planned> {
    if setting.quiet {
        return Vec::new();
    }
    let mut dice = setting.dice("faults");
    let (low, high) = setting.swarm.faults;
    let style = Style { long: dice.below(2) == 0, clients };
    if setting.rot {
        return cap(rot(setting, &style, frail), high);
    }
    let on = families(setting, &mut dice);
    if on.is_empty() || high == 0 {
        return Vec::new();
    }
    let episodes = if style.long { dice.between(1, 2) } else { dice.between(2, 6) };
    let mut starts: Vec<u64> = (0..episodes).map(|_| start(setting, &mut dice)).collect();
    starts.sort_unstable();
    let mut faults = Vec::new();
    let mut nth = 0;
    while nth < starts.len() || ((faults.len() as u64) < low && nth < 64) {
        let from = starts.get(nth).copied().unwrap_or_else(|| start(setting, &mut dice));
        // Each episode has dice of its own: one more leaves the others as they are.
        let mut dice = setting.dice(&format!("episode/{nth}"));
        faults.extend(episode(setting, &style, &mut dice, on[nth % on.len()], from));
        nth += 1;
    }
    cap(faults, high)
}

/// The families of this seed, in random order; at least one if any is allowed.
fn families(setting: &Setting<'_>, dice: &mut Dice) -> Vec<&'static str> {
    let mut on = Vec::new();
    let mut off = Vec::new();
    for (family, percent) in FAMILIES {
        let chosen = dice.below(100) < percent;
        let alone = setting.voters == 1 && matches!(family, "partition" | "hold");
        if setting.swarm.allows(family) && !alone {
            if chosen { on.push(family) } else { off.push(family) }
        }
    }
    if on.is_empty() && !off.is_empty() {
        on.push(*dice.pick(&off));
    }
    dice.shuffle(&mut on);
    on
}

/// When an episode begins: some in the middle of the first election, none too late to matter.
fn start(setting: &Setting<'_>, dice: &mut Dice) -> u64 {
    let end = setting.calm_at * 8 / 10;
    if dice.below(6) == 0 {
        dice.below(setting.election_ms().min(end))
    } else {
        dice.between(setting.election_ms().min(end), end)
    }
}

fn cap(mut faults: Vec<Planned>, most: u64) -> Vec<Planned> {
    faults.truncate(most as usize);
    faults
}

/// One to some faults of one family, beginning at about `from`.
fn episode(
    setting: &Setting<'_>,
    style: &Style,
    dice: &mut Dice,
    family: &str,
    from: u64,
) -> Vec<Planned> {
    match family {
        "crash" => shapes::crash(setting, style, dice, from),
        "partition" => shapes::partition(setting, style, dice, from),
        "hold" => shapes::hold(setting, style, dice, from),
        "pause" => shapes::pause(setting, dice, from),
        "client" => client(setting, style, dice, from),
        "disk_fault" => disk(setting, style, dice, from),
        _ => clock(setting, dice, from),
    }
}

/// How long something lasts that heals by itself.
pub fn length(setting: &Setting<'_>, style: &Style, dice: &mut Dice) -> u64 {
    if style.long {
        let most = (setting.calm_at / 3).max(setting.tick + 1);
        dice.between(setting.tick, most)
    } else {
        dice.scale(setting.tick / 4, setting.tick * 4)
    }
}

/// Whom a fault strikes.
pub fn target(setting: &Setting<'_>, dice: &mut Dice) -> Target {
    match dice.weighted(&[35, 25, 20, 10, 10]) {
        0 => Target::Leader,
        1 => Target::Follower(dice.below(u64::from(setting.voters)) as u8),
        2 => Target::Peer(setting.peer(dice)),
        3 => Target::Shortest,
        _ => Target::Longest,
    }
}

/// Clients lose their servers, for less or more than their sessions live.
fn client(setting: &Setting<'_>, style: &Style, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let mut faults = Vec::new();
    let mut when = moments::some(setting, dice, from, 20);
    for _ in 0..dice.between(1, 3) {
        let fault = if dice.below(3) == 0 || style.clients == 0 {
            Fault::ResetClients { peer: target(setting, dice) }
        } else {
            let client = dice.between(1, u64::from(style.clients)) as u32;
            let all = dice.below(2) == 0;
            let one = setting.peer(dice);
            let servers = if all { Vec::new() } else { vec![one] };
            Fault::CutClient { client, servers, ms: dice.scale(setting.tick, setting.tick * 24) }
        };
        faults.push(Planned { when, fault });
        when = When::Then(dice.scale(1, setting.tick * 4));
    }
    faults
}

/// A device fails, hangs or is slow. Everyone may be struck: it passes, and halting is right.
fn disk(setting: &Setting<'_>, style: &Style, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let peer = target(setting, dice);
    let log = dice.below(3) > 0;
    let device = if log { "log" } else { "snap" }.to_string();
    let fault = match dice.below(3) {
        0 => {
            let errors = ["write_eio", "enospc", "sync_eio", "read_eio"];
            let error = (*dice.pick(&errors)).to_string();
            if log && error == "sync_eio" && dice.below(2) == 0 {
                // The next sync behind these is that of the directory.
                let name = dice.pick::<&str>(&["remove log", "rename replaced", "fsync log"]);
                let when = moments::behind(name, None, from.min(setting.calm_at - 1));
                let fault = Fault::DiskError { peer: Target::Same, device, error, count: 1 };
                return vec![Planned { when, fault }];
            }
            Fault::DiskError { peer, device, error, count: dice.scale(1, 8) as u32 }
        }
        1 => {
            let most = setting.tick * setting.sync_limit * 2;
            Fault::disk_hang(peer, &device, dice.scale(setting.tick / 2, most))
        }
        _ => {
            let extra_us = dice.scale(1_000, setting.tick * 1_000);
            Fault::DiskSlow { peer, device, extra_us, ms: length(setting, style, dice) }
        }
    };
    vec![Planned { when: moments::some(setting, dice, from, 40), fault }]
}

/// A clock steps or stands still.
fn clock(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let peer = target(setting, dice);
    let fault = if dice.below(2) == 0 {
        let size = dice.scale(1, 100_000_000) as i64;
        Fault::WallStep { peer, ms: if dice.below(2) == 0 { size } else { -size } }
    } else {
        Fault::FreezeClock { peer, ms: dice.scale(setting.tick / 2, setting.tick * 12) }
    };
    vec![Planned { when: moments::some(setting, dice, from, 10), fault }]
}

/// Whether this is one of the seeds, a tenth of them, where frail peers lose or damage what they
/// stored. Nothing else goes wrong in such a seed but clients and slowness.
///
/// What a disk loses without a trace (the newest log, a write that went elsewhere, a flipped bit
/// that looks like a torn tail) takes an acknowledgement back, and an election without one more
/// holder would then lose a committed transaction: no protocol survives that. As long as the
/// others stay up and hear each other, they elect among themselves.
pub fn rots(scenario: &Scenario, seed: u64, voters: u8) -> bool {
    let swarm = &scenario.swarm;
    // A scenario that names its frail peers, or allows no other fault, means every seed.
    let others = FAMILIES.iter().any(|(name, _)| swarm.allows(name));
    let chosen = Dice::new(seed, "plan/rots").below(100) < 11;
    swarm.allows("rot") && voters >= 3 && (chosen || !others || !scenario.frail.is_empty())
}

/// The faults of a seed whose frail peers forget; they are chosen here unless named.
fn rot(setting: &Setting<'_>, style: &Style, frail: &mut Vec<PeerId>) -> Vec<Planned> {
    let mut dice = setting.dice("rot");
    if frail.is_empty() {
        let mut peers = setting.peers();
        dice.shuffle(&mut peers);
        peers.truncate(dice.between(1, u64::from(setting.voters - 1) / 2) as usize);
        peers.sort_unstable();
        *frail = peers;
    }
    let mut faults = Vec::new();
    for _ in 0..dice.between(1, 4) {
        let from = start(setting, &mut dice);
        let peer = Target::Peer(*dice.pick(frail));
        // Longer than an election, so that it comes back to a leader.
        let down = setting.election_ms() * 3 + dice.scale(1, setting.tick * 8);
        let file = (*dice.pick(&["log", "snapshot", "epoch"])).to_string();
        let when = When::At(from);
        let damage = match dice.below(5) {
            0 => {
                faults.push(Planned { when, fault: Fault::Wipe { peer: peer.clone(), down } });
                if dice.below(2) == 0 {
                    // And once more, on its way back from nothing.
                    let steps = ["remove unsynced", "create snapshot", "rename currentEpoch"];
                    let when = moments::behind(dice.pick::<&str>(&steps), Some(peer.clone()), from);
                    let down = Some(dice.scale(1, setting.tick * 4));
                    faults.push(Planned { when, fault: Fault::crash(peer, down) });
                }
                continue;
            }
            1 | 2 => Fault::Rot { peer: peer.clone(), file },
            3 => Fault::LoseFile { peer: peer.clone(), file, empty: dice.below(2) == 0 },
            _ => Fault::Misdirect { peer: peer.clone() },
        };
        faults.push(Planned { when, fault: damage });
        let when = When::Then(dice.scale(1, setting.tick * 4));
        faults.push(Planned { when, fault: Fault::crash(peer, Some(down)) });
    }
    faults.extend(scattered(setting, frail));
    faults.extend(lasting(setting, frail));
    let mut dice = setting.dice("rot/client");
    if setting.allows("client") && dice.below(3) == 0 {
        let from = start(setting, &mut dice);
        faults.extend(client(setting, style, &mut dice, from));
    }
    faults
}

/// Where peers stay broken, each client knows one that does not.
pub fn leave_servers(
    planned: &[Planned],
    frail: &[PeerId],
    voters: u8,
    clients: &mut [ClientPlan],
) {
    let lasts = |planned: &Planned| {
        matches!(
            planned.fault,
            Fault::Crash { lasting: true, .. } | Fault::DiskHang { lasting: true, .. }
        )
    };
    let sound = (1..=voters).map(PeerId).find(|peer| !frail.contains(peer));
    let Some(sound) = sound.filter(|_| planned.iter().any(lasts)) else { return };
    for client in clients {
        if !client.servers.is_empty() && client.servers.iter().all(|peer| frail.contains(peer)) {
            client.servers.push(sound);
        }
    }
}

/// A frail peer loses power between a write and its sync, and any of its pages survive.
fn scattered(setting: &Setting<'_>, frail: &[PeerId]) -> Vec<Planned> {
    let mut dice = setting.dice("rot/scattered");
    if dice.below(2) == 0 {
        return Vec::new();
    }
    let from = start(setting, &mut dice);
    let peer = Target::Peer(*dice.pick(frail));
    let kind = *dice.pick(&["record", "record", "snapshot", "log_header"]);
    let when = When::Moment {
        on: Pattern::Write(kind.to_string()),
        by: Some(peer.clone()),
        nth: dice.scale(1, 12) as u32,
        from,
        after_us: dice.below(2) * dice.scale(1, 2_000),
    };
    let down = Some(setting.election_ms() + dice.scale(1, setting.tick * 4));
    let fault = Fault::Crash { peer, down, lasting: false, scatter: true };
    vec![Planned { when, fault }]
}

/// In a few of these seeds a frail peer stays down, or one of its devices does.
fn lasting(setting: &Setting<'_>, frail: &[PeerId]) -> Vec<Planned> {
    let mut dice = setting.dice("rot/lasting");
    let from = start(setting, &mut dice);
    let peer = Target::Peer(*dice.pick(frail));
    let fault = match dice.below(10) {
        0 | 1 => Fault::Crash { peer, down: None, lasting: true, scatter: dice.below(2) == 0 },
        2 => {
            let device = (*dice.pick(&["log", "snap"])).to_string();
            Fault::DiskHang { peer, device, ms: 0, lasting: true }
        }
        _ => return Vec::new(),
    };
    vec![Planned { when: moments::some(setting, &mut dice, from, 30), fault }]
}
