//! Members seen at work, on their way to the core: as many as it takes to know, not as many as there are requests.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use gossamer_wire::NodeId;
use tokio::sync::mpsc;

use crate::meter;

/// How many sightings wait for the core. More are dropped: the next says the same.
pub(crate) const SIGHTINGS_MAX: usize = 256;

/// How often one member's sightings are told: several times within the shortest suspicion.
const EVERY: Duration = Duration::from_millis(250);

/// How many members' last sightings are remembered; beyond, all are forgotten, which only tells some too often.
const TOLD_MAX: usize = 1_024;

/// Where sightings go in.
#[derive(Debug)]
pub(crate) struct Sightings {
    told: Mutex<BTreeMap<NodeId, Instant>>,
    to_core: mpsc::Sender<NodeId>,
}

// === impl Sightings ===

impl Sightings {
    pub(crate) fn new(to_core: mpsc::Sender<NodeId>) -> Self {
        Self { told: Mutex::default(), to_core }
    }

    pub(crate) fn add(&self, node: NodeId, now: Instant) {
        if self.is_due(node, now) && self.to_core.try_send(node).is_err() {
            meter::dropped("sightings", 1);
        }
    }

    fn is_due(&self, node: NodeId, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = told.get(&node).is_some_and(|last| now.saturating_duration_since(*last) < EVERY);
        if recent {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(node, now);
        true
    }
}

#[cfg(test)]
mod tests;
