//! What a node is in its mesh.

use std::fmt;

use gossamer_oci::PluginName;

use crate::codec::{parse, required};
use crate::error::InvalidMessage;
use crate::proto::mesh::v1 as proto;

/// What a node is in its mesh. Its certificate says so; nobody is believed on their word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Gateway, registry and issuer.
    Core,
    /// One instance of the named plugin.
    Plugin(PluginName),
    /// Runs processes and announces for them.
    Agent,
}

// === impl Role ===

impl Role {
    /// The name of the plugin that this node is an instance of.
    pub fn plugin(&self) -> Option<&PluginName> {
        match self {
            Self::Plugin(name) => Some(name),
            Self::Core | Self::Agent => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core => f.write_str("core"),
            Self::Plugin(name) => write!(f, "plugin/{name}"),
            Self::Agent => f.write_str("agent"),
        }
    }
}

impl From<&Role> for proto::Role {
    fn from(role: &Role) -> Self {
        let kind = match role {
            Role::Core => proto::role::Kind::Core(proto::role::Core {}),
            Role::Plugin(name) => proto::role::Kind::Plugin(name.to_string()),
            Role::Agent => proto::role::Kind::Agent(proto::role::Agent {}),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<proto::Role> for Role {
    type Error = InvalidMessage;

    fn try_from(wire: proto::Role) -> Result<Self, InvalidMessage> {
        let proto::Role { kind } = wire;
        Ok(match required("role", kind)? {
            proto::role::Kind::Core(proto::role::Core {}) => Self::Core,
            proto::role::Kind::Plugin(name) => Self::Plugin(parse("role.plugin", &name)?),
            proto::role::Kind::Agent(proto::role::Agent {}) => Self::Agent,
        })
    }
}
