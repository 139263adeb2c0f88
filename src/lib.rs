//! zoosim: deterministic simulation testing of a complete ZooKeeper ensemble.
//!
//! A whole ensemble (Zab, logs and snapshots, sessions, watches) runs inside a world that is made
//! of one number, the seed: the network, disks, clocks, crashes and clients. What clients and peers
//! saw is judged, and whatever is found can be replayed. Everything is one chain of values:
//!
//! ```text
//!   scenarios/*.json        plan            world             history            verdict
//!   what a person wants  -> Plan         -> World::step    -> Seen, History   -> Verdict
//!   + seed                  all that will   one event, one    what clients and   Pass | Violated
//!                           happen, as      peer, its         peers were seen      | Unknown
//!                           data            effects           to do                 |
//!                                                                                   v
//!                           reports/runs/<token>/: text, JSON lines, one line that replays it
//! ```
//!
//! As a test, in any crate:
//!
//! ```
//! zoosim::fuzz("quiet").seeds(0..3).assert_pass();
//! zoosim::fuzz("ack-before-fsync").assert_caught(&["Durability"]);
//! ```
//!
//! One run, by hand. It is `Clone`, in the middle too:
//!
//! ```
//! use std::sync::Arc;
//! use zoosim::{kit::Kit, plan::{draw, scenario::Scenario}, run::Run, verdict::Outcome};
//!
//! let scenario = Scenario::embedded("power-loss-of-all").expect("it is embedded");
//! let run = Run::new(Arc::new(draw(&scenario, 42)), &Kit::standard()).expect("known names");
//! let (ran, _) = run.clone().finish_all();
//! assert_eq!(ran.outcome, Outcome::Pass);
//! assert_eq!(ran.digest, run.finish_all().0.digest);
//! ```
//!
//! A protocol, an invariant, a client program of one's own: [`kit::Kit`] gives them names, and
//! [`main`] every verb. `tests/it/own_protocol.rs` does it from end to end.
//!
//! # Modules, in reading order
//!
//! | the spine | |
//! |---|---|
//! | [`run`] | a run is a world and a verdict, and a loop over both |
//! | [`kit`] | what the names in a plan stand for |
//! | **the chain** | |
//! | [`base`] | the vocabulary: ids, time, quorums, named draws, the digest |
//! | [`plan`] | everything that will happen, as data; scenarios, and how a seed draws from them |
//! | [`process`] | what a peer is: a function of events, which answers with effects |
//! | [`world`] | the simulated machine room: network, disks, clocks, clients, faults |
//! | [`history`] | what was seen |
//! | [`verdict`] | what it means: the oracles |
//! | **the service** | |
//! | [`jute`] | ZooKeeper's records and framing |
//! | [`disk`] | a peer's files as bytes, and recovery from them |
//! | [`broadcast`] | atomic broadcast: the contract, and Zab |
//! | [`znode`] | the tree, its transactions, sessions and watches |
//! | [`peer`] | one server: broadcast below, znodes above, clients at the door |
//! | [`client`] | a session as a client library keeps it, and programs that stand on it |
//! | [`bugs`] | known mistakes, to be planted |
//! | **around it** | |
//! | [`explore`] | many seeds |
//! | [`explain`] | what led to a violation, and since when |
//! | [`shrink`] | a smaller plan that fails in the same way |
//! | [`report`] | what people and scripts are shown |
//! | [`cli`] | what was typed |

pub mod base;
pub mod broadcast;
pub mod bugs;
pub mod cli;
pub mod client;
pub mod disk;
pub mod explain;
pub mod explore;
pub mod history;
pub mod jute;
pub mod kit;
pub mod peer;
pub mod plan;
pub mod process;
pub mod report;
pub mod run;
pub mod shrink;
pub mod verdict;
pub mod world;
pub mod znode;

pub use cli::library::{Fuzz, fuzz};
pub use cli::main;
