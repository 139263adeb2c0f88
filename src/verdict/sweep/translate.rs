//! Requests and answers, as they are written down in columns.

use crate::jute::proto::Stat;
use crate::znode::op::{ErrorCode, Op, Reply};

use super::names::{NONE, mark};
use super::paths;
use super::tape::{EARLY, Kind, LOST, OK, Part, Rewatch, Tape, flag};

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
                self.rewatches.push(Rewatch { since: *relative, lists });
            }
            Op::Ping => {}
            Op::CreateSession { .. } => part.kind = Kind::CreateSession,
            Op::CloseSession => part.kind = Kind::Close,
        }
        part
    }

    fn stat(&mut self, stat: &Stat) -> u32 {
        self.stats.push(stat.clone());
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
                part.stat = seen.as_ref().map_or(NONE, |seen| self.stat(seen));
                shaped && *stat == seen.is_some()
            }
            (Op::Exists { .. } | Op::SetData { .. }, Reply::Stat(seen)) => {
                part.stat = self.stat(seen);
                true
            }
            (Op::GetData { .. }, Reply::Data { data, stat }) => {
                part.data = self.blob(data.as_deref());
                part.stat = self.stat(stat);
                true
            }
            (Op::GetChildren { stat, .. }, Reply::Children { names, stat: seen }) => {
                let sum =
                    names.iter().fold(0u128, |sum, name| sum.wrapping_add(mark(name.as_bytes())));
                (part.extra, part.version) = (self.kids.len() as u32, names.len() as i32);
                self.kids.push(sum);
                part.flags |= flag::NAMED;
                part.stat = seen.as_ref().map_or(NONE, |seen| self.stat(seen));
                *stat == seen.is_some() && names.is_sorted()
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
