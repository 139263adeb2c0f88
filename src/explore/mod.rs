//! Many seeds: what is tried, by how many threads, and what came of all of it.
//!
//! ```text
//!   Source + seed -> Plan -> Tried ---in the order of seeds---> Tally
//!        (many threads, no order)          (one thread)
//! ```
//!
//! Nothing here reads a clock: whoever starts a campaign says when it is enough.

mod branch;
#[cfg(test)]
mod branch_tests;
mod campaign;
mod crashpoints;
mod dependence;
mod estimate;
mod look;
mod policy;
mod source;
mod tally;
mod tried;
mod twin;

pub use branch::Branch;
pub use campaign::{BLOCK, Campaign, Next};
pub use crashpoints::{Enumerated, Judged, NoPoints, Point, crash_everywhere};
pub use dependence::{Dependence, company, dependence};
pub use estimate::{Estimate, Novelty};
pub use look::{LOSSES, Look, look, look_at};
pub use policy::{POLICIES, Policy};
pub use source::{Recipe, Source};
pub use tally::{Counts, Group, Item, MAX_EXAMPLES, Tally};
pub use tried::{Came, Small, Tried, kit_for, try_again, try_item, try_plan};
pub use twin::{Difference, first_difference};
