//! Versions that are being tried out: pins, canaries and shadows, by the plans that operators make.

mod difference;
mod file;
mod plans;
mod shadow;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use gossamer_oci::PluginName;
use gossamer_policy::rollout::{Outcome, Plan, is_in_slice};
use gossamer_policy::{Decision, Lookups, Policies, Trail};
use semver::Version;
use tokio_util::sync::CancellationToken;

use crate::decisions::Record;
use crate::directory::{Route, Snapshot};

pub use difference::{Differences, Noted};
pub use plans::{AskError, Plans};
pub use shadow::Shadows;

/// The plan of every plugin that has one.
pub type PlanTable = BTreeMap<PluginName, Plan>;

/// Everything that is being tried out. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Trials {
    plans: Plans,
    shadows: Shadows,
}

/// The task behind [`Trials`].
pub struct Keeper {
    plans: plans::Keeper,
    shadows: shadow::Worker,
}

/// The version that decides for a request instead of the active one.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub route: Route,
    /// Why it does.
    pub because: String,
}

// === impl Trials ===

impl Trials {
    /// Goes on with the plans in `file`. The keeper is to be run as a task.
    pub fn open(file: PathBuf, policies: Policies, lookups: Arc<dyn Lookups>) -> io::Result<(Self, Keeper)> {
        let (plans, keeping) = Plans::open(file)?;
        let (shadows, working) = Shadows::new(policies, lookups);
        Ok((Self { plans, shadows }, Keeper { plans: keeping, shadows: working }))
    }

    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    pub fn shadows(&self) -> &Shadows {
        &self.shadows
    }

    /// The canary that decides for this request, if there is one and the request is in its slice. What the active
    /// policy decided names the repository; where it names none, the path stands for it.
    pub fn candidate(
        &self,
        snapshot: &Snapshot,
        route: &Route,
        decision: &Decision,
        path: &str,
    ) -> Option<Candidate> {
        let (canary, active) = snapshot.canary(&route.plugin)?;
        if canary.version == route.version || !is_in_slice(&route.plugin, key(decision, path), canary.percent)
        {
            return None;
        }
        let because =
            format!("the repository is in the {} % that the canary decides for", canary.percent.get());
        let route = Route {
            plugin: route.plugin.clone(),
            version: canary.version.clone(),
            policy: Arc::clone(&active.policy),
            by: route.by,
        };
        Some(Candidate { route, because })
    }

    /// Has the shadow of the route's plugin decide the same request, later and elsewhere.
    pub fn shadow(&self, snapshot: &Snapshot, route: &Route, trail: &Arc<Trail>) {
        if let Some(shadow) = snapshot.shadow(&route.plugin) {
            self.shadows.offer(route, shadow, trail);
        }
    }

    /// Counts how a request ended, if its plugin has a canary.
    pub fn answered(&self, record: &Record) {
        let Some(chosen) = &record.selected else { return };
        let outcome = match &record.decision {
            None if record.failure.is_some() => Outcome::EvaluationFailed,
            Some(_) if record.status.is_server_error() => Outcome::ServerError,
            None | Some(_) => Outcome::Good,
        };
        self.plans.answered(&chosen.plugin, &chosen.version, outcome);
    }

    /// Counts that a canary gave no decision; the active version's was used.
    pub fn failed(&self, candidate: &Route) {
        self.plans.answered(&candidate.plugin, &candidate.version, Outcome::EvaluationFailed);
    }
}

/// What places a request in a slice.
fn key<'a>(decision: &'a Decision, path: &'a str) -> &'a str {
    match decision {
        Decision::Blob { repository, .. } => repository.as_str(),
        Decision::Forward { key: Some(key) } => key,
        Decision::Forward { key: None }
        | Decision::Redirect { .. }
        | Decision::Deny { .. }
        | Decision::NotFound { .. } => path,
    }
}

/// The versions to follow: what operators pinned, else what the configuration pins.
pub fn pins(configured: &BTreeMap<PluginName, Version>, plans: &PlanTable) -> BTreeMap<PluginName, Version> {
    let planned = plans.iter().filter_map(|(plugin, plan)| Some((plugin.clone(), plan.pin.clone()?)));
    configured.clone().into_iter().chain(planned).collect()
}

// === impl Keeper ===

impl Keeper {
    /// Keeps plans on disk, ends canaries in time and evaluates shadows, until `closing` is cancelled.
    pub async fn run(self, closing: CancellationToken) {
        tokio::join!(self.plans.run(closing.clone()), self.shadows.run(closing));
    }
}
