//! Whether a certificate is of this mesh: it leads to a root, is in time, and names a node of the mesh.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use time::OffsetDateTime;

use super::{ClientAuth, TlsError, provider};
use crate::SpiffeId;
use crate::certificate::{Certificate, InvalidCertificate};
use crate::identity::Standing;

/// The roots of a mesh, ready for verifying.
#[derive(Debug)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    /// Verifies chains of those who connect.
    clients: Arc<dyn ClientCertVerifier>,
}

/// Verifies both sides of a handshake against the roots and the mesh of the moment.
#[derive(Debug)]
pub(super) struct MeshVerifier {
    standing: Arc<Standing>,
    clients: ClientAuth,
}

/// The certificate is sound, but of somebody who is not to be talked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwelcome {
    #[error("the certificate is for {id}, of another mesh")]
    OtherMesh { id: SpiffeId },
    #[error("the certificate is for {id}, which was evicted")]
    Evicted { id: SpiffeId },
    #[error("the certificate is for {id}, which is no core")]
    NotACore { id: SpiffeId },
    #[error(transparent)]
    Certificate(#[from] InvalidCertificate),
}

// === impl Trust ===

impl Trust {
    pub(crate) fn new(roots: &[CertificateDer<'_>]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone()).map_err(TlsError::Root)?;
        }
        let roots = Arc::new(store);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider().clone())
            .build()
            .map_err(TlsError::NoRoot)?;
        Ok(Self { roots, clients })
    }

    /// Whether `chain` would lead to a root at the time `at`.
    pub(crate) fn verify_chain(&self, chain: &[CertificateDer<'_>], at: OffsetDateTime) -> Result<(), Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        let seconds = u64::try_from(at.unix_timestamp()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        self.verify_server(leaf, intermediates, at)
    }

    pub(super) fn verify_server(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = provider().signature_verification_algorithms.all;
        let leaf = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, intermediates, now, algorithms)
    }
}

// === impl MeshVerifier ===

impl MeshVerifier {
    pub(super) fn new(standing: Arc<Standing>, clients: ClientAuth) -> Self {
        Self { standing, clients }
    }
}

impl ServerCertVerifier for MeshVerifier {
    /// The name that was dialled says nothing: nodes are known by their SPIFFE ids.
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.standing.current.load().trust.verify_server(leaf, intermediates, now)?;
        verify_node(&self.standing, leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature_schemes()
    }
}

impl ClientCertVerifier for MeshVerifier {
    fn client_auth_mandatory(&self) -> bool {
        match self.clients {
            ClientAuth::Required => true,
            ClientAuth::Optional => false,
        }
    }

    /// No hints: a node has one certificate to show.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let clients = self.standing.current.load().trust.clients.clone();
        let verified = clients.verify_client_cert(leaf, intermediates, now)?;
        verify_node(&self.standing, leaf)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature_schemes()
    }
}

fn verify_node(standing: &Standing, leaf: &CertificateDer<'_>) -> Result<(), Error> {
    let id = spiffe_id(leaf)?;
    if id.mesh != standing.current.load().own.id.mesh {
        return Err(Unwelcome::OtherMesh { id }.into());
    }
    if standing.evicted.borrow().contains(&id.node) {
        return Err(Unwelcome::Evicted { id }.into());
    }
    Ok(())
}

pub(super) fn spiffe_id(leaf: &CertificateDer<'_>) -> Result<SpiffeId, Unwelcome> {
    Ok(Certificate::parse(leaf)?.spiffe_id()?)
}

impl From<Unwelcome> for Error {
    fn from(unwelcome: Unwelcome) -> Self {
        CertificateError::Other(OtherError(Arc::new(unwelcome))).into()
    }
}

// === signatures of handshakes ===

/// Never asked for, as no configuration speaks TLS 1.2.
pub(super) fn signature_tls12(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls12_signature(message, leaf, signed, &provider().signature_verification_algorithms)
}

pub(super) fn signature_tls13(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, leaf, signed, &provider().signature_verification_algorithms)
}

pub(super) fn signature_schemes() -> Vec<SignatureScheme> {
    provider().signature_verification_algorithms.supported_schemes()
}
