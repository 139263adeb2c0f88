//! Operations and replies as values, on both sides of the client door.

use serde::{Deserialize, Serialize};

use crate::jute::proto::{Id, Stat};

pub use crate::jute::proto::Acl;

/// Error codes of spec 1.7 that a server may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // The names are the field's.
#[repr(i32)]
pub enum ErrorCode {
    SystemError = -1,
    RuntimeInconsistency = -2,
    DataInconsistency = -3,
    MarshallingError = -5,
    Unimplemented = -6,
    BadArguments = -8,
    NewConfigNoQuorum = -13,
    ReconfigInProgress = -14,
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
    NotReadOnly = -119,
    EphemeralOnLocalSession = -120,
    NoWatcher = -121,
    ReconfigDisabled = -123,
    SessionClosedRequireSaslAuth = -124,
    QuotaExceeded = -125,
    ThrottledOp = -127,
}

impl ErrorCode {
    /// All codes, for decoding and tables.
    pub const ALL: [ErrorCode; 25] = [
        ErrorCode::SystemError,
        ErrorCode::RuntimeInconsistency,
        ErrorCode::DataInconsistency,
        ErrorCode::MarshallingError,
        ErrorCode::Unimplemented,
        ErrorCode::BadArguments,
        ErrorCode::NewConfigNoQuorum,
        ErrorCode::ReconfigInProgress,
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
        ErrorCode::NotReadOnly,
        ErrorCode::EphemeralOnLocalSession,
        ErrorCode::NoWatcher,
        ErrorCode::ReconfigDisabled,
        ErrorCode::SessionClosedRequireSaslAuth,
        ErrorCode::QuotaExceeded,
        ErrorCode::ThrottledOp,
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

/// Which kind of node create and create2 make (spec 1.6). Containers and nodes with a time to live
/// have operations of their own: there the opcode decides, not the flags.
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

/// What addWatch leaves (spec 1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchMode {
    /// 0: outlives its events, in both tables.
    Persistent,
    /// 1: the same for the node and all below it, without events of child lists.
    PersistentRecursive,
}

impl WatchMode {
    /// The number on the wire.
    pub fn wire(self) -> i32 {
        self as i32
    }

    /// From the number on the wire.
    pub fn from_wire(mode: i32) -> Option<WatchMode> {
        Some(match mode {
            0 => WatchMode::Persistent,
            1 => WatchMode::PersistentRecursive,
            _ => return None,
        })
    }
}

/// Which watches checkWatches and removeWatches mean (spec 1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i32)]
pub enum WatchKind {
    /// 1: what getChildren left.
    Children = 1,
    /// 2: what exists and getData left.
    Data,
    /// 3: whatever there is.
    Any,
    /// 4.
    Persistent,
    /// 5.
    PersistentRecursive,
}

impl WatchKind {
    /// All kinds, for decoding and tables.
    pub const ALL: [WatchKind; 5] = [
        WatchKind::Children,
        WatchKind::Data,
        WatchKind::Any,
        WatchKind::Persistent,
        WatchKind::PersistentRecursive,
    ];

    /// The number on the wire.
    pub fn wire(self) -> i32 {
        self as i32
    }

    /// From the number on the wire.
    pub fn from_wire(kind: i32) -> Option<WatchKind> {
        WatchKind::ALL.into_iter().find(|known| known.wire() == kind)
    }
}

/// `world:anyone` with all permissions: the ACL of everything until ACLs are served.
pub fn open_acl() -> Vec<Acl> {
    vec![grant(31, "world", "anyone")]
}

/// One entry of an ACL.
pub fn grant(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl { perms, id: Id { scheme: Some(scheme.into()), id: Some(id.into()) } }
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
    /// createContainer: goes by itself once it has had children and has none.
    CreateContainer { path: String, data: Option<Vec<u8>>, acl: Vec<Acl> },
    /// createTTL: goes by itself if it has no children and nobody sets it for `ttl` milliseconds.
    CreateTtl { path: String, data: Option<Vec<u8>>, acl: Vec<Acl>, sequential: bool, ttl: i64 },
    /// deleteContainer: how containers and nodes with a time to live go; internal, never from a
    /// client (spec 9, case 26).
    DeleteContainer { path: String },
    /// setACL; the version is that of the ACL.
    SetAcl { path: String, acl: Vec<Acl>, version: i32 },
    /// getACL.
    GetAcl { path: String },
    /// The auth packet: gives the connection an identity. Answered out of turn (spec 1.15).
    AddAuth { scheme: String, auth: Vec<u8> },
    /// addWatch.
    AddWatch { path: String, mode: WatchMode },
    /// checkWatches: whether the connection has such a watch.
    CheckWatches { path: String, kind: WatchKind },
    /// removeWatches.
    RemoveWatches { path: String, kind: WatchKind },
    /// setWatches2: setWatches of a client that has watches by addWatch, too.
    SetWatches2 {
        relative: i64,
        data: Vec<String>,
        exist: Vec<String>,
        child: Vec<String>,
        persistent: Vec<String>,
        recursive: Vec<String>,
    },
    /// getEphemerals: the session's own, of paths that begin with this text; null is empty.
    GetEphemerals { prefix: String },
    /// getAllChildrenNumber: all nodes below this one.
    GetAllChildrenNumber { path: String },
    /// whoAmI: the connection's identities.
    WhoAmI,
    /// reconfig. What it made is read as the data of `/zookeeper/config`.
    Reconfig {
        joining: Option<String>,
        leaving: Option<String>,
        members: Option<String>,
        version: i64,
    },
}

impl Op {
    /// The operations of a multi or multiRead; of any other the operation itself.
    pub fn parts(&self) -> &[Op] {
        match self {
            Op::Multi(parts) | Op::MultiRead(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// The ACL that it gives a node; of a multi its parts have theirs.
    pub fn acl(&self) -> &[Acl] {
        match self {
            Op::Create { acl, .. }
            | Op::CreateContainer { acl, .. }
            | Op::CreateTtl { acl, .. }
            | Op::SetAcl { acl, .. } => acl,
            Op::Delete { .. }
            | Op::Exists { .. }
            | Op::GetData { .. }
            | Op::SetData { .. }
            | Op::GetChildren { .. }
            | Op::Check { .. }
            | Op::Sync { .. }
            | Op::Multi(_)
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping
            | Op::CreateSession { .. }
            | Op::CloseSession
            | Op::DeleteContainer { .. }
            | Op::GetAcl { .. }
            | Op::AddAuth { .. }
            | Op::AddWatch { .. }
            | Op::CheckWatches { .. }
            | Op::RemoveWatches { .. }
            | Op::SetWatches2 { .. }
            | Op::GetEphemerals { .. }
            | Op::GetAllChildrenNumber { .. }
            | Op::WhoAmI
            | Op::Reconfig { .. } => &[],
        }
    }

    /// Whether it becomes a transaction.
    pub fn is_write(&self) -> bool {
        match self {
            Op::Create { .. }
            | Op::Delete { .. }
            | Op::SetData { .. }
            | Op::Check { .. }
            | Op::Multi(_)
            | Op::CreateSession { .. }
            | Op::CloseSession
            | Op::CreateContainer { .. }
            | Op::CreateTtl { .. }
            | Op::DeleteContainer { .. }
            | Op::SetAcl { .. }
            | Op::Reconfig { .. } => true,
            Op::Exists { .. }
            | Op::GetData { .. }
            | Op::GetChildren { .. }
            | Op::Sync { .. }
            | Op::MultiRead(_)
            | Op::SetWatches { .. }
            | Op::Ping
            | Op::GetAcl { .. }
            | Op::AddAuth { .. }
            | Op::AddWatch { .. }
            | Op::CheckWatches { .. }
            | Op::RemoveWatches { .. }
            | Op::SetWatches2 { .. }
            | Op::GetEphemerals { .. }
            | Op::GetAllChildrenNumber { .. }
            | Op::WhoAmI => false,
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
            Op::CreateContainer { .. } => "createContainer",
            Op::CreateTtl { .. } => "createTTL",
            Op::DeleteContainer { .. } => "deleteContainer",
            Op::SetAcl { .. } => "setACL",
            Op::GetAcl { .. } => "getACL",
            Op::AddAuth { .. } => "auth",
            Op::AddWatch { .. } => "addWatch",
            Op::CheckWatches { .. } => "checkWatches",
            Op::RemoveWatches { .. } => "removeWatches",
            Op::SetWatches2 { .. } => "setWatches2",
            Op::GetEphemerals { .. } => "getEphemerals",
            Op::GetAllChildrenNumber { .. } => "getAllChildrenNumber",
            Op::WhoAmI => "whoAmI",
            Op::Reconfig { .. } => "reconfig",
        }
    }
}

/// What the service answers when an operation succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Field names are those of spec 1.5.
pub enum Reply {
    /// Nothing but success: delete, check, ping, setWatches, closeSession, auth, addWatch, ..
    Done,
    /// create: the final path; create2, createContainer and createTTL: and the new node's stat.
    Created { path: String, stat: Option<Stat> },
    /// exists, setData and setACL.
    Stat(Stat),
    /// getData; reconfig, of `/zookeeper/config`.
    Data { data: Option<Vec<u8>>, stat: Stat },
    /// getChildren: the names, sorted; getChildren2: and the parent's stat.
    Children { names: Vec<String>, stat: Option<Stat> },
    /// sync: the path, echoed.
    Synced { path: String },
    /// multi and multiRead: one result per part. A failed multi is `Ok(Multi)` with all parts
    /// failed (spec 1.10): code `None` for those before the failing one.
    Multi(Vec<Result<Reply, Option<ErrorCode>>>),
    /// getACL.
    Acl { acl: Vec<Acl>, stat: Stat },
    /// getEphemerals: their paths, sorted.
    Ephemerals(Vec<String>),
    /// getAllChildrenNumber.
    Count(i32),
    /// whoAmI: scheme and user of each identity, in any order.
    Who(Vec<Id>),
}
