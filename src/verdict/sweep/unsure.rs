//! What lost calls and unseen ends of sessions may have to do with: where one of them may be behind
//! it, an answer that does not fit is a doubt and no breach, whatever was guessed of them.

use crate::verdict::names::NONE;

use super::replay::{Replay, parts_of};
use super::tape::{Kind, LOST, Part, Tape, flag};

/// By path: since when it is not sure. Keys are places in the order of transactions; a state at a
/// later key than this one may be another than it seems.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsure {
    /// Whether it is there, since when, and with what data.
    itself: Vec<u32>,
    /// What its children did to it.
    kids: Vec<u32>,
    /// Since when it may be the name of a node, with a number behind it.
    stems: Vec<u32>,
    marks: u32,
}

/// Later than all states.
const NEVER: u32 = u32::MAX;

impl Unsure {
    /// All that these writes, if they happened after these keys, may have changed, and what
    /// sessions own that may have ended unseen after theirs: those that did not close. A node's
    /// fate is its children's, too.
    pub(super) fn of<'t>(
        replay: &Replay<'_>,
        lost: impl Iterator<Item = (&'t Part, u32)>,
    ) -> Unsure {
        let (tape, known) = (&*replay.tape, &replay.known);
        let none = vec![NEVER; tape.paths.len()];
        let mut unsure = Unsure { itself: none.clone(), kids: none.clone(), stems: none, marks: 0 };
        lost.for_each(|(part, after)| unsure.mark(tape, part, after));
        // Whoever ends takes with it what it owns.
        for call in &known.owning {
            let rec = &tape.calls[*call as usize];
            if known.closes[rec.session as usize] {
                continue;
            }
            let own = std::slice::from_ref(&rec.part);
            let parts = if rec.part.kind == Kind::Multi { parts_of(tape, &rec.part) } else { own };
            for part in parts.iter().filter(|part| part.has(flag::EPHEMERAL)) {
                unsure.mark(tape, part, known.reached[rec.session as usize]);
            }
        }
        let families = unsure.families(tape);
        unsure.spread(tape, &families);
        // A write whose answer may depend on what is not sure may not have been carried out.
        let part = |call: &u32| &tape.calls[*call as usize].part;
        let mut writes = known.depending.clone();
        loop {
            let before = unsure.marks;
            // What is not sure once stays so.
            writes.retain(|call| {
                let Some(key) = replay.axis.key(tape.calls[*call as usize].zxid) else {
                    return false;
                };
                let found = unsure.part(tape, part(call), key);
                if found {
                    unsure.mark(tape, part(call), key.saturating_sub(1));
                }
                !found
            });
            if unsure.marks == before {
                return unsure;
            }
            unsure.spread(tape, &families);
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

    fn mark(&mut self, tape: &Tape, part: &Part, after: u32) {
        match part.kind {
            Kind::Multi => {
                parts_of(tape, part).iter().for_each(|part| self.mark(tape, part, after));
            }
            Kind::Create | Kind::Delete => {
                self.set(part.path, after);
                self.set_kids(tape.paths.parent[part.path as usize], after);
                if part.has(flag::SEQUENTIAL) && part.code == LOST {
                    let stem = &mut self.stems[part.path as usize];
                    *stem = after.min(*stem);
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

    /// Names that lost sequential creates may have got, with what these called for. No more are
    /// found later: what is answered has the name that it got.
    fn families(&self, tape: &Tape) -> Vec<(u32, u32)> {
        let mut families = Vec::new();
        if self.stems.iter().all(|after| *after == NEVER) {
            return families;
        }
        for path in 0..tape.paths.len() as u32 {
            let text = tape.paths.names.get(path);
            let stem = text.len().checked_sub(10).and_then(|at| tape.paths.names.find(&text[..at]));
            families.extend(
                stem.filter(|stem| self.stems[*stem as usize] != NEVER).map(|stem| (path, stem)),
            );
        }
        families
    }

    fn spread(&mut self, tape: &Tape, families: &[(u32, u32)]) {
        for (path, stem) in families {
            self.set(*path, self.stems[*stem as usize]);
        }
        for path in 0..tape.paths.len() as u32 {
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
