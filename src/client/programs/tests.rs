//! The programs against one tree that answers at once, with losses and expiries dealt by dice.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{ConnId, Draw, Key, SessionId, Stream, Time, WallMs, Zxid};
use crate::client::{Act, Heard, Program};
use crate::jute::proto::Stat;
use crate::znode::op::{Op, Reply};
use crate::znode::prepare::{Prepare, Request};
use crate::znode::rules::Rules;
use crate::znode::tree::Tree;
use crate::znode::watch::WatchTable;

use super::{lock_holder, mirror};

struct Client {
    program: Box<dyn Program>,
    session: SessionId,
    connected: bool,
    wake: Option<Time>,
    inbox: VecDeque<Heard>,
}

/// A service of one tree, and its clients.
struct Stage {
    tree: Tree,
    prepare: Prepare,
    watches: WatchTable,
    now: Time,
    zxid: Zxid,
    sessions: i64,
    clients: Vec<Client>,
    claims: Vec<(usize, &'static str, u64)>,
    complaints: Vec<String>,
    dice: Stream,
}

impl Stage {
    fn new(programs: Vec<Box<dyn Program>>, seed: u64) -> Stage {
        let mut stage = Stage {
            tree: Tree::new(),
            prepare: Prepare::new(Rules::RIGHT),
            watches: WatchTable::default(),
            now: Time::ZERO,
            zxid: Zxid(0x1_0000_0000),
            sessions: 0,
            clients: Vec::new(),
            claims: Vec::new(),
            complaints: Vec::new(),
            dice: Key(seed).stream(),
        };
        for program in programs {
            let inbox = VecDeque::new();
            let session = SessionId(0);
            stage.clients.push(Client { program, session, connected: false, wake: None, inbox });
            stage.connect(stage.clients.len() - 1);
        }
        stage
    }

    fn connect(&mut self, at: usize) {
        let fresh = self.clients[at].session == SessionId(0);
        if fresh {
            self.sessions += 1;
            let session = SessionId(self.sessions);
            self.clients[at].session = session;
            self.write(session, Op::CreateSession { timeout: 4000 });
        }
        // What is asked before this is heard is asked of the older session, and lost.
        let client = &mut self.clients[at];
        client.inbox.push_back(Heard::Connected { session: client.session, fresh });
    }

    /// The connection is cut; the session too, if `expires`. Watches die with the connection: the
    /// stage has no setWatches, so only expiry is dealt to programs that watch for long.
    fn cut(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let session = client.session;
        client.connected = false;
        // What was on its way is lost with the connection, its answer unknown.
        for heard in &mut client.inbox {
            if let Heard::Answer { call, .. } = heard {
                *heard = Heard::Lost { call: *call };
            }
        }
        client.inbox.retain(|heard| !matches!(heard, Heard::Watch { .. }));
        client.inbox.push_back(Heard::Disconnected);
        client.inbox.push_back(Heard::Expired);
        client.session = SessionId(0);
        self.watches.forget(ConnId(at as u64));
        self.write(session, Op::CloseSession);
        self.connect(at);
    }

    fn write(&mut self, session: SessionId, op: Op) -> Heard {
        self.zxid = self.zxid.next().expect("a short play");
        let request = Request { session, cxid: 0, op: Ok(op) };
        let record = self.prepare.prepare(&self.tree, &request, self.zxid, WallMs(0));
        let applied = self.tree.apply(&record);
        self.prepare.applied(self.zxid);
        for trigger in &applied.triggers {
            for fired in self.watches.trigger(trigger) {
                let heard = Heard::Watch { kind: fired.kind, path: fired.path };
                self.clients[fired.conn.0 as usize].inbox.push_back(heard);
            }
        }
        Heard::Answer { call: 0, zxid: self.zxid, result: applied.result }
    }

    fn call(&mut self, at: usize, asked: u64, op: Op) {
        if !self.clients[at].connected {
            return self.clients[at].inbox.push_back(Heard::Lost { call: asked });
        }
        let mut heard = if op.is_write() {
            self.write(self.clients[at].session, op)
        } else {
            let result = match &op {
                Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
                _ => self.tree.read(&op),
            };
            self.watches.watch_read(ConnId(at as u64), &op, result.is_ok());
            Heard::Answer { call: 0, zxid: self.zxid, result }
        };
        if let Heard::Answer { call, .. } = &mut heard {
            *call = asked;
        }
        self.clients[at].inbox.push_back(heard);
    }

    fn hear(&mut self, at: usize, heard: Heard) {
        let mut acts = Vec::new();
        self.clients[at].program.hear(self.now, heard, &mut acts);
        self.act(at, acts);
    }

    fn act(&mut self, at: usize, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Call { call, op } => self.call(at, call, op),
                Act::WakeAt(time) => self.clients[at].wake = Some(time),
                Act::Claim { name, value } => self.claims.push((at, name, value)),
                Act::Complain { property, detail } => {
                    self.complaints.push(format!("{property}: {detail}"));
                }
                Act::CloseSession | Act::Move => panic!("these programs never leave"),
            }
        }
    }

    /// One thing happens, of all that may happen now.
    fn step(&mut self) {
        let ready = self.clients.iter().enumerate().filter(|(_, client)| !client.inbox.is_empty());
        let ready: Vec<usize> = ready.map(|(at, _)| at).collect();
        if ready.is_empty() || self.dice.below(10) == 0 {
            let next = self.clients.iter().filter_map(|client| client.wake).min();
            self.now = self.now.max(next.unwrap_or(self.now));
            for at in 0..self.clients.len() {
                if self.clients[at].wake.take_if(|wake| *wake <= self.now).is_some() {
                    self.clients[at].inbox.push_back(Heard::Woken);
                }
            }
            return;
        }
        let at = *self.dice.pick(&ready);
        let heard = self.clients[at].inbox.pop_front().expect("it is ready");
        if matches!(heard, Heard::Connected { .. }) {
            self.clients[at].connected = true;
        }
        self.hear(at, heard);
    }
}

fn params(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, value)| (name.to_string(), *value)).collect()
}

#[test]
fn holders_take_turns_and_survive_expiry() {
    for seed in 0..30 {
        let holders = (0..3).map(|at| lock_holder(&params(&[("hold_ms", 50)]), Key(at))).collect();
        let mut stage = Stage::new(holders, seed);
        for round in 0..3000 {
            stage.step();
            if round < 2000 && stage.dice.below(200) == 0 {
                let at = stage.dice.below(3) as usize;
                stage.cut(at);
            }
        }
        assert_eq!(stage.complaints, Vec::<String>::new(), "seed {seed}");
        let held = stage.claims.iter().filter(|(_, name, _)| *name == "lock_held");
        let tokens: Vec<u64> = held.map(|(_, _, token)| *token).collect();
        assert!(tokens.len() > 20, "seed {seed}: {} times held", tokens.len());
        assert!(tokens.is_sorted(), "seed {seed}: fencing tokens never decrease: {tokens:?}");
        for at in 0..3 {
            let own = stage.claims.iter().filter(|(who, ..)| *who == at);
            for pair in own.collect::<Vec<_>>().chunks(2) {
                assert_eq!(pair[0].1, "lock_held");
                assert!(pair.get(1).is_none_or(|claim| claim.1 == "lock_released"));
            }
        }
    }
}

#[test]
fn nobody_is_in_line_once_all_have_wound_down() {
    for seed in 0..30 {
        let holders = (0..3).map(|at| lock_holder(&params(&[("hold_ms", 50)]), Key(at))).collect();
        let mut stage = Stage::new(holders, seed);
        for _ in 0..200 + seed * 3 {
            stage.step();
        }
        for at in 0..3 {
            let mut acts = Vec::new();
            stage.clients[at].program.wind_down(&mut acts);
            stage.act(at, acts);
        }
        for _ in 0..300 {
            stage.step();
        }
        let path = "/locks".to_string();
        let left = stage.tree.read(&Op::GetChildren { path, watch: false, stat: false });
        assert_eq!(left, Ok(Reply::Children { names: vec![], stat: None }), "seed {seed}");
        let last = |at| stage.claims.iter().rev().find(|(who, ..)| *who == at);
        assert!((0..3).all(|at| last(at).is_none_or(|claim| claim.1 == "lock_released")));
    }
}

#[test]
fn a_mirror_of_an_honest_service_has_nothing_to_complain_of() {
    for seed in 0..30 {
        let mut programs = vec![mirror(&params(&[("depth", 3)]), Key(9))];
        programs.extend((0..2).map(|at| lock_holder(&params(&[("hold_ms", 20)]), Key(at))));
        let mut stage = Stage::new(programs, seed);
        for _ in 0..2000 {
            stage.step();
            if stage.dice.below(300) == 0 {
                let at = stage.dice.below(3) as usize;
                stage.cut(at);
            }
        }
        assert_eq!(stage.complaints, Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn a_mirror_complains_of_what_cannot_be() {
    let stat = |czxid, mzxid, version| Stat { czxid, mzxid, version, ..Stat::default() };
    let cases = [
        ("MonotonicReads", stat(5, 8, 1), stat(5, 7, 0), 20, 20),
        ("MonotonicReads", stat(5, 8, 1), stat(5, 8, 1), 20, 19),
        ("PrefixReads", stat(5, 8, 1), stat(5, 30, 2), 20, 20),
        ("WatchBeforeData", stat(5, 8, 1), stat(5, 9, 2), 20, 20),
    ];
    for (property, data, children, first, second) in cases {
        let mut program = mirror(&params(&[]), Key(1));
        let mut acts = Vec::new();
        let mut hear = |heard| program.hear(Time::ZERO, heard, &mut acts);
        hear(Heard::Connected { session: SessionId(1), fresh: true });
        let result = Ok(Reply::Data { data: None, stat: data });
        hear(Heard::Answer { call: 1, zxid: Zxid(first), result });
        let result = Ok(Reply::Children { names: vec![], stat: Some(children) });
        hear(Heard::Answer { call: 2, zxid: Zxid(second), result });
        let complained = acts.iter().any(|act| {
            matches!(act, Act::Complain { property: complaint, .. } if *complaint == property)
        });
        assert!(complained, "{property}: {acts:?}");
    }
    let mut program = mirror(&params(&[]), Key(1));
    let mut acts = Vec::new();
    program.hear(Time::ZERO, Heard::Watch { kind: 3, path: "/a".into() }, &mut acts);
    assert!(matches!(acts[0], Act::Complain { property: "WatchInvented", .. }), "{acts:?}");
}

#[test]
fn a_mirror_compares_data_with_data_of_the_same_mzxid_only() {
    let stat = |mzxid, version| Stat { czxid: 5, mzxid, version, ..Stat::default() };
    let mut program = mirror(&params(&[]), Key(1));
    let mut acts = Vec::new();
    let mut hear = |heard| program.hear(Time::ZERO, heard, &mut acts);
    let data = |text: &str, stat| Ok(Reply::Data { data: Some(text.into()), stat });
    hear(Heard::Connected { session: SessionId(1), fresh: true });
    hear(Heard::Answer { call: 1, zxid: Zxid(8), result: data("old", stat(8, 1)) });
    hear(Heard::Watch { kind: 3, path: "/".into() });
    // The children come with the new stat, before the new data are read.
    let children = Ok(Reply::Children { names: vec![], stat: Some(stat(9, 2)) });
    hear(Heard::Answer { call: 2, zxid: Zxid(9), result: children });
    hear(Heard::Answer { call: 3, zxid: Zxid(9), result: data("new", stat(9, 2)) });
    let complaints = acts.iter().filter(|act| matches!(act, Act::Complain { .. })).count();
    assert_eq!(complaints, 0, "{acts:?}");
}
