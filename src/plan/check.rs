//! Checking: what a plan or scenario may say. Each problem names its field and the remedy.
//!
//! The shape of JSON is serde's concern; here it is about values that no run could make sense of,
//! and about faults that no correct ensemble could survive.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::draw::{CALLS, KNOBS};
use super::input::{Problem, suggest};
use super::scenario::{FAMILIES, Families, Scenario, Voters};
use super::seeds::parse_seeds;
use super::{
    Call, ClientPlan, ClockPlan, Delay, DiskNoise, Driver, Expect, Fault, NetNoise, Pattern, Plan,
    Planned, Split, Target, When, WorkNoise,
};
use crate::base::{PeerId, Ratio};

/// The latest time that may be named: an hour.
pub const MS_MAX: u64 = 3_600_000;

/// The most calls of one script.
pub const STEPS_MAX: usize = 100_000;

const DEVICES: [&str; 2] = ["log", "snap"];
const ERRORS: [&str; 4] = ["write_eio", "enospc", "sync_eio", "read_eio"];
const FILES: [&str; 3] = ["log", "snapshot", "epoch"];
const CHANNELS: [&str; 2] = ["election", "quorum"];

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
        };
        room.faults(&self.faults)
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
        let room = Room { voters: smallest, clients, frail: &self.frail, calm_at };
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
    if ratio.num <= ratio.den {
        return Ok(());
    }
    let what = format!("is {} in {}", ratio.num, ratio.den);
    Err(Problem::new(path, what, "a ratio is `[favourable, all]`, at most 1"))
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
        within(&path, clock.drift_ppm.unsigned_abs(), 0..=500_000)?;
        let path = format!("clocks[{nth}].wall_offset_ms");
        within(&path, clock.wall_offset_ms.unsigned_abs(), 0..=1_000 * MS_MAX)?;
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
        Call::CloseSession | Call::Move | Call::Idle if within.is_none() => Ok(()),
        Call::Check { .. } if within.is_none() => misplaced("`check` is a part of a `multi`"),
        Call::Create { .. }
        | Call::Delete { .. }
        | Call::SetData { .. }
        | Call::Check { .. }
        | Call::GetData { .. }
        | Call::GetChildren { .. }
        | Call::Exists { .. }
        | Call::Sync { .. }
        | Call::CloseSession
        | Call::Move
        | Call::Idle => misplaced(
            "a `multi` has `create`, `delete`, `set_data` and `check`, \
             a `multi_read` has `get_data` and `get_children`",
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

/// What faults are checked against.
struct Room<'a> {
    voters: u8,
    /// Unknown while they are still to be drawn.
    clients: Option<usize>,
    frail: &'a [PeerId],
    calm_at: u64,
}

impl Room<'_> {
    fn faults(&self, faults: &[Planned]) -> Checked {
        for (nth, planned) in faults.iter().enumerate() {
            self.when(&format!("faults[{nth}].when"), &planned.when, nth)?;
            let kind = planned.fault.kind();
            self.fault(&format!("faults[{nth}].fault.{kind}"), &planned.fault)?;
        }
        Ok(())
    }

    fn when(&self, path: &str, when: &When, nth: usize) -> Checked {
        let late = |path: String, ms: u64| {
            if ms < self.calm_at {
                return Ok(());
            }
            let hint = format!("every injector stops at `calm_at`, {} ms", self.calm_at);
            Err(Problem::new(&path, format!("is {ms}, too late to happen"), hint))
        };
        match when {
            When::At(ms) => late(format!("{path}.at"), *ms),
            When::Then(_) if nth == 0 => {
                let hint = "write `{\"at\": ms}`: the first fault follows none";
                Err(Problem::new(path, "is `then`", hint))
            }
            When::Then(ms) => within(&format!("{path}.then"), *ms, 0..=MS_MAX),
            When::Moment { on, by, nth, from, after_us } => {
                let path = format!("{path}.moment");
                late(format!("{path}.from"), *from)?;
                within(&format!("{path}.nth"), u64::from(*nth), 1..=1_000_000)?;
                within(&format!("{path}.after_us"), *after_us, 0..=MS_MAX * 1_000)?;
                if let Some(by) = by {
                    self.target(&format!("{path}.by"), by)?;
                }
                pattern(&format!("{path}.on"), on)
            }
        }
    }

    fn target(&self, path: &str, target: &Target) -> Checked {
        match target {
            Target::Peer(one) => peer(&format!("{path}.peer"), *one, self.voters),
            Target::Leader
            | Target::Follower(_)
            | Target::Shortest
            | Target::Longest
            | Target::Same
            | Target::Other => Ok(()),
        }
    }

    /// Who loses durable state must be named, and frail.
    fn frail(&self, path: &str, target: &Target) -> Checked {
        self.target(&format!("{path}.peer"), target)?;
        let frail = match target {
            Target::Peer(peer) => self.frail.contains(peer),
            Target::Leader
            | Target::Follower(_)
            | Target::Shortest
            | Target::Longest
            | Target::Same
            | Target::Other => false,
        };
        if frail {
            return Ok(());
        }
        let hint = "only peers listed in `frail` may lose or damage durable state: write \
                    `{\"peer\": N}` and add N to `frail`";
        Err(Problem::new(&format!("{path}.peer"), "is not a frail peer", hint))
    }

    fn fault(&self, path: &str, fault: &Fault) -> Checked {
        let ms = |ms: &u64| within(&format!("{path}.ms"), *ms, 0..=MS_MAX);
        let on = |target: &Target| self.target(&format!("{path}.peer"), target);
        match fault {
            Fault::Crash { peer, down } => {
                within(&format!("{path}.down"), down.unwrap_or(0), 0..=MS_MAX)?;
                on(peer)
            }
            Fault::CrashAll { down } => {
                if down.is_empty() {
                    let hint = "write one time or more: they are used in turn";
                    return Err(Problem::new(&format!("{path}.down"), "is empty", hint));
                }
                let mut down = down.iter().enumerate();
                down.try_for_each(|(n, ms)| within(&format!("{path}.down[{n}]"), *ms, 0..=MS_MAX))
            }
            Fault::Wipe { peer, down } => {
                within(&format!("{path}.down"), *down, 0..=MS_MAX)?;
                self.frail(path, peer)
            }
            Fault::Misdirect { peer } => self.frail(path, peer),
            Fault::Rot { peer, file } | Fault::LoseFile { peer, file, .. } => {
                one_of(&format!("{path}.file"), "kind of file", file, &FILES)?;
                self.frail(path, peer)
            }
            Fault::Pause { peer, ms: long } | Fault::FreezeClock { peer, ms: long } => {
                ms(long)?;
                on(peer)
            }
            Fault::Partition { split, ms: long, .. } => {
                ms(&long.unwrap_or(0))?;
                self.split(&format!("{path}.split"), split)
            }
            Fault::Hold { from, to, channel, ms: long } => {
                ms(long)?;
                self.target(&format!("{path}.from"), from)?;
                self.target(&format!("{path}.to"), to)?;
                let channel = channel.as_deref().unwrap_or("quorum");
                one_of(&format!("{path}.channel"), "channel", channel, &CHANNELS)
            }
            Fault::Reset { a, b } => {
                self.target(&format!("{path}.a"), a)?;
                self.target(&format!("{path}.b"), b)
            }
            Fault::CutClient { client, servers, ms: long } => {
                ms(long)?;
                let most = self.clients.unwrap_or(12) as u64;
                within(&format!("{path}.client"), u64::from(*client), 1..=most)?;
                let mut servers = servers.iter().enumerate();
                servers.try_for_each(|(nth, server)| {
                    peer(&format!("{path}.servers[{nth}]"), *server, self.voters)
                })
            }
            Fault::ResetClients { peer } => on(peer),
            Fault::DiskHang { peer, device, ms: long } => {
                ms(long)?;
                one_of(&format!("{path}.device"), "device", device, &DEVICES)?;
                on(peer)
            }
            Fault::DiskSlow { peer, device, extra_us, ms: long } => {
                ms(long)?;
                within(&format!("{path}.extra_us"), *extra_us, 0..=MS_MAX * 1_000)?;
                one_of(&format!("{path}.device"), "device", device, &DEVICES)?;
                on(peer)
            }
            Fault::DiskError { peer, device, error, count } => {
                within(&format!("{path}.count"), u64::from(*count), 1..=1_000_000)?;
                one_of(&format!("{path}.error"), "disk error", error, &ERRORS)?;
                one_of(&format!("{path}.device"), "device", device, &DEVICES)?;
                on(peer)
            }
            Fault::WallStep { peer, ms: by } => {
                within(&format!("{path}.ms"), by.unsigned_abs(), 0..=1_000 * MS_MAX)?;
                on(peer)
            }
        }
    }

    fn split(&self, path: &str, split: &Split) -> Checked {
        match split {
            Split::Isolate(one) => self.target(&format!("{path}.isolate"), one),
            Split::Bridge(one) => self.target(&format!("{path}.bridge"), one),
            Split::Pair(one, other) => {
                self.target(&format!("{path}.pair[0]"), one)?;
                self.target(&format!("{path}.pair[1]"), other)
            }
            Split::Sides(side) => {
                let mut side = side.iter().enumerate();
                side.try_for_each(|(nth, one)| {
                    peer(&format!("{path}.sides[{nth}]"), *one, self.voters)
                })
            }
            Split::LeaderInMinority | Split::Ring => Ok(()),
        }
    }
}

fn pattern(path: &str, pattern: &Pattern) -> Checked {
    let (field, kind) = match pattern {
        Pattern::Effect => return Ok(()),
        Pattern::Sync(device) => {
            return one_of(&format!("{path}.sync"), "device", device, &DEVICES);
        }
        // Frames, writes and notes are named by protocols: which there are, a kit knows.
        Pattern::Send(kind) => ("send", kind),
        Pattern::Receive(kind) => ("receive", kind),
        Pattern::Write(kind) => ("write", kind),
        Pattern::Note(kind) => ("note", kind),
    };
    if kind.is_empty() {
        let hint = "`zoosim list moments` shows all kinds";
        return Err(Problem::new(&format!("{path}.{field}"), "is empty", hint));
    }
    Ok(())
}
