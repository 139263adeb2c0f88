//! Operations and replies as bytes, on both sides of the client door (spec 1.5, 1.10, 1.11).
//!
//! Framing, headers of replies, connecting, and the special xids belong to whoever holds the
//! connection.

mod decode;

pub use decode::{decode_reply, decode_request};

use crate::jute::proto::{MultiHeader, RequestHeader, opcode};
use crate::jute::{Record, encode_vec};

use super::op::{ErrorCode, Op, Reply};

/// The type of everything that is not a result, in multi framing.
const NO_TYPE: i32 = -1;

/// Ends a multi, in requests and in replies (spec 1.10).
const TERMINATOR: MultiHeader = MultiHeader { op: NO_TYPE, done: true, err: -1 };

/// Create flags beyond those of [`CreateMode`] (spec 1.6).
mod flags {
    pub const CONTAINER: i32 = 4;
    pub const TTL: i32 = 5;
    pub const SEQUENTIAL_TTL: i32 = 6;
}

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
            Op::CreateContainer { .. } => opcode::CREATE_CONTAINER,
            Op::CreateTtl { .. } => opcode::CREATE_TTL,
            Op::DeleteContainer { .. } => opcode::DELETE_CONTAINER,
            Op::SetAcl { .. } => opcode::SET_ACL,
            Op::GetAcl { .. } => opcode::GET_ACL,
            Op::AddAuth { .. } => opcode::AUTH,
            Op::AddWatch { .. } => opcode::ADD_WATCH,
            Op::CheckWatches { .. } => opcode::CHECK_WATCHES,
            Op::RemoveWatches { .. } => opcode::REMOVE_WATCHES,
            Op::SetWatches2 { .. } => opcode::SET_WATCHES2,
            Op::GetEphemerals { .. } => opcode::GET_EPHEMERALS,
            Op::GetAllChildrenNumber { .. } => opcode::GET_ALL_CHILDREN_NUMBER,
            Op::WhoAmI => opcode::WHO_AM_I,
            Op::Reconfig { .. } => opcode::RECONFIG,
        }
    }

    /// The type of its result within a multi: whatever is answered with a stat is a create2 there
    /// (spec 1.10; spec 9, case 53).
    fn result_type(&self) -> i32 {
        match self {
            Op::CreateContainer { .. } | Op::CreateTtl { .. } => opcode::CREATE2,
            _ => self.opcode(),
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
            Op::Sync { path }
            | Op::DeleteContainer { path }
            | Op::GetAcl { path }
            | Op::GetEphemerals { prefix: path }
            | Op::GetAllChildrenNumber { path } => path.encode(out),
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
            Op::CreateContainer { path, data, acl } => {
                path.encode(out);
                data.encode(out);
                acl.encode(out);
                flags::CONTAINER.encode(out);
            }
            Op::CreateTtl { path, data, acl, sequential, ttl } => {
                path.encode(out);
                data.encode(out);
                acl.encode(out);
                let flags = if *sequential { flags::SEQUENTIAL_TTL } else { flags::TTL };
                flags.encode(out);
                ttl.encode(out);
            }
            Op::SetAcl { path, acl, version } => {
                path.encode(out);
                acl.encode(out);
                version.encode(out);
            }
            Op::AddAuth { scheme, auth } => {
                0i32.encode(out);
                scheme.encode(out);
                (auth.len() as i32).encode(out);
                out.extend_from_slice(auth);
            }
            Op::AddWatch { path, mode } => {
                path.encode(out);
                mode.wire().encode(out);
            }
            Op::CheckWatches { path, kind } | Op::RemoveWatches { path, kind } => {
                path.encode(out);
                kind.wire().encode(out);
            }
            Op::SetWatches2 { relative, data, exist, child, persistent, recursive } => {
                relative.encode(out);
                for list in [data, exist, child, persistent, recursive] {
                    encode_vec(list, out);
                }
            }
            Op::Reconfig { joining, leaving, members, version } => {
                joining.encode(out);
                leaving.encode(out);
                members.encode(out);
                version.encode(out);
            }
            Op::Ping | Op::CloseSession | Op::WhoAmI => {}
        }
    }
}

impl Reply {
    /// Appends the body that answers `op`; the header before it has error code 0, also when a
    /// multi failed (spec 1.10).
    pub fn encode(&self, op: &Op, out: &mut Vec<u8>) {
        match self {
            // The only one with a body: an error code that is always 0 (spec 1.5).
            Reply::Done if matches!(op, Op::AddWatch { .. }) => 0i32.encode(out),
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
            Reply::Acl { acl, stat } => {
                acl.encode(out);
                stat.encode(out);
            }
            Reply::Ephemerals(paths) => encode_vec(paths, out),
            Reply::Count(number) => number.encode(out),
            Reply::Who(ids) => encode_vec(ids, out),
        }
    }
}

/// One result within a multi: its type is the operation's, or -1 with the code twice.
fn encode_result(part: &Op, result: &Result<Reply, Option<ErrorCode>>, out: &mut Vec<u8>) {
    match result {
        Ok(reply) => {
            MultiHeader { op: part.result_type(), done: false, err: 0 }.encode(out);
            reply.encode(part, out);
        }
        Err(code) => {
            let err = code.map_or(0, ErrorCode::wire);
            MultiHeader { op: opcode::ERROR, done: false, err }.encode(out);
            err.encode(out);
        }
    }
}
