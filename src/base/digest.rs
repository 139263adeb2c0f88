//! The rolling digest: one 64-bit number that two runs share only if they were the same run.
//!
//! Frozen: tokens and golden tables store these values. Not cryptographic.

use std::fmt;

use serde::{Deserialize, Serialize};

const K: u64 = 0x9E37_79B9_7F4A_7C15;

/// A 64-bit fold of everything it was shown, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// The digest of nothing.
    pub const EMPTY: Digest = Digest(0x5A6F_6F53_696D_0001);

    /// Folds one word in.
    #[inline]
    pub fn word(&mut self, value: u64) {
        let wide = u128::from(self.0 ^ value ^ K) * u128::from(K ^ value.rotate_left(29) | 1);
        self.0 = ((wide >> 64) as u64 ^ wide as u64).rotate_left(23).wrapping_add(value);
    }

    /// Folds bytes in, their length first, so that `ab|c` and `a|bc` differ.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("chunks_exact gives 8 bytes")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }

    /// The digest of `bytes` alone.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut digest = Digest::EMPTY;
        digest.bytes(bytes);
        digest
    }

    /// The digest of these words alone.
    pub fn of_words(words: &[u64]) -> Digest {
        let mut digest = Digest::EMPTY;
        words.iter().for_each(|word| digest.word(*word));
        digest
    }

    /// The upper half, as tokens print it: 8 hexadecimal digits.
    pub fn short(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest::EMPTY
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_boundaries_matter() {
        let mut ab = Digest::EMPTY;
        ab.bytes(b"ab");
        ab.bytes(b"c");
        let mut bc = Digest::EMPTY;
        bc.bytes(b"a");
        bc.bytes(b"bc");
        assert_ne!(ab, bc);
        assert_ne!(Digest::of(b"\0"), Digest::of(b"\0\0"));
    }
}
