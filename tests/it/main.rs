//! The one test binary.

mod cli;
mod determinism;
mod gallery;
mod own_protocol;
mod readme;
mod scenarios;
mod tidy;
