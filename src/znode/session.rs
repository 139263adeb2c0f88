//! Who keeps which session alive: the leader's expiry buckets and owners (spec 3.3, 3.5), and
//! passwords (spec 3.1).
//!
//! Everything here reads the monotonic clock that it is given: a wall clock that jumps expires
//! nobody (spec 9, case 10).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Duration, PeerId, SessionId, Time};

/// The 16 bytes that prove a session's ownership (spec 3.1): a linear congruential generator of 48
/// bits, seeded with the id. Any server can recompute them.
pub fn password(session: SessionId) -> [u8; 16] {
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (session.0 as u64 ^ 0xB341_5C00 ^ 0x5_DEEC_E66D) & MASK;
    let mut password = [0; 16];
    for word in password.chunks_exact_mut(4) {
        state = state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & MASK;
        word.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
    }
    password
}

/// Whether these bytes are the session's password. Session 0 has none (spec 3.1).
pub fn is_password(session: SessionId, passwd: &[u8]) -> bool {
    session != SessionId(0) && passwd == password(session)
}

/// The leader's clock of sessions.
///
/// Deadlines are rounded up to whole ticks, so that sessions expire in few buckets: a session
/// lives more than its timeout and at most a tick longer after it was last heard of (spec 3.3).
#[derive(Clone, Debug)]
pub struct SessionTracker {
    tick: Duration,
    sessions: BTreeMap<SessionId, Tracked>,
    buckets: BTreeMap<Time, BTreeSet<SessionId>>,
}

#[derive(Clone, Debug)]
struct Tracked {
    timeout_ms: i32,
    /// When it was last heard of.
    touched: Time,
    /// The bucket it is in, unless it is closing.
    due: Time,
    /// Its end is on its way: no touch, no renewal, no write any more (spec 3.3).
    closing: bool,
    owner: Option<PeerId>,
}

impl SessionTracker {
    /// Every known session starts with a full timeout (spec 9, case 11).
    pub fn new(
        sessions: impl Iterator<Item = (SessionId, i32)>,
        tick: Duration,
        now: Time,
    ) -> SessionTracker {
        let tick = tick.max(Duration(1));
        let mut tracker =
            SessionTracker { tick, sessions: BTreeMap::new(), buckets: BTreeMap::new() };
        for (session, timeout_ms) in sessions {
            tracker.add(session, timeout_ms, now);
        }
        tracker
    }

    /// A session was created. One that is known already is as if heard of, with its new timeout:
    /// a learner may ask twice (spec 9, case 84).
    pub fn add(&mut self, session: SessionId, timeout_ms: i32, now: Time) {
        if self.sessions.contains_key(&session) {
            self.touch(session, Some(timeout_ms), now);
            return;
        }
        let due = bucket(self.tick, now, timeout_ms);
        let tracked = Tracked { timeout_ms, touched: now, due, closing: false, owner: None };
        self.sessions.insert(session, tracked);
        self.buckets.entry(due).or_default().insert(session);
    }

    /// It was closed: forget it.
    pub fn remove(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.remove(&session) {
            self.leave_bucket(session, tracked.due);
        }
    }

    /// Heard of; `timeout_ms` renegotiates. False if it is unknown or closing.
    pub fn touch(&mut self, session: SessionId, timeout_ms: Option<i32>, now: Time) -> bool {
        let tick = self.tick;
        let Some(tracked) = self.sessions.get_mut(&session) else { return false };
        if tracked.closing {
            return false;
        }
        tracked.timeout_ms = timeout_ms.unwrap_or(tracked.timeout_ms);
        tracked.touched = now;
        let (before, due) = (tracked.due, bucket(tick, now, tracked.timeout_ms));
        tracked.due = due;
        if due != before {
            self.leave_bucket(session, before);
            self.buckets.entry(due).or_default().insert(session);
        }
        true
    }

    /// Marks as closing; false if unknown or already closing. From now on touches fail.
    pub fn close(&mut self, session: SessionId) -> bool {
        let Some(tracked) = self.sessions.get_mut(&session) else { return false };
        if tracked.closing {
            return false;
        }
        tracked.closing = true;
        let due = tracked.due;
        self.leave_bucket(session, due);
        true
    }

    /// No longer closing: what was begun has no effect until it is done.
    pub fn reopen(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.closing = false;
        }
    }

    /// Known and not closing.
    pub fn is_live(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|tracked| !tracked.closing)
    }

    /// Live, or closing.
    pub fn is_known(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The owner check of spec 3.5: an unset owner is adopted; another owner means that the
    /// session has moved. An unknown session has nobody to move to: true, and the caller's check
    /// of liveness decides.
    pub fn check_owner(&mut self, session: SessionId, owner: PeerId) -> bool {
        match self.sessions.get_mut(&session) {
            Some(tracked) => *tracked.owner.get_or_insert(owner) == owner,
            None => true,
        }
    }

    /// A renewal moves the session here.
    pub fn set_owner(&mut self, session: SessionId, owner: PeerId) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.owner = Some(owner);
        }
    }

    /// The sessions whose bucket is due, now marked closing: id, idle time, timeout in ms.
    pub fn expire(&mut self, now: Time) -> Vec<(SessionId, Duration, i32)> {
        let mut expired = Vec::new();
        while let Some(bucket) = self.buckets.first_entry()
            && *bucket.key() <= now
        {
            for session in bucket.remove() {
                if let Some(tracked) = self.sessions.get_mut(&session) {
                    tracked.closing = true;
                    expired.push((session, now.since(tracked.touched), tracked.timeout_ms));
                }
            }
        }
        expired
    }

    /// When the next bucket is due.
    pub fn next_due(&self) -> Option<Time> {
        self.buckets.first_key_value().map(|(due, _)| *due)
    }

    fn leave_bucket(&mut self, session: SessionId, due: Time) {
        if let Some(bucket) = self.buckets.get_mut(&due) {
            bucket.remove(&session);
            if bucket.is_empty() {
                self.buckets.remove(&due);
            }
        }
    }
}

/// `(floor((now + timeout) / tick) + 1) * tick` (spec 3.3).
fn bucket(tick: Duration, now: Time, timeout_ms: i32) -> Time {
    let timeout = Duration::from_ms(u64::try_from(timeout_ms).unwrap_or(0));
    let ticks = ((now + timeout).0 / tick.0).saturating_add(1);
    Time(ticks.saturating_mul(tick.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SessionId = SessionId(0x0100_0000_0000_0001);

    fn at(ms: u64) -> Time {
        Time::from_ms(ms)
    }

    fn tracker() -> SessionTracker {
        SessionTracker::new([(S, 4000)].into_iter(), Duration::from_ms(2000), at(500))
    }

    #[test]
    fn passwords_are_those_of_the_generator() {
        // Computed with an independent implementation of the generator.
        let expected = [
            0x05, 0x4c, 0xc7, 0x4a, 0x37, 0x32, 0x7d, 0xb2, 0x15, 0xe7, 0x02, 0xe2, 0x0c, 0x73,
            0xf0, 0x05,
        ];
        assert_eq!(password(S), expected);
        assert!(is_password(S, &expected));
        assert!(!is_password(S, &expected[..15]));
        assert!(!is_password(SessionId(0), &password(SessionId(0))));
    }

    #[test]
    fn a_session_lives_more_than_its_timeout_and_at_most_a_tick_longer() {
        for touched in (0..9000).step_by(250) {
            let mut tracker = tracker();
            assert!(tracker.touch(S, None, at(touched)));
            let due = tracker.next_due().expect("one session").as_ms();
            assert!(due > touched + 4000 && due <= touched + 6000, "{touched}: {due}");
            assert_eq!(due % 2000, 0);
            assert_eq!(tracker.expire(at(due - 1)), []);
            let idle = Duration::from_ms(due - touched);
            assert_eq!(tracker.expire(at(due)), [(S, idle, 4000)]);
            assert_eq!(tracker.next_due(), None);
        }
    }

    #[test]
    fn an_expiring_session_cannot_be_touched_back() {
        let mut tracker = tracker();
        assert_eq!(tracker.expire(at(60_000)).len(), 1);
        assert!(!tracker.touch(S, None, at(60_000)));
        assert!(!tracker.is_live(S));
        assert!(!tracker.close(S), "it is closing already");
        tracker.remove(S);
        assert!(!tracker.touch(S, None, at(60_000)));
        assert_eq!(tracker.expire(at(600_000)), []);
    }

    #[test]
    fn a_closing_session_does_not_expire_too() {
        let mut tracker = tracker();
        assert!(tracker.close(S));
        assert!(!tracker.is_live(S) && !tracker.touch(S, None, at(600)));
        assert_eq!((tracker.next_due(), tracker.expire(at(60_000))), (None, vec![]));
    }

    #[test]
    fn a_renewal_may_change_the_timeout() {
        let mut tracker = tracker();
        assert!(tracker.touch(S, Some(1000), at(500)));
        assert_eq!(tracker.next_due(), Some(at(2000)));
        assert!(tracker.touch(S, None, at(3000)), "the new timeout stays");
        assert_eq!(tracker.next_due(), Some(at(6000)));
    }

    #[test]
    fn the_owner_is_adopted_once_and_moves_by_renewal_only() {
        let mut tracker = tracker();
        assert!(tracker.check_owner(S, PeerId(2)), "unset: adopted");
        assert!(!tracker.check_owner(S, PeerId(3)), "moved");
        tracker.set_owner(S, PeerId(3));
        assert!(tracker.check_owner(S, PeerId(3)));
        assert!(!tracker.check_owner(S, PeerId(2)));
    }

    #[test]
    fn no_number_overflows() {
        let mut tracker = SessionTracker::new([].into_iter(), Duration::ZERO, Time::NEVER);
        tracker.add(S, i32::MAX, Time::NEVER);
        tracker.add(SessionId(2), i32::MIN, Time::NEVER);
        assert!(tracker.touch(S, Some(-5), Time::ZERO));
        assert_eq!(tracker.expire(Time::NEVER).len(), 2);
    }
}
