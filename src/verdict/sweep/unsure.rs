//! What lost calls and unseen ends of sessions may have to do with: where one of them may be behind
//! it, an answer that does not fit is a doubt and no breach, whatever was guessed of them.

use super::names::NONE;
use super::replay::parts_of;
use super::tape::{Kind, LOST, Part, Tape, flag};

/// By path: what is not sure.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsure {
    /// Whether it is there, since when, and with what data.
    itself: Vec<bool>,
    /// What its children did to it.
    kids: Vec<bool>,
    marks: u32,
}

impl Unsure {
    /// All that these writes, if they happened, may have changed. A node's fate is its children's,
    /// too.
    pub(super) fn of<'t>(tape: &Tape, lost: impl Iterator<Item = &'t Part>) -> Unsure {
        let none = vec![false; tape.paths.len()];
        let mut unsure = Unsure { itself: none.clone(), kids: none, marks: 0 };
        let mut stems = Vec::new();
        lost.for_each(|part| unsure.mark(tape, part, &mut stems));
        // Whoever ends takes with it what it owns.
        let mut closes = vec![false; tape.sessions.len()];
        for rec in &tape.calls {
            closes[rec.session as usize] |= rec.part.kind == Kind::Close && rec.part.code != LOST;
        }
        for rec in tape.calls.iter().filter(|rec| !closes[rec.session as usize]) {
            let own = std::slice::from_ref(&rec.part);
            let parts = if rec.part.kind == Kind::Multi { parts_of(tape, &rec.part) } else { own };
            for part in parts.iter().filter(|part| part.has(flag::EPHEMERAL)) {
                unsure.mark(tape, part, &mut stems);
            }
        }
        unsure.spread(tape, &stems);
        // A write whose answer may depend on what is not sure may not have been carried out.
        let answered = |part: &&Part| {
            let depends = part.kind == Kind::Create && part.has(flag::SEQUENTIAL);
            part.code != LOST && (depends || matches!(part.kind, Kind::Delete | Kind::Multi))
        };
        let calls = tape.calls.iter().map(|rec| &rec.part);
        let writes: Vec<&Part> = calls.filter(answered).collect();
        loop {
            let before = unsure.marks;
            for part in &writes {
                if unsure.part(tape, part) {
                    unsure.mark(tape, part, &mut stems);
                }
            }
            if unsure.marks == before {
                return unsure;
            }
            unsure.spread(tape, &stems);
        }
    }

    fn set(&mut self, path: u32) {
        if path != NONE && !std::mem::replace(&mut self.itself[path as usize], true) {
            self.marks += 1;
        }
    }

    fn set_kids(&mut self, path: u32) {
        if path != NONE && !std::mem::replace(&mut self.kids[path as usize], true) {
            self.marks += 1;
        }
    }

    fn mark(&mut self, tape: &Tape, part: &Part, stems: &mut Vec<u32>) {
        match part.kind {
            Kind::Multi => {
                parts_of(tape, part).iter().for_each(|part| self.mark(tape, part, stems));
            }
            Kind::Create | Kind::Delete => {
                self.set(part.path);
                self.set_kids(tape.paths.parent[part.path as usize]);
                if part.has(flag::SEQUENTIAL) && part.code == LOST {
                    stems.push(part.path);
                }
            }
            Kind::SetData => self.set(part.path),
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

    fn spread(&mut self, tape: &Tape, stems: &[u32]) {
        let mut stems: Vec<&str> = stems.iter().map(|stem| tape.paths.text(*stem)).collect();
        stems.sort_unstable();
        stems.dedup();
        for path in 0..tape.paths.len() as u32 {
            // A name that one of the sequential creates may have got.
            let text = tape.paths.text(path);
            let stem = text.len().checked_sub(10).and_then(|at| text.get(..at));
            if stem.is_some_and(|stem| stems.binary_search(&stem).is_ok()) {
                self.set(path);
            }
            let parent = tape.paths.parent[path as usize];
            // A parent's number is smaller than its child's, but for the root, its own parent.
            if parent != NONE && self.itself[parent as usize] {
                self.set(path);
            }
            if self.itself[path as usize] {
                self.set_kids(parent);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.itself.is_empty()
    }

    pub(super) fn path(&self, path: u32) -> bool {
        // A path that was not known when the tape was made is a name that a lost call got.
        let at = path as usize;
        !self.is_empty() && (self.itself.get(at).is_none_or(|unsure| *unsure) || self.kids[at])
    }

    /// Whether the answer to this call or part may depend on what is not sure.
    pub(super) fn part(&self, tape: &Tape, part: &Part) -> bool {
        if self.is_empty() {
            return false;
        }
        match part.kind {
            Kind::Multi | Kind::MultiRead => {
                parts_of(tape, part).iter().any(|part| self.part(tape, part))
            }
            Kind::SetWatches => {
                let lists = &tape.rewatches[part.extra as usize].lists;
                lists.iter().flatten().any(|path| self.path(*path))
            }
            Kind::Create => {
                let parent = tape.paths.parent[part.path as usize];
                let counted = part.has(flag::SEQUENTIAL) && parent != NONE;
                self.path(part.path) || counted && self.path(parent)
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
            | Kind::CreateSession => part.path != NONE && self.path(part.path),
        }
    }
}
