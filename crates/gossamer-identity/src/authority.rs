//! The certificate authority of a mesh, on its cores: the root on the first, an intermediate on each further one.

mod certificates;
mod own;
mod reattest;
mod rotate;
mod store;

use std::path::PathBuf;
use std::time::Duration;

use gossamer_oci::{Algorithm, Digest, Hasher};
use gossamer_wire::{MeshName, NodeId};
use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::certificate::{Certificate, InvalidCertificate};
use crate::credentials::CredentialsError;
use crate::identity::InvalidCredentials;
use crate::key::{self, KeyError, NodeKey};
use crate::signing_request::InvalidSigningRequest;
use crate::{Credentials, Grant, Identity, Pin, SigningRequest, SpiffeId, Validity};

pub use own::OwnIdentityError;
pub use reattest::ReattestRefused;
pub use rotate::RotateError;
pub use store::AuthorityKey;

/// Issues the certificates of one mesh. Holds the CA key; prints nothing of it.
#[derive(Debug)]
pub struct Authority {
    mesh: MeshName,
    issuer: Issuer<'static, KeyPair>,
    /// The certificate of the CA key, then what leads from it towards older roots.
    certificates: Vec<CertificateDer<'static>>,
    roots: Vec<CertificateDer<'static>>,
    pin: Pin,
}

/// Why there is no authority. No existing key or certificate was changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the CA key is unusable")]
    Key(#[from] KeyError),
    #[error("the CA certificate is unusable")]
    Certificate(#[from] CredentialsError),
    #[error("{path} exists, but the CA key beside it is gone; restore it or start a new mesh elsewhere")]
    KeyLost { path: PathBuf },
    #[error("the CA certificate is not one of the mesh {mesh}")]
    OtherMesh { mesh: MeshName },
    #[error("the CA certificate is not for the CA key")]
    OtherKey,
    #[error("the CA certificate leads to none of the roots")]
    NoRoot,
    #[error("the CA certificate is malformed")]
    Malformed(#[from] InvalidCertificate),
    #[error("cannot use or make the CA certificate")]
    Issuer(#[from] rcgen::Error),
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Request(#[from] InvalidSigningRequest),
    #[error("a grant has at most {} media types", Grant::MEDIA_TYPES_MAX)]
    GrantTooLong,
    /// Below an intermediate there is no further one.
    #[error("only the core that holds the root certifies further cores")]
    NotTheRoot,
    #[error("the CA certificate is malformed")]
    Malformed(#[from] InvalidCertificate),
    #[error("the system has no randomness")]
    Random(#[from] getrandom::Error),
    #[error("cannot sign the certificate")]
    Sign(#[from] rcgen::Error),
    #[error("cannot make a signing request")]
    Key(#[from] KeyError),
    #[error("the issued certificate cannot be used")]
    Unusable(#[from] InvalidCredentials),
}

// === impl Authority ===

impl Authority {
    /// `certificates` begin with the one of `pair`, which leads to one of `roots`.
    fn new(
        mesh: &MeshName,
        pair: KeyPair,
        certificates: Vec<CertificateDer<'static>>,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, AuthorityError> {
        let own = certificates.first().ok_or(InvalidCertificate::Empty)?;
        let parsed = Certificate::parse(own)?;
        if parsed.uri()? != SpiffeId::of_mesh(mesh) {
            return Err(AuthorityError::OtherMesh { mesh: mesh.clone() });
        }
        if parsed.public_key_info() != rcgen::PublicKeyData::subject_public_key_info(&pair) {
            return Err(AuthorityError::OtherKey);
        }
        let pin = Pin::of(root_of(&parsed, &roots).ok_or(AuthorityError::NoRoot)?)?;
        let issuer = Issuer::from_ca_cert_der(own, pair)?;
        Ok(Self { mesh: mesh.clone(), issuer, certificates, roots, pin })
    }

    pub fn mesh(&self) -> &MeshName {
        &self.mesh
    }

    /// X.509, DER: every root that the mesh trusts at present.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// SHA-256 over the roots, in their order: whether two cores trust the same.
    pub fn roots_digest(&self) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        self.roots.iter().for_each(|root| hasher.update(root));
        hasher.finish()
    }

    /// A PKCS #10 request, DER, for the next certificate of the CA key; see [`delegate`](Self::delegate).
    pub fn signing_request(&self) -> Result<Vec<u8>, KeyError> {
        key::signing_request(self.issuer.key())
    }

    /// Of the root that leads to what this authority issues.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Whether this is the authority that certifies the others.
    pub fn is_root(&self) -> bool {
        self.certificates.first().is_some_and(|own| self.roots.contains(own))
    }

    /// From when to when the CA certificate itself holds.
    pub fn validity(&self) -> Result<Validity, InvalidCertificate> {
        let own = self.certificates.first().ok_or(InvalidCertificate::Empty)?;
        Ok(Certificate::parse(own)?.validity())
    }

    /// Certifies that the key of `request` is `node`'s, with `grant`, for as long as `validity` says, but no
    /// longer than the CA certificate holds: what it signs would lead nowhere then.
    /// The caller has made sure that it may be so.
    pub fn issue(
        &self,
        request: &SigningRequest,
        node: NodeId,
        grant: &Grant,
        validity: Validity,
    ) -> Result<Credentials, IssueError> {
        let id = SpiffeId { mesh: self.mesh.clone(), role: grant.role.clone(), node };
        let not_after = validity.not_after.min(self.validity()?.not_after);
        let leaf = certificates::leaf(&id, grant, Validity { not_after, ..validity })?;
        let leaf = leaf.signed_by(request.public_key(), &self.issuer)?;
        let chain = std::iter::once(leaf.into()).chain(self.intermediates().iter().cloned()).collect();
        Ok(Credentials { chain, roots: self.roots.clone() })
    }

    /// Certifies the CA key of a further core: it may issue for nodes, but certify no further authority.
    /// X.509, DER, what leads from it towards older roots included.
    pub fn delegate(
        &self,
        request: &SigningRequest,
        validity: Validity,
    ) -> Result<Vec<CertificateDer<'static>>, IssueError> {
        if !self.is_root() {
            return Err(IssueError::NotTheRoot);
        }
        let intermediate = certificates::intermediate(&self.mesh, request.public_key(), validity)?;
        let intermediate = intermediate.signed_by(request.public_key(), &self.issuer)?;
        Ok(std::iter::once(intermediate.into()).chain(self.intermediates().iter().cloned()).collect())
    }

    /// An identity for a key at hand, without a token: for the core's own, and for tests.
    pub fn enrol(
        &self,
        key: NodeKey,
        grant: &Grant,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<Identity, IssueError> {
        let request = SigningRequest::parse(&key.signing_request()?)?;
        let credentials = self.issue(&request, key.node(), grant, Validity::starting(now, lifetime))?;
        Ok(Identity::new(key, credentials)?)
    }

    /// What leads from a leaf to a root, nearest first. A root itself is never sent along.
    fn intermediates(&self) -> &[CertificateDer<'static>] {
        let all = self.certificates.as_slice();
        if self.is_root() { all.get(1..).unwrap_or_default() } else { all }
    }
}

/// The root that signed `certificate`, which may be itself.
fn root_of<'a>(
    certificate: &Certificate<'_>,
    roots: &'a [CertificateDer<'static>],
) -> Option<&'a CertificateDer<'static>> {
    roots.iter().find(|root| {
        Certificate::parse(root).is_ok_and(|root| root.subject_name() == certificate.issuer_name())
    })
}

#[cfg(test)]
mod tests;
