//! zoosim: deterministic simulation testing for ZooKeeper-style coordination.

pub mod base;
pub mod broadcast;
pub mod bugs;
pub mod cli;
pub mod client;
pub mod disk;
pub mod explore;
pub mod history;
pub mod jute;
pub mod kit;
pub mod peer;
pub mod plan;
pub mod process;
pub mod report;
pub mod run;
pub mod verdict;
pub mod world;
pub mod znode;

pub use cli::library::{Fuzz, fuzz};
pub use cli::main;
