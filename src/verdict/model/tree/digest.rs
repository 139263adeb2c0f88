//! The digest of the tree (spec 7.5), by the book: a CRC-32 per node, and their sum.

use std::sync::Arc;

use crate::jute::proto::StatPersisted;

use super::{Model, Node, Place};

/// The remainders of all bytes, for the reflected polynomial of CRC-32.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { 0xEDB8_8320 ^ (rest >> 1) } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| TABLE[((sum ^ u32::from(*byte)) & 0xFF) as usize] ^ sum >> 8)
}

/// What the node at this path adds to the digest. What is below `/zookeeper` adds nothing, and the
/// root goes by the empty path. `cversion` counts creates.
pub(in crate::verdict) fn share(path: &str, data: &[u8], stat: &StatPersisted) -> u32 {
    if path.starts_with("/zookeeper/") {
        return 0;
    }
    let mut sum = add(add(!0, if path == "/" { b"" } else { path.as_bytes() }), data);
    for long in [stat.czxid, stat.mzxid, stat.pzxid, stat.ctime, stat.mtime] {
        sum = add(sum, &long.to_be_bytes());
    }
    for int in [stat.version, stat.cversion, stat.aversion] {
        sum = add(sum, &int.to_be_bytes());
    }
    !add(sum, &stat.ephemeral_owner.to_be_bytes())
}

impl Node {
    fn share(&self, path: &str) -> u32 {
        let stat = StatPersisted {
            czxid: self.czxid.wire(),
            mzxid: self.mzxid.wire(),
            pzxid: self.pzxid.wire(),
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.creates,
            aversion: self.aversion,
            ephemeral_owner: self.owner,
        };
        share(path, self.data.as_deref().unwrap_or_default(), &stat)
    }
}

impl Model {
    /// The digest of the newest state.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Brings the digest in step with the newest version of a path. Only a model with a past is
    /// ever asked for it.
    pub(super) fn resum(&mut self, place: Place) {
        if !self.past {
            return;
        }
        let entry = Arc::make_mut(&mut self.entries[place as usize]);
        let sum = entry.now().map_or(0, |node| node.share(&entry.path));
        let was = std::mem::replace(&mut entry.sum, sum);
        self.digest = self.digest.wrapping_sub(was.into()).wrapping_add(sum.into());
    }
}
