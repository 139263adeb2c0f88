//! Mistakes that history did not make, each planted to be seen by one property.

use std::collections::BTreeMap;

use zoosim::base::{Epoch, Key, Time, Zxid};
use zoosim::bugs::{Bug, Rewrite, Rules};
use zoosim::client::{Act, Heard, Program};
use zoosim::kit::Kit;
use zoosim::peer::rules::ReadAt;
use zoosim::process::{Device, Effect, Effects, Frame, Note};

/// A mistake under a name.
pub const fn mistake(name: &'static str, plant: fn(&mut Rules)) -> Bug {
    Bug {
        name,
        citation: "none",
        mechanism: "see its code",
        published: "never",
        shows: &[],
        scenario: "quiet",
        plant,
    }
}

fn rewrite(rules: &mut Rules, name: &'static str, how: Rewrite) {
    rules.rewrites.push((name, how));
}

/// All of them.
pub const ALL: &[Bug] = &[
    mistake("panics_once", |rules| rewrite(rules, "panics_once", panics_once)),
    mistake("request_twice", |rules| rewrite(rules, "request_twice", request_twice)),
    mistake("request_of_nobody", |rules| rewrite(rules, "request_of_nobody", request_of_nobody)),
    mistake("event_twice", |rules| rewrite(rules, "event_twice", event_twice)),
    mistake("event_dropped", |rules| rewrite(rules, "event_dropped", event_dropped)),
    mistake("missed_event_dropped", |rules| {
        rewrite(rules, "missed_event_dropped", missed_event_dropped);
    }),
    mistake("delivers_twice", |rules| rewrite(rules, "delivers_twice", delivers_twice)),
    mistake("delivers_swapped", |rules| rewrite(rules, "delivers_swapped", delivers_swapped)),
    mistake("renewal_denied", |rules| rewrite(rules, "renewal_denied", renewal_denied)),
    mistake("current_epoch_ahead", |rules| {
        rewrite(rules, "current_epoch_ahead", current_epoch_ahead);
    }),
    mistake("record_twice", |rules| rewrite(rules, "record_twice", record_twice)),
    mistake("byte_too_much", |rules| rewrite(rules, "byte_too_much", byte_too_much)),
    mistake("reads_at_once", |rules| rules.peer.read_at = || ReadAt::Arrival),
    mistake("epoch_told_back", |rules| rewrite(rules, "epoch_told_back", epoch_told_back)),
    mistake("delivery_untold", |rules| rewrite(rules, "delivery_untold", delivery_untold)),
    mistake("altered_for_one", |rules| rewrite(rules, "altered_for_one", altered_for_one)),
    mistake("equivocates", |rules| rewrite(rules, "equivocates", equivocates)),
    mistake("pongs_ignored", |rules| rules.peer.pong_counts = || false),
    mistake("never_expires", |rules| rewrite(rules, "never_expires", never_expires)),
    mistake("admits_all", |rules| rules.peer.admits = |_, _| true),
    mistake("table_altered", |rules| rewrite(rules, "table_altered", table_altered)),
    mistake("commits_withheld", |rules| rewrite(rules, "commits_withheld", commits_withheld)),
    mistake("snapshot_altered", |rules| rewrite(rules, "snapshot_altered", snapshot_altered)),
    mistake("ephemeral_forgotten", |rules| {
        rules.peer.znode.planted = Some("ephemeral_forgotten");
        rules.peer.znode.closes_pending = || false;
    }),
    mistake("children_counted", |rules| {
        rules.peer.znode.planted = Some("children_counted");
        rules.peer.znode.sequence = |_creates, children| children as i32;
    }),
];

/// Everything that ships, the mistakes, and the breaches that have scenarios of their own.
pub fn kit() -> Kit {
    ALL.iter().copied().chain(crate::breaches::bugs()).fold(Kit::standard(), Kit::bug)
}

/// The name of a mistake that no peer makes: the program `lock_holder` does.
pub const BELIEVER: &str = "believer";

/// Everything that ships, but that program.
pub fn kit_of_believers() -> Kit {
    Kit::standard().program("lock_holder", believer)
}

/// The name of a mistake that no peer makes: the program `lock_holder` is told something wrong, by
/// its own account.
pub const COMPLAINER: &str = "complainer";

/// Everything that ships, but that program.
pub fn kit_of_complainers() -> Kit {
    Kit::standard().program("lock_holder", complainer)
}

fn sends<'a>(fx: &'a mut Effects, kind: &'static str) -> impl Iterator<Item = &'a mut Frame> {
    fx.list_mut().iter_mut().filter_map(move |effect| match effect {
        Effect::Send { frame, .. } if frame.tag.kind == kind => Some(frame),
        _ => None,
    })
}

/// In the first epoch only: a supervisor starts it again, and it goes on.
fn panics_once(fx: &mut Effects) -> bool {
    let now = sends(fx, "PROPOSAL")
        .any(|frame| (frame.tag.zxid.0 >> 32, frame.tag.zxid.counter()) == (1, 7));
    assert!(!now, "planted");
    false
}

/// Puts a changed copy behind each frame of this kind.
fn copy_requests(fx: &mut Effects, change: fn(&mut Vec<u8>)) -> bool {
    let list = fx.list_mut();
    let before = list.len();
    for effect in std::mem::take(list) {
        let copy = match &effect {
            Effect::Send { frame, .. } if frame.tag.kind == "REQUEST" => Some(effect.clone()),
            _ => None,
        };
        list.push(effect);
        if let Some(Effect::Send { link, mut frame, after }) = copy {
            change(&mut frame.bytes);
            list.push(Effect::Send { link, frame, after });
        }
    }
    list.len() > before
}

fn request_twice(fx: &mut Effects) -> bool {
    copy_requests(fx, |_| {})
}

/// A copy with another xid: behind the packet's type, zxid and length stand session and xid.
fn request_of_nobody(fx: &mut Effects) -> bool {
    copy_requests(fx, |bytes| {
        if let Some(byte) = bytes.get_mut(4 + 8 + 4 + 8) {
            *byte ^= 0x40;
        }
    })
}

/// The xid and the zxid of a frame to a client.
fn header(bytes: &[u8]) -> Option<(i32, i64)> {
    let xid = bytes.get(4..8)?.try_into().ok()?;
    let zxid = bytes.get(8..16)?.try_into().ok()?;
    Some((i32::from_be_bytes(xid), i64::from_be_bytes(zxid)))
}

/// Whether a frame to a client tells an event: one that was missed has no zxid.
fn is_event(effect: &Effect, missed: bool) -> bool {
    let Effect::Reply { frame, .. } = effect else { return false };
    header(&frame.bytes).is_some_and(|(xid, zxid)| xid == -1 && (zxid == -1) == missed)
}

fn event_twice(fx: &mut Effects) -> bool {
    let list = fx.list_mut();
    let before = list.len();
    for effect in std::mem::take(list) {
        let twice = is_event(&effect, false).then(|| effect.clone());
        list.push(effect);
        list.extend(twice);
    }
    list.len() > before
}

fn event_dropped(fx: &mut Effects) -> bool {
    let before = fx.list().len();
    fx.list_mut().retain(|effect| !is_event(effect, false));
    fx.list().len() < before
}

fn missed_event_dropped(fx: &mut Effects) -> bool {
    let before = fx.list().len();
    fx.list_mut().retain(|effect| !is_event(effect, true));
    fx.list().len() < before
}

/// A peer tells each delivery twice.
fn delivers_twice(fx: &mut Effects) -> bool {
    let list = fx.list_mut();
    let before = list.len();
    for effect in std::mem::take(list) {
        let twice = match &effect {
            Effect::Note(Note::Delivered { .. }) => Some(effect.clone()),
            _ => None,
        };
        list.push(effect);
        list.extend(twice);
    }
    list.len() > before
}

/// A peer tells the second of the deliveries of one step before the first.
fn delivers_swapped(fx: &mut Effects) -> bool {
    let list = fx.list_mut();
    let is_one = |effect: &Effect| matches!(effect, Effect::Note(Note::Delivered { .. }));
    let mut places = (0..list.len()).filter(|at| is_one(&list[*at]));
    let (Some(first), Some(second)) = (places.next(), places.next()) else { return false };
    list.swap(first, second);
    true
}

/// A peer that is up to date tells that it accepts an epoch of long ago.
fn epoch_told_back(fx: &mut Effects) -> bool {
    let serves = |effect: &Effect| matches!(effect, Effect::Note(Note::UpToDate { .. }));
    let hit = fx.list().iter().any(serves);
    if hit {
        fx.note(Note::EpochAccepted { epoch: Epoch(0) });
    }
    hit
}

/// Nobody tells that one transaction is committed: its client hears of it all the same.
fn delivery_untold(fx: &mut Effects) -> bool {
    let before = fx.list().len();
    fx.list_mut().retain(|effect| match effect {
        Effect::Note(Note::Delivered { zxid, .. } | Note::Committed { zxid }) => {
            zxid.counter() != 9
        }
        _ => true,
    });
    fx.list().len() < before
}

/// Each record of the log is written with a byte too much; the next one hides it, if there is one.
fn byte_too_much(fx: &mut Effects) -> bool {
    let mut hit = false;
    for effect in fx.list_mut() {
        if let Effect::WriteAt { file, bytes, tag, .. } = effect
            && file.device == Device::Log
            && file.name.starts_with("log.")
            && tag.zxid.counter() > 0
        {
            bytes.push(0x55);
            hit = true;
        }
    }
    hit
}

/// The same with a whole copy.
fn record_twice(fx: &mut Effects) -> bool {
    let mut hit = false;
    for effect in fx.list_mut() {
        if let Effect::WriteAt { file, bytes, tag, .. } = effect
            && file.device == Device::Log
            && file.name.starts_with("log.")
            && tag.zxid.counter() > 0
        {
            bytes.extend_from_within(..);
            hit = true;
        }
    }
    hit
}

/// `currentEpoch` on disk is one more than it should be.
fn current_epoch_ahead(fx: &mut Effects) -> bool {
    let mut hit = false;
    for effect in fx.list_mut() {
        if let Effect::WriteAt { file, bytes, .. } = effect
            && file.name.starts_with("currentEpoch")
            && let Some(digit) = bytes.iter().position(|byte| *byte == b'\n')
            && let Some(byte) = digit.checked_sub(1).and_then(|at| bytes.get_mut(at))
            && (b'1'..b'9').contains(byte)
        {
            *byte += 1;
            hit = true;
        }
    }
    hit
}

/// A session's renewal is granted and its client told that it is expired.
fn renewal_denied(fx: &mut Effects) -> bool {
    let granted =
        |effect: &Effect| matches!(effect, Effect::Note(note) if note.kind() == "revalidated");
    if !fx.list().iter().any(granted) {
        return false;
    }
    let mut hit = false;
    for effect in fx.list_mut() {
        if let Effect::Reply { frame, .. } = effect
            && (40..=41).contains(&frame.bytes.len())
            && frame.bytes[4..8] == [0; 4]
        {
            frame.bytes[8..20].fill(0);
            hit = true;
        }
    }
    hit
}

/// The first of the followers gets a proposal with another digest; what it then holds.
fn alter_first(fx: &mut Effects) -> Option<(Zxid, Vec<u8>)> {
    let frame = sends(fx, "PROPOSAL").find(|frame| frame.tag.zxid.counter() == 5)?;
    // Type, zxid and length come before the record, an empty list of four bytes behind it.
    let end = frame.bytes.len().checked_sub(4)?;
    *frame.bytes.get_mut(end.checked_sub(1)?)? ^= 1;
    Some((frame.tag.zxid, frame.bytes.get(16..end)?.to_vec()))
}

fn altered_for_one(fx: &mut Effects) -> bool {
    alter_first(fx).is_some()
}

/// The same, and the leader owns up to it: two transactions under one zxid.
fn equivocates(fx: &mut Effects) -> bool {
    let Some((zxid, record)) = alter_first(fx) else { return false };
    fx.note(Note::Proposed { zxid, record });
    true
}

/// The snapshot that a learner gets has another timeout for the first session of its table. Behind
/// a packet's type, zxid and length the first chunk counts sessions; later ones begin with a path.
fn table_altered(fx: &mut Effects) -> bool {
    let mut hit = false;
    for frame in sends(fx, "SNAP_CHUNK") {
        let (count, owner) = (frame.bytes.get(16..20), frame.bytes.get(20).copied());
        let begins = count.is_some_and(|count| count[..3] == [0; 3] && count[3] > 0);
        if begins && matches!(owner, Some(1..=7)) {
            frame.bytes[31] ^= 1;
            hit = true;
        }
    }
    hit
}

/// A leader that forgets to look at its sessions.
fn never_expires(fx: &mut Effects) -> bool {
    let before = fx.list().len();
    fx.list_mut().retain(
        |effect| !matches!(effect, Effect::SetTimer { timer, .. } if timer.0 == "peer.expire"),
    );
    fx.list().len() < before
}

/// One of the followers hears of no commit from the sixth transaction on, and acks all the same.
fn commits_withheld(fx: &mut Effects) -> bool {
    let late = |effect: &Effect| match effect {
        Effect::Send { link, frame, .. } if frame.tag.kind == "COMMIT" => {
            (frame.tag.zxid.counter() > 5).then_some(*link)
        }
        _ => None,
    };
    let Some(last) = fx.list().iter().filter_map(late).next_back() else { return false };
    fx.list_mut().retain(|effect| late(effect) != Some(last));
    true
}

/// In each snapshot the ctime of `/a` is another one, changed so that no checksum sees it: in three
/// bytes in a row, whose sum and weighted sum stay what they were.
fn snapshot_altered(fx: &mut Effects) -> bool {
    let mut hit = false;
    for effect in fx.list_mut() {
        if let Effect::WriteAt { file, bytes, .. } = effect
            && file.device == Device::Snap
            && file.name.starts_with("snapshot.")
            && let Some(at) = ctime_of_a(bytes)
            && let [.., one, two, three] = &mut bytes[at..at + 8]
            && *one < 255
            && *two > 1
            && *three < 255
        {
            *one += 1;
            *two -= 2;
            *three += 1;
            hit = true;
        }
    }
    hit
}

/// Where the ctime of `/a` stands in a chunk of a snapshot: behind path, data, ACL, czxid, mzxid.
fn ctime_of_a(chunk: &[u8]) -> Option<usize> {
    let path = chunk.windows(6).position(|bytes| bytes == [0, 0, 0, 2, b'/', b'a'])?;
    let data = path + 6;
    let length = i32::from_be_bytes(chunk.get(data..data + 4)?.try_into().ok()?);
    let ctime = data + 4 + usize::try_from(length).unwrap_or(0) + 8 + 8 + 8;
    chunk.get(ctime..ctime + 8).map(|_| ctime)
}

/// A client that finds fault with being connected.
struct Complainer;

fn complainer(_: &BTreeMap<String, u64>, _: Key) -> Box<dyn Program> {
    Box::new(Complainer)
}

impl Program for Complainer {
    fn hear(&mut self, _: Time, heard: Heard, acts: &mut Vec<Act>) {
        if matches!(heard, Heard::Connected { .. }) {
            let detail = "it was connected".to_string();
            acts.push(Act::Complain { property: "Solitude", detail });
        }
    }

    fn wind_down(&mut self, _: &mut Vec<Act>) {}

    fn fork(&self) -> Box<dyn Program> {
        Box::new(Complainer)
    }
}

/// A client that believes to hold the lock whenever it is connected.
struct Believer;

fn believer(_: &BTreeMap<String, u64>, _: Key) -> Box<dyn Program> {
    Box::new(Believer)
}

impl Program for Believer {
    fn hear(&mut self, _: Time, heard: Heard, acts: &mut Vec<Act>) {
        if matches!(heard, Heard::Connected { .. }) {
            acts.push(Act::Claim { name: "lock_held", value: 1 });
        }
    }

    fn wind_down(&mut self, _: &mut Vec<Act>) {}

    fn fork(&self) -> Box<dyn Program> {
        Box::new(Believer)
    }
}
