//! A snapshot on its way to a learner, and what must stay behind it (spec 6.7).
//!
//! ```text
//!   SNAP(zxid)  chunk  chunk ..  chunk  "BenWasHere" | PROPOSAL, COMMIT, .., NEWLEADER, ..
//!               each when the link has drained       | held until then, in the order asked
//! ```
//!
//! Invariants: the chunks are the service as it stood when the choice was made, so that they and
//! what is held behind them are one history; at most what the link takes is in flight; an outbox
//! lives and dies with its link.

use std::collections::VecDeque;

use crate::base::{Cursor, LinkId, PeerId, Zxid};
use crate::jute::quorum::packet;
use crate::process::{Effects, Frame, Tag};

use super::leader::Handle;
use super::{Cx, Station, Zab, wire};

/// What waits for the link to drain.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    zxid: Zxid,
    chunks: VecDeque<Vec<u8>>,
    held: Vec<Frame>,
}

impl Outbox {
    /// Chunks that were not sent yet, and frames behind them.
    pub fn lengths(&self) -> (usize, usize) {
        (self.chunks.len(), self.held.len())
    }
}

impl Handle {
    /// Sends to this learner, behind the snapshot that is on its way to it if there is one.
    pub(super) fn send(&mut self, tag: Tag, bytes: Vec<u8>, fx: &mut Effects) {
        match &mut self.outbox {
            Some(outbox) => outbox.held.push(Frame { tag, bytes }),
            None => fx.send(self.link, tag, bytes),
        }
    }
}

impl Zab {
    /// SNAP has left for this learner: the service follows in chunks, as the link drains.
    pub(super) fn stream_snapshot(&mut self, peer: PeerId, zxid: Zxid, cx: &mut Cx<'_>) {
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.learners.get_mut(&peer) else { return };
        let (mut cursor, mut chunks, mut done) = (Cursor::default(), VecDeque::new(), false);
        while !done {
            let mut chunk = Vec::new();
            done = cx.app.snapshot(&mut cursor, self.knobs.snap_chunk, &mut chunk);
            if !chunk.is_empty() {
                chunks.push_back(chunk);
            }
        }
        handle.outbox = Some(Outbox { zxid, chunks, held: Vec::new() });
        cx.fx.when_drained(handle.link);
    }

    /// The link takes more: the next chunk; after the last, the end and all that was held.
    pub(super) fn on_drained(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let Some(peer) = self.links.get(&link) else { return };
        let Station::Leading(leader) = &mut self.station else { return };
        let Some(handle) = leader.at(*peer, link) else { return };
        let Some(outbox) = &mut handle.outbox else { return };
        handle.heard = cx.now.mono; // It has nothing to say before it has everything.
        let zxid = outbox.zxid;
        if let Some(chunk) = outbox.chunks.pop_front() {
            let bytes = wire::write(packet::SNAP, zxid.wire(), Some(&chunk));
            cx.fx.send(link, Tag::zxid(wire::SNAP_CHUNK, zxid), bytes);
            return cx.fx.when_drained(link);
        }
        let tag = Tag::zxid(wire::SNAP_END, zxid);
        cx.fx.send(link, tag, wire::SNAP_SIGNATURE.to_vec());
        for frame in handle.outbox.take().map(|outbox| outbox.held).unwrap_or_default() {
            cx.fx.send(link, frame.tag, frame.bytes);
        }
    }
}
