//! A peer's two devices in time: queues of operations, latencies, errors, hangs.
//!
//! Each device carries out its operations strictly in the order asked. Writes and changes of names
//! take no time once it is their turn; a sync or a read takes as long as its law says, and what
//! was asked after it waits. What was asked behind a sync that fails is dropped. A sync covers
//! the file that it names, and only that; a directory sync covers the names of its device.

mod drive;

use std::collections::VecDeque;

use crate::base::{Duration, Key, Ticket, Zxid};
use crate::history::Seen;
use crate::process::{Device, DiskError, DiskResult, Effect, Event, File, Image};

use super::World;
use super::device::Files;
use super::machine::{Damage, Held};
use super::nemesis::Sighting;
use super::queue::What;

/// See the module's page.
#[derive(Clone)]
pub(super) struct Disk {
    drives: [Drive; 2],
    /// Tickets given out and not yet answered, ascending.
    open: Vec<Ticket>,
    /// Tickets that failed: what was to follow them never does.
    failed: Vec<Ticket>,
    /// The largest zxid of a write that a sync has covered.
    pub(super) durable: Zxid,
    /// A loss of power leaves any sectors of what was not synced.
    pub(super) scatters: bool,
}

/// One device: its files, and what it is doing.
#[derive(Clone)]
struct Drive {
    key: Key,
    files: Files,
    queue: VecDeque<Effect>,
    /// The sync or read that is under way.
    busy: Option<Effect>,
    /// Counts what was begun: the end of an older operation is stale.
    turn: u32,
    begun: u64,
    /// A write failed: the next sync says so.
    error: Option<DiskError>,
    faults: DriveFaults,
}

/// What injectors have done to a device; all of it is undone at calm, unless it lasts.
#[derive(Clone, Debug, Default)]
struct DriveFaults {
    hangs: u32,
    /// One of the hangs never ends.
    dead: bool,
    /// The operation under way ended while the device hung.
    stuck: bool,
    extra: Duration,
    write_eio: u32,
    enospc: u32,
    sync_eio: u32,
    read_eio: u32,
    misdirect: bool,
}

/// The ticket of what takes time; None for what does not.
fn ticket_of(effect: &Effect) -> Option<Ticket> {
    if let Effect::Read { ticket, .. }
    | Effect::Fsync { ticket, .. }
    | Effect::FsyncDir { ticket, .. } = effect
    {
        return Some(*ticket);
    }
    None
}

fn index(device: Device) -> usize {
    match device {
        Device::Log => 0,
        Device::Snap => 1,
    }
}

fn name_of(device: Device) -> &'static str {
    match device {
        Device::Log => "log",
        Device::Snap => "snap",
    }
}

/// Reads a device's name as plans spell it.
pub(super) fn device_named(name: &str) -> Option<Device> {
    [Device::Log, Device::Snap].into_iter().find(|device| name_of(*device) == name)
}

impl Disk {
    /// Gives every draw to come another name.
    pub(super) fn rekey(&mut self, other: impl Fn(&mut Key)) {
        self.drives.iter_mut().for_each(|drive| other(&mut drive.key));
    }

    /// Two empty devices.
    pub(super) fn new(key: Key) -> Disk {
        let drive = |device: Device| Drive {
            key: key.named(name_of(device)),
            files: Files::default(),
            queue: VecDeque::new(),
            busy: None,
            turn: 0,
            begun: 0,
            error: None,
            faults: DriveFaults::default(),
        };
        let drives = [drive(Device::Log), drive(Device::Snap)];
        Disk { drives, open: Vec::new(), failed: Vec::new(), durable: Zxid::ZERO, scatters: false }
    }

    /// Holds exactly these files from now on, all durable.
    pub(super) fn load(&mut self, image: &Image) {
        for device in [Device::Log, Device::Snap] {
            self.drives[index(device)].files.load(image, device);
        }
    }

    /// The operation of a device that is under way, in words.
    pub(super) fn doing(&self, device: Device) -> Option<String> {
        match self.drives[index(device)].busy.as_ref()? {
            Effect::Read { file, .. } => Some(format!("the read of {file}")),
            Effect::Fsync { file, .. } => Some(format!("the sync of {file}")),
            Effect::FsyncDir { .. } => Some("the sync of the folder".to_string()),
            _ => None,
        }
    }

    /// What is durable.
    pub(super) fn image(&self) -> Image {
        let mut image = Image::default();
        for device in [Device::Log, Device::Snap] {
            self.drives[index(device)].files.save(&mut image, device);
        }
        image
    }

    /// Whether a ticket has been answered already: how; None if it has not.
    pub(super) fn answered(&self, ticket: Ticket) -> Option<bool> {
        if self.open.binary_search(&ticket).is_ok() {
            return None;
        }
        Some(!self.failed.contains(&ticket))
    }

    /// Makes the next `count` operations fail; false if there is no such error.
    pub(super) fn fail(&mut self, device: Device, error: &str, count: u32) -> bool {
        let faults = &mut self.drives[index(device)].faults;
        match error {
            "write_eio" => faults.write_eio += count,
            "enospc" => faults.enospc += count,
            "sync_eio" => faults.sync_eio += count,
            "read_eio" => faults.read_eio += count,
            _ => return false,
        }
        true
    }

    /// Sends the next write of the log astray.
    pub(super) fn misdirect(&mut self) {
        self.drives[index(Device::Log)].faults.misdirect = true;
    }

    /// Adds to the latency of syncs and reads.
    pub(super) fn slow(&mut self, device: Device, extra: Duration) {
        let faults = &mut self.drives[index(device)].faults;
        faults.extra = faults.extra + extra;
    }

    /// Takes it away again.
    pub(super) fn hasten(&mut self, device: Device, extra: Duration) {
        let faults = &mut self.drives[index(device)].faults;
        faults.extra = faults.extra - extra;
    }

    /// The device answers nothing until as many calls of `World::disk_wake`.
    pub(super) fn hang(&mut self, device: Device) {
        self.drives[index(device)].faults.hangs += 1;
    }

    /// The device never answers again.
    pub(super) fn hang_for_good(&mut self, device: Device) {
        let faults = &mut self.drives[index(device)].faults;
        faults.hangs += u32::from(!faults.dead);
        faults.dead = true;
    }

    /// Whether some device never answers again.
    pub(super) fn is_dead(&self) -> bool {
        self.drives.iter().any(|drive| drive.faults.dead)
    }

    /// All files are gone.
    pub(super) fn wipe(&mut self) {
        self.load(&Image::default());
        self.durable = Zxid::ZERO;
    }

    /// Carries out damage to durable files while the peer is down; what happened, for people.
    pub(super) fn damage(&mut self, damage: &Damage) -> Option<String> {
        let (class, act) = match damage {
            Damage::Replace => {
                self.wipe();
                return Some("all files are gone".into());
            }
            Damage::Rot { file } => (file, None),
            Damage::Lose { file, empty } => (file, Some(*empty)),
        };
        let device = if class == "log" { Device::Log } else { Device::Snap };
        let files = &mut self.drives[index(device)].files;
        let epoch = class == "epoch";
        let names = files.names(|name| device == Device::Log || epoch == name.contains("Epoch"));
        let name = names.last()?;
        let file = File { device, name: name.clone() };
        match act {
            None => files.rot(name).then(|| format!("a bit of {file} flips")),
            Some(empty) => {
                files.lose(name, empty);
                Some(format!("{file} is {}", if empty { "empty" } else { "gone" }))
            }
        }
    }

    fn drive(&mut self, device: Device) -> &mut Drive {
        &mut self.drives[index(device)]
    }
}

impl World {
    /// Queues an operation of a peer, and carries out what can be at once.
    pub(super) fn disk_ask(&mut self, peer: usize, device: Device, effect: Effect) {
        let disk = &mut self.machines[peer].disk;
        let ticket = ticket_of(&effect);
        disk.open.extend(ticket);
        let drive = disk.drive(device);
        let idle = drive.busy.is_none() && drive.faults.hangs == 0 && drive.queue.is_empty();
        match ticket {
            Some(_) if idle => self.disk_begin(peer, device, effect),
            None if idle => self.disk_carry(peer, device, effect),
            _ => {
                drive.queue.push_back(effect);
                self.disk_advance(peer, device);
            }
        }
    }

    /// Carries out operations until one takes time, or there are none.
    pub(super) fn disk_advance(&mut self, peer: usize, device: Device) {
        let life = self.machines[peer].life;
        while self.machines[peer].life == life {
            let drive = self.machines[peer].disk.drive(device);
            if drive.busy.is_some() || drive.faults.hangs > 0 {
                return;
            }
            let Some(effect) = drive.queue.pop_front() else { return };
            if ticket_of(&effect).is_some() {
                return self.disk_begin(peer, device, effect);
            }
            self.disk_carry(peer, device, effect);
        }
    }

    fn disk_begin(&mut self, peer: usize, device: Device, effect: Effect) {
        let noise = &self.plan.disk;
        let law = match (&effect, device) {
            (Effect::Read { .. }, _) => noise.read,
            (_, Device::Log) => noise.log_sync,
            (_, Device::Snap) => noise.snap_sync,
        };
        let law = if self.calm { law.tame() } else { law };
        let drive = self.machines[peer].disk.drive(device);
        drive.turn += 1;
        drive.begun += 1;
        let delay = law.draw(&mut drive.key.with(drive.begun).stream()) + drive.faults.extra;
        drive.busy = Some(effect);
        let what = What::Disk { peer: peer as u8, device, turn: drive.turn };
        self.queue.push(self.now + delay, what);
    }

    /// Carries out an operation that takes no time.
    fn disk_carry(&mut self, peer: usize, device: Device, effect: Effect) {
        let sector = self.plan.disk.sector.max(1);
        if let Effect::WriteAt { bytes, .. } = &effect {
            self.fold_bytes(bytes);
        }
        let carried = self.machines[peer].disk.drive(device).carry(effect, sector);
        self.fold_text(carried.kind, carried.tag.zxid.0);
        let id = self.machines[peer].id;
        if let Some(error) = carried.failed {
            self.disk_failed(device, carried.kind, error);
            return;
        }
        if let Some(what) = carried.astray {
            self.machines[peer].damaged = true;
            self.see(Seen::Fault { kind: "misdirect", peer: Some(id), what });
        }
        let last = (carried.kind, carried.tag.kind, carried.file.clone());
        self.machines[peer].last_effect = last;
        if let Some(file) = carried.file.filter(|_| carried.kind == "write") {
            self.stats.writes += 1;
            self.see(Seen::Wrote { peer: id, file, tag: carried.tag });
            self.sighted(peer, None, Sighting::Write(carried.tag.kind));
        }
        self.sighted(peer, None, Sighting::Effect);
    }

    fn disk_failed(&mut self, device: Device, kind: &'static str, error: DiskError) {
        let error = match error {
            DiskError::Io => "eio",
            DiskError::NoSpace => "enospc",
            DiskError::Missing => "missing",
        };
        *self.stats.disk_errors.entry((name_of(device), kind, error)).or_default() += 1;
    }

    /// The operation under way ends. False if this is stale.
    pub(super) fn disk_end(&mut self, peer: usize, device: Device, turn: u32) -> bool {
        let drive = self.machines[peer].disk.drive(device);
        if drive.turn != turn || drive.busy.is_none() {
            return false;
        }
        if drive.faults.hangs > 0 {
            drive.faults.stuck = true;
            return false;
        }
        let effect = drive.busy.take().expect("it is busy");
        let turns_away = !matches!(effect, Effect::Read { .. });
        let life = self.machines[peer].life;
        let Some((ticket, result)) = self.disk_result(peer, device, effect) else { return true };
        if self.machines[peer].life != life {
            return true;
        }
        self.disk_answer(peer, ticket, result.is_ok());
        let result = match result {
            Ok(result) => result,
            Err(error) => DiskResult::Failed(error),
        };
        let mut answers = vec![(ticket, result.clone())];
        if turns_away && let DiskResult::Failed(_) = result {
            // What was to follow a sync that failed does not happen, and fails like it.
            let queue = std::mem::take(&mut self.machines[peer].disk.drive(device).queue);
            for ticket in queue.iter().filter_map(ticket_of) {
                self.disk_answer(peer, ticket, false);
                answers.push((ticket, result.clone()));
            }
        }
        self.disk_advance(peer, device);
        for (ticket, result) in answers {
            if self.machines[peer].life != life {
                break;
            }
            let event = Event::Disk { ticket, result };
            if self.machines[peer].pauses > 0 {
                self.machines[peer].held.push_back(Held::Event(event));
            } else {
                self.run(peer, event);
            }
        }
        true
    }

    /// What comes of a sync or read; None if there is nobody left to tell.
    fn disk_result(
        &mut self,
        peer: usize,
        device: Device,
        effect: Effect,
    ) -> Option<(Ticket, Result<DiskResult, DiskError>)> {
        let file = if let Effect::Fsync { file, .. } = &effect { Some(file.clone()) } else { None };
        let (kind, ticket, result) = self.machines[peer].disk.end(device, effect);
        self.fold_text(kind, ticket.0);
        if let Err(error) = &result {
            self.disk_failed(device, kind, *error);
        }
        if kind != "read" {
            let (id, ok, life) = (self.machines[peer].id, result.is_ok(), self.machines[peer].life);
            self.see(Seen::Synced { peer: id, device, ok });
            if ok {
                self.stats.syncs += 1;
                let tag = if file.is_none() { name_of(device) } else { "" };
                self.machines[peer].last_effect = (kind, tag, file);
                self.sighted(peer, None, Sighting::Sync(name_of(device)));
                if self.machines[peer].life != life {
                    return None;
                }
                self.sighted(peer, None, Sighting::Effect);
            }
        }
        Some((ticket, result))
    }

    /// Lets go, or drops, what waited for a ticket.
    fn disk_answer(&mut self, peer: usize, ticket: Ticket, ok: bool) {
        let machine = &mut self.machines[peer];
        let life = machine.life;
        if let Ok(at) = machine.disk.open.binary_search(&ticket) {
            machine.disk.open.remove(at);
        }
        if !ok {
            machine.disk.failed.push(ticket);
        }
        let mut at = 0;
        while self.machines[peer].life == life && at < self.machines[peer].waiting.len() {
            if self.machines[peer].waiting[at].ticket != ticket {
                at += 1;
                continue;
            }
            let waiting = self.machines[peer].waiting.remove(at).expect("it is in bounds");
            if ok {
                self.send(peer, waiting.link, waiting.frame);
            }
        }
    }

    /// One hang of a device ends.
    pub(super) fn disk_wake(&mut self, peer: usize, device: Device) {
        let drive = self.machines[peer].disk.drive(device);
        drive.faults.hangs = drive.faults.hangs.saturating_sub(1);
        if drive.faults.hangs > 0 {
            return;
        }
        if std::mem::take(&mut drive.faults.stuck) && drive.busy.is_some() {
            let what = What::Disk { peer: peer as u8, device, turn: drive.turn };
            self.queue.push(self.now, what);
        }
        self.disk_advance(peer, device);
    }

    /// Undoes everything that injectors have done to a peer's devices.
    pub(super) fn disk_calm(&mut self, peer: usize) {
        for device in [Device::Log, Device::Snap] {
            let faults = &mut self.machines[peer].disk.drive(device).faults;
            let DriveFaults { hangs, dead, stuck, .. } = *faults;
            *faults = DriveFaults { hangs: hangs.min(1), dead, stuck, ..DriveFaults::default() };
            if !dead {
                self.disk_wake(peer, device);
            }
        }
    }

    /// Cuts the power of a peer's devices: see `Files::crash`.
    pub(super) fn disk_crash(&mut self, peer: usize) {
        let machine = &mut self.machines[peer];
        let key = machine.key.named("crash").with(machine.crashes);
        machine.disk.open.clear();
        machine.disk.failed.clear();
        let scatters = machine.disk.scatters;
        let mut reordered = false;
        for drive in &mut machine.disk.drives {
            drive.queue.clear();
            drive.busy = None;
            drive.error = None;
            drive.faults.stuck = false;
            let key = key.with(drive.key.0);
            reordered |= drive.files.crash(key, &self.plan.disk, scatters, &mut self.stats);
        }
        if reordered {
            let id = machine.id;
            machine.damaged = true;
            let what = format!("{id}: a later page has survived an earlier one");
            self.see(Seen::Fault { kind: "scatter", peer: Some(id), what });
        }
    }
}
