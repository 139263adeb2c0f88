//! Who is who, and who may do what (spec 1.15, 2.5).

use std::net::IpAddr;
use std::sync::Arc;

use crate::jute::proto::{Acl, Id};
use crate::znode::op::{ErrorCode, grant, open_acl};

use super::change::hash_of as hash_of_bytes;
use super::sha::{base64, sha1};
use super::{Model, Node, Settings, perm};

/// A node's ACL; `None` is [`open_acl`], which nearly all have.
pub(crate) type Acls = Option<Arc<[Acl]>>;

/// The identities of a connection, by their number in a model. The default has none: such a
/// connection may do what the world may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who(u32);

/// The world may read: the ACL of `/zookeeper/config` (spec 2.2).
pub(super) fn read_only() -> Acls {
    Some(Arc::from([grant(perm::READ, "world", "anyone")]))
}

/// What tells an ACL from others, the order of its entries included.
pub(super) fn hash_of(acl: &Acls) -> u64 {
    let Some(acl) = acl else { return 0 };
    let mut bytes = Vec::new();
    crate::jute::encode_vec(acl, &mut bytes);
    hash_of_bytes(&bytes)
}

/// An ACL in full.
pub(crate) fn in_full(acl: &Acls) -> Vec<Acl> {
    acl.as_ref().map_or_else(open_acl, |acl| acl.to_vec())
}

fn id(scheme: &str, id: &str) -> Id {
    grant(0, scheme, id).id
}

impl Settings {
    /// The identities that an auth packet gives to a connection from this address.
    ///
    /// # Errors
    /// `AuthFailed` for whatever is no scheme to authenticate with, `world` and `auth` among it.
    pub(crate) fn prove(
        &self,
        scheme: &str,
        credential: &[u8],
        address: &str,
    ) -> Result<Vec<Id>, ErrorCode> {
        match scheme {
            "ip" => Ok(vec![id("ip", address)]),
            "digest" => {
                let text = String::from_utf8_lossy(credential);
                let user = text.split(':').next().unwrap_or_default();
                let digest = format!("{user}:{}", base64(&sha1(credential)));
                let mut ids = Vec::new();
                if self.super_digest.as_deref() == Some(&*digest) {
                    ids.push(id("super", ""));
                }
                ids.push(id("digest", &digest));
                Ok(ids)
            }
            _ => Err(ErrorCode::AuthFailed),
        }
    }
}

impl Model {
    /// The number of a set of identities, given out on first use.
    pub(crate) fn known_as(&mut self, ids: &[Id]) -> Who {
        let known = self.whos.iter().position(|who| **who == *ids);
        let number = known.unwrap_or_else(|| {
            self.whos.push(Arc::from(ids));
            self.whos.len() - 1
        });
        Who(number as u32)
    }

    /// Who a connection from this address is before it says anything (spec 1.15).
    pub(crate) fn known_at(&mut self, address: &str) -> Who {
        self.known_as(&[id("ip", address)])
    }

    /// What a connection becomes by an auth packet; itself if that fails.
    pub(crate) fn proved(&mut self, who: Who, scheme: &str, auth: &[u8], address: &str) -> Who {
        let mut ids = self.ids(who).to_vec();
        for id in self.settings.prove(scheme, auth, address).unwrap_or_default() {
            // Identities are a set.
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        self.known_as(&ids)
    }

    /// What the auth packet must be answered.
    pub(crate) fn proves(&self, scheme: &str, auth: &[u8]) -> Result<(), ErrorCode> {
        self.settings.prove(scheme, auth, "").map(|_| ())
    }

    /// Whether a connection that was one is now the other: identities are only added.
    pub(crate) fn is_more(&self, who: Who, than: Who) -> bool {
        self.ids(who).len() > self.ids(than).len()
    }

    pub(super) fn ids(&self, who: Who) -> &[Id] {
        self.whos.get(who.0 as usize).map_or(&[], |ids| ids)
    }

    /// Whether one of these permissions is granted. An ACL without entries lets everybody do
    /// everything, and so does being `super`.
    pub(crate) fn may(&self, acl: &Acls, perms: i32, who: Who) -> bool {
        let Some(acl) = acl else { return true };
        let ids = self.ids(who);
        let is_super = ids.iter().any(|id| id.scheme.as_deref() == Some("super"));
        if acl.is_empty() || is_super || self.settings.skip_acl {
            return true;
        }
        acl.iter()
            .filter(|entry| entry.perms & perms != 0)
            .any(|entry| is_world(&entry.id) || ids.iter().any(|id| matches_id(id, &entry.id)))
    }

    pub(super) fn allowed(&self, node: &Node, perms: i32, who: Who) -> Result<(), ErrorCode> {
        if self.may(&node.acl, perms, who) { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    /// The ACL to store: without duplicates, the first of which stays, and with `auth` as whoever
    /// asks (spec 2.5).
    pub(super) fn normalised(&self, acl: &[Acl], who: Who) -> Result<Acls, ErrorCode> {
        let mut distinct: Vec<&Acl> = Vec::new();
        for entry in acl {
            if !distinct.contains(&entry) {
                distinct.push(entry);
            }
        }
        if distinct.is_empty() {
            return Err(ErrorCode::InvalidAcl);
        }
        let mut stored = Vec::new();
        for entry in distinct {
            let scheme = entry.id.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
            if scheme == "auth" {
                let proved = |id: &&Id| id.scheme.as_deref() == Some("digest");
                let mut proved = self.ids(who).iter().filter(proved).peekable();
                proved.peek().ok_or(ErrorCode::InvalidAcl)?;
                stored.extend(proved.map(|id| Acl { perms: entry.perms, id: id.clone() }));
                continue;
            }
            if !matches!(scheme, "world" | "digest" | "ip") {
                return Err(ErrorCode::InvalidAcl);
            }
            let id = entry.id.id.as_deref().ok_or(ErrorCode::MarshallingError)?;
            let valid = match scheme {
                "world" => id == "anyone",
                "digest" => id.split(':').count() == 2,
                _ => network(id).is_some(),
            };
            if !valid {
                return Err(ErrorCode::InvalidAcl);
            }
            stored.push(entry.clone());
        }
        Ok(if stored == open_acl() { None } else { Some(Arc::from(stored)) })
    }

    /// The ACL as it is shown: who may not administer the node sees no passwords (spec 9, case 38).
    pub(super) fn shown(&self, node: &Node, who: Who) -> Vec<Acl> {
        let mut acl = in_full(&node.acl);
        if self.may(&node.acl, perm::ADMIN, who) {
            return acl;
        }
        for entry in &mut acl {
            if entry.id.scheme.as_deref() == Some("digest") {
                let user = user(entry.id.id.as_deref().unwrap_or_default());
                entry.id.id = Some(format!("{user}:x"));
            }
        }
        acl
    }

    /// whoAmI: of a digest only the user (spec 1.14).
    pub(super) fn shown_ids(&self, who: Who) -> Vec<Id> {
        let shown = |id: &Id| match id.scheme.as_deref() {
            Some("digest") => {
                let user = user(id.id.as_deref().unwrap_or_default()).to_owned();
                Id { id: Some(user), ..id.clone() }
            }
            _ => id.clone(),
        };
        self.ids(who).iter().map(shown).collect()
    }
}

fn user(id: &str) -> &str {
    id.split(':').next().unwrap_or_default()
}

fn is_world(id: &Id) -> bool {
    id.scheme.as_deref() == Some("world") && id.id.as_deref() == Some("anyone")
}

/// Whether an identity is one that an entry names.
fn matches_id(id: &Id, named: &Id) -> bool {
    if id.scheme != named.scheme {
        return false;
    }
    let (Some(own), Some(named)) = (&id.id, &named.id) else { return false };
    if id.scheme.as_deref() != Some("ip") {
        return own == named;
    }
    let (Ok(address), Some((network, bits))) = (own.parse::<IpAddr>(), network(named)) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let shift = 32 - bits;
            bits == 0 || a.to_bits() >> shift == b.to_bits() >> shift
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let shift = 128 - bits;
            bits == 0 || a.to_bits() >> shift == b.to_bits() >> shift
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// An address with the number of bits that count; all of them if it does not say.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    (bits <= width).then_some((address, bits))
}
