//! One peer's machine: its process, clocks, timers, deferred work and disk.
//!
//! What is here belongs to one machine and knows nothing of the others; `World` carries effects
//! from here to there. Timers and clocks survive nothing: a stop forgets everything but the disk
//! and the clocks.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{Draw, Duration, Key, LinkId, PeerId, Ticket, Time, WallMs};
use crate::plan::{ClockPlan, Plan, WorkNoise};
use crate::process::{Event, File, Frame, Now, Probe, Process, Timer, Work};

use super::disk::Disk;
use super::is_same;
use super::queue::What;

/// What wall clocks show when a run starts: a morning in 2025, the same in every run.
const WALL_START_MS: i64 = 1_750_000_000_000;

/// A process that can be copied with its world.
pub(super) struct Body(pub(super) Box<dyn Process>);

impl Clone for Body {
    fn clone(&self) -> Body {
        Body(self.0.fork())
    }
}

/// Something for a peer that came up while it was paused.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// What came up.
    What(What),
    /// An event that its cause had already made.
    Event(Event),
}

/// A frame that waits for a ticket.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) link: LinkId,
    pub(super) frame: Frame,
}

/// Damage done to files while their peer is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A bit flips in one file of this class.
    Rot { file: String },
    /// One file of this class is gone, or empty.
    Lose { file: String, empty: bool },
    /// An operator has put an empty disk in.
    Replace,
}

/// See the module's page.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) id: PeerId,
    pub(super) key: Key,
    /// None while it is down.
    pub(super) body: Option<Body>,
    /// Counts starts and stops: what was meant for another life is stale.
    pub(super) life: u32,
    pub(super) incarnation: u64,
    pub(super) crashes: u64,
    /// How many pauses are in force.
    pub(super) pauses: u32,
    pub(super) held: VecDeque<Held>,
    pub(super) clock: Clock,
    pub(super) timers: Timers,
    pub(super) lanes: Vec<Lane>,
    pub(super) disk: Disk,
    pub(super) next_ticket: u64,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) probe: Probe,
    /// It has not told its probe in this life.
    pub(super) fresh: bool,
    /// Strikes at the next start.
    pub(super) damage: Vec<Damage>,
    /// Its files were damaged since the last start.
    pub(super) damaged: bool,
    /// It found its files damaged and would not start.
    pub(super) refused: bool,
    /// It is down for good.
    pub(super) dead: bool,
    /// The last durable effect: its kind, its tag's, and on which file.
    pub(super) last_effect: (&'static str, &'static str, Option<File>),
}

impl Machine {
    /// The last durable effect, in two words. What has no tag is told by its file:
    /// `log.100000001` is a `log`.
    pub(super) fn last_effect(&self) -> (&'static str, &str) {
        let (effect, tag, file) = &self.last_effect;
        let class = file.as_ref().and_then(|file| file.name.split('.').next());
        (effect, if tag.is_empty() { class.unwrap_or_default() } else { tag })
    }

    /// Whether that was this one.
    pub(super) fn last_did(&self, effect: &str) -> bool {
        let (kind, what) = self.last_effect();
        effect.split_once(' ') == Some((kind, what))
    }

    /// A machine that is off.
    pub(super) fn new(id: PeerId, plan: &Plan, key: Key) -> Machine {
        let clock = plan.clocks.iter().find(|clock| clock.peer == id);
        Machine {
            id,
            key,
            body: None,
            life: 0,
            incarnation: 0,
            crashes: 0,
            pauses: 0,
            held: VecDeque::new(),
            clock: Clock::new(clock),
            timers: Timers::default(),
            lanes: Vec::new(),
            disk: Disk::new(key.named("disk")),
            next_ticket: 1,
            waiting: VecDeque::new(),
            probe: Probe::default(),
            fresh: true,
            damage: Vec::new(),
            damaged: false,
            refused: false,
            dead: false,
            last_effect: ("none", "", None),
        }
    }

    /// Gives every draw to come another name.
    pub(super) fn rekey(&mut self, other: impl Fn(&mut Key) + Copy) {
        other(&mut self.key);
        self.lanes.iter_mut().for_each(|lane| other(&mut lane.key));
        self.disk.rekey(other);
    }

    /// Whether its process runs (it may be paused).
    pub(super) fn is_up(&self) -> bool {
        self.body.is_some()
    }

    /// Both clocks at a true time.
    #[inline]
    pub(super) fn now(&self, time: Time) -> Now {
        Now { mono: self.clock.mono(time), wall: self.clock.wall(time) }
    }

    /// Forgets everything that a process does not survive.
    pub(super) fn forget(&mut self) {
        self.body = None;
        self.life += 1;
        self.held.clear();
        self.pauses = 0;
        self.timers.clear();
        self.waiting.clear();
        self.next_ticket = 1;
        self.probe = Probe::default();
        self.fresh = true;
        for lane in &mut self.lanes {
            lane.due.clear();
        }
    }

    /// When a deferred piece of work is due, and in which lane it waits.
    pub(super) fn defer(&mut self, work: Work, now: Time, noise: &WorkNoise, tame: bool) -> Due {
        let known = self.lanes.iter().position(|lane| is_same(lane.name, work.0));
        let index = known.unwrap_or_else(|| {
            let key = self.key.named("work").named(work.0);
            let slow = noise.slow.iter().find(|(name, _)| name == work.0);
            let law = slow.map_or(noise.delay, |(_, law)| *law);
            let (name, due) = (work.0, VecDeque::new());
            let fold = super::fold::hash(name.as_bytes());
            let lane = Lane { name, fold, key, law, drawn: 0, last: now, due };
            self.lanes.push(lane);
            self.lanes.len() - 1
        });
        let lane = &mut self.lanes[index];
        lane.drawn += 1;
        let law = if tame { lane.law.tame() } else { lane.law };
        lane.last = lane.last.max(now + law.draw(&mut lane.key.with(lane.drawn).stream()));
        lane.due.push_back(work.1);
        let lane_index = u16::try_from(index).expect("kinds of work are few");
        Due { at: lane.last, lane: lane_index }
    }
}

/// When and where a deferred piece of work is due.
pub(super) struct Due {
    pub(super) at: Time,
    pub(super) lane: u16,
}

/// The deferred work of one name: done in the order of asking.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: &'static str,
    /// What a digest keeps of the name.
    pub(super) fold: u64,
    key: Key,
    law: crate::plan::Delay,
    drawn: u64,
    last: Time,
    pub(super) due: VecDeque<u64>,
}

/// A peer's clocks as functions of true time.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    drift_ppm: i64,
    wall_offset_ms: i64,
    /// The monotonic clock showed `mono` at `since`, and has run evenly since then.
    since: Time,
    mono: Time,
    /// How many freezes are in force.
    freezes: u32,
}

impl Clock {
    fn new(plan: Option<&ClockPlan>) -> Clock {
        let (drift_ppm, wall_offset_ms) =
            plan.map_or((0, 0), |plan| (plan.drift_ppm, plan.wall_offset_ms));
        // A clock that stands still or runs backwards would be a freeze, and timers would never
        // come: one that runs at half or at twice the speed is crooked enough.
        let drift_ppm = drift_ppm.clamp(-500_000, 1_000_000);
        Clock { drift_ppm, wall_offset_ms, since: Time::ZERO, mono: Time::ZERO, freezes: 0 }
    }

    fn rate(&self) -> u128 {
        (1_000_000 + self.drift_ppm) as u128
    }

    /// The monotonic clock.
    #[inline]
    pub(super) fn mono(&self, time: Time) -> Time {
        if self.freezes > 0 {
            return self.mono;
        }
        let passed = time.since(self.since);
        if self.drift_ppm == 0 {
            return self.mono + passed;
        }
        self.mono + Duration((u128::from(passed.0) * self.rate() / 1_000_000) as u64)
    }

    /// The wall clock: it drifts like the other, but never freezes.
    #[inline]
    pub(super) fn wall(&self, time: Time) -> WallMs {
        let ms = if self.drift_ppm == 0 {
            time.as_ms()
        } else {
            (u128::from(time.0) * self.rate() / 1_000_000_000_000) as u64
        };
        WallMs(WALL_START_MS + self.wall_offset_ms + ms as i64)
    }

    /// The first true time at which the monotonic clock will have reached `mono`, if nothing
    /// freezes it; None while it is frozen.
    pub(super) fn reaches(&self, mono: Time) -> Option<Time> {
        if self.freezes > 0 {
            return None;
        }
        let ahead = u128::from(mono.since(self.mono).0);
        Some(self.since + Duration((ahead * 1_000_000).div_ceil(self.rate()) as u64))
    }

    /// Steps the wall clock.
    pub(super) fn step_wall(&mut self, ms: i64) {
        self.wall_offset_ms += ms;
    }

    /// Stops the monotonic clock, until as many thaws.
    pub(super) fn freeze(&mut self, time: Time) {
        (self.mono, self.since) = (self.mono(time), time);
        self.freezes += 1;
    }

    /// Whether the monotonic clock stands still.
    pub(super) fn is_frozen(&self) -> bool {
        self.freezes > 0
    }

    /// Ends one freeze; true if the clock runs again.
    pub(super) fn thaw(&mut self, time: Time) -> bool {
        if self.freezes == 0 {
            return false;
        }
        self.freezes -= 1;
        self.since = time;
        self.freezes == 0
    }
}

/// A peer's timers. A name keeps its slot while the process lives, so that setting a timer again
/// costs nothing but a new arming.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    names: BTreeMap<Timer, u32>,
    slots: Vec<Slot>,
    /// Counts settings over all lives, so that no stale arming is ever mistaken for a new one.
    settings: u32,
}

#[derive(Clone, Debug)]
struct Slot {
    timer: Timer,
    fires: Time,
    /// The setting in force: an older one in the queue is stale.
    arming: u32,
    armed: bool,
    drawn: u64,
}

impl Timers {
    /// Sets a timer to fire when the monotonic clock has advanced by a draw from the range.
    pub(super) fn set(
        &mut self,
        timer: Timer,
        within: std::ops::Range<Duration>,
        mono: Time,
        key: Key,
    ) -> (u32, u32, Time) {
        let index = *self.names.entry(timer).or_insert_with(|| {
            self.slots.push(Slot { timer, fires: mono, arming: 0, armed: false, drawn: 0 });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.drawn += 1;
        let delay = if within.end <= within.start {
            within.start
        } else {
            let name = key.named(timer.0).with(timer.1).with(slot.drawn);
            name.stream().within(within)
        };
        self.settings += 1;
        slot.fires = mono + delay;
        slot.arming = self.settings;
        slot.armed = true;
        (index, slot.arming, slot.fires)
    }

    /// Forgets a timer.
    pub(super) fn cancel(&mut self, timer: Timer) {
        if let Some(index) = self.names.get(&timer) {
            self.slots[*index as usize].armed = false;
        }
    }

    /// When this arming fires, if it is still the one in force.
    pub(super) fn fires(&self, slot: u32, arming: u32) -> Option<Time> {
        let slot = self.slots.get(slot as usize)?;
        (slot.armed && slot.arming == arming).then_some(slot.fires)
    }

    /// Which timer has this slot.
    pub(super) fn name(&self, slot: u32) -> Option<Timer> {
        Some(self.slots.get(slot as usize)?.timer)
    }

    /// Disarms a timer that fires now.
    pub(super) fn fire(&mut self, slot: u32) -> Timer {
        let slot = &mut self.slots[slot as usize];
        slot.armed = false;
        slot.timer
    }

    /// Everything that is set: slot, arming, when.
    pub(super) fn armed(&self) -> impl Iterator<Item = (u32, u32, Time)> + '_ {
        let all = self.slots.iter().enumerate().filter(|(_, slot)| slot.armed);
        all.map(|(index, slot)| (index as u32, slot.arming, slot.fires))
    }

    /// What is set and when it fires, from this monotonic time on, the next first; for people.
    pub(super) fn describe(&self, mono: Time) -> String {
        let mut armed: Vec<&Slot> = self.slots.iter().filter(|slot| slot.armed).collect();
        armed.sort_by_key(|slot| (slot.fires, slot.timer));
        let one = |slot: &&Slot| {
            let Timer(name, number) = slot.timer;
            let number = if number == 0 { String::new() } else { format!(" {number}") };
            format!("{name}{number} in {}", Duration(slot.fires.0.saturating_sub(mono.0)))
        };
        let all: Vec<String> = armed.iter().map(one).collect();
        if all.is_empty() { "none".to_string() } else { all.join(", ") }
    }

    fn clear(&mut self) {
        self.names.clear();
        self.slots.clear();
    }
}
