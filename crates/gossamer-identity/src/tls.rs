//! TLS between nodes: 1.3 only, both sides by certificate, crypto by aws-lc-rs without a process default.

mod pinned;
mod verify;

use std::sync::{Arc, LazyLock};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, ServerConfig, SignatureScheme, WantsVerifier, version};

use crate::identity::Standing;

pub use pinned::pinned_client_config;
use verify::MeshVerifier;
pub(crate) use verify::Trust;

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// Whether who connects must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    Required,
    /// For the endpoint that also answers nodes that have none yet. One that is shown is still verified.
    Optional,
}

/// Why no TLS configuration can be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS 1.3 is not available")]
    Protocol(#[source] rustls::Error),
    #[error("a root is not a certificate")]
    Root(#[source] rustls::Error),
    #[error("there is no root to trust")]
    NoRoot(#[source] VerifierBuilderError),
}

/// Beginnings of configurations, made once, where an error can still be told.
pub(crate) struct Bases {
    server: ConfigBuilder<ServerConfig, WantsVerifier>,
    client: ConfigBuilder<ClientConfig, WantsVerifier>,
}

/// The certificate that a node has at the moment of the handshake.
#[derive(Debug)]
struct Resolver(Arc<Standing>);

/// What rustls and quinn want to call whom they dial. Never sent, and never looked for in a certificate.
pub fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0, 0, 0, 0])))
}

pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    &PROVIDER
}

pub(crate) fn server_config(
    bases: &Bases,
    standing: &Arc<Standing>,
    alpns: &[&[u8]],
    clients: ClientAuth,
) -> Arc<ServerConfig> {
    let verifier = MeshVerifier::new(standing.clone(), clients);
    let mut config = bases
        .server
        .clone()
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Resolver(standing.clone())));
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.to_vec()).collect();
    // A resumed session would skip the certificates, and with them expiry and renewal.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

pub(crate) fn client_config(bases: &Bases, standing: &Arc<Standing>, alpns: &[&[u8]]) -> Arc<ClientConfig> {
    let verifier = MeshVerifier::new(standing.clone(), ClientAuth::Required);
    let config = verified_by(bases, Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Resolver(standing.clone())));
    Arc::new(finish(config, alpns))
}

fn verified_by(
    bases: &Bases,
    verifier: Arc<dyn ServerCertVerifier>,
) -> ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    bases.client.clone().dangerous().with_custom_certificate_verifier(verifier)
}

fn finish(mut config: ClientConfig, alpns: &[&[u8]]) -> ClientConfig {
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.to_vec()).collect();
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config
}

// === impl Bases ===

impl Bases {
    pub(crate) fn new() -> Result<Self, TlsError> {
        let versions = &[&version::TLS13];
        let server = ServerConfig::builder_with_provider(PROVIDER.clone());
        let client = ClientConfig::builder_with_provider(PROVIDER.clone());
        Ok(Self {
            server: server.with_protocol_versions(versions).map_err(TlsError::Protocol)?,
            client: client.with_protocol_versions(versions).map_err(TlsError::Protocol)?,
        })
    }
}

// === impl Resolver ===

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load().certified.clone())
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load().certified.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
