//! Room in a link's send queue: a sender may ask to be told of it, once.

use crate::base::LinkId;
use crate::process::Event;
use crate::world::World;
use crate::world::queue::What;

use super::End;

impl World {
    /// A peer waits for room in a send queue.
    pub(in crate::world) fn when_drained(&mut self, peer: usize, link: LinkId) {
        let (number, bound) = (link.0 as u32, self.plan.net.queue as usize);
        let Some(l) = self.net.link(number) else { return };
        let Some(side) = l.side_of(peer).filter(|side| l.state[*side] == End::Up) else { return };
        let flight = &mut l.flight[side];
        flight.asked = flight.frames.len() >= bound;
        if !flight.asked && !l.broken {
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
