//! The order of transactions across peers: leadership, agreement, completeness of new leaders.
//!
//! An append-only list of all that was ever delivered anywhere is the yardstick: the published
//! specifications overwrite theirs and so see a loss for one step only.

use std::collections::BTreeMap;

use crate::base::{Config, Digest, Epoch, PeerId, PeerSet, Zxid};
use crate::history::{At, Seen};
use crate::process::{Note, Probe};
use crate::verdict::{Finding, Oracle, Weight};

use super::logs::{Entries, Entry, PeerLog};

const PROPERTIES: &[(&str, &str)] = &[
    ("Leadership", "at most one peer leads an epoch (I-1, S1)"),
    ("EpochMonotone", "accepted and current epochs of a peer never decrease (S1)"),
    ("Integrity", "what is delivered was broadcast by a leader (I-2)"),
    ("Agreement", "one zxid is one transaction, everywhere (I-3)"),
    ("TotalOrder", "deliveries are one sequence; no peer skips or reorders (I-4)"),
    ("LocalPrimaryOrder", "the zxids of one epoch are delivered without holes from 1 (I-5)"),
    ("GlobalPrimaryOrder", "delivered epochs never decrease at a peer (I-6)"),
    ("PrimaryIntegrity", "a leader delivered all older epochs before it broadcasts (I-7)"),
    ("LeaderCompleteness", "a new leader's history holds everything ever delivered (I-8)"),
    ("CommitConsistency", "a serving follower delivered its epoch's initial history (I-9)"),
    ("ProcessConsistency", "histories of a leader and its synced follower agree (I-10)"),
    ("CommittedLogDurability", "what a cut takes of the delivered log is back before its ack"),
    ("PrefixConsistency", "a state restored holds nothing that others deliver otherwise"),
    ("TreeEquality", "equal applied zxid implies equal tree digest (S8)"),
    ("WindowEquality", "the window of committed proposals is the tail of the log"),
    ("QuorumHolds", "what is first delivered is in the logs of a quorum (S4)"),
];

/// One peer, as its notes tell.
#[derive(Clone, Debug, Default)]
struct Member {
    log: PeerLog,
    /// The last zxid in its service's state.
    state: Zxid,
    /// Whether `state` came from a restore: it may hold what is not committed yet.
    restored: bool,
    accepted: Epoch,
    current: Epoch,
    /// The zxid whose tree digest was last compared.
    compared: Zxid,
    /// Its window when that was last compared.
    window: (Zxid, u32),
    /// What its last cut took away, until it has accepted the leader that asked for the cut.
    cut: Vec<Entry>,
    /// The last zxid delivered in no later epoch when its leader chose how to synchronise it.
    chosen_at: Zxid,
    /// Its files are being read back.
    recovering: bool,
    /// The world has damaged its files: it is not held to what it held.
    pardoned: bool,
}

/// See the file's page.
#[derive(Clone, Debug)]
pub struct Order {
    config: Config,
    members: BTreeMap<PeerId, Member>,
    /// Everything ever delivered, in order.
    committed: Entries,
    /// By the epoch in which it was first delivered, the newest of them.
    newest: BTreeMap<Epoch, Zxid>,
    /// The zxid before the first that can be delivered in this run.
    origin: Option<Zxid>,
    proposed: BTreeMap<(Zxid, Digest), PeerId>,
    syncing: BTreeMap<Epoch, (PeerId, Zxid)>,
    established: BTreeMap<Epoch, (PeerId, Zxid)>,
    trees: BTreeMap<Zxid, (PeerId, u64)>,
    counts: [u64; PROPERTIES.len()],
}

/// What one look at something found.
struct Breach {
    property: usize,
    kind: &'static str,
    peers: Vec<PeerId>,
    detail: String,
}

fn breach<T>(
    property: usize,
    kind: &'static str,
    peers: Vec<PeerId>,
    detail: String,
) -> Result<T, Breach> {
    Err(Breach { property, kind, peers, detail })
}

const LEADERSHIP: usize = 0;
const EPOCH_MONOTONE: usize = 1;
const INTEGRITY: usize = 2;
const AGREEMENT: usize = 3;
const TOTAL_ORDER: usize = 4;
const LOCAL_PRIMARY_ORDER: usize = 5;
const GLOBAL_PRIMARY_ORDER: usize = 6;
const PRIMARY_INTEGRITY: usize = 7;
const LEADER_COMPLETENESS: usize = 8;
const COMMIT_CONSISTENCY: usize = 9;
const PROCESS_CONSISTENCY: usize = 10;
const COMMITTED_LOG_DURABILITY: usize = 11;
const PREFIX_CONSISTENCY: usize = 12;
const TREE_EQUALITY: usize = 13;
const WINDOW_EQUALITY: usize = 14;
const QUORUM_HOLDS: usize = 15;

impl Order {
    /// Judges an ensemble of this configuration.
    pub fn new(config: Config) -> Order {
        Order {
            config,
            members: BTreeMap::new(),
            committed: Entries::default(),
            newest: BTreeMap::new(),
            origin: None,
            proposed: BTreeMap::new(),
            syncing: BTreeMap::new(),
            established: BTreeMap::new(),
            trees: BTreeMap::new(),
            counts: [0; PROPERTIES.len()],
        }
    }

    fn noted(&mut self, peer: PeerId, note: &Note) -> Result<(), Breach> {
        match note {
            Note::Kept { zxid, digest } => {
                let member = self.member(peer);
                if std::mem::take(&mut member.recovering) {
                    // Recovery tells the entries above its snapshot: they are contiguous with it.
                    member.log.base = Zxid(zxid.0 - 1);
                }
                member.log.entries.push((*zxid, *digest));
                Ok(())
            }
            Note::Logged { zxid, digest } => {
                self.member(peer).log.entries.push((*zxid, *digest));
                Ok(())
            }
            Note::Recovered { last, .. } => {
                let member = self.member(peer);
                member.log = PeerLog { base: *last, ..PeerLog::default() };
                member.recovering = true;
                Ok(())
            }
            Note::Synced { learner, .. } => {
                let epoch = self.member(peer).current;
                let newest = self.newest.range(..=epoch).next_back();
                self.member(*learner).chosen_at = newest.map_or(Zxid::ZERO, |(_, zxid)| *zxid);
                Ok(())
            }
            Note::Truncated { last } => self.truncated(peer, *last),
            Note::Replaced { zxid } => {
                self.member(peer).log = PeerLog { base: *zxid, ..PeerLog::default() };
                Ok(())
            }
            Note::Restored { zxid, .. } => self.restored(peer, *zxid),
            Note::Proposed { zxid, record } => self.proposes(peer, *zxid, Digest::of(record)),
            Note::Delivered { zxid, digest } => self.delivered(peer, *zxid, *digest),
            Note::EpochAccepted { epoch } => {
                self.counts[EPOCH_MONOTONE] += 1;
                let was = std::mem::replace(&mut self.member(peer).accepted, *epoch);
                if *epoch < was {
                    let detail = format!("{peer} had accepted epoch {was}, and accepts {epoch}");
                    return breach(EPOCH_MONOTONE, "accepted", vec![peer], detail);
                }
                Ok(())
            }
            Note::EpochCurrent { epoch } => {
                self.counts[EPOCH_MONOTONE] += 1;
                let was = std::mem::replace(&mut self.member(peer).current, *epoch);
                if *epoch < was {
                    let detail = format!("{peer} was in epoch {was}, and goes to {epoch}");
                    return breach(EPOCH_MONOTONE, "current", vec![peer], detail);
                }
                Ok(())
            }
            Note::LeaderSyncing { epoch, last } => self.leader_syncing(peer, *epoch, *last),
            Note::Established { epoch, last } => self.leader_established(peer, *epoch, *last),
            Note::NewLeaderAccepted { epoch, .. } => self.new_leader_accepted(peer, *epoch),
            Note::UpToDate { epoch } => self.up_to_date(peer, *epoch),
            _ => Ok(()),
        }
    }

    fn member(&mut self, peer: PeerId) -> &mut Member {
        self.members.entry(peer).or_default()
    }

    /// A leader may cut what it has proposed and not seen committed, and propose it again: what is
    /// judged is the log at the acknowledgement, against what was delivered in no later epoch (that
    /// owes nothing to who follows a deposed leader) when the leader chose the cut.
    fn truncated(&mut self, peer: PeerId, last: Zxid) -> Result<(), Breach> {
        let member = self.member(peer);
        member.cut.extend_from_slice(member.log.entries.after(last));
        member.log.entries.cut(last);
        member.log.base = member.log.base.min(last);
        Ok(())
    }

    fn new_leader_accepted(&mut self, peer: PeerId, epoch: Epoch) -> Result<(), Breach> {
        let member = self.member(peer);
        let (cut, chosen_at) = (std::mem::take(&mut member.cut), member.chosen_at);
        let log = &self.members.entry(peer).or_default().log;
        if !cut.is_empty() {
            self.counts[COMMITTED_LOG_DURABILITY] += 1;
        }
        let delivered =
            |entry: &&Entry| entry.0 <= chosen_at && self.committed.get(entry.0) == Some(entry.1);
        if let Some((zxid, _)) = cut.iter().filter(delivered).find(|entry| !log.holds(**entry)) {
            let detail = format!(
                "{peer} has cut {zxid} from its log and acknowledges epoch {epoch} without it, \
                 though it was delivered"
            );
            return breach(COMMITTED_LOG_DURABILITY, "cut", vec![peer], detail);
        }
        self.process_consistency(peer, epoch)
    }

    fn restored(&mut self, peer: PeerId, zxid: Zxid) -> Result<(), Breach> {
        self.origin.get_or_insert(zxid);
        let member = self.member(peer);
        member.state = zxid;
        member.restored = true;
        member.compared = Zxid::ZERO;
        Ok(())
    }

    fn proposes(&mut self, peer: PeerId, zxid: Zxid, digest: Digest) -> Result<(), Breach> {
        self.counts[PRIMARY_INTEGRITY] += 1;
        // A leader that does not know yet that it is deposed may propose; nobody will commit it.
        let newest = self.established.last_key_value();
        let abandoned =
            |(epoch, (_, last)): (&Epoch, &(PeerId, Zxid))| zxid.epoch() < *epoch && zxid > *last;
        if !newest.is_some_and(abandoned) {
            self.proposed.insert((zxid, digest), peer);
        }
        let older = match self.committed.find(zxid.epoch().start()) {
            Ok(at) | Err(at) => at.checked_sub(1).and_then(|at| self.committed.at(at)),
        };
        let state = self.member(peer).state;
        match older {
            Some((last, _)) if state < last => {
                let detail = format!(
                    "{peer} broadcasts {zxid} before it has delivered {last} of an older epoch"
                );
                breach(PRIMARY_INTEGRITY, "behind", vec![peer], detail)
            }
            _ => Ok(()),
        }
    }

    fn delivered(&mut self, peer: PeerId, zxid: Zxid, digest: Digest) -> Result<(), Breach> {
        self.counts[INTEGRITY] += 1;
        if !self.proposed.contains_key(&(zxid, digest)) {
            let detail = format!("{peer} delivers {zxid}, which no leader broadcast like that");
            return breach(INTEGRITY, "phantom", vec![peer], detail);
        }
        self.check_place(peer, zxid, digest)?;
        self.counts[GLOBAL_PRIMARY_ORDER] += 1;
        let member = self.member(peer);
        if zxid <= member.state {
            let detail = format!("{peer} delivers {zxid} after {}", member.state);
            return breach(GLOBAL_PRIMARY_ORDER, "backwards", vec![peer], detail);
        }
        let (state, restored) = (member.state, member.restored);
        member.state = zxid;
        member.restored = false;
        self.check_successor(peer, state, restored, zxid)
    }

    /// The entry's place in the one order: appended if it is new, equal to what is there if not.
    fn check_place(&mut self, peer: PeerId, zxid: Zxid, digest: Digest) -> Result<(), Breach> {
        self.counts[AGREEMENT] += 1;
        match self.committed.find(zxid) {
            Ok(at) if self.committed.at(at) == Some((zxid, digest)) => Ok(()),
            Ok(_) => {
                let detail = format!("{peer} delivers another transaction as {zxid} than others");
                breach(AGREEMENT, "two_payloads", vec![peer], detail)
            }
            Err(at) if at == self.committed.len() => {
                self.counts[LOCAL_PRIMARY_ORDER] += 1;
                let before = self.committed.last().map(|(zxid, _)| zxid).or(self.origin);
                self.committed.push((zxid, digest));
                let in_epoch = self.member(peer).current;
                self.newest.insert(in_epoch, zxid);
                let same = before.filter(|before| before.epoch() == zxid.epoch());
                let expected = same.map_or(1, |before| before.counter() + 1);
                if zxid.counter() != expected {
                    let detail = format!(
                        "{zxid} is delivered right after {}: counter {expected} is missing",
                        before.unwrap_or_default()
                    );
                    return breach(LOCAL_PRIMARY_ORDER, "hole", vec![peer], detail);
                }
                self.check_holders(peer, (zxid, digest))
            }
            Err(_) => {
                let detail = format!("{peer} delivers {zxid} after others went past it without it");
                breach(TOTAL_ORDER, "late", vec![peer], detail)
            }
        }
    }

    fn check_holders(&mut self, peer: PeerId, entry: Entry) -> Result<(), Breach> {
        self.counts[QUORUM_HOLDS] += 1;
        let holds = |member: &Member| member.pardoned || member.log.holds(entry);
        let holders: PeerSet = self
            .members
            .iter()
            .filter(|(_, member)| holds(member))
            .map(|(holder, _)| *holder)
            .collect();
        if self.config.is_quorum(&holders) {
            return Ok(());
        }
        let detail = format!(
            "{peer} delivers {} first, but only {holders:?} hold it in their logs",
            entry.0
        );
        breach(QUORUM_HOLDS, "minority", vec![peer], detail)
    }

    /// What is delivered at `zxid` follows directly on what the peer's state held.
    fn check_successor(
        &mut self,
        peer: PeerId,
        state: Zxid,
        restored: bool,
        zxid: Zxid,
    ) -> Result<(), Breach> {
        self.counts[if restored { PREFIX_CONSISTENCY } else { TOTAL_ORDER }] += 1;
        let Ok(at) = self.committed.find(zxid) else { return Ok(()) };
        let before = match at {
            0 => self.origin.unwrap_or_default(),
            _ => self.committed.at(at - 1).map_or(Zxid::ZERO, |(zxid, _)| zxid),
        };
        // A NEWLEADER zxid (counter 0) is no transaction: a state may rest on it.
        if before == state || (state.counter() == 0 && state > before && state < zxid) {
            return Ok(());
        }
        if state < before {
            let detail = format!("{peer} delivers {zxid} on top of {state}: {before} is missing");
            return breach(TOTAL_ORDER, "skip", vec![peer], detail);
        }
        let property = if restored { PREFIX_CONSISTENCY } else { TOTAL_ORDER };
        let detail = format!("{peer} holds {state}, which is not before {zxid} in the one order");
        breach(property, "phantom_state", vec![peer], detail)
    }

    fn leader_syncing(&mut self, peer: PeerId, epoch: Epoch, last: Zxid) -> Result<(), Breach> {
        self.counts[LEADERSHIP] += 1;
        let first = *self.syncing.entry(epoch).or_insert((peer, last));
        if first.0 != peer {
            let detail = format!("{} and {peer} both lead epoch {epoch}", first.0);
            return breach(LEADERSHIP, "two_leaders", vec![first.0, peer], detail);
        }
        Ok(())
    }

    fn leader_established(&mut self, peer: PeerId, epoch: Epoch, last: Zxid) -> Result<(), Breach> {
        self.counts[LEADERSHIP] += 1;
        let first = *self.established.entry(epoch).or_insert((peer, last));
        if first.0 != peer {
            let detail = format!("{} and {peer} both were established in {epoch}", first.0);
            return breach(LEADERSHIP, "two_established", vec![first.0, peer], detail);
        }
        self.counts[LEADER_COMPLETENESS] += 1;
        let log = &self.members.entry(peer).or_default().log;
        // Everything delivered of older epochs must be in the new leader's history. Newer ones may
        // exist: its acknowledgements may have been on their way for long.
        let older = |entry: &&Entry| entry.0.epoch() < epoch;
        let mut delivered = self.committed.after(log.base).iter().filter(older);
        let missing = delivered.find(|entry| !log.holds(**entry));
        if let Some((zxid, _)) = missing {
            let detail = format!(
                "{peer} is established in epoch {epoch} with a history up to {last} that lacks \
                 {zxid}, which was delivered before"
            );
            return breach(LEADER_COMPLETENESS, "lost", vec![peer], detail);
        }
        self.adopt(peer, epoch, last)
    }

    /// A quorum holds the initial history of an established leader: all of it is committed from
    /// now on, delivered or not, and what older leaders proposed beyond it never will be. Some of
    /// it may be known to this peer by a snapshot only, so it is told from the proposals.
    fn adopt(&mut self, peer: PeerId, epoch: Epoch, last: Zxid) -> Result<(), Breach> {
        self.proposed.retain(|(zxid, _), _| zxid.epoch() >= epoch || *zxid <= last);
        let newest = self.committed.last().map_or(Zxid::ZERO, |(zxid, _)| zxid);
        let history = (Zxid(newest.0 + 1), Digest(0))..=(last, Digest(u64::MAX));
        if history.start() > history.end() {
            return Ok(());
        }
        let adopted: Vec<Entry> = self.proposed.range(history).map(|(entry, _)| *entry).collect();
        for (zxid, digest) in adopted {
            self.check_place(peer, zxid, digest)?;
        }
        Ok(())
    }

    fn process_consistency(&mut self, peer: PeerId, epoch: Epoch) -> Result<(), Breach> {
        let Some((leader, _)) = self.syncing.get(&epoch).copied() else { return Ok(()) };
        if leader == peer {
            return Ok(());
        }
        self.counts[PROCESS_CONSISTENCY] += 1;
        let (Some(follower), Some(leads)) = (self.members.get(&peer), self.members.get(&leader))
        else {
            return Ok(());
        };
        let base = follower.log.base.max(leads.log.base);
        let top = follower.log.last().min(leads.log.last());
        let within = |entries: &Entries| {
            let mut all = entries.after(base).to_vec();
            all.retain(|(zxid, _)| *zxid <= top);
            all
        };
        if within(&follower.log.entries) != within(&leads.log.entries) {
            let detail = format!(
                "{peer} accepted epoch {epoch} of {leader}, but up to {top} their logs differ"
            );
            return breach(PROCESS_CONSISTENCY, "differ", vec![peer, leader], detail);
        }
        Ok(())
    }

    fn up_to_date(&mut self, peer: PeerId, epoch: Epoch) -> Result<(), Breach> {
        let Some((_, last)) = self.established.get(&epoch).copied() else { return Ok(()) };
        self.counts[COMMIT_CONSISTENCY] += 1;
        let state = self.member(peer).state;
        if state < last {
            let detail = format!(
                "{peer} serves in epoch {epoch} with state {state}, before its initial {last}"
            );
            return breach(COMMIT_CONSISTENCY, "early", vec![peer], detail);
        }
        Ok(())
    }

    /// What a peer keeps in memory to synchronise others with, against its log.
    fn compare_window(&mut self, peer: PeerId, probe: &Probe) -> Result<(), Breach> {
        let (first, kept) = probe.window;
        let member = self.member(peer);
        if kept == 0 || member.pardoned || member.window == probe.window {
            return Ok(());
        }
        member.window = probe.window;
        let Some(held) = member.log.within(first, kept, probe.applied) else { return Ok(()) };
        self.counts[WINDOW_EQUALITY] += 1;
        if held != kept {
            let last = probe.applied;
            let detail =
                format!("{peer} keeps {kept} proposals {first}..{last}, and logged {held}");
            return breach(WINDOW_EQUALITY, "differs", vec![peer], detail);
        }
        Ok(())
    }

    fn compare_tree(&mut self, peer: PeerId, probe: &Probe) -> Result<(), Breach> {
        let Some(tree) = probe.tree else { return Ok(()) };
        let member = self.member(peer);
        if member.compared == probe.applied || probe.applied == Zxid::ZERO {
            return Ok(());
        }
        member.compared = probe.applied;
        let Some(first) = self.trees.get(&probe.applied).copied() else {
            self.trees.insert(probe.applied, (peer, tree));
            return Ok(());
        };
        self.counts[TREE_EQUALITY] += 1;
        if first.1 != tree {
            let detail = format!("the trees of {} and {peer} differ at {}", first.0, probe.applied);
            return breach(TREE_EQUALITY, "digest", vec![first.0, peer], detail);
        }
        Ok(())
    }
}

impl Oracle for Order {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        PROPERTIES
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        let result = match seen {
            Seen::Noted { peer, note } => self.noted(*peer, note),
            Seen::Probed { peer, probe } => {
                let window = self.compare_window(*peer, probe);
                self.compare_tree(*peer, probe).and(window)
            }
            Seen::Starting { peer, damaged, .. } => {
                let member = self.member(*peer);
                let (keep, pardoned) = ((member.accepted, member.current), member.pardoned);
                *member = Member { pardoned: pardoned || *damaged, ..Member::default() };
                if !*damaged {
                    (member.accepted, member.current) = keep;
                }
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(Breach { property, kind, peers, detail }) = result {
            let property = PROPERTIES[property].0;
            findings.push(Finding { property, weight: Weight::Violation, at, peers, kind, detail });
        }
    }

    fn finish(&mut self, _at: At, _findings: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        PROPERTIES.iter().zip(self.counts).map(|((name, _), count)| (*name, count)).collect()
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
