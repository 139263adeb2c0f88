//! A history out of lines of JSON, as [`super::export`] writes them.
//!
//! One line at a time. Nothing is guessed: a line that is not understood, an order that is not that
//! of the schema and a history without calls are refused with their place.

use std::io::Read;

use serde_json::{Map, Value};

use crate::base::{ClientId, ConnId, PeerId, SessionId, Time, Zxid};
use crate::history::foreign::{Place, Refusal, Source};
use crate::history::record::{Entry, Event, Happening, Operation, Outcome};
use crate::history::{At, CallId, Committed, Did};
use crate::jute::proto::{Acl, Id, Stat};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::SCHEMA;

/// What is wrong with a line.
type Bad = String;

/// Reads a history, each line with its number into `sink`.
///
/// # Errors
/// The first line that cannot be understood, and a history without calls.
pub fn read(bytes: &mut dyn Read, sink: &mut dyn FnMut(u64, Entry)) -> Result<(), Refusal> {
    let mut source = Source::new(bytes);
    let mut line = Vec::new();
    let (mut headed, mut last) = (false, None);
    loop {
        let place = source.place();
        if !source.line(&mut line) {
            break;
        }
        let refuse = |what: Bad| {
            let hint = format!("this is read as a line of zoosim's `{SCHEMA}`");
            Refusal::at(place, what, hint)
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let object = match serde_json::from_slice(&line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return Err(refuse("this is no object".to_string())),
            Err(error) => {
                let column = error.column().max(1) as u64;
                let full = error.to_string();
                let what = full.split(" at line ").next().unwrap_or(&full).to_string();
                let hint = "each line is a JSON object of its own: is the file whole?";
                return Err(Refusal::at(Place { column, ..place }, what, hint));
            }
        };
        let fields = Fields(&object);
        match object.get("type").and_then(Value::as_str) {
            None if !headed => {
                fields.schema().map_err(refuse)?;
                headed = true;
            }
            _ if !headed => return Err(refuse(format!("the first line must name `{SCHEMA}`"))),
            Some("call") => {
                let call = call(&fields).map_err(refuse)?;
                follows(last, &call).map_err(refuse)?;
                last = Some((call.id, call.invoked));
                sink(place.line, Entry::Call(call));
            }
            Some("committed") => {
                let committed = committed(&fields).map_err(refuse)?;
                sink(place.line, Entry::Committed(committed));
            }
            Some(_) => sink(place.line, Entry::Event(event(&fields).map_err(refuse)?)),
            None => return Err(refuse("`type` is missing".to_string())),
        }
    }
    if let Some(failure) = source.failure() {
        return Err(failure);
    }
    if last.is_none() {
        let hint = "a history without calls proves nothing: is this the right file?";
        return Err(Refusal::at(source.place(), "no client called anything here", hint));
    }
    Ok(())
}

fn committed(fields: &Fields<'_>) -> Result<Committed, Bad> {
    let named = fields.text("did")?;
    let did = Did::ALL.into_iter().find(|did| did.name() == named);
    Ok(Committed {
        zxid: Zxid(fields.natural("zxid")?),
        session: SessionId(fields.int("session")?),
        xid: fields.int("xid")?,
        did: did.ok_or_else(|| "`did` is not `write`, `close` or `nothing`".to_string())?,
    })
}

/// Calls stand in the order of their invocations and numbers.
fn follows(before: Option<(CallId, At)>, call: &Operation) -> Result<(), Bad> {
    let Some((id, invoked)) = before else { return Ok(()) };
    if call.id <= id || call.invoked < invoked {
        return Err(format!("call {} stands behind call {}", call.id.0, id.0));
    }
    Ok(())
}

/// An object's fields, with errors that name them.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, name: &str) -> Result<Fields<'a>, Bad> {
        value.as_object().map(Fields).ok_or_else(|| format!("`{name}` is no object"))
    }

    fn schema(&self) -> Result<(), Bad> {
        match self.0.get("zoosim").and_then(Value::as_str) {
            Some(SCHEMA) => Ok(()),
            Some(other) => Err(format!("`zoosim` is `{other}`, not `{SCHEMA}`")),
            None => Err(format!("the first line must name `{SCHEMA}`")),
        }
    }

    fn get(&self, name: &str) -> Result<&'a Value, Bad> {
        self.0.get(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// A field that is not there, or `null`, is `None`.
    fn maybe(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn int<T: TryFrom<i64>>(&self, name: &str) -> Result<T, Bad> {
        let number = self.get(name)?.as_i64().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("`{name}` is no number in its range"))
    }

    fn natural(&self, name: &str) -> Result<u64, Bad> {
        self.get(name)?.as_u64().ok_or_else(|| format!("`{name}` is no number from 0"))
    }

    fn flag(&self, name: &str) -> Result<bool, Bad> {
        self.get(name)?.as_bool().ok_or_else(|| format!("`{name}` is not true or false"))
    }

    fn text(&self, name: &str) -> Result<String, Bad> {
        let text = self.get(name)?.as_str().map(str::to_string);
        text.ok_or_else(|| format!("`{name}` is no text"))
    }

    fn maybe_text(&self, name: &str) -> Result<Option<String>, Bad> {
        self.maybe(name).map(|_| self.text(name)).transpose()
    }

    /// One of the words of an enumeration.
    fn choice<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Bad> {
        let choice = serde_json::from_value(self.get(name)?.clone());
        choice.map_err(|_| format!("`{name}` is unknown"))
    }

    fn acl(&self, name: &str) -> Result<Vec<Acl>, Bad> {
        self.list(name)?.iter().map(acl).collect()
    }

    fn list(&self, name: &str) -> Result<&'a [Value], Bad> {
        let list = self.get(name)?.as_array().map(Vec::as_slice);
        list.ok_or_else(|| format!("`{name}` is no list"))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Bad> {
        let text = |value: &Value| value.as_str().map(str::to_string);
        let texts: Option<Vec<String>> = self.list(name)?.iter().map(text).collect();
        texts.ok_or_else(|| format!("`{name}` is no list of texts"))
    }

    /// Text, or a list of bytes, or nothing.
    fn data(&self, name: &str) -> Result<Option<Vec<u8>>, Bad> {
        let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
        match self.get(name)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone().into_bytes())),
            Value::Array(bytes) => {
                let bytes: Option<Vec<u8>> = bytes.iter().map(byte).collect();
                bytes.map(Some).ok_or_else(|| format!("`{name}` is no list of bytes"))
            }
            _ => Err(format!("`{name}` is no data")),
        }
    }

    fn at(&self, name: &str) -> Result<At, Bad> {
        let inner = Fields::of(self.get(name)?, name)?;
        Ok(At { step: inner.natural("step")?, time: Time(inner.natural("time")?) })
    }

    fn zxid(&self) -> Result<Option<Zxid>, Bad> {
        match self.maybe("zxid") {
            None => Ok(None),
            Some(_) => Ok(Some(Zxid(self.natural("zxid")?))),
        }
    }

    fn code(&self) -> Result<ErrorCode, Bad> {
        let code: i32 = self.int("error")?;
        let known = ErrorCode::ALL.iter().find(|known| known.wire() == code);
        known.copied().ok_or_else(|| format!("`error` {code} is unknown"))
    }
}

fn call(fields: &Fields<'_>) -> Result<Operation, Bad> {
    let op = op(&Fields::of(fields.get("op")?, "op")?)?;
    let invoked = fields.at("invoked")?;
    let returned = fields.maybe("returned").map(|_| fields.at("returned")).transpose()?;
    if returned.is_some_and(|returned| returned < invoked) {
        return Err("`returned` stands before `invoked`".to_string());
    }
    let outcome = match fields.text("outcome")?.as_str() {
        "ok" => Outcome::Ok(reply(&op, fields.get("value")?)?),
        "failed" => Outcome::Failed(fields.code()?),
        "lost" => Outcome::Lost,
        "open" => Outcome::Open,
        other => return Err(format!("`outcome` `{other}` is unknown")),
    };
    let answered = matches!(outcome, Outcome::Ok(_) | Outcome::Failed(_));
    if answered && returned.is_none() {
        return Err("`returned` is missing: this was answered".to_string());
    }
    Ok(Operation {
        id: CallId(fields.int("id")?),
        client: ClientId(fields.int("client")?),
        session: SessionId(fields.int("session")?),
        conn: ConnId(fields.natural("conn")?),
        server: PeerId(fields.int("server")?),
        xid: fields.int("xid")?,
        op,
        invoked,
        returned,
        zxid: fields.zxid()?,
        outcome,
    })
}

fn event(fields: &Fields<'_>) -> Result<Event, Bad> {
    let conn = || fields.natural("conn").map(ConnId);
    let what = match fields.text("type")?.as_str() {
        "connected" => Happening::Connected {
            conn: conn()?,
            server: PeerId(fields.int("server")?),
            fresh: fields.flag("fresh")?,
            timeout_ms: fields.natural("timeout_ms")?,
        },
        "disconnected" => Happening::Disconnected { conn: conn()? },
        "expired" => Happening::Expired,
        "watch" => Happening::Watch {
            conn: conn()?,
            kind: fields.int("kind")?,
            path: fields.text("path")?,
            zxid: fields.zxid()?,
        },
        other => return Err(format!("`type` `{other}` is unknown")),
    };
    let (client, session) = (ClientId(fields.int("client")?), SessionId(fields.int("session")?));
    Ok(Event { at: fields.at("at")?, client, session, what })
}

fn op(fields: &Fields<'_>) -> Result<Op, Bad> {
    let path = || fields.text("path");
    let watch = || fields.flag("watch");
    let version = || fields.int("version");
    let parts = || -> Result<Vec<Op>, Bad> {
        let one = |part| op(&Fields::of(part, "parts")?);
        fields.list("parts")?.iter().map(one).collect()
    };
    Ok(match fields.text("op")?.as_str() {
        name @ ("create" | "create2") => {
            let stat = name == "create2";
            let (acl, mode) = (fields.acl("acl")?, fields.choice("mode")?);
            Op::Create { path: path()?, data: fields.data("data")?, acl, mode, stat }
        }
        "delete" => Op::Delete { path: path()?, version: version()? },
        "check" => Op::Check { path: path()?, version: version()? },
        "exists" => Op::Exists { path: path()?, watch: watch()? },
        "getData" => Op::GetData { path: path()?, watch: watch()? },
        "setData" => Op::SetData { path: path()?, data: fields.data("data")?, version: version()? },
        "getChildren" => Op::GetChildren { path: path()?, watch: watch()?, stat: false },
        "getChildren2" => Op::GetChildren { path: path()?, watch: watch()?, stat: true },
        "sync" => Op::Sync { path: path()? },
        "multi" => Op::Multi(parts()?),
        "multiRead" => Op::MultiRead(parts()?),
        "setWatches" => {
            let watches = Fields::of(fields.get("watches")?, "watches")?;
            Op::SetWatches {
                relative: fields.int("relative")?,
                data: watches.texts("data")?,
                exist: watches.texts("exist")?,
                child: watches.texts("child")?,
            }
        }
        "ping" => Op::Ping,
        "createSession" => Op::CreateSession { timeout: fields.int("timeout")? },
        "closeSession" => Op::CloseSession,
        name => return newer_op(name, fields),
    })
}

/// The operations about permissions, containers, times to live, persistent watches and the config.
fn newer_op(name: &str, fields: &Fields<'_>) -> Result<Op, Bad> {
    let path = || fields.text("path");
    let data = || fields.data("data");
    let acl = || fields.acl("acl");
    Ok(match name {
        "createContainer" => Op::CreateContainer { path: path()?, data: data()?, acl: acl()? },
        "createTTL" => {
            let (sequential, ttl) = (fields.flag("sequential")?, fields.int("ttl")?);
            Op::CreateTtl { path: path()?, data: data()?, acl: acl()?, sequential, ttl }
        }
        "deleteContainer" => Op::DeleteContainer { path: path()? },
        "setACL" => Op::SetAcl { path: path()?, acl: acl()?, version: fields.int("version")? },
        "getACL" => Op::GetAcl { path: path()? },
        "auth" => {
            let auth = fields.data("auth")?.unwrap_or_default();
            Op::AddAuth { scheme: fields.text("scheme")?, auth }
        }
        "addWatch" => Op::AddWatch { path: path()?, mode: fields.choice("mode")? },
        "checkWatches" => Op::CheckWatches { path: path()?, kind: fields.choice("kind")? },
        "removeWatches" => Op::RemoveWatches { path: path()?, kind: fields.choice("kind")? },
        "setWatches2" => {
            let watches = Fields::of(fields.get("watches")?, "watches")?;
            Op::SetWatches2 {
                relative: fields.int("relative")?,
                data: watches.texts("data")?,
                exist: watches.texts("exist")?,
                child: watches.texts("child")?,
                persistent: watches.texts("persistent")?,
                recursive: watches.texts("recursive")?,
            }
        }
        "getEphemerals" => Op::GetEphemerals { prefix: path()? },
        "getAllChildrenNumber" => Op::GetAllChildrenNumber { path: path()? },
        "whoAmI" => Op::WhoAmI,
        "reconfig" => Op::Reconfig {
            joining: fields.maybe_text("joining")?,
            leaving: fields.maybe_text("leaving")?,
            members: fields.maybe_text("members")?,
            version: fields.int("version")?,
        },
        other => return Err(format!("`op` `{other}` is unknown")),
    })
}

fn acl(value: &Value) -> Result<Acl, Bad> {
    let bad = || "`acl` is no list of `[perms, scheme, id]`".to_string();
    let [perms, scheme, id] = value.as_array().map(Vec::as_slice).ok_or_else(bad)? else {
        return Err(bad());
    };
    let perms = perms.as_i64().and_then(|perms| i32::try_from(perms).ok()).ok_or_else(bad)?;
    identity(scheme, id).map(|id| Acl { perms, id }).ok_or_else(bad)
}

fn id(value: &Value) -> Result<Id, Bad> {
    let id = match value.as_array().map(Vec::as_slice) {
        Some([scheme, id]) => identity(scheme, id),
        Some(_) | None => None,
    };
    id.ok_or_else(|| "`ids` is no list of `[scheme, id]`".to_string())
}

fn identity(scheme: &Value, id: &Value) -> Option<Id> {
    let text = |value: &Value| match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        _ => None,
    };
    Some(Id { scheme: text(scheme)?, id: text(id)? })
}

/// An answer to this operation.
fn reply(op: &Op, value: &Value) -> Result<Reply, Bad> {
    let fields = || Fields::of(value, "value");
    let path = || fields()?.text("path");
    Ok(match op {
        Op::Delete { .. }
        | Op::Check { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::CreateSession { .. }
        | Op::CloseSession
        | Op::DeleteContainer { .. }
        | Op::AddAuth { .. }
        | Op::AddWatch { .. }
        | Op::CheckWatches { .. }
        | Op::RemoveWatches { .. }
        | Op::SetWatches2 { .. } => match value {
            Value::Null => Reply::Done,
            _ => return Err("`value` must be null here".to_string()),
        },
        Op::Create { .. } | Op::CreateContainer { .. } | Op::CreateTtl { .. } => {
            let stat = fields()?.maybe("stat").map(stat).transpose()?;
            Reply::Created { path: path()?, stat }
        }
        Op::Exists { .. } | Op::SetData { .. } | Op::SetAcl { .. } => {
            Reply::Stat(stat(fields()?.get("stat")?)?)
        }
        Op::GetAcl { .. } => {
            Reply::Acl { acl: fields()?.acl("acl")?, stat: stat(fields()?.get("stat")?)? }
        }
        Op::GetEphemerals { .. } => Reply::Ephemerals(fields()?.texts("paths")?),
        Op::GetAllChildrenNumber { .. } => Reply::Count(fields()?.int("number")?),
        Op::WhoAmI => {
            Reply::Who(fields()?.list("ids")?.iter().map(id).collect::<Result<_, Bad>>()?)
        }
        Op::GetData { .. } | Op::Reconfig { .. } => {
            Reply::Data { data: fields()?.data("data")?, stat: stat(fields()?.get("stat")?)? }
        }
        Op::GetChildren { .. } => {
            let stat = fields()?.maybe("stat").map(stat).transpose()?;
            Reply::Children { names: fields()?.texts("names")?, stat }
        }
        Op::Sync { .. } => Reply::Synced { path: path()? },
        Op::Multi(ops) | Op::MultiRead(ops) => {
            let parts = fields()?.list("parts")?;
            if parts.len() != ops.len() {
                return Err(format!("`parts` are {}, of {} asked", parts.len(), ops.len()));
            }
            let parts = ops.iter().zip(parts).map(|(op, part)| self::part(op, part));
            Reply::Multi(parts.collect::<Result<_, Bad>>()?)
        }
    })
}

fn part(op: &Op, value: &Value) -> Result<Result<Reply, Option<ErrorCode>>, Bad> {
    match value.get("error").and_then(Value::as_i64) {
        Some(0) => Ok(Err(None)),
        Some(_) => Ok(Err(Some(Fields::of(value, "parts")?.code()?))),
        None => Ok(Ok(reply(op, value)?)),
    }
}

fn stat(value: &Value) -> Result<Stat, Bad> {
    let fields = Fields::of(value, "stat")?;
    Ok(Stat {
        czxid: fields.int("czxid")?,
        mzxid: fields.int("mzxid")?,
        ctime: fields.int("ctime")?,
        mtime: fields.int("mtime")?,
        version: fields.int("version")?,
        cversion: fields.int("cversion")?,
        aversion: fields.int("aversion")?,
        ephemeral_owner: fields.int("ephemeralOwner")?,
        data_length: fields.int("dataLength")?,
        num_children: fields.int("numChildren")?,
        pzxid: fields.int("pzxid")?,
    })
}
