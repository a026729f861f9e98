//! The shell of the breakers: gives them the time, keeps their word, and tells of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use gossamer_wire::NodeId;
use http::Response;
use tokio::time::Instant;
use tracing::{info, warn};

use super::breakers::{Breakers, Cause, Config, Input, Life, Outcome, Output, Standing};
use super::error::{ConnectError, Failed, SendError};
use crate::directory::Instance;

/// What becomes of requests, instance by instance.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<Breakers>>);

/// One request under way. Dropped without an end, it was abandoned.
pub(super) struct Trip {
    watch: Watch,
    life: Life,
    plugin: String,
    is_over: bool,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(config: Config) -> Self {
        Self(Arc::new(Mutex::new(Breakers::new(config))))
    }

    pub(super) fn standing(&self, instance: &Instance) -> Standing {
        self.breakers().standing(life(instance), Instant::now().into_std())
    }

    /// Says whether the instance is to be probed.
    pub(super) fn wanted(&self, instance: &Instance) -> bool {
        self.handle(Input::Wanted(life(instance)))
    }

    pub(super) fn probed(&self, instance: &Instance, is_alive: bool) {
        self.handle(Input::Probed { life: life(instance), is_alive });
    }

    pub(super) fn begin(&self, instance: &Instance) -> Trip {
        let life = life(instance);
        self.handle(Input::Began(life, instance.plugin.clone()));
        Trip { watch: self.clone(), life, plugin: instance.plugin.to_string(), is_over: false }
    }

    pub(super) fn retain(&self, live: &BTreeSet<NodeId>) {
        self.breakers().retain(live);
    }

    fn handle(&self, input: Input) -> bool {
        let outputs = self.breakers().handle(input, Instant::now().into_std());
        let mut is_to_be_probed = false;
        for output in outputs {
            match output {
                Output::Ejected { life: Life { node, .. }, plugin, pause, cause } => {
                    warn!(%node, %plugin, pause_ms = pause.as_millis(), ?cause, "Instance is left alone");
                    let labels = [("plugin", plugin.to_string()), ("cause", name(cause).to_owned())];
                    metrics::counter!("gossamer_proxy_ejections_total", &labels).increment(1);
                }
                Output::Restored { life: Life { node, .. }, plugin } => {
                    info!(%node, %plugin, "Instance takes requests again");
                }
                Output::Probe(_) => is_to_be_probed = true,
            }
        }
        is_to_be_probed
    }

    fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Trip ===

impl Trip {
    pub(super) fn end(mut self, tried: Result<&Response<Body>, &Failed>) {
        let (outcome, name) = match tried {
            Ok(response) if response.status().is_server_error() => (Outcome::Erred, "5xx"),
            Ok(_) => (Outcome::Answered, "answered"),
            Err(failed) => outcome(&failed.error),
        };
        self.over(outcome, name);
    }

    fn over(&mut self, outcome: Outcome, name: &'static str) {
        self.is_over = true;
        let labels = [("plugin", std::mem::take(&mut self.plugin)), ("outcome", name.to_owned())];
        metrics::counter!("gossamer_proxy_attempts_total", &labels).increment(1);
        self.watch.handle(Input::Ended(self.life, outcome));
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        if !self.is_over {
            self.over(Outcome::Abandoned, "abandoned");
        }
    }
}

/// A full instance is none the worse for it, and one connection that cannot be opened is one failure, however many
/// requests hear of it.
fn outcome(error: &SendError) -> (Outcome, &'static str) {
    match error {
        SendError::Busy { .. } => (Outcome::Abandoned, "busy"),
        SendError::Connect { source: ConnectError::UnreachableLately, .. } => (Outcome::Abandoned, "connect"),
        SendError::Connect { .. } => (Outcome::Failed, "connect"),
        SendError::TimedOut { .. } => (Outcome::Failed, "timeout"),
        SendError::BrokenOff { .. } | SendError::Answer { .. } => (Outcome::Failed, "broken_off"),
    }
}

fn life(instance: &Instance) -> Life {
    Life { node: instance.node, generation: instance.generation }
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Failures => "failures",
        Cause::Outlier => "outlier",
        Cause::Trial => "trial",
    }
}
