//! How a node gets its certificate, and a new one before the old one ends.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use gossamer_oci::Digest;

use crate::MeshName;
use crate::codec::{self, address_from_wire, digest_from_wire, digest_to_wire, parse};
use crate::error::InvalidMessage;
use crate::proto::join::v1 as proto;

/// A token, and a signing request of a few hundred bytes with room for its extensions.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// A short chain, the roots of a rotation and the addresses of the cores.
const RESPONSE_BYTES_MAX: usize = 128 * 1024;

/// "I hold this one-time secret; certify my key." May be repeated with the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinRequest {
    pub token_id: String,
    pub secret: String,
    /// PKCS #10, DER.
    pub csr: Bytes,
    /// Of a joining core: PKCS #10, DER, by the key with which it will issue itself.
    pub authority_csr: Option<Bytes>,
}

/// A certificate, and what it takes to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinResponse {
    /// X.509, DER, leaf first.
    pub chain: Vec<Bytes>,
    /// X.509, DER. More than one while the root is being rotated.
    pub roots: Vec<Bytes>,
    pub mesh: MeshName,
    /// Where cores gossip.
    pub cores: Vec<SocketAddr>,
    /// X.509, DER, of a core's own authority first. Empty for everybody else.
    pub authority: Vec<Bytes>,
}

/// "I have stored it; burn the token."
#[derive(Clone, PartialEq, Eq)]
pub struct JoinConfirm {
    pub token_id: String,
    pub secret: String,
    /// Of the leaf certificate's DER.
    pub certificate_digest: Digest,
}

/// The token is burnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinConfirmed;

/// "Certify this key for who I am." The caller's present certificate says who that is; the answer
/// is a [`JoinResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewRequest {
    /// PKCS #10, DER.
    pub csr: Bytes,
}

/// "Certify this key for who I was." The chain has ended, so that TLS would refuse it; the answer is a
/// [`JoinResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReattestRequest {
    /// PKCS #10, DER, by the key of the leaf.
    pub csr: Bytes,
    /// X.509, DER, leaf first.
    pub chain: Vec<Bytes>,
}

// === impl JoinRequest ===

impl JoinRequest {
    pub fn encode(&self) -> Bytes {
        let Self { token_id, secret, csr, authority_csr } = self.clone();
        codec::encode(&proto::JoinRequest { token_id, secret, csr, authority_csr })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::JoinRequest { token_id, secret, csr, authority_csr } =
            codec::decode(bytes, REQUEST_BYTES_MAX)?;
        Ok(Self { token_id, secret, csr, authority_csr })
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token_id, secret: _, csr, authority_csr: _ } = self;
        f.debug_struct("JoinRequest")
            .field("token_id", token_id)
            .field("csr_bytes", &csr.len())
            .finish_non_exhaustive()
    }
}

// === impl JoinResponse ===

impl JoinResponse {
    pub fn encode(&self) -> Bytes {
        let Self { chain, roots, mesh, cores, authority } = self;
        codec::encode(&proto::JoinResponse {
            chain: chain.clone(),
            roots: roots.clone(),
            mesh: mesh.to_string(),
            cores: cores.iter().map(Into::into).collect(),
            authority: authority.clone(),
        })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::JoinResponse { chain, roots, mesh, cores, authority } =
            codec::decode(bytes, RESPONSE_BYTES_MAX)?;
        Ok(Self {
            chain,
            roots,
            mesh: parse("mesh", &mesh)?,
            cores: cores
                .into_iter()
                .map(|address| address_from_wire("cores", address))
                .collect::<Result<_, _>>()?,
            authority,
        })
    }
}

// === impl JoinConfirm ===

impl JoinConfirm {
    pub fn encode(&self) -> Bytes {
        let Self { token_id, secret, certificate_digest } = self;
        codec::encode(&proto::JoinConfirm {
            token_id: token_id.clone(),
            secret: secret.clone(),
            certificate_digest: digest_to_wire(certificate_digest),
        })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::JoinConfirm { token_id, secret, certificate_digest } =
            codec::decode(bytes, REQUEST_BYTES_MAX)?;
        Ok(Self {
            token_id,
            secret,
            certificate_digest: digest_from_wire("certificate_digest", &certificate_digest)?,
        })
    }
}

impl fmt::Debug for JoinConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token_id, secret: _, certificate_digest } = self;
        f.debug_struct("JoinConfirm")
            .field("token_id", token_id)
            .field("certificate_digest", certificate_digest)
            .finish_non_exhaustive()
    }
}

// === impl JoinConfirmed ===

impl JoinConfirmed {
    pub fn encode(&self) -> Bytes {
        let Self = self;
        codec::encode(&proto::JoinConfirmed {})
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::JoinConfirmed {} = codec::decode(bytes, REQUEST_BYTES_MAX)?;
        Ok(Self)
    }
}

// === impl RenewRequest ===

impl RenewRequest {
    pub fn encode(&self) -> Bytes {
        let Self { csr } = self.clone();
        codec::encode(&proto::RenewRequest { csr })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::RenewRequest { csr } = codec::decode(bytes, REQUEST_BYTES_MAX)?;
        Ok(Self { csr })
    }
}

// === impl ReattestRequest ===

impl ReattestRequest {
    pub fn encode(&self) -> Bytes {
        let Self { csr, chain } = self.clone();
        codec::encode(&proto::ReattestRequest { csr, chain })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::ReattestRequest { csr, chain } = codec::decode(bytes, REQUEST_BYTES_MAX)?;
        Ok(Self { csr, chain })
    }
}
