//! What one core tells another of its route table, so that they can find out why they differ.

use bytes::Bytes;
use gossamer_oci::{Digest, MediaType, PluginName};
use semver::Version;

use crate::codec::{self, digest_from_wire, digest_to_wire, parse};
use crate::error::InvalidMessage;
use crate::proto::mesh::v1 as proto;

/// A thousand plugins that claim some fifty media types each.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// What one core routes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Of the whole table, as it is gossiped.
    pub digest: Digest,
    pub plugins: Vec<PluginRoute>,
    pub last_good: Vec<LastGood>,
}

/// By what the requests of one plugin are decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRoute {
    pub plugin: PluginName,
    pub version: Version,
    pub policy: Digest,
    pub media_types: Vec<MediaType>,
    /// Live instances.
    pub instances: u32,
}

/// The announcement that a plugin is routed by while it is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGood {
    pub plugin: PluginName,
    pub announcement: Digest,
    /// When a core began to route by it: milliseconds since 1970, by that core's clock.
    pub since_ms: u64,
}

// === impl Routes ===

impl Routes {
    pub fn encode(&self) -> Bytes {
        let Self { digest, plugins, last_good } = self;
        let digest = digest_to_wire(digest);
        let plugins = plugins.iter().map(Into::into).collect();
        let last_good = last_good.iter().map(Into::into).collect();
        codec::encode(&proto::Routes { digest, plugins, last_good })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        let proto::Routes { digest, plugins, last_good } = codec::decode(bytes, BYTES_MAX)?;
        Ok(Self {
            digest: digest_from_wire("digest", &digest)?,
            plugins: plugins.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            last_good: last_good.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

// === impl PluginRoute ===

impl From<&PluginRoute> for proto::PluginRoute {
    fn from(route: &PluginRoute) -> Self {
        let PluginRoute { plugin, version, policy, media_types, instances } = route;
        Self {
            plugin: plugin.to_string(),
            version: version.to_string(),
            policy: digest_to_wire(policy),
            media_types: media_types.iter().map(ToString::to_string).collect(),
            instances: *instances,
        }
    }
}

impl TryFrom<proto::PluginRoute> for PluginRoute {
    type Error = InvalidMessage;

    fn try_from(wire: proto::PluginRoute) -> Result<Self, InvalidMessage> {
        let proto::PluginRoute { plugin, version, policy, media_types, instances } = wire;
        let media_types = media_types.iter().map(|text| parse("plugins.media_types", text));
        Ok(Self {
            plugin: parse("plugins.plugin", &plugin)?,
            version: parse("plugins.version", &version)?,
            policy: digest_from_wire("plugins.policy", &policy)?,
            media_types: media_types.collect::<Result<_, _>>()?,
            instances,
        })
    }
}

// === impl LastGood ===

impl From<&LastGood> for proto::LastGood {
    fn from(last_good: &LastGood) -> Self {
        let LastGood { plugin, announcement, since_ms } = last_good;
        let announcement = digest_to_wire(announcement);
        Self { plugin: plugin.to_string(), announcement, since_ms: *since_ms }
    }
}

impl TryFrom<proto::LastGood> for LastGood {
    type Error = InvalidMessage;

    fn try_from(wire: proto::LastGood) -> Result<Self, InvalidMessage> {
        let proto::LastGood { plugin, announcement, since_ms } = wire;
        let plugin = parse("last_good.plugin", &plugin)?;
        let announcement = digest_from_wire("last_good.announcement", &announcement)?;
        Ok(Self { plugin, announcement, since_ms })
    }
}
