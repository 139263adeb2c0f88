//! Requests and answers, as they are written down in columns.

use crate::base::SessionId;
use crate::jute::proto::Stat;
use crate::verdict::names::{NONE, mark};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::paths;
use super::tape::{EARLY, Figures, Kind, LOST, OK, Part, Rewatch, Tape, flag};

/// Whether the answer's zxid is that of a transaction of its own. A leader may refuse for the
/// session's sake without one (spec 3.3).
pub(super) fn is_own(part: &Part) -> bool {
    part.kind.is_txn() && part.code != LOST && !is_refused(part.code)
}

fn is_refused(code: i16) -> bool {
    code == ErrorCode::SessionExpired.wire() as i16 || code == ErrorCode::SessionMoved.wire() as i16
}

/// Some refusals happen at the door, without a place in the order (spec 1.4, 1.10, 2.5).
pub(super) fn is_placed(parts: &[Part], part: &Part) -> bool {
    let writes = |part: &Part| {
        matches!(part.kind, Kind::Create | Kind::Delete | Kind::SetData | Kind::Check)
    };
    match part.kind {
        _ if part.code == LOST => false,
        Kind::Check | Kind::CreateSession => part.code != ErrorCode::Unimplemented.wire() as i16,
        Kind::Multi if part.code == ErrorCode::MarshallingError.wire() as i16 => {
            let start = part.extra as usize;
            parts[start..start + part.version as usize].iter().all(writes)
        }
        _ => true,
    }
}

impl Tape {
    fn blob(&mut self, data: Option<&[u8]>) -> u32 {
        data.map_or(NONE, |data| self.blobs.intern(data))
    }

    pub(super) fn request(&mut self, op: &Op) -> Part {
        let mut part = Part {
            path: NONE,
            data: NONE,
            stat: NONE,
            extra: NONE,
            version: -1,
            seq: -1,
            code: LOST,
            kind: Kind::Ping,
            flags: 0,
        };
        let watching = |watch: &bool| if *watch { flag::WATCH } else { 0 };
        match op {
            Op::Create { path, data, acl, mode, stat: _ } => {
                part.kind = Kind::Create;
                part.path = self.paths.intern(path);
                part.data = self.blob(data.as_deref());
                part.version = paths::perms(acl);
                part.flags |= if mode.is_ephemeral() { flag::EPHEMERAL } else { 0 };
                part.flags |= if mode.is_sequential() { flag::SEQUENTIAL } else { 0 };
            }
            Op::Delete { path, version } | Op::Check { path, version } => {
                let delete = matches!(op, Op::Delete { .. });
                part.kind = if delete { Kind::Delete } else { Kind::Check };
                (part.path, part.version) = (self.paths.intern(path), *version);
            }
            Op::SetData { path, data, version } => {
                part.kind = Kind::SetData;
                (part.path, part.version) = (self.paths.intern(path), *version);
                part.data = self.blob(data.as_deref());
            }
            Op::Exists { path, watch } | Op::GetData { path, watch } => {
                let exists = matches!(op, Op::Exists { .. });
                part.kind = if exists { Kind::Exists } else { Kind::GetData };
                (part.path, part.flags) = (self.paths.intern(path), watching(watch));
            }
            Op::GetChildren { path, watch, stat: _ } => {
                part.kind = Kind::GetChildren;
                (part.path, part.flags) = (self.paths.intern(path), watching(watch));
            }
            Op::Sync { path } => {
                (part.kind, part.path) = (Kind::Sync, self.paths.intern(path));
            }
            Op::Multi(ops) | Op::MultiRead(ops) => {
                let writes = matches!(op, Op::Multi(_));
                part.kind = if writes { Kind::Multi } else { Kind::MultiRead };
                let parts: Vec<Part> = ops.iter().map(|op| self.request(op)).collect();
                (part.extra, part.version) = (self.parts.len() as u32, parts.len() as i32);
                self.parts.extend(parts);
            }
            Op::SetWatches { relative, data, exist, child } => {
                part.kind = Kind::SetWatches;
                let lists = [data, exist, child]
                    .map(|list| list.iter().map(|path| self.paths.intern(path)).collect());
                part.extra = self.rewatches.len() as u32;
                self.rewatches.push(Rewatch { since: *relative, lists, told: Vec::new() });
            }
            Op::Ping => {}
            // Not judged here: the tape says so.
            Op::CreateContainer { .. }
            | Op::CreateTtl { .. }
            | Op::DeleteContainer { .. }
            | Op::SetAcl { .. }
            | Op::GetAcl { .. }
            | Op::AddAuth { .. }
            | Op::AddWatch { .. }
            | Op::CheckWatches { .. }
            | Op::RemoveWatches { .. }
            | Op::SetWatches2 { .. }
            | Op::GetEphemerals { .. }
            | Op::GetAllChildrenNumber { .. }
            | Op::WhoAmI
            | Op::Reconfig { .. } => {}
            Op::CreateSession { .. } => part.kind = Kind::CreateSession,
            Op::CloseSession => part.kind = Kind::Close,
        }
        part
    }

    /// A Stat of a path, and where it stands: once, if the path's last one was the same.
    fn stat(&mut self, path: u32, stat: &Stat) -> u32 {
        let figures = Figures {
            czxid: stat.czxid as u64,
            mzxid: stat.mzxid as u64,
            pzxid: stat.pzxid as u64,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            length: stat.data_length,
            children: stat.num_children,
            owner: match stat.ephemeral_owner {
                0 => NONE,
                owner => self.session(SessionId(owner)),
            },
        };
        if self.latest.len() <= path as usize {
            self.latest.resize(self.paths.len(), NONE);
        }
        let latest = self.latest[path as usize];
        if self.stats.get(latest as usize) == Some(&figures) {
            return latest;
        }
        self.stats.push(figures);
        self.latest[path as usize] = self.stats.len() as u32 - 1;
        self.stats.len() as u32 - 1
    }

    /// Fills an answer in. One that does not fit its request is [`flag::ODD`].
    pub(super) fn answer(&mut self, part: &mut Part, op: &Op, reply: &Reply) {
        part.code = OK;
        let fits = match (op, reply) {
            (Op::Create { path, mode, stat, .. }, Reply::Created { path: got, stat: seen }) => {
                let shaped = if mode.is_sequential() {
                    let suffix = got.strip_prefix(path.as_str());
                    let number = suffix.and_then(|suffix| suffix.parse::<i32>().ok());
                    part.seq = number.unwrap_or(-1);
                    suffix.is_some_and(|suffix| *suffix == format!("{:010}", part.seq))
                } else {
                    got == path
                };
                part.path = self.paths.intern(got);
                part.stat = seen.as_ref().map_or(NONE, |seen| self.stat(part.path, seen));
                shaped && *stat == seen.is_some()
            }
            (Op::Exists { .. } | Op::SetData { .. }, Reply::Stat(seen)) => {
                part.stat = self.stat(part.path, seen);
                true
            }
            (Op::GetData { .. }, Reply::Data { data, stat }) => {
                part.data = self.blob(data.as_deref());
                part.stat = self.stat(part.path, stat);
                true
            }
            (Op::GetChildren { stat, .. }, Reply::Children { names, stat: seen }) => {
                let sum =
                    names.iter().fold(0u128, |sum, name| sum.wrapping_add(mark(name.as_bytes())));
                (part.extra, part.version) = (self.kids.len() as u32, names.len() as i32);
                self.kids.push(sum);
                part.flags |= flag::NAMED;
                part.stat = seen.as_ref().map_or(NONE, |seen| self.stat(part.path, seen));
                *stat == seen.is_some()
            }
            (Op::Multi(ops) | Op::MultiRead(ops), Reply::Multi(results)) => {
                ops.len() == results.len() && self.answers(part.extra, ops, results)
            }
            (Op::Sync { path }, Reply::Synced { path: got }) => path == got,
            (Op::Delete { .. } | Op::Check { .. } | Op::CloseSession, Reply::Done)
            | (Op::SetWatches { .. } | Op::Ping, Reply::Done) => true,
            _ => false,
        };
        if !fits {
            part.flags |= flag::ODD;
        }
    }

    fn answers(
        &mut self,
        start: u32,
        ops: &[Op],
        results: &[Result<Reply, Option<ErrorCode>>],
    ) -> bool {
        let mut fits = true;
        for (n, (op, result)) in ops.iter().zip(results).enumerate() {
            let mut part = self.parts[start as usize + n];
            match result {
                Ok(reply) => self.answer(&mut part, op, reply),
                Err(None) => part.code = EARLY,
                Err(Some(code)) => part.code = code.wire() as i16,
            }
            fits &= !part.has(flag::ODD);
            self.parts[start as usize + n] = part;
        }
        fits
    }
}
