//! Clients against a server of forty lines: sessions, scripts, resets, and the final calls.

use super::*;

/// Answers everything with success, byte for byte as a server would, and remembers nothing.
fn server(toy: &mut Toy, event: Option<Event>, _: Now, fx: &mut Effects) {
    match event {
        Some(Event::ConnDown { conn }) => {
            toy.inbox.remove(&conn);
        }
        Some(Event::ConnBytes { conn, bytes }) => {
            let fresh = !toy.inbox.contains_key(&conn);
            let inbox = toy.inbox.entry(conn).or_insert_with(|| vec![u8::from(fresh)]);
            inbox.extend(bytes);
            while inbox.len() >= 5 {
                let len = u32::from_be_bytes(inbox[1..5].try_into().unwrap()) as usize;
                if inbox.len() < 5 + len {
                    break;
                }
                let frame: Vec<u8> = inbox.drain(1..5 + len).skip(4).collect();
                let body = if inbox[0] == 1 { connect(&frame) } else { answer(toy.id, &frame) };
                inbox[0] = 0;
                let mut reply = (body.len() as u32).to_be_bytes().to_vec();
                reply.extend(body);
                fx.reply(conn, Tag::kind("REPLY"), reply);
            }
        }
        Some(_) | None => {}
    }
}

fn connect(frame: &[u8]) -> Vec<u8> {
    let asked = i64::from_be_bytes(frame[16..24].try_into().unwrap());
    let session = if asked == 0 { 0x0100_0000_0000_0001 } else { asked };
    let mut body = [0i32, 6_000].map(i32::to_be_bytes).concat();
    body.extend(i64::to_be_bytes(session));
    body.extend(16i32.to_be_bytes());
    body.extend([7; 16]);
    body.push(0);
    body
}

fn answer(id: PeerId, frame: &[u8]) -> Vec<u8> {
    let kind = i32::from_be_bytes(frame[4..8].try_into().unwrap());
    let mut body = frame[..4].to_vec();
    body.extend(i64::from(id.0).to_be_bytes());
    body.extend(0i32.to_be_bytes());
    match kind {
        // create and sync answer with the path.
        1 | 9 => {
            let len = u32::from_be_bytes(frame[8..12].try_into().unwrap()) as usize;
            body.extend(&frame[8..12 + len]);
        }
        // getChildren answers with no names.
        8 => body.extend([0; 4]),
        _ => {}
    }
    body
}

fn with_clients() -> Plan {
    let mut plan = plan(3);
    let step = |n: u64| Step {
        wait_us: 20_000,
        drain: n.is_multiple_of(3),
        call: match n % 50 {
            20 => workload::Call::Move,
            40 => workload::Call::CloseSession,
            _ => workload::Call::Sync { path: format!("/{n}") },
        },
    };
    let client = ClientPlan {
        timeout_ms: 6_000,
        servers: Vec::new(),
        start_at: 100,
        gives_up: false,
        driver: Driver::Script((0..200).map(step).collect()),
    };
    plan.clients = vec![client.clone(), client];
    plan.net.client_reset = Ratio::new(1, 100);
    plan.faults = vec![
        at(1_000, Fault::crash(peer(1), Some(500))),
        at(1_500, Fault::ResetClients { peer: peer(2) }),
        at(2_000, Fault::CutClient { client: 1, servers: vec![], ms: 9_000 }),
    ];
    plan.calm_at = 20_000;
    plan
}

#[test]
fn every_call_is_answered_or_lost_once_and_all_clients_finish_after_calm() {
    let mut world = world(with_clients(), server);
    let seen = until(&mut world, 40_000);
    let mut open = std::collections::BTreeSet::new();
    let (mut lost, mut finished) = (0, 0);
    for (_, seen) in &seen {
        match seen {
            Seen::Called(call) => assert!(open.insert(call.id)),
            Seen::Returned { id, result, .. } => {
                assert!(open.remove(id));
                assert!(result.is_ok());
            }
            Seen::Lost { id } => {
                assert!(open.remove(id));
                lost += 1;
            }
            Seen::Finished { .. } => finished += 1,
            _ => {}
        }
    }
    assert!(open.is_empty());
    assert!(lost > 0);
    assert_eq!(finished, 2);
    assert!(world.stats().calls > 300, "{}", world.stats().calls);
    let dials = count(&seen, |seen| matches!(seen, Seen::Connecting { .. }));
    assert!(dials > 10, "{dials}");
}

#[test]
fn a_cut_client_hears_nothing_and_connects_again_later() {
    let mut plan = with_clients();
    plan.net.client_reset = Ratio::NEVER;
    let mut world = world(plan, server);
    until(&mut world, 2_010);
    let cut = until(&mut world, 10_990);
    let first = crate::base::ClientId(1);
    let connected =
        |seen: &Seen| matches!(seen, Seen::Connected { client, .. } if *client == first);
    assert_eq!(count(&cut, connected), 0);
    assert!(count(&until(&mut world, 20_000), connected) > 0);
}
