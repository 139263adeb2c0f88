//! The vocabulary that every other module speaks: ids, time, quorums, named draws, digests.
//! Imports nothing from the rest of the crate.

pub mod cursor;
pub mod digest;
pub mod ensemble;
pub mod ids;
pub mod random;
pub mod ratio;
pub mod time;

pub use cursor::Cursor;
pub use digest::Digest;
pub use ensemble::{Config, PeerSet};
pub use ids::{ClientId, ConnId, Epoch, LinkId, PeerId, SessionId, Ticket, Zxid};
pub use random::{Dice, Draw, Key, Stream};
pub use ratio::Ratio;
pub use time::{Duration, Time, WallMs};
