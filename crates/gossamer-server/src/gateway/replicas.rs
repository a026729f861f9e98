//! Which instance a forwarded request belongs to.

#[cfg(test)]
mod tests;

use gossamer_cluster::rank;

use crate::directory::{Instance, Route, Snapshot};
use crate::proxy::Standing;

/// An instance in its turn.
pub(super) struct Candidate {
    pub(super) instance: Instance,
    pub(super) standing: Standing,
}

// === impl Candidate ===

impl Candidate {
    /// Nothing is sent to an instance that is left alone.
    pub(super) fn is_asked(&self) -> bool {
        self.standing != Standing::Ejected
    }
}

/// The ranked instances in the order in which they are asked: those that are well, then those that are silent; of
/// each in rendezvous order.
pub(super) fn candidates(ranked: Vec<Instance>, standing: impl Fn(&Instance) -> Standing) -> Vec<Candidate> {
    let stand = |instance: Instance| Candidate { standing: standing(&instance), instance };
    let mut candidates: Vec<Candidate> = ranked.into_iter().map(stand).collect();
    candidates.sort_by_key(|candidate| candidate.standing); // keeps the order among equals
    candidates
}

/// The instances of the route's plugin in the order in which they are to be asked: rendezvous order
/// of `key`, those with the version that decided first. Without a key any instance will do; `salt`
/// spreads such requests.
pub fn ranked(snapshot: &Snapshot, route: &Route, key: Option<&str>, salt: &str) -> Vec<Instance> {
    order(snapshot.instances(&route.plugin), &route.version, key.unwrap_or(salt))
}

fn order(instances: &[Instance], version: &semver::Version, key: &str) -> Vec<Instance> {
    let ranked = rank(instances.iter().map(|instance| instance.node), key);
    let position = |instance: &Instance| {
        let place = ranked.iter().position(|node| *node == instance.node);
        (instance.version != *version, place)
    };
    let mut ordered = instances.to_vec();
    ordered.sort_by_key(position);
    ordered
}
