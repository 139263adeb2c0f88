//! What led to a step, for those who ask afterwards: nothing of it is part of a run.

use crate::base::{ClientId, PeerId};

/// Who took a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// A peer.
    Peer(PeerId),
    /// A client.
    Client(ClientId),
}

/// What led to a step. Whatever happens was asked for by an earlier step; requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The number of the request that this step answered.
    pub asked: u64,
    /// Whether something arrived that another party had sent, or opened, or closed.
    pub is_message: bool,
    /// How many requests there were behind this step.
    pub asked_so_far: u64,
    /// Who took it; nobody if it was an injector, or about a link that was gone behind it.
    pub actor: Option<Actor>,
}
