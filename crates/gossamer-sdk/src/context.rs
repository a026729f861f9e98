//! What a plugin is given when it starts.

use std::path::PathBuf;

use gossamer_wire::NodeId;

use crate::{Database, Inbox, Instances, RegistryClient};

/// What a plugin is given when it starts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// This instance, for as long as its data directory lives.
    pub node: NodeId,
    /// The mesh's registry, as this plugin.
    pub registry: RegistryClient,
    /// The events, to wait for one that the plugin has caused.
    pub inbox: Inbox,
    /// SQLite, for the plugin's own tables; their names must not begin with `inbox_`.
    pub database: Database,
    /// The instances of this plugin, to notice that owners have changed.
    pub instances: Instances,
    /// A directory of the plugin's own, which is there and survives restarts.
    pub directory: PathBuf,
}
