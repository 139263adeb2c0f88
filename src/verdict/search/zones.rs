//! Registers in which no value is written twice, decided without a search (Gibbons and Korach).
//!
//! Then each read tells which write it saw, and a write with its reads is a cluster that nothing
//! may come between. Cluster A must come before B if something of A returned before something of B
//! was called: if A's earliest return is before B's latest call. There is an order unless two
//! clusters must both come first, or a read returned before its write was called: longer cycles
//! contain shorter ones. Sorting the clusters shows it.

use super::super::model::{Access, History, Model, Timed};

/// What came of it.
pub enum Zones {
    /// This order, as positions in the history.
    Legal(Vec<u32>),
    /// No order of these few operations.
    Illegal(Vec<u32>),
    /// It is not such a history.
    Unfit,
}

/// A write and its reads.
#[derive(Clone, Copy, Default)]
struct Cluster {
    /// What was written.
    value: u64,
    /// Who wrote it; [`NOBODY`] if only reads were met yet.
    write: u32,
    /// The earliest return, and whose it is.
    first: (u64, u32),
    /// The latest call, and whose it is.
    last: (u64, u32),
    /// How many operations, and where in the order they begin.
    size: u32,
    place: u32,
}

const NOBODY: u32 = u32::MAX;

/// Clusters by value: open addressing.
struct Clusters {
    all: Vec<Cluster>,
    places: Vec<u32>,
}

impl Clusters {
    /// Only that of the start, which was written before everything.
    fn new() -> Clusters {
        let start =
            Cluster { write: NOBODY, first: (0, NOBODY), last: (0, NOBODY), ..Cluster::default() };
        Clusters { all: vec![start], places: vec![0; 64] }
    }

    /// Where to look first: neighbours stay neighbours, for numbers are often counted up.
    #[inline]
    fn home(&self, value: u64) -> usize {
        let high = (value >> 20).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        value.wrapping_add(high) as usize & (self.places.len() - 1)
    }

    #[cold]
    fn spread(&mut self) {
        self.places = vec![0; self.places.len() * 4];
        let mask = self.places.len() - 1;
        for number in 1..self.all.len() {
            let mut at = self.home(self.all[number].value);
            while self.places[at] != 0 {
                at = (at + 1) & mask;
            }
            self.places[at] = number as u32 + 1;
        }
    }

    /// The cluster of this value, which may be new.
    #[inline]
    fn of(&mut self, value: u64) -> usize {
        if self.all.len() * 2 >= self.places.len() {
            self.spread();
        }
        let mask = self.places.len() - 1;
        let mut at = self.home(value);
        loop {
            match self.places[at] {
                0 => break,
                number if self.all[number as usize - 1].value == value => {
                    return number as usize - 1;
                }
                _ => at = (at + 1) & mask,
            }
        }
        self.all.push(Cluster {
            value,
            write: NOBODY,
            first: (u64::MAX, NOBODY),
            last: (0, NOBODY),
            size: 0,
            place: 0,
        });
        self.places[at] = self.all.len() as u32;
        self.all.len() - 1
    }
}

/// Decides the operations with these positions, if they are such a history.
pub fn decide<M: Model>(model: &M, ops: &History<M>, ids: &[u32]) -> Zones {
    let access = |id: u32| model.access(&ops[id as usize].op, ops[id as usize].answer.as_ref());
    // Most histories that are unfit show it soon: that is worth a look before memory is taken.
    if ids.iter().take(64).any(|id| access(*id) == Access::Other) {
        return Zones::Unfit;
    }
    let mut clusters = Clusters::new();
    let mut of = vec![NOBODY; ids.len()];
    let (mut by_call, mut latest) = (true, 0);
    for (at, id) in ids.iter().enumerate() {
        let timed = &ops[*id as usize];
        by_call &= latest <= timed.call;
        latest = timed.call;
        let number = match access(*id) {
            Access::Read(None) => 0,
            Access::Read(Some(value)) => clusters.of(value),
            Access::Write(value) => {
                let number = clusters.of(value);
                if clusters.all[number].write != NOBODY {
                    return Zones::Unfit;
                }
                clusters.all[number].write = *id;
                number
            }
            Access::Nothing => continue,
            Access::Other => return Zones::Unfit,
        };
        of[at] = number as u32;
        let cluster = &mut clusters.all[number];
        cluster.size += 1;
        if cluster.last.1 == NOBODY || timed.call > cluster.last.0 {
            cluster.last = (timed.call, *id);
        }
        if number > 0 && (cluster.first.1 == NOBODY || timed.end() < cluster.first.0) {
            cluster.first = (timed.end(), *id);
        }
    }
    if let Some(wrong) = impossible_read(ops, &clusters.all) {
        return Zones::Illegal(wrong);
    }
    let mut members: Vec<u32> = Vec::new();
    if !by_call {
        members.extend(0..ids.len() as u32);
        members.sort_by_key(|at| ops[ids[*at as usize] as usize].call);
    }
    order(ops, ids, &of, &members, clusters.all)
}

/// A read of what nobody wrote, or of what was only written later.
fn impossible_read<O, A>(ops: &[Timed<O, A>], clusters: &[Cluster]) -> Option<Vec<u32>> {
    let early = |cluster: &&Cluster| match cluster.write {
        NOBODY => true,
        write => cluster.first.0 < ops[write as usize].call,
    };
    let cluster = clusters.iter().skip(1).find(early)?;
    let both = [cluster.first.1, cluster.write];
    Some(both.into_iter().filter(|id| *id != NOBODY).collect())
}

/// Sorts the clusters; the order, or two clusters that must both come first. `by_call` sorts `ids`,
/// if they are not sorted.
fn order<O, A>(
    ops: &[Timed<O, A>],
    ids: &[u32],
    of: &[u32],
    by_call: &[u32],
    mut clusters: Vec<Cluster>,
) -> Zones {
    // What was lost and never read need not have happened.
    let unread = |cluster: &Cluster| {
        cluster.size == 1 && cluster.write != NOBODY && ops[cluster.write as usize].answer.is_none()
    };
    let mut sorted: Vec<(u64, bool, u32)> = Vec::with_capacity(clusters.len());
    for (number, cluster) in clusters.iter().enumerate().skip(1) {
        if !unread(cluster) {
            let forward = cluster.first.0 < cluster.last.0;
            sorted.push((cluster.first.0.min(cluster.last.0), forward, number as u32));
        }
    }
    sorted.sort_unstable();
    // The forward cluster before that reaches furthest. That of the start comes before everything.
    let mut reach = (clusters[0].last.1 != NOBODY).then_some(0);
    let mut place = clusters[0].size;
    for (_, forward, number) in &sorted {
        let cluster = &clusters[*number as usize];
        if let Some(before) = reach.map(|before: u32| &clusters[before as usize])
            && cluster.first.0 < before.last.0
        {
            return Zones::Illegal(conflict(cluster, before));
        }
        let further = |before: u32| clusters[before as usize].last.0 < cluster.last.0;
        if *forward && reach.is_none_or(further) {
            reach = Some(*number);
        }
        let cluster = &mut clusters[*number as usize];
        cluster.place = place;
        place += cluster.size;
    }
    let mut order = vec![0; place as usize];
    // A cluster's write goes first, then its reads by call.
    for cluster in &mut clusters[1..] {
        if cluster.write != NOBODY && !unread(cluster) {
            order[cluster.place as usize] = cluster.write;
            cluster.place += 1;
        }
    }
    let mut put = |at: usize| {
        let (id, number) = (ids[at], of[at]);
        if number == NOBODY {
            return;
        }
        let cluster = &mut clusters[number as usize];
        if number == 0 || cluster.write != id {
            order[cluster.place as usize] = id;
            cluster.place += 1;
        }
    };
    if by_call.is_empty() {
        (0..ids.len()).for_each(put);
    } else {
        by_call.iter().for_each(|at| put(*at as usize));
    }
    Zones::Legal(order)
}

/// The operations that make two clusters conflict.
fn conflict(a: &Cluster, b: &Cluster) -> Vec<u32> {
    let all = [a.write, a.first.1, a.last.1, b.write, b.first.1, b.last.1];
    let mut all: Vec<u32> = all.into_iter().filter(|id| *id != NOBODY).collect();
    all.sort_unstable();
    all.dedup();
    all
}
