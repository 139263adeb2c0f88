//! Taking things out of a plan so that what stays means what it meant.

use std::ops::Range;

use crate::base::PeerId;
use crate::plan::{Call, Driver, Fault, Plan, Planned, Split, Step, Target, When};

/// The plan without the faults for which `drop` says so. What was to follow a dropped fault
/// follows what that one waited for instead.
pub fn without_faults(plan: &Plan, drop: impl Fn(usize, &Planned) -> bool) -> Plan {
    let mut kept: Vec<Planned> = Vec::new();
    let mut last: Option<(When, Option<Target>)> = None;
    let mut previous_kept = false;
    for (index, planned) in plan.faults.iter().enumerate() {
        let mut planned = planned.clone();
        let mut whole = planned.when.clone();
        if let (When::Then(gap), Some((before, struck))) = (&planned.when, &last) {
            whole = later(before, *gap);
            if !previous_kept {
                planned.when = whole.clone();
                // Where nothing happened before, the leader is meant.
                let lone = matches!(whole, When::At(_) | When::Step(_));
                each_target(&mut planned.fault, &mut |target| {
                    if let (Target::Same, Some(struck)) = (&*target, struck) {
                        *target = struck.clone();
                    } else if lone && matches!(target, Target::Same | Target::Other) {
                        *target = Target::Leader;
                    }
                });
            }
        }
        let mut struck = None;
        each_target(&mut planned.fault, &mut |target| {
            if struck.is_none() && *target != Target::Same {
                struck = Some(target.clone());
            }
        });
        last = Some((whole, struck));
        previous_kept = !drop(index, &planned);
        if previous_kept {
            kept.push(planned);
        }
    }
    Plan { faults: kept, ..plan.clone() }
}

/// `gap` ms after what this waits for.
fn later(when: &When, gap: u64) -> When {
    match when {
        When::At(ms) | When::Then(ms) => When::At(ms.saturating_add(gap)),
        // Nobody knows here when that is.
        When::Step(step) => When::Step(*step),
        When::Moment { on, by, nth, from, after_us } => When::Moment {
            on: on.clone(),
            by: by.clone(),
            nth: *nth,
            from: *from,
            after_us: after_us.saturating_add(gap.saturating_mul(1000)),
        },
    }
}

/// All targets that a fault names.
pub(super) fn each_target(fault: &mut Fault, f: &mut dyn FnMut(&mut Target)) {
    match fault {
        Fault::Crash { peer, .. }
        | Fault::Wipe { peer, .. }
        | Fault::Pause { peer, .. }
        | Fault::ResetClients { peer }
        | Fault::DiskHang { peer, .. }
        | Fault::DiskSlow { peer, .. }
        | Fault::DiskError { peer, .. }
        | Fault::Rot { peer, .. }
        | Fault::LoseFile { peer, .. }
        | Fault::Misdirect { peer }
        | Fault::WallStep { peer, .. }
        | Fault::FreezeClock { peer, .. } => f(peer),
        Fault::Partition { split, .. } => match split {
            Split::Isolate(target) | Split::Bridge(target) => f(target),
            Split::Pair(a, b) => {
                f(a);
                f(b);
            }
            Split::LeaderInMinority | Split::Sides(_) | Split::Ring => {}
        },
        Fault::Hold { from: a, to: b, .. } | Fault::Reset { a, b } => {
            f(a);
            f(b);
        }
        Fault::CrashAll { .. } | Fault::Revive {} | Fault::CutClient { .. } => {}
    }
}

/// The plan without these clients; those behind them move up.
pub fn without_clients(plan: &Plan, range: Range<usize>) -> Plan {
    let mut plan = plan.clone();
    for index in 0..plan.clients.len() {
        // Who names no servers is dealt an order by its number, which is about to change.
        plan.clients[index].servers = plan.servers_of(index);
    }
    let gone = |client: u32| range.contains(&(client as usize).wrapping_sub(1));
    let mut plan = without_faults(&plan, |_, planned| match &planned.fault {
        Fault::CutClient { client, .. } => gone(*client),
        _ => false,
    });
    for planned in &mut plan.faults {
        if let Fault::CutClient { client, .. } = &mut planned.fault
            && *client as usize > range.end
        {
            *client -= range.len() as u32;
        }
    }
    plan.clients.drain(range);
    plan
}

/// The plan with only these peers, numbered anew in their order. Faults on others are dropped.
pub fn keep_peers(plan: &Plan, keep: &[u8]) -> Plan {
    let place = |id: PeerId| keep.iter().position(|kept| *kept == id.0);
    let moved = |id: &PeerId| place(*id).map(|at| PeerId(at as u8 + 1));
    let many = |ids: &[PeerId]| ids.iter().filter_map(moved).collect::<Vec<PeerId>>();
    let nobody = |planned: &Planned| {
        let mut fault = planned.fault.clone();
        let mut lost = false;
        each_target(&mut fault, &mut |target| {
            lost |= matches!(target, Target::Peer(id) if place(*id).is_none());
        });
        let by = match &planned.when {
            When::Moment { by: Some(Target::Peer(id)), .. } => place(*id).is_none(),
            When::Moment { .. } | When::At(_) | When::Then(_) | When::Step(_) => false,
        };
        let listed = match &fault {
            Fault::Partition { split: Split::Sides(side), .. } => {
                let side = many(side).len();
                side == 0 || side == keep.len()
            }
            Fault::CutClient { servers, .. } => !servers.is_empty() && many(servers).is_empty(),
            _ => false,
        };
        lost || by || listed
    };
    let mut plan = without_faults(plan, |_, planned| nobody(planned));
    for planned in &mut plan.faults {
        let rename = |target: &mut Target| {
            if let Target::Peer(id) = target
                && let Some(new) = moved(id)
            {
                *id = new;
            }
        };
        each_target(&mut planned.fault, &mut { rename });
        if let When::Moment { by: Some(by), .. } = &mut planned.when {
            rename(by);
        }
        match &mut planned.fault {
            Fault::Partition { split: Split::Sides(ids), .. }
            | Fault::CutClient { servers: ids, .. } => *ids = many(ids),
            _ => {}
        }
    }
    plan.voters = keep.len() as u8;
    plan.frail = many(&plan.frail);
    plan.frail.truncate((keep.len() - 1) / 2);
    plan.clocks.retain_mut(|clock| moved(&clock.peer).map(|new| clock.peer = new).is_some());
    plan.net.slow = plan
        .net
        .slow
        .iter()
        .filter_map(|(from, to, extra)| Some((moved(from)?, moved(to)?, *extra)))
        .collect();
    for client in &mut plan.clients {
        client.servers = many(&client.servers);
    }
    plan
}

/// How many steps all scripts have together.
pub(super) fn steps(plan: &Plan) -> usize {
    plan.clients.iter().map(|client| script(&client.driver).len()).sum()
}

/// The steps of a script; none of a program.
pub(super) fn script(driver: &Driver) -> &[Step] {
    match driver {
        Driver::Script(steps) => steps,
        Driver::Program { .. } => &[],
    }
}

/// The plan without some steps, counted through all scripts. Whatever follows keeps its time.
pub(super) fn without_steps(plan: &Plan, range: Range<usize>) -> Plan {
    let mut plan = plan.clone();
    let mut at = 0;
    for client in &mut plan.clients {
        let Driver::Script(steps) = &mut client.driver else { continue };
        let mut kept: Vec<Step> = Vec::with_capacity(steps.len());
        let mut waited = 0;
        for mut step in std::mem::take(steps) {
            if range.contains(&at) {
                waited += step.wait_us;
            } else {
                step.wait_us += std::mem::take(&mut waited);
                kept.push(step);
            }
            at += 1;
        }
        *steps = kept;
    }
    plan
}

/// The call of a step, as its place in all scripts counts, to be changed.
pub(super) fn step_mut(plan: &mut Plan, nth: usize) -> Option<&mut Step> {
    let scripts = plan.clients.iter_mut().filter_map(|client| match &mut client.driver {
        Driver::Script(steps) => Some(steps),
        Driver::Program { .. } => None,
    });
    scripts.flatten().nth(nth)
}

/// The members of a multi.
pub(super) fn members(call: &mut Call) -> Option<&mut Vec<Call>> {
    match call {
        Call::Multi(parts) | Call::MultiRead(parts) => Some(parts),
        Call::Create { .. }
        | Call::Delete { .. }
        | Call::Exists { .. }
        | Call::GetData { .. }
        | Call::SetData { .. }
        | Call::GetChildren { .. }
        | Call::Check { .. }
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
        | Call::Idle => None,
    }
}
