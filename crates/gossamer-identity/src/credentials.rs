//! What an issuer gives a node, and how a node keeps it: its chain, and whom to trust.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gossamer_oci::Digest;
use gossamer_wire::{JoinResponse, MeshName};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::files::{self, Readers};

/// The leaf and what leads from it towards a root. Written last: with it, a node has joined.
const CHAIN_FILE: &str = "chain.pem";
const ROOTS_FILE: &str = "roots.pem";

const PEM_TAG: &str = "CERTIFICATE";

/// A node's certificates. None of them is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// X.509, DER, leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// X.509, DER. More than one while the root is being rotated.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Why stored certificates could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read or write {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is not a list of certificates in PEM")]
    Malformed { path: PathBuf, source: rustls::pki_types::pem::Error },
}

// === impl Credentials ===

impl Credentials {
    /// What an issuer answered. Not checked yet: that is for [`Identity::new`](crate::Identity::new).
    pub fn from_response(response: &JoinResponse) -> Self {
        let certificate = |der: &Bytes| CertificateDer::from(der.to_vec());
        Self {
            chain: response.chain.iter().map(certificate).collect(),
            roots: response.roots.iter().map(certificate).collect(),
        }
    }

    /// What an issuer answers, with the QUIC addresses of the mesh's cores.
    pub fn to_response(&self, mesh: MeshName, cores: Vec<SocketAddr>) -> JoinResponse {
        let bytes = |certificates: &[CertificateDer<'_>]| {
            certificates.iter().map(|der| der.to_vec().into()).collect()
        };
        JoinResponse {
            chain: bytes(&self.chain),
            roots: bytes(&self.roots),
            mesh,
            cores,
            authority: Vec::new(),
        }
    }

    /// SHA-256 over the DER of the leaf.
    pub fn leaf_digest(&self) -> Digest {
        Digest::sha256(self.chain.first().map_or(&[], |leaf| leaf))
    }

    /// What [`store`](Self::store) wrote last, `None` if it never ended.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, CredentialsError> {
        let chain = read_pem(&directory.join(CHAIN_FILE))?;
        let roots = read_pem(&directory.join(ROOTS_FILE))?;
        Ok(chain.zip(roots).map(|(chain, roots)| Self { chain, roots }))
    }

    /// Each file is replaced whole and synced, the roots first. A crash in between leaves new roots with
    /// an old chain, which is sound because roots overlap for longer than any chain lives.
    pub(crate) fn store(&self, directory: &Path) -> Result<(), CredentialsError> {
        let Self { chain, roots } = self;
        write_pem(&directory.join(ROOTS_FILE), roots)?;
        write_pem(&directory.join(CHAIN_FILE), chain)
    }
}

/// Reads certificates in PEM, `None` if there is no such file.
pub(crate) fn read_pem(path: &Path) -> Result<Option<Vec<CertificateDer<'static>>>, CredentialsError> {
    let content = match files::read(path) {
        Ok(Some(content)) => content,
        Ok(None) => return Ok(None),
        Err(source) => return Err(CredentialsError::File { path: path.into(), source }),
    };
    match CertificateDer::pem_slice_iter(&content).collect() {
        Ok(certificates) => Ok(Some(certificates)),
        Err(source) => Err(CredentialsError::Malformed { path: path.into(), source }),
    }
}

/// Replaces the file, in a directory that is made if it is missing.
pub(crate) fn write_pem(path: &Path, certificates: &[CertificateDer<'_>]) -> Result<(), CredentialsError> {
    let pems: Vec<_> = certificates.iter().map(|der| pem::Pem::new(PEM_TAG, der.to_vec())).collect();
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let content = pem::encode_many_config(&pems, config);
    files::create_directory(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| files::replace(path, content.as_bytes(), Readers::Everybody))
        .map_err(|source| CredentialsError::File { path: path.into(), source })
}
