//! What a plugin says of itself.

use std::net::SocketAddr;

use bytes::Bytes;
use gossamer_oci::{Digest, MediaType, PluginName};
use semver::Version;

use crate::codec::{self, address_from_wire, bounded, node_from_wire, node_to_wire};
use crate::codec::{parse, required};
use crate::error::InvalidMessage;
use crate::policy::{DATA_BYTES_MAX, MODULE_BYTES_MAX};
use crate::proto::mesh::v1 as proto;
use crate::record::VERSION_BYTES_MAX;
use crate::{Generation, NodeId, Policy};

/// Claims are compared pairwise between plugins; no kind of artifact has near as many types.
const MEDIA_TYPES_MAX: usize = 256;
/// A plugin does few kinds of work.
const KINDS_MAX: usize = 64;
const KIND_BYTES_MAX: usize = 64;
/// A policy and all that is beside it, with 512 bytes for each media type.
const BYTES_MAX: usize = MODULE_BYTES_MAX + DATA_BYTES_MAX + MEDIA_TYPES_MAX * 512;

/// What one plugin instance says of itself. Content-addressed: [`Announcement::digest`] names it,
/// gossip carries that name, and who wants the content pulls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    pub node: NodeId,
    pub generation: Generation,
    pub plugin: PluginName,
    pub version: Version,
    /// The media types whose artifacts and events the plugin claims; at most 256.
    pub media_types: Vec<MediaType>,
    /// The kinds of work it does besides, such as `task` or `hook`; at most 64.
    pub kinds: Vec<String>,
    /// Where it serves HTTP/2 over mutual TLS.
    pub service: SocketAddr,
    pub policy: Policy,
}

// === impl Announcement ===

impl Announcement {
    /// Equal announcements have equal bytes.
    pub fn encode(&self) -> Bytes {
        codec::encode(&proto::Announcement::from(self))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        codec::decode::<proto::Announcement>(bytes, BYTES_MAX)?.try_into()
    }

    /// The SHA-256 of [`Announcement::encode`].
    pub fn digest(&self) -> Digest {
        Digest::sha256(&self.encode())
    }
}

impl From<&Announcement> for proto::Announcement {
    fn from(announcement: &Announcement) -> Self {
        let Announcement { node, generation, plugin, version, media_types, kinds, service, policy } =
            announcement;
        Self {
            node: node_to_wire(*node),
            generation: generation.get(),
            plugin: plugin.to_string(),
            version: version.to_string(),
            media_types: media_types.iter().map(ToString::to_string).collect(),
            kinds: kinds.clone(),
            service: Some(service.into()),
            policy: Some(policy.into()),
        }
    }
}

impl TryFrom<proto::Announcement> for Announcement {
    type Error = InvalidMessage;

    fn try_from(wire: proto::Announcement) -> Result<Self, InvalidMessage> {
        let proto::Announcement { node, generation, plugin, version, media_types, kinds, service, policy } =
            wire;
        bounded("version", version.len(), VERSION_BYTES_MAX)?;
        bounded("media_types", media_types.len(), MEDIA_TYPES_MAX)?;
        bounded("kinds", kinds.len(), KINDS_MAX)?;
        for kind in &kinds {
            bounded("kinds", kind.len(), KIND_BYTES_MAX)?;
        }
        Ok(Self {
            node: node_from_wire("node", &node)?,
            generation: Generation::new(generation),
            plugin: parse("plugin", &plugin)?,
            version: parse("version", &version)?,
            media_types: media_types
                .iter()
                .map(|text| parse("media_types", text))
                .collect::<Result<_, _>>()?,
            kinds,
            service: address_from_wire("service", required("service", service)?)?,
            policy: required("policy", policy)?.try_into()?,
        })
    }
}
