//! The service as a pure state machine: what a znode is, what an operation does, which
//! transaction it becomes, which watches it fires. Knows nothing of peers.

pub mod op;
pub mod path;
pub mod prepare;
pub mod session;
pub mod tree;
pub mod watch;
