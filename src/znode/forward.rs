//! A request on its way from a learner to the leader: the payload of REQUEST (spec 6.5).

use crate::base::SessionId;
use crate::jute::proto::opcode;
use crate::jute::{Error, Reader, Record};

use super::codec::decode_request;
use super::op::{ErrorCode, Op};
use super::prepare::Request;

/// `{long session, int cxid, int type, body}`. A request that the learner could not decode travels
/// as type -1 with its error code, so that it takes its place in the order (spec 9, case 24).
pub fn encode(request: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    request.session.0.encode(&mut out);
    request.cxid.encode(&mut out);
    match &request.op {
        Ok(op) => {
            op.opcode().encode(&mut out);
            op.encode_body(&mut out);
        }
        Err(code) => {
            opcode::ERROR.encode(&mut out);
            code.wire().encode(&mut out);
        }
    }
    out
}

/// Reads [`encode`] back. Unlike a client, a learner may ask for a session to be created.
///
/// # Errors
/// If there are not even session, cxid and type. A body that cannot be read is an `Err` within the
/// request, and becomes an error transaction.
pub fn decode(bytes: &[u8]) -> Result<Request, Error> {
    let mut input = Reader::new(bytes);
    let session = SessionId(Record::decode(&mut input)?);
    let cxid = Record::decode(&mut input)?;
    let op = match i32::decode(&mut input)? {
        opcode::CREATE_SESSION => match i32::decode(&mut input) {
            Ok(timeout) => Ok(Op::CreateSession { timeout }),
            Err(_) => Err(ErrorCode::MarshallingError),
        },
        opcode::ERROR => {
            Err(i32::decode(&mut input).map_or(ErrorCode::SystemError, ErrorCode::from_wire))
        }
        kind => decode_request(kind, &mut input),
    };
    Ok(Request { session, cxid, op })
}
