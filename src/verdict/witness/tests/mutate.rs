//! Ways in which a legal run becomes an illegal one, each certain: what it changes cannot be
//! explained by any other legal run with the same zxids.

use std::collections::BTreeMap;

use crate::base::{ConnId, Dice, Digest, Draw, SessionId, Zxid};
use crate::history::{Call, CallId, Seen};
use crate::jute::Record;
use crate::jute::proto::Stat;
use crate::jute::txn::{Txn, TxnRecord};
use crate::process::Note;
use crate::znode::op::{ErrorCode, Op, Reply};

/// The names of all mutations, for the test's table.
pub(in crate::verdict) const KINDS: [&str; 19] = [
    "stat",
    "data",
    "names",
    "success becomes failure",
    "failure becomes another",
    "answer from the future",
    "session goes back",
    "write answered with another zxid",
    "event dropped",
    "event twice",
    "event altered",
    "event after data",
    "transaction altered",
    "call never made",
    "write applied twice",
    "answers swapped",
    "delivered another record",
    "told expired too early",
    "effect before its call",
];

struct Index {
    calls: BTreeMap<CallId, Call>,
    committed: BTreeMap<Zxid, (Digest, TxnRecord)>,
}

fn index(seen: &[Seen]) -> Index {
    let mut calls = BTreeMap::new();
    let mut proposed = BTreeMap::new();
    let mut committed = BTreeMap::new();
    for seen in seen {
        match seen {
            Seen::Called(call) => {
                calls.insert(call.id, call.clone());
            }
            Seen::Noted { note: Note::Proposed { record, .. }, .. } => {
                proposed.insert(Digest::of(record), TxnRecord::from_bytes(record).unwrap());
            }
            Seen::Noted { note: Note::Delivered { zxid, digest }, .. } => {
                committed.insert(*zxid, (*digest, proposed[digest].clone()));
            }
            _ => {}
        }
    }
    Index { calls, committed }
}

fn bump(stat: &mut Stat, dice: &mut Dice) {
    match dice.below(11) {
        0 => stat.czxid += 1,
        1 => stat.mzxid += 1,
        2 => stat.ctime += 1,
        3 => stat.mtime += 1,
        4 => stat.version += 1,
        5 => stat.cversion += 1,
        6 => stat.aversion += 1,
        7 => stat.ephemeral_owner += 1,
        8 => stat.data_length += 1,
        9 => stat.num_children += 1,
        _ => stat.pzxid += 1,
    }
}

/// Applies one mutation of this kind somewhere; false if there is no place for it.
pub(in crate::verdict) fn mutate(kind: &str, seen: &mut Vec<Seen>, dice: &mut Dice) -> bool {
    let index = index(seen);
    let from = dice.below(seen.len() as u64) as usize;
    let order: Vec<usize> = (from..seen.len()).chain(0..from).collect();
    order.into_iter().any(|at| mutate_at(kind, seen, at, &index, dice))
}

fn conn_of(index: &Index, seen: &Seen) -> Option<(ConnId, Zxid, bool)> {
    let Seen::Returned { id, zxid, .. } = seen else { return None };
    let call = &index.calls[id];
    Some((call.conn, *zxid, call.op == Op::CloseSession))
}

/// The next answer on a connection that shows `zxid`, and is not the end of its session.
fn next_answer(seen: &[Seen], at: usize, conn: ConnId, zxid: Zxid, index: &Index) -> Option<usize> {
    (at + 1..seen.len()).find(|at| {
        conn_of(index, &seen[*at]).is_some_and(|(c, z, end)| c == conn && z >= zxid && !end)
    })
}

fn mutate_at(kind: &str, seen: &mut Vec<Seen>, at: usize, index: &Index, dice: &mut Dice) -> bool {
    match kind {
        "event dropped" | "event twice" | "event altered" | "event after data" => {
            event(kind, seen, at, index, dice)
        }
        "transaction altered" | "write applied twice" | "delivered another record" => {
            log(kind, seen, at, index, dice)
        }
        "call never made" | "effect before its call" => {
            let Seen::Called(call) = &seen[at] else { return false };
            let by = (call.session.0, call.xid);
            let committed = index.committed.iter();
            let mut mine = committed.filter(|(_, (_, r))| (r.header.client, r.header.cxid) == by);
            let Some((zxid, _)) = mine.next() else { return false };
            // A leader may have given the session up, too: then its end was to be expected.
            if !call.op.is_write() || call.op == Op::CloseSession {
                return false;
            }
            let commit = (at..seen.len()).find(|at| {
                let Seen::Noted { note, .. } = &seen[*at] else { return false };
                matches!(note, Note::Delivered { zxid: z, .. } if z == zxid)
            });
            let Some(commit) = commit else { return false };
            let call = seen.remove(at);
            if kind == "effect before its call" {
                seen.insert(commit, call);
            }
            true
        }
        "answers swapped" => {
            let Some((conn, ..)) = conn_of(index, &seen[at]) else { return false };
            let next = next_answer(seen, at, conn, Zxid::ZERO, index);
            next.is_some_and(|next| {
                seen.swap(at, next);
                true
            })
        }
        "told expired too early" => {
            let Seen::Returned { id, .. } = &seen[at] else { return false };
            let call = &index.calls[id];
            let (client, session) = (call.client, call.session);
            let given_up = seen[..=at].iter().any(|seen| match seen {
                Seen::Noted { note: Note::SessionExpired { session: s, .. }, .. } => *s == session,
                _ => false,
            });
            if given_up || call.op == Op::CloseSession || closed(index, session) {
                return false;
            }
            seen.insert(at, Seen::Expired { client, session });
            true
        }
        _ => answer(kind, seen, at, index, dice),
    }
}

fn closed(index: &Index, session: SessionId) -> bool {
    index.committed.values().any(|(_, record)| {
        record.header.client == session.0 && matches!(record.txn, Txn::CloseSession(_))
    })
}

fn answer(kind: &str, seen: &mut [Seen], at: usize, index: &Index, dice: &mut Dice) -> bool {
    let (before, rest) = seen.split_at_mut(at);
    let Seen::Returned { id, zxid, result } = &mut rest[0] else { return false };
    let call = &index.calls[id];
    let plain = !matches!(call.op, Op::SetWatches { .. } | Op::CloseSession | Op::Sync { .. });
    match (kind, &mut *result) {
        ("stat", Ok(Reply::Stat(stat) | Reply::Data { stat, .. })) => bump(stat, dice),
        ("stat", Ok(Reply::Children { stat: Some(stat), .. })) => bump(stat, dice),
        ("stat", Ok(Reply::Created { stat: Some(stat), .. })) => bump(stat, dice),
        ("data", Ok(Reply::Data { data, .. })) => match data {
            Some(bytes) if dice.below(2) == 0 => bytes.push(b'x'),
            _ => *data = if data.is_some() { None } else { Some(Vec::new()) },
        },
        ("names", Ok(Reply::Children { names, .. })) => {
            if names.pop().is_none() {
                names.push("ghost".into());
            }
        }
        ("success becomes failure", Ok(_)) if plain => *result = Err(ErrorCode::NoNode),
        ("failure becomes another", Err(ErrorCode::SessionExpired)) => return false,
        ("failure becomes another", Err(code)) => {
            let other = match code {
                ErrorCode::NoNode => ErrorCode::NotEmpty,
                _ => ErrorCode::NoNode,
            };
            *result = Err(other);
        }
        ("answer from the future", _) => *zxid = Zxid(zxid.0 + 1000),
        ("session goes back", _) => {
            let mut earlier = before.iter().rev().filter_map(|seen| match seen {
                Seen::Returned { id, zxid, .. } => Some((index.calls[id].session, *zxid)),
                _ => None,
            });
            let Some((_, view)) = earlier.find(|(session, _)| *session == call.session) else {
                return false;
            };
            if view.counter() < 2 {
                return false;
            }
            *zxid = Zxid(view.0 - 1);
        }
        ("write answered with another zxid", _) if call.op.is_write() => {
            zxid.0 = if dice.below(2) == 0 { zxid.0 + 1 } else { zxid.0 - 1 };
        }
        _ => return false,
    }
    true
}

fn event(kind: &str, seen: &mut Vec<Seen>, at: usize, index: &Index, dice: &mut Dice) -> bool {
    let Seen::Watch { conn, zxid, .. } = &seen[at] else { return false };
    let (conn, shown) = (*conn, zxid.unwrap_or(Zxid::ZERO));
    let next = next_answer(seen, at, conn, shown, index);
    let Some(next) = next else { return false };
    match kind {
        "event dropped" => {
            seen.remove(at);
        }
        "event twice" => {
            let again = seen[at].clone();
            seen.insert(at, again);
        }
        "event altered" => {
            let Seen::Watch { kind, path, zxid, .. } = &mut seen[at] else { return false };
            match (dice.below(3), zxid) {
                (0, Some(zxid)) => zxid.0 -= 1,
                (1, _) => path.push('x'),
                _ => *kind = *kind % 4 + 1,
            }
        }
        _ => {
            let event = seen.remove(at);
            seen.insert(next, event);
        }
    }
    true
}

fn log(kind: &str, seen: &mut Vec<Seen>, at: usize, index: &Index, dice: &mut Dice) -> bool {
    let Seen::Noted { peer, note } = &mut seen[at] else { return false };
    if kind == "delivered another record" {
        let Note::Delivered { digest, .. } = note else { return false };
        digest.0 ^= 1 << dice.below(64);
        return true;
    }
    let Note::Proposed { zxid, record } = note else { return false };
    let (peer, zxid, was) = (*peer, *zxid, Digest::of(record));
    let Some((_, decoded)) = index.committed.get(&zxid).filter(|(digest, _)| *digest == was) else {
        return false;
    };
    let mut altered = decoded.clone();
    if kind == "write applied twice" {
        if altered.header.cxid == 0 || matches!(altered.txn, Txn::CloseSession(_)) {
            return false;
        }
        let Some(last) = index.committed.keys().next_back() else { return false };
        let zxid = Zxid(last.0 + 1);
        altered.header.zxid = zxid.wire();
        let record = altered.to_bytes();
        let digest = Digest::of(&record);
        seen.push(Seen::Noted { peer, note: Note::Proposed { zxid, record } });
        seen.push(Seen::Noted { peer, note: Note::Delivered { zxid, digest } });
        return true;
    }
    match &mut altered.txn {
        Txn::Create(txn) | Txn::Create2(txn) => match dice.below(4) {
            0 => txn.path.push('x'),
            1 => txn.parent_cversion += 1,
            2 => txn.ephemeral ^= true,
            _ => txn.data = None,
        },
        Txn::Delete(txn) => txn.path.push('x'),
        Txn::SetData(txn) => match dice.below(3) {
            0 => txn.version += 1,
            1 => txn.path.push('x'),
            _ => txn.data = None,
        },
        Txn::CloseSession(txn) => {
            if txn.paths.pop().is_none() {
                txn.paths.push("/a".into());
            }
        }
        Txn::Error(txn) => txn.err -= 1,
        Txn::Multi(txn) => {
            txn.parts.pop();
        }
        Txn::CreateContainer(txn) => txn.parent_cversion += 1,
        Txn::CreateTtl(txn) => txn.ttl += 1,
        Txn::SetAcl(txn) => txn.version += 1,
        Txn::DeleteContainer(txn) => txn.path.push('x'),
        Txn::Reconfig(txn) => txn.data = None,
        Txn::Check(_) | Txn::CreateSession(_) => return false,
    }
    let bytes = altered.to_bytes();
    let now = Digest::of(&bytes);
    for seen in seen.iter_mut() {
        match seen {
            Seen::Noted { note: Note::Proposed { zxid: z, record }, .. }
                if *z == zxid && Digest::of(record) == was =>
            {
                *record = bytes.clone();
            }
            Seen::Noted { note: Note::Delivered { digest, .. }, .. } if *digest == was => {
                *digest = now;
            }
            _ => {}
        }
    }
    true
}
