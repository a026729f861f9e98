#![doc = include_str!("../README.md")]

mod api;
mod cli;
mod command;
mod dev;
mod exit;
mod logging;
mod print;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

/// Runs the command line of this process to its end.
///
/// The exit code says which class of failure it was; see `exit::Class`.
pub fn run() -> ExitCode {
    match command::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
