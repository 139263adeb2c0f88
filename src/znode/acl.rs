//! The ACLs in use, each under a number: nodes and snapshots carry the number (spec 7.3).

use std::collections::BTreeMap;

use crate::jute::proto::Acl;
use crate::jute::{Error, Reader, Record};

/// The number of `world:anyone:31`, which no table lists.
pub(super) const OPEN: i64 = -1;

/// An ACL that a fuzzy snapshot failed to list: the node was created after the table had been
/// written. Replay of its creation brings the ACL back (ZOOKEEPER-4689).
pub(super) const MISSING: i64 = i64::MIN;

/// ACLs by number. It only grows: a tree has few distinct ones, and a number that once meant an
/// ACL never means another, whatever part of a snapshot is already written.
#[derive(Clone, Debug, Default)]
pub(super) struct Acls {
    by_id: BTreeMap<i64, Vec<Acl>>,
    ids: BTreeMap<Vec<u8>, i64>,
}

impl Acls {
    /// The ACL's number; a new one if it was never used.
    pub fn find(&self, acl: &[Acl]) -> Option<i64> {
        if is_open(acl) {
            return Some(OPEN);
        }
        self.ids.get(&encoded(acl)).copied()
    }

    /// Gives the ACL a number; the one it has if it has one.
    pub fn add(&mut self, acl: &[Acl]) -> i64 {
        if let Some(id) = self.find(acl) {
            return id;
        }
        let id = self.by_id.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        self.insert(id, acl.to_vec());
        id
    }

    /// Whether nodes may carry this number.
    pub fn contains(&self, id: i64) -> bool {
        id == OPEN || self.by_id.contains_key(&id)
    }

    /// Appends the table as snapshots carry it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        (self.by_id.len() as i32).encode(out);
        for (id, acl) in &self.by_id {
            id.encode(out);
            acl.encode(out);
        }
    }

    /// Reads a table back.
    ///
    /// # Errors
    /// If the bytes are no such table.
    pub fn decode(input: &mut Reader<'_>) -> Result<Acls, Error> {
        let mut acls = Acls::default();
        for _ in 0..i32::decode(input)? {
            let id = i64::decode(input)?;
            if id < 0 {
                return Err(input.error("negative number of an ACL"));
            }
            acls.insert(id, Record::decode(input)?);
        }
        Ok(acls)
    }

    fn insert(&mut self, id: i64, acl: Vec<Acl>) {
        self.ids.insert(encoded(&acl), id);
        self.by_id.insert(id, acl);
    }

    /// The ACL of this number, if nodes may carry it.
    #[cfg(test)]
    pub fn get(&self, id: i64) -> Option<Vec<Acl>> {
        if id == OPEN { Some(super::op::open_acl()) } else { self.by_id.get(&id).cloned() }
    }
}

fn encoded(acl: &[Acl]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::jute::encode_vec(acl, &mut bytes);
    bytes
}

/// Whether it is [`super::op::open_acl`], without building that.
fn is_open(acl: &[Acl]) -> bool {
    let [acl] = acl else { return false };
    acl.perms == 31
        && acl.id.scheme.as_deref() == Some("world")
        && acl.id.id.as_deref() == Some("anyone")
}
