//! Shadows: another version decides the same requests, off their way, and what it decides otherwise is noted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossamer_oci::PluginName;
use gossamer_policy::{EvalError, Lookups, Policies, Policy, Trail};
use semver::Version;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::difference::{Differences, Pair};
use crate::directory::{Active, Route};

/// Requests that wait for their shadow. More are let go: a shadow must not hold the memory of those that it follows.
const WAITING_MAX: usize = 256;

/// Shadows of this core. Cheap to clone; all clones share the queue and the notes.
#[derive(Clone)]
pub struct Shadows {
    queue: mpsc::Sender<Errand>,
    notes: Arc<Mutex<Differences>>,
}

/// Evaluates one request after the other.
pub(super) struct Worker {
    queue: mpsc::Receiver<Errand>,
    notes: Arc<Mutex<Differences>>,
    policies: Policies,
    lookups: Arc<dyn Lookups>,
}

/// A request to be decided once more.
struct Errand {
    plugin: PluginName,
    active: (Version, Arc<Policy>),
    shadow: (Version, Arc<Policy>),
    trail: Arc<Trail>,
}

// === impl Shadows ===

impl Shadows {
    pub(super) fn new(policies: Policies, lookups: Arc<dyn Lookups>) -> (Self, Worker) {
        let (sender, queue) = mpsc::channel(WAITING_MAX);
        let notes = Arc::default();
        (Self { queue: sender, notes: Arc::clone(&notes) }, Worker { queue, notes, policies, lookups })
    }

    /// What the shadows of `plugin` decided otherwise.
    pub fn differences(&self, plugin: &PluginName) -> serde_json::Value {
        self.notes().show(plugin)
    }

    /// Never waits: if too many wait already, this one is let go and counted.
    pub(super) fn offer(&self, route: &Route, shadow: &Active, trail: &Arc<Trail>) {
        let errand = Errand {
            plugin: route.plugin.clone(),
            active: (route.version.clone(), Arc::clone(&route.policy)),
            shadow: (shadow.announcement.version.clone(), Arc::clone(&shadow.policy)),
            trail: Arc::clone(trail),
        };
        if self.queue.try_send(errand).is_err() {
            metrics::counter!("gossamer_shadow_dropped_total", "plugin" => route.plugin.to_string())
                .increment(1);
        }
    }

    fn notes(&self) -> MutexGuard<'_, Differences> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Worker ===

impl Worker {
    pub(super) async fn run(mut self, closing: CancellationToken) {
        while let Some(Some(errand)) = closing.run_until_cancelled(self.queue.recv()).await {
            metrics::gauge!("gossamer_shadow_waiting").set(self.queue.len() as f64);
            let outcome = self.compare(errand).await;
            metrics::counter!("gossamer_shadow_evaluations_total", "outcome" => outcome).increment(1);
        }
    }

    async fn compare(&self, errand: Errand) -> &'static str {
        let Errand { plugin, active: (ours, policy), shadow: (theirs, shadow), trail } = errand;
        let compared = self.policies.compare(&policy, &trail, &shadow, Arc::clone(&self.lookups)).await;
        let (difference, outcome) = match compared {
            Ok(None) => (None, "same"),
            Ok(Some(difference)) => (Some(difference), "different"),
            Err(EvalError::BodyWanted) => return "body_unread",
            Err(_) => return "failed",
        };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.note(Pair { plugin, ours, theirs }, difference);
        outcome
    }
}
