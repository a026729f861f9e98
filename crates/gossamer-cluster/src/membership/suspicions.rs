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

/// How many accusers of one node are kept: two independent ones decide, and one may be ourselves.
const ACCUSERS_MAX: usize = 4;

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

/// The accusations of each node in its last incarnation, until they are needed.
#[derive(Debug, Default)]
pub(super) struct Accusations(BTreeMap<NodeId, Charge>);

/// Who accuses one node.
#[derive(Debug)]
struct Charge {
    accused: Presence,
    incarnation: u16,
    /// The first accuser first.
    accusers: Vec<Accuser>,
}

#[derive(Clone, Copy, Debug)]
struct Accuser {
    node: NodeId,
    /// It has told us itself. What others say that it says may be made up.
    in_person: bool,
}

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

    pub(super) fn accuser(&self) -> NodeId {
        self.accuser.node()
    }
}

// === impl Accusations ===

impl Accusations {
    /// Keeps an accusation, told by `teller` or by ourselves. Says whether it is new.
    pub(super) fn hear(&mut self, accusation: Accusation, teller: Option<NodeId>) -> bool {
        let (accused, incarnation) = (accusation.accused, accusation.incarnation);
        let accuser = accusation.accuser();
        let accuser = Accuser { node: accuser, in_person: teller.is_none_or(|teller| teller == accuser) };
        if self.0.len() >= ACCUSATIONS_MAX && !self.0.contains_key(&accused.node()) {
            return false;
        }
        match self.0.get_mut(&accused.node()) {
            Some(charge) if charge.accused == accused && charge.incarnation > incarnation => false,
            Some(charge) if charge.accused == accused && charge.incarnation == incarnation => {
                charge.add(accuser)
            }
            Some(_) | None => {
                self.0.insert(accused.node(), Charge { accused, incarnation, accusers: vec![accuser] });
                true
            }
        }
    }

    pub(super) fn accuser_of(&self, accused: &NodeId) -> Option<NodeId> {
        self.0.get(accused)?.accusers.first().map(|accuser| accuser.node)
    }

    /// Whether this node accuses that one, as far as we have heard.
    pub(super) fn names(&self, accused: &Presence, incarnation: u16, accuser: &Presence) -> bool {
        self.accusers(accused, incarnation).any(|named| named.node == accuser.node())
    }

    /// Whether anybody but us accuses this node.
    pub(super) fn is_confirmed(&self, accused: &Presence, incarnation: u16, me: &Presence) -> bool {
        self.accusers(accused, incarnation).any(|accuser| accuser.node != me.node())
    }

    /// How many have told us themselves that they accuse this node.
    pub(super) fn witnesses(&self, accused: &Presence, incarnation: u16) -> usize {
        self.accusers(accused, incarnation).filter(|accuser| accuser.in_person).count()
    }

    fn accusers(&self, accused: &Presence, incarnation: u16) -> impl Iterator<Item = &Accuser> {
        let charge = self.0.get(&accused.node());
        let charge = charge.filter(|charge| charge.accused == *accused && charge.incarnation == incarnation);
        charge.into_iter().flat_map(|charge| &charge.accusers)
    }

    pub(super) fn forget(&mut self, accused: &NodeId) {
        self.0.remove(accused);
    }
}

// === impl Charge ===

impl Charge {
    fn add(&mut self, accuser: Accuser) -> bool {
        if let Some(known) = self.accusers.iter_mut().find(|known| known.node == accuser.node) {
            known.in_person |= accuser.in_person;
            return false;
        }
        let is_new = self.accusers.len() < ACCUSERS_MAX;
        if is_new {
            self.accusers.push(accuser);
        }
        is_new
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
