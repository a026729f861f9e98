//! What lies between the hosts, and what is cut.

use std::{collections::BTreeSet, ops::Range, time::Duration};

/// How many hosts there are and how well they hear each other.
#[derive(Clone, Debug)]
pub struct Network {
    pub nodes: usize,
    /// How probable it is that a packet is lost. Letters go over streams, which repeat what is lost.
    pub loss: f64,
    /// From sending to receiving.
    pub latency: Range<Duration>,
}

/// Pairs that cannot hear each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts(BTreeSet<(usize, usize)>);

// === impl Cuts ===

impl Cuts {
    pub(super) fn between(&mut self, left: &[usize], right: &[usize]) {
        for (left, right) in left.iter().flat_map(|left| right.iter().map(move |right| (*left, *right))) {
            self.0.insert((left.min(right), left.max(right)));
        }
    }

    pub(super) fn separate(&self, one: usize, other: usize) -> bool {
        self.0.contains(&(one.min(other), one.max(other)))
    }
}
