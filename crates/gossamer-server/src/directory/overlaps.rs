//! Looks for plugins that get in each other's way, whenever the active policies change.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossamer_oci::{Digest, PluginName};
use gossamer_policy::{Input, Overlap, Party, Policies};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Directory, Snapshot};
use crate::decisions::Decisions;
use crate::gateway::Gateway;

/// Recorded requests that each policy is asked.
const RECORDED_MAX: usize = 64;

/// What was found.
pub type Overlaps = Arc<Vec<Overlap>>;

/// The task that looks.
pub struct Scanner {
    directory: Directory,
    policies: Policies,
    decisions: Arc<Decisions>,
}

// === impl Scanner ===

impl Scanner {
    /// Looks at what this gateway routes.
    pub fn of(gateway: &Gateway) -> Self {
        let Gateway { directory, policies, decisions, .. } = gateway;
        Self { directory: directory.clone(), policies: policies.clone(), decisions: Arc::clone(decisions) }
    }

    /// Looks after every change of an active policy, until `closing` is cancelled.
    pub async fn run(self, closing: CancellationToken) {
        let mut snapshots = self.directory.watch();
        let mut seen = BTreeMap::new();
        loop {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            let active = active(&snapshot);
            if active != seen {
                let scan = self.policies.overlaps(&self.parties(&snapshot)).await;
                metrics::gauge!("gossamer_policy_overlaps").set(scan.len() as f64);
                for overlap in &scan {
                    warn!(?overlap, "Two plugins get in each other's way");
                }
                self.directory.overlaps.send_replace(Arc::new(scan));
                seen = active;
            }
            match closing.run_until_cancelled(snapshots.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    fn parties(&self, snapshot: &Snapshot) -> Vec<Party> {
        let known = snapshot.plugins().iter().filter_map(|(name, plugin)| {
            let active = plugin.active.as_ref()?;
            let trails = self.decisions.trails(name, RECORDED_MAX);
            Some(Party {
                plugin: name.clone(),
                policy: Arc::clone(&active.policy),
                media_types: active.announcement.media_types.iter().cloned().collect(),
                recorded: trails.iter().map(|trail| Input::clone(&trail.input)).collect(),
            })
        });
        known.collect()
    }
}

/// What the outcome depends on, recorded requests aside.
fn active(snapshot: &Snapshot) -> BTreeMap<PluginName, Digest> {
    let plugins = snapshot.plugins().iter();
    plugins.filter_map(|(name, plugin)| Some((name.clone(), plugin.active.as_ref()?.policy_digest))).collect()
}
