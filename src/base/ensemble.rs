//! Who belongs to an ensemble, and which sets of peers are a quorum of it.
//!
//! Majority quorums over voters. Observers belong to a configuration but never count (spec 6.9).

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{PeerId, Zxid};

/// A set of peers as bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerSet([u64; 4]);

impl PeerSet {
    /// Nobody.
    pub const EMPTY: PeerSet = PeerSet([0; 4]);

    /// Adds a peer; true if it was not there.
    pub fn insert(&mut self, peer: PeerId) -> bool {
        let was = self.contains(peer);
        self.0[usize::from(peer.0) / 64] |= 1 << (peer.0 % 64);
        !was
    }

    /// Removes a peer; true if it was there.
    pub fn remove(&mut self, peer: PeerId) -> bool {
        let was = self.contains(peer);
        self.0[usize::from(peer.0) / 64] &= !(1 << (peer.0 % 64));
        was
    }

    /// Whether the peer is in the set.
    pub fn contains(&self, peer: PeerId) -> bool {
        self.0[usize::from(peer.0) / 64] >> (peer.0 % 64) & 1 == 1
    }

    /// How many peers.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        *self == PeerSet::EMPTY
    }

    /// The peers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = PeerId> + '_ {
        (0..=255u8).map(PeerId).filter(|peer| self.contains(*peer))
    }
}

impl FromIterator<PeerId> for PeerSet {
    fn from_iter<I: IntoIterator<Item = PeerId>>(peers: I) -> PeerSet {
        let mut set = PeerSet::EMPTY;
        for peer in peers {
            set.insert(peer);
        }
        set
    }
}

impl fmt::Debug for PeerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// One configuration of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The zxid that made it; 0 for the initial one (spec 6.9).
    pub version: Zxid,
    /// Who votes, ascending.
    pub voters: Vec<PeerId>,
    /// Who follows without a vote, ascending.
    pub observers: Vec<PeerId>,
}

impl Config {
    /// The initial configuration with voters 1 to `voters`.
    pub fn initial(voters: u8) -> Config {
        let voters = (1..=voters).map(PeerId).collect();
        Config { version: Zxid::ZERO, voters, observers: Vec::new() }
    }

    /// Whether `acks`, filtered to voters, is more than half of the voters.
    pub fn is_quorum(&self, acks: &PeerSet) -> bool {
        let votes = self.voters.iter().filter(|voter| acks.contains(**voter)).count();
        votes > self.voters.len() / 2
    }

    /// Whether the peer votes.
    pub fn is_voter(&self, peer: PeerId) -> bool {
        self.voters.contains(&peer)
    }

    /// All members, ascending.
    pub fn members(&self) -> impl Iterator<Item = PeerId> + '_ {
        let mut all: Vec<PeerId> = self.voters.iter().chain(&self.observers).copied().collect();
        all.sort();
        all.into_iter()
    }

    /// The text of spec 6.9, with simulated addresses.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for peer in self.members() {
            let role = if self.is_voter(peer) { "participant" } else { "observer" };
            let id = peer.0;
            let _ = writeln!(text, "server.{id}=peer-{id}:2888:3888:{role};0.0.0.0:2181");
        }
        let _ = write!(text, "version={:x}", self.version.0);
        text
    }

    /// Reads [`Config::text`] back.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub fn parse(text: &str) -> Result<Config, String> {
        let mut config = Config { version: Zxid::ZERO, voters: Vec::new(), observers: Vec::new() };
        for line in text.lines() {
            let bad = || format!("config line `{line}` is neither server.N=.. nor version=..");
            let (key, value) = line.split_once('=').ok_or_else(bad)?;
            if key == "version" {
                config.version = Zxid(u64::from_str_radix(value, 16).map_err(|_| bad())?);
            } else {
                let sid = key.strip_prefix("server.").ok_or_else(bad)?;
                let peer = PeerId(sid.parse().map_err(|_| bad())?);
                let observer = value.split(';').next().is_some_and(|s| s.ends_with(":observer"));
                if observer { config.observers.push(peer) } else { config.voters.push(peer) }
            }
        }
        config.voters.sort();
        config.observers.sort();
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half_of_the_voters() {
        for voters in 1..=7u8 {
            let config = Config::initial(voters);
            for acks in 0..=voters {
                let set: PeerSet = (1..=acks).map(PeerId).collect();
                assert_eq!(config.is_quorum(&set), acks > voters / 2, "{acks} of {voters}");
            }
        }
        let strangers: PeerSet = (10..20).map(PeerId).collect();
        assert!(!Config::initial(3).is_quorum(&strangers));
    }

    #[test]
    fn config_text_reads_back() {
        let mut config = Config::initial(3);
        config.version = Zxid(0x1_0000_0000);
        config.observers = vec![PeerId(9)];
        assert_eq!(Config::parse(&config.text()), Ok(config));
    }
}
