//! A service, a model and a client program of one's own, from end to end: a booth that hands out
//! numbers, one after the other, each once. Its process speaks to clients without any znodes behind
//! it, the program takes numbers, the model says what they may be, and runs full of faults are
//! judged by a search over that model. A booth that is slow to count is caught.

use std::collections::BTreeMap;

use zoosim::base::{ConnId, Duration, Epoch, Key, Time, Zxid};
use zoosim::bugs::Rules;
use zoosim::client::{Act, Heard, Program};
use zoosim::history::Totals;
use zoosim::jute::proto::{ConnectRequest, ReplyHeader, RequestHeader, Stat, opcode};
use zoosim::jute::{Reader, Record, Unframer};
use zoosim::kit::{Kit, Protocol};
use zoosim::plan::scenario::Scenario;
use zoosim::plan::{Plan, draw};
use zoosim::process::{
    Boot, Effects, Event, Image, Now, Phase, Probe, Process, Refused, Role, Tag, Timer,
};
use zoosim::run::Run;
use zoosim::verdict::Oracle;
use zoosim::verdict::model::{Model, mix};
use zoosim::verdict::modelled::{Modelled, Told, View};
use zoosim::znode::codec::decode_request;
use zoosim::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

const COUNT: Timer = Timer("booth.count", 0);
const FRAME_MAX: usize = 1 << 20;

/// The service: one counter, in memory, behind ZooKeeper's client protocol.
#[derive(Clone)]
struct Booth {
    /// The number that comes next.
    next: u64,
    /// A wrong booth counts a little later than it answers.
    slow: bool,
    /// Answers so far, for their zxids.
    answers: u32,
    sessions: i64,
    guests: BTreeMap<ConnId, Guest>,
}

#[derive(Clone, Default)]
struct Guest {
    frames: Unframer,
    greeted: bool,
}

impl Booth {
    fn new(slow: bool) -> Booth {
        Booth { next: 1, slow, answers: 0, sessions: 0, guests: BTreeMap::new() }
    }

    fn now(&self) -> Zxid {
        Zxid::new(Epoch(1), self.answers)
    }

    /// A greeting: any session is as good as another where nothing belongs to one.
    fn greet(&mut self, conn: ConnId, frame: &[u8], fx: &mut Effects) {
        let mut input = Reader::new(frame);
        let Ok(asked) = ConnectRequest::decode(&mut input) else { return fx.close(conn) };
        let modern = !input.rest().is_empty();
        self.sessions += 1;
        let session = if asked.session == 0 { self.sessions } else { asked.session };
        let body = |out: &mut Vec<u8>| {
            0i32.encode(out);
            asked.timeout.encode(out);
            session.encode(out);
            Some(vec![0; 16]).encode(out);
            if modern {
                false.encode(out);
            }
        };
        fx.reply(conn, Tag::kind("CONNECT"), frame_of(body));
    }

    fn serve(&mut self, conn: ConnId, frame: &[u8], fx: &mut Effects) {
        let mut input = Reader::new(frame);
        let Ok(header) = RequestHeader::decode(&mut input) else { return fx.close(conn) };
        let op = match header.op {
            opcode::PING => Ok(Op::Ping),
            opcode::CLOSE_SESSION => Ok(Op::CloseSession),
            op => decode_request(op, &mut input),
        };
        let result = op.as_ref().map_err(|code| *code).and_then(|op| self.answer(op, fx));
        self.answers += u32::from(header.op != opcode::PING);
        let zxid = self.now().wire();
        let err = result.as_ref().err().map_or(0, |code| code.wire());
        let body = |out: &mut Vec<u8>| {
            ReplyHeader { xid: header.xid, zxid, err }.encode(out);
            if let (Ok(op), Ok(reply)) = (&op, &result) {
                reply.encode(op, out);
            }
        };
        fx.reply(conn, Tag::kind("REPLY"), frame_of(body));
        if header.op == opcode::CLOSE_SESSION {
            self.guests.remove(&conn);
            fx.close(conn);
        }
    }

    fn answer(&mut self, op: &Op, fx: &mut Effects) -> Result<Reply, ErrorCode> {
        match op {
            Op::Create { path, mode, .. } if mode.is_sequential() => {
                let path = format!("{path}{:010}", self.next);
                match self.slow {
                    false => self.next += 1,
                    true => fx.set_timer_in(COUNT, Duration::from_ms(5)),
                }
                Ok(Reply::Created { path, stat: None })
            }
            // What the world asks of every service in the end.
            Op::Create { path, .. } => Ok(Reply::Created { path: path.clone(), stat: None }),
            Op::SetData { .. } => Ok(Reply::Stat(Stat::default())),
            Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            Op::GetChildren { .. } => Ok(Reply::Children { names: Vec::new(), stat: None }),
            Op::Ping | Op::CloseSession => Ok(Reply::Done),
            _ => Err(ErrorCode::Unimplemented),
        }
    }
}

fn frame_of(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0; 4];
    body(&mut out);
    let length = out.len() as i32 - 4;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

impl Process for Booth {
    fn start(&mut self, _: Now, _: &mut Effects) {}

    fn step(&mut self, _: Now, event: Event, fx: &mut Effects) {
        match event {
            Event::Accepted { conn, .. } => {
                self.guests.insert(conn, Guest::default());
            }
            Event::ConnDown { conn } => {
                self.guests.remove(&conn);
            }
            Event::ConnBytes { conn, bytes } => {
                let Some(guest) = self.guests.get_mut(&conn) else { return };
                guest.frames.push(&bytes);
                while let Some(guest) = self.guests.get_mut(&conn) {
                    match guest.frames.next(FRAME_MAX) {
                        Ok(Some(frame)) if std::mem::replace(&mut guest.greeted, true) => {
                            self.serve(conn, &frame, fx);
                        }
                        Ok(Some(frame)) => self.greet(conn, &frame, fx),
                        Ok(None) => return,
                        Err(_) => return fx.close(conn),
                    }
                }
            }
            Event::Timer(COUNT) => self.next += 1,
            _ => {}
        }
    }

    fn probe(&self) -> Probe {
        let (role, phase, epoch) = (Role::Leading, Phase::Broadcast, Epoch(1));
        let (logged, committed, applied) = (self.now(), self.now(), self.now());
        Probe { role, phase, epoch, logged, committed, applied, serving: true, ..Probe::default() }
    }

    fn fork(&self) -> Box<dyn Process> {
        Box::new(self.clone())
    }

    fn describe(&self) -> Vec<(String, String)> {
        vec![("next".to_string(), self.next.to_string())]
    }
}

/// The model: each number is the one before and one.
#[derive(Clone, Copy)]
struct Numbers;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Take;

impl Model for Numbers {
    type Op = Take;
    type Answer = u64;
    type State = u64;
    type Undo = ();

    fn start(&self) -> u64 {
        1
    }

    fn step(&self, next: &mut u64, _: &Take, answer: Option<&u64>) -> Option<()> {
        if answer.is_some_and(|answer| answer != next) {
            return None;
        }
        *next += 1;
        Some(())
    }

    fn back(&self, next: &mut u64, _: &Take, (): ()) {
        *next -= 1;
    }

    fn hash(&self, next: &u64) -> u128 {
        mix(0, *next)
    }
}

/// Which calls take a number, and which number they got.
const VIEW: View<Take, u64> = View {
    property: &[("EachNumberOnce", "numbers are handed out in order, each once")],
    asked: |op| match op {
        Op::Create { mode: CreateMode::PersistentSequential, .. } => Some(Take),
        _ => None,
    },
    answered: |_, result| match result {
        Ok(Reply::Created { path, .. }) => {
            let digits = path.rsplit('-').next().expect("a split has a part");
            Told::Answer(digits.parse().expect("the booth writes digits"))
        }
        Ok(_) => unreachable!("this is no answer to a create"),
        Err(_) => Told::Nothing,
    },
    budget: 1_000_000,
};

fn each_number_once(_: &Plan) -> Box<dyn Oracle> {
    Box::new(Modelled::new(Numbers, VIEW))
}

/// The client: takes numbers, with a pause between them.
#[derive(Clone)]
struct Guesting {
    left: u64,
    calls: u64,
    connected: bool,
    waiting: bool,
}

impl Program for Guesting {
    fn hear(&mut self, now: Time, heard: Heard, acts: &mut Vec<Act>) {
        match heard {
            Heard::Connected { .. } => (self.connected, self.waiting) = (true, false),
            Heard::Disconnected | Heard::Expired => self.connected = false,
            Heard::Answer { .. } => {
                self.waiting = false;
                return acts.push(Act::WakeAt(now + Duration::from_ms(20)));
            }
            Heard::Lost { .. } | Heard::Watch { .. } | Heard::Woken => {}
        }
        if self.connected && !self.waiting && self.left > 0 {
            (self.left, self.calls, self.waiting) = (self.left - 1, self.calls + 1, true);
            let (path, mode) = ("/number-".to_string(), CreateMode::PersistentSequential);
            let op = Op::Create { path, data: None, acl: open_acl(), mode, stat: false };
            acts.push(Act::Call { call: self.calls, op });
        }
    }

    fn wind_down(&mut self, _: &mut Vec<Act>) {
        self.left = 0;
    }

    fn fork(&self) -> Box<dyn Program> {
        Box::new(self.clone())
    }
}

fn guest(params: &BTreeMap<String, u64>, _: Key) -> Box<dyn Program> {
    let left = params.get("numbers").copied().unwrap_or(10);
    Box::new(Guesting { left, calls: 0, connected: false, waiting: false })
}

fn boot_right(_: Boot, _: &Rules) -> Result<Box<dyn Process>, Refused> {
    Ok(Box::new(Booth::new(false)))
}

fn boot_slow(_: Boot, _: &Rules) -> Result<Box<dyn Process>, Refused> {
    Ok(Box::new(Booth::new(true)))
}

fn kit(slow: bool) -> Kit {
    let boot = if slow { boot_slow } else { boot_right };
    let (image, oracles) = (|_: &Plan| Image::default(), |_: &Plan| Vec::new());
    Kit::standard()
        .protocol("booth", Protocol { boot, image, oracles })
        .invariant("each_number_once", each_number_once)
        .program("guest", guest)
}

/// What is in memory alone must not lose power; the network may do what it likes.
const SCENARIO: &str = r#"{
  "zoosim": "scenario/1",
  "title": "A booth that hands out numbers",
  "why": "A service without znodes, a model of it and its clients must fit into a run.",
  "expect": "pass",
  "protocol": "booth",
  "invariants": ["each_number_once"],
  "voters": [[1, 1]],
  "clients": [
    {"timeout_ms": 4000, "driver": {"program": {"name": "guest", "params": {"numbers": 40}}}},
    {"timeout_ms": 4000, "driver": {"program": {"name": "guest", "params": {"numbers": 40}}}},
    {"timeout_ms": 4000, "driver": {"program": {"name": "guest", "params": {"numbers": 40}}}}
  ],
  "swarm": {"families": ["net", "work", "pause", "client"], "faults": [1, 6]},
  "calm_at": 5000
}"#;

fn fuzz(slow: bool, seeds: std::ops::Range<u64>) -> zoosim::Fuzz {
    zoosim::fuzz("booth").scenario_text(SCENARIO).kit(kit(slow)).seeds(seeds)
}

#[test]
fn a_service_of_ones_own_is_judged_by_a_model_of_ones_own() {
    fuzz(false, 0..100).assert_pass();
}

#[test]
fn a_service_that_counts_late_is_caught_by_the_model() {
    fuzz(true, 0..5).assert_caught(&["EachNumberOnce"]);
}

#[test]
fn its_runs_really_lose_calls_and_judge_numbers() {
    let scenario = Scenario::parse("booth", SCENARIO).expect("a scenario");
    let mut totals = Totals::default();
    for seed in 0..20 {
        let run = Run::new(std::sync::Arc::new(draw(&scenario, seed)), &kit(false));
        let (_, run) = run.expect("known names").finish_all();
        run.verdict.add_to(&mut totals);
    }
    let judged = totals.properties.get("EachNumberOnce").copied().unwrap_or_default();
    assert!(judged > 1000, "{judged} numbers were judged");
    let lost = totals.events.get("answer_lost").copied().unwrap_or_default();
    assert!(lost > 0, "no answer was ever lost");
}
