//! The command `zoosim`: everything that ships, and every verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    zoosim::main(zoosim::kit::Kit::standard())
}
