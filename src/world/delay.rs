//! Laws of delays, drawn in integers: what a [`Delay`] of the plan means in nanoseconds.
//!
//! Frozen: every stored seed depends on these draws.

use crate::base::{Draw, Duration};
use crate::plan::Delay;

/// Points of the table of logarithms, per factor of two.
const STEPS: usize = 256;
/// The fixed point of the table: 32 bits behind the point.
const ONE: u128 = 1 << 32;
/// ln 2 in that fixed point.
const LN_2: u64 = 2_977_044_472;
/// ln(1 + k / 256) in that fixed point.
const LN: [u64; STEPS + 1] = logarithms();

/// ln(1 + k/256) = 2 artanh(k / (512 + k)), by its series: at most 1/3 is raised to powers, so
/// twenty terms are exact to the last bit of the table.
const fn logarithms() -> [u64; STEPS + 1] {
    let mut table = [0; STEPS + 1];
    let mut k = 0;
    while k <= STEPS {
        let z = k as u128 * ONE / (2 * STEPS as u128 + k as u128);
        let (mut power, mut sum, mut n) = (z, 0, 1);
        while n < 41 {
            sum += power / n;
            power = power * z / ONE * z / ONE;
            n += 2;
        }
        table[k] = (2 * sum) as u64;
        k += 1;
    }
    table
}

impl Delay {
    /// One delay.
    #[inline]
    pub fn draw(&self, dice: &mut impl Draw) -> Duration {
        match *self {
            Delay::Uniform { min_us, max_us } => {
                Duration(dice.between(min_us.saturating_mul(1000), max_us.saturating_mul(1000)))
            }
            Delay::Exponential { min_us, mean_us } => {
                let mean = mean_us.saturating_mul(1000);
                Duration(min_us.saturating_mul(1000)) + exponential(mean, dice.word())
            }
            Delay::Bimodal { min_us, max_us, tail, tail_us } => {
                if dice.chance(tail) {
                    Duration::from_us(dice.scale(max_us, tail_us))
                } else {
                    Delay::Uniform { min_us, max_us }.draw(dice)
                }
            }
            Delay::LogUniform { min_us, max_us } => {
                Duration(dice.scale(min_us.saturating_mul(1000), max_us.saturating_mul(1000)))
            }
        }
    }
}

/// `-ln(u) * mean` for the `u` in (0, 1] that `word` stands for, cut at 20 means. A word is
/// `2^-(zeros + 1) * (1 + f)`: its leading zeros give the factors of two, the table gives `f`.
#[inline]
fn exponential(mean: u64, word: u64) -> Duration {
    let zeros = word.leading_zeros().min(62);
    let mantissa = word << zeros << 1;
    let index = (mantissa >> 56) as usize;
    let between = mantissa >> 24 & 0xFFFF_FFFF;
    let step = LN[index + 1] - LN[index];
    let ln = LN[index] + ((u128::from(step) * u128::from(between)) >> 32) as u64;
    let value = (u64::from(zeros) + 1) * LN_2 - ln.min(LN_2);
    let scaled = (u128::from(value) * u128::from(mean)) >> 32;
    Duration((scaled.min(u128::from(mean) * 20)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Key, Ratio};

    #[test]
    fn the_exponential_has_its_mean_and_its_cut() {
        let law = Delay::Exponential { min_us: 500, mean_us: 1000 };
        let mut dice = Key(1).named("exponential").stream();
        let draws: Vec<u64> = (0..100_000).map(|_| law.draw(&mut dice).0).collect();
        let mean = draws.iter().sum::<u64>() / draws.len() as u64;
        assert!((1_490_000..1_510_000).contains(&mean), "{mean}");
        let below_median = draws.iter().filter(|draw| **draw < 500_000 + 693_147).count();
        assert!((49_500..50_500).contains(&below_median), "{below_median}");
        assert!(draws.iter().all(|draw| (500_000..=20_500_000).contains(draw)));
        assert_eq!(exponential(1000, 0).0, 20_000);
        assert_eq!(exponential(1000, u64::MAX).0, 0);
    }

    #[test]
    fn every_law_stays_within_its_bounds_and_taming_cuts_its_tail() {
        let tail = Ratio::new(1, 4);
        let laws = [
            (Delay::Uniform { min_us: 3, max_us: 9 }, 9_000, 9_000),
            (Delay::Bimodal { min_us: 3, max_us: 9, tail, tail_us: 5000 }, 5_000_000, 9_000),
            (Delay::LogUniform { min_us: 3, max_us: 1200 }, 1_200_000, 60_000),
        ];
        let mut dice = Key(2).stream();
        for (law, most, tame) in laws {
            for _ in 0..10_000 {
                assert!((3_000..=most).contains(&law.draw(&mut dice).0), "{law:?}");
                assert!((3_000..=tame).contains(&law.tame().draw(&mut dice).0), "{law:?}");
            }
        }
    }

    /// Frozen.
    #[test]
    fn delays_are_frozen() {
        let mut dice = Key(3).named("delay").stream();
        let exponential = Delay::Exponential { min_us: 0, mean_us: 1000 };
        let drawn: Vec<u64> = (0..4).map(|_| exponential.draw(&mut dice).0).collect();
        insta::assert_snapshot!(format!("{drawn:?}"), @"[428557, 1488059, 339763, 777645]");
    }
}
