//! HTTP/2 over mutual TLS to plugin instances: pooled connections, bodies streamed both ways.

mod body;
pub mod breakers;
pub mod budget;
mod connect;
mod error;
pub mod headers;
pub mod limits;
mod pool;
mod replay;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use gossamer_oci::PluginName;
use serde::Deserialize;

pub use breakers::Standing;
pub use error::{Failed, Reached, SendError};
pub use limits::{Limits, Pass, Turned};
pub use pool::Pool;

/// The `[proxy]` table of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// TCP and TLS handshake together, per instance tried.
    pub connect_timeout_ms: u64,
    /// Requests that one instance may hold at once; more go to the next, or are answered 503.
    pub requests_per_instance_max: usize,
    /// What each plugin may hold.
    pub limits: Limits,
    /// The same for single plugins, in place of `limits`.
    pub plugins: BTreeMap<PluginName, Limits>,
    /// When a request may be sent a second time.
    pub retries: budget::Config,
    /// When an instance is left alone.
    pub ejection: breakers::Config,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 1_000,
            requests_per_instance_max: 512,
            limits: Limits::default(),
            plugins: BTreeMap::new(),
            retries: budget::Config::default(),
            ejection: breakers::Config::default(),
        }
    }
}

impl Config {
    fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}
