//! What one plugin may hold at once. Who does not get in waits in a short queue, for a short time.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossamer_oci::PluginName;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::budget::{self, Budget};

/// The `[proxy.limits]` table, and those of single plugins in `[proxy.plugins.<name>]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests that this core has with all instances of one plugin together, until the last byte of their answers.
    pub requests_max: usize,
    /// Requests beyond that which may wait for one of those to end; further ones are answered 503 at once.
    pub queue_max: usize,
    /// How long one may wait before it is answered 503.
    pub queue_wait_ms: u64,
    /// From the last byte of the request that moved to the head of the answer; then 504.
    pub first_byte_ms: u64,
    /// The longest pause inside an answer's body.
    pub idle_ms: u64,
}

/// Why a request did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Turned {
    #[error("as many requests as may wait for the plugin")]
    QueueFull,
    #[error("the plugin had no room for the request in the time it may wait")]
    TooLate,
}

/// The right to ask a plugin. It ends with the last clone.
#[derive(Clone, Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The gates of all plugins.
#[derive(Debug)]
pub(super) struct Gates {
    limits: Limits,
    plugins: BTreeMap<PluginName, Limits>,
    retries: budget::Config,
    gates: Mutex<HashMap<PluginName, Arc<Gate>>>,
}

/// The gate of one plugin, with its budget of second attempts.
#[derive(Debug)]
struct Gate {
    limits: Limits,
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
    budget: Mutex<Budget>,
}

/// Counts one that waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_max: 1_024,
            queue_max: 256,
            queue_wait_ms: 2_000,
            first_byte_ms: 30_000,
            idle_ms: 60_000,
        }
    }
}

impl Limits {
    pub(super) fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms)
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    fn queue_wait(&self) -> Duration {
        Duration::from_millis(self.queue_wait_ms)
    }
}

// === impl Turned ===

impl Turned {
    /// As the metrics call the limit.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Self::QueueFull => "queue",
            Self::TooLate => "queue_wait",
        }
    }
}

// === impl Gates ===

impl Gates {
    pub(super) fn new(
        limits: Limits,
        plugins: BTreeMap<PluginName, Limits>,
        retries: budget::Config,
    ) -> Self {
        Self { limits, plugins, retries, gates: Mutex::default() }
    }

    /// Lets one request in, perhaps after a wait.
    pub(super) async fn enter(&self, plugin: &PluginName) -> Result<Pass, Turned> {
        let gate = self.gate(plugin);
        gate.spend(budget::Input::Request);
        let permit = Arc::new(gate.enter().await?);
        Ok(Pass { gate, _permit: permit })
    }

    fn gate(&self, plugin: &PluginName) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(plugin) {
            return Arc::clone(gate);
        }
        let limits = self.plugins.get(plugin).unwrap_or(&self.limits).clone();
        let gate = Arc::new(Gate {
            room: Arc::new(Semaphore::new(limits.requests_max)),
            limits,
            waiting: AtomicUsize::new(0),
            budget: Mutex::new(Budget::new(self.retries.clone(), Instant::now().into_std())),
        });
        gates.insert(plugin.clone(), Arc::clone(&gate));
        gate
    }
}

// === impl Gate ===

impl Gate {
    async fn enter(&self) -> Result<OwnedSemaphorePermit, Turned> {
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.limits.queue_max {
            return Err(Turned::QueueFull);
        }
        match timeout(self.limits.queue_wait(), Arc::clone(&self.room).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Turned::TooLate),
        }
    }

    fn spend(&self, input: budget::Input) -> budget::Output {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.handle(input, Instant::now().into_std())
    }
}

// === impl Pass ===

impl Pass {
    /// Whether a request that may have been processed may be sent again.
    pub fn may_retry(&self) -> bool {
        self.gate.spend(budget::Input::Retry) == budget::Output::Granted
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.gate.limits
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
