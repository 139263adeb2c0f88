//! Zxids as places on a line: small numbers in zxid order, so that what belongs to a zxid is found
//! by indexing and sorting is counting.

use crate::base::{Epoch, Zxid};

/// All zxids that may matter, in order.
#[derive(Clone, Debug)]
pub(super) enum Axis {
    /// Every counter of these epochs up to the largest seen: epoch, first key, largest counter.
    Dense(Vec<(u32, u32, u32)>),
    /// Counters are far apart: only those seen, and the one before each.
    Sparse(Vec<u64>),
}

impl Axis {
    /// The line of these zxids, of which the largest counter of each epoch is known; `most` is
    /// how many keys are worth their memory.
    pub(super) fn new(epochs: &[(u32, u32)], most: u64, zxids: impl Iterator<Item = u64>) -> Axis {
        let mut next = 0u64;
        let mut dense = Vec::with_capacity(epochs.len());
        for (epoch, max) in epochs {
            dense.push((*epoch, next as u32, *max));
            next += u64::from(*max) + 1;
            if next > most || dense.len() > 4096 {
                return Axis::sparse(zxids);
            }
        }
        Axis::Dense(dense)
    }

    fn sparse(zxids: impl Iterator<Item = u64>) -> Axis {
        let mut all = vec![0];
        for zxid in zxids {
            all.push(zxid);
            if zxid as u32 > 1 {
                all.push(zxid - 1);
            }
        }
        all.sort_unstable();
        all.dedup();
        Axis::Sparse(all)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Axis::Dense(epochs) => {
                epochs.last().map_or(0, |(_, base, max)| *base as usize + *max as usize + 1)
            }
            Axis::Sparse(all) => all.len(),
        }
    }

    /// Where a zxid stands.
    #[inline]
    pub(super) fn key(&self, zxid: u64) -> Option<u32> {
        match self {
            Axis::Dense(epochs) => {
                let (epoch, counter) = ((zxid >> 32) as u32, zxid as u32);
                let newest = epochs.last()?;
                let (_, base, max) = if newest.0 == epoch {
                    newest
                } else {
                    &epochs[epochs.binary_search_by_key(&epoch, |known| known.0).ok()?]
                };
                (counter <= *max).then(|| base + counter)
            }
            Axis::Sparse(all) => all.binary_search(&zxid).ok().map(|key| key as u32),
        }
    }

    /// The zxid of a key.
    pub(super) fn zxid(&self, key: u32) -> Zxid {
        match self {
            Axis::Dense(epochs) => {
                let found = epochs.partition_point(|(_, base, _)| *base <= key) - 1;
                let (epoch, base, _) = epochs[found];
                Zxid::new(Epoch(epoch), key - base)
            }
            Axis::Sparse(all) => Zxid(all[key as usize]),
        }
    }
}

/// A zxid is shown: its epoch reaches as far.
pub(super) fn reach(epochs: &mut Vec<(u32, u32)>, zxid: u64) {
    let (epoch, counter) = ((zxid >> 32) as u32, zxid as u32);
    let at = match epochs.last() {
        Some(last) if last.0 == epoch => epochs.len() - 1,
        _ => match epochs.binary_search_by_key(&epoch, |known| known.0) {
            Ok(at) => at,
            Err(at) => {
                epochs.insert(at, (epoch, 0));
                at
            }
        },
    };
    epochs[at].1 = epochs[at].1.max(counter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_the_order_of_zxids() {
        let zxids = [1 << 32 | 5, 3 << 32 | 2, 1 << 32 | 7];
        let epochs = [(0, 0), (1, 7), (3, 2)];
        let dense = Axis::new(&epochs, 100, zxids.into_iter());
        assert!(matches!(dense, Axis::Dense(_)));
        assert_eq!(dense.len(), 1 + 8 + 3);
        for key in 0..dense.len() as u32 {
            assert_eq!(dense.key(dense.zxid(key).0), Some(key));
        }
        assert_eq!(dense.key(1 << 32 | 8), None);
        assert_eq!(dense.key(2 << 32), None);
        let sparse = Axis::new(&epochs, 5, zxids.into_iter());
        assert!(matches!(sparse, Axis::Sparse(_)));
        assert_eq!(sparse.len(), 1 + 2 * 3);
        let keys: Vec<u32> = zxids.iter().map(|zxid| sparse.key(*zxid).unwrap()).collect();
        assert_eq!(keys, [2, 6, 4]);
    }
}
