//! Permissions, identities, what goes by itself, quotas and the config: each check fires.

use super::story::{SESSION, Story, goes, stat};
use super::*;
use crate::jute::proto::{Acl, Id, Stat};
use crate::jute::txn::{
    CreateContainerTxn, CreateTtlTxn, CreateTxn, DeleteTxn, SetAclTxn, SetDataTxn,
};
use crate::znode::op::{CreateMode, grant, open_acl};

const USER: &str = "user:tpUq/4Pn5A64fVZyQ0gOJ8ZWqkY=";

fn get(path: &str) -> Op {
    Op::GetData { path: path.into(), watch: false }
}

fn data(n: u64) -> Result<Reply, ErrorCode> {
    Ok(Reply::Data { data: None, stat: stat(n) })
}

fn secret() -> Vec<Acl> {
    vec![grant(31, "digest", USER)]
}

#[test]
fn reads_are_judged_by_who_asks() {
    let mut story = Story::new();
    story.make("/s", Some(secret()), 1);
    let no = Err(ErrorCode::NoAuth);
    assert_eq!(goes(&story, |s| s.read(1, get("/s"), no.clone())), "none");
    assert_eq!(goes(&story, |s| s.read(1, get("/s"), data(2))), "ReadValue/answer");
    let mut known = story.clone();
    known.prove(1, "user:password");
    assert_eq!(goes(&known, |s| s.read(1, get("/s"), data(2))), "none");
    assert_eq!(goes(&known, |s| s.read(1, get("/s"), no.clone())), "ReadValue/answer");
    // Identities are of a connection.
    assert_eq!(goes(&known, |s| s.read(2, get("/s"), no.clone())), "none");
    assert_eq!(goes(&known, |s| s.read(2, get("/s"), data(2))), "ReadValue/answer");
    // What was asked before the packet is asked without it, whenever it is answered.
    let overtaken = goes(&story, |s| {
        let read = s.call(1, get("/s"));
        s.prove(1, "user:password");
        s.answer(read, s.now(), no.clone());
        s.read(1, get("/s"), data(2));
    });
    assert_eq!(overtaken, "none");
    let acl = |id: &str| Ok(Reply::Acl { acl: vec![grant(31, "digest", id)], stat: stat(2) });
    let op = || Op::GetAcl { path: "/s".into() };
    assert_eq!(goes(&known, |s| s.read(1, op(), acl(USER))), "none");
    assert_eq!(goes(&known, |s| s.read(1, op(), acl("user:x"))), "ReadValue/answer");
}

#[test]
fn auth_packets_are_answered_as_they_must_be() {
    let auth = |scheme: &str| Op::AddAuth { scheme: scheme.into(), auth: b"user:password".into() };
    let said = |scheme: &str, zxid, result: Result<Reply, ErrorCode>| {
        goes(&Story::new(), |s| {
            let id = s.call(1, auth(scheme));
            s.answer(id, zxid, result);
        })
    };
    let (done, failed) = (Ok(Reply::Done), Err(ErrorCode::AuthFailed));
    assert_eq!(said("digest", 0, done.clone()), "none");
    assert_eq!(said("digest", 0, failed.clone()), "ReadValue/auth");
    assert_eq!(said("digest", 5, done.clone()), "ReadValue/auth_zxid");
    assert_eq!(said("world", 0, failed), "none");
    assert_eq!(said("world", 0, done), "ReadValue/auth");
    let who = |ids: &[(&str, &str)]| {
        let mut story = Story::new();
        story.prove(1, "user:password");
        let id = |(scheme, id): &(&str, &str)| grant(0, scheme, id).id;
        let ids: Vec<Id> = ids.iter().map(id).collect();
        story.read(1, Op::WhoAmI, Ok(Reply::Who(ids)));
        story.verdict()
    };
    let (ip, user) = (("ip", "10.1.0.1"), ("digest", "user"));
    assert_eq!(who(&[ip, user]), "none");
    assert_eq!(who(&[user, ip]), "none", "in any order");
    assert_eq!(who(&[user]), "ReadValue/answer");
    assert_eq!(who(&[ip, ("digest", USER)]), "ReadValue/answer", "only the user is shown");
}

#[test]
fn set_acl_must_store_what_it_says_and_answer_it() {
    let mut story = Story::new();
    story.make("/a", None, 1);
    let op = || Op::SetAcl { path: "/a".into(), acl: [secret(), secret()].concat(), version: 0 };
    let txn = |acl, version| Txn::SetAcl(SetAclTxn { path: "/a".into(), acl, version });
    let granted = |aversion| Ok(Reply::Stat(Stat { aversion, ..stat(2) }));
    let write = |txn: Txn, result| goes(&story, |s| s.write(op(), txn, result));
    assert_eq!(write(txn(secret(), 1), granted(1)), "none");
    let twice = [secret(), secret()].concat();
    assert_eq!(write(txn(twice, 1), granted(1)), "WriteOutcome/acl");
    assert_eq!(write(txn(secret(), 2), granted(1)), "WriteOutcome/version");
    assert_eq!(write(txn(secret(), 1), granted(0)), "WriteOutcome/answer");
    let elsewhere = SetAclTxn { path: "/b".into(), acl: secret(), version: 1 };
    assert_eq!(write(Txn::SetAcl(elsewhere), granted(1)), "WriteOutcome/path");
    // Without permission it fails, and must.
    let refused = |s: &mut Story| {
        let error = Txn::Error(ErrorTxn { err: ErrorCode::NoAuth.wire() });
        s.write(op(), error, Err(ErrorCode::NoAuth));
    };
    assert_eq!(goes(&story, refused), "WriteOutcome/should_succeed");
    let mut locked = Story::new();
    locked.make("/a", Some(secret()), 1);
    assert_eq!(goes(&locked, refused), "none");
    let forced = goes(&locked, |s| s.write(op(), txn(secret(), 1), granted(1)));
    assert_eq!(forced, "WriteOutcome/should_fail");
    // What create stores is judged, too.
    let create = |acl| {
        let (path, mode) = ("/x".to_string(), CreateMode::Persistent);
        let auth = vec![grant(31, "auth", "")];
        let op = Op::Create { path: path.clone(), data: None, acl: auth, mode, stat: false };
        let made = Reply::Created { path: path.clone(), stat: None };
        let txn = CreateTxn { path, data: None, acl, ephemeral: false, parent_cversion: 1 };
        let mut story = Story::new();
        story.prove(1, "user:password");
        story.write(op, Txn::Create(txn), Ok(made));
        story.verdict()
    };
    assert_eq!(create(secret()), "none");
    assert_eq!(create(vec![grant(31, "auth", "")]), "WriteOutcome/acl");
    assert_eq!(create(open_acl()), "WriteOutcome/acl");
}

fn lively() -> Story {
    Story::new().with(Settings { extended_types: true, ..Settings::default() })
}

fn created(n: u64, path: &str) -> Result<Reply, ErrorCode> {
    Ok(Reply::Created { path: path.into(), stat: Some(stat(n)) })
}

fn gone(path: &str) -> Txn {
    Txn::DeleteContainer(DeleteTxn { path: path.into() })
}

#[test]
fn nodes_with_a_time_to_live_go_when_it_is_over_and_not_before() {
    let op = |ttl| {
        let (path, data, acl) = ("/t".into(), None, open_acl());
        Op::CreateTtl { path, data, acl, sequential: false, ttl }
    };
    let txn = |ttl| {
        let (path, data, acl) = ("/t".into(), None, open_acl());
        Txn::CreateTtl(CreateTtlTxn { path, data, acl, parent_cversion: 1, ttl })
    };
    let mut story = lively();
    story.write(op(5000), txn(5000), created(2, "/t"));
    assert_eq!(story.verdict(), "none");
    let wrong = goes(&lively(), |s| s.write(op(5000), txn(5001), created(2, "/t")));
    assert_eq!(wrong, "WriteOutcome/ttl");
    let reap = |time| {
        goes(&story, |s| {
            s.commit_at(0, 0, gone("/t"), time);
        })
    };
    assert_eq!(reap(2000 + 5000), "WriteOutcome/reaped_too_early");
    assert_eq!(reap(2000 + 5001), "none");
    // It is a transaction like any other: seen by reads, and told to whoever watches.
    let exists = Op::Exists { path: "/t".into(), watch: true };
    let watched = |told: bool| {
        goes(&story, |s| {
            s.read(1, exists.clone(), Ok(Reply::Stat(stat(2))));
            let zxid = s.commit_at(0, 0, gone("/t"), 9000);
            if told {
                s.event(1, 2, "/t", zxid);
            }
            s.read(1, exists.clone(), Err(ErrorCode::NoNode));
        })
    };
    assert_eq!(watched(true), "none");
    assert_eq!(watched(false), "WatchBeforeData/data_first");
    // Where it is not allowed, it is refused by a transaction.
    let refused = goes(&Story::new(), |s| {
        let error = Txn::Error(ErrorTxn { err: ErrorCode::Unimplemented.wire() });
        s.write(op(5000), error, Err(ErrorCode::Unimplemented));
    });
    assert_eq!(refused, "none");
}

#[test]
fn only_the_leader_deletes_by_itself_and_only_what_is_due() {
    let (data, acl) = (None, open_acl());
    let op = Op::CreateContainer { path: "/c".into(), data: data.clone(), acl: acl.clone() };
    let txn = CreateContainerTxn { path: "/c".into(), data, acl, parent_cversion: 1 };
    let mut story = lively();
    story.write(op, Txn::CreateContainer(txn), created(2, "/c"));
    story.make("/p", None, 2);
    let by_itself = |txn: Txn, time| {
        goes(&story, |s| {
            s.commit_at(0, 0, txn, time);
        })
    };
    assert_eq!(by_itself(gone("/c"), 302_000), "WriteOutcome/reaped_too_early");
    assert_eq!(by_itself(gone("/c"), 302_001), "none");
    assert_eq!(by_itself(gone("/p"), i64::MAX), "WriteOutcome/reaped_too_early");
    let plain = Txn::Delete(DeleteTxn { path: "/c".into() });
    assert_eq!(by_itself(plain, i64::MAX), "Phantom/no_session");
    let error = |code: ErrorCode| Txn::Error(ErrorTxn { err: code.wire() });
    assert_eq!(by_itself(error(ErrorCode::NotEmpty), 1), "none");
    assert_eq!(by_itself(error(ErrorCode::NoAuth), 1), "WriteOutcome/reaped_code");
    // A client that asks is refused; a transaction in its name is nobody's request.
    let asked = goes(&story, |s| {
        let id = s.call(1, Op::DeleteContainer { path: "/c".into() });
        s.answer(id, 0, Err(ErrorCode::Unimplemented));
    });
    assert_eq!(asked, "none");
    let served = goes(&story, |s| {
        let id = s.call(1, Op::DeleteContainer { path: "/c".into() });
        s.commit(SESSION, id as i32 + 1, gone("/c"));
    });
    assert_eq!(served, "Phantom/write");
}

#[test]
fn what_the_specification_has_may_not_be_refused_as_unknown() {
    for op in [Op::WhoAmI, Op::GetAcl { path: "/".into() }] {
        let refused = goes(&Story::new(), |s| {
            let id = s.call(1, op);
            s.answer(id, 0, Err(ErrorCode::Unimplemented));
        });
        assert_eq!(refused, "ReadValue/unimplemented");
    }
    let set = Op::SetAcl { path: "/".into(), acl: open_acl(), version: -1 };
    let refused = goes(&Story::new(), |s| {
        let id = s.call(1, set);
        s.answer(id, 0, Err(ErrorCode::Unimplemented));
    });
    assert_eq!(refused, "WriteOutcome/unimplemented");
}

/// Spec 2.6: what was proposed and not yet applied is not counted, by the leader's own notes.
#[test]
fn quotas_are_judged_by_what_the_leader_had_applied() {
    let create = |path: &str, data: &str| {
        let (path, data, mode) = (path.into(), Some(data.into()), CreateMode::Persistent);
        Op::Create { path, data, acl: open_acl(), mode, stat: false }
    };
    let txn = |path: &str, data: &str, parent_cversion| {
        let (path, data, acl) = (path.into(), Some(data.into()), open_acl());
        Txn::Create(CreateTxn { path, data, acl, ephemeral: false, parent_cversion })
    };
    let made = |path: &str| Ok(Reply::Created { path: path.into(), stat: None });
    let mut story = Story::new().with(Settings { enforce_quota: true, ..Settings::default() });
    let hard = "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2";
    for (path, data, creates) in [
        ("/a", "", 1),
        ("/zookeeper/quota/a", "", 1),
        ("/zookeeper/quota/a/zookeeper_limits", hard, 1),
        ("/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0", 2),
        ("/a/b", "", 1),
    ] {
        story.write(create(path, data), txn(path, data, creates), made(path));
    }
    assert_eq!(story.verdict(), "none");
    let exceeded = || Txn::Error(ErrorTxn { err: ErrorCode::QuotaExceeded.wire() });
    let no = || Err(ErrorCode::QuotaExceeded);
    assert_eq!(goes(&story, |s| s.write(create("/a/c", ""), exceeded(), no())), "none");
    let over = goes(&story, |s| s.write(create("/a/c", ""), txn("/a/c", "", 2), made("/a/c")));
    assert_eq!(over, "WriteOutcome/should_fail");
    let elsewhere = goes(&story, |s| s.write(create("/b", ""), exceeded(), no()));
    assert_eq!(elsewhere, "WriteOutcome/should_succeed");
    // Its usage is read where it is kept.
    let stats = |text: &str| {
        let stat = Stat { data_length: text.len() as i32, ..stat(5) };
        let told = Reply::Data { data: Some(text.into()), stat };
        goes(&story, |s| s.read(1, get("/zookeeper/quota/a/zookeeper_stats"), Ok(told)))
    };
    assert_eq!(stats("count=2,bytes=0"), "none");
    assert_eq!(stats("count=1,bytes=0"), "ReadValue/answer");
}

#[test]
fn the_config_node_says_what_the_servers_began_with() {
    let config = Config::initial(3);
    let told = |text: String, mtime| {
        let length = text.len() as i32;
        let stat =
            Stat { version: -1, aversion: -1, mtime, data_length: length, ..Stat::default() };
        let read = get("/zookeeper/config");
        let reply = Reply::Data { data: Some(text.into_bytes()), stat };
        let story = Story::new().beginning_with(config.clone());
        goes(&story, |s| s.read(1, read, Ok(reply)))
    };
    assert_eq!(told(config.text(), 0), "none");
    assert_eq!(told(config.text(), 12_345), "none", "each server writes it at its own time");
    assert_eq!(told(Config::initial(4).text(), 0), "ReadValue/answer");
}

/// Spec 6.12: a reconfig is judged by the text that it makes.
#[test]
fn reconfigs_are_judged_by_the_text_that_they_make() {
    let reconfig = true;
    let settings = Settings { reconfig, skip_acl: true, ..Settings::default() };
    let story = Story::new().with(settings).beginning_with(Config::initial(2));
    let op = |leaving: &str| {
        let leaving = Some(leaving.to_string());
        Op::Reconfig { joining: None, leaving, members: None, version: -1 }
    };
    let text = "server.1=peer-1:2888:3888:participant;0.0.0.0:2181\nversion=100000002";
    let txn = |text: &str| {
        let (path, data) = ("/zookeeper/config".into(), Some(text.into()));
        Txn::Reconfig(SetDataTxn { path, data, version: -1 })
    };
    let reply = |text: &str| {
        let (mzxid, data_length) = (1i64 << 32 | 2, text.len() as i32);
        let stat = Stat { version: -1, aversion: -1, mzxid, data_length, ..Stat::default() };
        Ok(Reply::Data { data: Some(text.into()), stat })
    };
    let write = |id: &str, told: &str| goes(&story, |s| s.write(op(id), txn(told), reply(told)));
    assert_eq!(write("2", text), "none");
    assert_eq!(write("1", text), "WriteOutcome/data");
    let refuse = |code: ErrorCode| {
        let error = Txn::Error(ErrorTxn { err: code.wire() });
        goes(&story, |s| s.write(op("2"), error, Err(code)))
    };
    assert_eq!(refuse(ErrorCode::ReconfigInProgress), "none", "the protocol knows");
    assert_eq!(refuse(ErrorCode::NewConfigNoQuorum), "none");
    assert_eq!(refuse(ErrorCode::BadVersion), "WriteOutcome/should_succeed");
    let watched = |told: bool| {
        goes(&story, |s| {
            let data = Some(Config::initial(2).text().into_bytes());
            let length = data.as_ref().map_or(0, Vec::len) as i32;
            let stat = Stat { version: -1, aversion: -1, data_length: length, ..Stat::default() };
            let read = Op::GetData { path: "/zookeeper/config".into(), watch: true };
            s.read(1, read, Ok(Reply::Data { data, stat }));
            let id = s.call(1, op("2"));
            let zxid = s.commit(SESSION, id as i32 + 1, txn(text));
            if told {
                s.event(1, 3, "/zookeeper/config", zxid);
            }
            s.answer(id, zxid, reply(text));
        })
    };
    assert_eq!(watched(true), "none");
    assert_eq!(watched(false), "WatchBeforeData/data_first");
}
