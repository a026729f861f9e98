//! HTTP/2 over mutual TLS to plugin instances: pooled connections, bodies streamed both ways.

mod body;
mod connect;
mod error;
pub mod headers;
mod pool;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Deserialize;

pub use error::{SendError, Unsent};
pub use pool::Pool;

/// The `[proxy]` table of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// TCP and TLS handshake together, per instance tried.
    pub connect_timeout_ms: u64,
    /// From the last byte of the request that moved to the head of the response.
    pub response_timeout_ms: u64,
    /// The longest pause inside a response's body.
    pub idle_timeout_ms: u64,
    /// Requests that one instance may hold at once; more are answered 503.
    pub requests_per_instance_max: usize,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 1_000,
            response_timeout_ms: 30_000,
            idle_timeout_ms: 60_000,
            requests_per_instance_max: 512,
        }
    }
}

impl Config {
    fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    fn response_timeout(&self) -> Duration {
        Duration::from_millis(self.response_timeout_ms)
    }

    fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
}
