//! Which plugin a request belongs to. Pure: built from what was admitted, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gossamer_oci::{Digest, MediaType, PluginName};
use semver::Version;
use serde::Serialize;

use crate::rollout::Percent;

mod mounts;
mod whynot;

pub use mounts::Mount;
pub use whynot::{PassedOver, WhyNot};

/// One version of one plugin, as it was admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    pub plugin: PluginName,
    pub version: Version,
    /// Grows with every start of an instance; the newest one that announced this version and policy.
    pub generation: u64,
    pub policy: Digest,
    pub media_types: BTreeSet<MediaType>,
}

/// The routes of a mesh at one moment. Two cores with the same digest select alike.
#[derive(Clone, Debug)]
pub struct RouteTable {
    routes: BTreeMap<PluginName, Arc<Route>>,
    claims: BTreeMap<MediaType, BTreeSet<PluginName>>,
    mounts: Vec<Mount>,
    passed_over: Vec<PassedOver>,
    conflicts: Vec<Conflict>,
    digest: Digest,
}

/// What of a request tells its plugin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Percent-decoded, without the query.
    pub path: &'a str,
    /// Without the port.
    pub host: &'a str,
    /// The type of the manifest if there is one, else the `Content-Type`, then what the client accepts.
    pub media_types: &'a [MediaType],
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    Route {
        route: Arc<Route>,
        by: Selected,
    },
    /// The path or a mount names a plugin that has no route.
    Unknown {
        plugin: PluginName,
    },
    /// Several plugins claim the media type: nobody gets the request.
    Conflict {
        media_type: MediaType,
        plugins: BTreeSet<PluginName>,
    },
    /// No path, mount or media type points to any plugin.
    Nobody,
}

/// By which rule a route was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selected {
    /// `/artifacts/<plugin>/…`
    Path,
    Mount,
    MediaType,
}

/// Who claims a media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    Nobody,
    One(&'a Arc<Route>),
    Several(&'a BTreeSet<PluginName>),
}

/// Announcements that cannot all be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    MediaType {
        media_type: MediaType,
        plugins: BTreeSet<PluginName>,
    },
    /// The same version came with different policies or media types; the newest generation is followed.
    Version {
        plugin: PluginName,
        version: Version,
        policies: BTreeSet<Digest>,
    },
}

/// What stands between `/artifacts/` and the rest where the media type decides.
const BY_MEDIA_TYPE: &str = "-";

// === impl RouteTable ===

impl RouteTable {
    /// Picks one route per plugin: the pinned version, else the highest, and of that the newest generation.
    ///
    /// A plugin whose pinned version nobody announces has no route.
    pub fn build(
        announced: impl IntoIterator<Item = Route>,
        mounts: impl IntoIterator<Item = Mount>,
        pins: &BTreeMap<PluginName, Version>,
    ) -> Self {
        let mut by_plugin: BTreeMap<PluginName, Vec<Arc<Route>>> = BTreeMap::new();
        for route in announced {
            by_plugin.entry(route.plugin.clone()).or_default().push(Arc::new(route));
        }
        let (mut routes, mut passed_over, mut conflicts) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (plugin, announced) in by_plugin {
            let (chosen, rest) = whynot::choose(announced, pins.get(&plugin));
            conflicts.extend(chosen.as_ref().and_then(|chosen| whynot::divergence(chosen, &rest)));
            passed_over.extend(rest);
            routes.extend(chosen.map(|route| (plugin, route)));
        }
        let claims = claims(&routes);
        conflicts.extend(claims.iter().filter(|(_, plugins)| plugins.len() > 1).map(
            |(media_type, plugins)| Conflict::MediaType {
                media_type: media_type.clone(),
                plugins: plugins.clone(),
            },
        ));
        let mounts = mounts::in_order(mounts);
        let digest = digest(&routes, &mounts);
        Self { routes, claims, mounts, passed_over, conflicts, digest }
    }

    /// The same routes, with canaries that decide for a share of a plugin's repositories by the policy with this
    /// digest. Selections do not change; the table's digest does.
    #[must_use]
    pub fn with_canaries(mut self, canaries: &BTreeMap<PluginName, (Percent, Digest)>) -> Self {
        if !canaries.is_empty() {
            // Numbers and texts always serialise.
            let text = serde_json::to_vec(&(self.digest, canaries)).unwrap_or_default();
            self.digest = Digest::sha256(&text);
        }
        self
    }

    pub fn plugin(&self, plugin: &PluginName) -> Option<&Arc<Route>> {
        self.routes.get(plugin)
    }

    /// In the order of the plugins' names.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values()
    }

    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// What was announced and not chosen, and why.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// SHA-256 over everything that selections depend on.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn claim(&self, media_type: &MediaType) -> Claim<'_> {
        match self.claims.get(media_type) {
            None => Claim::Nobody,
            Some(plugins) if plugins.len() > 1 => Claim::Several(plugins),
            Some(plugins) => {
                plugins.first().and_then(|plugin| self.routes.get(plugin)).map_or(Claim::Nobody, Claim::One)
            }
        }
    }

    /// The most particular mount that the request is below.
    pub fn mount(&self, request: &Request<'_>) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.covers(request))
    }

    /// The plugin of a request: by its path, else by a mount, else by a media type.
    pub fn select(&self, request: &Request<'_>) -> Selection {
        match addressed(request.path) {
            Addressed::Plugin(plugin) => self.named(plugin, Selected::Path),
            Addressed::MediaType => self.by_media_type(request.media_types),
            Addressed::Elsewhere => match self.mount(request) {
                Some(mount) => self.named(mount.plugin.clone(), Selected::Mount),
                None if request.path.starts_with("/v2/") => self.by_media_type(request.media_types),
                None => Selection::Nobody,
            },
        }
    }

    fn named(&self, plugin: PluginName, by: Selected) -> Selection {
        match self.routes.get(&plugin) {
            Some(route) => Selection::Route { route: Arc::clone(route), by },
            None => Selection::Unknown { plugin },
        }
    }

    /// The first media type that anybody claims decides.
    fn by_media_type(&self, media_types: &[MediaType]) -> Selection {
        for media_type in media_types {
            match self.claim(media_type) {
                Claim::Nobody => {}
                Claim::One(route) => {
                    return Selection::Route { route: Arc::clone(route), by: Selected::MediaType };
                }
                Claim::Several(plugins) => {
                    return Selection::Conflict { media_type: media_type.clone(), plugins: plugins.clone() };
                }
            }
        }
        Selection::Nobody
    }
}

/// What a path says of the plugin.
enum Addressed {
    Plugin(PluginName),
    MediaType,
    Elsewhere,
}

fn addressed(path: &str) -> Addressed {
    let Some(rest) = path.strip_prefix("/artifacts/") else { return Addressed::Elsewhere };
    let (name, _) = rest.split_once('/').unwrap_or((rest, ""));
    if name == BY_MEDIA_TYPE {
        return Addressed::MediaType;
    }
    name.parse().map_or(Addressed::Elsewhere, Addressed::Plugin)
}

fn claims(routes: &BTreeMap<PluginName, Arc<Route>>) -> BTreeMap<MediaType, BTreeSet<PluginName>> {
    let mut claims: BTreeMap<MediaType, BTreeSet<PluginName>> = BTreeMap::new();
    for (plugin, route) in routes {
        for media_type in &route.media_types {
            claims.entry(media_type.clone()).or_default().insert(plugin.clone());
        }
    }
    claims
}

/// Hashes a JSON text, whose form leaves no two tables with one text. Generations do not change what is selected.
fn digest(routes: &BTreeMap<PluginName, Arc<Route>>, mounts: &[Mount]) -> Digest {
    let routes: Vec<_> = routes
        .values()
        .map(|route| (&route.plugin, route.version.to_string(), route.policy, &route.media_types))
        .collect();
    // Texts and lists of texts always serialise.
    Digest::sha256(&serde_json::to_vec(&(routes, mounts)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
