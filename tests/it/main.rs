//! The one test binary.

mod bench;
mod breaches;
mod check;
mod cli;
mod determinism;
mod gallery;
mod kept;
mod liveness;
mod mistakes;
mod mutations;
mod own_model;
mod own_protocol;
mod readme;
mod scenarios;
mod tidy;
mod znodes;
