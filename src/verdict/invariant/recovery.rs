//! Whether elections and synchronisations get anywhere by rights: votes, the order of frames on a
//! learner's link, and rejoins that fail for no fault's sake.
//!
//! A wrong step here often loses nothing and heals by itself: the peers only fail to come together
//! for a while, again and again. What is judged is therefore the failing itself, by what peers
//! were seen to send and to decide, not how long it lasts.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Config, Epoch, LinkId, PeerId, PeerSet, Zxid};
use crate::history::{At, Seen};
use crate::process::{Channel, Note, Role, Tag};
use crate::verdict::{Finding, Oracle, Weight};

use super::join::{self, Join};

const PROPERTIES: &[(&str, &str)] = &[
    ("MessageLegal", "no frame on a learner's link is one that its receiver can never accept"),
    ("LeadingHasQuorum", "who begins to lead has the votes of a quorum"),
    ("EpochPromised", "a leader synchronises with the first promises of a quorum (I-1, S1)"),
    ("ElectionProgress", "no peer comes back to a vote that it has left in the same round"),
    ("RecoveryProgress", "no learner's synchronisation fails twice running without any fault"),
];

const MESSAGE_LEGAL: usize = 0;
const LEADING_HAS_QUORUM: usize = 1;
const EPOCH_PROMISED: usize = 2;
const ELECTION_PROGRESS: usize = 3;
const RECOVERY_PROGRESS: usize = 4;

/// A vote within a round.
type Vote = (PeerId, Zxid, Epoch);

/// One peer's election, and how its last attempts to join went.
#[derive(Clone, Debug, Default)]
struct Member {
    round: u64,
    votes: Vec<Vote>,
    /// Synchronisations given up in a row by one of their ends.
    failed: u32,
}

/// To whom an epoch is promised.
#[derive(Clone, Copy, Debug)]
struct Promise {
    leader: PeerId,
    /// On this link; what a candidate promises itself takes none.
    link: Option<LinkId>,
    /// Whether it has arrived.
    arrived: bool,
}

/// See the file's page.
#[derive(Clone, Debug)]
pub struct Recovery {
    config: Config,
    members: BTreeMap<PeerId, Member>,
    joins: BTreeMap<LinkId, Join>,
    /// Who has ever voted for a peer in a round.
    votes: BTreeMap<(PeerId, u64), PeerSet>,
    /// Who has ever followed a peer, and in which rounds it was followed.
    followers: BTreeMap<PeerId, (PeerSet, BTreeSet<u64>)>,
    /// Of a peer, an epoch, and how often its files were damaged before: its first promise.
    promises: BTreeMap<(PeerId, Epoch, u32), Promise>,
    /// How often the files of a peer were damaged: what it has promised may be forgotten.
    damages: BTreeMap<PeerId, u32>,
    /// Who met a breach of the rules, in which step.
    breach: Option<(PeerId, u64)>,
    counts: [u64; PROPERTIES.len()],
}

/// What one look at something found.
struct Found {
    property: usize,
    kind: &'static str,
    peers: Vec<PeerId>,
    detail: String,
}

impl Recovery {
    /// Judges an ensemble of this configuration.
    pub fn new(config: Config) -> Recovery {
        Recovery {
            config,
            members: BTreeMap::new(),
            joins: BTreeMap::new(),
            votes: BTreeMap::new(),
            followers: BTreeMap::new(),
            promises: BTreeMap::new(),
            damages: BTreeMap::new(),
            breach: None,
            counts: [0; PROPERTIES.len()],
        }
    }

    fn noted(&mut self, at: At, peer: PeerId, note: &Note) -> Option<Found> {
        match note {
            Note::Voted { leader, zxid, epoch, round } => {
                self.votes.entry((*leader, *round)).or_default().insert(peer);
                self.voted(peer, (*leader, *zxid, *epoch), *round)
            }
            // Rounds count up from that of the ensemble last joined: they may come again.
            Note::BecameRole { role: Role::Looking, .. } => {
                self.members.entry(peer).or_default().votes.clear();
                None
            }
            Note::BecameRole { role: Role::Following, leader, round } => {
                let (followers, rounds) = self.followers.entry(*leader).or_default();
                followers.insert(peer);
                rounds.insert(*round);
                None
            }
            Note::BecameRole { role: Role::Leading, round, .. } => self.leads(peer, *round),
            Note::LeaderSyncing { epoch, .. } => self.promised(peer, *epoch),
            Note::Breach { .. } => {
                self.breach = Some((peer, at.step));
                None
            }
            _ => None,
        }
    }

    /// Votes of one round get better all the time; so one that was left does not come back.
    fn voted(&mut self, peer: PeerId, vote: Vote, round: u64) -> Option<Found> {
        self.counts[ELECTION_PROGRESS] += 1;
        let member = self.members.entry(peer).or_default();
        if member.round != round {
            member.round = round;
            member.votes.clear();
        }
        let back = member.votes.contains(&vote);
        member.votes.push(vote);
        let (leader, zxid, epoch) = vote;
        back.then(|| Found {
            property: ELECTION_PROGRESS,
            kind: "circle",
            peers: vec![peer],
            detail: format!(
                "in round {round} {peer} comes back to its vote for {leader} with {zxid} of epoch \
                 {epoch}: its votes go in a circle, and elect nobody"
            ),
        })
    }

    /// A leader that has restarted may be in the round again in which others followed it, and be
    /// told so: that is a quorum as well.
    fn leads(&mut self, peer: PeerId, round: u64) -> Option<Found> {
        self.counts[LEADING_HAS_QUORUM] += 1;
        let mut support = self.votes.get(&(peer, round)).copied().unwrap_or_default();
        if let Some((followers, rounds)) = self.followers.get(&peer)
            && rounds.contains(&round)
        {
            support = support.iter().chain(followers.iter()).collect();
        }
        (!self.config.is_quorum(&support)).then(|| Found {
            property: LEADING_HAS_QUORUM,
            kind: "minority",
            peers: vec![peer],
            detail: format!(
                "{peer} begins to lead in round {round}, but no quorum chose it: only {}",
                names(&support)
            ),
        })
    }

    fn sent(&mut self, link: LinkId, from: PeerId, to: PeerId, tag: &Tag) -> Option<Found> {
        if tag.kind == "FOLLOWERINFO" {
            self.joins.insert(link, Join::new(from, to));
            return None;
        }
        let join = self.joins.get_mut(&link)?;
        // Of what a peer promises, only the first time counts: to itself, or to a leader.
        let promise = match tag.kind {
            "LEADERINFO" => Some(Promise { leader: from, link: None, arrived: true }),
            "ACKEPOCH" => Some(Promise { leader: to, link: Some(link), arrived: false }),
            _ => None,
        };
        if let Some(promise) = promise {
            let damages = self.damages.get(&from).copied().unwrap_or(0);
            self.promises.entry((from, tag.epoch, damages)).or_insert(promise);
        }
        self.counts[MESSAGE_LEGAL] += 1;
        let kind = join.says(from, tag)?;
        Some(Found {
            property: MESSAGE_LEGAL,
            kind,
            peers: vec![from, to],
            detail: format!(
                "{from} sends {} {} to {to}, which cannot accept it: {}",
                tag.kind,
                tag.zxid,
                join::why(kind)
            ),
        })
    }

    fn received(&mut self, link: LinkId, from: PeerId, to: PeerId, tag: &Tag) {
        // Also if its sender has gone since: what was sent before arrives.
        if tag.kind == "ACKEPOCH" {
            let promises =
                self.promises.range_mut((from, tag.epoch, 0)..=(from, tag.epoch, u32::MAX));
            for (_, promise) in promises.filter(|(_, promise)| promise.link == Some(link)) {
                promise.arrived = true;
            }
        }
        let Some(join) = self.joins.get_mut(&link) else { return };
        join.received(to, tag);
        if tag.kind == "UPTODATE" {
            self.members.entry(to).or_default().failed = 0;
        }
    }

    /// A leader has a quorum of promises, it says: of peers that have not promised the same epoch
    /// to another before (spec 6.6; ZOOKEEPER-335).
    fn promised(&mut self, leader: PeerId, epoch: Epoch) -> Option<Found> {
        self.counts[EPOCH_PROMISED] += 1;
        let to_it = self.promises.iter().filter(|((_, promised, _), promise)| {
            *promised == epoch && promise.leader == leader && promise.arrived
        });
        let mut support: PeerSet = to_it.map(|((peer, ..), _)| *peer).collect();
        support.insert(leader);
        (!self.config.is_quorum(&support)).then(|| Found {
            property: EPOCH_PROMISED,
            kind: "minority",
            peers: vec![leader],
            detail: format!(
                "{leader} begins to synchronise in epoch {epoch}, but no quorum has promised it \
                 that epoch first: only {}",
                names(&support)
            ),
        })
    }

    /// A link is gone. If one of its ends gave a synchronisation up over a breach of the rules, no
    /// fault did it, and the next attempt will go the same way.
    fn link_down(&mut self, at: At, link: LinkId) -> Option<Found> {
        let join = self.joins.remove(&link)?;
        if !join.is_synchronised() {
            return None;
        }
        self.counts[RECOVERY_PROGRESS] += 1;
        let ends = [join.learner, join.leader];
        let (by, _) = self.breach.filter(|(by, step)| *step == at.step && ends.contains(by))?;
        let member = self.members.entry(join.learner).or_default();
        member.failed += 1;
        (member.failed > 1).then(|| Found {
            property: RECOVERY_PROGRESS,
            kind: "again",
            peers: vec![join.learner, join.leader],
            detail: format!(
                "{by} gives up the synchronisation of {} with {}, as the last time, though no \
                 fault has struck it",
                join.learner, join.leader
            ),
        })
    }
}

/// Whether it takes a learner's link from one stage to the next when it arrives.
fn is_stage(tag: &Tag) -> bool {
    match tag.kind {
        "LEADERINFO" | "ACKEPOCH" | "NEWLEADER" | "UPTODATE" => true,
        "ACK" => tag.zxid.counter() == 0,
        _ => false,
    }
}

/// Peers in a sentence.
fn names(peers: &PeerSet) -> String {
    let names: Vec<String> = peers.iter().map(|peer| peer.to_string()).collect();
    names.join(", ")
}

impl Oracle for Recovery {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        PROPERTIES
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        let found = match seen {
            Seen::Noted { peer, note } => self.noted(at, *peer, note),
            Seen::Sent { link, from, to, channel: Channel::Quorum, tag } => {
                self.sent(*link, *from, *to, tag)
            }
            Seen::Received { link, from, to, tag } if is_stage(tag) => {
                self.received(*link, *from, *to, tag);
                None
            }
            Seen::LinkDown { link } => self.link_down(at, *link),
            Seen::Starting { peer, damaged, .. } => {
                self.members.insert(*peer, Member::default());
                if *damaged {
                    *self.damages.entry(*peer).or_default() += 1;
                }
                None
            }
            _ => None,
        };
        if let Some(Found { property, kind, peers, detail }) = found {
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
