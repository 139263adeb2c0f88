//! What the sweep has evaluated and found.

use crate::history::CallId;
use crate::verdict::witness::tally::{PROPERTIES, Property};

/// What a linearizable history must hold beside all that the witness judges.
pub(super) const FRESH: (&str, &str) =
    ("FreshReads", "every read sees all that had returned before it was called (linearizability)");

/// How many breaches are kept with their words.
const KEPT: usize = 200;

/// One property found broken in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The property's name.
    pub property: &'static str,
    /// A stable word that tells breaches of one property apart.
    pub kind: &'static str,
    /// True time, in nanoseconds, of what showed it.
    pub time: u64,
    /// The rank of that among all that was seen.
    pub rank: u32,
    /// The call concerned, if it is one call.
    pub call: Option<CallId>,
    /// What was seen, for people.
    pub detail: String,
}

/// Where a breach was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) rank: u32,
    pub(super) call: Option<CallId>,
}

/// Counts evaluations, keeps breaches.
#[derive(Clone, Debug)]
pub(super) struct Court {
    counts: [u64; PROPERTIES.len()],
    pub(super) fresh: u64,
    pub(super) breaches: Vec<Breach>,
    /// Breaches that may come of a wrong guess of what a lost call did.
    pub(super) doubts: Vec<Breach>,
    /// How many there were of each property, kept or not.
    pub(super) broken: [u64; PROPERTIES.len() + 1],
}

impl Court {
    pub(super) fn new() -> Court {
        Court {
            counts: [0; PROPERTIES.len()],
            fresh: 0,
            breaches: Vec::new(),
            doubts: Vec::new(),
            broken: [0; PROPERTIES.len() + 1],
        }
    }

    /// Counts an evaluation.
    #[inline]
    pub(super) fn count(&mut self, property: Property) {
        self.counts[property as usize] += 1;
    }

    /// Counts many evaluations.
    pub(super) fn add(&mut self, property: Property, count: u64) {
        self.counts[property as usize] += count;
    }

    /// A property is broken, whatever lost calls did.
    #[cold]
    pub(super) fn broken(
        &mut self,
        property: Property,
        kind: &'static str,
        place: Place,
        detail: String,
    ) {
        self.broken[property as usize] += 1;
        self.keep(PROPERTIES[property as usize].0, kind, place, || detail, false);
    }

    /// A property is broken; if `doubtful`, unless a lost call did other than was guessed. Very
    /// many may be: only of those that are kept it is said how.
    #[cold]
    pub(super) fn wrong(
        &mut self,
        doubtful: bool,
        property: Property,
        kind: &'static str,
        place: Place,
        detail: impl FnOnce() -> String,
    ) {
        if !doubtful {
            self.broken[property as usize] += 1;
        }
        self.keep(PROPERTIES[property as usize].0, kind, place, detail, doubtful);
    }

    /// A read was stale. Very many may be, too.
    pub(super) fn stale(&mut self, place: Place, detail: impl FnOnce() -> String) {
        self.broken[PROPERTIES.len()] += 1;
        if self.breaches.len() < KEPT {
            self.keep(FRESH.0, "stale", place, detail, false);
        }
    }

    fn keep(
        &mut self,
        property: &'static str,
        kind: &'static str,
        place: Place,
        detail: impl FnOnce() -> String,
        doubtful: bool,
    ) {
        let list = if doubtful { &mut self.doubts } else { &mut self.breaches };
        // Stale reads are many, and wanted by one level only: they do not crowd the others out.
        let most = if property == FRESH.0 { KEPT } else { 2 * KEPT };
        if list.len() < most {
            let (Place { rank, call }, detail) = (place, detail());
            list.push(Breach { property, kind, time: 0, rank, call, detail });
        }
    }

    /// Each property, how often it was evaluated, and how often it was broken.
    pub(super) fn table(&self) -> Vec<(&'static str, u64, u64)> {
        let named = PROPERTIES.iter().zip(self.counts).zip(self.broken);
        let mut table: Vec<_> =
            named.map(|(((name, _), count), broken)| (*name, count, broken)).collect();
        table.push((FRESH.0, self.fresh, self.broken[PROPERTIES.len()]));
        table
    }
}
