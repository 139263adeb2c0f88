//! What lost calls and unseen ends of sessions may have to do with: where one of them may be behind
//! it, an answer that does not fit is a doubt and no breach, whatever was guessed of them.

use std::collections::BTreeMap;

use super::names::NONE;
use super::replay::parts_of;
use super::tape::{Kind, LOST, Part, Tape, flag};

/// By path: since when it is not sure. Keys are places in the order of transactions; a state at a
/// later key than this one may be another than it seems.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsure {
    /// Whether it is there, since when, and with what data.
    itself: Vec<u32>,
    /// What its children did to it.
    kids: Vec<u32>,
    marks: u32,
}

/// Later than all states.
const NEVER: u32 = u32::MAX;

impl Unsure {
    /// All that these writes, if they happened after these keys, may have changed, and what
    /// sessions own that may have ended unseen after theirs. A node's fate is its children's, too.
    pub(super) fn of<'t>(
        tape: &Tape,
        lost: impl Iterator<Item = (&'t Part, u32)>,
        ends: &[u32],
        key: impl Fn(u64) -> Option<u32>,
    ) -> Unsure {
        let none = vec![NEVER; tape.paths.len()];
        let mut unsure = Unsure { itself: none.clone(), kids: none, marks: 0 };
        let mut stems = Vec::new();
        lost.for_each(|(part, after)| unsure.mark(tape, part, after, &mut stems));
        // Whoever ends takes with it what it owns.
        let mut closes = vec![false; tape.sessions.len()];
        for rec in &tape.calls {
            closes[rec.session as usize] |= rec.part.kind == Kind::Close && rec.part.code != LOST;
        }
        for rec in tape.calls.iter().filter(|rec| !closes[rec.session as usize]) {
            let own = std::slice::from_ref(&rec.part);
            let parts = if rec.part.kind == Kind::Multi { parts_of(tape, &rec.part) } else { own };
            for part in parts.iter().filter(|part| part.has(flag::EPHEMERAL)) {
                unsure.mark(tape, part, ends[rec.session as usize], &mut stems);
            }
        }
        unsure.spread(tape, &stems);
        // A write whose answer may depend on what is not sure may not have been carried out.
        let answered = |part: &Part| {
            let depends = part.kind == Kind::Create && part.has(flag::SEQUENTIAL);
            part.code != LOST && (depends || matches!(part.kind, Kind::Delete | Kind::Multi))
        };
        let calls = tape.calls.iter().filter(|rec| answered(&rec.part));
        let writes: Vec<(&Part, u32)> =
            calls.filter_map(|rec| Some((&rec.part, key(rec.zxid)?))).collect();
        loop {
            let before = unsure.marks;
            for (part, key) in &writes {
                if unsure.part(tape, part, *key) {
                    unsure.mark(tape, part, key.saturating_sub(1), &mut stems);
                }
            }
            if unsure.marks == before {
                return unsure;
            }
            unsure.spread(tape, &stems);
        }
    }

    fn set(&mut self, path: u32, after: u32) {
        if path != NONE && after < self.itself[path as usize] {
            self.itself[path as usize] = after;
            self.marks += 1;
        }
    }

    fn set_kids(&mut self, path: u32, after: u32) {
        if path != NONE && after < self.kids[path as usize] {
            self.kids[path as usize] = after;
            self.marks += 1;
        }
    }

    fn mark(&mut self, tape: &Tape, part: &Part, after: u32, stems: &mut Vec<(u32, u32)>) {
        match part.kind {
            Kind::Multi => {
                parts_of(tape, part).iter().for_each(|part| self.mark(tape, part, after, stems));
            }
            Kind::Create | Kind::Delete => {
                self.set(part.path, after);
                self.set_kids(tape.paths.parent[part.path as usize], after);
                if part.has(flag::SEQUENTIAL) && part.code == LOST {
                    stems.push((part.path, after));
                }
            }
            Kind::SetData => self.set(part.path, after),
            Kind::Check
            | Kind::Close
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => {}
        }
    }

    fn spread(&mut self, tape: &Tape, stems: &[(u32, u32)]) {
        let mut since: BTreeMap<&str, u32> = BTreeMap::new();
        for (stem, after) in stems {
            let earliest = since.entry(tape.paths.text(*stem)).or_insert(NEVER);
            *earliest = (*earliest).min(*after);
        }
        for path in 0..tape.paths.len() as u32 {
            // A name that one of the sequential creates may have got.
            let text = tape.paths.text(path);
            let stem = text.len().checked_sub(10).and_then(|at| text.get(..at));
            if let Some(after) = stem.and_then(|stem| since.get(stem)) {
                self.set(path, *after);
            }
            let parent = tape.paths.parent[path as usize];
            // A parent's number is smaller than its child's, but for the root, its own parent.
            if parent != NONE {
                self.set(path, self.itself[parent as usize]);
            }
            self.set_kids(parent, self.itself[path as usize]);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.itself.is_empty()
    }

    /// Whether the state of a path at a key is not sure.
    pub(super) fn path(&self, path: u32, key: u32) -> bool {
        // A path that was not known when the tape was made is a name that a lost call got.
        let at = path as usize;
        let after = |list: &[u32]| list.get(at).is_none_or(|after| *after < key);
        !self.is_empty() && (after(&self.itself) || after(&self.kids))
    }

    /// Whether the answer to this call or part, at a key, may depend on what is not sure.
    pub(super) fn part(&self, tape: &Tape, part: &Part, key: u32) -> bool {
        if self.is_empty() {
            return false;
        }
        match part.kind {
            Kind::Multi | Kind::MultiRead => {
                parts_of(tape, part).iter().any(|part| self.part(tape, part, key))
            }
            Kind::SetWatches => {
                let lists = &tape.rewatches[part.extra as usize].lists;
                lists.iter().flatten().any(|path| self.path(*path, key))
            }
            Kind::Create => {
                let parent = tape.paths.parent[part.path as usize];
                let counted = part.has(flag::SEQUENTIAL) && parent != NONE;
                self.path(part.path, key) || counted && self.path(parent, key)
            }
            Kind::Close => true,
            Kind::Delete
            | Kind::SetData
            | Kind::Check
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::Sync
            | Kind::Ping
            | Kind::CreateSession => part.path != NONE && self.path(part.path, key),
        }
    }
}
