//! The rules of delivery, as numbers.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// The rules of delivery. What bounds memory bounds it per plugin, so that none takes another's.
/// A bound of zero counts as one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Deliveries in flight per plugin. Each holds one manifest and one HTTP/2 stream; 64 keep a
    /// plugin's inbox busy across its fsync.
    pub in_flight_max: usize,
    /// Lanes per plugin that are kept in memory; while there are so many, the plugin's part of the
    /// log is not scanned further. At least `scan_limit`, in effect.
    pub lanes_max: usize,
    /// Sequences that a lane keeps of what comes next. More are read again when they are due.
    pub window_max: usize,
    /// Heads per read of the log. Small enough that plugins which catch up take turns with those
    /// that are at its end.
    pub scan_limit: usize,
    /// Heads per read of one repository.
    pub load_limit: usize,
    /// Acknowledged events of a lane whose cursor is not durable yet: what a crash redelivers.
    /// More than one, so that a lane does not wait for the disk between two events.
    pub ahead_max: u32,
    /// The longest first pause after a failure; it doubles with each further one.
    #[serde(rename = "backoff_min_ms", with = "milliseconds")]
    pub backoff_min: Duration,
    /// The longest pause of all.
    #[serde(rename = "backoff_max_ms", with = "milliseconds")]
    pub backoff_max: Duration,
    /// How often an event is offered to a plugin that hears it before it becomes a dead letter.
    /// None holds the lane for ever, which is the default: a plugin acknowledges what it has
    /// stored, so that its failure says something of the plugin and nothing of the event.
    pub attempts_max: Option<NonZeroU32>,
    /// The pause after the log itself failed.
    #[serde(rename = "log_retry_ms", with = "milliseconds")]
    pub log_retry: Duration,
    /// How long a low-water mark may wait for company before it is written. Lost with a crash, it
    /// costs scanning, not redelivery.
    #[serde(rename = "low_delay_ms", with = "milliseconds")]
    pub low_delay: Duration,
}

// === impl Config ===

impl Config {
    /// As given, with at least one of everything, so that delivery always moves.
    pub(super) fn clamped(mut self) -> Self {
        for bound in
            [&mut self.in_flight_max, &mut self.window_max, &mut self.scan_limit, &mut self.load_limit]
        {
            *bound = (*bound).max(1);
        }
        self.ahead_max = self.ahead_max.max(1);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_flight_max: 64,
            lanes_max: 4096,
            window_max: 16,
            scan_limit: 256,
            load_limit: 64,
            ahead_max: 8,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(60),
            attempts_max: None,
            log_retry: Duration::from_secs(1),
            low_delay: Duration::from_secs(1),
        }
    }
}

/// Durations in configuration files are whole milliseconds.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
