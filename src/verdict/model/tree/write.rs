//! Writes: a request judged in the newest state, and what it does to it (spec 2.3 to 2.5, 1.10).

use std::sync::Arc;

use crate::base::{SessionId, Zxid};
use crate::jute::proto::{Acl, Stat};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply};

use super::{Model, Node, Place, Table, event, path, perm};

/// Who asks, and which transaction it becomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) session: SessionId,
    pub(crate) zxid: Zxid,
    /// The leader's wall clock, ms (spec 5.2).
    pub(crate) time: i64,
}

/// What a write that succeeded did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// create and create2: `creates` is the parent's counter after it.
    Created { path: Arc<str>, creates: i32, stat: Stat },
    /// delete.
    Deleted,
    /// setData.
    Changed { stat: Stat },
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
                let wants = matches!(op, Op::Create { stat: true, .. });
                Reply::Created { path: path.to_string(), stat: wants.then(|| stat.clone()) }
            }
            Effect::Deleted | Effect::Checked | Effect::Closed { .. } => Reply::Done,
            Effect::Changed { stat } => Reply::Stat(stat.clone()),
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
                self.create(asked, path, data.as_deref(), acl, *mode)
            }
            Op::Delete { path, version } => self.delete(asked, path, *version),
            Op::SetData { path, data, version } => {
                self.set_data(asked, path, data.as_deref(), *version)
            }
            Op::Check { path, version } => self.check(path, *version),
            // Everything else is no write, or one that never stands here: not decodable (1.10).
            _ => Err(ErrorCode::MarshallingError),
        }
    }

    /// All or nothing; later parts see earlier ones (P10).
    fn multi(&mut self, asked: Asked, parts: &[Op]) -> Result<Effect, ErrorCode> {
        let writes = |op: &Op| {
            matches!(
                op,
                Op::Create { .. } | Op::Delete { .. } | Op::SetData { .. } | Op::Check { .. }
            )
        };
        if !parts.iter().all(writes) {
            return Err(ErrorCode::MarshallingError);
        }
        let mark = self.mark();
        let mut effects = Vec::with_capacity(parts.len());
        for (part, op) in parts.iter().enumerate() {
            match self.one(asked, op) {
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
    fn create(
        &mut self,
        asked: Asked,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
    ) -> Result<Effect, ErrorCode> {
        if !path.contains('/') || path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let perms = world_perms(acl)?;
        let parent = path::parent(path).and_then(|parent| self.places.get(parent).copied());
        let parent = parent.ok_or(ErrorCode::NoNode)?;
        let above = self.node(parent).ok_or(ErrorCode::NoNode)?;
        allowed(above, perm::CREATE)?;
        let creates = above.creates;
        let full = match mode.is_sequential() {
            true => format!("{path}{creates:010}"),
            false => path.to_owned(),
        };
        if !path::is_valid(&full) {
            return Err(ErrorCode::BadArguments);
        }
        if self.look(&full).is_some_and(|entry| entry.now().is_some()) {
            return Err(ErrorCode::NodeExists);
        }
        if above.owner != 0 {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
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
            owner: if mode.is_ephemeral() { asked.session.0 } else { 0 },
            perms,
        };
        let stat = node.stat();
        let place = self.intern(&full);
        self.entries[place as usize].parent = parent;
        self.put(place, asked.zxid, Some(node));
        self.put(parent, asked.zxid, Some(above));
        self.relate(parent, place, asked.zxid, true);
        self.fire(Table::Data, place, event::CREATED);
        self.fire(Table::Child, parent, event::CHILDREN);
        let path = self.entries[place as usize].path.clone();
        Ok(Effect::Created { path, creates, stat })
    }

    fn delete(&mut self, asked: Asked, path: &str, version: i32) -> Result<Effect, ErrorCode> {
        if path::is_special(path) || !path.contains('/') || path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let parent = path::parent(path).and_then(|parent| self.places.get(parent).copied());
        let parent = parent.ok_or(ErrorCode::NoNode)?;
        allowed(self.node(parent).ok_or(ErrorCode::NoNode)?, perm::DELETE)?;
        let place = *self.places.get(path).ok_or(ErrorCode::NoNode)?;
        let node = self.node(place).ok_or(ErrorCode::NoNode)?;
        expect(node, version)?;
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
        let place = *self.places.get(path).ok_or(ErrorCode::NoNode)?;
        let node = self.node(place).ok_or(ErrorCode::NoNode)?;
        allowed(node, perm::WRITE)?;
        expect(node, version)?;
        let mut node = node.clone();
        node.data = data.map(Arc::from);
        node.mzxid = asked.zxid;
        node.mtime = asked.time;
        // Versions wrap, but never to -1, which means any (spec 2.3).
        node.version = match node.version.wrapping_add(1) {
            -1 => 0,
            next => next,
        };
        let stat = node.stat();
        self.put(place, asked.zxid, Some(node));
        self.fire(Table::Data, place, event::CHANGED);
        Ok(Effect::Changed { stat })
    }

    fn check(&self, path: &str, version: i32) -> Result<Effect, ErrorCode> {
        if !path::is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let entry = self.look(path).ok_or(ErrorCode::NoNode)?;
        let node = entry.now().ok_or(ErrorCode::NoNode)?;
        allowed(node, perm::READ)?;
        expect(node, version)?;
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

    fn remove(&mut self, place: Place, zxid: Zxid) {
        let parent = self.entries[place as usize].parent;
        self.put(place, zxid, None);
        if let Some(above) = self.node(parent) {
            let mut above = above.clone();
            above.children -= 1;
            above.pzxid = above.pzxid.max(zxid);
            self.put(parent, zxid, Some(above));
        }
        self.relate(parent, place, zxid, false);
        self.fire(Table::Data, place, event::DELETED);
        self.fire(Table::Child, place, event::DELETED);
        self.fire(Table::Child, parent, event::CHILDREN);
    }

    pub(super) fn node(&self, place: Place) -> Option<&Node> {
        self.entries[place as usize].now()
    }
}

/// What `world:anyone` may do, of a list that names nobody else: others are not served yet.
fn world_perms(acl: &[Acl]) -> Result<i32, ErrorCode> {
    let mut perms = 0;
    for entry in acl {
        let who = (entry.id.scheme.as_deref(), entry.id.id.as_deref());
        if who != (Some("world"), Some("anyone")) {
            return Err(ErrorCode::InvalidAcl);
        }
        perms |= entry.perms;
    }
    if acl.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(perms) }
}

fn allowed(node: &Node, perm: i32) -> Result<(), ErrorCode> {
    if node.perms & perm == 0 { Err(ErrorCode::NoAuth) } else { Ok(()) }
}

/// -1 is any version; all else, -2 too, must be equal (spec 2.3).
fn expect(node: &Node, version: i32) -> Result<(), ErrorCode> {
    if version == -1 || version == node.version { Ok(()) } else { Err(ErrorCode::BadVersion) }
}
