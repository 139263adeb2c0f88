//! Random histories: digests, and fuzzy snapshots with replay (spec 7.4, 7.5).

use super::*;
use crate::base::{Cursor, Dice, Draw, Ratio};
use crate::jute::txn::Txn;

const NAMES: [&str; 6] = ["/a", "/b", "/a-b", "/a/x", "/a/y", "/b/x"];

fn any_change(dice: &mut Dice) -> Op {
    let path = dice.pick(&NAMES).to_string();
    let version = *dice.pick(&[-1, -1, -1, 0, 1]);
    match dice.below(9) {
        0..4 => {
            let data = dice.chance(Ratio::new(3, 4)).then(|| vec![b'd'; dice.below(9) as usize]);
            let user = dice.below(40);
            let acl = if user < 6 { digest_acl(user) } else { open_acl() };
            let mode = CreateMode::from_flags(dice.below(4) as i32).expect("below 4");
            let stat = dice.chance(Ratio::new(1, 2));
            // Few sequential names, so that they meet each other again.
            let mode = if dice.below(3) > 0 && mode.is_sequential() {
                CreateMode::Persistent
            } else {
                mode
            };
            Op::Create { path, data, acl, mode, stat }
        }
        4..7 => Op::Delete { path, version },
        7 => Op::SetData { path, data: Some(vec![b's'; dice.below(9) as usize]), version },
        _ => Op::Check { path, version },
    }
}

fn any_write(dice: &mut Dice) -> Op {
    match dice.below(24) {
        0 => Op::CloseSession,
        1..3 => Op::CreateSession { timeout: 4000 + dice.below(9) as i32 },
        3..7 => Op::Multi((0..dice.below(5)).map(|_| any_change(dice)).collect()),
        _ => any_change(dice),
    }
}

/// All that is replicated, as plain values.
#[derive(Debug, PartialEq)]
struct Dump {
    last: Zxid,
    digest: u64,
    sessions: Vec<(SessionId, i32)>,
    ephemerals: Vec<(SessionId, Vec<String>)>,
    nodes: Vec<String>,
}

fn dump(tree: &Tree) -> Dump {
    let mut nodes = Vec::new();
    let mut walk = tree.walk();
    while let Some((path, node)) = walk.next() {
        let acl = tree.acls.get(node.acl);
        let (data, stat, children) = (&node.data, &node.stat, node.children.len());
        nodes.push(format!("{path:?} {data:?} {acl:?} {stat:?} {children}"));
    }
    let owners: Vec<SessionId> = tree.ephemerals.keys().copied().collect();
    Dump {
        last: tree.last(),
        digest: tree.digest(),
        sessions: tree.sessions().collect(),
        ephemerals: owners.into_iter().map(|id| (id, tree.ephemerals(id))).collect(),
        nodes,
    }
}

/// The digest by its definition, bit by bit.
fn digest_from_scratch(tree: &Tree) -> u64 {
    let mut sum = 0u64;
    let mut walk = tree.walk();
    while let Some((path, node)) = walk.next() {
        if path.starts_with("/zookeeper/") {
            continue;
        }
        let mut bytes = path.as_bytes().to_vec();
        bytes.extend_from_slice(node.data.as_deref().unwrap_or_default());
        let s = &node.stat;
        for long in [s.czxid, s.mzxid, s.pzxid, s.ctime, s.mtime] {
            long.encode(&mut bytes);
        }
        for int in [s.version, s.cversion, s.aversion] {
            int.encode(&mut bytes);
        }
        s.ephemeral_owner.encode(&mut bytes);
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        sum = sum.wrapping_add(u64::from(!crc));
    }
    sum
}

#[test]
fn expected_digests_hold_however_far_applying_lags() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed, "lag");
        let mut service = Service::new();
        let copy = service.tree.clone();
        for _ in 0..120 {
            let session = *dice.pick(&SESSIONS);
            let op = any_write(&mut dice);
            service.ask(session, Ok(op));
            while dice.chance(Ratio::new(1, 2)) && service.catch_up_one().is_some() {}
        }
        // Each is compared with its expected digest on the way.
        while service.catch_up_one().is_some() {}
        assert_eq!(service.tree.digest(), digest_from_scratch(&service.tree), "seed {seed}");
        assert_eq!(dump(&copy), dump(&Service::new().tree), "a copy is not touched");
    }
}

/// What preparing judges ahead of time is what it would have judged one by one.
#[test]
fn preparing_ahead_decides_as_preparing_one_by_one() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed, "ahead");
        let (mut ahead, mut prompt) = (Service::new(), Service::new());
        for _ in 0..100 {
            let session = *dice.pick(&SESSIONS);
            let op = any_write(&mut dice);
            let ahead_record = ahead.ask(session, Ok(op.clone()));
            while dice.chance(Ratio::new(1, 3)) && ahead.catch_up_one().is_some() {}
            let record = prompt.ask(session, Ok(op));
            prompt.catch_up_one();
            let closed = matches!(&ahead_record.txn, Txn::Error(e)
                if e.err == ErrorCode::SessionExpired.wire());
            if closed && ahead_record != record {
                // Only a session whose end is pending differs: catch up and go on from there.
                while ahead.catch_up_one().is_some() {}
                ahead = prompt.clone();
                continue;
            }
            assert_eq!(ahead_record, record, "seed {seed}");
        }
    }
}

/// A random history, as records with what they led to.
fn history(dice: &mut Dice, length: u64) -> (Tree, Vec<TxnRecord>) {
    let mut service = Service::new();
    let start = service.tree.clone();
    let mut records = Vec::new();
    for _ in 0..length {
        let session = *dice.pick(&SESSIONS);
        let op = any_write(dice);
        records.push(service.ask(session, Ok(op)));
        while dice.chance(Ratio::new(2, 3)) && service.catch_up_one().is_some() {}
    }
    (start, records)
}

#[test]
fn replay_after_a_fuzzy_snapshot_is_direct_application() {
    for seed in 0..1500 {
        let mut dice = Dice::new(seed, "fuzzy");
        let (mut tree, records) = history(&mut dice, 60);
        let begin = dice.below(50) as usize;
        for record in &records[..begin] {
            tree.apply(record);
        }
        let zxid = tree.last();
        let (mut cursor, mut body, mut complete) = (Cursor::default(), Vec::new(), false);
        let mut reached = None;
        for (index, record) in records.iter().enumerate().skip(begin) {
            for part in 0..Tree::parts(record) {
                if !complete && dice.chance(Ratio::new(1, 2)) {
                    complete = tree.snapshot(&mut cursor, dice.below(4) as usize, &mut body);
                }
                let done = tree.apply_part(record, part).is_some();
                assert_eq!(done, part + 1 == Tree::parts(record));
            }
            if complete && reached.is_none() {
                reached = Some((index, dump(&tree)));
            }
        }
        while !complete {
            complete = tree.snapshot(&mut cursor, 3, &mut body);
        }
        let mut restored =
            Tree::restore(&body, zxid).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(restored.digest(), digest_from_scratch(&restored), "seed {seed}");
        for (index, record) in records.iter().enumerate().skip(begin) {
            restored.apply(record);
            if let Some((end, then)) = &reached
                && *end == index
            {
                assert_eq!(dump(&restored), *then, "seed {seed}, as soon as it is consistent");
            }
        }
        assert_eq!(dump(&restored), dump(&tree), "seed {seed}");
        restored.drop_orphans();
        assert_eq!(dump(&restored), dump(&tree), "seed {seed}: nobody is an orphan");
    }
}

#[test]
fn snapshot_of_a_still_tree_reads_back_whatever_its_chunks() {
    let (mut tree, records) = history(&mut Dice::new(1, "still"), 200);
    for record in &records {
        tree.apply(record);
    }
    let mut whole = Vec::new();
    assert!(tree.snapshot(&mut Cursor::default(), usize::MAX, &mut whole));
    for nodes in 1..5 {
        let (mut cursor, mut body) = (Cursor::default(), Vec::new());
        while !tree.snapshot(&mut cursor, nodes, &mut body) {}
        assert_eq!(body, whole);
    }
    let restored = Tree::restore(&whole, tree.last()).expect("just written");
    assert_eq!(dump(&restored), dump(&tree));
}

#[test]
fn tolerant_replay_still_raises_the_parent() {
    let mut service = Service::new();
    let made = service.ask(SESSIONS[0], Ok(create("/x")));
    let gone = service.ask(SESSIONS[0], Ok(delete("/x", -1)));
    let mut tree = service.tree.clone();
    tree.apply(&made);
    // As if the snapshot had an old root beside the new node, and the other way round.
    let again = TxnRecord {
        header: crate::jute::txn::TxnHeader { zxid: made.header.zxid + 9, ..made.header.clone() },
        ..made.clone()
    };
    assert_eq!(tree.apply(&again).result, Err(ErrorCode::NodeExists));
    assert_eq!(tree.stat("/").map(|stat| stat.pzxid), Some(again.header.zxid));
    let mut older = again.clone();
    if let Txn::Create(txn) = &mut older.txn {
        txn.parent_cversion -= 1;
    }
    let cversion = tree.stat("/").map(|stat| stat.cversion);
    tree.apply(&older);
    assert_eq!(tree.stat("/").map(|stat| stat.cversion), cversion, "never lowered");
    tree.apply(&gone);
    assert_eq!(tree.stat("/").map(|stat| stat.pzxid), Some(again.header.zxid), "only raised");
    let mut later = gone;
    later.header.zxid += 20;
    assert_eq!(tree.apply(&later).result, Err(ErrorCode::NoNode));
    assert_eq!(tree.stat("/").map(|stat| stat.pzxid), Some(later.header.zxid));
    assert_eq!(tree.digest(), digest_from_scratch(&tree));
}

#[test]
fn orphans_are_dropped() {
    let mut service = Service::new();
    let record = service.ask(SESSIONS[0], Ok(ephemeral("/e")));
    let mut tree = Tree::new();
    tree.apply(&record);
    tree.drop_orphans();
    assert_eq!(tree.stat("/e"), None);
    assert_eq!(tree.digest(), digest_from_scratch(&tree));
}

#[test]
fn damaged_snapshots_are_refused_without_a_panic() {
    let (mut tree, records) = history(&mut Dice::new(2, "damage"), 80);
    for record in &records {
        tree.apply(record);
    }
    let mut body = Vec::new();
    assert!(tree.snapshot(&mut Cursor::default(), usize::MAX, &mut body));
    for cut in 0..body.len() {
        assert!(Tree::restore(&body[..cut], Zxid(1)).is_err(), "cut at {cut}");
    }
    let mut dice = Dice::new(3, "damage");
    for _ in 0..2000 {
        let mut damaged = body.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(body.len() as u64) as usize;
            damaged[at] = dice.word() as u8;
        }
        if let Ok(mut tree) = Tree::restore(&damaged, Zxid(1)) {
            for record in &records {
                tree.apply(record);
            }
        }
    }
    let trailing = [body, vec![0]].concat();
    assert!(Tree::restore(&trailing, Zxid(1)).is_err());
}
