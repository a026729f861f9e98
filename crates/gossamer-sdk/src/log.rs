//! How the process speaks: lines for people on a terminal, JSON elsewhere, always to standard error.

use std::error::Error;
use std::fmt;
use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// What is logged unless somebody says otherwise.
const DEFAULT: &str = "info";

/// An error with all its causes, on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

/// Starts logging. A filter that cannot be read is replaced by the default, and that is logged.
pub(crate) fn start(filter: Option<&str>) {
    let wanted = EnvFilter::try_new(filter.unwrap_or(DEFAULT));
    let refused = wanted.as_ref().err().map(ToString::to_string);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(wanted.unwrap_or_else(|_| EnvFilter::new(DEFAULT)))
        .with_writer(stderr);
    let started =
        if stderr().is_terminal() { lines.try_init() } else { lines.json().flatten_event(true).try_init() };
    drop(started); // whoever runs us in their own process may log already
    if let Some(error) = refused {
        tracing::warn!(error, "GOSSAMER_LOG is not a filter, using the default");
    }
}

// === impl Chain ===

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
