//! Where a walk over a service's state stands.

/// Where a chunked snapshot of the service stands. It walks the live state by path, so that
/// transactions may be applied between two chunks (fuzzy snapshots, spec 7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Whether the part before the first node (sessions, ACLs) is written.
    pub started: bool,
    /// The last path written.
    pub after: Option<String>,
}
