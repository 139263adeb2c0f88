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

const PROPERTIES: &[(&str, &str)] = &[
    ("MessageLegal", "no frame on a learner's link is one that its receiver can never accept"),
    ("LeadingHasQuorum", "who begins to lead has the votes of a quorum"),
    ("ElectionProgress", "no peer comes back to a vote that it has left in the same round"),
    ("RecoveryProgress", "no learner's synchronisation fails twice running without any fault"),
];

const MESSAGE_LEGAL: usize = 0;
const LEADING_HAS_QUORUM: usize = 1;
const ELECTION_PROGRESS: usize = 2;
const RECOVERY_PROGRESS: usize = 3;

/// A vote within a round.
type Vote = (PeerId, Zxid, Epoch);

/// One learner's link, as its frames tell.
#[derive(Clone, Debug)]
struct Join {
    learner: PeerId,
    leader: PeerId,
    /// How to synchronise was said.
    chosen: bool,
    /// SNAP was said, and its end was not.
    streaming: bool,
    newleader: bool,
    /// The learner has acked NEWLEADER; the leader has got it.
    acked: bool,
    ack_received: bool,
    proposed: Zxid,
    committed: Zxid,
}

/// One peer's election, and how its last attempts to join went.
#[derive(Clone, Debug, Default)]
struct Member {
    round: u64,
    votes: Vec<Vote>,
    /// Synchronisations given up in a row by one of their ends.
    failed: u32,
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
            let join = Join {
                learner: from,
                leader: to,
                chosen: false,
                streaming: false,
                newleader: false,
                acked: false,
                ack_received: false,
                proposed: Zxid::ZERO,
                committed: Zxid::ZERO,
            };
            self.joins.insert(link, join);
            return None;
        }
        let join = self.joins.get_mut(&link)?;
        self.counts[MESSAGE_LEGAL] += 1;
        let wrong = if from == join.learner {
            match tag.kind {
                "ACK" if tag.zxid.counter() == 0 => {
                    join.acked = true;
                    None
                }
                "ACK" if !join.acked => Some("ack_before_newleader"),
                _ => None,
            }
        } else {
            join.says(tag)
        };
        wrong.map(|kind| Found {
            property: MESSAGE_LEGAL,
            kind,
            peers: vec![from, to],
            detail: format!(
                "{from} sends {} {} to {to}, which cannot accept it: {}",
                tag.kind,
                tag.zxid,
                why(kind)
            ),
        })
    }

    fn received(&mut self, link: LinkId, to: PeerId, tag: &Tag) {
        let Some(join) = self.joins.get_mut(&link) else { return };
        match tag.kind {
            "ACK" if to == join.leader && tag.zxid.counter() == 0 => join.ack_received = true,
            "UPTODATE" => self.members.entry(to).or_default().failed = 0,
            _ => {}
        }
    }

    /// A link is gone. If one of its ends gave a synchronisation up over a breach of the rules, no
    /// fault did it, and the next attempt will go the same way.
    fn link_down(&mut self, at: At, link: LinkId) -> Option<Found> {
        let join = self.joins.remove(&link)?;
        if !join.newleader {
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

impl Join {
    /// What the leader says to the learner: a word for what is wrong with it.
    fn says(&mut self, tag: &Tag) -> Option<&'static str> {
        if self.streaming != matches!(tag.kind, "SNAP_CHUNK" | "SNAP_END") {
            return Some("snap_order");
        }
        match tag.kind {
            "DIFF" | "TRUNC" | "SNAP" => {
                self.streaming = tag.kind == "SNAP";
                let twice = std::mem::replace(&mut self.chosen, true);
                twice.then_some("chosen_twice")
            }
            "SNAP_END" => {
                self.streaming = false;
                None
            }
            "NEWLEADER" => {
                let right = self.chosen && !self.newleader;
                self.newleader = true;
                (!right).then_some("newleader_early")
            }
            "UPTODATE" => (!self.ack_received).then_some("uptodate_early"),
            "PROPOSAL" => {
                let right = self.chosen && tag.zxid > self.proposed;
                self.proposed = tag.zxid;
                (!right).then_some("proposal_order")
            }
            "COMMIT" => {
                let right = tag.zxid > self.committed && tag.zxid <= self.proposed;
                self.committed = tag.zxid;
                (!right).then_some("commit_unproposed")
            }
            _ => None,
        }
    }
}

/// Peers in a sentence.
fn names(peers: &PeerSet) -> String {
    let names: Vec<String> = peers.iter().map(|peer| peer.to_string()).collect();
    names.join(", ")
}

/// The rule behind a word.
fn why(kind: &str) -> &'static str {
    match kind {
        "ack_before_newleader" => "a leader waits for the ACK of NEWLEADER first",
        "chosen_twice" => "a learner is synchronised once on a link",
        "snap_order" => "a snapshot comes whole, behind SNAP and ahead of everything else",
        "newleader_early" => "NEWLEADER comes once, behind the history",
        "uptodate_early" => "the learner has not acked NEWLEADER",
        "proposal_order" => "proposals come in order, behind DIFF, TRUNC or SNAP",
        _ => "it was not proposed on this link, or is committed already",
    }
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
            Seen::Received { link, to, tag, .. } if matches!(tag.kind, "ACK" | "UPTODATE") => {
                self.received(*link, *to, tag);
                None
            }
            Seen::LinkDown { link } => self.link_down(at, *link),
            Seen::Starting { peer, .. } => {
                self.members.insert(*peer, Member::default());
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
