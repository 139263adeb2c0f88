//! Whether a committed transaction is the one that the model expects of its request.

use crate::jute::Reader;
use crate::jute::proto::opcode;
use crate::jute::txn::{MultiTxn, SubTxn, Txn};
use crate::verdict::model::tree::{Acls, Effect};
use crate::znode::op::{Acl, ErrorCode, Op, open_acl};

use super::tally::Property;

/// What is wrong with a transaction: the property and a stable word.
pub(super) type Wrong = (Property, &'static str);

const OUTCOME: Property = Property::WriteOutcome;

/// The code with which the leader refused the request because of its session alone: such a
/// refusal depends on the leader's clock and owners, not on the state (spec 3.3, 3.5).
pub(super) fn refusal(op: &Op, txn: &Txn) -> Option<ErrorCode> {
    if let (Op::Reconfig { .. }, Txn::Error(error)) = (op, txn) {
        // Who is connected and synced, and what else is under way, the protocol knows (spec 6.12).
        let code = ErrorCode::from_wire(error.err);
        let elsewhere = [
            ErrorCode::NewConfigNoQuorum,
            ErrorCode::ReconfigInProgress,
            ErrorCode::SessionExpired,
            ErrorCode::SessionMoved,
        ];
        return elsewhere.contains(&code).then_some(code);
    }
    let code = match txn {
        Txn::Error(error) => error.err,
        Txn::Multi(multi) => error_of(multi.parts.first()?)?,
        _ => return None,
    };
    let code = ErrorCode::from_wire(code);
    matches!(code, ErrorCode::SessionExpired | ErrorCode::SessionMoved).then_some(code)
}

/// `None` if they agree.
pub(super) fn differs(op: &Op, outcome: &Result<Effect, ErrorCode>, txn: &Txn) -> Option<Wrong> {
    match (outcome, txn) {
        (Err(code), Txn::Error(error)) if error.err == code.wire() => None,
        (Err(_), Txn::Error(_)) => Some((OUTCOME, "error_code")),
        (Err(_), _) => Some((OUTCOME, "should_fail")),
        (Ok(effect), txn) => effect_differs(op, effect, txn),
    }
}

fn effect_differs(op: &Op, effect: &Effect, txn: &Txn) -> Option<Wrong> {
    match (op, effect, txn) {
        (
            Op::Create { data, mode, .. },
            Effect::Created { path, creates, acl, .. },
            Txn::Create(txn) | Txn::Create2(txn),
        ) => {
            let name = if mode.is_sequential() { Property::SequentialNames } else { OUTCOME };
            wrong((name, "path"), *txn.path == **path)
                .or(wrong((OUTCOME, "data"), txn.data == *data))
                .or(wrong((OUTCOME, "ephemeral"), txn.ephemeral == mode.is_ephemeral()))
                .or(wrong((OUTCOME, "parent_creates"), txn.parent_cversion == *creates))
                .or(wrong((OUTCOME, "acl"), is_acl(acl, &txn.acl)))
        }
        (
            Op::CreateContainer { data, .. },
            Effect::Created { path, creates, acl, .. },
            Txn::CreateContainer(txn),
        ) => wrong((OUTCOME, "path"), *txn.path == **path)
            .or(wrong((OUTCOME, "data"), txn.data == *data))
            .or(wrong((OUTCOME, "parent_creates"), txn.parent_cversion == *creates))
            .or(wrong((OUTCOME, "acl"), is_acl(acl, &txn.acl))),
        (
            Op::CreateTtl { data, sequential, ttl, .. },
            Effect::Created { path, creates, acl, .. },
            Txn::CreateTtl(txn),
        ) => {
            let name = if *sequential { Property::SequentialNames } else { OUTCOME };
            wrong((name, "path"), *txn.path == **path)
                .or(wrong((OUTCOME, "data"), txn.data == *data))
                .or(wrong((OUTCOME, "ttl"), txn.ttl == *ttl))
                .or(wrong((OUTCOME, "parent_creates"), txn.parent_cversion == *creates))
                .or(wrong((OUTCOME, "acl"), is_acl(acl, &txn.acl)))
        }
        (Op::SetAcl { path, .. }, Effect::Granted { stat, acl }, Txn::SetAcl(txn)) => {
            wrong((OUTCOME, "path"), txn.path == *path)
                .or(wrong((OUTCOME, "acl"), is_acl(acl, &txn.acl)))
                .or(wrong((OUTCOME, "version"), txn.version == stat.aversion))
        }
        (Op::Reconfig { .. }, Effect::Configured { data, .. }, Txn::Reconfig(txn)) => {
            wrong((OUTCOME, "path"), txn.path == "/zookeeper/config")
                .or(wrong((OUTCOME, "data"), txn.data == *data))
                .or(wrong((OUTCOME, "version"), txn.version == -1))
        }
        (Op::Delete { path, .. }, Effect::Deleted, Txn::Delete(txn)) => {
            wrong((OUTCOME, "path"), txn.path == *path)
        }
        (Op::SetData { path, data, .. }, Effect::Changed { stat }, Txn::SetData(txn)) => {
            wrong((OUTCOME, "path"), txn.path == *path)
                .or(wrong((OUTCOME, "data"), txn.data == *data))
                .or(wrong((OUTCOME, "version"), txn.version == stat.version))
        }
        (Op::Check { path, .. }, Effect::Checked, Txn::Check(txn)) => {
            wrong((OUTCOME, "path"), txn.path == *path)
        }
        (Op::Multi(ops), Effect::Multi(effects), Txn::Multi(txn)) => {
            if txn.parts.len() != ops.len() {
                return Some((OUTCOME, "multi_parts"));
            }
            let mut parts = ops.iter().zip(effects).zip(&txn.parts);
            parts.find_map(|((op, effect), part)| match decode(part) {
                Some(txn) => effect_differs(op, effect, &txn),
                None => Some((OUTCOME, "multi_part")),
            })
        }
        (Op::Multi(ops), Effect::MultiFailed { part, code }, Txn::Multi(txn)) => {
            failed_multi_differs(ops.len(), *part, *code, txn)
        }
        (_, _, Txn::Error(_)) => Some((OUTCOME, "should_succeed")),
        _ => Some((OUTCOME, "txn_kind")),
    }
}

/// Parts before the failing one may keep their records: they are without effect (spec 7.2).
fn failed_multi_differs(ops: usize, part: usize, code: ErrorCode, txn: &MultiTxn) -> Option<Wrong> {
    if txn.parts.len() != ops {
        return Some((OUTCOME, "multi_parts"));
    }
    let failing = txn.parts.get(part).and_then(error_of);
    let after = txn.parts.iter().skip(part + 1);
    wrong((OUTCOME, "multi_should_fail"), failing.is_some())
        .or(wrong((OUTCOME, "multi_code"), failing == Some(code.wire())))
        .or(wrong((OUTCOME, "multi_rest"), after.clone().all(|sub| sub.kind == opcode::ERROR)))
        .or(wrong((OUTCOME, "multi_early"), {
            txn.parts.iter().take(part).all(|sub| error_of(sub).is_none_or(|err| err == 0))
        }))
}

fn is_acl(stored: &Acls, told: &[Acl]) -> bool {
    match stored {
        Some(stored) => **stored == *told,
        None => *told == open_acl(),
    }
}

fn wrong(what: Wrong, fine: bool) -> Option<Wrong> {
    if fine { None } else { Some(what) }
}

fn decode(part: &SubTxn) -> Option<Txn> {
    Txn::decode(part.kind, &mut Reader::new(part.data.as_deref()?)).ok()
}

fn error_of(part: &SubTxn) -> Option<i32> {
    match decode(part)? {
        Txn::Error(error) => Some(error.err),
        _ => None,
    }
}
