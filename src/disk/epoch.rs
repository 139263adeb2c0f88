//! The small files: both epochs, the markers, and the record of a replaced history.
//!
//! | file | device | what it says |
//! |---|---|---|
//! | `acceptedEpoch`, `currentEpoch` | snap | the epochs (spec 6.1) |
//! | `initialize` | snap | a fresh peer of a fresh ensemble: it may vote (ZOOKEEPER-261) |
//! | `unsynced` | snap | it once started with no files at all: it may not vote until synced |
//! | `origin` | snap | stands for `snapshot.0`, whose body only the service knows |
//! | `replaced` | log | which snapshot has replaced the history before it (see `log`) |
//!
//! A word that matters is followed by a line with the crc32 of the file's name and the word, so
//! that damage, and a file in another's place, is told from a value. A reader that wants only the
//! first line, as ZooKeeper does, finds what it expects. Epochs cannot be learnt from other peers
//! (CTRL, FAST'18): one that cannot be read is never taken for 0.

use crate::base::{Epoch, Zxid};
use crate::process::{Effects, File, Image, Refused, Tag};

use super::records::hex_after;
use super::sum::crc32;

/// `acceptedEpoch`.
pub(super) const ACCEPTED: &str = "acceptedEpoch";
/// `currentEpoch`.
pub(super) const CURRENT: &str = "currentEpoch";
/// The marker of a fresh peer.
pub(super) const INITIALIZE: &str = "initialize";
/// The marker of a peer that has lost everything and has not synchronised since.
pub(super) const UNSYNCED: &str = "unsynced";
/// The marker that stands for `snapshot.0`.
pub(super) const ORIGIN: &str = "origin";
/// The record of a replaced history.
pub(super) const REPLACED: &str = "replaced";

/// The contents of a small file: the word, and a line that vouches for it.
pub(super) fn sealed(name: &str, word: &str) -> Vec<u8> {
    format!("{word}\n{:08x}\n", vouch(name, word)).into_bytes()
}

/// The word of a small file.
///
/// # Errors
/// The file is damaged.
fn unsealed<'a>(file: &File, bytes: &'a [u8]) -> Result<&'a str, Refused> {
    let text = std::str::from_utf8(bytes).ok();
    let lines = text.and_then(|text| text.strip_suffix('\n')?.split_once('\n'));
    match lines {
        Some((word, sum)) if sum == format!("{:08x}", vouch(&file.name, word)) => Ok(word),
        Some(_) | None => Err(unreadable(file)),
    }
}

fn vouch(name: &str, word: &str) -> u32 {
    crc32(format!("{name}\n{word}").as_bytes())
}

fn unreadable(file: &File) -> Refused {
    let reason = format!("`{file}` byte 0: not what was written");
    Refused { reason, damaged: true, hit: None }
}

/// Reads an epoch file; `None` if there is none.
///
/// # Errors
/// The file is damaged.
pub(super) fn read(image: &Image, name: &'static str) -> Result<Option<Epoch>, Refused> {
    let file = File::snap(name);
    let Some(bytes) = image.get(&file) else { return Ok(None) };
    let word = unsealed(&file, bytes)?;
    word.parse().map(|epoch| Some(Epoch(epoch))).map_err(|_| unreadable(&file))
}

/// Puts an epoch file into an image.
pub(super) fn put(image: &mut Image, name: &'static str, epoch: Epoch) {
    image.put(File::snap(name), sealed(name, &epoch.0.to_string()));
}

/// Asks for an epoch file to be replaced.
pub(super) fn write(name: &'static str, epoch: Epoch, fx: &mut Effects) -> crate::base::Ticket {
    let tag = Tag { kind: name, epoch, zxid: Zxid::ZERO };
    fx.replace(File::snap(name), tag, sealed(name, &epoch.0.to_string()))
}

/// Which snapshot has replaced the history before it, and how far that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    /// The snapshot's zxid.
    pub(super) zxid: Zxid,
    /// Tells replacements apart: counts up.
    pub(super) generation: u64,
    /// True while old log files may be left; all log files are old then.
    pub(super) clearing: bool,
}

impl Replaced {
    /// Reads the record; `None` if there is none.
    ///
    /// # Errors
    /// The file is damaged.
    pub(super) fn read(image: &Image) -> Result<Option<Replaced>, Refused> {
        let file = File::log(REPLACED);
        let Some(bytes) = image.get(&file) else { return Ok(None) };
        Replaced::parse(unsealed(&file, bytes)?).map(Some).ok_or_else(|| unreadable(&file))
    }

    fn parse(word: &str) -> Option<Replaced> {
        let mut words = word.split(' ');
        let clearing = match words.next()? {
            "clearing" => true,
            "cleared" => false,
            _ => return None,
        };
        let zxid = hex_after(words.next()?, "")?;
        let generation = words.next()?.parse().ok()?;
        words.next().is_none().then_some(Replaced { zxid, generation, clearing })
    }

    /// Asks for the record to be written.
    pub(super) fn write(self, fx: &mut Effects) -> crate::base::Ticket {
        let phase = if self.clearing { "clearing" } else { "cleared" };
        let word = format!("{phase} {:x} {}", self.zxid.0, self.generation);
        fx.replace(File::log(REPLACED), Tag::zxid(REPLACED, self.zxid), sealed(REPLACED, &word))
    }

    /// The name of the snapshot until the old ones are gone.
    pub(super) fn candidate(self) -> File {
        File::snap(format!("snapshot.{:x}.new{}", self.zxid.0, self.generation))
    }
}
