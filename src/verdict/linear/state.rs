//! The state that the black-box search walks through: znodes without zxids and times, changed in
//! place and taken back step by step (R5), with a hash that follows every change (R4).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Digest, SessionId};
use crate::jute::proto::Stat;
use crate::znode::op::{CreateMode, ErrorCode, Op, Reply};

#[derive(Clone, Debug)]
struct Node {
    data: Option<Vec<u8>>,
    version: i32,
    creates: i32,
    children: i32,
    owner: i64,
}

impl Node {
    fn new(data: Option<Vec<u8>>, owner: i64) -> Node {
        Node { data, version: 0, creates: 0, children: 0, owner }
    }

    fn stat(&self) -> Stat {
        Stat {
            version: self.version,
            cversion: self.creates.wrapping_mul(2).wrapping_sub(self.children),
            ephemeral_owner: self.owner,
            data_length: self.data.as_ref().map_or(0, |data| data.len() as i32),
            num_children: self.children,
            ..Stat::default()
        }
    }

    fn hash(&self, path: &str) -> u128 {
        let mut halves = [Digest(1), Digest(2)];
        for half in &mut halves {
            half.bytes(path.as_bytes());
            half.word(u64::from(self.data.is_some()));
            half.bytes(self.data.as_deref().unwrap_or_default());
            half.word(self.version as u64);
            half.word(self.creates as u64);
            half.word(self.owner as u64);
        }
        wide(halves)
    }
}

/// 128 bits that stand for a number.
pub(super) fn hash_of(label: u64, value: u64) -> u128 {
    let mut halves = [Digest(label), Digest(!label)];
    for half in &mut halves {
        half.word(value);
        half.word(label);
    }
    wide(halves)
}

fn wide(halves: [Digest; 2]) -> u128 {
    u128::from(halves[0].0) << 64 | u128::from(halves[1].0)
}

/// One change, and how to take it back.
#[derive(Clone, Debug)]
enum Undo {
    Node(String, Option<Node>),
    Closed(SessionId),
}

/// The whole state. See the file.
#[derive(Clone, Debug)]
pub(super) struct State {
    nodes: BTreeMap<String, Node>,
    closed: BTreeSet<SessionId>,
    undo: Vec<Undo>,
    hash: u128,
}

type Answer = Result<Reply, ErrorCode>;

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

impl State {
    /// The fresh tree (spec 2.2).
    pub(super) fn fresh() -> State {
        let mut state =
            State { nodes: BTreeMap::new(), closed: BTreeSet::new(), undo: Vec::new(), hash: 0 };
        for (path, children) in
            [("/", 1), ("/zookeeper", 2), ("/zookeeper/config", 0), ("/zookeeper/quota", 0)]
        {
            let node = Node { children, ..Node::new(Some(Vec::new()), 0) };
            state.put(path, Some(node));
        }
        state.undo.clear();
        state
    }

    /// Equal states have equal hashes.
    pub(super) fn hash(&self) -> u128 {
        self.hash
    }

    /// Where the state stands, for [`State::back`].
    pub(super) fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes everything since `mark` back.
    pub(super) fn back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Node(path, was)) => {
                    self.swap(path, was);
                }
                Some(Undo::Closed(session)) => {
                    self.closed.remove(&session);
                    self.hash ^= hash_of(3, session.0 as u64);
                }
                None => return,
            }
        }
    }

    /// Does what is asked, and answers; an error changes nothing. Closed sessions get none.
    pub(super) fn apply(&mut self, session: SessionId, op: &Op) -> Answer {
        if self.closed.contains(&session) {
            return Err(ErrorCode::SessionExpired);
        }
        match op {
            Op::Multi(parts) => Ok(self.multi(session, parts)),
            Op::CloseSession => {
                let owns = |(path, node): (&String, &Node)| {
                    (node.owner == session.0).then(|| path.clone())
                };
                let owned: Vec<String> = self.nodes.iter().filter_map(owns).collect();
                owned.iter().for_each(|path| self.cut(path));
                self.closed.insert(session);
                self.hash ^= hash_of(3, session.0 as u64);
                self.undo.push(Undo::Closed(session));
                Ok(Reply::Done)
            }
            _ => self.one(session, op),
        }
    }

    /// Whether closing the session would delete anything.
    pub(super) fn owns(&self, session: SessionId) -> bool {
        self.nodes.values().any(|node| node.owner == session.0)
    }

    fn multi(&mut self, session: SessionId, parts: &[Op]) -> Reply {
        let mark = self.mark();
        let mut replies = Vec::with_capacity(parts.len());
        for (failing, part) in parts.iter().enumerate() {
            match self.one(session, part) {
                Ok(reply) => replies.push(Ok(reply)),
                Err(code) => {
                    self.back(mark);
                    return Reply::Multi(
                        (0..parts.len())
                            .map(|part| match part {
                                _ if part < failing => Err(None),
                                _ if part == failing => Err(Some(code)),
                                _ => Err(Some(ErrorCode::RuntimeInconsistency)),
                            })
                            .collect(),
                    );
                }
            }
        }
        Reply::Multi(replies)
    }

    fn get(&self, path: &str) -> Result<&Node, ErrorCode> {
        self.nodes.get(path).ok_or(ErrorCode::NoNode)
    }

    /// A node whose version is the one expected; -1 expects any.
    fn expect(&self, path: &str, version: i32) -> Result<&Node, ErrorCode> {
        let node = self.get(path)?;
        if version == -1 || version == node.version { Ok(node) } else { Err(ErrorCode::BadVersion) }
    }

    fn one(&mut self, session: SessionId, op: &Op) -> Answer {
        match op {
            Op::Create { path, data, mode, stat, .. } => {
                self.create(session, path, data, *mode, *stat)
            }
            Op::Delete { path, version } => {
                if matches!(path.as_str(), "/" | "/zookeeper")
                    || matches!(path.as_str(), "/zookeeper/quota" | "/zookeeper/config")
                {
                    return Err(ErrorCode::BadArguments);
                }
                self.get(parent(path))?;
                if self.expect(path, *version)?.children > 0 {
                    return Err(ErrorCode::NotEmpty);
                }
                self.cut(path);
                Ok(Reply::Done)
            }
            Op::SetData { path, data, version } => {
                let node = self.expect(path, *version)?;
                let version = node.version.wrapping_add(1);
                let node = Node { data: data.clone(), version, ..node.clone() };
                let stat = node.stat();
                self.put(path, Some(node));
                Ok(Reply::Stat(stat))
            }
            Op::Check { path, version } => self.expect(path, *version).map(|_| Reply::Done),
            Op::Exists { path, .. } => self.get(path).map(|node| Reply::Stat(node.stat())),
            Op::GetData { path, .. } => {
                let node = self.get(path)?;
                Ok(Reply::Data { data: node.data.clone(), stat: node.stat() })
            }
            Op::GetChildren { path, stat, .. } => {
                let node = self.get(path)?;
                let stat = stat.then(|| node.stat());
                Ok(Reply::Children { names: self.names(path), stat })
            }
            Op::MultiRead(parts) => {
                let mut answers = Vec::with_capacity(parts.len());
                for part in parts {
                    answers.push(self.one(session, part).map_err(Some));
                }
                Ok(Reply::Multi(answers))
            }
            Op::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            Op::Multi(_)
            | Op::SetWatches { .. }
            | Op::Ping
            | Op::CreateSession { .. }
            | Op::CloseSession => Err(ErrorCode::MarshallingError),
        }
    }

    fn create(
        &mut self,
        session: SessionId,
        path: &str,
        data: &Option<Vec<u8>>,
        mode: CreateMode,
        stat: bool,
    ) -> Answer {
        let above = self.get(parent(path))?;
        let full = match mode.is_sequential() {
            true => format!("{path}{:010}", above.creates),
            false => path.to_owned(),
        };
        if self.nodes.contains_key(&full) {
            return Err(ErrorCode::NodeExists);
        }
        if above.owner != 0 {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let mut above = above.clone();
        above.creates += 1;
        above.children += 1;
        self.put(parent(path), Some(above));
        let owner = if mode.is_ephemeral() { session.0 } else { 0 };
        let node = Node::new(data.clone(), owner);
        let stat = stat.then(|| node.stat());
        self.put(&full, Some(node));
        Ok(Reply::Created { path: full, stat })
    }

    fn names(&self, path: &str) -> Vec<String> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let below = self.nodes.range(prefix.clone()..).map(|(path, _)| path.as_str());
        below
            .take_while(|path| path.starts_with(&prefix))
            .map(|path| &path[prefix.len()..])
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    fn cut(&mut self, path: &str) {
        self.put(path, None);
        if let Some(above) = self.nodes.get(parent(path)) {
            let above = Node { children: above.children - 1, ..above.clone() };
            self.put(parent(path), Some(above));
        }
    }

    fn put(&mut self, path: &str, node: Option<Node>) {
        let was = self.swap(path.to_owned(), node);
        self.undo.push(Undo::Node(path.to_owned(), was));
    }

    fn swap(&mut self, path: String, node: Option<Node>) -> Option<Node> {
        if let Some(node) = &node {
            self.hash ^= node.hash(&path);
        }
        let was = match node {
            Some(node) => self.nodes.insert(path.clone(), node),
            None => self.nodes.remove(&path),
        };
        if let Some(was) = &was {
            self.hash ^= was.hash(&path);
        }
        was
    }
}
