//! A request for a certificate, checked: well formed, P-256, signed by the key that it names.

use gossamer_oci::Digest;
use gossamer_wire::NodeId;
use rcgen::{CertificateSigningRequestParams, PublicKey, PublicKeyData as _};
use rustls::pki_types::CertificateSigningRequestDer;

use crate::key::node_of;

/// Bytes of an uncompressed P-256 point (SEC 1, section 2.3.3).
const POINT_BYTES: usize = 65;

/// A sound PKCS #10 request. Of its content only the public key counts; names and extensions that it
/// asks for are ignored.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    public_key: PublicKey,
}

/// Why a request for a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningRequest {
    #[error("the signing request is malformed, or not signed by its own key")]
    Malformed(#[source] rcgen::Error),
    #[error("the key in the signing request is not on the curve P-256")]
    Curve,
}

// === impl SigningRequest ===

impl SigningRequest {
    pub fn parse(der: &[u8]) -> Result<Self, InvalidSigningRequest> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der))
            .map_err(InvalidSigningRequest::Malformed)?;
        let public_key = request.public_key;
        if public_key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256
            || public_key.der_bytes().len() != POINT_BYTES
        {
            return Err(InvalidSigningRequest::Curve);
        }
        Ok(Self { public_key })
    }

    /// The id of a node that joins with this key.
    pub fn node(&self) -> NodeId {
        node_of(self.public_key.der_bytes())
    }

    /// SHA-256 over the key's `SubjectPublicKeyInfo`, so that a token can be tied to it: the same for every
    /// request of this key, while the requests differ by their signatures.
    pub fn key_digest(&self) -> Digest {
        Digest::sha256(&self.public_key.subject_public_key_info())
    }

    /// Whether the key is the one with this `SubjectPublicKeyInfo`, DER.
    pub(crate) fn is_by(&self, public_key_info: &[u8]) -> bool {
        self.public_key.subject_public_key_info() == public_key_info
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}
