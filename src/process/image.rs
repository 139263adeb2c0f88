//! A peer's files as bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The two devices of a server: ZooKeeper's `dataLogDir` and `dataDir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// The transaction log.
    Log,
    /// Snapshots and epoch files.
    Snap,
}

/// A file's name on one device. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    /// On which device.
    pub device: Device,
    /// Its name, without a directory.
    pub name: Arc<str>,
}

impl File {
    /// A file on the log device.
    pub fn log(name: impl Into<Arc<str>>) -> File {
        File { device: Device::Log, name: name.into() }
    }

    /// A file on the snapshot device.
    pub fn snap(name: impl Into<Arc<str>>) -> File {
        File { device: Device::Snap, name: name.into() }
    }

    /// Where its next contents are prepared: the name with `.tmp`.
    pub fn tmp(&self) -> File {
        File { device: self.device, name: format!("{}.tmp", self.name).into() }
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            Device::Log => write!(f, "log/{}", self.name),
            Device::Snap => write!(f, "snap/{}", self.name),
        }
    }
}

/// All files of a peer, at one moment. Cheap to clone: contents are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Contents by name.
    pub files: BTreeMap<File, Arc<Vec<u8>>>,
}

impl Image {
    /// The file's bytes.
    pub fn get(&self, file: &File) -> Option<&[u8]> {
        self.files.get(file).map(|bytes| bytes.as_slice())
    }

    /// Adds or replaces a file.
    pub fn put(&mut self, file: File, bytes: Vec<u8>) {
        self.files.insert(file, Arc::new(bytes));
    }

    /// The files of one device, by name.
    pub fn on(&self, device: Device) -> impl Iterator<Item = (&File, &[u8])> {
        self.files
            .iter()
            .filter(move |(file, _)| file.device == device)
            .map(|(file, bytes)| (file, bytes.as_slice()))
    }
}
