//! SPIFFE ids: who a certificate says its holder is.

use std::fmt;
use std::str::FromStr;

use gossamer_wire::{MeshName, NodeId, Role};
use serde::{Deserialize, Serialize};

/// Every SPIFFE id starts so (SPIFFE-ID, section 2).
const SCHEME: &str = "spiffe://";

/// A node of a mesh: `spiffe://<mesh>/core/<node>`, `/plugin/<name>/<node>` or `/agent/<node>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    pub mesh: MeshName,
    pub role: Role,
    pub node: NodeId,
}

/// Why a URI names no node of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    #[error("a SPIFFE id starts with {SCHEME}")]
    Scheme,
    #[error("the trust domain is not a mesh name")]
    Mesh,
    #[error("the path is none of /core/<node>, /plugin/<name>/<node>, /agent/<node>")]
    Path,
    #[error("the last part is not a node id")]
    Node,
}

// === impl SpiffeId ===

impl SpiffeId {
    /// The id of the mesh itself, which its CA certificates carry (SPIFFE X509-SVID, section 3.1).
    pub(crate) fn of_mesh(mesh: &MeshName) -> String {
        format!("{SCHEME}{mesh}")
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mesh, role, node } = self;
        write!(f, "{SCHEME}{mesh}/{role}/{node}")
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let rest = text.strip_prefix(SCHEME).ok_or(InvalidSpiffeId::Scheme)?;
        let (mesh, path) = rest.split_once('/').ok_or(InvalidSpiffeId::Path)?;
        let (role, node) = path.rsplit_once('/').ok_or(InvalidSpiffeId::Path)?;
        Ok(Self {
            mesh: mesh.parse().map_err(|_| InvalidSpiffeId::Mesh)?,
            role: parse_role(role).ok_or(InvalidSpiffeId::Path)?,
            node: node.parse().map_err(|_| InvalidSpiffeId::Node)?,
        })
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = InvalidSpiffeId;

    fn try_from(text: String) -> Result<Self, InvalidSpiffeId> {
        text.parse()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.to_string()
    }
}

/// The inverse of how a role is displayed, which is how SPIFFE paths, tokens and the ledger name it.
pub(crate) fn parse_role(path: &str) -> Option<Role> {
    match path {
        "core" => Some(Role::Core),
        "agent" => Some(Role::Agent),
        _ => path.strip_prefix("plugin/")?.parse().ok().map(Role::Plugin),
    }
}

#[cfg(test)]
mod tests;
