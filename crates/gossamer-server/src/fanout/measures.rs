//! What delivery tells of itself in numbers.

use std::time::Duration;

use gossamer_events::Event;
use gossamer_events::delivery::{Failure, Progress};
use gossamer_oci::PluginName;
use metrics::{counter, gauge, histogram};
use time::OffsetDateTime;

/// Gauges of how far one plugin is.
pub(super) fn progress(progress: &Progress) {
    let plugin = progress.plugin.to_string();
    gauge!("gossamer_fanout_backlog_events", "plugin" => plugin.clone()).set(progress.lag as f64);
    gauge!("gossamer_fanout_lanes", "plugin" => plugin.clone()).set(progress.lanes as f64);
    gauge!("gossamer_fanout_lanes_waiting", "plugin" => plugin.clone()).set(progress.waiting as f64);
    gauge!("gossamer_fanout_in_flight_events", "plugin" => plugin).set(progress.in_flight as f64);
}

/// One attempt has ended after `took`.
pub(super) fn attempt(plugin: &PluginName, took: Duration, result: &Result<(), Failure>) {
    let outcome = match result {
        Ok(()) => "delivered",
        Err(Failure::Unreachable) => "unreachable",
        Err(Failure::Retry { .. }) => "failed",
        Err(Failure::Refused { .. }) => "refused",
    };
    let plugin = plugin.to_string();
    counter!("gossamer_fanout_attempts_total", "plugin" => plugin.clone(), "outcome" => outcome).increment(1);
    histogram!("gossamer_fanout_attempt_seconds", "plugin" => plugin).record(took);
}

/// An event has arrived: how long after its commit.
pub(super) fn arrived(plugin: &PluginName, event: &Event) {
    let lag = (OffsetDateTime::now_utc() - event.time).as_seconds_f64().max(0.0);
    histogram!("gossamer_fanout_lag_seconds", "plugin" => plugin.to_string()).record(lag);
}

/// An event was given up.
pub(super) fn dead_letter(plugin: &PluginName) {
    counter!("gossamer_fanout_dead_letters_total", "plugin" => plugin.to_string()).increment(1);
}
