//! A protocol of one's own, through the public interface only: peer 1 leads for ever, everybody
//! keeps everything in memory, a majority commits. It carries the whole znode service, and has all
//! judges; wrong by one line, it is caught, and its token replays.

use std::collections::BTreeMap;

use zoosim::base::{Digest, Duration, Epoch, Key, LinkId, PeerId, PeerSet, Time, Zxid};
use zoosim::broadcast::{Broadcast, Serving, StateMachine};
use zoosim::bugs::Rules;
use zoosim::client::{Act, Heard, Program};
use zoosim::history::{At, Seen, Totals};
use zoosim::jute::Record;
use zoosim::jute::quorum::QuorumPacket;
use zoosim::kit::{Kit, Protocol};
use zoosim::peer::{self, Peer};
use zoosim::plan::scenario::Scenario;
use zoosim::plan::{Plan, draw};
use zoosim::process::{
    Boot, Channel, Effects, Event, Image, Note, Now, Phase, Probe, Process, Refused, Role, Tag,
    Timer,
};
use zoosim::run::Run;
use zoosim::verdict::{self, Finding, Oracle, Outcome, Weight};
use zoosim::znode::op::{CreateMode, Op, Reply, open_acl};

const LEADER: PeerId = PeerId(1);
const REDIAL: Timer = Timer("fixed.redial", 0);
const PING: Timer = Timer("fixed.ping", 0);

/// The protocol: about as small as one that carries the service can be.
#[derive(Clone)]
struct Fixed {
    me: PeerId,
    majority: usize,
    links: BTreeMap<LinkId, PeerId>,
    log: Vec<Vec<u8>>,
    holders: BTreeMap<u32, PeerSet>,
    committed: u32,
    delivered: u32,
    barriers: Vec<(u64, u32)>,
    serving: bool,
}

fn zxid(counter: u32) -> Zxid {
    Zxid::new(Epoch(1), counter)
}

impl Fixed {
    /// How many peers must hold a record before it counts. `wrong` is the one line.
    fn new(boot: &Boot, wrong: bool) -> Fixed {
        let (me, voters) = (boot.spec.id, boot.spec.config.voters.len());
        let majority = if wrong { voters / 2 } else { voters / 2 + 1 };
        let (links, holders, log, barriers) = Default::default();
        let (committed, delivered, serving) = (0, 0, false);
        Fixed { me, majority, links, log, holders, committed, delivered, barriers, serving }
    }

    fn tell(&self, link: LinkId, kind: &'static str, at: u32, body: &[u8], fx: &mut Effects) {
        let mut bytes = vec![kind.as_bytes()[0]];
        bytes.extend_from_slice(&at.to_be_bytes());
        bytes.extend_from_slice(body);
        fx.send(link, Tag::zxid(kind, zxid(at)), bytes);
    }

    fn tell_all(&self, kind: &'static str, at: u32, body: &[u8], fx: &mut Effects) {
        self.links.keys().for_each(|link| self.tell(*link, kind, at, body, fx));
    }

    fn hold(&mut self, peer: PeerId, up_to: u32) {
        for at in self.committed + 1..=up_to.min(self.log.len() as u32) {
            self.holders.entry(at).or_default().insert(peer);
        }
    }

    /// Commits what enough peers hold, in order; delivers; passes barriers.
    fn advance(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        let held = |this: &Fixed, at| this.holders.get(&at).map_or(0, PeerSet::len);
        while self.me == LEADER && held(self, self.committed + 1) >= self.majority {
            self.committed += 1;
            self.tell_all("COMMIT", self.committed, &[], fx);
        }
        while self.delivered < self.committed.min(self.log.len() as u32) {
            let record = self.log[self.delivered as usize].clone();
            self.delivered += 1;
            let at = zxid(self.delivered);
            fx.note(Note::Delivered { zxid: at, digest: Digest::of(&record) });
            app.deliver(now, at, &record, 0, true, fx);
        }
        let delivered = self.delivered;
        for (token, _) in self.barriers.extract_if(.., |(_, at)| *at <= delivered) {
            app.barrier_passed(now, token, fx);
        }
    }

    fn received(
        &mut self,
        now: Now,
        link: LinkId,
        bytes: &[u8],
        app: &mut dyn StateMachine,
        fx: &mut Effects,
    ) {
        let Some(peer) = self.links.get(&link).copied() else { return };
        let Some((head, body)) = bytes.split_first_chunk::<5>() else { return };
        let at = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        match head[0] {
            // HELLO: a follower says how much it holds, and gets the rest.
            b'H' => {
                for counter in at + 1..=self.log.len() as u32 {
                    self.tell(link, "PROPOSAL", counter, &self.log[counter as usize - 1], fx);
                }
                self.tell(link, "COMMIT", self.committed, &[], fx);
                self.hold(peer, at);
            }
            b'P' if at as usize == self.log.len() + 1 => {
                self.log.push(body.to_vec());
                self.tell(link, "ACK", at, &[], fx);
            }
            b'A' => self.hold(peer, at),
            b'C' => {
                self.committed = self.committed.max(at);
                if !self.serving {
                    self.serving = true;
                    self.advance(now, app, fx);
                    app.serve(now, Serving::Following { leader: LEADER, epoch: Epoch(1) }, fx);
                }
            }
            b'S' => match QuorumPacket::from_bytes(body) {
                Ok(packet) if self.me == LEADER => app.from_learner(now, peer, packet, fx),
                Ok(packet) => app.from_leader(now, packet, zxid(at), fx),
                Err(_) => {}
            },
            b'T' if self.me == LEADER => app.ponged(now, peer, body),
            b'T' => self.tell(link, "TICK", 0, &app.pong(), fx),
            _ => {}
        }
        self.advance(now, app, fx);
    }
}

impl Broadcast for Fixed {
    fn start(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {
        app.restore(None, Zxid::ZERO).expect("the fresh tree needs no bytes");
        fx.note(Note::Restored { zxid: Zxid::ZERO, tree: app.digest() });
        if self.me == LEADER {
            self.serving = true;
            app.serve(now, Serving::Leading { epoch: Epoch(1), next: zxid(1) }, fx);
            fx.set_timer_in(PING, Duration::from_ms(100));
        } else {
            fx.dial(LEADER, Channel::Quorum);
        }
    }

    fn step(&mut self, now: Now, event: Event, app: &mut dyn StateMachine, fx: &mut Effects) {
        match event {
            Event::LinkUp { link, peer, .. } => {
                self.links.retain(|_, old| *old != peer);
                self.links.insert(link, peer);
                if self.me != LEADER {
                    self.tell(link, "HELLO", self.log.len() as u32, &[], fx);
                }
            }
            Event::LinkDown { link, .. } => match self.links.remove(&link) {
                Some(peer) if self.me == LEADER => app.learner_left(peer),
                Some(_) => {
                    self.serving = false;
                    app.retire(now, fx);
                    fx.dial(LEADER, Channel::Quorum);
                }
                None => {}
            },
            Event::DialFailed { .. } => fx.set_timer_in(REDIAL, Duration::from_ms(50)),
            Event::Timer(REDIAL) => fx.dial(LEADER, Channel::Quorum),
            Event::Timer(PING) => {
                self.tell_all("TICK", 0, &[], fx);
                fx.set_timer_in(PING, Duration::from_ms(100));
            }
            Event::Received { link, bytes } => self.received(now, link, &bytes, app, fx),
            _ => {}
        }
    }

    fn propose(&mut self, _now: Now, at: Zxid, record: Vec<u8>, fx: &mut Effects) {
        fx.note(Note::Proposed { zxid: at, record: record.clone() });
        self.tell_all("PROPOSAL", at.counter(), &record, fx);
        self.log.push(record);
        self.hold(self.me, at.counter());
        // Alone, or nearly: the record may be committed already; the next event delivers it.
        fx.set_timer_in(PING, Duration::from_ms(1));
    }

    fn tell_leader(&mut self, packet: QuorumPacket, fx: &mut Effects) {
        self.tell_all("SERVICE", self.committed, &packet.to_bytes(), fx);
    }

    fn tell_learner(&mut self, learner: PeerId, packet: QuorumPacket, fx: &mut Effects) {
        let link = self.links.iter().find(|(_, peer)| **peer == learner).map(|(link, _)| *link);
        let body = packet.to_bytes();
        link.into_iter().for_each(|link| self.tell(link, "SERVICE", self.committed, &body, fx));
    }

    fn barrier(&mut self, now: Now, token: u64, app: &mut dyn StateMachine, fx: &mut Effects) {
        self.barriers.push((token, self.log.len() as u32));
        self.advance(now, app, fx);
    }

    fn abdicate(&mut self, _: Now, _: &'static str, _: &mut dyn StateMachine, _: &mut Effects) {}

    fn probe(&self) -> Probe {
        let role = if self.me == LEADER { Role::Leading } else { Role::Following };
        let phase = Phase::Broadcast;
        let logged = zxid(self.log.len() as u32);
        let (committed, serving, epoch) = (zxid(self.committed), self.serving, Epoch(1));
        Probe { role, phase, epoch, logged, committed, serving, ..Probe::default() }
    }

    fn fork(&self) -> Box<dyn Broadcast> {
        Box::new(self.clone())
    }

    fn describe(&self) -> Vec<(String, String)> {
        vec![("committed".to_string(), self.committed.to_string())]
    }
}

fn boot(boot: Boot, wrong: bool) -> Box<dyn Process> {
    let protocol = Fixed::new(&boot, wrong);
    Box::new(Peer::boot(boot, Box::new(protocol), peer::rules::Rules::right()))
}

fn boot_right(boot_as: Boot, _: &Rules) -> Result<Box<dyn Process>, Refused> {
    Ok(boot(boot_as, false))
}

fn boot_wrong(boot_as: Boot, _: &Rules) -> Result<Box<dyn Process>, Refused> {
    Ok(boot(boot_as, true))
}

/// An invariant of one's own, from frames alone: the leader delivers only what a majority holds.
#[derive(Clone)]
struct HeldByMajority {
    voters: usize,
    /// How much each follower has told the leader that it holds.
    told: BTreeMap<PeerId, u32>,
    evaluated: u64,
}

impl Oracle for HeldByMajority {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        &[("HeldByMajority", "what is delivered was acknowledged by a majority")]
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        match seen {
            Seen::Received { from, to: LEADER, tag, .. }
                if ["ACK", "HELLO"].contains(&tag.kind) =>
            {
                let told = self.told.entry(*from).or_default();
                *told = tag.zxid.counter().max(*told);
            }
            Seen::Noted { peer: LEADER, note: Note::Delivered { zxid, .. } } => {
                self.evaluated += 1;
                let holders =
                    1 + self.told.values().filter(|told| **told >= zxid.counter()).count();
                if holders * 2 <= self.voters {
                    findings.push(Finding {
                        property: "HeldByMajority",
                        weight: Weight::Violation,
                        at,
                        peers: vec![LEADER],
                        kind: "too_few",
                        detail: format!("{zxid} is delivered, and {holders} peers hold it"),
                    });
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: At, _: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        vec![("HeldByMajority", self.evaluated)]
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

fn held_by_majority(plan: &Plan) -> Box<dyn Oracle> {
    let (voters, told) = (usize::from(plan.voters), BTreeMap::new());
    Box::new(HeldByMajority { voters, told, evaluated: 0 })
}

/// A client of one's own: counts in one node, by versions; no version may ever go back.
#[derive(Clone)]
struct Counter {
    left: u64,
    calls: u64,
    connected: bool,
    version: i32,
}

impl Counter {
    fn go_on(&mut self, acts: &mut Vec<Act>) {
        if !self.connected || self.left == 0 {
            return;
        }
        let (path, data) = ("/counter".to_string(), Some(self.calls.to_string().into_bytes()));
        self.calls += 1;
        let op = match self.version {
            -1 => Op::Create {
                path,
                data,
                acl: open_acl(),
                mode: CreateMode::Persistent,
                stat: false,
            },
            _ if self.calls.is_multiple_of(2) => Op::SetData { path, data, version: self.version },
            _ => Op::GetData { path, watch: false },
        };
        acts.push(Act::Call { call: self.calls, op });
    }

    /// A version was seen.
    fn saw(&mut self, version: i32, acts: &mut Vec<Act>) {
        if version < self.version {
            let detail = format!("/counter went from version {} back to {version}", self.version);
            acts.push(Act::Complain { property: "CounterGrows", detail });
        }
        self.version = version;
    }
}

impl Program for Counter {
    fn hear(&mut self, now: Time, heard: Heard, acts: &mut Vec<Act>) {
        match heard {
            Heard::Connected { .. } => self.connected = true,
            Heard::Disconnected | Heard::Expired => {
                self.connected = false;
                return;
            }
            Heard::Answer { result, .. } => {
                self.left -= self.left.min(1);
                match result {
                    Ok(Reply::Stat(stat) | Reply::Data { stat, .. }) => {
                        self.saw(stat.version, acts);
                    }
                    Ok(_) | Err(_) => self.version = self.version.max(0),
                }
                acts.push(Act::WakeAt(now + Duration::from_ms(20)));
                return;
            }
            // The disconnection is heard of next.
            Heard::Lost { .. } => return,
            Heard::Watch { .. } => return,
            Heard::Woken => {}
        }
        self.go_on(acts);
    }

    fn wind_down(&mut self, _: &mut Vec<Act>) {
        self.left = 0;
    }

    fn fork(&self) -> Box<dyn Program> {
        Box::new(self.clone())
    }
}

fn counter(params: &BTreeMap<String, u64>, _: Key) -> Box<dyn Program> {
    let left = params.get("calls").copied().unwrap_or(10);
    Box::new(Counter { left, calls: 0, connected: false, version: -1 })
}

/// Everything of one's own under its names: a binary would pass this to `zoosim::main`.
fn kit(wrong: bool) -> Kit {
    let image = |_: &Plan| Image::default();
    let oracles = |_: &Plan| -> Vec<Box<dyn Oracle>> {
        vec![Box::new(verdict::witness::Witness::default()), Box::new(verdict::locks::Locks::new())]
    };
    let boot = if wrong { boot_wrong } else { boot_right };
    Kit::standard()
        .protocol("fixed", Protocol { boot, image, oracles })
        .invariant("held_by_majority", held_by_majority)
        .program("counter", counter)
}

/// Whoever keeps nothing on disk must not lose power; everything else may happen.
const SCENARIO: &str = r#"{
  "zoosim": "scenario/1",
  "title": "A protocol of one's own under noise",
  "why": "The contract of a broadcast must be enough for a stranger to implement it.",
  "expect": "pass",
  "protocol": "fixed",
  "invariants": ["held_by_majority"],
  "voters": [[3, 60], [5, 40]],
  "clients": [
    {"timeout_ms": 4000, "driver": {"program": {"name": "counter", "params": {"calls": 40}}}},
    {"timeout_ms": 4000, "driver": {"program": {"name": "counter", "params": {"calls": 40}}}},
    {"timeout_ms": 4000, "driver": {"program": {"name": "lock_holder"}}}
  ],
  "swarm": {"families": ["net", "work", "pause", "hold", "client"], "faults": [1, 6]},
  "calm_at": 8000
}"#;

fn fuzz(wrong: bool, seeds: std::ops::Range<u64>) -> zoosim::Fuzz {
    zoosim::fuzz("own-protocol").scenario_text(SCENARIO).kit(kit(wrong)).seeds(seeds)
}

#[test]
fn a_protocol_an_invariant_and_a_program_of_ones_own_hold() {
    fuzz(false, 0..300).assert_pass();
}

#[test]
fn one_wrong_line_is_caught_by_the_invariant() {
    fuzz(true, 0..5).assert_caught(&["HeldByMajority"]);
}

#[test]
fn its_failure_replays_from_the_plan_to_the_digest_of_its_token() {
    let failed = std::panic::catch_unwind(|| fuzz(true, 0..5).assert_pass());
    let report = failed.expect_err("the wrong line is found");
    let report = report.downcast_ref::<String>().expect("the panic carries the report");
    let token = report.split_whitespace().find(|word| word.starts_with("z1.own-protocol."));
    let parts: Vec<&str> = token.expect("a report has its token").split('.').collect();
    let scenario = Scenario::parse("own-protocol", SCENARIO).expect("a scenario");
    let drawn = draw(&scenario, parts[3].parse().expect("the token has its seed"));
    let text = serde_json::to_string(&drawn).expect("a plan is JSON");
    let plan = Plan::parse("plan.json", &text).expect("what was written can be read");
    let run = Run::new(std::sync::Arc::new(plan), &kit(true)).expect("known names");
    let (ran, _) = run.finish_all();
    assert!(matches!(&ran.outcome, Outcome::Violated(found) if found.property == "HeldByMajority"));
    assert!(ran.digest.to_string().starts_with(parts[5]), "{} {parts:?}", ran.digest);
}

#[test]
fn its_runs_really_evaluate_what_they_claim() {
    let scenario = Scenario::parse("own-protocol", SCENARIO).expect("a scenario");
    let mut totals = Totals::default();
    for seed in 0..20 {
        let run = Run::new(std::sync::Arc::new(draw(&scenario, seed)), &kit(false));
        let (_, run) = run.expect("known names").finish_all();
        run.verdict.add_to(&mut totals);
    }
    let counts = &totals.properties;
    for name in ["HeldByMajority", "Linearizability", "SessionOrder", "MutualExclusion", "Liveness"]
    {
        assert!(counts.get(name).is_some_and(|count| *count > 0), "{name}: {counts:?}");
    }
}

/// The protocol, with all that it needs, between its own first line and what boots it.
#[test]
fn the_protocol_itself_is_shorter_than_200_lines() {
    let text = include_str!("own_protocol.rs");
    let from = text.split("/// The protocol: ").nth(1).expect("it is told what it is");
    let lines = from.split("\nfn boot(").next().expect("something boots it").lines().count();
    assert!((100..200).contains(&lines), "{lines} lines");
}
