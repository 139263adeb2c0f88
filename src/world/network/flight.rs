//! One direction of a link: what is on its way, and what still waits behind a full queue.
//!
//! A link carries so many frames at once as the plan says. Beyond that a frame waits at its
//! sender, as it does behind a full socket buffer: it sets out when an earlier one has arrived,
//! and it dies with its sender or with the link.

use std::collections::VecDeque;

use crate::base::{Duration, Time};
use crate::process::Frame;

/// What a sender has sent over a link and has not arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    /// On their way, the oldest first.
    pub(super) frames: VecDeque<Frame>,
    /// When the last of them arrives, at the earliest.
    pub(super) last: Time,
    /// Not yet on their way, each with the time that it will take. Only behind `frames`.
    waiting: VecDeque<(Frame, Duration)>,
    /// A frame has had to wait since there was last room.
    full: bool,
    /// The sender wants to be told of room.
    asked: bool,
    /// The sender has hung up behind what waits: how long the news of it will take.
    closing: Option<Duration>,
}

/// What an arrival has made room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A frame that had waited sets out, and arrives then.
    Next(Time),
    /// The last frame has set out, and behind it the news that its sender hung up.
    Closed(Time),
    /// The queue is below its bound, which its sender had asked for.
    Drained,
}

impl Flight {
    /// A frame leaves that takes so long: when it arrives, or None if it has to wait.
    #[inline]
    pub(super) fn send(
        &mut self,
        frame: Frame,
        takes: Duration,
        now: Time,
        bound: usize,
    ) -> Option<Time> {
        if self.frames.len() >= bound || !self.waiting.is_empty() {
            self.waiting.push_back((frame, takes));
            self.full = true;
            return None;
        }
        Some(self.set_out(frame, takes, now))
    }

    #[inline]
    fn set_out(&mut self, frame: Frame, takes: Duration, now: Time) -> Time {
        self.last = self.last.max(now + takes);
        self.frames.push_back(frame);
        self.last
    }

    /// Whether room means something: a frame has had to wait since there was last some, or the
    /// sender has asked for it.
    #[inline]
    pub(super) fn wants_room(&self) -> bool {
        self.full || self.asked
    }

    /// The sender asks for room: whether there is some now; otherwise it will be told.
    pub(super) fn ask(&mut self, bound: usize) -> bool {
        self.asked = self.frames.len() >= bound || !self.waiting.is_empty();
        !self.asked
    }

    /// What there is room for now; to be asked again until there is nothing more.
    pub(super) fn make_room(&mut self, now: Time, bound: usize) -> Option<Room> {
        if !self.wants_room() || self.frames.len() >= bound {
            return None;
        }
        if let Some((frame, takes)) = self.waiting.pop_front() {
            return Some(Room::Next(self.set_out(frame, takes, now)));
        }
        self.full = false;
        if let Some(takes) = self.closing.take() {
            self.last = self.last.max(now + takes);
            return Some(Room::Closed(self.last));
        }
        std::mem::take(&mut self.asked).then_some(Room::Drained)
    }

    /// The sender hangs up: when the other end learns of it, or None if frames still wait.
    pub(super) fn close(&mut self, takes: Duration, now: Time) -> Option<Time> {
        if !self.waiting.is_empty() {
            self.closing = Some(takes);
            return None;
        }
        self.last = self.last.max(now + takes);
        Some(self.last)
    }

    /// The sender is no more, and with it what has not set out.
    pub(super) fn forsake(&mut self) {
        self.waiting.clear();
        (self.full, self.asked, self.closing) = (false, false, None);
    }

    /// Nothing arrives any more. Whether anything is lost by that.
    pub(super) fn lose(&mut self) -> bool {
        self.forsake();
        !std::mem::take(&mut self.frames).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Tag;

    fn frame(byte: u8) -> Frame {
        Frame { tag: Tag::default(), bytes: vec![byte] }
    }

    const MS: Duration = Duration::from_ms(1);

    #[test]
    fn beyond_the_bound_a_frame_sets_out_when_an_earlier_one_has_arrived() {
        let mut flight = Flight::default();
        let sent: Vec<Option<Time>> =
            (0..4).map(|n| flight.send(frame(n), MS, Time::ZERO, 2)).collect();
        assert_eq!(sent, [Some(Time::from_ms(1)), Some(Time::from_ms(1)), None, None]);
        assert!(!flight.ask(2));
        let mut arrived = Vec::new();
        let mut rooms = Vec::new();
        for ms in 1..=4 {
            arrived.push(flight.frames.pop_front().expect("four are on their way").bytes[0]);
            while let Some(room) = flight.make_room(Time::from_ms(ms), 2) {
                rooms.push((ms, room));
            }
        }
        assert_eq!(arrived, [0, 1, 2, 3], "in their order");
        let next = |ms| Room::Next(Time::from_ms(ms));
        assert_eq!(rooms, [(1, next(2)), (2, next(3)), (3, Room::Drained)]);
    }

    #[test]
    fn who_hangs_up_is_heard_behind_what_waits() {
        let mut flight = Flight::default();
        flight.send(frame(1), MS, Time::ZERO, 1);
        flight.send(frame(2), MS, Time::ZERO, 1);
        assert_eq!(flight.close(MS, Time::ZERO), None);
        flight.frames.pop_front();
        let now = Time::from_ms(1);
        assert_eq!(flight.make_room(now, 1), Some(Room::Next(Time::from_ms(2))));
        assert_eq!(flight.make_room(now, 1), None);
        flight.frames.pop_front();
        let now = Time::from_ms(2);
        assert_eq!(flight.make_room(now, 1), Some(Room::Closed(Time::from_ms(3))));
        assert_eq!(flight.make_room(now, 1), None);
    }

    #[test]
    fn what_waits_dies_with_its_sender_and_what_is_on_its_way_does_not() {
        let mut flight = Flight::default();
        flight.send(frame(1), MS, Time::ZERO, 1);
        flight.send(frame(2), MS, Time::ZERO, 1);
        flight.forsake();
        assert_eq!(flight.frames.len(), 1);
        flight.frames.pop_front();
        assert_eq!(flight.make_room(Time::from_ms(1), 1), None);
        flight.send(frame(3), MS, Time::ZERO, 1);
        assert!(flight.lose() && flight.frames.is_empty());
    }
}
