//! Invariants of atomic broadcast, checked after each step (bug-catalogue section 3; names as in
//! the Zab specifications).
//!
//! [`Order`] follows the logs and deliveries of all peers at once. [`Local`] collects what a peer
//! found wrong with itself or its leader, and what the world saw it promise too early. [`Recovery`]
//! asks whether elections and synchronisations get anywhere.

mod join;
mod local;
mod logs;
mod order;
mod recovery;
#[cfg(test)]
mod tests;

pub use local::Local;
pub use order::Order;
pub use recovery::Recovery;
