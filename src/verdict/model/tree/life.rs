//! Nodes that go by themselves (spec 2.4): ephemerals with their session, containers once they have
//! had children, others when their time is over.

use crate::znode::op::ErrorCode;

use super::{Asked, Effect, Model, path};

/// A container's owner.
pub(super) const CONTAINER: i64 = i64::MIN;

/// What marks a time to live: the top byte, and feature 0 in the two bytes below it.
const TTL: i64 = -1 << 56;

/// The longest time to live, in milliseconds.
const TTL_MAX: i64 = (1 << 40) - 1;

/// The owner of a node that lives so long.
///
/// # Errors
/// `BadArguments` if nothing can live so long, or so briefly.
pub(super) fn of_ttl(ttl: i64) -> Result<i64, ErrorCode> {
    if (1..=TTL_MAX).contains(&ttl) { Ok(TTL | ttl) } else { Err(ErrorCode::BadArguments) }
}

/// How long a node of this owner lives, in milliseconds.
pub(super) fn ttl(owner: i64) -> Option<i64> {
    (owner & !TTL_MAX == TTL).then_some(owner & TTL_MAX)
}

/// Whether the owner is a session.
pub(super) fn is_ephemeral(owner: i64) -> bool {
    owner != 0 && owner != CONTAINER && ttl(owner).is_none()
}

/// The owner as clients see it (spec 9, case 42).
pub(super) fn visible(owner: i64) -> i64 {
    if is_ephemeral(owner) { owner } else { 0 }
}

impl Model {
    /// Whether a time to live may be asked for at all: before anything else is looked at.
    pub(super) fn check_ttl(&self, ttl: i64) -> Result<i64, ErrorCode> {
        if !self.settings.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        of_ttl(ttl)
    }

    /// deleteContainer: whoever asks is the leader itself (spec 9, case 26).
    pub(super) fn delete_container(
        &mut self,
        asked: Asked,
        path: &str,
    ) -> Result<Effect, ErrorCode> {
        if asked.session.0 != 0 {
            return Err(ErrorCode::Unimplemented);
        }
        if path::is_special(path) {
            return Err(ErrorCode::BadArguments);
        }
        let place = self.place(path).ok_or(ErrorCode::NoNode)?;
        let node = self.node(place).ok_or(ErrorCode::NoNode)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        // Of a plain node, too: it may have been made anew since it was looked at.
        if is_ephemeral(node.owner) || node.owner == 0 {
            return Err(ErrorCode::BadVersion);
        }
        self.remove(place, asked.zxid);
        Ok(Effect::Deleted)
    }

    /// Whether the leader may delete the node at this time of its clock, in the newest state.
    ///
    /// # Errors
    /// Why it may not, for people.
    pub(crate) fn is_due(&self, path: &str, now: i64) -> Result<(), String> {
        let node = self.look(path).and_then(super::Entry::now);
        let node = node.ok_or_else(|| "it does not exist".to_string())?;
        if node.children > 0 {
            return Err(format!("it has {} children", node.children));
        }
        let age = now.saturating_sub(node.mtime);
        if let Some(ttl) = ttl(node.owner) {
            let left = || format!("it is to live for {ttl} ms, and was set {age} ms ago");
            return if age > ttl { Ok(()) } else { Err(left()) };
        }
        if node.owner != CONTAINER {
            return Err("it is no container and has no time to live".to_string());
        }
        if node.creates > 0 {
            return Ok(());
        }
        match self.settings.never_used_ms {
            Some(limit) if age > limit => Ok(()),
            Some(limit) => Err(format!("it never had a child, for {age} ms of {limit}")),
            None => Err("it never had a child".to_string()),
        }
    }
}
