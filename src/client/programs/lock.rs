//! The lock recipe: ephemeral sequential nodes, each waiting for the one before it.
//!
//! ```text
//!   /locks/<session>-0000000004   holds: nobody is before it
//!   /locks/<session>-0000000007   watches ..04
//!   /locks/<session>-0000000009   watches ..07
//! ```
//!
//! Names carry the session, so that a node whose creation was answered by silence is found again,
//! and one of a dead session is never taken for one's own. The invariant it keeps: it claims the
//! lock only while connected, with its node seen first in line since it last connected; and it
//! writes only together with a check that its node is still there, so that a write of somebody who
//! wrongly believes to hold fails (the fencing token is the node's czxid).

use std::collections::BTreeMap;

use crate::base::{Draw, Duration, Key, SessionId, Time, Zxid};
use crate::client::{Act, Heard, Program};
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply, open_acl};

const QUEUE: &str = "/locks";
const COUNTER: &str = "/fenced";

/// How long it waits after an answer that it did not expect.
const PUZZLED_MS: u64 = 100;

/// What the one outstanding call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Creating the parents: the next one, by number.
    Parents(usize),
    /// Who is in line?
    Look,
    /// Getting in line.
    Join,
    /// Reading the own node's czxid.
    Token,
    /// Leaving a watch on the one before.
    Watch,
    /// Before the counter is read, so that the read is not stale.
    Sync,
    /// Reading the counter.
    Read,
    /// The fenced write, over this earlier token.
    Write { over: u64 },
    /// Getting out of line.
    Leave,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub(super) struct LockHolder {
    hold: Duration,
    rest: Duration,
    key: Key,
    rounds: u64,
    last_call: u64,
    connected: bool,
    session: SessionId,
    /// Whether the parents are known to exist.
    housed: bool,
    /// The outstanding call.
    step: Option<(u64, Step)>,
    /// The own node, if it is known.
    node: Option<String>,
    /// Its czxid, if it is known.
    token: Option<u64>,
    /// Holding until then.
    holds_until: Option<Time>,
    /// A node to get rid of before anything else.
    leaving: Option<String>,
    /// What is watched: the node before the own one.
    before: Option<String>,
    /// Resting until then.
    rests_until: Option<Time>,
    winding_down: bool,
}

impl LockHolder {
    pub fn new(params: &BTreeMap<String, u64>, key: Key) -> LockHolder {
        let ms = |name, default| {
            Duration::from_ms(params.get(name).copied().unwrap_or(default).min(1 << 40))
        };
        LockHolder {
            hold: ms("hold_ms", 200),
            rest: ms("rest_ms", 100),
            key,
            rounds: 0,
            last_call: 0,
            connected: false,
            session: SessionId(0),
            housed: false,
            step: None,
            node: None,
            token: None,
            holds_until: None,
            leaving: None,
            before: None,
            rests_until: None,
            winding_down: false,
        }
    }

    fn ask(&mut self, step: Step, op: Op, acts: &mut Vec<Act>) {
        self.last_call += 1;
        self.step = Some((self.last_call, step));
        acts.push(Act::Call { call: self.last_call, op });
    }

    /// The next thing to do, when nothing is outstanding and nothing is known for sure.
    fn advance(&mut self, acts: &mut Vec<Act>) {
        if !self.connected || self.step.is_some() {
            return;
        }
        if let Some(path) = self.leaving.clone() {
            return self.ask(Step::Leave, Op::Delete { path, version: -1 }, acts);
        }
        if !self.housed {
            return self.house(0, acts);
        }
        if self.rests_until.is_none() {
            let path = QUEUE.to_string();
            self.ask(Step::Look, Op::GetChildren { path, watch: false, stat: false }, acts);
        }
    }

    fn house(&mut self, number: usize, acts: &mut Vec<Act>) {
        let (path, data) = [(QUEUE, ""), (COUNTER, "0")][number.min(1)];
        self.ask(Step::Parents(number), create(path, data, CreateMode::Persistent), acts);
    }

    /// The children of the queue are known: who is first, who is before?
    fn looked(&mut self, now: Time, names: &[String], acts: &mut Vec<Act>) {
        let own = prefix(self.session);
        let mut line: Vec<(&str, &String)> =
            names.iter().map(|name| (suffix(name), name)).collect();
        line.sort();
        let Some(at) = line.iter().position(|(_, name)| name.starts_with(&own)) else {
            self.node = None;
            self.token = None;
            if !self.winding_down {
                let path = format!("{QUEUE}/{own}");
                let op = create(&path, "", CreateMode::EphemeralSequential);
                self.ask(Step::Join, op, acts);
            }
            return;
        };
        let node = format!("{QUEUE}/{}", line[at].1);
        if self.node.as_ref() != Some(&node) {
            self.node = Some(node.clone());
            self.token = None;
        }
        if self.winding_down {
            return self.leave(acts);
        }
        match (at, self.token) {
            (0, Some(_)) => self.hold(now, acts),
            (0, None) => self.ask(Step::Token, Op::Exists { path: node, watch: false }, acts),
            (_, _) => {
                let before = format!("{QUEUE}/{}", line[at - 1].1);
                self.before = Some(before.clone());
                self.ask(Step::Watch, Op::Exists { path: before, watch: true }, acts);
            }
        }
    }

    fn hold(&mut self, now: Time, acts: &mut Vec<Act>) {
        let Some(token) = self.token else { return };
        self.holds_until = Some(now + self.hold);
        self.before = None;
        acts.push(Act::Claim { name: "lock_held", value: token });
        acts.push(Act::WakeAt(now + self.hold));
        self.ask(Step::Sync, Op::Sync { path: COUNTER.to_string() }, acts);
    }

    /// No longer believes to hold.
    fn let_go(&mut self, acts: &mut Vec<Act>) {
        if self.holds_until.take().is_some()
            && let Some(value) = self.token
        {
            acts.push(Act::Claim { name: "lock_released", value });
        }
    }

    /// Lets go, and gets out of line.
    fn leave(&mut self, acts: &mut Vec<Act>) {
        self.let_go(acts);
        self.leaving = self.node.take();
        self.token = None;
        self.before = None;
        self.advance(acts);
    }

    fn write(&mut self, stat_version: i32, over: u64, acts: &mut Vec<Act>) {
        let (Some(node), Some(token)) = (&self.node, self.token) else { return };
        let check = Op::Check { path: node.clone(), version: -1 };
        let data = Some(token.to_string().into_bytes());
        let set = Op::SetData { path: COUNTER.to_string(), data, version: stat_version };
        self.ask(Step::Write { over }, Op::Multi(vec![check, set]), acts);
    }

    fn answered(
        &mut self,
        now: Time,
        step: Step,
        result: Result<Reply, ErrorCode>,
        acts: &mut Vec<Act>,
    ) {
        match (step, result) {
            (Step::Parents(number), Ok(_) | Err(ErrorCode::NodeExists)) => {
                self.housed = number > 0;
                if self.housed { self.advance(acts) } else { self.house(1, acts) }
            }
            (Step::Look, Ok(Reply::Children { names, .. })) => self.looked(now, &names, acts),
            (Step::Join, Ok(Reply::Created { path, stat })) => {
                self.node = Some(path);
                self.token = stat.map(|stat| Zxid::from_wire(stat.czxid).0);
                self.advance(acts);
            }
            (Step::Token, Ok(Reply::Stat(stat))) => {
                self.token = Some(Zxid::from_wire(stat.czxid).0);
                self.hold(now, acts);
            }
            // The one before is there, and watched: its event goes on from here.
            (Step::Watch, Ok(_)) if self.before.is_some() => {}
            (Step::Watch | Step::Token, Ok(_) | Err(ErrorCode::NoNode)) => self.advance(acts),
            (Step::Sync, Ok(_)) => {
                let path = COUNTER.to_string();
                self.ask(Step::Read, Op::GetData { path, watch: false }, acts);
            }
            (Step::Read, Ok(Reply::Data { data, stat })) => {
                self.write(stat.version, number(data.as_deref()), acts);
            }
            (Step::Write { over }, Ok(Reply::Multi(parts))) => self.wrote(over, &parts, acts),
            (Step::Leave, Ok(_) | Err(ErrorCode::NoNode)) => {
                self.leaving = None;
                self.rest(now, acts);
            }
            (Step::Look, Err(ErrorCode::NoNode)) => {
                self.housed = false;
                self.advance(acts);
            }
            // Somebody else had its hands in, or the session is dying: look again, but not at once.
            (_, _) => self.puzzled(now, acts),
        }
    }

    fn wrote(
        &mut self,
        over: u64,
        parts: &[Result<Reply, Option<ErrorCode>>],
        acts: &mut Vec<Act>,
    ) {
        let Some(token) = self.token else { return };
        let succeeded = parts.iter().all(Result::is_ok);
        if succeeded && over > token {
            // The own node was there all the time, so nobody behind it can have held the lock.
            let detail = format!("wrote token {token} over the later token {over}");
            acts.push(Act::Complain { property: "FencingTokens", detail });
        }
    }

    fn rest(&mut self, now: Time, acts: &mut Vec<Act>) {
        self.rounds += 1;
        let spread = self.rest.0 / 2 + 1;
        let until = now + self.rest + Duration(self.key.with(self.rounds).stream().below(spread));
        self.rests_until = Some(until);
        acts.push(Act::WakeAt(until));
    }

    fn puzzled(&mut self, now: Time, acts: &mut Vec<Act>) {
        self.let_go(acts);
        let until = now + Duration::from_ms(PUZZLED_MS);
        self.rests_until = Some(until);
        acts.push(Act::WakeAt(until));
    }

    fn woken(&mut self, now: Time, acts: &mut Vec<Act>) {
        if self.rests_until.is_some_and(|until| until <= now) {
            self.rests_until = None;
        }
        match self.holds_until {
            // Its call is outstanding: its answer ends the hold.
            Some(until) if until <= now && self.step.is_none() => self.leave(acts),
            Some(_) => {}
            None if self.before.is_none() && !self.winding_down => self.advance(acts),
            None => {}
        }
    }
}

impl Program for LockHolder {
    fn hear(&mut self, now: Time, heard: Heard, acts: &mut Vec<Act>) {
        match heard {
            Heard::Connected { session, fresh } => {
                self.connected = true;
                self.session = session;
                if fresh {
                    self.node = None;
                    self.token = None;
                    self.leaving = None;
                }
                self.before = None;
                self.rests_until = None;
                self.advance(acts);
            }
            Heard::Disconnected | Heard::Expired => {
                // From here on somebody else may hold it before this client hears of it.
                self.let_go(acts);
                self.connected = false;
                self.step = None;
            }
            Heard::Answer { call, result, .. } => {
                let Some((_, step)) = self.step.take_if(|(asked, _)| *asked == call) else {
                    return;
                };
                self.answered(now, step, result, acts);
                let over = self.holds_until.is_some_and(|until| until <= now);
                if self.step.is_none() && (over || self.winding_down && self.node.is_some()) {
                    self.leave(acts);
                }
            }
            // The session was lost before it: what comes next is a connection.
            Heard::Lost { call } => {
                self.step.take_if(|(asked, _)| *asked == call);
            }
            Heard::Watch { path, .. } => {
                if self.before.as_ref() == Some(&path) {
                    self.before = None;
                    self.advance(acts);
                }
            }
            Heard::Woken => self.woken(now, acts),
        }
    }

    fn wind_down(&mut self, acts: &mut Vec<Act>) {
        self.winding_down = true;
        self.rests_until = None;
        if self.step.is_none() && self.node.is_some() {
            self.leave(acts);
        } else {
            // The outstanding answer leads to the way out.
            self.let_go(acts);
            self.before = None;
            self.advance(acts);
        }
    }

    fn fork(&self) -> Box<dyn Program> {
        Box::new(self.clone())
    }
}

fn create(path: &str, data: &str, mode: CreateMode) -> Op {
    let data = Some(data.as_bytes().to_vec());
    Op::Create { path: path.to_string(), data, acl: open_acl(), mode, stat: true }
}

fn prefix(session: SessionId) -> String {
    format!("{:016x}-", session.0)
}

/// The server's counter at the end of a sequential name; ten digits, so that text sorts as numbers.
fn suffix(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or(name)
}

fn number(data: Option<&[u8]>) -> u64 {
    data.and_then(|data| std::str::from_utf8(data).ok()).and_then(|t| t.parse().ok()).unwrap_or(0)
}
