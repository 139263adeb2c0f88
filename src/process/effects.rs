//! What a process may ask for. Nothing happens until its step has returned; then everything
//! happens in the order asked.
//!
//! Each device carries out its operations strictly in the order asked: what is asked after a sync
//! starts after that sync has ended. A crash may fall between any two of them. When a sync fails,
//! what was already asked behind it on that device is not carried out, and its tickets fail too.

use std::ops::Range;

use crate::base::{ConnId, Duration, Epoch, LinkId, PeerId, Ticket, Zxid};

use super::{Channel, Device, File, Note};

/// What the world may know of bytes that it carries: for keyed draws, moments and coverage. Never
/// delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The message's or record's kind, as the protocol names it (`PROPOSAL`, `NOTIFICATION`).
    pub kind: &'static str,
    /// The epoch it belongs to; 0 if none.
    pub epoch: Epoch,
    /// The zxid it carries; 0 if none.
    pub zxid: Zxid,
}

impl Tag {
    /// A tag that carries a zxid, and its epoch.
    pub fn zxid(kind: &'static str, zxid: Zxid) -> Tag {
        Tag { kind, epoch: zxid.epoch(), zxid }
    }

    /// A tag that is only a kind.
    pub fn kind(kind: &'static str) -> Tag {
        Tag { kind, epoch: Epoch(0), zxid: Zxid::ZERO }
    }
}

/// One message between peers, or one run of bytes to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the world may know of it.
    pub tag: Tag,
    /// What is delivered.
    pub bytes: Vec<u8>,
}

/// The name of a timer: a word and a number. Setting a timer again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer(pub &'static str, pub u64);

/// The name of a deferred piece of work: a word and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work(pub &'static str, pub u64);

/// One thing that a process asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Connect to a peer: answered by `LinkUp { dialed: true }` or `DialFailed`.
    Dial {
        /// Whom.
        peer: PeerId,
        /// Which channel.
        channel: Channel,
    },
    /// Send a frame; `after` holds it until that ticket is done (and drops it if it fails).
    Send {
        /// On this link.
        link: LinkId,
        /// This frame.
        frame: Frame,
        /// Not before this ticket.
        after: Option<Ticket>,
    },
    /// Tell when the link takes more: answered by one `Drained` as soon as its send queue is below
    /// its bound, which it may be already. Nobody answers for a link that is gone.
    WhenDrained {
        /// This link.
        link: LinkId,
    },
    /// Hang up: the other side learns of it, this side does not. Held sends die with the link.
    HangUp {
        /// This link.
        link: LinkId,
    },
    /// Send bytes to a client.
    Reply {
        /// On this connection.
        conn: ConnId,
        /// These bytes.
        frame: Frame,
    },
    /// Stop reading from a client.
    Pause {
        /// This connection.
        conn: ConnId,
    },
    /// Read from a client again.
    Resume {
        /// This connection.
        conn: ConnId,
    },
    /// Close a client's connection after the bytes already sent to it.
    Close {
        /// This connection.
        conn: ConnId,
    },
    /// Create a file, or empty an existing one.
    Create {
        /// Which.
        file: File,
    },
    /// Write bytes at an offset; a gap before it reads as zeros.
    WriteAt {
        /// Where.
        file: File,
        /// From which byte.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
        /// What the world may know of it.
        tag: Tag,
    },
    /// Cut or extend a file to this length.
    SetLen {
        /// Which.
        file: File,
        /// Its new length, in bytes.
        len: u64,
    },
    /// Rename within the device, replacing the target.
    Rename {
        /// From this name.
        from: File,
        /// To this name, on the same device.
        to: File,
    },
    /// Remove a file.
    Remove {
        /// Which.
        file: File,
    },
    /// Read a whole file: answered by `Disk`.
    Read {
        /// Answered with this ticket.
        ticket: Ticket,
        /// Which.
        file: File,
    },
    /// Make a file's contents durable: answered by `Disk`.
    Fsync {
        /// Answered with this ticket.
        ticket: Ticket,
        /// Which.
        file: File,
    },
    /// Make a device's creations, renames and removals durable: answered by `Disk`.
    FsyncDir {
        /// Answered with this ticket.
        ticket: Ticket,
        /// Whose directory.
        device: Device,
    },
    /// Fire once, after a delay that the runner draws from the range.
    SetTimer {
        /// Under this name.
        timer: Timer,
        /// In this time, on the peer's monotonic clock.
        within: Range<Duration>,
    },
    /// Forget a timer.
    CancelTimer {
        /// This one.
        timer: Timer,
    },
    /// Run a piece of work as an event of its own, when the runner sees fit.
    Defer {
        /// This piece.
        work: Work,
    },
    /// Tell a fact.
    Note(Note),
    /// Stop this process: it cannot go on. The runner treats it as a crash.
    Halt {
        /// Why, for people.
        reason: String,
    },
}

/// The ordered list of what one step asked for.
#[derive(Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
    next_ticket: u64,
}

impl Effects {
    /// An empty list whose tickets start at 1.
    pub fn new() -> Effects {
        Effects { list: Vec::new(), next_ticket: 1 }
    }

    /// An empty list whose next ticket is `next_ticket`: a runner keeps the counter per peer.
    pub fn resume(next_ticket: u64) -> Effects {
        Effects { list: Vec::new(), next_ticket }
    }

    /// The number of the next ticket.
    pub fn next_ticket(&self) -> u64 {
        self.next_ticket
    }

    /// Makes this list ready for another step, whose first ticket is `next_ticket`; keeps its
    /// memory.
    pub fn reset(&mut self, next_ticket: u64) {
        self.list.clear();
        self.next_ticket = next_ticket;
    }

    /// What was asked so far, in order.
    pub fn list(&self) -> &[Effect] {
        &self.list
    }

    /// What was asked so far, in order, to be rewritten or taken.
    pub fn list_mut(&mut self) -> &mut Vec<Effect> {
        &mut self.list
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    /// Connects to a peer.
    pub fn dial(&mut self, peer: PeerId, channel: Channel) {
        self.list.push(Effect::Dial { peer, channel });
    }

    /// Sends a frame.
    pub fn send(&mut self, link: LinkId, tag: Tag, bytes: Vec<u8>) {
        self.list.push(Effect::Send { link, frame: Frame { tag, bytes }, after: None });
    }

    /// Sends a frame once `ticket` is done: what must wait for durability cannot leave early.
    pub fn send_after(&mut self, ticket: Ticket, link: LinkId, tag: Tag, bytes: Vec<u8>) {
        self.list.push(Effect::Send { link, frame: Frame { tag, bytes }, after: Some(ticket) });
    }

    /// Asks for one `Drained` when the link takes more.
    pub fn when_drained(&mut self, link: LinkId) {
        self.list.push(Effect::WhenDrained { link });
    }

    /// Hangs up.
    pub fn hang_up(&mut self, link: LinkId) {
        self.list.push(Effect::HangUp { link });
    }

    /// Sends bytes to a client.
    pub fn reply(&mut self, conn: ConnId, tag: Tag, bytes: Vec<u8>) {
        self.list.push(Effect::Reply { conn, frame: Frame { tag, bytes } });
    }

    /// Stops reading from a client.
    pub fn pause(&mut self, conn: ConnId) {
        self.list.push(Effect::Pause { conn });
    }

    /// Reads from a client again.
    pub fn resume_reading(&mut self, conn: ConnId) {
        self.list.push(Effect::Resume { conn });
    }

    /// Closes a client's connection.
    pub fn close(&mut self, conn: ConnId) {
        self.list.push(Effect::Close { conn });
    }

    /// Creates a file.
    pub fn create(&mut self, file: File) {
        self.list.push(Effect::Create { file });
    }

    /// Writes into a file.
    pub fn write_at(&mut self, file: File, offset: u64, tag: Tag, bytes: Vec<u8>) {
        self.list.push(Effect::WriteAt { file, offset, bytes, tag });
    }

    /// Cuts or extends a file.
    pub fn set_len(&mut self, file: File, len: u64) {
        self.list.push(Effect::SetLen { file, len });
    }

    /// Renames a file.
    pub fn rename(&mut self, from: File, to: File) {
        self.list.push(Effect::Rename { from, to });
    }

    /// Removes a file.
    pub fn remove(&mut self, file: File) {
        self.list.push(Effect::Remove { file });
    }

    /// Reads a file.
    pub fn read(&mut self, file: File) -> Ticket {
        let ticket = self.ticket();
        self.list.push(Effect::Read { ticket, file });
        ticket
    }

    /// Syncs a file.
    pub fn fsync(&mut self, file: File) -> Ticket {
        let ticket = self.ticket();
        self.list.push(Effect::Fsync { ticket, file });
        ticket
    }

    /// Syncs a device's directory.
    pub fn fsync_dir(&mut self, device: Device) -> Ticket {
        let ticket = self.ticket();
        self.list.push(Effect::FsyncDir { ticket, device });
        ticket
    }

    /// Replaces a small file so that a crash leaves the old or the new contents: write `.tmp`,
    /// sync, rename, sync the directory. The ticket is the last sync's.
    pub fn replace(&mut self, file: File, tag: Tag, bytes: Vec<u8>) -> Ticket {
        let tmp = file.tmp();
        self.create(tmp.clone());
        self.write_at(tmp.clone(), 0, tag, bytes);
        self.fsync(tmp.clone());
        let device = file.device;
        self.rename(tmp, file);
        self.fsync_dir(device)
    }

    /// Sets a timer.
    pub fn set_timer(&mut self, timer: Timer, within: Range<Duration>) {
        self.list.push(Effect::SetTimer { timer, within });
    }

    /// Sets a timer to fire in exactly `delay`.
    pub fn set_timer_in(&mut self, timer: Timer, delay: Duration) {
        self.set_timer(timer, delay..delay);
    }

    /// Forgets a timer.
    pub fn cancel_timer(&mut self, timer: Timer) {
        self.list.push(Effect::CancelTimer { timer });
    }

    /// Runs a piece of work later, as an event of its own.
    pub fn defer(&mut self, work: Work) {
        self.list.push(Effect::Defer { work });
    }

    /// Tells a fact.
    pub fn note(&mut self, note: Note) {
        self.list.push(Effect::Note(note));
    }

    /// Stops this process for good.
    pub fn halt(&mut self, reason: impl Into<String>) {
        self.list.push(Effect::Halt { reason: reason.into() });
    }
}
