//! How often one node may bring a new announcement: each costs a pull and, with a new policy, a trial.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gossamer_oci::Digest;
use gossamer_wire::NodeId;

/// Announcements that a node may bring at once: some restarts in a row, or a rolling upgrade that is undone.
const BURST: u32 = 8;

/// After this long a node may bring one more.
const REFILL: Duration = Duration::from_secs(5);

/// What every node has left.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    nodes: BTreeMap<NodeId, Allowance>,
}

#[derive(Debug)]
struct Allowance {
    /// The announcement that was let through last: to pull it again costs nothing.
    last: Digest,
    left: u32,
    refilled: Instant,
}

// === impl Allowances ===

impl Allowances {
    /// Lets an announcement through, or says how long its node has to wait.
    pub(super) fn take(&mut self, node: NodeId, announcement: Digest, now: Instant) -> Result<(), Duration> {
        let fresh = || Allowance { last: announcement, left: BURST, refilled: now };
        let is_new = !self.nodes.contains_key(&node);
        let allowance = self.nodes.entry(node).or_insert_with(fresh);
        if !is_new && allowance.last == announcement {
            return Ok(());
        }
        allowance.refill(now);
        if allowance.left == 0 {
            return Err(REFILL.saturating_sub(now.saturating_duration_since(allowance.refilled)));
        }
        allowance.left -= 1;
        allowance.last = announcement;
        Ok(())
    }

    /// Forgets nodes that are gone and have nothing to wait for. The rest is bounded by the members of the mesh, and
    /// by what those that come and go have spent.
    pub(super) fn retain(&mut self, nodes: &BTreeSet<NodeId>, now: Instant) {
        self.nodes.retain(|node, allowance| {
            allowance.refill(now);
            nodes.contains(node) || allowance.left < BURST
        });
    }
}

impl Allowance {
    fn refill(&mut self, now: Instant) {
        while self.left < BURST && now.saturating_duration_since(self.refilled) >= REFILL {
            self.left += 1;
            self.refilled += REFILL;
        }
        if self.left == BURST {
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        Digest::sha256(&number.to_be_bytes())
    }

    #[test]
    fn a_node_that_brings_one_announcement_after_the_other_has_to_wait() {
        let mut allowances = Allowances::default();
        let (node, other) = (NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16]));
        let now = tokio::time::Instant::now().into_std();
        for number in 0..BURST {
            assert_eq!(allowances.take(node, digest(number), now), Ok(()));
            assert_eq!(allowances.take(node, digest(number), now), Ok(()), "the same again");
        }
        assert_eq!(allowances.take(node, digest(99), now), Err(REFILL));
        assert_eq!(allowances.take(other, digest(99), now), Ok(()), "others do not wait");
        assert_eq!(allowances.take(node, digest(99), now + REFILL), Ok(()));
        assert!(allowances.take(node, digest(100), now + REFILL).is_err());
    }

    #[test]
    fn only_those_that_spent_something_are_remembered() {
        let mut allowances = Allowances::default();
        let node = NodeId::from_bytes([1; 16]);
        let now = tokio::time::Instant::now().into_std();
        allowances.take(node, digest(1), now).unwrap();
        allowances.retain(&BTreeSet::new(), now);
        assert_eq!(allowances.nodes.len(), 1, "to leave and come back does not help");
        allowances.retain(&BTreeSet::new(), now + REFILL * BURST);
        assert!(allowances.nodes.is_empty());
    }
}
