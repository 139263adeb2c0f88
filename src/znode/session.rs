//! Who keeps which session alive: the leader's expiry buckets and owners (spec 3.3, 3.5), and
//! passwords (spec 3.1).

use crate::base::{Duration, PeerId, SessionId, Time};

/// The 16 bytes that prove a session's ownership (spec 3.1).
pub fn password(_session: SessionId) -> [u8; 16] {
    todo!()
}

/// The leader's clock of sessions.
#[derive(Clone, Debug)]
pub struct SessionTracker {}

impl SessionTracker {
    /// Every known session starts with a full timeout (spec 9, case 11).
    pub fn new(
        _sessions: impl Iterator<Item = (SessionId, i32)>,
        _tick: Duration,
        _now: Time,
    ) -> SessionTracker {
        todo!()
    }

    /// A session was created.
    pub fn add(&mut self, _session: SessionId, _timeout_ms: i32, _now: Time) {
        todo!()
    }

    /// It was closed: forget it.
    pub fn remove(&mut self, _session: SessionId) {
        todo!()
    }

    /// Heard of; `timeout_ms` renegotiates. False if it is unknown or closing.
    pub fn touch(&mut self, _session: SessionId, _timeout_ms: Option<i32>, _now: Time) -> bool {
        todo!()
    }

    /// Marks as closing; false if unknown or already closing. From now on touches fail.
    pub fn close(&mut self, _session: SessionId) -> bool {
        todo!()
    }

    /// Known and not closing.
    pub fn is_live(&self, _session: SessionId) -> bool {
        todo!()
    }

    /// The owner check of spec 3.5: an unset owner is adopted; another owner means that the
    /// session has moved.
    pub fn check_owner(&mut self, _session: SessionId, _owner: PeerId) -> bool {
        todo!()
    }

    /// A renewal moves the session here.
    pub fn set_owner(&mut self, _session: SessionId, _owner: PeerId) {
        todo!()
    }

    /// The sessions whose bucket is due, now marked closing: id, idle time, timeout in ms.
    pub fn expire(&mut self, _now: Time) -> Vec<(SessionId, Duration, i32)> {
        todo!()
    }

    /// When the next bucket is due.
    pub fn next_due(&self) -> Option<Time> {
        todo!()
    }
}
