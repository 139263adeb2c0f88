//! A history in a few dozen bytes per call, for those of millions of calls.
//!
//! ```text
//! file   := "ZOOHIST" 0x02 block* end
//! block  := kind:u8 length:u32 payload digest:u64     little-endian; kind 1: calls, 2: events,
//!                                                       3: transactions of the committed log
//! end    := the block of kind 0, whose payload holds how many there are of each
//! ```
//!
//! Blocks of calls and of events take turns, as time has it; the log may stand anywhere. Payloads
//! are variable-length integers; times and zxids of the log are differences, and a path or name is
//! spelt out once per file and then named by its number. The digest covers the kind, the length and
//! the payload. What is damaged, cut off, or followed by more is refused, with the byte.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::read;
pub use write::Writer;

use std::cell::RefCell;
use std::io::{self, Read, Write};

use super::foreign::Refusal;
use super::record::{Event, History};

/// How a file begins: its kind and version.
pub const MAGIC: &[u8] = b"ZOOHIST\x02";

/// Kinds of blocks.
const END: u8 = 0;
const CALLS: u8 = 1;
const EVENTS: u8 = 2;
const LOG: u8 = 3;

/// No block is longer, so that a damaged length asks for no memory.
const LENGTH_MAX: usize = 1 << 24;

/// Reads a history.
///
/// # Errors
/// As [`read`].
pub fn import(bytes: &mut dyn Read) -> Result<History, Refusal> {
    let mut history = History::new();
    read(bytes, &mut |_, entry| history.take(entry))?;
    history.events.sort_by_key(Event::moment);
    history.operations.shrink_to_fit();
    Ok(history)
}

/// Writes a history down.
///
/// # Errors
/// Those of `out`.
pub fn export(history: &History, out: &mut dyn Write) -> io::Result<()> {
    let writer = RefCell::new(Writer::new(out)?);
    history.by_time(&mut |operation| writer.borrow_mut().call(operation), &mut |event| {
        writer.borrow_mut().event(event)
    })?;
    let mut writer = writer.into_inner();
    history.log.iter().try_for_each(|txn| writer.committed(txn))?;
    writer.finish()
}

/// What a block's digest covers.
fn digest(kind: u8, payload: &[u8]) -> u64 {
    let mut digest = crate::base::Digest::EMPTY;
    digest.word(u64::from(kind));
    digest.bytes(payload);
    digest.0
}
