//! The service as a pure state machine: what a znode is, what an operation does, which
//! transaction it becomes, which watches it fires. Knows nothing of peers.
//!
//! ```text
//!  bytes --codec--> Op --prepare--> TxnRecord --tree--> Applied { Reply, Triggers }
//!                    (on the leader)    (on every peer)      |           |
//!                                                  codec --> bytes    watch --> Fired
//! ```

mod acl;
pub mod codec;
mod crc;
pub mod forward;
mod kinds;
mod node;
pub mod op;
pub mod path;
pub mod prepare;
pub mod rules;
pub mod session;
mod snapshot;
pub mod tree;
pub mod watch;

#[cfg(test)]
mod tests;
