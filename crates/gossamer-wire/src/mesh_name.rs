//! The name of a trust domain.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The length of one DNS label: a mesh name is the authority of SPIFFE ids and may name a host.
const BYTES_MAX: usize = 63;

/// The name of one mesh: lower-case letters, digits and inner hyphens, at most 63 bytes.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MeshName(Arc<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mesh name is 1 to 63 lower-case letters, digits and inner hyphens")]
pub struct InvalidMeshName;

// === impl MeshName ===

impl MeshName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MeshName {
    type Err = InvalidMeshName;

    fn from_str(text: &str) -> Result<Self, InvalidMeshName> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=BYTES_MAX).contains(&text.len())
            && text.bytes().all(known)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Self(text.into())) } else { Err(InvalidMeshName) }
    }
}

impl TryFrom<String> for MeshName {
    type Error = InvalidMeshName;

    fn try_from(text: String) -> Result<Self, InvalidMeshName> {
        text.parse()
    }
}

impl From<MeshName> for String {
    fn from(name: MeshName) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for MeshName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
