//! What answers and events show of transactions that nobody was told of: zxids in Stats and in
//! notifications that no answer has. Some lost call, or the end of some session, was there.

use std::collections::BTreeMap;

use crate::verdict::names::NONE;

use super::lost::Unknowns;
use super::replay::{GAP, Replay};
use super::tape::{Figures, Kind, OK, Part, flag};

/// Something that happened at a zxid that no answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A node was created, owned by this session.
    Created(u32, u32),
    /// A node was created or its data set: its version, its length, and what, if that was read.
    Data(u32, i32, i32, Option<u32>),
    /// A child was created or deleted: cversion and number of children since.
    Kids(u32, i32, i32),
    /// A watch of this path fired: the kind of event.
    Fired(u32, i32),
}

impl Shown {
    pub(super) fn path(self) -> u32 {
        match self {
            Shown::Created(path, _)
            | Shown::Data(path, ..)
            | Shown::Kids(path, ..)
            | Shown::Fired(path, _) => path,
        }
    }
}

impl Unknowns {
    fn show(&mut self, key: u32, shown: Shown) {
        let known = self.shown.entry(key).or_default();
        if !known.contains(&shown) {
            known.push(shown);
        }
    }

    /// Zxids in Stats and events that no answer has: somebody's lost call was there.
    pub(super) fn look_at_stats(&mut self, replay: &Replay<'_>) {
        let (tape, axis) = (&*replay.tape, &replay.axis);
        let gap = |zxid: u64| {
            axis.key(zxid).filter(|key| replay.writer[*key as usize] == GAP && zxid as u32 != 0)
        };
        // Few Stats tell of any such zxid.
        let dark = |stat: &Figures| {
            [stat.mzxid, stat.pzxid, stat.czxid].into_iter().any(|z| gap(z).is_some())
        };
        let dark: Vec<bool> = tape.stats.iter().map(dark).collect();
        let mut last = vec![(0u64, 0u64); tape.paths.len()];
        let mut look = |part: &Part| {
            if part.stat == NONE || !dark[part.stat as usize] || part.code != OK {
                return;
            }
            let stat = &tape.stats[part.stat as usize];
            let before = &mut last[part.path as usize];
            // A node is read much more often than it changes.
            if *before == (stat.mzxid, stat.pzxid) && part.kind != Kind::GetData {
                return;
            }
            let changed = *before != (stat.mzxid, stat.pzxid);
            *before = (stat.mzxid, stat.pzxid);
            if let Some(key) = gap(stat.mzxid) {
                let data = (part.kind == Kind::GetData).then_some(part.data);
                let (version, length) = (stat.version, stat.length);
                self.show(key, Shown::Data(part.path, version, length, data));
                if stat.czxid == stat.mzxid {
                    self.show(key, Shown::Created(part.path, stat.owner));
                }
            }
            if changed && stat.pzxid != stat.czxid {
                gap(stat.pzxid).into_iter().for_each(|key| {
                    self.show(key, Shown::Kids(part.path, stat.cversion, stat.children));
                });
            }
            if changed && stat.czxid != stat.mzxid {
                gap(stat.czxid).into_iter().for_each(|key| {
                    self.show(key, Shown::Created(part.path, stat.owner));
                });
            }
        };
        tape.calls.iter().for_each(|rec| look(&rec.part));
        tape.parts.iter().for_each(&mut look);
        for event in tape.events.iter().filter(|event| event.zxid > 0) {
            if let Some(key) = gap(event.zxid) {
                self.show(key, Shown::Fired(event.path, event.kind));
            }
        }
        let mut read: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (key, all) in &self.shown {
            for shown in all {
                if let Shown::Data(path, _, _, Some(data)) = shown {
                    read.insert((*path, *data), *key);
                }
            }
        }
        // A payload that two lost calls share fixes neither.
        let mut payloads: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for unknown in &self.list {
            for at in written(&tape.parts, &unknown.part) {
                *payloads.entry(at).or_default() += 1;
            }
        }
        for unknown in &mut self.list {
            for at in written(&tape.parts, &unknown.part) {
                if let Some(key) = read.get(&at)
                    && payloads.get(&at) == Some(&1)
                {
                    unknown.fixed = *key;
                }
            }
        }
    }
}

/// Paths with what is written to them; names that are not known yet are left out.
fn written(parts: &[Part], part: &Part) -> Vec<(u32, u32)> {
    match part.kind {
        Kind::SetData => vec![(part.path, part.data)],
        Kind::Create if !part.has(flag::SEQUENTIAL) => vec![(part.path, part.data)],
        Kind::Multi => {
            let start = part.extra as usize;
            let parts = parts[start..start + part.version as usize].iter();
            parts.flat_map(|part| written(&[], part)).collect()
        }
        _ => Vec::new(),
    }
}
