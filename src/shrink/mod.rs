//! Shrinking: a plan that fails becomes a small plan that fails in the same way.
//!
//! ```text
//!   Plan  -> tail -> forks -> peers -> faults -> clients -> noise -> calls -> constants
//!     ^        each pass proposes smaller plans; one that shows the same signature is adopted
//!     +----------------------- until a round finds nothing more, or the budget is used up
//! ```
//!
//! Draws inside a run are keyed by what they decide, so that taking something out re-deals nothing
//! else; where a deletion fails all the same, it is tried again with other keys. What is best so
//! far is a whole plan at any time. Nothing here reads a clock: the same plan and budget give the
//! same small plan.

mod edit;
mod passes;
mod shrinker;
mod size;
#[cfg(test)]
mod tests;
mod trial;

pub use edit::{keep_peers, without_clients, without_faults};
pub use shrinker::{Budget, Ended, NotShrunk, Progress, Shrunk, shrink};
pub use size::Size;
