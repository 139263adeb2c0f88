//! Probabilities as integer ratios: no float decides anything.

use serde::{Deserialize, Serialize};

/// `num` in `den` cases. `den` is at least 1, which who reads one from outside has to check; a
/// `num` above `den` means always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Ratio {
    /// Favourable cases.
    pub num: u64,
    /// All cases.
    pub den: u64,
}

impl Ratio {
    /// It never happens.
    pub const NEVER: Ratio = Ratio { num: 0, den: 1 };

    /// `num` in `den`; a zero `den` is read as 1.
    pub const fn new(num: u64, den: u64) -> Ratio {
        Ratio { num, den: if den == 0 { 1 } else { den } }
    }
}

impl Default for Ratio {
    fn default() -> Ratio {
        Ratio::NEVER
    }
}

impl From<(u64, u64)> for Ratio {
    fn from((num, den): (u64, u64)) -> Ratio {
        Ratio { num, den }
    }
}

impl From<Ratio> for (u64, u64) {
    fn from(ratio: Ratio) -> (u64, u64) {
        (ratio.num, ratio.den)
    }
}
