//! Legal runs pass in silence; every property fires.

pub(in crate::verdict) mod ensemble;
pub(in crate::verdict) mod mutate;
mod rights;
mod service;
mod stays;
mod story;

use super::*;
use crate::base::{ClientId, ConnId, Dice, Digest, Epoch, Zxid};
use crate::history::{Call, CallId, History};
use crate::jute::Record;
use crate::jute::txn::{CloseSessionTxn, CreateSessionTxn, ErrorTxn, Txn, TxnHeader, TxnRecord};
use crate::process::Probe;
use crate::verdict::search::znodes::{Reads, check};
use crate::verdict::search::{Found, Options};
use crate::znode::op::{ErrorCode, Reply};
use ensemble::{at, legal};
use mutate::{KINDS, mutate};
use service::record;

pub(in crate::verdict) fn judge(seen: &[Seen]) -> (Witness, Vec<Finding>) {
    let mut witness = Witness::new();
    let mut findings = Vec::new();
    for (step, seen) in seen.iter().enumerate() {
        witness.observe(at(step), seen, &mut findings);
        if !findings.is_empty() {
            break;
        }
    }
    (witness, findings)
}

/// What these runs do not show: clocks, doors and tables of servers. Peers with mistakes of their
/// own show that these fire (`tests/it/mistakes.rs`), and a test below.
const OF_SERVERS: [&str; 4] = ["SessionHeard", "SessionAbandoned", "SessionEquality", "Admission"];

#[test]
fn legal_runs_pass_and_evaluate_every_property() {
    let mut counts = vec![0; PROPERTIES.len()];
    for seed in 0..150 {
        let seen = legal(seed, 600);
        let (witness, findings) = judge(&seen);
        if let Some(finding) = findings.first() {
            let step = finding.at.step as usize;
            let near: Vec<String> = seen[step.saturating_sub(12)..=step]
                .iter()
                .map(|seen| format!("{seen:?}"))
                .collect();
            panic!("seed {seed}: {finding:#?}\n{}", near.join("\n"));
        }
        for (count, (_, evaluated)) in counts.iter_mut().zip(witness.evaluated()) {
            *count += evaluated;
        }
    }
    for ((name, _), count) in PROPERTIES.iter().zip(&counts) {
        let apart = *name == "TreeEquality" || OF_SERVERS.contains(name);
        assert!(apart || *count > 50, "{name} was evaluated {count} times only");
    }
}

#[test]
fn no_mutation_of_a_legal_run_is_accepted() {
    let mut dice = Dice::new(1, "mutations");
    let mut fired: Vec<&str> = Vec::new();
    for kind in KINDS {
        let mut done = 0;
        for seed in 0..40 {
            let mut seen = legal(seed, 300);
            if mutate(kind, &mut seen, &mut dice) {
                let (_, findings) = judge(&seen);
                assert!(!findings.is_empty(), "`{kind}` of seed {seed} was accepted");
                fired.extend(findings.iter().map(|finding| finding.property));
                done += 1;
            }
        }
        assert!(done >= 12, "`{kind}` found a place {done} times only");
    }
    // Real time cannot be hurt by changing answers alone, and the runs here show no trees: both
    // have tests of their own below.
    for (name, _) in PROPERTIES {
        let apart = ["Linearizability", "TreeEquality"].contains(name);
        let apart = apart || OF_SERVERS.contains(name);
        assert!(apart || fired.contains(name), "{name} never fired");
    }
}

fn proposed(zxid: Zxid, session: i64, cxid: i32, txn: Txn) -> (Seen, Seen) {
    let record = record(SessionId(session), cxid, zxid, 1, txn);
    let digest = Digest::of(&record);
    let noted = |note| Seen::Noted { peer: PeerId(1), note };
    (noted(Note::Proposed { zxid, record }), noted(Note::Delivered { zxid, digest }))
}

fn born(zxid: u64, session: i64) -> (Seen, Seen) {
    proposed(Zxid(zxid), session, 0, Txn::CreateSession(CreateSessionTxn { timeout: 1 }))
}

fn called(id: u32, session: i64, conn: u64, op: Op) -> Seen {
    Seen::Called(Call {
        id: CallId(id),
        client: ClientId(1),
        session: SessionId(session),
        conn: ConnId(conn),
        server: PeerId(1),
        xid: id as i32 + 1,
        op,
    })
}

fn returned(id: u32, zxid: u64, result: Result<Reply, ErrorCode>) -> Seen {
    Seen::Returned { id: CallId(id), zxid: Zxid(zxid), result }
}

fn first_kind(seen: &[Seen]) -> String {
    judge(seen).1.first().map_or("none".into(), |f| format!("{}/{}", f.property, f.kind))
}

#[test]
fn the_order_of_transactions_is_total() {
    let [one, two, three] = [1, 2, 3].map(|n| born(1 << 32 | n, n as i64));
    let next = born(2 << 32 | 1, 9);
    let established = |epoch: u32, last: u64| Seen::Noted {
        peer: PeerId(2),
        note: Note::Established { epoch: Epoch(epoch), last: Zxid(last) },
    };
    let show = |seen: &[&Seen]| first_kind(&seen.iter().map(|s| (*s).clone()).collect::<Vec<_>>());
    let all = [&one.0, &two.0, &three.0];
    assert_eq!(show(&[&all[..], &[&one.1, &two.1, &one.1]].concat()), "none");
    assert_eq!(show(&[&one.0, &two.0, &three.0, &three.1]), "none", "three implies the others");
    assert_eq!(show(&[&one.0, &three.0, &one.1, &three.1]), "TotalOrder/gap");
    assert_eq!(show(&[&one.0, &next.0, &one.1, &next.1, &two.0, &two.1]), "TotalOrder/late");
    assert_eq!(show(&[&one.1]), "Integrity/never_proposed");
    let cut = established(2, 1 << 32 | 1);
    assert_eq!(show(&[&one.0, &two.0, &cut, &two.1]), "TotalOrder/abandoned");
    assert_eq!(show(&[&one.0, &two.0, &two.1, &cut]), "TotalOrder/committed_lost");
    assert_eq!(show(&[&one.0, &two.0, &cut, &next.0, &next.1, &one.1]), "none");
}

#[test]
fn effects_neither_precede_their_call_nor_what_had_returned() {
    let base = 1 << 32;
    let delete = Op::Delete { path: "/a".into(), version: -1 };
    let sync = Op::Sync { path: "/".into() };
    let fails = |n: u64, session, cxid| {
        let err = ErrorCode::NoNode.wire();
        proposed(Zxid(base | n), session, cxid, Txn::Error(ErrorTxn { err }))
    };
    let (s1, s2, write) = (born(base | 1, 1), born(base | 2, 2), fails(3, 1, 1));
    let birth = [s1.0, s2.0, s1.1, s2.1];
    let no_node = Err(ErrorCode::NoNode);
    let legal = [
        &birth[..],
        &[called(0, 1, 1, delete.clone()), write.0.clone(), write.1.clone()],
        &[returned(0, base | 3, no_node.clone())],
    ]
    .concat();
    assert_eq!(first_kind(&legal), "none");
    // Somebody is answered at 1.3 before the call that becomes 1.3 is made.
    let late = [
        &birth[..],
        &[called(1, 2, 2, delete.clone()), fails(3, 2, 2).0, fails(3, 2, 2).1],
        &[returned(1, base | 3, no_node.clone()), called(0, 1, 1, delete.clone())],
        &[fails(4, 1, 1).0, fails(4, 1, 1).1, returned(0, base | 4, no_node.clone())],
        &[called(2, 2, 2, sync.clone())],
    ]
    .concat();
    assert_eq!(first_kind(&late), "none");
    let synced = |zxid| returned(2, zxid, Ok(Reply::Synced { path: "/".into() }));
    assert_eq!(first_kind(&[&late[..], &[synced(base | 4)]].concat()), "none");
    assert_eq!(first_kind(&[&late[..], &[synced(base | 3)]].concat()), "SyncedRead/sync_behind");
    let acked = [&birth[..], &[called(0, 1, 1, delete), returned(0, base | 2, no_node)]].concat();
    assert_eq!(first_kind(&acked), "AckBeforeCommit/write");
    // A server shows the start of an epoch, and then the call's effect is of an older one.
    let established = Note::Established { epoch: Epoch(2), last: Zxid(base | 2) };
    let past = [
        &birth[..],
        &[called(3, 2, 2, sync)],
        &[Seen::Noted { peer: PeerId(1), note: established }],
        &[returned(3, 2 << 32, Ok(Reply::Synced { path: "/".into() }))],
        &[called(0, 1, 1, Op::Delete { path: "/a".into(), version: -1 })],
        &[write.0, write.1],
    ]
    .concat();
    let kinds: Vec<_> = judge(&past).1.iter().map(|f| f.kind).collect();
    assert_eq!(kinds, ["abandoned"], "an abandoned epoch commits nothing");
    let mut tally = Tally::new();
    let mut findings = Vec::new();
    let mut court = Court { at: at(0), tally: &mut tally, findings: &mut findings };
    let mut core = Witness::new().core;
    core.calls.answered = Zxid(9 << 32);
    core.see(&called(0, 1, 1, Op::Delete { path: "/a".into(), version: -1 }), &mut court);
    let write = fails(1, 1, 1);
    core.see(&born(base | 1, 1).0, &mut court);
    core.see(&write.0, &mut court);
    core.see(&write.1, &mut court);
    assert!(findings.iter().any(|finding| finding.property == "Linearizability"));
}

#[test]
fn a_session_is_closed_by_its_client_or_after_its_timeout() {
    let (birth, end) = (born(1 << 32 | 1, 1), Txn::CloseSession(CloseSessionTxn::default()));
    let end = proposed(Zxid(1 << 32 | 2), 1, 0, end);
    let seen = [birth.0, birth.1, end.0, end.1];
    assert_eq!(first_kind(&seen), "Phantom/close_session");
    let expired = |idle_ns| {
        let note = Note::SessionExpired { session: SessionId(1), idle_ns, timeout_ms: 4 };
        let mut seen = seen.to_vec();
        seen.insert(2, Seen::Noted { peer: PeerId(1), note });
        first_kind(&seen)
    };
    assert_eq!(expired(4_000_001), "none");
    assert_eq!(expired(4_000_000), "SessionExpiry/too_early");
}

#[test]
fn the_search_without_zxids_agrees() {
    let mut caught = 0;
    let mut dice = Dice::new(2, "differential");
    let history = |seen: &[Seen]| {
        let mut history = History::new();
        seen.iter().enumerate().for_each(|(step, seen)| history.observe(at(step), seen));
        history
    };
    let mut unknown = 0;
    let options = Options { nodes: 200_000, ..Options::default() };
    for seed in 0..60 {
        let mut seen = legal(seed, 250);
        match check(&history(&seen), Reads::Lag, &options).1 {
            Found::Legal(_) => {}
            Found::Unknown(_) => unknown += 1,
            illegal @ Found::Illegal(_) => panic!("seed {seed}: {illegal:?}"),
        }
        // What a wrong answer hides from the search, its zxid shows: not the other way round.
        if mutate("success becomes failure", &mut seen, &mut dice) {
            caught += u32::from(check(&history(&seen), Reads::Lag, &options).1.is_illegal());
        }
    }
    assert!(unknown < 6 && caught > 10, "{unknown} undecided, {caught} of 60 lies caught");
}

#[test]
fn a_host_that_does_not_show_set_watches_is_judged_leniently() {
    let mut events = 0;
    for seed in 0..100 {
        let seen = legal(seed, 500);
        let hidden = |seen: &Seen| match seen {
            Seen::Called(Call { id, op: Op::SetWatches { .. }, .. }) => Some(*id),
            _ => None,
        };
        let ids: Vec<CallId> = seen.iter().filter_map(hidden).collect();
        let keep = |seen: &&Seen| match seen {
            Seen::Called(Call { id, .. }) | Seen::Returned { id, .. } | Seen::Lost { id } => {
                !ids.contains(id)
            }
            _ => true,
        };
        let shown: Vec<Seen> = seen.iter().filter(keep).cloned().collect();
        let (witness, findings) = judge(&shown);
        assert_eq!(findings.first(), None, "seed {seed}");
        assert_eq!(judge(&seen).1.first(), None, "seed {seed}");
        let counts = witness.evaluated();
        events += counts[Property::WatchSpurious as usize].1;
    }
    assert!(events > 100, "{events} events were judged");
}

#[test]
fn trees_are_those_of_the_model() {
    let zxid = Zxid(1 << 32 | 1);
    let claims = |digest| {
        let header = TxnHeader { client: 1, zxid: zxid.wire(), kind: -10, ..TxnHeader::default() };
        let txn = Txn::CreateSession(CreateSessionTxn { timeout: 1 });
        let record = TxnRecord { header, txn, digest: Some(digest) }.to_bytes();
        let digest = Digest::of(&record);
        let noted = |note| Seen::Noted { peer: PeerId(1), note };
        vec![noted(Note::Proposed { zxid, record }), noted(Note::Delivered { zxid, digest })]
    };
    let fresh = 0x51C6_D660;
    let probed = |tree, applied| {
        let probe = Probe { applied, tree: Some(tree), ..Probe::default() };
        Seen::Probed { peer: PeerId(2), probe }
    };
    let after = |more: Vec<Seen>| first_kind(&[claims(fresh), more].concat());
    assert_eq!(first_kind(&claims(fresh + 1)), "TreeEquality/claimed");
    assert_eq!(after(vec![probed(fresh, zxid)]), "none");
    assert_eq!(after(vec![probed(fresh + 1, zxid)]), "TreeEquality/wrong_tree");
    let with = |sessions| {
        let tree = Some(fresh);
        let probe = Probe { applied: zxid, tree, sessions: Some(sessions), ..Probe::default() };
        after(vec![Seen::Probed { peer: PeerId(2), probe }])
    };
    assert_eq!(with(Digest::of_words(&[1, 1]).0), "none");
    assert_eq!(with(Digest::of_words(&[1, 2]).0), "SessionEquality/table");
    assert_eq!(with(0), "SessionEquality/table");
    // What nobody has committed may be anything; what was restored is looked at again.
    assert_eq!(after(vec![probed(fresh + 1, Zxid(1 << 32 | 2))]), "none");
    let restored = Note::Restored { zxid, tree: fresh + 1 };
    let again = vec![
        probed(fresh, zxid),
        Seen::Noted { peer: PeerId(2), note: restored },
        probed(fresh + 1, zxid),
    ];
    assert_eq!(after(again), "TreeEquality/wrong_tree");
}
