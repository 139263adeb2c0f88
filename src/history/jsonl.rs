//! A history as lines of JSON, for other tools. Version: `"zoosim":"history/1"`.
//!
//! The first line is `{"zoosim":"history/1"}`. Then come calls, by invocation, and all other
//! events, by time; a call's line stands where it was called. Times are simulated nanoseconds,
//! `step` counts the world's steps. Zxids are numbers, paths and names text, data text too if it is
//! UTF-8 and a list of bytes if it is not.
//!
//! ```text
//! {"type":"call","id":0,"client":1,"session":72057594037927937,"conn":3,"server":2,"xid":1,
//!  "op":{"op":"create","path":"/a","data":"7","mode":"persistent","acl":..},
//!  "invoked":{"step":40,"time":1200000},"returned":{"step":61,"time":1900000},"zxid":4294967298,
//!  "outcome":"ok"|"failed"|"lost"|"open","value":..,"error":-101}
//! {"type":"connected"|"disconnected"|"expired"|"watch","at":{..},"client":1,"session":..,..}
//! {"type":"committed","zxid":4294967298,"session":72057594037927937,"xid":1,
//!  "did":"write"|"close"|"nothing"}
//! ```
//!
//! Lines of type `committed` are the servers' log, anywhere in the file: all of it or none. With it
//! nobody has to find out what became of lost calls. `did` is `nothing` if the call was refused.
//!
//! `value` stands beside `"ok"`: `null` for an empty answer, else an object with those of `path`,
//! `data`, `stat`, `names`, `parts`, `acl`, `paths`, `number`, `ids` that the answer has; `stat`
//! has ZooKeeper's field names. A failed part of a multi is `{"error":code}`; code 0 for those
//! before the failing one.

mod read;

pub use read::read;

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::io::Read;

use serde_json::{Map, Value, json};

use crate::jute::proto::{Acl, Stat};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::foreign::Refusal;
use super::record::{Entry, Event, Happening, History, Operation, Outcome};
use super::{At, Committed};

/// The schema's name and version, as the first line states it.
pub const SCHEMA: &str = "history/1";

/// Reads a history.
///
/// # Errors
/// As [`read`].
pub fn import(bytes: &mut dyn Read) -> Result<History, Refusal> {
    let mut history = History::new();
    read(bytes, &mut |_, entry| history.take(entry))?;
    history.events.sort_by_key(Event::moment);
    Ok(history)
}

/// Writes a history down.
///
/// # Errors
/// Those of `out`.
pub fn export(history: &History, out: &mut impl Write) -> fmt::Result {
    writeln!(out, "{}", head())?;
    let out = RefCell::new(out);
    history.by_time(
        &mut |operation| writeln!(out.borrow_mut(), "{}", call(operation)),
        &mut |happened| writeln!(out.borrow_mut(), "{}", event(happened)),
    )?;
    history.log.iter().try_for_each(|txn| writeln!(out.borrow_mut(), "{}", committed(txn)))
}

/// The first line.
pub fn head() -> Value {
    json!({ "zoosim": SCHEMA })
}

/// The line of a call, an event or a transaction.
pub fn line(entry: &Entry) -> Value {
    match entry {
        Entry::Call(operation) => call(operation),
        Entry::Event(happened) => event(happened),
        Entry::Committed(txn) => committed(txn),
    }
}

fn committed(txn: &Committed) -> Value {
    json!({
        "type": "committed",
        "zxid": txn.zxid.0,
        "session": txn.session.0,
        "xid": txn.xid,
        "did": txn.did.name(),
    })
}

fn at(at: At) -> Value {
    json!({ "step": at.step, "time": at.time.0 })
}

fn call(operation: &Operation) -> Value {
    let (outcome, extra) = match &operation.outcome {
        Outcome::Ok(value) => ("ok", Some(("value", reply(value)))),
        Outcome::Failed(code) => ("failed", Some(("error", json!(code.wire())))),
        Outcome::Lost => ("lost", None),
        Outcome::Open => ("open", None),
    };
    let mut line = json!({
        "type": "call",
        "id": operation.id.0,
        "client": operation.client.0,
        "session": operation.session.0,
        "conn": operation.conn.0,
        "server": operation.server.0,
        "xid": operation.xid,
        "op": op(&operation.op),
        "invoked": at(operation.invoked),
        "returned": operation.returned.map(at),
        "zxid": operation.zxid.map(|zxid| zxid.0),
        "outcome": outcome,
    });
    if let (Some((key, value)), Value::Object(line)) = (extra, &mut line) {
        line.insert(key.to_owned(), value);
    }
    line
}

fn event(event: &Event) -> Value {
    let mut line = json!({
        "at": at(event.at), "client": event.client.0, "session": event.session.0,
    });
    let more = match &event.what {
        Happening::Connected { conn, server, fresh, timeout_ms } => json!({
            "type": "connected", "conn": conn.0, "server": server.0, "fresh": fresh,
            "timeout_ms": timeout_ms,
        }),
        Happening::Disconnected { conn } => json!({ "type": "disconnected", "conn": conn.0 }),
        Happening::Expired => json!({ "type": "expired" }),
        Happening::Watch { conn, kind, path, zxid } => json!({
            "type": "watch", "conn": conn.0, "kind": kind, "path": path,
            "zxid": zxid.map(|zxid| zxid.0),
        }),
    };
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}

fn data(data: Option<&[u8]>) -> Value {
    match data.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => Value::Null,
        Some((Ok(text), _)) => json!(text),
        Some((Err(_), bytes)) => json!(bytes),
    }
}

pub(super) fn op(op: &Op) -> Value {
    let mut line = Map::new();
    line.insert("op".into(), json!(op.name()));
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    match op {
        Op::Create { path, data: bytes, acl, mode, stat: _ } => {
            put("path", json!(path));
            put("data", data(bytes.as_deref()));
            put("mode", json!(mode));
            put("acl", acls(acl));
        }
        Op::Delete { path, version } | Op::Check { path, version } => {
            put("path", json!(path));
            put("version", json!(version));
        }
        Op::SetData { path, data: bytes, version } => {
            put("path", json!(path));
            put("data", data(bytes.as_deref()));
            put("version", json!(version));
        }
        Op::Exists { path, watch }
        | Op::GetData { path, watch }
        | Op::GetChildren { path, watch, stat: _ } => {
            put("path", json!(path));
            put("watch", json!(watch));
        }
        Op::Sync { path } => {
            put("path", json!(path));
        }
        Op::Multi(parts) | Op::MultiRead(parts) => {
            put("parts", parts.iter().map(self::op).collect());
        }
        Op::SetWatches { relative, data, exist, child } => {
            put("relative", json!(relative));
            put("watches", json!({ "data": data, "exist": exist, "child": child }));
        }
        Op::CreateSession { timeout } => {
            put("timeout", json!(timeout));
        }
        Op::CreateContainer { path, data: bytes, acl } => {
            put("path", json!(path));
            put("data", data(bytes.as_deref()));
            put("acl", acls(acl));
        }
        Op::CreateTtl { path, data: bytes, acl, sequential, ttl } => {
            put("path", json!(path));
            put("data", data(bytes.as_deref()));
            put("acl", acls(acl));
            put("sequential", json!(sequential));
            put("ttl", json!(ttl));
        }
        Op::SetAcl { path, acl, version } => {
            put("path", json!(path));
            put("acl", acls(acl));
            put("version", json!(version));
        }
        Op::DeleteContainer { path }
        | Op::GetAcl { path }
        | Op::GetAllChildrenNumber { path }
        | Op::GetEphemerals { prefix: path } => {
            put("path", json!(path));
        }
        Op::AddAuth { scheme, auth } => {
            put("scheme", json!(scheme));
            put("auth", data(Some(auth)));
        }
        Op::AddWatch { path, mode } => {
            put("path", json!(path));
            put("mode", json!(mode));
        }
        Op::CheckWatches { path, kind } | Op::RemoveWatches { path, kind } => {
            put("path", json!(path));
            put("kind", json!(kind));
        }
        Op::SetWatches2 { relative, data, exist, child, persistent, recursive } => {
            put("relative", json!(relative));
            put(
                "watches",
                json!({
                    "data": data, "exist": exist, "child": child, "persistent": persistent,
                    "recursive": recursive,
                }),
            );
        }
        Op::Reconfig { joining, leaving, members, version } => {
            put("joining", json!(joining));
            put("leaving", json!(leaving));
            put("members", json!(members));
            put("version", json!(version));
        }
        Op::Ping | Op::CloseSession | Op::WhoAmI => {}
    }
    Value::Object(line)
}

fn acls(acl: &[Acl]) -> Value {
    acl.iter().map(|acl| json!([acl.perms, acl.id.scheme, acl.id.id])).collect()
}

pub(super) fn reply(reply: &Reply) -> Value {
    match reply {
        Reply::Done => Value::Null,
        Reply::Created { path, stat: None } | Reply::Synced { path } => json!({ "path": path }),
        Reply::Created { path, stat: Some(seen) } => json!({ "path": path, "stat": stat(seen) }),
        Reply::Stat(seen) => json!({ "stat": stat(seen) }),
        Reply::Data { data: bytes, stat: seen } => {
            json!({ "data": data(bytes.as_deref()), "stat": stat(seen) })
        }
        Reply::Children { names, stat: None } => json!({ "names": names }),
        Reply::Children { names, stat: Some(seen) } => {
            json!({ "names": names, "stat": stat(seen) })
        }
        Reply::Multi(parts) => {
            let part = |part: &Result<Reply, Option<ErrorCode>>| match part {
                Ok(done) => self::reply(done),
                Err(code) => json!({ "error": code.map_or(0, ErrorCode::wire) }),
            };
            json!({ "parts": parts.iter().map(part).collect::<Vec<_>>() })
        }
        Reply::Acl { acl, stat: seen } => json!({ "acl": acls(acl), "stat": stat(seen) }),
        Reply::Ephemerals(paths) => json!({ "paths": paths }),
        Reply::Count(number) => json!({ "number": number }),
        Reply::Who(ids) => {
            let ids = ids.iter().map(|id| json!([id.scheme, id.id]));
            json!({ "ids": ids.collect::<Vec<_>>() })
        }
    }
}

fn stat(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": stat.ephemeral_owner,
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
        "pzxid": stat.pzxid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientId, ConnId, PeerId, SessionId, Time, Zxid};
    use crate::history::{Call, CallId, Seen};

    #[test]
    fn a_history_is_lines_of_json() {
        let mut history = History::new();
        let at = |step| At { step, time: Time(step * 10) };
        let (id, client, session) = (CallId(0), ClientId(1), SessionId(7));
        let (conn, server, op) = (ConnId(3), PeerId(2), Op::Sync { path: "/".into() });
        history
            .observe(at(1), &Seen::Called(Call { id, client, session, conn, server, xid: 1, op }));
        let result = Ok(Reply::Synced { path: "/".into() });
        history.observe(at(2), &Seen::Returned { id, zxid: Zxid(5), result });
        history.observe(at(3), &Seen::Expired { client, session });
        let mut text = String::new();
        export(&history, &mut text).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], json!({ "zoosim": "history/1" }));
        assert_eq!(lines[1]["outcome"], "ok");
        assert_eq!(lines[1]["value"], json!({ "path": "/" }));
        assert_eq!(lines[1]["returned"], json!({ "step": 2, "time": 20 }));
        assert_eq!(lines[2]["type"], "expired");
    }
}
