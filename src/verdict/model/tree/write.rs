//! Writes: a request judged in the newest state, and what it does to it (spec 2.3 to 2.5, 1.10).

use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::jute::proto::{Acl, Stat};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::{Acls, Model, Node, Place, Table, Who, event, life, path, perm, quota};

/// Who asks, and which transaction it becomes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) session: SessionId,
    pub(crate) zxid: Zxid,
    /// The leader's wall clock, ms (spec 5.2).
    pub(crate) time: i64,
    /// The identities of the connection that asks.
    pub(crate) who: Who,
    /// What the leader had applied when it prepared the request, for quotas; `None` is all of it.
    pub(crate) applied: Option<Zxid>,
}

/// What a write that succeeded did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// create, create2, createContainer and createTTL: `creates` is the parent's counter after it.
    Created { path: Arc<str>, creates: i32, stat: Stat, acl: Acls },
    /// delete and deleteContainer.
    Deleted,
    /// setData.
    Changed { stat: Stat },
    /// setACL.
    Granted { stat: Stat, acl: Acls },
    /// reconfig: the new text.
    Configured { data: Option<Vec<u8>>, stat: Stat },
    /// check.
    Checked,
    /// A multi of which every part succeeded.
    Multi(Vec<Effect>),
    /// A multi that failed at this part, with this code: a transaction without effect (P10).
    MultiFailed { part: usize, code: ErrorCode },
    /// closeSession: the session's ephemerals, sorted (P7).
    Closed { paths: Vec<Arc<str>> },
}

impl Effect {
    /// The answer that its client must get (spec 1.5, 1.10).
    pub(crate) fn reply(&self, op: &Op) -> Reply {
        match self {
            Effect::Created { path, stat, .. } => {
                let wants = !matches!(op, Op::Create { stat: false, .. });
                Reply::Created { path: path.to_string(), stat: wants.then(|| stat.clone()) }
            }
            Effect::Deleted | Effect::Checked | Effect::Closed { .. } => Reply::Done,
            Effect::Changed { stat } | Effect::Granted { stat, .. } => Reply::Stat(stat.clone()),
            Effect::Configured { data, stat } => {
                Reply::Data { data: data.clone(), stat: stat.clone() }
            }
            Effect::Multi(effects) => {
                let Op::Multi(parts) = op else { return Reply::Done };
                let replies = parts.iter().zip(effects).map(|(op, effect)| Ok(effect.reply(op)));
                Reply::Multi(replies.collect())
            }
            Effect::MultiFailed { part, code } => {
                let parts = if let Op::Multi(parts) = op { parts.len() } else { 0 };
                let result = |n: usize| match n.cmp(part) {
                    std::cmp::Ordering::Less => Err(None),
                    std::cmp::Ordering::Equal => Err(Some(*code)),
                    std::cmp::Ordering::Greater => Err(Some(ErrorCode::RuntimeInconsistency)),
                };
                Reply::Multi((0..parts).map(result).collect())
            }
        }
    }
}

impl Model {
    /// Judges a request in the newest state and applies it. What it fired is in
    /// [`Model::fired`] afterwards; an error changes nothing.
    ///
    /// # Errors
    /// The code of the error transaction.
    pub(crate) fn apply(&mut self, asked: Asked, op: &Op) -> Result<Effect, ErrorCode> {
        self.keep();
        self.fired.clear();
        let outcome = match op {
            Op::CloseSession => Ok(self.close(asked)),
            Op::DeleteContainer { path } => self.delete_container(asked, path),
            // What the servers do not allow at all is refused before the session is looked at.
            Op::CreateTtl { ttl, .. } if self.check_ttl(*ttl).is_err() => {
                self.check_ttl(*ttl).map(|_| Effect::Checked)
            }
            Op::Reconfig { .. } if !self.settings.reconfig => Err(ErrorCode::ReconfigDisabled),
            _ if !self.is_open(asked.session) => Err(ErrorCode::SessionExpired),
            Op::Multi(parts) => self.multi(asked, parts),
            _ => self.one(asked, op),
        };
        self.note_fired(asked.zxid);
        outcome
    }

    fn one(&mut self, asked: Asked, op: &Op) -> Result<Effect, ErrorCode> {
        match op {
            Op::Create { path, data, acl, mode, .. } => {
                let owner = if mode.is_ephemeral() { asked.session.0 } else { 0 };
                let sequential = mode.is_sequential();
                self.create(asked, New { path, data, acl, sequential, owner })
            }
            Op::CreateContainer { path, data, acl } => {
                let owner = life::CONTAINER;
                self.create(asked, New { path, data, acl, sequential: false, owner })
            }
            Op::CreateTtl { path, data, acl, sequential, ttl } => {
                let (owner, sequential) = (self.check_ttl(*ttl)?, *sequential);
                self.create(asked, New { path, data, acl, sequential, owner })
            }
            Op::SetAcl { path, acl, version } => self.set_acl(asked, path, acl, *version),
            Op::Reconfig { joining, leaving, members, version } => {
                let lists = (joining.as_deref(), leaving.as_deref(), members.as_deref());
                self.reconfig(asked, lists, *version)
            }
            Op::Delete { path, version } => self.delete(asked, path, *version),
            Op::SetData { path, data, version } => {
                self.set_data(asked, path, data.as_deref(), *version)
            }
            Op::Check { path, version } => self.check(asked, path, *version),
            // Everything else is no write, or one that never stands here: not decodable (1.10).
            _ => Err(ErrorCode::MarshallingError),
        }
    }

    /// All or nothing; later parts see earlier ones (P10).
    fn multi(&mut self, asked: Asked, parts: &[Op]) -> Result<Effect, ErrorCode> {
        if !parts.iter().all(is_part) {
            return Err(ErrorCode::MarshallingError);
        }
        let mark = self.mark();
        let mut effects = Vec::with_capacity(parts.len());
        for (part, op) in parts.iter().enumerate() {
            self.part = part as u32;
            let outcome = self.one(asked, op);
            self.part = 0;
            match outcome {
                Ok(effect) => effects.push(effect),
                Err(code) => {
                    self.back(mark);
                    return Ok(Effect::MultiFailed { part, code });
                }
            }
        }
        Ok(Effect::Multi(effects))
    }

    /// The order of these checks is spec 2.5's.
    fn create(&mut self, asked: Asked, new: New<'_>) -> Result<Effect, ErrorCode> {
        let New { path, data, acl, sequential, owner } = new;
        let data = data.as_deref();
        if !path.contains('/') || path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let acl = self.normalised(acl, asked.who)?;
        let parent = path::parent(path).and_then(|parent| self.place(parent));
        let parent = parent.ok_or(ErrorCode::NoNode)?;
        let above = self.node(parent).ok_or(ErrorCode::NoNode)?;
        self.allowed(above, perm::CREATE, asked.who)?;
        let creates = above.creates;
        let full = match sequential {
            true => format!("{path}{creates:010}"),
            false => path.to_owned(),
        };
        if !path::is_valid(&full) {
            return Err(ErrorCode::BadArguments);
        }
        if self.look(&full).is_some_and(|entry| entry.now().is_some()) {
            return Err(ErrorCode::NodeExists);
        }
        if life::is_ephemeral(above.owner) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let bytes = quota::weight(data);
        self.check_quota(asked, &full, bytes, 1)?;
        let mut above = above.clone();
        above.creates = creates.wrapping_add(1);
        above.children += 1;
        above.pzxid = asked.zxid;
        let creates = above.creates;
        let node = Node {
            data: data.map(Arc::from),
            czxid: asked.zxid,
            mzxid: asked.zxid,
            pzxid: asked.zxid,
            ctime: asked.time,
            mtime: asked.time,
            version: 0,
            aversion: 0,
            creates: 0,
            children: 0,
            owner,
            acl: acl.clone(),
        };
        let stat = node.stat();
        let place = self.intern(&full);
        self.entry(place).parent = parent;
        let above_acl = above.acl.clone();
        self.put(place, asked.zxid, Some(node));
        self.put(parent, asked.zxid, Some(above));
        self.relate(parent, place, asked.zxid, true);
        self.fire(Table::Data, place, event::CREATED, acl.clone());
        self.fire(Table::Child, parent, event::CHILDREN, above_acl);
        let path = self.entries[place as usize].path.clone();
        self.account(asked.zxid, &path, bytes, 1);
        Ok(Effect::Created { path, creates, stat, acl })
    }

    fn delete(&mut self, asked: Asked, path: &str, version: i32) -> Result<Effect, ErrorCode> {
        if path::is_special(path) || !path.contains('/') || path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let parent = path::parent(path).and_then(|parent| self.place(parent));
        let parent = parent.ok_or(ErrorCode::NoNode)?;
        let above = self.node(parent).ok_or(ErrorCode::NoNode)?;
        self.allowed(above, perm::DELETE, asked.who)?;
        let place = self.place(path).ok_or(ErrorCode::NoNode)?;
        let node = self.node(place).ok_or(ErrorCode::NoNode)?;
        expect(node.version, version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(place, asked.zxid);
        Ok(Effect::Deleted)
    }

    fn set_data(
        &mut self,
        asked: Asked,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
    ) -> Result<Effect, ErrorCode> {
        if !path::is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let place = self.place(path).ok_or(ErrorCode::NoNode)?;
        let node = self.node(place).ok_or(ErrorCode::NoNode)?;
        self.allowed(node, perm::WRITE, asked.who)?;
        let bytes = quota::weight(data) - quota::weight(node.data.as_deref());
        self.check_quota(asked, path, bytes, 0)?;
        expect(node.version, version)?;
        let mut node = node.clone();
        node.data = data.map(Arc::from);
        node.mzxid = asked.zxid;
        node.mtime = asked.time;
        node.version = after(node.version);
        let (stat, acl) = (node.stat(), node.acl.clone());
        self.put(place, asked.zxid, Some(node));
        self.fire(Table::Data, place, event::CHANGED, acl);
        self.account(asked.zxid, path, bytes, 0);
        Ok(Effect::Changed { stat })
    }

    /// Changes neither mzxid nor mtime, and fires nothing (spec 2.3, 4.2; spec 9, case 35).
    fn set_acl(
        &mut self,
        asked: Asked,
        path: &str,
        acl: &[Acl],
        version: i32,
    ) -> Result<Effect, ErrorCode> {
        if !path::is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let acl = self.normalised(acl, asked.who)?;
        let place = self.place(path).ok_or(ErrorCode::NoNode)?;
        let node = self.node(place).ok_or(ErrorCode::NoNode)?;
        self.allowed(node, perm::ADMIN, asked.who)?;
        expect(node.aversion, version)?;
        let node = Node { acl: acl.clone(), aversion: after(node.aversion), ..node.clone() };
        let stat = node.stat();
        self.put(place, asked.zxid, Some(node));
        Ok(Effect::Granted { stat, acl })
    }

    fn check(&self, asked: Asked, path: &str, version: i32) -> Result<Effect, ErrorCode> {
        if !path::is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let entry = self.look(path).ok_or(ErrorCode::NoNode)?;
        let node = entry.now().ok_or(ErrorCode::NoNode)?;
        self.allowed(node, perm::READ, asked.who)?;
        expect(node.version, version)?;
        Ok(Effect::Checked)
    }

    /// Deletes what the session owns and forgets it; of an unknown session, nothing (spec 3.4).
    fn close(&mut self, asked: Asked) -> Effect {
        let owned = self.sessions.get(&asked.session).cloned().unwrap_or_default();
        for place in &owned {
            self.remove(*place, asked.zxid);
        }
        self.leave(asked.session);
        let mut paths: Vec<Arc<str>> =
            owned.iter().map(|place| self.entries[*place as usize].path.clone()).collect();
        paths.sort();
        Effect::Closed { paths }
    }

    pub(super) fn remove(&mut self, place: Place, zxid: Zxid) {
        let parent = self.entries[place as usize].parent;
        let gone = self.node(place);
        let bytes = gone.map_or(0, |node| quota::weight(node.data.as_deref()));
        let (acl, mut above_acl) = (gone.and_then(|node| node.acl.clone()), None);
        self.put(place, zxid, None);
        if let Some(above) = self.node(parent) {
            let mut above = above.clone();
            above_acl = above.acl.clone();
            above.children -= 1;
            above.pzxid = above.pzxid.max(zxid);
            self.put(parent, zxid, Some(above));
        }
        self.relate(parent, place, zxid, false);
        self.fire(Table::Data, place, event::DELETED, acl.clone());
        self.fire(Table::Child, place, event::DELETED, acl);
        self.fire(Table::Child, parent, event::CHILDREN, above_acl);
        let path = self.entries[place as usize].path.clone();
        self.account(zxid, &path, -bytes, -1);
    }

    pub(super) fn node(&self, place: Place) -> Option<&Node> {
        self.entries[place as usize].now()
    }
}

/// A node to be made.
struct New<'a> {
    path: &'a str,
    data: &'a Option<Vec<u8>>,
    acl: &'a [Acl],
    sequential: bool,
    owner: i64,
}

/// What a multi may consist of (spec 1.10).
pub(crate) fn is_part(op: &Op) -> bool {
    matches!(
        op,
        Op::Create { .. }
            | Op::CreateContainer { .. }
            | Op::CreateTtl { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
    )
}

/// Versions wrap, but never to -1, which means any (spec 2.3).
fn after(version: i32) -> i32 {
    match version.wrapping_add(1) {
        -1 => 0,
        next => next,
    }
}

/// -1 is any version; all else, -2 too, must be equal (spec 2.3).
fn expect(is: i32, version: i32) -> Result<(), ErrorCode> {
    if version == -1 || version == is { Ok(()) } else { Err(ErrorCode::BadVersion) }
}
