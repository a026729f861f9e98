//! Putting a node out of the mesh before its certificate ends, and hearing of those whom other cores put out.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use gossamer_cluster::Refusal;
use gossamer_identity::renewal::GRACE;
use gossamer_identity::{Evictions, EvictionsFileError, EvictionsFull, Peer};
use gossamer_wire::{Eviction, NodeId, Role, Trust};
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::warn;

use super::error::Unissued;
use super::{Desk, Issuer};

/// Why a node was not evicted.
#[derive(Debug, thiserror::Error)]
pub enum EvictError {
    #[error("a core does not evict itself; ask another one")]
    Myself,
    #[error(transparent)]
    Full(#[from] EvictionsFull),
    #[error(transparent)]
    File(#[from] EvictionsFileError),
    #[error("the core is stopping")]
    Stopped,
}

// === impl Issuer ===

impl Issuer {
    /// Puts a node out: on disk when this returns, and with this core it has nothing left but closed connections.
    /// The other cores hear of it at once.
    pub async fn evict(&self, node: NodeId) -> Result<Eviction, EvictError> {
        self.at_the_desk(move |desk| desk.evict(node)).await.ok_or(EvictError::Stopped)?
    }

    /// Who is out at present.
    pub fn evictions(&self) -> Vec<Eviction> {
        self.desk.evictions(|evictions| evictions.iter().collect())
    }

    /// Whom this core trusts, and whom it does not.
    pub fn trust(&self) -> Trust {
        Trust { roots: self.desk.authority.load().roots_digest(), evictions: self.evictions() }
    }

    /// Answers a core that says whom it trusts with the same; from nobody else is it taken.
    pub async fn compare(&self, peer: Peer, request: Bytes) -> Result<Bytes, Refusal> {
        self.answer(move |desk| {
            if peer.id.role != Role::Core {
                return Err(Unissued::NotACore);
            }
            desk.admit(peer.id.node)?;
            desk.merge(&Trust::decode(&request)?)?;
            Ok(Bytes::new())
        })
        .await?;
        Ok(self.trust().encode())
    }

    /// Takes over what another core knows of evicted nodes.
    pub(super) async fn merge(&self, theirs: Trust) {
        let merged = self.at_the_desk(move |desk| desk.merge(&theirs)).await;
        if let Some(Err(error)) = merged {
            warn!(%error, "Cannot keep who was evicted");
        }
    }

    /// Changes of roots and evictions.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.desk.news.subscribe()
    }
}

// === impl Desk ===

impl Desk {
    /// Who was evicted gets no certificate, whatever it shows.
    pub(super) fn admit(&self, node: NodeId) -> Result<(), Unissued> {
        if self.evictions(|evictions| evictions.contains(node)) {
            Err(Unissued::Evicted(node))
        } else {
            Ok(())
        }
    }

    fn evict(&self, node: NodeId) -> Result<Eviction, EvictError> {
        if self.identity.get().is_some_and(|own| own.node() == node) {
            return Err(EvictError::Myself);
        }
        let now = OffsetDateTime::now_utc();
        // Its last certificate may have been issued a moment ago, and lets it come back for a while.
        let until = (now + self.lifetime).saturating_add(GRACE).unix_timestamp();
        let eviction = Eviction { node, until };
        self.update(|evictions| evictions.evict(eviction, now).map_err(EvictError::from))?;
        warn!(%node, "Evicted a node");
        Ok(eviction)
    }

    fn merge(&self, theirs: &Trust) -> Result<(), EvictionsFileError> {
        let now = OffsetDateTime::now_utc();
        if theirs.roots != self.authority.load().roots_digest() {
            self.differs.store(true, Ordering::Relaxed);
            self.news.send_modify(|news| *news = news.wrapping_add(1));
        }
        self.update(|evictions| Ok(evictions.merge(&theirs.evictions, now)))
    }

    fn update<E: From<EvictionsFileError>>(
        &self,
        change: impl FnOnce(&mut Evictions) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut file = self.evictions.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = file.update(change)?;
        drop(file);
        if changed {
            self.bar();
            self.news.send_modify(|news| *news = news.wrapping_add(1));
        }
        Ok(())
    }

    /// Has every handshake and every open connection of this core know who is out.
    pub(super) fn bar(&self) {
        let nodes = self.evictions(Evictions::nodes);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the list is short")]
        metrics::gauge!("gossamer_identity_evicted").set(nodes.len() as f64);
        if let Some(identity) = self.identity.get() {
            identity.evict(nodes);
        }
    }

    fn evictions<T>(&self, look: impl FnOnce(&Evictions) -> T) -> T {
        look(self.evictions.lock().unwrap_or_else(PoisonError::into_inner).evictions())
    }
}
