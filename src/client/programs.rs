//! Programs that ship with this crate, by name. (being written)

use super::ProgramFn;

/// All of them.
pub const ALL: [(&str, ProgramFn); 0] = [];
