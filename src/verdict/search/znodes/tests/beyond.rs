//! Permissions, identities, and nodes that the servers take away: against the definition, by the
//! judge's tree alone; and that each of them fires.

use std::collections::BTreeSet;

use super::super::{Again, lacking, unjudged};
use super::*;
use crate::jute::proto::Acl;
use crate::verdict::model::tree::{Asked as Request, Model as Tree, Settings, Who, perm};
use crate::znode::op::grant;

const ADDRESS: &str = "10.0.0.7";

fn auth(user: &str) -> Op {
    Op::AddAuth { scheme: "digest".into(), auth: user.into() }
}

fn container(path: &str) -> Op {
    Op::CreateContainer { path: path.into(), data: None, acl: open_acl() }
}

fn ours() -> Vec<Acl> {
    vec![grant(31, "auth", "")]
}

fn some_op(dice: &mut Dice) -> Op {
    let path = String::from(*dice.pick(&["/a", "/a/b", "/c"]));
    let some_acl = |dice: &mut Dice| match dice.below(3) {
        0 => open_acl(),
        1 => vec![grant(perm::READ, "world", "anyone")],
        _ => ours(),
    };
    match dice.below(14) {
        0 | 1 => auth(if dice.below(2) == 0 { "u:1" } else { "v:2" }),
        2 | 3 => container(&path),
        4 => {
            let (data, acl, sequential) = (None, some_acl(dice), dice.below(3) == 0);
            Op::CreateTtl { path, data, acl, sequential, ttl: 9 }
        }
        5 => Op::SetAcl { path, acl: some_acl(dice), version: -1 },
        6 => Op::GetAcl { path },
        7 => Op::GetAllChildrenNumber { path: String::from(*dice.pick(&["/", "/a"])) },
        8 => Op::WhoAmI,
        9 => Op::GetEphemerals { prefix: "/".into() },
        10 => Op::Delete { path, version: -1 },
        11 => create(&path, CreateMode::Ephemeral),
        12 => exists(&path),
        _ => {
            let (data, acl, mode) = (None, some_acl(dice), CreateMode::Persistent);
            Op::Create { path, data, acl, mode, stat: true }
        }
    }
}

/// The tree, and who each session has proved to be.
#[derive(Clone)]
struct World {
    tree: Tree,
    whos: [Who; 3],
    /// What the servers have taken away, and which sessions they have ended.
    ended: BTreeSet<i64>,
}

impl World {
    fn new() -> World {
        let mut tree = Tree::forgetful();
        tree.configure(Settings { extended_types: true, ..Settings::default() });
        let who = tree.known_at(ADDRESS);
        World { tree, whos: [who; 3], ended: BTreeSet::new() }
    }

    fn does(&mut self, session: i64, op: &Op) -> Result {
        let who = self.whos[session as usize - 1];
        if let Op::AddAuth { scheme, auth } = op {
            self.whos[session as usize - 1] = self.tree.proved(who, scheme, auth, ADDRESS);
            return Ok(Reply::Done);
        }
        if !self.tree.is_open(SessionId(session)) {
            return Err(ErrorCode::SessionExpired);
        }
        let session = SessionId(session);
        if op.is_write() {
            let request = Request { session, who, ..Request::default() };
            return self.tree.apply(request, op).map(|effect| effect.reply(op));
        }
        self.tree.read_as((session, who), op, Zxid::ZERO).expect("the tree knows all of these")
    }

    /// All that the servers may do by themselves now.
    fn alone(&self) -> Vec<World> {
        let mut all = Vec::new();
        let names = ["/a", "/a/b", "/c"];
        let numbered = |n: usize| names.map(|name| format!("{name}{n:010}"));
        let gone = names.map(String::from).into_iter().chain((0..6).flat_map(numbered));
        for path in gone {
            let mut other = self.clone();
            let op = Op::DeleteContainer { path };
            if other.tree.apply(Request::default(), &op).is_ok() {
                all.push(other);
            }
        }
        for session in 1..=3 {
            let mut other = self.clone();
            let id = SessionId(session);
            if other.tree.owns(id) && other.ended.insert(session) {
                let request = Request { session: id, ..Request::default() };
                other.tree.apply(request, &Op::CloseSession).expect("it closes");
                all.push(other);
            }
        }
        all
    }
}

/// Whether some order explains all answers, by trying all of them.
fn explains(calls: &[Film], placed: &mut Vec<usize>, world: &World) -> bool {
    // Who asks is a matter of what was called before, not of what took effect.
    let is_auth = |n: usize| matches!(calls[n].1, Op::AddAuth { .. });
    let asks = |n: &usize| calls[*n].3.is_some() && !is_auth(*n);
    if (0..calls.len()).filter(asks).all(|n| placed.contains(&n)) {
        return true;
    }
    for n in (0..calls.len()).filter(|n| !is_auth(*n)) {
        if placed.contains(&n) {
            continue;
        }
        let (session, op, from, answer) = &calls[n];
        let waits = |other: usize| {
            let (who, _, _, answer) = &calls[other];
            let returned = answer.as_ref().is_some_and(|(to, _)| to < from);
            (returned || who == session && other < n) && !placed.contains(&other)
        };
        if (0..calls.len()).filter(asks).any(waits) {
            continue;
        }
        // A lost one takes effect before the later effective ones of its session, or never.
        let effective = |other: &usize| {
            let (who, op, _, answer) = &calls[*other];
            let failed = answer.as_ref().is_some_and(|(_, result)| result.is_err());
            who == session && *other > n && op.is_write() && !failed
        };
        if answer.is_none() && placed.iter().any(effective) {
            continue;
        }
        let mut next = world.clone();
        next.whos = World::new().whos;
        for earlier in (0..n).filter(|other| is_auth(*other) && calls[*other].0 == *session) {
            next.does(*session, &calls[earlier].1).expect("anybody is whom he says");
        }
        let would = next.does(*session, op);
        if answer.as_ref().is_some_and(|(_, told)| !Tree::agrees(op, &would, told)) {
            continue;
        }
        placed.push(n);
        let found = explains(calls, placed, &next);
        placed.pop();
        if found {
            return true;
        }
    }
    world.alone().iter().any(|next| explains(calls, placed, next))
}

/// Calls that a service of its own made up its answers to, and with luck one wrong answer.
fn some_story(dice: &mut Dice) -> Vec<Film> {
    let mut world = World::new();
    let (mut calls, mut free): (Vec<Film>, [u64; 4]) = (Vec::new(), [0; 4]);
    let wrong = dice.below(9) as usize;
    for now in (10..).step_by(4).take(dice.between(3, 6) as usize) {
        if dice.below(3) == 0 {
            let all = world.alone();
            if !all.is_empty() {
                world = dice.pick(&all).clone();
            }
        }
        let (session, op) = (1 + dice.below(2) as i64, some_op(dice));
        let from = (now - dice.below(8)).max(free[session as usize] + 1);
        let point = from.max(now);
        let to = point + dice.below(6);
        free[session as usize] = to;
        // What nobody answers here has happened, or not; an auth packet's answer is not lost.
        let is_lost = op.is_write() && dice.below(6) == 0;
        let answer =
            if is_lost && dice.below(2) == 0 { None } else { Some(world.does(session, &op)) };
        let answer = answer.filter(|_| !is_lost);
        calls.push((session, op, from, answer.map(|answer| (to, answer))));
    }
    let errors = [ErrorCode::NoAuth, ErrorCode::NoNode, ErrorCode::NodeExists];
    if let Some((_, op, _, Some((_, answer)))) = calls.get_mut(wrong)
        && !matches!(op, Op::AddAuth { .. })
    {
        *answer = match answer.clone() {
            Ok(Reply::Count(n)) => Ok(Reply::Count(n + 1)),
            Ok(Reply::Who(mut ids)) => {
                // Where somebody is, is not judged; who he is, is.
                ids.push(grant(0, "digest", "w").id);
                Ok(Reply::Who(ids))
            }
            Ok(Reply::Acl { stat, .. }) => Ok(Reply::Acl { acl: open_acl(), stat }),
            Err(ErrorCode::NoAuth) => Err(ErrorCode::NoNode),
            Ok(_) | Err(_) => Err(*dice.pick(&errors)),
        };
    }
    calls.sort_by_key(|call| call.2);
    calls
}

#[test]
fn what_only_the_tree_knows_is_judged_as_it_is_defined() {
    let mut dice = Dice::new(9, "beyond");
    let (mut legal, mut illegal) = (0, 0);
    for _ in 0..6_000 {
        let calls = some_story(&mut dice);
        let history = history(&calls);
        if unjudged(&history).is_some() {
            continue;
        }
        // What a closed session is told depends on clocks, and is left out.
        let expired = |call: &&Film| {
            call.3.as_ref().is_some_and(|(_, told)| *told == Err(ErrorCode::SessionExpired))
        };
        let calls: Vec<Film> = calls.iter().filter(|call| !expired(call)).cloned().collect();
        let slow = explains(&calls, &mut Vec::new(), &World::new());
        let fast = check(&history, Reads::Fresh, &Options::default()).1;
        assert_eq!(fast.is_legal(), slow, "{fast:?} of {calls:#?}");
        legal += u32::from(slow);
        illegal += u32::from(!slow);
    }
    assert!(legal > 2_000 && illegal > 600, "{legal} were legal, {illegal} were not");
}

fn answered(session: i64, op: Op, at: u64, answer: Result) -> Film {
    (session, op, at, Some((at + 1, answer)))
}

fn guarded(path: &str) -> Op {
    let (path, data, mode) = (path.into(), Some(b"1".to_vec()), CreateMode::Persistent);
    Op::Create { path, data, acl: ours(), mode, stat: false }
}

#[test]
fn who_may_not_is_refused_and_who_may_is_not() {
    let shown = || Ok(Reply::Stat(Stat { data_length: 1, ..Stat::default() }));
    let refused = || Err(ErrorCode::NoAuth);
    let story = |reader: Option<&str>, answer: Result| {
        let mut calls = vec![
            answered(1, auth("u:1"), 1, Ok(Reply::Done)),
            answered(1, guarded("/a"), 3, made("/a")),
        ];
        calls.extend(reader.map(|user| answered(2, auth(user), 5, Ok(Reply::Done))));
        calls.push(answered(2, exists("/a"), 7, answer));
        found(&calls, Reads::Fresh)
    };
    for (reader, may) in [(None, false), (Some("v:2"), false), (Some("u:1"), true)] {
        assert_eq!(story(reader, shown()).is_legal(), may, "{reader:?}");
        assert_eq!(story(reader, refused()).is_legal(), !may, "{reader:?}");
    }
    // Once the world may, nobody is refused.
    let opened = |answer| {
        let acl = Op::SetAcl { path: "/a".into(), acl: open_acl(), version: 0 };
        let done = Ok(Reply::Stat(Stat { aversion: 1, data_length: 1, ..Stat::default() }));
        let calls = [
            answered(1, auth("u:1"), 1, Ok(Reply::Done)),
            answered(1, guarded("/a"), 3, made("/a")),
            answered(1, acl, 5, done),
            answered(2, exists("/a"), 7, answer),
        ];
        found(&calls, Reads::Fresh)
    };
    assert!(opened(refused()).is_illegal());
    let stat = Stat { aversion: 1, data_length: 1, ..Stat::default() };
    assert!(opened(Ok(Reply::Stat(stat))).is_legal());
}

#[test]
fn an_auth_packet_that_nobody_answered_was_read_before_what_came_behind_it() {
    let lost = (1, auth("u:1"), 1, None);
    let calls = [lost, answered(1, guarded("/a"), 3, made("/a"))];
    assert!(found(&calls, Reads::Fresh).is_legal());
    let refused = answered(1, guarded("/a"), 3, Err(ErrorCode::InvalidAcl));
    assert!(found(&[(1, auth("u:1"), 1, None), refused], Reads::Fresh).is_illegal());
    assert!(found(&[answered(1, guarded("/a"), 3, made("/a"))], Reads::Fresh).is_illegal());
}

#[test]
fn identities_are_of_a_connection() {
    let calls = [
        answered(1, auth("u:1"), 1, Ok(Reply::Done)),
        answered(1, guarded("/a"), 3, made("/a")),
        answered(1, Op::Delete { path: "/a".into(), version: -1 }, 5, Ok(Reply::Done)),
        answered(1, guarded("/a"), 7, made("/a")),
    ];
    let mut history = history(&calls);
    assert_eq!(lacking(&history), 0);
    history.operations[3].conn = ConnId(77);
    assert_eq!(lacking(&history), 1);
    let look = |again| {
        let ready = ready(&history, Reads::Fresh, again);
        super::super::super::check(&Znodes, &ready.ops, &of_sessions(&Options::default()))
    };
    assert!(look(Again::Told).is_illegal(), "nobody is whom `auth` stands for");
    assert!(look(Again::Untold).is_legal());
}

#[test]
fn a_container_may_go_when_it_is_empty_and_a_plain_node_may_not() {
    let gone = |op: Op, from: u64| {
        let path = "/c/x";
        let calls = [
            answered(1, op, 1, Ok(Reply::Created { path: "/c".into(), stat: None })),
            answered(1, create(path, CreateMode::Persistent), 3, made(path)),
            answered(1, Op::Delete { path: path.into(), version: -1 }, 9, Ok(Reply::Done)),
            answered(2, exists("/c"), from, Err(ErrorCode::NoNode)),
        ];
        let mut calls = calls.to_vec();
        if let Op::CreateContainer { .. } | Op::CreateTtl { .. } = calls[0].1 {
            let stat = Some(Stat::default());
            calls[0].3 = Some((2, Ok(Reply::Created { path: "/c".into(), stat })));
        }
        calls.sort_by_key(|call| call.2);
        found(&calls, Reads::Fresh)
    };
    let lives =
        Op::CreateTtl { path: "/c".into(), data: None, acl: open_acl(), sequential: false, ttl: 5 };
    for op in [container("/c"), lives] {
        assert!(gone(op.clone(), 20).is_legal());
        assert!(gone(op, 6).is_illegal(), "it has a child");
    }
    assert!(gone(create("/c", CreateMode::Persistent), 20).is_illegal());
}

#[test]
fn what_no_search_can_judge_is_told() {
    let ip = |path: &str| Op::SetAcl {
        path: path.into(),
        acl: vec![grant(31, "ip", "10.0.0.0/8")],
        version: -1,
    };
    let refused = Some((2, Err(ErrorCode::NoNode)));
    let quota = create("/zookeeper/quota/a", CreateMode::Persistent);
    let numbered =
        Op::CreateTtl { path: "/t".into(), data: None, acl: open_acl(), sequential: true, ttl: 5 };
    let config = |answer| {
        let op = Op::Reconfig { joining: None, leaving: None, members: None, version: -1 };
        (1, op, 1, answer)
    };
    for (call, judged) in [
        ((1, ip("/a"), 1, None), false),
        ((1, ip("/a"), 1, refused), true),
        ((1, quota, 1, None), false),
        ((1, numbered, 1, None), false),
        ((1, auth("super:x"), 1, None), false),
        ((1, auth("u:x"), 1, None), true),
        (config(None), false),
        (config(Some((2, Err(ErrorCode::ReconfigDisabled)))), true),
        ((1, Op::WhoAmI, 1, None), true),
    ] {
        let history = history(&[call]);
        assert_eq!(unjudged(&history).is_none(), judged, "{history:?}");
    }
}
