//! Who talks to the service, and what they say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::PeerId;
use crate::znode::op::{CreateMode, Op, open_acl};

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
            Op::Create { path, data, mode, stat, acl: _ } => {
                Call::Create { path: path.clone(), data: number(data), mode: *mode, stat: *stat }
            }
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
            Op::SetWatches { .. } | Op::CreateSession { .. } | Op::Ping => return None,
        })
    }

    /// As an operation; `None` for what is not one (`CloseSession`, `Move`, `Idle`).
    pub fn op(&self) -> Option<Op> {
        let bytes = |data: &u64| Some(data.to_string().into_bytes());
        Some(match self {
            Call::Create { path, data, mode, stat } => Op::Create {
                path: path.clone(),
                data: bytes(data),
                acl: open_acl(),
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
            Call::CloseSession | Call::Move | Call::Idle => return None,
        })
    }
}
