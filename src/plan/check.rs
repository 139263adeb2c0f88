//! Checking: what a plan or scenario may say. Each problem names its field and the remedy.
//!
//! The shape of JSON is serde's concern; here it is about values that no run could make sense of,
//! and about faults that no correct ensemble could survive.

mod faults;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use faults::Room;

use super::draw::{CALLS, KNOBS};
use super::input::{Problem, suggest};
use super::scenario::{FAMILIES, Families, Scenario, Voters};
use super::seeds::parse_seeds;
use super::{
    Call, ClientPlan, ClockPlan, Delay, DiskNoise, Driver, Expect, Fork, NetNoise, Plan, WorkNoise,
};
use crate::base::{PeerId, Ratio};

/// The latest time that may be named: an hour.
pub const MS_MAX: u64 = 3_600_000;

/// The last step that may be named: no run is longer.
pub const STEP_MAX: u64 = 20_000_000;

/// The most forks of one run.
pub const FORKS_MAX: usize = 64;

/// The most calls of one script.
pub const STEPS_MAX: usize = 100_000;

type Checked = Result<(), Problem>;

impl Plan {
    /// Whether a world can run it.
    ///
    /// # Errors
    /// The first value that it cannot.
    pub fn check(&self) -> Checked {
        if self.zoosim != super::FORMAT {
            return Err(Problem::new("zoosim", "is not `plan/1`", "this build reads `plan/1`"));
        }
        texts(&self.title, &self.why, &self.expect, &self.protocol)?;
        voters("voters", self.voters)?;
        knobs(&self.knobs)?;
        net(&self.net, self.voters)?;
        disk(&self.disk)?;
        work(&self.work)?;
        clocks(&self.clocks, self.voters)?;
        frail(&self.frail, self.voters)?;
        times(self.calm_at, self.settle)?;
        clients(&self.clients, self.voters)?;
        let room = Room {
            voters: self.voters,
            clients: Some(self.clients.len()),
            frail: &self.frail,
            calm_at: self.calm_at,
            lone: false,
        };
        room.faults(&self.faults)?;
        forks(&self.forks)
    }
}

impl Scenario {
    /// Whether every plan drawn from it is one that a world can run.
    ///
    /// # Errors
    /// The first value in the way.
    pub fn check(&self) -> Checked {
        texts(&self.title, &self.why, &self.expect, &self.protocol)?;
        if let Some(text) = &self.seeds {
            parse_seeds(text)?;
        }
        // What is said of peers must hold in the smallest ensemble.
        let smallest = match &self.voters {
            None => 1,
            Some(Voters::Fixed(count)) => {
                voters("voters", *count)?;
                *count
            }
            Some(Voters::Weighted(choices)) => weighted(choices)?,
        };
        knobs(&self.knobs)?;
        self.net.as_ref().map_or(Ok(()), |noise| net(noise, smallest))?;
        self.disk.as_ref().map_or(Ok(()), disk)?;
        self.work.as_ref().map_or(Ok(()), work)?;
        self.clocks.as_ref().map_or(Ok(()), |list| clocks(list, smallest))?;
        frail(&self.frail, smallest)?;
        // Five seconds is the least that is drawn.
        let calm_at = self.calm_at.unwrap_or(5_000);
        times(calm_at, self.settle.unwrap_or(0))?;
        self.clients.as_ref().map_or(Ok(()), |list| clients(list, smallest))?;
        let clients = self.clients.as_ref().map(Vec::len);
        let room = Room { voters: smallest, clients, frail: &self.frail, calm_at, lone: false };
        room.faults(&self.faults)?;
        self.swarm_and_workload()
    }

    fn swarm_and_workload(&self) -> Checked {
        if let Families::Only(names) = &self.swarm.families {
            let known = FAMILIES.map(|(name, _)| name);
            for (nth, name) in names.iter().enumerate() {
                one_of(&format!("swarm.families[{nth}]"), "family", name, &known)?;
            }
        }
        range("swarm.faults", self.swarm.faults, 0..=1_000)?;
        within("swarm.quiet_percent", self.swarm.quiet_percent, 0..=100)?;
        let workload = &self.workload;
        workload.clients.map_or(Ok(()), |pair| range("workload.clients", pair, 1..=12))?;
        let most = STEPS_MAX as u64;
        workload.calls.map_or(Ok(()), |pair| range("workload.calls", pair, 1..=most))?;
        workload
            .timeout_ticks
            .map_or(Ok(()), |pair| range("workload.timeout_ticks", pair, 1..=1_000))?;
        within("workload.programs_percent", workload.programs_percent.unwrap_or(0), 0..=100)?;
        let known = CALLS.map(|(name, _)| name);
        for (nth, name) in workload.only.iter().enumerate() {
            one_of(&format!("workload.only[{nth}]"), "kind of call", name, &known)?;
        }
        Ok(())
    }
}

fn texts(title: &str, why: &str, expect: &Expect, protocol: &str) -> Checked {
    for (field, text) in [("title", title), ("why", why), ("protocol", protocol)] {
        if text.trim().is_empty() {
            return Err(Problem::new(field, "is empty", format!("write a `{field}`")));
        }
    }
    match expect {
        Expect::Violation(properties) if properties.is_empty() => {
            let hint = "name the properties of which one must be violated";
            Err(Problem::new("expect.violation", "is empty", hint))
        }
        Expect::Violation(_) | Expect::Pass => Ok(()),
    }
}

/// Forks are few, and each is behind the one before it.
fn forks(forks: &[Fork]) -> Checked {
    let mut before = 0;
    for (nth, fork) in forks.iter().enumerate() {
        let path = format!("forks[{nth}].step");
        within(&path, fork.step, 1..=STEP_MAX)?;
        if fork.step <= before {
            let what = format!("is {}, not behind step {before} of the fork before it", fork.step);
            return Err(Problem::new(&path, what, "forks stand in the order of their steps"));
        }
        before = fork.step;
    }
    if forks.len() > FORKS_MAX {
        let what = format!("are {}", forks.len());
        return Err(Problem::new("forks", what, format!("at most {FORKS_MAX} make a plan")));
    }
    Ok(())
}

fn voters(path: &str, count: u8) -> Checked {
    if matches!(count, 1 | 3 | 5 | 7) {
        return Ok(());
    }
    let hint = "an ensemble has 1, 3, 5 or 7 voters: an even one survives no more than a smaller";
    Err(Problem::new(path, format!("is {count}"), hint))
}

/// The smallest number of voters that is chosen.
fn weighted(choices: &[(u8, u64)]) -> Result<u8, Problem> {
    for (nth, (count, weight)) in choices.iter().enumerate() {
        voters(&format!("voters[{nth}][0]"), *count)?;
        within(&format!("voters[{nth}][1]"), *weight, 1..=1_000_000)?;
    }
    let smallest = choices.iter().map(|(count, _)| *count).min();
    let hint = "write `3`, or pairs such as `[[3, 70], [5, 30]]`";
    smallest.ok_or_else(|| Problem::new("voters", "is empty", hint))
}

fn knobs(knobs: &BTreeMap<String, u64>) -> Checked {
    let known = KNOBS.map(|(name, ..)| name);
    for (name, value) in knobs {
        // A dot makes a knob some protocol's own: `mine.window`.
        if name.contains('.') {
            continue;
        }
        let path = format!("knobs.{name}");
        match KNOBS.iter().find(|(known, ..)| known == name) {
            Some((_, _, low, high, _)) => within(&path, *value, *low..=*high)?,
            None => {
                let hint = suggest(name, &known, Some("knobs"));
                return Err(Problem::new(&path, "is not a knob", hint));
            }
        }
    }
    Ok(())
}

fn delay(path: &str, delay: &Delay) -> Checked {
    let us_max = MS_MAX * 1_000;
    let (min_us, max_us, low) = match delay {
        Delay::Uniform { min_us, max_us } => (*min_us, *max_us, 0),
        Delay::LogUniform { min_us, max_us } => (*min_us, *max_us, 1),
        Delay::Exponential { min_us, mean_us } => {
            within(&format!("{path}.exponential.mean_us"), *mean_us, 0..=us_max / 20)?;
            (*min_us, us_max, 0)
        }
        Delay::Bimodal { min_us, max_us, tail, tail_us } => {
            ratio(&format!("{path}.bimodal.tail"), *tail)?;
            within(&format!("{path}.bimodal.tail_us"), *tail_us, *max_us..=us_max)?;
            (*min_us, *max_us, 0)
        }
    };
    if min_us < low || min_us > max_us || max_us > us_max {
        let what = format!("runs from {min_us} to {max_us} us");
        let hint = format!("bounds are ascending, from {low} us to an hour");
        return Err(Problem::new(path, what, hint));
    }
    Ok(())
}

fn ratio(path: &str, ratio: Ratio) -> Checked {
    if ratio.den > 0 && ratio.num <= ratio.den {
        return Ok(());
    }
    let what = format!("is {} in {}", ratio.num, ratio.den);
    Err(Problem::new(path, what, "a ratio is `[favourable, all]`, at most 1; never is `[0, 1]`"))
}

fn net(net: &NetNoise, voters: u8) -> Checked {
    delay("net.delay", &net.delay)?;
    delay("net.client_delay", &net.client_delay)?;
    for (nth, (from, to, extra)) in net.slow.iter().enumerate() {
        let path = format!("net.slow[{nth}]");
        peer(&format!("{path}[0]"), *from, voters)?;
        peer(&format!("{path}[1]"), *to, voters)?;
        within(&format!("{path}[2]"), *extra, 0..=MS_MAX * 1_000)?;
    }
    for (field, value) in [
        ("net.stall", net.stall),
        ("net.reset", net.reset),
        ("net.client_reset", net.client_reset),
        ("net.refuse", net.refuse),
        ("net.hang", net.hang),
        ("net.half_open", net.half_open),
    ] {
        ratio(field, value)?;
    }
    within("net.stall_us", net.stall_us, 0..=MS_MAX * 1_000)?;
    within("net.queue", u64::from(net.queue), 1..=1_000_000)
}

fn disk(disk: &DiskNoise) -> Checked {
    delay("disk.log_sync", &disk.log_sync)?;
    delay("disk.snap_sync", &disk.snap_sync)?;
    delay("disk.read", &disk.read)?;
    ratio("disk.garbage", disk.garbage)?;
    ratio("disk.keep", disk.keep)?;
    within("disk.sector", disk.sector, 1..=65_536)
}

fn work(work: &WorkNoise) -> Checked {
    delay("work.delay", &work.delay)?;
    let mut slow = work.slow.iter().enumerate();
    slow.try_for_each(|(nth, (_, law))| delay(&format!("work.slow[{nth}][1]"), law))
}

fn clocks(clocks: &[ClockPlan], voters: u8) -> Checked {
    for (nth, clock) in clocks.iter().enumerate() {
        peer(&format!("clocks[{nth}].peer"), clock.peer, voters)?;
        if clocks[..nth].iter().any(|other| other.peer == clock.peer) {
            let what = format!("is {} again", clock.peer.0);
            let hint = "a peer has one clock";
            return Err(Problem::new(&format!("clocks[{nth}].peer"), what, hint));
        }
        let path = format!("clocks[{nth}].drift_ppm");
        signed(&path, clock.drift_ppm, 500_000)?;
        let path = format!("clocks[{nth}].wall_offset_ms");
        signed(&path, clock.wall_offset_ms, 1_000 * MS_MAX)?;
    }
    Ok(())
}

fn frail(frail: &[PeerId], voters: u8) -> Checked {
    for (nth, one) in frail.iter().enumerate() {
        peer(&format!("frail[{nth}]"), *one, voters)?;
        if frail[..nth].contains(one) {
            let what = format!("is {} again", one.0);
            return Err(Problem::new(&format!("frail[{nth}]"), what, "name each peer once"));
        }
    }
    let most = usize::from(voters - 1) / 2;
    if frail.len() > most {
        let what = format!("names {} of {voters} voters", frail.len());
        let hint = format!("no ensemble survives that a majority forgets: name at most {most}");
        return Err(Problem::new("frail", what, hint));
    }
    Ok(())
}

fn times(calm_at: u64, settle: u64) -> Checked {
    within("calm_at", calm_at, 1..=MS_MAX)?;
    within("settle", settle, 0..=MS_MAX)
}

fn clients(clients: &[ClientPlan], voters: u8) -> Checked {
    if clients.is_empty() || clients.len() > 12 {
        let what = format!("are {}", clients.len());
        return Err(Problem::new("clients", what, "a run has 1 to 12 clients"));
    }
    for (nth, client) in clients.iter().enumerate() {
        let path = format!("clients[{nth}]");
        within(&format!("{path}.timeout_ms"), client.timeout_ms, 1..=MS_MAX)?;
        within(&format!("{path}.start_at"), client.start_at, 0..=MS_MAX)?;
        for (nth, server) in client.servers.iter().enumerate() {
            peer(&format!("{path}.servers[{nth}]"), *server, voters)?;
        }
        let steps = match &client.driver {
            Driver::Program { .. } => continue,
            Driver::Script(steps) => steps,
        };
        if steps.len() > STEPS_MAX {
            let what = format!("has {} steps", steps.len());
            let hint = format!("a script has at most {STEPS_MAX}");
            return Err(Problem::new(&format!("{path}.driver.script"), what, hint));
        }
        for (nth, step) in steps.iter().enumerate() {
            let path = format!("{path}.driver.script[{nth}]");
            within(&format!("{path}.wait_us"), step.wait_us, 0..=MS_MAX * 1_000)?;
            call(&format!("{path}.call"), &step.call, None)?;
        }
    }
    Ok(())
}

/// The longest time to live, in milliseconds (spec 2.4).
const TTL_MAX: i64 = (1 << 40) - 1;

/// Checks a call; `within` is the multi that it is part of.
fn call(at: &str, call: &Call, within: Option<&str>) -> Checked {
    let misplaced = |hint: &str| {
        let what = match within {
            Some(multi) => format!("is not for a {multi}"),
            None => "stands alone".to_string(),
        };
        Err(Problem::new(at, what, hint))
    };
    let (writes, reads) = (within == Some("multi"), within == Some("multi_read"));
    match call {
        Call::Multi(parts) | Call::MultiRead(parts) => {
            let name = if matches!(call, Call::Multi(_)) { "multi" } else { "multi_read" };
            if within.is_some() {
                return misplaced("multis do not nest");
            }
            let mut parts = parts.iter().enumerate();
            parts.try_for_each(|(nth, part)| {
                self::call(&format!("{at}.{name}[{nth}]"), part, Some(name))
            })
        }
        Call::Create { path, mode, .. } if !reads => {
            // What is judged is the name that the server makes of it.
            let made = if mode.is_sequential() { format!("{path}1") } else { path.clone() };
            znode(&format!("{at}.create.path"), &made)
        }
        Call::Delete { path, .. } if !reads => znode(&format!("{at}.delete.path"), path),
        Call::SetData { path, .. } if !reads => znode(&format!("{at}.set_data.path"), path),
        Call::Check { path, .. } if writes => znode(&format!("{at}.check.path"), path),
        Call::GetData { path, .. } if !writes => znode(&format!("{at}.get_data.path"), path),
        Call::GetChildren { path, .. } if !writes => {
            znode(&format!("{at}.get_children.path"), path)
        }
        Call::Exists { path, .. } if within.is_none() => znode(&format!("{at}.exists.path"), path),
        Call::Sync { path } if within.is_none() => znode(&format!("{at}.sync.path"), path),
        Call::CreateContainer { path, .. } if !reads => {
            znode(&format!("{at}.create_container.path"), path)
        }
        Call::CreateTtl { path, sequential, ttl, .. } if !reads => {
            if !(1..=TTL_MAX).contains(ttl) {
                let hint = format!("milliseconds, from 1 to {TTL_MAX}");
                return Err(Problem::new(
                    &format!("{at}.create_ttl.ttl"),
                    format!("is {ttl}"),
                    hint,
                ));
            }
            let made = if *sequential { format!("{path}1") } else { path.clone() };
            znode(&format!("{at}.create_ttl.path"), &made)
        }
        Call::SetAcl { path, .. } if within.is_none() => znode(&format!("{at}.set_acl.path"), path),
        Call::GetAcl { path } if within.is_none() => znode(&format!("{at}.get_acl.path"), path),
        Call::AddWatch { path, .. } if within.is_none() => {
            znode(&format!("{at}.add_watch.path"), path)
        }
        Call::CheckWatches { path, .. } if within.is_none() => {
            znode(&format!("{at}.check_watches.path"), path)
        }
        Call::RemoveWatches { path, .. } if within.is_none() => {
            znode(&format!("{at}.remove_watches.path"), path)
        }
        Call::GetAllChildrenNumber { path } if within.is_none() => {
            znode(&format!("{at}.get_all_children_number.path"), path)
        }
        Call::AddAuth { .. }
        | Call::GetEphemerals { .. }
        | Call::WhoAmI
        | Call::Reconfig { .. }
        | Call::CloseSession
        | Call::Move
        | Call::Idle
            if within.is_none() =>
        {
            Ok(())
        }
        Call::Check { .. } if within.is_none() => misplaced("`check` is a part of a `multi`"),
        Call::Create { .. }
        | Call::Delete { .. }
        | Call::SetData { .. }
        | Call::Check { .. }
        | Call::GetData { .. }
        | Call::GetChildren { .. }
        | Call::Exists { .. }
        | Call::Sync { .. }
        | Call::CreateContainer { .. }
        | Call::CreateTtl { .. }
        | Call::SetAcl { .. }
        | Call::GetAcl { .. }
        | Call::AddAuth { .. }
        | Call::AddWatch { .. }
        | Call::CheckWatches { .. }
        | Call::RemoveWatches { .. }
        | Call::GetEphemerals { .. }
        | Call::GetAllChildrenNumber { .. }
        | Call::WhoAmI
        | Call::Reconfig { .. }
        | Call::CloseSession
        | Call::Move
        | Call::Idle => misplaced(
            "a `multi` has `create`, `create_container`, `create_ttl`, `delete`, `set_data` and \
             `check`, a `multi_read` has `get_data` and `get_children`",
        ),
    }
}

fn znode(at: &str, path: &str) -> Checked {
    let names = path.strip_prefix('/');
    let good = |name: &str| !matches!(name, "" | "." | "..") && !name.chars().any(char::is_control);
    if path == "/" || names.is_some_and(|names| names.split('/').all(good)) {
        return Ok(());
    }
    let hint = "write `/` and names with `/` between them, none of them empty, `.` or `..`";
    Err(Problem::new(at, format!("is `{path}`, not a path"), hint))
}

fn peer(path: &str, peer: PeerId, voters: u8) -> Checked {
    if (1..=voters).contains(&peer.0) {
        return Ok(());
    }
    let what = format!("is {}, not a peer", peer.0);
    Err(Problem::new(path, what, format!("peers are numbered from 1 to {voters}")))
}

fn within(path: &str, value: u64, allowed: RangeInclusive<u64>) -> Checked {
    if allowed.contains(&value) {
        return Ok(());
    }
    let hint = format!("it may be {} to {}", allowed.start(), allowed.end());
    Err(Problem::new(path, format!("is {value}"), hint))
}

/// At most so far from nothing, either way.
fn signed(path: &str, value: i64, most: u64) -> Checked {
    if value.unsigned_abs() <= most {
        return Ok(());
    }
    Err(Problem::new(path, format!("is {value}"), format!("it may be -{most} to {most}")))
}

fn range(path: &str, (low, high): (u64, u64), allowed: RangeInclusive<u64>) -> Checked {
    within(&format!("{path}[0]"), low, allowed.clone())?;
    within(&format!("{path}[1]"), high, allowed)?;
    if low > high {
        let what = format!("runs from {low} down to {high}");
        return Err(Problem::new(path, what, "write `[at least, at most]`"));
    }
    Ok(())
}

fn one_of(path: &str, noun: &str, word: &str, known: &[&str]) -> Checked {
    if known.contains(&word) {
        return Ok(());
    }
    let what = format!("is `{word}`, not a {noun}");
    Err(Problem::new(path, what, suggest(word, known, None)))
}
