//! How histories of znodes are drawn: few paths, sessions and versions.

use std::sync::Arc;

use crate::base::{Draw, Ratio, SessionId, Zxid};
use crate::jute::proto::{Acl, Id, Stat};
use crate::verdict::model::tree::perm;
use crate::verdict::model::znodes::{Answer, Op as Asked, State, Znodes};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, grant, open_acl};

use super::super::differential::Sample;

/// Where nodes are made, and those that sequential creates make of it.
const PATHS: [&str; 4] = ["/a", "/a/x", "/b", "/a/y"];
const NUMBERED: [&str; 2] = ["/a/s0000000000", "/a/s0000000001"];

impl Sample for Znodes {
    fn draw(&self, dice: &mut impl Draw) -> Asked {
        let session = SessionId(1 + dice.below(3) as i64);
        let op = match dice.below(20) {
            0..=9 => single(dice),
            10..=12 => read(dice),
            13 => Op::MultiRead((0..=dice.below(2)).map(|_| read_part(dice)).collect()),
            14 => Op::Multi((0..=dice.below(3)).map(|_| single(dice)).collect()),
            15 => Op::CloseSession,
            _ => guarded(dice),
        };
        // The leader itself takes containers away, and nobody else.
        let leader = matches!(op, Op::DeleteContainer { .. });
        Asked { session: if leader { SessionId(0) } else { session }, op, who: someone(dice) }
    }

    fn right(&self, state: &State, op: &Asked, dice: &mut impl Draw) -> Answer {
        let zxid = dice.chance(Ratio { num: 1, den: 3 }).then(|| Zxid(dice.below(9)));
        Answer { result: self.answer(state, op), zxid }
    }

    fn wrong(&self, _op: &Asked, right: Answer, dice: &mut impl Draw) -> Answer {
        let errors =
            [ErrorCode::NoNode, ErrorCode::NodeExists, ErrorCode::BadVersion, ErrorCode::NoAuth];
        let result = match right.result {
            Err(code) if dice.below(2) == 0 => Err(code),
            Err(_) => Err(*dice.pick(&errors)),
            Ok(Reply::Done) => Err(*dice.pick(&errors)),
            Ok(reply) => Ok(spoilt(reply, dice)),
        };
        Answer { result, ..right }
    }
}

/// A create, delete, setData or check.
fn single(dice: &mut impl Draw) -> Op {
    let version = dice.below(3) as i32 - 1;
    let data = Some(vec![dice.below(2) as u8]);
    match dice.below(8) {
        0..=3 => {
            let mode = match dice.below(8) {
                0..=3 => CreateMode::Persistent,
                4 => CreateMode::Ephemeral,
                5 | 6 => CreateMode::PersistentSequential,
                _ => CreateMode::EphemeralSequential,
            };
            let path = if mode.is_sequential() { "/a/s" } else { PATHS[dice.below(4) as usize] };
            let stat = dice.below(3) == 0;
            Op::Create { path: path.to_string(), data, acl: open_acl(), mode, stat }
        }
        4 | 5 => Op::Delete { path: any(dice), version },
        6 => Op::SetData { path: any(dice), data, version },
        _ if dice.below(3) == 0 => Op::Delete { path: "/a".to_string(), version: -1 },
        _ => Op::SetData { path: "/a".to_string(), data, version: -1 },
    }
}

/// Nobody, or one of two users, or both.
fn someone(dice: &mut impl Draw) -> Option<Arc<[Id]>> {
    let user = |name: &str| grant(0, "digest", name).id;
    match dice.below(8) {
        0 => Some(Arc::from([user("u:1")])),
        1 => Some(Arc::from([user("v:2")])),
        2 => Some(Arc::from([user("u:1"), user("v:2")])),
        _ => None,
    }
}

/// An ACL that lets in all, or some.
fn some_acl(dice: &mut impl Draw) -> Vec<Acl> {
    match dice.below(5) {
        0 => open_acl(),
        1 => vec![grant(perm::READ, "world", "anyone")],
        2 => vec![grant(31, "auth", "")],
        3 => vec![grant(perm::CREATE | perm::ADMIN, "digest", "u:1"), grant(31, "digest", "v:2")],
        _ => vec![grant(31, "digest", "u:1")],
    }
}

/// What takes permissions, identities, or nodes that go by themselves.
fn guarded(dice: &mut impl Draw) -> Op {
    let (data, acl) = (Some(vec![dice.below(2) as u8]), some_acl(dice));
    let path = (*dice.pick(&["/a", "/a/x", "/b"])).to_string();
    match dice.below(10) {
        0 => Op::GetAcl { path },
        1 => Op::CreateContainer { path, data, acl: open_acl() },
        2 => {
            let sequential = dice.below(2) == 0;
            let path = if sequential { "/a/s".to_string() } else { path };
            Op::CreateTtl { path, data, acl: open_acl(), sequential, ttl: 5 }
        }
        3 => Op::DeleteContainer { path },
        4 => Op::GetAllChildrenNumber { path: "/".to_string() },
        5 => Op::GetEphemerals { prefix: "/a".to_string() },
        6 => Op::WhoAmI,
        7 => Op::Create { path, data, acl, mode: CreateMode::Persistent, stat: false },
        _ => Op::SetAcl { path, acl, version: dice.below(3) as i32 - 1 },
    }
}

fn any(dice: &mut impl Draw) -> String {
    let all = [PATHS[0], PATHS[1], PATHS[2], NUMBERED[0], NUMBERED[1]];
    all[dice.below(5) as usize].to_string()
}

fn read(dice: &mut impl Draw) -> Op {
    match dice.below(3) {
        0 => Op::Exists { path: any(dice), watch: false },
        _ => read_part(dice),
    }
}

fn read_part(dice: &mut impl Draw) -> Op {
    match dice.below(3) {
        0 => Op::GetChildren { path: "/a".to_string(), watch: false, stat: false },
        1 => Op::GetChildren { path: "/a".to_string(), watch: false, stat: true },
        _ => Op::GetData { path: any(dice), watch: false },
    }
}

fn spoilt(reply: Reply, dice: &mut impl Draw) -> Reply {
    let stat = |stat: Stat, dice: &mut dyn FnMut(u64) -> u64| match dice(3) {
        0 => Stat { version: stat.version + 1, ..stat },
        1 => Stat { cversion: stat.cversion + 1, ..stat },
        _ => Stat { num_children: stat.num_children + 1, cversion: stat.cversion - 1, ..stat },
    };
    let mut below = |n: u64| dice.below(n);
    match reply {
        Reply::Created { path, stat: shown } => {
            let path =
                if path.ends_with('0') { format!("{}1", &path[..path.len() - 1]) } else { path };
            Reply::Created { path, stat: shown }
        }
        Reply::Stat(shown) => Reply::Stat(stat(shown, &mut below)),
        Reply::Data { data, stat: shown } if below(2) == 0 => {
            Reply::Data { data, stat: stat(shown, &mut below) }
        }
        Reply::Data { stat, .. } => Reply::Data { data: Some(vec![below(2) as u8]), stat },
        Reply::Children { mut names, stat } => {
            if below(2) == 0 || names.pop().is_none() {
                names.insert(0, "s0000000000".to_string());
            }
            Reply::Children { names, stat }
        }
        Reply::Multi(mut parts) => {
            if let Some(part) = parts.first_mut() {
                *part = Err(Some(ErrorCode::NoNode));
            }
            Reply::Multi(parts)
        }
        Reply::Count(count) => Reply::Count(count + 1),
        Reply::Acl { acl, stat } => {
            let aversion = stat.aversion + 1;
            Reply::Acl { acl, stat: Stat { aversion, ..stat } }
        }
        Reply::Done | Reply::Synced { .. } | Reply::Ephemerals(_) | Reply::Who(_) => Reply::Done,
    }
}
