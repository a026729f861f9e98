//! Roots and intermediates: the root's next key, and the certificates of the cores that issue below it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use gossamer_cluster::{Cluster, Refusal};
use gossamer_identity::renewal::{GRACE, Renewal, Step};
use gossamer_identity::{Authority, AuthorityError, Identity, OwnIdentityError, Peer, Pin, RotateError};
use gossamer_identity::{SigningRequest, Validity};
use gossamer_wire::{InvalidMessage, JoinResponse, RenewRequest, Role, method};
use time::OffsetDateTime;
use tracing::{info, warn};

use super::error::Unissued;
use super::{Desk, Issuer};
use crate::chain::Chain;

/// What this core is as an authority, and whom the mesh trusts.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Whether it holds the root.
    pub is_root: bool,
    /// Of the root that leads to what it issues.
    pub pin: Pin,
    /// From when to when its own CA certificate holds.
    pub validity: Validity,
    /// The pin of each root that it trusts, the newest first.
    pub roots: Vec<Pin>,
    /// When the roots before the newest are trusted no longer; known to the core that holds the root.
    pub retires: Option<OffsetDateTime>,
}

/// Why there is no new root.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Rotate(#[from] RotateError),
    #[error("the root is new, but this core's own certificate is not")]
    Own(#[from] OwnIdentityError),
    #[error("the core is stopping")]
    Stopped,
}

/// Why a further core goes on with the authority that it has.
#[derive(Debug, thiserror::Error)]
enum NotDelegated {
    #[error("the answer is malformed")]
    Answer(#[from] InvalidMessage),
    #[error("the answer cannot be used")]
    Authority(#[from] AuthorityError),
    #[error("this core's own certificate cannot be renewed")]
    Own(#[from] OwnIdentityError),
}

// === impl Issuer ===

impl Issuer {
    /// What this core is as an authority. `None` if its certificate cannot be read.
    pub fn standing(&self) -> Option<Standing> {
        let authority = self.desk.authority.load();
        let validity = authority.validity().ok()?;
        let roots: Vec<_> = authority.roots().iter().filter_map(|root| Pin::of(root).ok()).collect();
        let retires = (authority.is_root() && roots.len() > 1)
            .then(|| validity.not_before.checked_add(self.desk.overlap().try_into().ok()?))
            .flatten();
        Some(Standing { is_root: authority.is_root(), pin: authority.pin(), validity, roots, retires })
    }

    /// Makes the next root of the mesh. Both roots are trusted until every certificate of the old one has ended.
    pub async fn rotate(&self) -> Result<(), RotationError> {
        self.at_the_desk(Desk::rotate).await.ok_or(RotationError::Stopped)?
    }

    /// Answers a core's [`method::DELEGATE`] with the next certificate of its CA key.
    pub async fn delegate(&self, peer: Peer, request: Bytes) -> Result<Bytes, Refusal> {
        self.answer(move |desk| {
            if peer.id.role != Role::Core {
                return Err(Unissued::NotACore);
            }
            desk.admit(peer.id.node)?;
            let RenewRequest { csr } = RenewRequest::decode(&request)?;
            let authority = desk.delegate(&SigningRequest::parse(&csr)?)?;
            let loaded = desk.authority.load();
            let roots = loaded.roots().iter().map(|root| root.to_vec().into()).collect();
            let (mesh, cores) = (loaded.mesh().clone(), desk.cores.load().to_vec());
            Ok(JoinResponse { chain: Vec::new(), roots, mesh, cores, authority }.encode())
        })
        .await
    }

    /// Whether the CA certificate itself is due for renewal, or the roots have changed.
    pub(super) fn is_due(&self) -> bool {
        if self.desk.differs.swap(false, Ordering::Relaxed) {
            return true;
        }
        let authority = self.desk.authority.load();
        let validity = authority.validity().ok().filter(|_| !authority.is_root());
        validity.is_some_and(|validity| {
            !matches!(Renewal::stored(validity, 0.0).next(OffsetDateTime::now_utc()), Step::Wait(_))
        })
    }

    /// Asks the core that holds the root, whichever it is, for the next certificate and the present roots.
    pub(super) async fn follow_root(&self, cluster: &Cluster) {
        let authority = self.desk.authority.load_full();
        if authority.is_root() {
            return;
        }
        let Ok(csr) = authority.signing_request() else { return };
        let request = RenewRequest { csr: csr.into() }.encode();
        let view = cluster.view();
        for core in view.having(&Role::Core).filter(|core| core.node != view.me()) {
            if let Ok(answer) = cluster.call(core.node, method::DELEGATE, request.clone()).await {
                let followed = self.at_the_desk(move |desk| desk.follow(&answer)).await;
                if let Some(Err(error)) = followed {
                    warn!(error = %Chain(&error), "Cannot follow the root");
                }
                return;
            }
        }
    }

    /// Drops the roots that have served.
    pub(super) async fn retire(&self) {
        let retired = self.at_the_desk(|desk| {
            let authority = desk.authority.load();
            let next = authority.retire(&desk.directory, desk.overlap(), OffsetDateTime::now_utc())?;
            if let Some(next) = next {
                info!(pin = %next.pin(), "The root before this one is trusted no longer");
                desk.put(next);
            }
            Ok::<_, AuthorityError>(())
        });
        if let Some(Err(error)) = retired.await {
            warn!(error = %Chain(&error), "Cannot retire the old root");
        }
    }
}

// === impl Desk ===

impl Desk {
    /// How long two roots are trusted side by side: until every certificate below the old one has ended, one that an
    /// unreachable core issued last included, and nobody can come back with one.
    fn overlap(&self) -> Duration {
        (self.lifetime * 2).saturating_add(GRACE.unsigned_abs())
    }

    fn rotate(&self) -> Result<(), RotationError> {
        // One rotation at a time, and no token between two roots.
        let _ledger = self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let next = self.authority.load().rotate(&self.directory, OffsetDateTime::now_utc())?;
        info!(pin = %next.pin(), "Made the next root");
        self.put(next);
        if let Some(identity) = self.identity.get() {
            self.renew_own(identity)?;
        }
        Ok(())
    }

    fn follow(&self, answer: &[u8]) -> Result<(), NotDelegated> {
        let JoinResponse { roots, authority, .. } = JoinResponse::decode(answer)?;
        let certificates = |list: &[Bytes]| list.iter().map(|der| der.to_vec().into()).collect();
        let (mesh, digest) = (self.authority.load().mesh().clone(), self.authority.load().roots_digest());
        let next =
            Authority::install(&self.directory, &mesh, certificates(&authority), certificates(&roots))?;
        let is_new = next.roots_digest() != digest;
        self.put(next);
        if let Some(identity) = self.identity.get().filter(|_| is_new) {
            info!("The mesh has other roots, following");
            self.renew_own(identity)?;
        }
        Ok(())
    }

    pub(super) fn renew_own(&self, identity: &Identity) -> Result<(), OwnIdentityError> {
        let now = OffsetDateTime::now_utc();
        self.authority.load().renew_own(identity, &self.directory, self.lifetime, now)
    }

    fn put(&self, authority: Authority) {
        self.authority.store(authority.into());
        self.news.send_modify(|news| *news = news.wrapping_add(1));
    }
}
