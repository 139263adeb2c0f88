//! Packets to bytes and back, and what the world may know of them (spec 6.3, 6.5).
//!
//! Reading borrows: a proposal's record is copied once, into the log's shared entry.

use crate::base::{Epoch, Zxid};
use crate::jute::quorum::{LearnerInfo, Notification, packet};
use crate::jute::{Error, Reader, Record};
use crate::process::Tag;

use super::rules::Ballot;

/// The learner protocol spoken.
pub const PROTOCOL_VERSION: i32 = 0x10000;

/// What ACKEPOCH says in place of a last zxid to demand a snapshot, and UPTODATE in place of one.
pub const NO_ZXID: i64 = -1;

/// The tags of what follows SNAP: the service in chunks, each in a packet like SNAP's own, and the
/// end.
pub const SNAP_CHUNK: &str = "SNAP_CHUNK";
pub const SNAP_END: &str = "SNAP_END";

/// The string that ends a snapshot on the wire (spec 6.7); no packet has these bytes.
pub const SNAP_SIGNATURE: &[u8] = b"\0\0\0\x0aBenWasHere";

/// A packet whose payload is still in the frame that brought it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// See [`packet`].
    pub kind: i32,
    /// Meaning depends on the type.
    pub zxid: i64,
    /// Payload.
    pub data: Option<&'a [u8]>,
}

impl Packet<'_> {
    /// The payload; empty if null.
    pub fn payload(&self) -> &[u8] {
        self.data.unwrap_or_default()
    }
}

/// Reads the front of a packet; identities are left to whom they concern.
///
/// # Errors
/// If the bytes are no packet.
pub fn read(bytes: &[u8]) -> Result<Packet<'_>, Error> {
    let mut input = Reader::new(bytes);
    let kind = i32::decode(&mut input)?;
    let zxid = i64::decode(&mut input)?;
    let data = match input.length()? {
        None => None,
        Some(n) => Some(input.take(n)?),
    };
    Ok(Packet { kind, zxid, data })
}

/// The bytes of a packet without identities.
pub fn write(kind: i32, zxid: i64, data: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + data.map_or(0, <[u8]>::len));
    kind.encode(&mut out);
    zxid.encode(&mut out);
    match data {
        None => (-1i32).encode(&mut out),
        Some(data) => {
            (data.len() as i32).encode(&mut out);
            out.extend_from_slice(data);
        }
    }
    0i32.encode(&mut out);
    out
}

/// The name of a packet's type, as tags spell it.
pub fn name(kind: i32) -> &'static str {
    match kind {
        packet::REQUEST => "REQUEST",
        packet::PROPOSAL => "PROPOSAL",
        packet::ACK => "ACK",
        packet::COMMIT => "COMMIT",
        packet::PING => "PING",
        packet::REVALIDATE => "REVALIDATE",
        packet::SYNC => "SYNC",
        packet::NEWLEADER => "NEWLEADER",
        packet::FOLLOWERINFO => "FOLLOWERINFO",
        packet::UPTODATE => "UPTODATE",
        packet::DIFF => "DIFF",
        packet::TRUNC => "TRUNC",
        packet::SNAP => "SNAP",
        packet::OBSERVERINFO => "FOLLOWERINFO",
        packet::LEADERINFO => "LEADERINFO",
        packet::ACKEPOCH => "ACKEPOCH",
        _ => "UNKNOWN",
    }
}

/// The tag of a packet that carries a zxid and belongs to that zxid's epoch.
pub fn tag(kind: i32, zxid: Zxid) -> Tag {
    Tag::zxid(name(kind), zxid)
}

/// The tag of a packet that belongs to an epoch whatever zxid it carries.
pub fn tag_in(kind: i32, epoch: Epoch, zxid: Zxid) -> Tag {
    Tag { kind: name(kind), epoch, zxid }
}

/// Payload of FOLLOWERINFO.
pub fn learner_info(sid: i64, config_version: Zxid) -> Vec<u8> {
    let config_version = config_version.wire();
    LearnerInfo { sid, protocol_version: PROTOCOL_VERSION, config_version }.to_bytes()
}

/// The integer that ACKEPOCH carries.
///
/// # Errors
/// If there is none.
pub fn ack_epoch(payload: &[u8]) -> Result<i32, Error> {
    i32::from_bytes(payload)
}

/// The zxid in a proposal's record, which must be that of its packet.
///
/// # Errors
/// If the record is too short to have one.
pub fn record_zxid(record: &[u8]) -> Result<Zxid, Error> {
    crate::jute::txn::zxid_of(record).map(Zxid::from_wire)
}

/// The bytes of a vote and its tag.
pub fn notification(state: i32, ballot: &Ballot, round: i64, config: &[u8]) -> (Tag, Vec<u8>) {
    let vote = Notification {
        state,
        leader: ballot.leader,
        zxid: ballot.zxid,
        round,
        peer_epoch: ballot.epoch,
        version: 2,
        config: Some(config.to_vec()),
    };
    let epoch = Epoch(u32::try_from(ballot.epoch).unwrap_or(0));
    let zxid = if ballot.zxid < 0 { Zxid::ZERO } else { Zxid::from_wire(ballot.zxid) };
    (Tag { kind: "NOTIFICATION", epoch, zxid }, vote.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jute::quorum::QuorumPacket;

    #[test]
    fn no_packet_is_the_end_of_a_snapshot() {
        assert_eq!(SNAP_SIGNATURE, "BenWasHere".to_owned().to_bytes());
        assert!(read(SNAP_SIGNATURE).is_err());
    }

    #[test]
    fn packets_are_zookeepers() {
        for data in [None, Some(vec![]), Some(vec![1, 2, 3])] {
            let whole = QuorumPacket { kind: 2, zxid: 7, data: data.clone(), authinfo: vec![] };
            let bytes = write(2, 7, data.as_deref());
            assert_eq!(bytes, whole.to_bytes());
            let packet = read(&bytes).expect("just written");
            assert_eq!((packet.kind, packet.zxid, packet.data), (2, 7, data.as_deref()));
            for cut in 0..bytes.len() - 4 {
                assert!(read(&bytes[..cut]).is_err());
            }
        }
    }
}
