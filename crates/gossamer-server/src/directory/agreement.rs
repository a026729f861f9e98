//! Which other cores route otherwise than this one, since when, and when to ask them why. Pure: no clock, no task.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gossamer_oci::{Digest, MediaType, PluginName};
use gossamer_wire::{NodeId, PluginRoute};
use serde::Serialize;

/// How long cores may differ before one asks: what one has heard of reaches the others meanwhile.
const SETTLE: Duration = Duration::from_millis(500);

/// A core that still differs is asked this often at least.
const ASK_LONGEST: Duration = Duration::from_secs(30);

/// How often the length of a disagreement is measured.
const REFRESH: Duration = Duration::from_secs(1);

/// The cores that differ from this one.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    own: Option<Digest>,
    dissenters: BTreeMap<NodeId, Dissenter>,
}

#[derive(Debug)]
struct Dissenter {
    digest: Digest,
    since: Instant,
    ask_at: Instant,
    asked: u32,
}

/// A plugin that two cores route differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub plugin: PluginName,
    /// How the core that is asked routes it.
    pub here: Option<Way>,
    /// How the other core does.
    pub there: Option<Way>,
}

/// By what a core routes a plugin's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    pub version: String,
    pub policy: Digest,
    pub media_types: BTreeSet<MediaType>,
}

// === impl Agreement ===

impl Agreement {
    /// Compares this core's digest with what others gossip. A core that gossips none has only begun.
    pub(super) fn observe(
        &mut self,
        own: Digest,
        others: impl Iterator<Item = (NodeId, Option<Digest>)>,
        now: Instant,
    ) {
        let is_moved = self.own.replace(own) != Some(own);
        let differing =
            others.filter_map(|(node, digest)| Some((node, digest.filter(|other| *other != own)?)));
        let mut before = std::mem::take(&mut self.dissenters);
        for (node, digest) in differing {
            let known = before.remove(&node);
            let is_news = is_moved || known.as_ref().is_none_or(|known| known.digest != digest);
            let since = known.as_ref().map_or(now, |known| known.since);
            let dissenter = match known {
                Some(known) if !is_news => known,
                Some(_) | None => Dissenter { digest, since, ask_at: now + SETTLE, asked: 0 },
            };
            self.dissenters.insert(node, dissenter);
        }
    }

    /// The cores to be asked now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<NodeId> {
        let mut due = Vec::new();
        for (node, dissenter) in self.dissenters.iter_mut().filter(|(_, dissenter)| dissenter.ask_at <= now) {
            dissenter.asked = dissenter.asked.saturating_add(1);
            let doublings = dissenter.asked.min(10);
            dissenter.ask_at = now + SETTLE.saturating_mul(1 << doublings).min(ASK_LONGEST);
            due.push(*node);
        }
        due
    }

    /// When there is next something to ask or to measure.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let first = self.dissenters.values().map(|dissenter| dissenter.ask_at).min();
        first.map(|first| first.min(now + REFRESH))
    }

    /// Since when each core differs that does.
    pub(super) fn dissent(&self) -> BTreeMap<NodeId, Instant> {
        self.dissenters.iter().map(|(node, dissenter)| (*node, dissenter.since)).collect()
    }

    /// How many cores differ, and how long the first of them has.
    pub(super) fn measure(&self, now: Instant) -> (usize, Duration) {
        let first = self.dissenters.values().map(|dissenter| dissenter.since).min();
        let longest = first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        (self.dissenters.len(), longest)
    }
}

/// The plugins that two tables route differently, by name. Where there are none and the digests differ all the same,
/// the mounts do.
pub fn differences(here: &[PluginRoute], there: &[PluginRoute]) -> Vec<Difference> {
    let ways = |routes: &[PluginRoute]| -> BTreeMap<PluginName, Way> {
        routes.iter().map(|route| (route.plugin.clone(), Way::of(route))).collect()
    };
    let (mut here, mut there) = (ways(here), ways(there));
    let names: BTreeSet<PluginName> = here.keys().chain(there.keys()).cloned().collect();
    let compared = names.into_iter().map(|plugin| {
        let (here, there) = (here.remove(&plugin), there.remove(&plugin));
        Difference { plugin, here, there }
    });
    compared.filter(|difference| difference.here != difference.there).collect()
}

// === impl Way ===

impl Way {
    fn of(route: &PluginRoute) -> Self {
        let PluginRoute { plugin: _, version, policy, media_types, instances: _ } = route;
        Self {
            version: version.to_string(),
            policy: *policy,
            media_types: media_types.iter().cloned().collect(),
        }
    }
}
