//! The end of the safety phase: every injector stops, and what they have done is undone.
//!
//! From here on `World::calm` is set, and every injector looks at it before it does anything:
//! delays lose their tails, and nothing stalls, resets, fails, hangs or strikes any more. Frail
//! peers may stay broken: what a plan calls `lasting` is not undone.

use crate::base::{Duration, Time};
use crate::history::Seen;
use crate::plan::Times;

use super::World;
use super::network::RETRANSMIT;
use super::queue::What;

impl World {
    /// Every injector stops, and what they have done is undone: the safety phase is over.
    pub(super) fn calm_down(&mut self) -> bool {
        self.calm = true;
        self.nemesis.disarm();
        let troubled = |world: &World, peer: usize| {
            let machine = &world.machines[peer];
            !machine.is_up() || machine.damaged || machine.disk.is_dead()
        };
        let mut core = Vec::new();
        for peer in 0..self.machines.len() {
            let id = self.id(peer);
            if !(self.plan.frail.contains(&id) && troubled(self, peer)) {
                core.push(id);
            }
        }
        self.open_all_gates();
        self.links_calm();
        for peer in 0..self.machines.len() {
            // What would still have come does not come.
            self.machines[peer].damage.clear();
            self.disk_calm(peer);
            while self.machines[peer].clock.is_frozen() {
                if self.machines[peer].clock.thaw(self.now) {
                    self.rearm(peer);
                }
            }
            if self.machines[peer].pauses > 0 {
                self.machines[peer].pauses = 1;
                self.resume(peer);
            }
            if !self.machines[peer].is_up() && !self.machines[peer].dead {
                let life = self.machines[peer].life;
                let peer = peer as u8;
                let refused = self.machines[usize::from(peer)].refused;
                let what =
                    if refused { What::Replace { peer, life } } else { What::Start { peer, life } };
                self.queue.push(self.now + Duration::from_ms(1), what);
            }
        }
        let deadline = self.deadline();
        self.see(Seen::Calm { core, deadline });
        self.clients_calm();
        true
    }

    /// By when a correct ensemble serves again: twenty times what it may take to agree and to
    /// synchronise, the longest election back-off, the longest session, what the laws of delay
    /// make of as many exchanges, and what is still on its way, all by the slowest clock.
    fn deadline(&self) -> Time {
        const BACK_OFF: Duration = Duration::from_ms(60_000);
        const ROUNDS: u64 = 20;
        let plan = &self.plan;
        let ticks = ROUNDS * (plan.knob("init_limit") + plan.knob("sync_limit"));
        let ensemble = Duration::from_ms(plan.knob("tick_ms")).times(ticks);
        let session = plan.clients.iter().map(|client| client.timeout_ms).max().unwrap_or(0);
        // A plan whose exchanges do not fit into its limits is excused: it need not be waited for.
        let exchanges = Duration::from_us(Times::of(plan).exchange_us().saturating_mul(ROUNDS));
        let exchanges = exchanges.min(ensemble);
        let ours = ensemble + BACK_OFF + Duration::from_ms(session) + exchanges + RETRANSMIT;
        let slowest = plan.clocks.iter().map(|clock| clock.drift_ppm).min().unwrap_or(0);
        let slowest = slowest.clamp(-500_000, 0);
        let rate = (1_000_000 + slowest) as u128;
        let under_way = self.queue.last_of(What::is_transfer).unwrap_or(self.now).max(self.now);
        under_way + Duration((u128::from(ours.0) * 1_000_000 / rate) as u64)
    }
}
