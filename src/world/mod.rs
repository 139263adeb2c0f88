//! The simulated machine room.
