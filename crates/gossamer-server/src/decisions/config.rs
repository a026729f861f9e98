//! The `[decisions]` table: how much is remembered, and what is written down.

use serde::Deserialize;

use super::log;

/// Which decisions are kept for `explain`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Decisions kept that led to an answer, or to the answer that nothing is there.
    pub recent_max: usize,
    /// Refused requests kept, apart from all others.
    pub denied_max: usize,
    /// Failures kept, apart from all others.
    pub failed_max: usize,
    /// Bytes that each of the three kinds may take, about; large requests leave room for fewer.
    pub bytes_max: usize,
    pub log: log::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recent_max: 4_096,
            denied_max: 8_192,
            failed_max: 8_192,
            bytes_max: 8 * 1024 * 1024,
            log: log::Config::default(),
        }
    }
}
