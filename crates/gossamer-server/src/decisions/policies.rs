//! Policies that decided lately, so that what they decided can be replayed when they are no longer active.

use std::sync::Arc;

use arc_swap::ArcSwap;
use gossamer_oci::Digest;
use gossamer_policy::Policy;

/// Most policies that are kept: more than any mesh has active, and each is some 10 KiB of text.
const POLICIES_MAX: usize = 64;

/// The policies, the latest first. Read on every request and changed only when a new one decides.
#[derive(Debug, Default)]
pub(super) struct Shelf(ArcSwap<Vec<Arc<Policy>>>);

// === impl Shelf ===

impl Shelf {
    pub(super) fn remember(&self, policy: &Arc<Policy>) {
        if self.0.load().iter().any(|kept| Arc::ptr_eq(kept, policy)) {
            return;
        }
        self.0.rcu(|kept| {
            let others = kept.iter().filter(|other| other.digest() != policy.digest()).cloned();
            std::iter::once(Arc::clone(policy)).chain(others).take(POLICIES_MAX).collect::<Vec<_>>()
        });
    }

    pub(super) fn get(&self, digest: Digest) -> Option<Arc<Policy>> {
        self.0.load().iter().find(|policy| policy.digest() == digest).cloned()
    }
}
