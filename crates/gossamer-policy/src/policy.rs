//! A policy that was taken: its text, what is known of it, and where it may run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossamer_oci::Digest;
use tokio::sync::Semaphore;

use crate::facts::Facts;
use crate::strikes::Strikes;
use crate::trusted::Home;
use crate::{PolicySource, clock};

/// An admitted or trusted policy. Shared; made by [`crate::Policies`].
pub struct Policy {
    source: Arc<PolicySource>,
    facts: Facts,
    place: Place,
    strikes: Mutex<Strikes>,
}

/// Where a policy runs.
pub(crate) enum Place {
    /// In this process.
    Trusted(Box<Home>),
    /// In an evaluator child. The permits are those that this policy may hold at once.
    Isolated(Arc<Semaphore>),
}

// === impl Policy ===

impl Policy {
    pub(crate) fn new(source: PolicySource, facts: Facts, place: Place) -> Arc<Self> {
        Arc::new(Self { source: Arc::new(source), facts, place, strikes: Mutex::new(Strikes::none()) })
    }

    pub fn digest(&self) -> Digest {
        self.source.digest()
    }

    pub fn is_trusted(&self) -> bool {
        matches!(self.place, Place::Trusted(_))
    }

    /// Whether the policy may ask for the request's body. If not, the body need not be fetched before it decides.
    pub fn reads_body(&self) -> bool {
        self.facts.reads_body
    }

    pub(crate) fn source(&self) -> &Arc<PolicySource> {
        &self.source
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// How much longer the policy is quarantined; none if it may run.
    pub fn quarantined(&self) -> Option<Duration> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner).resting(clock::now())
    }

    /// Counts a strike. The length of the quarantine if one begins with it.
    pub(crate) fn strike(&self) -> Option<Duration> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner).strike(clock::now())
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("digest", &self.digest()).field("trusted", &self.is_trusted()).finish()
    }
}
