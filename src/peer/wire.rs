//! Frames as the client door writes and reads them, and the payloads of REQUEST and REVALIDATE.
//!
//! Each frame is built in one buffer: four bytes for the length, patched at the end.

use crate::base::{SessionId, Zxid};
use crate::jute::proto::{ConnectRequest, ReplyHeader, WatcherEvent, opcode, xid};
use crate::jute::quorum::{QuorumPacket, packet};
use crate::jute::{Error, Reader, Record};
use crate::znode::forward;
use crate::znode::op::{ErrorCode, Op, Reply};
use crate::znode::prepare::Request;

/// The longest frame a client may send (spec 1.2): exactly this is legal.
pub const FRAME_MAX: usize = 1_048_575;

/// The first frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The record.
    pub request: ConnectRequest,
    /// Whether the optional `readOnly` byte was there: the answer has it then, too (case 1).
    pub modern: bool,
}

/// Reads the first frame.
///
/// # Errors
/// If it is not a connect request: the connection is closed.
pub fn connect_request(frame: &[u8]) -> Result<Connect, Error> {
    let mut input = Reader::new(frame);
    let request = ConnectRequest::decode(&mut input)?;
    Ok(Connect { request, modern: !input.rest().is_empty() })
}

fn frame(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    out.extend_from_slice(&[0; 4]);
    body(&mut out);
    let length = (out.len() - 4) as i32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// The answer to a connect request; a timeout of 0 with session 0 is a rejection.
pub fn connect_response(
    session: SessionId,
    timeout_ms: i32,
    passwd: [u8; 16],
    modern: bool,
) -> Vec<u8> {
    frame(|out| {
        0i32.encode(out);
        timeout_ms.encode(out);
        session.0.encode(out);
        (passwd.len() as i32).encode(out);
        out.extend_from_slice(&passwd);
        if modern {
            false.encode(out);
        }
    })
}

/// The answer to `op`: a body only if it succeeded (spec 1.4).
pub fn answer(xid: i32, zxid: Zxid, op: &Op, result: &Result<Reply, ErrorCode>) -> Vec<u8> {
    frame(|out| match result {
        Ok(reply) => {
            ReplyHeader { xid, zxid: zxid.wire(), err: 0 }.encode(out);
            reply.encode(op, out);
        }
        Err(code) => ReplyHeader { xid, zxid: zxid.wire(), err: code.wire() }.encode(out),
    })
}

/// A header alone, for refusals whose zxid is none of a transaction's.
pub fn refusal(xid: i32, zxid: i64, code: ErrorCode) -> Vec<u8> {
    frame(|out| ReplyHeader { xid, zxid, err: code.wire() }.encode(out))
}

/// A watch notification; `None` is the -1 of setWatches.
pub fn notification(kind: i32, path: String, zxid: Option<Zxid>) -> Vec<u8> {
    frame(|out| {
        let zxid = zxid.map_or(-1, Zxid::wire);
        ReplyHeader { xid: xid::NOTIFICATION, zxid, err: 0 }.encode(out);
        WatcherEvent { kind, state: 3, path }.encode(out);
    })
}

/// REQUEST: a client's request, on its way from a learner to the leader.
pub fn request(request: &Request) -> QuorumPacket {
    let data = Some(forward::encode(request));
    QuorumPacket { kind: packet::REQUEST, zxid: -1, data, authinfo: Vec::new() }
}

/// Whether the opcode, on its own, announces a write: what cannot be decoded of it still becomes
/// an error transaction (spec 9, case 24).
pub fn announces_write(kind: i32) -> bool {
    matches!(
        kind,
        opcode::CREATE | opcode::CREATE2 | opcode::DELETE | opcode::SET_DATA | opcode::MULTI
    )
}

/// Whether this server knows the opcode. All others are refused as if they did not exist; the
/// codec knows more of them, for clients and judges.
pub fn is_served(kind: i32) -> bool {
    matches!(
        kind,
        opcode::CREATE
            | opcode::CREATE2
            | opcode::DELETE
            | opcode::EXISTS
            | opcode::GET_DATA
            | opcode::SET_DATA
            | opcode::GET_CHILDREN
            | opcode::GET_CHILDREN2
            | opcode::CHECK
            | opcode::SYNC
            | opcode::PING
            | opcode::MULTI
            | opcode::MULTI_READ
            | opcode::SET_WATCHES
            | opcode::CLOSE_SESSION
    )
}

/// REVALIDATE: the question with the timeout asked for, or the answer with the verdict.
pub fn revalidate<T: Record>(session: SessionId, what: &T) -> QuorumPacket {
    let mut data = Vec::with_capacity(12);
    session.0.encode(&mut data);
    what.encode(&mut data);
    QuorumPacket { kind: packet::REVALIDATE, zxid: -1, data: Some(data), authinfo: Vec::new() }
}

/// The data of a REVALIDATE, in either direction.
///
/// # Errors
/// If it is too short.
pub fn read_revalidate<T: Record>(data: &[u8]) -> Result<(SessionId, T), Error> {
    let mut input = Reader::new(data);
    let session = SessionId(i64::decode(&mut input)?);
    Ok((session, T::decode(&mut input)?))
}

/// SYNC: the leader's answer. It carries nothing: answers come in the order of the questions.
pub fn synced() -> QuorumPacket {
    QuorumPacket { kind: packet::SYNC, zxid: 0, data: None, authinfo: Vec::new() }
}
