//! The sans-IO contract: a peer is a function of its past.
//!
//! Whoever runs a [`Process`] (the simulated world, or a real server) hands it one [`Event`] at a
//! time and carries out the [`Effects`] it asked for once the step has returned. A process has no
//! clock, no dice and no socket, and no input may make it panic: bytes from outside may be
//! anything.
//!
//! ```text
//!              Event                      Effects
//!   runner  ----------->  Process::step  ----------->  runner
//! ```

mod effects;
mod event;
mod image;
mod note;
mod rewrite;

pub use effects::{Effect, Effects, Frame, Tag, Timer, Work};
pub use event::{Channel, DiskError, DiskResult, Down, Event, Now};
pub use image::{Device, File, Image};
pub use note::{Note, Phase, Probe, Role, SyncMode};
pub use rewrite::Rewritten;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::base::{Config, Key, PeerId};

/// What a peer is told about itself before it starts.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Who it is.
    pub id: PeerId,
    /// The ensemble it was configured with.
    pub config: Config,
    /// Named integers (`tick_ms`, `init_limit`, `snap_count`, ..): the knobs of a plan. A process
    /// reads the ones it knows with [`Spec::knob`].
    pub knobs: BTreeMap<String, u64>,
    /// How often this peer has been started, counted from 1: keeps session ids unique (spec 3.1).
    pub incarnation: u64,
}

impl Spec {
    /// The knob's value, or `default` if the plan does not set it.
    pub fn knob(&self, name: &str, default: u64) -> u64 {
        self.knobs.get(name).copied().unwrap_or(default)
    }
}

/// All that a process is born with.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Who it is and how it is configured.
    pub spec: Arc<Spec>,
    /// The durable files as they were found.
    pub image: Image,
    /// The only randomness a process ever gets. Draw from keys under it.
    pub entropy: Key,
    /// When it starts.
    pub now: Now,
}

/// Why a process would not start: what it found, and what an operator can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong, naming the file.
    pub reason: String,
    /// True if the files are damaged beyond what the process may repair by itself: an operator
    /// must replace the peer.
    pub damaged: bool,
    /// Whose answer this is, if the right rules would have started.
    pub hit: Option<&'static str>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A server as a state machine. See the module's page for the contract.
pub trait Process: Send {
    /// Runs once, before any event: the effects of starting (dials, timers, repairs of files).
    fn start(&mut self, now: Now, fx: &mut Effects);

    /// Takes one event, and asks for effects.
    fn step(&mut self, now: Now, event: Event, fx: &mut Effects);

    /// The facts that invariants check after each step. Must be cheap.
    fn probe(&self) -> Probe;

    /// A copy that shares what it can.
    fn fork(&self) -> Box<dyn Process>;

    /// Everything about this peer that a person debugging it would like to read: role, epochs,
    /// log tail, tree digest, sessions, timers. One `name: value` pair each.
    fn describe(&self) -> Vec<(String, String)>;
}
