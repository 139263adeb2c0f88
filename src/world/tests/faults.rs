//! What the nemesis does, exactly, and that it stops.

use std::collections::BTreeSet;

use crate::history::Stop;
use crate::world::check::check as check_plan;

use super::*;

fn cut(split: Split, one_way: bool) -> Fault {
    Fault::Partition { split, one_way, clients: false, reset: false, ms: None }
}

fn moment(on: Pattern, by: Target, nth: u32, fault: Fault) -> Planned {
    Planned { when: When::Moment { on, by: Some(by), nth, from: 0, after_us: 0 }, fault }
}

/// Which peers heard of which others.
fn heard(seen: &[(At, Seen)]) -> BTreeSet<(u8, u8)> {
    let pair = |(_, seen): &(At, Seen)| match seen {
        Seen::Received { from, to, .. } => Some((from.0, to.0)),
        _ => None,
    };
    seen.iter().filter_map(pair).collect()
}

#[test]
fn each_partition_cuts_exactly_what_it_should() {
    type Cut<'a> = (Split, bool, &'a [(u8, u8)]);
    let five: [Cut<'_>; 6] = [
        (Split::Isolate(peer(2)), false, &[(2, 1), (2, 3), (2, 4), (2, 5)]),
        (Split::Isolate(peer(2)), true, &[(2, 1), (2, 3), (2, 4), (2, 5)]),
        (
            Split::Sides(vec![PeerId(1), PeerId(4)]),
            false,
            &[(1, 2), (1, 3), (1, 5), (4, 2), (4, 3), (4, 5)],
        ),
        (Split::Ring, false, &[(1, 3), (1, 4), (2, 4), (2, 5), (3, 5)]),
        (Split::Bridge(peer(3)), false, &[(1, 4), (1, 5), (2, 4), (2, 5)]),
        (Split::Pair(peer(1), peer(5)), false, &[(1, 5)]),
    ];
    for (split, one_way, pairs) in five {
        let mut plan = plan(5);
        let name = format!("{split:?} {one_way}");
        plan.faults = vec![at(500, cut(split, one_way))];
        let mut world = world(plan, chatter);
        assert_eq!(heard(&until(&mut world, 500)).len(), 20);
        let cut: BTreeSet<(u8, u8)> = pairs
            .iter()
            .flat_map(|(a, b)| if one_way { vec![(*a, *b)] } else { vec![(*a, *b), (*b, *a)] })
            .collect();
        let all = (1..=5).flat_map(|a| (1..=5).map(move |b| (a, b)));
        let open = all.filter(|(a, b)| a != b && !cut.contains(&(*a, *b))).collect();
        assert_eq!(heard(&until(&mut world, 5_000)), open, "{name}");
    }
}

#[test]
fn a_short_silent_cut_loses_nothing_and_a_long_one_times_out() {
    let run = |ms| {
        let mut plan = plan(2);
        let split = Split::Pair(peer(1), peer(2));
        let clients = false;
        let cut = Fault::Partition { split, one_way: false, clients, reset: false, ms: Some(ms) };
        plan.faults = vec![at(500, cut)];
        let mut world = world(plan, chatter);
        until(&mut world, 500 + ms + 1_000);
        let seen = until(&mut world, 500 + ms + 10_000);
        (world, seen)
    };
    let (short, seen) = run(5_000);
    assert_eq!(heard(&seen).len(), 2);
    assert!(short.stats().messages - short.stats().delivered < 10);
    let (long, seen) = run(20_000);
    assert_eq!(heard(&seen).len(), 2);
    assert!(long.stats().messages - long.stats().delivered > 1_000);
}

#[test]
fn a_moment_strikes_at_the_nth_match_and_in_the_middle_of_a_step() {
    let mut plan = plan(4);
    let crash = Fault::crash(Target::Same, None);
    plan.faults = vec![moment(Pattern::Send("PING".into()), peer(1), 5, crash)];
    let mut world = world(plan, chatter);
    let seen = until(&mut world, 1_000);
    let pings =
        |seen: &Seen| matches!(seen, Seen::Sent { from: PeerId(1), tag, .. } if tag.kind == "PING");
    // Three links: the fifth frame is the second of its step.
    assert_eq!(count(&seen, pings), 5);
    assert_eq!(count(&seen, |seen| matches!(seen, Seen::Stopped { peer: PeerId(1), .. })), 1);
}

#[test]
fn a_crash_at_a_write_strikes_before_what_follows_it() {
    let mut plan = plan(2);
    let crash = Fault::crash(Target::Same, Some(1000));
    plan.faults = vec![moment(Pattern::Write("TXN".into()), Target::Same, 5, crash)];
    plan.disk.keep = Ratio::new(1, 1);
    let mut world = world(plan, logger);
    let seen = until(&mut world, 1_500);
    let at = seen.iter().position(|(_, seen)| matches!(seen, Seen::Stopped { .. }));
    let at = at.expect("it crashes");
    assert!(matches!(seen[at - 1].1, Seen::Fault { kind: "crash", .. }));
    assert!(matches!(&seen[at - 2].1, Seen::Wrote { tag, .. } if tag.zxid == Zxid(5)));
    let image = seen.iter().find_map(|(_, seen)| match seen {
        Seen::Starting { incarnation: 2, image, damaged: false, .. } => Some(image),
        _ => None,
    });
    assert_eq!(image.expect("it restarts").get(&File::log("log.1")).map(<[u8]>::len), Some(500));
    assert_eq!(world.stats().crashes.keys().next(), Some(&("write", "TXN".to_string())));
}

#[test]
fn a_fault_follows_the_one_before_it_at_the_same_peer() {
    let mut plan = plan(3);
    let pause = Fault::Pause { peer: Target::Same, ms: 100 };
    plan.faults = vec![
        at(1000, Fault::crash(peer(3), Some(100))),
        Planned { when: When::Then(500), fault: pause },
    ];
    let mut world = world(plan, chatter);
    let seen = until(&mut world, 2_000);
    let faults = seen.iter().filter_map(|(at, seen)| match seen {
        Seen::Fault { kind, peer, .. } => Some((at.time.as_ms(), *kind, *peer)),
        _ => None,
    });
    let third = Some(PeerId(3));
    let all = [(1000, "crash", third), (1500, "pause", third), (1600, "resume", third)];
    assert_eq!(faults.collect::<Vec<_>>(), all);
}

#[test]
fn calm_stops_every_injector_and_undoes_what_they_did() {
    let mut plan = noisy();
    let often = Ratio::new(1, 20);
    plan.net.stall = often;
    plan.net.reset = often;
    (plan.net.refuse, plan.net.hang, plan.net.half_open) = (often, often, Ratio::new(1, 1));
    let (log, ever) = (String::from("log"), 10_000_000);
    plan.faults = vec![
        at(100, cut(Split::Isolate(peer(3)), false)),
        at(200, Fault::Hold { from: peer(1), to: peer(2), channel: None, ms: ever }),
        at(300, Fault::crash(peer(2), None)),
        at(400, Fault::Pause { peer: peer(1), ms: ever }),
        at(500, Fault::FreezeClock { peer: peer(1), ms: ever }),
        at(600, Fault::disk_hang(peer(3), &log, ever)),
        at(
            700,
            Fault::DiskError { peer: peer(3), device: log, error: "sync_eio".into(), count: 1000 },
        ),
        at(6_000, Fault::CrashAll { down: vec![] }),
        moment(Pattern::Send("PING".into()), peer(1), 3_000, Fault::ResetClients { peer: peer(1) }),
    ];
    plan.calm_at = 5_000;
    let mut world = world(plan, chatter);
    let before = until(&mut world, 5_000);
    assert!(count(&before, |seen| matches!(seen, Seen::Calm { .. })) == 1);
    let noise = world.stats().noise.clone();
    let after = until(&mut world, 60_000);
    assert_eq!(count(&after, |seen| matches!(seen, Seen::Fault { .. })), 0);
    assert_eq!(count(&after, |seen| matches!(seen, Seen::Stopped { .. })), 0);
    assert_eq!(world.stats().noise, noise);
    let late = until(&mut world, 61_000);
    assert_eq!(heard(&late).len(), 6);
    assert_eq!(count(&late, |seen| matches!(seen, Seen::LinkDown { .. })), 0);
}

#[test]
fn a_panic_is_recorded_and_the_peer_restarts() {
    fn fragile(toy: &mut Toy, event: Option<Event>, now: Now, fx: &mut Effects) {
        if toy.id.0 == 2
            && event == Some(Event::Timer(Timer("ping", 0)))
            && now.mono < Time::from_ms(20)
        {
            panic!("on purpose");
        }
        chatter(toy, event, now, fx);
    }
    let mut world = world(plan(3), fragile);
    let seen = until(&mut world, 5_000);
    let panic = Seen::Stopped { peer: PeerId(2), why: Stop::Panic("on purpose".into()) };
    assert_eq!(count(&seen, |seen| *seen == panic), 1);
    let again =
        |seen: &Seen| matches!(seen, Seen::Starting { peer: PeerId(2), incarnation: 2, .. });
    assert_eq!(count(&seen, again), 1);
    assert_eq!(heard(&until(&mut world, 6_000)).len(), 6);
}

#[test]
fn taking_a_fault_away_leaves_other_links_as_they_were() {
    let run = |faults| {
        let mut plan = plan(3);
        plan.net.stall = Ratio::new(1, 20);
        plan.net.stall_us = 30_000;
        plan.faults = faults;
        let mut world = world(plan, chatter);
        let seen = until(&mut world, 10_000);
        // Runs end with the first event after their time, whosever it is.
        let seen = seen.iter().filter(|(at, _)| at.time < Time::from_ms(10_000));
        let between = |(at, seen): &(At, Seen)| match seen {
            Seen::Sent { from, to, tag, .. } if from.0 + to.0 == 3 => {
                Some((at.time, "sent", *from, tag.kind))
            }
            Seen::Received { from, to, tag, .. } if from.0 + to.0 == 3 => {
                Some((at.time, "received", *from, tag.kind))
            }
            _ => None,
        };
        (world.digest(), seen.filter_map(between).collect::<Vec<_>>())
    };
    let crash = at(3_000, Fault::crash(peer(3), Some(2_000)));
    let (with, without) = (run(vec![crash]), run(vec![]));
    assert_ne!(with.0, without.0);
    assert!(with.1.len() > 1_000);
    assert!(with.1 == without.1);
}

#[test]
fn timers_follow_the_peers_clock_through_drift_and_freeze() {
    fn ticker(_: &mut Toy, event: Option<Event>, _: Now, fx: &mut Effects) {
        if event.is_some() {
            fact(fx, "tick", 0);
        }
        fx.set_timer_in(Timer("tick", 0), Duration::from_ms(1000));
    }
    let mut plan = plan(3);
    let clock = |id, drift_ppm| ClockPlan { peer: PeerId(id), wall_offset_ms: 0, drift_ppm };
    plan.clocks = vec![clock(2, 250_000), clock(3, -200_000)];
    plan.faults = vec![at(2_500, Fault::FreezeClock { peer: peer(1), ms: 700 })];
    let mut world = world(plan, ticker);
    let ticks = facts(&until(&mut world, 5_000), "tick");
    let of = |id| -> Vec<u64> { ticks.iter().filter(|t| t.0 == id).map(|t| t.2).collect() };
    assert_eq!(of(1), [1000, 2000, 3700, 4700]);
    assert_eq!(of(2), [800, 1600, 2400, 3200, 4000, 4800]);
    assert_eq!(of(3), [1250, 2500, 3750, 5000]);
}

#[test]
fn a_paused_peer_gets_everything_later_and_in_order() {
    let mut plan = plan(2);
    plan.faults = vec![at(1_000, Fault::Pause { peer: peer(2), ms: 1_000 })];
    let mut world = world(plan, chatter);
    until(&mut world, 1_005);
    let paused = until(&mut world, 1_995);
    assert_eq!(count(&paused, |seen| matches!(seen, Seen::Received { to: PeerId(2), .. })), 0);
    until(&mut world, 2_100);
    let stats = world.stats();
    assert!(stats.messages - stats.delivered < 10);
}

/// The first peer dials the second and sends it eight frames at once.
fn burst(toy: &mut Toy, event: Option<Event>, now: Now, fx: &mut Effects) {
    match event {
        None if toy.id.0 == 1 => fx.dial(PeerId(2), Channel::Quorum),
        Some(Event::LinkUp { link, dialed: true, .. }) => {
            for nth in 0..8 {
                fx.send(link, Tag::kind("BURST"), vec![nth]);
            }
            fx.when_drained(link);
            fact(fx, "up", now.mono.as_ms());
        }
        Some(Event::Received { bytes, .. }) => fact(fx, "got", u64::from(bytes[0])),
        Some(Event::Drained { .. }) => fact(fx, "drained", 0),
        None | Some(_) => {}
    }
}

/// Frames take ten milliseconds, and three of them fit into the link.
fn narrow(faults: Vec<Planned>) -> World {
    let mut plan = plan(2);
    plan.net.delay = Delay::Uniform { min_us: 10_000, max_us: 10_000 };
    plan.net.queue = 3;
    plan.faults = faults;
    world(plan, burst)
}

#[test]
fn what_a_full_queue_does_not_take_waits_at_its_sender_until_earlier_frames_have_arrived() {
    let mut world = narrow(Vec::new());
    let seen = until(&mut world, 1_000);
    let up = facts(&seen, "up")[0].2;
    let got: Vec<(u64, u64)> =
        facts(&seen, "got").iter().map(|(_, nth, at)| (*nth, at - up)).collect();
    let expected = [(0, 10), (1, 10), (2, 10), (3, 20), (4, 20), (5, 20), (6, 30), (7, 30)];
    assert_eq!(got, expected);
    let drained: Vec<u64> = facts(&seen, "drained").iter().map(|(.., at)| at - up).collect();
    assert_eq!(drained, [20], "once, when two of three are on their way");
    assert_eq!(world.stats().noise["queue_full"], 5);
}

#[test]
fn what_waits_in_a_full_queue_is_lost_with_its_link_and_with_its_sender() {
    for fault in [Fault::Reset { a: peer(1), b: peer(2) }, Fault::crash(peer(1), None)] {
        let crash = matches!(fault, Fault::Crash { .. });
        let mut world = narrow(vec![at(35, fault)]);
        let seen = until(&mut world, 100);
        let up = facts(&seen, "up")[0].2;
        assert_eq!(up, 20);
        let got: Vec<u64> = facts(&seen, "got").iter().map(|(_, nth, _)| *nth).collect();
        // What has set out still arrives from a sender that crashed.
        let expected: &[u64] = if crash { &[0, 1, 2, 3, 4, 5] } else { &[0, 1, 2] };
        assert_eq!(got, expected);
    }
}

#[test]
fn calm_opens_a_full_queue() {
    let mut plan = plan(2);
    plan.net.delay = Delay::Uniform { min_us: 10_000, max_us: 10_000 };
    (plan.net.queue, plan.calm_at) = (1, 35);
    let mut world = world(plan, burst);
    let got = facts(&until(&mut world, 1_000), "got");
    let late = got.iter().filter(|(.., at)| *at > 45).count();
    assert_eq!((got.len(), late), (8, 0), "{got:?}");
}

#[test]
fn what_lasts_is_not_undone_at_calm_and_leaves_the_core() {
    let mut plan = plan(5);
    plan.frail = vec![PeerId(4), PeerId(5)];
    let hang = Fault::DiskHang { peer: peer(5), device: "log".into(), ms: 0, lasting: true };
    let death = Fault::Crash { peer: peer(4), down: None, lasting: true, scatter: false };
    plan.faults = vec![
        at(100, hang),
        at(200, death),
        at(300, Fault::crash(peer(4), Some(50))),
        at(400, Fault::Revive {}),
        at(500, Fault::crash(peer(3), None)),
    ];
    plan.calm_at = 1_000;
    fn scribe(toy: &mut Toy, event: Option<Event>, now: Now, fx: &mut Effects) {
        match event {
            None => {
                fx.create(File::log("log.1"));
                fx.set_timer_in(Timer("write", 0), Duration::from_ms(10));
            }
            Some(Event::Timer(_)) => {
                fx.write_at(File::log("log.1"), 0, Tag::kind("TXN"), vec![toy.id.0]);
                fx.fsync(File::log("log.1"));
                fx.set_timer_in(Timer("write", 0), Duration::from_ms(10));
            }
            Some(_) => fact(fx, "done", now.mono.as_ms()),
        }
    }
    let mut world = world(plan, scribe);
    let seen = until(&mut world, 5_000);
    let core = seen.iter().find_map(|(_, seen)| match seen {
        Seen::Calm { core, .. } => Some(core.clone()),
        _ => None,
    });
    assert_eq!(core, Some(vec![PeerId(1), PeerId(2), PeerId(3)]));
    let late: Vec<_> =
        seen.iter().filter(|(at, _)| at.time > Time::from_ms(600)).cloned().collect();
    let starts = |id| {
        count(&late, |seen| matches!(seen, Seen::Starting { peer, .. } if *peer == PeerId(id)))
    };
    let syncs = |id| count(&late, |seen| matches!(seen, Seen::Synced { peer, .. } if peer.0 == id));
    assert_eq!((starts(3), starts(4)), (1, 0));
    assert!(syncs(1) > 10);
    assert_eq!((syncs(4), syncs(5)), (0, 0));
}

#[test]
fn what_lasts_or_scatters_strikes_only_frail_peers() {
    let mut plan = plan(3);
    plan.frail = vec![PeerId(3)];
    let crash =
        |id, lasting, scatter| at(1, Fault::Crash { peer: peer(id), down: None, lasting, scatter });
    let device = || "snap".to_string();
    let hang =
        |id| at(1, Fault::DiskHang { peer: peer(id), device: device(), ms: 0, lasting: true });
    for (sound, fault) in [
        (true, crash(3, true, true)),
        (true, crash(2, false, false)),
        (true, hang(3)),
        (false, crash(2, true, false)),
        (false, crash(2, false, true)),
        (false, hang(1)),
    ] {
        plan.faults = vec![fault];
        assert_eq!(check_plan(&plan).is_ok(), sound, "{:?}", plan.faults);
    }
}

#[test]
fn damage_to_a_peer_that_is_not_frail_is_refused_by_its_number() {
    let mut plan = plan(3);
    plan.frail = vec![PeerId(3)];
    let rot = |id| Fault::Rot { peer: peer(id), file: "log".into() };
    plan.faults = vec![at(1, rot(3)), at(2, rot(2))];
    assert!(check_plan(&plan).unwrap_err().starts_with("fault 1 (`rot`)"));
    plan.faults.pop();
    assert_eq!(check_plan(&plan), Ok(()));
    plan.frail.push(PeerId(2));
    assert!(check_plan(&plan).unwrap_err().contains("no minority"));
}

#[test]
fn damage_strikes_while_the_peer_is_down_and_is_told_at_its_start() {
    let mut plan = plan(3);
    plan.frail = vec![PeerId(1)];
    plan.faults = vec![
        at(100, Fault::Rot { peer: peer(1), file: "log".into() }),
        at(500, Fault::crash(peer(1), Some(100))),
        at(1_000, Fault::crash(peer(1), Some(100))),
        at(1_500, Fault::Wipe { peer: peer(1), down: 100 }),
    ];
    let mut world = world(plan, logger);
    let seen = until(&mut world, 2_000);
    let starts = seen.iter().filter_map(|(_, seen)| match seen {
        Seen::Starting { peer: PeerId(1), image, damaged, .. } => {
            Some((image.files.len(), *damaged))
        }
        _ => None,
    });
    let expected = [(0, false), (1, true), (1, false), (0, true)];
    assert_eq!(starts.collect::<Vec<_>>(), expected);
}
