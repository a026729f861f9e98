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

/// Who cannot hear whom: from, to.
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts(BTreeSet<(usize, usize)>);

// === impl Cuts ===

impl Cuts {
    pub(super) fn between(&mut self, left: &[usize], right: &[usize]) {
        for from in left {
            self.one_way(*from, right);
        }
        for from in right {
            self.one_way(*from, left);
        }
    }

    pub(super) fn one_way(&mut self, from: usize, to: &[usize]) {
        self.0.extend(to.iter().map(|to| (from, *to)));
    }

    pub(super) fn block(&self, from: usize, to: usize) -> bool {
        self.0.contains(&(from, to))
    }

    pub(super) fn separate(&self, one: usize, other: usize) -> bool {
        self.block(one, other) || self.block(other, one)
    }
}
