//! What one device does once it is an operation's turn: changes, syncs, reads, and their failures.

use crate::base::{Digest, Ticket};
use crate::process::{Device, DiskError, DiskResult, Effect, File, Tag};

use super::{Disk, Drive, index};

impl Drive {
    /// Takes one of a budget of failures.
    fn spend(budget: &mut u32) -> bool {
        let any = *budget > 0;
        *budget -= u32::from(any);
        any
    }

    /// Why the next change fails, if it does. A device that has failed one fails all that follow,
    /// until a sync has said so, as a file system that turns read-only does: otherwise what is
    /// written next would lie behind a hole, which no reader can tell from damage.
    fn write_error(&mut self) -> Option<DiskError> {
        if self.error.is_some() {
            self.error
        } else if Drive::spend(&mut self.faults.write_eio) {
            Some(DiskError::Io)
        } else {
            Drive::spend(&mut self.faults.enospc).then_some(DiskError::NoSpace)
        }
    }

    /// Where a write that goes astray lands: another sector of the file, as its bytes decide.
    fn astray(&self, offset: u64, bytes: &[u8], sector: u64) -> u64 {
        let shift = 1 + Digest::of(bytes).0 % 4;
        offset.checked_sub(shift * sector).unwrap_or(offset + shift * sector)
    }
}

/// What came of an operation that takes no time.
pub(super) struct Carried {
    pub(super) kind: &'static str,
    pub(super) tag: Tag,
    pub(super) file: Option<File>,
    pub(super) failed: Option<DiskError>,
    pub(super) astray: Option<String>,
}

impl Drive {
    /// Carries out what takes no time.
    pub(super) fn carry(&mut self, effect: Effect, sector: u64) -> Carried {
        let mut carried =
            Carried { kind: "none", tag: Tag::default(), file: None, failed: None, astray: None };
        let result = match effect {
            Effect::Create { file } => {
                carried.kind = "create";
                let result = match self.write_error() {
                    Some(error) => Err(error),
                    None => {
                        self.files.create(&file.name);
                        Ok(())
                    }
                };
                carried.file = Some(file);
                result
            }
            Effect::WriteAt { file, offset, bytes, tag } => {
                (carried.kind, carried.tag) = ("write", tag);
                let mut offset = offset;
                if std::mem::take(&mut self.faults.misdirect) {
                    let there = self.astray(offset, &bytes, sector);
                    carried.astray =
                        Some(format!("a write to {file} at {offset} lands at {there}"));
                    offset = there;
                }
                let result = match self.write_error() {
                    Some(error) => Err(error),
                    None => self.files.write(&file.name, offset, &bytes, tag.zxid),
                };
                carried.file = Some(file);
                result
            }
            Effect::SetLen { file, len } => {
                carried.kind = "set_len";
                let result = match self.write_error() {
                    Some(error) => Err(error),
                    None => self.files.set_len(&file.name, len),
                };
                carried.file = Some(file);
                result
            }
            Effect::Rename { from, to } => {
                carried.kind = "rename";
                let result = match self.error {
                    Some(error) => Err(error),
                    None => self.files.rename(&from.name, &to.name),
                };
                carried.file = Some(to);
                result
            }
            Effect::Remove { file } => {
                carried.kind = "remove";
                let result = match self.error {
                    Some(error) => Err(error),
                    None => self.files.remove(&file.name),
                };
                carried.file = Some(file);
                result
            }
            other => unreachable!("{other:?} is no change of a device"),
        };
        if let Err(error) = result {
            carried.failed = Some(error);
            self.error = self.error.or(Some(error));
        }
        carried
    }
}

impl Disk {
    /// What comes of a sync or read that ends now.
    pub(super) fn end(
        &mut self,
        device: Device,
        effect: Effect,
    ) -> (&'static str, Ticket, Result<DiskResult, DiskError>) {
        let drive = &mut self.drives[index(device)];
        match effect {
            Effect::Read { ticket, file } => {
                let result = if Drive::spend(&mut drive.faults.read_eio) {
                    Err(DiskError::Io)
                } else {
                    let bytes = drive.files.read(&file.name).ok_or(DiskError::Missing);
                    bytes.map(|bytes| DiskResult::Bytes(bytes.to_vec()))
                };
                ("read", ticket, result)
            }
            Effect::Fsync { ticket, file } => {
                let error = drive.sync_error();
                let result = match error {
                    Some(error) => Err(error),
                    None => drive.files.sync(&file.name),
                };
                if result.is_err() {
                    drive.files.poison(&file.name);
                }
                let result = result.map(|zxid| {
                    self.durable = self.durable.max(zxid);
                    DiskResult::Done
                });
                ("fsync", ticket, result)
            }
            Effect::FsyncDir { ticket, .. } => {
                let result = match drive.sync_error() {
                    Some(error) => Err(error),
                    None => {
                        drive.files.sync_dir();
                        Ok(DiskResult::Done)
                    }
                };
                ("fsync_dir", ticket, result)
            }
            other => unreachable!("{other:?} takes no time"),
        }
    }
}

impl Drive {
    /// Why the sync that ends now fails, if it does: a write before it failed, or it does itself.
    fn sync_error(&mut self) -> Option<DiskError> {
        let own = || DiskError::Io;
        let failed = self.error.take();
        failed.or_else(|| Drive::spend(&mut self.faults.sync_eio).then(own))
    }
}
