//! Excuses: the plans of which no correct ensemble could make a service again.
//!
//! Each is computed from the plan and from the core that was left at calm, never from what the
//! peers did. A run whose service is missing something while one of them holds is undecided: it is
//! no violation, and no pass either. No plan that is drawn has one; a person's edit may.

use std::fmt;

use crate::base::{Config, PeerId, PeerSet};
use crate::plan::{Fault, Plan, Storm, Target, Times};

/// How long the world lets a dial wait for its answer.
const DIAL_US: u64 = 4_000_000;
/// How often a follower dials the leader that it has elected.
const KNOCKS: u64 = 6;

/// Why nobody could serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// The core is no quorum.
    NoQuorum {
        /// All of it.
        core: Vec<PeerId>,
    },
    /// A client knows no server but those that stay broken.
    NoServer {
        /// Which, from 1.
        client: usize,
    },
    /// A dial gives up before its answer can be there.
    DialTooSlow {
        /// To a peer and back.
        round_trip_us: u64,
    },
    /// A proposal may be on its way to durability for longer than a leader waits for followers.
    SyncLimit {
        /// The longest from proposal to acknowledgement.
        takes_us: u64,
        /// `sync_limit` ticks by the fastest clock.
        limit_us: u64,
    },
    /// A step of synchronisation may take longer than leader and learner wait for it.
    InitLimit {
        /// The longest from one packet that is waited for to the next, or until the first when a
        /// learner has dialled in vain once, as its leader had not decided yet.
        takes_us: u64,
        /// `init_limit` ticks by the fastest clock.
        limit_us: u64,
    },
    /// Followers may have given up a leader before it knows that it is one.
    Knocks {
        /// All their dials together.
        takes_us: u64,
        /// The wait for a better vote, and the way of the votes.
        limit_us: u64,
    },
    /// A client takes its server for dead before an answer can be there.
    Session {
        /// Which, from 1.
        client: usize,
        /// The shortest from a call to its answer.
        takes_us: u64,
        /// Two thirds of the timeout that servers grant it.
        limit_us: u64,
    },
    /// Clients that were lost together keep each other waiting for ever.
    Storm(Storm),
}

impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excuse::NoQuorum { core } => write!(f, "the core {core:?} is no quorum"),
            Excuse::NoServer { client } => {
                write!(f, "client {client} knows only servers that stay broken")
            }
            Excuse::DialTooSlow { round_trip_us } => write!(
                f,
                "a dial gives up after {DIAL_US} us, and its answer may take {round_trip_us} us"
            ),
            Excuse::SyncLimit { takes_us, limit_us } => write!(
                f,
                "an acknowledgement may take {takes_us} us, and `sync_limit` allows {limit_us} us"
            ),
            Excuse::InitLimit { takes_us, limit_us } => write!(
                f,
                "a step of synchronisation may take {takes_us} us, and `init_limit` allows \
                 {limit_us} us"
            ),
            Excuse::Knocks { takes_us, limit_us } => write!(
                f,
                "followers give up after {takes_us} us of dials, and their leader may need \
                 {limit_us} us to know that it leads"
            ),
            Excuse::Session { client, takes_us, limit_us } => write!(
                f,
                "an answer to client {client} takes {takes_us} us, and it waits for {limit_us} \
                 us"
            ),
            Excuse::Storm(Storm { clients, takes_us, limit_us }) => write!(
                f,
                "{clients} clients that come back together keep the log busy for {takes_us} us, \
                 and come back again after {limit_us} us: raise `min_session_ms` or `log_roll`"
            ),
        }
    }
}

impl Excuse {
    /// The first that a plan gives, whoever is in the core.
    pub fn of(plan: &Plan) -> Option<Excuse> {
        let times = Times::of(plan);
        let round_trip_us = times.round_trip_us();
        if plan.voters > 1 {
            if round_trip_us > DIAL_US {
                return Some(Excuse::DialTooSlow { round_trip_us });
            }
            if let Some(excuse) = of_limits(plan, &times).or_else(|| of_knocks(plan, &times)) {
                return Some(excuse);
            }
        }
        of_sessions(plan)
    }

    /// What the core that is left at calm adds.
    pub fn of_core(core: &[PeerId], demands: &Demands) -> Option<Excuse> {
        if !demands.config.is_quorum(&core.iter().copied().collect::<PeerSet>()) {
            return Some(Excuse::NoQuorum { core: core.to_vec() });
        }
        let broken = |peer: &PeerId| demands.lasting.contains(peer) && !core.contains(peer);
        let lost = demands.servers.iter().position(|servers| servers.iter().all(broken));
        lost.map(|client| Excuse::NoServer { client: client + 1 })
    }
}

/// What a plan demands of its core after calm, and what would excuse it.
#[derive(Clone, Debug)]
pub struct Demands {
    /// Who votes.
    pub config: Config,
    /// The servers that each client knows; all clients must finish.
    pub servers: Vec<Vec<PeerId>>,
    /// The peers that may stay broken for ever.
    pub lasting: Vec<PeerId>,
    /// What excuses every core.
    pub excuse: Option<Excuse>,
}

impl Demands {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Demands {
        let lasts = |fault: &Fault| match fault {
            Fault::Crash { peer: Target::Peer(peer), lasting: true, .. }
            | Fault::DiskHang { peer: Target::Peer(peer), lasting: true, .. } => Some(*peer),
            _ => None,
        };
        Demands {
            config: Config::initial(plan.voters),
            servers: (0..plan.clients.len()).map(|client| plan.servers_of(client)).collect(),
            lasting: plan.faults.iter().filter_map(|planned| lasts(&planned.fault)).collect(),
            excuse: Excuse::of(plan),
        }
    }
}

fn of_limits(plan: &Plan, times: &Times) -> Option<Excuse> {
    let (takes_us, limit_us) =
        (times.exchange_us(), Times::ticks_us(plan, plan.knob("sync_limit")));
    if takes_us > limit_us {
        return Some(Excuse::SyncLimit { takes_us, limit_us });
    }
    // Before it accepts an epoch or a leader's history, a peer makes another file durable.
    let takes_us = takes_us.saturating_add(times.sync_us.saturating_mul(2));
    let takes_us = takes_us.max(times.first_packet_us(plan));
    let limit_us = Times::ticks_us(plan, plan.knob("init_limit"));
    (takes_us > limit_us).then_some(Excuse::InitLimit { takes_us, limit_us })
}

fn of_knocks(plan: &Plan, times: &Times) -> Option<Excuse> {
    let dial_us = plan.knob("dial_retry_ms") * 1000;
    let takes_us = dial_us.saturating_mul(KNOCKS - 1);
    let wait_us = plan.knob("finalize_wait_ms") * 1000;
    let limit_us = wait_us.saturating_add(times.round_trip_us());
    (takes_us < limit_us).then_some(Excuse::Knocks { takes_us, limit_us })
}

fn of_sessions(plan: &Plan) -> Option<Excuse> {
    let takes_us = Times::least_answer_us(plan);
    let short = |(client, limit_us): (usize, u64)| {
        (takes_us > limit_us).then_some(Excuse::Session { client: client + 1, takes_us, limit_us })
    };
    let short = Times::patience_us(plan).into_iter().enumerate().find_map(short);
    short.or_else(|| Times::storm(plan).map(Excuse::Storm))
}
