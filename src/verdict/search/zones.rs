//! Registers in which no value is written twice, decided without a search (Gibbons and Korach).
//!
//! Then each read tells which write it saw, and a write with its reads is a cluster that nothing may
//! come between. Cluster A must come before B if something of A returned before something of B was
//! called: if A's earliest return is before B's latest call. There is an order unless two clusters
//! must both come first, or a read returned before its write was called: longer cycles contain
//! shorter ones. Sorting the clusters shows it.

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
    fn new(most: usize) -> Clusters {
        let all = Vec::with_capacity(most);
        Clusters { all, places: vec![0; (2 * most).next_power_of_two().max(16)] }
    }

    /// The cluster of this value, which may be new.
    #[inline]
    fn of(&mut self, value: u64) -> usize {
        let mask = self.places.len() - 1;
        let hash = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut at = (hash ^ (hash >> 32)) as usize & mask;
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
    if ids.iter().any(|id| access(*id) == Access::Other) {
        return Zones::Unfit;
    }
    let mut sorted = Vec::new();
    let mut ids = ids;
    if !ids.is_sorted_by_key(|id| ops[*id as usize].call) {
        sorted.extend_from_slice(ids);
        sorted.sort_by_key(|id| ops[*id as usize].call);
        ids = &sorted;
    }
    // The first cluster is that of the start, which was written before everything.
    let mut clusters = Clusters::new(ids.len() + 1);
    let start =
        Cluster { write: NOBODY, first: (0, NOBODY), last: (0, NOBODY), ..Cluster::default() };
    clusters.all.push(start);
    let mut of = vec![NOBODY; ids.len()];
    for (at, id) in ids.iter().enumerate() {
        let timed = &ops[*id as usize];
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
            Access::Nothing | Access::Other => continue,
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
    order(ops, ids, &of, clusters.all)
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

/// Sorts the clusters; the order, or two clusters that must both come first.
fn order<O, A>(ops: &[Timed<O, A>], ids: &[u32], of: &[u32], mut clusters: Vec<Cluster>) -> Zones {
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
    for (id, number) in ids.iter().zip(of) {
        if *number == NOBODY {
            continue;
        }
        let cluster = &mut clusters[*number as usize];
        if *number == 0 || cluster.write != *id {
            order[cluster.place as usize] = *id;
            cluster.place += 1;
        }
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
