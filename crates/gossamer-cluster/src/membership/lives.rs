//! What members themselves have let us know: that they live, and in which life.
//!
//! Gossip is a hint. What comes over a connection whose certificate names the member is its own word.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gossamer_wire::NodeId;

use super::{presence::Presence, roster::Roster};

/// How many that are not members now are kept: those who came and went since the last look.
const STRANGERS_MAX: usize = 1_024;

/// The last sign of life of each member. Times are those of foca's clock.
#[derive(Debug, Default)]
pub(super) struct Lives(BTreeMap<NodeId, Life>);

#[derive(Clone, Copy, Debug)]
struct Life {
    heard: Instant,
    /// The life that it last said to be in. `None` if it has only been seen at work.
    presence: Option<Presence>,
}

// === impl Lives ===

impl Lives {
    /// A packet or a letter came from this member.
    pub(super) fn spoke(&mut self, presence: Presence, roster: &Roster, now: Instant) {
        self.make_room(roster);
        self.0.insert(presence.node(), Life { heard: now, presence: Some(presence) });
    }

    /// A member was seen at work. Of others nothing is kept.
    pub(super) fn seen(&mut self, node: NodeId, roster: &Roster, now: Instant) {
        if roster.get(&node).is_some() {
            self.make_room(roster);
            self.0.entry(node).or_insert(Life { heard: now, presence: None }).heard = now;
        }
    }

    /// Whether the member gave a sign of life after this moment.
    pub(super) fn lived_after(&self, node: &NodeId, moment: Instant) -> bool {
        self.0.get(node).is_some_and(|life| life.heard > moment)
    }

    /// Whether the member gave a sign of life within this time.
    pub(super) fn lived_within(&self, node: &NodeId, time: Duration, now: Instant) -> bool {
        self.0.get(node).is_some_and(|life| now.saturating_duration_since(life.heard) < time)
    }

    /// Whether this life is so far beyond what its node itself has said that nobody else is believed about it.
    pub(super) fn is_absurd(&self, presence: &Presence) -> bool {
        let word = self.0.get(&presence.node()).and_then(|life| life.presence);
        presence.leaps_beyond(word.as_ref())
    }

    fn make_room(&mut self, roster: &Roster) {
        if self.0.len() >= STRANGERS_MAX.saturating_add(roster.len()) {
            self.0.retain(|node, _| roster.get(node).is_some());
        }
    }
}
