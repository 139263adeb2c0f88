//! Operations and replies as values, on both sides of the client door.

use serde::{Deserialize, Serialize};

use crate::jute::proto::{Acl, Id, Stat};

/// Error codes of spec 1.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // The names are the field's.
#[repr(i32)]
pub enum ErrorCode {
    SystemError = -1,
    RuntimeInconsistency = -2,
    MarshallingError = -5,
    Unimplemented = -6,
    BadArguments = -8,
    NoNode = -101,
    NoAuth = -102,
    BadVersion = -103,
    NoChildrenForEphemerals = -108,
    NodeExists = -110,
    NotEmpty = -111,
    SessionExpired = -112,
    InvalidAcl = -114,
    AuthFailed = -115,
    SessionMoved = -118,
}

impl ErrorCode {
    /// All codes, for decoding and tables.
    pub const ALL: [ErrorCode; 15] = [
        ErrorCode::SystemError,
        ErrorCode::RuntimeInconsistency,
        ErrorCode::MarshallingError,
        ErrorCode::Unimplemented,
        ErrorCode::BadArguments,
        ErrorCode::NoNode,
        ErrorCode::NoAuth,
        ErrorCode::BadVersion,
        ErrorCode::NoChildrenForEphemerals,
        ErrorCode::NodeExists,
        ErrorCode::NotEmpty,
        ErrorCode::SessionExpired,
        ErrorCode::InvalidAcl,
        ErrorCode::AuthFailed,
        ErrorCode::SessionMoved,
    ];

    /// The number on the wire.
    pub fn wire(self) -> i32 {
        self as i32
    }

    /// From the number on the wire; a code we do not know is a system error.
    pub fn from_wire(code: i32) -> ErrorCode {
        let known = ErrorCode::ALL.iter().find(|known| known.wire() == code);
        known.copied().unwrap_or(ErrorCode::SystemError)
    }
}

/// Which kind of node to create (spec 1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateMode {
    /// 0.
    #[default]
    Persistent,
    /// 1.
    Ephemeral,
    /// 2.
    PersistentSequential,
    /// 3.
    EphemeralSequential,
}

impl CreateMode {
    /// The flags on the wire.
    pub fn flags(self) -> i32 {
        self as i32
    }

    /// From the flags on the wire.
    pub fn from_flags(flags: i32) -> Option<CreateMode> {
        Some(match flags {
            0 => CreateMode::Persistent,
            1 => CreateMode::Ephemeral,
            2 => CreateMode::PersistentSequential,
            3 => CreateMode::EphemeralSequential,
            _ => return None,
        })
    }

    /// Whether the node dies with its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }

    /// Whether the server appends a counter to the name.
    pub fn is_sequential(self) -> bool {
        matches!(self, CreateMode::PersistentSequential | CreateMode::EphemeralSequential)
    }
}

/// `world:anyone` with all permissions: the ACL of everything until ACLs are served.
pub fn open_acl() -> Vec<Acl> {
    let id = Id { scheme: Some("world".into()), id: Some("anyone".into()) };
    vec![Acl { perms: 31, id }]
}

/// What a client asks of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Field names are those of spec 1.5.
pub enum Op {
    /// create, or create2 if `stat`.
    Create { path: String, data: Option<Vec<u8>>, acl: Vec<Acl>, mode: CreateMode, stat: bool },
    /// delete.
    Delete { path: String, version: i32 },
    /// exists.
    Exists { path: String, watch: bool },
    /// getData.
    GetData { path: String, watch: bool },
    /// setData.
    SetData { path: String, data: Option<Vec<u8>>, version: i32 },
    /// getChildren, or getChildren2 if `stat`.
    GetChildren { path: String, watch: bool, stat: bool },
    /// check: only within a multi.
    Check { path: String, version: i32 },
    /// sync.
    Sync { path: String },
    /// multi: all or nothing.
    Multi(Vec<Op>),
    /// multiRead.
    MultiRead(Vec<Op>),
    /// setWatches, sent by a client library after a reconnect.
    SetWatches { relative: i64, data: Vec<String>, exist: Vec<String>, child: Vec<String> },
    /// ping.
    Ping,
    /// createSession: internal, never from a client.
    CreateSession { timeout: i32 },
    /// closeSession.
    CloseSession,
}

impl Op {
    /// Whether it becomes a transaction.
    pub fn is_write(&self) -> bool {
        match self {
            Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
            | Op::Multi(_)
            | Op::CreateSession { .. }
            | Op::CloseSession => true,
            Op::Exists { .. }
            | Op::GetData { .. }
            | Op::GetChildren { .. }
            | Op::Sync { .. }
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping => false,
        }
    }

    /// The operation's name as plans, histories and reports spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Create { stat: false, .. } => "create",
            Op::Create { stat: true, .. } => "create2",
            Op::Delete { .. } => "delete",
            Op::Exists { .. } => "exists",
            Op::GetData { .. } => "getData",
            Op::SetData { .. } => "setData",
            Op::GetChildren { stat: false, .. } => "getChildren",
            Op::GetChildren { stat: true, .. } => "getChildren2",
            Op::Check { .. } => "check",
            Op::Sync { .. } => "sync",
            Op::Multi(_) => "multi",
            Op::MultiRead(_) => "multiRead",
            Op::SetWatches { .. } => "setWatches",
            Op::Ping => "ping",
            Op::CreateSession { .. } => "createSession",
            Op::CloseSession => "closeSession",
        }
    }
}

/// What the service answers when an operation succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Field names are those of spec 1.5.
pub enum Reply {
    /// An empty body: delete, check, ping, setWatches, closeSession.
    Done,
    /// create: the final path; create2: and the new node's stat.
    Created { path: String, stat: Option<Stat> },
    /// exists and setData.
    Stat(Stat),
    /// getData.
    Data { data: Option<Vec<u8>>, stat: Stat },
    /// getChildren: the names, sorted; getChildren2: and the parent's stat.
    Children { names: Vec<String>, stat: Option<Stat> },
    /// sync: the path, echoed.
    Synced { path: String },
    /// multi and multiRead: one result per part. A failed multi is `Ok(Multi)` with all parts
    /// failed (spec 1.10): code `None` for those before the failing one.
    Multi(Vec<Result<Reply, Option<ErrorCode>>>),
}
