//! Why a route was not taken: when the table was built, and for one request.

use std::collections::BTreeSet;
use std::sync::Arc;

use gossamer_oci::{Digest, MediaType, PluginName};
use semver::Version;
use serde::Serialize;

use super::{Conflict, Request, Route, RouteTable, Selected, Selection};

/// A route that was announced and not chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    pub route: Arc<Route>,
    pub why: WhyNot,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// A higher version is there.
    Older { than: Version },
    /// An operator has pinned another version.
    Pinned { to: Version },
    /// A newer instance announced the same version with another policy or other media types.
    Superseded { by: Digest },
    /// The path or a mount gives the request to another plugin, or to one that is not there.
    Addressed { to: PluginName },
    /// It claims none of the request's media types, and no path or mount leads to it.
    NotClaimed,
    /// It claims a media type of the request after one that another plugin claims.
    ClaimedLater { media_type: MediaType },
    /// It is not alone in claiming this media type.
    Conflict { media_type: MediaType },
}

impl RouteTable {
    /// For every route that `request` does not get: why not. In the order of the plugins' names, then those that
    /// were passed over when the table was built.
    pub fn why_not(&self, request: &Request<'_>) -> Vec<PassedOver> {
        let selection = self.select(request);
        let rejected = self.routes.values().filter_map(|route| {
            let why = why_not(route, request, &selection)?;
            Some(PassedOver { route: Arc::clone(route), why })
        });
        rejected.chain(self.passed_over.iter().cloned()).collect()
    }
}

fn why_not(route: &Route, request: &Request<'_>, selection: &Selection) -> Option<WhyNot> {
    match selection {
        Selection::Route { route: chosen, .. } if chosen.plugin == route.plugin => None,
        Selection::Route { by: Selected::MediaType, .. } => {
            let claimed =
                request.media_types.iter().find(|media_type| route.media_types.contains(*media_type));
            Some(
                claimed.cloned().map_or(WhyNot::NotClaimed, |media_type| WhyNot::ClaimedLater { media_type }),
            )
        }
        Selection::Route { route: chosen, .. } => Some(WhyNot::Addressed { to: chosen.plugin.clone() }),
        Selection::Unknown { plugin } => Some(WhyNot::Addressed { to: plugin.clone() }),
        Selection::Conflict { media_type, plugins } if plugins.contains(&route.plugin) => {
            Some(WhyNot::Conflict { media_type: media_type.clone() })
        }
        Selection::Conflict { .. } | Selection::Nobody => Some(WhyNot::NotClaimed),
    }
}

/// The route of one plugin, and all others with the reason, the next best first. Instances that announce the same are
/// one. The order in which they are given counts for nothing.
pub(super) fn choose(
    mut announced: Vec<Arc<Route>>,
    pin: Option<&Version>,
) -> (Option<Arc<Route>>, Vec<PassedOver>) {
    announced.sort_by(|left, right| rank(right).cmp(&rank(left)));
    let chosen = announced.iter().find(|route| pin.is_none_or(|pin| route.version == *pin)).cloned();
    let mut passed_over: Vec<PassedOver> = Vec::new();
    for route in announced {
        let why = match (&chosen, pin) {
            (Some(chosen), _) if is_same(chosen, &route) => continue,
            (_, Some(pin)) if route.version != *pin => WhyNot::Pinned { to: pin.clone() },
            (Some(chosen), _) if route.version == chosen.version => WhyNot::Superseded { by: chosen.policy },
            (Some(chosen), _) => WhyNot::Older { than: chosen.version.clone() },
            (None, _) => continue, // without a pin something is chosen
        };
        if !passed_over.iter().any(|other| is_same(&other.route, &route)) {
            passed_over.push(PassedOver { route, why });
        }
    }
    (chosen, passed_over)
}

/// Everything of a route: what ranks alike is alike.
fn rank(route: &Route) -> (&Version, u64, Digest, &BTreeSet<MediaType>) {
    (&route.version, route.generation, route.policy, &route.media_types)
}

fn is_same(left: &Route, right: &Route) -> bool {
    (&left.version, left.policy, &left.media_types) == (&right.version, right.policy, &right.media_types)
}

/// The conflict among instances of the chosen version, if they do not all say the same.
pub(super) fn divergence(chosen: &Route, passed_over: &[PassedOver]) -> Option<Conflict> {
    let others = passed_over.iter().map(|other| &other.route).filter(|other| other.version == chosen.version);
    let policies: BTreeSet<Digest> = others.map(|other| other.policy).collect();
    if policies.is_empty() {
        return None;
    }
    let policies = policies.into_iter().chain([chosen.policy]).collect();
    Some(Conflict::Version { plugin: chosen.plugin.clone(), version: chosen.version.clone(), policies })
}
