//! Who accused whom, so that a member that comes and goes can be explained.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use gossamer_wire::NodeId;
use serde::{Deserialize, Serialize};

use super::presence::Presence;

/// How many suspicions a node remembers: an hour of one member flapping every few seconds.
const LOG_MAX: usize = 512;

/// How many accusations wait for the suspicion that they explain; they come in the same packet as a rule.
const ACCUSATIONS_MAX: usize = 256;

/// One suspicion, as this node saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    pub accused: NodeId,
    /// The node whose probe failed. Where gossip lost that, the node that told us.
    pub accuser: NodeId,
    pub at: Instant,
    pub outcome: Outcome,
}

/// How a suspicion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    /// The accused spoke up.
    Refuted,
    /// The accused was given up.
    Confirmed,
}

/// What an accuser gossips beside SWIM's own message, which does not name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accusation {
    accused: Presence,
    incarnation: u16,
    accuser: Presence,
}

/// The last accusation of each node, until it is needed.
#[derive(Debug, Default)]
pub(super) struct Accusations(BTreeMap<NodeId, Accusation>);

/// The suspicions of the recent past, the newest last.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<Suspicion>);

// === impl Accusation ===

impl Accusation {
    pub(super) fn new(accused: Presence, incarnation: u16, accuser: Presence) -> Self {
        Self { accused, incarnation, accuser }
    }

    pub(super) fn accused(&self) -> NodeId {
        self.accused.node()
    }
}

// === impl Accusations ===

impl Accusations {
    /// Keeps the first accusation of one failing. Says whether it was the first.
    pub(super) fn hear(&mut self, accusation: Accusation) -> bool {
        let known = self.0.get(&accusation.accused()).is_some_and(|known| {
            known.accused == accusation.accused && known.incarnation >= accusation.incarnation
        });
        if known || (self.0.len() >= ACCUSATIONS_MAX && !self.0.contains_key(&accusation.accused())) {
            return false;
        }
        self.0.insert(accusation.accused(), accusation);
        true
    }

    pub(super) fn accuser_of(&self, accused: &NodeId) -> Option<NodeId> {
        self.0.get(accused).map(|accusation| accusation.accuser.node())
    }

    pub(super) fn forget(&mut self, accused: &NodeId) {
        self.0.remove(accused);
    }
}

// === impl Log ===

impl Log {
    pub(super) fn open(&mut self, suspicion: Suspicion) {
        if self.0.len() >= LOG_MAX {
            self.0.pop_front();
        }
        self.0.push_back(suspicion);
    }

    pub(super) fn close(&mut self, accused: NodeId, outcome: Outcome) {
        let open = self.0.iter_mut().rev().find(|suspicion| suspicion.accused == accused);
        if let Some(suspicion) = open.filter(|suspicion| suspicion.outcome == Outcome::Open) {
            suspicion.outcome = outcome;
        }
    }

    pub(super) fn to_vec(&self) -> Vec<Suspicion> {
        self.0.iter().copied().collect()
    }
}
