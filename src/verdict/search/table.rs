//! A set of 128-bit hashes: open addressing, never asked to forget.

/// The set. Hashes are already uniform, so their low bits are the place.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// A power of two of places; 0 is free.
    places: Vec<u128>,
    used: usize,
}

/// What a fresh table holds.
const SMALL: usize = 64;

/// A table larger than this is given back when it is emptied.
const LARGE: usize = 1 << 12;

impl Table {
    /// Adds a hash; whether it is new.
    #[inline]
    pub fn insert(&mut self, hash: u128) -> bool {
        if self.used * 2 >= self.places.len() {
            self.grow();
        }
        let hash = if hash == 0 { 1 } else { hash };
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let there = self.places[at];
            if there == 0 {
                self.places[at] = hash;
                self.used += 1;
                return true;
            }
            if there == hash {
                return false;
            }
            at = (at + 1) & mask;
        }
    }

    /// How many bytes it holds, or would if it had begun small.
    pub fn bytes(&self) -> usize {
        match self.used {
            0 => 0,
            used => (used * 2 - 1).next_power_of_two().max(SMALL) * size_of::<u128>(),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.places.len() > LARGE {
            self.places = Vec::new();
        }
        if self.used > 0 {
            self.places.fill(0);
            self.used = 0;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(SMALL);
        let old = std::mem::replace(&mut self.places, vec![0; size]);
        for hash in old.into_iter().filter(|hash| *hash != 0) {
            let mut at = hash as usize & (size - 1);
            while self.places[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.places[at] = hash;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::model::mix;

    #[test]
    fn each_hash_is_new_once() {
        let mut table = Table::default();
        for round in 0..2 {
            for value in 0..10_000 {
                assert!(table.insert(mix(1, value)), "{value} in round {round}");
            }
            assert!(table.insert(0) && !table.insert(0), "zero is a hash like any other");
            assert!((0..10_000).all(|value| !table.insert(mix(1, value))));
            table.clear();
        }
    }

    #[test]
    fn what_it_held_before_does_not_count() {
        let (mut fresh, mut used) = (Table::default(), Table::default());
        (0..1_000).for_each(|value| assert!(used.insert(mix(1, value))));
        used.clear();
        for value in 0..10_000 {
            assert_eq!(fresh.insert(mix(1, value)), used.insert(mix(1, value)));
            assert_eq!(fresh.bytes(), used.bytes(), "{value}");
            assert_eq!(fresh.bytes(), fresh.places.len() * size_of::<u128>(), "{value}");
        }
    }
}
