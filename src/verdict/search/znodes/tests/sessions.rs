//! What each session alone was shown, against the definition; and that it fires.

use super::super::super::Hands;
use super::super::{Again, Each, each, ready, timeless};
use super::*;

fn judged(calls: &[Film]) -> Each {
    let ready = ready(&history(calls), Reads::Fresh, Again::Told);
    each(&ready, &Options::default(), Hands::default())
}

fn session_of(found: &Each) -> Option<Option<SessionId>> {
    match found {
        Each::Illegal(alone) => Some(alone.session),
        Each::Legal(_) | Each::Unknown(_) => None,
    }
}

/// Creates and reads of two nodes, as if each session saw something else.
fn mixed(dice: &mut Dice) -> Vec<Film> {
    let mut calls: Vec<Film> = Vec::new();
    let mut made = 0;
    for from in (0..).step_by(3).take(dice.between(4, 6) as usize) {
        let (session, path) = (1 + dice.below(3) as i64, *dice.pick(&["/a", "/b"]));
        let mut call = match dice.below(3) {
            0 if made < 3 => new(session, path, from),
            _ => read(session, path, from, dice.below(2) == 0),
        };
        made += u64::from(call.1.is_write());
        if call.1.is_write() && dice.below(8) == 0 {
            call.3 = None;
        }
        calls.push(call);
    }
    calls
}

#[test]
fn each_session_is_shown_what_it_is_defined_to_be_shown() {
    let mut dice = Dice::new(6, "sessions");
    let (mut illegal, mut apart) = (0, 0);
    for n in 0..20_000 {
        let calls = if n % 4 == 0 { some_calls(&mut dice, &["/a"]) } else { mixed(&mut dice) };
        let alone = |who| explained(&calls, Rule { timed: false, whose: Some(who) });
        let (slow, fast) = ((1..=3).all(alone), judged(&calls));
        assert_eq!(matches!(fast, Each::Legal(_)), slow, "{fast:?} of {calls:#?}");
        if let Each::Illegal(found) = &fast {
            let who = found.session.map_or(1, |session| session.0);
            assert!(!alone(who), "{fast:?} of {calls:#?}");
        }
        // One order for all is more than one for each, and real time is more than that.
        let whole = explained(&calls, Rule { timed: false, whose: None });
        let options = of_sessions(&Options::default());
        let ordered = timeless(&ready(&history(&calls), Reads::Fresh, Again::Told));
        let ordered = super::super::super::check(&Znodes, &ordered.ops, &options);
        assert_eq!(ordered.is_legal(), whole, "{ordered:?} of {calls:#?}");
        assert!(!whole || slow, "{calls:#?}");
        assert!(!lags(&calls) || whole, "{calls:#?}");
        illegal += u32::from(!slow);
        apart += u32::from(slow && !whole);
    }
    assert!(illegal > 2_000 && illegal < 18_000, "{illegal} of 20000 were illegal");
    assert!(apart > 5, "only {apart} needed an order for each session");
}

fn read(session: i64, path: &str, from: u64, there: bool) -> Film {
    let found = Ok(Reply::Stat(Stat { data_length: 1, ..Stat::default() }));
    let answer = if there { found } else { Err(ErrorCode::NoNode) };
    (session, exists(path), from, Some((from + 1, answer)))
}

fn new(session: i64, path: &str, from: u64) -> Film {
    (session, create(path, CreateMode::Persistent), from, Some((from + 1, made(path))))
}

#[test]
fn a_session_that_goes_back_is_refused_by_name() {
    let calls = [new(1, "/a", 0), read(2, "/a", 10, true), read(2, "/a", 20, false)];
    assert_eq!(session_of(&judged(&calls)), Some(Some(SessionId(2))));
    // Another session may see what came before.
    let calls = [new(1, "/a", 0), read(2, "/a", 10, true), read(3, "/a", 20, false)];
    assert!(matches!(judged(&calls), Each::Legal(Some(_))));
}

#[test]
fn a_session_that_does_not_see_its_own_write_is_refused_by_name() {
    let calls = [new(1, "/a", 0), read(1, "/a", 10, false), read(2, "/a", 20, true)];
    assert_eq!(session_of(&judged(&calls)), Some(Some(SessionId(1))));
    let calls = [read(1, "/a", 0, false), new(1, "/a", 10), read(2, "/a", 20, true)];
    assert!(matches!(judged(&calls), Each::Legal(Some(_))));
}

#[test]
fn sessions_may_see_the_writes_of_others_in_different_orders() {
    let calls = [
        new(1, "/a", 0),
        new(2, "/b", 0),
        read(3, "/a", 10, true),
        read(3, "/b", 12, false),
        read(4, "/b", 14, true),
        read(4, "/a", 16, false),
    ];
    assert!(matches!(judged(&calls), Each::Legal(None)));
    let twice = [new(1, "/a", 0), new(2, "/a", 0)];
    assert_eq!(session_of(&judged(&twice)), Some(None), "the writes alone");
}
