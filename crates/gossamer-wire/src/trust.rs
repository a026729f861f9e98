//! What cores tell each other, and every member, of whom to trust.

use bytes::Bytes;
use gossamer_oci::Digest;

use crate::NodeId;
use crate::codec::{self, bounded, digest_from_wire, digest_to_wire, node_from_wire, node_to_wire};
use crate::error::InvalidMessage;
use crate::proto::join::v1 as proto;

/// Some 30 bytes for each eviction.
const BYTES_MAX: usize = 256 * 1024;

/// "These are our roots, and these nodes are out." Both the request and the answer of [`crate::method::TRUST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Of the roots that the sender trusts.
    pub roots: Digest,
    /// At most [`Trust::EVICTIONS_MAX`].
    pub evictions: Vec<Eviction>,
}

/// A node that may not speak any more, although its certificate may not have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    pub node: NodeId,
    /// When the last certificate that it may have is of no use any more, in seconds since 1970.
    pub until: i64,
}

// === impl Trust ===

impl Trust {
    /// A mesh that evicts more nodes than this in the life of a certificate makes itself anew.
    pub const EVICTIONS_MAX: usize = 4_096;

    pub fn encode(&self) -> Bytes {
        let Self { roots, evictions } = self;
        let evictions = evictions
            .iter()
            .map(|Eviction { node, until }| proto::Eviction { node: node_to_wire(*node), until: *until })
            .collect();
        codec::encode(&proto::Trust { roots: digest_to_wire(roots), evictions })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::Trust { roots, evictions } = codec::decode(bytes, BYTES_MAX)?;
        bounded("evictions", evictions.len(), Self::EVICTIONS_MAX)?;
        let evictions = evictions
            .into_iter()
            .map(|proto::Eviction { node, until }| {
                Ok(Eviction { node: node_from_wire("evictions.node", &node)?, until })
            })
            .collect::<Result<_, InvalidMessage>>()?;
        Ok(Self { roots: digest_from_wire("roots", &roots)?, evictions })
    }
}
