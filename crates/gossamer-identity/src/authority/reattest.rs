//! Nodes whose certificate has ended: an old certificate and its key are as good as a token, for a while.

use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::Authority;
use crate::certificate::{Certificate, InvalidCertificate};
use crate::renewal::GRACE;
use crate::tls::{TlsError, Trust};
use crate::{Peer, SigningRequest};

/// Why a node may not come back with its old certificate.
#[derive(Debug, thiserror::Error)]
pub enum ReattestRefused {
    #[error("the old certificate is not one of a mesh")]
    Certificate(#[from] InvalidCertificate),
    #[error("the roots cannot be trusted")]
    Roots(#[from] TlsError),
    #[error("the old certificate was not issued in this mesh")]
    NotOurs(#[source] rustls::Error),
    #[error("the old certificate is of another mesh")]
    OtherMesh,
    #[error("the signing request is not by the key of the old certificate")]
    OtherKey,
    #[error("the old certificate ended more than {} days ago; the node needs a new token", GRACE.whole_days())]
    TooLate,
}

// === impl Authority ===

impl Authority {
    /// Who comes back: the holder of `chain` (DER, leaf first), which may have ended inside the grace window, proven by a
    /// request that the same key signed.
    pub fn reattest(
        &self,
        request: &SigningRequest,
        chain: &[impl AsRef<[u8]>],
        now: OffsetDateTime,
    ) -> Result<Peer, ReattestRefused> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
        let peer = Peer::from_chain(&chain)?;
        let leaf = Certificate::parse(chain.first().ok_or(InvalidCertificate::Empty)?)?;
        let trust = Trust::new(&self.roots)?;
        trust.verify_chain(&chain, leaf.validity().not_before).map_err(ReattestRefused::NotOurs)?;
        if peer.id.mesh != self.mesh {
            return Err(ReattestRefused::OtherMesh);
        }
        if !request.is_by(leaf.public_key_info()) {
            return Err(ReattestRefused::OtherKey);
        }
        if now > peer.not_after.saturating_add(GRACE) {
            return Err(ReattestRefused::TooLate);
        }
        Ok(peer)
    }
}
