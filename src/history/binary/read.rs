//! A history out of bytes.

use std::io::{self, Read};

use crate::base::{ClientId, ConnId, PeerId, SessionId, Time, Zxid};
use crate::history::foreign::{Place, Refusal};
use crate::history::record::{Entry, Event, Happening, Operation, Outcome};
use crate::history::{At, CallId, Committed, Did};
use crate::jute::proto::{Acl, Id, Stat};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, WatchKind, WatchMode};

use super::{CALLS, END, EVENTS, LENGTH_MAX, LOG, MAGIC, digest};

/// Multis hold operations, which are no multis: more nesting than this is damage.
const DEPTH_MAX: usize = 4;

/// A payload that does not say what it should.
struct Damaged;

/// Reads a history, piece by piece into `sink`; there are no lines here, and the number is 0.
///
/// # Errors
/// Damage, an early end, and a history without calls.
pub fn read(bytes: &mut dyn Read, sink: &mut dyn FnMut(u64, Entry)) -> Result<(), Refusal> {
    let mut file = File { bytes, at: 0 };
    file.begin()?;
    let mut words = Vec::new();
    let (mut calls, mut events, mut log) = (0, 0, 0);
    let mut zxid = Zxid::ZERO;
    let (mut id, mut called, mut happened) = (0, At::default(), At::default());
    loop {
        let start = file.at;
        let (kind, payload) = file.block()?;
        let mut cut = Cut { rest: &payload, words: &mut words, last: At::default(), id };
        let read = match kind {
            CALLS => {
                cut.last = called;
                let read = cut
                    .all(&mut calls, &mut |cut| cut.call().map(|call| sink(0, Entry::Call(call))));
                (id, called) = (cut.id, cut.last);
                read
            }
            EVENTS => {
                cut.last = happened;
                let read = cut.all(&mut events, &mut |cut| {
                    cut.event().map(|event| sink(0, Entry::Event(event)))
                });
                happened = cut.last;
                read
            }
            LOG => cut.all(&mut log, &mut |cut| {
                let txn = cut.committed(zxid)?;
                zxid = txn.zxid;
                sink(0, Entry::Committed(txn));
                Ok(())
            }),
            END => {
                let mut count = || cut.number();
                let counts = count().and_then(|calls| Ok((calls, count()?, count()?)));
                match counts {
                    Ok(counts) if counts == (calls, events, log) && cut.rest.is_empty() => break,
                    Ok(_) | Err(Damaged) => Err(Damaged),
                }
            }
            _ => Err(Damaged),
        };
        if let Err(Damaged) = read {
            return Err(damaged(start));
        }
    }
    let end = file.at;
    if !file.is_at_end()? {
        let what = format!("byte {end}: something stands behind the end");
        return Err(refusal(what, "one file holds one history"));
    }
    if calls == 0 {
        let hint = "a history without calls proves nothing: is this the right file?";
        return Err(refusal("no client called anything here".to_string(), hint));
    }
    Ok(())
}

fn refusal(what: String, hint: &str) -> Refusal {
    Refusal::at(Place { line: 0, column: 0 }, what, hint)
}

fn damaged(at: u64) -> Refusal {
    let what = format!("the block at byte {at} is damaged");
    refusal(what, "a block's digest covers all of it: copy the file again")
}

struct File<'a> {
    bytes: &'a mut dyn Read,
    at: u64,
}

impl File<'_> {
    fn begin(&mut self) -> Result<(), Refusal> {
        let mut magic = [0; MAGIC.len()];
        self.fill(&mut magic)?;
        if magic == MAGIC {
            return Ok(());
        }
        let what = match magic[..MAGIC.len() - 1] == MAGIC[..MAGIC.len() - 1] {
            true => format!("this is version {} of the binary form", magic[MAGIC.len() - 1]),
            false => "this is no history in the binary form".to_string(),
        };
        let hint = format!("this build reads version {}", MAGIC[MAGIC.len() - 1]);
        Err(refusal(what, &hint))
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), Refusal> {
        match self.bytes.read_exact(into) {
            Ok(()) => {
                self.at += into.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let what = format!("the file ends within what begins at byte {}", self.at);
                Err(refusal(what, "is the file whole? its last block says so"))
            }
            Err(error) => {
                let what = format!("cannot be read: {error}");
                Err(refusal(what, "is it a file, and is all of it readable?"))
            }
        }
    }

    fn block(&mut self) -> Result<(u8, Vec<u8>), Refusal> {
        let start = self.at;
        let (mut kind, mut length, mut sum) = ([0], [0; 4], [0; 8]);
        self.fill(&mut kind)?;
        self.fill(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LENGTH_MAX {
            return Err(damaged(start));
        }
        let mut payload = vec![0; length];
        self.fill(&mut payload)?;
        self.fill(&mut sum)?;
        if u64::from_le_bytes(sum) != digest(kind[0], &payload) {
            return Err(damaged(start));
        }
        Ok((kind[0], payload))
    }

    fn is_at_end(&mut self) -> Result<bool, Refusal> {
        match self.fill(&mut [0]) {
            Ok(()) => Ok(false),
            Err(refusal) if refusal.what.starts_with("cannot be read") => Err(refusal),
            Err(_) => Ok(true),
        }
    }
}

/// What is left of a payload.
struct Cut<'a> {
    rest: &'a [u8],
    words: &'a mut Vec<String>,
    last: At,
    id: u32,
}

impl Cut<'_> {
    /// Everything in the block, counted.
    fn all(
        &mut self,
        count: &mut u64,
        one: &mut dyn FnMut(&mut Self) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        while !self.rest.is_empty() {
            one(self)?;
            *count += 1;
        }
        Ok(())
    }

    /// The transaction after the one with this zxid.
    fn committed(&mut self, before: Zxid) -> Result<Committed, Damaged> {
        let zxid = Zxid(before.0.wrapping_add(self.signed()? as u64));
        let (session, xid) = (SessionId(self.signed()?), self.small()?);
        let did = Did::ALL.get(usize::from(self.byte()?)).copied().ok_or(Damaged)?;
        Ok(Committed { zxid, session, xid, did })
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, Damaged> {
        T::try_from(self.number()?).map_err(|_| Damaged)
    }

    fn signed(&mut self) -> Result<i64, Damaged> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn small<T: TryFrom<i64>>(&mut self) -> Result<T, Damaged> {
        T::try_from(self.signed()?).map_err(|_| Damaged)
    }

    fn flag(&mut self) -> Result<bool, Damaged> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged),
        }
    }

    fn maybe<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Option<T>, Damaged> {
        if self.flag()? { inner(self).map(Some) } else { Ok(None) }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Damaged> {
        let length = self.narrow()?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken.to_vec())
    }

    fn word(&mut self) -> Result<String, Damaged> {
        match self.narrow::<usize>()?.checked_sub(1) {
            Some(known) => self.words.get(known).cloned().ok_or(Damaged),
            None => {
                let text = String::from_utf8(self.bytes()?).map_err(|_| Damaged)?;
                self.words.push(text.clone());
                Ok(text)
            }
        }
    }

    /// As many as a number says; never more than there are bytes.
    fn several<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Damaged> {
        let count: usize = self.narrow()?;
        if count > self.rest.len() {
            return Err(Damaged);
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn at(&mut self, since: At) -> Result<At, Damaged> {
        let step = since.step.wrapping_add(self.signed()? as u64);
        Ok(At { step, time: Time(since.time.0.wrapping_add(self.signed()? as u64)) })
    }

    fn call(&mut self) -> Result<Operation, Damaged> {
        let id = i64::from(self.id).checked_add(self.signed()?).ok_or(Damaged)?;
        self.id = u32::try_from(id).map_err(|_| Damaged)?;
        let client = ClientId(self.narrow()?);
        let session = SessionId(self.signed()?);
        let conn = ConnId(self.number()?);
        let server = PeerId(self.byte()?);
        let xid = self.small()?;
        let invoked = self.at(self.last)?;
        self.last = invoked;
        let returned = self.maybe(|cut| cut.at(invoked))?;
        let zxid = self.maybe(|cut| cut.number().map(Zxid))?;
        let op = self.op(0)?;
        let outcome = match self.byte()? {
            0 => Outcome::Ok(self.reply(0)?),
            1 => Outcome::Failed(self.code()?.ok_or(Damaged)?),
            2 => Outcome::Lost,
            3 => Outcome::Open,
            _ => return Err(Damaged),
        };
        let id = CallId(self.id);
        Ok(Operation {
            id,
            client,
            session,
            conn,
            server,
            xid,
            op,
            invoked,
            returned,
            zxid,
            outcome,
        })
    }

    /// An error's code; `None` for 0.
    fn code(&mut self) -> Result<Option<ErrorCode>, Damaged> {
        let code: i32 = self.small()?;
        let known = ErrorCode::ALL.iter().find(|known| known.wire() == code);
        if known.is_none() && code != 0 { Err(Damaged) } else { Ok(known.copied()) }
    }

    fn op(&mut self, depth: usize) -> Result<Op, Damaged> {
        if depth > DEPTH_MAX {
            return Err(Damaged);
        }
        Ok(match self.byte()? {
            0 => {
                let (path, data) = (self.word()?, self.maybe(Cut::bytes)?);
                let acl = self.several(Cut::acl)?;
                let mode = CreateMode::from_flags(self.small()?).ok_or(Damaged)?;
                Op::Create { path, data, acl, mode, stat: self.flag()? }
            }
            1 => Op::Delete { path: self.word()?, version: self.small()? },
            2 => Op::Check { path: self.word()?, version: self.small()? },
            3 => {
                let (path, version) = (self.word()?, self.small()?);
                Op::SetData { path, data: self.maybe(Cut::bytes)?, version }
            }
            4 => Op::Exists { path: self.word()?, watch: self.flag()? },
            5 => Op::GetData { path: self.word()?, watch: self.flag()? },
            6 => Op::GetChildren { path: self.word()?, watch: self.flag()?, stat: self.flag()? },
            7 => Op::Sync { path: self.word()? },
            8 => Op::Multi(self.several(|cut| cut.op(depth + 1))?),
            9 => Op::MultiRead(self.several(|cut| cut.op(depth + 1))?),
            10 => Op::SetWatches {
                relative: self.signed()?,
                data: self.several(Cut::word)?,
                exist: self.several(Cut::word)?,
                child: self.several(Cut::word)?,
            },
            11 => Op::Ping,
            12 => Op::CreateSession { timeout: self.small()? },
            13 => Op::CloseSession,
            kind => return self.newer_op(kind),
        })
    }

    /// The operations about permissions, containers, times to live, persistent watches and the
    /// config.
    fn newer_op(&mut self, kind: u8) -> Result<Op, Damaged> {
        Ok(match kind {
            14 => {
                let (path, data) = (self.word()?, self.maybe(Cut::bytes)?);
                Op::CreateContainer { path, data, acl: self.several(Cut::acl)? }
            }
            15 => {
                let (path, data) = (self.word()?, self.maybe(Cut::bytes)?);
                let (acl, sequential) = (self.several(Cut::acl)?, self.flag()?);
                Op::CreateTtl { path, data, acl, sequential, ttl: self.signed()? }
            }
            16 => Op::DeleteContainer { path: self.word()? },
            17 => {
                let (path, version) = (self.word()?, self.small()?);
                Op::SetAcl { path, acl: self.several(Cut::acl)?, version }
            }
            18 => Op::GetAcl { path: self.word()? },
            19 => Op::AddAuth { scheme: self.word()?, auth: self.bytes()? },
            20 => {
                let (path, mode) = (self.word()?, self.small()?);
                Op::AddWatch { path, mode: WatchMode::from_wire(mode).ok_or(Damaged)? }
            }
            21 => Op::CheckWatches { path: self.word()?, kind: self.watch_kind()? },
            22 => Op::RemoveWatches { path: self.word()?, kind: self.watch_kind()? },
            23 => Op::SetWatches2 {
                relative: self.signed()?,
                data: self.several(Cut::word)?,
                exist: self.several(Cut::word)?,
                child: self.several(Cut::word)?,
                persistent: self.several(Cut::word)?,
                recursive: self.several(Cut::word)?,
            },
            24 => Op::GetEphemerals { prefix: self.word()? },
            25 => Op::GetAllChildrenNumber { path: self.word()? },
            26 => Op::WhoAmI,
            27 => Op::Reconfig {
                joining: self.maybe(Cut::word)?,
                leaving: self.maybe(Cut::word)?,
                members: self.maybe(Cut::word)?,
                version: self.signed()?,
            },
            _ => return Err(Damaged),
        })
    }

    fn watch_kind(&mut self) -> Result<WatchKind, Damaged> {
        WatchKind::from_wire(self.small()?).ok_or(Damaged)
    }

    fn id(&mut self) -> Result<Id, Damaged> {
        let scheme = self.maybe(Cut::word)?;
        Ok(Id { scheme, id: self.maybe(Cut::word)? })
    }

    fn acl(&mut self) -> Result<Acl, Damaged> {
        Ok(Acl { perms: self.small()?, id: self.id()? })
    }

    fn reply(&mut self, depth: usize) -> Result<Reply, Damaged> {
        let kind = self.byte()?;
        self.reply_of(kind, depth)
    }

    fn reply_of(&mut self, kind: u8, depth: usize) -> Result<Reply, Damaged> {
        if depth > DEPTH_MAX {
            return Err(Damaged);
        }
        Ok(match kind {
            0 => Reply::Done,
            1 => Reply::Created { path: self.word()?, stat: self.maybe(Cut::stat)? },
            2 => Reply::Stat(self.stat()?),
            3 => Reply::Data { data: self.maybe(Cut::bytes)?, stat: self.stat()? },
            4 => {
                let names = self.several(Cut::word)?;
                Reply::Children { names, stat: self.maybe(Cut::stat)? }
            }
            5 => Reply::Synced { path: self.word()? },
            6 => Reply::Multi(self.several(|cut| match cut.byte()? {
                7 => Ok(Err(cut.code()?)),
                kind => Ok(Ok(cut.reply_of(kind, depth + 1)?)),
            })?),
            8 => Reply::Acl { acl: self.several(Cut::acl)?, stat: self.stat()? },
            9 => Reply::Ephemerals(self.several(Cut::word)?),
            10 => Reply::Count(self.small()?),
            11 => Reply::Who(self.several(Cut::id)?),
            _ => return Err(Damaged),
        })
    }

    fn stat(&mut self) -> Result<Stat, Damaged> {
        Ok(Stat {
            czxid: self.signed()?,
            mzxid: self.signed()?,
            ctime: self.signed()?,
            mtime: self.signed()?,
            ephemeral_owner: self.signed()?,
            pzxid: self.signed()?,
            version: self.small()?,
            cversion: self.small()?,
            aversion: self.small()?,
            data_length: self.small()?,
            num_children: self.small()?,
        })
    }

    fn event(&mut self) -> Result<Event, Damaged> {
        let at = self.at(self.last)?;
        self.last = at;
        let client = ClientId(self.narrow()?);
        let session = SessionId(self.signed()?);
        let what = match self.byte()? {
            0 => Happening::Connected {
                conn: ConnId(self.number()?),
                server: PeerId(self.byte()?),
                fresh: self.flag()?,
                timeout_ms: self.number()?,
            },
            1 => Happening::Disconnected { conn: ConnId(self.number()?) },
            2 => Happening::Expired,
            3 => Happening::Watch {
                conn: ConnId(self.number()?),
                kind: self.small()?,
                path: self.word()?,
                zxid: self.maybe(|cut| cut.number().map(Zxid))?,
            },
            _ => return Err(Damaged),
        };
        Ok(Event { at, client, session, what })
    }
}
