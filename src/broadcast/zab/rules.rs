//! The decisions that carry Zab's weight, as a table of pure functions.
//!
//! Protocol files ask this table with `decide!` and do what it answers, so that
//! another answer can be put in without a trace in them. Each entry names the ZOOKEEPER issue that
//! its right answer prevents.

use std::fmt;

use crate::base::{Config, Epoch, PeerSet, Zxid};
use crate::disk;
use crate::process::{Role, SyncMode};

use super::sync::{self, Choice, SyncInput};

/// What an election compares: a candidate and how recent its history is (spec 6.3). As on the
/// wire; a peer without a vote carries `MIN` in all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The candidate.
    pub leader: i64,
    /// The candidate's last zxid.
    pub zxid: i64,
    /// The candidate's currentEpoch.
    pub epoch: i64,
    /// The election round it was cast in.
    pub round: i64,
}

impl Ballot {
    /// The ballot of a peer that has no vote.
    pub const NONE: Ballot = Ballot { leader: i64::MIN, zxid: i64::MIN, epoch: i64::MIN, round: 0 };
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ballot { leader, zxid, epoch, round } = *self;
        if *self == (Ballot { round, ..Ballot::NONE }) {
            return write!(f, "none, round {round}");
        }
        write!(f, "p{leader} with {} of epoch {epoch}, round {round}", Zxid::from_wire(zxid))
    }
}

/// What a learner answers to LEADERINFO (spec 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochAnswer {
    /// Make the epoch durable, then answer with currentEpoch.
    Promise,
    /// Answer -1: already promised, perhaps to another leader, so it must not count.
    Repeat,
    /// Leave: a newer epoch was promised.
    Refuse,
}

/// One durable or visible step of accepting NEWLEADER or UPTODATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// After SNAP only: make the received snapshot durable, then drop the old log.
    Save,
    /// Log the committed part of what was synchronised, and wait until it is durable.
    Log,
    /// Hand the same to the log task and go on.
    LogLater,
    /// Apply it to the service.
    Apply,
    /// Make currentEpoch durable.
    Epoch,
    /// Send the ACK of NEWLEADER.
    Ack,
}

/// When an append counts as acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckWhen {
    /// Once it is durable.
    Durable,
    /// Before.
    AtOnce,
}

/// What becomes of queued appends when a role is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLeave {
    /// They are appended and synced before the next vote looks at the log.
    Drain,
    /// The log task goes on by itself.
    Leave,
    /// They are dropped.
    Drop,
}

/// What becomes of a transaction that only memory has, when a role is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLogged {
    /// It is as if it had never come.
    Forgotten,
    /// The service has it, and the history does not.
    Applied,
}

/// When a learner starts to be forwarded proposals and commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// In the same event that chooses how to synchronise it.
    WithChoice,
    /// When it has acknowledged NEWLEADER.
    WithAck,
}

/// The table. See each entry; [`Rules::RIGHT`] has the right ones.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The name of what was put in, told as a hit whenever an answer differs from the right one.
    pub planted: Option<&'static str>,
    /// Those of its files.
    pub disk: disk::rules::Rules,
    /// Whether the first ballot beats the second: a strict total order on (epoch, zxid, sid)
    /// (ZOOKEEPER-1419).
    pub better: fn(&Ballot, &Ballot) -> bool,
    /// Whether those who agree elect, out of those heard of (ZOOKEEPER-975).
    pub elected: fn(&Config, &PeerSet, &PeerSet) -> bool,
    /// Whether a set of acknowledgements suffices, in every phase after election.
    pub quorum: fn(&Config, &PeerSet) -> bool,
    /// The new epoch from the highest acceptedEpoch seen and the own last zxid (ZOOKEEPER-335).
    pub new_epoch: fn(Epoch, Zxid) -> Epoch,
    /// What to answer to a proposed epoch, given acceptedEpoch (ZOOKEEPER-335).
    pub answer_epoch: fn(Epoch, Epoch) -> EpochAnswer,
    /// Whether acceptedEpoch is durable before LEADERINFO or ACKEPOCH leaves, by whose it is
    /// (ZOOKEEPER-1282).
    pub promise_first: fn(Role) -> bool,
    /// The last zxid to vote with and to report, from (last logged, last applied)
    /// (ZOOKEEPER-2845).
    pub last_zxid: fn(Zxid, Zxid) -> Zxid,
    /// Whether the service is brought up to the log when a role is left, from (last logged, last
    /// applied) (ZOOKEEPER-2845).
    pub fast_forward: fn(Zxid, Zxid) -> bool,
    /// What becomes of a transaction that was received but not logged when its role is left
    /// (ZOOKEEPER-5010).
    pub not_logged: fn() -> NotLogged,
    /// Whether a candidate with this (currentEpoch, last zxid) refuses a learner with that one.
    pub refuses: fn((Epoch, Zxid), (Epoch, Zxid)) -> bool,
    /// Whether a leader of this epoch gives up for a voter that has accepted that one. Such a voter
    /// promised itself to a candidate that failed; it can never follow a lower epoch, so without a
    /// new election it would stay away for ever, and keep knocking (a liveness hole of spec 6.6).
    pub yields: fn(Epoch, Epoch) -> bool,
    /// How to synchronise a learner (spec 6.7; ZOOKEEPER-1154).
    pub sync: fn(&SyncInput<'_>) -> Choice,
    /// When a learner is registered for forwarding (ZOOKEEPER-962).
    pub register: fn() -> Register,
    /// The steps of accepting NEWLEADER, when so many committed transactions were synchronised
    /// (ZOOKEEPER-3911, 4643, 4646, 4785, 1291, 3023).
    pub newleader: fn(SyncMode, usize) -> &'static [Step],
    /// The steps of accepting UPTODATE, before serving, when so many of those were left
    /// (ZOOKEEPER-3911).
    pub uptodate: fn(SyncMode, usize) -> &'static [Step],
    /// When a learner acknowledges a proposal.
    pub learner_ack: fn() -> AckWhen,
    /// When a leader counts itself.
    pub own_ack: fn() -> AckWhen,
    /// Whether a leader whose own log owes a sync for longer than `syncLimit` stops leading, as a
    /// learner that owes an ACK for so long is left (spec 6.10; ZOOKEEPER-2247).
    pub own_log_late: fn(bool) -> bool,
    /// What becomes of so many queued appends when a role is left (ZOOKEEPER-4712, 4541).
    pub on_leave: fn(usize) -> OnLeave,
    /// Whether NEWLEADER takes so many uncommitted proposals off the list that COMMITs before
    /// UPTODATE are matched with (ZOOKEEPER-4394).
    pub newleader_drains: fn(usize) -> bool,
    /// Whether so many uncommitted proposals, and those up to UPTODATE, are logged and
    /// acknowledged from NEWLEADER on (ZOOKEEPER-4685).
    pub log_before_uptodate: fn(usize) -> bool,
    /// Whether the second zxid is the one that an epoch's leader gives out right after the first
    /// (ZOOKEEPER-1277).
    pub dense: fn(Zxid, Zxid) -> bool,
    /// Whether a learner takes the second proposal after the first: no gap (Remix I-13).
    pub follows: fn(Zxid, Zxid) -> bool,
    /// Whether the service is kept when SNAP was not finished (ZOOKEEPER-3642).
    pub keep_partial_snap: fn() -> bool,
    /// Whether what a restart found is written as a snapshot at once, committed or not
    /// (ZOOKEEPER-1549).
    pub snapshot_at_boot: fn() -> bool,
    /// Whether a failed write or sync of the log stops a peer in this role, rather than its log
    /// task only (ZOOKEEPER-2247).
    pub log_failure_stops: fn(Role) -> bool,
}

impl Rules {
    /// The right answers.
    pub const RIGHT: Rules = Rules {
        planted: None,
        disk: disk::rules::Rules::RIGHT,
        better,
        elected: |config, agree, _heard| config.is_quorum(agree),
        quorum: Config::is_quorum,
        new_epoch: |seen, _last| seen.next(),
        answer_epoch,
        promise_first: |_role| true,
        last_zxid: |logged, _applied| logged,
        fast_forward: |_logged, _applied| true,
        not_logged: || NotLogged::Forgotten,
        refuses: |mine, theirs| theirs > mine,
        yields: |epoch, accepted| accepted > epoch,
        sync: sync::choose,
        register: || Register::WithChoice,
        newleader: |_mode, _txns| &[Step::Save, Step::Log, Step::Apply, Step::Epoch, Step::Ack],
        uptodate: |_mode, _left| &[],
        learner_ack: || AckWhen::Durable,
        own_ack: || AckWhen::Durable,
        own_log_late: |late| late,
        on_leave: |_queued| OnLeave::Drain,
        newleader_drains: |_pending| false,
        log_before_uptodate: |_pending| false,
        dense: |last, next| last.next() == Some(next),
        follows,
        keep_partial_snap: || false,
        snapshot_at_boot: || false,
        log_failure_stops: |_role| true,
    };

    /// The right answers.
    pub fn right() -> Rules {
        Rules::RIGHT
    }
}

/// Lexicographic on (epoch, zxid, sid).
fn better(a: &Ballot, b: &Ballot) -> bool {
    (a.epoch, a.zxid, a.leader) > (b.epoch, b.zxid, b.leader)
}

fn answer_epoch(accepted: Epoch, proposed: Epoch) -> EpochAnswer {
    match proposed.cmp(&accepted) {
        std::cmp::Ordering::Greater => EpochAnswer::Promise,
        std::cmp::Ordering::Equal => EpochAnswer::Repeat,
        std::cmp::Ordering::Less => EpochAnswer::Refuse,
    }
}

/// The next counter of the same epoch, or the first of a higher one (spec 6.8).
fn follows(last: Zxid, next: Zxid) -> bool {
    last.next() == Some(next) || (next.epoch() > last.epoch() && next.counter() == 1)
}

/// Asks the table, and tells a hit if what was put in answers differently.
macro_rules! decide {
    ($zab:expr, $fx:expr, $rule:ident($($argument:expr),*)) => {{
        let answer = ($zab.rules.$rule)($($argument),*);
        if let Some(name) = $zab.rules.planted
            && answer != ($crate::broadcast::zab::rules::Rules::RIGHT.$rule)($($argument),*)
        {
            $fx.note($crate::process::Note::hit(name));
        }
        answer
    }};
}
pub(crate) use decide;

#[cfg(test)]
mod tests {
    use super::*;

    fn ballots() -> Vec<Ballot> {
        let mut all = Vec::new();
        for epoch in 0..3 {
            for zxid in 0..3 {
                for leader in 1..4 {
                    all.push(Ballot { leader, zxid, epoch, round: 1 });
                }
            }
        }
        all
    }

    #[test]
    fn vote_order_is_a_strict_total_order() {
        let all = ballots();
        for a in &all {
            assert!(!better(a, a));
            for b in &all {
                assert!(a == b || better(a, b) != better(b, a), "{a:?} {b:?}");
                for c in &all {
                    assert!(!(better(a, b) && better(b, c)) || better(a, c), "{a:?} {b:?} {c:?}");
                }
            }
        }
    }

    #[test]
    fn a_promised_epoch_is_never_promised_again() {
        assert_eq!(answer_epoch(Epoch(3), Epoch(4)), EpochAnswer::Promise);
        assert_eq!(answer_epoch(Epoch(3), Epoch(3)), EpochAnswer::Repeat);
        assert_eq!(answer_epoch(Epoch(3), Epoch(2)), EpochAnswer::Refuse);
    }

    #[test]
    fn a_proposal_follows_without_a_gap() {
        let z = |epoch, counter| Zxid::new(Epoch(epoch), counter);
        assert!(follows(z(1, 4), z(1, 5)));
        assert!(follows(z(1, 4), z(2, 1)));
        assert!(follows(z(1, 0), z(1, 1)));
        assert!(!follows(z(1, 4), z(1, 6)));
        assert!(!follows(z(1, 4), z(1, 4)));
        assert!(!follows(z(1, 4), z(2, 2)));
        assert!(!follows(z(2, 4), z(1, 5)));
        assert!(!follows(z(1, u32::MAX), z(2, 0)));
    }
}
