//! Each invariant fires on the story that breaks it, and is silent on the right one.

mod recovery;

use crate::base::{Config, Digest, Epoch, PeerId, Time, Zxid};
use crate::history::{At, Seen, Stop};
use crate::process::{Channel, File, Note, Phase, Probe, Role, SyncMode, Tag};
use crate::verdict::liveness::Demands;
use crate::verdict::{Finding, Liveness, Oracle};

use super::{Local, Order};

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

fn record(zxid: Zxid) -> Vec<u8> {
    zxid.0.to_be_bytes().to_vec()
}

fn digest(zxid: Zxid) -> Digest {
    Digest::of(&record(zxid))
}

fn note(peer: PeerId, note: Note) -> Seen {
    Seen::Noted { peer, note }
}

fn proposed(peer: PeerId, zxid: Zxid) -> Seen {
    note(peer, Note::Proposed { zxid, record: record(zxid) })
}

fn logged(peer: PeerId, zxid: Zxid) -> Seen {
    note(peer, Note::Logged { zxid, digest: digest(zxid) })
}

fn delivered(peer: PeerId, zxid: Zxid) -> Seen {
    note(peer, Note::Delivered { zxid, digest: digest(zxid) })
}

fn restored(peer: PeerId, zxid: Zxid) -> Seen {
    note(peer, Note::Restored { zxid, tree: 0 })
}

fn syncing(peer: PeerId, epoch: u32, last: Zxid) -> Seen {
    note(peer, Note::LeaderSyncing { epoch: Epoch(epoch), last })
}

fn established(peer: PeerId, epoch: u32, last: Zxid) -> Seen {
    note(peer, Note::Established { epoch: Epoch(epoch), last })
}

/// Two peers, one transaction delivered by both, up to a right beginning of anything below.
fn beginning() -> Vec<Seen> {
    vec![
        restored(A, Zxid::ZERO),
        restored(B, Zxid::ZERO),
        syncing(A, 1, Zxid::ZERO),
        established(A, 1, Zxid::ZERO),
        proposed(A, z(1, 1)),
        logged(A, z(1, 1)),
        logged(B, z(1, 1)),
        delivered(A, z(1, 1)),
        delivered(B, z(1, 1)),
    ]
}

fn order() -> Order {
    Order::new(Config::initial(2))
}

fn judge(oracle: &mut dyn Oracle, story: &[Seen]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (step, seen) in story.iter().enumerate() {
        let at = At { step: step as u64, time: Time::from_ms(step as u64) };
        oracle.observe(at, seen, &mut findings);
    }
    findings
}

#[track_caller]
fn fires(property: &str, kind: &str, more: Vec<Seen>) {
    let mut story = beginning();
    assert_eq!(judge(&mut order(), &story), vec![], "the beginning is right");
    story.extend(more);
    let findings = judge(&mut order(), &story);
    let found = findings.iter().any(|f| f.property == property && f.kind == kind);
    assert!(found, "expected {property}/{kind}, found {findings:?}");
}

#[track_caller]
fn silent(more: Vec<Seen>) {
    let mut story = beginning();
    story.extend(more);
    assert_eq!(judge(&mut order(), &story), vec![]);
}

#[test]
fn a_change_of_leader_that_keeps_everything_is_right() {
    silent(vec![
        proposed(A, z(1, 2)),
        logged(A, z(1, 2)),
        logged(B, z(1, 2)),
        restored(B, z(1, 2)),
        syncing(B, 2, z(1, 2)),
        established(B, 2, z(1, 2)),
        delivered(A, z(1, 2)),
        note(A, Note::UpToDate { epoch: Epoch(2) }),
        proposed(B, z(2, 1)),
        logged(A, z(2, 1)),
        logged(B, z(2, 1)),
        delivered(B, z(2, 1)),
        delivered(A, z(2, 1)),
    ]);
}

#[test]
fn two_leaders_of_one_epoch_are_found() {
    fires("Leadership", "two_leaders", vec![syncing(B, 1, Zxid::ZERO)]);
    fires("Leadership", "two_established", vec![established(B, 1, z(1, 1))]);
}

#[test]
fn an_epoch_that_goes_back_is_found() {
    let accepted = |epoch| note(B, Note::EpochAccepted { epoch: Epoch(epoch) });
    fires("EpochMonotone", "accepted", vec![accepted(3), accepted(2)]);
    let current = |epoch| note(B, Note::EpochCurrent { epoch: Epoch(epoch) });
    fires("EpochMonotone", "current", vec![current(3), current(2)]);
}

#[test]
fn a_delivery_that_nobody_broadcast_is_found() {
    fires("Integrity", "phantom", vec![delivered(A, z(1, 2))]);
}

#[test]
fn two_payloads_under_one_zxid_are_found() {
    let other = Note::Proposed { zxid: z(1, 2), record: b"other".to_vec() };
    let others = Note::Delivered { zxid: z(1, 2), digest: Digest::of(b"other") };
    let story = vec![proposed(A, z(1, 2)), delivered(A, z(1, 2)), note(B, other), note(B, others)];
    fires("Agreement", "two_payloads", story);
}

#[test]
fn a_hole_in_an_epoch_is_found() {
    fires("LocalPrimaryOrder", "hole", vec![proposed(A, z(1, 3)), delivered(A, z(1, 3))]);
}

#[test]
fn a_peer_that_skips_is_found() {
    let story = vec![
        proposed(A, z(1, 2)),
        proposed(A, z(1, 3)),
        delivered(A, z(1, 2)),
        delivered(A, z(1, 3)),
        delivered(B, z(1, 3)),
    ];
    fires("TotalOrder", "skip", story);
}

#[test]
fn a_late_first_delivery_is_found() {
    let story = vec![
        proposed(A, z(1, 2)),
        proposed(A, z(1, 3)),
        delivered(A, z(1, 3)),
        delivered(B, z(1, 2)),
    ];
    fires("TotalOrder", "late", story);
}

#[test]
fn a_delivery_that_a_later_leader_had_abandoned_is_found() {
    let story = vec![proposed(A, z(1, 2)), established(B, 2, z(1, 1)), delivered(A, z(1, 2))];
    fires("Integrity", "phantom", story);
}

#[test]
fn a_delivery_that_goes_back_is_found() {
    fires("GlobalPrimaryOrder", "backwards", vec![delivered(A, z(1, 1))]);
}

#[test]
fn a_leader_that_broadcasts_before_it_caught_up_is_found() {
    let story = vec![restored(B, Zxid::ZERO), proposed(B, z(2, 1))];
    fires("PrimaryIntegrity", "behind", story);
}

#[test]
fn a_new_leader_that_lacks_a_delivered_transaction_is_found() {
    let c = PeerId(3);
    let story = vec![restored(c, Zxid::ZERO), established(c, 2, Zxid::ZERO)];
    fires("LeaderCompleteness", "lost", story);
}

#[test]
fn a_follower_that_serves_before_its_initial_history_is_found() {
    let c = PeerId(3);
    let story = vec![
        restored(c, Zxid::ZERO),
        established(A, 2, z(1, 1)),
        note(c, Note::UpToDate { epoch: Epoch(2) }),
    ];
    fires("CommitConsistency", "early", story);
}

#[test]
fn a_synced_follower_with_another_log_is_found() {
    let story = vec![
        note(B, Note::Logged { zxid: z(1, 1), digest: Digest::of(b"other") }),
        note(B, Note::NewLeaderAccepted { epoch: Epoch(1), last: z(1, 1) }),
    ];
    fires("ProcessConsistency", "differ", story);
}

#[test]
fn a_cut_of_a_delivered_transaction_is_found() {
    let cut = note(B, Note::Truncated { last: Zxid::ZERO });
    let accepts = || note(B, Note::NewLeaderAccepted { epoch: Epoch(1), last: z(1, 1) });
    let mode = SyncMode::Trunc;
    let synced = note(A, Note::Synced { learner: B, mode, txns: 0 });
    fires("CommittedLogDurability", "cut", vec![synced.clone(), cut.clone(), accepts()]);
    silent(vec![synced, cut, logged(B, z(1, 1)), accepts()]);
}

/// From seed 822151: A leads epoch 1 still, and does not know that B and C have gone on.
#[test]
fn what_a_later_epoch_delivers_is_not_owed_to_a_deposed_leader() {
    let learner = PeerId(2);
    let entered = |peer, epoch| note(peer, Note::EpochCurrent { epoch: Epoch(epoch) });
    let story = |epoch| {
        vec![
            restored(PeerId(3), z(1, 1)),
            entered(A, 1),
            proposed(A, z(1, 2)),
            logged(A, z(1, 2)),
            logged(learner, z(1, 2)),
            logged(PeerId(3), z(1, 2)),
            entered(PeerId(3), epoch),
            delivered(PeerId(3), z(1, 2)),
            note(A, Note::Synced { learner, mode: SyncMode::Trunc, txns: 0 }),
            note(learner, Note::Truncated { last: z(1, 1) }),
            note(learner, Note::NewLeaderAccepted { epoch: Epoch(1), last: z(1, 1) }),
        ]
    };
    silent(story(2));
    fires("CommittedLogDurability", "cut", story(1));
}

#[test]
fn a_delivery_that_a_minority_holds_is_found() {
    let story = vec![proposed(A, z(1, 2)), logged(A, z(1, 2)), delivered(A, z(1, 2))];
    fires("QuorumHolds", "minority", story);
}

#[test]
fn a_state_with_an_undelivered_transaction_is_found() {
    let story = vec![
        proposed(A, z(1, 2)),
        restored(A, z(1, 2)),
        established(B, 2, z(1, 1)),
        proposed(B, z(2, 1)),
        delivered(B, z(2, 1)),
        delivered(A, z(2, 1)),
    ];
    fires("PrefixConsistency", "phantom_state", story);
}

#[test]
fn different_trees_at_one_zxid_are_found() {
    let at = |peer, tree| {
        let probe = Probe { applied: z(1, 1), tree: Some(tree), ..Probe::default() };
        Seen::Probed { peer, probe }
    };
    fires("TreeEquality", "digest", vec![at(A, 1), at(B, 2)]);
    silent(vec![at(A, 1), at(B, 1)]);
}

#[test]
fn a_window_that_is_not_the_logs_tail_is_found() {
    let logged = |counter| {
        let (zxid, digest) = (z(1, counter), Digest(u64::from(counter)));
        note(A, Note::Logged { zxid, digest })
    };
    let keeps = |first, kept| {
        let probe = Probe { applied: z(1, 4), window: (z(1, first), kept), ..Probe::default() };
        [(1..=5).map(logged).collect(), vec![Seen::Probed { peer: A, probe }]].concat()
    };
    silent(keeps(2, 3));
    silent(keeps(4, 1));
    fires("WindowEquality", "differs", keeps(2, 2));
    fires("WindowEquality", "differs", keeps(2, 4));
    // What lies below a snapshot is not known one by one.
    let below = |kept| {
        let replaced = note(A, Note::Replaced { zxid: z(1, 2) });
        let probe = Probe { applied: z(1, 4), window: (z(1, 2), kept), ..Probe::default() };
        vec![replaced, logged(3), logged(4), Seen::Probed { peer: A, probe }]
    };
    silent(below(3));
    fires("WindowEquality", "differs", below(1));
}

#[test]
fn an_ack_before_its_sync_is_found() {
    let ack = Tag::zxid("ACK", z(1, 1));
    let wrote = Seen::Wrote { peer: B, file: File::log("log.1"), tag: Tag::zxid("TXN", z(1, 1)) };
    let synced = Seen::Synced { peer: B, device: crate::process::Device::Log, ok: true };
    let sent = Seen::Sent {
        link: crate::base::LinkId(1),
        from: B,
        to: A,
        channel: Channel::Quorum,
        tag: ack,
    };
    let early = judge(&mut Local::default(), &[wrote.clone(), sent.clone()]);
    assert_eq!(early.len(), 1);
    assert_eq!(early[0].property, "AckDurable");
    assert_eq!(judge(&mut Local::default(), &[wrote, synced, sent]), vec![]);
}

#[test]
fn a_panic_and_a_breach_are_found() {
    let panic = Seen::Stopped { peer: A, why: Stop::Panic("oh".to_string()) };
    assert_eq!(judge(&mut Local::default(), &[panic])[0].property, "NoPanic");
    let breach = note(A, Note::Breach { what: "gap", zxid: z(1, 5) });
    assert_eq!(judge(&mut Local::default(), &[breach])[0].property, "PhaseRules");
}

/// A story after calm: `serving` peers of two, with these applied zxids, and a finished client.
fn after_calm(applied: [Zxid; 2], follower_serves: bool, finished: bool) -> Option<&'static str> {
    let demands = Demands {
        config: Config::initial(2),
        servers: vec![vec![A]],
        lasting: Vec::new(),
        excuse: None,
    };
    let mut liveness = Liveness::new(demands);
    let at = |ms| At { step: ms, time: Time::from_ms(ms) };
    let epoch = Epoch(3);
    let leader = Probe {
        role: Role::Leading,
        phase: Phase::Broadcast,
        epoch,
        applied: applied[0],
        serving: true,
        ..Probe::default()
    };
    let follower =
        Probe { role: Role::Following, serving: follower_serves, applied: applied[1], ..leader };
    let image = std::sync::Arc::default();
    for peer in [A, B] {
        let seen = Seen::Starting {
            peer,
            incarnation: 1,
            image: std::sync::Arc::clone(&image),
            damaged: false,
        };
        liveness.observe(at(0), &seen);
    }
    let calm = Seen::Calm { core: vec![A, B], deadline: Time::from_ms(100) };
    liveness.observe(at(1), &calm);
    liveness.observe(at(2), &Seen::Probed { peer: A, probe: leader });
    liveness.observe(at(3), &Seen::Probed { peer: B, probe: follower });
    if finished {
        liveness.observe(at(4), &Seen::Finished { client: crate::base::ClientId(1) });
    }
    assert_eq!(liveness.is_late(at(101)), !liveness.is_settled());
    let mut findings = Vec::new();
    liveness.finish(at(101), &mut findings);
    findings.first().map(|finding| finding.kind)
}

#[test]
fn what_is_missing_after_calm_is_named() {
    let same = [z(3, 1), z(3, 1)];
    assert_eq!(after_calm(same, true, true), None);
    assert_eq!(after_calm(same, false, true), Some("not_serving"));
    assert_eq!(after_calm(same, true, false), Some("clients_unfinished"));
    assert_eq!(after_calm([z(3, 2), z(3, 1)], true, true), Some("behind"));
}
