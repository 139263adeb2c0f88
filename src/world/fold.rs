//! What the digest of a run keeps of payloads: cheap enough to be always on.

use crate::process::{Frame, Tag};

use super::World;

const K: [u64; 4] =
    [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB];

/// A hash of bytes: four lanes that do not wait for each other, so that a message costs less than
/// its place in the queue. Frozen like the digest that it goes into.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut lanes = K;
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            let word = u64::from_le_bytes(word.try_into().expect("chunks_exact gives 8 bytes"));
            *lane = (*lane ^ word).wrapping_mul(K[1]).rotate_left(31);
        }
    }
    for (lane, word) in lanes.iter_mut().zip(blocks.remainder().chunks(8)) {
        let word = match word.first_chunk() {
            Some(whole) => u64::from_le_bytes(*whole),
            // Most texts are short: no call to copy a few bytes.
            None => word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        *lane = (*lane ^ word).wrapping_mul(K[2]).rotate_left(29);
    }
    let [a, b, c, d] = lanes;
    let low = (a ^ b.rotate_left(17)).wrapping_mul(K[0]);
    let high = (c ^ d.rotate_left(41)).wrapping_mul(K[3]);
    low ^ high.rotate_left(32) ^ bytes.len() as u64
}

impl World {
    /// Folds a frame in: its link, its tag and its bytes.
    #[inline]
    pub(super) fn fold_frame(&mut self, link: u64, frame: &Frame) {
        let Tag { kind, epoch, zxid } = frame.tag;
        self.digest.word(link << 32 | u64::from(epoch.0));
        self.digest.word(zxid.0 ^ (kind.len() as u64) << 56);
        self.digest.word(hash(&frame.bytes));
    }

    /// Folds a name and a number in.
    pub(super) fn fold_text(&mut self, text: &str, number: u64) {
        self.digest.word(hash(text.as_bytes()) ^ number);
    }

    /// Folds bytes in.
    pub(super) fn fold_bytes(&mut self, bytes: &[u8]) {
        self.digest.word(hash(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_length_matter() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in 0..100 {
            assert_ne!(hash(&bytes[..len]), hash(&bytes[..len + 1]));
            for at in 0..len {
                let mut other = bytes[..len].to_vec();
                other[at] ^= 1;
                assert_ne!(hash(&bytes[..len]), hash(&other), "{at} of {len}");
            }
        }
        assert_ne!(hash(&[0; 8]), hash(&[0; 9]));
    }
}
