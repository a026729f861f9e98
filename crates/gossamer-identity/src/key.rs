//! The one private key of a node: made on it, kept in its directory, never sent.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gossamer_wire::NodeId;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256, Sha512};

use crate::files::{self, Readers};

/// Where the key lies in a node's identity directory.
const FILE: &str = "node.key";

/// Keeps the QUIC keys apart from whatever else may ever be derived from the node key.
const RESET_KEY_LABEL: &[u8] = b"gossamer quic stateless reset key 1";

/// Bytes of a node id.
const NODE_ID_BYTES: usize = 16;

/// An ECDSA P-256 key pair. Cheap to clone; prints nothing of itself.
#[derive(Clone)]
pub struct NodeKey {
    pair: Arc<KeyPair>,
}

/// Why a node has no key. No existing key was changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read or write the key {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the key {path} is not a P-256 private key in PEM")]
    Malformed { path: PathBuf, source: rcgen::Error },
    #[error("cannot make a key")]
    Generate(#[source] rcgen::Error),
    #[error("cannot make a signing request")]
    Request(#[source] rcgen::Error),
}

// === impl NodeKey ===

impl NodeKey {
    /// A new key that exists in memory only.
    pub fn generate() -> Result<Self, KeyError> {
        generate_pair().map(Self::from_pair)
    }

    /// The key of the node whose identity directory this is; made at the first call, mode 0600.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        match Self::load(directory)? {
            Some(key) => Ok(key),
            None => create_pair(directory, FILE).map(Self::from_pair),
        }
    }

    /// The key in this identity directory, `None` if it was never made.
    pub fn load(directory: &Path) -> Result<Option<Self>, KeyError> {
        Ok(load_pair(directory, FILE)?.map(Self::from_pair))
    }

    fn from_pair(pair: KeyPair) -> Self {
        Self { pair: Arc::new(pair) }
    }

    /// The id under which a node with this key joins.
    pub fn node(&self) -> NodeId {
        node_of(self.pair.der_bytes())
    }

    /// A PKCS #10 request, DER, that proves possession of this key and asks for nothing else:
    /// names, role and grant are the issuer's to say.
    pub fn signing_request(&self) -> Result<Vec<u8>, KeyError> {
        signing_request(&self.pair)
    }

    /// 64 secret bytes, the same after every restart, for the stateless resets and connection ids of
    /// this node's QUIC endpoint.
    pub fn reset_key(&self) -> [u8; 64] {
        let hash = Sha512::new().chain_update(RESET_KEY_LABEL).chain_update(self.pair.serialized_der());
        hash.finalize().into()
    }

    /// A copy for rustls to sign handshakes with.
    pub(crate) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der()).into()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.node())
    }
}

/// The id of the node that joins with this public key, an uncompressed curve point: its hash, cut.
pub(crate) fn node_of(public_key: &[u8]) -> NodeId {
    let hash = Sha256::digest(public_key);
    let mut id = [0; NODE_ID_BYTES];
    for (byte, hashed) in id.iter_mut().zip(hash) {
        *byte = hashed;
    }
    NodeId::from_bytes(id)
}

/// A PKCS #10 request, DER, of nothing but this key.
pub(crate) fn signing_request(pair: &KeyPair) -> Result<Vec<u8>, KeyError> {
    let mut request = rcgen::CertificateParams::default();
    request.distinguished_name = rcgen::DistinguishedName::new();
    let request = request.serialize_request(pair).map_err(KeyError::Request)?;
    Ok(request.der().to_vec())
}

// === key pairs in files ===

/// The P-256 pair in this file, `None` if there is no such file.
pub(crate) fn load_pair(directory: &Path, file: &str) -> Result<Option<KeyPair>, KeyError> {
    let path = directory.join(file);
    let content = match files::read_private(&path) {
        Ok(Some(content)) => content,
        Ok(None) => return Ok(None),
        Err(source) => return Err(KeyError::File { path, source }),
    };
    let pem = String::from_utf8_lossy(&content);
    match KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &rcgen::PKCS_ECDSA_P256_SHA256) {
        Ok(pair) => Ok(Some(pair)),
        Err(source) => Err(KeyError::Malformed { path, source }),
    }
}

/// Makes a pair and stores it, mode 0600, in a directory that is made if it is missing.
pub(crate) fn create_pair(directory: &Path, file: &str) -> Result<KeyPair, KeyError> {
    let pair = generate_pair()?;
    store_pair(directory, file, &pair)?;
    Ok(pair)
}

/// Stores a pair, mode 0600, in place of the one that was there.
pub(crate) fn store_pair(directory: &Path, file: &str, pair: &KeyPair) -> Result<(), KeyError> {
    let path = directory.join(file);
    files::create_directory(directory)
        .and_then(|()| files::replace(&path, pair.serialize_pem().as_bytes(), Readers::Owner))
        .map_err(|source| KeyError::File { path, source })
}

pub(crate) fn generate_pair() -> Result<KeyPair, KeyError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(KeyError::Generate)
}

#[cfg(test)]
mod tests;
