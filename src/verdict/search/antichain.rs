//! Configurations of a search breadth first, without those that others make superfluous.
//!
//! Of two that have the same effective operations placed and the same state, one is superfluous if
//! the other has used no lost operation that it has not, and has all pure ones placed that it has:
//! whatever can follow the one can follow the other.

/// One configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The open answered operations that are placed, as slots.
    pub mask: u128,
    /// The lost operations that are used.
    pub used: u128,
    /// The state, by number.
    pub state: u32,
    /// How it came about, by number.
    pub path: u32,
}

/// A set of configurations.
#[derive(Default)]
pub struct Antichain {
    /// By effective operations and state: the round in which it was written, and the first entry.
    places: Vec<(u32, u32)>,
    entries: Vec<(Config, u32)>,
    round: u32,
}

/// Ends a chain of entries.
const END: u32 = u32::MAX;

impl Antichain {
    /// Empty.
    pub fn clear(&mut self) {
        if self.round == u32::MAX {
            self.places.fill((0, END));
            self.round = 0;
        }
        self.round += 1;
        self.entries.clear();
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.places.len() * 8 + self.entries.capacity() * size_of::<(Config, u32)>()
    }

    /// Adds a configuration, unless it is superfluous. `pure` are the slots of pure operations;
    /// without `dominance` only an equal one makes it superfluous.
    pub fn insert(&mut self, config: Config, pure: u128, dominance: bool) -> bool {
        if self.entries.len() * 2 >= self.places.len() {
            self.grow(pure);
        }
        let place = self.place(&config, pure);
        let (round, first) = self.places[place];
        let first = if round == self.round { first } else { END };
        let mut at = first;
        while at != END {
            let (other, next) = &self.entries[at as usize];
            let same = other.state == config.state && (other.mask ^ config.mask) & !pure == 0;
            let better = if dominance {
                other.used & !config.used == 0 && config.mask & !other.mask == 0
            } else {
                other.used == config.used && other.mask == config.mask
            };
            if same && better {
                return false;
            }
            at = *next;
        }
        self.places[place] = (self.round, self.entries.len() as u32);
        self.entries.push((config, first));
        true
    }

    fn place(&self, config: &Config, pure: u128) -> usize {
        let mask = config.mask & !pure;
        let mut z = (mask as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ ((mask >> 64) as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F)
            ^ u64::from(config.state).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        z = (z ^ (z >> 32)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z ^ (z >> 29)) as usize & (self.places.len() - 1)
    }

    fn grow(&mut self, pure: u128) {
        let size = (self.places.len() * 4).max(64);
        self.places = vec![(0, END); size];
        self.round = 1;
        for at in 0..self.entries.len() {
            let place = self.place(&self.entries[at].0, pure);
            let (round, first) = self.places[place];
            self.entries[at].1 = if round == self.round { first } else { END };
            self.places[place] = (self.round, at as u32);
        }
    }
}
