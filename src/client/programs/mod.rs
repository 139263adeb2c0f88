//! Programs that come with the house: recipes that real applications stand on (spec 8.1).
//!
//! Each is a function of what it heard. They take every loss, disconnection and expiry as part of
//! the day, and complain only of what no ensemble may ever show to one client.

mod lock;
mod mirror;

use std::collections::BTreeMap;

use crate::base::Key;

use super::{Program, ProgramFn};

/// All of them, by the name that a plan calls them by.
pub const PROGRAMS: [(&str, ProgramFn); 2] = [("lock_holder", lock_holder), ("mirror", mirror)];

/// Queues for a lock, holds it for `hold_ms`, rests for `rest_ms`, and again. While it believes to
/// hold, it claims `lock_held` with its fencing token, and `lock_released` when it does no longer.
pub fn lock_holder(params: &BTreeMap<String, u64>, key: Key) -> Box<dyn Program> {
    Box::new(lock::LockHolder::new(params, key))
}

/// Keeps a copy of the tree down to `depth` by watches, and complains of what cannot be.
pub fn mirror(params: &BTreeMap<String, u64>, _key: Key) -> Box<dyn Program> {
    Box::new(mirror::Mirror::new(params))
}

#[cfg(test)]
mod tests;
