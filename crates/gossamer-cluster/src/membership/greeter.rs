//! Whom to write to when nobody we know is left, or somebody we knew is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use gossamer_wire::NodeId;
use rand::{Rng, RngExt, seq::IteratorRandom};

use super::presence::Presence;
use crate::config::Tuning;

/// How many addresses of members we keep for the day when we are alone: the hosts of one mesh.
pub const REMEMBERED_MAX: usize = 256;

/// How many addresses one round tries: a few handshakes, not a storm.
const ROUND_MAX: usize = 6;

/// The first pause while alone. Doubles with each round that nobody answers.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// Repeats the join: with growing pauses, but for ever, while alone; and now and then for whoever is missing.
///
/// foca does neither: it sends one announcement, and does nothing at all while it knows nobody.
#[derive(Debug)]
pub(super) struct Greeter {
    /// The addresses that the operator gave, and who turned out to live there.
    seeds: BTreeMap<SocketAddr, Option<NodeId>>,
    remembered: BTreeMap<NodeId, SocketAddr>,
    alone: bool,
    at: Instant,
    pause: Duration,
    pause_max: Duration,
    /// How often one that is missing is greeted while we are not alone.
    every: Duration,
}

// === impl Greeter ===

impl Greeter {
    pub(super) fn new(
        seeds: impl IntoIterator<Item = SocketAddr>,
        remembered: BTreeMap<NodeId, SocketAddr>,
        tuning: &Tuning,
        now: Instant,
    ) -> Self {
        Self {
            seeds: seeds.into_iter().map(|seed| (seed, None)).collect(),
            remembered,
            alone: true,
            at: now,
            pause: PAUSE_MIN,
            pause_max: tuning.greet(),
            every: tuning.greet(),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.at
    }

    /// The addresses to write to now, if it is time.
    pub(super) fn due(
        &mut self,
        live: &BTreeSet<NodeId>,
        me: &Presence,
        rng: &mut impl Rng,
        now: Instant,
    ) -> Vec<SocketAddr> {
        if now < self.at {
            return Vec::new();
        }
        let pause = if self.alone { self.pause } else { self.every };
        // Two nodes that lost each other at one moment should not call at one moment for ever.
        self.at = now + pause.mul_f64(rng.random_range(0.75..1.25));
        self.pause = (self.pause * 2).min(self.pause_max);
        let wanted = if self.alone { ROUND_MAX } else { 1 };
        self.missing(live, me).into_iter().sample(rng, wanted)
    }

    /// Notes who is live. The moment we are alone is the moment to greet.
    pub(super) fn observe(&mut self, roster: impl Iterator<Item = Presence>, now: Instant) {
        let mut alone = true;
        for presence in roster {
            alone = false;
            let known = self.remembered.contains_key(&presence.node());
            if known || self.remembered.len() < REMEMBERED_MAX {
                self.remembered.insert(presence.node(), presence.address());
            }
        }
        if alone != self.alone {
            self.alone = alone;
            self.pause = PAUSE_MIN;
            self.at = if alone { now } else { now + self.every };
        }
    }

    /// Somebody answered the dial of an address.
    pub(super) fn met(&mut self, address: SocketAddr, node: NodeId) {
        if let Some(seed) = self.seeds.get_mut(&address) {
            *seed = Some(node);
        }
        // Who lives there now is not who lived there then.
        self.remembered.retain(|other, place| *place != address || *other == node);
    }

    pub(super) fn remembered(&self) -> &BTreeMap<NodeId, SocketAddr> {
        &self.remembered
    }

    fn missing(&self, live: &BTreeSet<NodeId>, me: &Presence) -> BTreeSet<SocketAddr> {
        let here = |node: &NodeId| *node == me.node() || live.contains(node);
        let taken: BTreeSet<_> =
            self.remembered.iter().filter(|(node, _)| here(node)).map(|(_, address)| *address).collect();
        let seeds =
            self.seeds.iter().filter(|(_, node)| !node.as_ref().is_some_and(here)).map(|(seed, _)| *seed);
        let lost = self.remembered.iter().filter(|(node, _)| !here(node)).map(|(_, address)| *address);
        seeds.chain(lost).filter(|address| *address != me.address() && !taken.contains(address)).collect()
    }
}
