//! Logs go to standard error: lines for people on a terminal, JSON elsewhere.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging at `GOSSAMER_LOG` (directives as of `tracing`'s `EnvFilter`), else at `default`.
pub(crate) fn start(default: &str) {
    let filter = std::env::var("GOSSAMER_LOG")
        .ok()
        .and_then(|directives| EnvFilter::try_new(directives).ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // A second start (a test that starts two servers) keeps the first subscriber.
    let started = if stderr().is_terminal() {
        lines.with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    drop(started);
}
