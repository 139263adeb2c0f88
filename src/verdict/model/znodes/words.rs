//! Operations on znodes, and why one cannot end as it did, in words.

use crate::base::Zxid;
use crate::history::words;
use crate::jute::proto::Stat;
use crate::verdict::model::tree::Model as Tree;
use crate::znode::op::{ErrorCode, Op, Reply};

type Told<'a> = Option<&'a Result<Reply, ErrorCode>>;

/// The operation and its answer.
pub(super) fn show(op: &super::Op, told: Told<'_>) -> String {
    let asked = words::op(&op.op);
    match told {
        Some(result) => format!("{asked} -> {}", words::result(result)),
        None => format!("{asked} -> ?"),
    }
}

/// Why this operation cannot end like this here.
pub(super) fn refusal(
    tree: &Tree,
    op: &super::Op,
    would: &Result<Reply, ErrorCode>,
    told: Told<'_>,
) -> String {
    let super::Op { session, op, .. } = op;
    match told {
        _ if !tree.is_open(*session) => format!("its session {session} is closed here"),
        None => "it could happen here".to_string(),
        Some(told) => difference(tree, op, would, told),
    }
}

fn difference(
    tree: &Tree,
    op: &Op,
    would: &Result<Reply, ErrorCode>,
    told: &Result<Reply, ErrorCode>,
) -> String {
    match (would, told) {
        (Ok(Reply::Multi(would)), Ok(Reply::Multi(told))) => parts(op, would, told),
        (Ok(would), Ok(told)) => replies(would, told),
        (Err(code), Ok(_)) => because(tree, op, *code),
        (Ok(_), Err(code)) => format!("it would succeed: {}", in_spite(tree, op, *code)),
        (Err(would), Err(told)) => {
            format!("it would fail with {would:?}, not {told:?}: {}", because(tree, op, *would))
        }
    }
}

type Parts = [Result<Reply, Option<ErrorCode>>];

fn parts(op: &Op, would: &Parts, told: &Parts) -> String {
    let (Op::Multi(ops) | Op::MultiRead(ops)) = op else {
        return "it is answered like a multi".to_string();
    };
    // Only the part that fails has a code of its own: what comes before it has none.
    let of = |part: &Result<Reply, Option<ErrorCode>>| match part {
        Ok(reply) => Some(Ok(reply.clone())),
        Err(Some(ErrorCode::RuntimeInconsistency) | None) => None,
        Err(Some(code)) => Some(Err(*code)),
    };
    for (at, (would, told)) in would.iter().zip(told).enumerate() {
        let (would, told) = (of(would), of(told));
        let same = match (&would, &told) {
            (Some(Ok(would)), Some(Ok(told))) => super::same_reply(would, told),
            (would, told) => would == told,
        };
        let why = match (would, told) {
            _ if same => continue,
            (Some(Err(code)), _) => format!("it would fail with {code:?}"),
            (_, Some(Err(code))) => format!("it would not fail with {code:?}"),
            (Some(Ok(would)), Some(Ok(told))) => replies(&would, &told),
            (Some(Ok(_)), None) | (None, Some(Ok(_)) | None) => continue,
        };
        let asked = ops.get(at).map(words::op).unwrap_or_default();
        return format!("part {at}, `{asked}`: {why}");
    }
    "its parts would end otherwise".to_string()
}

/// Why an operation fails here.
fn because(tree: &Tree, op: &Op, code: ErrorCode) -> String {
    let (path, above) = places(op);
    match code {
        ErrorCode::NoNode if is_create(op) => format!("{above} does not exist"),
        ErrorCode::NoNode => format!("{path} does not exist"),
        ErrorCode::NodeExists => format!("{path} exists"),
        ErrorCode::NotEmpty => format!("{path} has children"),
        ErrorCode::NoChildrenForEphemerals => format!("{above} is ephemeral"),
        ErrorCode::BadVersion => match stat(tree, path) {
            Some(stat) if matches!(op, Op::SetAcl { .. }) => {
                format!("the aversion of {path} is {}", stat.aversion)
            }
            Some(stat) => format!("the version of {path} is {}", stat.version),
            None => format!("{path} has another version"),
        },
        ErrorCode::NoAuth => format!("the ACL of {} forbids it", guarded(op)),
        ErrorCode::SystemError
        | ErrorCode::DataInconsistency
        | ErrorCode::NewConfigNoQuorum
        | ErrorCode::ReconfigInProgress
        | ErrorCode::NotReadOnly
        | ErrorCode::EphemeralOnLocalSession
        | ErrorCode::NoWatcher
        | ErrorCode::ReconfigDisabled
        | ErrorCode::SessionClosedRequireSaslAuth
        | ErrorCode::QuotaExceeded
        | ErrorCode::ThrottledOp
        | ErrorCode::RuntimeInconsistency
        | ErrorCode::MarshallingError
        | ErrorCode::Unimplemented
        | ErrorCode::BadArguments
        | ErrorCode::SessionExpired
        | ErrorCode::InvalidAcl
        | ErrorCode::AuthFailed
        | ErrorCode::SessionMoved => format!("it would fail with {code:?}"),
    }
}

/// Why an operation does not fail with this code here.
fn in_spite(tree: &Tree, op: &Op, code: ErrorCode) -> String {
    let (path, above) = places(op);
    match code {
        ErrorCode::NoNode if is_create(op) => format!("{above} exists"),
        ErrorCode::NoNode => format!("{path} exists"),
        ErrorCode::NodeExists => format!("{path} does not exist"),
        ErrorCode::NotEmpty => format!("{path} has no children"),
        ErrorCode::NoChildrenForEphemerals => format!("{above} is not ephemeral"),
        ErrorCode::NoAuth => format!("the ACL of {} allows it", guarded(op)),
        ErrorCode::BadVersion => match stat(tree, path) {
            Some(stat) if matches!(op, Op::SetAcl { .. }) => {
                format!("the aversion of {path} is {}", stat.aversion)
            }
            Some(stat) => format!("the version of {path} is {}", stat.version),
            None => format!("the version of {path} fits"),
        },
        ErrorCode::SystemError
        | ErrorCode::DataInconsistency
        | ErrorCode::NewConfigNoQuorum
        | ErrorCode::ReconfigInProgress
        | ErrorCode::NotReadOnly
        | ErrorCode::EphemeralOnLocalSession
        | ErrorCode::NoWatcher
        | ErrorCode::ReconfigDisabled
        | ErrorCode::SessionClosedRequireSaslAuth
        | ErrorCode::QuotaExceeded
        | ErrorCode::ThrottledOp
        | ErrorCode::RuntimeInconsistency
        | ErrorCode::MarshallingError
        | ErrorCode::Unimplemented
        | ErrorCode::BadArguments
        | ErrorCode::SessionExpired
        | ErrorCode::InvalidAcl
        | ErrorCode::AuthFailed
        | ErrorCode::SessionMoved => format!("nothing here makes {code:?}"),
    }
}

/// The path that an operation is about, and the one above it.
fn places(op: &Op) -> (&str, &str) {
    let path = match op {
        Op::Create { path, .. }
        | Op::Delete { path, .. }
        | Op::Exists { path, .. }
        | Op::GetData { path, .. }
        | Op::SetData { path, .. }
        | Op::GetChildren { path, .. }
        | Op::Check { path, .. }
        | Op::CreateContainer { path, .. }
        | Op::CreateTtl { path, .. }
        | Op::DeleteContainer { path }
        | Op::SetAcl { path, .. }
        | Op::GetAcl { path }
        | Op::AddWatch { path, .. }
        | Op::CheckWatches { path, .. }
        | Op::RemoveWatches { path, .. }
        | Op::GetAllChildrenNumber { path }
        | Op::Sync { path } => path.as_str(),
        Op::Multi(_)
        | Op::MultiRead(_)
        | Op::SetWatches { .. }
        | Op::SetWatches2 { .. }
        | Op::AddAuth { .. }
        | Op::GetEphemerals { .. }
        | Op::WhoAmI
        | Op::Reconfig { .. }
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession => "/",
    };
    let above = match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    };
    (path, above)
}

fn is_create(op: &Op) -> bool {
    matches!(op, Op::Create { .. } | Op::CreateContainer { .. } | Op::CreateTtl { .. })
}

/// Whose ACL says who may do this.
fn guarded(op: &Op) -> &str {
    let (path, above) = places(op);
    if is_create(op) || matches!(op, Op::Delete { .. }) { above } else { path }
}

fn stat(tree: &Tree, path: &str) -> Option<Stat> {
    let exists = Op::Exists { path: path.to_string(), watch: false };
    match tree.read(&exists, Zxid::ZERO)? {
        Ok(Reply::Stat(stat)) => Some(stat),
        Ok(_) | Err(_) => None,
    }
}

/// In what two replies differ.
fn replies(would: &Reply, told: &Reply) -> String {
    match (would, told) {
        (Reply::Created { path, stat }, Reply::Created { path: told, stat: shown }) => {
            if path != told {
                return format!("it would be called {path}, not {told}");
            }
            stats(stat.as_ref(), shown.as_ref())
        }
        (Reply::Stat(stat), Reply::Stat(shown)) => stats(Some(stat), Some(shown)),
        (Reply::Data { data, stat }, Reply::Data { data: told, stat: shown }) => {
            if data != told {
                let (there, told) = (words::data(data.as_deref()), words::data(told.as_deref()));
                return format!("{there} is there, not {told}");
            }
            stats(Some(stat), Some(shown))
        }
        (Reply::Children { names, stat }, Reply::Children { names: told, stat: shown }) => {
            let extra: Vec<&str> =
                names.iter().filter(|n| !told.contains(n)).map(|n| &**n).collect();
            let gone: Vec<&str> =
                told.iter().filter(|n| !names.contains(n)).map(|n| &**n).collect();
            match (extra.is_empty(), gone.is_empty()) {
                (true, true) => stats(stat.as_ref(), shown.as_ref()),
                (false, true) => format!("there is also {}", extra.join(", ")),
                (true, false) => format!("there is no {}", gone.join(", ")),
                (false, false) => {
                    format!("there is {}, but no {}", extra.join(", "), gone.join(", "))
                }
            }
        }
        (would, told) => format!(
            "it would answer {}, not {}",
            words::result(&Ok(would.clone())),
            words::result(&Ok(told.clone()))
        ),
    }
}

/// In what two Stats differ, but for zxids and times.
fn stats(would: Option<&Stat>, told: Option<&Stat>) -> String {
    let (Some(would), Some(told)) = (would, told) else {
        return "one answer has a Stat, the other has none".to_string();
    };
    let fields = [
        ("version", i64::from(would.version), i64::from(told.version)),
        ("cversion", i64::from(would.cversion), i64::from(told.cversion)),
        ("aversion", i64::from(would.aversion), i64::from(told.aversion)),
        ("numChildren", i64::from(would.num_children), i64::from(told.num_children)),
        ("dataLength", i64::from(would.data_length), i64::from(told.data_length)),
        ("ephemeralOwner", would.ephemeral_owner, told.ephemeral_owner),
    ];
    let differs = fields.into_iter().find(|(_, would, told)| would != told);
    differs.map_or("it would answer otherwise".to_string(), |(name, would, told)| {
        format!("its {name} would be {would}, not {told}")
    })
}
