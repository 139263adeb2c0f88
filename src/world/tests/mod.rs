//! Claims about the machine room, made with processes of a few lines.

mod disks;
mod faults;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{ConnId, Duration, LinkId, PeerId, Ratio, Ticket, Time, Zxid};
use crate::history::{At, Seen};
use crate::plan::*;
use crate::process::*;

use super::*;

/// What a test process does at its events; the state is a few words so that forks are trivial.
#[derive(Clone)]
struct Toy {
    id: PeerId,
    act: fn(&mut Toy, Option<Event>, Now, &mut Effects),
    links: BTreeMap<LinkId, PeerId>,
    counts: [u64; 4],
    peers: u8,
    inbox: BTreeMap<ConnId, Vec<u8>>,
}

impl Process for Toy {
    fn start(&mut self, now: Now, fx: &mut Effects) {
        (self.act)(self, None, now, fx);
    }

    fn step(&mut self, now: Now, event: Event, fx: &mut Effects) {
        match &event {
            Event::LinkUp { link, peer, .. } => {
                self.links.insert(*link, *peer);
            }
            Event::LinkDown { link, .. } => {
                self.links.remove(link);
            }
            _ => {}
        }
        (self.act)(self, Some(event), now, fx);
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

type ActFn = fn(&mut Toy, Option<Event>, Now, &mut Effects);

fn fact(fx: &mut Effects, name: &'static str, value: u64) {
    fx.note(Note::Fact { name, value });
}

fn plan(voters: u8) -> Plan {
    let fixed = |us| Delay::Uniform { min_us: us, max_us: us };
    let spread = Delay::Uniform { min_us: 200, max_us: 2_000 };
    Plan {
        zoosim: "plan/1".into(),
        scenario: "toy".into(),
        seed: 1,
        title: "toy".into(),
        why: "tests".into(),
        expect: Expect::Pass,
        protocol: "toy".into(),
        bugs: Vec::new(),
        invariants: Vec::new(),
        voters,
        knobs: BTreeMap::new(),
        key: 7,
        initial_counter: 0,
        net: NetNoise {
            delay: spread,
            client_delay: spread,
            slow: Vec::new(),
            stall: Ratio::NEVER,
            stall_us: 0,
            reset: Ratio::NEVER,
            client_reset: Ratio::NEVER,
            refuse: Ratio::NEVER,
            hang: Ratio::NEVER,
            half_open: Ratio::NEVER,
            queue: 1000,
        },
        disk: DiskNoise {
            log_sync: fixed(5_000),
            snap_sync: fixed(5_000),
            read: fixed(100),
            garbage: Ratio::NEVER,
            keep: Ratio::NEVER,
            sector: 512,
        },
        work: WorkNoise { delay: fixed(10), slow: Vec::new() },
        clocks: Vec::new(),
        clients: Vec::new(),
        faults: Vec::new(),
        forks: Vec::new(),
        frail: Vec::new(),
        calm_at: 60_000,
        settle: 0,
    }
}

fn world(plan: Plan, act: ActFn) -> World {
    let peers = plan.voters;
    let boot = move |boot: Boot| {
        let toy = Toy {
            id: boot.spec.id,
            act,
            links: BTreeMap::new(),
            counts: [0; 4],
            peers,
            inbox: BTreeMap::new(),
        };
        Ok(Box::new(toy) as Box<dyn Process>)
    };
    let programs = plan.clients.iter().map(|_| None).collect();
    let cast = Cast { boot: Arc::new(boot), images: Vec::new(), programs };
    World::new(Arc::new(plan), cast).expect("the plan is sound")
}

fn at(ms: u64, fault: Fault) -> Planned {
    Planned { when: When::At(ms), fault }
}

fn peer(id: u8) -> Target {
    Target::Peer(PeerId(id))
}

/// Runs until a time; what was seen, with when.
fn until(world: &mut World, ms: u64) -> Vec<(At, Seen)> {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    while let Some(at) = world.step(&mut out) {
        all.extend(out.drain(..).map(|seen| (at, seen)));
        if at.time >= Time::from_ms(ms) {
            break;
        }
    }
    all
}

fn facts(seen: &[(At, Seen)], wanted: &str) -> Vec<(u8, u64, u64)> {
    let fact = |(at, seen): &(At, Seen)| match seen {
        Seen::Noted { peer, note: Note::Fact { name, value } } if *name == wanted => {
            Some((peer.0, *value, at.time.as_ms()))
        }
        _ => None,
    };
    seen.iter().filter_map(fact).collect()
}

fn count(seen: &[(At, Seen)], wanted: impl Fn(&Seen) -> bool) -> usize {
    seen.iter().filter(|(_, seen)| wanted(seen)).count()
}

/// Everyone dials those with larger ids, again after a loss, and answers every ping with a pong;
/// pings go out every 10 ms with a running number.
fn chatter(toy: &mut Toy, event: Option<Event>, _: Now, fx: &mut Effects) {
    let again = Duration::from_ms(50);
    match event {
        None => {
            for other in toy.id.0 + 1..=toy.peers {
                fx.dial(PeerId(other), Channel::Quorum);
            }
            fx.set_timer(Timer("ping", 0), Duration::from_ms(5)..Duration::from_ms(15));
        }
        Some(Event::DialFailed { peer, .. }) => {
            fx.set_timer_in(Timer("dial", peer.0.into()), again)
        }
        Some(Event::LinkDown { .. }) => {
            fact(fx, "down", 0);
            for other in toy.id.0 + 1..=toy.peers {
                if !toy.links.values().any(|peer| peer.0 == other) {
                    fx.set_timer_in(Timer("dial", other.into()), again);
                }
            }
        }
        Some(Event::Timer(Timer("dial", other))) => fx.dial(PeerId(other as u8), Channel::Quorum),
        Some(Event::Timer(_)) => {
            toy.counts[0] += 1;
            for link in toy.links.keys() {
                fx.send(*link, Tag::kind("PING"), toy.counts[0].to_le_bytes().to_vec());
            }
            fx.set_timer(Timer("ping", 0), Duration::from_ms(5)..Duration::from_ms(15));
        }
        Some(Event::Received { link, bytes }) => {
            if bytes.len() == 8 {
                fx.send(link, Tag::kind("PONG"), vec![1]);
            }
        }
        Some(_) => {}
    }
}

fn noisy() -> Plan {
    let mut plan = plan(3);
    plan.net.stall = Ratio::new(1, 50);
    plan.net.stall_us = 20_000;
    plan.net.reset = Ratio::new(1, 200);
    plan.net.half_open = Ratio::new(1, 3);
    plan.net.refuse = Ratio::new(1, 5);
    plan.net.hang = Ratio::new(1, 10);
    plan.faults = vec![
        at(500, Fault::crash(peer(2), Some(700))),
        at(900, Fault::Pause { peer: peer(1), ms: 300 }),
        at(
            2000,
            Fault::Partition {
                split: Split::Isolate(peer(3)),
                one_way: true,
                clients: false,
                reset: false,
                ms: Some(20_000),
            },
        ),
    ];
    plan
}

#[test]
fn the_same_plan_gives_the_same_digest_and_another_key_another() {
    let run = |key| {
        let mut world = world(Plan { key, ..noisy() }, chatter);
        let seen = until(&mut world, 40_000);
        (world.digest(), seen)
    };
    let (a, b, c) = (run(7), run(7), run(8));
    assert_eq!(a.0, b.0);
    assert!(a.1 == b.1);
    assert_ne!(a.0, c.0);
}

#[test]
fn a_clone_goes_on_exactly_as_the_original() {
    let mut world = world(noisy(), chatter);
    until(&mut world, 2_500);
    let mut twin = world.clone();
    let (here, there) = (until(&mut world, 30_000), until(&mut twin, 30_000));
    assert!(here.len() > 1000);
    assert!(here == there);
    assert_eq!(world.digest(), twin.digest());
    assert_eq!(world.stats(), twin.stats());
}

#[test]
fn frames_of_a_link_arrive_in_the_order_of_sending() {
    fn numbers(toy: &mut Toy, event: Option<Event>, now: Now, fx: &mut Effects) {
        if let Some(Event::Received { bytes, .. }) = &event
            && bytes.len() == 8
        {
            fact(fx, "got", u64::from_le_bytes(bytes[..].try_into().unwrap()));
        }
        chatter(toy, event, now, fx);
    }
    let mut plan = plan(2);
    plan.net.delay = Delay::LogUniform { min_us: 1, max_us: 100_000 };
    let mut world = world(plan, numbers);
    let got = facts(&until(&mut world, 20_000), "got");
    for id in [1, 2] {
        let numbers: Vec<u64> = got.iter().filter(|got| got.0 == id).map(|got| got.1).collect();
        assert!(numbers.len() > 1000);
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

#[test]
fn a_reset_drops_what_is_in_flight_and_tells_both_ends() {
    let mut plan = plan(2);
    let fixed = Delay::Uniform { min_us: 100_000, max_us: 100_000 };
    plan.net.delay = fixed;
    plan.faults = vec![at(1000, Fault::Reset { a: peer(1), b: peer(2) })];
    let mut world = world(plan, chatter);
    let before = until(&mut world, 999);
    let after = until(&mut world, 1_200);
    let sent = count(&before, |seen| matches!(seen, Seen::Sent { .. }));
    let got = count(&before, |seen| matches!(seen, Seen::Received { .. }));
    assert!(sent > got + 5, "{sent} sent, {got} received");
    assert_eq!(count(&after, |seen| matches!(seen, Seen::Received { .. })), 0);
    let down: Vec<u8> = facts(&after, "down").iter().map(|down| down.0).collect();
    assert_eq!(down, [1, 2]);
}

/// Writes a numbered record every 10 ms and syncs it; tells peer 2 once it is durable.
fn logger(toy: &mut Toy, event: Option<Event>, _: Now, fx: &mut Effects) {
    let file = File::log("log.1");
    match event {
        None => {
            if toy.id.0 == 1 {
                fx.create(file);
                fx.fsync_dir(Device::Log);
                fx.dial(PeerId(2), Channel::Quorum);
            }
        }
        Some(Event::LinkUp { .. }) if toy.id.0 == 1 => {
            fx.set_timer_in(Timer("write", 0), Duration::from_ms(10));
        }
        Some(Event::Timer(_)) => {
            let n = toy.counts[0];
            toy.counts[0] += 1;
            let tag = Tag::zxid("TXN", Zxid(n + 1));
            fx.write_at(file.clone(), n * 100, tag, vec![n as u8 + 1; 100]);
            let ticket = fx.fsync(file);
            for link in toy.links.keys() {
                fx.send_after(ticket, *link, Tag::zxid("ACK", Zxid(n + 1)), vec![n as u8]);
            }
            fx.set_timer_in(Timer("write", 0), Duration::from_ms(10));
        }
        Some(Event::Disk { ticket: Ticket(n), result: DiskResult::Failed(_) }) => {
            fact(fx, "failed", n);
        }
        Some(_) => {}
    }
}

#[test]
fn a_held_frame_leaves_after_its_ticket_and_never_before() {
    let mut world = world(plan(2), logger);
    let seen = until(&mut world, 1_000);
    let mut synced = false;
    let mut acks = 0;
    for (_, seen) in &seen {
        match seen {
            Seen::Wrote { .. } => synced = false,
            Seen::Synced { ok: true, .. } => synced = true,
            Seen::Sent { .. } => {
                assert!(synced);
                acks += 1;
            }
            _ => {}
        }
    }
    assert!(acks > 50);
}

#[test]
fn a_held_frame_dies_with_its_link_and_with_a_failed_ticket() {
    let mut hung = plan(2);
    hung.faults = vec![
        at(100, Fault::disk_hang(peer(1), "log", 500)),
        at(300, Fault::Reset { a: peer(1), b: peer(2) }),
    ];
    let sent = |seen: &Seen| matches!(seen, Seen::Sent { .. });
    let mut world1 = world(hung, logger);
    until(&mut world1, 99);
    let after = until(&mut world1, 2_000);
    assert!(count(&after, |seen| matches!(seen, Seen::Synced { ok: true, .. })) > 10);
    assert_eq!(count(&after, sent), 0);

    let mut failing = plan(2);
    let error = |error: &str| Fault::DiskError {
        peer: peer(1),
        device: "log".into(),
        error: error.into(),
        count: 1,
    };
    failing.faults = vec![at(203, error("sync_eio")), at(403, error("enospc"))];
    let mut world2 = world(failing, logger);
    let seen = until(&mut world2, 1_000);
    assert_eq!(facts(&seen, "failed").len(), 2);
    let writes = count(&seen, |seen| matches!(seen, Seen::Wrote { .. }));
    let acks = count(&seen, sent);
    assert!((writes - 2..writes).contains(&acks), "{writes} writes, {acks} acks");
    let errors: Vec<_> = world2.stats().disk_errors.keys().copied().collect();
    let expected =
        [("log", "fsync", "eio"), ("log", "fsync", "enospc"), ("log", "write", "enospc")];
    assert_eq!(errors.len(), 3);
    assert!(expected.iter().all(|error| errors.contains(error)), "{errors:?}");
}
