//! The one test binary.

mod check;
mod bench;
mod cli;
mod determinism;
mod gallery;
mod own_model;
mod own_protocol;
mod readme;
mod scenarios;
mod tidy;
