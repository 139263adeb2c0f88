//! Records of the client protocol (spec 1.3 to 1.13).

use super::record;

/// Operation codes (spec 1.5).
pub mod opcode {
    #![allow(missing_docs)] // The names are the field's.
    pub const NOTIFICATION: i32 = 0;
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN2: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CHECK_WATCHES: i32 = 17;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const GET_EPHEMERALS: i32 = 103;
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CREATE_SESSION: i32 = -10;
    pub const CLOSE_SESSION: i32 = -11;
    pub const ERROR: i32 = -1;
}

/// Special xids (spec 1.4).
pub mod xid {
    #![allow(missing_docs)] // The names are the field's.
    pub const NOTIFICATION: i32 = -1;
    pub const PING: i32 = -2;
    pub const AUTH: i32 = -4;
    pub const SET_WATCHES: i32 = -8;
}

/// Watch event types (spec 1.8).
pub mod event_type {
    #![allow(missing_docs)] // The names are the field's.
    pub const NODE_CREATED: i32 = 1;
    pub const NODE_DELETED: i32 = 2;
    pub const NODE_DATA_CHANGED: i32 = 3;
    pub const NODE_CHILDREN_CHANGED: i32 = 4;
}

record! {
    /// First frame of a connection, without the optional trailing `readOnly` byte, which is
    /// handled by whoever decodes it.
    ConnectRequest {
        /// Ignored by servers.
        protocol_version: i32,
        /// The largest reply zxid the client has seen.
        last_zxid_seen: i64,
        /// Requested session timeout, in milliseconds.
        timeout: i32,
        /// 0 for a new session.
        session: i64,
        /// Password of the session; anything for a new one.
        passwd: Option<Vec<u8>>,
    }
    /// The answer, without the trailing `readOnly` byte.
    ConnectResponse {
        /// Always 0.
        protocol_version: i32,
        /// Negotiated timeout in milliseconds; 0 or less: the session is expired.
        timeout: i32,
        /// The session; 0 if rejected.
        session: i64,
        /// 16 bytes.
        passwd: Option<Vec<u8>>,
    }
    /// Starts every request.
    RequestHeader {
        /// Chosen by the client.
        xid: i32,
        /// Operation code.
        op: i32,
    }
    /// Starts every reply.
    ReplyHeader {
        /// The request's.
        xid: i32,
        /// See spec 1.4.
        zxid: i64,
        /// Error code.
        err: i32,
    }
    /// Who.
    Id {
        /// `world`, `digest`, ..
        scheme: Option<String>,
        /// Within the scheme.
        id: Option<String>,
    }
    /// Who may do what.
    Acl {
        /// READ 1, WRITE 2, CREATE 4, DELETE 8, ADMIN 16.
        perms: i32,
        /// Who.
        id: Id,
    }
    /// What a client sees of a znode besides its data.
    Stat {
        /// Zxid of its creation.
        czxid: i64,
        /// Zxid of its last change of data.
        mzxid: i64,
        /// Time of creation, ms since the epoch.
        ctime: i64,
        /// Time of the last change of data.
        mtime: i64,
        /// Changes of data.
        version: i32,
        /// Changes of the child list.
        cversion: i32,
        /// Changes of the ACL.
        aversion: i32,
        /// Owning session; 0 if not ephemeral.
        ephemeral_owner: i64,
        /// Bytes of data.
        data_length: i32,
        /// Children.
        num_children: i32,
        /// Zxid of the last change of the child list.
        pzxid: i64,
    }
    /// Stat as files keep it (spec 1.5).
    StatPersisted {
        /// As in [`Stat`].
        czxid: i64,
        /// As in [`Stat`].
        mzxid: i64,
        /// As in [`Stat`].
        ctime: i64,
        /// As in [`Stat`].
        mtime: i64,
        /// As in [`Stat`].
        version: i32,
        /// Creates of children only: not the client-visible cversion (spec 2.3).
        cversion: i32,
        /// As in [`Stat`].
        aversion: i32,
        /// As in [`Stat`].
        ephemeral_owner: i64,
        /// As in [`Stat`].
        pzxid: i64,
    }
    /// Body of create, create2, createContainer.
    CreateRequest {
        /// Where.
        path: Option<String>,
        /// What.
        data: Option<Vec<u8>>,
        /// Who may.
        acl: Vec<Acl>,
        /// Create flags (spec 1.6).
        flags: i32,
    }
    /// Body of delete, check.
    VersionRequest {
        /// Which node.
        path: Option<String>,
        /// Expected version; -1 for any.
        version: i32,
    }
    /// Body of exists, getData, getChildren, getChildren2.
    WatchRequest {
        /// Which node.
        path: Option<String>,
        /// Whether to leave a watch.
        watch: bool,
    }
    /// Body of setData.
    SetDataRequest {
        /// Which node.
        path: Option<String>,
        /// New data.
        data: Option<Vec<u8>>,
        /// Expected version; -1 for any.
        version: i32,
    }
    /// Body of createTTL.
    CreateTtlRequest {
        /// Where.
        path: Option<String>,
        /// What.
        data: Option<Vec<u8>>,
        /// Who may.
        acl: Vec<Acl>,
        /// Create flags: 5 or 6 (spec 1.6).
        flags: i32,
        /// Milliseconds.
        ttl: i64,
    }
    /// Body of setACL.
    SetAclRequest {
        /// Which node.
        path: Option<String>,
        /// Who may from now on.
        acl: Vec<Acl>,
        /// Expected version of the ACL; -1 for any.
        version: i32,
    }
    /// Reply of getACL.
    GetAclResponse {
        /// Who may.
        acl: Vec<Acl>,
        /// The node's.
        stat: Stat,
    }
    /// Body of addWatch, checkWatches and removeWatches.
    WatchesRequest {
        /// Which node.
        path: Option<String>,
        /// Mode or type (spec 1.9).
        kind: i32,
    }
    /// Body of the auth packet.
    AuthRequest {
        /// Always 0.
        kind: i32,
        /// Which scheme.
        scheme: Option<String>,
        /// The credential.
        auth: Option<Vec<u8>>,
    }
    /// Body of reconfig.
    ReconfigRequest {
        /// Servers that join, as text.
        joining: Option<String>,
        /// Ids of servers that leave.
        leaving: Option<String>,
        /// All members, instead of these two.
        members: Option<String>,
        /// Expected version of the config; -1 for any.
        version: i64,
    }
    /// Body of sync, getACL, deleteContainer, getEphemerals and getAllChildrenNumber; reply of
    /// sync and create.
    PathRecord {
        /// A path.
        path: Option<String>,
    }
    /// Reply of create2.
    Create2Response {
        /// The final path.
        path: Option<String>,
        /// The new node's.
        stat: Stat,
    }
    /// Reply of getData.
    GetDataResponse {
        /// The data.
        data: Option<Vec<u8>>,
        /// The node's.
        stat: Stat,
    }
    /// Reply of getChildren2.
    GetChildren2Response {
        /// Names, without the parent's path.
        children: Vec<String>,
        /// The parent's.
        stat: Stat,
    }
    /// Before each part of a multi (spec 1.10).
    MultiHeader {
        /// Operation code or result type.
        op: i32,
        /// True on the terminator.
        done: bool,
        /// Error code in results.
        err: i32,
    }
    /// Body of setWatches.
    SetWatchesRequest {
        /// The client's last seen zxid.
        relative_zxid: i64,
        /// Paths with a data watch.
        data: Vec<String>,
        /// Paths with an exist watch.
        exist: Vec<String>,
        /// Paths with a child watch.
        child: Vec<String>,
    }
    /// Body of setWatches2.
    SetWatches2Request {
        /// The client's last seen zxid.
        relative_zxid: i64,
        /// Paths with a data watch.
        data: Vec<String>,
        /// Paths with an exist watch.
        exist: Vec<String>,
        /// Paths with a child watch.
        child: Vec<String>,
        /// Paths with a persistent watch.
        persistent: Vec<String>,
        /// Paths with a persistent recursive watch.
        recursive: Vec<String>,
    }
    /// Body of a notification.
    WatcherEvent {
        /// Event type.
        kind: i32,
        /// Always 3, SyncConnected.
        state: i32,
        /// Which node.
        path: String,
    }
}
