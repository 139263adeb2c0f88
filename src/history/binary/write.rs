//! A history into bytes.

use std::io::{self, Write};

use crate::base::Zxid;
use crate::history::foreign::Words;
use crate::history::record::{Entry, Event, Happening, Operation, Outcome};
use crate::history::{At, CallId, Committed, Did};
use crate::jute::proto::{Acl, Id, Stat};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::{CALLS, END, EVENTS, LOG, MAGIC, digest};

/// A block is written when it is about so long.
const BLOCK: usize = 1 << 16;

/// Writes a history down, call by call. What is written is a whole history only after
/// [`Writer::finish`].
pub struct Writer<'a> {
    out: &'a mut dyn Write,
    payload: Vec<u8>,
    /// What is in the payload.
    kind: u8,
    words: Words,
    /// Words that were spelt out.
    known: u32,
    /// The latest call's and event's times, from which the next is counted.
    called: At,
    happened: At,
    id: CallId,
    zxid: Zxid,
    calls: u64,
    events: u64,
    log: u64,
}

impl<'a> Writer<'a> {
    /// Begins a history.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: &'a mut dyn Write) -> io::Result<Writer<'a>> {
        out.write_all(MAGIC)?;
        Ok(Writer {
            out,
            payload: Vec::new(),
            kind: CALLS,
            words: Words::new(),
            known: 0,
            called: At::default(),
            happened: At::default(),
            id: CallId(0),
            zxid: Zxid::ZERO,
            calls: 0,
            events: 0,
            log: 0,
        })
    }

    /// The next call, by invocation.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn call(&mut self, call: &Operation) -> io::Result<()> {
        self.turn_to(CALLS)?;
        self.calls += 1;
        self.put_call(call);
        self.flush(BLOCK)
    }

    /// The next event, by time.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.turn_to(EVENTS)?;
        self.events += 1;
        self.put_event(event);
        self.flush(BLOCK)
    }

    /// A transaction of the committed log.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn committed(&mut self, txn: &Committed) -> io::Result<()> {
        self.turn_to(LOG)?;
        self.log += 1;
        self.signed(txn.zxid.0.wrapping_sub(self.zxid.0) as i64);
        self.zxid = txn.zxid;
        self.signed(txn.session.0);
        self.signed(i64::from(txn.xid));
        self.byte(Did::ALL.iter().position(|did| *did == txn.did).unwrap_or_default() as u8);
        self.flush(BLOCK)
    }

    /// Whatever comes next.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        match entry {
            Entry::Call(call) => self.call(call),
            Entry::Event(event) => self.event(event),
            Entry::Committed(txn) => self.committed(txn),
        }
    }

    /// Says that it is whole.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<()> {
        self.turn_to(END)?;
        self.number(self.calls);
        self.number(self.events);
        self.number(self.log);
        self.flush(1)
    }

    /// A block is of one kind.
    fn turn_to(&mut self, kind: u8) -> io::Result<()> {
        if self.kind != kind {
            self.flush(1)?;
            self.kind = kind;
        }
        Ok(())
    }

    /// Ends the block if it has at least so many bytes.
    fn flush(&mut self, least: usize) -> io::Result<()> {
        if self.payload.len() < least {
            return Ok(());
        }
        let length = u32::try_from(self.payload.len()).expect("one call fits into four gigabytes");
        self.out.write_all(&[self.kind])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.payload)?;
        self.out.write_all(&digest(self.kind, &self.payload).to_le_bytes())?;
        self.payload.clear();
        Ok(())
    }

    fn byte(&mut self, byte: u8) {
        self.payload.push(byte);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// A number that may be negative, small ones in few bytes.
    fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.payload.extend_from_slice(bytes);
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) {
        self.flag(bytes.is_some());
        bytes.into_iter().for_each(|bytes| self.bytes(bytes));
    }

    /// A word's number plus one, or 0 and its letters if it is new.
    fn word(&mut self, text: &str) {
        let word = self.words.of(text);
        if word.0 < self.known {
            return self.number(u64::from(word.0) + 1);
        }
        self.known += 1;
        self.number(0);
        self.bytes(text.as_bytes());
    }

    fn all(&mut self, words: &[String]) {
        self.number(words.len() as u64);
        words.iter().for_each(|word| self.word(word));
    }

    fn maybe_word(&mut self, word: Option<&str>) {
        self.flag(word.is_some());
        word.into_iter().for_each(|word| self.word(word));
    }

    /// A time, by what lies between it and another; the difference wraps.
    fn at(&mut self, at: At, since: At) {
        self.signed(at.step.wrapping_sub(since.step) as i64);
        self.signed(at.time.0.wrapping_sub(since.time.0) as i64);
    }

    fn put_call(&mut self, call: &Operation) {
        self.signed(i64::from(call.id.0) - i64::from(self.id.0));
        self.id = call.id;
        self.number(u64::from(call.client.0));
        self.signed(call.session.0);
        self.number(call.conn.0);
        self.byte(call.server.0);
        self.signed(i64::from(call.xid));
        self.at(call.invoked, self.called);
        self.called = call.invoked;
        self.flag(call.returned.is_some());
        if let Some(returned) = call.returned {
            self.at(returned, call.invoked);
        }
        self.flag(call.zxid.is_some());
        call.zxid.into_iter().for_each(|zxid| self.number(zxid.0));
        self.op(&call.op);
        match &call.outcome {
            Outcome::Ok(reply) => {
                self.byte(0);
                self.reply(reply);
            }
            Outcome::Failed(code) => {
                self.byte(1);
                self.signed(i64::from(code.wire()));
            }
            Outcome::Lost => self.byte(2),
            Outcome::Open => self.byte(3),
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Create { path, data, acl, mode, stat } => {
                self.byte(0);
                self.word(path);
                self.maybe(data.as_deref());
                self.acl(acl);
                self.signed(i64::from(mode.flags()));
                self.flag(*stat);
            }
            Op::Delete { path, version } => self.versioned(1, path, *version),
            Op::Check { path, version } => self.versioned(2, path, *version),
            Op::SetData { path, data, version } => {
                self.versioned(3, path, *version);
                self.maybe(data.as_deref());
            }
            Op::Exists { path, watch } => self.read(4, path, *watch),
            Op::GetData { path, watch } => self.read(5, path, *watch),
            Op::GetChildren { path, watch, stat } => {
                self.read(6, path, *watch);
                self.flag(*stat);
            }
            Op::Sync { path } => {
                self.byte(7);
                self.word(path);
            }
            Op::Multi(parts) => self.parts(8, parts),
            Op::MultiRead(parts) => self.parts(9, parts),
            Op::SetWatches { relative, data, exist, child } => {
                self.byte(10);
                self.signed(*relative);
                [data, exist, child].into_iter().for_each(|paths| self.all(paths));
            }
            Op::Ping => self.byte(11),
            Op::CreateSession { timeout } => {
                self.byte(12);
                self.signed(i64::from(*timeout));
            }
            Op::CloseSession => self.byte(13),
            Op::CreateContainer { path, data, acl } => {
                self.byte(14);
                self.word(path);
                self.maybe(data.as_deref());
                self.acl(acl);
            }
            Op::CreateTtl { path, data, acl, sequential, ttl } => {
                self.byte(15);
                self.word(path);
                self.maybe(data.as_deref());
                self.acl(acl);
                self.flag(*sequential);
                self.signed(*ttl);
            }
            Op::DeleteContainer { path } => self.of_path(16, path),
            Op::SetAcl { path, acl, version } => {
                self.versioned(17, path, *version);
                self.acl(acl);
            }
            Op::GetAcl { path } => self.of_path(18, path),
            Op::AddAuth { scheme, auth } => {
                self.of_path(19, scheme);
                self.bytes(auth);
            }
            Op::AddWatch { path, mode } => self.versioned(20, path, mode.wire()),
            Op::CheckWatches { path, kind } => self.versioned(21, path, kind.wire()),
            Op::RemoveWatches { path, kind } => self.versioned(22, path, kind.wire()),
            Op::SetWatches2 { relative, data, exist, child, persistent, recursive } => {
                self.byte(23);
                self.signed(*relative);
                let lists = [data, exist, child, persistent, recursive];
                lists.into_iter().for_each(|paths| self.all(paths));
            }
            Op::GetEphemerals { prefix } => self.of_path(24, prefix),
            Op::GetAllChildrenNumber { path } => self.of_path(25, path),
            Op::WhoAmI => self.byte(26),
            Op::Reconfig { joining, leaving, members, version } => {
                self.byte(27);
                let lists = [joining, leaving, members].into_iter();
                lists.for_each(|list| self.maybe_word(list.as_deref()));
                self.signed(*version);
            }
        }
    }

    fn of_path(&mut self, kind: u8, path: &str) {
        self.byte(kind);
        self.word(path);
    }

    fn acl(&mut self, acl: &[Acl]) {
        self.number(acl.len() as u64);
        for one in acl {
            self.signed(i64::from(one.perms));
            self.id(&one.id);
        }
    }

    fn id(&mut self, id: &Id) {
        self.maybe_word(id.scheme.as_deref());
        self.maybe_word(id.id.as_deref());
    }

    fn versioned(&mut self, kind: u8, path: &str, version: i32) {
        self.byte(kind);
        self.word(path);
        self.signed(i64::from(version));
    }

    fn read(&mut self, kind: u8, path: &str, watch: bool) {
        self.byte(kind);
        self.word(path);
        self.flag(watch);
    }

    fn parts(&mut self, kind: u8, parts: &[Op]) {
        self.byte(kind);
        self.number(parts.len() as u64);
        parts.iter().for_each(|part| self.op(part));
    }

    fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Done => self.byte(0),
            Reply::Created { path, stat } => {
                self.byte(1);
                self.word(path);
                self.maybe_stat(stat.as_ref());
            }
            Reply::Stat(stat) => {
                self.byte(2);
                self.stat(stat);
            }
            Reply::Data { data, stat } => {
                self.byte(3);
                self.maybe(data.as_deref());
                self.stat(stat);
            }
            Reply::Children { names, stat } => {
                self.byte(4);
                self.all(names);
                self.maybe_stat(stat.as_ref());
            }
            Reply::Synced { path } => {
                self.byte(5);
                self.word(path);
            }
            Reply::Multi(parts) => {
                self.byte(6);
                self.number(parts.len() as u64);
                for part in parts {
                    match part {
                        Ok(reply) => self.reply(reply),
                        Err(code) => {
                            self.byte(7);
                            self.signed(i64::from(code.map_or(0, ErrorCode::wire)));
                        }
                    }
                }
            }
            // 7 is a part that failed.
            Reply::Acl { acl, stat } => {
                self.byte(8);
                self.acl(acl);
                self.stat(stat);
            }
            Reply::Ephemerals(paths) => {
                self.byte(9);
                self.all(paths);
            }
            Reply::Count(number) => {
                self.byte(10);
                self.signed(i64::from(*number));
            }
            Reply::Who(ids) => {
                self.byte(11);
                self.number(ids.len() as u64);
                ids.iter().for_each(|id| self.id(id));
            }
        }
    }

    fn maybe_stat(&mut self, stat: Option<&Stat>) {
        self.flag(stat.is_some());
        stat.into_iter().for_each(|stat| self.stat(stat));
    }

    fn stat(&mut self, stat: &Stat) {
        let wide = [stat.czxid, stat.mzxid, stat.ctime, stat.mtime, stat.ephemeral_owner];
        wide.into_iter().for_each(|number| self.signed(number));
        self.signed(stat.pzxid);
        let narrow = [stat.version, stat.cversion, stat.aversion, stat.data_length];
        narrow.into_iter().for_each(|number| self.signed(i64::from(number)));
        self.signed(i64::from(stat.num_children));
    }

    fn put_event(&mut self, event: &Event) {
        self.at(event.at, self.happened);
        self.happened = event.at;
        self.number(u64::from(event.client.0));
        self.signed(event.session.0);
        match &event.what {
            Happening::Connected { conn, server, fresh, timeout_ms } => {
                self.byte(0);
                self.number(conn.0);
                self.byte(server.0);
                self.flag(*fresh);
                self.number(*timeout_ms);
            }
            Happening::Disconnected { conn } => {
                self.byte(1);
                self.number(conn.0);
            }
            Happening::Expired => self.byte(2),
            Happening::Watch { conn, kind, path, zxid } => {
                self.byte(3);
                self.number(conn.0);
                self.signed(i64::from(*kind));
                self.word(path);
                self.flag(zxid.is_some());
                zxid.iter().for_each(|zxid| self.number(zxid.0));
            }
        }
    }
}
