//! Tests of the parts of the service together: a leader that prepares and a peer that applies.

mod codec;
mod replay;
mod semantics;

use std::collections::VecDeque;

use crate::base::{SessionId, WallMs, Zxid};
use crate::jute::proto::{Acl, Id};
use crate::jute::txn::TxnRecord;
use crate::jute::{Reader, Record};

use super::op::{CreateMode, ErrorCode, Op, Reply, open_acl};
use super::prepare::{Prepare, Request};
use super::rules::Rules;
use super::tree::{Applied, Tree};

/// The sessions that a [`Service`] starts with.
const SESSIONS: [SessionId; 3] = [SessionId(0x100), SessionId(0x200), SessionId(0x300)];

/// A leader's preparation and one tree, which may lag behind it.
#[derive(Clone)]
struct Service {
    tree: Tree,
    prepare: Prepare,
    next: Zxid,
    wall: i64,
    waiting: VecDeque<TxnRecord>,
}

impl Service {
    /// With three sessions, created by the first three transactions.
    fn new() -> Service {
        let (tree, prepare, waiting) = (Tree::new(), Prepare::new(Rules::RIGHT), VecDeque::new());
        let mut service = Service { tree, prepare, next: Zxid(0x1_0000_0001), wall: 1000, waiting };
        for session in SESSIONS {
            service.run_as(session, Op::CreateSession { timeout: 4000 });
        }
        service
    }

    /// Prepares a write; it waits to be applied.
    fn ask(&mut self, session: SessionId, op: Result<Op, ErrorCode>) -> TxnRecord {
        let request = Request { session, cxid: 7, op };
        let zxid = self.next;
        self.next = zxid.next().expect("tests are short");
        self.wall += 10;
        let record = self.prepare.prepare(&self.tree, &request, zxid, WallMs(self.wall));
        assert_eq!(record.header.zxid, zxid.wire(), "each write takes its zxid");
        let bytes = record.to_bytes();
        assert_eq!(TxnRecord::from_bytes(&bytes).as_ref(), Ok(&record), "it survives the log");
        self.waiting.push_back(record.clone());
        record
    }

    /// Applies the oldest record that waits.
    fn catch_up_one(&mut self) -> Option<Applied> {
        let record = self.waiting.pop_front()?;
        let applied = self.tree.apply(&record);
        self.prepare.applied(self.tree.last());
        self.expect_digest(&record);
        Some(applied)
    }

    fn expect_digest(&self, record: &TxnRecord) {
        assert_eq!(self.tree.last().wire(), record.header.zxid);
        if let Some(digest) = record.digest {
            assert_eq!(digest, self.tree.digest(), "expected digest of {record:?}");
        }
    }

    /// Prepares and applies all that waits; the last answer.
    fn run_as(&mut self, session: SessionId, op: Op) -> Applied {
        self.ask(session, Ok(op));
        let mut last = None;
        while let Some(applied) = self.catch_up_one() {
            last = Some(applied);
        }
        last.expect("one was asked for")
    }

    /// The answer to a write by the first session.
    fn run(&mut self, op: Op) -> Result<Reply, ErrorCode> {
        self.run_as(SESSIONS[0], op).result
    }

    fn stat(&self, path: &str) -> crate::jute::proto::Stat {
        self.tree.stat(path).unwrap_or_else(|| panic!("{path} is missing"))
    }
}

fn create_with(path: &str, mode: CreateMode) -> Op {
    let data = Some(b"data".to_vec());
    Op::Create { path: path.into(), data, acl: open_acl(), mode, stat: false }
}

fn create(path: &str) -> Op {
    create_with(path, CreateMode::Persistent)
}

fn sequential(path: &str) -> Op {
    create_with(path, CreateMode::PersistentSequential)
}

fn ephemeral(path: &str) -> Op {
    create_with(path, CreateMode::Ephemeral)
}

fn delete(path: &str, version: i32) -> Op {
    Op::Delete { path: path.into(), version }
}

fn set_data(path: &str, data: &str, version: i32) -> Op {
    Op::SetData { path: path.into(), data: Some(data.into()), version }
}

fn check(path: &str, version: i32) -> Op {
    Op::Check { path: path.into(), version }
}

fn created(path: &str) -> Result<Reply, ErrorCode> {
    Ok(Reply::Created { path: path.into(), stat: None })
}

fn digest_acl(user: u64) -> Vec<Acl> {
    let id = Id { scheme: Some("digest".into()), id: Some(format!("user{user}:hash")) };
    vec![Acl { perms: 15, id }]
}
