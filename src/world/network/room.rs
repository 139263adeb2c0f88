//! Room on a link: when frames that had to wait set out, and who is told of it. A sender may ask
//! to be told of room, once.

use crate::base::{LinkId, Time};
use crate::plan::NetNoise;
use crate::process::{Down, Event};
use crate::world::World;
use crate::world::queue::What;

use super::End;
use super::flight::Room;

impl World {
    /// How many frames a direction of a link carries at once. Once every injector has stopped,
    /// no queue is smaller than is usual.
    #[inline]
    pub(super) fn queue_bound(&self) -> usize {
        let bound = self.plan.net.queue.max(1) as usize;
        if self.calm { bound.max(NetNoise::USUAL_QUEUE as usize) } else { bound }
    }

    /// Frames that had waited behind a full queue set out, as far as there is room.
    pub(super) fn make_room(&mut self, link: u32, side: usize) {
        let (now, bound) = (self.now, self.queue_bound());
        let from = side as u8;
        while let Some(l) = self.net.link(link)
            && let Some(room) = l.flight[side].make_room(now, bound)
        {
            match room {
                Room::Next(at) => self.queue.push(at, What::Frame { link, side: from }),
                Room::Closed(at) => self.closed(link, side, at),
                Room::Drained => self.queue.push(now, What::Drained { link, side: from }),
            }
        }
    }

    /// The news that the end `side` has hung up reach the other then.
    pub(super) fn closed(&mut self, link: u32, side: usize, at: Time) {
        let Some(l) = self.net.link(link) else { return };
        if l.state[1 - side] != End::Gone && !l.told[1 - side] {
            l.told[1 - side] = true;
            let (why, side) = (Down::Closed, 1 - side as u8);
            self.queue.push(at, What::Down { link, side, why, local: false });
        }
    }

    /// A peer waits for room in a send queue.
    pub(in crate::world) fn when_drained(&mut self, peer: usize, link: LinkId) {
        let (number, bound) = (link.0 as u32, self.queue_bound());
        let Some(l) = self.net.link(number) else { return };
        let Some(side) = l.side_of(peer).filter(|side| l.state[*side] == End::Up) else { return };
        if l.flight[side].ask(bound) && !l.broken {
            self.queue.push(self.now, What::Drained { link: number, side: side as u8 });
        }
    }

    /// A send queue has room again.
    pub(in crate::world) fn drained(&mut self, link: u32, side: u8) -> bool {
        let Some(l) = self.net.link(link) else { return false };
        let side = usize::from(side);
        if l.state[side] != End::Up || l.broken {
            return false;
        }
        let (peer, id) = (l.ends[side], l.id);
        self.run(peer, Event::Drained { link: id });
        true
    }
}
