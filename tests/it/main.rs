//! The one test binary.

mod cli;
mod determinism;
mod gallery;
mod own_protocol;
mod scenarios;
mod tidy;
