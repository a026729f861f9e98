//! The live members as they were last looked at, and what has changed since.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use gossamer_wire::NodeId;

use super::presence::Presence;
use crate::view::State;

/// The live members, ourselves not among them.
#[derive(Debug, Default)]
pub(super) struct Roster(BTreeMap<NodeId, Seen>);

/// A live member as last seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) presence: Presence,
    pub(super) state: State,
    pub(super) incarnation: u16,
    pub(super) since: Instant,
}

/// What one look found changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) came: Vec<NodeId>,
    pub(super) gone: Vec<NodeId>,
    pub(super) suspected: Vec<Seen>,
    pub(super) cleared: Vec<NodeId>,
}

// === impl Roster ===

impl Roster {
    pub(super) fn get(&self, node: &NodeId) -> Option<&Seen> {
        self.0.get(node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Seen)> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn nodes(&self) -> BTreeSet<NodeId> {
        self.0.keys().copied().collect()
    }

    pub(super) fn is_suspect(&self, node: &NodeId) -> bool {
        self.get(node).is_some_and(|seen| seen.state == State::Suspect)
    }

    /// Replaces the roster by who is live now.
    pub(super) fn look<'a>(
        &mut self,
        live: impl Iterator<Item = &'a foca::Member<Presence>>,
        now: Instant,
    ) -> Changes {
        let fresh: BTreeMap<_, _> = live.map(|member| (member.id().node(), self.see(member, now))).collect();
        let before = std::mem::replace(&mut self.0, fresh);
        let mut changes = Changes::default();
        for (node, seen) in &self.0 {
            let was = before.get(node);
            if was.is_none() {
                changes.came.push(*node);
            }
            let was_suspect = was.is_some_and(|was| was.state == State::Suspect);
            match seen.state {
                State::Suspect if !was_suspect => changes.suspected.push(*seen),
                State::Alive if was_suspect => changes.cleared.push(*node),
                State::Suspect | State::Alive => {}
            }
        }
        changes.gone = before.into_keys().filter(|node| !self.0.contains_key(node)).collect();
        changes
    }

    fn see(&self, member: &foca::Member<Presence>, now: Instant) -> Seen {
        let presence = *member.id();
        let before = self.get(&presence.node()).filter(|seen| seen.presence == presence);
        Seen {
            presence,
            state: if member.state() == foca::State::Suspect { State::Suspect } else { State::Alive },
            incarnation: member.incarnation(),
            since: before.map_or(now, |seen| seen.since),
        }
    }
}
