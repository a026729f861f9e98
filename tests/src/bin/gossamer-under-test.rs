//! The `gossamer` command line, as the tests start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    gossamer::run()
}
