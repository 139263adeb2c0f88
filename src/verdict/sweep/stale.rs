//! Staleness as a number (P12): for how long what a read lacked had been answered already.

/// Buckets per power of two: percentiles are right to one part in 32.
const FINE: u64 = 32;

/// The distribution of ages, in nanoseconds of true time.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Staleness {
    counts: Vec<u64>,
    reads: u64,
    stale: u64,
    most: u64,
}

impl Staleness {
    /// Counts one read.
    #[inline]
    pub fn add(&mut self, age: u64) {
        self.reads += 1;
        if age == 0 {
            return;
        }
        self.stale += 1;
        self.most = self.most.max(age);
        let bucket = bucket(age);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
    }

    /// How many reads were measured.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// How many of them lacked something that had been answered when they were called.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// The greatest age: the bound that the history kept.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The age that so many in a thousand reads did not exceed; right to about 3 %, never below.
    pub fn per_mille(&self, share: u64) -> u64 {
        let wanted = (u128::from(self.reads) * u128::from(share)).div_ceil(1000) as u64;
        let mut so_far = self.reads - self.stale;
        if so_far >= wanted {
            return 0;
        }
        for (bucket, count) in self.counts.iter().enumerate() {
            so_far += count;
            if so_far >= wanted {
                return ceiling(bucket).min(self.most);
            }
        }
        self.most
    }
}

fn bucket(age: u64) -> usize {
    if age < FINE {
        return age as usize;
    }
    let shift = u64::from(age.ilog2() - FINE.ilog2());
    ((shift + 1) * FINE + (age >> shift) - FINE) as usize
}

/// The greatest age of a bucket.
fn ceiling(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < FINE {
        return bucket;
    }
    let shift = bucket / FINE - 1;
    let low = (bucket % FINE + FINE) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Dice, Draw};

    #[test]
    fn percentiles_are_near_those_of_the_sorted_list() {
        let mut dice = Dice::new(1, "staleness");
        let (mut measured, mut ages) = (Staleness::default(), Vec::new());
        for _ in 0..5000 {
            let age = if dice.below(3) == 0 { 0 } else { dice.scale(1, 1 << 40) };
            measured.add(age);
            ages.push(age);
        }
        ages.sort_unstable();
        assert_eq!(measured.most(), ages[4999]);
        assert_eq!(measured.stale(), ages.iter().filter(|age| **age > 0).count() as u64);
        for share in [1, 200, 500, 900, 990, 999, 1000] {
            let exact = ages[(5000 * share as usize).div_ceil(1000) - 1];
            let near = measured.per_mille(share);
            assert!(near >= exact && near <= exact + exact / 16, "{share}: {exact}, {near}");
        }
        assert_eq!(Staleness::default().per_mille(500), 0);
        assert_eq!(ceiling(bucket(u64::MAX)), u64::MAX);
    }
}
