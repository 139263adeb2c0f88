//! Films of Zab alone: elections, the ways of synchronising, and random schedules with crashes.

use crate::base::{Draw, PeerId};
use crate::process::SyncMode;

use super::small_world::SmallWorld;
use super::{AckWhen, OnLeave, Register, Rules, Station, Step};

const P: [PeerId; 3] = [PeerId(1), PeerId(2), PeerId(3)];

fn calm(knobs: &[(&str, u64)]) -> SmallWorld {
    let mut world = SmallWorld::new(1, 3, knobs);
    world.until("a first leader", SmallWorld::calm);
    world
}

fn propose(world: &mut SmallWorld, count: usize) {
    let want = world.truth.len() + count;
    for _ in 0..count {
        world.propose();
    }
    world.until("deliveries", |w| w.truth.len() == want);
}

#[test]
fn three_peers_elect_one_leader_that_commits() {
    let mut world = calm(&[]);
    assert_eq!(world.leader(), Some(P[2]), "with equal histories the highest sid wins");
    propose(&mut world, 20);
    world.until("all delivered", SmallWorld::calm);
    assert_eq!(world.truth.len(), 20);
    assert_eq!(world.notes["established"], 1);
}

#[test]
fn a_single_voter_leads_alone() {
    let mut world = SmallWorld::new(1, 1, &[]);
    world.until("a leader", |w| w.leader() == Some(P[0]));
    propose(&mut world, 3);
    world.barrier(P[0], 9);
    world.until("the barrier", |w| w.book(P[0]).passed == [9]);
    world.crash(P[0], true);
    world.boot(P[0]);
    world.until("a leader again", |w| w.leader() == Some(P[0]));
    assert_eq!(world.truth.len(), 3);
}

/// Peer 1 misses `missed` transactions and comes back.
fn rejoin(knobs: &[(&str, u64)], before: usize, missed: usize) -> SmallWorld {
    let mut world = calm(knobs);
    propose(&mut world, before);
    world.until("all delivered", SmallWorld::calm);
    world.crash(P[0], false);
    propose(&mut world, missed);
    world.synced.clear();
    world.boot(P[0]);
    world.until("peer 1 has caught up", SmallWorld::calm);
    world
}

#[test]
fn a_follower_that_missed_little_gets_a_diff() {
    let world = rejoin(&[], 3, 5);
    assert_eq!(world.synced.keys().collect::<Vec<_>>(), [&SyncMode::Diff]);
}

#[test]
fn a_follower_that_missed_nothing_gets_an_empty_diff() {
    let world = rejoin(&[], 3, 0);
    assert_eq!(world.synced.keys().collect::<Vec<_>>(), [&SyncMode::Empty]);
}

#[test]
fn a_follower_below_the_window_gets_a_snapshot() {
    let world = rejoin(&[("commit_log_count", 2), ("snap_size_percent", 0)], 3, 9);
    assert_eq!(world.synced.keys().collect::<Vec<_>>(), [&SyncMode::Snap]);
}

/// Peer 1 missed too much, and has got at least two chunks of a snapshot, not all.
fn half_way() -> SmallWorld {
    let knobs = [("commit_log_count", 2), ("snap_size_percent", 0), ("snap_chunk", 1)];
    let mut world = calm(&knobs);
    propose(&mut world, 4);
    world.until("all delivered", SmallWorld::calm);
    world.crash(P[0], false);
    propose(&mut world, 20);
    world.boot(P[0]);
    world.until("two chunks", |w| match &w.zab(P[0]).station {
        Station::Learning(learner) => {
            learner.snap.as_ref().is_some_and(|(_, body)| body.len() >= 2 * 16)
        }
        Station::Looking { .. } | Station::Leading(_) => false,
    });
    world
}

#[test]
fn what_is_proposed_during_a_snapshot_arrives_behind_it() {
    let mut world = half_way();
    let Station::Leading(leader) = &world.zab(P[2]).station else { panic!("it leads") };
    assert!(leader.learners[&P[0]].outbox.is_some(), "the rest waits for the link");
    for _ in 0..5 {
        world.propose();
    }
    world.until("all of it", |w| w.calm() && w.truth.len() == 29);
    assert_eq!(world.synced[&SyncMode::Snap], 1);
}

#[test]
fn a_snapshot_that_breaks_off_leaves_nothing_half_taken() {
    let mut world = half_way();
    world.crash(P[2], false);
    world.until("peer 1 has left", |w| matches!(w.zab(P[0]).station, Station::Looking { .. }));
    assert_eq!(world.book(P[0]).list, world.truth[..4], "memory is what it was");
    let zab = world.zab(P[0]);
    assert!(!zab.history.unsaved && zab.log.last().counter() == 4, "and so is disk");
    world.boot(P[2]);
    world.until("a later one is whole", |w| w.calm() && w.truth.len() == 24);
}

#[test]
fn a_follower_below_the_window_gets_the_log_if_it_is_small() {
    let knobs = [("commit_log_count", 2), ("snap_size_percent", 1_000_000), ("snap_count", 4)];
    let world = rejoin(&knobs, 9, 9);
    assert_eq!(world.synced.keys().collect::<Vec<_>>(), [&SyncMode::DiskDiff]);
}

#[test]
fn what_only_an_old_leader_has_is_cut() {
    let mut world = calm(&[]);
    propose(&mut world, 3);
    world.until("all delivered", SmallWorld::calm);
    world.separate(P[2], P[0], false);
    world.separate(P[2], P[1], false);
    for _ in 0..3 {
        world.propose();
    }
    world.until("it is durable there", |w| w.zab(P[2]).log.durable.counter() == 6);
    world.crash(P[2], false);
    world.until("another leader", |w| w.leader() == Some(P[1]));
    propose(&mut world, 1);
    world.apart.clear();
    world.synced.clear();
    world.boot(P[2]);
    world.until("the old leader follows", SmallWorld::calm);
    assert!(world.notes.contains_key("snapshot_taken") || world.notes.contains_key("truncated"));
    assert_eq!(world.truth.len(), 4);
}

#[test]
fn an_uncommitted_tail_is_truncated_when_nothing_newer_exists() {
    let mut world = calm(&[]);
    propose(&mut world, 3);
    world.until("all delivered", SmallWorld::calm);
    world.separate(P[2], P[0], false);
    world.separate(P[2], P[1], false);
    world.propose();
    world.until("it is durable there", |w| w.zab(P[2]).log.durable.counter() == 4);
    world.crash(P[2], false);
    world.until("another leader", |w| w.leader() == Some(P[1]));
    world.apart.clear();
    world.boot(P[2]);
    world.until("the old leader follows", SmallWorld::calm);
    assert_eq!(world.synced.get(&SyncMode::Trunc), Some(&1));
    assert_eq!(world.notes["truncated"], 1);
    assert_eq!(world.truth.len(), 3);
}

#[test]
fn a_wiped_peer_does_not_vote_until_it_is_synchronised() {
    let mut world = calm(&[]);
    propose(&mut world, 5);
    world.until("all delivered", SmallWorld::calm);
    world.crash(P[1], true);
    world.wipe(P[1]);
    world.crash(P[2], true);
    world.boot(P[1]);
    for _ in 0..2_000 {
        world.step();
        assert_eq!(world.leader(), None, "a peer without a past elects nobody");
    }
    world.boot(P[2]);
    world.until("the wiped peer is whole", SmallWorld::calm);
    world.crash(P[2], true);
    world.until("it votes again", |w| w.leader().is_some());
    assert_eq!(world.truth.len(), 5);
}

#[test]
fn a_leader_without_followers_gives_up() {
    let mut world = calm(&[]);
    world.separate(P[2], P[0], true);
    world.separate(P[2], P[1], true);
    world.until("it steps down", |w| w.book(P[2]).serving.is_none());
    world.until("the others go on", |w| w.leader() == Some(P[1]));
    world.apart.clear();
    world.until("all are together again", SmallWorld::calm);
}

#[test]
fn a_barrier_needs_a_quorum_that_still_follows() {
    let mut world = calm(&[]);
    world.barrier(P[2], 1);
    world.until("the barrier", |w| w.book(P[2]).passed == [1]);
    world.separate(P[2], P[0], true);
    world.separate(P[2], P[1], true);
    world.barrier(P[2], 2);
    world.until("it steps down", |w| w.book(P[2]).serving.is_none());
    assert_eq!(world.book(P[2]).passed, [1]);
}

/// One random life of an ensemble, then peace.
fn life(seed: u64, voters: u8, rules: Rules) -> SmallWorld {
    let mut draw = crate::base::Key(seed).named("life").stream();
    let knobs = [
        ("tick_ms", 200),
        ("commit_log_count", draw.below(6)),
        ("snap_count", draw.between(2, 12)),
        ("snap_size_percent", *draw.pick(&[0, 33, 10_000])),
        ("log_roll", draw.between(1, 5)),
        ("apply_batch", draw.between(1, 4)),
        ("prealloc", *draw.pick(&[0, 64, 4096])),
    ];
    let mut world = SmallWorld::with(seed, voters, &knobs, rules);
    let mut peers = world.members();
    for _ in 0..60 {
        for _ in 0..world.draw.below(400) {
            world.step();
            if world.draw.below(25) == 0 {
                world.propose();
            }
        }
        draw.shuffle(&mut peers);
        let power = world.draw.below(2) == 0;
        match world.draw.below(9) {
            0 | 1 => peers.iter().take(1).for_each(|p| down(&mut world, *p, power)),
            2 => peers.iter().for_each(|p| down(&mut world, *p, power)),
            3 => world.separate(peers[0], peers[1], power),
            4 => world.apart.clear(),
            5 => strand_leader(&mut world, power),
            _ => peers.iter().filter(|p| p.0 % 2 == 0 || power).for_each(|p| up(&mut world, *p)),
        }
    }
    world.apart.clear();
    peers.iter().for_each(|peer| up(&mut world, *peer));
    world.until("calm", SmallWorld::calm);
    let before = world.truth.len();
    world.propose();
    world.until("progress", |w| w.calm() && w.truth.len() > before);
    world
}

/// The leader logs what nobody else hears of, and goes down with it.
fn strand_leader(world: &mut SmallWorld, power: bool) {
    let Some(leader) = world.leader() else { return };
    for peer in world.members() {
        if peer != leader {
            world.separate(leader, peer, true);
        }
    }
    world.propose();
    for _ in 0..world.draw.below(150) {
        world.step();
    }
    down(world, leader, power);
    world.apart.clear();
}

fn down(world: &mut SmallWorld, peer: PeerId, power: bool) {
    if world.is_up(peer) {
        world.crash(peer, power);
    }
}

fn up(world: &mut SmallWorld, peer: PeerId) {
    if !world.is_up(peer) {
        world.boot(peer);
    }
}

#[test]
fn random_lives_deliver_one_sequence_and_come_to_rest() {
    let mut modes = std::collections::BTreeMap::new();
    for seed in 0..150 {
        let voters = if seed % 3 == 0 { 5 } else { 3 };
        for (mode, times) in life(seed, voters, Rules::right()).synced {
            *modes.entry(mode).or_insert(0) += times;
        }
    }
    for mode in
        [SyncMode::Empty, SyncMode::Diff, SyncMode::DiskDiff, SyncMode::Trunc, SyncMode::Snap]
    {
        assert!(modes.get(&mode).is_some_and(|times| *times >= 20), "{mode:?} in {modes:?}");
    }
}

#[test]
fn no_frame_from_outside_makes_a_peer_panic() {
    for seed in 0..40 {
        let mut world = SmallWorld::new(seed, 3, &[("tick_ms", 200), ("commit_log_count", 3)]);
        world.spoils = true;
        for _ in 0..8_000 {
            world.step();
            match world.draw.below(60) {
                0 => world.spoil(),
                1 => world.propose(),
                2 if world.draw.below(30) == 0 => {
                    let peers = world.members();
                    let peer = *world.draw.pick(&peers);
                    world.separate(peer, PeerId(peer.0 % 3 + 1), true);
                    world.apart.clear();
                }
                _ => {}
            }
        }
    }
}

/// How many random lives a wrong answer survives.
fn survives(rules: &Rules) -> u64 {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = (0..400).find(|seed| {
        let rules = rules.clone();
        std::panic::catch_unwind(move || drop(life(*seed, 3, rules))).is_err()
    });
    std::panic::set_hook(hook);
    found.unwrap_or(400)
}

/// Only those that any schedule soon finds: the others need schedules shaped for them.
#[test]
fn wrong_answers_do_not_survive() {
    let right = Rules::right();
    let wrong = [
        ("learner_ack", Rules { learner_ack: || AckWhen::AtOnce, ..right.clone() }),
        ("own_ack", Rules { own_ack: || AckWhen::AtOnce, ..right.clone() }),
        ("on_leave", Rules { on_leave: |_| OnLeave::Leave, ..right.clone() }),
        ("register", Rules { register: || Register::WithAck, ..right.clone() }),
        ("newleader_drains", Rules { newleader_drains: |_| true, ..right.clone() }),
        ("log_before_uptodate", Rules { log_before_uptodate: |_| true, ..right.clone() }),
        (
            "vote_by_memory",
            Rules { last_zxid: |_, a| a, fast_forward: |_, _| false, ..right.clone() },
        ),
        (
            "ack_first",
            Rules {
                newleader: |_, _| {
                    &[Step::Save, Step::LogLater, Step::Apply, Step::Epoch, Step::Ack]
                },
                ..right.clone()
            },
        ),
        (
            "log_late",
            Rules {
                newleader: |_, _| &[Step::Save, Step::Epoch, Step::Ack],
                uptodate: |_, _| &[Step::Log, Step::Apply],
                ..right
            },
        ),
    ];
    for (name, rules) in wrong {
        assert!(survives(&rules) < 400, "{name} was never found");
    }
}
