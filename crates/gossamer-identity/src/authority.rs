//! The certificate authority of a mesh, on its cores.

mod own;
mod reattest;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gossamer_wire::{MeshName, NodeId};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::certificate::{Certificate, InvalidCertificate};
use crate::credentials::{self, CredentialsError};
use crate::identity::InvalidCredentials;
use crate::key::{self, KeyError, NodeKey};
use crate::signing_request::InvalidSigningRequest;
use crate::{Credentials, Grant, Identity, Pin, SigningRequest, SpiffeId, Validity, grant};

pub use own::OwnIdentityError;
pub use reattest::ReattestRefused;

const KEY_FILE: &str = "ca.key";
const CERTIFICATE_FILE: &str = "ca.crt";

/// Ten years: a root is rotated on purpose, not by surprise.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A core that issues by itself holds an intermediate right below the root; nothing goes below that.
const INTERMEDIATES_MAX: u8 = 1;

/// RFC 5280, section 4.1.2.2 wants at most 20 bytes, unique for each issuer; 16 random ones are.
const SERIAL_BYTES: usize = 16;

/// Issues the certificates of one mesh. Holds the CA key; prints nothing of it.
#[derive(Debug)]
pub struct Authority {
    mesh: MeshName,
    issuer: Issuer<'static, KeyPair>,
    /// What leads from a leaf to a root, nearest first. Empty while this authority is the root itself.
    intermediates: Vec<CertificateDer<'static>>,
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
    /// The authority that this directory holds: made at the first call, the same ever after.
    /// The key's mode is 0600, and it never leaves the directory.
    pub fn open_or_create(directory: &Path, mesh: &MeshName) -> Result<Self, AuthorityError> {
        let path = directory.join(CERTIFICATE_FILE);
        let certificates = credentials::read_pem(&path)?;
        let pair = match (key::load_pair(directory, KEY_FILE)?, &certificates) {
            (Some(pair), _) => pair,
            (None, None) => key::create_pair(directory, KEY_FILE)?,
            (None, Some(_)) => return Err(AuthorityError::KeyLost { path }),
        };
        let roots = match certificates {
            Some(roots) => roots,
            None => {
                let roots = vec![self_signed(mesh, &pair)?];
                credentials::write_pem(&path, &roots)?;
                roots
            }
        };
        Self::new(mesh, pair, roots)
    }

    /// The first root is the one that `pair` signs for.
    fn new(
        mesh: &MeshName,
        pair: KeyPair,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, AuthorityError> {
        let own = roots.first().ok_or(InvalidCertificate::Empty)?;
        if Certificate::parse(own)?.uri()? != SpiffeId::of_mesh(mesh) {
            return Err(AuthorityError::OtherMesh { mesh: mesh.clone() });
        }
        let pin = Pin::of(own)?;
        let issuer = Issuer::from_ca_cert_der(own, pair)?;
        Ok(Self { mesh: mesh.clone(), issuer, intermediates: Vec::new(), roots, pin })
    }

    pub fn mesh(&self) -> &MeshName {
        &self.mesh
    }

    /// X.509, DER: every root that the mesh trusts at present.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// Of the root that leads to what this authority issues.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Certifies that the key of `request` is `node`'s, with `grant`, for as long as `validity` says.
    /// The caller has made sure that it may be so.
    pub fn issue(
        &self,
        request: &SigningRequest,
        node: NodeId,
        grant: &Grant,
        validity: Validity,
    ) -> Result<Credentials, IssueError> {
        let id = SpiffeId { mesh: self.mesh.clone(), role: grant.role.clone(), node };
        let leaf = leaf(&id, grant, validity)?.signed_by(request.public_key(), &self.issuer)?;
        let chain = std::iter::once(leaf.into()).chain(self.intermediates.iter().cloned()).collect();
        Ok(Credentials { chain, roots: self.roots.clone() })
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
}

// === certificates ===

fn self_signed(mesh: &MeshName, pair: &KeyPair) -> Result<CertificateDer<'static>, AuthorityError> {
    let mut root = CertificateParams::default();
    let validity = Validity::starting(OffsetDateTime::now_utc(), ROOT_LIFETIME);
    root.not_before = validity.not_before;
    root.not_after = validity.not_after;
    root.distinguished_name = root_name(mesh, pair);
    root.subject_alt_names = vec![SanType::URI(SpiffeId::of_mesh(mesh).as_str().try_into()?)];
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(INTERMEDIATES_MAX));
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(root.self_signed(pair)?.into())
}

/// SPIFFE X509-SVID, sections 2 and 4: one URI name, no CA, signs handshakes as client and as server.
fn leaf(id: &SpiffeId, grant: &Grant, validity: Validity) -> Result<CertificateParams, IssueError> {
    if grant.media_types.len() > Grant::MEDIA_TYPES_MAX {
        return Err(IssueError::GrantTooLong);
    }
    let extension = grant::encode(&grant.media_types).ok_or(IssueError::GrantTooLong)?;
    let mut leaf = CertificateParams::default();
    leaf.serial_number = Some(serial()?);
    leaf.not_before = validity.not_before;
    leaf.not_after = validity.not_after;
    leaf.distinguished_name = common_name(&id.node.to_string());
    leaf.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    leaf.custom_extensions = vec![CustomExtension::from_oid_content(grant::OID, extension)];
    Ok(leaf)
}

/// Two roots of one mesh differ in name, so that a chain leads to one of them only.
fn root_name(mesh: &MeshName, pair: &KeyPair) -> DistinguishedName {
    let mut name = common_name(&format!("gossamer root {}", key::node_of(pair.der_bytes())));
    name.push(DnType::OrganizationName, DnValue::Utf8String(mesh.to_string()));
    name
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, DnValue::Utf8String(text.into()));
    name
}

fn serial() -> Result<SerialNumber, getrandom::Error> {
    let mut bytes = [0; SERIAL_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
