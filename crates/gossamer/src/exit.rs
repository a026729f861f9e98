//! How a command ends: one printer of errors, one exit code per class of failure.

use std::fmt;
use std::process::ExitCode;

/// A class of failure, and the exit code by which a script can tell it.
///
/// Code 2 is clap's, for a command line that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// 1: anything without a class of its own.
    Failed,
    /// 3: the thing asked for does not exist.
    NotFound,
    /// 4: who asked may not.
    Refused,
    /// 5: the core cannot be reached or is not ready; trying again may help.
    Unavailable,
    /// 6: the doctor has found something.
    Ailing,
}

impl Class {
    fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Unavailable => 5,
            Self::Ailing => 6,
        }
    }
}

/// An error with a class and a word on what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub class: Class,
    pub message: String,
    pub advice: Option<String>,
}

impl Failure {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), advice: None }
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints the whole chain of `error` once, with its advice, and says the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("gossamer: {error:#}");
    let failure = error.downcast_ref::<Failure>();
    if let Some(advice) = failure.and_then(|failure| failure.advice.as_deref()) {
        eprintln!("  {advice}");
    }
    ExitCode::from(failure.map_or(Class::Failed, |failure| failure.class).code())
}
