//! What a history is judged against: naive, independent models of the service.
//!
//! `tree` is the znode service, for histories of an ensemble.

pub(crate) mod tree;
