//! How much a plan asks a reader to keep in mind.

use std::fmt;

use serde::Serialize;

use crate::plan::{Call, Delay, Driver, Plan};

/// See the module's page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Faults planned.
    pub faults: usize,
    /// Calls of scripts, the members of multis not counted.
    pub calls: usize,
    /// Clients, programs among them.
    pub clients: usize,
    /// Clients that are programs: nobody knows beforehand how many calls they make.
    pub programs: usize,
    /// Peers.
    pub peers: usize,
    /// What the world does by itself: laws that are no constants, rates above zero, odd clocks;
    /// and where it takes other dice.
    pub noise: usize,
}

impl Size {
    /// The size of a plan.
    pub fn of(plan: &Plan) -> Size {
        let mut size = Size {
            faults: plan.faults.len(),
            clients: plan.clients.len(),
            peers: usize::from(plan.voters),
            noise: noise(plan),
            ..Size::default()
        };
        for client in &plan.clients {
            match &client.driver {
                Driver::Program { .. } => size.programs += 1,
                Driver::Script(steps) => {
                    size.calls += steps.iter().filter(|step| step.call != Call::Idle).count();
                }
            }
        }
        size
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { faults, calls, clients, programs, peers, noise } = self;
        write!(f, "{faults} faults, {calls} calls of {clients} clients")?;
        if *programs > 0 {
            write!(f, " ({programs} of them programs)")?;
        }
        write!(f, ", {peers} peers, {noise} kinds of noise")
    }
}

/// Whether a law always gives the same delay.
pub(super) fn is_constant(law: &Delay) -> bool {
    match law {
        Delay::Uniform { min_us, max_us } | Delay::LogUniform { min_us, max_us } => {
            min_us == max_us
        }
        Delay::Exponential { mean_us, .. } => *mean_us == 0,
        Delay::Bimodal { min_us, max_us, tail, .. } => min_us == max_us && tail.num == 0,
    }
}

fn noise(plan: &Plan) -> usize {
    let (net, disk, work) = (&plan.net, &plan.disk, &plan.work);
    let laws = [net.delay, net.client_delay, disk.log_sync, disk.snap_sync, disk.read, work.delay];
    let rates = [
        net.stall,
        net.reset,
        net.client_reset,
        net.refuse,
        net.hang,
        net.half_open,
        disk.garbage,
        disk.keep,
    ];
    laws.iter().filter(|law| !is_constant(law)).count()
        + rates.iter().filter(|rate| rate.num > 0).count()
        + net.slow.len()
        + work.slow.len()
        + plan.clocks.len()
        + plan.forks.len()
}
