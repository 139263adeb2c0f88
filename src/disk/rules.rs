//! The decisions about files that are easy to get wrong and hard to see, as a table of pure
//! functions. Recovery and the log ask it; where what was put in answers differently they remember
//! it, and [`Log::differed`](super::Log::differed) or [`Refused`](crate::process::Refused) tells.

use crate::base::Zxid;

/// The table. See each entry; [`Rules::RIGHT`] has the right ones.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The name of what was put in.
    pub planted: Option<&'static str>,
    /// Whether recovery finishes an epoch write that was interrupted after the history of its sync
    /// was durable, rather than refuse (ZOOKEEPER-1653, 2354, 4269).
    pub finishes_epoch: fn() -> bool,
    /// Whether a snapshot whose content may reach up to the first zxid goes when the log is cut
    /// after the second (ZOOKEEPER-1549).
    pub dies_with_cut: fn(reach: Zxid, cut: Zxid) -> bool,
}

impl Rules {
    /// The right answers.
    pub const RIGHT: Rules =
        Rules { planted: None, finishes_epoch: || true, dies_with_cut: |reach, cut| reach > cut };
}
