//! Out of bytes: requests as a server reads them, answers as a client does.

use crate::jute::proto::{
    AuthRequest, Create2Response, CreateRequest, CreateTtlRequest, GetAclResponse,
    GetChildren2Response, GetDataResponse, MultiHeader, PathRecord, ReconfigRequest, SetAclRequest,
    SetDataRequest, SetWatches2Request, SetWatchesRequest, VersionRequest, WatchRequest,
    WatchesRequest, opcode,
};
use crate::jute::{Error, Reader, Record, decode_vec};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, WatchKind, WatchMode};

use super::flags;

/// Reads the body of a request from a client, of operation code `op`.
///
/// # Errors
/// `Unimplemented` for codes that do not exist, among them those that are internal, which real
/// servers accept (spec 1.5, spec 9 case 26), and a check outside of a multi; the connection is to
/// be closed then. `MarshallingError` for bytes that are no such body, null paths, and unknown
/// modes and types of watches; `BadArguments` for unknown create flags, and for a createTTL whose
/// flags say no such thing, whatever its ttl (spec 1.6; spec 9, case 25).
pub fn decode_request(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    match op {
        opcode::CREATE | opcode::CREATE2 => {
            let request = CreateRequest::decode(body).map_err(malformed)?;
            // A plain create with the container flag makes a persistent node (spec 9, case 40).
            let flags = if request.flags == flags::CONTAINER { 0 } else { request.flags };
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
        opcode::CREATE_CONTAINER => {
            let CreateRequest { path, data, acl, flags: _ } =
                Record::decode(body).map_err(malformed)?;
            Ok(Op::CreateContainer { path: some_path(path)?, data, acl })
        }
        opcode::CREATE_TTL => {
            let request = CreateTtlRequest::decode(body).map_err(malformed)?;
            if CreateMode::from_flags(request.flags).is_some() || request.flags == flags::CONTAINER
            {
                return Err(ErrorCode::BadArguments);
            }
            create_ttl(request, ErrorCode::BadArguments)
        }
        opcode::SET_ACL | opcode::GET_ACL | opcode::AUTH | opcode::RECONFIG => grant(op, body),
        opcode::ADD_WATCH
        | opcode::CHECK_WATCHES
        | opcode::REMOVE_WATCHES
        | opcode::SET_WATCHES2 => watches(op, body),
        opcode::GET_EPHEMERALS => {
            let PathRecord { path } = Record::decode(body).map_err(malformed)?;
            Ok(Op::GetEphemerals { prefix: path.unwrap_or_default() })
        }
        opcode::GET_ALL_CHILDREN_NUMBER => {
            let PathRecord { path } = Record::decode(body).map_err(malformed)?;
            Ok(Op::GetAllChildrenNumber { path: some_path(path)? })
        }
        opcode::WHO_AM_I => Ok(Op::WhoAmI),
        _ => Err(ErrorCode::Unimplemented),
    }
}

/// What is about who may do what, and about who is who.
fn grant(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    match op {
        opcode::SET_ACL => {
            let SetAclRequest { path, acl, version } = Record::decode(body).map_err(malformed)?;
            Ok(Op::SetAcl { path: some_path(path)?, acl, version })
        }
        opcode::GET_ACL => {
            let PathRecord { path } = Record::decode(body).map_err(malformed)?;
            Ok(Op::GetAcl { path: some_path(path)? })
        }
        opcode::AUTH => {
            let AuthRequest { kind: _, scheme, auth } = Record::decode(body).map_err(malformed)?;
            let scheme = scheme.ok_or(ErrorCode::MarshallingError)?;
            Ok(Op::AddAuth { scheme, auth: auth.unwrap_or_default() })
        }
        opcode::RECONFIG => {
            let ReconfigRequest { joining, leaving, members, version } =
                Record::decode(body).map_err(malformed)?;
            Ok(Op::Reconfig { joining, leaving, members, version })
        }
        _ => Err(ErrorCode::Unimplemented),
    }
}

/// What is about watches, and about nothing else.
fn watches(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    if op == opcode::SET_WATCHES2 {
        let request = SetWatches2Request::decode(body).map_err(malformed)?;
        let SetWatches2Request { relative_zxid: relative, data, exist, child, .. } = request;
        let (persistent, recursive) = (request.persistent, request.recursive);
        return Ok(Op::SetWatches2 { relative, data, exist, child, persistent, recursive });
    }
    let WatchesRequest { path, kind } = Record::decode(body).map_err(malformed)?;
    let path = some_path(path)?;
    if op == opcode::ADD_WATCH {
        let mode = WatchMode::from_wire(kind).ok_or(ErrorCode::MarshallingError)?;
        return Ok(Op::AddWatch { path, mode });
    }
    let kind = WatchKind::from_wire(kind).ok_or(ErrorCode::MarshallingError)?;
    match op {
        opcode::CHECK_WATCHES => Ok(Op::CheckWatches { path, kind }),
        opcode::REMOVE_WATCHES => Ok(Op::RemoveWatches { path, kind }),
        _ => Err(ErrorCode::Unimplemented),
    }
}

/// Flags that do not fit are `unfit`.
fn create_ttl(request: CreateTtlRequest, unfit: ErrorCode) -> Result<Op, ErrorCode> {
    let CreateTtlRequest { path, data, acl, flags, ttl } = request;
    let sequential = match flags {
        flags::TTL => false,
        flags::SEQUENTIAL_TTL => true,
        _ => return Err(unfit),
    };
    Ok(Op::CreateTtl { path: some_path(path)?, data, acl, sequential, ttl })
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
/// unknown create flags (spec 1.10). Here the flags decide what is created (spec 1.6).
fn change(op: i32, body: &mut Reader<'_>) -> Result<Op, ErrorCode> {
    match op {
        opcode::CREATE | opcode::CREATE2 | opcode::CREATE_CONTAINER => {
            let request = CreateRequest::decode(body).map_err(malformed)?;
            create_by_flags(op, request)
        }
        opcode::CREATE_TTL => {
            let request = CreateTtlRequest::decode(body).map_err(malformed)?;
            if !matches!(request.flags, flags::TTL | flags::SEQUENTIAL_TTL) {
                let CreateTtlRequest { path, data, acl, flags, ttl: _ } = request;
                return create_by_flags(opcode::CREATE, CreateRequest { path, data, acl, flags });
            }
            create_ttl(request, ErrorCode::MarshallingError)
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

fn create_by_flags(op: i32, request: CreateRequest) -> Result<Op, ErrorCode> {
    if request.flags == flags::CONTAINER {
        let CreateRequest { path, data, acl, flags: _ } = request;
        return Ok(Op::CreateContainer { path: some_path(path)?, data, acl });
    }
    let mode = CreateMode::from_flags(request.flags).ok_or(ErrorCode::MarshallingError)?;
    create(op, request, mode)
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

/// Reads the body of a successful answer to `op`, on the client's side.
///
/// # Errors
/// If the bytes are no such answer.
pub fn decode_reply(op: &Op, body: &mut Reader<'_>) -> Result<Reply, Error> {
    Ok(match op {
        Op::Create { stat: false, .. } => {
            Reply::Created { path: Record::decode(body)?, stat: None }
        }
        Op::Create { stat: true, .. } | Op::CreateContainer { .. } | Op::CreateTtl { .. } => {
            let start = body.clone();
            let Create2Response { path, stat } = Record::decode(body)?;
            let path = path.ok_or_else(|| start.error("null path"))?;
            Reply::Created { path, stat: Some(stat) }
        }
        Op::Exists { .. } | Op::SetData { .. } | Op::SetAcl { .. } => {
            Reply::Stat(Record::decode(body)?)
        }
        Op::GetData { .. } | Op::Reconfig { .. } => {
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
        Op::GetAcl { .. } => {
            let GetAclResponse { acl, stat } = Record::decode(body)?;
            Reply::Acl { acl, stat }
        }
        Op::AddWatch { .. } => {
            let start = body.clone();
            match i32::decode(body)? {
                0 => Reply::Done,
                _ => return Err(start.error("a failed watch without an error")),
            }
        }
        Op::GetEphemerals { .. } => Reply::Ephemerals(decode_vec(body)?),
        Op::GetAllChildrenNumber { .. } => Reply::Count(Record::decode(body)?),
        Op::WhoAmI => Reply::Who(decode_vec(body)?),
        Op::Delete { .. }
        | Op::Check { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession
        | Op::DeleteContainer { .. }
        | Op::AddAuth { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. } => Reply::Done,
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
            kind if kind == part.result_type() => Ok(decode_reply(part, body)?),
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
