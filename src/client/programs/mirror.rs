//! A copy of the tree, kept fresh by watches alone, by a client that believes nothing twice.
//!
//! It reads each node's data and children with a watch, and reads again when an event says so. The
//! invariant it checks is the bargain of spec 8.1 as one client can see it: zxids of answers never
//! decrease (C2), a node's own history never goes back (C5), data do not change without a change
//! (C6), an event answers a watch that was left, and comes before any answer that shows the change
//! (C12).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{Digest, Duration, Time, Zxid};
use crate::client::{Act, Heard, Program};
use crate::jute::proto::{Stat, event_type};
use crate::znode::op::{ErrorCode, Op, Reply};

/// How many reads are outstanding at most.
const READS_MAX: usize = 8;

/// How long it waits after a read that failed for another reason than a missing node.
const RETRY_MS: u64 = 100;

/// Which half of a node a call reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    Data,
    Children,
}

/// What is known of a node. Kept after its deletion, to compare its next incarnation with.
#[derive(Clone, Debug, Default)]
struct Known {
    stat: Option<Stat>,
    /// The data last read, and the mzxid they had: a newer stat may have come with the children.
    data: Option<(i64, Digest)>,
    /// A data watch is left, since this mzxid was read.
    data_since: Option<i64>,
    /// A child watch is left, since this pzxid was read.
    child_since: Option<i64>,
}

/// See the module's page.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    depth: usize,
    last_call: u64,
    connected: bool,
    winding_down: bool,
    /// The largest zxid of an answer in this session.
    seen: Zxid,
    nodes: BTreeMap<String, Known>,
    todo: VecDeque<(String, Half)>,
    reading: BTreeMap<u64, (String, Half)>,
    /// Nodes with both watches when the connection was lost: setWatches may tell of their deletion
    /// once for each (spec 1.12).
    twice: BTreeSet<String>,
}

impl Mirror {
    pub fn new(params: &BTreeMap<String, u64>) -> Mirror {
        Mirror {
            depth: params.get("depth").copied().unwrap_or(4).min(64) as usize,
            last_call: 0,
            connected: false,
            winding_down: false,
            seen: Zxid::ZERO,
            nodes: BTreeMap::new(),
            todo: VecDeque::new(),
            reading: BTreeMap::new(),
            twice: BTreeSet::new(),
        }
    }

    /// Reads a half of a node, once it is its turn, unless that is about to happen anyway.
    fn want(&mut self, path: &str, half: Half) {
        let waiting = self.todo.iter().chain(self.reading.values());
        if !waiting.into_iter().any(|(known, which)| known == path && *which == half) {
            self.todo.push_back((path.to_string(), half));
        }
    }

    fn ask(&mut self, acts: &mut Vec<Act>) {
        while self.connected
            && !self.winding_down
            && self.reading.len() < READS_MAX
            && let Some((path, half)) = self.todo.pop_front()
        {
            self.last_call += 1;
            let op = match half {
                Half::Data => Op::GetData { path: path.clone(), watch: true },
                Half::Children => Op::GetChildren { path: path.clone(), watch: true, stat: true },
            };
            self.reading.insert(self.last_call, (path, half));
            acts.push(Act::Call { call: self.last_call, op });
        }
    }

    fn answered(
        &mut self,
        path: &str,
        zxid: Zxid,
        result: Result<Reply, ErrorCode>,
        acts: &mut Vec<Act>,
    ) -> bool {
        if zxid < self.seen {
            let detail = format!("answer of {zxid} after one of {}", self.seen);
            acts.push(Act::Complain { property: "MonotonicReads", detail });
        }
        self.seen = self.seen.max(zxid);
        match result {
            Ok(Reply::Data { data, stat }) => {
                let digest = Digest::of(data.as_deref().unwrap_or_default());
                let known = self.judge(path, zxid, &stat, acts);
                let other = known.data.filter(|(mzxid, _)| *mzxid == stat.mzxid);
                if other.is_some_and(|(_, known)| known != digest) {
                    let detail = format!("`{path}` has other data at the same mzxid");
                    acts.push(Act::Complain { property: "SingleHistory", detail });
                }
                known.data = Some((stat.mzxid, digest));
                known.data_since = Some(stat.mzxid);
                known.stat = Some(stat);
                true
            }
            Ok(Reply::Children { names, stat: Some(stat) }) => {
                let known = self.judge(path, zxid, &stat, acts);
                known.child_since = Some(stat.pzxid);
                known.stat = Some(stat);
                self.discovered(path, &names);
                true
            }
            // Gone: its parent's event, or its own, has said so or has nothing to say.
            Err(ErrorCode::NoNode) => {
                self.missing(path, acts);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Compares what was read with what was known of the node.
    fn judge(&mut self, path: &str, zxid: Zxid, stat: &Stat, acts: &mut Vec<Act>) -> &mut Known {
        let known = self.nodes.entry(path.to_string()).or_default();
        let mut complain = |property, what: &str| {
            let detail = format!("`{path}`: {what}; known {:?}, read {stat:?}", known.stat);
            acts.push(Act::Complain { property, detail });
        };
        let newest = stat.czxid.max(stat.mzxid).max(stat.pzxid);
        if Zxid::from_wire(newest) > zxid {
            complain("PrefixReads", "the stat is newer than the answer");
        }
        if let Some(old) = &known.stat {
            let back = stat.czxid < old.czxid
                || stat.mzxid < old.mzxid && stat.czxid == old.czxid
                || stat.pzxid < old.pzxid && stat.czxid == old.czxid
                || stat.version < old.version && stat.czxid == old.czxid;
            if back {
                complain("MonotonicReads", "its history goes back");
            }
        }
        if known.data_since.is_some_and(|since| since != stat.mzxid) {
            complain("WatchBeforeData", "its data changed, but the watch was silent");
            known.data_since = None;
        }
        if known.child_since.is_some_and(|since| since != stat.pzxid) {
            complain("WatchBeforeData", "its children changed, but the watch was silent");
            known.child_since = None;
        }
        known
    }

    /// A node is missing: a watch that is still left should have told.
    fn missing(&mut self, path: &str, acts: &mut Vec<Act>) {
        let Some(known) = self.nodes.get_mut(path) else { return };
        if known.data_since.take().is_some() | known.child_since.take().is_some() {
            let detail = format!("`{path}` is gone, but its watch was silent");
            acts.push(Act::Complain { property: "WatchBeforeData", detail });
        }
    }

    /// Reads the children that are not watched yet.
    fn discovered(&mut self, path: &str, names: &[String]) {
        let root = path == "/";
        let level = if root { 0 } else { path.matches('/').count() };
        if level >= self.depth {
            return;
        }
        for name in names {
            let child = if root { format!("/{name}") } else { format!("{path}/{name}") };
            // The service's own nodes are not the subject of transactions.
            if child == "/zookeeper" {
                continue;
            }
            let known = self.nodes.get(&child);
            let data = known.is_none_or(|known| known.data_since.is_none());
            let children = known.is_none_or(|known| known.child_since.is_none());
            if data {
                self.want(&child, Half::Data);
            }
            if children {
                self.want(&child, Half::Children);
            }
        }
    }

    fn event(&mut self, kind: i32, path: &str, acts: &mut Vec<Act>) {
        let known = self.nodes.entry(path.to_string()).or_default();
        let asked = match kind {
            event_type::NODE_DATA_CHANGED => known.data_since.take().is_some(),
            event_type::NODE_CHILDREN_CHANGED => known.child_since.take().is_some(),
            event_type::NODE_DELETED => {
                let data = known.data_since.take().is_some();
                let child = known.child_since.take().is_some();
                data || child || self.twice.remove(path)
            }
            _ => false,
        };
        if !asked {
            let detail = format!("event {kind} on `{path}`, where no such watch was left");
            acts.push(Act::Complain { property: "WatchInvented", detail });
        }
        match kind {
            event_type::NODE_DATA_CHANGED => self.want(path, Half::Data),
            event_type::NODE_CHILDREN_CHANGED => self.want(path, Half::Children),
            // Its parent's event brings it back, if it comes back. But one that comes between this
            // event and a read of the parent that is on its way has no other herald.
            event_type::NODE_DELETED => {
                self.want(path, Half::Data);
                self.want(path, Half::Children);
            }
            _ => {}
        }
    }

    fn connected(&mut self, fresh: bool) {
        self.connected = true;
        if fresh {
            // Another session has seen nothing yet, and may begin in the past.
            self.seen = Zxid::ZERO;
            self.nodes.clear();
            self.todo.clear();
            self.reading.clear();
            self.want("/", Half::Data);
            self.want("/", Half::Children);
        }
        let both = |known: &Known| known.data_since.is_some() && known.child_since.is_some();
        let twice = self.nodes.iter().filter(|(_, known)| both(known));
        self.twice = twice.map(|(path, _)| path.clone()).collect();
    }
}

impl Program for Mirror {
    fn hear(&mut self, now: Time, heard: Heard, acts: &mut Vec<Act>) {
        match heard {
            Heard::Connected { fresh, .. } => self.connected(fresh),
            Heard::Disconnected | Heard::Expired => self.connected = false,
            Heard::Answer { call, zxid, result } => {
                let Some((path, half)) = self.reading.remove(&call) else { return };
                if !self.answered(&path, zxid, result, acts) {
                    self.todo.push_back((path, half));
                    acts.push(Act::WakeAt(now + Duration::from_ms(RETRY_MS)));
                    return;
                }
            }
            Heard::Lost { call } => {
                // No watch was left that this client knows of: as if it had never been asked.
                if let Some((path, half)) = self.reading.remove(&call) {
                    self.want(&path, half);
                }
                // The connection is gone, which is heard of next: nothing to be asked on it.
                return;
            }
            Heard::Watch { kind, path } => self.event(kind, &path, acts),
            Heard::Woken => {}
        }
        self.ask(acts);
    }

    fn wind_down(&mut self, _acts: &mut Vec<Act>) {
        self.winding_down = true;
    }

    fn fork(&self) -> Box<dyn Program> {
        Box::new(self.clone())
    }
}
