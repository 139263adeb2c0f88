//! The znode tree of the sweep: one flat record per path, changed in place. A third reading of
//! sections 2.2 to 2.5 of the specification, made for speed; tests hold it against the judge's
//! naive model and against the copying reference of the witness's tests.

use crate::verdict::names::NONE;
use crate::znode::op::ErrorCode;

use super::paths::{BUILT_IN, CONFIG, Paths, ROOT, is};
use super::tape::{BAD_ACL, Figures, Kind, OK, Part, flag};

/// What [`Tree::judge`] says of a sequential create whose suffix is not the parent's counter.
pub(super) const SUFFIX: i16 = 3;

const READ: i32 = 1;
const WRITE: i32 = 2;
const CREATE: i32 = 4;
const DELETE: i32 = 8;

pub(super) const CREATED: i32 = 1;
pub(super) const DELETED: i32 = 2;
pub(super) const CHANGED: i32 = 3;
pub(super) const CHILDREN: i32 = 4;

/// One node, or the memory of one.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The sum of the marks of its children.
    pub(super) kids: u128,
    pub(super) czxid: u64,
    pub(super) mzxid: u64,
    pub(super) pzxid: u64,
    pub(super) data: u32,
    pub(super) length: i32,
    /// The session that owns it; [`NONE`] if none.
    pub(super) owner: u32,
    pub(super) version: i32,
    pub(super) aversion: i32,
    pub(super) creates: i32,
    pub(super) children: i32,
    /// A Stat that was found to be this node's, as it is now; [`NONE`] if there is none yet.
    pub(super) shown: u32,
    pub(super) perms: u8,
    pub(super) alive: bool,
}

/// When the facets of a node were last looked at, by key: what a lost call could have done to them
/// before that would have been seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamps {
    /// Whether it is there.
    pub(super) alive: u32,
    /// Its payload and version.
    pub(super) data: u32,
    /// What its children did to its Stat.
    pub(super) kids: u32,
    /// Its counter of creates, by a sequential name.
    pub(super) births: u32,
    /// The names of its children.
    pub(super) names: u32,
}

pub(super) const ABSENT: Node = Node {
    kids: 0,
    czxid: 0,
    mzxid: 0,
    pzxid: 0,
    data: NONE,
    length: 0,
    owner: NONE,
    version: 0,
    aversion: 0,
    creates: 0,
    children: 0,
    shown: NONE,
    perms: 31,
    alive: false,
};

/// Who writes, and as which transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) session: u32,
    pub(super) zxid: u64,
}

/// What fires watches: table (0 data, 1 children), path, kind.
pub(super) type Trigger = (u8, u32, i32);

/// The tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// By path: the last keys at which somebody depended on what it is. Empty if nobody asks.
    pub(super) seen: Vec<Stamps>,
    /// Paths that each session created as its own; some may be gone or another's by now.
    pub(super) owned: Vec<Vec<u32>>,
    pub(super) fired: Vec<Trigger>,
    /// Copies of nodes before they were changed, while `keeping`.
    undo: Vec<(u32, Node)>,
    pub(super) keeping: bool,
}

impl Tree {
    /// The fresh tree (spec 2.2).
    pub(super) fn new(paths: &Paths, sessions: usize, empty: u32) -> Tree {
        let mut tree = Tree {
            nodes: vec![ABSENT; paths.len()],
            seen: Vec::new(),
            owned: vec![Vec::new(); sessions],
            fired: Vec::new(),
            undo: Vec::new(),
            keeping: false,
        };
        for path in 0..BUILT_IN.len() as u32 {
            let config = path == CONFIG;
            let node = &mut tree.nodes[path as usize];
            (node.alive, node.data) = (true, empty);
            (node.aversion, node.perms) = if config { (-1, READ as u8) } else { (0, 31) };
            if path != ROOT {
                let above = &mut tree.nodes[paths.parent[path as usize] as usize];
                above.children += 1;
                above.kids = above.kids.wrapping_add(paths.mark[path as usize]);
            }
        }
        tree
    }

    pub(super) fn node(&self, path: u32) -> &Node {
        &self.nodes[path as usize]
    }

    /// Makes room for a path that was unknown when the tape was made.
    pub(super) fn fit(&mut self, paths: &Paths) {
        self.nodes.resize(paths.len(), ABSENT);
        if !self.seen.is_empty() {
            self.seen.resize(paths.len(), Stamps::default());
        }
    }

    /// From now on it is remembered when somebody depended on what.
    pub(super) fn watch_over(&mut self) {
        self.seen = vec![Stamps::default(); self.nodes.len()];
    }

    pub(super) fn mark(&self) -> usize {
        self.undo.len()
    }

    pub(super) fn back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            if let Some((path, node)) = self.undo.pop() {
                self.nodes[path as usize] = node;
            }
        }
    }

    /// Forgets how to take changes back.
    pub(super) fn settle(&mut self) {
        self.undo.clear();
        self.keeping = false;
    }

    fn change(&mut self, path: u32) -> &mut Node {
        let node = &mut self.nodes[path as usize];
        if self.keeping {
            self.undo.push((path, node.clone()));
        }
        node.shown = NONE;
        node
    }

    /// What a write comes to in this state. The order of the checks is spec 2.5's. A sequential
    /// create that was answered has its final path here already, another has its stem.
    pub(super) fn judge(&self, paths: &Paths, part: &Part) -> i16 {
        let fails = |code: ErrorCode| code.wire() as i16;
        let path = part.path;
        match part.kind {
            Kind::Create => self.judge_create(paths, part).unwrap_or_else(fails),
            Kind::Delete => {
                if paths.is(path, is::SPECIAL) || !paths.is(path, is::PLAUSIBLE) {
                    return fails(ErrorCode::BadArguments);
                }
                let above = self.node(paths.parent[path as usize]);
                let node = self.node(path);
                if !above.alive {
                    fails(ErrorCode::NoNode)
                } else if i32::from(above.perms) & DELETE == 0 {
                    fails(ErrorCode::NoAuth)
                } else if !node.alive {
                    fails(ErrorCode::NoNode)
                } else if part.version != -1 && part.version != node.version {
                    fails(ErrorCode::BadVersion)
                } else if node.children > 0 {
                    fails(ErrorCode::NotEmpty)
                } else {
                    OK
                }
            }
            Kind::SetData | Kind::Check => {
                let perm = if part.kind == Kind::SetData { WRITE } else { READ };
                let node = self.node(path);
                if !paths.is(path, is::VALID) {
                    fails(ErrorCode::BadArguments)
                } else if !node.alive {
                    fails(ErrorCode::NoNode)
                } else if i32::from(node.perms) & perm == 0 {
                    fails(ErrorCode::NoAuth)
                } else if part.version != -1 && part.version != node.version {
                    fails(ErrorCode::BadVersion)
                } else {
                    OK
                }
            }
            Kind::Close => OK,
            Kind::Multi
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => fails(ErrorCode::MarshallingError),
        }
    }

    fn judge_create(&self, paths: &Paths, part: &Part) -> Result<i16, ErrorCode> {
        let path = part.path;
        if !paths.is(path, is::PLAUSIBLE) {
            return Err(ErrorCode::BadArguments);
        }
        if part.version == BAD_ACL {
            return Err(ErrorCode::InvalidAcl);
        }
        let above = self.node(paths.parent[path as usize]);
        if !above.alive {
            return Err(ErrorCode::NoNode);
        }
        if i32::from(above.perms) & CREATE == 0 {
            return Err(ErrorCode::NoAuth);
        }
        let named = part.code == OK || !part.has(flag::SEQUENTIAL);
        let valid = if named { is::VALID } else { is::STEM };
        if !paths.is(path, valid) {
            return Err(ErrorCode::BadArguments);
        }
        let exists = if named {
            self.node(path).alive
        } else {
            let full = format!("{}{:010}", paths.text(path), above.creates);
            paths.names.find(full.as_bytes()).is_some_and(|full| self.node(full).alive)
        };
        if named && part.has(flag::SEQUENTIAL) && part.seq != above.creates {
            return Ok(SUFFIX);
        }
        if exists {
            return Err(ErrorCode::NodeExists);
        }
        if above.owner != NONE {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        Ok(OK)
    }

    /// Carries out a write that [`Tree::judge`] found right. `length` is its payload's.
    pub(super) fn act(&mut self, paths: &Paths, part: &Part, who: Who, length: i32) {
        match part.kind {
            Kind::Create => {
                let (path, parent) = (part.path, paths.parent[part.path as usize]);
                let ephemeral = part.has(flag::EPHEMERAL);
                *self.change(path) = Node {
                    czxid: who.zxid,
                    mzxid: who.zxid,
                    pzxid: who.zxid,
                    data: part.data,
                    length,
                    owner: if ephemeral { who.session } else { NONE },
                    perms: part.version as u8,
                    alive: true,
                    ..ABSENT
                };
                let above = self.change(parent);
                above.creates = above.creates.wrapping_add(1);
                above.children += 1;
                above.pzxid = above.pzxid.max(who.zxid);
                above.kids = above.kids.wrapping_add(paths.mark[path as usize]);
                if ephemeral {
                    self.owned[who.session as usize].push(path);
                }
                self.fired.push((0, path, CREATED));
                self.fired.push((1, parent, CHILDREN));
            }
            Kind::Delete => self.remove(paths, part.path, who.zxid),
            Kind::SetData => {
                let node = self.change(part.path);
                (node.data, node.length) = (part.data, length);
                node.mzxid = who.zxid;
                node.version = match node.version.wrapping_add(1) {
                    -1 => 0,
                    next => next,
                };
                self.fired.push((0, part.path, CHANGED));
            }
            Kind::Close => {
                for path in self.owned_by(who.session) {
                    self.remove(paths, path, who.zxid);
                }
            }
            Kind::Check
            | Kind::Multi
            | Kind::Exists
            | Kind::GetData
            | Kind::GetChildren
            | Kind::MultiRead
            | Kind::Sync
            | Kind::SetWatches
            | Kind::Ping
            | Kind::CreateSession => {}
        }
    }

    /// The nodes that a session owns.
    pub(super) fn owned_by(&self, session: u32) -> Vec<u32> {
        let mine = |path: &&u32| {
            let node = self.node(**path);
            node.alive && node.owner == session
        };
        let mut owned: Vec<u32> =
            self.owned[session as usize].iter().filter(mine).copied().collect();
        owned.sort_unstable();
        owned.dedup();
        owned
    }

    fn remove(&mut self, paths: &Paths, path: u32, zxid: u64) {
        let parent = paths.parent[path as usize];
        let node = self.change(path);
        (node.alive, node.owner) = (false, NONE);
        let above = self.change(parent);
        above.children -= 1;
        above.pzxid = above.pzxid.max(zxid);
        above.kids = above.kids.wrapping_sub(paths.mark[path as usize]);
        self.fired.push((0, path, DELETED));
        self.fired.push((1, path, DELETED));
        self.fired.push((1, parent, CHILDREN));
    }

    /// What a read of a node is told first; `OK` if it is answered.
    #[inline]
    pub(super) fn readable(&self, paths: &Paths, part: &Part) -> i16 {
        self.node(part.path).answers(paths, part)
    }
}

impl Node {
    /// What a read of this node is told first (spec 2.5); `OK` if it is answered.
    #[inline]
    pub(super) fn answers(&self, paths: &Paths, part: &Part) -> i16 {
        if part.kind == Kind::Exists && paths.is(part.path, is::NUL) {
            ErrorCode::BadArguments.wire() as i16
        } else if !self.alive {
            ErrorCode::NoNode.wire() as i16
        } else if i32::from(self.perms) & READ == 0 {
            ErrorCode::NoAuth.wire() as i16
        } else {
            OK
        }
    }

    /// Creates and deletes of children, as clients see them (spec 2.3).
    pub(super) fn cversion(&self) -> i32 {
        self.creates.wrapping_mul(2).wrapping_sub(self.children)
    }

    /// The first field in which a Stat differs from the node (P13), but for times.
    #[inline]
    pub(super) fn differs(&self, stat: &Figures) -> Option<&'static str> {
        let same = (stat.czxid == self.czxid)
            & (stat.mzxid == self.mzxid)
            & (stat.pzxid == self.pzxid)
            & (stat.version == self.version)
            & (stat.cversion == self.cversion())
            & (stat.aversion == self.aversion)
            & (stat.length == self.length)
            & (stat.children == self.children)
            & (stat.owner == self.owner);
        if same { None } else { Some(self.field(stat)) }
    }

    #[cold]
    fn field(&self, stat: &Figures) -> &'static str {
        let fields = [
            ("czxid", stat.czxid == self.czxid),
            ("mzxid", stat.mzxid == self.mzxid),
            ("pzxid", stat.pzxid == self.pzxid),
            ("version", stat.version == self.version),
            ("cversion", stat.cversion == self.cversion()),
            ("aversion", stat.aversion == self.aversion),
            ("dataLength", stat.length == self.length),
            ("numChildren", stat.children == self.children),
        ];
        fields.iter().find(|(_, same)| !same).map_or("ephemeralOwner", |(name, _)| name)
    }
}
