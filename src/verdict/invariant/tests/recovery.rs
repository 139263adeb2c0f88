//! Elections that go in circles, leaders without votes, frames out of order, rejoins that fail.

use super::*;
use crate::base::LinkId;
use crate::verdict::invariant::Recovery;

const C: PeerId = PeerId(3);
const LINK: LinkId = LinkId(7);

fn judged(story: &[Seen]) -> Vec<(&'static str, &'static str)> {
    let findings = judge(&mut Recovery::new(Config::initial(3)), story);
    findings.iter().map(|finding| (finding.property, finding.kind)).collect()
}

fn voted(peer: PeerId, leader: PeerId, epoch: u32, round: u64) -> Seen {
    note(peer, Note::Voted { leader, zxid: z(1, 1), epoch: Epoch(epoch), round })
}

fn becomes(peer: PeerId, role: Role, leader: PeerId) -> Seen {
    note(peer, Note::BecameRole { role, leader, round: 1 })
}

/// A frame from the learner `B` to its leader `A`, or back.
fn frame(from: PeerId, kind: &'static str, zxid: Zxid) -> Seen {
    let to = if from == A { B } else { A };
    let (channel, tag) = (Channel::Quorum, Tag::zxid(kind, zxid));
    Seen::Sent { link: LINK, from, to, channel, tag }
}

fn got(to: PeerId, kind: &'static str, zxid: Zxid) -> Seen {
    let from = if to == A { B } else { A };
    Seen::Received { link: LINK, from, to, tag: Tag::zxid(kind, zxid) }
}

/// ACKEPOCH belongs to the epoch that it answers, whatever zxid it carries.
fn promise(mut seen: Seen) -> Seen {
    if let Seen::Sent { tag, .. } | Seen::Received { tag, .. } = &mut seen {
        tag.epoch = Epoch(2);
    }
    seen
}

/// A learner joins with two transactions, one of them not committed yet.
fn joining() -> Vec<Seen> {
    vec![
        frame(B, "FOLLOWERINFO", Zxid::ZERO),
        frame(A, "LEADERINFO", z(2, 0)),
        got(B, "LEADERINFO", z(2, 0)),
        promise(frame(B, "ACKEPOCH", z(1, 1))),
        promise(got(A, "ACKEPOCH", z(1, 1))),
        frame(A, "DIFF", z(1, 2)),
        frame(A, "PROPOSAL", z(1, 2)),
        frame(A, "COMMIT", z(1, 2)),
        frame(A, "PROPOSAL", z(2, 1)),
        frame(A, "NEWLEADER", z(2, 0)),
    ]
}

fn joined() -> Vec<Seen> {
    let mut story = joining();
    story.extend([
        got(B, "NEWLEADER", z(2, 0)),
        frame(B, "ACK", z(2, 0)),
        got(A, "ACK", z(2, 0)),
        frame(A, "UPTODATE", Zxid::ZERO),
        got(B, "UPTODATE", Zxid::ZERO),
        frame(B, "ACK", z(2, 0)),
        frame(B, "ACK", z(2, 1)),
        frame(A, "COMMIT", z(2, 1)),
        frame(A, "PROPOSAL", z(2, 2)),
        frame(A, "PING", z(2, 2)),
        frame(B, "PING", z(2, 2)),
        frame(A, "PROPOSAL", z(2, 3)),
        frame(B, "ACK", z(2, 2)),
        frame(B, "ACK", z(2, 3)),
    ]);
    story
}

#[test]
fn votes_that_only_get_better_are_right() {
    let story = [voted(A, A, 1, 1), voted(A, B, 1, 1), voted(A, C, 2, 1), voted(A, A, 1, 2)];
    assert_eq!(judged(&story), []);
}

#[test]
fn a_vote_that_comes_back_is_found() {
    let story = [voted(A, A, 2, 1), voted(A, B, 1, 1), voted(A, A, 2, 1)];
    assert_eq!(judged(&story), [("ElectionProgress", "circle")]);
    let again = [voted(A, A, 2, 1), becomes(A, Role::Looking, A), voted(A, A, 2, 1)];
    assert_eq!(judged(&again), [], "each election begins with the own vote");
    // A peer that has restarted counts its rounds anew.
    let image = std::sync::Arc::default();
    let restart = Seen::Starting { peer: A, incarnation: 2, image, damaged: false };
    assert_eq!(judged(&[voted(A, A, 2, 1), restart, voted(A, A, 2, 1)]), []);
}

#[test]
fn a_leader_that_a_minority_chose_is_found() {
    let elected = [voted(A, A, 1, 1), voted(B, A, 1, 1), becomes(A, Role::Leading, A)];
    assert_eq!(judged(&elected), []);
    let alone = [voted(A, A, 1, 1), voted(B, B, 1, 1), becomes(A, Role::Leading, A)];
    assert_eq!(judged(&alone), [("LeadingHasQuorum", "minority")]);
    // Back after a restart, it is told that the others follow it.
    let followed = [
        becomes(B, Role::Following, A),
        becomes(C, Role::Following, A),
        becomes(A, Role::Leading, A),
    ];
    assert_eq!(judged(&followed), []);
    // That they followed it in an earlier round makes it nobody's leader in this one.
    let mut later = followed.to_vec();
    later.push(note(A, Note::BecameRole { role: Role::Leading, leader: A, round: 2 }));
    assert_eq!(judged(&later), [("LeadingHasQuorum", "minority")]);
}

#[test]
fn a_learners_frames_in_order_are_right() {
    assert_eq!(judged(&joined()), []);
}

#[test]
fn frames_that_cannot_be_accepted_are_found() {
    let finds = |story: Vec<Seen>, frame: &Seen, kind| {
        let mut story = story;
        story.push(frame.clone());
        assert_eq!(judged(&story), [("MessageLegal", kind)], "{frame:?}");
    };
    for (frame, kind) in [
        (frame(B, "ACK", z(2, 1)), "ack_before_newleader"),
        (frame(B, "ACK", z(2, 0)), "ack_of_nothing"),
        (frame(B, "REQUEST", Zxid::ZERO), "served_early"),
        (frame(A, "PING", z(2, 1)), "served_early"),
        (frame(A, "UPTODATE", Zxid::ZERO), "uptodate_early"),
        (frame(A, "NEWLEADER", z(2, 0)), "newleader_early"),
        (frame(A, "LEADERINFO", z(2, 0)), "leaderinfo_order"),
        (promise(frame(B, "ACKEPOCH", z(1, 1))), "promise_order"),
        (frame(A, "SNAP", z(2, 0)), "chosen_twice"),
        (frame(A, "PROPOSAL", z(2, 1)), "proposal_order"),
        (frame(A, "PROPOSAL", z(2, 3)), "proposal_order"),
        (frame(A, "PROPOSAL", z(3, 2)), "proposal_order"),
        (frame(A, "COMMIT", z(2, 2)), "commit_unproposed"),
        (frame(A, "COMMIT", z(1, 2)), "commit_unproposed"),
    ] {
        finds(joining(), &frame, kind);
    }
    for (frame, kind) in [
        (frame(B, "ACK", z(2, 0)), "ack_of_nothing"),
        (frame(B, "ACK", z(2, 3)), "ack_order"),
        (frame(B, "ACK", z(2, 5)), "ack_order"),
        (frame(A, "UPTODATE", Zxid::ZERO), "uptodate_early"),
        (frame(A, "COMMIT", z(2, 3)), "commit_unproposed"),
    ] {
        finds(joined(), &frame, kind);
    }
    // What NEWLEADER's ACK stands for is not acknowledged again, and nothing is left out.
    let acked = |zxid| [joined()[..12].to_vec(), vec![frame(B, "ACK", zxid)]].concat();
    assert_eq!(judged(&acked(z(1, 2))), [("MessageLegal", "ack_order")]);
    // How far each has come when the leader chooses: the promise, the target, the history.
    let told = joining();
    finds(told[..1].to_vec(), &promise(frame(B, "ACKEPOCH", z(1, 1))), "promise_order");
    finds(told[..4].to_vec(), &frame(A, "DIFF", z(1, 2)), "chosen_early");
    finds(told[..5].to_vec(), &frame(A, "DIFF", z(1, 0)), "sync_target");
    finds(told[..5].to_vec(), &frame(A, "TRUNC", z(1, 1)), "sync_target");
    finds(told[..6].to_vec(), &frame(A, "NEWLEADER", z(2, 0)), "history_short");
    finds(told[..7].to_vec(), &frame(A, "NEWLEADER", z(2, 0)), "history_short");
    finds(told[..8].to_vec(), &frame(A, "NEWLEADER", z(3, 0)), "newleader_epoch");
    let cut = [told[..5].to_vec(), vec![frame(A, "TRUNC", z(0, 9))]].concat();
    finds(cut, &frame(A, "PROPOSAL", z(1, 2)), "proposal_order");
}

#[test]
fn a_promise_that_another_leader_has_had_makes_no_quorum() {
    let begins = note(A, Note::LeaderSyncing { epoch: Epoch(2), last: z(1, 2) });
    let mut story = joining()[..5].to_vec();
    story.push(begins.clone());
    assert_eq!(judged(&story), []);
    let other = |seen: Seen| match seen {
        Seen::Sent { channel, tag, .. } => {
            Seen::Sent { link: LinkId(9), from: B, to: C, channel, tag }
        }
        _ => seen,
    };
    let introduced = other(frame(B, "FOLLOWERINFO", Zxid::ZERO));
    let promised = other(promise(frame(B, "ACKEPOCH", z(1, 1))));
    let told = Seen::Sent {
        link: LinkId(9),
        from: C,
        to: B,
        channel: Channel::Quorum,
        tag: Tag::zxid("LEADERINFO", z(2, 0)),
    };
    let came =
        Seen::Received { link: LinkId(9), from: C, to: B, tag: Tag::zxid("LEADERINFO", z(2, 0)) };
    let before = vec![introduced, told, came, promised];
    let story = [before, joining()[..5].to_vec(), vec![begins.clone()]].concat();
    assert_eq!(judged(&story), [("EpochPromised", "minority")]);
    let gone = [&joining()[..4], &[Seen::LinkDown { link: LINK }], &joining()[4..5]].concat();
    assert_eq!(judged(&[gone, vec![begins.clone()]].concat()), [], "it was sent before");
    // What is on its way has not been heard; if it is lost, a second time does not count.
    let story = [joining()[..4].to_vec(), vec![begins.clone()]].concat();
    assert_eq!(judged(&story), [("EpochPromised", "minority")]);
    let moved = |seen| match seen {
        Seen::Sent { from, to, channel, tag, .. } => {
            Seen::Sent { link: LinkId(9), from, to, channel, tag }
        }
        Seen::Received { from, to, tag, .. } => Seen::Received { link: LinkId(9), from, to, tag },
        other => other,
    };
    let again = joining()[..5].iter().cloned().map(moved).collect();
    let story = [joining()[..4].to_vec(), again, vec![begins]].concat();
    assert_eq!(judged(&story), [("EpochPromised", "minority")]);
}

#[test]
fn a_snapshot_that_is_not_whole_is_found() {
    let stream = |kinds: &[&'static str]| {
        let mut story = joining()[..5].to_vec();
        story.extend(kinds.iter().map(|kind| frame(A, kind, z(2, 0))));
        judged(&story)
    };
    assert_eq!(stream(&["SNAP", "SNAP_CHUNK", "SNAP_CHUNK", "SNAP_END", "NEWLEADER"]), []);
    let wrong = [("MessageLegal", "snap_order")];
    assert_eq!(stream(&["SNAP", "SNAP_CHUNK", "NEWLEADER"]), wrong);
    assert_eq!(stream(&["SNAP", "SNAP_CHUNK", "PROPOSAL"]), wrong);
    assert_eq!(stream(&["SNAP", "SNAP"]), wrong);
    assert_eq!(stream(&["DIFF", "SNAP_CHUNK"]), wrong);
    assert_eq!(stream(&["SNAP", "SNAP_END", "SNAP_END"]), wrong);
}

#[test]
fn a_rejoin_that_fails_again_without_a_fault_is_found() {
    let breach = |peer| note(peer, Note::Breach { what: "commit_order", zxid: z(2, 1) });
    // What one step shows comes together.
    let run = |story: &[Vec<Seen>]| {
        let mut oracle = Recovery::new(Config::initial(3));
        let mut findings = Vec::new();
        for (step, seen) in story.iter().enumerate() {
            let at = At { step: step as u64, time: Time::from_ms(step as u64) };
            seen.iter().for_each(|one| oracle.observe(at, one, &mut findings));
        }
        findings.iter().map(|finding| finding.property).collect::<Vec<_>>()
    };
    let fails = || vec![joining(), vec![breach(B), Seen::LinkDown { link: LINK }]];
    let again = [fails(), fails()].concat();
    assert_eq!(run(&again), ["RecoveryProgress"]);
    let by_leader = vec![joining(), vec![breach(A), Seen::LinkDown { link: LINK }]];
    assert_eq!(run(&[fails(), by_leader].concat()), ["RecoveryProgress"]);
    // A link that breaks is a fault; one that worked in between makes a new beginning.
    let broken = vec![joining(), vec![Seen::LinkDown { link: LINK }]];
    assert_eq!(run(&[fails(), broken].concat()), [""; 0]);
    assert_eq!(run(&[fails(), vec![joined()], fails()].concat()), [""; 0]);
}
