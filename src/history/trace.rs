//! A trace as lines of JSON, for other tools. Version: `"zoosim":"trace/1"`.
//!
//! The first line is `{"zoosim":"trace/1","scenario":..,"seed":..}`. Each further line is one thing
//! seen: `step`, `time_ns`, `seen` (which thing), then its fields. Peers, clients, sessions and
//! zxids are numbers, digests 16 hexadecimal digits; operations, answers and data are as in
//! [`jsonl`]. A probe that says what the peer's last one said may be left out. Fields may be added
//! in this version; readers skip what they do not know.

use serde_json::{Map, Value, json};

use super::{At, Seen, Stop, jsonl, words};
use crate::base::{Digest, PeerId, SessionId, Zxid};
use crate::process::{Note, Tag};

/// The schema's name and version, as the first line states it.
pub const SCHEMA: &str = "trace/1";

/// The first line.
pub fn header(scenario: &str, seed: u64) -> String {
    json!({ "zoosim": SCHEMA, "scenario": scenario, "seed": seed }).to_string()
}

/// One thing seen, as a line without its end.
pub fn line(at: At, seen: &Seen) -> String {
    let mut fields = Map::new();
    fields.insert("step".to_string(), json!(at.step));
    fields.insert("time_ns".to_string(), json!(at.time.0));
    let (word, value) = fields_of(seen);
    fields.insert("seen".to_string(), json!(word));
    if let Value::Object(more) = value {
        fields.extend(more);
    }
    Value::Object(fields).to_string()
}

fn fields_of(seen: &Seen) -> (&'static str, Value) {
    match seen {
        Seen::Called(_)
        | Seen::Returned { .. }
        | Seen::Lost { .. }
        | Seen::Connecting { .. }
        | Seen::Connected { .. }
        | Seen::Heard { .. }
        | Seen::Disconnected { .. }
        | Seen::Expired { .. }
        | Seen::GaveUp { .. }
        | Seen::Watch { .. }
        | Seen::Finished { .. }
        | Seen::Claimed { .. }
        | Seen::Complained { .. } => fields_of_client(seen),
        Seen::Starting { peer, incarnation, image, damaged } => {
            let files: Vec<Value> = image.files.iter().map(file).collect();
            let fields = json!({
                "peer": peer, "incarnation": incarnation, "damaged": damaged, "files": files,
            });
            ("starting", fields)
        }
        Seen::Refused { peer, reason, damaged } => {
            ("refused", json!({ "peer": peer, "reason": reason, "damaged": damaged }))
        }
        Seen::Stopped { peer, why } => {
            let (why, detail) = match why {
                Stop::Crash => ("crash", ""),
                Stop::Halt(detail) => ("halt", detail.as_str()),
                Stop::Panic(detail) => ("panic", detail.as_str()),
            };
            ("stopped", json!({ "peer": peer, "why": why, "detail": detail }))
        }
        Seen::Noted { peer, note } => {
            let mut fields = json!({ "peer": peer, "note": note.kind() });
            merge(&mut fields, note_fields(note));
            ("noted", fields)
        }
        Seen::Probed { peer, probe } => {
            let fields = json!({
                "peer": peer,
                "role": words::role(probe.role),
                "phase": words::phase(probe.phase),
                "epoch": probe.epoch,
                "accepted": probe.accepted,
                "logged": zxid(probe.logged),
                "committed": zxid(probe.committed),
                "applied": zxid(probe.applied),
                "tree": probe.tree.map(hex64),
                "serving": probe.serving,
            });
            ("probed", fields)
        }
        Seen::LinkUp { link, from, to, channel } => {
            let channel = words::channel(*channel);
            ("link_up", json!({ "link": link, "from": from, "to": to, "channel": channel }))
        }
        Seen::LinkDown { link } => ("link_down", json!({ "link": link })),
        Seen::Sent { link, from, to, channel, tag } => {
            let channel = words::channel(*channel);
            let mut fields = json!({ "link": link, "from": from, "to": to, "channel": channel });
            merge(&mut fields, tag_fields(tag));
            ("sent", fields)
        }
        Seen::Received { link, from, to, tag } => {
            let mut fields = json!({ "link": link, "from": from, "to": to });
            merge(&mut fields, tag_fields(tag));
            ("received", fields)
        }
        Seen::Wrote { peer, file, tag } => {
            let mut fields = json!({ "peer": peer, "file": file.to_string() });
            merge(&mut fields, tag_fields(tag));
            ("wrote", fields)
        }
        Seen::Synced { peer, device, ok } => {
            ("synced", json!({ "peer": peer, "device": words::device(*device), "ok": ok }))
        }
        Seen::Fault { kind, peer, what } => {
            ("fault", json!({ "kind": kind, "peer": peer, "what": what }))
        }
        Seen::Calm { core, deadline } => {
            ("calm", json!({ "core": core, "deadline_ns": deadline.0 }))
        }
        Seen::End { images } => {
            let image = |(peer, image): &(PeerId, std::sync::Arc<crate::process::Image>)| {
                let files: Vec<Value> = image.files.iter().map(file).collect();
                json!({ "peer": peer, "files": files })
            };
            ("end", json!({ "images": images.iter().map(image).collect::<Vec<_>>() }))
        }
    }
}

fn fields_of_client(seen: &Seen) -> (&'static str, Value) {
    match seen {
        Seen::Connecting { client, conn, server, session, last_zxid_seen } => {
            let fields = json!({
                "client": client, "conn": conn, "server": server, "session": sid(*session),
                "last_zxid_seen": zxid(*last_zxid_seen),
            });
            ("connecting", fields)
        }
        Seen::Connected { client, conn, server, session, fresh, timeout_ms } => {
            let fields = json!({
                "client": client, "conn": conn, "server": server, "session": sid(*session),
                "fresh": fresh, "timeout_ms": timeout_ms,
            });
            ("connected", fields)
        }
        Seen::Heard { server, conn, whole } => {
            ("heard", json!({ "server": server, "conn": conn, "whole": whole }))
        }
        Seen::Disconnected { client, conn } => {
            ("disconnected", json!({ "client": client, "conn": conn }))
        }
        Seen::Expired { client, session } => {
            ("expired", json!({ "client": client, "session": sid(*session) }))
        }
        Seen::GaveUp { client, session } => {
            ("gave_up", json!({ "client": client, "session": sid(*session) }))
        }
        Seen::Called(call) => {
            let fields = json!({
                "call": call.id.0, "client": call.client, "session": sid(call.session),
                "conn": call.conn, "server": call.server, "xid": call.xid,
                "op": jsonl::op(&call.op),
            });
            ("called", fields)
        }
        Seen::Returned { id, zxid: at, result } => {
            let mut fields = json!({ "call": id.0, "zxid": zxid(*at) });
            let answer = match result {
                Ok(answer) => json!({ "value": jsonl::reply(answer) }),
                Err(code) => json!({ "error": code.wire() }),
            };
            merge(&mut fields, answer);
            ("returned", fields)
        }
        Seen::Lost { id } => ("lost", json!({ "call": id.0 })),
        Seen::Watch { client, session, conn, kind, path, zxid: at } => {
            let fields = json!({
                "client": client, "session": sid(*session), "conn": conn,
                "kind": kind, "path": path, "zxid": at.map(zxid),
            });
            ("watch", fields)
        }
        Seen::Finished { client } => ("finished", json!({ "client": client })),
        Seen::Claimed { client, session, name, value } => {
            let session = sid(*session);
            let fields =
                json!({ "client": client, "session": session, "name": name, "value": value });
            ("claimed", fields)
        }
        Seen::Complained { client, property, detail } => {
            let fields = json!({ "client": client, "property": property, "detail": detail });
            ("complained", fields)
        }
        Seen::Starting { .. }
        | Seen::Refused { .. }
        | Seen::Stopped { .. }
        | Seen::Noted { .. }
        | Seen::Probed { .. }
        | Seen::LinkUp { .. }
        | Seen::LinkDown { .. }
        | Seen::Sent { .. }
        | Seen::Received { .. }
        | Seen::Wrote { .. }
        | Seen::Synced { .. }
        | Seen::Fault { .. }
        | Seen::Calm { .. }
        | Seen::End { .. } => fields_of(seen),
    }
}

fn note_fields(note: &Note) -> Value {
    match note {
        Note::Recovered { last, current, accepted } => {
            json!({ "last": zxid(*last), "current": current, "accepted": accepted })
        }
        Note::Kept { zxid: at, digest }
        | Note::Logged { zxid: at, digest }
        | Note::Delivered { zxid: at, digest } => {
            json!({ "zxid": zxid(*at), "digest": digest_of(*digest) })
        }
        Note::TornTail { after } => json!({ "after": zxid(*after) }),
        Note::BecameRole { leader, round, .. } => json!({ "leader": leader, "round": round }),
        Note::Voted { leader, zxid: at, epoch, round } => {
            json!({ "leader": leader, "zxid": zxid(*at), "epoch": epoch, "round": round })
        }
        Note::EpochRepaired { epoch }
        | Note::EpochProposed { epoch }
        | Note::EpochAccepted { epoch }
        | Note::EpochCurrent { epoch }
        | Note::UpToDate { epoch } => json!({ "epoch": epoch }),
        Note::LeaderSyncing { epoch, last }
        | Note::Established { epoch, last }
        | Note::NewLeaderAccepted { epoch, last } => {
            json!({ "epoch": epoch, "last": zxid(*last) })
        }
        Note::Synced { learner, txns, .. } => json!({ "learner": learner, "txns": txns }),
        Note::Breach { what, zxid: at } => json!({ "what": what, "zxid": zxid(*at) }),
        Note::Proposed { zxid: at, record } => {
            let digest = digest_of(Digest::of(record));
            json!({ "zxid": zxid(*at), "bytes": record.len(), "digest": digest })
        }
        Note::Durable { zxid: at }
        | Note::Replaced { zxid: at }
        | Note::Committed { zxid: at }
        | Note::SnapshotTaken { zxid: at } => json!({ "zxid": zxid(*at) }),
        Note::Truncated { last } => json!({ "last": zxid(*last) }),
        Note::Restored { zxid: at, tree } => json!({ "zxid": zxid(*at), "tree": hex64(*tree) }),
        Note::Abdicated { why } | Note::LeftLeader { why } => json!({ "why": why }),
        Note::SessionExpired { session, idle_ns, timeout_ms } => {
            json!({ "session": sid(*session), "idle_ns": idle_ns, "timeout_ms": timeout_ms })
        }
        Note::Revalidated { session, valid } => {
            json!({ "session": sid(*session), "valid": valid })
        }
        Note::Hit { bug } => json!({ "bug": bug }),
        Note::Fact { value, .. } => json!({ "value": value }),
    }
}

fn tag_fields(tag: &Tag) -> Value {
    json!({ "kind": tag.kind, "epoch": tag.epoch, "zxid": zxid(tag.zxid) })
}

fn file((name, bytes): (&crate::process::File, &std::sync::Arc<Vec<u8>>)) -> Value {
    let digest = digest_of(Digest::of(bytes));
    json!({ "name": name.to_string(), "bytes": bytes.len(), "digest": digest })
}

fn zxid(zxid: Zxid) -> Value {
    json!(zxid.0)
}

fn sid(session: SessionId) -> Value {
    json!(session.0)
}

fn digest_of(digest: Digest) -> Value {
    json!(digest.to_string())
}

fn hex64(value: u64) -> String {
    format!("{value:016x}")
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
