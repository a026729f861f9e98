//! Nodes that were put out before their certificates end: a pure list, bounded, the same on every core in the end.

mod file;

use std::collections::{BTreeMap, BTreeSet};

use gossamer_wire::{Eviction, NodeId, Trust};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use file::{EvictionsFile, EvictionsFileError};

/// Who is out, and until when that must be remembered. Owns no clock and no disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evictions {
    /// To the second, since 1970: when the last certificate that the node may have is of no use any more.
    until: BTreeMap<NodeId, i64>,
}

/// The list is full. Nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} nodes are evicted already; wait until their certificates have ended", Trust::EVICTIONS_MAX)]
pub struct EvictionsFull;

// === impl Evictions ===

impl Evictions {
    /// Puts a node out until `until`. Says whether that is news.
    pub fn evict(&mut self, eviction: Eviction, now: OffsetDateTime) -> Result<bool, EvictionsFull> {
        self.forget_ended(now);
        let Eviction { node, until } = eviction;
        if self.until.get(&node).is_some_and(|known| *known >= until) || until < now.unix_timestamp() {
            return Ok(false);
        }
        if self.until.len() >= Trust::EVICTIONS_MAX && !self.until.contains_key(&node) {
            return Err(EvictionsFull);
        }
        self.until.insert(node, until);
        Ok(true)
    }

    /// Adds what another core knows. Says whether anything was news. What does not fit is left out: that core
    /// still holds it against the node.
    pub fn merge(&mut self, theirs: &[Eviction], now: OffsetDateTime) -> bool {
        let news = theirs.iter().filter(|eviction| self.evict(**eviction, now).unwrap_or(false));
        news.count() > 0
    }

    pub fn contains(&self, node: NodeId) -> bool {
        self.until.contains_key(&node)
    }

    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.until.keys().copied().collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = Eviction> {
        self.until.iter().map(|(node, until)| Eviction { node: *node, until: *until })
    }

    fn forget_ended(&mut self, now: OffsetDateTime) {
        let now = now.unix_timestamp();
        self.until.retain(|_, until| *until >= now);
    }
}

#[cfg(test)]
mod tests;
