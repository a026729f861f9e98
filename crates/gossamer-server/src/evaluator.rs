//! Which program evaluates the policies of strangers.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use gossamer_policy::Config;

use crate::config::Policies;

/// The command under which a program that uses this crate must call [`evaluator`].
pub const EVALUATOR_COMMAND: &str = "evaluator";

/// The body of an evaluator child. To be called before anything else is started.
pub fn evaluator() -> ExitCode {
    gossamer_policy::evaluator_main()
}

/// The configured program, or this one again.
pub(crate) fn config(policies: Policies) -> io::Result<Config> {
    let Policies { evaluator, trusted: _, tuning } = policies;
    let mut words = evaluator.into_iter();
    let (program, arguments) = match words.next() {
        Some(program) => (PathBuf::from(program), words.map(OsString::from).collect()),
        None => (std::env::current_exe()?, vec![OsString::from(EVALUATOR_COMMAND)]),
    };
    Ok(Config { program, arguments, tuning })
}
