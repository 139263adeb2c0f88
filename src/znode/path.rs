//! Paths of znodes (spec 2.1).
