//! Views inferred (checker notes, 4b): the order of writes is known, but not which state each read
//! was answered from. Is there a view for every read, so that the history is ordered sequentially
//! consistent?
//!
//! With the order of writes fixed, sessions do not depend on each other, and of all views that
//! explain a read the earliest is the best: what the past demands are lower bounds, and what the
//! future forbids are upper bounds that no choice moves. So one walk per session decides, with a
//! binary search per read in the list of values that its object had.

use std::collections::BTreeMap;

/// A position in the order of writes; the state before all of them is 0, the first write is 1.
pub type Position = u32;

/// What a session did, in the order of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A write, at its place in the order.
    Write(Position),
    /// A read of an object that was answered with a value, and when the answer came.
    Read {
        /// What was read: a facet of a node, say.
        object: u32,
        /// What was seen.
        value: u32,
        /// The moment of the answer.
        returned: u64,
    },
}

/// The writes, in their order.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Per object: where it changed, and to what, by position.
    changes: BTreeMap<u32, Vec<(Position, u32)>>,
    /// Per object and value: the positions where it became that.
    became: BTreeMap<(u32, u32), Vec<Position>>,
    /// The latest moment of call among the writes up to each position.
    called: Vec<u64>,
}

/// Why there is no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The step that has none.
    pub step: usize,
    /// It must be at least this.
    pub least: Position,
    /// And at most that: what comes later was called only after the answer, or is the session's
    /// own next write.
    pub most: Position,
}

impl Order {
    /// No writes yet. Every object has value 0 then.
    pub fn new() -> Order {
        Order { called: vec![0], ..Order::default() }
    }

    /// The next write: when it was called, and which objects have which value from then on.
    pub fn push(&mut self, called: u64, changes: &[(u32, u32)]) -> Position {
        let position = self.called.len() as Position;
        let latest = self.called.last().copied().unwrap_or(0);
        self.called.push(latest.max(called));
        for (object, value) in changes {
            let all = self.changes.entry(*object).or_default();
            match all.last_mut() {
                Some(last) if last.0 == position => last.1 = *value,
                _ => all.push((position, *value)),
            }
        }
        position
    }

    /// To be called once after the last write.
    pub fn close(&mut self) {
        self.became.clear();
        for (object, changes) in &self.changes {
            for (position, value) in changes {
                self.became.entry((*object, *value)).or_default().push(*position);
            }
        }
    }

    /// The value of an object at a position.
    pub fn value(&self, object: u32, at: Position) -> u32 {
        let changes = self.changes.get(&object).map_or(&[][..], Vec::as_slice);
        let known = changes.partition_point(|(position, _)| *position <= at);
        changes[..known].last().map_or(0, |(_, value)| *value)
    }

    /// The earliest position from `least` on at which an object has a value.
    fn earliest(&self, object: u32, value: u32, least: Position) -> Option<Position> {
        if self.value(object, least) == value {
            return Some(least);
        }
        let became = self.became.get(&(object, value))?;
        became.get(became.partition_point(|position| *position < least)).copied()
    }

    /// The last position that an answer at this moment may show: nothing that was called later.
    fn latest(&self, returned: u64) -> Position {
        (self.called.partition_point(|called| *called < returned) as Position).saturating_sub(1)
    }

    /// A view for each step of one session, the earliest there is; a write's view is its own
    /// position.
    ///
    /// # Errors
    /// The first step that has none.
    pub fn infer(&self, session: &[Step]) -> Result<Vec<Position>, Stuck> {
        let mut views = Vec::with_capacity(session.len());
        let mut before = vec![Position::MAX; session.len() + 1];
        for (index, step) in session.iter().enumerate().rev() {
            before[index] = match step {
                Step::Write(position) => (*position).min(before[index + 1]),
                Step::Read { .. } => before[index + 1],
            };
        }
        let mut least = 0;
        for (index, step) in session.iter().enumerate() {
            let (view, most) = match step {
                Step::Write(position) => {
                    let later = before[index + 1] > *position;
                    ((*position > least && later).then_some(*position), before[index + 1])
                }
                Step::Read { object, value, returned } => {
                    let most = self.latest(*returned).min(before[index].saturating_sub(1));
                    let view = self.earliest(*object, *value, least);
                    (view.filter(|view| *view <= most), most)
                }
            };
            let Some(view) = view else { return Err(Stuck { step: index, least, most }) };
            views.push(view);
            least = view;
        }
        Ok(views)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Dice, Draw};

    /// All non-decreasing views, one after another.
    fn brute(order: &Order, session: &[Step], least: Position) -> bool {
        let Some((first, rest)) = session.split_first() else { return true };
        match first {
            Step::Write(position) => *position > least && brute(order, rest, *position),
            Step::Read { object, value, returned } => (least..order.called.len() as u32)
                .take_while(|view| order.called[*view as usize] < *returned || *view == 0)
                .any(|view| order.value(*object, view) == *value && brute(order, rest, view)),
        }
    }

    fn small(dice: &mut Dice) -> (Order, Vec<Step>) {
        let mut order = Order::new();
        for _ in 0..dice.between(1, 6) {
            let changes = [(dice.below(2) as u32, dice.below(3) as u32)];
            let more = [(dice.below(2) as u32, dice.below(3) as u32), changes[0]];
            let multi = dice.below(4) == 0;
            order.push(1 + dice.below(12), if multi { &more } else { &changes });
        }
        order.close();
        let last = order.called.len() as u64 - 1;
        let step = |dice: &mut Dice| match dice.below(4) {
            0 => Step::Write(dice.between(1, last) as u32),
            _ => Step::Read {
                object: dice.below(2) as u32,
                value: dice.below(3) as u32,
                returned: 1 + dice.below(16),
            },
        };
        let steps = (0..dice.between(1, 5)).map(|_| step(dice)).collect();
        (order, steps)
    }

    #[test]
    fn inference_agrees_with_trying_all_views() {
        let mut dice = Dice::new(4, "views");
        let (mut legal, mut all) = (0, 0);
        while all < 200_000 {
            let (order, session) = small(&mut dice);
            let inferred = order.infer(&session);
            assert_eq!(inferred.is_ok(), brute(&order, &session, 0), "{order:?} {session:?}");
            legal += u32::from(inferred.is_ok());
            all += 1;
        }
        assert!(legal > 20_000 && legal < 180_000, "{legal} of {all} were legal");
    }

    #[test]
    fn a_session_that_goes_back_is_stuck_where_it_does() {
        let mut order = Order::new();
        order.push(1, &[(0, 1)]);
        order.push(2, &[(0, 2)]);
        order.close();
        let read = |value| Step::Read { object: 0, value, returned: 9 };
        assert_eq!(order.infer(&[read(1), read(2), read(2)]), Ok(vec![1, 2, 2]));
        let stuck = Stuck { step: 1, least: 2, most: 2 };
        assert_eq!(order.infer(&[read(2), read(1)]), Err(stuck));
        assert_eq!(order.infer(&[read(0), Step::Write(2), read(2)]), Ok(vec![0, 2, 2]));
        let early = Step::Read { object: 0, value: 2, returned: 2 };
        assert!(order.infer(&[early]).is_err(), "nobody reads what is not yet asked for");
        assert!(order.infer(&[Step::Write(2), Step::Write(1)]).is_err());
    }
}
