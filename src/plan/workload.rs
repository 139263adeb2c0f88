//! Who talks to the service, and what they say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::PeerId;
use crate::znode::op::{Acl, CreateMode, Op, WatchKind, WatchMode, grant, open_acl};

/// One client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPlan {
    /// The session timeout it asks for.
    pub timeout_ms: u64,
    /// The servers it knows, in the order it tries them; all if empty.
    #[serde(default)]
    pub servers: Vec<PeerId>,
    /// When it first connects.
    #[serde(default)]
    pub start_at: u64,
    /// Gives its session up after four thirds of its timeout in silence, as recent libraries do.
    #[serde(default)]
    pub gives_up: bool,
    /// What drives it.
    pub driver: Driver,
}

/// What drives a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Driver {
    /// Calls, as data.
    Script(Vec<Step>),
    /// Code, by its name in the kit.
    Program {
        /// Which.
        name: String,
        /// Its parameters.
        #[serde(default)]
        params: BTreeMap<String, u64>,
    },
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Wait this long after the previous step, in microseconds.
    #[serde(default)]
    pub wait_us: u64,
    /// Wait for all earlier answers first; otherwise the call is pipelined behind them.
    #[serde(default)]
    pub drain: bool,
    /// What to do.
    pub call: Call,
}

/// One entry of an ACL: permissions (READ 1, WRITE 2, CREATE 4, DELETE 8, ADMIN 16), scheme, id.
pub type Grant = (i32, String, String);

/// One call of a script. Paths are given in full; data are small numbers written as text, so that
/// each write of a run can be unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // Field names are those of spec 1.5.
pub enum Call {
    /// create, or create2 if `stat`.
    Create {
        path: String,
        data: u64,
        mode: CreateMode,
        #[serde(default)]
        stat: bool,
        /// Open to the world if it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acl: Option<Vec<Grant>>,
    },
    /// delete.
    Delete { path: String, version: i32 },
    /// exists.
    Exists {
        path: String,
        #[serde(default)]
        watch: bool,
    },
    /// getData.
    GetData {
        path: String,
        #[serde(default)]
        watch: bool,
    },
    /// setData.
    SetData { path: String, data: u64, version: i32 },
    /// getChildren, or getChildren2 if `stat`.
    GetChildren {
        path: String,
        #[serde(default)]
        watch: bool,
        #[serde(default)]
        stat: bool,
    },
    /// check, only within a multi.
    Check { path: String, version: i32 },
    /// sync.
    Sync { path: String },
    /// multi.
    Multi(Vec<Call>),
    /// multiRead.
    MultiRead(Vec<Call>),
    /// createContainer.
    CreateContainer {
        path: String,
        data: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acl: Option<Vec<Grant>>,
    },
    /// createTTL; the ttl in milliseconds.
    CreateTtl {
        path: String,
        data: u64,
        #[serde(default)]
        sequential: bool,
        ttl: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acl: Option<Vec<Grant>>,
    },
    /// setACL.
    SetAcl { path: String, acl: Vec<Grant>, version: i32 },
    /// getACL.
    GetAcl { path: String },
    /// The auth packet.
    AddAuth { scheme: String, auth: String },
    /// addWatch.
    AddWatch { path: String, mode: WatchMode },
    /// checkWatches.
    CheckWatches { path: String, kind: WatchKind },
    /// removeWatches.
    RemoveWatches { path: String, kind: WatchKind },
    /// getEphemerals.
    GetEphemerals { prefix: String },
    /// getAllChildrenNumber.
    GetAllChildrenNumber { path: String },
    /// whoAmI.
    WhoAmI,
    /// reconfig: members that join and leave, or all of them at once.
    Reconfig {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joining: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaving: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        members: Option<String>,
        version: i64,
    },
    /// Close the session, and open another.
    CloseSession,
    /// Drop the connection and connect to another server.
    Move,
    /// Nothing.
    Idle,
}

impl Call {
    /// The call that makes an operation; `None` for what the library does by itself, and for what
    /// no script can say.
    pub fn of_op(op: &Op) -> Option<Call> {
        let number = |data: &Option<Vec<u8>>| {
            let text = data.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let all = |ops: &[Op]| ops.iter().map(Call::of_op).collect::<Option<Vec<Call>>>();
        Some(match op {
            Op::Create { path, data, mode, stat, acl } => Call::Create {
                path: path.clone(),
                data: number(data),
                mode: *mode,
                stat: *stat,
                acl: grants(acl)?,
            },
            Op::Delete { path, version } => Call::Delete { path: path.clone(), version: *version },
            Op::Exists { path, watch } => Call::Exists { path: path.clone(), watch: *watch },
            Op::GetData { path, watch } => Call::GetData { path: path.clone(), watch: *watch },
            Op::SetData { path, data, version } => {
                Call::SetData { path: path.clone(), data: number(data), version: *version }
            }
            Op::GetChildren { path, watch, stat } => {
                Call::GetChildren { path: path.clone(), watch: *watch, stat: *stat }
            }
            Op::Check { path, version } => Call::Check { path: path.clone(), version: *version },
            Op::Sync { path } => Call::Sync { path: path.clone() },
            Op::Multi(ops) => Call::Multi(all(ops)?),
            Op::MultiRead(ops) => Call::MultiRead(all(ops)?),
            Op::CloseSession => Call::CloseSession,
            Op::CreateContainer { path, data, acl } => {
                Call::CreateContainer { path: path.clone(), data: number(data), acl: grants(acl)? }
            }
            Op::CreateTtl { path, data, acl, sequential, ttl } => Call::CreateTtl {
                path: path.clone(),
                data: number(data),
                sequential: *sequential,
                ttl: *ttl,
                acl: grants(acl)?,
            },
            Op::SetAcl { path, acl, version } => Call::SetAcl {
                path: path.clone(),
                acl: acl.iter().map(as_grant).collect::<Option<_>>()?,
                version: *version,
            },
            Op::GetAcl { path } => Call::GetAcl { path: path.clone() },
            Op::AddAuth { scheme, auth } => {
                let auth = String::from_utf8(auth.clone()).ok()?;
                Call::AddAuth { scheme: scheme.clone(), auth }
            }
            Op::AddWatch { path, mode } => Call::AddWatch { path: path.clone(), mode: *mode },
            Op::CheckWatches { path, kind } => {
                Call::CheckWatches { path: path.clone(), kind: *kind }
            }
            Op::RemoveWatches { path, kind } => {
                Call::RemoveWatches { path: path.clone(), kind: *kind }
            }
            Op::GetEphemerals { prefix } => Call::GetEphemerals { prefix: prefix.clone() },
            Op::GetAllChildrenNumber { path } => Call::GetAllChildrenNumber { path: path.clone() },
            Op::WhoAmI => Call::WhoAmI,
            Op::Reconfig { joining, leaving, members, version } => Call::Reconfig {
                joining: joining.clone(),
                leaving: leaving.clone(),
                members: members.clone(),
                version: *version,
            },
            Op::SetWatches { .. }
            | Op::SetWatches2 { .. }
            | Op::CreateSession { .. }
            | Op::DeleteContainer { .. }
            | Op::Ping => return None,
        })
    }

    /// As an operation; `None` for what is not one (`CloseSession`, `Move`, `Idle`).
    pub fn op(&self) -> Option<Op> {
        let bytes = |data: &u64| Some(data.to_string().into_bytes());
        Some(match self {
            Call::Create { path, data, mode, stat, acl } => Op::Create {
                path: path.clone(),
                data: bytes(data),
                acl: of_grants(acl.as_deref()),
                mode: *mode,
                stat: *stat,
            },
            Call::Delete { path, version } => Op::Delete { path: path.clone(), version: *version },
            Call::Exists { path, watch } => Op::Exists { path: path.clone(), watch: *watch },
            Call::GetData { path, watch } => Op::GetData { path: path.clone(), watch: *watch },
            Call::SetData { path, data, version } => {
                Op::SetData { path: path.clone(), data: bytes(data), version: *version }
            }
            Call::GetChildren { path, watch, stat } => {
                Op::GetChildren { path: path.clone(), watch: *watch, stat: *stat }
            }
            Call::Check { path, version } => Op::Check { path: path.clone(), version: *version },
            Call::Sync { path } => Op::Sync { path: path.clone() },
            Call::Multi(calls) => Op::Multi(calls.iter().filter_map(Call::op).collect()),
            Call::MultiRead(calls) => Op::MultiRead(calls.iter().filter_map(Call::op).collect()),
            Call::CreateContainer { path, data, acl } => {
                let acl = of_grants(acl.as_deref());
                Op::CreateContainer { path: path.clone(), data: bytes(data), acl }
            }
            Call::CreateTtl { path, data, sequential, ttl, acl } => Op::CreateTtl {
                path: path.clone(),
                data: bytes(data),
                acl: of_grants(acl.as_deref()),
                sequential: *sequential,
                ttl: *ttl,
            },
            Call::SetAcl { path, acl, version } => {
                Op::SetAcl { path: path.clone(), acl: of_grants(Some(acl)), version: *version }
            }
            Call::GetAcl { path } => Op::GetAcl { path: path.clone() },
            Call::AddAuth { scheme, auth } => {
                Op::AddAuth { scheme: scheme.clone(), auth: auth.clone().into_bytes() }
            }
            Call::AddWatch { path, mode } => Op::AddWatch { path: path.clone(), mode: *mode },
            Call::CheckWatches { path, kind } => {
                Op::CheckWatches { path: path.clone(), kind: *kind }
            }
            Call::RemoveWatches { path, kind } => {
                Op::RemoveWatches { path: path.clone(), kind: *kind }
            }
            Call::GetEphemerals { prefix } => Op::GetEphemerals { prefix: prefix.clone() },
            Call::GetAllChildrenNumber { path } => Op::GetAllChildrenNumber { path: path.clone() },
            Call::WhoAmI => Op::WhoAmI,
            Call::Reconfig { joining, leaving, members, version } => Op::Reconfig {
                joining: joining.clone(),
                leaving: leaving.clone(),
                members: members.clone(),
                version: *version,
            },
            Call::CloseSession | Call::Move | Call::Idle => return None,
        })
    }
}

/// The ACL of these entries; the open one if there are none to say.
fn of_grants(grants: Option<&[Grant]>) -> Vec<Acl> {
    let Some(grants) = grants else { return open_acl() };
    grants.iter().map(|(perms, scheme, id)| grant(*perms, scheme, id)).collect()
}

/// `Some(None)` for the open ACL; `None` for one without a scheme or id, which no plan can say.
fn grants(acl: &[Acl]) -> Option<Option<Vec<Grant>>> {
    if acl == open_acl() {
        return Some(None);
    }
    acl.iter().map(as_grant).collect::<Option<_>>().map(Some)
}

fn as_grant(acl: &Acl) -> Option<Grant> {
    Some((acl.perms, acl.id.scheme.clone()?, acl.id.id.clone()?))
}
