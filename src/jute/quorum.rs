//! Records of the protocols between servers (spec 6.3, 6.5).

use super::{Error, Reader, Record, record};

/// Types of a [`QuorumPacket`] (spec 6.5).
pub mod packet {
    #![allow(missing_docs)] // The names are the field's.
    pub const REQUEST: i32 = 1;
    pub const PROPOSAL: i32 = 2;
    pub const ACK: i32 = 3;
    pub const COMMIT: i32 = 4;
    pub const PING: i32 = 5;
    pub const REVALIDATE: i32 = 6;
    pub const SYNC: i32 = 7;
    pub const INFORM: i32 = 8;
    pub const NEWLEADER: i32 = 10;
    pub const FOLLOWERINFO: i32 = 11;
    pub const UPTODATE: i32 = 12;
    pub const DIFF: i32 = 13;
    pub const TRUNC: i32 = 14;
    pub const SNAP: i32 = 15;
    pub const OBSERVERINFO: i32 = 16;
    pub const LEADERINFO: i32 = 17;
    pub const ACKEPOCH: i32 = 18;
}

record! {
    /// What travels between learner and leader. On our links it is length-prefixed by the link.
    QuorumPacket {
        /// See [`packet`].
        kind: i32,
        /// Meaning depends on the type.
        zxid: i64,
        /// Payload.
        data: Option<Vec<u8>>,
        /// The client's identities, in REQUEST only.
        authinfo: Vec<super::proto::Id>,
    }
    /// A vote (spec 6.3), as version 2 sends it; [`Notification::read`] reads older ones, too.
    Notification {
        /// 0 LOOKING, 1 FOLLOWING, 2 LEADING, 3 OBSERVING.
        state: i32,
        /// The vote's candidate.
        leader: i64,
        /// The candidate's last zxid.
        zxid: i64,
        /// The sender's election round.
        round: i64,
        /// The vote's epoch.
        peer_epoch: i64,
        /// 2.
        version: i32,
        /// The sender's configuration (spec 6.9), as a buffer.
        config: Option<Vec<u8>>,
    }
    /// Payload of FOLLOWERINFO and OBSERVERINFO.
    LearnerInfo {
        /// Who.
        sid: i64,
        /// 0x10000.
        protocol_version: i32,
        /// Its committed configuration.
        config_version: i64,
    }
}

/// The length of a notification that ends before the epoch: the candidate's zxid tells it.
const WITHOUT_EPOCH: usize = 28;
/// The length of one that ends before the configuration; its version says nothing yet.
const WITHOUT_CONFIG: usize = 40;

impl Notification {
    /// Reads a vote of this or an older version (spec 6.3): 28 bytes, 40 bytes, or at least 40 with
    /// a version and, from version 2 on, a configuration. The older ones read as version 0.
    ///
    /// # Errors
    /// If the bytes are none of them.
    pub fn read(bytes: &[u8]) -> Result<Notification, Error> {
        let mut input = Reader::new(bytes);
        let state = i32::decode(&mut input)?;
        let leader = i64::decode(&mut input)?;
        let zxid = i64::decode(&mut input)?;
        let round = i64::decode(&mut input)?;
        let mut vote = Notification { state, leader, zxid, round, ..Notification::default() };
        if bytes.len() == WITHOUT_EPOCH {
            vote.peer_epoch = zxid >> 32;
            return Ok(vote);
        }
        vote.peer_epoch = i64::decode(&mut input)?;
        let version = i32::decode(&mut input)?;
        if bytes.len() == WITHOUT_CONFIG {
            return Ok(vote);
        }
        vote.version = version;
        if version > 1 {
            let length =
                input.length()?.ok_or_else(|| input.error("a configuration of length -1"))?;
            vote.config = Some(input.take(length)?.to_vec());
        }
        Ok(vote)
    }
}
