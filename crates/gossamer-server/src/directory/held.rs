//! Versions that a plan names stay when their last instance goes, as the best version of every plugin does.

use std::collections::BTreeMap;

use gossamer_oci::PluginName;
use gossamer_policy::rollout::Plan;
use semver::Version;

use super::roster::{Active, Plugin};
use crate::trials::PlanTable;

/// The versions that plans name, as they were last seen.
#[derive(Debug)]
pub(super) struct Held<P>(BTreeMap<(PluginName, Version), Active<P>>);

// === impl Held ===

impl<P> Default for Held<P> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<P: Clone> Held<P> {
    /// Adds to each plugin the versions that its plan names and that nobody announces any more. Forgets all others.
    pub(super) fn fill(&mut self, plugins: &mut BTreeMap<PluginName, Plugin<P>>, plans: &PlanTable) {
        self.0.retain(|(plugin, version), _| {
            plans.get(plugin).is_some_and(|plan| named(plan).any(|name| name == version))
        });
        for (name, plugin) in plugins {
            for version in plans.get(name).into_iter().flat_map(named) {
                let is_it = |active: &&Active<P>| active.announcement.version == *version;
                let key = (name.clone(), version.clone());
                match plugin.candidates.iter().find(is_it) {
                    Some(active) => drop(self.0.insert(key, active.clone())),
                    None => plugin.candidates.extend(self.0.get(&key).cloned()),
                }
            }
        }
    }
}

fn named(plan: &Plan) -> impl Iterator<Item = &Version> {
    let canary = plan.canary.as_ref().map(|canary| &canary.version);
    plan.pin.iter().chain(&plan.previous).chain(&plan.shadow).chain(canary)
}
