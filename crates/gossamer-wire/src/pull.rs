//! How an announcement is fetched from the node that made it.

use bytes::Bytes;
use gossamer_oci::Digest;

use crate::codec::{self, digest_from_wire, digest_to_wire};
use crate::error::InvalidMessage;
use crate::proto::mesh::v1 as proto;

/// A digest and its framing.
const REQUEST_BYTES_MAX: usize = 128;
/// The longest announcement and its framing.
const RESPONSE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// "Give me the announcement of this name."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub digest: Digest,
}

/// The announcement as encoded, or the word that there is none of that name (any more).
/// Whoever asked verifies the digest before decoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullResponse {
    pub announcement: Option<Bytes>,
}

// === impl PullRequest ===

impl PullRequest {
    pub fn encode(&self) -> Bytes {
        let Self { digest } = self;
        let digest = digest_to_wire(digest);
        codec::encode(&proto::PullRequest { digest })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::PullRequest { digest } = codec::decode(bytes, REQUEST_BYTES_MAX)?;
        let digest = digest_from_wire("digest", &digest)?;
        Ok(Self { digest })
    }
}

// === impl PullResponse ===

impl PullResponse {
    pub fn encode(&self) -> Bytes {
        let Self { announcement } = self.clone();
        codec::encode(&proto::PullResponse { announcement })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::PullResponse { announcement } = codec::decode(bytes, RESPONSE_BYTES_MAX)?;
        Ok(Self { announcement })
    }
}
