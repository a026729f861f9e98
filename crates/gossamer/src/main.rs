//! The `gossamer` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    gossamer::run()
}
