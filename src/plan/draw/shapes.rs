//! Shapes of trouble: crashes, partitions, holds and pauses in the order that history's bugs
//! needed them. Uniform crashes hardly ever do what these do on purpose.

use crate::base::{Dice, Draw, PeerId};

use super::super::{Fault, Pattern, Planned, Split, Target, When};
use super::faults::{Style, length, target};
use super::{Setting, moments};

fn crash_of(when: When, peer: Target, down: u64) -> Planned {
    Planned { when, fault: Fault::crash(peer, Some(down)) }
}

/// A short time down: long enough to be missed, or not.
fn blink(setting: &Setting<'_>, dice: &mut Dice) -> u64 {
    dice.scale(1, setting.tick * 2)
}

/// Crashes, in one of the shapes.
pub fn crash(setting: &Setting<'_>, style: &Style, dice: &mut Dice, from: u64) -> Vec<Planned> {
    match dice.weighted(&[12, 20, 26, 16, 12, 36, 26, 6, 52, 20]) {
        0 => {
            let peer = target(setting, dice);
            let down = if dice.below(10) == 0 { None } else { Some(length(setting, style, dice)) };
            let when = moments::some(setting, dice, from, 0);
            vec![Planned { when, fault: Fault::crash(peer, down) }]
        }
        1 => at_a_moment(setting, style, dice, from),
        2 if dice.below(5) < 3 => laggard_founds(setting, dice, from),
        2 => shorter_first(setting, dice, from),
        3 => {
            let down = (0..setting.voters).map(|_| blink(setting, dice)).collect();
            // Just as a quorum is said to have it: the disks must, too.
            let when = match dice.below(10) {
                0..=3 => moments::sent("COMMIT", dice.scale(1, 40), from),
                _ => moments::some(setting, dice, from, 60),
            };
            vec![Planned { when, fault: Fault::CrashAll { down } }]
        }
        4 => leaders_in_a_row(setting, dice, from),
        5 => lone_log(setting, dice, from),
        6 if dice.below(2) == 0 => snap_cut_short(setting, dice, from),
        6 => long_absence(setting, dice, from),
        8 => deposed(setting, dice, from, true),
        9 => behind_a_rare_effect(setting, dice, from),
        _ => {
            let down = blink(setting, dice) + setting.tick;
            let gap = down + setting.election_ms() + setting.tick;
            let when = |nth: u8| if nth == 1 { When::At(from) } else { When::Then(gap) };
            let peers = 1..=setting.voters.min(3);
            peers.map(|nth| crash_of(when(nth), Target::Peer(PeerId(nth)), down)).collect()
        }
    }
}

/// Whoever does what is hardly ever done falls right behind it: many such things are done only in
/// the first moments, or after a long absence, so it is mostly waited for from the beginning.
fn behind_a_rare_effect(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let from = if dice.below(3) == 0 { from.min(setting.calm_at - 1) } else { 0 };
    let effect = *dice.pick::<&str>(&moments::RARE_EFFECTS);
    let nth = dice.between(1, 3) as u32;
    let on = Pattern::Behind(effect.to_string());
    let when = When::Moment { on, by: None, nth, from, after_us: 0 };
    let mut faults = Vec::new();
    if let "remove acceptedEpoch" | "remove currentEpoch" | "remove replaced" = effect {
        // It clears away what an earlier crash has left half done.
        let written = effect.replace("remove", dice.pick::<&str>(&["write", "fsync"]));
        let when = moments::behind(&written, None, from);
        faults.push(crash_of(when, Target::Same, blink(setting, dice)));
    }
    faults.push(crash_of(when, Target::Same, blink(setting, dice)));
    faults
}

/// Whoever does something crashes right after it, and perhaps the other end as well.
fn at_a_moment(setting: &Setting<'_>, style: &Style, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let when = moments::any(dice, from);
    let down = if dice.below(2) == 0 { blink(setting, dice) } else { length(setting, style, dice) };
    let mut faults = vec![crash_of(when, Target::Same, down)];
    if dice.below(3) == 0 {
        let gap = dice.scale(1, setting.tick);
        let peer = dice.pick(&[Target::Leader, Target::Longest, Target::Other]).clone();
        faults.push(crash_of(When::Then(gap), peer, length(setting, style, dice)));
    }
    faults
}

/// A follower crashes as it joins, then the leader, and the shorter log restarts first.
fn shorter_first(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let notes = [
        "epoch_accepted",
        "epoch_current",
        "new_leader_accepted",
        "up_to_date",
        "logged",
        "durable",
    ];
    let nth = dice.scale(1, 6);
    let joins = moments::note(dice.pick::<&str>(&notes), None, nth, from);
    let short = blink(setting, dice);
    let long = setting.election_ms() * 2 + dice.scale(1, setting.tick * 8);
    let gap = dice.scale(1, setting.tick);
    let mut faults =
        vec![crash_of(joins, Target::Same, short), crash_of(When::Then(gap), Target::Leader, long)];
    if dice.below(2) == 0 {
        // Then the one that knows most goes too, once the short one is back.
        let gap = short + dice.scale(1, setting.tick * 2);
        faults.push(crash_of(When::Then(gap), Target::Longest, long * 2));
    }
    faults
}

/// A follower that is behind is back just as the leader goes, and founds the next epoch with one
/// that is not. As it joins, both are lost; then it meets the old leader, which has the longer
/// history and the older epoch.
fn laggard_founds(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let behind = dice.scale(setting.tick, setting.tick * 8);
    let away = setting.election_ms() * 2 + dice.scale(1, setting.tick * 4);
    // By name: whoever it is then, the same one joins the epoch of the next leader.
    let laggard = Target::Peer(setting.peer(dice));
    let early = dice.below(setting.tick.min(behind));
    let notes = ["epoch_current", "epoch_current", "logged", "new_leader_accepted", "established"];
    let joins = (from + behind - early).min(setting.calm_at - 1);
    let by = Some(laggard.clone());
    let joins = moments::note(dice.pick::<&str>(&notes), by, 1, joins);
    let gap = dice.scale(1, setting.tick / 4 + 1);
    vec![
        crash_of(When::At(from), laggard, behind),
        crash_of(When::Then(behind - early), Target::Leader, away),
        crash_of(joins, Target::Same, blink(setting, dice)),
        crash_of(When::Then(gap), Target::Leader, away * 2),
    ]
}

/// Each leader crashes as soon as it is one.
fn leaders_in_a_row(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let notes = ["leading", "epoch_proposed", "leader_syncing", "established", "proposed"];
    let mut faults = vec![crash_of(When::At(from), Target::Leader, blink(setting, dice))];
    if dice.below(2) == 0 {
        faults.extend(unheard(setting, dice, from + 1));
        return faults;
    }
    let mut from = from;
    for _ in 0..dice.between(1, 3) {
        from = (from + dice.scale(1, setting.tick)).min(setting.calm_at - 1);
        let when = moments::note(dice.pick::<&str>(&notes), None, 1, from);
        let down = blink(setting, dice) + dice.below(2) * setting.tick * 4;
        faults.push(crash_of(when, Target::Same, down));
        from = (from + setting.election_ms()).min(setting.calm_at - 1);
    }
    faults
}

/// A founder falls behind its promise of the new epoch, before anybody hears of it, and again; the
/// others found one without it, and it comes back having promised more than they have.
fn unheard(setting: &Setting<'_>, dice: &mut Dice, mut from: u64) -> Vec<Planned> {
    let mut faults = Vec::new();
    let rounds = dice.between(2, 3);
    for round in 1..=rounds {
        from = from.min(setting.calm_at - 1);
        let down = match round == rounds {
            true => setting.election_ms() * 2 + dice.scale(1, setting.tick * 4),
            false => dice.scale(1, setting.tick / 4 + 1),
        };
        let when = moments::behind("rename acceptedEpoch", None, from);
        faults.push(crash_of(when, Target::Same, down));
        from += dice.scale(1, setting.tick / 4 + 1);
    }
    faults
}

/// A leader logs what nobody else gets, dies or is deposed, and comes back after the others have
/// moved on: its tail must be cut (TRUNC).
fn lone_log(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let alone = setting.tick * setting.sync_limit + dice.scale(1, setting.tick * 4);
    let isolate = Fault::Partition {
        split: Split::Isolate(Target::Leader),
        one_way: dice.below(2) == 0,
        clients: false,
        reset: false,
        ms: Some(alone + setting.election_ms() * 2),
    };
    // Cut off between proposing and sending, it is sure to have something that nobody else has.
    let when = match dice.below(5) {
        0 => When::At(from),
        _ => moments::note("proposed", None, dice.scale(1, 4), from),
    };
    let mut faults = vec![Planned { when, fault: isolate }];
    if dice.below(2) == 0 {
        faults.push(back(setting, dice, from));
    } else if dice.below(3) == 0 {
        let gap = dice.scale(setting.tick / 4 + 1, alone);
        let down = setting.election_ms() * 3 + dice.scale(1, setting.tick * 8);
        faults.push(crash_of(When::Then(gap), Target::Same, down));
        if dice.below(3) == 0 {
            // Twice down before it hears of the others: what it replays must not stick.
            let again = down + dice.scale(1, setting.tick / 2 + 1);
            faults.push(crash_of(When::Then(again), Target::Same, blink(setting, dice)));
        }
    }
    faults
}

/// A leader proposes what nobody else hears of: it loses its links in the middle of proposing, and
/// its power, if it may, as soon as it can have logged it. The others elect, and it is back before
/// they have written much: TRUNC. Where it was away for longer, its tail is out of the window.
fn deposed(setting: &Setting<'_>, dice: &mut Dice, from: u64, dies: bool) -> Vec<Planned> {
    let from = from.min(setting.calm_at - 1);
    let away = setting.election_ms() + dice.scale(1, setting.tick * 4);
    // Mostly it is back as soon as another leads: nothing of the new epoch is committed yet.
    let soon = dice.below(4) > 0;
    let away = if soon { away + setting.tick * 20 } else { away };
    // Long enough for a sync of the log.
    let gap = dice.scale(2, setting.tick / 2 + 4);
    let dies = dies && dice.below(4) > 0;
    let isolate = Fault::Partition {
        split: Split::Isolate(Target::Same),
        one_way: dies && dice.below(3) == 0,
        clients: false,
        reset: !dies,
        ms: Some(if dies { gap + 1 } else { away }),
    };
    let when = moments::note("proposed", Some(Target::Leader), dice.scale(1, 6), from);
    let mut faults = vec![Planned { when, fault: isolate }];
    if dies {
        faults.push(crash_of(When::Then(gap), Target::Same, away));
    }
    if soon {
        faults.push(back(setting, dice, from + gap));
    }
    faults
}

/// Everybody is back as soon as another leads.
fn back(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Planned {
    let note = *dice.pick(&["leading", "leader_syncing", "established"]);
    let when = moments::note(note, None, 1, from.min(setting.calm_at - 1));
    Planned { when, fault: Fault::Revive {} }
}

/// A follower misses a third of the run: it comes back to SNAP or a DIFF from disk, perhaps of a
/// new epoch, and perhaps dies before it has written down all of it.
fn long_absence(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let down = dice.between(setting.calm_at / 8, setting.calm_at / 3);
    let peer = Target::Follower(dice.below(u64::from(setting.voters)) as u8);
    let mut faults = vec![crash_of(When::At(from), peer, down)];
    if dice.below(2) == 0 {
        let gap = dice.scale(1, down / 2);
        faults.push(crash_of(When::Then(gap), Target::Leader, blink(setting, dice)));
    }
    if dice.below(2) == 0 {
        let from = (from + down).min(setting.calm_at - 1);
        let when = match dice.below(4) {
            0 => moments::wrote("currentEpoch", 1, from),
            2 => moments::behind("remove replaced", None, from),
            1 => moments::wrote("replaced", dice.between(1, 2), from),
            _ => moments::note("new_leader_accepted", None, 1, from),
        };
        faults.push(crash_of(when, Target::Same, blink(setting, dice)));
    }
    faults
}

/// A peer that was away for long is sent a snapshot, and its leader goes while the snapshot is on
/// its way to the disk. The next leader brings it up to date, and then it must start from its disk:
/// what only its memory had is no history.
fn snap_cut_short(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let down = dice.between(setting.calm_at / 8, setting.calm_at / 3);
    let peer = Target::Peer(setting.peer(dice));
    let by = Some(peer.clone());
    let back = (from + down).min(setting.calm_at - 1);
    let (on, after_us) = (Pattern::Receive("SNAP".to_string()), dice.scale(1, 40_000));
    let after_us = if dice.below(2) == 0 { 0 } else { after_us };
    let cut = When::Moment { on, by: by.clone(), nth: 1, from: back, after_us };
    let away = setting.election_ms() * 2 + dice.scale(1, setting.tick * 4);
    let on = Pattern::Note("up_to_date".to_string());
    let after_us = dice.scale(1, setting.tick * 4) * 1_000;
    let served = When::Moment { on, by, nth: 1, from: back, after_us };
    vec![
        crash_of(When::At(from), peer.clone(), down),
        crash_of(cut, Target::Leader, away),
        crash_of(served, peer, blink(setting, dice)),
    ]
}

/// A partition, or a few in a row.
pub fn partition(setting: &Setting<'_>, style: &Style, dice: &mut Dice, from: u64) -> Vec<Planned> {
    if dice.below(6) == 0 {
        return deposed(setting, dice, from, false);
    }
    let mut faults = Vec::new();
    let mut when = moments::some(setting, dice, from, 35);
    let rounds = if style.long { 1 } else { dice.between(1, 3) };
    for round in 0..rounds {
        let split = split(setting, dice);
        let leader = matches!(split, Split::LeaderInMinority | Split::Isolate(Target::Leader));
        // A leader cut off in the middle of a broadcast, for long enough to be deposed, is the one
        // whose tail must be cut.
        let deposed = leader && dice.below(3) > 0;
        let ms = match dice.below(10) {
            0 if !deposed => None,
            1..=4 => Some(setting.tick * (setting.sync_limit + dice.between(1, 8))),
            _ if deposed => Some(setting.tick * setting.sync_limit + setting.election_ms() * 2),
            _ => Some(length(setting, style, dice)),
        };
        if deposed && round == 0 {
            when = moments::note("proposed", None, dice.scale(1, 4), from);
        }
        let fault = Fault::Partition {
            split,
            one_way: dice.below(4) == 0,
            clients: dice.below(2) == 0,
            reset: dice.below(3) == 0,
            ms,
        };
        faults.push(Planned { when, fault });
        when = When::Then(ms.unwrap_or(setting.tick * 4) + dice.scale(1, setting.tick * 2));
    }
    faults
}

/// How the network is cut. A ring of three cuts nothing, so the large ensembles make up for it.
fn split(setting: &Setting<'_>, dice: &mut Dice) -> Split {
    let ring = if setting.voters > 3 { 80 } else { 0 };
    match dice.weighted(&[16, 16, 12, ring, 16, 16]) {
        0 => Split::Isolate(target(setting, dice)),
        1 => Split::LeaderInMinority,
        2 => {
            let mut side = setting.peers();
            dice.shuffle(&mut side);
            side.truncate(dice.between(1, u64::from(setting.voters - 1)) as usize);
            side.sort_unstable();
            Split::Sides(side)
        }
        3 => Split::Ring,
        4 => Split::Bridge(target(setting, dice)),
        _ => {
            let one = setting.peer(dice);
            let step = dice.between(1, u64::from(setting.voters - 1)) as u8;
            let other = PeerId((one.0 - 1 + step) % setting.voters + 1);
            match dice.below(2) {
                0 => Split::Pair(Target::Leader, Target::Follower(one.0)),
                _ => Split::Pair(Target::Peer(one), Target::Peer(other)),
            }
        }
    }
}

/// Streams that are late, and links that break.
pub fn hold(setting: &Setting<'_>, style: &Style, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let mut faults = Vec::new();
    let mut when = moments::some(setting, dice, from, 50);
    for _ in 0..dice.between(1, 4) {
        let follower = Target::Follower(dice.below(u64::from(setting.voters)) as u8);
        let (a, b) = match dice.below(3) {
            0 => (Target::Leader, follower),
            1 => (follower, Target::Leader),
            _ => (target(setting, dice), target(setting, dice)),
        };
        let fault = if dice.below(4) == 0 {
            Fault::Reset { a, b }
        } else {
            let channel = match dice.below(3) {
                0 => None,
                1 => Some("election".to_string()),
                _ => Some("quorum".to_string()),
            };
            Fault::Hold { from: a, to: b, channel, ms: length(setting, style, dice) }
        };
        faults.push(Planned { when, fault });
        when = When::Then(dice.below(2) * dice.scale(1, setting.tick));
    }
    faults
}

/// A peer stands still for longer than others wait for it, and wakes up believing that it leads.
pub fn pause(setting: &Setting<'_>, dice: &mut Dice, from: u64) -> Vec<Planned> {
    let peer = target(setting, dice);
    let most = (setting.tick * 20).min(setting.calm_at / 3);
    let fault = Fault::Pause { peer, ms: dice.scale(setting.tick, most.max(setting.tick + 1)) };
    vec![Planned { when: moments::some(setting, dice, from, 40), fault }]
}
