//! Partitions: whom they cut from whom, and what becomes of the links across.

use crate::plan::{Fault, Split};
use crate::process::Down;
use crate::world::World;
use crate::world::gates::Barrier;
use crate::world::network::RETRANSMIT;
use crate::world::queue::What;

use super::Context;

impl World {
    /// Cuts the network; one of the first side.
    pub(super) fn partition(
        &mut self,
        fault: &Fault,
        split: &Split,
        context: Context,
        (one_way, clients, reset): (bool, bool, bool),
        ms: Option<u64>,
    ) -> Option<usize> {
        let (pairs, first) = self.split(split, context)?;
        let mut barrier = Barrier::default();
        for (a, b) in &pairs {
            barrier.pairs.push((*a, *b));
            if !one_way {
                barrier.pairs.push((*b, *a));
            }
        }
        if clients {
            let reaches = [!one_way, true];
            let all = 0..self.hosts.len();
            let with = |client| first.iter().map(move |server| (client, *server, reaches));
            barrier.clients = all.flat_map(with).collect();
        }
        let name = |peer: &usize| self.id(*peer).to_string();
        let cut: Vec<String> =
            pairs.iter().map(|(a, b)| format!("{}-{}", name(a), name(b))).collect();
        let ways = if one_way { "one way" } else { "both ways" };
        let what = format!("cut {ways}: {}", cut.join(" "));
        self.report(fault, first.first().copied(), what);
        let servers: Vec<(usize, usize)> = barrier.clients.iter().map(|c| (c.0, c.1)).collect();
        let cut = self.put_up(barrier, ms);
        self.queue.push(self.now + RETRANSMIT, What::CutTimeout { cut: cut as u32 });
        if reset {
            for (a, b) in &pairs {
                for link in self.net.between(*a, *b) {
                    self.reset_link(link, Down::Reset);
                }
            }
            for (client, server) in servers {
                for conn in self.conns_of(server) {
                    if self.conns.pair(conn) == Some((client, server)) {
                        self.conn_reset(conn);
                    }
                }
            }
        }
        first.first().copied()
    }
}
