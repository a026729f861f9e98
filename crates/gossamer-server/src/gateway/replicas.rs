//! Which instance a forwarded request belongs to.

#[cfg(test)]
mod tests;

use gossamer_cluster::rank;

use crate::directory::{Instance, Route, Snapshot};

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
