//! TLS for a node that has nothing yet but a token: it knows the mesh's CA by its pin.

use std::sync::Arc;

use gossamer_wire::Role;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::verify::{self, Trust, Unwelcome};
use super::{Bases, TlsError, finish, verified_by};
use crate::Pin;

/// Accepts a core whose chain ends in the pinned CA.
#[derive(Debug)]
struct PinnedVerifier {
    pin: Pin,
}

/// For dialling a core before having a certificate: shows none, and accepts only a core whose chain ends
/// in a CA with this pin.
pub fn pinned_client_config(pin: Pin, alpns: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let config = verified_by(&Bases::new()?, Arc::new(PinnedVerifier { pin })).with_no_client_auth();
    Ok(Arc::new(finish(config, alpns)))
}

// === impl PinnedVerifier ===

impl ServerCertVerifier for PinnedVerifier {
    /// A root is trusted for its pin alone. A forged one with the same public key helps nobody, because
    /// the leaf must be signed by that key.
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let root = intermediates
            .iter()
            .find(|certificate| Pin::of(certificate) == Ok(self.pin))
            .ok_or(CertificateError::UnknownIssuer)?;
        let trust = Trust::new(std::slice::from_ref(root)).map_err(|_| CertificateError::BadEncoding)?;
        trust.verify_server(leaf, intermediates, now)?;
        let id = verify::spiffe_id(leaf)?;
        match id.role {
            Role::Core => Ok(ServerCertVerified::assertion()),
            Role::Plugin(_) | Role::Agent => Err(Unwelcome::NotACore { id }.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify::signature_tls12(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify::signature_tls13(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        verify::signature_schemes()
    }
}
