//! Names of things as newtypes, so that a zxid cannot be passed where an epoch is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

id!(
    /// A server of the ensemble: ZooKeeper's `sid` (`myid`), 1 to 255. Session ids carry it in
    /// their top byte (spec 3.1), which is why one byte is enough.
    PeerId(u8),
    "p{}"
);
id!(
    /// A client of the simulation, counted from 1. It may hold many sessions one after another.
    ClientId(u32),
    "c{}"
);
impl ClientId {
    /// The address that its connections come from.
    pub fn address(self) -> String {
        format!("10.1.{}.{}", self.0 / 256, self.0 % 256)
    }
}

id!(
    /// A ZooKeeper session id (spec 3.1).
    SessionId(i64),
    "{:#x}"
);
id!(
    /// One connection between a client and a server, never reused within a run.
    ConnId(u64),
    "conn{}"
);
id!(
    /// One incarnation of one channel between two peers, never reused within a run.
    LinkId(u64),
    "link{}"
);
id!(
    /// What a disk operation that completes later is known by; unique per incarnation of a peer.
    Ticket(u64),
    "#{}"
);
id!(
    /// A leader's term: the upper half of a zxid.
    Epoch(u32),
    "{}"
);

/// A ZooKeeper transaction id: epoch in the upper, counter in the lower 32 bits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Zxid(pub u64);

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Zxid = Zxid(0);

    /// The zxid of `counter` within `epoch`.
    pub const fn new(epoch: Epoch, counter: u32) -> Zxid {
        Zxid((epoch.0 as u64) << 32 | counter as u64)
    }

    /// The upper half.
    pub const fn epoch(self) -> Epoch {
        Epoch((self.0 >> 32) as u32)
    }

    /// The lower half. 0 is the NEWLEADER zxid, which is never a transaction (spec 6.8).
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The next zxid of the same epoch; `None` where the counter would overflow into the epoch
    /// (ZOOKEEPER-1277).
    pub fn next(self) -> Option<Zxid> {
        if self.counter() == u32::MAX { None } else { Some(Zxid(self.0 + 1)) }
    }

    /// As the signed integer of the wire.
    pub const fn wire(self) -> i64 {
        self.0 as i64
    }

    /// From the signed integer of the wire.
    pub const fn from_wire(value: i64) -> Zxid {
        Zxid(value as u64)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch().0, self.counter())
    }
}

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Epoch {
        Epoch(self.0.checked_add(1).expect("2^32 epochs are more than any run can elect"))
    }

    /// The NEWLEADER zxid of this epoch: counter 0.
    pub const fn start(self) -> Zxid {
        Zxid::new(self, 0)
    }
}
