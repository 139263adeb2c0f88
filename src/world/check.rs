//! Whether a plan makes sense, before anything runs.

use crate::base::PeerId;
use crate::plan::{Fault, Plan, Split, Target};

/// Refuses plans that name what does not exist, and faults that no correct ensemble could survive.
pub(super) fn check(plan: &Plan) -> Result<(), String> {
    if plan.voters == 0 {
        return Err("an ensemble needs a voter".into());
    }
    let exists = |id: &PeerId| (1..=plan.voters).contains(&id.0);
    if let Some(id) = plan.frail.iter().find(|id| !exists(id)) {
        return Err(format!("frail peer {id} is not one of the {} voters", plan.voters));
    }
    if plan.frail.len() * 2 >= usize::from(plan.voters) && !plan.frail.is_empty() {
        return Err(format!("{} frail peers of {} are no minority", plan.frail.len(), plan.voters));
    }
    for (index, planned) in plan.faults.iter().enumerate() {
        check_fault(plan, &planned.fault)
            .map_err(|why| format!("fault {index} (`{}`): {why}", planned.fault.kind()))?;
    }
    Ok(())
}

fn check_fault(plan: &Plan, fault: &Fault) -> Result<(), String> {
    let one_of = |name: &str, known: &[&str]| match known.contains(&name) {
        true => Ok(()),
        false => Err(format!("unknown name `{name}`, not one of {}", known.join(", "))),
    };
    let exists = |target: &Target| match target {
        Target::Peer(id) if !(1..=plan.voters).contains(&id.0) => Err(format!("no peer {id}")),
        Target::Peer(_)
        | Target::Leader
        | Target::Follower(_)
        | Target::Shortest
        | Target::Longest
        | Target::Same
        | Target::Other => Ok(()),
    };
    let frail = |target: &Target| {
        if matches!(target, Target::Peer(id) if plan.frail.contains(id)) {
            return Ok(());
        }
        Err("it may only strike a peer that the plan names as frail".to_string())
    };
    let devices = ["log", "snap"];
    match fault {
        Fault::Crash { peer, lasting, scatter, .. } if *lasting || *scatter => frail(peer),
        Fault::DiskHang { peer, device, lasting: true, .. } => {
            frail(peer)?;
            one_of(device, &devices)
        }
        Fault::Crash { peer, .. }
        | Fault::Pause { peer, .. }
        | Fault::ResetClients { peer }
        | Fault::WallStep { peer, .. }
        | Fault::FreezeClock { peer, .. } => exists(peer),
        Fault::CrashAll { .. } | Fault::Revive {} => Ok(()),
        Fault::Wipe { peer, .. } | Fault::Misdirect { peer } => frail(peer),
        Fault::Rot { peer, file } | Fault::LoseFile { peer, file, .. } => {
            frail(peer)?;
            one_of(file, &["log", "snapshot", "epoch"])
        }
        Fault::DiskHang { peer, device, .. } | Fault::DiskSlow { peer, device, .. } => {
            exists(peer)?;
            one_of(device, &devices)
        }
        Fault::DiskError { peer, device, error, .. } => {
            exists(peer)?;
            one_of(device, &devices)?;
            one_of(error, &["write_eio", "enospc", "sync_eio", "read_eio"])
        }
        Fault::Partition { split, .. } => match split {
            Split::Isolate(target) | Split::Bridge(target) => exists(target),
            Split::LeaderInMinority | Split::Ring => Ok(()),
            Split::Sides(sides) => sides.iter().try_for_each(|id| exists(&Target::Peer(*id))),
            Split::Pair(a, b) => exists(a).and_then(|()| exists(b)),
        },
        Fault::Hold { from, to, channel, .. } => {
            exists(from)?;
            exists(to)?;
            channel.as_deref().map_or(Ok(()), |name| one_of(name, &["election", "quorum"]))
        }
        Fault::Reset { a, b } => exists(a).and_then(|()| exists(b)),
        Fault::CutClient { client, servers, .. } => {
            if *client == 0 || *client as usize > plan.clients.len() {
                return Err(format!("no client {client}"));
            }
            servers.iter().try_for_each(|id| exists(&Target::Peer(*id)))
        }
    }
}
