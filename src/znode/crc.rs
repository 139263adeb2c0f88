//! CRC-32 as zlib and Java compute it, eight bytes at a time: what the tree digest sums up
//! (spec 7.5).
//!
//! A state can be carried on, so that a node keeps the state after its path and data and only its
//! stat is hashed again when its child list changes.

/// `TABLES[k][b]`: the effect of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[zeros - 1][byte];
            tables[zeros][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// The state before the first byte.
pub const START: u32 = !0;

/// The state after more bytes.
pub fn update(mut state: u32, bytes: &[u8]) -> u32 {
    let mut eights = bytes.chunks_exact(8);
    for eight in &mut eights {
        let word = u64::from_le_bytes(eight.try_into().expect("chunks_exact gives 8 bytes"))
            ^ u64::from(state);
        let byte = |n: usize| (word >> (8 * n)) as usize & 0xFF;
        state = TABLES[7][byte(0)]
            ^ TABLES[6][byte(1)]
            ^ TABLES[5][byte(2)]
            ^ TABLES[4][byte(3)]
            ^ TABLES[3][byte(4)]
            ^ TABLES[2][byte(5)]
            ^ TABLES[1][byte(6)]
            ^ TABLES[0][byte(7)];
    }
    for byte in eights.remainder() {
        state = state >> 8 ^ TABLES[0][((state ^ u32::from(*byte)) & 0xFF) as usize];
    }
    state
}

/// The checksum of all bytes that led to a state.
pub fn finish(state: u32) -> u32 {
    !state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_check_value() {
        assert_eq!(finish(update(START, b"123456789")), 0xCBF4_3926);
        assert_eq!(finish(START), 0);
    }

    #[test]
    fn a_carried_state_equals_one_pass() {
        let bytes: Vec<u8> = (0..100u8).map(|n| n.wrapping_mul(37)).collect();
        for cut in 0..bytes.len() {
            let state = update(update(START, &bytes[..cut]), &bytes[cut..]);
            assert_eq!(state, update(START, &bytes), "cut at {cut}");
        }
    }
}
