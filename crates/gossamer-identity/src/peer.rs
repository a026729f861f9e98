//! Who is at the other end of a connection, as its certificate says.

use gossamer_oci::Digest;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::certificate::{Certificate, InvalidCertificate};
use crate::{Grant, SpiffeId};

/// The holder of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub id: SpiffeId,
    pub grant: Grant,
    /// When the certificate ends, to the second. A connection may outlive it.
    pub not_after: OffsetDateTime,
    /// SHA-256 over the DER of the leaf.
    pub certificate: Digest,
}

// === impl Peer ===

impl Peer {
    /// Reads the leaf of a chain that TLS **has already verified**; checks no signature and no date.
    pub fn from_chain(chain: &[CertificateDer<'_>]) -> Result<Self, InvalidCertificate> {
        let leaf = chain.first().ok_or(InvalidCertificate::Empty)?;
        let certificate = Certificate::parse(leaf)?;
        Ok(Self {
            id: certificate.spiffe_id()?,
            grant: certificate.grant()?,
            not_after: certificate.validity().not_after,
            certificate: Digest::sha256(leaf),
        })
    }
}
