//! Fast leader election (spec 6.3, 6.4).
//!
//! ```text
//!   round += 1, vote for myself --> notifications --> a quorum agrees --> wait for a better vote
//!      ^                               |                                        | none
//!      +---- poll: send again ---------+                                        v
//!                                      +-- an established leader ----------> decided
//! ```
//!
//! Invariants: a ballot names the last logged zxid and the durable currentEpoch of its candidate;
//! a peer without a vote sends `MIN` values, which count for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Config, Duration, Epoch, LinkId, PeerId, PeerSet, Zxid};
use crate::jute::quorum::Notification;
use crate::process::{Effects, Note, Timer};

use super::{Ballot, Cx, Station, Zab, decide, wire};

const LOOKING: i32 = 0;
const FOLLOWING: i32 = 1;
const LEADING: i32 = 2;
const OBSERVING: i32 = 3;

/// A ballot as somebody reported it, and that peer's state.
#[derive(Clone, Copy, Debug)]
struct Vote {
    ballot: Ballot,
    state: i32,
    /// Whether it came in a form without a version.
    legacy: bool,
}

impl Vote {
    /// Whether both say the same: among peers that have decided only leader and epoch count,
    /// because zxid and round are those of the election each of them joined. Peers of before the
    /// version do not bring their votes to the new epoch, so with them only the leader does.
    fn agrees(&self, other: &Vote) -> bool {
        if self.state == LOOKING || other.state == LOOKING {
            return self.ballot == other.ballot;
        }
        self.ballot.leader == other.ballot.leader
            && (self.legacy != other.legacy || self.ballot.epoch == other.ballot.epoch)
    }
}

/// One peer's election.
#[derive(Clone, Debug)]
pub(super) struct Election {
    /// The logical clock: not durable.
    pub round: i64,
    /// The proposal while LOOKING, the vote that was decided on after.
    pub ballot: Ballot,
    /// Votes of this round.
    votes: BTreeMap<PeerId, Vote>,
    /// Votes of peers that have decided, of whatever round.
    settled: BTreeMap<PeerId, Vote>,
    poll: Duration,
    finalizing: bool,
    /// The newest notification of each peer while this one is not ready to elect.
    stash: BTreeMap<PeerId, Notification>,
    config_text: Arc<[u8]>,
}

impl Election {
    pub fn new(config: &Config, poll: Duration) -> Election {
        Election {
            round: 0,
            ballot: Ballot::NONE,
            votes: BTreeMap::new(),
            settled: BTreeMap::new(),
            poll,
            finalizing: false,
            stash: BTreeMap::new(),
            config_text: config.text().into_bytes().into(),
        }
    }

    /// The configuration as text.
    pub fn config_text(&self) -> &[u8] {
        &self.config_text
    }

    /// After synchronisation every peer votes with the new epoch, so that latecomers find a
    /// quorum that agrees (spec 6.4).
    pub fn settle_epoch(&mut self, epoch: Epoch) {
        self.ballot.epoch = i64::from(epoch.0);
    }
}

/// Those in `votes` that agree with `vote`.
fn agreeing(votes: &BTreeMap<PeerId, Vote>, vote: &Vote) -> PeerSet {
    votes.iter().filter(|(_, other)| vote.agrees(other)).map(|(peer, _)| *peer).collect()
}

impl Zab {
    /// What this peer proposes at first.
    fn own_ballot(&self, fx: &mut Effects) -> Ballot {
        let round = self.election.round;
        if !self.votes() {
            return Ballot { round, ..Ballot::NONE };
        }
        let zxid = self.last_zxid(fx).wire();
        Ballot { leader: i64::from(self.me.0), zxid, epoch: i64::from(self.current.0), round }
    }

    pub(super) fn begin_election(&mut self, cx: &mut Cx<'_>) {
        self.election.round = self.election.round.saturating_add(1);
        self.election.votes.clear();
        self.election.settled.clear();
        self.election.finalizing = false;
        self.election.poll = self.knobs.poll;
        cx.fx.set_timer_in(Timer("zab.poll", 0), self.knobs.poll);
        let ballot = self.own_ballot(cx.fx);
        self.propose_ballot(ballot, cx.fx);
        if self.config.voters.len() == 1 && self.votes() {
            return self.decide_on(self.election.ballot, cx); // There is nobody to wait for.
        }
        for (peer, vote) in std::mem::take(&mut self.election.stash) {
            if matches!(self.station, Station::Looking { ready: true }) {
                self.consider(peer, &vote, cx);
            }
        }
    }

    /// Makes a ballot this peer's own, and tells everybody who votes.
    fn propose_ballot(&mut self, ballot: Ballot, fx: &mut Effects) {
        let ballot = Ballot { round: self.election.round, ..ballot };
        self.election.ballot = ballot;
        if self.votes() {
            self.election.votes.insert(self.me, Vote { ballot, state: LOOKING, legacy: false });
            fx.note(Note::Voted {
                leader: PeerId(u8::try_from(ballot.leader).unwrap_or(0)),
                zxid: Zxid::from_wire(ballot.zxid),
                epoch: Epoch(u32::try_from(ballot.epoch).unwrap_or(0)),
                round: ballot.round as u64,
            });
        }
        self.notify_voters(fx);
    }

    fn notify_voters(&mut self, fx: &mut Effects) {
        for at in 0..self.config.voters.len() {
            let voter = self.config.voters[at];
            if voter != self.me {
                self.notify(voter, fx);
            }
        }
    }

    /// Sends this peer's vote, or owes it until there is a link.
    pub(super) fn notify(&mut self, peer: PeerId, fx: &mut Effects) {
        let (state, ballot) = match &self.station {
            Station::Looking { ready: false } => return,
            // Without a vote nobody may be told one, but asking who leads needs a message.
            Station::Looking { .. } if !self.votes() => {
                (LOOKING, Ballot { round: self.election.round, ..Ballot::NONE })
            }
            Station::Looking { .. } => (LOOKING, self.election.ballot),
            Station::Leading(_) => (LEADING, self.election.ballot),
            Station::Learning(learner) if learner.voting => (FOLLOWING, self.election.ballot),
            Station::Learning(_) => (OBSERVING, self.election.ballot),
        };
        let Some(link) = self.mesh.link_or_owe(peer) else { return };
        let text = &self.election.config_text;
        let (tag, bytes) = wire::notification(state, &ballot, ballot.round, text);
        fx.send(link, tag, bytes);
    }

    pub(super) fn on_notification(
        &mut self,
        peer: PeerId,
        link: LinkId,
        bytes: &[u8],
        cx: &mut Cx<'_>,
    ) {
        let vote = match Notification::read(bytes) {
            Ok(vote) if (LOOKING..=OBSERVING).contains(&vote.state) => vote,
            Ok(_) | Err(_) => {
                cx.fx.note(Note::Breach { what: "notification", zxid: Zxid::ZERO });
                return self.mesh_drop(peer, link, cx.fx);
            }
        };
        match self.station {
            Station::Looking { ready: false } => {
                self.election.stash.insert(peer, vote);
            }
            Station::Looking { ready: true } => {
                if !self.config.is_voter(peer) {
                    return self.notify(peer, cx.fx);
                }
                if vote.state == LOOKING && vote.round < self.election.round {
                    self.notify(peer, cx.fx);
                }
                self.consider(peer, &vote, cx);
            }
            Station::Leading(_) | Station::Learning(_) => {
                if vote.state == LOOKING {
                    self.notify(peer, cx.fx);
                }
            }
        }
    }

    /// Takes a notification into account while LOOKING.
    fn consider(&mut self, peer: PeerId, vote: &Notification, cx: &mut Cx<'_>) {
        let candidate = u8::try_from(vote.leader).map(PeerId);
        let valid = candidate.is_ok_and(|leader| self.config.is_voter(leader));
        if !valid || !self.config.is_voter(peer) || vote.state == OBSERVING {
            return;
        }
        let (leader, zxid, epoch) = (vote.leader, vote.zxid, vote.peer_epoch);
        let ballot = Ballot { leader, zxid, epoch, round: vote.round };
        if self.election.finalizing {
            // Only a better vote breaks the wait (spec 6.4).
            if !decide!(self, cx.fx, better(&ballot, &self.election.ballot)) {
                return;
            }
            self.election.finalizing = false;
            cx.fx.cancel_timer(Timer("zab.finalize", 0));
        }
        let vote = Vote { ballot, state: vote.state, legacy: vote.version < 1 };
        if vote.state == LOOKING {
            self.consider_candidate(peer, vote, cx);
        } else {
            self.consider_established(peer, vote, cx);
        }
        self.check_elected(cx);
    }

    fn consider_candidate(&mut self, peer: PeerId, vote: Vote, cx: &mut Cx<'_>) {
        let ballot = vote.ballot;
        if ballot.zxid == -1 || ballot.round < self.election.round {
            return;
        }
        if ballot.round > self.election.round {
            self.election.round = ballot.round;
            self.election.votes.clear();
            let own = self.own_ballot(cx.fx);
            let better = decide!(self, cx.fx, better(&ballot, &own));
            self.propose_ballot(if better { ballot } else { own }, cx.fx);
        } else if decide!(self, cx.fx, better(&ballot, &self.election.ballot)) {
            self.propose_ballot(ballot, cx.fx);
        }
        self.election.votes.insert(peer, vote);
    }

    /// Joins a leader that others have already decided on.
    fn consider_established(&mut self, peer: PeerId, vote: Vote, cx: &mut Cx<'_>) {
        if vote.ballot.round == self.election.round {
            self.election.votes.insert(peer, vote);
            if self.established(&self.election.votes, &vote) {
                return self.decide_on(vote.ballot, cx);
            }
        }
        self.election.settled.insert(peer, vote);
        if self.established(&self.election.settled, &vote) {
            self.election.round = vote.ballot.round;
            self.decide_on(vote.ballot, cx);
        }
    }

    /// Whether a quorum agrees with the vote, and its leader says that it leads.
    fn established(&self, votes: &BTreeMap<PeerId, Vote>, vote: &Vote) -> bool {
        let leads = if vote.ballot.leader == i64::from(self.me.0) {
            vote.ballot.round == self.election.round && self.votes()
        } else {
            u8::try_from(vote.ballot.leader)
                .is_ok_and(|id| votes.get(&PeerId(id)).is_some_and(|v| v.state == LEADING))
        };
        leads && self.config.is_quorum(&agreeing(votes, vote))
    }

    /// Starts the wait for a better vote once a quorum agrees with this peer.
    fn check_elected(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.station, Station::Looking { ready: true }) || self.election.finalizing {
            return;
        }
        let mine = Vote { ballot: self.election.ballot, state: LOOKING, legacy: false };
        let agree = agreeing(&self.election.votes, &mine);
        let replied = self.election.votes.keys().chain(self.election.settled.keys());
        let heard: PeerSet = replied.copied().collect();
        if decide!(self, cx.fx, elected(&self.config, &agree, &heard)) {
            self.election.finalizing = true;
            cx.fx.set_timer_in(Timer("zab.finalize", 0), self.knobs.finalize);
        }
    }

    pub(super) fn on_finalize(&mut self, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.election.finalizing) {
            self.decide_on(self.election.ballot, cx);
        }
    }

    /// Nothing was decided for a while: everybody is told again, ever more slowly.
    pub(super) fn on_poll(&mut self, cx: &mut Cx<'_>) {
        let next = self.election.poll.times(2);
        self.election.poll = next.min(self.knobs.poll_max);
        cx.fx.set_timer_in(Timer("zab.poll", 0), self.election.poll);
        self.notify_voters(cx.fx);
    }

    fn decide_on(&mut self, ballot: Ballot, cx: &mut Cx<'_>) {
        let Ok(leader) = u8::try_from(ballot.leader).map(PeerId) else { return };
        if leader == self.me && !self.votes() {
            return; // Others may still remember a vote of before the wipe.
        }
        self.election.ballot = ballot;
        self.election.finalizing = false;
        self.election.stash.clear();
        cx.fx.cancel_timer(Timer("zab.poll", 0));
        cx.fx.cancel_timer(Timer("zab.finalize", 0));
        if leader == self.me { self.lead(cx) } else { self.learn_from(leader, cx) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_of_before_the_version_agree_by_the_leader_alone() {
        let vote = |state, epoch, legacy| {
            let ballot = Ballot { leader: 3, zxid: 9, epoch, round: 1 };
            Vote { ballot, state, legacy }
        };
        assert!(vote(FOLLOWING, 2, false).agrees(&vote(LEADING, 2, false)));
        assert!(!vote(FOLLOWING, 1, false).agrees(&vote(LEADING, 2, false)));
        assert!(vote(FOLLOWING, 1, true).agrees(&vote(LEADING, 2, false)));
        assert!(!vote(FOLLOWING, 1, true).agrees(&vote(LEADING, 2, true)));
        assert!(!vote(LOOKING, 1, true).agrees(&vote(LEADING, 2, false)), "nobody has decided");
    }
}
