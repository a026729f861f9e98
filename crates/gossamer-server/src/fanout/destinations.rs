//! Whom events are for.

use gossamer_cluster::rank;
use gossamer_events::{Head, Lane};
use gossamer_oci::{PluginName, RepositoryName};

use crate::directory::{Instance, Snapshot};

/// Whom events are for, and who takes them. An immutable snapshot: its answers fit each other.
pub trait Destinations: Send + Sync + 'static {
    /// Every plugin that claims media types, whether or not an instance of it lives. Events of a
    /// plugin that is not among them wait in the log.
    fn plugins(&self) -> Vec<PluginName>;

    /// The live instances of a plugin, in any order that is always the same.
    fn instances(&self, plugin: &PluginName) -> Vec<Instance>;

    /// The one plugin that the event is for: that of the path, if it claims the media type; outside
    /// of `artifacts/` the one that claims it. Nobody, if several do.
    fn plugin_of(&self, head: &Head) -> Option<PluginName>;

    /// The live instance that answers for the lane, the same on every core.
    fn owner(&self, lane: &Lane) -> Option<Instance>;
}

impl Destinations for Snapshot {
    fn plugins(&self) -> Vec<PluginName> {
        let routes = self.table();
        let claiming = routes.routes().filter(|route| !route.media_types.is_empty());
        claiming.map(|route| route.plugin.clone()).collect()
    }

    fn instances(&self, plugin: &PluginName) -> Vec<Instance> {
        Snapshot::instances(self, plugin).to_vec()
    }

    fn plugin_of(&self, head: &Head) -> Option<PluginName> {
        let media_type = head.media_type.as_ref();
        match head.repository.plugin() {
            // What has no media type, such as the end of a repository, is the path's plugin's.
            Some(plugin) => media_type.is_none_or(|claimed| self.claims(&plugin, claimed)).then_some(plugin),
            None => self.claimant(media_type?).cloned(),
        }
    }

    /// As requests are forwarded: an instance of the version that decides them, while one lives.
    fn owner(&self, lane: &Lane) -> Option<Instance> {
        let instances = Snapshot::instances(self, &lane.plugin);
        let routes = self.table();
        let version = routes.plugin(&lane.plugin).map(|route| &route.version);
        let is_current = |instance: &Instance| version == Some(&instance.version);
        let any_current = instances.iter().any(is_current);
        let able = || instances.iter().filter(|instance| is_current(instance) || !any_current);
        let ranked = rank(able().map(|instance| instance.node), owner_key(&lane.repository));
        let owner = ranked.first()?;
        able().find(|instance| instance.node == *owner).cloned()
    }
}

/// By what the owner of a repository is ranked: without the last component, below a plugin's path.
///
/// A plugin keeps `artifacts/yum/epel/packages` and `artifacts/yum/epel/repodata` for one thing,
/// `artifacts/yum/epel`; that is what its policy forwards requests by, so that requests and events
/// meet at one instance.
pub(super) fn owner_key(repository: &RepositoryName) -> &str {
    let whole = repository.as_str();
    let parent = whole.rsplit_once('/').map(|(parent, _)| parent);
    let is_below_plugin = |parent: &&str| parent.splitn(3, '/').count() == 3;
    parent.filter(|_| repository.plugin().is_some()).filter(is_below_plugin).unwrap_or(whole)
}
