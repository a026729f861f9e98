//! An evaluator child as a program of its own, for the tests and benchmarks of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    gossamer_policy::evaluator_main()
}
