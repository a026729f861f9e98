//! How far this node may trust its own judgement of others: Lifeguard's local health, and the unrest of a mass join.
//!
//! Source: A. Dadgar, J. Phillips, J. Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection",
//! 2018. There missed probes, refuted accusations and missed nacks raise the multiplier; here late timers do, too,
//! which need no help of others and are therefore what counts in a cluster of two.

use std::time::{Duration, Instant};

use gossamer_wire::NodeId;

use super::presence::Presence;

/// The worst score: everything takes three times as long then. Lifeguard's bound on the score is the same.
const SCORE_MAX: u32 = 8;

/// What one point adds to the factor.
const POINT: f64 = 0.25;

/// How many that come within [`UNREST`] make a storm: more than a small cluster has.
const STORM_JOINS: usize = 8;

/// How long handshakes and first probes after a storm keep everybody busy.
const UNREST: Duration = Duration::from_secs(5);

/// How much slower everything is in a storm.
const STORM_FACTOR: f64 = 2.0;

/// What speaks against ourselves. 0 is healthy.
#[derive(Debug, Default)]
pub(super) struct Health {
    score: u32,
    /// Who missed our last probe, unless that was answered.
    missed: Option<NodeId>,
    /// The last accusation against us that was counted.
    refuted: Option<(Presence, u16)>,
}

/// Counts those who come, to know a storm of joins.
#[derive(Debug)]
pub(super) struct Storm {
    window: Instant,
    came: usize,
    until: Option<Instant>,
}

// === impl Health ===

impl Health {
    pub(super) fn score(&self) -> u32 {
        self.score
    }

    /// A probe of ours was answered.
    pub(super) fn answered(&mut self) {
        self.score = self.score.saturating_sub(1);
        self.missed = None;
    }

    /// A probe of ours was not. Again the same member: that is its fault, and says nothing of us; one after the
    /// other: that is ours. Between two nodes a miss therefore never counts.
    pub(super) fn missed(&mut self, node: NodeId) {
        if self.missed.replace(node).is_some_and(|before| before != node) {
            self.worsen(1);
        }
    }

    /// Somebody accuses us. Each accusation counts once, however often gossip brings it.
    pub(super) fn accused(&mut self, me: Presence, incarnation: u16) {
        let counted =
            self.refuted.is_some_and(|(presence, counted)| presence == me && counted >= incarnation);
        if !counted {
            self.refuted = Some((me, incarnation));
            self.worsen(1);
        }
    }

    /// The others had given us up, and we live.
    pub(super) fn given_up(&mut self) {
        self.worsen(2);
    }

    /// Our own timers ran late. It takes more than the one probe that goes on after it to be well again.
    pub(super) fn overslept(&mut self) {
        self.worsen(2);
    }

    /// How much longer than usual we wait: from 1 to 3.
    pub(super) fn factor(&self) -> f64 {
        f64::from(self.score).mul_add(POINT, 1.0)
    }

    fn worsen(&mut self, points: u32) {
        self.score = self.score.saturating_add(points).min(SCORE_MAX);
    }
}

// === impl Storm ===

impl Storm {
    pub(super) fn new(now: Instant) -> Self {
        Self { window: now, came: 0, until: None }
    }

    pub(super) fn came(&mut self, count: usize, now: Instant) {
        if now.saturating_duration_since(self.window) > UNREST {
            (self.window, self.came) = (now, 0);
        }
        self.came = self.came.saturating_add(count);
        if count > 0 && self.came >= STORM_JOINS {
            self.until = Some(now + UNREST);
        }
    }

    /// 1, or 2 in a storm.
    pub(super) fn factor(&self, now: Instant) -> f64 {
        if self.until.is_some_and(|until| now < until) { STORM_FACTOR } else { 1.0 }
    }
}

#[cfg(test)]
mod tests;
