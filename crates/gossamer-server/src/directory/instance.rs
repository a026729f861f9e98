//! One process that answers for a plugin.

use std::net::SocketAddr;

use gossamer_oci::{Digest, PluginName};
use gossamer_wire::{Announcement, Generation, NodeId};
use semver::Version;

/// A live instance of a plugin, as its verified announcement describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The node, whose certificate must say the same.
    pub node: NodeId,
    /// Counts the node's starts: a restarted process is a new generation.
    pub generation: Generation,
    /// What it is an instance of.
    pub plugin: PluginName,
    /// The version it announces.
    pub version: Version,
    /// Where it takes HTTP/2 over mutual TLS.
    pub service: SocketAddr,
    /// The announcement this was read from.
    pub announcement: Digest,
}

// === impl Instance ===

impl Instance {
    /// The instance that `announcement`, whose digest is given, speaks of.
    pub fn of(announcement: &Announcement, digest: Digest) -> Self {
        Self {
            node: announcement.node,
            generation: announcement.generation,
            plugin: announcement.plugin.clone(),
            version: announcement.version.clone(),
            service: announcement.service,
            announcement: digest,
        }
    }
}
