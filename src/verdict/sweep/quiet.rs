//! What answers say did not happen: a Stat names the last changes of its node, so between these and
//! the state that the answer shows there was none. No lost call is guessed to have been there.

use crate::verdict::names::NONE;

use super::lost::{Unknown, Unknowns, touched};
use super::replay::{Replay, parts_of};
use super::tape::{Kind, OK, Part, flag};

/// What a write changes about one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Its data.
    Data(u32),
    /// Its children.
    Kids(u32),
    /// Whether it is there.
    Itself(u32),
}

/// No change after the first key up to and with the second, in order.
type Spans = Vec<(u32, u32)>;

/// By path: when its data, its children and itself did not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Quiet {
    /// By path: where its spans are; [`NONE`] if nobody asks for them.
    slots: Vec<u32>,
    spans: Vec<[Spans; 3]>,
}

impl Quiet {
    /// Of these paths, from all answers.
    pub(super) fn of(replay: &Replay<'_>, paths: impl Iterator<Item = u32>) -> Quiet {
        let tape = &*replay.tape;
        let mut quiet = Quiet { slots: vec![NONE; tape.paths.len()], spans: Vec::new() };
        for path in paths {
            let slot = &mut quiet.slots[path as usize];
            if *slot == NONE {
                *slot = quiet.spans.len() as u32;
                quiet.spans.push(Default::default());
            }
        }
        // Most Stats are shown many times: first until when each was, and of what.
        let mut shown = vec![(NONE, 0u32); tape.stats.len()];
        let mut show = |part: &Part, until: u32| {
            if part.code == OK
                && let Some(shown) = shown.get_mut(part.stat as usize)
            {
                *shown = (part.path, until.max(shown.1));
            }
        };
        for rec in tape.calls.iter().filter(|rec| rec.part.code == OK) {
            let Some(until) = replay.axis.key(rec.zxid) else { continue };
            show(&rec.part, until);
            if matches!(rec.part.kind, Kind::Multi | Kind::MultiRead) {
                parts_of(tape, &rec.part).iter().for_each(|part| show(part, until));
            }
        }
        for (stat, (path, until)) in tape.stats.iter().zip(shown) {
            let slot = quiet.slots.get(path as usize).copied().unwrap_or(NONE);
            let Some(spans) = quiet.spans.get_mut(slot as usize) else { continue };
            for (spans, since) in spans.iter_mut().zip([stat.mzxid, stat.pzxid, stat.czxid]) {
                match (replay.axis.key(since), spans.last_mut()) {
                    (None, _) => {}
                    (Some(after), Some(last)) if last.0 == after => last.1 = until.max(last.1),
                    (Some(after), _) => spans.push((after, until)),
                }
            }
        }
        for spans in quiet.spans.iter_mut().flatten() {
            spans.sort_unstable();
            // Of those that begin together the longest, which is the last.
            spans.reverse();
            spans.dedup_by_key(|(after, _)| *after);
            spans.reverse();
        }
        quiet
    }

    /// If one of these did not happen at a key, by what was answered: since when it had not.
    pub(super) fn since(&self, changes: &[Change], key: u32) -> Option<u32> {
        changes.iter().find_map(|change| {
            let (path, which) = match *change {
                Change::Data(path) => (path, 0),
                Change::Kids(path) => (path, 1),
                Change::Itself(path) => (path, 2),
            };
            let slot = self.slots.get(path as usize).copied().unwrap_or(NONE);
            let spans = &self.spans.get(slot as usize)?[which];
            let at = spans.partition_point(|(after, _)| *after < key);
            let (after, until) = *spans.get(at.checked_sub(1)?)?;
            (key <= until).then_some(after)
        })
    }
}

impl Unknowns {
    /// By key, how many lost calls may have happened there, by what their sessions did before and
    /// after. Ends of sessions may have happened nearly anywhere, and do not count.
    pub(super) fn wishes(&self, keys: usize) -> Vec<u32> {
        let mut wanted = vec![0u32; keys + 1];
        let calls = self.list.iter().filter(|unknown| unknown.before != NONE);
        for Unknown { after, before, .. } in calls.filter(|unknown| unknown.after < unknown.before)
        {
            wanted[*after as usize + 1] = wanted[*after as usize + 1].wrapping_add(1);
            wanted[*before as usize] = wanted[*before as usize].wrapping_sub(1);
        }
        let mut all = 0u32;
        for wishes in &mut wanted {
            all = all.wrapping_add(*wishes);
            *wishes = all;
        }
        wanted
    }

    /// The paths that any of them may change.
    pub(super) fn paths(&self, replay: &Replay<'_>) -> impl Iterator<Item = u32> {
        let (tape, known) = (&*replay.tape, &replay.known);
        let calls = known.owning.iter().map(|call| &tape.calls[*call as usize]);
        let ending = calls.filter(|rec| !known.closes[rec.session as usize]);
        let owned = ending.flat_map(|rec| touched(&tape.parts, &tape.paths.parent, &rec.part));
        self.by_path.keys().copied().chain(owned)
    }
}

impl Replay<'_> {
    /// What a lost call, or the unseen end of a session, changes if it happens.
    pub(super) fn changes(&self, part: &Part, session: u32) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut node = |path: u32, named: bool| {
            let parent = self.tape.paths.parent[path as usize];
            if named {
                changes.push(Change::Itself(path));
            }
            if parent != NONE {
                changes.push(Change::Kids(parent));
            }
        };
        match part.kind {
            Kind::Create => node(part.path, !part.has(flag::SEQUENTIAL)),
            Kind::Delete => node(part.path, true),
            Kind::Close => {
                self.tree.owned_by(session).into_iter().for_each(|path| node(path, true));
            }
            Kind::SetData => changes.push(Change::Data(part.path)),
            Kind::Multi => {
                let parts = parts_of(self.tape, part).iter();
                changes.extend(parts.flat_map(|part| self.changes(part, session)));
            }
            Kind::Check
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => {}
        }
        changes
    }
}
