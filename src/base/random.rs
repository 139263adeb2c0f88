//! Draws that are named, integral and frozen.
//!
//! Two sources. [`Dice`] is ChaCha8 and lowers a scenario and a seed to a plan, and deals the keys
//! of a run. Inside a run every decision is a [`Key`]: a frozen 64-bit mix of the stream it belongs
//! to and of what it decides (message kind, epoch, how many before it), so that removing one
//! fault does not re-deal the dice of all the others. Golden tests below pin both for ever.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Duration, Ratio};

/// Everything that can be asked of a source of uniform words.
pub trait Draw {
    /// The next uniform 64-bit word.
    fn word(&mut self) -> u64;

    /// Uniform in `0..n`; 0 if `n` is 0. Multiply-shift: the bias is below `n / 2^64`.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in `low..=high`; `low` if the range is empty.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low { low } else { low + self.below(high - low + 1) }
    }

    /// True in `ratio.num` of `ratio.den` cases.
    fn chance(&mut self, ratio: Ratio) -> bool {
        self.below(ratio.den) < ratio.num
    }

    /// Uniform in the half-open range of durations; its start if empty.
    fn within(&mut self, range: std::ops::Range<Duration>) -> Duration {
        Duration(range.start.0 + self.below(range.end.0.saturating_sub(range.start.0)))
    }

    /// Log-uniform in `low..=high` (`low` at least 1): every power of two equally likely.
    fn scale(&mut self, low: u64, high: u64) -> u64 {
        let low = low.max(1);
        let high = high.max(low);
        let bits = u64::from(low.ilog2());
        let span = u64::from(high.ilog2()) - bits + 1;
        let exponent = bits + self.below(span);
        let floor = (1u64 << exponent).max(low);
        let ceiling = (1u64 << exponent).saturating_mul(2).saturating_sub(1).min(high);
        self.between(floor, ceiling)
    }

    /// One element of a non-empty slice.
    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T
    where
        Self: Sized,
    {
        assert!(!items.is_empty(), "nothing to pick from");
        &items[self.below(items.len() as u64) as usize]
    }

    /// The index of one of `weights`, in proportion; 0 if all are zero.
    fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut at = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if at < *weight {
                return index;
            }
            at -= weight;
        }
        0
    }

    /// A uniform permutation in place (Fisher-Yates from the end).
    fn shuffle<T>(&mut self, items: &mut [T])
    where
        Self: Sized,
    {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// ChaCha8, for plans and keys: portable, and independent of the version of `rand`.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of `seed`; `label` separates independent uses of one seed.
    pub fn new(seed: u64, label: &str) -> Dice {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&Key(0).named(label).0.to_le_bytes());
        Dice(ChaCha8Rng::from_seed(bytes))
    }
}

impl Draw for Dice {
    fn word(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// The name of one decision. Cheap to copy; narrowed with [`Key::with`] and [`Key::named`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub u64);

impl Key {
    /// This name, narrowed by a number.
    #[inline]
    pub fn with(self, value: u64) -> Key {
        let mut z = (self.0 ^ value.wrapping_mul(0xD6E8_FEB8_6659_FD93))
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Key(z ^ (z >> 31))
    }

    /// This name, narrowed by a word of text.
    pub fn named(self, text: &str) -> Key {
        let mut hash = 0xCBF2_9CE4_8422_2325u64;
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self.with(hash)
    }

    /// The source of the words drawn under this name.
    #[inline]
    pub fn stream(self) -> Stream {
        Stream { key: self, drawn: 0 }
    }
}

/// The words drawn under one [`Key`], in order.
#[derive(Clone, Debug)]
pub struct Stream {
    key: Key,
    drawn: u64,
}

impl Draw for Stream {
    #[inline]
    fn word(&mut self) -> u64 {
        self.drawn += 1;
        self.key.with(self.drawn).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: every stored seed depends on these. A change here is a change of all seeds.
    #[test]
    fn draws_are_frozen() {
        let mut dice = Dice::new(42, "plan");
        let drawn: Vec<u64> = (0..3).map(|_| dice.below(1000)).collect();
        let mut stream = Key(7).named("link").with(3).stream();
        let keyed: Vec<u64> = (0..3).map(|_| stream.below(1000)).collect();
        let mut cards = [0, 1, 2, 3, 4, 5];
        dice.shuffle(&mut cards);
        let drawn = format!("{drawn:?} {keyed:?} {cards:?} {}", dice.scale(1, 1 << 20));
        insta::assert_snapshot!(drawn, @"[714, 422, 772] [352, 740, 377] [4, 0, 5, 1, 2, 3] 6");
    }

    #[test]
    fn scale_stays_within_its_bounds() {
        let mut dice = Dice::new(1, "scale");
        for _ in 0..10_000 {
            let value = dice.scale(3, 1000);
            assert!((3..=1000).contains(&value), "{value}");
        }
    }

    #[test]
    fn chance_is_exact_at_both_ends() {
        let mut dice = Dice::new(1, "chance");
        for _ in 0..1000 {
            assert!(!dice.chance(Ratio::NEVER));
            assert!(dice.chance(Ratio::new(1, 1)));
        }
    }
}
