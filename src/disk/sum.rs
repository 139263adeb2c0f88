//! Checksums of files: adler32 where ZooKeeper's formats have it, crc32 for the few words that we
//! add to them. Not cryptographic, not the digests of a run (`base::digest`).

/// The largest prime below 2^16: adler32's modulus.
const MODULUS: u32 = 65_521;

/// How many bytes can be added before the sums must be reduced: the largest n for which
/// `255 n (n + 1) / 2 + (n + 1) (MODULUS - 1)` fits into 32 bits.
const RUN: usize = 5552;

/// How many bytes are added at once.
const BLOCK: usize = 16;

/// A running adler32: logs and snapshots carry it (spec 7.1, 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adler {
    low: u32,
    high: u32,
}

impl Adler {
    /// The sum of nothing.
    pub fn new() -> Adler {
        Adler { low: 1, high: 0 }
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for run in bytes.chunks(RUN) {
            let mut blocks = run.chunks_exact(BLOCK);
            for block in &mut blocks {
                // The same sums, without each byte waiting for the one before it. Nothing can
                // overflow, by the choice of `RUN`: to check it would keep them from being added
                // side by side.
                let (mut plain, mut weighted) = (0u32, 0u32);
                for (at, byte) in block.iter().enumerate() {
                    let byte = u32::from(*byte);
                    plain = plain.wrapping_add(byte);
                    weighted = weighted.wrapping_add(byte.wrapping_mul((BLOCK - at) as u32));
                }
                self.high += BLOCK as u32 * self.low + weighted;
                self.low += plain;
            }
            for byte in blocks.remainder() {
                self.low += u32::from(*byte);
                self.high += self.low;
            }
            self.low %= MODULUS;
            self.high %= MODULUS;
        }
    }

    /// The sum as the 64-bit field of the files.
    pub fn value(self) -> i64 {
        i64::from(self.high << 16 | self.low)
    }
}

/// The adler32 of `bytes` alone.
pub fn adler32(bytes: &[u8]) -> i64 {
    let mut sum = Adler::new();
    sum.add(bytes);
    sum.value()
}

/// The crc32 (IEEE, reflected) of `bytes`: bit by bit, as it sees a dozen bytes a time.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_match_published_values() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let long = vec![0xFF; 20_000];
        let (mut low, mut high) = (1u64, 0u64);
        for byte in &long {
            low = (low + u64::from(*byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        assert_eq!(adler32(&long), (high << 16 | low) as i64);
    }
}
