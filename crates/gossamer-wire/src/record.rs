//! What every node gossips.

use std::net::SocketAddr;

use bytes::Bytes;
use gossamer_oci::Digest;
use semver::Version;

use crate::codec::{self, address_from_wire, bounded, digest_from_wire_optional, digest_to_wire};
use crate::codec::{node_from_wire, node_to_wire, parse_optional, required};
use crate::error::InvalidMessage;
use crate::proto::mesh::v1 as proto;
use crate::{Generation, NodeId, Role};

/// Keeps a record, with the longest of everything and SHA-256 digests, under 300 bytes.
pub(crate) const VERSION_BYTES_MAX: usize = 64;
/// What must fit beside other gossip into one packet of 1 150 bytes.
const BYTES_MAX: usize = 512;

/// The gossiped word of one node: digests, not bodies. At most some 300 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub node: NodeId,
    /// Grows with each change that the node makes; the highest is the truth.
    pub revision: u64,
    pub generation: Generation,
    pub role: Role,
    /// The version of the software; at most 64 bytes as text.
    pub version: Option<Version>,
    /// Where the node serves HTTP/2 over mutual TLS.
    pub service: Option<SocketAddr>,
    /// Of a plugin: the digest of its [`crate::Announcement`].
    pub announcement: Option<Digest>,
    /// Of a core: the digest of the routes it decides by.
    pub route_table: Option<Digest>,
    /// The node is about to stop: nothing new for it.
    pub leaving: bool,
}

// === impl Record ===

impl Record {
    pub fn encode(&self) -> Bytes {
        codec::encode(&proto::Record::from(self))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        codec::decode::<proto::Record>(bytes, BYTES_MAX)?.try_into()
    }
}

impl From<&Record> for proto::Record {
    fn from(record: &Record) -> Self {
        let Record { node, revision, generation, role, version, service, announcement, route_table, leaving } =
            record;
        let raw = |digest: &Option<Digest>| digest.as_ref().map(digest_to_wire).unwrap_or_default();
        Self {
            node: node_to_wire(*node),
            revision: *revision,
            generation: generation.get(),
            role: Some(role.into()),
            version: version.as_ref().map(Version::to_string).unwrap_or_default(),
            service: service.as_ref().map(Into::into),
            announcement: raw(announcement),
            route_table: raw(route_table),
            leaving: *leaving,
        }
    }
}

impl TryFrom<proto::Record> for Record {
    type Error = InvalidMessage;

    fn try_from(wire: proto::Record) -> Result<Self, InvalidMessage> {
        let proto::Record {
            node,
            revision,
            generation,
            role,
            version,
            service,
            announcement,
            route_table,
            leaving,
        } = wire;
        bounded("version", version.len(), VERSION_BYTES_MAX)?;
        Ok(Self {
            node: node_from_wire("node", &node)?,
            revision,
            generation: Generation::new(generation),
            role: required("role", role)?.try_into()?,
            version: parse_optional("version", &version)?,
            service: service.map(|address| address_from_wire("service", address)).transpose()?,
            announcement: digest_from_wire_optional("announcement", &announcement)?,
            route_table: digest_from_wire_optional("route_table", &route_table)?,
            leaving,
        })
    }
}
