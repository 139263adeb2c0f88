//! Why a run fails: what led to it, what it takes away to make it pass, and since when it was
//! bound to fail.
//!
//! ```text
//!   cone      everything in the violation's past: messages, program order, nothing else
//!   toggle    the same plan without one fault, or one planted bug: where do the two part?
//!   curve     rewind, throw other dice from there on: how often does it still fail?
//! ```

mod cone;
mod curve;
#[cfg(test)]
mod tests;
mod toggle;

pub use cone::{Cone, InCone, cone};
pub use curve::{Curve, Jump, Share, curve};
pub use toggle::{Parting, Toggle, Toggled, toggles};
