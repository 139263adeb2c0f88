//! The simulated machine room.

use std::sync::Arc;

use crate::base::{Digest, PeerId};
use crate::client::Program;
use crate::history::{At, Seen};
use crate::plan::Plan;
use crate::process::{Boot, Image, Process, Refused};

/// How a peer of the world is started.
pub type Start = Arc<dyn Fn(Boot) -> Result<Box<dyn Process>, Refused> + Send + Sync>;

/// What the names in a plan stand for.
pub struct Cast {
    /// Starts a peer.
    pub boot: Start,
    /// Files that peers begin with.
    pub images: Vec<(PeerId, Image)>,
    /// One per client of the plan; `None` for scripts.
    pub programs: Vec<Option<Box<dyn Program>>>,
}

/// Counters.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Events popped.
    pub events: u64,
}

/// The world.
#[derive(Clone)]
pub struct World {}

impl World {
    /// A world at its beginning.
    ///
    /// # Errors
    /// If the plan cannot be carried out.
    pub fn new(_plan: Arc<Plan>, _cast: Cast) -> Result<World, String> {
        todo!()
    }

    /// One event.
    pub fn step(&mut self, _out: &mut Vec<Seen>) -> Option<At> {
        todo!()
    }

    /// Ends the run.
    pub fn finish(&mut self, _out: &mut Vec<Seen>) {
        todo!()
    }

    /// Now.
    pub fn now(&self) -> At {
        todo!()
    }

    /// The digest so far.
    pub fn digest(&self) -> Digest {
        todo!()
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        todo!()
    }

    /// How a peer stands, for people.
    pub fn describe(&self, _peer: PeerId) -> Vec<(String, String)> {
        todo!()
    }
}
