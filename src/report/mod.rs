//! What happened, for people and for tools.
