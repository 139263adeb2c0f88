//! Operations and replies as bytes, on both sides of the client door (spec 1.5, 1.10, 1.11).
//!
//! Framing, headers of replies, connecting, and the special xids belong to whoever holds the
//! connection.

use crate::jute::proto::{
    Create2Response, CreateRequest, GetChildren2Response, GetDataResponse, MultiHeader, PathRecord,
    RequestHeader, SetDataRequest, SetWatchesRequest, VersionRequest, WatchRequest, opcode,
};
use crate::jute::{Error, Reader, Record, decode_vec, encode_vec};

use super::op::{CreateMode, ErrorCode, Op, Reply};

/// The type of everything that is not a result, in multi framing.
const NO_TYPE: i32 = -1;

/// Ends a multi, in requests and in replies (spec 1.10).
const TERMINATOR: MultiHeader = MultiHeader { op: NO_TYPE, done: true, err: -1 };

impl Op {
    /// Its operation code (spec 1.5).
    pub fn opcode(&self) -> i32 {
        match self {
            Op::Create { stat: false, .. } => opcode::CREATE,
            Op::Create { stat: true, .. } => opcode::CREATE2,
            Op::Delete { .. } => opcode::DELETE,
            Op::Exists { .. } => opcode::EXISTS,
            Op::GetData { .. } => opcode::GET_DATA,
            Op::SetData { .. } => opcode::SET_DATA,
            Op::GetChildren { stat: false, .. } => opcode::GET_CHILDREN,
            Op::GetChildren { stat: true, .. } => opcode::GET_CHILDREN2,
            Op::Check { .. } => opcode::CHECK,
            Op::Sync { .. } => opcode::SYNC,
            Op::Multi(_) => opcode::MULTI,
            Op::MultiRead(_) => opcode::MULTI_READ,
            Op::SetWatches { .. } => opcode::SET_WATCHES,
            Op::Ping => opcode::PING,
            Op::CreateSession { .. } => opcode::CREATE_SESSION,
            Op::CloseSession => opcode::CLOSE_SESSION,
        }
    }

    /// Appends a whole request but its length: header and body.
    pub fn encode_request(&self, xid: i32, out: &mut Vec<u8>) {
        RequestHeader { xid, op: self.opcode() }.encode(out);
        self.encode_body(out);
    }

    /// Appends the request's body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Op::Create { path, data, acl, mode, stat: _ } => {
                path.encode(out);
                data.encode(out);
                acl.encode(out);
                mode.flags().encode(out);
            }
            Op::Delete { path, version } | Op::Check { path, version } => {
                path.encode(out);
                version.encode(out);
            }
            Op::Exists { path, watch }
            | Op::GetData { path, watch }
            | Op::GetChildren { path, watch, stat: _ } => {
                path.encode(out);
                watch.encode(out);
            }
            Op::SetData { path, data, version } => {
                path.encode(out);
                data.encode(out);
                version.encode(out);
            }
            Op::Sync { path } => path.encode(out),
            Op::Multi(parts) | Op::MultiRead(parts) => {
                for part in parts {
                    MultiHeader { op: part.opcode(), done: false, err: -1 }.encode(out);
                    part.encode_body(out);
                }
                TERMINATOR.encode(out);
            }
            Op::SetWatches { relative, data, exist, child } => {
                relative.encode(out);
                encode_vec(data, out);
                encode_vec(exist, out);
                encode_vec(child, out);
            }
            Op::CreateSession { timeout } => timeout.encode(out),
            Op::Ping | Op::CloseSession => {}
        }
    }
}

/// Reads the body of a request from a client, of operation code `op`.
///
/// # Errors
/// `Unimplemented` for codes we do not serve, among them those that are internal, which real
/// servers accept (spec 1.5, spec 9 case 26), and a check outside of a multi; the connection is to
/// be closed then. `MarshallingError` for bytes that are no such body, and null paths;
/// `BadArguments` for unknown create flags (spec 1.6).
pub fn decode_request(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    match op {
        opcode::CREATE | opcode::CREATE2 => {
            let request = CreateRequest::decode(body).map_err(malformed)?;
            // A plain create with the container flag makes a persistent node (spec 9, case 40).
            let flags = if request.flags == 4 { 0 } else { request.flags };
            let mode = CreateMode::from_flags(flags).ok_or(ErrorCode::BadArguments)?;
            create(op, request, mode)
        }
        opcode::DELETE | opcode::SET_DATA => change(op, body),
        opcode::EXISTS
        | opcode::GET_DATA
        | opcode::GET_CHILDREN
        | opcode::GET_CHILDREN2
        | opcode::SYNC => read(op, body),
        opcode::MULTI => Ok(Op::Multi(parts(body, change)?)),
        opcode::MULTI_READ => Ok(Op::MultiRead(parts(body, inner_read)?)),
        opcode::SET_WATCHES => {
            let request = SetWatchesRequest::decode(body).map_err(malformed)?;
            let SetWatchesRequest { relative_zxid: relative, data, exist, child } = request;
            Ok(Op::SetWatches { relative, data, exist, child })
        }
        opcode::PING => Ok(Op::Ping),
        opcode::CLOSE_SESSION => Ok(Op::CloseSession),
        _ => Err(ErrorCode::Unimplemented),
    }
}

fn malformed(_: Error) -> ErrorCode {
    ErrorCode::MarshallingError
}

fn some_path(path: Option<String>) -> Result<String, ErrorCode> {
    path.ok_or(ErrorCode::MarshallingError)
}

fn create(op: i32, request: CreateRequest, mode: CreateMode) -> Result<Op, ErrorCode> {
    let CreateRequest { path, data, acl, flags: _ } = request;
    Ok(Op::Create { path: some_path(path)?, data, acl, mode, stat: op == opcode::CREATE2 })
}

/// What a multi may consist of; any other type makes the whole request malformed, and so do
/// unknown create flags (spec 1.10).
fn change(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    match op {
        opcode::CREATE | opcode::CREATE2 => {
            let request = CreateRequest::decode(body).map_err(malformed)?;
            let mode = CreateMode::from_flags(request.flags).ok_or(ErrorCode::MarshallingError)?;
            create(op, request, mode)
        }
        opcode::DELETE | opcode::CHECK => {
            let VersionRequest { path, version } = Record::decode(body).map_err(malformed)?;
            let path = some_path(path)?;
            if op == opcode::CHECK {
                return Ok(Op::Check { path, version });
            }
            Ok(Op::Delete { path, version })
        }
        opcode::SET_DATA => {
            let SetDataRequest { path, data, version } = Record::decode(body).map_err(malformed)?;
            Ok(Op::SetData { path: some_path(path)?, data, version })
        }
        _ => Err(ErrorCode::MarshallingError),
    }
}

/// What a multiRead may consist of (spec 1.11).
fn inner_read(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    match op {
        opcode::GET_DATA | opcode::GET_CHILDREN => read(op, body),
        _ => Err(ErrorCode::MarshallingError),
    }
}

fn read(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    if op == opcode::SYNC {
        let PathRecord { path } = Record::decode(body).map_err(malformed)?;
        return Ok(Op::Sync { path: some_path(path)? });
    }
    let WatchRequest { path, watch } = Record::decode(body).map_err(malformed)?;
    let path = some_path(path)?;
    match op {
        opcode::EXISTS => Ok(Op::Exists { path, watch }),
        opcode::GET_DATA => Ok(Op::GetData { path, watch }),
        opcode::GET_CHILDREN => Ok(Op::GetChildren { path, watch, stat: false }),
        opcode::GET_CHILDREN2 => Ok(Op::GetChildren { path, watch, stat: true }),
        _ => Err(ErrorCode::Unimplemented),
    }
}

fn parts(
    body: &mut Reader<'_>,
    decode: fn(i32, &mut Reader<'_>) -> Result<Op, ErrorCode>,
) -> Result<Vec<Op>, ErrorCode> {
    let mut parts = Vec::new();
    loop {
        let header = MultiHeader::decode(body).map_err(malformed)?;
        if header.done {
            return Ok(parts);
        }
        parts.push(decode(header.op, body)?);
    }
}

impl Reply {
    /// Appends the body that answers `op`; the header before it has error code 0, also when a
    /// multi failed (spec 1.10).
    pub fn encode(&self, op: &Op, out: &mut Vec<u8>) {
        match self {
            Reply::Done => {}
            Reply::Created { path, stat: None } | Reply::Synced { path } => path.encode(out),
            Reply::Created { path, stat: Some(stat) } => {
                path.encode(out);
                stat.encode(out);
            }
            Reply::Stat(stat) => stat.encode(out),
            Reply::Data { data, stat } => {
                data.encode(out);
                stat.encode(out);
            }
            Reply::Children { names, stat } => {
                encode_vec(names, out);
                if let Some(stat) = stat {
                    stat.encode(out);
                }
            }
            Reply::Multi(results) => {
                let (Op::Multi(parts) | Op::MultiRead(parts)) = op else { return };
                for (part, result) in parts.iter().zip(results) {
                    encode_result(part, result, out);
                }
                TERMINATOR.encode(out);
            }
        }
    }
}

/// One result within a multi: its type is the operation's, or -1 with the code twice.
fn encode_result(part: &Op, result: &Result<Reply, Option<ErrorCode>>, out: &mut Vec<u8>) {
    match result {
        Ok(reply) => {
            MultiHeader { op: part.opcode(), done: false, err: 0 }.encode(out);
            reply.encode(part, out);
        }
        Err(code) => {
            let err = code.map_or(0, ErrorCode::wire);
            MultiHeader { op: opcode::ERROR, done: false, err }.encode(out);
            err.encode(out);
        }
    }
}

/// Reads the body of a successful answer to `op`, on the client's side.
///
/// # Errors
/// If the bytes are no such answer.
pub fn decode_reply(op: &Op, body: &mut Reader<'_>) -> Result<Reply, Error> {
    Ok(match op {
        Op::Create { stat: false, .. } => {
            Reply::Created { path: Record::decode(body)?, stat: None }
        }
        Op::Create { stat: true, .. } => {
            let start = body.clone();
            let Create2Response { path, stat } = Record::decode(body)?;
            let path = path.ok_or_else(|| start.error("null path"))?;
            Reply::Created { path, stat: Some(stat) }
        }
        Op::Exists { .. } | Op::SetData { .. } => Reply::Stat(Record::decode(body)?),
        Op::GetData { .. } => {
            let GetDataResponse { data, stat } = Record::decode(body)?;
            Reply::Data { data, stat }
        }
        Op::GetChildren { stat: false, .. } => {
            Reply::Children { names: decode_vec(body)?, stat: None }
        }
        Op::GetChildren { stat: true, .. } => {
            let GetChildren2Response { children, stat } = Record::decode(body)?;
            Reply::Children { names: children, stat: Some(stat) }
        }
        Op::Sync { .. } => Reply::Synced { path: Record::decode(body)? },
        Op::Multi(parts) | Op::MultiRead(parts) => decode_results(parts, body)?,
        Op::Delete { .. }
        | Op::Check { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession => Reply::Done,
    })
}

fn decode_results(parts: &[Op], body: &mut Reader<'_>) -> Result<Reply, Error> {
    let mut results = Vec::with_capacity(parts.len());
    for part in parts {
        let start = body.clone();
        let header = MultiHeader::decode(body)?;
        let result = match header.op {
            _ if header.done => return Err(start.error("fewer results than operations")),
            opcode::ERROR => match i32::decode(body)? {
                0 => Err(None),
                code => Err(Some(ErrorCode::from_wire(code))),
            },
            kind if kind == part.opcode() => Ok(decode_reply(part, body)?),
            _ => return Err(start.error("a result of another type than its operation")),
        };
        results.push(result);
    }
    let start = body.clone();
    if !MultiHeader::decode(body)?.done {
        return Err(start.error("more results than operations"));
    }
    Ok(Reply::Multi(results))
}
