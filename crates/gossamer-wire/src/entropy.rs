//! The anti-entropy exchange: what gossip lost, two members tell each other.

use bytes::Bytes;

use crate::codec::{self, node_from_wire, node_to_wire};
use crate::error::InvalidMessage;
use crate::proto::mesh::v1 as proto;
use crate::{NodeId, Record};

/// 30 bytes for each of some 30 000 nodes.
const SUMMARY_BYTES_MAX: usize = 1024 * 1024;
/// 300 bytes for each of some 25 000 nodes.
const DELTA_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Whom one member has heard of, and up to which revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub revisions: Vec<(NodeId, u64)>,
}

/// The answer to a [`Summary`]: what the other side lacks, and of whom we lack the newer word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    pub records: Vec<Record>,
    pub wanted: Vec<NodeId>,
}

// === impl Summary ===

impl Summary {
    pub fn encode(&self) -> Bytes {
        let Self { revisions } = self;
        let revisions = revisions
            .iter()
            .map(|(node, revision)| proto::Revision { node: node_to_wire(*node), revision: *revision })
            .collect();
        codec::encode(&proto::Summary { revisions })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::Summary { revisions } = codec::decode(bytes, SUMMARY_BYTES_MAX)?;
        let revisions = revisions
            .into_iter()
            .map(|proto::Revision { node, revision }| {
                Ok((node_from_wire("revisions.node", &node)?, revision))
            })
            .collect::<Result<_, InvalidMessage>>()?;
        Ok(Self { revisions })
    }
}

// === impl Delta ===

impl Delta {
    pub fn encode(&self) -> Bytes {
        let Self { records, wanted } = self;
        let records = records.iter().map(Into::into).collect();
        let wanted = wanted.iter().copied().map(node_to_wire).collect();
        codec::encode(&proto::Delta { records, wanted })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::Delta { records, wanted } = codec::decode(bytes, DELTA_BYTES_MAX)?;
        Ok(Self {
            records: records.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            wanted: wanted.iter().map(|node| node_from_wire("wanted", node)).collect::<Result<_, _>>()?,
        })
    }
}
