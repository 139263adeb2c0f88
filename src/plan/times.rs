//! What a plan's laws of delay come to once every injector has stopped: the longest that each
//! thing takes then. Bounds and excuses of liveness are made of these.

use super::{Delay, Plan};

/// The longest times after calm, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// A frame from one peer to another, over the slowest pair.
    pub one_way_us: u64,
    /// A sync of either device.
    pub sync_us: u64,
    /// A wait of deferred work for its turn.
    pub work_us: u64,
}

/// Syncs in a row until a transaction is acknowledged: the one under way when it comes, a roll of
/// the log (the file and its name), its own.
const SYNCS: u64 = 4;

/// Waits of deferred work in a row for one transaction: logged, applied, and as often behind what
/// came before it.
const WORKS: u64 = 4;

/// Syncs of a log file that is behind: its header, its name, and all that it holds.
const SYNCS_OF_FILE: u64 = 3;

/// Records that a client costs which comes back and waits in vain: the session that it begins, its
/// call, the end of that session.
const IN_VAIN: u64 = 3;

/// Clients that keep each other waiting (see [`Times::storm`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How many, the most impatient ones.
    pub clients: u64,
    /// What the log takes for all that they ask for in one round.
    pub takes_us: u64,
    /// How long a round is when the last of them waits as long as it can.
    pub limit_us: u64,
}

impl Times {
    /// Those of a plan.
    pub fn of(plan: &Plan) -> Times {
        let most = |law: &Delay| law.tame().most_us();
        let pairs = plan.net.slow.iter();
        let slowest = pairs.map(|(from, to, _)| {
            let same = plan.net.slow.iter().filter(|(f, t, _)| (f, t) == (from, to));
            same.fold(0u64, |sum, (.., extra)| sum.saturating_add(*extra))
        });
        let kinds = plan.work.slow.iter().map(|(_, law)| most(law));
        Times {
            one_way_us: most(&plan.net.delay).saturating_add(slowest.max().unwrap_or(0)),
            sync_us: most(&plan.disk.log_sync).max(most(&plan.disk.snap_sync)),
            work_us: kinds.fold(most(&plan.work.delay), u64::max),
        }
    }

    /// The shortest time from a client's write to its answer: to a server and back, and where
    /// there is more than one, to the leader and back behind a proposal to a peer and back.
    pub fn least_answer_us(plan: &Plan) -> u64 {
        let hops = if plan.voters > 1 { 4 } else { 0 };
        let peers = plan.net.delay.least_us().saturating_mul(hops);
        let client = plan.net.client_delay.least_us().saturating_mul(2);
        client.saturating_add(peers).saturating_add(plan.disk.log_sync.least_us())
    }

    /// How long each client waits for an answer: two thirds of the timeout that servers grant it.
    pub fn patience_us(plan: &Plan) -> Vec<u64> {
        let tick_ms = plan.knob("tick_ms");
        let bound = |name: &str, ticks: u64| match plan.knob(name) {
            0 => tick_ms.saturating_mul(ticks),
            ms => ms,
        };
        let low = bound("min_session_ms", 2).max(1);
        let high = bound("max_session_ms", 20).max(low);
        let granted = plan.clients.iter().map(|client| client.timeout_ms.clamp(low, high));
        granted.map(|ms| ms * 1000 / 3 * 2).collect()
    }

    /// Clients that were all lost at once may keep each other waiting for ever: each begins a
    /// session, waits for its call longer than it can, and comes back. A round of one takes its
    /// patience, and what the log is behind; if that is more than its patience, too, the next round
    /// is as vain. With a log whose files are full after a few records this happens (seed 429729 of
    /// `moments`).
    pub fn storm(plan: &Plan) -> Option<Storm> {
        Times::storms(plan).next()
    }

    /// The shortest session timeout that keeps clients out of storms, in ms; none if they are.
    pub fn calm_session_ms(plan: &Plan) -> Option<u64> {
        // A round is twice two thirds of the timeout.
        Times::storms(plan).map(|storm| storm.takes_us.saturating_mul(3) / 4 / 1000 + 2).max()
    }

    /// Of the most impatient client, the two most impatient ones, and so on, those that are one.
    fn storms(plan: &Plan) -> impl Iterator<Item = Storm> {
        let file_us = plan.disk.log_sync.tame().most_us().saturating_mul(SYNCS_OF_FILE);
        let records = plan.knob("log_roll").max(1);
        let mut patience = Times::patience_us(plan);
        patience.sort_unstable();
        let rounds = (1..).zip(patience).map(move |(clients, us)| Storm {
            clients,
            takes_us: file_us.saturating_mul(clients * IN_VAIN) / records,
            limit_us: us.saturating_mul(2),
        });
        rounds.filter(|storm| storm.takes_us > storm.limit_us)
    }

    /// So many ticks by the clock of a plan that runs fastest.
    pub fn ticks_us(plan: &Plan, ticks: u64) -> u64 {
        let fastest = plan.clocks.iter().map(|clock| clock.drift_ppm).max().unwrap_or(0);
        let rate = 1_000_000 + fastest.clamp(0, 1_000_000) as u64;
        let us = plan.knob("tick_ms").saturating_mul(1000).saturating_mul(ticks);
        (u128::from(us) * 1_000_000 / u128::from(rate)) as u64
    }

    /// From the election of a leader to the first packet of a learner that dialled it in vain
    /// once, because it had not decided yet.
    pub fn first_packet_us(&self, plan: &Plan) -> u64 {
        let vain_ms = plan.knob("dial_retry_ms").saturating_add(plan.knob("finalize_wait_ms"));
        vain_ms.saturating_mul(1000).saturating_add(self.round_trip_us())
    }

    /// From one peer to another and back.
    pub fn round_trip_us(&self) -> u64 {
        self.one_way_us.saturating_mul(2)
    }

    /// From a proposal to the acknowledgement of a peer that has made it durable.
    pub fn exchange_us(&self) -> u64 {
        let syncs = self.sync_us.saturating_mul(SYNCS);
        let works = self.work_us.saturating_mul(WORKS);
        self.round_trip_us().saturating_add(syncs).saturating_add(works)
    }
}
