//! Which transactions are committed, in which order, as far as peers have shown it.
//!
//! Three things show it, whichever comes first:
//! - a peer delivered the transaction to its service;
//! - the established leader of its epoch says that a quorum has it: then learners may serve it
//!   before the leader's own service has it;
//! - a later leader was established with it in its initial history. The same moment abandons what
//!   older leaders proposed beyond that history (Zab: a new leader's history is final).
//!
//! What candidates replay while they synchronise shows nothing: it may still be abandoned.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{Digest, Epoch, PeerId, Zxid};

use super::tally::{Court, Property};

/// A transaction that was proposed and is not known to be committed.
#[derive(Clone, Debug)]
struct Candidate {
    digest: Digest,
    /// `None` once it is abandoned.
    record: Option<Vec<u8>>,
    /// What its leader had applied then: quotas are judged by that (spec 2.6).
    applied: Zxid,
}

/// A committed transaction that was not taken yet.
#[derive(Clone, Debug)]
pub(super) struct Next {
    pub(super) zxid: Zxid,
    pub(super) record: Vec<u8>,
    /// What its leader had applied when it proposed it.
    pub(super) applied: Zxid,
}

/// The order of transactions.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    candidates: BTreeMap<Zxid, Vec<Candidate>>,
    committed: Vec<(Zxid, Digest)>,
    /// The newest established epoch and the last zxid of its initial history.
    newest: (Epoch, Zxid),
    /// Who leads which epoch, by its own word.
    leaders: BTreeMap<PeerId, Epoch>,
    /// Committed and not taken yet.
    ready: VecDeque<Next>,
    /// What each peer's service has applied.
    applied: BTreeMap<PeerId, Zxid>,
}

impl Order {
    /// All that is committed.
    pub(super) fn all(&self) -> &[(Zxid, Digest)] {
        &self.committed
    }

    /// The newest committed transaction.
    pub(super) fn last(&self) -> Zxid {
        self.committed.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    /// The next committed record to apply.
    pub(super) fn next(&mut self) -> Option<Next> {
        self.ready.pop_front()
    }

    /// Whether a server can stand at this zxid: a committed transaction, or the start of an
    /// established epoch (spec 6.8).
    pub(super) fn is_known(&self, view: Zxid) -> bool {
        if view == self.last() || view == Zxid::ZERO {
            return true;
        }
        if view.counter() == 0 {
            return view.epoch() <= self.newest.0;
        }
        self.committed.binary_search_by_key(&view, |(zxid, _)| *zxid).is_ok()
    }

    /// The last transaction of the state at this zxid.
    pub(super) fn state_of(&self, view: Zxid) -> Zxid {
        if view >= self.last() {
            return self.last();
        }
        let known = self.committed.partition_point(|(zxid, _)| *zxid <= view);
        self.committed[..known].last().map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    /// A leader proposed a record.
    pub(super) fn proposed(&mut self, peer: PeerId, zxid: Zxid, record: &[u8]) {
        let digest = Digest::of(record);
        if zxid <= self.last() {
            return;
        }
        let (epoch, last) = self.newest;
        let abandoned = zxid.epoch() < epoch && zxid > last;
        let candidates = self.candidates.entry(zxid).or_default();
        if candidates.iter().all(|candidate| candidate.digest != digest) {
            let record = if abandoned { None } else { Some(record.to_vec()) };
            let applied = self.applied.get(&peer).copied().unwrap_or_default().max(last);
            candidates.push(Candidate { digest, record, applied });
        }
    }

    /// What a peer's service has applied.
    pub(super) fn applied_by(&self, peer: PeerId) -> Zxid {
        self.applied.get(&peer).copied().unwrap_or_default()
    }

    /// What each peer's service has applied.
    pub(super) fn applied_by_peer(&self) -> &BTreeMap<PeerId, Zxid> {
        &self.applied
    }

    /// A peer's service stands here now.
    pub(super) fn applied(&mut self, peer: PeerId, zxid: Zxid) {
        self.applied.insert(peer, zxid);
    }

    /// A peer no longer leads.
    pub(super) fn stepped_down(&mut self, peer: PeerId) {
        self.leaders.remove(&peer);
    }

    /// A leader was established: its initial history is committed, the rest of it abandoned.
    pub(super) fn established(
        &mut self,
        peer: PeerId,
        epoch: Epoch,
        last: Zxid,
        court: &mut Court<'_>,
    ) {
        self.leaders.insert(peer, epoch);
        let before = self.committed.partition_point(|(zxid, _)| zxid.epoch() < epoch);
        let kept = self.committed[..before].last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        if kept > last {
            let detail = format!(
                "{peer} was established in epoch {epoch} with a history that ends at {last}, but \
                 {kept} was committed before"
            );
            court.report(Property::TotalOrder, "committed_lost", vec![peer], detail);
        }
        self.commit_to(Zxid::ZERO, last, court);
        for (_, candidates) in self.candidates.range_mut(..epoch.start()) {
            candidates.iter_mut().for_each(|candidate| candidate.record = None);
        }
        if epoch > self.newest.0 {
            self.newest = (epoch, last);
        }
    }

    /// A peer knows a transaction as committed: believed of the leader of its epoch.
    pub(super) fn committed(&mut self, peer: PeerId, zxid: Zxid, court: &mut Court<'_>) {
        if zxid > self.last() && self.leaders.get(&peer) == Some(&zxid.epoch()) {
            self.commit_to(zxid.epoch().start(), zxid, court);
        }
    }

    /// A peer delivered a transaction to its service.
    pub(super) fn delivered(
        &mut self,
        peer: PeerId,
        zxid: Zxid,
        digest: Digest,
        court: &mut Court<'_>,
    ) {
        self.applied(peer, zxid);
        if zxid <= self.last() {
            let known = self.committed.binary_search_by_key(&zxid, |(zxid, _)| *zxid);
            match known.map(|index| self.committed[index].1) {
                Ok(committed) => {
                    court.hold(Property::Agreement, committed == digest, "two_records", || {
                        format!("{peer} delivered another record for {zxid} than was committed")
                    });
                }
                Err(_) => {
                    let last = self.last();
                    court.hold(Property::TotalOrder, false, "late", || {
                        format!("{peer} delivered {zxid} for the first time after {last}")
                    });
                }
            }
            return;
        }
        let candidates = self.candidates.get(&zxid).map_or(&[][..], Vec::as_slice);
        let Some(found) = candidates.iter().find(|candidate| candidate.digest == digest) else {
            court.hold(Property::Integrity, false, "never_proposed", || {
                format!("{peer} delivered {zxid}, which nobody proposed with these bytes")
            });
            return;
        };
        let abandoned = found.record.is_none();
        let (epoch, last) = self.newest;
        if !court.hold(Property::TotalOrder, !abandoned, "abandoned", || {
            format!("{peer} delivered {zxid}, but epoch {epoch} began with history up to {last}")
        }) {
            return;
        }
        let before = Zxid(zxid.0 - 1);
        self.commit_to(zxid.epoch().start(), before, court);
        self.commit(zxid, digest, court);
    }

    /// Commits the live candidates after `from` up to `to`. Of several for one zxid none is
    /// believed: a delivery must decide.
    fn commit_to(&mut self, from: Zxid, to: Zxid, court: &mut Court<'_>) {
        while let Some((zxid, candidates)) =
            self.candidates.range(from..=to.max(from)).find(|(zxid, candidates)| {
                **zxid > self.last() && candidates.iter().any(|c| c.record.is_some())
            })
        {
            let mut live = candidates.iter().filter(|candidate| candidate.record.is_some());
            let (zxid, digest) = (*zxid, live.next().map(|candidate| candidate.digest));
            match (digest, live.next()) {
                (Some(digest), None) => self.commit(zxid, digest, court),
                _ => return,
            }
        }
    }

    fn commit(&mut self, zxid: Zxid, digest: Digest, court: &mut Court<'_>) {
        let last = self.last();
        let expected = if zxid.epoch() == last.epoch() { last.counter() + 1 } else { 1 };
        court.hold(Property::TotalOrder, zxid.counter() == expected, "gap", || {
            format!("{zxid} is committed after {last}: what is between them?")
        });
        let candidates = self.candidates.remove(&zxid).unwrap_or_default();
        let chosen = candidates.into_iter().find(|candidate| candidate.digest == digest);
        self.committed.push((zxid, digest));
        if let Some(Candidate { record: Some(record), applied, .. }) = chosen {
            self.ready.push_back(Next { zxid, record, applied });
        }
    }
}
