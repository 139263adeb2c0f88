//! What shrinking promises: the same signature, always a whole plan, the same result each time.

use std::sync::Arc;

use super::*;
use crate::base::PeerId;
use crate::kit::Kit;
use crate::plan::scenario::Scenario;
use crate::plan::{Driver, Fault, Fork, Plan, Planned, Split, Target, When, draw};
use crate::run::Run;

fn plan(name: &str, seed: u64) -> Plan {
    draw(&Scenario::embedded(name).expect("it is embedded"), seed)
}

fn control() -> Plan {
    plan("negative/ack-before-fsync", 0)
}

fn shown(plan: &Plan) -> Option<String> {
    let run = Run::new(Arc::new(plan.clone()), &Kit::standard()).expect("known names");
    let (_, run) = run.finish_all();
    run.verdict.signature().map(ToString::to_string)
}

#[test]
fn a_small_plan_shows_the_same_signature() {
    let kit = Kit::standard();
    let before = control();
    let shrunk = shrink(&before, &kit, Budget::default(), &mut |_| false).expect("it fails");
    assert_eq!(shown(&before), Some(shrunk.signature.to_string()));
    assert_eq!(shown(&shrunk.plan), Some(shrunk.signature.to_string()));
    assert!(shrunk.clean_passes);
    assert_eq!(shown(&Plan { bugs: Vec::new(), ..shrunk.plan.clone() }), None);
    shrunk.plan.check().expect("a small plan is a plan");
    insta::assert_snapshot!(format!("{}\n{}", shrunk.signature, shrunk.after.0), @r"
    Durability/acked/down/down
    1 faults, 0 calls of 1 clients, 3 peers, 0 kinds of noise
    ");
    insta::assert_snapshot!(crate::report::small::left(&shrunk.plan), @r#"
    faults
      COMMIT sent no. 1: crash_all {"down":[0]}
    calls
      c1  none
    "#);
    let again = shrink(&before, &kit, Budget::default(), &mut |_| false).expect("it fails");
    assert_eq!((again.plan, again.trials), (shrunk.plan, shrunk.trials));
}

/// Sixty calls only bring its epoch to an end: in a small plan it ends at once.
#[test]
fn calls_that_only_use_up_zxids_are_taken_out() {
    let before = plan("negative/zxid-rollover", 0);
    assert_eq!(before.knobs["last_counter"], 60);
    let shrunk = shrink(&before, &Kit::standard(), Budget::default(), &mut |_| false);
    let Shrunk { plan, after, signature, .. } = shrunk.expect("it fails");
    assert_eq!((plan.knobs["last_counter"], after.0.calls), (1, 0));
    assert_eq!(shown(&plan), Some(signature.to_string()));
}

#[test]
fn what_is_best_so_far_fails_at_any_time() {
    let (kit, before) = (Kit::standard(), control());
    let wanted = shown(&before);
    let mut last = Size::of(&before).calls;
    for steps in [1, 5_000, 20_000, 60_000] {
        let shrunk = shrink(&before, &kit, Budget { steps }, &mut |_| false).expect("it fails");
        assert_eq!(shrunk.ended, Ended::Budget, "{steps}");
        assert_eq!(shown(&shrunk.plan), wanted, "{steps}");
        assert!(shrunk.after.0.calls <= last, "{steps}");
        last = shrunk.after.0.calls;
    }
    let mut asked = 0;
    let mut enough = |_: &Progress| {
        asked += 1;
        asked > 10
    };
    let shrunk = shrink(&before, &kit, Budget::default(), &mut enough).expect("it fails");
    assert_eq!((shrunk.ended, shown(&shrunk.plan)), (Ended::Stopped, wanted));
}

#[test]
fn what_passes_is_not_shrunk() {
    let why = shrink(&plan("quiet", 0), &Kit::standard(), Budget::default(), &mut |_| false);
    let why = why.expect_err("it passes").to_string();
    assert_eq!(why, "there is nothing to shrink: it passes");
}

fn crash(peer: Target, when: When) -> Planned {
    Planned { when, fault: Fault::crash(peer, Some(100)) }
}

#[test]
fn what_followed_a_dropped_fault_keeps_its_time_and_its_target() {
    let one = Target::Peer(PeerId(1));
    let faults = vec![
        crash(one.clone(), When::At(1_000)),
        crash(Target::Same, When::Then(200)),
        crash(Target::Same, When::Then(30)),
    ];
    let before = Plan { faults, ..plan("quiet", 0) };
    let after = without_faults(&before, |index, _| index == 0);
    let second = crash(one.clone(), When::At(1_200));
    assert_eq!(after.faults, [second, crash(Target::Same, When::Then(30))]);
    let after = without_faults(&before, |index, _| index < 2);
    assert_eq!(after.faults, [crash(one, When::At(1_230))]);
}

#[test]
fn fewer_peers_are_numbered_anew_everywhere() {
    let peer = |id| Target::Peer(PeerId(id));
    let cut = |client, servers: &[u8]| {
        let servers = servers.iter().map(|id| PeerId(*id)).collect();
        Planned { when: When::At(5), fault: Fault::CutClient { client, servers, ms: 10 } }
    };
    let split = Split::Sides(vec![PeerId(1), PeerId(4)]);
    let fault =
        Fault::Partition { split, one_way: false, clients: false, reset: false, ms: Some(9) };
    let sides = Planned { when: When::At(7), fault };
    let mut before = plan("quiet", 0);
    before.voters = 5;
    before.faults =
        vec![crash(peer(2), When::At(1)), crash(peer(5), When::At(2)), cut(1, &[2, 5]), sides];
    before.frail = vec![PeerId(2), PeerId(5)];
    before.clients.truncate(1);
    before.clients[0].servers = vec![PeerId(5), PeerId(2), PeerId(1)];
    let after = keep_peers(&before, &[1, 4, 5]);
    after.check().expect("a plan of three");
    let mut expected = vec![crash(peer(3), When::At(2)), cut(1, &[3])];
    let fault = &before.faults[3].fault;
    let Fault::Partition { one_way, clients, reset, ms, .. } = fault.clone() else {
        unreachable!("it is one")
    };
    let split = Split::Sides(vec![PeerId(1), PeerId(2)]);
    let fault = Fault::Partition { split, one_way, clients, reset, ms };
    expected.push(Planned { when: When::At(7), fault });
    assert_eq!(after.faults, expected);
    assert_eq!(after.frail, [PeerId(3)]);
    assert_eq!(after.clients[0].servers, [PeerId(3), PeerId(1)]);
}

#[test]
fn the_clients_that_stay_keep_their_servers() {
    let mut before = control();
    assert_eq!(before.clients.len(), 2);
    before.clients[1].servers.clear();
    let first = before.servers_of(1);
    before.faults.push(Planned {
        when: When::At(50),
        fault: Fault::CutClient { client: 2, servers: Vec::new(), ms: 10 },
    });
    let after = without_clients(&before, 0..1);
    assert_eq!(after.servers_of(0), first);
    let last = &after.faults.last().expect("it stays").fault;
    assert!(matches!(last, Fault::CutClient { client: 1, .. }), "{last:?}");
    assert!(matches!(&after.clients[0].driver, Driver::Script(_)));
}

#[test]
fn a_branch_becomes_a_plan_that_was_not_branched() {
    let kit = Kit::standard();
    let branched = |step| Plan {
        forks: vec![Fork { step: 90, salt: 3 }, Fork { step, salt: 1 }],
        faults: vec![Planned {
            when: When::Step(step),
            fault: Fault::CrashAll { down: vec![50, 70, 60] },
        }],
        ..control()
    };
    let before = (400..4_000).step_by(60).map(branched).find(|plan| shown(plan).is_some());
    let before = before.expect("all lose power just as something is acked and not yet durable");
    let shrunk = shrink(&before, &kit, Budget::default(), &mut |_| false).expect("it fails");
    assert_eq!(shown(&shrunk.plan), shown(&before));
    assert_eq!(shrunk.plan.forks, []);
    let is_step = |planned: &Planned| matches!(planned.when, When::Step(_));
    assert!(!shrunk.plan.faults.iter().any(is_step), "{:?}", shrunk.plan.faults);
}
