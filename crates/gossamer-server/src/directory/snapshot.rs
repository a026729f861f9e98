//! The plugins of the mesh at one moment, and whose a request is. Never changed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gossamer_oci::{Digest, MediaType, PluginName};
use gossamer_policy::rollout::Canary;
use gossamer_policy::{Claim, Conflict, Input, Mount, Policy, Request, RouteTable, Selected, Selection};
use gossamer_wire::{Announcement, LastGood, NodeId, PluginRoute, Routes};
use http::StatusCode;
use semver::Version;

use super::instance::Instance;
use super::roster::{self, Announced, Hint, Kept, Since, Standing};
use crate::decisions::Chosen;
use crate::trials::PlanTable;

/// The policy that a plugin's requests are decided by.
pub type Active = roster::Active<Arc<Policy>>;

/// One plugin as this core knows it.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// What decides its requests. Stays when the last instance goes, so that blobs are still served.
    pub active: Option<Active>,
    /// Everything that is admitted, the active version included: what can be pinned or tried out.
    pub versions: BTreeMap<Version, Active>,
    /// Every node that announces it, with how far that has come.
    pub announced: BTreeMap<Hint, Announced>,
    /// The instances that may be sent requests and events.
    pub instances: Vec<Instance>,
    /// The announcement that it is routed by while no instance is admitted, and its digest.
    pub last_good: Option<(Digest, Kept)>,
}

/// An immutable picture of all plugins.
#[derive(Debug)]
pub struct Snapshot {
    table: Arc<RouteTable>,
    plugins: BTreeMap<PluginName, Plugin>,
    mounts: Vec<Mount>,
    plans: Arc<PlanTable>,
}

/// The plugin that answers for a request, and the policy that says how.
#[derive(Clone, Debug)]
pub struct Route {
    pub plugin: PluginName,
    pub version: Version,
    pub policy: Arc<Policy>,
    /// The rule by which it was selected.
    pub by: Selected,
}

/// Why no plugin answers for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoute {
    /// 404, or 409 where several plugins claim what only one may have.
    pub status: StatusCode,
    /// A sentence for the client.
    pub reason: String,
}

// === impl Snapshot ===

impl Snapshot {
    /// Before anything was heard.
    pub(super) fn empty() -> Self {
        Self::new(BTreeMap::new(), &[], &BTreeMap::new())
    }

    pub(super) fn new(
        known: BTreeMap<PluginName, roster::Plugin<Arc<Policy>>>,
        mounts: &[Mount],
        pins: &BTreeMap<PluginName, Version>,
    ) -> Self {
        let routes = known.values().flat_map(|plugin| &plugin.candidates).map(route);
        let table = Arc::new(RouteTable::build(routes, mounts.iter().cloned(), pins));
        let plugins = known.into_iter().map(|(name, plugin)| {
            let plugin = Plugin::new(&table, &name, plugin);
            (name, plugin)
        });
        Self { plugins: plugins.collect(), table, mounts: mounts.to_vec(), plans: Arc::default() }
    }

    /// The same with what operators try out. The digest says which canaries decide for whom.
    pub(super) fn planned(self, plans: Arc<PlanTable>) -> Self {
        let Self { table, plugins, mounts, plans: _ } = self;
        let canaries = plans.iter().filter_map(|(name, plan)| {
            let canary = plan.canary.as_ref()?;
            let policy = plugins.get(name)?.versions.get(&canary.version)?.policy_digest;
            Some((name.clone(), (canary.percent, policy)))
        });
        let table = Arc::new(RouteTable::clone(&table).with_canaries(&canaries.collect()));
        Self { table, plugins, mounts, plans }
    }

    /// All plugins, by name.
    pub fn plugins(&self) -> &BTreeMap<PluginName, Plugin> {
        &self.plugins
    }

    /// Says whether two cores route alike.
    pub fn digest(&self) -> Digest {
        self.table.digest()
    }

    /// The table behind [`Snapshot::select`], for explanations.
    pub fn table(&self) -> Arc<RouteTable> {
        Arc::clone(&self.table)
    }

    /// Announcements that cannot all be right.
    pub fn conflicts(&self) -> &[Conflict] {
        self.table.conflicts()
    }

    /// The live instances of a plugin that may be sent requests and events.
    pub fn instances(&self, plugin: &PluginName) -> &[Instance] {
        self.plugins.get(plugin).map(|plugin| plugin.instances.as_slice()).unwrap_or_default()
    }

    /// The one plugin that claims a media type; none if nobody or several do.
    pub fn claimant(&self, media_type: &MediaType) -> Option<&PluginName> {
        match self.table.claim(media_type) {
            Claim::One(route) => self.table.plugin(&route.plugin).and_then(|_| self.name(&route.plugin)),
            Claim::Nobody | Claim::Several(_) => None,
        }
    }

    /// Whether `plugin`, by its active version, claims `media_type`.
    pub fn claims(&self, plugin: &PluginName, media_type: &MediaType) -> bool {
        self.table.plugin(plugin).is_some_and(|route| route.media_types.contains(media_type))
    }

    /// Places off `/artifacts/<plugin>/` that lead to plugins.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// Whether some mount begins at exactly this path, for whatever host.
    pub fn is_mounted(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| mount.prefix.as_deref().unwrap_or("/") == path)
    }

    /// The mount that the request is below, if its path does not name a plugin.
    pub fn mount(&self, input: &Input) -> Option<&Mount> {
        self.table.mount(&Request { path: &input.path, host: &input.host, media_types: &[] })
    }

    /// Whether an operator gave this path of this host, named by the mount, to a plugin: everything there is its.
    pub fn is_on_mounted_host(&self, host: &str, path: &str) -> bool {
        let is_any = self.mounts.iter().any(|mount| mount.host.is_some());
        is_any
            && self
                .table
                .mount(&Request { path, host, media_types: &[] })
                .is_some_and(|mount| mount.host.is_some())
    }

    /// The policy with this digest, if it is active or can be tried out.
    pub fn policy(&self, digest: Digest) -> Option<Arc<Policy>> {
        let versions = self.plugins.values().flat_map(|plugin| plugin.versions.values());
        let mut known = self.plugins.values().filter_map(|plugin| plugin.active.as_ref()).chain(versions);
        known.find(|active| active.policy_digest == digest).map(|active| Arc::clone(&active.policy))
    }

    /// What each plugin is routed by while it is away.
    pub(super) fn last_good(&self) -> impl Iterator<Item = (PluginName, (Since, Digest))> {
        let known = self.plugins.iter().filter_map(|(name, plugin)| Some((name, plugin.last_good.as_ref()?)));
        known.map(|(name, (digest, kept))| (name.clone(), (kept.since, *digest)))
    }

    /// What a plugin was last routed by, by its digest.
    pub fn announcement(&self, digest: Digest) -> Option<&Arc<Announcement>> {
        let mut known = self.plugins.values().filter_map(|plugin| plugin.last_good.as_ref());
        known.find(|(known, _)| *known == digest).map(|(_, kept)| &kept.announcement)
    }

    /// What another core is told.
    pub fn routes(&self) -> Routes {
        let plugins = self.table.routes().map(|route| PluginRoute {
            plugin: route.plugin.clone(),
            version: route.version.clone(),
            policy: route.policy,
            media_types: route.media_types.iter().cloned().collect(),
            instances: u32::try_from(self.instances(&route.plugin).len()).unwrap_or(u32::MAX),
        });
        let last_good = self.last_good().map(|(plugin, (since, announcement))| LastGood {
            plugin,
            announcement,
            since_ms: since.as_millis(),
        });
        Routes { digest: self.digest(), plugins: plugins.collect(), last_good: last_good.collect() }
    }

    /// The version that decides for a slice of the plugin's repositories, if it is admitted.
    pub fn canary(&self, plugin: &PluginName) -> Option<(&Canary, &Active)> {
        let canary = self.plans.get(plugin)?.canary.as_ref()?;
        Some((canary, self.plugins.get(plugin)?.versions.get(&canary.version)?))
    }

    /// The version that is evaluated beside the active one, if it is admitted.
    pub fn shadow(&self, plugin: &PluginName) -> Option<&Active> {
        let shadow = self.plans.get(plugin)?.shadow.as_ref()?;
        self.plugins.get(plugin)?.versions.get(shadow)
    }

    /// Every node that is an instance of something.
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.plugins.values().flat_map(|plugin| plugin.announced.keys()).map(|hint| hint.node).collect()
    }

    /// Whose request this is.
    pub fn select(&self, input: &Input) -> Result<Route, NoRoute> {
        let media_types = media_types(input);
        let request = Request { path: &input.path, host: &input.host, media_types: &media_types };
        match self.table.select(&request) {
            Selection::Route { route, by } => {
                let active = self.plugins.get(&route.plugin).and_then(|plugin| plugin.active.as_ref());
                let active = active.ok_or_else(|| unknown(&route.plugin))?;
                let policy = Arc::clone(&active.policy);
                Ok(Route { plugin: route.plugin.clone(), version: route.version.clone(), policy, by })
            }
            Selection::Unknown { plugin } => Err(unknown(&plugin)),
            Selection::Conflict { media_type, plugins } => {
                let names: Vec<_> = plugins.iter().map(PluginName::as_str).collect();
                let reason = format!("{media_type} is claimed by {}", names.join(" and "));
                Err(NoRoute { status: StatusCode::CONFLICT, reason })
            }
            Selection::Nobody => {
                let reason = "no path, mount or media type of this request leads to a plugin".to_owned();
                Err(NoRoute { status: StatusCode::NOT_FOUND, reason })
            }
        }
    }

    fn name(&self, plugin: &PluginName) -> Option<&PluginName> {
        self.plugins.get_key_value(plugin).map(|(name, _)| name)
    }
}

/// What a request says of its media type: what it carries, then what it accepts.
pub(crate) fn media_types(input: &Input) -> Vec<MediaType> {
    input.media_type.iter().chain(&input.accept).cloned().collect()
}

fn unknown(plugin: &PluginName) -> NoRoute {
    NoRoute { status: StatusCode::NOT_FOUND, reason: format!("no plugin {plugin} is known here") }
}

pub(super) fn route<P>(active: &roster::Active<P>) -> gossamer_policy::Route {
    let announcement = &active.announcement;
    gossamer_policy::Route {
        plugin: announcement.plugin.clone(),
        version: announcement.version.clone(),
        generation: announcement.generation.get(),
        policy: active.policy_digest,
        media_types: announcement.media_types.iter().cloned().collect(),
    }
}

// === impl Plugin ===

impl Plugin {
    fn new(table: &RouteTable, name: &PluginName, known: roster::Plugin<Arc<Policy>>) -> Self {
        let roster::Plugin { candidates, announced, last_good } = known;
        let chosen = table.plugin(name);
        let versions = versions(&candidates);
        let active = candidates.into_iter().find(|candidate| {
            chosen.is_some_and(|route| {
                route.policy == candidate.policy_digest
                    && route.version == candidate.announcement.version
                    && candidate
                        .announcement
                        .media_types
                        .iter()
                        .all(|claimed| route.media_types.contains(claimed))
            })
        });
        let admitted = announced.iter().filter(|(_, announced)| announced.standing == Standing::Admitted);
        let instances = admitted
            .filter_map(|(hint, announced)| {
                Some(Instance::of(announced.announcement.as_deref()?, hint.announcement))
            })
            .collect();
        let last_good = last_good.map(|kept| (kept.announcement.digest(), kept));
        Self { active, versions, announced, instances, last_good }
    }
}

/// The newest generation of each version.
fn versions(candidates: &[Active]) -> BTreeMap<Version, Active> {
    let mut versions: BTreeMap<Version, Active> = BTreeMap::new();
    for candidate in candidates {
        let newest =
            versions.entry(candidate.announcement.version.clone()).or_insert_with(|| candidate.clone());
        let rank = |active: &Active| (active.announcement.generation, active.policy_digest);
        if rank(newest) < rank(candidate) {
            *newest = candidate.clone();
        }
    }
    versions
}

// === impl Route ===

impl Route {
    /// As it is written into a record.
    pub fn chosen(&self) -> Chosen {
        let because = match self.by {
            Selected::Path => "the path names it",
            Selected::Mount => "a mount leads to it",
            Selected::MediaType => "it claims the media type",
        };
        Chosen {
            plugin: self.plugin.clone(),
            version: self.version.clone(),
            policy: self.policy.digest(),
            because: because.to_owned(),
        }
    }
}
