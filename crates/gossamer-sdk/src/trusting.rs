//! Whom this node has no more to do with, as the cores say.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gossamer_cluster::{Refusal, RefusalKind};
use gossamer_identity::{Evictions, Identity, Peer};
use gossamer_wire::{Role, Trust};
use time::OffsetDateTime;

/// The list of evicted nodes, in memory: the cores tell it anew after every start.
#[derive(Clone, Debug)]
pub(crate) struct Trusting {
    identity: Identity,
    evictions: Arc<Mutex<Evictions>>,
}

// === impl Trusting ===

impl Trusting {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, evictions: Arc::default() }
    }

    /// Takes a core's word on who is evicted, and closes what is open to them.
    pub(crate) fn hear(&self, peer: &Peer, request: &[u8]) -> Result<Bytes, Refusal> {
        if peer.id.role != Role::Core {
            return Err(Refusal::new(RefusalKind::Forbidden, "only cores say whom to trust"));
        }
        let trust =
            Trust::decode(request).map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
        let mut evictions = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        if evictions.merge(&trust.evictions, OffsetDateTime::now_utc()) {
            self.identity.evict(evictions.nodes());
        }
        Ok(Bytes::new())
    }
}
