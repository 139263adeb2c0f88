//! Histories told by hand: one session, what it asks on its connections, what is committed.

use super::*;
use crate::jute::proto::{Acl, Stat};
use crate::jute::txn::{CreateTxn, SetDataTxn};
use crate::znode::op::{CreateMode, open_acl};

/// The session of all stories. Its client is the first one, at 10.1.0.1.
pub(super) const SESSION: i64 = 7;

#[derive(Clone)]
pub(super) struct Story {
    seen: Vec<Seen>,
    settings: Settings,
    config: Option<Config>,
    /// The last transaction's counter, and the number of the next call.
    last: u64,
    next: u32,
}

impl Story {
    /// The session is born by the first transaction.
    pub(super) fn new() -> Story {
        let mut story = Story {
            seen: Vec::new(),
            settings: Settings::default(),
            config: None,
            last: 0,
            next: 0,
        };
        story.commit(SESSION, 0, Txn::CreateSession(CreateSessionTxn { timeout: 1 }));
        story
    }

    pub(super) fn with(mut self, settings: Settings) -> Story {
        self.settings = settings;
        self
    }

    pub(super) fn beginning_with(mut self, config: Config) -> Story {
        self.config = Some(config);
        self
    }

    /// The zxid of the last transaction.
    pub(super) fn now(&self) -> u64 {
        1 << 32 | self.last
    }

    /// A client of the session asks something: the number of the call.
    pub(super) fn call(&mut self, conn: u64, op: Op) -> u32 {
        self.seen.push(called(self.next, SESSION, conn, op));
        self.next += 1;
        self.next - 1
    }

    /// Transaction n is made at n seconds.
    pub(super) fn commit(&mut self, session: i64, cxid: i32, txn: Txn) -> u64 {
        self.commit_at(session, cxid, txn, (self.last as i64 + 1) * 1000)
    }

    pub(super) fn commit_at(&mut self, session: i64, cxid: i32, txn: Txn, time: i64) -> u64 {
        self.last += 1;
        let zxid = Zxid(self.now());
        let record = record(SessionId(session), cxid, zxid, time, txn);
        let digest = Digest::of(&record);
        let noted = |note| Seen::Noted { peer: PeerId(1), note };
        self.seen.push(noted(Note::Proposed { zxid, record }));
        self.seen.push(noted(Note::Delivered { zxid, digest }));
        zxid.0
    }

    pub(super) fn answer(&mut self, id: u32, zxid: u64, result: Result<Reply, ErrorCode>) {
        self.seen.push(returned(id, zxid, result));
    }

    /// A write is asked on the first connection, committed and answered.
    pub(super) fn write(&mut self, op: Op, txn: Txn, result: Result<Reply, ErrorCode>) {
        let id = self.call(1, op);
        let zxid = self.commit(SESSION, id as i32 + 1, txn);
        self.answer(id, zxid, result);
    }

    /// A read is asked and answered at once, at the newest state.
    pub(super) fn read(&mut self, conn: u64, op: Op, result: Result<Reply, ErrorCode>) {
        let id = self.call(conn, op);
        self.answer(id, self.now(), result);
    }

    /// An auth packet is sent and accepted.
    pub(super) fn prove(&mut self, conn: u64, credential: &str) {
        let auth = Op::AddAuth { scheme: "digest".into(), auth: credential.into() };
        let id = self.call(conn, auth);
        self.answer(id, 0, Ok(Reply::Done));
    }

    /// An event arrives; 0 is one of setWatches.
    pub(super) fn event(&mut self, conn: u64, kind: i32, path: &str, zxid: u64) {
        let zxid = (zxid > 0).then_some(Zxid(zxid));
        let (client, session, conn) = (ClientId(1), SessionId(SESSION), ConnId(conn));
        self.seen.push(Seen::Watch { client, session, conn, kind, path: path.into(), zxid });
    }

    pub(super) fn drop_connection(&mut self, conn: u64) {
        self.seen.push(Seen::Disconnected { client: ClientId(1), conn: ConnId(conn) });
    }

    /// A node is made, open to all but if it says otherwise.
    pub(super) fn make(&mut self, path: &str, acl: Option<Vec<Acl>>, creates: i32) {
        let acl = acl.unwrap_or_else(open_acl);
        let (mode, data) = (CreateMode::Persistent, None);
        let op = Op::Create { path: path.into(), data, acl: acl.clone(), mode, stat: false };
        let (path, parent_cversion) = (path.to_string(), creates);
        let made = Reply::Created { path: path.clone(), stat: None };
        let txn = CreateTxn { path, data: None, acl, ephemeral: false, parent_cversion };
        self.write(op, Txn::Create(txn), Ok(made));
    }

    /// A node that was never changed, made by transaction `made`, is set for the first time.
    pub(super) fn set(&mut self, path: &str, made: u64) -> u64 {
        let op = Op::SetData { path: path.into(), data: None, version: -1 };
        let txn = SetDataTxn { path: path.into(), data: None, version: 1 };
        let id = self.call(1, op);
        let zxid = self.commit(SESSION, id as i32 + 1, Txn::SetData(txn));
        let (mzxid, mtime) = (zxid as i64, self.last as i64 * 1000);
        let stat = Stat { mzxid, mtime, version: 1, ..stat(made) };
        self.answer(id, zxid, Ok(Reply::Stat(stat)));
        zxid
    }

    /// The first finding, as `Property/kind`; `none` if all is well.
    pub(super) fn verdict(&self) -> String {
        let mut witness = Witness::with(self.settings.clone(), self.config.as_ref());
        let mut findings = Vec::new();
        for (step, seen) in self.seen.iter().enumerate() {
            witness.observe(at(step), seen, &mut findings);
        }
        findings.first().map_or("none".into(), |f| format!("{}/{}", f.property, f.kind))
    }
}

/// What a story comes to if it goes on like this.
pub(super) fn goes(story: &Story, on: impl FnOnce(&mut Story)) -> String {
    let mut story = story.clone();
    on(&mut story);
    story.verdict()
}

/// The stat of a node without data and children that was made by transaction n.
pub(super) fn stat(n: u64) -> Stat {
    let (zxid, time) = ((1 << 32 | n) as i64, n as i64 * 1000);
    Stat { czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: time, mtime: time, ..Stat::default() }
}

#[test]
fn a_plain_story_passes() {
    let mut story = Story::new();
    story.make("/a", None, 1);
    let seen = Ok(Reply::Stat(stat(2)));
    story.read(1, Op::Exists { path: "/a".into(), watch: false }, seen);
    story.set("/a", 2);
    assert_eq!(story.verdict(), "none");
    assert_eq!(goes(&story, |s| s.make("/b", None, 3)), "WriteOutcome/parent_creates");
}
