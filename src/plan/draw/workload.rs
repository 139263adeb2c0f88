//! Clients: few hot znodes, every kind of call, bursts and idle stretches.

use std::collections::BTreeMap;

use crate::base::{Dice, Draw, PeerId};
use crate::znode::op::CreateMode;

use super::super::scenario::Workload;
use super::super::{Call, ClientPlan, Driver, Step};
use super::Setting;

/// Kinds of calls as scenarios name them, and their usual weights.
pub const CALLS: [(&str, u64); 15] = [
    ("create", 6),
    ("create_ephemeral", 4),
    ("create_sequential", 3),
    ("create_ephemeral_sequential", 3),
    ("delete", 4),
    ("set_data", 12),
    ("get_data", 8),
    ("exists", 3),
    ("get_children", 4),
    ("sync", 3),
    ("multi", 4),
    ("multi_read", 2),
    ("close_session", 1),
    ("move", 2),
    ("idle", 1),
];

/// Index of `set_data` in [`CALLS`]: it is never omitted, for a run without writes shows nothing.
const SET_DATA: usize = 5;

/// What all scripts of a seed share.
struct Pool {
    parents: Vec<String>,
    paths: Vec<String>,
    weights: Vec<u64>,
    /// The last datum written: each is written once.
    data: u64,
}

/// The clients of this seed.
pub fn clients(setting: &Setting<'_>, workload: &Workload) -> Vec<ClientPlan> {
    let mut dice = setting.dice("clients");
    let usual = if dice.below(5) > 0 { (1, 4) } else { (4, 9) };
    let (low, high) = workload.clients.unwrap_or(usual);
    let count = dice.between(low, high).min(12);
    let usual = if dice.below(10) > 0 { (40, 300) } else { (5, 40) };
    let (low, high) = workload.calls.unwrap_or(usual);
    let calls = dice.scale(low, high);
    let mut pool = pool(&mut setting.dice("pool"), workload);
    let mut clients = Vec::new();
    for nth in 0..count {
        // Dice of its own for each, so that one more client leaves the others as they are.
        let mut dice = setting.dice(&format!("client/{nth}"));
        let mut client = client(setting, workload, &mut dice);
        client.gives_up = setting.dice(&format!("client/{nth}/library")).below(3) == 0;
        client.driver = Driver::Script(script(setting, &mut dice, &mut pool, calls / count, nth));
        clients.push(client);
    }
    programs(setting, workload, &mut clients);
    clients
}

/// A few hot paths, and how often each kind of call is made.
fn pool(dice: &mut Dice, workload: &Workload) -> Pool {
    let parents: Vec<String> =
        (0..dice.between(1, 2)).map(|nth| format!("/{}", ["a", "b"][nth as usize])).collect();
    let mut paths = parents.clone();
    for nth in 0..dice.between(1, 4) {
        let parent = dice.pick(&parents);
        paths.push(format!("{parent}/{}", ["w", "x", "y", "z"][nth as usize]));
    }
    let mut weights = Vec::new();
    for (index, (name, weight)) in CALLS.iter().enumerate() {
        let scaled = weight * dice.scale(1, 8);
        let omitted = dice.below(4) == 0 && index != SET_DATA;
        weights.push(match workload.only.is_empty() {
            true if omitted => 0,
            true => scaled,
            false if workload.only.iter().any(|only| only == name) => scaled,
            false => 0,
        });
    }
    Pool { parents, paths, weights, data: 0 }
}

/// Everything about a client but what it does.
fn client(setting: &Setting<'_>, workload: &Workload, dice: &mut Dice) -> ClientPlan {
    let (low, high) = workload.timeout_ticks.unwrap_or((2, 20));
    let timeout_ms = match dice.below(20) {
        // Out of what servers grant: they clamp it.
        0 if workload.timeout_ticks.is_none() => dice.scale(1, 600_000),
        _ => setting.tick * dice.scale(low, high),
    };
    let mut servers = Vec::new();
    if dice.below(2) == 0 {
        servers = setting.peers();
        dice.shuffle(&mut servers);
        servers.truncate(dice.between(1, u64::from(setting.voters)) as usize);
    }
    let late = dice.below(4) == 0;
    let start_at = dice.below(setting.calm_at / 3);
    let driver = Driver::Script(Vec::new());
    let start_at = if late { start_at } else { 0 };
    ClientPlan { timeout_ms, servers, start_at, gives_up: false, driver }
}

/// A script of about `calls` calls, spread over the time before calm, when scripts end.
fn script(
    setting: &Setting<'_>,
    dice: &mut Dice,
    pool: &mut Pool,
    calls: u64,
    client: u64,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for parent in pool.parents.clone() {
        pool.data += 1;
        let mode = CreateMode::Persistent;
        let call = Call::Create { path: parent, data: pool.data, mode, stat: false, acl: None };
        steps.push((1, Step { wait_us: 0, drain: client == 0, call }));
    }
    // Some clients wait for each answer, some never do, most do both.
    let drained = *dice.pick(&[0, 20, 50, 50, 90, 100]);
    let idle = dice.below(4);
    let mut burst = 0;
    while (steps.len() as u64) < calls.max(4) {
        let mut wait = dice.scale(1, 16);
        if burst > 0 {
            burst -= 1;
            wait = 0;
        } else if dice.below(8) == 0 {
            burst = dice.between(2, 12);
        } else if dice.below(40) < idle {
            wait = dice.scale(64, 512);
        }
        let drain = dice.below(100) < drained;
        let call = call(dice, pool);
        let synced = match &call {
            Call::Sync { path } => Some(path.clone()),
            _ => None,
        };
        steps.push((wait, Step { wait_us: 0, drain, call }));
        // Only a read behind a sync is promised to be fresh.
        if let Some(path) = synced {
            let call = Call::GetData { path, watch: dice.below(4) == 0 };
            steps.push((0, Step { wait_us: 0, drain: dice.below(3) == 0, call }));
        }
    }
    let window_us = setting.calm_at * dice.between(700, 980);
    let total: u64 = steps.iter().map(|(wait, _)| *wait).sum::<u64>().max(1);
    steps
        .into_iter()
        .map(|(wait, step)| Step { wait_us: window_us * wait / total, ..step })
        .collect()
}

/// One call.
fn call(dice: &mut Dice, pool: &mut Pool) -> Call {
    let kind = CALLS[dice.weighted(&pool.weights)].0;
    let path = dice.pick(&pool.paths).clone();
    let watch = dice.below(3) == 0;
    let stat = dice.below(2) == 0;
    let create = |dice: &mut Dice, pool: &mut Pool, path: String, mode: CreateMode| {
        let path = match mode.is_sequential() {
            true => format!("{}/s-", dice.pick(&pool.parents)),
            false => path,
        };
        pool.data += 1;
        Call::Create { path, data: pool.data, mode, stat, acl: None }
    };
    match kind {
        "create" => create(dice, pool, path, CreateMode::Persistent),
        "create_ephemeral" => create(dice, pool, path, CreateMode::Ephemeral),
        "create_sequential" => create(dice, pool, path, CreateMode::PersistentSequential),
        "create_ephemeral_sequential" => create(dice, pool, path, CreateMode::EphemeralSequential),
        "delete" => Call::Delete { path, version: version(dice) },
        "set_data" => set_data(dice, pool, path),
        "get_data" => Call::GetData { path, watch },
        "exists" => Call::Exists { path, watch },
        "get_children" => Call::GetChildren { path: dice.pick(&pool.parents).clone(), watch, stat },
        "sync" => Call::Sync { path },
        "multi" => Call::Multi((0..dice.between(1, 4)).map(|_| part(dice, pool)).collect()),
        "multi_read" => {
            let parts = (0..dice.between(1, 4)).map(|_| {
                let path = dice.pick(&pool.paths).clone();
                match dice.below(3) {
                    0 => Call::GetChildren { path, watch: false, stat: false },
                    _ => Call::GetData { path, watch: false },
                }
            });
            Call::MultiRead(parts.collect())
        }
        "close_session" => Call::CloseSession,
        "move" => Call::Move,
        _ => Call::Idle,
    }
}

/// One member of a multi; some of them are bound to fail.
fn part(dice: &mut Dice, pool: &mut Pool) -> Call {
    let path = dice.pick(&pool.paths).clone();
    match dice.weighted(&[4, 2, 2, 2, 1]) {
        0 => set_data(dice, pool, path),
        1 => {
            pool.data += 1;
            let modes = [CreateMode::Persistent, CreateMode::Ephemeral];
            let mode = *dice.pick(&modes);
            Call::Create { path, data: pool.data, mode, stat: false, acl: None }
        }
        2 => Call::Delete { path, version: version(dice) },
        3 => Call::Check { path, version: version(dice) },
        _ => {
            let mode = CreateMode::PersistentSequential;
            pool.data += 1;
            let path = format!("{}/s-", dice.pick(&pool.parents));
            Call::Create { path, data: pool.data, mode, stat: false, acl: None }
        }
    }
}

fn set_data(dice: &mut Dice, pool: &mut Pool, path: String) -> Call {
    pool.data += 1;
    Call::SetData { path, data: pool.data, version: version(dice) }
}

/// Mostly any version; else a guess that is right now and then.
fn version(dice: &mut Dice) -> i32 {
    if dice.below(10) < 7 { -1 } else { dice.below(4) as i32 }
}

/// In some seeds, clients that are programs join.
fn programs(setting: &Setting<'_>, workload: &Workload, clients: &mut Vec<ClientPlan>) {
    let mut dice = setting.dice("programs");
    if dice.below(100) >= workload.programs_percent.unwrap_or(15) {
        return;
    }
    let lock = dice.below(2) == 0;
    for _ in 0..dice.between(1, 3) {
        let mut params = BTreeMap::new();
        let name = if lock {
            params.insert("hold_ms".to_string(), dice.scale(1, setting.tick * 2));
            params.insert("rest_ms".to_string(), dice.scale(1, setting.tick * 4));
            "lock_holder"
        } else {
            "mirror"
        };
        let servers: Vec<PeerId> = Vec::new();
        let timeout_ms = setting.tick * dice.scale(2, 20);
        let driver = Driver::Program { name: name.to_string(), params };
        if clients.len() < 12 {
            clients.push(ClientPlan { timeout_ms, servers, start_at: 0, gives_up: false, driver });
        }
    }
}
